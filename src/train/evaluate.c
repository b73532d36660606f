/* Held-out loss and accuracy. Sums are per chunk of a micro-batch, of which a pass takes as many as in training; every rank
 * receives the sums of all chunks and adds them in order. */
#include "train/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/memory.h"
#include "base/signals.h"

typedef struct chunk_sums {
  double loss, correct, masked, cosine, aligned;
} chunk_sums;

/* The labels of the rows of a pass. */
typedef struct answers {
  fd_mat logits; /* [rows, classes], device */
  int rows, classes;
  const int *start;       /* the first row of each sequence */
  double tau;             /* logits are divided by tau, as in training */
  float *target, *weight; /* [rows]: class; weight 0: not scored */
} answers;

enum { OVERFLOWS = 700 }; /* exp() of more may overflow in a sum: the largest logit is then subtracted first */

/* Adds loss, correct predictions and count of rows first .. last - 1. */
static void score_rows(const answers *a, const float *logits, int first, int last, chunk_sums *sums) {
  for (int r = first; r < last; r++) {
    if (a->weight[r] <= 0) continue;
    const float *z = logits + (size_t)r * (size_t)a->classes;
    double total = 0, above = 0;
    int best = 0, label = (int)a->target[r];
    for (int c = 1; c < a->classes; c++)
      if (z[c] > z[best]) best = c;
    if (z[best] - z[label] > OVERFLOWS * a->tau) above = ((double)z[best] - (double)z[label]) / a->tau;
    for (int c = 0; c < a->classes; c++) total += exp(((double)z[c] - (double)z[label]) / a->tau - above);
    sums->loss += log(total) + above;
    sums->correct += best == label;
    sums->masked++;
  }
}

/* Answers for masked nucleotides: labels and mask of all tokens, copied back from the device. */
static fd_status nucleotide_answers(fd_trainer *t, const fd_batch *batch, answers *a) {
  size_t rows = (size_t)batch->rows;
  uint8_t *bytes;
  FD_TRY(fd_alloc(&bytes, 2 * rows, 1, "evaluation"));
  fd_status status = t->dev->copy(t->dev, bytes, batch->labels, rows);
  if (status == FD_OK) status = t->dev->copy(t->dev, bytes + rows, batch->mask, rows);
  if (status == FD_OK) status = t->dev->sync(t->dev);
  for (size_t r = 0; r < rows && status == FD_OK; r++) a->target[r] = bytes[r], a->weight[r] = bytes[rows + r];
  free(bytes);
  return status;
}

/* Makes the answers of a pass; the caller frees them, even after a failure. */
static fd_status make_answers(fd_trainer *t, const fd_batch *batch, answers *a) {
  int hides = fd_config_hides(t->config);
  fd_out out = hides ? FD_OUT_HIDDEN : FD_OUT_LOGITS;
  fd_value value = t->network->out[out];
  const fd_seqs *seqs = t->spaces.of[value.space];
  *a = (answers){.logits = fd_network_output(t->network, t->student, out),
                 .rows = fd_seqs_rows(seqs),
                 .classes = value.width,
                 .start = seqs->start,
                 .tau = hides ? 1 : t->config->objective.mnm_tau};
  FD_TRY(fd_alloc(&a->target, 2 * (size_t)a->rows, sizeof *a->target, "evaluation"));
  a->weight = a->target + a->rows;
  if (!hides) return nucleotide_answers(t, batch, a);
  memcpy(a->target, batch->host_target, (size_t)a->rows * sizeof *a->target);
  memcpy(a->weight, batch->host_target + batch->rows, (size_t)a->rows * sizeof *a->weight);
  return FD_OK;
}

/* Adds the cosines between the features of sequences first .. last - 1 and those of the frozen teacher. The memory of the
 * gradient is reused, which is free between passes. */
static fd_status score_alignment(fd_trainer *t, const fd_batch *batch, int first, int last, chunk_sums *sums) {
  const fd_config *c = t->config;
  fd_value value = t->network->out[FD_OUT_ALIGNED];
  const fd_seqs *seqs = t->spaces.of[value.space];
  int from = seqs->start[first], rows = seqs->start[last] - from;
  double sum;
  fd_mat y = fd_mat_rows(fd_network_output(t->network, t->student, FD_OUT_ALIGNED), from),
         dy = fd_mat_rows(fd_network_gradient(t->network, t->student, FD_OUT_ALIGNED), from);
  t->dev->ops.align_loss(t->dev, rows, value.width, 1, c->objective.distil_norm == FD_DISTIL_LAYER, y, batch->aligned + from,
                         fd_frozen_output(t->frozen, FD_OUT_LATENT), 0, dy, t->cosines);
  FD_TRY(t->dev->copy(t->dev, &sum, t->cosines, sizeof sum));
  FD_TRY(t->dev->sync(t->dev));
  for (int r = from; r < from + rows; r++) sums->aligned += batch->host_aligned[r] >= 0;
  sums->cosine += sums->aligned - sum;
  return FD_OK;
}

