/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/memory-trim.h"

#include <malloc.h>

void memory_trim(void) {
  malloc_trim(0);
}
