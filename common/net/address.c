/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#ifdef __linux__
#include <linux/vm_sockets.h>
#endif

static gboolean fail(GError **error, const char *text, const char *why) {
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
              "the address \"%s\" %s; write unix:/path, tcp:HOST:PORT or vsock:CID:PORT", text, why);
  return FALSE;
}

static gboolean parse_number(const char *text, guint64 max, guint64 *value) {
  return g_ascii_string_to_unsigned(text, 10, 0, max, value, NULL);
}

static gboolean parse_unix(const char *text, const char *path, Address *address, GError **error) {
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  if (path[0] == '\0') return fail(error, text, "has no path");
  if (strlen(path) >= sizeof name.sun_path) return fail(error, text, "is too long for a unix socket (107 bytes)");
  g_strlcpy(name.sun_path, path, sizeof name.sun_path);
  g_strlcpy(address->path, path, sizeof address->path);
  memcpy(&address->socket, &name, sizeof name);
  address->size = sizeof name;
  address->kind = ADDRESS_UNIX;
  address->loopback = TRUE;
  return TRUE;
}

/* "host:port" cut at the last colon; brackets around an IPv6 host are taken off. */
static gboolean split_host_port(const char *text, char **host, const char **port) {
  const char *colon = strrchr(text, ':');
  if (!colon || colon == text || colon[1] == '\0') return FALSE;
  *host = g_strndup(text, (gsize)(colon - text));
  *port = colon + 1;
  gsize length = strlen(*host);
  if ((*host)[0] == '[' && (*host)[length - 1] == ']') {
    memmove(*host, *host + 1, length - 2);
    (*host)[length - 2] = '\0';
  }
  return TRUE;
}

static gboolean parse_tcp(const char *text, const char *rest, Address *address, GError **error) {
  g_autofree char *host = NULL;
  const char *port_text = NULL;
  guint64 port = 0;
  if (!split_host_port(rest, &host, &port_text)) return fail(error, text, "lacks host or port");
  if (!parse_number(port_text, 65535, &port)) return fail(error, text, "has a port that is no number from 0 to 65535");
  g_autoptr(GInetAddress) inet = g_str_equal(host, "localhost") ? g_inet_address_new_loopback(G_SOCKET_FAMILY_IPV4)
                                                                : g_inet_address_new_from_string(host);
  if (!inet) return fail(error, text, "has a host that is neither a numeric address nor \"localhost\"");
  g_autoptr(GSocketAddress) socket_address = g_inet_socket_address_new(inet, (guint16)port);
  if (!g_socket_address_to_native(socket_address, &address->socket, sizeof address->socket, error)) return FALSE;
  address->size = (socklen_t)g_socket_address_get_native_size(socket_address);
  address->kind = ADDRESS_TCP;
  address->loopback = g_inet_address_get_is_loopback(inet);
  return TRUE;
}

static gboolean parse_vsock(const char *text, const char *rest, Address *address, GError **error) {
#ifdef __linux__
  g_auto(GStrv) parts = g_strsplit(rest, ":", 3);
  guint64 cid = 0, port = 0;
  if (g_strv_length(parts) != 2) return fail(error, text, "lacks CID or port");
  if (!parse_number(parts[0], G_MAXUINT32, &cid)) return fail(error, text, "has a CID that is no number");
  if (!parse_number(parts[1], G_MAXUINT32, &port)) return fail(error, text, "has a port that is no number");
  struct sockaddr_vm name = {.svm_family = AF_VSOCK, .svm_cid = (guint)cid, .svm_port = (guint)port};
  memcpy(&address->socket, &name, sizeof name);
  address->size = sizeof name;
  address->kind = ADDRESS_VSOCK;
  return TRUE;
#else
  return fail(error, text, "is of a kind that this system does not have");
#endif
}

gboolean address_parse(const char *text, Address *address, GError **error) {
  memset(address, 0, sizeof *address);
  if (g_str_has_prefix(text, "unix:")) return parse_unix(text, text + 5, address, error);
  if (g_str_has_prefix(text, "tcp:")) return parse_tcp(text, text + 4, address, error);
  if (g_str_has_prefix(text, "vsock:")) return parse_vsock(text, text + 6, address, error);
  if (strchr(text, '/')) return parse_unix(text, text, address, error);
  return fail(error, text, "is of no known kind");
}

static char *inet_to_string(const struct sockaddr_storage *name) {
  char host[INET6_ADDRSTRLEN] = "?";
  if (name->ss_family == AF_INET6) {
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)name;
    inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
    return g_strdup_printf("tcp:[%s]:%u", host, ntohs(in6->sin6_port));
  }
  const struct sockaddr_in *in = (const struct sockaddr_in *)name;
  inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
  return g_strdup_printf("tcp:%s:%u", host, ntohs(in->sin_port));
}

char *address_to_string(const Address *address, int fd) {
  struct sockaddr_storage name = address->socket.storage;
  socklen_t size = sizeof name;
  if (fd >= 0 && address->kind == ADDRESS_TCP) getsockname(fd, (struct sockaddr *)&name, &size);
  switch (address->kind) {
  case ADDRESS_UNIX:
    return g_strdup_printf("unix:%s", address->path);
  case ADDRESS_TCP:
    return inet_to_string(&name);
  case ADDRESS_VSOCK:
#ifdef __linux__
    if (address->peer_cid != 0) {
      return g_strdup_printf("vsock:%u for CID %u", ((const struct sockaddr_vm *)&name)->svm_port, address->peer_cid);
    }
    return g_strdup_printf("vsock:%u:%u", ((const struct sockaddr_vm *)&name)->svm_cid,
                           ((const struct sockaddr_vm *)&name)->svm_port);
#else
    break;
#endif
  }
  return g_strdup("?");
}
