/* Counts k-mers as sparse standardised rows or as dense rows. */
#include "tasks/kmer.h"

#include <math.h>
#include <stdlib.h>

#include "base/guard.h"
#include "base/memory.h"
#include "data/rows.h"
#include "device/tensors.h"

/* Writes the codes (below 4^k) of a row's k-mers of A, C, G, T, in order, to code [letters of the row]; returns their number. */
static int64_t codes_of(const fd_table *table, int row, int k, int *code) {
  int64_t count = 0;
  uint32_t last = 0, mask = (1u << 2 * k) - 1;
  int run = 0;
  for (int64_t i = table->start[row]; i < table->start[row + 1]; i++) {
    uint8_t symbol = table->symbols[i];
    run = symbol < FD_N ? run + 1 : 0;
    last = (last << 2 | (symbol & 3u)) & mask;
    if (run >= k) code[count++] = (int)last;
  }
  return count;
}

/* Square roots of the counts of one row; *used grows by the number of distinct k-mers. `count` [4^k] is zero before and after. */
static void count_row(const fd_table *table, int row, int k, int *count, int *column, float *value, int64_t *used) {
  int64_t first = *used, codes = codes_of(table, row, k, column + first); /* overwritten by the distinct ones */
  for (int64_t i = first; i < first + codes; i++)
    if (count[column[i]]++ == 0) column[(*used)++] = column[i];
  for (int64_t i = first; i < *used; i++) {
    value[i] = sqrtf((float)count[column[i]]);
    count[column[i]] = 0;
  }
}

static fd_status count_table(fd_sparse *m, int which, const fd_table *table, int k) {
  size_t most = (size_t)table->start[table->rows]; /* a row has no more k-mers than letters */
  int *count;
  FD_TRY(fd_alloc(&m->start[which], (size_t)table->rows + 1, sizeof *m->start[which], "k-mer counts"));
  FD_TRY(fd_alloc(&m->column[which], most, sizeof *m->column[which], "k-mer counts"));
  FD_TRY(fd_alloc(&m->value[which], most, sizeof *m->value[which], "k-mer counts"));
  FD_TRY(fd_alloc(&count, (size_t)1 << 2 * k, sizeof *count, "k-mer counts"));
  int64_t used = 0;
  fd_status status = FD_OK;
  for (int row = 0; row < table->rows && (status = fd_guard_go_on()) == FD_OK; row++) {
    count_row(table, row, k, count, m->column[which], m->value[which], &used);
    m->start[which][row + 1] = used;
  }
  free(count);
  return status;
}

/* Divides by the training rows' standard deviation; the shift is the mean after this division. */
static fd_status standardise(fd_sparse *m, int rows, int dims) {
  double *scale;
  FD_TRY(fd_alloc(&m->shift, (size_t)dims, sizeof *m->shift, "k-mer counts"));
  FD_TRY(fd_alloc(&scale, (size_t)dims, sizeof *scale, "k-mer counts"));
  for (int64_t i = 0; i < m->start[0][rows]; i++) {
    m->shift[m->column[0][i]] += m->value[0][i];
    scale[m->column[0][i]] += (double)m->value[0][i] * (double)m->value[0][i];
  }
  for (int c = 0; c < dims; c++) {
    double mean = m->shift[c] / rows, variance = scale[c] / rows - mean * mean;
    scale[c] = variance > 1e-12 ? 1 / sqrt(variance) : 0;
    m->shift[c] = mean * scale[c];
  }
  const fd_design *design[2] = {&m->train, &m->test};
  for (int which = 0; which < 2; which++)
    for (int64_t i = 0; i < m->start[which][design[which]->rows]; i++) m->value[which][i] *= (float)scale[m->column[which][i]];
  free(scale);
  return FD_OK;
}

fd_status fd_kmers_create(fd_sparse **kmers, const fd_table *train, const fd_table *test, int k) {
  const fd_table *table[2] = {train, test};
  fd_status status = FD_OK;
  int dims = 1 << 2 * k;
  FD_TRY(fd_alloc(kmers, 1, sizeof **kmers, "k-mer counts"));
  fd_sparse *m = *kmers;
  for (int which = 0; which < 2; which++) FD_GO(count_table(m, which, table[which], k));
  m->train = (fd_design){.rows = train->rows, .dims = dims, .start = m->start[0], .column = m->column[0], .value = m->value[0]};
  m->test = (fd_design){.rows = test->rows, .dims = dims, .start = m->start[1], .column = m->column[1], .value = m->value[1]};
  FD_GO(standardise(m, train->rows, dims));
  m->train.shift = m->test.shift = m->shift;
done:
  if (status != FD_OK) fd_sparse_free(kmers);
  return status;
}

fd_status fd_kmers_dense(const fd_table *table, int k, float **values) {
  size_t dims = (size_t)1 << 2 * k;
  int *code = NULL;
  fd_status status = FD_OK;
  *values = NULL;
  FD_GO(fd_alloc(&code, (size_t)fd_rows_longest(table), sizeof *code, "k-mer counts"));
  FD_GO(fd_alloc(values, (size_t)table->rows * dims, sizeof **values, "k-mer counts"));
  for (int row = 0; row < table->rows && (status = fd_guard_go_on()) == FD_OK; row++) {
    int64_t codes = codes_of(table, row, k, code);
    for (int64_t i = 0; i < codes; i++) (*values)[(size_t)row * dims + (size_t)code[i]]++;
  }
done:
  free(code);
  if (status != FD_OK) free(*values), *values = NULL;
  return status;
}
