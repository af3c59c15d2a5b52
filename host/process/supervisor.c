/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/process/supervisor.h"

#include "common/base/log.h"
#include "common/base/stats.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* One that was ready is started again at once, so often in a row: what ended it was an accident, not its start. Who
 * watches then has a picture again within a second. Each of these comes back after a while. */
#define SUPERVISOR_ACCIDENTS 40u
#define SUPERVISOR_ACCIDENT_US (10 * G_USEC_PER_SEC)
/* All others after a rest that grows: a start that comes to nothing must not take the machine from the VM (F15). */
#define SUPERVISOR_FIRST_REST_MS 100u
#define SUPERVISOR_LAST_REST_MS 5000u

struct Supervisor {
  const char *role;
  char **argv;
  char *name; /* argv[0] of the child */
  const SupervisorEvents *events;
  gpointer data;
  pid_t pid; /* 0: none runs */
  int pidfd;
  int control;
  guint pid_watch;
  guint control_watch;
  guint rest;
  gint64 forgiven_us; /* monotonic: accidents are counted from here, one for each SUPERVISOR_ACCIDENT_US */
  guint failures;     /* rests in a row */
  gboolean ready;
  gboolean ever_ready;
  gboolean ending;
};

static gboolean fail(GError **error, const Supervisor *supervisor, const char *what, int code) {
  g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(code), "cannot start the %s process: %s: %s",
              supervisor->role, what, g_strerror(code));
  return FALSE;
}

/* The same program that runs here, also where its file was replaced meanwhile. */
static int spawn(Supervisor *supervisor, int control) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, control, CONTROL_FD);
  g_autoptr(GPtrArray) argv = g_ptr_array_new();
  g_ptr_array_add(argv, supervisor->name);
  for (guint i = 1; supervisor->argv[i]; i++) g_ptr_array_add(argv, supervisor->argv[i]);
  g_ptr_array_add(argv, NULL);
  int code = posix_spawn(&supervisor->pid, "/proc/self/exe", &actions, NULL, (char **)argv->pdata, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (code != 0) supervisor->pid = 0;
  return code;
}

static void clear_watch(guint *id) {
  if (*id) g_source_remove(*id);
  *id = 0;
}

static void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static void say_end(const Supervisor *supervisor, int status) {
  if (WIFSIGNALED(status)) {
    log_warn("main", "the %s process was ended by signal %d (%s); starting it again", supervisor->role, WTERMSIG(status),
             strsignal(WTERMSIG(status)));
  } else {
    log_warn("main", "the %s process has ended with status %d; starting it again", supervisor->role, WEXITSTATUS(status));
  }
}

/* Its exit status, as waitpid() has it. */
static int reap(Supervisor *supervisor) {
  int status = 0;
  while (waitpid(supervisor->pid, &status, 0) < 0 && errno == EINTR) {
  }
  supervisor->pid = 0;
  clear_watch(&supervisor->pid_watch);
  clear_watch(&supervisor->control_watch);
  close_fd(&supervisor->pidfd);
  close_fd(&supervisor->control);
  return status;
}

static void start_again(Supervisor *supervisor);

static gboolean on_rested(gpointer data) {
  Supervisor *supervisor = data;
  supervisor->rest = 0;
  start_again(supervisor);
  return G_SOURCE_REMOVE;
}

static void rest(Supervisor *supervisor) {
  guint ms = MIN(SUPERVISOR_FIRST_REST_MS << MIN(supervisor->failures, 6), SUPERVISOR_LAST_REST_MS);
  supervisor->failures++;
  supervisor->rest = g_timeout_add(ms, on_rested, supervisor);
}

static void start_again(Supervisor *supervisor) {
  g_autoptr(GError) error = NULL;
  if (supervisor_start(supervisor, &error)) return;
  static LogLimit limit;
  log_limited(&limit, LOG_ERROR, "main", "%s; trying again", error->message);
  rest(supervisor);
}

/* Whether its end may be taken for one more accident. */
static gboolean forgive(Supervisor *supervisor) {
  gint64 now = g_get_monotonic_time();
  gint64 oldest = now - SUPERVISOR_ACCIDENTS * SUPERVISOR_ACCIDENT_US;
  if (!supervisor->ready || supervisor->forgiven_us + SUPERVISOR_ACCIDENT_US > now) return FALSE;
  supervisor->forgiven_us = MAX(supervisor->forgiven_us, oldest) + SUPERVISOR_ACCIDENT_US;
  return TRUE;
}

