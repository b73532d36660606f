/* Reads sequences with their taxonomy. */
#include "data/taxa.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/guard.h"
#include "base/memory.h"
#include "data/alphabet.h"
#include "data/fields.h"

static const size_t table_max = (size_t)16 << 30;
enum { START, SYMBOLS, ID, VALUE, PART, BY, GO_ON = 4096 };

static const char *const sequence_names[] = {"sequence", "seq", "dna_barcode", "nucleotides", "nucraw", NULL};
static const char *const id_names[] = {"id", "processid", "sampleid", "name", NULL};
static const char *const rank_names[] = {"kingdom", "phylum",  "class",        "order",      "family",  "subfamily", "tribe",
                                         "genus",   "species", "species_name", "genus_name", "dna_bin", "bin_uri",   "bin"};

typedef struct reader {
  const fd_taxa_options *options;
  fd_taxa *taxa;
  fd_fields fields;
  int sequence, id, part, by, column[FD_TAXA_COLUMNS], require[FD_TAXA_COLUMNS];
  int64_t *seen; /* hash table with open addressing: index of a sequence + 1; 0: free */
  size_t slots;
} reader;

/* --- columns ---------------------------------------------------------------------------------------------------------- */

static fd_status missing_column(const reader *r, const char *name, const char *why) {
  return fd_fail(FD_DATA, "%s:%" PRId64 ": no column '%s' in the header%s", r->options->table, r->taxa->lines.number, name, why);
}

static fd_status find_column(const reader *r, const char *name, int *column) {
  const char *const names[] = {name, NULL};
  FD_TRY(fd_fields_column(&r->fields, names, column));
  return *column >= 0 ? FD_OK : missing_column(r, name, "");
}

/* The columns of the tables that `findna prepare` writes: id, split, sequence, and those that are kept. */
static fd_status keep_column(reader *r, const char *name, int column) {
  static const char *const own[] = {"id", "split", "sequence"};
  fd_taxa *t = r->taxa;
  for (size_t i = 0; i < sizeof own / sizeof *own; i++)
    if (!strcasecmp(name, own[i]))
      return fd_fail(FD_USAGE, "%s: the tables have a column '%s' of their own; leave it out of --columns", r->options->table,
                     own[i]);
  for (int i = 0; i < t->columns; i++)
    if (r->column[i] == column) return fd_fail(FD_USAGE, "%s: the column '%s' is twice in --columns", r->options->table, name);
  if (t->columns == FD_TAXA_COLUMNS)
    return fd_fail(FD_USAGE, "%s: more than %d columns to keep", r->options->table, FD_TAXA_COLUMNS);
  r->column[t->columns] = column;
  t->column[t->columns++] = name;
  return FD_OK;
}

static fd_status find_ranks(reader *r) {
  const fd_list *wanted = &r->options->columns;
  int column;
  for (int i = 0; i < wanted->count; i++) {
    FD_TRY(find_column(r, wanted->item[i], &column));
    FD_TRY(keep_column(r, wanted->item[i], column));
  }
  for (size_t i = 0; !wanted->count && i < sizeof rank_names / sizeof *rank_names; i++) {
    const char *const names[] = {rank_names[i], NULL};
    FD_TRY(fd_fields_column(&r->fields, names, &column));
    if (column >= 0) FD_TRY(keep_column(r, rank_names[i], column));
  }
  return FD_OK;
}

static fd_status find_columns(reader *r) {
  const fd_taxa_options *o = r->options;
  r->part = r->by = -1;
  FD_TRY(fd_fields_column(&r->fields, sequence_names, &r->sequence));
  FD_TRY(fd_fields_column(&r->fields, id_names, &r->id));
  if (!o->files.count && r->sequence < 0)
    return missing_column(r, "sequence",
                          " (nor seq, dna_barcode, nucleotides, nucraw); where the sequences are in FASTA files, "
                          "name them after OUT");
  if (o->files.count && r->id < 0)
    return missing_column(r, "id", " (nor processid, sampleid, name), by which records of the FASTA files are named");
  FD_TRY(find_ranks(r));
  if (o->require.count > FD_TAXA_COLUMNS) return fd_fail(FD_USAGE, "more than %d columns are required", FD_TAXA_COLUMNS);
  for (int i = 0; i < o->require.count; i++) FD_TRY(find_column(r, o->require.item[i], &r->require[i]));
  if (o->part) FD_TRY(find_column(r, o->part, &r->part));
  return o->by ? find_column(r, o->by, &r->by) : FD_OK;
}

int fd_taxa_is_missing(const char *text) { return fd_is_missing(text) || !strcasecmp(text, "none"); }

