/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/options.h"

#include "common/net/listen-text.h"
#include "framelift-config.h"

#include <stdio.h>
#include <string.h>

static const char SUMMARY[] = "Shows a virtual machine's screen in a browser, and to any program that speaks HXFR.\n"
                              "\n"
                              "  frameliftd --display qemu:/run/vm1/qmp.sock --http 127.0.0.1:8080\n"
                              "  frameliftd --display test:1920x1080@60,scene=cube --listen unix:/tmp/test.sock";

static const char DESCRIPTION[] =
    "Displays:\n"
    "  qemu:QMP-SOCKET   a QEMU started with -display dbus,p2p=yes -qmp unix:QMP-SOCKET,server=on,wait=off\n"
    "  vugpu:SOCKET[,outputs=N][,size=WxH][,qmp=PATH]\n"
    "                    a virtio-gpu of our own, for QEMU 10's -device vhost-user-gpu-pci\n"
    "  vugpu:fd=N[,…]    the same on a socket that whoever starts it has opened\n"
    "  test[:WxH[@FPS]][,scene=idle|cursor|typing|scroll|cube|video|drag][,barcode][,scanouts=N]\n"
    "\n"
    "Addresses:\n"
    "  unix:/path             only this user can connect\n"
    "  tcp:HOST:PORT          a peer must send the token\n"
    "  tcp:127.0.0.1:PORT,v1  open to every program and every guest on this machine, for version 1 peers, which\n"
    "                         cannot send one\n"
    "  vsock:PORT             the VM whose CID is --guest-cid, where this kernel has vhost-vsock\n"
    "\n"
    "Without vhost-vsock: --vsock-device SOCKET,cid=N[,port=5000], and for QEMU -chardev socket,id=vs,path=SOCKET\n"
    "-device vhost-user-vsock-pci,chardev=vs with shared memory; the guest connects to CID 2.\n"
    "\n"
    "As a vhost-user back-end (QEMU's docs/interop/vhost-user): --socket-path and --fd stand for --display vugpu:, "
    "and\n"
    "without --listen and --http it serves unix:RUNTIME-DIRECTORY/framelift/NAME.sock.\n"
    "\n"
    "Exit status: 0 normal, 1 failure, 2 wrong usage.";

/* What QEMU's conventions for vhost-user back-ends ask for: a GPU, without the features of render nodes. */
static const char CAPABILITIES[] = "{\n  \"type\": \"gpu\",\n  \"features\": []\n}\n";

typedef struct {
  char *display;
  char *socket_path;
  gint fd;
  gboolean print_capabilities;
  char *vsock_device;
  char *guest_cid;
  char **listen;
  char *http;
  char **http_names;
  char *token_file;
  char *name;
  char *encoder;
  gint bitrate;
  gdouble fps;
  gboolean verbose;
  gboolean version;
} Raw;

static void raw_clear(Raw *raw) {
  g_free(raw->display);
  g_free(raw->socket_path);
  g_free(raw->vsock_device);
  g_free(raw->guest_cid);
  g_strfreev(raw->listen);
  g_free(raw->http);
  g_strfreev(raw->http_names);
  g_free(raw->token_file);
  g_free(raw->name);
  g_free(raw->encoder);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Raw, raw_clear)

static gboolean usage(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean usage(GError **error, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, text);
  return FALSE;
}

/* "vsock:PORT", on which the one guest is let in that `guest_cid` names. */
static gboolean check_vsock(const char *text, const char *guest_cid, ListenOption *option, GError **error) {
  g_autofree char *address = g_strdup_printf("vsock:%u:%s", ADDRESS_ANY_CID, text + strlen("vsock:"));
  guint32 cid;
  if (strchr(text + strlen("vsock:"), ':')) {
    return usage(error, "--listen %s: write vsock:PORT; whose CID is served is said by --guest-cid", text);
  }
  if (!guest_cid) {
    return usage(error, "--listen %s: add --guest-cid N, the CID of this VM (QEMU's guest-cid=): nobody else is let in",
                 text);
  }
  if (!vsock_settings_cid(guest_cid, &cid))
    return usage(error, "--guest-cid %s: a guest's CID is 3 to 4294967294", guest_cid);
  if (!address_parse(address, &option->address, error)) return FALSE;
  option->address.peer_cid = cid;
  option->trust = PEER_TRUSTED;
  return TRUE;
}

