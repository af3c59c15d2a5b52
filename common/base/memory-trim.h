/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Gives memory that was freed back to the system, where the C library would keep it (glibc). Any thread. */
void memory_trim(void);
