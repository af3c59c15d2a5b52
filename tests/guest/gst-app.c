/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gst-app [--frames N] [--seconds S] [--dumb WxH] PIPELINE: runs a GStreamer pipeline in the test guest as a program of its
 * users would. PIPELINE has an `appsink name=videosink emit-signals=true`; what comes there is counted and goes, one access
 * unit after the other, over the VM's virtio-serial port, where there is one. Ends after N frames, or S seconds.
 *
 * --dumb: PIPELINE has an `appsrc name=source`, which is fed, 30 times a second, with a dumb buffer of the virtio-gpu that
 * is on no scanout, as a DMA-BUF. Its quarters are red, green, blue and grey (#808080), from left to right and top to
 * bottom.
 *
 * Says, a line each: "GST caps CAPS", "GST warning TEXT", "GST failed TEXT", "GST stats STRUCTURE" (of the element called
 * `framelift`), and at the end "GST done N samples B bytes".
 */
#include <fcntl.h>
#include <glob.h>
#include <gst/allocators/gstdmabuf.h>
#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/video/video.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#define DUMB_FPS 30
/* A pipeline that gives nothing for so long has failed. */
#define DEFAULT_SECONDS 60

typedef struct {
  guint frames;
  guint seconds;
  guint width; /* of the dumb buffer; 0: none */
  guint height;
  const char *text;
} Wishes;

typedef struct {
  GMainLoop *loop;
  guint frames; /* to come; 0: no end */
  int port;     /* -1: none */
  gint samples; /* atomic */
  guint64 bytes;
  gboolean failed;
  GstCaps *caps; /* the last sample's */
} App;

typedef struct {
  GstAppSrc *source;
  GstMemory *memory;
  guint width, height, pitch;
} Dumb;

/* ---- what comes out ---- */

static int open_port(void) {
  glob_t found;
  int port = glob("/dev/vport*", 0, NULL, &found) == 0 ? open(found.gl_pathv[0], O_WRONLY | O_CLOEXEC) : -1;
  globfree(&found);
  return port;
}

static gboolean write_all(int fd, const guint8 *data, gsize size) {
  while (size > 0) {
    gssize done = write(fd, data, size);
    if (done <= 0) return FALSE;
    data += done;
    size -= (gsize)done;
  }
  return TRUE;
}

static void say_caps(App *app, GstCaps *caps) {
  if (app->caps && gst_caps_is_equal(app->caps, caps)) return;
  gst_caps_replace(&app->caps, caps);
  g_autofree char *text = gst_caps_to_string(caps);
  printf("GST caps %s\n", text);
}

static GstFlowReturn on_sample(GstAppSink *sink, gpointer data) {
  App *app = data;
  GstSample *sample = gst_app_sink_pull_sample(sink);
  if (!sample) return GST_FLOW_EOS;
  if (app->frames > 0 && (guint)g_atomic_int_get(&app->samples) == app->frames) {
    gst_sample_unref(sample);
    return GST_FLOW_EOS;
  }
  GstMapInfo map;
  GstBuffer *buffer = gst_sample_get_buffer(sample);
  say_caps(app, gst_sample_get_caps(sample));
  if (gst_buffer_map(buffer, &map, GST_MAP_READ)) {
    if (app->port >= 0 && !write_all(app->port, map.data, map.size)) app->failed = TRUE;
    app->bytes += map.size;
    gst_buffer_unmap(buffer, &map);
  }
  gst_sample_unref(sample);
  guint samples = (guint)g_atomic_int_add(&app->samples, 1) + 1;
  if (samples == app->frames || app->failed) g_main_loop_quit(app->loop);
  return GST_FLOW_OK;
}

static gboolean on_message(GstBus *bus, GstMessage *message, gpointer data) {
  App *app = data;
  g_autoptr(GError) error = NULL;
  switch (GST_MESSAGE_TYPE(message)) {
  case GST_MESSAGE_ERROR:
    gst_message_parse_error(message, &error, NULL);
    printf("GST failed %s: %s\n", GST_MESSAGE_SRC_NAME(message), error->message);
    app->failed = TRUE;
    g_main_loop_quit(app->loop);
    break;
  case GST_MESSAGE_WARNING:
    gst_message_parse_warning(message, &error, NULL);
    printf("GST warning %s: %s\n", GST_MESSAGE_SRC_NAME(message), error->message);
    break;
  case GST_MESSAGE_EOS:
    g_main_loop_quit(app->loop);
    break;
  default:
    break;
  }
  return G_SOURCE_CONTINUE;
}

static gboolean on_time(gpointer data) {
  App *app = data;
  g_main_loop_quit(app->loop);
  return G_SOURCE_CONTINUE;
}

/* ---- a dumb buffer, as a DMA-BUF ---- */

static void paint(guint8 *map, const Dumb *dumb) {
  static const guint32 COLOURS[] = {0xff0000, 0x00ff00, 0x0000ff, 0x808080};
  for (guint y = 0; y < dumb->height; y++) {
    guint32 *row = (guint32 *)(map + (gsize)y * dumb->pitch);
    for (guint x = 0; x < dumb->width; x++) {
      row[x] = COLOURS[(y >= dumb->height / 2 ? 2 : 0) + (x >= dumb->width / 2 ? 1 : 0)];
    }
  }
}

static gboolean dumb_init(Dumb *dumb, const Wishes *wishes) {
  uint32_t handle;
  uint64_t size, offset;
  int prime = -1, card = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
  *dumb = (Dumb){.width = wishes->width, .height = wishes->height};
  if (card < 0 || drmModeCreateDumbBuffer(card, dumb->width, dumb->height, 32, 0, &handle, &dumb->pitch, &size) != 0 ||
      drmModeMapDumbBuffer(card, handle, &offset) != 0) {
    return FALSE;
  }
  guint8 *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, card, (off_t)offset);
  if (map == MAP_FAILED || drmPrimeHandleToFD(card, handle, DRM_CLOEXEC | DRM_RDWR, &prime) != 0) return FALSE;
  paint(map, dumb);
  munmap(map, size);
  GstAllocator *allocator = gst_dmabuf_allocator_new();
  dumb->memory = gst_dmabuf_allocator_alloc(allocator, prime, size);
  gst_object_unref(allocator);
  /* the DMA-BUF keeps it alive: the handle is this program's only other hold on it */
  drmModeDestroyDumbBuffer(card, handle);
  close(card);
  return dumb->memory != NULL;
}

