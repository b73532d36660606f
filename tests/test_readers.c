/* Every text reader reads a file completely or refuses it: the content is the same with any line ends and compression; damaged,
 * truncated or concatenated files are never read in part. */
#include "check.h"
#include "scratch.h"

#include <lzma.h>
#include <zlib.h>

#include "data/placement.h"
#include "data/sequences.h"
#include "data/task_folder.h"
#include "data/variants.h"

enum { ROOM = 1 << 16 };

static char path[FD_PATH_MAX], genome_path[FD_PATH_MAX], task_path[FD_PATH_MAX];

static void put(const char *to, const void *data, size_t bytes) {
  FILE *out = fopen(to, "wb");
  assert_non_null(out);
  assert_int_equal(fwrite(data, 1, bytes, out), bytes);
  assert_int_equal(fclose(out), 0);
}

static void quiet(void) { assert_non_null(freopen("/dev/null", "w", stderr)); }

/* --- the content that readers return, as text ------------------------------------------------------------------------ */

static void print_symbols(FILE *out, const uint8_t *symbols, int64_t length) {
  for (int64_t i = 0; i < length; i++) fputc("ACGTN"[symbols[i]], out);
  fputc('\n', out);
}

static fd_status dump_sequences(const char *genome, FILE *out) {
  fd_sequences *s;
  fd_sequence next;
  FD_TRY(fd_sequences_open(&s, path, genome));
  fd_status status = FD_OK;
  for (int64_t i = 0; i < fd_sequences_count(s) && status == FD_OK; i++) {
    status = fd_sequences_next(s, &next);
    if (status != FD_OK) break;
    fprintf(out, "%s %s %lld %d ", next.id, next.contig, (long long)next.start, next.minus);
    print_symbols(out, next.symbols, next.length);
  }
  fd_sequences_close(&s);
  return status;
}

static fd_status dump_fasta(FILE *out) { return dump_sequences(NULL, out); }

static fd_status dump_bed(FILE *out) { return dump_sequences(genome_path, out); }

static void print_table(FILE *out, const fd_table *t) {
  for (int i = 0; i < t->rows; i++) {
    fprintf(out, "%s %d ", t->id ? t->id[i] : "-", t->label ? t->label[i] : -1);
    print_symbols(out, t->symbols + t->start[i], t->start[i + 1] - t->start[i]);
  }
}

static fd_status dump_table(FILE *out) {
  fd_table t;
  fd_class_names none = {0};
  FD_TRY(fd_table_read_classes(path, &none, 0, &t));
  print_table(out, &t);
  fd_table_free(&t);
  return FD_OK;
}

static fd_status dump_variants(FILE *out) {
  fd_variants v;
  FD_TRY(fd_variants_read(path, &v));
  for (int i = 0; i < v.headers; i++) fprintf(out, "%s\n", v.header[i]);
  for (int64_t i = 0; i < v.count; i++)
    fprintf(out, "%s %lld %s %s %s\n", v.item[i].contig, (long long)v.item[i].position, v.item[i].id, v.item[i].ref,
            v.item[i].alt);
  fd_variants_free(&v);
  return FD_OK;
}

static fd_status dump_splits(FILE *out) {
  fd_genome g = {0};
  fd_intervals v = {0};
  fd_split_counts counts;
  static const int used[3] = {1, 1, 1};
  assert_ok(fd_genome_scan(&g, genome_path));
  assert_ok(fd_genome_index(&g));
  fd_status status = fd_splits_read(path, &g, used, 0, &v, &counts);
  for (int i = 0; i < v.count && status == FD_OK; i++)
    fprintf(out, "%d %d %lld %lld\n", v.item[i].record, v.item[i].split, (long long)v.item[i].begin, (long long)v.item[i].end);
  free(v.item);
  fd_genome_free(&g);
  return status;
}

/* A task folder in which the file has the training rows of one class. */
static fd_status dump_task(FILE *out) {
  fd_task_folder task;
  FD_TRY(fd_task_folder_read(task_path, genome_path, 0, &task));
  print_table(out, &task.train);
  fd_task_folder_free(&task);
  return FD_OK;
}

