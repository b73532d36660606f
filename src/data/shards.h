/* Windows, or records of various lengths, in HDF5 shards.
 *
 * A shard (serial HDF5, latest format) has the datasets
 *   windows [n, L] uint8, the symbols 0..4 = A C G T N, chunked, Fletcher32; for windows only
 *   contig  [n] uint16, index into the attribute "contigs"
 *   start   [n] int64, 0-based position of the window in its contig
 *   length  [n] int32, for records only: the nucleotides of each, from 1 to L
 *   letters [sum of length] uint8, for records only (format 3): the symbols of all records, back to back; in format 2, of older
 *           versions, records are rows of `windows`, padded with N
 * and the attributes format, split, window, contigs, assembly, source_sha256. The folder's manifest (data/manifest.h) lists them
 * with their hashes; a shard's hash is checked before libhdf5 reads it. */
#ifndef FD_DATA_SHARDS_H
#define FD_DATA_SHARDS_H

#include <stdint.h>

#include "data/manifest.h"

/* The windows or records of one split, in memory. */
typedef struct fd_windows {
  int64_t count;
  int length;       /* of a window, or, at most, of a record */
  uint8_t *symbols; /* windows: [count, length]; records: back to back */
  int32_t *own;     /* [count] nucleotides of each record, 1 or more; NULL: windows of `length` */
  int64_t *start;   /* [count] offset of each record in `symbols`; NULL: symbols are rows */
} fd_windows;

static inline const uint8_t *fd_windows_at(const fd_windows *w, int64_t i) {
  return w->symbols + (w->start ? w->start[i] : i * w->length);
}
static inline int fd_windows_length(const fd_windows *w, int64_t i) { return w->own ? w->own[i] : w->length; }

/* Loads all windows of a split ("train", "val", "test"), in the manifest's order. Each shard is read once; its size and SHA-256
 * must be the manifest's, and libhdf5 gets the bytes that were hashed: a file that is replaced meanwhile is never read. Symbols
 * outside 0..4, lengths outside 1..L, wrong types, shapes or attributes are FD_DATA. An absent split has count 0. */
fd_status fd_windows_load(const fd_manifest *manifest, const char *split, fd_windows *windows) FD_MUST_CHECK;
void fd_windows_free(fd_windows *windows);

/* The name of a record, whose first `length` bytes are its contig: "chr1:101-200" is chr1. */
typedef struct fd_shard_contig {
  const char *name;
  size_t length;
} fd_shard_contig;

/* What fd_shard_write stores. */
typedef struct fd_shard {
  int64_t count;
  int length, contigs;
  const char *split, *assembly, *source_sha256;
  const fd_shard_contig *contig_name; /* [contigs] */
  const uint8_t *symbols;             /* [count, length]; records: [sum of own], back to back */
  const uint16_t *contig;             /* [count] */
  const int64_t *start;               /* [count] */
  const int32_t *own;                 /* [count] of records; NULL: windows */
} fd_shard;

/* Writes one shard durably at `path`, the same bytes for the same content; sets windows, bytes and SHA-256 of *entry. */
fd_status fd_shard_write(const char *path, const fd_shard *shard, fd_shard_entry *entry) FD_MUST_CHECK;

/* Prints a description of one shard file to stdout (for 'findna inspect'). */
fd_status fd_shard_print(const char *path) FD_MUST_CHECK;

#endif