/* A field's value; "" for a missing one. */
static const char *value_of(const fd_fields *f, int column) {
  const char *text = fd_field_trimmed(f->item[column]).text;
  return fd_taxa_is_missing(text) ? "" : text;
}

/* --- sequences -------------------------------------------------------------------------------------------------------- */

static uint64_t hash_of(const uint8_t *symbols, int64_t length) {
  uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
  for (int64_t i = 0; i < length; i++) h = (h ^ symbols[i]) * 0x100000001b3u;
  return h ^ h >> 29;
}

/* The slot of a sequence: that of an equal sequence, or a free one. */
static size_t slot_of(const reader *r, const uint8_t *symbols, int64_t length) {
  const fd_taxa *t = r->taxa;
  size_t at = (size_t)hash_of(symbols, length) & (r->slots - 1);
  for (;; at = (at + 1) & (r->slots - 1)) {
    if (!r->seen[at]) return at;
    int64_t i = r->seen[at] - 1;
    if (t->start[i + 1] - t->start[i] == length && !memcmp(t->symbols + t->start[i], symbols, (size_t)length)) return at;
  }
}

static fd_status make_slots(reader *r) {
  const fd_taxa *t = r->taxa;
  if (r->slots && (size_t)t->count < r->slots / 2) return FD_OK;
  free(r->seen);
  r->slots = r->slots ? 2 * r->slots : 1 << 16;
  FD_TRY(fd_alloc(&r->seen, r->slots, sizeof *r->seen, "sequences that were seen"));
  for (int64_t i = 0; i < t->count; i++) r->seen[slot_of(r, t->symbols + t->start[i], t->start[i + 1] - t->start[i])] = i + 1;
  return FD_OK;
}

static int64_t strip(const uint8_t *symbols, int64_t length) {
  while (length && symbols[length - 1] == FD_N) length--;
  return length;
}

/* Trims the new sequence, stored after the last record, and decides whether it is kept: *length becomes 0 if not. */
static void judge(reader *r, int64_t *length) {
  fd_taxa *t = r->taxa;
  const uint8_t *symbols = t->symbols + t->start[t->count];
  int64_t bases = 0, stripped = strip(symbols, *length);
  t->counts.stripped += stripped < *length;
  if (stripped > r->options->limit) t->counts.cut++, stripped = strip(symbols, r->options->limit);
  for (int64_t i = 0; i < stripped; i++) bases += symbols[i] != FD_N;
  t->counts.none += !bases;
  t->counts.shorter += bases && stripped < r->options->shortest;
  *length = bases && stripped >= r->options->shortest ? stripped : 0;
}

/* Counts a duplicate of record `first`, whose names are stored after the last record. */
static void count_duplicate(fd_taxa *t, int64_t first) {
  const char **a = t->value + first * t->columns, **b = t->value + t->count * t->columns;
  int differs = 0;
  for (int c = 0; c < t->columns; c++) differs |= *a[c] && *b[c] && strcmp(a[c], b[c]);
  t->counts.duplicates++;
  t->counts.differing += differs;
}

/* Makes room for one more record, and for its `length` letters. */
static fd_status make_room(fd_taxa *t, int64_t length) {
  size_t n = (size_t)t->count, end = t->start ? (size_t)t->start[t->count] : 0;
  FD_TRY(fd_grow(&t->start, &t->room[START], n + 2, sizeof *t->start, "records"));
  FD_TRY(fd_grow(&t->symbols, &t->room[SYMBOLS], end + (size_t)length + 1, 1, "sequences"));
  FD_TRY(fd_grow(&t->id, &t->room[ID], n + 1, sizeof *t->id, "records"));
  FD_TRY(fd_grow(&t->value, &t->room[VALUE], (n + 1) * (size_t)t->columns + 1, sizeof *t->value, "records"));
  FD_TRY(fd_grow(&t->part, &t->room[PART], n + 1, sizeof *t->part, "records"));
  if (!n) t->start[0] = 0;
  return fd_grow(&t->by, &t->room[BY], n + 1, sizeof *t->by, "records");
}

/* The values of the last row: in the columns that are kept, then in `part` and `by`. */
static void read_values(const reader *r, const char **values) {
  int n = r->taxa->columns;
  for (int c = 0; c < n; c++) values[c] = value_of(&r->fields, r->column[c]);
  values[n] = r->part >= 0 ? value_of(&r->fields, r->part) : "";
  values[n + 1] = r->by >= 0 ? value_of(&r->fields, r->by) : "";
}

/* Stores these values (NULL: empty ones) and an id after the last record. */
static void take_names(const reader *r, const char *const *values, const char *id) {
  fd_taxa *t = r->taxa;
  int n = t->columns;
  t->id[t->count] = id;
  for (int c = 0; c < n; c++) t->value[t->count * n + c] = values ? values[c] : "";
  t->part[t->count] = values ? values[n] : "";
  t->by[t->count] = values ? values[n + 1] : "";
}

