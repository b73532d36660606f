/* Reads UCSC 2bit files of versions 0 and 1 in either byte order: two bits per base, and runs of N apart. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/alphabet.h"
#include "data/genome.h"

static const uint32_t signature = 0x1A412743u;
enum { NAME_MAX_BYTES = 256 };

/* An open file; `swapped`: it was written in the other byte order. */
typedef struct twobit {
  FILE *file;
  const char *path;
  fd_file_id id;
  int swapped;
  uint32_t version, records;
} twobit;

/* The bytes of the file that a record, or the index, occupies. */
typedef struct extent {
  int64_t begin, end;
} extent;

static uint32_t swap(uint32_t x) { return x >> 24 | (x >> 8 & 0xff00u) | (x << 8 & 0xff0000u) | x << 24; }

/* The error of a short read, or of a size beyond the end of the file. */
static fd_status cut_off(const twobit *t) {
  return ferror(t->file) ? fd_fail_errno("cannot read", t->path) : fd_fail(FD_DATA, "%s: the 2bit file is cut off", t->path);
}

static fd_status read_words(twobit *t, uint32_t *words, size_t count) {
  if (fread(words, sizeof *words, count, t->file) != count) return cut_off(t);
  for (size_t i = 0; t->swapped && i < count; i++) words[i] = swap(words[i]);
  return FD_OK;
}

fd_status fd_twobit_detect(const char *path, int *is) {
  const uint32_t swapped = swap(signature);
  FD_TRY(fd_begins_with(path, &signature, sizeof signature, is));
  return *is ? FD_OK : fd_begins_with(path, &swapped, sizeof swapped, is);
}

static void close_twobit(twobit *t) {
  if (t->file) fclose(t->file);
  t->file = NULL;
}

static fd_status read_head(twobit *t) {
  uint32_t head[4];
  FD_TRY(read_words(t, head, 1));
  t->swapped = head[0] == swap(signature);
  FD_TRY(read_words(t, head + 1, 3));
  t->version = head[1], t->records = head[2];
  if (t->version > 1)
    return fd_fail(FD_DATA, "%s: 2bit version %" PRIu32 " (expected 0, or 1 with long offsets)", t->path, t->version);
  return t->records ? FD_OK : fd_fail(FD_DATA, "%s: holds no sequence", t->path);
}

static fd_status open_twobit(twobit *t, const char *path) {
  uint64_t bytes;
  *t = (twobit){.path = path};
  FD_TRY(fd_open_stream(path, &t->file, &bytes));
  fd_status status = fd_file_id_of(fileno(t->file), path, &t->id);
  if (status == FD_OK) status = read_head(t);
  if (status != FD_OK) close_twobit(t);
  return status;
}

static fd_status seek(twobit *t, int64_t offset) {
  return fseeko(t->file, (off_t)offset, SEEK_SET) ? fd_fail_errno("cannot seek in", t->path) : FD_OK;
}

/* Reads a table of blocks of a record: starts, then sizes, ascending and not overlapping. Release it with free(). */
static fd_status read_blocks(twobit *t, const char *of, uint32_t length, uint32_t *count, uint32_t **blocks) {
  *blocks = NULL;
  FD_TRY(read_words(t, count, 1));
  if (*count > (uint64_t)t->id.bytes / (2 * sizeof **blocks)) return cut_off(t);
  FD_TRY(fd_alloc(blocks, 2 * (size_t)*count, sizeof **blocks, "2bit blocks"));
  fd_status status = read_words(t, *blocks, 2 * (size_t)*count);
  uint64_t before = 0;
  for (uint32_t i = 0; i < *count && status == FD_OK; i++) {
    uint64_t begin = (*blocks)[i], end = begin + (*blocks)[*count + i];
    if (end > length || begin < before)
      status =
          fd_fail(FD_DATA, "%s: a run of %s ends outside its sequence or overlaps another run: the file is damaged", t->path, of);
    before = end;
  }
  if (status == FD_OK) return FD_OK;
  free(*blocks);
  *blocks = NULL;
  return status;
}

/* Reads the header of the last record: its length, runs of N and lower-case bases; leaves the file at the packed bases. */
static fd_status read_runs(twobit *t, fd_genome *g) {
  uint32_t count, *blocks, reserved, length;
  FD_TRY(read_words(t, &length, 1));
  FD_TRY(read_blocks(t, "N", length, &count, &blocks));
  fd_status status = FD_OK;
  for (uint32_t i = 0; i < count && status == FD_OK; i++)
    if (blocks[count + i]) status = fd_genome_add_n(g, blocks[i], (int64_t)blocks[i] + blocks[count + i]);
  free(blocks);
  FD_TRY(status);
  FD_TRY(read_blocks(t, "lower-case letters", length, &count, &blocks));
  for (uint32_t i = 0; i < count; i++) g->counts.lower += blocks[count + i];
  free(blocks);
  FD_TRY(read_words(t, &reserved, 1));
  g->record[g->records - 1].length = length;
  return FD_OK;
}

static fd_status scan_record(twobit *t, fd_genome *g, const char *name, int64_t offset, extent *taken) {
  FD_TRY(fd_genome_add_record(g, t->path, name, 0));
  FD_TRY(seek(t, offset));
  FD_TRY(read_runs(t, g));
  fd_record *r = &g->record[g->records - 1];
  r->offset = ftello(t->file);
  fd_genome_end_record(g, t->path);
  *taken = (extent){offset, r->offset + (r->length + 3) / 4};
  return taken->end <= t->id.bytes ? FD_OK : fd_fail(FD_DATA, "%s: the 2bit file is cut off in '%s'", t->path, name);
}

