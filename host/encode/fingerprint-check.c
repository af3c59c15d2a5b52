/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/encode/fingerprint-check.h"

#define PAUSE_US 200

FingerprintCheck fingerprint_check(const Shadow *shadow, const Fingerprint *fingerprint, guint width, guint height,
                                   guint64 *generation) {
  *generation = 0;
  if (!shadow || shadow_generation(shadow) == 0) return FINGERPRINT_DARK;
  if (shadow_width(shadow) != width || shadow_height(shadow) != height) return FINGERPRINT_OTHER_SIZE;
  for (guint tries = 0; tries < FINGERPRINT_CHECK_WAIT_MS * 1000 / PAUSE_US; tries++) {
    ShadowState state;
    guint64 ticket = shadow_read_begin(shadow, &state);
    if (ticket != 0) {
      Frame frame = shadow_frame(shadow);
      gboolean agrees = fingerprint_agrees(fingerprint, &frame);
      *generation = state.generation;
      if (shadow_read_end(shadow, ticket)) return agrees ? FINGERPRINT_AGREES : FINGERPRINT_DIFFERS;
    }
    g_usleep(PAUSE_US);
  }
  return FINGERPRINT_DIFFERS;
}
