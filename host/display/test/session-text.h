/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/* What is typed in the terminal: lines of ASCII; static storage. */

extern const char *const SESSION_TEXT[];
extern const guint SESSION_TEXT_LINES;
