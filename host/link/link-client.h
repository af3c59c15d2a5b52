/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/link/link-message.h"

/*
 * The stream's end: what the display's process tells, and what it is asked.
 * That process may end and be replaced; then a new link is connected, and
 * tells everything anew.
 */

typedef struct LinkClient LinkClient;

/* On the context's thread, in the order in which it was said. */
typedef struct {
  void (*scanout)(gpointer data, guint id, const ScanoutInfo *info);
  void (*outputs)(gpointer data, guint count); /* of the device; 0: not known */
  /* The scanout's shadow from here on, given to the callee; NULL: dark. */
  void (*shadow)(gpointer data, guint id, Shadow *shadow);
  void (*changed)(gpointer data, guint32 mask);
  void (*state)(gpointer data, DisplayState state, const char *text);
  /* A program in the guest has connected to that port over vsock: a stream socket, given to the callee. NULL: refused.
   */
  void (*vsock)(gpointer data, guint32 port, int fd);
  /* The link has ended: reads under way have been answered with NOT_FOUND, and what it told is void. */
  void (*closed)(gpointer data);
} LinkClientEvents;

/* A read's end, once. shadow: the picture, borrowed; NULL unless LINK_READ_OK. */
typedef void (*LinkReadDone)(LinkRead result, Shadow *shadow, gpointer data);

/* `events` is static. All on the context's thread (NULL: the default one), but where it says otherwise. */
LinkClient *link_client_create(GMainContext *context, const LinkClientEvents *events, gpointer data);
/* Nobody reads any more, and the context has run dry. NULL is legal. */
void link_client_destroy(LinkClient *client);

/* Takes the socket over, and closes the link before, which is not told. */
void link_client_connect(LinkClient *client, int socket);

/* Only these scanouts' changes are told. */
void link_client_watch(LinkClient *client, guint32 mask);
/* Copies the resource's upper left part of that size into the reader's shadow. Any thread; one at a time for each
 * reader. `done` comes on the context's thread, never within this call. */
void link_client_read(LinkClient *client, guint reader, guint32 resource_id, guint width, guint height,
                      LinkReadDone done, gpointer done_data);
/* The reader's shadow is not used any more; a read under way is answered with NOT_FOUND. */
void link_client_end_reader(LinkClient *client, guint reader);
void link_client_set_output(LinkClient *client, guint id, gboolean connected, guint width, guint height,
                            guint refresh_mhz);