/* Appends the new record, whose letters and names are stored after the last one, unless it is left out. */
static fd_status add_record(reader *r, int64_t length) {
  fd_taxa *t = r->taxa;
  judge(r, &length);
  if (!length) return FD_OK;
  FD_TRY(make_slots(r));
  size_t slot = slot_of(r, t->symbols + t->start[t->count], length);
  if (r->seen[slot]) {
    count_duplicate(t, r->seen[slot] - 1);
    return FD_OK;
  }
  r->seen[slot] = t->count + 1;
  t->start[t->count + 1] = t->start[t->count] + length;
  t->count++;
  return FD_OK;
}

static int lacks(const reader *r) {
  for (int i = 0; i < r->options->require.count; i++)
    if (!*value_of(&r->fields, r->require[i])) return 1;
  return 0;
}

/* --- a table with the sequences --------------------------------------------------------------------------------------- */

static void take_letters(fd_taxa *t, const fd_field *text) {
  uint8_t *to = t->symbols + t->start[t->count];
  for (size_t i = 0; i < text->length; i++) {
    unsigned char letter = (unsigned char)text->text[i];
    uint8_t symbol = fd_symbol_of[letter];
    t->counts.odd += symbol == FD_NO_LETTER;
    t->counts.iupac += symbol == FD_N && letter != 'N' && letter != 'n';
    to[i] = symbol == FD_NO_LETTER ? FD_N : symbol;
  }
}

static fd_status read_row(reader *r) {
  fd_taxa *t = r->taxa;
  const char *values[FD_TAXA_COLUMNS + 2];
  fd_field sequence = fd_field_trimmed(r->fields.item[r->sequence]);
  if (lacks(r)) {
    t->counts.lacking++;
    return FD_OK;
  }
  FD_TRY(make_room(t, (int64_t)sequence.length));
  take_letters(t, &sequence);
  read_values(r, values);
  take_names(r, values, r->id >= 0 ? value_of(&r->fields, r->id) : "");
  return add_record(r, (int64_t)sequence.length);
}

static fd_status read_rows(reader *r) {
  fd_taxa *t = r->taxa;
  size_t length;
  for (char *line; (line = fd_lines_next(&t->lines, &length)); t->counts.rows++) {
    if (t->counts.rows % GO_ON == 0) FD_TRY(fd_guard_go_on());
    FD_TRY(fd_fields_cut(&r->fields, line, length));
    FD_TRY(read_row(r));
  }
  return FD_OK;
}

/* --- FASTA files with their classification ---------------------------------------------------------------------------- */

/* A row of the classification. */
typedef struct named_row {
  const char *id, **values; /* NULL: a required value is missing */
  int64_t line;
  int used;
} named_row;

typedef struct classification {
  named_row *row;
  size_t rows, room, values_room;
  const char **values; /* [rows, columns + 2] */
} classification;

static int by_id(const void *a, const void *b) { return strcmp(((const named_row *)a)->id, ((const named_row *)b)->id); }

/* The order of rows, in which of two with the same id the later one comes second whatever qsort does with equal ones. */
static int by_id_and_line(const void *a, const void *b) {
  const named_row *x = a, *y = b;
  int order = by_id(a, b);
  return order ? order : (x->line > y->line) - (x->line < y->line);
}

static fd_status read_names(reader *r, classification *k) {
  fd_taxa *t = r->taxa;
  size_t length, width = (size_t)t->columns + 2;
  for (char *line; (line = fd_lines_next(&t->lines, &length)); k->rows++) {
    FD_TRY(fd_grow(&k->row, &k->room, k->rows + 1, sizeof *k->row, "the classification"));
    FD_TRY(fd_grow(&k->values, &k->values_room, (k->rows + 1) * width, sizeof *k->values, "the classification"));
    FD_TRY(fd_fields_cut(&r->fields, line, length));
    const char *id = value_of(&r->fields, r->id);
    if (!*id)
      return fd_fail(FD_DATA, "%s:%" PRId64 ": the row has no id; expected the name of its sequence in the FASTA files",
                     r->options->table, t->lines.number);
    read_values(r, k->values + k->rows * width);
    k->row[k->rows] = (named_row){id, NULL, t->lines.number, 0};
    if (!lacks(r)) k->row[k->rows].values = &k->values[0]; /* set below, once the array no longer moves */
  }
  for (size_t i = 0; i < k->rows; i++)
    if (k->row[i].values) k->row[i].values = k->values + i * width;
  t->counts.rows = (int64_t)k->rows;
  if (k->rows) qsort(k->row, k->rows, sizeof *k->row, by_id_and_line);
  for (size_t i = 1; i < k->rows; i++)
    if (!strcmp(k->row[i - 1].id, k->row[i].id))
      return fd_fail(FD_DATA, "%s:%" PRId64 ": the id '%.80s' is there twice", r->options->table, k->row[i].line, k->row[i].id);
  return FD_OK;
}