/* The session handles a stop only after its step, and holds the guard until then; an evaluation returns at once. */
fd_status fd_evaluate_go_on(void) {
  FD_TRY(fd_guard_go_on());
  return fd_signals_stop() ? FD_RETRY : FD_OK;
}

/* Scores `count` windows in one pass; the sums of their chunks go to sums[0], sums[1], ... */
static fd_status score_pass(fd_trainer *t, fd_array array, const fd_windows *windows, int64_t first, int count,
                            fd_alignment *layers, chunk_sums *sums) {
  fd_batch *batch = t->held_out;
  answers a = {0};
  float *logits = NULL;
  fd_status status = FD_OK;
  FD_GO(fd_evaluate_go_on());
  FD_GO(t->source.held_out(t->source.context, windows, first, count, batch));
  FD_GO(fd_spaces_set(&t->spaces, &batch->seqs));
  t->student->training = 0;
  if (t->frozen) FD_GO(fd_frozen_take(t->frozen, batch->taught));
  if (t->frozen) fd_frozen_forward(t->frozen);
  fd_pass_forward(t->student, &t->spaces, t->state->array[array], batch->student);
  if (layers) FD_GO(fd_alignment_add(layers, t, first, count));
  FD_GO(make_answers(t, batch, &a));
  size_t values = (size_t)a.rows * (size_t)a.classes;
  FD_GO(fd_alloc(&logits, values, sizeof *logits, "evaluation"));
  FD_GO(t->dev->copy(t->dev, logits, a.logits.at, values * sizeof *logits));
  FD_GO(t->dev->sync(t->dev));
  for (int s = 0; s < count; s += t->micro_size) {
    int last = s + t->micro_size < count ? s + t->micro_size : count;
    score_rows(&a, logits, a.start[s], a.start[last], sums);
    if (t->frozen) FD_GO(score_alignment(t, batch, s, last, sums));
    sums++;
  }
done:
  free(a.target);
  free(logits);
  return status;
}

fd_status fd_evaluate_held_out(fd_trainer *t, fd_array array, const fd_windows *windows, int64_t count, fd_alignment *layers,
                               fd_held_out *result) {
  fd_comm *comm = t->comm;
  if (count > windows->count) count = windows->count;
  int64_t size = t->micro_size, chunks = (count + size - 1) / size;
  chunk_sums *sums;
  FD_TRY(fd_alloc(&sums, (size_t)chunks, sizeof *sums, "evaluation"));
  fd_status status = FD_OK;
  /* A rank's share is a contiguous range of chunks, in passes of its own size: ranks may differ in that size. */
  int64_t share = (chunks + comm->size - 1) / comm->size, first = comm->rank * share, last = first + share;
  if (last > chunks) last = chunks;
  for (int64_t i = first; i < last && status == FD_OK; i += t->micro_batches) {
    int64_t end = (i + t->micro_batches < last ? i + t->micro_batches : last) * size;
    status = score_pass(t, array, windows, i * size, (int)((end < count ? end : count) - i * size), layers, &sums[i]);
  }
  /* A chunk is filled in by one rank and zero on the others, so adding the bits gathers it exactly. */
  status = fd_comm_agree(comm, status);
  if (status == FD_OK)
    status = comm->ops->sum_u64(comm, (uint64_t *)(void *)sums, (size_t)chunks * sizeof *sums / sizeof(uint64_t));
  chunk_sums total = {0};
  for (int64_t i = 0; i < chunks; i++) {
    total.loss += sums[i].loss, total.correct += sums[i].correct, total.masked += sums[i].masked;
    total.cosine += sums[i].cosine, total.aligned += sums[i].aligned;
  }
  double n = total.masked > 0 ? total.masked : 1, aligned = total.aligned > 0 ? total.aligned : 1;
  *result =
      (fd_held_out){total.loss / n, total.correct / n, total.cosine / aligned, (int64_t)total.masked, (int64_t)total.aligned};
  free(sums);
  return status;
}
