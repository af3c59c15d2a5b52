/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/encode/worker.h"

#include "cli/decoder.h"
#include "common/base/log.h"
#include "common/base/stats.h"
#include "common/base/thread.h"
#include "common/media/annexb.h"
#include "common/media/sps.h"
#include "host/capture/capture.h"
#include "host/encode/rate-control.h"

#include <math.h>
#include <string.h>

/* The encode thread end to end: a picture into a capture on one end, access units out of the other. */

#define WAIT_US (20 * G_USEC_PER_SEC)

typedef struct {
  Capture *capture;
  Worker *worker;
  guint width;
  guint height;
  guint8 *pixels;

  Mutex mutex; /* what follows */
  Cond cond;
  GPtrArray *units; /* of AccessUnit */
} Rig;

static gulong linger_us; /* how long get_shadow() takes */

static Shadow *get_shadow(guint scanout, gpointer data) {
  if (linger_us) g_usleep(linger_us);
  return capture_get_shadow(((Rig *)data)->capture, scanout);
}

static void publish(guint scanout, AccessUnit *unit, gpointer data) {
  Rig *rig = data;
  mutex_lock(&rig->mutex);
  g_ptr_array_add(rig->units, unit);
  cond_signal(&rig->cond);
  mutex_unlock(&rig->mutex);
}

static const WorkerHost HOST = {.get_shadow = get_shadow, .publish = publish};

static void on_changed(guint scanout, gpointer data) {
  Rig *rig = data;
  if (rig->worker) worker_changed(rig->worker);
}

static void set_size(Rig *rig, guint width, guint height) {
  g_free(rig->pixels);
  rig->width = width;
  rig->height = height;
  rig->pixels = g_malloc0(MAX((gsize)width * height * 4, 1));
  capture_set_size(rig->capture, 0, width, height);
}

static void show(Rig *rig) {
  Frame frame = {PIXEL_FORMAT_XRGB8888, rig->width, rig->height, (gsize)rig->width * 4, rig->pixels};
  capture_update(rig->capture, 0, &frame, NULL, 0, g_get_monotonic_time());
}

/* A picture with edges and gradients, grey so that luma is known. */
static void paint(Rig *rig, guint seed) {
  for (guint y = 0; y < rig->height; y++) {
    for (guint x = 0; x < rig->width; x++) {
      guint8 grey = (guint8)((x / 3 + y * 2 + seed * 40 + ((x / 16 + y / 16) % 2) * 60) % 256);
      memset(rig->pixels + ((gsize)y * rig->width + x) * 4, grey, 4);
    }
  }
}

static void start(Rig *rig, const EncoderInterface *encoder, WorkerDemand demand) {
  g_autoptr(GError) error = NULL;
  WorkerSettings settings = {.encoder = encoder, .max_fps = 60, .bitrate = 20000000};
  rig->worker = worker_start(0, &settings, &demand, &HOST, rig, &error);
  g_assert_no_error(error);
}

static void rig_init(Rig *rig, guint width, guint height) {
  *rig = (Rig){.units = g_ptr_array_new_with_free_func((GDestroyNotify)access_unit_unref)};
  mutex_init(&rig->mutex);
  cond_init(&rig->cond);
  rig->capture = capture_create(on_changed, rig);
  set_size(rig, width, height);
}

static void rig_finish(Rig *rig) {
  worker_stop(rig->worker);
  capture_destroy(rig->capture);
  g_ptr_array_unref(rig->units);
  mutex_finish(&rig->mutex);
  cond_finish(&rig->cond);
  g_free(rig->pixels);
}

static guint count_units(Rig *rig) {
  mutex_lock(&rig->mutex);
  guint count = rig->units->len;
  mutex_unlock(&rig->mutex);
  return count;
}

/* The unit of that number, waited for; borrowed from the rig. */
static AccessUnit *unit_at(Rig *rig, guint number) {
  gint64 end = g_get_monotonic_time() + WAIT_US;
  mutex_lock(&rig->mutex);
  while (rig->units->len <= number) {
    if (!cond_wait_until(&rig->cond, &rig->mutex, end)) g_error("unit %u never came", number);
  }
  AccessUnit *unit = g_ptr_array_index(rig->units, number);
  mutex_unlock(&rig->mutex);
  return unit;
}

/* The number of the first unit from `number` on that is settled. */
static guint wait_for_settled(Rig *rig, guint number) {
  while (!unit_at(rig, number)->info.is_settled) number++;
  return number;
}

static void stay_silent(Rig *rig, guint ms) {
  guint before = count_units(rig);
  g_usleep((gulong)ms * 1000);
  g_assert_cmpuint(count_units(rig), ==, before);
}

