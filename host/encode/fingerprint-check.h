/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/media/fingerprint.h"
#include "host/capture/shadow.h"

/* Whether a shadow shows what a fingerprint says (F27): of one picture, however busy its writer is. Any thread; waits
 * for the writer, FINGERPRINT_CHECK_WAIT_MS at most. */

/* A writer needs a millisecond or two for a picture; one that is at it for longer says nothing for sure. */
#define FINGERPRINT_CHECK_WAIT_MS 20u

typedef enum {
  FINGERPRINT_AGREES,
  FINGERPRINT_DARK,       /* no shadow, or nothing was ever written to it */
  FINGERPRINT_OTHER_SIZE, /* not that of the frame whose fingerprint it is */
  FINGERPRINT_DIFFERS,
} FingerprintCheck;

/* shadow: nullable. *generation: of the picture that was compared. */
FingerprintCheck fingerprint_check(const Shadow *shadow, const Fingerprint *fingerprint, guint width, guint height,
                                   guint64 *generation);
