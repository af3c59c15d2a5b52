// SPDX-License-Identifier: LGPL-2.1-or-later
/* wallpaper FILE: paints the demo desktop's background, hills at dusk, so that no picture has to be kept in the tree. */
#include <cairo.h>
#include <math.h>
#include <stdio.h>

enum { WIDTH = 1280, HEIGHT = 720 };

static void paint_sky(cairo_t *cr)
{
    cairo_pattern_t *sky = cairo_pattern_create_linear(0, 0, 0, HEIGHT);
    cairo_pattern_add_color_stop_rgb(sky, 0.0, 0.07, 0.10, 0.27);
    cairo_pattern_add_color_stop_rgb(sky, 0.45, 0.36, 0.25, 0.50);
    cairo_pattern_add_color_stop_rgb(sky, 0.72, 0.95, 0.55, 0.42);
    cairo_pattern_add_color_stop_rgb(sky, 1.0, 1.0, 0.80, 0.52);
    cairo_set_source(cr, sky);
    cairo_paint(cr);
    cairo_pattern_destroy(sky);
}

static void paint_sun(cairo_t *cr, double x, double y)
{
    cairo_pattern_t *glow = cairo_pattern_create_radial(x, y, 30, x, y, 330);
    cairo_pattern_add_color_stop_rgba(glow, 0.0, 1.0, 0.95, 0.75, 1.0);
    cairo_pattern_add_color_stop_rgba(glow, 0.12, 1.0, 0.85, 0.55, 0.45);
    cairo_pattern_add_color_stop_rgba(glow, 1.0, 1.0, 0.70, 0.40, 0.0);
    cairo_set_source(cr, glow);
    cairo_paint(cr);
    cairo_pattern_destroy(glow);
}

static void paint_hill(cairo_t *cr, int layer)
{
    double base = HEIGHT * (0.66 + 0.085 * layer), shade = 1.0 - 0.24 * layer;

    cairo_move_to(cr, 0, HEIGHT);
    for (int x = 0; x <= WIDTH; x += 4)
        cairo_line_to(cr, x, base + 34 * sin(x / (150.0 + 30 * layer) + 2.1 * layer) + 13 * sin(x / 47.0 + layer));
    cairo_line_to(cr, WIDTH, HEIGHT);
    cairo_close_path(cr);
    cairo_set_source_rgb(cr, 0.38 * shade, 0.25 * shade, 0.46 * shade);
    cairo_fill(cr);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, WIDTH, HEIGHT);
    cairo_t *cr = cairo_create(surface);
    paint_sky(cr);
    paint_sun(cr, WIDTH * 0.7, HEIGHT * 0.56);
    for (int layer = 0; layer < 4; layer++)
        paint_hill(cr, layer);
    cairo_status_t status = cairo_surface_write_to_png(surface, argv[1]);
    if (status)
        fprintf(stderr, "wallpaper: %s: %s\n", argv[1], cairo_status_to_string(status));
    cairo_destroy(cr);
    cairo_surface_destroy(surface);
    return status ? 1 : 0;
}
