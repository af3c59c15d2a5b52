/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/memory-trim.h"

void memory_trim(void) {
}
