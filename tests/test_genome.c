/* Sequence files against their known content: every format, odd line ends and letters, any order of reading; and intervals. */
#include "check.h"
#include "draws.h"
#include "scratch.h"

#include <ctype.h>
#include <unistd.h>
#include <zlib.h>

#include "data/alphabet.h"
#include "data/genome.h"
#include "data/sequences.h"

static uint64_t counter;

static uint32_t draw(uint32_t n) {
  uint32_t word[4];
  fd_philox(word, drawn_key(3), 0, counter++);
  return fd_below(word[0], n);
}

static char path[FD_PATH_MAX];

static void write_bytes(const char *name, const void *data, size_t bytes) {
  assert_ok(fd_path(path, folder, name, NULL));
  FILE *out = fopen(path, "wb");
  assert_non_null(out);
  assert_int_equal(fwrite(data, 1, bytes, out), bytes);
  assert_int_equal(fclose(out), 0);
}

enum { RECORDS = 7 };

/* The content of the files: letters, and the symbols they stand for. */
typedef struct sample {
  int length[RECORDS];
  char *letters[RECORDS];
} sample;

static sample make_sample(void) {
  static const int lengths[RECORDS] = {1, 60, 61, 1000, 300000, 17, 262144};
  static const char odd[] = "acgtnNRYSWKMBDHVryswkmbdhvUu";
  sample s;
  for (int r = 0; r < RECORDS; r++) {
    s.length[r] = lengths[r];
    s.letters[r] = malloc((size_t)lengths[r] + 1);
    int run = 0;
    for (int i = 0; i < lengths[r]; i++) {
      if (draw(2000) == 0) run = (int)draw(400);
      s.letters[r][i] = run-- > 0 ? 'N' : draw(20) ? "ACGT"[draw(4)] : odd[draw(sizeof odd - 1)];
    }
    s.letters[r][lengths[r]] = '\0';
  }
  return s;
}

static void free_sample(sample *s) {
  for (int r = 0; r < RECORDS; r++) free(s->letters[r]);
}

static uint8_t plain_symbol(char letter) {
  const char *at = strchr("ACGT", toupper((unsigned char)letter));
  return toupper((unsigned char)letter) == 'U' ? FD_T : at ? (uint8_t)(at - "ACGT") : FD_N;
}

/* The FASTA text: random line lengths, line ends and blank lines; `style` 0 is the regular one. */
static char *make_fasta(const sample *s, int style, size_t *bytes) {
  char *text;
  FILE *out = open_memstream(&text, bytes);
  const char *end = style & 1 ? "\r\n" : "\n";
  if (style & 2) fprintf(out, "%s  %s", end, end);
  for (int r = 0; r < RECORDS; r++) {
    fprintf(out, ">%ssequence%d%s%s", style & 4 ? " " : "", r, style & 2 ? " some words > and\tmore" : "", end);
    for (int i = 0; i < s->length[r];) {
      int line = style & 2 ? 1 + (int)draw(5000) : 60;
      if (line > s->length[r] - i) line = s->length[r] - i;
      fprintf(out, "%.*s", line, s->letters[r] + i);
      i += line;
      if (i < s->length[r] || r < RECORDS - 1 || !(style & 4)) fprintf(out, "%s%s", style & 2 && draw(8) == 0 ? "  " : "", end);
      if (style & 2 && draw(8) == 0 && i < s->length[r]) fputs(end, out);
    }
  }
  fclose(out);
  return text;
}