static gboolean check_listen(const char *text, const char *guest_cid, ListenOption *option, GError **error) {
  if (g_str_has_prefix(text, "vsock:")) return check_vsock(text, guest_cid, option, error);
  gboolean version_1;
  if (!listen_text_parse(text, &option->address, &version_1, error)) return FALSE;
  option->trust = option->address.kind == ADDRESS_UNIX ? PEER_TRUSTED : PEER_NEEDS_TOKEN;
  if (version_1) option->trust = PEER_VERSION_1;
  return TRUE;
}

static gboolean check_http(const char *text, Options *options, GError **error) {
  options->http = listen_text_parse_http(text, &options->http_address, error);
  return options->http;
}

static gboolean check_numbers(const Raw *raw, Options *options, GError **error) {
  if (raw->bitrate < OPTIONS_MIN_BITRATE || raw->bitrate > OPTIONS_MAX_BITRATE) {
    return usage(error, "--bitrate %d: from %d to %d kbit/s", raw->bitrate, OPTIONS_MIN_BITRATE, OPTIONS_MAX_BITRATE);
  }
  if (!(raw->fps >= OPTIONS_MIN_FPS && raw->fps <= OPTIONS_MAX_FPS)) {
    return usage(error, "--fps %g: from %g to %g", raw->fps, OPTIONS_MIN_FPS, OPTIONS_MAX_FPS);
  }
  options->bitrate = (guint64)raw->bitrate * 1000;
  options->fps = raw->fps;
  return TRUE;
}

/* The conventions' names for our vhost-user socket. */
static gboolean check_back_end(Raw *raw, Options *options, GError **error) {
  guint places = (raw->display ? 1 : 0) + (raw->socket_path ? 1 : 0) + (raw->fd >= 0 ? 1 : 0);
  if (places > 1) return usage(error, "--display, --socket-path and --fd: give one of them");
  if (places == 0) return usage(error, "--display is missing: qemu:QMP-SOCKET, vugpu:SOCKET or test");
  if (raw->display) return TRUE;
  g_auto(GStrv) words = g_strsplit(raw->socket_path ? raw->socket_path : "", ",", -1);
  g_autofree char *path = g_strjoinv(",,", words); /* a comma in a path is written twice */
  raw->display = raw->socket_path ? g_strconcat("vugpu:", path, NULL) : g_strdup_printf("vugpu:fd=%d", raw->fd);
  if (raw->listen || raw->http) return TRUE;
  g_autofree char *socket = g_strconcat(raw->name ? raw->name : "vm", ".sock", NULL);
  options->own_folder = g_build_filename(g_get_user_runtime_dir(), "framelift", NULL);
  g_autofree char *file = g_build_filename(options->own_folder, socket, NULL);
  raw->listen = g_new0(char *, 2);
  raw->listen[0] = g_strconcat("unix:", file, NULL);
  return TRUE;
}

static gboolean check(Raw *raw, Options *options, GError **error) {
  if (!check_back_end(raw, options, error)) return FALSE;
  if (!raw->listen && !raw->http && !raw->vsock_device) {
    return usage(error, "nothing to serve: give --http HOST:PORT, --listen ADDRESS or --vsock-device SOCKET,cid=N");
  }
  if (raw->vsock_device && !vsock_settings_parse(raw->vsock_device, &options->vsock, error)) return FALSE;
  for (guint i = 0; raw->listen && raw->listen[i]; i++) {
    ListenOption option;
    if (!check_listen(raw->listen[i], raw->guest_cid, &option, error)) return FALSE;
    if (i >= OPTIONS_MAX_LISTENERS) return usage(error, "--listen: %u addresses at the most", OPTIONS_MAX_LISTENERS);
    g_array_append_val(options->listen, option);
  }
  if (raw->http && !check_http(raw->http, options, error)) return FALSE;
  options->encoder = encoder_by_name(raw->encoder ? raw->encoder : "auto");
  if (!options->encoder) return usage(error, "--encoder %s: auto, x264 or null", raw->encoder);
  if (raw->name && (strlen(raw->name) > 64 || strchr(raw->name, '/') || raw->name[0] == '\0')) {
    return usage(error, "--name: 1 to 64 bytes without a slash");
  }
  if (!check_numbers(raw, options, error)) return FALSE;
  options->http_names = g_steal_pointer(&raw->http_names);
  options->token_file = g_steal_pointer(&raw->token_file);
  options->name = raw->name ? g_steal_pointer(&raw->name) : g_strdup("vm");
  options->verbose = raw->verbose;
  return display_choice_parse(&options->display, raw->display, error);
}