static fd_status read_record(reader *r, classification *k, fd_genome_reader *from, int record) {
  fd_taxa *t = r->taxa;
  const fd_record *one = &t->genome.record[record];
  named_row key = {one->name, NULL, 0, 0}, *row = k->rows ? bsearch(&key, k->row, k->rows, sizeof key, by_id) : NULL;
  if (!row) t->counts.unnamed++;
  else row->used = 1;
  if (r->options->require.count && (!row || !row->values)) {
    t->counts.lacking++;
    return FD_OK;
  }
  FD_TRY(make_room(t, one->length));
  FD_TRY(fd_genome_read(from, record, t->symbols + t->start[t->count]));
  take_names(r, row ? row->values : NULL, one->name);
  return add_record(r, one->length);
}

static fd_status read_files(reader *r, classification *k) {
  fd_taxa *t = r->taxa;
  fd_genome_reader *from = NULL;
  fd_status status = FD_OK;
  FD_GO(read_names(r, k));
  for (int f = 0; f < r->options->files.count; f++) FD_GO(fd_genome_scan(&t->genome, r->options->files.item[f]));
  for (int i = 0; i < 26; i++) t->counts.iupac += t->genome.counts.iupac[i];
  FD_GO(fd_genome_reader_open(&t->genome, &from));
  for (int i = 0; i < t->genome.records; i++) {
    if (i % GO_ON == 0) FD_GO(fd_guard_go_on());
    FD_GO(read_record(r, k, from, i));
  }
  for (size_t i = 0; i < k->rows; i++) t->counts.unplaced += !k->row[i].used;
done:
  fd_genome_reader_close(&from);
  return status;
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static fd_status count_ids(fd_taxa *t) {
  const char **sorted;
  FD_TRY(fd_alloc(&sorted, (size_t)t->count, sizeof *sorted, "ids of records"));
  memcpy(sorted, t->id, (size_t)t->count * sizeof *sorted);
  qsort(sorted, (size_t)t->count, sizeof *sorted, by_text);
  for (int64_t i = 0; i < t->count; i++) {
    t->counts.nameless += !*sorted[i];
    t->counts.repeated += *sorted[i] && i && !strcmp(sorted[i], sorted[i - 1]);
  }
  free(sorted);
  return FD_OK;
}

/* --- both kinds ------------------------------------------------------------------------------------------------------- */

static fd_status read_all(reader *r, classification *k) {
  fd_taxa *t = r->taxa;
  size_t length;
  FD_TRY(fd_lines_open(&t->lines, r->options->table, table_max));
  char *line = fd_lines_next(&t->lines, &length);
  if (!line) return fd_fail(FD_DATA, "%s: is empty; expected a header with the names of columns, and rows", r->options->table);
  FD_TRY(fd_fields_begin(&r->fields, &t->lines, line, length));
  FD_TRY(find_columns(r));
  FD_TRY(r->options->files.count ? read_files(r, k) : read_rows(r));
  if (!t->counts.rows) return fd_fail(FD_DATA, "%s: has a header but no rows", r->options->table);
  if (t->count) return count_ids(t);
  return fd_fail(FD_DATA,
                 "%s: no sequence is left of %" PRId64 " rows: %" PRId64 " lack a required column, %" PRId64
                 " have no A, C, G or T, %" PRId64 " are shorter than %" PRId64,
                 r->options->table, t->counts.rows, t->counts.lacking, t->counts.none, t->counts.shorter, r->options->shortest);
}

fd_status fd_taxa_read(fd_taxa *taxa, const fd_taxa_options *options) {
  reader *r;
  classification k = {0};
  *taxa = (fd_taxa){0};
  FD_TRY(fd_alloc(&r, 1, sizeof *r, "the reader of a table"));
  r->options = options, r->taxa = taxa;
  fd_status status = read_all(r, &k);
  fd_fields_end(&r->fields);
  free(r->seen);
  free(r);
  free(k.row);
  free(k.values);
  return status;
}

void fd_taxa_free(fd_taxa *t) {
  free(t->start);
  free(t->symbols);
  free(t->id);
  free(t->value);
  free(t->part);
  free(t->by);
  fd_lines_close(&t->lines);
  fd_genome_free(&t->genome);
  *t = (fd_taxa){0};
}
