/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gst-app [--frames N] [--seconds S] [--capture | --dumb=WxH] PIPELINE: runs a GStreamer pipeline in the test guest as
 * a program of its users would. PIPELINE has an `appsink name=videosink emit-signals=true`; what comes there is counted
 * and goes, one access unit after the other, over the VM's virtio-serial port, where there is one. Ends after N frames,
 * or S seconds.
 *
 * With one of these PIPELINE has an `appsrc name=source`, which is fed 30 times a second:
 * --capture: what the first CRTC shows, copied to system memory, as a desktop's capture gives it;
 * --dumb: a dumb buffer of the virtio-gpu that is on no scanout, as a DMA-BUF. Its quarters are red, green, blue and
 * grey
 * (#808080), from left to right and top to bottom.
 *
 * Says, a line each: "GST caps CAPS", "GST warning TEXT", "GST failed TEXT", "GST stats STRUCTURE" (of the element
 * called `framelift`), and at the end "GST done N samples B bytes".
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

#define CARD "/dev/dri/card0"
#define FEED_FPS 30
/* A pipeline that gives nothing for so long has failed. */
#define DEFAULT_SECONDS 60

typedef struct {
  gint frames;
  gint seconds;
  gboolean capture;
  char *dumb; /* its size; NULL: none */
  char *pipeline;
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

/* What an appsrc is fed with. */
typedef struct {
  GstAppSrc *source;
  int card;
  guint width, height, pitch;
  GstMemory *memory; /* the dumb buffer; NULL: the screen is captured */
} Feed;

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

/* ---- what goes in ---- */

static guint8 *map_handle(int card, uint32_t handle, gsize size, int protection) {
  uint64_t offset;
  if (drmModeMapDumbBuffer(card, handle, &offset) != 0) return NULL;
  guint8 *map = mmap(NULL, size, protection, MAP_SHARED, card, (off_t)offset);
  return map == MAP_FAILED ? NULL : map;
}

static void paint(guint8 *map, const Feed *feed) {
  static const guint32 COLOURS[] = {0xff0000, 0x00ff00, 0x0000ff, 0x808080};
  for (guint y = 0; y < feed->height; y++) {
    guint32 *row = (guint32 *)(map + (gsize)y * feed->pitch);
    for (guint x = 0; x < feed->width; x++) {
      row[x] = COLOURS[(y >= feed->height / 2 ? 2 : 0) + (x >= feed->width / 2 ? 1 : 0)];
    }
  }
}

static gboolean make_dumb(Feed *feed) {
  uint32_t handle;
  uint64_t size;
  int prime = -1;
  if (drmModeCreateDumbBuffer(feed->card, feed->width, feed->height, 32, 0, &handle, &feed->pitch, &size) != 0) {
    return FALSE;
  }
  guint8 *map = map_handle(feed->card, handle, size, PROT_READ | PROT_WRITE);
  if (!map || drmPrimeHandleToFD(feed->card, handle, DRM_CLOEXEC | DRM_RDWR, &prime) != 0) return FALSE;
  paint(map, feed);
  munmap(map, size);
  GstAllocator *allocator = gst_dmabuf_allocator_new();
  feed->memory = gst_dmabuf_allocator_alloc(allocator, prime, size);
  gst_object_unref(allocator);
  /* from here on the DMA-BUF alone keeps it alive */
  return feed->memory && drmModeDestroyDumbBuffer(feed->card, handle) == 0;
}

static GstBuffer *dumb_buffer(const Feed *feed) {
  gsize offsets[GST_VIDEO_MAX_PLANES] = {0};
  gint strides[GST_VIDEO_MAX_PLANES] = {(gint)feed->pitch};
  GstBuffer *buffer = gst_buffer_new();
  gst_buffer_append_memory(buffer, gst_memory_ref(feed->memory));
  gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_BGRx, feed->width, feed->height, 1,
                                 offsets, strides);
  return buffer;
}

/* What the first CRTC shows, with a handle of our own; NULL: nothing. */
static drmModeFB *shown(int card) {
  drmModeRes *resources = drmModeGetResources(card);
  drmModeCrtc *crtc = resources && resources->count_crtcs > 0 ? drmModeGetCrtc(card, resources->crtcs[0]) : NULL;
  drmModeFB *shown = crtc && crtc->buffer_id ? drmModeGetFB(card, crtc->buffer_id) : NULL;
  drmModeFreeCrtc(crtc);
  drmModeFreeResources(resources);
  return shown;
}

static GstBuffer *captured_buffer(const Feed *feed) {
  gsize size = (gsize)feed->width * 4 * feed->height;
  GstBuffer *buffer = NULL;
  drmModeFB *fb = shown(feed->card);
  if (!fb) return NULL;
  if (fb->width == feed->width && fb->height == feed->height && fb->pitch == feed->width * 4) {
    guint8 *map = map_handle(feed->card, fb->handle, size, PROT_READ);
    buffer = map ? gst_buffer_new_memdup(map, size) : NULL;
    if (map) munmap(map, size);
  }
  drmModeDestroyDumbBuffer(feed->card, fb->handle);
  drmModeFreeFB(fb);
  return buffer;
}

static gboolean feed_init(Feed *feed, const Wishes *wishes) {
  *feed = (Feed){.card = open(CARD, O_RDWR | O_CLOEXEC)};
  if (feed->card < 0) return FALSE;
  if (wishes->dumb) return sscanf(wishes->dumb, "%ux%u", &feed->width, &feed->height) == 2 && make_dumb(feed);
  drmModeFB *fb = shown(feed->card);
  if (!fb) return FALSE;
  feed->width = fb->width;
  feed->height = fb->height;
  drmModeDestroyDumbBuffer(feed->card, fb->handle);
  drmModeFreeFB(fb);
  return TRUE;
}

static void feed_attach(Feed *feed, GstElement *pipeline) {
  feed->source = GST_APP_SRC(gst_bin_get_by_name(GST_BIN(pipeline), "source"));
  g_assert(feed->source);
  GstCaps *caps =
      gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING, "BGRx", "width", G_TYPE_INT, (gint)feed->width,
                          "height", G_TYPE_INT, (gint)feed->height, "framerate", GST_TYPE_FRACTION, FEED_FPS, 1, NULL);
  if (feed->memory) gst_caps_set_features(caps, 0, gst_caps_features_new(GST_CAPS_FEATURE_MEMORY_DMABUF, NULL));
  gst_app_src_set_caps(feed->source, caps);
  gst_caps_unref(caps);
  g_object_set(feed->source, "format", GST_FORMAT_TIME, "is-live", TRUE, "do-timestamp", TRUE, NULL);
}