static const struct reader {
  const char *name, *text;
  fd_status (*dump)(FILE *out);
} readers[] = {
    {"x.fa", ">a first\nACGTACGT\nNNAC\n>b\nTTTT\n>c:11-14\nACGT\n", dump_fasta},
    {"x.csv", "id,sequence,label\none,ACGT,0\ntwo,\"ACGTN\",1\nthree,acgt,1.0\n", dump_table},
    {"x.tsv", "sequence\tlabel\nACGT\t1\nACGTT\t0\n", dump_table},
    {"x.bed", "track name=x\nchr1\t0\t10\tp\t0\t-\n# words\nchr2\t2\t7\nchr1\t5\t9\tq\n", dump_bed},
    {"x.narrowPeak", "chr1\t0\t10\tp\t0\t.\t1\t2\t3\t4\nchr2\t2\t7\tq\t0\t+\t1\t2\t3\t4\n", dump_bed},
    {"splits.bed", "chr1\t0\t10\ttrain\nchr2 2 7 val\nchr1\t10\t12\ttest\n", dump_splits},
    {"x.vcf",
     "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nchr1\t2\t.\tC\tT\t.\t.\t.\nchr1\t0\tx\tN\t.\t.\t.\t."
     "\n",
     dump_variants},
    {"v.csv", "chrom,pos,ref,alt\nchr1,2,C,T\nchr2,3,A,G\n", dump_variants},
    {"task/train/one.csv", "id,region,start,end,strand\n0,chr1,0,8,+\n1,chr2,2,9,-\n", dump_task},
};
enum { READERS = sizeof readers / sizeof *readers };

/* The content that a reader returns for the file at `path`, as text; NULL: refused. Released with free(). */
static char *dump(const struct reader *r) {
  char *text;
  size_t bytes;
  FILE *out = open_memstream(&text, &bytes);
  fd_status status = r->dump(out);
  fclose(out);
  if (status == FD_OK) return text;
  assert_true(status == FD_DATA || status == FD_MEMORY);
  free(text);
  return NULL;
}

/* --- file variants --------- ------------------------------------------------------------------------------------------- */

/* Writes the text with other line ends, a byte order mark, and another end. */
static size_t restyle(const char *text, int ends, int mark, int tail, char *to) {
  static const char *const end[] = {"\n", "\r\n", "\r"}, *const tails[] = {"", "E", "EEE", "E  E\tE"};
  char *at = to;
  if (mark) at = stpcpy(at, "\xef\xbb\xbf");
  size_t length = strlen(text) - 1; /* without the last line end */
  for (size_t i = 0; i < length; i++)
    if (text[i] == '\n') at = stpcpy(at, end[ends]);
    else *at++ = text[i];
  for (const char *c = tails[tail]; *c; c++)
    if (*c == 'E') at = stpcpy(at, end[ends]);
    else *at++ = *c;
  return (size_t)(at - to);
}

static size_t member(const char *text, size_t bytes, int bgzip, unsigned char *to) {
  z_stream z = {0};
  unsigned char extra[6] = {'B', 'C', 2, 0, 0, 0};
  gz_header header = {.extra = extra, .extra_len = sizeof extra};
  assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
  if (bgzip) deflateSetHeader(&z, &header);
  z.next_in = (unsigned char *)text, z.avail_in = (uInt)bytes, z.next_out = to, z.avail_out = ROOM;
  assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
  deflateEnd(&z);
  return z.total_out;
}

static size_t xz(const char *text, size_t bytes, unsigned char *to) {
  size_t used = 0;
  assert_int_equal(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC64, NULL, (const uint8_t *)text, bytes, to, &used, ROOM), LZMA_OK);
  return used;
}

enum { PLAIN, GZIP, MEMBERS, PADDED, BGZIP, NO_MARK, BGZIP_GZIP, XZ, XZ_STREAMS, PACKINGS };

static size_t pack(const char *text, size_t bytes, int packing, unsigned char *to) {
  static const unsigned char mark[28] = {0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, 'B', 'C', 2, 0, 0x1b, 0, 3};
  size_t half = bytes / 2, used;
  int bgzip = packing == BGZIP || packing == NO_MARK || packing == BGZIP_GZIP;
  memcpy(to, text, bytes);
  if (packing == PLAIN) return bytes;
  if (packing == XZ) return xz(text, bytes, to);
  if (packing == XZ_STREAMS) return used = xz(text, half, to), used + xz(text + half, bytes - half, to + used);
  if (packing == GZIP || packing == PADDED) used = member(text, bytes, 0, to);
  else {
    used = member(text, half, bgzip, to);
    used += member(text + half, bytes - half, bgzip && packing != BGZIP_GZIP, to + used);
  }
  if (packing == PADDED) memset(to + used, 0, 300), used += 300;
  if (packing == BGZIP) memcpy(to + used, mark, sizeof mark), used += sizeof mark;
  return used;
}