/* A screen that stands still: an IDR, refinements, one repeat, and then not a single encode. */
static void check_settles(const EncoderInterface *encoder) {
  Rig rig;
  rig_init(&rig, 640, 360);
  paint(&rig, 1);
  show(&rig);
  gint64 total = stats_get(stats_counter("encode.total"));
  start(&rig, encoder, (WorkerDemand){0});
  AccessUnit *first = unit_at(&rig, 0);
  g_assert_true(first->info.is_key);
  g_assert_cmpuint(first->info.width, ==, 640);
  g_assert_cmpuint(first->info.height, ==, 360);
  guint settled = wait_for_settled(&rig, 0);
  g_assert_cmpuint(settled, >=, 1);
  g_assert_cmpuint(unit_at(&rig, settled)->info.qp, <=, RATE_FINE_QP);
  for (guint i = 1; i <= settled; i++) {
    g_assert_true(unit_at(&rig, i)->info.is_refinement);
    g_assert_cmpuint(unit_at(&rig, i)->info.qp, <, unit_at(&rig, i - 1)->info.qp);
    g_assert_cmpint(unit_at(&rig, i)->info.flush_us, >, unit_at(&rig, i - 1)->info.flush_us);
  }
  g_assert_true(unit_at(&rig, settled + 1)->info.is_keep_alive); /* the repeat */
  stay_silent(&rig, 500);
  g_assert_cmpuint(count_units(&rig), ==, settled + 2);
  g_assert_cmpint(stats_get(stats_counter("encode.total")) - total, ==, settled + 2);
  show(&rig); /* flushed, and nothing new */
  stay_silent(&rig, 200);
  rig_finish(&rig);
}

static void test_settles_null(void) {
  check_settles(&NULL_ENCODER);
}

static void test_settles_x264(void) {
  check_settles(&X264_ENCODER);
}

/* F19: a version 1 subscriber of a still screen gets ten small units a second, and nothing else is encoded. */
static void test_keep_alive(void) {
  Rig rig;
  rig_init(&rig, 1920, 1080);
  paint(&rig, 1);
  show(&rig);
  start(&rig, &X264_ENCODER, (WorkerDemand){.keep_alive_hz = 10});
  guint from = wait_for_settled(&rig, 0) + 2;
  gint64 begun = unit_at(&rig, from)->info.flush_us;
  for (guint i = 1; i <= 10; i++) {
    const AccessUnit *unit = unit_at(&rig, from + i);
    g_assert_true(unit->info.is_keep_alive);
    g_assert_false(unit->info.is_key);
    g_assert_cmpuint(unit->size, <=, 64);
    g_assert_cmpuint(unit->rect_count, ==, 0);
  }
  gint64 took = unit_at(&rig, from + 10)->info.flush_us - begun;
  g_assert_cmpint(took, >=, 950 * 1000);
  g_assert_cmpint(took, <=, 3 * G_USEC_PER_SEC); /* on a busy machine */
  worker_set_demand(rig.worker, &(WorkerDemand){0});
  g_usleep(150 * 1000);
  stay_silent(&rig, 300);
  rig_finish(&rig);
}

/* F20: an IDR comes on request, from a still screen, at once, once. */
static void test_idr_on_request(void) {
  Rig rig;
  rig_init(&rig, 640, 360);
  paint(&rig, 1);
  show(&rig);
  start(&rig, &X264_ENCODER, (WorkerDemand){0});
  guint settled = wait_for_settled(&rig, 0);
  unit_at(&rig, settled + 1);
  stay_silent(&rig, 150);
  guint before = count_units(&rig);
  worker_request_idr(rig.worker);
  const AccessUnit *unit = unit_at(&rig, before);
  g_assert_true(unit->info.is_key);
  g_assert_cmpuint(unit->info.qp, <=, RATE_IDR_QP);
  g_usleep(600 * 1000);
  guint after = count_units(&rig);
  for (guint i = before + 1; i < after; i++) g_assert_false(unit_at(&rig, i)->info.is_key);
  stay_silent(&rig, 200);
  rig_finish(&rig);
}

/* An IDR asked for at any moment, in the middle of a decision about something else, is an IDR and nothing else: a joiner's
 * first picture is no keep-alive, and gets sharp. */
