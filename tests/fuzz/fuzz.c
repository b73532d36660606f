/* Runs the fuzz targets: the table of targets, and their input files. */
#include "fuzz.h"

#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"

enum { FILES_MAX = 16 };

typedef struct memory_file {
  const char *name;
  char path[128];
  int fd; /* -1: absent */
} memory_file;

static char folder[64];
static memory_file files[FILES_MAX];

static void remove_all(void) {
  if (*folder && fd_remove_folder(folder) != FD_OK) fprintf(stderr, "could not remove %s\n", folder);
}

const char *fuzz_files_folder(void) {
  if (*folder) return folder;
  snprintf(folder, sizeof folder, "%s/findna-fuzz-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm"); /* in memory */
  EXPECT(mkdtemp(folder));
  atexit(remove_all);
  return folder;
}

static memory_file *find(const char *name) {
  memory_file *f = files;
  while (f < files + FILES_MAX && f->name && strcmp(f->name, name)) f++;
  EXPECT(f < files + FILES_MAX);
  if (f->name) return f;
  f->name = name;
  f->fd = -1;
  snprintf(f->path, sizeof f->path, "%s/%s", fuzz_files_folder(), name);
  return f;
}

const char *fuzz_file(const char *name, const void *data, size_t size) {
  memory_file *f = find(name);
  if (f->fd < 0) EXPECT((f->fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) >= 0);
  EXPECT(!ftruncate(f->fd, (off_t)size) && pwrite(f->fd, data, size, 0) == (ssize_t)size);
  return f->path;
}

void fuzz_no_file(const char *name) {
  memory_file *f = find(name);
  if (f->fd < 0) return;
  unlink(f->path);
  close(f->fd);
  f->fd = -1;
}

const uint8_t *fuzz_part(const uint8_t **data, size_t *size, size_t *part) {
  const uint8_t *begin = *data, *end = begin ? memchr(begin, 0xff, *size) : NULL;
  *part = begin ? end ? (size_t)(end - begin) : *size : 0;
  *size -= end ? *part + 1 : *part;
  *data = end ? end + 1 : NULL;
  return begin;
}

int fuzz_run(const char *name, const uint8_t *data, size_t size) {
  static const struct {
    const char *name;
    size_t longest;
    void (*run)(const uint8_t *data, size_t size);
  } targets[] = {
#define TARGET(name, longest, what) {#name, longest, fuzz_##name},
#include "targets.def"
#undef TARGET
  };
  for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
    if (strcmp(targets[i].name, name)) continue;
    if (size <= targets[i].longest) targets[i].run(data, size);
    return 1;
  }
  return 0;
}

/* libhdf5 itself leaks memory on damaged files: the leak checker ignores it. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:libhdf5"; }