/* Reads every record, forwards, backwards and in random order, and compares. */
static void check_file(const sample *s, int lower_kept) {
  fd_genome g = {0};
  fd_genome_reader *reader;
  int64_t bases = 0, n = 0, lower = 0;
  assert_ok(fd_genome_scan(&g, path));
  assert_int_equal(g.records, RECORDS);
  uint8_t *symbols = malloc(300000);
  assert_ok(fd_genome_reader_open(&g, &reader));
  for (int k = 0; k < 3 * RECORDS; k++) {
    int r = k < RECORDS ? k : k < 2 * RECORDS ? 2 * RECORDS - 1 - k : (int)draw(RECORDS);
    assert_int_equal(g.record[r].length, s->length[r]);
    memset(symbols, 0xee, 300000);
    assert_ok(fd_genome_read(reader, r, symbols));
    for (int i = 0; i < s->length[r]; i++)
      if (symbols[i] != plain_symbol(s->letters[r][i])) fail_msg("%s: record %d, base %d", path, r, i);
  }
  for (int r = 0; r < RECORDS; r++) {
    int64_t here = 0;
    for (int i = 0; i < s->length[r]; i++)
      here += plain_symbol(s->letters[r][i]) == FD_N, lower += islower((unsigned char)s->letters[r][i]) != 0;
    assert_int_equal(fd_record_count_n(&g.record[r], 0, s->length[r]), here);
    for (int k = 0; k < 200; k++) {
      int from = (int)draw((uint32_t)s->length[r]), to = from + (int)draw((uint32_t)(s->length[r] - from) + 1), count = 0;
      for (int i = from; i < to; i++) count += plain_symbol(s->letters[r][i]) == FD_N;
      assert_int_equal(fd_record_count_n(&g.record[r], from, to), count);
    }
    bases += s->length[r], n += here;
  }
  assert_int_equal(g.counts.bases, bases);
  assert_int_equal(g.counts.n, n);
  if (lower_kept) assert_int_equal(g.counts.lower, lower);
  fd_genome_reader_close(&reader);
  fd_genome_free(&g);
  free(symbols);
}

static void fasta_in_every_style(void **state) {
  (void)state;
  for (int style = 0; style < 8; style++) {
    sample s = make_sample();
    size_t bytes;
    char *text = make_fasta(&s, style, &bytes);
    write_bytes("plain.fa", text, bytes);
    check_file(&s, 1);
    free(text);
    free_sample(&s);
  }
}

/* One gzip member; with `bgzip`, the extra field that marks its blocks. */
static size_t pack(const char *text, size_t bytes, int bgzip, unsigned char *to, size_t room) {
  z_stream z = {0};
  unsigned char extra[6] = {'B', 'C', 2, 0, 0, 0};
  gz_header header = {.extra = extra, .extra_len = sizeof extra};
  assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
  if (bgzip) deflateSetHeader(&z, &header);
  z.next_in = (unsigned char *)text, z.avail_in = (uInt)bytes, z.next_out = to, z.avail_out = (uInt)room;
  assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
  size_t size = z.total_out;
  deflateEnd(&z);
  return size;
}

static void gzip_and_bgzip(void **state) {
  (void)state;
  static const unsigned char end[28] = {0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, 'B', 'C', 2, 0, 0x1b, 0, 3};
  for (int kind = 0; kind < 3; kind++) { /* one member; several; bgzip */
    sample s = make_sample();
    size_t bytes, size = 0;
    char *text = make_fasta(&s, kind, &bytes);
    unsigned char *packed = malloc(2 * bytes + 65536);
    for (size_t at = 0, step = kind ? 60000 : bytes; at < bytes; at += step)
      size += pack(text + at, at + step < bytes ? step : bytes - at, kind == 2, packed + size, 2 * bytes + 65536 - size);
    if (kind == 2) memcpy(packed + size, end, sizeof end), size += sizeof end;
    write_bytes("packed.fa.gz", packed, size);
    check_file(&s, 1);
    fd_genome g = {0};
    write_bytes("packed.fa.gz", packed, kind == 2 ? size - sizeof end : size - 9);
    assert_int_equal(fd_genome_scan(&g, path), kind == 2 ? FD_OK : FD_DATA); /* bgzip without its end mark: a warning */
    fd_genome_free(&g);
    free(packed);
    free(text);
    free_sample(&s);
  }
}

static void put_word(FILE *out, uint32_t word, int swapped) {
  if (swapped) word = word >> 24 | (word >> 8 & 0xff00u) | (word << 8 & 0xff0000u) | word << 24;
  fwrite(&word, sizeof word, 1, out);
}

