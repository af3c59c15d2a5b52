/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A file of tests/data/hxfr-v1 without its ".bin": a whole message. Aborts the test if there is none. */
GBytes *frozen_load(const char *name);
