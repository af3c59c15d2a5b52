/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/link.h"

#include "common/base/thread.h"
#include "guest/gst/back-off.h"
#include "tests/unit/guest-gst/fake-host.h"
#include "tests/unit/support/support.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Generous: sanitized builds on a busy machine. */
#define LIMIT_US (10 * (gint64)G_USEC_PER_SEC)

/* What a link told, in its thread's order. */
typedef struct {
  Mutex mutex;
  Cond changed;
  guint ups, downs, dropped, units, keys;
  LinkHost host;
  GError *failure;
  GString *answers; /* "1k 2 3! ": request, key or error */
  GString *logs;
  char *folder;
  char *path;
} Rig;

static void rig_init(Rig *rig) {
  *rig = (Rig){.answers = g_string_new(NULL), .logs = g_string_new(NULL), .folder = support_make_folder()};
  rig->path = g_build_filename(rig->folder, "s", NULL);
  mutex_init(&rig->mutex);
  cond_init(&rig->changed);
}

static void rig_finish(Rig *rig) {
  g_string_free(rig->answers, TRUE);
  g_string_free(rig->logs, TRUE);
  g_clear_error(&rig->failure);
  g_free(rig->path);
  support_remove_folder(rig->folder);
  cond_finish(&rig->changed);
  mutex_finish(&rig->mutex);
}

#define IN_RIG(statement)                                                                                              \
  do {                                                                                                                 \
    Rig *rig = data;                                                                                                   \
    mutex_lock(&rig->mutex);                                                                                           \
    statement;                                                                                                         \
    cond_signal(&rig->changed);                                                                                        \
    mutex_unlock(&rig->mutex);                                                                                         \
  } while (0)

static void on_up(const LinkHost *host, gpointer data) {
  IN_RIG((rig->host = *host, rig->ups++));
}

static void on_down(const GError *why, gpointer data) {
  IN_RIG(rig->downs++);
}

static void on_failed(const GError *why, gpointer data) {
  IN_RIG(rig->failure = g_error_copy(why));
}

static void on_unit(LinkUnit *unit, gpointer data) {
  IN_RIG((rig->units++, rig->keys += unit->is_key));
  link_unit_destroy(unit);
}

static void on_answered(guint64 id, LinkUnit *unit, const GError *why, gpointer data) {
  IN_RIG(g_string_append_printf(rig->answers, "%u%s ", (guint)id, why ? "!" : unit->is_key ? "k" : ""));
  link_unit_destroy(unit);
}

static void on_dropped(gpointer data) {
  IN_RIG(rig->dropped++);
}

static void on_log(LogLevel level, const char *text, gpointer data) {
  IN_RIG(g_string_append_printf(rig->logs, "%s\n", text));
}

static const LinkEvents EVENTS = {on_up, on_down, on_failed, on_unit, on_answered, on_dropped, on_log};

static gboolean logged(Rig *rig, const char *text) {
  mutex_lock(&rig->mutex);
  gboolean found = strstr(rig->logs->str, text) != NULL;
  mutex_unlock(&rig->mutex);
  return found;
}

static Link *connect_to(Rig *rig, LinkMode mode, guint timeout_ms) {
  LinkSettings settings = {.mode = mode, .timeout_ms = timeout_ms, .program = "test"};
  g_autoptr(GError) error = NULL;
  g_assert_true(address_parse(rig->path, &settings.address, &error));
  Link *link = link_create(&settings, &EVENTS, rig, &error);
  g_assert_no_error(error);
  return link;
}

