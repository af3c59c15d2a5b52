/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/vsock/vsock-packet.h"

#include <string.h>

static const VsockPacket PACKET = {
    .src_cid = 0xfffffffe,
    .dst_cid = 2,
    .src_port = 0x01020304,
    .dst_port = 0x05060708,
    .len = 16,
    .type = VSOCK_TYPE_STREAM,
    .op = VSOCK_RW,
    .flags = 0x0a0b0c0d,
    .buf_alloc = 0x11223344,
    .fwd_cnt = 0x55667788,
};

static void test_layout(void) {
  static const guint8 BYTES[VSOCK_PACKET_HEADER] = {
      0xfe, 0xff, 0xff, 0xff, 0, 0, 0, 0, 2, 0, 0,    0,    0,    0,    0,    0,    4,    3,    2,    1,    8,    7,
      6,    5,    16,   0,    0, 0, 1, 0, 5, 0, 0x0d, 0x0c, 0x0b, 0x0a, 0x44, 0x33, 0x22, 0x11, 0x88, 0x77, 0x66, 0x55};
  guint8 header[VSOCK_PACKET_HEADER];
  VsockPacket parsed;
  vsock_packet_write(&PACKET, header);
  g_assert_cmpmem(header, sizeof header, BYTES, sizeof BYTES);
  g_assert_true(vsock_packet_parse(&parsed, header, VSOCK_PACKET_HEADER + 16));
  vsock_packet_write(&parsed, header);
  g_assert_cmpmem(header, sizeof header, BYTES, sizeof BYTES);
}

static gboolean is_taken(VsockPacket packet, gsize size) {
  guint8 header[VSOCK_PACKET_HEADER];
  VsockPacket parsed;
  vsock_packet_write(&packet, header);
  return vsock_packet_parse(&parsed, header, size);
}

static void test_lies(void) {
  VsockPacket packet = PACKET;
  for (gsize size = 0; size < VSOCK_PACKET_HEADER + 16; size++) g_assert_false(is_taken(packet, size));
  g_assert_true(is_taken(packet, VSOCK_PACKET_HEADER + 17)); /* a buffer may be longer than its packet */
  packet.len = G_MAXUINT32;
  g_assert_false(is_taken(packet, VSOCK_PACKET_HEADER + 16));
  packet.len = 0;
  g_assert_true(is_taken(packet, VSOCK_PACKET_HEADER));
  for (guint16 op = 0; op < 10; op++) {
    packet.len = 1;
    packet.op = op;
    g_assert_cmpint(is_taken(packet, VSOCK_PACKET_HEADER + 1), ==, op == VSOCK_RW);
  }
  packet = PACKET;
  packet.src_cid = G_GUINT64_CONSTANT(0x100000003);
  g_assert_false(is_taken(packet, VSOCK_PACKET_HEADER + 16));
  packet = PACKET;
  packet.dst_cid = G_GUINT64_CONSTANT(0x100000002);
  g_assert_false(is_taken(packet, VSOCK_PACKET_HEADER + 16));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/vsock-packet/layout", test_layout);
  g_test_add_func("/vsock-packet/lies", test_lies);
  return g_test_run();
}
