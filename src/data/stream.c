/* Reads plain, gzip and xz files as one stream of bytes. */
#include "data/stream.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "base/guard.h"
#include "base/log.h"
#include "base/memory.h"

enum { BLOCK = 1 << 16, EXTRA = 64, RATIO_MAX = 64 };
static const uint64_t free_bytes = (uint64_t)256 << 20; /* content up to this size is accepted at any ratio */

typedef struct packing {
  const char *name;
  unsigned char magic[6];
  size_t magic_bytes;
  /* Decompresses the block into `to`; *bytes is 0 at the end of the file. */
  fd_status (*read)(fd_stream *s, unsigned char *to, size_t room, size_t *bytes);
} packing;

struct fd_stream {
  char path[FD_PATH_MAX];
  int fd;
  const packing *kind;
  unsigned char *block; /* of the file */
  size_t size, at;      /* of the block: its bytes, and the next one */
  uint64_t taken;       /* bytes of the file up to the end of this block */
  int file_ended, opened;
  int64_t place;    /* position in the content */
  fd_sha256 *hash;  /* NULL: not requested, or finished */
  z_stream z;       /* gzip: */
  gz_header header; /* of the member */
  unsigned char extra[EXTRA];
  enum { BEFORE_MEMBER, IN_MEMBER, IN_PADDING } where;
  int64_t member_bytes; /* of its content, so far */
  lzma_stream x;        /* xz */
};

/* Reads the next block of the file when this one is used up. */
static fd_status fill(fd_stream *s) {
  if (s->at < s->size || s->file_ended) return FD_OK;
  FD_TRY(fd_guard_go_on());
  ssize_t n;
  do n = read(s->fd, s->block, BLOCK);
  while (n < 0 && errno == EINTR);
  if (n < 0) return fd_fail_errno("cannot read", s->path);
  s->at = 0;
  s->size = (size_t)n;
  s->taken += (uint64_t)n;
  s->file_ended = !n;
  if (s->hash) fd_sha256_add(s->hash, s->block, s->size);
  return FD_OK;
}

/* Offset of the next byte in the file. */
static uint64_t byte_of(const fd_stream *s) { return s->taken - s->size + s->at; }

static fd_status cut_off(const fd_stream *s) {
  return fd_fail(FD_DATA, "%s: the %s file is cut off after %" PRIu64 " bytes; fetch or pack it again", s->path, s->kind->name,
                 s->taken);
}

static fd_status damaged(const fd_stream *s, const char *why) {
  return fd_fail(FD_DATA, "%s: the %s file is damaged near byte %" PRIu64 " (%s); fetch or pack it again", s->path, s->kind->name,
                 byte_of(s), why);
}

static fd_status read_plain(fd_stream *s, unsigned char *to, size_t room, size_t *bytes) {
  FD_TRY(fill(s));
  *bytes = s->size - s->at < room ? s->size - s->at : room;
  memcpy(to, s->block + s->at, *bytes);
  s->at += *bytes;
  return FD_OK;
}

/* --- gzip ------------------------------------------------------------------------------------------------------------ */

static fd_status follows(const fd_stream *s) {
  return fd_fail(FD_DATA, "%s: from byte %" PRIu64 " on it is not gzip, though what is before is: fetch or pack it again",
                 s->path, byte_of(s));
}

/* After a member: another one, zero padding, or the end of the file. */
static fd_status begin_member(fd_stream *s) {
  while (s->at < s->size && s->where != IN_MEMBER) {
    unsigned char byte = s->block[s->at];
    if (byte == 0) s->where = IN_PADDING;
    else if (s->where == IN_PADDING || byte != s->kind->magic[0]) return follows(s);
    else s->where = IN_MEMBER;
    s->at += byte == 0;
  }
  if (s->where != IN_MEMBER) return FD_OK;
  s->member_bytes = 0;
  s->header = (gz_header){.extra = s->extra, .extra_max = EXTRA};
  if (inflateReset(&s->z) != Z_OK || inflateGetHeader(&s->z, &s->header) != Z_OK) return damaged(s, "zlib cannot start");
  return FD_OK;
}

