/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/host-settings.h"

static void set_text(HostSettings *settings, guint id, const char *text) {
  GValue value = G_VALUE_INIT;
  g_value_init(&value, G_TYPE_STRING);
  g_value_set_string(&value, text);
  g_assert_true(host_settings_set(settings, id, &value));
  g_value_unset(&value);
}

static void set_number(HostSettings *settings, guint id, guint number) {
  GValue value = G_VALUE_INIT;
  g_value_init(&value, G_TYPE_UINT);
  g_value_set_uint(&value, number);
  g_assert_true(host_settings_set(settings, id, &value));
  g_value_unset(&value);
}

static void assert_place(HostSettings *settings, const char *expected) {
  Address address;
  g_autoptr(GError) error = NULL;
  gboolean good = host_settings_address(settings, &address, &error);
  g_assert_no_error(error);
  g_assert_true(good);
  g_autofree char *text = address_to_string(&address, -1);
  g_assert_cmpstr(text, ==, expected);
  host_settings_finish(settings);
}

static void assert_refused(HostSettings *settings, const char *word) {
  Address address;
  g_autoptr(GError) error = NULL;
  g_assert_false(host_settings_address(settings, &address, &error));
  g_assert_nonnull(error);
  if (!strstr(error->message, word)) g_error("\"%s\" does not say \"%s\"", error->message, word);
  host_settings_finish(settings);
}

static void test_one_place(void) {
  HostSettings settings;
  host_settings_init(&settings);
  assert_place(&settings, "vsock:2:5000");

  host_settings_init(&settings);
  set_text(&settings, HOST_SETTINGS_ADDRESS_ID, "tcp:127.0.0.1:77");
  assert_place(&settings, "tcp:127.0.0.1:77");

  host_settings_init(&settings);
  set_text(&settings, HOST_SETTINGS_TCP_HOST_ID, "10.0.2.2");
  assert_place(&settings, "tcp:10.0.2.2:5900");

  host_settings_init(&settings);
  set_text(&settings, HOST_SETTINGS_TCP_HOST_ID, "::1");
  set_number(&settings, HOST_SETTINGS_TCP_PORT_ID, 7);
  assert_place(&settings, "tcp:[::1]:7");

  host_settings_init(&settings);
  set_number(&settings, HOST_SETTINGS_PORT_ID, 6000);
  assert_place(&settings, "vsock:2:6000");

  host_settings_init(&settings);
  set_number(&settings, HOST_SETTINGS_CID_ID, 3);
  assert_place(&settings, "vsock:3:5000");

  host_settings_init(&settings);
  set_text(&settings, HOST_SETTINGS_SOCKET_PATH_ID, "/run/a.sock");
  assert_place(&settings, "unix:/run/a.sock");
}

static void test_empty_is_none(void) {
  HostSettings settings;
  host_settings_init(&settings);
  set_text(&settings, HOST_SETTINGS_ADDRESS_ID, "");
  set_text(&settings, HOST_SETTINGS_TCP_HOST_ID, NULL);
  set_text(&settings, HOST_SETTINGS_SOCKET_PATH_ID, "/run/a.sock");
  assert_place(&settings, "unix:/run/a.sock");
}

static void test_same_place_twice(void) {
  HostSettings settings;
  host_settings_init(&settings);
  set_text(&settings, HOST_SETTINGS_ADDRESS_ID, "unix:/run/a.sock");
  set_text(&settings, HOST_SETTINGS_SOCKET_PATH_ID, "/run/a.sock");
  assert_place(&settings, "unix:/run/a.sock");
}

static void test_two_places(void) {
  HostSettings settings;
  host_settings_init(&settings);
  set_text(&settings, HOST_SETTINGS_ADDRESS_ID, "unix:/run/a.sock");
  set_text(&settings, HOST_SETTINGS_SOCKET_PATH_ID, "/run/b.sock");
  assert_refused(&settings, "unix:/run/b.sock");

  host_settings_init(&settings);
  set_text(&settings, HOST_SETTINGS_TCP_HOST_ID, "127.0.0.1");
  set_number(&settings, HOST_SETTINGS_CID_ID, 2);
  assert_refused(&settings, "two different places");
}

static void test_nonsense(void) {
  HostSettings settings;
  host_settings_init(&settings);
  set_text(&settings, HOST_SETTINGS_ADDRESS_ID, "somewhere");
  assert_refused(&settings, "somewhere");

  host_settings_init(&settings);
  set_text(&settings, HOST_SETTINGS_TCP_HOST_ID, "a name");
  assert_refused(&settings, "numeric");

  host_settings_init(&settings);
  set_number(&settings, HOST_SETTINGS_TCP_PORT_ID, 80);
  assert_refused(&settings, "tcp-host");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/host-settings/one-place", test_one_place);
  g_test_add_func("/host-settings/empty-is-none", test_empty_is_none);
  g_test_add_func("/host-settings/same-place-twice", test_same_place_twice);
  g_test_add_func("/host-settings/two-places", test_two_places);
  g_test_add_func("/host-settings/nonsense", test_nonsense);
  return g_test_run();
}
