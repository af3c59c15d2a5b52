/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Arithmetic on numbers that a peer named. TRUE means the result is exact;
 * on FALSE *result is unspecified and must not be used.
 */

static inline gboolean checked_add(gsize a, gsize b, gsize *result) {
  return !__builtin_add_overflow(a, b, result);
}

static inline gboolean checked_mul(gsize a, gsize b, gsize *result) {
  return !__builtin_mul_overflow(a, b, result);
}