static void test_idr_whenever(void) {
  Rig rig;
  rig_init(&rig, 320, 240);
  paint(&rig, 1);
  show(&rig);
  linger_us = 3000;
  start(&rig, &NULL_ENCODER, (WorkerDemand){.keep_alive_hz = 10});
  wait_for_settled(&rig, 0);
  for (guint i = 0; i < 120; i++) {
    guint before = count_units(&rig);
    worker_request_idr(rig.worker);
    g_usleep(20000 + 997 * (i % 31));
    for (guint k = before; k < count_units(&rig); k++) {
      const AccessUnitInfo *info = &unit_at(&rig, k)->info;
      if (!info->is_key) continue;
      g_assert_false(info->is_keep_alive);
      g_assert_false(info->is_refinement);
      g_assert_cmpuint(info->qp, <=, RATE_IDR_QP);
    }
  }
  linger_us = 0;
  rig_finish(&rig);
}

static gdouble psnr_of(const Rig *rig, const DecodedPicture *picture) {
  gdouble squares = 0;
  for (guint y = 0; y < rig->height; y++) {
    for (guint x = 0; x < rig->width; x++) {
      gdouble grey = rig->pixels[((gsize)y * rig->width + x) * 4];
      gdouble difference = picture->planes[0][y * picture->strides[0] + x] - (16 + grey * 219 / 255);
      squares += difference * difference;
    }
  }
  return 10 * log10(255 * 255 / MAX(squares / ((gdouble)rig->width * rig->height), 1e-9));
}

/* Decodes all units from *next on; the last picture is in *picture. */
static void decode_all(Rig *rig, Decoder *decoder, guint *next, DecodedPicture *picture) {
  for (guint count = count_units(rig); *next < count; (*next)++) {
    g_autoptr(GError) error = NULL;
    gboolean got;
    const AccessUnit *unit = unit_at(rig, *next);
    decoder_decode(decoder, unit->data, unit->size, picture, &got, &error);
    g_assert_no_error(error);
    g_assert_true(got);
    if (unit->info.is_key) continue;
    g_assert_cmpuint(*next, >, 0);
  }
}

/* A moving picture, then a still one: what a decoder has at the end is the screen. */
static void test_decodes(void) {
  Rig rig;
  g_autoptr(GError) error = NULL;
  DecodedPicture picture = {0};
  guint next = 0;
  rig_init(&rig, 321, 241);
  paint(&rig, 0);
  show(&rig);
  start(&rig, &X264_ENCODER, (WorkerDemand){0});
  unit_at(&rig, 0);
  for (guint i = 1; i < 30; i++) {
    paint(&rig, i);
    show(&rig);
    g_usleep(16000);
  }
  guint moving = count_units(&rig);
  g_assert_cmpuint(moving, >=, 3);
  wait_for_settled(&rig, moving);
  Decoder *decoder = decoder_create(&error);
  g_assert_no_error(error);
  decode_all(&rig, decoder, &next, &picture);
  g_assert_cmpuint(picture.width, ==, 322);
  g_assert_cmpuint(picture.height, ==, 242);
  g_assert_cmpfloat(psnr_of(&rig, &picture), >, 42);
  decoder_destroy(decoder);
  rig_finish(&rig);
}

static Sps sps_of(const AccessUnit *unit) {
  AnnexbIterator iterator;
  Nal nal;
  Sps sps;
  annexb_init(&iterator, unit->data, unit->size);
  while (annexb_next(&iterator, &nal)) {
    if (nal_type(&nal) != NAL_SPS) continue;
    g_assert_true(sps_parse(&nal, &sps));
    return sps;
  }
  g_error("no SPS");
}

/* F10: another size means another encoder, an IDR and a new SPS; dark means silence; and light again an IDR. */
static void test_resize(void) {
  Rig rig;
  rig_init(&rig, 640, 360);
  paint(&rig, 1);
  show(&rig);
  start(&rig, &X264_ENCODER, (WorkerDemand){0});
  Sps sps = sps_of(unit_at(&rig, 0));
  g_assert_cmpuint(sps.width, ==, 640);
  set_size(&rig, 800, 600);
  g_usleep(100 * 1000);
  guint before = count_units(&rig);
  stay_silent(&rig, 100); /* of the new size nothing has been shown yet */
  paint(&rig, 2);
  show(&rig);
  const AccessUnit *unit = unit_at(&rig, before);
  g_assert_true(unit->info.is_key);
  g_assert_cmpuint(unit->info.width, ==, 800);
  sps = sps_of(unit);
  g_assert_cmpuint(sps.width, ==, 800);
  g_assert_cmpuint(sps.height, ==, 600);

  capture_set_size(rig.capture, 0, 0, 0);
  g_usleep(100 * 1000);
  before = count_units(&rig);
  worker_request_idr(rig.worker); /* of nothing */
  stay_silent(&rig, 200);
  set_size(&rig, 800, 600);
  paint(&rig, 3);
  show(&rig);
  g_assert_true(unit_at(&rig, before)->info.is_key);
  rig_finish(&rig);
}