static gboolean on_beat(gpointer data) {
  Feed *feed = data;
  GstBuffer *buffer = feed->memory ? dumb_buffer(feed) : captured_buffer(feed);
  if (!buffer) return G_SOURCE_CONTINUE;
  return gst_app_src_push_buffer(feed->source, buffer) == GST_FLOW_OK ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
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

static void play(App *app, GstElement *pipeline, Feed *feed, gint seconds) {
  GstElement *sink = gst_bin_get_by_name(GST_BIN(pipeline), "videosink");
  GstBus *bus = gst_element_get_bus(pipeline);
  gst_bus_add_watch(bus, on_message, app);
  g_signal_connect(sink, "new-sample", G_CALLBACK(on_sample), app);
  if (feed) g_timeout_add(1000 / FEED_FPS, on_beat, feed);
  g_timeout_add_seconds((guint)seconds, on_time, app);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  g_main_loop_run(app->loop);
  say_stats(pipeline);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_bus_remove_watch(bus);
  gst_object_unref(bus);
  gst_object_unref(sink);
}

static gboolean parse(Wishes *wishes, int *argc, char ***argv, GError **error) {
  const GOptionEntry entries[] = {
      {"frames", 0, 0, G_OPTION_ARG_INT, &wishes->frames, NULL, "N"},
      {"seconds", 0, 0, G_OPTION_ARG_INT, &wishes->seconds, NULL, "S"},
      {"capture", 0, 0, G_OPTION_ARG_NONE, &wishes->capture, NULL, NULL},
      {"dumb", 0, 0, G_OPTION_ARG_STRING, &wishes->dumb, NULL, "WxH"},
      {NULL},
  };
  *wishes = (Wishes){.seconds = DEFAULT_SECONDS};
  g_autoptr(GOptionContext) context = g_option_context_new("PIPELINE");
  g_option_context_add_main_entries(context, entries, NULL);
  g_option_context_add_group(context, gst_init_get_option_group());
  if (!g_option_context_parse(context, argc, argv, error)) return FALSE;
  if (*argc == 2) wishes->pipeline = (*argv)[1];
  if (!wishes->pipeline) g_set_error(error, GST_CORE_ERROR, GST_CORE_ERROR_FAILED, "one PIPELINE is needed");
  return wishes->pipeline != NULL;
}

static int fail(const char *why) {
  printf("GST failed %s\n", why);
  return 1;
}

int main(int argc, char **argv) {
  Wishes wishes;
  Feed feed;
  g_autoptr(GError) error = NULL;
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (!parse(&wishes, &argc, &argv, &error)) return fail(error->message);
  gboolean fed = wishes.capture || wishes.dumb;
  GstElement *pipeline = gst_parse_launch(wishes.pipeline, &error);
  if (error) return fail(error->message);
  if (fed && !feed_init(&feed, &wishes)) return fail("there is nothing at " CARD " to feed the pipeline with");
  if (fed) feed_attach(&feed, pipeline);
  App app = {.loop = g_main_loop_new(NULL, FALSE), .frames = (guint)wishes.frames, .port = open_port()};
  play(&app, pipeline, fed ? &feed : NULL, wishes.seconds);
  printf("GST done %d samples %" G_GUINT64_FORMAT " bytes\n", g_atomic_int_get(&app.samples), app.bytes);
  return app.failed ? 1 : 0;
}
