/* The manifest of a folder of shards (data/shards.h): which files it has, and their sizes and hashes.
 *
 * manifest.json holds format, window, the options used, the report of what was read and kept, for each shard file, split,
 * windows, bytes and sha256, and for each file beside them (contigs.tsv, tables) file, bytes and sha256. */
#ifndef FD_DATA_MANIFEST_H
#define FD_DATA_MANIFEST_H

#include <stdint.h>

#include "base/file.h"
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

enum {
  FD_SHARDS_MAX = 1 << 18, /* in a manifest, which then has 50 MB; readers accept 64 MiB */
  FD_BESIDE_MAX = 1024     /* files beside the shards: contigs.tsv, or a few tables of records */
};

typedef struct fd_manifest {
  char folder[FD_PATH_MAX];
  int window;                     /* nucleotides of a window, or, at most, of a record */
  int records;                    /* whether sequences are records of various lengths, and how shards store them */
  char dataset_id[FD_SHA256_HEX]; /* SHA-256 over the window length and the ordered (split, windows, sha256) of all shards */
  int shards, files;              /* files is -1 if an earlier version listed none */
  fd_shard_entry *shard;          /* [shards] */
  fd_shard_entry *beside;         /* [files] contigs.tsv and tables: without split and windows */
} fd_manifest;

/* Reads and checks folder/manifest.json. Names are plain file names in the folder, each of which is there once. Call
 * fd_manifest_free after success. */
fd_status fd_manifest_read(const char *folder, fd_manifest *manifest) FD_MUST_CHECK;
void fd_manifest_free(fd_manifest *manifest);

/* The dataset_id of a manifest's window and shards. */
fd_status fd_dataset_id(const fd_manifest *manifest, char hex[FD_SHA256_HEX]) FD_MUST_CHECK;

/* FD_OK if all ranks have read the manifest of the same dataset, else FD_DATA on all of them. Collective. */
fd_status fd_manifest_same(const fd_manifest *manifest, fd_comm *comm) FD_MUST_CHECK;

/* Verifies size and SHA-256 of every shard and of the files beside them on every host, whose ranks share the work. Collective;
 * all ranks return the same status. Only on the user's request: fd_windows_load verifies what it reads. */
fd_status fd_manifest_verify(const fd_manifest *manifest, fd_comm *comm) FD_MUST_CHECK;

/* Checks, before memory is allocated, that a shard's file exists, has the size listed and is large enough for its windows, which
 * no filter compresses, or for its records; else FD_DATA. */
fd_status fd_manifest_check_shard(const fd_manifest *manifest, const fd_shard_entry *shard) FD_MUST_CHECK;

/* Reads a shard's whole file into *bytes, which the caller frees also after a failure, and verifies its hash; sets its path, for
 * messages. */
fd_status fd_manifest_read_shard(const fd_manifest *manifest, const fd_shard_entry *shard, char path[FD_PATH_MAX], char **bytes,
                                 size_t *size) FD_MUST_CHECK;

#endif
