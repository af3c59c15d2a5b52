/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "guest/bridge/capture.h"

#include <gio/gio.h>

/* A session's bus of the test's own, with a desktop on it, and what a Capture said. */

typedef struct {
  GTestDBus *bus;
  GDBusConnection *connection; /* the desktop's */
  GDBusNodeInfo *info;
  GString *calls; /* names of methods, a space behind each */
  guint32 node;   /* told; 0: not yet */
  int fd;         /* told */
  char *why;      /* told; NULL: not yet */
  gboolean refused;
} FakeSession;

void fake_session_init(FakeSession *session);
void fake_session_finish(FakeSession *session);

/* Before the others: the desktop comes, with these interfaces to serve. */
void fake_session_start(FakeSession *session, const char *xml);
/* Calls come with `data`; the session counts no calls by itself. */
void fake_session_serve(FakeSession *session, const char *path, const char *interface,
                        const GDBusInterfaceVTable *table, gpointer data);
void fake_session_own(FakeSession *session, const char *name);
void fake_session_emit(FakeSession *session, const char *path, const char *interface, const char *signal,
                       GVariant *arguments);

extern const CaptureEvents FAKE_SESSION_EVENTS; /* their data: a FakeSession */
void fake_session_wait_for_node(FakeSession *session);
void fake_session_wait_for_failure(FakeSession *session);
void fake_session_wait_for_call(FakeSession *session, const char *method);
