/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Included before the first line of every file that has to be portable
 * (meson.build here). What Linux alone has becomes an error as soon as such a
 * file names it; what macOS has instead is declared, for the files that meson
 * chooses there. Compiled without _GNU_SOURCE, so that much of glibc is not
 * declared in the first place, and without __linux__, so that the other branch
 * of an #ifdef is the one that is looked at.
 *
 * Sources: POSIX.1-2008, and the manual pages of macOS. This shows what is
 * missing there, not that the rest works: see docs/macos.md.
 */

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <gio/gio.h>
#include <glib-unix.h>

/* macOS: the socket has this option instead of the call's flag. */
#undef MSG_NOSIGNAL
#define SO_NOSIGPIPE 0x1022

/* macOS: both are declared by its pthread.h. */
int pthread_setname_np(const char *name);
int pthread_cond_timedwait_relative_np(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *relative);

/* gcc warns of a macro that is poisoned: these are. */
#undef AF_VSOCK
#undef MAP_POPULATE
#undef MSG_CMSG_CLOEXEC
#undef SOCK_CLOEXEC
#undef SOCK_NONBLOCK
#undef SOCK_SEQPACKET
#undef SO_DOMAIN
#undef SO_PEERCRED
#undef SO_PROTOCOL
#undef htobe32
#undef htole32

/* Descriptors made close-on-exec or non-blocking by the call, sockets that keep packets, what sockets tell of peers. */
#pragma GCC poison accept4 dup3 pipe2 SOCK_CLOEXEC SOCK_NONBLOCK SOCK_SEQPACKET MSG_CMSG_CLOEXEC
#pragma GCC poison SO_DOMAIN SO_PROTOCOL SO_PEERCRED SCM_CREDENTIALS AF_VSOCK sockaddr_vm sendmmsg recvmmsg
/* Descriptors for what is no file. */
#pragma GCC poison eventfd eventfd_read eventfd_write signalfd timerfd_create timerfd_settime epoll_create1 epoll_ctl
#pragma GCC poison epoll_wait epoll_pwait inotify_init1 pidfd_open pidfd_send_signal syscall ppoll
/* Shared memory and mappings. */
#pragma GCC poison memfd_create MFD_CLOEXEC MFD_ALLOW_SEALING F_ADD_SEALS F_GET_SEALS F_SEAL_SHRINK MAP_POPULATE mremap
#pragma GCC poison O_TMPFILE O_PATH fallocate posix_fallocate posix_fadvise fdatasync
/* Processes, threads and time. */
#pragma GCC poison prctl PR_SET_PDEATHSIG PR_SET_NO_NEW_PRIVS gettid clock_nanosleep sigtimedwait sigwaitinfo
#pragma GCC poison pthread_condattr_setclock pthread_mutex_timedlock pthread_barrier_init pthread_spin_init
/* glibc's own. */
#pragma GCC poison getrandom explicit_bzero reallocarray secure_getenv program_invocation_short_name strchrnul
#pragma GCC poison malloc_trim mallopt execvpe st_mtim st_atim st_ctim htobe32 htole32