static fd_status read_gzip(fd_stream *s, unsigned char *to, size_t room, size_t *bytes) {
  if (room > UINT_MAX) room = UINT_MAX;
  for (*bytes = 0; !*bytes;) {
    FD_TRY(fill(s));
    if (s->file_ended) return s->where == IN_MEMBER ? cut_off(s) : FD_OK;
    if (s->where != IN_MEMBER) FD_TRY(begin_member(s));
    if (s->where != IN_MEMBER) continue;
    s->z.next_in = s->block + s->at, s->z.avail_in = (uInt)(s->size - s->at);
    s->z.next_out = to, s->z.avail_out = (uInt)room;
    int code = inflate(&s->z, Z_NO_FLUSH);
    s->at = s->size - s->z.avail_in;
    *bytes = room - s->z.avail_out;
    s->member_bytes += (int64_t)*bytes;
    if (code == Z_STREAM_END) s->where = BEFORE_MEMBER;
    else if (code == Z_MEM_ERROR) return fd_fail(FD_MEMORY, "%s: out of memory while unpacking", s->path);
    else if (code != Z_OK && code != Z_BUF_ERROR) return damaged(s, s->z.msg ? s->z.msg : "zlib error");
  }
  return FD_OK;
}

static int is_bgzip(const fd_stream *s) {
  return s->header.done == 1 && s->header.extra_len >= 2 && s->extra[0] == 'B' && s->extra[1] == 'C';
}

/* --- xz -------------------------------------------------------------------------------------------------------------- */

static fd_status xz_failure(const fd_stream *s, lzma_ret code) {
  if (code == LZMA_MEM_ERROR) return fd_fail(FD_MEMORY, "%s: out of memory while unpacking", s->path);
  if (code == LZMA_MEMLIMIT_ERROR) return fd_fail(FD_MEMORY, "%s: unpacking it needs more than 1 GiB", s->path);
  if (code == LZMA_BUF_ERROR) return cut_off(s);
  return damaged(s, code == LZMA_FORMAT_ERROR ? "no xz data" : code == LZMA_DATA_ERROR ? "wrong data" : "liblzma error");
}

static fd_status read_xz(fd_stream *s, unsigned char *to, size_t room, size_t *bytes) {
  for (*bytes = 0; !*bytes;) {
    FD_TRY(fill(s));
    s->x.next_in = s->block + s->at, s->x.avail_in = s->size - s->at;
    s->x.next_out = to, s->x.avail_out = room;
    lzma_ret code = lzma_code(&s->x, s->file_ended ? LZMA_FINISH : LZMA_RUN);
    s->at = s->size - s->x.avail_in;
    *bytes = room - s->x.avail_out;
    if (code == LZMA_STREAM_END) return FD_OK;
    if (code != LZMA_OK) return xz_failure(s, code);
  }
  return FD_OK;
}

/* --- every kind ------------------------------------------------------------------------------------------------------ */

static const packing packings[] = {
    {"xz", {0xfd, '7', 'z', 'X', 'Z', 0}, 6, read_xz}, {"gzip", {0x1f, 0x8b}, 2, read_gzip}, {"plain", {0}, 0, read_plain}};

/* Refuses compression formats that are not read here; the last of `packings` would read them as text. */
static fd_status refuse_packed(const fd_stream *s) {
  static const struct {
    const char *name, *magic;
  } others[] = {
      {"zstd", "\x28\xb5\x2f\xfd"}, {"bzip2", "BZh91AY"}, {"zip", "PK\3\4"}, {"7z", "7z\xbc\xaf"}, {"compress", "\x1f\x9d"}};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    size_t n = strlen(others[i].magic);
    if (s->size >= n && !memcmp(s->block, others[i].magic, n))
      return fd_fail(FD_DATA, "%s: is packed with %s; unpack it, or pack it with gzip, bgzip or xz", s->path, others[i].name);
  }
  return FD_OK;
}

/* Starts at the first byte of the file. */
static fd_status begin(fd_stream *s) {
  s->size = s->at = 0, s->taken = 0, s->file_ended = 0, s->place = 0;
  FD_TRY(fill(s));
  FD_TRY(refuse_packed(s));
  s->kind = packings;
  while (s->size < s->kind->magic_bytes || memcmp(s->block, s->kind->magic, s->kind->magic_bytes)) s->kind++;
  s->where = BEFORE_MEMBER;
  if (s->kind->read == read_gzip && !s->opened && inflateInit2(&s->z, 15 + 16) != Z_OK)
    return fd_fail(FD_MEMORY, "%s: zlib cannot start: out of memory?", s->path);
  s->opened |= s->kind->read == read_gzip;
  if (s->kind->read == read_xz) {
    lzma_ret code = lzma_stream_decoder(&s->x, (uint64_t)1 << 30, LZMA_CONCATENATED);
    if (code != LZMA_OK) return xz_failure(s, code);
  }
  return FD_OK;
}

