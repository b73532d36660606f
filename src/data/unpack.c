/* Unpacks gzip and xz files into memory. */
#include "data/unpack.h"

#include <limits.h>
#include <lzma.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "base/memory.h"

typedef struct output {
  const char *path;
  unsigned char *data;
  size_t used, room, limit;
} output;

static fd_status too_large(const char *path, size_t limit) {
  return fd_fail(FD_DATA, "%s: unpacks to more than %zu bytes", path, limit);
}

/* Room for at least one more byte, and the NUL after it. */
static fd_status make_room(output *out) {
  if (out->used > out->limit) return too_large(out->path, out->limit);
  return fd_grow(&out->data, &out->room, out->used + 2, 1, "an unpacked file");
}

static uInt at_most_uint(size_t n) { return n > UINT_MAX ? UINT_MAX : (uInt)n; }

static fd_status unpack_gzip(const unsigned char *in, size_t bytes, output *out) {
  z_stream stream = {0};
  fd_status status = FD_OK;
  if (inflateInit2(&stream, 15 + 16) != Z_OK) return fd_fail(FD_MEMORY, "%s: zlib cannot start", out->path);
  for (size_t at = 0;;) {
    FD_GO(make_room(out));
    uInt given = at_most_uint(bytes - at), space = at_most_uint(out->room - out->used - 1);
    stream.next_in = (Bytef *)(in + at);
    stream.avail_in = given;
    stream.next_out = out->data + out->used;
    stream.avail_out = space;
    int code = inflate(&stream, Z_NO_FLUSH);
    at += given - stream.avail_in;
    out->used += space - stream.avail_out;
    if (code == Z_STREAM_END && at == bytes) break;
    if (code == Z_STREAM_END) inflateReset(&stream); /* the next member */
    else if (code == Z_BUF_ERROR)
      status = fd_fail(FD_DATA, "%s: the gzip file is truncated after %zu bytes; get it anew", out->path, bytes);
    else if (code != Z_OK)
      status = fd_fail(FD_DATA, "%s: the gzip file is damaged (%s near byte %zu); get it anew", out->path,
                       stream.msg ? stream.msg : "zlib error", at);
    if (status != FD_OK) break;
  }
done:
  inflateEnd(&stream);
  return status;
}

static fd_status unpack_xz(const unsigned char *in, size_t bytes, output *out) {
  lzma_stream stream = LZMA_STREAM_INIT;
  fd_status status = FD_OK;
  lzma_ret code = lzma_stream_decoder(&stream, (uint64_t)1 << 30, LZMA_CONCATENATED);
  stream.next_in = in;
  stream.avail_in = bytes;
  while (code == LZMA_OK) {
    FD_GO(make_room(out));
    size_t space = out->room - out->used - 1;
    stream.next_out = out->data + out->used;
    stream.avail_out = space;
    code = lzma_code(&stream, LZMA_FINISH);
    out->used += space - stream.avail_out;
  }
  if (code == LZMA_MEM_ERROR || code == LZMA_MEMLIMIT_ERROR)
    status = fd_fail(FD_MEMORY, "%s: unpacking xz needs more than 1 GiB", out->path);
  else if (code == LZMA_BUF_ERROR)
    status = fd_fail(FD_DATA, "%s: the xz file is truncated after %zu bytes; get it anew", out->path, bytes);
  else if (code != LZMA_STREAM_END)
    status = fd_fail(FD_DATA, "%s: the xz file is damaged (liblzma code %d); get it anew", out->path, (int)code);
done:
  lzma_end(&stream);
  return status;
}

fd_status fd_unpack_file(const char *path, size_t limit, char **text, size_t *bytes) {
  static const unsigned char gzip[] = {0x1f, 0x8b}, xz[] = {0xfd, '7', 'z', 'X', 'Z', 0};
  *text = NULL;
  char *raw;
  size_t size;
  FD_TRY(fd_read_file(path, limit, &raw, &size));
  int is_gzip = size >= sizeof gzip && !memcmp(raw, gzip, sizeof gzip), is_xz = size >= sizeof xz && !memcmp(raw, xz, sizeof xz);
  if (!is_gzip && !is_xz) {
    *text = raw;
    *bytes = size;
    return FD_OK;
  }
  output out = {.path = path, .limit = limit};
  fd_status status = (is_gzip ? unpack_gzip : unpack_xz)((const unsigned char *)raw, size, &out);
  if (status == FD_OK && out.used > limit) status = too_large(path, limit);
  free(raw);
  if (status != FD_OK) {
    free(out.data);
    return status;
  }
  out.data[out.used] = '\0';
  *text = (char *)out.data;
  *bytes = out.used;
  return FD_OK;
}
