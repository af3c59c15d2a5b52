/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/net/token.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/random.h> /* macOS has getentropy() here, Linux in either */
#include <sys/stat.h>
#include <unistd.h>

#define TOKEN_BYTES 16
#define TOKEN_MIN 16
#define TOKEN_MAX 256

static char *fail(GError **error, const char *path, const char *what, int code) {
  g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(code), "the token file %s: %s: %s", path, what,
              g_strerror(code));
  return NULL;
}

static char *refuse(GError **error, const char *path, const char *why) {
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "the token file %s %s", path, why);
  return NULL;
}

static char *make(const char *path, GError **error) {
  guint8 random[TOKEN_BYTES];
  if (getentropy(random, sizeof random) != 0) return fail(error, path, "no random numbers", errno);
  g_autoptr(GString) token = g_string_new(NULL);
  for (guint i = 0; i < sizeof random; i++) g_string_append_printf(token, "%02x", random[i]);
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return fail(error, path, "cannot make it", errno);
  g_autofree char *line = g_strconcat(token->str, "\n", NULL);
  gboolean written = write(fd, line, strlen(line)) == (ssize_t)strlen(line);
  int code = errno;
  close(fd);
  if (written) return g_strdup(token->str);
  g_unlink(path);
  return fail(error, path, "cannot write it", code);
}

char *token_load(const char *path, GError **error) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would wait for its writer */
  if (fd < 0 && errno == ENOENT) return make(path, error);
  if (fd < 0) return fail(error, path, "cannot open it", errno);
  struct stat info;
  char text[TOKEN_MAX + 2] = {0};
  gboolean known = fstat(fd, &info) == 0;
  ssize_t size = read(fd, text, sizeof text - 1);
  int code = errno;
  close(fd);
  if (!known || size < 0) return fail(error, path, "cannot read it", code);
  if (!S_ISREG(info.st_mode)) return refuse(error, path, "is no plain file");
  if (info.st_uid != geteuid() && geteuid() != 0) return refuse(error, path, "belongs to another user");
  if (info.st_mode & 077) return refuse(error, path, "may be read by others: run chmod 600 on it");
  text[strcspn(text, "\r\n")] = '\0';
  gsize length = strlen(text);
  if (length < TOKEN_MIN || length > TOKEN_MAX)
    return refuse(error, path, "has no token of 16 to 256 bytes in its first line");
  for (gsize i = 0; i < length; i++) {
    if (!g_ascii_isalnum(text[i]) && !strchr("-._~", text[i])) {
      return refuse(error, path,
                    "has characters in its token that an address cannot carry: use letters, digits, - . _ ~");
    }
  }
  return g_strdup(text);
}

char *token_default_path(const char *vm_name, GError **error) {
  g_autofree char *folder = g_build_filename(g_get_user_state_dir(), "framelift", NULL);
  if (g_mkdir_with_parents(folder, 0700) != 0) return fail(error, folder, "cannot make the folder", errno);
  g_autofree char *name = g_strconcat(vm_name, ".token", NULL);
  return g_build_filename(folder, name, NULL);
}