fd_status fd_stream_open(fd_stream **stream, const char *path, int hashed) {
  fd_status status = FD_OK;
  uint64_t bytes;
  FD_TRY(fd_alloc(stream, 1, sizeof **stream, "an input file"));
  fd_stream *s = *stream;
  s->x = (lzma_stream)LZMA_STREAM_INIT;
  s->fd = -1;
  FD_GO(fd_path(s->path, path, NULL, NULL));
  FD_GO(fd_alloc(&s->block, BLOCK, 1, "an input file"));
  FD_GO(fd_open_input(path, &s->fd, &bytes));
  if (hashed) FD_GO(fd_sha256_begin(&s->hash));
  FD_GO(begin(s));
done:
  if (status != FD_OK) fd_stream_close(stream);
  return status;
}

void fd_stream_close(fd_stream **stream) {
  fd_stream *s = *stream;
  if (!s) return;
  if (s->opened) inflateEnd(&s->z);
  lzma_end(&s->x);
  fd_sha256_abandon(&s->hash);
  if (s->fd >= 0) close(s->fd);
  free(s->block);
  free(s);
  *stream = NULL;
}

int fd_stream_is_packed(const fd_stream *s) { return s->kind->read != read_plain; }

fd_status fd_stream_read(fd_stream *s, void *to, size_t room, size_t *bytes) {
  FD_TRY(s->kind->read(s, to, room, bytes));
  s->place += (int64_t)*bytes;
  if ((uint64_t)s->place <= free_bytes || (uint64_t)s->place / RATIO_MAX <= s->taken) return FD_OK;
  return fd_fail(FD_DATA, "%s: unpacks to more than %d times its size: these are no sequences; unpack it first if they are",
                 s->path, RATIO_MAX);
}

fd_status fd_stream_seek(fd_stream *s, int64_t place) {
  unsigned char *skipped;
  fd_status status = FD_OK;
  int plain = !fd_stream_is_packed(s);
  if (plain || place < s->place) {
    if (lseek(s->fd, plain ? (off_t)place : 0, SEEK_SET) < 0) return fd_fail_errno("cannot seek in", s->path);
    if (!plain) FD_TRY(begin(s));
  }
  if (plain) {
    s->size = s->at = 0, s->file_ended = 0, s->taken = (uint64_t)place, s->place = place;
    return FD_OK;
  }
  FD_TRY(fd_alloc(&skipped, BLOCK, 1, "an input file"));
  for (size_t bytes; s->place < place && status == FD_OK;) {
    int64_t left = place - s->place;
    status = fd_stream_read(s, skipped, left < BLOCK ? (size_t)left : BLOCK, &bytes);
    if (status == FD_OK && !bytes) status = fd_fail(FD_DATA, "%s: has changed while it was read", s->path);
  }
  free(skipped);
  return status;
}

fd_status fd_stream_finish(fd_stream *s, char sha256[FD_SHA256_HEX], uint64_t *bytes) {
  unsigned char digest[FD_SHA256_BYTES];
  if (is_bgzip(s) && s->member_bytes)
    fd_warn("%s: is bgzip without its end mark: whole as far as it goes, but it may have been cut off between two blocks",
            s->path);
  if (!s->hash) return FD_OK;
  *bytes = s->taken;
  FD_TRY(fd_sha256_end(&s->hash, digest));
  fd_hex(sha256, digest);
  return FD_OK;
}

fd_status fd_stream_id(const fd_stream *s, fd_file_id *id) { return fd_file_id_of(s->fd, s->path, id); }

const char *fd_ending(const char *name, const char *ending) {
  static const char *const packed[] = {"", ".gz", ".bgz", ".xz"};
  size_t n = strlen(name), m = strlen(ending);
  for (size_t i = 0; i < sizeof packed / sizeof *packed; i++) {
    size_t p = strlen(packed[i]);
    if (n > m + p && !strcasecmp(name + n - p, packed[i]) && !strncasecmp(name + n - p - m, ending, m)) return name + n - p - m;
  }
  return NULL;
}
