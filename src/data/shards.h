/* Sets of windows, or of records of various lengths, on disk: HDF5 shards and the manifest that lists them.
 *
 * A shard (serial HDF5, latest format) has the datasets
 *   windows [n, L] uint8, the symbols 0..4 = A C G T N, chunked, Fletcher32; for windows only
 *   contig  [n] uint16, index into the attribute "contigs"
 *   start   [n] int64, 0-based position of the window in its contig
 *   length  [n] int32, for records only: the nucleotides of each, from 1 to L
 *   letters [sum of length] uint8, for records only (format 3): the symbols of all records, back to back; in format 2, of older
 *           versions, records are rows of `windows`, padded with N
 * and the attributes format, split, window, contigs, assembly, source_sha256. The folder's manifest.json holds format, window,
 * the options used, the report of what was read and kept, and for each shard: file, split, windows, bytes, sha256. A shard's hash
 * is checked before libhdf5 reads it. */
#ifndef FD_DATA_SHARDS_H
#define FD_DATA_SHARDS_H

#include <stdint.h>

#include "base/hash.h"
#include "comm/comm.h"

typedef struct fd_shard_entry {
  char file[256], split[16], sha256[FD_SHA256_HEX];
  int64_t windows;
  uint64_t bytes;
} fd_shard_entry;

/* The format of a manifest (fd_manifest.records). */
enum { FD_NO_RECORDS, FD_PADDED_RECORDS, FD_PACKED_RECORDS, FD_SHARD_FORMATS };
extern const char *const fd_manifest_formats[FD_SHARD_FORMATS];

enum { FD_SHARDS_MAX = 1 << 18 }; /* in a manifest, which then has 50 MB; readers accept 64 MiB */

typedef struct fd_manifest {
  char folder[4096];
  int window;                     /* nucleotides of a window, or, at most, of a record */
  int records;                    /* whether sequences are records of various lengths, and how shards store them */
  char dataset_id[FD_SHA256_HEX]; /* SHA-256 over the window length and the ordered (split, windows, sha256) of all shards */
  int shards, files;
  fd_shard_entry *shard;
  fd_shard_entry
      *beside; /* [files] contigs.tsv, tables: without split and windows; files is -1 if an earlier version listed none */
} fd_manifest;

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

/* Reads and checks folder/manifest.json. Shard names are plain file names in the folder. */
fd_status fd_manifest_read(const char *folder, fd_manifest *manifest) FD_MUST_CHECK;
void fd_manifest_free(fd_manifest *manifest);

/* The dataset_id of a manifest's window and shards. */
fd_status fd_dataset_id(const fd_manifest *manifest, char hex[FD_SHA256_HEX]) FD_MUST_CHECK;

/* FD_OK if all ranks have read the manifest of the same dataset, else FD_DATA on all of them. Collective. */
fd_status fd_manifest_same(const fd_manifest *manifest, fd_comm *comm) FD_MUST_CHECK;

/* Verifies size and SHA-256 of every shard and of the files beside them on every host, whose ranks share the work. Collective;
 * all ranks return the same status. Only on the user's request: fd_windows_load verifies what it reads. */
fd_status fd_manifest_verify(const fd_manifest *manifest, fd_comm *comm) FD_MUST_CHECK;

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
