// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * screen: what the test guest shows. Takes the first DRM card, double-buffers with page flips (or, with --dirty, draws
 * into one buffer and reports rectangles) and draws a picture of which everything is known: see README.md beside this file
 * for the layout, and screen.mjs for the same numbers on the tests' side.
 *
 * It begins on the first output that is connected. Commands come on stdin, a line each: "mode WxH", "fps F", "still", "go",
 * "step N", "cursor X Y", "cursor off", "outputs", "light N WxH", "dark N", "quit".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <drm_fourcc.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

enum {
    CELL = 16,
    BARCODE_COLUMNS = 16,
    BARCODE_ROWS = 2,
    BARCODE_WIDTH = CELL * BARCODE_COLUMNS,
    BARCODE_HEIGHT = CELL * BARCODE_ROWS,
    PATCH = 64,
    PATCH_PITCH = 72,
    PATCH_LEFT = 32,
    PATCH_TOP = 64,
    PATCH_COLUMNS = 8,
    BOX = 96,
    BOX_TOP = 232,
    BOX_STEP = 8,
    CURSOR = 64,
    MIN_WIDTH = 640,
    MIN_HEIGHT = 384,
    MAX_SIDE = 8192,
    MAX_OUTPUTS = 16,
    OUTPUT_SHIFT = 20, /* of an output's number in the frame number that it shows */
};

static const uint32_t background = 0x203040;
static const uint32_t box_color = 0xff8000;
static const int64_t second_ns = 1000000000;

static const uint32_t patches[] = {
    0x000000, 0xffffff, 0xff0000, 0x00ff00, 0x0000ff, 0xffff00, 0x00ffff, 0xff00ff,
    0x808080, 0x404040, 0xc0c0c0, 0xc86432, 0x3264c8, 0x28a05a, 0xe0ac82, 0x800040,
};

struct buffer {
    uint32_t handle, id, pitch;
    uint64_t size;
    uint8_t *map;
    uint32_t box_left; /* where this buffer's box is, to be wiped at its next frame */
};

struct output {
    uint32_t number, connector, crtc;
    uint32_t width, height; /* 0: dark */
    struct buffer buffers[2];
    unsigned back;
    bool flip_pending;
};

struct screen {
    int fd;
    uint32_t count;
    struct output outputs[MAX_OUTPUTS];
    struct output *first; /* what "mode" and "cursor" mean */
    bool dirty;
    uint32_t frame;
    struct buffer cursor;
};

struct pace {
    int64_t period, next;
    uint32_t stop_at; /* no frame after this one; UINT32_MAX: go on */
    uint32_t counted;
    uint32_t stamp_every; /* 0: none */
    int64_t count_since;
};

static void die(const char *what)
{
    printf("SCREEN failed: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * second_ns + t.tv_nsec;
}

/* --- pictures --- */

static void fill(struct buffer *b, uint32_t x, uint32_t y, uint32_t w, uint32_t h, uint32_t color)
{
    for (uint32_t row = y; row < y + h; row++) {
        uint32_t *p = (uint32_t *) (b->map + (size_t) row * b->pitch) + x;
        for (uint32_t i = 0; i < w; i++)
            p[i] = color;
    }
}

static uint32_t barcode_word(uint32_t n)
{
    uint32_t check = (n ^ (n >> 8) ^ (n >> 16) ^ 0x5a) & 0xff;
    return (n & 0xffffff) << 8 | check;
}

static void draw_barcode(struct buffer *b, uint32_t left, uint32_t top, uint32_t word)
{
    for (uint32_t i = 0; i < 32; i++) {
        uint32_t x = left + i % BARCODE_COLUMNS * CELL;
        uint32_t y = top + i / BARCODE_COLUMNS * CELL;
        fill(b, x, y, CELL, CELL, word >> (31 - i) & 1 ? 0xffffff : 0x000000);
    }
}

static uint32_t background_of(const struct output *o)
{
    return background ^ (o->number & 1 ? 0x600000 : 0) ^ (o->number & 2 ? 0x006000 : 0);
}

/* Each output has the patches in an order of its own. */
static void draw_static(const struct output *o, struct buffer *b)
{
    const uint32_t count = sizeof patches / sizeof *patches;

    fill(b, 0, 0, o->width, o->height, background_of(o));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t x = PATCH_LEFT + i % PATCH_COLUMNS * PATCH_PITCH;
        uint32_t y = PATCH_TOP + i / PATCH_COLUMNS * PATCH_PITCH;
        fill(b, x, y, PATCH, PATCH, patches[(i + o->number) % count]);
    }
}

