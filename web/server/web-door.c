/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "web/server/web-private.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "common/net/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/*
 * libwebsockets would open its listening socket itself; ours comes from
 * whoever opened it, so that nobody is refused while this process starts
 * again. So the socket is a "raw file" to libwebsockets, and what it accepts
 * is handed over.
 */

/* How long accepting rests when the process is out of descriptors: the pending connection would else wake it for ever.
 */
#define WEB_DOOR_REST_MS 200

static void rest(struct lws *wsi, int code) {
  static LogLimit limit;
  stats_count("web.accept-failures");
  log_limited(&limit, LOG_WARN, "web", "cannot accept a connection: %s; trying again", g_strerror(code));
  lws_rx_flow_control(wsi, 0);
  lws_set_timer_usecs(wsi, WEB_DOOR_REST_MS * LWS_US_PER_MS);
}

static void accept_one(struct lws *wsi, WebServer *server) {
  int client = socket_accept(listener_fd(server->listener));
  if (client < 0) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) rest(wsi, errno);
    return;
  }
  /* full: it has closed the socket, and the browser tries again */
  if (!lws_adopt_socket_vhost(lws_get_vhost(wsi), client)) stats_count("web.refused-connections");
}

int web_door_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size) {
  switch (reason) {
  case LWS_CALLBACK_RAW_RX_FILE:
    accept_one(wsi, lws_context_user(lws_get_context(wsi)));
    return 0;
  case LWS_CALLBACK_TIMER:
    lws_rx_flow_control(wsi, 1);
    return 0;
  default:
    return 0;
  }
}

gboolean web_door_open(WebServer *server) {
  int fd = fcntl(listener_fd(server->listener), F_DUPFD_CLOEXEC, 0); /* libwebsockets closes its own */
  if (fd < 0) return FALSE;
  lws_sock_file_fd_type file = {.filefd = fd};
  struct lws_vhost *vhost = lws_get_vhost_by_name(server->lws, "default");
  return lws_adopt_descriptor_vhost(vhost, LWS_ADOPT_RAW_FILE_DESC, file, "door", NULL) != NULL;
}
