/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/net/listener.h"
#include "host/vsock/vsock-service.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * vsock-sink SOCKET,cid=N[,port=P]: the vsock device of a VM with an echo behind it, whose reader rests at random. For
 * tests/e2e/vsock.mjs. Ends with its standard input.
 */

#define SINK_PART (64u << 10)
#define SINK_REST_US 100000u
/* One part in so many is followed by a rest. */
#define SINK_REST_PARTS 40

static void *echo(void *data) {
  int fd = GPOINTER_TO_INT(data);
  g_autofree guint8 *bytes = g_malloc(SINK_PART);
  GRand *random = g_rand_new_with_seed(7);
  gssize got;
  gint64 all = 0;
  while ((got = read(fd, bytes, SINK_PART)) > 0) {
    for (gssize done = 0; done < got;) {
      gssize sent = send(fd, bytes + done, (gsize)(got - done), MSG_NOSIGNAL);
      if (sent <= 0) goto over;
      done += sent;
    }
    all += got;
    if (g_rand_int_range(random, 0, SINK_REST_PARTS) == 0) g_usleep(g_rand_int(random) % SINK_REST_US);
  }
over:
  g_rand_free(random);
  close(fd);
  printf("echoed %" G_GINT64_FORMAT "\n", all);
  fflush(stdout);
  return NULL;
}

static gboolean on_accept(gpointer data, guint32 port, int fd) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, echo, GINT_TO_POINTER(fd)) == 0) return pthread_detach(thread) == 0;
  close(fd);
  return FALSE;
}

static int fail(const GError *error) {
  fprintf(stderr, "vsock-sink: %s\n", error->message);
  return EXIT_FAILURE;
}

int main(int argc, char **argv) {
  g_autoptr(GError) error = NULL;
  VsockSettings settings;
  Address address;
  char byte;
  if (argc != 2 || !vsock_settings_parse(argv[1], &settings, &error)) return error ? fail(error) : 2;
  g_autofree char *text = g_strconcat("unix:", settings.path, NULL);
  Listener *listener = address_parse(text, &address, &error) ? listener_open(&address, &error) : NULL;
  if (!listener) return fail(error);
  VsockService *service = vsock_service_start(&settings, dup(listener_fd(listener)), on_accept, NULL, &error);
  if (!service) return fail(error);
  puts("listening");
  fflush(stdout);
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  vsock_service_stop(service);
  listener_destroy(listener);
  vsock_settings_finish(&settings);
  return EXIT_SUCCESS;
}