/* --- tests ----------------------------------------------------------------------------------------------------------- */

static void begin(const struct reader *r) {
  char test[FD_PATH_MAX], folder_of_task[FD_PATH_MAX];
  static const char genome[] = ">chr1\nACGTTGCAACGTNNACGT\n>chr2\nGGGGCCCCTTTTAA\n>chr3\nAC\n";
  quiet();
  assert_ok(fd_path(path, folder, r->name, NULL));
  assert_ok(fd_path(genome_path, folder, "genome.fa", NULL));
  put(genome_path, genome, sizeof genome - 1);
  assert_ok(fd_path(task_path, folder, "task", NULL));
  assert_ok(fd_path(folder_of_task, folder, "task/train", NULL));
  assert_ok(fd_make_folder(folder_of_task));
  assert_ok(fd_path(folder_of_task, folder, "task/test", NULL));
  assert_ok(fd_make_folder(folder_of_task));
  assert_ok(fd_path(test, folder, "task/test/one.csv", NULL));
  put(test, "id,region,start,end,strand\n0,chr1,0,4,+\n", 40);
}

static void the_same_in_every_style(void **state) {
  (void)state;
  unsigned char *packed = malloc(ROOM);
  char styled[4096];
  for (const struct reader *r = readers; r < readers + READERS; r++) {
    begin(r);
    put(path, r->text, strlen(r->text));
    char *expected = dump(r);
    if (!expected) fail_msg("%s is not read", r->name);
    for (int style = 0; style < 3 * 2 * 4 * PACKINGS; style++) {
      size_t bytes = restyle(r->text, style % 3, style / 3 % 2, style / 6 % 4, styled);
      put(path, packed, pack(styled, bytes, style / 24, packed));
      char *got = dump(r);
      if (!got || strcmp(got, expected)) fail_msg("%s, style %d: %s", r->name, style, got ? got : "refused");
      free(got);
    }
    free(expected);
  }
  free(packed);
}

/* With any bit flipped, or truncated to any length, a file is refused or has the same content. bgzip files may end between two
 * blocks, with a warning. */
static void never_partly_read(void **state) {
  (void)state;
  unsigned char *packed = malloc(ROOM), *bad = malloc(ROOM);
  static const int some[] = {0, 1, 6}; /* the others read lines in the same way */
  for (size_t k = 0; k < sizeof some / sizeof *some; k++) {
    const struct reader *r = &readers[some[k]];
    begin(r);
    put(path, r->text, strlen(r->text));
    char *expected = dump(r);
    for (int packing = GZIP; packing < PACKINGS; packing++) {
      size_t bytes = pack(r->text, strlen(r->text), packing, packed);
      int bgzip = packing == BGZIP || packing == NO_MARK || packing == BGZIP_GZIP || packing == MEMBERS || packing == XZ_STREAMS;
      for (size_t i = 0; i < bytes * 8 + bytes; i++) {
        memcpy(bad, packed, bytes);
        if (i < bytes * 8) bad[i / 8] ^= (unsigned char)(1 << i % 8);
        else if (bgzip) break; /* a cut between two members leaves a valid file */
        put(path, bad, i < bytes * 8 ? bytes : i - bytes * 8);
        char *got = dump(r);
        if (got && strcmp(got, expected)) fail_msg("%s, packing %d, damage %zu: %s", r->name, packing, i, got);
        free(got);
      }
    }
    free(expected);
  }
  free(packed);
  free(bad);
}

/* Trailing garbage after the compressed data. */
static void trailing_garbage_is_refused(void **state) {
  (void)state;
  static const struct {
    const char *bytes;
    size_t count;
  } tails[] = {{"x", 1},          {"\x1f", 1},  {"\x1f\x8b", 2},     {"\n", 1},
               {">d\nACGT\n", 8}, {"\0\0x", 3}, {"\0\0\x1f\x8b", 4}, {"BC", 2}};
  unsigned char *packed = malloc(ROOM);
  for (const struct reader *r = readers; r < readers + READERS; r++)
    for (int packing = GZIP; packing < PACKINGS; packing++)
      for (size_t t = 0; t < sizeof tails / sizeof *tails; t++) {
        begin(r);
        size_t bytes = pack(r->text, strlen(r->text), packing, packed);
        memcpy(packed + bytes, tails[t].bytes, tails[t].count);
        put(path, packed, bytes + tails[t].count);
        char *got = dump(r);
        if (got) fail_msg("%s, packing %d, tail %zu: %s", r->name, packing, t, got);
      }
  free(packed);
}

