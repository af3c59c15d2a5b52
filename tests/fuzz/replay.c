/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * A fuzz target without a fuzzer: runs every input of a corpus, in order of
 * names, as one TAP test. The name of each is printed before it runs, so that
 * the last one is the culprit.
 *
 *   replay-NAME FOLDER
 */

static gint compare_names(gconstpointer a, gconstpointer b) {
  return g_strcmp0(*(const char *const *)a, *(const char *const *)b);
}

static void run_file(const char *folder, const char *name) {
  g_autofree char *path = g_build_filename(folder, name, NULL);
  g_autofree char *contents = NULL;
  gsize size;
  if (!g_file_get_contents(path, &contents, &size, NULL)) {
    printf("Bail out! cannot read %s\n", path);
    exit(1);
  }
  printf("# %s\n", name);
  fflush(stdout);
  /* an allocation that ends with the input: g_file_get_contents() adds a byte */
  g_autofree guint8 *exact = g_memdup2(contents, MAX(size, 1));
  LLVMFuzzerTestOneInput(exact, size);
}

int main(int argc, char **argv) {
  GDir *dir = argc == 2 ? g_dir_open(argv[1], 0, NULL) : NULL;
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  const char *name;
  printf("1..1\n");
  while (dir && (name = g_dir_read_name(dir))) g_ptr_array_add(names, g_strdup(name));
  if (dir) g_dir_close(dir);
  g_ptr_array_sort(names, compare_names);
  for (guint i = 0; i < names->len; i++) run_file(argv[1], g_ptr_array_index(names, i));
  /* an empty corpus would pass without having shown anything */
  printf("%sok 1 - %u inputs\n", names->len > 0 ? "" : "not ", names->len);
  return names->len > 0 ? 0 : 1;
}
