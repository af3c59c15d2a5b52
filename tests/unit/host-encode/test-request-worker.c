/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/encode/request-worker.h"

#include "cli/decoder.h"
#include "common/base/log.h"
#include "common/base/stats.h"
#include "common/base/thread.h"
#include "host/capture/capture.h"

#include <string.h>

/* A request session end to end: scanouts and tiles on one end, access units out of the other, decoded. */

#define WAIT_US (20 * G_USEC_PER_SEC)
#define WIDTH 320u
#define HEIGHT 200u

typedef struct {
  AccessUnit *unit;
  RequestPicture result;
} Answer;

typedef struct {
  Capture *capture;
  RequestWorker *worker;
  Decoder *decoder;
  DecodedPicture decoded;
  guint8 *pixels; /* of the next frame, WIDTH × HEIGHT packed */

  Mutex mutex; /* what follows */
  Cond cond;
  GQueue answers; /* of Answer */
} Rig;

static Shadow *get_shadow(guint scanout, gpointer data) {
  return capture_get_shadow(((Rig *)data)->capture, scanout);
}

static void on_answer(AccessUnit *unit, RequestPicture result, gpointer data) {
  Rig *rig = data;
  Answer answer = {unit, result};
  mutex_lock(&rig->mutex);
  g_queue_push_tail(&rig->answers, g_memdup2(&answer, sizeof answer));
  cond_signal(&rig->cond);
  mutex_unlock(&rig->mutex);
}

static const RequestWorkerHost HOST = {.get_shadow = get_shadow, .answer = on_answer};

static void on_changed(guint scanout, gpointer data) {
}

static void set_up(Rig *rig, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  mutex_init(&rig->mutex);
  cond_init(&rig->cond);
  g_queue_init(&rig->answers);
  rig->pixels = g_malloc((gsize)WIDTH * HEIGHT * 4);
  rig->capture = capture_create(on_changed, rig);
  rig->decoder = decoder_create(&error);
  g_assert_no_error(error);
  rig->worker = request_worker_start(&X264_ENCODER, 60, 20000000, &HOST, rig, &error);
  g_assert_no_error(error);
}

static void tear_down(Rig *rig, gconstpointer data) {
  request_worker_stop(rig->worker);
  capture_destroy(rig->capture);
  decoder_destroy(rig->decoder);
  g_assert_true(g_queue_is_empty(&rig->answers));
  mutex_finish(&rig->mutex);
  cond_finish(&rig->cond);
  g_free(rig->pixels);
}

/* Grey with soft edges, so that luma is known and survives the encoder. */
static void paint(Rig *rig, guint seed) {
  for (guint y = 0; y < HEIGHT; y++) {
    for (guint x = 0; x < WIDTH; x++) {
      memset(rig->pixels + ((gsize)y * WIDTH + x) * 4, (gint)(40 + (x / 4 + y / 2 + seed * 50) % 160), 4);
    }
  }
}

static void fill(Rig *rig, const Rect *rect, guint8 grey) {
  for (guint y = rect->y; y < rect->y + rect->height; y++) {
    memset(rig->pixels + ((gsize)y * WIDTH + rect->x) * 4, grey, (gsize)rect->width * 4);
  }
}

static void show(Rig *rig, guint scanout) {
  Frame frame = {PIXEL_FORMAT_XRGB8888, WIDTH, HEIGHT, WIDTH * 4, rig->pixels};
  capture_set_size(rig->capture, scanout, WIDTH, HEIGHT);
  capture_update(rig->capture, scanout, &frame, NULL, 0, g_get_monotonic_time());
}

static void ask_if_shown(Rig *rig, guint scanout, guint width, guint height) {
  static guint64 random = 77;
  Fingerprint fingerprint;
  Frame frame = {PIXEL_FORMAT_XRGB8888, WIDTH, HEIGHT, WIDTH * 4, rig->pixels};
  fingerprint_take(&fingerprint, &frame, 16, &random);
  WorkRequest work = {.width = width, .height = height, .scanout = scanout, .fingerprint = &fingerprint};
  request_worker_submit(rig->worker, &work);
  memset(&fingerprint, 0xff, sizeof fingerprint); /* it was copied */
}

