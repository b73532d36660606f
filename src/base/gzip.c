/* A gzip stream for stdio, by zlib. */
#include "base/gzip.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>
#include <zlib.h>

enum { BUFFER = 1 << 17 };

int fd_gzip_is_name(const char *path) {
  size_t n = strlen(path);
  return n > 3 && !strcmp(path + n - 3, ".gz");
}

static ssize_t write_packed(void *cookie, const char *text, size_t bytes) {
  gzFile file = cookie;
  size_t done = 0;
  while (done < bytes) {
    unsigned part = bytes - done < BUFFER ? (unsigned)(bytes - done) : BUFFER;
    if (gzwrite(file, text + done, part) != (int)part) {
      int code;
      gzerror(file, &code);
      if (code != Z_ERRNO) errno = code == Z_MEM_ERROR ? ENOMEM : EIO;
      return (ssize_t)done; /* a short count sets the stream's error */
    }
    done += part;
  }
  return (ssize_t)bytes;
}

static int close_packed(void *cookie) {
  int code = gzclose_w(cookie);
  if (code != Z_OK && code != Z_ERRNO) errno = code == Z_MEM_ERROR ? ENOMEM : EIO;
  return code == Z_OK ? 0 : -1;
}

FILE *fd_gzip_stream(int fd) {
  int own = fcntl(fd, F_DUPFD_CLOEXEC, 0); /* zlib closes its own descriptor */
  gzFile file = own >= 0 ? gzdopen(own, "wb") : NULL;
  if (!file) {
    if (own >= 0) close(own);
    return NULL;
  }
  FILE *stream = gzbuffer(file, BUFFER)
                     ? NULL
                     : fopencookie(file, "w", (cookie_io_functions_t){.write = write_packed, .close = close_packed});
  if (!stream) gzclose_w(file);
  return stream;
}