/* Every reader refuses texts with a NUL byte, in the middle or at the end, and UTF-16. */
static void nul_bytes_are_refused(void **state) {
  (void)state;
  char text[4096];
  for (const struct reader *r = readers; r < readers + READERS; r++) {
    size_t n = strlen(r->text);
    begin(r);
    for (int kind = 0; kind < 4; kind++) {
      size_t bytes = n;
      memcpy(text, r->text, n);
      if (kind == 0) text[n / 2] = '\0';
      if (kind == 1) text[n++] = '\0', bytes = n--;
      for (size_t i = 0; kind >= 2 && i < n; i++) /* UTF-16 */
        text[2 + 2 * i + (kind == 3)] = r->text[i], text[2 + 2 * i + (kind == 2)] = '\0', bytes = 2 + 2 * n;
      if (kind >= 2) memcpy(text, kind == 2 ? "\xff\xfe" : "\xfe\xff", 2);
      put(path, text, bytes);
      char *got = dump(r);
      if (got) fail_msg("%s, kind %d: %s", r->name, kind, got);
    }
  }
}

/* Files of one kind concatenated: both are read, or neither. */
static void joined(void **state) {
  (void)state;
  static const char *const first[] = {">a\nACGT\n",
                                      ">a\nACGT",
                                      ">a\r\nACGT\r\n",
                                      "sequence,label\nACGT,0\n",
                                      "\xef\xbb\xbf>a\nACGT\n",
                                      "sequence,label\nACGT,0\r",
                                      "sequence,label\nACGT,0\n"},
                           *const second[] = {">b\nAC\n",
                                              ">b\nAC\n",
                                              ">b\rAC\r",
                                              "sequence,label\nACGT,1\n",
                                              "\xef\xbb\xbf>b\nAC\n",
                                              ("\xef\xbb\xbf"
                                               "ACGT,1\n"),
                                              "\xef\xbb\xbf\n"};
  char text[256];
  for (int i = 0; i < 7; i++) {
    const struct reader *r = &readers[i == 3 || i > 4 ? 1 : 0];
    begin(r);
    put(path, text, (size_t)sprintf(text, "%s%s", first[i], second[i]));
    char *got = dump(r);
    if (i == 0 || i == 2) assert_string_equal(got, "a a 0 0 ACGT\nb b 0 0 AC\n");
    else assert_null(got);
    free(got);
  }
}

/* A small file that decompresses to huge size is refused before memory is exhausted. */
static void bombs(void **state) {
  (void)state;
  enum { MEMBER = 64 << 20, MEMBERS_OF_BOMB = 16 };
  char *text = malloc(MEMBER);
  unsigned char *packed = malloc(1 << 20);
  memset(text, 'A', MEMBER);
  for (int k = 0; k < 2; k++) {
    const struct reader *r = &readers[k];
    begin(r);
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY), Z_OK);
    FILE *out = fopen(path, "wb");
    memcpy(text, k ? "sequence,label\nA" : ">a\nAAAAAAAAAAAAA", 16);
    for (int i = 0; i < MEMBERS_OF_BOMB; i++) {
      if (i) memset(text, 'A', 16);
      if (i < 2) {
        deflateReset(&z);
        z.next_in = (unsigned char *)text, z.avail_in = MEMBER, z.next_out = packed, z.avail_out = 1 << 20;
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
      }
      fwrite(packed, 1, z.total_out, out);
    }
    assert_int_equal(fclose(out), 0);
    deflateEnd(&z);
    assert_null(dump(r));
  }
  free(text);
  free(packed);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(the_same_in_every_style),
                                     cmocka_unit_test(never_partly_read),
                                     cmocka_unit_test(trailing_garbage_is_refused),
                                     cmocka_unit_test(nul_bytes_are_refused),
                                     cmocka_unit_test(joined),
                                     cmocka_unit_test(bombs)};
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
