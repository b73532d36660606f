/* Home folders, symlinks, and checks of output paths. */
#include "base/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/printable.h"

enum { LINKS_MAX = 40 }; /* the kernel's limit */

int fd_path_is_home(const char *given) { return *given == '~' && (!given[1] || given[1] == '/'); }

fd_status fd_path_expand(char out[FD_PATH_MAX], const char *given) {
  const char *home = getenv("HOME");
  if (*given != '~') return fd_path(out, given, NULL, NULL);
  if (!fd_path_is_home(given))
    return fd_fail(FD_USAGE, "%s: '~' is expanded in front of '/' only; write the whole path, or ./%s for a file of that name",
                   given, given);
  /* FD_USAGE is reported by rank 0 only, but HOME may be wrong on another one. */
  if (!home || !*home || strlen(home) > FD_PATH_MAX / 2)
    return fd_fail(FD_CONFIG, "%s: HOME is not set, or longer than %d bytes; write the whole path", given, FD_PATH_MAX / 2);
  return fd_path(out, home, given[1] && given[2] ? given + 2 : NULL, NULL);
}

/* The part of a word that is a path with '~': the whole word, or the part after its first '='. NULL: none. */
static const char *home_of(const char *word) {
  if (fd_path_is_home(word)) return word;
  const char *equals = strchr(word, '=');
  return equals && equals[1] == '~' ? equals + 1 : NULL;
}

fd_status fd_path_expand_words(char ***out, int count, char *const *words) {
  size_t bytes = ((size_t)count + 1) * sizeof **out;
  for (int i = 0; i < count; i++) bytes += strlen(words[i]) + 1 + (home_of(words[i]) ? FD_PATH_MAX : 0);
  FD_TRY(fd_alloc(out, bytes, 1, "the command line"));
  char *at = (char *)(*out + count + 1);
  fd_status status = FD_OK;
  for (int i = 0; i < count && status == FD_OK; i++) {
    char path[FD_PATH_MAX] = "";
    const char *home = home_of(words[i]);
    if (home) status = fd_path_expand(path, home);
    (*out)[i] = at;
    at += sprintf(at, "%.*s%s", home ? (int)(home - words[i]) : (int)strlen(words[i]), words[i], path) + 1;
  }
  if (status == FD_OK) return FD_OK;
  free(*out);
  *out = NULL;
  return status;
}

/* Applies the kernel's rule for symlinks in /tmp (protected_symlinks), which readlink bypasses: in a world-writable folder only
 * symlinks of this user, of the folder's owner and of root are followed. */
static fd_status check_link(const char *link) {
  struct stat info, place;
  char folder[FD_PATH_MAX];
  FD_TRY(fd_path(folder, link, NULL, NULL));
  char *slash = strrchr(folder, '/');
  if (slash) slash[slash == folder] = '\0';
  if (lstat(link, &info) || stat(slash ? folder : ".", &place)) return FD_OK; /* using the name will fail */
  if (!(place.st_mode & S_IWOTH) || !info.st_uid || info.st_uid == geteuid() || info.st_uid == place.st_uid) return FD_OK;
  return fd_fail(FD_PERMISSION,
                 "%s: is a symlink of another user (uid %ld) in a world-writable folder, and is not followed; remove it, or give "
                 "another name",
                 link, (long)info.st_uid);
}

fd_status fd_path_resolve(char out[FD_PATH_MAX], const char *path) {
  char target[FD_PATH_MAX], name[FD_PATH_MAX];
  FD_TRY(fd_path(out, path, NULL, NULL));
  for (int i = 0; i < LINKS_MAX; i++) {
    ssize_t n = readlink(out, target, sizeof target - 1);
    if (n < 0) return FD_OK; /* no symlink, or nothing yet; other errors show when the name is used */
    target[n] = '\0';
    FD_TRY(check_link(out));
    char *slash = *target == '/' ? NULL : strrchr(out, '/'); /* a relative target starts in the link's folder */
    if (slash) slash[slash == out] = '\0';
    FD_TRY(fd_path(name, slash ? out : target, slash ? target : NULL, NULL));
    FD_TRY(fd_path(out, name, NULL, NULL));
  }
  return fd_fail(FD_USAGE, "%s: a chain of more than %d links", path, LINKS_MAX);
}

