/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/net/address.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

/* A text as a person might write an address. What is taken is written and taken again: the same address. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  g_autofree char *text = g_strndup((const char *)data, size);
  g_autofree char *again = NULL;
  g_autoptr(GError) error = NULL;
  Address first, second;
  if (!address_parse(text, &first, &error)) {
    g_assert(error && error->message[0]);
    return 0;
  }
  g_assert(first.size > 0 && first.size <= sizeof first.socket);
  g_assert(strlen(first.path) < sizeof first.path);
  again = address_to_string(&first, -1);
  gboolean taken = address_parse(again, &second, NULL);
  g_assert(taken && first.kind == second.kind && first.size == second.size && first.loopback == second.loopback);
  g_assert(strcmp(first.path, second.path) == 0 && memcmp(&first.socket, &second.socket, first.size) == 0);
  return 0;
}
