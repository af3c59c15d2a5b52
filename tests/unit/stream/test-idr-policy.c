/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/idr-policy.h"

#define T0 G_GINT64_CONSTANT(1000000000)

static void test_first_at_once(void) {
  IdrPolicy policy = {0};
  g_assert_false(idr_policy_take(&policy, T0));
  idr_policy_want(&policy, T0, 0);
  g_assert_cmpint(policy.due_us, ==, T0);
  g_assert_true(idr_policy_take(&policy, T0));
  g_assert_false(idr_policy_take(&policy, T0)); /* once */
  g_assert_false(idr_policy_take(&policy, T0 + 10 * G_USEC_PER_SEC));
}

/* F20: everybody who comes in the same moment shares one. */
static void test_shared(void) {
  IdrPolicy policy = {0};
  for (guint i = 0; i < 100; i++) idr_policy_want(&policy, T0, 0);
  g_assert_true(idr_policy_take(&policy, T0));
  for (guint i = 0; i < 100; i++) idr_policy_want(&policy, T0 + i, 0);
  g_assert_false(idr_policy_take(&policy, T0 + IDR_MIN_INTERVAL_US - 1));
  g_assert_true(idr_policy_take(&policy, T0 + IDR_MIN_INTERVAL_US));
  g_assert_false(idr_policy_take(&policy, T0 + 2 * IDR_MIN_INTERVAL_US));
}

static void test_not_before(void) {
  IdrPolicy policy = {0};
  idr_policy_want(&policy, T0, T0 + 700000);
  g_assert_false(idr_policy_take(&policy, T0 + 699999));
  idr_policy_want(&policy, T0 + 100, 0); /* somebody in more of a hurry */
  g_assert_true(idr_policy_take(&policy, T0 + 100));
  idr_policy_want(&policy, T0 + 200, 0);
  gint64 due = policy.due_us;
  idr_policy_want(&policy, T0 + 300, T0 + 5000000); /* and one in less: nobody waits longer for it */
  g_assert_cmpint(policy.due_us, ==, due);
}

static void test_came(void) {
  IdrPolicy policy = {0};
  idr_policy_want(&policy, T0, T0 + 500000);
  idr_policy_came(&policy);
  g_assert_false(idr_policy_take(&policy, T0 + 500000));
  idr_policy_want(&policy, T0 + 600000, 0);
  g_assert_true(idr_policy_take(&policy, T0 + 600000));
}

/* Asked each millisecond for ten seconds, IDRs come at five a second and never closer. */
static void test_rate(void) {
  IdrPolicy policy = {0};
  guint taken = 0;
  gint64 last = 0;
  for (gint64 now = T0; now < T0 + 10 * G_USEC_PER_SEC; now += 1000) {
    idr_policy_want(&policy, now, 0);
    if (!idr_policy_take(&policy, now)) continue;
    if (taken++ > 0) g_assert_cmpint(now - last, >=, IDR_MIN_INTERVAL_US);
    last = now;
    idr_policy_came(&policy);
  }
  g_assert_cmpuint(taken, ==, 50);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/idr-policy/first-at-once", test_first_at_once);
  g_test_add_func("/idr-policy/F20-shared", test_shared);
  g_test_add_func("/idr-policy/not-before", test_not_before);
  g_test_add_func("/idr-policy/came", test_came);
  g_test_add_func("/idr-policy/rate", test_rate);
  return g_test_run();
}
