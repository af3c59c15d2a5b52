/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/support/frozen.h"

GBytes *frozen_load(const char *name) {
  g_autoptr(GError) error = NULL;
  const char *source = g_getenv("FRAMELIFT_SOURCE_DIR");
  g_autofree char *path = g_strdup_printf("%s/tests/data/hxfr-v1/%s.bin", source ? source : ".", name);
  char *contents = NULL;
  gsize size = 0;
  g_file_get_contents(path, &contents, &size, &error);
  g_assert_no_error(error);
  return g_bytes_new_take(contents, size);
}