/* Those rectangles of the rig's picture, as packed tiles. */
static void ask_tiles(Rig *rig, guint32 picture, guint32 base, const Rect *rects, guint count) {
  g_autoptr(GByteArray) bytes = g_byte_array_new();
  for (guint i = 0; i < count; i++) {
    for (guint y = rects[i].y; y < rects[i].y + rects[i].height; y++) {
      g_byte_array_append(bytes, rig->pixels + ((gsize)y * WIDTH + rects[i].x) * 4, rects[i].width * 4);
    }
  }
  g_autoptr(GBytes) pixels = g_bytes_new(bytes->data, bytes->len);
  WorkRequest work = {
      .width = WIDTH,
      .height = HEIGHT,
      .format = PIXEL_FORMAT_XRGB8888,
      .pixels = pixels,
      .picture = picture,
      .base = base,
      .rects = rects,
      .n_rects = count,
  };
  request_worker_submit(rig->worker, &work);
}

static const Rect WHOLE = {0, 0, WIDTH, HEIGHT};

static AccessUnit *next(Rig *rig, RequestPicture *result) {
  gint64 end = g_get_monotonic_time() + WAIT_US;
  mutex_lock(&rig->mutex);
  while (g_queue_is_empty(&rig->answers)) {
    if (!cond_wait_until(&rig->cond, &rig->mutex, end)) g_error("an answer never came");
  }
  g_autofree Answer *answer = g_queue_pop_head(&rig->answers);
  mutex_unlock(&rig->mutex);
  *result = answer->result;
  g_assert_true((answer->unit != NULL) == (answer->result == REQUEST_PICTURE_OK));
  return answer->unit;
}

static void expect(Rig *rig, RequestPicture expected) {
  RequestPicture result;
  g_autoptr(AccessUnit) unit = next(rig, &result);
  g_assert_cmpint(result, ==, expected);
}

/* The next answer is an access unit, and it is decoded; the caller's. */
static AccessUnit *expect_unit(Rig *rig) {
  RequestPicture result;
  g_autoptr(GError) error = NULL;
  gboolean got;
  AccessUnit *unit = next(rig, &result);
  g_assert_cmpint(result, ==, REQUEST_PICTURE_OK);
  g_assert_true(decoder_decode(rig->decoder, unit->data, unit->size, &rig->decoded, &got, &error));
  g_assert_no_error(error);
  g_assert_true(got);
  return unit;
}

/* How far the decoded luma is from the rig's grey picture, on average, in hundredths. */
static guint distance(const Rig *rig) {
  guint64 sum = 0;
  g_assert_cmpuint(rig->decoded.width, ==, WIDTH);
  g_assert_cmpuint(rig->decoded.height, ==, HEIGHT);
  for (guint y = 0; y < HEIGHT; y++) {
    for (guint x = 0; x < WIDTH; x++) {
      gint luma = 16 + rig->pixels[((gsize)y * WIDTH + x) * 4] * 219 / 255;
      sum += (guint)ABS(luma - rig->decoded.planes[0][y * rig->decoded.strides[0] + x]);
    }
  }
  return (guint)(sum * 100 / (WIDTH * HEIGHT));
}

static void expect_picture(Rig *rig, gboolean key) {
  g_autoptr(AccessUnit) unit = expect_unit(rig);
  g_assert_cmpint(unit->info.is_key, ==, key);
  g_assert_cmpuint(distance(rig), <, 300);
}

/* F27: what agrees is encoded, what does not is not, whatever its size. */
static void test_shown(Rig *rig, gconstpointer data) {
  paint(rig, 1);
  show(rig, 0);
  ask_if_shown(rig, 0, WIDTH, HEIGHT);
  expect_picture(rig, TRUE);
  paint(rig, 2);
  show(rig, 3);
  ask_if_shown(rig, 3, WIDTH, HEIGHT); /* another scanout */
  expect_picture(rig, TRUE);
  gint64 before = stats_get(stats_counter("requests.fingerprint-mismatches"));
  ask_if_shown(rig, 0, WIDTH, HEIGHT); /* the same size, another picture */
  expect(rig, REQUEST_PICTURE_DIFFERENT);
  g_assert_cmpint(stats_get(stats_counter("requests.fingerprint-mismatches")), ==, before + 1);
}

