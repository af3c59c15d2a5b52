// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * churn [--size WxH] [--hold N]: creates graphics resources and frees them while somebody else reads them. Holds N dumb
 * buffers, all of one colour each, on no scanout. Over the VM's virtio-serial port it writes the resource id of each that it
 * creates, 32 bits little-endian; each byte that it reads there makes it free the oldest and create another one. Says on
 * stdout "CHURN up" and, when the port closes or after "q", "CHURN freed N".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <virtgpu_drm.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

enum {
    MAX_HOLD = 64,
    MAX_SIDE = 4096,
};

struct churn {
    int card, port;
    uint32_t width, height;
    uint32_t handles[MAX_HOLD];
    uint32_t hold, oldest;
    uint32_t created, freed;
};

static void die(const char *what)
{
    printf("CHURN failed: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int open_port(void)
{
    glob_t found;
    if (glob("/dev/vport*", 0, NULL, &found) != 0)
        die("there is no virtio-serial port");
    int port = open(found.gl_pathv[0], O_RDWR | O_CLOEXEC);
    if (port < 0)
        die(found.gl_pathv[0]);
    globfree(&found);
    return port;
}

static uint32_t resource_of(const struct churn *c, uint32_t handle)
{
    struct drm_virtgpu_resource_info info = { .bo_handle = handle };
    if (drmIoctl(c->card, DRM_IOCTL_VIRTGPU_RESOURCE_INFO, &info))
        die("resource info");
    return info.res_handle;
}

static void create(struct churn *c, uint32_t at)
{
    uint32_t pitch;
    uint64_t size, offset;

    if (drmModeCreateDumbBuffer(c->card, c->width, c->height, 32, 0, &c->handles[at], &pitch, &size) ||
        drmModeMapDumbBuffer(c->card, c->handles[at], &offset))
        die("dumb buffer");
    uint8_t *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, c->card, (off_t) offset);
    if (map == MAP_FAILED)
        die("mmap");
    memset(map, (int) (c->created * 7 & 0xff), size);
    munmap(map, size);
    c->created++;
    uint32_t id = resource_of(c, c->handles[at]);
    if (write(c->port, &id, sizeof id) != (ssize_t) sizeof id)
        die("write to the port");
}

static void replace_oldest(struct churn *c)
{
    if (drmModeDestroyDumbBuffer(c->card, c->handles[c->oldest]))
        die("free");
    c->freed++;
    create(c, c->oldest);
    c->oldest = (c->oldest + 1) % c->hold;
}

static void run(struct churn *c)
{
    char orders[64];
    ssize_t got;

    while ((got = read(c->port, orders, sizeof orders)) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            if (orders[i] == 'q')
                return;
            replace_oldest(c);
        }
    }
}

int main(int argc, char **argv)
{
    struct churn c = { .width = 128, .height = 128, .hold = 8 };

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i + 1 < argc; i += 2) {
        bool size = strcmp(argv[i], "--size") == 0 && sscanf(argv[i + 1], "%ux%u", &c.width, &c.height) == 2;
        if (!size && !(strcmp(argv[i], "--hold") == 0 && sscanf(argv[i + 1], "%u", &c.hold) == 1))
            argc = 0;
    }
    if (argc % 2 == 0 || c.hold == 0 || c.hold > MAX_HOLD || c.width > MAX_SIDE || c.height > MAX_SIDE) {
        fputs("usage: churn [--size WxH] [--hold N]\n", stderr);
        return 2;
    }
    c.port = open_port();
    c.card = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
    if (c.card < 0)
        die("/dev/dri/card0");
    printf("CHURN up\n");
    for (uint32_t i = 0; i < c.hold; i++)
        create(&c, i);
    run(&c);
    printf("CHURN freed %u\n", c.freed);
}