static void dumb_attach(Dumb *dumb, GstElement *pipeline) {
  dumb->source = GST_APP_SRC(gst_bin_get_by_name(GST_BIN(pipeline), "source"));
  g_assert(dumb->source);
  GstCaps *caps = gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING, "BGRx", "width", G_TYPE_INT,
                                      (gint)dumb->width, "height", G_TYPE_INT, (gint)dumb->height, "framerate",
                                      GST_TYPE_FRACTION, DUMB_FPS, 1, NULL);
  gst_caps_set_features(caps, 0, gst_caps_features_new(GST_CAPS_FEATURE_MEMORY_DMABUF, NULL));
  gst_app_src_set_caps(dumb->source, caps);
  gst_caps_unref(caps);
  g_object_set(dumb->source, "format", GST_FORMAT_TIME, "is-live", TRUE, "do-timestamp", TRUE, NULL);
}

static gboolean on_beat(gpointer data) {
  Dumb *dumb = data;
  gsize offsets[GST_VIDEO_MAX_PLANES] = {0};
  gint strides[GST_VIDEO_MAX_PLANES] = {(gint)dumb->pitch};
  GstBuffer *buffer = gst_buffer_new();
  gst_buffer_append_memory(buffer, gst_memory_ref(dumb->memory));
  gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_BGRx, dumb->width, dumb->height, 1,
                                 offsets, strides);
  return gst_app_src_push_buffer(dumb->source, buffer) == GST_FLOW_OK ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* ---- the program ---- */

static void say_stats(GstElement *pipeline) {
  GstStructure *stats = NULL;
  GstElement *element = gst_bin_get_by_name(GST_BIN(pipeline), "framelift");
  if (!element) return;
  g_object_get(element, "stats", &stats, NULL);
  g_autofree char *text = gst_structure_to_string(stats);
  printf("GST stats %s\n", text);
  gst_structure_free(stats);
  gst_object_unref(element);
}

static void play(App *app, GstElement *pipeline, Dumb *dumb, guint seconds) {
  GstElement *sink = gst_bin_get_by_name(GST_BIN(pipeline), "videosink");
  GstBus *bus = gst_element_get_bus(pipeline);
  gst_bus_add_watch(bus, on_message, app);
  g_signal_connect(sink, "new-sample", G_CALLBACK(on_sample), app);
  if (dumb) g_timeout_add(1000 / DUMB_FPS, on_beat, dumb);
  g_timeout_add_seconds(seconds, on_time, app);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  g_main_loop_run(app->loop);
  say_stats(pipeline);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_bus_remove_watch(bus);
  gst_object_unref(bus);
  gst_object_unref(sink);
}

static gboolean parse(Wishes *wishes, int argc, char **argv) {
  *wishes = (Wishes){.seconds = DEFAULT_SECONDS};
  for (int i = 1; i + 1 < argc; i += 2) {
    const char *value = argv[i + 1];
    gboolean good = (g_str_equal(argv[i], "--frames") && sscanf(value, "%u", &wishes->frames) == 1) ||
                    (g_str_equal(argv[i], "--seconds") && sscanf(value, "%u", &wishes->seconds) == 1) ||
                    (g_str_equal(argv[i], "--dumb") && sscanf(value, "%ux%u", &wishes->width, &wishes->height) == 2);
    if (!good) return FALSE;
  }
  wishes->text = argv[argc - 1];
  return argc % 2 == 0;
}

int main(int argc, char **argv) {
  Wishes wishes;
  Dumb dumb;
  g_autoptr(GError) error = NULL;
  setvbuf(stdout, NULL, _IOLBF, 0);
  gst_init(&argc, &argv);
  if (!parse(&wishes, argc, argv)) {
    fputs("usage: gst-app [--frames N] [--seconds S] [--dumb WxH] PIPELINE\n", stderr);
    return 2;
  }
  GstElement *pipeline = gst_parse_launch(wishes.text, &error);
  if (error || (wishes.width > 0 && !dumb_init(&dumb, &wishes))) {
    printf("GST failed %s\n", error ? error->message : "there is no dumb buffer to be had");
    return 1;
  }
  if (wishes.width > 0) dumb_attach(&dumb, pipeline);
  App app = {.loop = g_main_loop_new(NULL, FALSE), .frames = wishes.frames, .port = open_port()};
  play(&app, pipeline, wishes.width > 0 ? &dumb : NULL, wishes.seconds);
  printf("GST done %d samples %" G_GUINT64_FORMAT " bytes\n", g_atomic_int_get(&app.samples), app.bytes);
  return app.failed ? 1 : 0;
}
