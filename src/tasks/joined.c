/* Features of an encoder and k-mer counts as one sparse set of features. */
#include "tasks/joined.h"

#include <string.h>

#include "base/memory.h"

static fd_status join_table(fd_sparse *j, int which, const fd_design *features, const fd_design *counts) {
  size_t rows = (size_t)counts->rows, dims = (size_t)features->dims, all = rows * dims + (size_t)counts->start[rows];
  FD_TRY(fd_alloc(&j->start[which], rows + 1, sizeof *j->start[which], "joined features"));
  FD_TRY(fd_alloc(&j->column[which], all, sizeof *j->column[which], "joined features"));
  FD_TRY(fd_alloc(&j->value[which], all, sizeof *j->value[which], "joined features"));
  int *column = j->column[which];
  float *value = j->value[which];
  size_t used = 0;
  for (size_t row = 0; row < rows; row++) {
    for (size_t c = 0; c < dims; c++) column[used] = (int)c, value[used++] = (float)features->dense[row * dims + c];
    for (int64_t i = counts->start[row]; i < counts->start[row + 1]; i++)
      column[used] = (int)dims + counts->column[i], value[used++] = counts->value[i];
    j->start[which][row + 1] = (int64_t)used;
  }
  return FD_OK;
}

fd_status fd_joined_create(fd_sparse **joined, const fd_design features[2], const fd_sparse *kmers) {
  const fd_design *counts[2] = {&kmers->train, &kmers->test};
  int dims = features->dims + kmers->train.dims;
  fd_status status = FD_OK;
  FD_TRY(fd_alloc(joined, 1, sizeof **joined, "joined features"));
  fd_sparse *j = *joined;
  FD_GO(fd_alloc(&j->shift, (size_t)dims, sizeof *j->shift, "joined features")); /* whitened features have mean 0: no shift */
  memcpy(j->shift + features->dims, kmers->train.shift, (size_t)kmers->train.dims * sizeof *j->shift);
  for (int which = 0; which < 2; which++) {
    fd_design *design = which ? &j->test : &j->train;
    FD_GO(join_table(j, which, &features[which], counts[which]));
    *design = (fd_design){.rows = counts[which]->rows,
                          .dims = dims,
                          .start = j->start[which],
                          .column = j->column[which],
                          .value = j->value[which],
                          .shift = j->shift};
  }
done:
  if (status != FD_OK) fd_sparse_free(joined);
  return status;
}