OptionsResult options_parse(Options *options, int argc, char **argv, GError **error) {
  g_auto(Raw) raw = {.bitrate = 10000, .fps = 60, .fd = -1};
  g_set_prgname("frameliftd");
  *options = (Options){.listen = g_array_new(FALSE, FALSE, sizeof(ListenOption))};
  const GOptionEntry entries[] = {
      {"display", 'd', 0, G_OPTION_ARG_STRING, &raw.display, "Whose screen", "DISPLAY"},
      {"socket-path", 0, 0, G_OPTION_ARG_STRING, &raw.socket_path, "Be a vhost-user back-end there", "PATH"},
      {"fd", 0, 0, G_OPTION_ARG_INT, &raw.fd, "Be a vhost-user back-end on that socket", "N"},
      {"print-capabilities", 0, 0, G_OPTION_ARG_NONE, &raw.print_capabilities, "Of the back-end, as JSON", NULL},
      {"http", 0, 0, G_OPTION_ARG_STRING, &raw.http, "Serve the page there; port 0: any", "HOST:PORT"},
      {"http-name", 0, 0, G_OPTION_ARG_STRING_ARRAY, &raw.http_names, "A further host name of the page (repeatable)",
       "NAME"},
      {"listen", 'l', 0, G_OPTION_ARG_STRING_ARRAY, &raw.listen, "Serve HXFR there (repeatable)", "ADDRESS"},
      {"guest-cid", 0, 0, G_OPTION_ARG_STRING, &raw.guest_cid, "The only CID that --listen vsock: serves", "N"},
      {"vsock-device", 0, 0, G_OPTION_ARG_STRING, &raw.vsock_device, "Be the VM's vsock device, and serve HXFR on it",
       "SOCKET,cid=N[,port=P]"},
      {"token-file", 0, 0, G_OPTION_ARG_FILENAME, &raw.token_file, "The token; made if there is none", "FILE"},
      {"name", 0, 0, G_OPTION_ARG_STRING, &raw.name, "The VM's name, for people (vm)", "NAME"},
      {"encoder", 0, 0, G_OPTION_ARG_STRING, &raw.encoder, "auto, x264 or null (auto)", "NAME"},
      {"bitrate", 0, 0, G_OPTION_ARG_INT, &raw.bitrate, "Ceiling of a stream (10000)", "KBIT/S"},
      {"fps", 0, 0, G_OPTION_ARG_DOUBLE, &raw.fps, "Ceiling of the frame rate (60)", "N"},
      {"verbose", 'v', 0, G_OPTION_ARG_NONE, &raw.verbose, "Log every step", NULL},
      {"version", 0, 0, G_OPTION_ARG_NONE, &raw.version, "Print the version", NULL},
      {NULL},
  };
  g_autoptr(GOptionContext) context = g_option_context_new(NULL);
  g_option_context_add_main_entries(context, entries, NULL);
  g_option_context_set_summary(context, SUMMARY);
  g_option_context_set_description(context, DESCRIPTION);
  g_option_context_set_help_enabled(context, FALSE);
  for (int i = 1; i < argc; i++) {
    if (g_str_equal(argv[i], "--print-capabilities")) { /* whatever else is there, the conventions say */
      fputs(CAPABILITIES, stdout);
      return OPTIONS_EXIT;
    }
    if (!g_str_equal(argv[i], "--help") && !g_str_equal(argv[i], "-h")) continue;
    g_autofree char *help = g_option_context_get_help(context, TRUE, NULL);
    fputs(help, stdout);
    return OPTIONS_EXIT;
  }
  if (!g_option_context_parse(context, &argc, &argv, error)) return OPTIONS_USAGE;
  if (raw.version) {
    printf("frameliftd %s\n", FRAMELIFT_VERSION);
    return OPTIONS_EXIT;
  }
  if (argc > 1) {
    usage(error, "\"%s\" is no option", argv[1]);
    return OPTIONS_USAGE;
  }
  return check(&raw, options, error) ? OPTIONS_RUN : OPTIONS_USAGE;
}

void options_finish(Options *options) {
  display_choice_finish(&options->display);
  vsock_settings_finish(&options->vsock);
  g_array_unref(options->listen);
  g_free(options->own_folder);
  g_strfreev(options->http_names);
  g_free(options->token_file);
  g_free(options->name);
}