static void test_dark_and_other_size(Rig *rig, gconstpointer data) {
  paint(rig, 1);
  for (guint i = 0; i < 3; i++) {
    if (i == 1) capture_set_size(rig->capture, 0, WIDTH, HEIGHT); /* lit, and nothing drawn yet */
    if (i == 2) show(rig, 0);
    ask_if_shown(rig, 0, WIDTH, i == 2 ? HEIGHT + 1 : HEIGHT);
    expect(rig, i == 2 ? REQUEST_PICTURE_OTHER_SIZE : REQUEST_PICTURE_DARK);
    ask_tiles(rig, 1 + i, 0, &WHOLE, 1); /* nothing is owed any more */
    expect_picture(rig, TRUE);
  }
}

/* Behind a refused one, nothing is encoded before the pixels of that have come, though it would agree. */
static void test_order(Rig *rig, gconstpointer data) {
  paint(rig, 1);
  show(rig, 0);
  paint(rig, 2);
  ask_if_shown(rig, 0, WIDTH, HEIGHT);
  paint(rig, 1);
  ask_if_shown(rig, 0, WIDTH, HEIGHT);
  ask_if_shown(rig, 0, WIDTH, HEIGHT);
  paint(rig, 2);
  ask_tiles(rig, 1, 9, &WHOLE, 1); /* does not count: there is no such base */
  paint(rig, 1);
  ask_if_shown(rig, 0, WIDTH, HEIGHT);
  expect(rig, REQUEST_PICTURE_DIFFERENT);
  expect(rig, REQUEST_PICTURE_IN_ORDER);
  expect(rig, REQUEST_PICTURE_IN_ORDER);
  expect(rig, REQUEST_PICTURE_NO_BASE);
  expect(rig, REQUEST_PICTURE_IN_ORDER);
  paint(rig, 2);
  ask_tiles(rig, 1, 0, &WHOLE, 1);
  expect_picture(rig, TRUE);
  paint(rig, 1);
  ask_if_shown(rig, 0, WIDTH, HEIGHT);
  expect_picture(rig, TRUE);
}

/* A try that fails leaves the session's picture as it is: no IDR comes of it. */
static void test_try_costs_nothing(Rig *rig, gconstpointer data) {
  paint(rig, 1);
  show(rig, 0);
  paint(rig, 2);
  ask_tiles(rig, 1, 0, &WHOLE, 1);
  expect_picture(rig, TRUE);
  ask_if_shown(rig, 0, WIDTH, HEIGHT);
  expect(rig, REQUEST_PICTURE_DIFFERENT);
  ask_tiles(rig, 2, 1, NULL, 0);
  expect_picture(rig, FALSE);
}

/* F18: what is sent is what changed, and what is encoded is no more than that. */
static void test_tiles(Rig *rig, gconstpointer data) {
  paint(rig, 1);
  ask_tiles(rig, 1, 0, &WHOLE, 1);
  expect_picture(rig, TRUE);
  Rect rects[2];
  for (guint32 i = 2; i < 40; i++) {
    guint count = i % 3;
    for (guint n = 0; n < count; n++) {
      rects[n] = (Rect){i * 7 % 250, (i + n) * 11 % 130, 13 + i, 5 + i};
      fill(rig, &rects[n], (guint8)(60 + i * 5));
    }
    ask_tiles(rig, i, i - 1, rects, count);
    g_autoptr(AccessUnit) unit = expect_unit(rig);
    g_assert_false(unit->info.is_key);
    g_assert_cmpuint(distance(rig), <, 300);
    g_assert_cmpuint(unit->rect_count, <=, count * 4); /* in tiles of 64 × 64 */
  }
}

/* Sent again as it is, a part of the picture is no damage. */
static void test_same_again(Rig *rig, gconstpointer data) {
  paint(rig, 1);
  ask_tiles(rig, 1, 0, &WHOLE, 1);
  expect_picture(rig, TRUE);
  ask_tiles(rig, 2, 1, &WHOLE, 1);
  g_autoptr(AccessUnit) unit = expect_unit(rig);
  g_assert_cmpuint(unit->rect_count, ==, 0);
  g_assert_true(unit->info.is_refinement || unit->info.is_keep_alive);
}

/* A still picture: refined, and then a few bytes for each request. */
static void test_still(Rig *rig, gconstpointer data) {
  paint(rig, 1);
  ask_tiles(rig, 1, 0, &WHOLE, 1);
  expect_picture(rig, TRUE);
  for (guint32 i = 2; i < 40; i++) {
    ask_tiles(rig, i, i - 1, NULL, 0);
    g_autoptr(AccessUnit) unit = expect_unit(rig);
    if (i >= 20) g_assert_cmpuint(unit->size, <=, 64);
  }
  g_assert_cmpuint(distance(rig), <, 150);
}