/* One entry of the index: a name and where its record begins. */
static fd_status read_entry(twobit *t, char name[NAME_MAX_BYTES], int64_t *offset) {
  uint32_t word[2] = {0};
  int size = fgetc(t->file);
  if (size < 0 || fread(name, 1, (size_t)size, t->file) != (size_t)size) return cut_off(t);
  name[size] = '\0';
  if (strlen(name) != (size_t)size)
    return fd_fail(FD_DATA, "%s: a name in the index has a NUL byte: the file is damaged", t->path);
  FD_TRY(read_words(t, word, t->version + 1));
  uint64_t wide = !t->version ? word[0] : t->swapped ? (uint64_t)word[0] << 32 | word[1] : (uint64_t)word[1] << 32 | word[0];
  *offset = (int64_t)wide;
  return wide < (uint64_t)t->id.bytes
             ? FD_OK
             : fd_fail(FD_DATA, "%s: '%s' begins beyond the end of the file: it is cut off", t->path, name);
}

static int by_place(const void *a, const void *b) {
  const extent *x = a, *y = b;
  return (x->begin > y->begin) - (x->begin < y->begin);
}

/* Checks that index and records cover every byte once: otherwise only one of two files joined into one would be read. */
static fd_status check_extents(const twobit *t, extent *taken, size_t count) {
  int64_t end = 0;
  qsort(taken, count, sizeof *taken, by_place);
  for (size_t i = 0; i <= count; i++) {
    int64_t next = i < count ? taken[i].begin : t->id.bytes;
    if (next < end) return fd_fail(FD_DATA, "%s: two sequences share byte %" PRId64 ": the 2bit file is damaged", t->path, next);
    if (next > end)
      return fd_fail(
          FD_DATA, "%s: bytes %" PRId64 " to %" PRId64 " belong to no sequence: the 2bit file is damaged, or several were joined",
          t->path, end, next);
    if (i < count) end = taken[i].end;
  }
  return FD_OK;
}

static fd_status scan_records(twobit *t, fd_genome *g) {
  enum { LEAST = 16 + 1 + 4 }; /* least bytes of a record and its entry */
  extent *taken;
  if (t->records > (uint64_t)t->id.bytes / LEAST) return cut_off(t);
  FD_TRY(fd_alloc(&taken, (size_t)t->records + 1, sizeof *taken, "2bit records"));
  fd_status status = FD_OK;
  int64_t place = 16;
  for (uint32_t i = 0; i < t->records && status == FD_OK; i++) {
    char name[NAME_MAX_BYTES];
    int64_t offset = 0;
    FD_GO(fd_guard_go_on());
    FD_GO(seek(t, place));
    FD_GO(read_entry(t, name, &offset));
    place = ftello(t->file);
    FD_GO(scan_record(t, g, name, offset, &taken[i]));
    fd_progress(0, "%s: %s, %" PRId64 " Mb read", t->path, name, g->counts.bases / 1000000);
  }
  taken[t->records] = (extent){0, place};
  status = check_extents(t, taken, (size_t)t->records + 1);
done:
  free(taken);
  return status;
}

fd_status fd_twobit_scan(fd_genome *g) {
  fd_source_file *f = &g->file[g->files - 1];
  twobit t;
  FD_TRY(open_twobit(&t, f->path));
  f->id = t.id; /* before the file is hashed: later changes are detected */
  fd_status status = scan_records(&t, g);
  close_twobit(&t);
  if (status == FD_OK) status = fd_sha256_file(f->path, f->sha256, &f->bytes);
  return status;
}

static fd_status read_bases(twobit *t, const fd_record *r, uint8_t *symbols) {
  static const uint8_t base[4] = {FD_T, FD_C, FD_A, FD_G};
  enum { BLOCK = 1 << 16 };
  unsigned char block[BLOCK];
  FD_TRY(seek(t, r->offset));
  for (int64_t done = 0; done < r->length;) {
    int64_t left = (r->length - done + 3) / 4;
    size_t n = left < BLOCK ? (size_t)left : BLOCK;
    FD_TRY(fd_guard_go_on());
    if (fread(block, 1, n, t->file) != n)
      return ferror(t->file) ? fd_fail_errno("cannot read", t->path)
                             : fd_fail(FD_DATA, "%s: the 2bit file is cut off in '%s'", t->path, r->name);
    for (size_t i = 0; i < n * 4 && done < r->length; i++, done++) symbols[done] = base[block[i / 4] >> (6 - 2 * (i % 4)) & 3];
  }
  for (size_t i = 0; i < r->runs; i++) memset(symbols + r->run[i].begin, FD_N, (size_t)(r->run[i].end - r->run[i].begin));
  return FD_OK;
}

fd_status fd_twobit_read(const char *path, const fd_file_id *id, const fd_record *r, uint8_t *symbols) {
  twobit t;
  FD_TRY(open_twobit(&t, path));
  fd_status status =
      fd_file_id_same(id, &t.id) ? read_bases(&t, r, symbols) : fd_fail(FD_DATA, "%s: has changed while it was read", path);
  close_twobit(&t);
  return status;
}