static uint32_t box_left(const struct output *o, uint32_t frame)
{
    uint32_t span = o->width - BOX;
    uint32_t at = (uint32_t) ((uint64_t) frame * BOX_STEP % (2 * span));
    return at <= span ? at : 2 * span - at;
}

static void draw_frame(const struct output *o, struct buffer *b, uint32_t frame)
{
    uint32_t word = barcode_word(frame + (o->number << OUTPUT_SHIFT));
    uint32_t right = o->width - BARCODE_WIDTH, bottom = o->height - BARCODE_HEIGHT;

    fill(b, b->box_left, BOX_TOP, BOX, BOX, background_of(o));
    b->box_left = box_left(o, frame);
    fill(b, b->box_left, BOX_TOP, BOX, BOX, box_color);
    draw_barcode(b, 0, 0, word);
    draw_barcode(b, right, 0, word);
    draw_barcode(b, 0, bottom, word);
    draw_barcode(b, right, bottom, word);
}

/* --- buffers and modes --- */

static void buffer_init(int fd, struct buffer *b, uint32_t w, uint32_t h)
{
    uint64_t offset;

    *b = (struct buffer) { 0 };
    if (drmModeCreateDumbBuffer(fd, w, h, 32, 0, &b->handle, &b->pitch, &b->size))
        die("dumb buffer");
    if (drmModeMapDumbBuffer(fd, b->handle, &offset))
        die("map dumb buffer");
    b->map = mmap(NULL, b->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t) offset);
    if (b->map == MAP_FAILED)
        die("mmap");
}

static void buffer_add_framebuffer(int fd, struct buffer *b, uint32_t w, uint32_t h)
{
    uint32_t handles[4] = { b->handle }, pitches[4] = { b->pitch }, offsets[4] = { 0 };
    if (drmModeAddFB2(fd, w, h, DRM_FORMAT_XRGB8888, handles, pitches, offsets, &b->id, 0))
        die("framebuffer");
}

static void buffer_finish(int fd, struct buffer *b)
{
    if (!b->map)
        return;
    munmap(b->map, b->size);
    if (b->id)
        drmModeRmFB(fd, b->id);
    drmModeDestroyDumbBuffer(fd, b->handle);
    *b = (struct buffer) { 0 };
}

/* virtio-gpu has no timings; these only have to be consistent for the kernel's checks. */
static drmModeModeInfo make_mode(uint32_t w, uint32_t h)
{
    drmModeModeInfo m = {
        .hdisplay = (uint16_t) w,
        .hsync_start = (uint16_t) (w + 16),
        .hsync_end = (uint16_t) (w + 48),
        .htotal = (uint16_t) (w + 160),
        .vdisplay = (uint16_t) h,
        .vsync_start = (uint16_t) (h + 3),
        .vsync_end = (uint16_t) (h + 8),
        .vtotal = (uint16_t) (h + 30),
        .vrefresh = 60,
        .type = DRM_MODE_TYPE_USERDEF,
    };
    m.clock = (uint32_t) m.htotal * m.vtotal * 60 / 1000;
    snprintf(m.name, sizeof m.name, "%ux%u", w, h);
    return m;
}

/* false where the kernel refuses */
static bool set_mode(struct screen *s, struct output *o, uint32_t w, uint32_t h)
{
    struct buffer old[2] = { o->buffers[0], o->buffers[1] };
    drmModeModeInfo mode = make_mode(w, h);

    o->width = w;
    o->height = h;
    for (int i = 0; i < 2; i++) {
        buffer_init(s->fd, &o->buffers[i], w, h);
        buffer_add_framebuffer(s->fd, &o->buffers[i], w, h);
        draw_static(o, &o->buffers[i]);
        draw_frame(o, &o->buffers[i], s->frame);
    }
    bool set = drmModeSetCrtc(s->fd, o->crtc, o->buffers[0].id, 0, 0, &o->connector, 1, &mode) == 0;
    o->back = 1;
    buffer_finish(s->fd, &old[0]);
    buffer_finish(s->fd, &old[1]);
    return set;
}