/* A 2bit file of the sample, in either byte order; its letters lose all but A, C, G, T, N. */
static char *make_twobit(const sample *s, int swapped, int version, size_t *bytes) {
  char *text, name[32];
  FILE *out = open_memstream(&text, bytes);
  put_word(out, 0x1A412743u, swapped), put_word(out, (uint32_t)version, swapped);
  put_word(out, RECORDS, swapped), put_word(out, 0, swapped);
  uint32_t offset[RECORDS] = {0};
  for (int pass = 0; pass < 2; pass++) {
    fseek(out, 16, SEEK_SET);
    for (int r = 0; r < RECORDS; r++) {
      int n = sprintf(name, "sequence%d", r);
      fputc(n, out), fputs(name, out);
      if (version && swapped) put_word(out, 0, swapped); /* the upper half of a long offset */
      put_word(out, offset[r], swapped);
      if (version && !swapped) put_word(out, 0, swapped);
    }
    for (int r = 0; r < RECORDS; r++) {
      offset[r] = (uint32_t)ftell(out);
      uint32_t runs = 0;
      const char *x = s->letters[r];
      for (int i = 0; i < s->length[r]; i++) runs += plain_symbol(x[i]) == FD_N && (i == 0 || plain_symbol(x[i - 1]) != FD_N);
      put_word(out, (uint32_t)s->length[r], swapped), put_word(out, runs, swapped);
      for (int i = 0; i < s->length[r]; i++)
        if (plain_symbol(x[i]) == FD_N && (i == 0 || plain_symbol(x[i - 1]) != FD_N)) put_word(out, (uint32_t)i, swapped);
      for (int i = 0, from = 0; i < s->length[r]; i++) {
        if (plain_symbol(x[i]) != FD_N) continue;
        if (i == 0 || plain_symbol(x[i - 1]) != FD_N) from = i;
        if (i + 1 == s->length[r] || plain_symbol(x[i + 1]) != FD_N) put_word(out, (uint32_t)(i + 1 - from), swapped);
      }
      put_word(out, 0, swapped), put_word(out, 0, swapped);
      for (int i = 0; i < s->length[r]; i += 4) {
        int byte = 0;
        for (int k = 0; k < 4; k++) {
          uint8_t symbol = i + k < s->length[r] ? plain_symbol(x[i + k]) : FD_T;
          byte = byte << 2 | (symbol == FD_N ? 0 : (int)(strchr("TCAG", "ACGT"[symbol]) - "TCAG"));
        }
        fputc(byte, out);
      }
    }
  }
  fclose(out);
  return text;
}

static void twobit_in_both_byte_orders(void **state) {
  (void)state;
  for (int kind = 0; kind < 4; kind++) {
    sample s = make_sample();
    size_t bytes;
    char *text = make_twobit(&s, kind & 1, kind >> 1, &bytes);
    fd_genome joined = {0};
    write_bytes("x.2bit", text, bytes);
    check_file(&s, 0);
    char *twice = malloc(2 * bytes);
    memcpy(twice, text, bytes), memcpy(twice + bytes, text, bytes);
    write_bytes("joined.2bit", twice, 2 * bytes);
    assert_int_equal(fd_genome_scan(&joined, path), FD_DATA); /* the second file would otherwise not be read */
    fd_genome_free(&joined);
    free(twice);
    for (int k = 0; k < 300; k++) { /* damaged files are refused or read, without a crash */
      char *bad = malloc(bytes);
      memcpy(bad, text, bytes);
      for (int i = 0; i < 4; i++) bad[4 + draw(draw(2) ? 300 : (uint32_t)bytes - 4)] ^= (char)(1 << draw(8));
      write_bytes("bad.2bit", bad, draw(4) ? bytes : draw((uint32_t)bytes));
      fd_genome g = {0};
      freopen("/dev/null", "w", stderr);
      fd_status status = fd_genome_scan(&g, path);
      assert_true(status == FD_OK || status == FD_DATA || status == FD_MEMORY);
      fd_genome_free(&g);
      free(bad);
    }
    free(text);
    free_sample(&s);
  }
}