#define WAIT(condition)                                                                                                \
  do {                                                                                                                 \
    gint64 end = g_get_monotonic_time() + LIMIT_US;                                                                    \
    mutex_lock(&rig.mutex);                                                                                            \
    while (!(condition)) {                                                                                             \
      if (!cond_wait_until(&rig.changed, &rig.mutex, end)) g_error("%s: never\n%s", #condition, rig.logs->str);        \
    }                                                                                                                  \
    mutex_unlock(&rig.mutex);                                                                                          \
  } while (0)

static void ask(Link *link, guint64 id, gboolean key) {
  link_request(link,
               &(Request){.id = id, .width = 64, .height = 64, .pts_ns = (gint64)id * 1000, .force_keyframe = key});
}

static guint count_words(const char *text, const char *word) {
  guint count = 0;
  for (const char *at = text; (at = strstr(at, word)) != NULL; at++) count++;
  return count;
}

static void assert_failed(Rig *rig, gint code, const char *hop, const char *word) {
  g_test_message("%s", rig->failure->message);
  g_assert_error(rig->failure, LINK_ERROR, code);
  g_assert_true(g_str_has_prefix(rig->failure->message, hop));
  if (!strstr(rig->failure->message, word)) g_error("\"%s\" does not say \"%s\"", rig->failure->message, word);
}

static void test_versions(void) {
  for (guint version = 1; version <= 2; version++) {
    Rig rig;
    rig_init(&rig);
    FakeHost *host = fake_host_start(rig.path, version, HXFR_FEATURE_REQUESTS | HXFR_FEATURE_RESOURCES);
    Link *link = connect_to(&rig, LINK_REQUESTS, 2000);
    WAIT(rig.ups == 1);
    g_assert_cmpuint(rig.host.version, ==, version);
    g_assert_cmpuint(rig.host.features, ==, version == 1 ? 0 : HXFR_FEATURE_REQUESTS | HXFR_FEATURE_RESOURCES);
    for (guint i = 1; i <= 5; i++) ask(link, i, i == 4);
    WAIT(g_str_equal(rig.answers->str, "1k 2 3 4k 5 "));
    FakeHostRecord record = fake_host_record(host);
    g_assert_cmpuint(record.hellos, ==, 1);
    g_assert_cmpuint(record.ping_bytes, ==, 0); /* hosts in the field would stumble over one */
    LinkCounters counters;
    do {
      link_counters(link, &counters); /* told a moment later */
    } while (counters.answers < 5);
    g_assert_cmpuint(counters.requests, ==, 5);
    g_assert_true(logged(&rig, "Receive thread started\n"));
    link_destroy(link);
    g_assert_null(rig.failure);
    fake_host_stop(host);
    rig_finish(&rig);
  }
}

static void test_requests_before_up(void) {
  Rig rig;
  rig_init(&rig);
  FakeHost *host = fake_host_start(rig.path, 2, HXFR_FEATURE_REQUESTS);
  Link *link = connect_to(&rig, LINK_REQUESTS, 2000);
  link_configure(link, &(HxfrConfig){.width = 64, .height = 64, .bitrate = 5});
  for (guint i = 1; i <= 3; i++) ask(link, i, FALSE);
  WAIT(g_str_equal(rig.answers->str, "1k 2 3 "));
  FakeHostRecord record = fake_host_record(host);
  g_assert_cmpuint(record.configs, >=, 1);
  g_assert_cmpuint(record.config.bitrate, ==, 5);
  link_destroy(link);
  fake_host_stop(host);
  rig_finish(&rig);
}

/* A host that has only just begun has nothing to encode: it is not asked before it has. */
static void test_display_starting(void) {
  Rig rig;
  rig_init(&rig);
  FakeHost *host = fake_host_start(rig.path, 2, HXFR_FEATURE_REQUESTS);
  fake_host_set_flags(host, FAKE_HOST_STARTING);
  gint64 begin = g_get_monotonic_time();
  Link *link = connect_to(&rig, LINK_REQUESTS, 2000);
  ask(link, 1, FALSE);
  WAIT(g_str_equal(rig.answers->str, "1k "));
  g_assert_cmpint(g_get_monotonic_time() - begin, >=, 100000);
  link_destroy(link);
  fake_host_stop(host);
  rig_finish(&rig);
}

/* Hosts of version 1 leave requests out without a word: a later answer tells. */
static void test_left_out(void) {
  Rig rig;
  rig_init(&rig);
  FakeHost *host = fake_host_start(rig.path, 1, 0);
  Link *link = connect_to(&rig, LINK_REQUESTS, 2000);
  fake_host_skip(host, 2);
  for (guint i = 1; i <= 4; i++) ask(link, i, FALSE);
  WAIT(g_str_equal(rig.answers->str, "1! 2! 3k 4 "));
  LinkCounters counters = {0};
  while (counters.lost < 2) link_counters(link, &counters); /* told a moment later */
  g_assert_null(rig.failure);
  link_destroy(link);
  fake_host_stop(host);
  rig_finish(&rig);
}

static void test_error_answers(void) {
  for (guint version = 1; version <= 2; version++) {
    Rig rig;
    rig_init(&rig);
    FakeHost *host = fake_host_start(rig.path, version, HXFR_FEATURE_REQUESTS);
    fake_host_set_flags(host, FAKE_HOST_REFUSE_CONFIG);
    Link *link = connect_to(&rig, LINK_REQUESTS, 2000);
    link_configure(link, &(HxfrConfig){.bitrate = 5}); /* its refusal is no request's */
    WAIT(rig.ups == 1);
    fake_host_fail(host, 2, HXFR_ERR_RESOURCE_NOT_FOUND);
    for (guint i = 1; i <= 4; i++) ask(link, i, FALSE);
    WAIT(g_str_equal(rig.answers->str, "1! 2! 3k 4 "));
    g_assert_null(rig.failure);
    g_assert_cmpuint(rig.dropped, ==, 0);
    link_destroy(link);
    fake_host_stop(host);
    rig_finish(&rig);
  }
}

static void test_malformed_answer(void) {
  Rig rig;
  rig_init(&rig);
  FakeHost *host = fake_host_start(rig.path, 2, HXFR_FEATURE_REQUESTS);
  Link *link = connect_to(&rig, LINK_REQUESTS, 2000);
  fake_host_mangle(host, 1);
  for (guint i = 1; i <= 2; i++) ask(link, i, FALSE);
  WAIT(g_str_equal(rig.answers->str, "1! 2 "));
  g_assert_cmpuint(rig.dropped, ==, 1); /* its owner asks for an IDR (F08) */
  g_assert_true(logged(&rig, "Failed to read frame response"));
  link_destroy(link);
  fake_host_stop(host);
  rig_finish(&rig);
}

/* The host goes away with requests unanswered, and comes back: they are asked again, and begin with an IDR. */
static void test_host_restart(void) {
  Rig rig;
  rig_init(&rig);
  FakeHost *host = fake_host_start(rig.path, 2, HXFR_FEATURE_REQUESTS);
  Link *link = connect_to(&rig, LINK_REQUESTS, 2000);
  ask(link, 1, FALSE);
  WAIT(g_str_equal(rig.answers->str, "1k "));
  fake_host_set_flags(host, FAKE_HOST_NO_ANSWERS);
  ask(link, 2, FALSE);
  ask(link, 3, FALSE);
  while (fake_host_n_requests(host) < 3) g_usleep(1000);
  fake_host_stop(host);
  WAIT(rig.downs == 1);
  g_assert_true(logged(&rig, "Connection lost reading header"));
  ask(link, 4, FALSE);
  g_usleep(300000);
  host = fake_host_start(rig.path, 2, HXFR_FEATURE_REQUESTS);
  gint64 begin = g_get_monotonic_time();
  WAIT(g_str_equal(rig.answers->str, "1k 2k 3 4 "));
  g_assert_cmpint(g_get_monotonic_time() - begin, <, G_USEC_PER_SEC);
  g_assert_true(fake_host_request(host, 0).request.force_keyframe);
  g_assert_false(fake_host_request(host, 1).request.force_keyframe);
  g_assert_cmpuint(rig.ups, ==, 2);
  g_assert_null(rig.failure);
  link_destroy(link);
  fake_host_stop(host);
  rig_finish(&rig);
}

static void test_nothing_listens(void) {
  Rig rig;
  rig_init(&rig);
  Link *link = connect_to(&rig, LINK_REQUESTS, 2000);
  WAIT(rig.failure);
  assert_failed(&rig, LINK_ERROR_CONNECT, "connect: ", "is frameliftd running");
  link_destroy(link);
  rig_finish(&rig);
}

/* F03: something takes the connection, and nobody is behind it. */
static void test_silent_listener(void) {
  Rig rig;
  rig_init(&rig);
  FakeHost *host = fake_host_start(rig.path, 2, 0);
  fake_host_set_flags(host, FAKE_HOST_NO_PONG);
  gint64 begin = g_get_monotonic_time();
  Link *link = connect_to(&rig, LINK_REQUESTS, 200);
  WAIT(rig.failure);
  g_assert_cmpint(g_get_monotonic_time() - begin, >=, 190000);
  assert_failed(&rig, LINK_ERROR_PING, "PING: ", "proxy");
  link_destroy(link);
  fake_host_stop(host);
  rig_finish(&rig);
}

static void test_closing_proxy(void) {
  Rig rig;
  rig_init(&rig);
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  g_strlcpy(name.sun_path, rig.path, sizeof name.sun_path);
  int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  g_assert_cmpint(bind(listener, (struct sockaddr *)&name, sizeof name), ==, 0);
  g_assert_cmpint(listen(listener, 1), ==, 0);
  Link *link = connect_to(&rig, LINK_REQUESTS, 2000);
  close(accept(listener, NULL, NULL));
  WAIT(rig.failure);
  assert_failed(&rig, LINK_ERROR_PING, "PING: ", "is there a host behind it");
  link_destroy(link);
  close(listener);
  rig_finish(&rig);
}

/* F01: requests go out, nothing comes back, and somebody says so in time, with the hop. */
static void test_unanswered(void) {
  for (guint alive = 0; alive < 2; alive++) {
    Rig rig;
    rig_init(&rig);
    FakeHost *host = fake_host_start(rig.path, 1 + alive, HXFR_FEATURE_REQUESTS);
    Link *link = connect_to(&rig, LINK_REQUESTS, 400);
    WAIT(rig.ups == 1);
    fake_host_set_flags(host, FAKE_HOST_NO_ANSWERS | (alive ? 0 : FAKE_HOST_NO_PONG));
    gint64 begin = g_get_monotonic_time();
    ask(link, 1, FALSE);
    WAIT(rig.failure || rig.downs);
    g_assert_cmpint(g_get_monotonic_time() - begin, >=, 390000);
    g_assert_nonnull(rig.failure);
    assert_failed(&rig, LINK_ERROR_UNANSWERED, "first answer: ", alive ? "answers PING" : "not even PONG");
    link_destroy(link);
    fake_host_stop(host);
    rig_finish(&rig);
  }
}

/* A slow host is none that is silent: each answer restarts the limit. */
static void test_slow(void) {
  Rig rig;
  rig_init(&rig);
  FakeHost *host = fake_host_start(rig.path, 2, HXFR_FEATURE_REQUESTS);
  fake_host_set_delay(host, 600);
  Link *link = connect_to(&rig, LINK_REQUESTS, 1000);
  WAIT(rig.ups == 1);
  for (guint i = 1; i <= 6; i++) {
    ask(link, i, FALSE);
    g_usleep(300000); /* there is always one that waits, for longer than the limit altogether */
  }
  WAIT(count_words(rig.answers->str, " ") == 6);
  g_assert_null(rig.failure);
  link_destroy(link);
  fake_host_stop(host);
  rig_finish(&rig);
}

static void test_dead_while_idle(void) {
  Rig rig;
  rig_init(&rig);
  FakeHost *host = fake_host_start(rig.path, 2, HXFR_FEATURE_REQUESTS);
  Link *link = connect_to(&rig, LINK_REQUESTS, 200);
  WAIT(rig.ups == 1);
  fake_host_set_flags(host, FAKE_HOST_NO_PONG);
  WAIT(rig.downs >= 1);
  g_assert_true(logged(&rig, "not even PONG"));
  fake_host_set_flags(host, 0);
  WAIT(rig.ups >= 2);
  link_destroy(link);
  fake_host_stop(host);
  rig_finish(&rig);
}

static void test_garbage(void) {
  Rig rig;
  rig_init(&rig);
  FakeHost *host = fake_host_start(rig.path, 2, HXFR_FEATURE_REQUESTS);
  fake_host_set_flags(host, FAKE_HOST_GARBAGE);
  Link *link = connect_to(&rig, LINK_REQUESTS, 2000);
  WAIT(rig.failure);
  assert_failed(&rig, LINK_ERROR_STREAM, "stream: ", "Invalid message magic");
  link_destroy(link);
  fake_host_stop(host);
  rig_finish(&rig);
}

/* Once it has been good, nonsense is a reason to connect again. */
static void test_garbage_later(void) {
  Rig rig;
  rig_init(&rig);
  FakeHost *host = fake_host_start(rig.path, 2, HXFR_FEATURE_REQUESTS);
  Link *link = connect_to(&rig, LINK_REQUESTS, 2000);
  WAIT(rig.ups == 1);
  fake_host_talk_nonsense(host);
  WAIT(rig.ups == 2);
  g_assert_true(logged(&rig, "Invalid message magic"));
  g_assert_null(rig.failure);
  link_destroy(link);
  fake_host_stop(host);
  rig_finish(&rig);
}

static void test_denied(void) {
  Rig rig;
  rig_init(&rig);
  FakeHost *host = fake_host_start(rig.path, 2, HXFR_FEATURE_REQUESTS);
  fake_host_set_flags(host, FAKE_HOST_DENY);
  Link *link = connect_to(&rig, LINK_REQUESTS, 2000);
  WAIT(rig.failure);
  assert_failed(&rig, LINK_ERROR_DENIED, "version: ", "token-file");
  link_destroy(link);
  fake_host_stop(host);
  rig_finish(&rig);
}

static void test_no_requests_there(void) {
  Rig rig;
  rig_init(&rig);
  FakeHost *host = fake_host_start(rig.path, 2, HXFR_FEATURE_STATS);
  Link *link = connect_to(&rig, LINK_REQUESTS, 2000);
  WAIT(rig.failure);
  assert_failed(&rig, LINK_ERROR_REQUEST, "FRAME_REQUEST: ", "frameliftsrc");
  link_destroy(link);
  fake_host_stop(host);
  rig_finish(&rig);
}

static void test_token(void) {
  Rig rig;
  rig_init(&rig);
  g_autofree char *token_file = g_build_filename(rig.folder, "token", NULL);
  g_file_set_contents(token_file, "secret-of-16-byte\nmore\n", -1, NULL);
  FakeHost *host = fake_host_start(rig.path, 2, HXFR_FEATURE_REQUESTS);
  LinkSettings settings = {.mode = LINK_REQUESTS, .timeout_ms = 2000, .program = "test", .token_file = token_file};
  g_assert_true(address_parse(rig.path, &settings.address, NULL));
  Link *link = link_create(&settings, &EVENTS, &rig, NULL);
  WAIT(rig.ups == 1);
  g_assert_cmpstr(fake_host_record(host).token, ==, "secret-of-16-byte");
  link_destroy(link);

  g_unlink(token_file);
  link = link_create(&settings, &EVENTS, &rig, NULL);
  WAIT(rig.failure);
  assert_failed(&rig, LINK_ERROR_SETTINGS, "settings: ", "token-file");
  link_destroy(link);
  fake_host_stop(host);
  rig_finish(&rig);
}

static void test_subscription(void) {
  for (guint version = 1; version <= 2; version++) {
    Rig rig;
    rig_init(&rig);
    FakeHost *host = fake_host_start(rig.path, version, 0);
    fake_host_set_push(host, 5);
    Link *link = connect_to(&rig, LINK_SUBSCRIPTION, 2000);
    WAIT(rig.units >= 5);
    g_assert_cmpuint(rig.keys, ==, 1);
    link_want_key(link);
    if (version == 2) WAIT(rig.keys >= 2);
    fake_host_hang_up(host);
    WAIT(rig.ups == 2);
    g_assert_null(rig.failure);
    link_destroy(link);
    fake_host_stop(host);
    rig_finish(&rig);
  }
}

static void test_absent_scanout(void) {
  static const struct {
    guint flag;
    const char *word;
  } CASES[] = {{FAKE_HOST_ABSENT, "no scanout 0"}, {FAKE_HOST_NO_SUBSCRIBE, "answers PING, but not this"}};
  for (guint i = 0; i < G_N_ELEMENTS(CASES); i++) {
    Rig rig;
    rig_init(&rig);
    FakeHost *host = fake_host_start(rig.path, 2, 0);
    fake_host_set_flags(host, CASES[i].flag);
    Link *link = connect_to(&rig, LINK_SUBSCRIPTION, 300);
    WAIT(rig.failure);
    assert_failed(&rig, LINK_ERROR_SUBSCRIBE, "SUBSCRIBE: ", CASES[i].word);
    link_destroy(link);
    fake_host_stop(host);
    rig_finish(&rig);
  }
}

/* F15: nothing grows when a connection comes and goes. */
static void test_many_connections(void) {
  Rig rig;
  rig_init(&rig);
  FakeHost *host = fake_host_start(rig.path, 2, HXFR_FEATURE_REQUESTS);
  for (guint i = 0; i < 200; i++) {
    Link *link = connect_to(&rig, LINK_REQUESTS, 2000);
    if (i % 4 != 0) WAIT(rig.ups > 0);
    if (i % 4 == 2) ask(link, 1, FALSE);
    link_destroy(link);
    rig.ups = 0;
  }
  gsize before = support_resident();
  for (guint i = 0; i < 200; i++) {
    Link *link = connect_to(&rig, LINK_REQUESTS, 2000);
    WAIT(rig.ups > 0);
    link_destroy(link);
    rig.ups = 0;
  }
  g_assert_cmpuint(support_resident(), <, before + (4u << 20));
  fake_host_stop(host);
  rig_finish(&rig);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/link/versions", test_versions);
  g_test_add_func("/link/requests-before-up", test_requests_before_up);
  g_test_add_func("/link/display-starting", test_display_starting);
  g_test_add_func("/link/left-out", test_left_out);
  g_test_add_func("/link/error-answers", test_error_answers);
  g_test_add_func("/link/malformed-answer-F08", test_malformed_answer);
  g_test_add_func("/link/host-restart", test_host_restart);
  g_test_add_func("/link/nothing-listens", test_nothing_listens);
  g_test_add_func("/link/silent-listener-F03", test_silent_listener);
  g_test_add_func("/link/closing-proxy-F03", test_closing_proxy);
  g_test_add_func("/link/unanswered-F01", test_unanswered);
  g_test_add_func("/link/slow", test_slow);
  g_test_add_func("/link/dead-while-idle", test_dead_while_idle);
  g_test_add_func("/link/garbage", test_garbage);
  g_test_add_func("/link/garbage-later", test_garbage_later);
  g_test_add_func("/link/denied", test_denied);
  g_test_add_func("/link/no-requests-there", test_no_requests_there);
  g_test_add_func("/link/token", test_token);
  g_test_add_func("/link/subscription", test_subscription);
  g_test_add_func("/link/absent-scanout", test_absent_scanout);
  g_test_add_func("/link/many-connections-F15", test_many_connections);
  return g_test_run();
}
