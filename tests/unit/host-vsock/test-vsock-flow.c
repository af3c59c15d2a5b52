/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/vsock/vsock-flow.h"

#define BUFFER 1000u

static void test_receive(void) {
  VsockFlow flow;
  VsockPacket packet = {0};
  vsock_flow_init(&flow, BUFFER);
  g_assert_true(vsock_flow_receive(&flow, 0));
  g_assert_true(vsock_flow_receive(&flow, 600));
  g_assert_false(vsock_flow_receive(&flow, 401));
  vsock_flow_forward(&flow, 600);
  g_assert_false(vsock_flow_receive(&flow, 401)); /* it does not know yet */
  vsock_flow_tell(&flow, &packet);
  g_assert_cmpuint(packet.buf_alloc, ==, BUFFER);
  g_assert_cmpuint(packet.fwd_cnt, ==, 600);
  g_assert_true(vsock_flow_receive(&flow, 1000));
  g_assert_false(vsock_flow_receive(&flow, 1));
  g_assert_false(vsock_flow_receive(&flow, G_MAXUINT32));
}

/* Due as soon as less than half is known to be free and there is more; whoever goes on later makes it due later. */
static void test_due(void) {
  VsockFlow flow;
  VsockPacket packet = {0};
  vsock_flow_init(&flow, BUFFER);
  vsock_flow_receive(&flow, 500);
  vsock_flow_forward(&flow, 500);
  g_assert_false(vsock_flow_is_due(&flow));
  vsock_flow_receive(&flow, 1);
  g_assert_true(vsock_flow_is_due(&flow));
  vsock_flow_tell(&flow, &packet);
  g_assert_false(vsock_flow_is_due(&flow));
  vsock_flow_receive(&flow, 999); /* full, and the reader rests */
  g_assert_false(vsock_flow_is_due(&flow));
  vsock_flow_forward(&flow, 1);
  g_assert_true(vsock_flow_is_due(&flow));
  vsock_flow_tell(&flow, &packet);
  g_assert_false(vsock_flow_is_due(&flow));
  vsock_flow_ask(&flow);
  g_assert_true(vsock_flow_is_due(&flow));
  vsock_flow_tell(&flow, &packet);
  g_assert_false(vsock_flow_is_due(&flow));
}

static void hear(VsockFlow *flow, guint32 buf_alloc, guint32 fwd_cnt) {
  const VsockPacket packet = {.buf_alloc = buf_alloc, .fwd_cnt = fwd_cnt};
  vsock_flow_hear(flow, &packet);
}

static void test_room(void) {
  VsockFlow flow;
  vsock_flow_init(&flow, BUFFER);
  g_assert_cmpuint(vsock_flow_room(&flow), ==, 0);
  hear(&flow, 300, 0);
  g_assert_cmpuint(vsock_flow_room(&flow), ==, 300);
  vsock_flow_send(&flow, 200);
  g_assert_cmpuint(vsock_flow_room(&flow), ==, 100);
  hear(&flow, 300, 150);
  g_assert_cmpuint(vsock_flow_room(&flow), ==, 250);
  hear(&flow, 300, 100); /* older: overtaken */
  g_assert_cmpuint(vsock_flow_room(&flow), ==, 250);
  hear(&flow, 300, 201); /* more than was sent */
  g_assert_cmpuint(vsock_flow_room(&flow), ==, 250);
  hear(&flow, 10, 150); /* a smaller buffer than what is under way */
  g_assert_cmpuint(vsock_flow_room(&flow), ==, 0);
  hear(&flow, 300, 200);
  g_assert_cmpuint(vsock_flow_room(&flow), ==, 300);
}

/* Beyond 4 GiB in either direction, counts begin anew. */
static void test_wraps(void) {
  VsockFlow flow;
  VsockPacket packet = {0};
  vsock_flow_init(&flow, BUFFER);
  hear(&flow, BUFFER, 0);
  for (guint64 all = 0; all < G_GUINT64_CONSTANT(0x100000000) + 5000000; all += 900) {
    g_assert_true(vsock_flow_receive(&flow, 900));
    vsock_flow_forward(&flow, 900);
    g_assert_true(vsock_flow_is_due(&flow));
    vsock_flow_tell(&flow, &packet);
    g_assert_cmpuint(vsock_flow_room(&flow), ==, BUFFER);
    vsock_flow_send(&flow, 900);
    hear(&flow, BUFFER, flow.sent);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/vsock-flow/receive", test_receive);
  g_test_add_func("/vsock-flow/due", test_due);
  g_test_add_func("/vsock-flow/room", test_room);
  g_test_add_func("/vsock-flow/wraps", test_wraps);
  return g_test_run();
}
