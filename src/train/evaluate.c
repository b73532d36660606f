/* Held-out loss and accuracy. Windows are summed in chunks of a micro-batch, of which a pass takes several where training does;
 * every rank gets all chunks' sums and adds them in order. */
#include "train/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/memory.h"

typedef struct chunk_sums {
  double loss, correct, masked;
} chunk_sums;

/* Loss, hits and count over the masked ones of some rows; logits over tau, as the network is trained. */
static void score_rows(int first, int last, double tau, const float *logits, const uint8_t *labels, const uint8_t *mask,
                       chunk_sums *sums) {
  for (int r = first; r < last; r++) {
    if (!mask[r]) continue;
    const float *z = logits + (size_t)r * FD_SYMBOLS;
    double total = 0;
    int best = 0;
    for (int c = 0; c < FD_SYMBOLS; c++) {
      total += exp(((double)z[c] - (double)z[labels[r]]) / tau);
      if (z[c] > z[best]) best = c;
    }
    sums->loss += log(total);
    sums->correct += best == labels[r];
    sums->masked++;
  }
}

/* `count` windows, whose chunks' sums are sums[0], sums[1], ... */
static fd_status score_pass(fd_trainer *t, fd_array array, const fd_windows *windows, int64_t first, int count,
                            chunk_sums *sums) {
  fd_batch *batch = t->held_out;
  uint8_t *labels = NULL;
  float *logits = NULL;
  fd_status status = FD_OK;
  FD_GO(fd_guard_go_on());
  FD_GO(fd_batch_held_out(batch, t->config, windows, first, count));
  size_t rows = (size_t)batch->rows;
  FD_GO(fd_alloc(&labels, 2 * rows, 1, "evaluation"));
  FD_GO(fd_alloc(&logits, rows * FD_SYMBOLS, sizeof *logits, "evaluation"));
  FD_GO(fd_spaces_set(&t->spaces, &batch->seqs));
  t->student->training = 0;
  fd_pass_forward(t->student, &t->spaces, t->state->array[array], batch->student);
  FD_GO(t->dev->copy(t->dev, logits, fd_network_output(t->network, t->student, FD_OUT_LOGITS).at, rows * FD_SYMBOLS * sizeof *logits));
  FD_GO(t->dev->copy(t->dev, labels, batch->labels, rows));
  FD_GO(t->dev->copy(t->dev, labels + rows, batch->mask, rows));
  FD_GO(t->dev->sync(t->dev));
  for (int s = 0; s < count; s += t->micro_size) {
    int last = s + t->micro_size < count ? s + t->micro_size : count;
    score_rows(batch->seqs.start[s], batch->seqs.start[last], t->config->objective.mnm_tau, logits, labels, labels + rows,
               sums++);
  }
done:
  free(labels);
  free(logits);
  return status;
}

fd_status fd_evaluate_held_out(fd_trainer *t, fd_array array, const fd_windows *windows, int64_t count, fd_held_out *result) {
  fd_comm *comm = t->comm;
  if (count > windows->count) count = windows->count;
  int64_t size = t->micro_size, chunks = (count + size - 1) / size;
  chunk_sums *sums;
  FD_TRY(fd_alloc(&sums, (size_t)chunks, sizeof *sums, "evaluation"));
  fd_status status = FD_OK;
  /* A rank's share are neighbours, in passes of its own size: ranks may differ in that. */
  int64_t share = (chunks + comm->size - 1) / comm->size, first = comm->rank * share, last = first + share;
  if (last > chunks) last = chunks;
  for (int64_t i = first; i < last && status == FD_OK; i += t->group) {
    int64_t end = (i + t->group < last ? i + t->group : last) * size;
    status = score_pass(t, array, windows, i * size, (int)((end < count ? end : count) - i * size), &sums[i]);
  }
  /* A chunk is filled by one rank and zero elsewhere: adding the bits gathers it exactly. */
  status = fd_comm_agree(comm, status);
  if (status == FD_OK)
    status = comm->ops->sum_u64(comm, (uint64_t *)(void *)sums, (size_t)chunks * sizeof *sums / sizeof(uint64_t));
  chunk_sums total = {0, 0, 0};
  for (int64_t i = 0; i < chunks; i++)
    total.loss += sums[i].loss, total.correct += sums[i].correct, total.masked += sums[i].masked;
  double n = total.masked > 0 ? total.masked : 1;
  *result = (fd_held_out){total.loss / n, total.correct / n, (int64_t)total.masked};
  free(sums);
  return status;
}
