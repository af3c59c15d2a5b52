/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/process/child.h"

#include "common/base/log.h"
#include "common/base/thread.h"
#include "host/process/shared-stats.h"

#include <fcntl.h>
#include <glib-unix.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* One heap for all threads. Where there are more, glibc counts processors when threads first meet, and asks for the
 * system's policy when it gives memory back, and opens files of /sys and /proc for that in mid-service. */
#define CHILD_ARENAS 1

struct Child {
  const ChildEvents *events;
  gpointer data;
  GMainLoop *loop;
  int status;
  gboolean set_up;
};

gboolean child_is(const char *program, const char *role) {
  const char *slash = strrchr(program, '/');
  const char *name = slash ? slash + 1 : program;
  return g_str_has_prefix(name, "frameliftd-") && g_str_equal(name + strlen("frameliftd-"), role);
}

void child_confine(void) {
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  signal(SIGPIPE, SIG_IGN);
#ifdef __GLIBC__
  mallopt(M_ARENA_MAX, CHILD_ARENAS);
#endif
}

static gboolean has_control(void) {
  int type = 0;
  socklen_t size = sizeof type;
  return getsockopt(CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

static void end(Child *child, int status) {
  child->status = status;
  g_main_loop_quit(child->loop);
}

static void set_up(Child *child, const ControlMessage *message, Packet *packet) {
  g_autoptr(GError) error = NULL;
  int stats = shared_stats_publish(&error);
  child->set_up = stats >= 0 && child->events->setup(child->data, message, packet, &error);
  if (child->set_up) {
    control_send(CONTROL_FD, &(ControlMessage){.type = CONTROL_READY}, &stats, 1);
  } else {
    fprintf(stderr, "frameliftd: %s\n", error->message);
    end(child, EXIT_FAILURE);
  }
  if (stats >= 0) close(stats);
}

static gboolean on_control(gint fd, GIOCondition condition, gpointer data) {
  Child *child = data;
  Packet packet;
  ControlMessage message;
  PacketResult result = packet_receive(fd, &packet);
  if (result == PACKET_LATER) return G_SOURCE_CONTINUE;
  if (result == PACKET_OVER || !control_parse(&packet, &message)) {
    packet_clear(&packet);
    end(child, EXIT_SUCCESS);
    return G_SOURCE_REMOVE;
  }
  if (message.type == CONTROL_SETUP) {
    if (!child->set_up) set_up(child, &message, &packet);
  } else if (child->set_up) {
    child->events->message(child->data, &message, &packet);
  }
  packet_clear(&packet);
  return G_SOURCE_CONTINUE;
}

static gboolean on_terminate(gpointer data) {
  end(data, EXIT_SUCCESS);
  return G_SOURCE_CONTINUE;
}

int child_run(const char *role, const ChildEvents *events, gpointer data) {
  if (!has_control()) {
    fprintf(stderr, "frameliftd-%s is a part of frameliftd and started by it\n", role);
    return EXIT_FAILURE;
  }
  g_autofree char *name = g_strdup_printf("frameliftd-%.4s", role); /* 15 bytes at the most */
  thread_set_name(name);
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* whatever it does at that moment; before this, the socket's end tells it */
  fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC);
  signal(SIGINT, SIG_IGN); /* a terminal's Ctrl-C goes to all three: the parent ends the others */
  signal(SIGHUP, SIG_IGN);
  Child child = {.events = events, .data = data, .loop = g_main_loop_new(NULL, FALSE)};
  guint control = g_unix_fd_add(CONTROL_FD, G_IO_IN | G_IO_HUP | G_IO_ERR, on_control, &child);
  guint terminate = g_unix_signal_add(SIGTERM, on_terminate, &child);
  g_main_loop_run(child.loop);
  GSource *source = g_main_context_find_source_by_id(NULL, control);
  if (source) g_source_destroy(source);
  g_source_remove(terminate);
  g_main_loop_unref(child.loop);
  return child.status;
}

void child_say_serving(void) {
  control_send(CONTROL_FD, &(ControlMessage){.type = CONTROL_SERVING}, NULL, 0);
}

void child_end(void) {
  kill(getpid(), SIGTERM); /* as if somebody had asked for it */
}