static void regions_and_names(void **state) {
  (void)state;
  fd_genome g = {0};
  write_bytes("a.fa", ">chr7:101-104\nACGT\n>MT\nAC\n>HLA-A*01:01:01:01\nACG\n", 49);
  assert_ok(fd_genome_scan(&g, path));
  assert_string_equal(g.record[0].contig, "chr7");
  assert_int_equal(g.record[0].first, 100);
  assert_string_equal(g.record[2].contig, "HLA-A*01:01:01:01");
  assert_ok(fd_genome_index(&g));
  write_bytes("b.fa", ">chr7:105-106\nAC\n", 17); /* adjacent to the first: accepted */
  assert_ok(fd_genome_scan(&g, path));
  assert_ok(fd_genome_index(&g));
  assert_int_equal(fd_genome_locate(&g, "7", 101, 104), 0);
  assert_int_equal(fd_genome_locate(&g, "chr7", 104, 106), 3);
  assert_int_equal(fd_genome_locate(&g, "chr7", 103, 105), FD_NO_PLACE);
  assert_int_equal(fd_genome_locate(&g, "chr7", 99, 101), FD_NO_PLACE);
  assert_int_equal(fd_genome_locate(&g, "chr70", 0, 1), FD_NO_CONTIG);
  write_bytes("c.fa", ">chr7:104-105\nAC\n", 17); /* one base of it occurs twice */
  assert_ok(fd_genome_scan(&g, path));
  assert_int_equal(fd_genome_index(&g), FD_DATA);
  fd_genome_free(&g);
  assert_true(fd_same_contig("chrM", "MT") && fd_same_contig("1", "chr1") && !fd_same_contig("chr1", "chr11"));
}

/* Aliases are used only if there is no exact name. */
static void aliases(void **state) {
  (void)state;
  static const struct {
    const char *names[4], *asked;
    int record; /* -1: none */
  } cases[] = {{{"chr1", "2"}, "1", 0},
               {{"chr1", "2"}, "chr2", 1},
               {{"chrM", "chrMT"}, "chrM", 0},
               {{"chrM", "chrMT"}, "chrMT", 1},
               {{"chrM", "chrMT"}, "MT", 1},
               {{"chrM", "chrMT"}, "M", 0},
               {{"chrM"}, "MT", 0},
               {{"MT"}, "chrM", 0},
               {{"1", "chr1"}, "1", 0},
               {{"1", "chr1"}, "chr1", 1},
               {{"chr1", "chr11"}, "1", 0},
               {{"chr11"}, "1", -1},
               {{"c", "ch", "chr"}, "chr", 2},
               {{"c", "ch", "chrch"}, "ch", 1},
               {{"mt"}, "MT", -1}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    fd_genome g = {0};
    char text[256] = "";
    for (int k = 0; k < 4 && cases[i].names[k]; k++) sprintf(text + strlen(text), ">%s\nACGT\n", cases[i].names[k]);
    write_bytes("alias.fa", text, strlen(text));
    assert_ok(fd_genome_scan(&g, path));
    assert_ok(fd_genome_index(&g));
    int record = fd_genome_locate(&g, cases[i].asked, 1, 3);
    if (record != cases[i].record) fail_msg("%s: record %d", cases[i].asked, record);
    fd_genome_free(&g);
  }
}

/* Names by other programs: one that is not contig:first-last is used as a name, and nothing is cut off. */
static void names_as_they_are(void **state) {
  (void)state;
  char text[16384], long_name[4000];
  memset(long_name, 'n', sizeof long_name - 1);
  long_name[sizeof long_name - 1] = '\0';
  const char *const names[] = {"chr1:4-8", "peak1::chr1:4-8", "chr1:4-8(+)", "chr1:5-8", "a:b-c", "x:0-3", "x:9-2", long_name};
  enum { NAMES = sizeof names / sizeof *names };
  *text = '\0';
  for (int k = 0; k < NAMES; k++) sprintf(text + strlen(text), ">%s\nACGT\n", names[k]);
  write_bytes("names.fa", text, strlen(text));
  fd_genome g = {0};
  assert_ok(fd_genome_scan(&g, path));
  for (int k = 0; k < NAMES; k++) {
    assert_string_equal(g.record[k].name, names[k]);
    assert_string_equal(g.record[k].contig, k == 3 ? "chr1" : names[k]);
    assert_int_equal(g.record[k].first, k == 3 ? 4 : 0);
  }
  assert_int_equal(g.counts.other_region, 2);
  fd_genome_free(&g);
  memset(text, 'n', 5000), text[0] = '>', strcpy(text + 5000, "\nACGT\n");
  write_bytes("names.fa", text, strlen(text));
  assert_int_equal(fd_genome_scan(&g, path), FD_DATA); /* refused, not cut off */
  fd_genome_free(&g);
}

/* Intervals of a BED file, in its order: where they lie, their strand and their name (NULL: made of the position). The first ones
 * are read record by record; with those behind, which go back to the first record, all are cut in advance. */
