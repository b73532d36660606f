/* UCSC 2bit files, either byte order: two bits a base, runs of N beside them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/alphabet.h"
#include "data/genome.h"

static const uint32_t signature = 0x1A412743u;
enum { BLOCKS_MAX = 1 << 26 };

/* An open file; numbers are swapped when it was written on a machine of the other byte order. */
typedef struct twobit {
  FILE *file;
  const char *path;
  int swapped;
} twobit;

static uint32_t swap(uint32_t x) { return x >> 24 | (x >> 8 & 0xff00u) | (x << 8 & 0xff0000u) | x << 24; }

static fd_status read_words(twobit *t, uint32_t *words, size_t count) {
  if (fread(words, sizeof *words, count, t->file) != count) return fd_fail(FD_DATA, "%s: the 2bit file is cut off", t->path);
  for (size_t i = 0; t->swapped && i < count; i++) words[i] = swap(words[i]);
  return FD_OK;
}

int fd_twobit_detect(const char *path) {
  uint32_t word = 0;
  FILE *file = fopen(path, "rb");
  if (!file) return 0;
  size_t n = fread(&word, sizeof word, 1, file);
  fclose(file);
  return n == 1 && (word == signature || word == swap(signature));
}

static fd_status open_twobit(twobit *t, const char *path, uint32_t *count) {
  uint32_t head[4];
  *t = (twobit){fopen(path, "rb"), path, 0};
  if (!t->file) return fd_fail_errno("cannot open", path);
  FD_TRY(read_words(t, head, 1));
  t->swapped = head[0] == swap(signature);
  FD_TRY(read_words(t, head + 1, 3));
  if (head[1]) return fd_fail(FD_DATA, "%s: 2bit version %" PRIu32 " (expected 0)", path, head[1]);
  if (head[2] == 0) return fd_fail(FD_DATA, "%s: holds no sequence", path);
  *count = head[2];
  return FD_OK;
}

static fd_status seek(twobit *t, int64_t offset) {
  return fseeko(t->file, (off_t)offset, SEEK_SET) ? fd_fail_errno("cannot seek in", t->path) : FD_OK;
}

/* A table of blocks: starts, then sizes. Released with free(). */
static fd_status read_blocks(twobit *t, uint32_t *count, uint32_t **blocks) {
  *blocks = NULL;
  FD_TRY(read_words(t, count, 1));
  if (*count > BLOCKS_MAX)
    return fd_fail(FD_DATA, "%s: impossible number of blocks (%" PRIu32 "): the file is damaged", t->path, *count);
  FD_TRY(fd_alloc(blocks, 2 * (size_t)*count, sizeof **blocks, "2bit blocks"));
  return read_words(t, *blocks, 2 * (size_t)*count);
}

/* The head of a record: its length, its runs of N into the newest record, its masked bases; leaves the file at the packed bases.
 */
static fd_status read_head(twobit *t, fd_genome *g, uint32_t *length) {
  uint32_t count, *blocks = NULL, reserved;
  FD_TRY(read_words(t, length, 1));
  fd_status status = read_blocks(t, &count, &blocks);
  for (uint32_t i = 0; i < count && status == FD_OK; i++) {
    int64_t begin = blocks[i], end = begin + blocks[count + i];
    int64_t before = i ? (int64_t)blocks[i - 1] + blocks[count + i - 1] : 0;
    if (end > *length || begin < before)
      status = fd_fail(FD_DATA, "%s: a run of N leaves its sequence: the file is damaged", t->path);
    else if (begin < end) status = fd_genome_add_n(g, begin, end);
  }
  free(blocks);
  if (status != FD_OK) return status;
  status = read_blocks(t, &count, &blocks);
  for (uint32_t i = 0; i < count && status == FD_OK; i++) g->counts.lower += blocks[count + i];
  free(blocks);
  if (status != FD_OK) return status;
  return read_words(t, &reserved, 1);
}

static fd_status scan_record(twobit *t, fd_genome *g, const char *name, uint32_t offset) {
  uint32_t length;
  off_t back = ftello(t->file);
  FD_TRY(fd_genome_add_record(g, t->path, name, 0));
  FD_TRY(seek(t, offset));
  FD_TRY(read_head(t, g, &length));
  fd_record *r = &g->record[g->records - 1];
  r->length = length;
  r->offset = ftello(t->file);
  FD_TRY(fd_genome_end_record(g, t->path));
  if ((uint64_t)r->offset + ((uint64_t)length + 3) / 4 > g->file[r->file].bytes)
    return fd_fail(FD_DATA, "%s: the 2bit file is cut off in '%s'", t->path, name);
  return seek(t, back);
}

fd_status fd_twobit_scan(fd_genome *g) {
  char path[FD_PATH_MAX]; /* g->file may move */
  uint32_t count = 0, offset;
  twobit t;
  FD_TRY(fd_path(path, g->file[g->files - 1].path, NULL, NULL));
  fd_status status = open_twobit(&t, path, &count);
  for (uint32_t i = 0; i < count && status == FD_OK; i++) {
    char name[256];
    int size = fgetc(t.file);
    if (size < 1 || fread(name, 1, (size_t)size, t.file) != (size_t)size)
      status = fd_fail(FD_DATA, "%s: the index of the 2bit file is cut off", path);
    name[size > 0 ? size : 0] = '\0';
    if (status == FD_OK) status = read_words(&t, &offset, 1);
    if (status == FD_OK) status = scan_record(&t, g, name, offset);
  }
  if (t.file) fclose(t.file);
  return status;
}

fd_status fd_twobit_read(const char *path, const fd_record *r, uint8_t *symbols) {
  static const uint8_t base[4] = {FD_T, FD_C, FD_A, FD_G};
  enum { BLOCK = 1 << 16 };
  unsigned char block[BLOCK];
  uint32_t count;
  twobit t;
  fd_status status = open_twobit(&t, path, &count);
  if (status == FD_OK) status = seek(&t, r->offset);
  for (int64_t done = 0; done < r->length && status == FD_OK;) {
    int64_t left = (r->length - done + 3) / 4;
    size_t n = left < BLOCK ? (size_t)left : BLOCK;
    if (fread(block, 1, n, t.file) != n) status = fd_fail(FD_DATA, "%s: the 2bit file is cut off in '%s'", t.path, r->contig);
    for (size_t i = 0; i < n * 4 && done < r->length; i++, done++) symbols[done] = base[block[i / 4] >> (6 - 2 * (i % 4)) & 3];
  }
  for (size_t i = 0; i < r->runs && status == FD_OK; i++)
    memset(symbols + r->run[i].begin, FD_N, (size_t)(r->run[i].end - r->run[i].begin));
  if (t.file) fclose(t.file);
  return status;
}