static void darken(struct screen *s, struct output *o)
{
    drmModeSetCrtc(s->fd, o->crtc, 0, 0, 0, NULL, 0, NULL);
    buffer_finish(s->fd, &o->buffers[0]);
    buffer_finish(s->fd, &o->buffers[1]);
    o->width = o->height = 0;
}

static bool find_outputs(struct screen *s)
{
    drmModeRes *res = drmModeGetResources(s->fd);
    if (!res)
        return false;
    for (s->count = 0; s->count < MAX_OUTPUTS && (int) s->count < res->count_connectors; s->count++) {
        struct output *o = &s->outputs[s->count];
        drmModeConnector *c = drmModeGetConnector(s->fd, res->connectors[s->count]);
        *o = (struct output) { .number = s->count, .connector = res->connectors[s->count], .crtc = res->crtcs[s->count] };
        if (c && c->connection == DRM_MODE_CONNECTED && !s->first)
            s->first = o;
        drmModeFreeConnector(c);
    }
    drmModeFreeResources(res);
    return s->first != NULL;
}

/* What the kernel knows of each: its first mode is the preferred one. */
static void list_outputs(struct screen *s)
{
    printf("SCREEN outputs");
    for (uint32_t i = 0; i < s->count; i++) {
        drmModeConnector *c = drmModeGetConnector(s->fd, s->outputs[i].connector);
        if (c && c->connection == DRM_MODE_CONNECTED && c->count_modes > 0)
            printf(" %u=%ux%u", i, c->modes[0].hdisplay, c->modes[0].vdisplay);
        else
            printf(" %u=%s", i, c && c->connection == DRM_MODE_CONNECTED ? "connected" : "disconnected");
        drmModeFreeConnector(c);
    }
    printf("\n");
}

static void open_card(struct screen *s)
{
    for (int tries = 0; tries < 100; tries++) {
        s->fd = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
        if (s->fd >= 0 && find_outputs(s))
            return;
        if (s->fd >= 0)
            close(s->fd);
        usleep(50000);
    }
    die("/dev/dri/card0");
}

/* --- showing --- */

static void on_flip(int fd, unsigned sequence, unsigned sec, unsigned usec, void *data)
{
    (void) fd, (void) sequence, (void) sec, (void) usec;
    ((struct output *) data)->flip_pending = false;
}

static void wait_for_flip(struct screen *s, const struct output *o)
{
    drmEventContext events = { .version = 2, .page_flip_handler = on_flip };
    while (o->flip_pending) {
        struct pollfd p = { .fd = s->fd, .events = POLLIN };
        if (poll(&p, 1, 1000) <= 0)
            die("page flip event");
        drmHandleEvent(s->fd, &events);
    }
}

static void show_flip(struct screen *s, struct output *o)
{
    struct buffer *b = &o->buffers[o->back];

    draw_frame(o, b, s->frame);
    o->flip_pending = true;
    if (drmModePageFlip(s->fd, o->crtc, b->id, DRM_MODE_PAGE_FLIP_EVENT, o))
        die("page flip");
    wait_for_flip(s, o);
    o->back ^= 1;
}

static void report_dirty(struct screen *s, const struct buffer *b, uint32_t x, uint32_t y, uint32_t w, uint32_t h)
{
    drmModeClip clip = {
        .x1 = (uint16_t) x,
        .y1 = (uint16_t) y,
        .x2 = (uint16_t) (x + w),
        .y2 = (uint16_t) (y + h),
    };
    if (drmModeDirtyFB(s->fd, b->id, &clip, 1))
        die("dirtyfb");
}