/* What is not sent with base 0 is black, whatever was there before. */
static void test_black(Rig *rig, gconstpointer data) {
  const Rect part = {100, 60, 40, 30};
  paint(rig, 1);
  ask_tiles(rig, 1, 0, &WHOLE, 1);
  expect_picture(rig, TRUE);
  memset(rig->pixels, 0, (gsize)WIDTH * HEIGHT * 4);
  fill(rig, &part, 200);
  ask_tiles(rig, 2, 0, &part, 1);
  expect_picture(rig, TRUE);
  memset(rig->pixels, 0, (gsize)WIDTH * HEIGHT * 4);
  ask_tiles(rig, 3, 0, NULL, 0);
  expect_picture(rig, TRUE);
}

/* The base must be the last picture, of the same kind; otherwise nothing happens to what is there. */
static void test_base_gone(Rig *rig, gconstpointer data) {
  g_autoptr(GBytes) none = g_bytes_new(NULL, 0);
  WorkRequest work = {.width = WIDTH, .height = HEIGHT, .format = PIXEL_FORMAT_XRGB8888, .pixels = none};
  paint(rig, 1);
  ask_tiles(rig, 1, 1, &WHOLE, 1); /* nothing is there at all */
  expect(rig, REQUEST_PICTURE_NO_BASE);
  ask_tiles(rig, 5, 0, &WHOLE, 1);
  expect_picture(rig, TRUE);
  for (guint i = 0; i < 5; i++) {
    WorkRequest wrong = work;
    wrong.picture = 6;
    wrong.base = i == 0 ? 4 : i == 1 ? 6 : 5;
    if (i == 2) wrong.width++;
    if (i == 3) wrong.height--;
    if (i == 4) wrong.format = PIXEL_FORMAT_XBGR8888;
    request_worker_submit(rig->worker, &wrong);
    expect(rig, REQUEST_PICTURE_NO_BASE);
  }
  const Rect part = {100, 60, 40, 30};
  fill(rig, &part, 200);
  ask_tiles(rig, 6, 5, &part, 1);
  expect_picture(rig, FALSE);
}

static void test_nv12(Rig *rig, gconstpointer data) {
  Rect rect = WHOLE;
  for (guint32 i = 1; i < 12; i++) {
    guint8 luma = (guint8)(i == 1 ? 60 : 100 + i * 10);
    gsize size = (gsize)rect.width * rect.height * 3 / 2;
    guint8 *bytes = g_malloc(size);
    memset(bytes, luma, size * 2 / 3);
    memset(bytes + size * 2 / 3, 100, size / 3);
    g_autoptr(GBytes) pixels = g_bytes_new_take(bytes, size);
    WorkRequest work = {
        .width = WIDTH,
        .height = HEIGHT,
        .format = PIXEL_FORMAT_NV12,
        .pixels = pixels,
        .picture = i,
        .base = i - 1,
        .rects = &rect,
        .n_rects = 1,
    };
    request_worker_submit(rig->worker, &work);
    g_autoptr(AccessUnit) unit = expect_unit(rig);
    g_assert_true(unit->info.is_key == (i == 1));
    const DecodedPicture *got = &rig->decoded;
    guint x = rect.x + rect.width / 2, y = rect.y + rect.height / 2;
    g_assert_cmpint(ABS(got->planes[0][y * got->strides[0] + x] - luma), <=, 4);
    g_assert_cmpint(ABS(got->planes[1][y / 2 * got->strides[1] + x / 2] - 100), <=, 4);
    g_assert_cmpint(ABS(got->planes[0][2 * got->strides[0] + 2] - 60), <=, 4); /* where nothing ever changed */
    rect = (Rect){64 + i * 2, 60, 32, 48};
  }
}