static gboolean on_ended(gint fd, GIOCondition condition, gpointer data) {
  Supervisor *supervisor = data;
  int status = reap(supervisor);
  if (supervisor->ending ||
      !supervisor->events->ended(supervisor->data, supervisor, supervisor->ever_ready, status == 0)) {
    return G_SOURCE_REMOVE;
  }
  say_end(supervisor, status);
  g_autofree char *counter = g_strdup_printf("processes.%s-restarts", supervisor->role);
  stats_count(counter);
  if (forgive(supervisor)) {
    supervisor->failures = 0;
    start_again(supervisor);
  } else {
    rest(supervisor);
  }
  return G_SOURCE_REMOVE;
}

static gboolean on_control(gint fd, GIOCondition condition, gpointer data) {
  Supervisor *supervisor = data;
  Packet packet;
  ControlMessage message;
  PacketResult result = packet_receive(fd, &packet);
  if (result == PACKET_LATER) return G_SOURCE_CONTINUE;
  if (result == PACKET_OVER) { /* its end is near, and told by the pidfd */
    supervisor->control_watch = 0;
    return G_SOURCE_REMOVE;
  }
  if (control_parse(&packet, &message)) {
    if (message.type == CONTROL_READY) supervisor->ready = supervisor->ever_ready = TRUE;
    supervisor->events->message(supervisor->data, supervisor, &message, &packet);
  }
  packet_clear(&packet);
  return G_SOURCE_CONTINUE;
}

gboolean supervisor_start(Supervisor *supervisor, GError **error) {
  int ends[2];
  if (!packet_pair(ends, error)) return FALSE;
  int code = spawn(supervisor, ends[1]);
  close(ends[1]);
  if (code != 0) {
    close(ends[0]);
    return fail(error, supervisor, "posix_spawn", code);
  }
  supervisor->control = ends[0];
  supervisor->ready = FALSE;
  supervisor->pidfd = (int)syscall(SYS_pidfd_open, supervisor->pid, 0);
  if (supervisor->pidfd < 0) {
    code = errno;
    kill(supervisor->pid, SIGKILL);
    reap(supervisor);
    return fail(error, supervisor, "pidfd_open", code);
  }
  supervisor->pid_watch = g_unix_fd_add(supervisor->pidfd, G_IO_IN, on_ended, supervisor);
  supervisor->control_watch = g_unix_fd_add(supervisor->control, G_IO_IN | G_IO_HUP | G_IO_ERR, on_control, supervisor);
  supervisor->events->started(supervisor->data, supervisor);
  return TRUE;
}

gint32 supervisor_pid(const Supervisor *supervisor) {
  return supervisor->pid;
}

gboolean supervisor_send(Supervisor *supervisor, const ControlMessage *message, const int *fds, guint n_fds) {
  return supervisor->control >= 0 && control_send(supervisor->control, message, fds, n_fds);
}

void supervisor_order_end(Supervisor *supervisor) {
  supervisor->ending = TRUE;
  clear_watch(&supervisor->rest);
  clear_watch(&supervisor->control_watch);
  close_fd(&supervisor->control);
}

gboolean supervisor_wait(Supervisor *supervisor, guint limit_ms) {
  if (!supervisor->pid) return TRUE;
  struct pollfd poller = {.fd = supervisor->pidfd, .events = POLLIN};
  if (poll(&poller, 1, (int)limit_ms) != 1) {
    log_warn("main", "the %s process does not end: killing it", supervisor->role);
    kill(supervisor->pid, SIGKILL);
  }
  int status = reap(supervisor);
  if (status != 0) {
    log_warn("main", "the %s process has not ended in order: %s %d", supervisor->role,
             WIFSIGNALED(status) ? "signal" : "status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
  }
  return status == 0;
}

Supervisor *supervisor_create(const char *role, char **argv, const SupervisorEvents *events, gpointer data) {
  Supervisor *supervisor = g_new0(Supervisor, 1);
  supervisor->role = role;
  supervisor->argv = argv;
  supervisor->name = g_strdup_printf("frameliftd-%s", role);
  supervisor->events = events;
  supervisor->data = data;
  supervisor->pidfd = supervisor->control = -1;
  supervisor->forgiven_us = g_get_monotonic_time() - SUPERVISOR_ACCIDENTS * SUPERVISOR_ACCIDENT_US;
  return supervisor;
}

void supervisor_destroy(Supervisor *supervisor) {
  if (!supervisor) return;
  g_assert(supervisor->pid == 0);
  g_free(supervisor->name);
  g_free(supervisor);
}