/* One call a rectangle: the kernel would merge several into their hull. */
static void show_dirty(struct screen *s, struct output *o)
{
    struct buffer *b = &o->buffers[0];
    uint32_t old = b->box_left;
    uint32_t right = o->width - BARCODE_WIDTH, bottom = o->height - BARCODE_HEIGHT;

    draw_frame(o, b, s->frame);
    uint32_t first = old < b->box_left ? old : b->box_left;
    uint32_t last = old > b->box_left ? old : b->box_left;
    report_dirty(s, b, first, BOX_TOP, last + BOX - first, BOX);
    report_dirty(s, b, 0, 0, BARCODE_WIDTH, BARCODE_HEIGHT);
    report_dirty(s, b, right, 0, BARCODE_WIDTH, BARCODE_HEIGHT);
    report_dirty(s, b, 0, bottom, BARCODE_WIDTH, BARCODE_HEIGHT);
    report_dirty(s, b, right, bottom, BARCODE_WIDTH, BARCODE_HEIGHT);
}

static void show_next(struct screen *s, struct pace *pace)
{
    s->frame = (s->frame + 1) & 0xffffff;
    for (uint32_t i = 0; i < s->count; i++) {
        if (!s->outputs[i].width)
            continue;
        if (s->dirty)
            show_dirty(s, &s->outputs[i]);
        else
            show_flip(s, &s->outputs[i]);
    }
    pace->counted++;
}

/* A pointer whose picture says where its hot spot (0,0) is: a red quarter on half-transparent blue. */
static void show_cursor(struct screen *s, int x, int y)
{
    if (!s->cursor.map) {
        buffer_init(s->fd, &s->cursor, CURSOR, CURSOR);
        fill(&s->cursor, 0, 0, CURSOR, CURSOR, 0);
        fill(&s->cursor, 0, 0, 32, 32, 0x80000080);
        fill(&s->cursor, 0, 0, 16, 16, 0xffff0000);
    }
    if (drmModeSetCursor2(s->fd, s->first->crtc, s->cursor.handle, CURSOR, CURSOR, 0, 0) ||
        drmModeMoveCursor(s->fd, s->first->crtc, x, y))
        printf("SCREEN cursor failed: %s\n", strerror(errno));
    else
        printf("SCREEN cursor %d %d\n", x, y);
}

static void hide_cursor(struct screen *s)
{
    drmModeSetCursor(s->fd, s->first->crtc, 0, 0, 0);
    printf("SCREEN cursor off\n");
}

/* --- commands and pacing --- */

static bool parse_mode(const char *text, uint32_t *w, uint32_t *h)
{
    return sscanf(text, "%ux%u", w, h) == 2 && *w >= MIN_WIDTH && *w <= MAX_SIDE && *h >= MIN_HEIGHT && *h <= MAX_SIDE;
}

static bool parse_fps(const char *text, int64_t *period)
{
    double fps = strtod(text, NULL);
    if (fps < 0.1 || fps > 1000)
        return false;
    *period = (int64_t) ((double) second_ns / fps);
    return true;
}

static void light(struct screen *s, uint32_t number, uint32_t w, uint32_t h)
{
    struct output *o = &s->outputs[number];
    if (set_mode(s, o, w, h)) {
        printf("SCREEN light %u %ux%u\n", number, w, h);
        return;
    }
    printf("SCREEN light %u failed: %s\n", number, strerror(errno));
    darken(s, o);
}

/* FALSE: none of these. */
static bool output_command(struct screen *s, const char *line)
{
    uint32_t n, w, h;
    int at = 0;

    if (strcmp(line, "outputs") == 0) {
        list_outputs(s);
    } else if (sscanf(line, "light %u %n", &n, &at) == 1 && n < s->count && parse_mode(line + at, &w, &h)) {
        light(s, n, w, h);
    } else if (sscanf(line, "dark %u", &n) == 1 && n < s->count) {
        darken(s, &s->outputs[n]);
        printf("SCREEN dark %u\n", n);
    } else {
        return false;
    }
    return true;
}