/* The same bytes in another order of colours, whole, are another picture. */
static void test_format_change(Rig *rig, gconstpointer data) {
  for (gsize i = 0; i < (gsize)WIDTH * HEIGHT * 4; i += 4) memcpy(rig->pixels + i, "\x10\x20\xf0\xff", 4);
  g_autoptr(GBytes) pixels = g_bytes_new(rig->pixels, (gsize)WIDTH * HEIGHT * 4);
  WorkRequest work = {.width = WIDTH, .height = HEIGHT, .pixels = pixels, .stride = WIDTH * 4};
  guint8 red[2];
  for (guint i = 0; i < 2; i++) {
    work.format = i == 0 ? PIXEL_FORMAT_XRGB8888 : PIXEL_FORMAT_XBGR8888;
    request_worker_submit(rig->worker, &work);
    g_autoptr(AccessUnit) unit = expect_unit(rig);
    red[i] = rig->decoded.planes[2][50 * rig->decoded.strides[2] + 50];
  }
  g_assert_cmpuint(red[0], >, 160);
  g_assert_cmpuint(red[1], <, 128);
}

typedef struct {
  Rig *rig;
  int stop; /* atomic */
} Flipper;

/* Two pictures in turn, as fast as they go. */
static void *flip(void *data) {
  Flipper *flipper = data;
  g_autofree guint8 *pixels = g_malloc((gsize)WIDTH * HEIGHT * 4);
  Frame frame = {PIXEL_FORMAT_XRGB8888, WIDTH, HEIGHT, WIDTH * 4, pixels};
  for (guint round = 0; !__atomic_load_n(&flipper->stop, __ATOMIC_ACQUIRE); round++) {
    memset(pixels, round % 2 ? 200 : 50, (gsize)WIDTH * HEIGHT * 4);
    capture_update(flipper->rig->capture, 0, &frame, NULL, 0, g_get_monotonic_time());
    g_usleep(round % 7 * 100);
  }
  return NULL;
}

/* F27, F09: while the scanout goes on between comparing and encoding, what is encoded is still what agreed. */
static void test_flips(Rig *rig, gconstpointer data) {
  Flipper flipper = {.rig = rig};
  pthread_t thread;
  memset(rig->pixels, 50, (gsize)WIDTH * HEIGHT * 4);
  show(rig, 0);
  pthread_create(&thread, NULL, flip, &flipper);
  guint agreed = 0, refused = 0;
  for (guint32 i = 1; i <= 300; i++) {
    RequestPicture result;
    ask_if_shown(rig, 0, WIDTH, HEIGHT);
    g_autoptr(AccessUnit) unit = next(rig, &result);
    if (result == REQUEST_PICTURE_OK) {
      g_autoptr(GError) error = NULL;
      gboolean got;
      g_assert_true(decoder_decode(rig->decoder, unit->data, unit->size, &rig->decoded, &got, &error));
      g_assert_cmpuint(distance(rig), <, 300);
      agreed++;
      continue;
    }
    g_assert_cmpint(result, ==, REQUEST_PICTURE_DIFFERENT);
    refused++;
    ask_tiles(rig, i, 0, &WHOLE, 1);
    expect_picture(rig, TRUE);
  }
  __atomic_store_n(&flipper.stop, 1, __ATOMIC_RELEASE);
  pthread_join(thread, NULL);
  g_test_message("%u agreed, %u did not", agreed, refused);
  g_assert_cmpuint(agreed, >, 0);
  g_assert_cmpuint(refused, >, 0);
}

/* F05: it ends with requests of every kind under way. */
static void test_gone(Rig *rig, gconstpointer data) {
  paint(rig, 1);
  show(rig, 0);
  for (guint32 i = 1; i < 50; i++) {
    ask_tiles(rig, i, 0, &WHOLE, 1);
    ask_if_shown(rig, 0, WIDTH, HEIGHT);
  }
  request_worker_stop(g_steal_pointer(&rig->worker));
  Answer *answer;
  while ((answer = g_queue_pop_head(&rig->answers)) != NULL) {
    access_unit_unref(answer->unit);
    g_free(answer);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  log_set_level(LOG_ERROR);
#define ADD(name, run) g_test_add("/request-worker/" name, Rig, NULL, set_up, run, tear_down)
  ADD("F27-shown", test_shown);
  ADD("dark-and-other-size", test_dark_and_other_size);
  ADD("order", test_order);
  ADD("try-costs-nothing", test_try_costs_nothing);
  ADD("F18-tiles", test_tiles);
  ADD("same-again", test_same_again);
  ADD("still", test_still);
  ADD("black", test_black);
  ADD("base-gone", test_base_gone);
  ADD("nv12", test_nv12);
  ADD("format-change", test_format_change);
  ADD("F27-F09-flips", test_flips);
  ADD("F05-gone", test_gone);
  return g_test_run();
}
