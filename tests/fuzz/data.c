/* Fuzz targets: genomes, tables, variants, intervals and folders of labelled sequences. */
#include "fuzz.h"

#include <math.h>
#include <string.h>

#include "data/labelled_fasta.h"
#include "data/lines.h"
#include "data/placement.h"
#include "data/sequences.h"
#include "data/stream.h"
#include "data/table.h"
#include "data/taxa.h"
#include "data/task_folder.h"
#include "data/tokenizer.h"
#include "data/variants.h"
#include "tasks/stored_logits.h"

enum { LONGEST = 1 << 16 };
static const char genome_text[] = ">chr1\nACGTACGTACGTNNNNACGTACGTACGTACGT\n>chr2:5-14\nACGTNACGTN\n>chrX\nACGT\n";

/* Each record is read as the scan found it. */
static void check_records(fd_genome *g) {
  static uint8_t symbols[LONGEST];
  fd_genome_reader *reader;
  if (fd_genome_index(g) != FD_OK) return;
  EXPECT(fd_genome_reader_open(g, &reader) == FD_OK);
  for (int i = 0; i < g->records; i++) {
    int64_t length = g->record[i].length, n = 0;
    EXPECT(length >= 0);
    if (length > LONGEST) continue;
    EXPECT(fd_genome_read(reader, i, symbols) == FD_OK);
    for (int64_t k = 0; k < length; k++) {
      EXPECT(symbols[k] <= 4);
      n += symbols[k] == 4;
    }
    EXPECT(fd_record_count_n(&g->record[i], 0, length) == n);
  }
  fd_genome_reader_close(&reader);
}

static void scan(const char *path) {
  fd_genome genome = {0};
  if (fd_genome_scan(&genome, path) == FD_OK) check_records(&genome);
  fd_genome_free(&genome);
}

void fuzz_fasta(const uint8_t *data, size_t size) { scan(fuzz_file("genome.fa", data, size)); }

void fuzz_twobit(const uint8_t *data, size_t size) { scan(fuzz_file("genome.2bit", data, size)); }

/* Pieces of any size, and a seek backwards, give the same content. */
void fuzz_unpack(const uint8_t *data, size_t size) {
  static uint8_t whole[LONGEST], again[LONGEST];
  const char *path = fuzz_file("packed.gz", data, size);
  fd_stream *stream;
  size_t used = 0, n;
  fd_status status = fd_stream_open(&stream, path, 0);
  if (status != FD_OK) return;
  while ((status = fd_stream_read(stream, whole + used, used < 7 ? 1 : sizeof whole - used, &n)) == FD_OK && n &&
         used + n < LONGEST)
    used += n;
  if (status == FD_OK && !n && used) {
    size_t place = used / 2, more = 0;
    EXPECT(fd_stream_seek(stream, (int64_t)place) == FD_OK);
    while (more < used - place && fd_stream_read(stream, again + more, used - place - more, &n) == FD_OK && n) more += n;
    EXPECT(more == used - place && !memcmp(again, whole + place, more));
  }
  fd_stream_close(&stream);
}

void fuzz_lines(const uint8_t *data, size_t size) {
  fd_lines lines;
  int64_t number = 0;
  size_t length, sum = 0;
  if (fd_lines_open(&lines, fuzz_file("lines.txt", data, size), 1 << 16) != FD_OK) return;
  for (char *line; (line = fd_lines_next(&lines, &length));) {
    EXPECT(strlen(line) == length && length && !strpbrk(line, "\r\n") && lines.number > number);
    number = lines.number;
    sum += length;
  }
  EXPECT(sum <= 1 << 16);
  fd_lines_close(&lines);
}

static void check_table(const fd_table *t) {
  EXPECT(t->rows > 0 && t->start[0] == 0);
  for (int i = 0; i < t->rows; i++) {
    EXPECT(t->start[i + 1] > t->start[i]);
    EXPECT(!t->label || (t->label[i] >= 0 && t->label[i] < t->classes));
    EXPECT(!t->id || t->id[i]);
  }
  for (int64_t k = 0; k < t->start[t->rows]; k++) EXPECT(t->symbols[k] <= 4);
}

void fuzz_table(const uint8_t *data, size_t size) {
  fd_table table = {0};
  fd_class_names names = {0};
  if (!size) return;
  const char *path = fuzz_file("table.csv", data + 1, size - 1);
  fd_status status = data[0] % 4 == 0   ? fd_table_read_classes(path, &names, 0, &table)
                     : data[0] % 4 == 1 ? fd_table_read_values(path, &table)
                     : data[0] % 4 == 2 ? fd_table_read_sequences(path, &table)
                                        : fd_table_read_classes(path, &names, 1, &table);
  if (status == FD_OK) {
    check_table(&table);
    fd_table_cut(&table, 5);
    check_table(&table);
    fd_table_free(&table);
  }
  fd_class_names_free(&names);
}