static void command(struct screen *s, struct pace *pace, const char *line)
{
    uint32_t w, h, n;
    int x, y;

    if (strncmp(line, "mode ", 5) == 0 && parse_mode(line + 5, &w, &h)) {
        if (!set_mode(s, s->first, w, h))
            die("set mode");
        printf("SCREEN mode %ux%u\n", w, h);
    } else if (strncmp(line, "fps ", 4) == 0 && parse_fps(line + 4, &pace->period)) {
        printf("SCREEN fps %.3f\n", (double) second_ns / (double) pace->period);
    } else if (strcmp(line, "still") == 0) {
        pace->stop_at = s->frame;
        printf("SCREEN still %u\n", s->frame);
    } else if (strcmp(line, "go") == 0) {
        pace->stop_at = UINT32_MAX;
    } else if (sscanf(line, "step %u", &n) == 1) {
        pace->stop_at = s->frame + n;
    } else if (sscanf(line, "stamps %u", &n) == 1) {
        pace->stamp_every = n;
        printf("SCREEN stamps %u\n", n);
    } else if (strcmp(line, "clock") == 0) {
        printf("SCREEN clock %" PRId64 "\n", now_ns());
    } else if (strcmp(line, "cursor off") == 0) {
        hide_cursor(s);
    } else if (sscanf(line, "cursor %d %d", &x, &y) == 2) {
        show_cursor(s, x, y);
    } else if (strcmp(line, "quit") == 0) {
        exit(0);
    } else if (!output_command(s, line)) {
        printf("SCREEN does not know: %s\n", line);
    }
}

static void read_commands(struct screen *s, struct pace *pace)
{
    static char text[256];
    static size_t length;

    ssize_t got = read(STDIN_FILENO, text + length, sizeof text - 1 - length);
    if (got <= 0)
        return;
    length += (size_t) got;
    text[length] = 0;
    for (char *end; (end = strchr(text, '\n'));) {
        *end = 0;
        command(s, pace, text);
        length -= (size_t) (end + 1 - text);
        memmove(text, end + 1, length + 1);
    }
    if (length == sizeof text - 1)
        length = 0;
}

static void wait_until(struct screen *s, struct pace *pace, int64_t when)
{
    int64_t left = when - now_ns();
    do {
        struct timespec t = { .tv_sec = left > 0 ? left / second_ns : 0, .tv_nsec = left > 0 ? left % second_ns : 0 };
        struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
        if (ppoll(&p, 1, &t, NULL) > 0) {
            if (p.revents & POLLIN)
                read_commands(s, pace);
            else
                usleep(1000); /* nobody has the commands' other end open */
        }
    } while ((left = when - now_ns()) > 0);
}

static void count_flips(struct screen *s, struct pace *pace)
{
    int64_t now = now_ns();
    if (now - pace->count_since < second_ns)
        return;
    printf("SCREEN flips %u frame %u\n", pace->counted, s->frame);
    pace->counted = 0;
    pace->count_since = now;
}

static void run(struct screen *s, struct pace *pace)
{
    pace->next = pace->count_since = now_ns();
    for (;;) {
        pace->next += pace->period;
        int64_t now = now_ns();
        if (now > pace->next + pace->period)
            pace->next = now; /* too late: drop the beat rather than run after it */
        wait_until(s, pace, pace->next);
        if (s->frame < pace->stop_at) {
            int64_t began = now_ns();
            show_next(s, pace);
            if (pace->stamp_every && s->frame % pace->stamp_every == 0)
                printf("SCREEN stamp %u %" PRId64 "\n", s->frame, began); /* before its first pixel was written */
        }
        count_flips(s, pace);
    }
}

static int usage(void)
{
    fputs("usage: screen [--mode WxH] [--fps F] [--still-after N] [--dirty]\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct screen s = { 0 };
    struct pace pace = { .stop_at = UINT32_MAX };
    uint32_t w = 1280, h = 720;

    setvbuf(stdout, NULL, _IOLBF, 0);
    parse_fps("59.9", &pace.period);
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--dirty") == 0)
            s.dirty = true;
        else if (strcmp(argv[i], "--mode") == 0 && parse_mode(value, &w, &h))
            i++;
        else if (strcmp(argv[i], "--fps") == 0 && parse_fps(value, &pace.period))
            i++;
        else if (strcmp(argv[i], "--still-after") == 0 && sscanf(value, "%u", &pace.stop_at) == 1)
            i++;
        else
            return usage();
    }
    open_card(&s);
    if (!set_mode(&s, s.first, w, h))
        die("set mode");
    printf("SCREEN up %ux%u\n", w, h);
    run(&s, &pace);
}