/* Held: nothing is encoded, however much is shown; then the newest, with all the damage since. */
static void test_hold(void) {
  Rig rig;
  rig_init(&rig, 640, 360);
  paint(&rig, 1);
  show(&rig);
  start(&rig, &NULL_ENCODER, (WorkerDemand){0});
  guint settled = wait_for_settled(&rig, 0);
  unit_at(&rig, settled + 1);
  worker_set_demand(rig.worker, &(WorkerDemand){.hold = TRUE});
  guint before = count_units(&rig);
  for (guint i = 0; i < 5; i++) {
    rig.pixels[(gsize)i * 64 * 4] ^= 0xff; /* a tile each */
    show(&rig);
    g_usleep(10000);
  }
  worker_request_idr(rig.worker);
  stay_silent(&rig, 100);
  g_assert_cmpuint(count_units(&rig), ==, before);
  worker_set_demand(rig.worker, &(WorkerDemand){0});
  const AccessUnit *unit = unit_at(&rig, before);
  g_assert_true(unit->info.is_key);
  g_assert_cmpuint(unit->info.frames_merged, ==, 4);
  g_assert_cmpuint(unit->rect_count, ==, 1);
  rig_finish(&rig);
}

/* F21: an encoder that fails is replaced, and the stream goes on with an IDR. */
static int failing; /* atomic: encodes that are still to fail */

static gboolean fail_then_encode(Encoder *encoder, const EncoderInput *input, EncoderOutput *output, GError **error) {
  if (__atomic_load_n(&failing, __ATOMIC_ACQUIRE) > 0) {
    __atomic_sub_fetch(&failing, 1, __ATOMIC_ACQ_REL);
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED, "it failed");
    return FALSE;
  }
  return NULL_ENCODER.encode(encoder, input, output, error);
}

static EncoderInterface failing_encoder; /* the null encoder's, but for encode */

static Encoder *create_failing(const EncoderConfig *config, GError **error) {
  Encoder *encoder = NULL_ENCODER.create(config, error);
  encoder->interface = &failing_encoder;
  return encoder;
}

static void test_failing_encoder(void) {
  Rig rig;
  failing_encoder = NULL_ENCODER;
  failing_encoder.create = create_failing;
  failing_encoder.encode = fail_then_encode;
  gint64 failures = stats_get(stats_counter("encode.failures"));
  rig_init(&rig, 640, 360);
  paint(&rig, 1);
  show(&rig);
  __atomic_store_n(&failing, 2, __ATOMIC_RELEASE);
  start(&rig, &failing_encoder, (WorkerDemand){0});
  g_assert_true(unit_at(&rig, 0)->info.is_key);
  g_assert_cmpint(stats_get(stats_counter("encode.failures")) - failures, ==, 2);
  guint settled = wait_for_settled(&rig, 0);
  unit_at(&rig, settled + 1);
  stay_silent(&rig, 100);
  guint before = count_units(&rig);
  __atomic_store_n(&failing, 1, __ATOMIC_RELEASE);
  paint(&rig, 2);
  show(&rig);
  g_assert_true(unit_at(&rig, before)->info.is_key); /* what was lost is lost to all: F08 */
  rig_finish(&rig);
}

/* Nothing is published after worker_stop(), and stopping waits for nobody. */
static void test_stop(void) {
  for (guint i = 0; i < 60; i++) {
    Rig rig;
    rig_init(&rig, 160, 120);
    paint(&rig, i);
    show(&rig);
    start(&rig, &NULL_ENCODER, (WorkerDemand){.keep_alive_hz = 10});
    if (i % 3) unit_at(&rig, 0);
    if (i % 3 == 2) show(&rig);
    rig_finish(&rig); /* the rig is gone: AddressSanitizer sees any use of it */
  }
  worker_stop(NULL);
  g_usleep(50 * 1000);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  log_set_level(LOG_ERROR);
  g_test_add_func("/worker/settles-null", test_settles_null);
  g_test_add_func("/worker/settles-x264", test_settles_x264);
  g_test_add_func("/worker/F19-keep-alive", test_keep_alive);
  g_test_add_func("/worker/F20-idr-on-request", test_idr_on_request);
  g_test_add_func("/worker/F20-idr-whenever", test_idr_whenever);
  g_test_add_func("/worker/decodes", test_decodes);
  g_test_add_func("/worker/F10-resize", test_resize);
  g_test_add_func("/worker/hold", test_hold);
  g_test_add_func("/worker/F21-failing-encoder", test_failing_encoder);
  g_test_add_func("/worker/stop", test_stop);
  return g_test_run();
}
