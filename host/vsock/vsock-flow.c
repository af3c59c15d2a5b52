/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/vsock/vsock-flow.h"

void vsock_flow_init(VsockFlow *flow, guint32 buf_alloc) {
  *flow = (VsockFlow){.buf_alloc = buf_alloc};
}

/* As the guest sees it. */
static guint32 known_room(const VsockFlow *flow) {
  return flow->buf_alloc - (flow->received - flow->told);
}

gboolean vsock_flow_receive(VsockFlow *flow, guint32 bytes) {
  if (bytes > known_room(flow)) return FALSE;
  flow->received += bytes;
  return TRUE;
}

void vsock_flow_forward(VsockFlow *flow, guint32 bytes) {
  g_assert(bytes <= flow->received - flow->forwarded);
  flow->forwarded += bytes;
}

void vsock_flow_ask(VsockFlow *flow) {
  flow->asked = TRUE;
}

gboolean vsock_flow_is_due(const VsockFlow *flow) {
  return flow->asked || (flow->told != flow->forwarded && known_room(flow) < flow->buf_alloc / 2);
}

void vsock_flow_tell(VsockFlow *flow, VsockPacket *packet) {
  packet->buf_alloc = flow->buf_alloc;
  packet->fwd_cnt = flow->told = flow->forwarded;
  flow->asked = FALSE;
}

void vsock_flow_hear(VsockFlow *flow, const VsockPacket *packet) {
  flow->peer_buf_alloc = packet->buf_alloc;
  /* Linux's packets may overtake each other, so an older count may follow a newer; and more than was sent, nobody has
   * taken. */
  if (flow->sent - packet->fwd_cnt <= flow->sent - flow->peer_forwarded) flow->peer_forwarded = packet->fwd_cnt;
}

guint32 vsock_flow_room(const VsockFlow *flow) {
  guint32 under_way = flow->sent - flow->peer_forwarded;
  return flow->peer_buf_alloc > under_way ? flow->peer_buf_alloc - under_way : 0;
}

void vsock_flow_send(VsockFlow *flow, guint32 bytes) {
  flow->sent += bytes;
}
