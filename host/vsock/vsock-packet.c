/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/vsock/vsock-packet.h"

#include "common/base/byte-reader.h"
#include "common/base/byte-writer.h"

gboolean vsock_packet_parse(VsockPacket *packet, const guint8 header[VSOCK_PACKET_HEADER], gsize size) {
  if (size < VSOCK_PACKET_HEADER) return FALSE;
  ByteReader reader;
  byte_reader_init(&reader, header, VSOCK_PACKET_HEADER);
  packet->src_cid = byte_reader_u64(&reader);
  packet->dst_cid = byte_reader_u64(&reader);
  packet->src_port = byte_reader_u32(&reader);
  packet->dst_port = byte_reader_u32(&reader);
  packet->len = byte_reader_u32(&reader);
  packet->type = byte_reader_u16(&reader);
  packet->op = byte_reader_u16(&reader);
  packet->flags = byte_reader_u32(&reader);
  packet->buf_alloc = byte_reader_u32(&reader);
  packet->fwd_cnt = byte_reader_u32(&reader);
  return byte_reader_ok(&reader) && packet->len <= size - VSOCK_PACKET_HEADER &&
         (packet->len == 0 || packet->op == VSOCK_RW) && packet->src_cid <= G_MAXUINT32 &&
         packet->dst_cid <= G_MAXUINT32;
}

void vsock_packet_write(const VsockPacket *packet, guint8 header[VSOCK_PACKET_HEADER]) {
  ByteWriter writer;
  byte_writer_init(&writer, header, VSOCK_PACKET_HEADER);
  byte_writer_u64(&writer, packet->src_cid);
  byte_writer_u64(&writer, packet->dst_cid);
  byte_writer_u32(&writer, packet->src_port);
  byte_writer_u32(&writer, packet->dst_port);
  byte_writer_u32(&writer, packet->len);
  byte_writer_u16(&writer, packet->type);
  byte_writer_u16(&writer, packet->op);
  byte_writer_u32(&writer, packet->flags);
  byte_writer_u32(&writer, packet->buf_alloc);
  byte_writer_u32(&writer, packet->fwd_cnt);
  g_assert(byte_writer_ok(&writer));
}