/* The folder that a file is in after links, which need not exist, and the file's name there. */
static fd_status find_place(const char *path, char folder[FD_PATH_MAX], char name[FD_PATH_MAX]) {
  FD_TRY(fd_path_resolve(folder, path));
  char *slash = strrchr(folder, '/');
  FD_TRY(fd_path(name, slash ? slash + 1 : folder, NULL, NULL));
  if (!slash) return fd_path(folder, ".", NULL, NULL);
  slash[slash == folder] = '\0';
  return FD_OK;
}

fd_status fd_path_check_printable(const char *what, const char *path) {
  char shown[FD_PRINTABLE_GROWTH * FD_PATH_MAX];
  fd_printable(shown, sizeof shown, path);
  if (!strcmp(shown, path)) return FD_OK;
  return fd_fail(
      FD_CONFIG,
      "%s %s: contains control characters, or bytes that are not UTF-8, with which job scripts would not find it; give "
      "a name without them",
      what, path);
}

fd_status fd_check_output_place(const char *output) {
  struct stat info;
  char folder[FD_PATH_MAX], name[FD_PATH_MAX];
  if (!output) return FD_OK;
  FD_TRY(find_place(output, folder, name));
  if (!stat(output, &info) && S_ISDIR(info.st_mode)) return fd_fail(FD_BUSY, "%s: is a folder; give the name of a file", output);
  if (!stat(output, &info) && !S_ISREG(info.st_mode))
    return fd_fail(FD_BUSY, "%s: is a device or a pipe, which cannot be replaced by a finished file; give the name of a file",
                   output);
  if (stat(folder, &info) || !S_ISDIR(info.st_mode))
    return fd_fail(FD_MISSING, "%s: the folder %s is not there; create it first (mkdir -p %s)", output, folder, folder);
  return FD_OK;
}

int fd_path_is_inside(const char *path, const char *folder) {
  char *a = realpath(path, NULL), *b = realpath(folder, NULL);
  size_t n = b ? strlen(b) : 0;
  int inside = a && b && !strncmp(a, b, n) && (!a[n] || a[n] == '/' || n == 1);
  free(a);
  free(b);
  return inside;
}

static int is_same(const struct stat *a, const struct stat *b) { return a->st_dev == b->st_dev && a->st_ino == b->st_ino; }

fd_status fd_check_output(const char *output, const char *input) {
  struct stat a, b;
  char folder[FD_PATH_MAX], name[FD_PATH_MAX];
  if (!output || !input || stat(input, &b)) return FD_OK;
  if (S_ISDIR(b.st_mode)) {
    FD_TRY(find_place(output, folder, name));
    size_t n = strlen(name);
    if ((n >= 5 && !strcmp(name + n - 5, ".json")) || !fd_path_is_inside(folder, input)) return FD_OK;
    return fd_fail(FD_BUSY, "--output %s is among the inputs in %s; give another place", output, input);
  }
  if (stat(output, &a) || !is_same(&a, &b)) return FD_OK;
  return fd_fail(FD_BUSY, "--output %s is an input: it would be overwritten", output);
}

fd_status fd_check_outputs_differ(const char *a, const char *b) {
  char folder[2][FD_PATH_MAX], name[2][FD_PATH_MAX];
  struct stat info[2];
  if (!a || !b) return FD_OK;
  FD_TRY(find_place(a, folder[0], name[0]));
  FD_TRY(find_place(b, folder[1], name[1]));
  if (strcmp(name[0], name[1]) || stat(folder[0], &info[0]) || stat(folder[1], &info[1]) || !is_same(&info[0], &info[1]))
    return FD_OK;
  return fd_fail(FD_USAGE, "%s and %s are the same file; two outputs need two", a, b);
}
