/* Packs rows of a table into micro-batches. */
#include "data/rows.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "data/augment.h"

int fd_rows_longest(const fd_table *table) {
  int64_t longest = 0;
  for (int i = 0; i < table->rows; i++)
    if (table->start[i + 1] - table->start[i] > longest) longest = table->start[i + 1] - table->start[i];
  return (int)longest;
}

/* Puts the nucleotides of a sequence and its [CLS] rows at row `at`; returns the row after them. */
static int put_letters(fd_batch *batch, int at, const uint8_t *symbols, int length) {
  memcpy(batch->tokens + at, symbols, (size_t)length);
  memset(batch->tokens + at + length, FD_CLS, (size_t)batch->seqs.cls);
  return at + length + batch->seqs.cls;
}

/* Puts the words of a sequence (already checked) at row `at`; returns the row after them. */
static int put_words(fd_rows *rows, fd_batch *batch, int at, const uint8_t *symbols, int length) {
  int n = (int)fd_tokenizer_encode(rows->tokenizer, symbols, length, 0, &rows->words);
  memcpy(fd_batch_ids(batch) + at, rows->words.ids, (size_t)n * sizeof *rows->words.ids);
  if (fd_tokenizer_padding(rows->tokenizer, rows->words.ids, n, batch->tokens + at)) batch->seqs.hidden = batch->tokens;
  return at + n;
}

/* Puts sequence i of a batch into the view of a frozen teacher. */
static void put_taught(fd_rows *rows, fd_view *view, int i, const uint8_t *symbols, int length) {
  const int32_t *ids = rows->teacher_words.ids;
  if (!rows->teacher) {
    fd_view_put_letters(view, i, symbols, length);
    return;
  }
  int n = (int)fd_tokenizer_encode(rows->teacher, symbols, length, 0, &rows->teacher_words);
  if (fd_tokenizer_padding(rows->teacher, ids, n, view->hidden + view->seqs.start[i])) view->seqs.hidden = view->hidden;
  fd_view_put_ids(view, i, ids, n);
}

fd_status fd_rows_check_words(const fd_table *table, const fd_tokenizer *tokenizer, int positions, const char *name, int *most) {
  fd_status status = FD_OK;
  char where[FD_PATH_MAX + 64];
  fd_tokens words;
  FD_TRY(fd_tokens_create(&words, tokenizer, fd_rows_longest(table)));
  for (int row = 0; row < table->rows && status == FD_OK; row++) {
    int64_t length = table->start[row + 1] - table->start[row];
    int64_t n = fd_tokenizer_encode(tokenizer, table->symbols + table->start[row], length, 0, &words);
    snprintf(where, sizeof where, "%s: row %d", name, row + 1);
    status = fd_tokenizer_check(tokenizer, length, n, positions, where);
    if (n > *most) *most = (int)n;
  }
  fd_tokens_free(&words);
  return status;
}

/* The symbols of a row, augmented for this draw if the task augments. */
static const uint8_t *symbols_of(const fd_rows *rows, uint64_t draw, uint64_t row, int length) {
  const uint8_t *symbols = rows->table->symbols + rows->table->start[row];
  if (!rows->augmented) return symbols;
  fd_augment_row(rows->config, rows->augment, draw, symbols, length, rows->augmented, rows->augmented + length);
  return rows->augmented;
}

static void make_rows(void *context, uint64_t first_draw, int count, fd_batch *batch) {
  fd_rows *rows = context;
  const fd_table *table = rows->table;
  uint64_t n = (uint64_t)table->rows, seed = (uint64_t)rows->config->run.seed;
  int classes = rows->beside.logits;
  batch->seqs.count = count;
  batch->masked = 0;
  for (int i = 0, at = 0; i < count; i++) {
    uint64_t draw = first_draw + (uint64_t)i, row = fd_permute(seed, draw / n, n, draw % n);
    int length = (int)(table->start[row + 1] - table->start[row]);
    const uint8_t *symbols = symbols_of(rows, draw, row, length);
    batch->seqs.start[i] = at;
    if (rows->tokenizer) at = put_words(rows, batch, at, symbols, length);
    else at = put_letters(batch, at, symbols, length);
    batch->seqs.start[i + 1] = at;
    if (batch->taught) put_taught(rows, batch->taught, i, symbols, length);
    for (int c = 0; rows->logits && c < classes; c++)
      batch->host_logits[i * classes + c] = rows->logits[row * (uint64_t)classes + (uint64_t)c];
    batch->seqs.draws[i] = draw;
    batch->windows[i] = row;
    batch->host_target[i] = table->value ? table->value[row] : (float)table->label[row];
    batch->host_target[count + i] = rows->class_weight ? rows->class_weight[table->label[row]] : 1;
  }
  batch->rows = batch->seqs.start[count];
}

static fd_status upload_rows(void *context, fd_batch *batch) {
  const fd_rows *rows = context;
  fd_device *dev = batch->dev;
  size_t count = (size_t)batch->seqs.count;
  FD_TRY(fd_seqs_send(&batch->seqs, dev));
  FD_TRY(dev->copy(dev, batch->target, batch->host_target, count * sizeof *batch->target));
  FD_TRY(dev->copy(dev, batch->weight, batch->host_target + count, count * sizeof *batch->weight));
  if (batch->taught) FD_TRY(fd_view_send(batch->taught, batch->seqs.count));
  if (batch->logits)
    FD_TRY(dev->copy(dev, batch->logits, batch->host_logits, count * (size_t)rows->beside.logits * sizeof *batch->logits));
  if (rows->tokenizer) return dev->copy(dev, batch->student, fd_batch_ids(batch), (size_t)batch->rows * sizeof(int32_t));
  return fd_batch_expand(batch, batch->tokens, 0, (fd_rng_key){{0, 0}}, 0, batch->student);
}

fd_source fd_rows_source(fd_rows *rows) {
  return (fd_source){.context = rows, .make = make_rows, .upload = upload_rows, .beside = rows->beside};
}