static const struct {
  const char *line;
  int record, begin, end, minus;
  const char *name;
} rows[] = {{"chr1\t105\t117\n", 0, 105, 117, 0, NULL},
            {"chr1\t105\t117\tp\t0\t+\n", 0, 105, 117, 0, "p"},
            {"chr1\t105\t117\tm\t7\t-\n", 0, 105, 117, 1, "m"},
            {"track name=x\nbrowser\nchr1\t100\t140\t.\t0\t.\n", 0, 100, 140, 0, NULL},
            {"chr2 0   9  blanks\n", 1, 0, 9, 0, "blanks"},
            {"track\t0\t20\ttracks\t-\t-\n", 2, 0, 20, 1, "tracks"},
            {"chr2 \t 3\t30 \t around \t0\t-\n", 1, 3, 30, 1, "around"},
            {"chr1\t139\t140\t\t0\t\n", 0, 139, 140, 0, NULL}};

static void intervals(void **state) {
  (void)state;
  static const char *const contigs[] = {"chr1", "chr2", "track"};
  static const int first[] = {100, 0, 0}, length[] = {40, 30, 20};
  char genome[FD_PATH_MAX], text[1024], letters[3][41], name[64];
  int at = 0;
  for (int r = 0; r < 3; r++) {
    for (int i = 0; i < length[r]; i++) letters[r][i] = "ACGT"[draw(4)];
    at += sprintf(text + at, r ? ">%s\n%.*s\n" : ">%s:101-140\n%.*s\n", contigs[r], length[r], letters[r]);
  }
  write_bytes("intervals.fa", text, (size_t)at);
  memcpy(genome, path, sizeof genome);
  for (int count = 4; count <= 8; count += 4) {
    fd_sequences *sequences;
    for (int i = at = 0; i < count; i++) at += sprintf(text + at, "%s", rows[i].line);
    write_bytes("intervals.bed", text, (size_t)at);
    assert_ok(fd_sequences_open(&sequences, path, genome));
    assert_int_equal(fd_sequences_count(sequences), count);
    for (int i = 0; i < count; i++) {
      fd_sequence got;
      int n = rows[i].end - rows[i].begin, from = rows[i].begin - first[rows[i].record];
      snprintf(name, sizeof name, "%s:%d-%d", contigs[rows[i].record], rows[i].begin, rows[i].end);
      assert_ok(fd_sequences_next(sequences, &got));
      assert_string_equal(got.id, rows[i].name ? rows[i].name : name);
      assert_string_equal(got.contig, contigs[rows[i].record]);
      assert_true(got.length == n && got.start == rows[i].begin && got.minus == rows[i].minus);
      for (int k = 0; k < n; k++) {
        uint8_t symbol = plain_symbol(letters[rows[i].record][rows[i].minus ? from + n - 1 - k : from + k]);
        assert_int_equal(got.symbols[k], rows[i].minus ? 3 - symbol : symbol);
      }
    }
    fd_sequences_close(&sequences);
  }
}

/* A file that changes between scan and reading is refused. */
static void replaced_files(void **state) {
  (void)state;
  for (int way = 0; way < 2; way++) { /* overwritten; another file under the name */
    fd_genome g = {0};
    fd_genome_reader *reader;
    uint8_t symbols[4];
    write_bytes("replaced.fa", ">a\nACGT\n", 8);
    assert_ok(fd_genome_scan(&g, path));
    assert_ok(fd_genome_reader_open(&g, &reader));
    assert_ok(fd_genome_read(reader, 0, symbols));
    fd_genome_reader_close(&reader);
    if (way) unlink(path);
    usleep(20000); /* the clock of the file system */
    write_bytes("replaced.fa", ">a\nTTTT\n", 8);
    assert_ok(fd_genome_reader_open(&g, &reader));
    assert_int_equal(fd_genome_read(reader, 0, symbols), FD_DATA);
    fd_genome_reader_close(&reader);
    fd_genome_free(&g);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fasta_in_every_style), cmocka_unit_test(gzip_and_bgzip),
      cmocka_unit_test(regions_and_names),    cmocka_unit_test(aliases),
      cmocka_unit_test(names_as_they_are),    cmocka_unit_test(intervals),
      cmocka_unit_test(replaced_files),       cmocka_unit_test(twobit_in_both_byte_orders),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