void fuzz_logits(const uint8_t *data, size_t size) {
  fd_stored_logits s = {0};
  if (!size) return;
  char *name[] = {(char *)"no", (char *)"yes"};
  const fd_class_names names = {.count = data[0] % 2 ? 2 : 0, .name = name};
  const fd_taught_classes classes = {2, &names};
  if (fd_stored_logits_read(&s, fuzz_file("logits.tsv", data + 1, size - 1), &classes) != FD_OK) return;
  uint8_t symbols[] = {0, 1, 2, 3};
  int64_t start[] = {0, 4};
  float out[2] = {0, 0};
  const fd_table table = {.rows = 1, .start = start, .symbols = symbols};
  EXPECT(s.rows >= 0 && s.classes == 2);
  for (int i = 0; i < 2 * s.rows; i++) EXPECT(isfinite(s.values[i]));
  if (fd_stored_logits_take(&s, &table, "rows", out) == FD_OK) EXPECT(isfinite(out[0]) && isfinite(out[1]));
  fd_stored_logits_free(&s);
}

void fuzz_taxa(const uint8_t *data, size_t size) {
  fd_taxa t;
  size_t table, fasta = 0;
  int wish = size ? data[0] : 0;
  if (size) data++, size--;
  const uint8_t *text = fuzz_part(&data, &size, &table), *records = fuzz_part(&data, &size, &fasta);
  fd_taxa_options o = {.table = fuzz_file("taxa.csv", text ? (const void *)text : "", text ? table : 0),
                       .part = wish & 1 ? "split" : NULL,
                       .by = wish & 2 ? "genus" : NULL,
                       .limit = 1 + wish / 8,
                       .shortest = 1};
  if (records) o.files.item[o.files.count++] = fuzz_file("taxa.fa", records, fasta);
  if (wish & 4) o.require.item[o.require.count++] = "species";
  if (fd_taxa_read(&t, &o) == FD_OK) {
    EXPECT(t.count > 0 && t.columns <= FD_TAXA_COLUMNS);
    for (int64_t i = 0; i < t.count; i++) {
      int64_t length = t.start[i + 1] - t.start[i];
      EXPECT(length >= 1 && length <= o.limit && t.id[i] && t.part[i] && t.by[i]);
      for (int64_t k = t.start[i]; k < t.start[i + 1]; k++) EXPECT(t.symbols[k] <= 4);
      EXPECT(t.symbols[t.start[i + 1] - 1] < 4);
      for (int c = 0; c < t.columns; c++) EXPECT(t.value[i * t.columns + c]);
      for (int64_t j = 0; j < i && i < 50; j++)
        EXPECT(t.start[j + 1] - t.start[j] != length || memcmp(t.symbols + t.start[j], t.symbols + t.start[i], (size_t)length));
    }
  }
  fd_taxa_free(&t);
}

void fuzz_variants(const uint8_t *data, size_t size) {
  fd_variants v = {0};
  if (fd_variants_read(fuzz_file("variants.vcf", data, size), &v) != FD_OK) return;
  for (int64_t i = 0; i < v.count; i++) {
    const fd_variant *x = &v.item[i];
    EXPECT(x->position >= -1 && *x->contig && x->id && *x->ref && x->alt && x->line > 0);
    EXPECT(!v.vcf || (x->rest[0] && x->rest[1] && x->rest[2]));
  }
  fd_variants_free(&v);
}

void fuzz_splits(const uint8_t *data, size_t size) {
  static fd_genome genome;
  static const int used[] = {1, 1, 1};
  fd_intervals v = {0};
  fd_split_counts counts = {0};
  if (!genome.records) {
    EXPECT(fd_genome_scan(&genome, fuzz_file("genome.fa", genome_text, sizeof genome_text - 1)) == FD_OK);
    EXPECT(fd_genome_index(&genome) == FD_OK);
  }
  if (size && fd_splits_read(fuzz_file("splits.bed", data + 1, size - 1), &genome, used, data[0] & 1, &v, &counts) == FD_OK &&
      fd_intervals_close(&v, &genome) == FD_OK)
    for (int i = 0; i < v.count; i++) {
      const fd_interval *x = &v.item[i];
      EXPECT(x->record >= 0 && x->record < genome.records && x->split >= 0 && x->split < FD_SPLITS);
      EXPECT(x->begin >= 0 && x->begin < x->end && x->end <= genome.record[x->record].length);
    }
  free(v.item);
}

void fuzz_intervals(const uint8_t *data, size_t size) {
  static const char *genome;
  fd_sequences *sequences;
  fd_sequence s;
  if (!genome) genome = fuzz_file("genome.fa", genome_text, sizeof genome_text - 1);
  if (fd_sequences_open(&sequences, fuzz_file("intervals.bed", data, size), genome) != FD_OK) return;
  for (int64_t i = 0, n = fd_sequences_count(sequences); i < n; i++) {
    EXPECT(fd_sequences_next(sequences, &s) == FD_OK && s.id && s.length > 0);
    for (int64_t k = 0; k < s.length; k++) EXPECT(s.symbols[k] <= 4);
  }
  fd_sequences_close(&sequences);
}

void fuzz_folder(const uint8_t *data, size_t size) {
  fd_task_folder task = {0};
  size_t part;
  const uint8_t *train = fuzz_part(&data, &size, &part);
  fuzz_file("train.csv", train, part);
  const uint8_t *test = fuzz_part(&data, &size, &part);
  fuzz_file("test.csv", test ? test : (const uint8_t *)"", part);
  if (fd_task_folder_read(fuzz_files_folder(), NULL, 0, &task) != FD_OK) return;
  check_table(&task.train);
  if (task.test.rows) check_table(&task.test);
  fd_task_folder_free(&task);
}

/* The number of classes is that of the rows, and all symbols are valid. */
void fuzz_labelled(const uint8_t *data, size_t size) {
  fd_table t;
  int largest = -1;
  if (fd_labelled_fasta_read(fuzz_file("rows.fna", data, size), &t) != FD_OK) return;
  EXPECT(t.start[0] == 0);
  for (int i = 0; i < t.rows; i++) {
    EXPECT(t.start[i + 1] > t.start[i] && t.label[i] >= 0 && t.label[i] < t.classes);
    for (int64_t k = t.start[i]; k < t.start[i + 1]; k++) EXPECT(t.symbols[k] <= 4);
    if (t.label[i] > largest) largest = t.label[i];
  }
  EXPECT(t.classes == largest + 1 && !t.id && !t.value);
  fd_table_free(&t);
}

/* The letters of the tokens' texts are the sequence's, in order; an N is [UNK]. */
static void check_tokens(const fd_tokenizer *t, const uint8_t *symbols, int64_t length) {
  const fd_vocabulary *v = fd_tokenizer_vocabulary(t);
  fd_tokens tokens;
  EXPECT(fd_tokens_create(&tokens, t, length) == FD_OK);
  int64_t count = fd_tokenizer_encode(t, symbols, length, 0, &tokens), at = 0;
  EXPECT(count >= 2 && count <= fd_tokenizer_most(t, length) && tokens.ids[0] == v->cls && tokens.ids[count - 1] == v->sep);
  for (int64_t i = 1; i < count - 1; i++) {
    char text[FD_TOKEN_TEXT];
    fd_tokenizer_text(t, tokens.ids[i], text);
    EXPECT(tokens.spans[i].first == at && tokens.spans[i].count > 0);
    if (tokens.ids[i] == v->unk) EXPECT(tokens.spans[i].count == 1 && symbols[at] == 4);
    else EXPECT((size_t)tokens.spans[i].count == strlen(text));
    for (int k = 0; tokens.ids[i] != v->unk && text[k]; k++) EXPECT(text[k] == "ACGT"[symbols[at + k]]);
    at += tokens.spans[i].count;
  }
  EXPECT(at == length);
  fd_tokens_free(&tokens);
}

void fuzz_tokenizer(const uint8_t *data, size_t size) {
  enum { LETTERS = 400 };
  uint8_t symbols[LETTERS];
  fd_tokenizer *t;
  const fd_tokenizer_settings settings = {.kind = "bpe", .file = fuzz_file("tokenizer", data, size)};
  if (fd_tokenizer_create(&t, &settings) != FD_OK) return;
  for (int i = 0; i < LETTERS; i++) symbols[i] = i < 100 ? 0 : i < 200 ? (uint8_t)(i % 2) : (uint8_t)(i * i / 7 % 5);
  check_tokens(t, symbols, LETTERS);
  check_tokens(t, symbols, 0);
  fd_tokenizer_destroy(&t);
}
