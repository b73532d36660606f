/* Objectives are weighted sums of terms between the outputs of student and teacher. A new term is one line in terms.def and one
 * file. */
#ifndef FD_OBJECTIVE_OBJECTIVE_H
#define FD_OBJECTIVE_OBJECTIVE_H

#include "data/batch.h"
#include "model/network.h"

/* What the terms see of one micro-batch. */
typedef struct fd_outputs {
  const fd_batch *batch;
  const fd_spaces *spaces;
  const fd_network *network;
  const fd_pass *student, *teacher; /* after their forward passes; teacher: of a moving average, NULL without one */
  const struct fd_frozen *frozen;   /* a frozen teacher after its forward pass (frozen.h); NULL without one */
  const float *centre;              /* [rows, width], device: fd_objective_rows, fd_objective_width */
  int width;                        /* of the centre: 5, the channels or the prototypes */
  float *logp, *prob;               /* NULL, or [count, rows, width] for a trace */
} fd_outputs;

/* Where student and teacher are compared: in the last rows of each sequence, as many as seqs->cls says. */
typedef struct fd_compared {
  const fd_seqs *seqs;
  fd_mat student, teacher; /* [rows, width] */
} fd_compared;

/* Counts over the whole batch, all ranks: what sums are divided by. */
typedef struct fd_totals {
  double sequences, masked, visible; /* masked, or hidden from the encoder; seen by it, with a class */
  double aligned;                    /* rows that are held against a frozen teacher's features */
} fd_totals;

typedef struct fd_term {
  const char *name;
  double (*weight)(const fd_config *config);
  fd_out (*reads)(const fd_config *config); /* the student's output that it takes gradients by */
  /* The number by which the term's sum over the batch is divided. */
  double (*divisor)(const fd_config *config, const fd_totals *totals, int width);
  /* Adds scale * gradient to `gradient` by that output; *sum (device) becomes the term's sum over this micro-batch. */
  void (*run)(const fd_config *config, fd_device *dev, const fd_outputs *outputs, float scale, fd_mat gradient, double *sum);
} fd_term;

/* The terms of terms.def, by index. */
enum {
#define TERM(name) FD_TERM_##name,
#include "objective/terms.def"
#undef TERM
  FD_TERMS
};
extern const fd_term *const fd_terms[FD_TERMS];

#define TERM(name) extern const fd_term fd_term_##name;
#include "objective/terms.def"
#undef TERM

/* Rows of the centre: as many as the [CLS] term compares of a sequence. */
int fd_objective_rows(const fd_config *config);

/* Columns of the centre: what the [CLS] term looks at in a row. */
int fd_objective_width(const fd_config *config);

/* Outputs of the student that terms with a weight take gradients by: bits 1 << FD_OUT_... */
unsigned fd_objective_reads(const fd_config *config);

/* The output that the [CLS] term compares. */
fd_out fd_objective_space(const fd_config *config);

/* What the [CLS] term compares, after the forward passes; nothing without a teacher. */
fd_compared fd_objective_compare(const fd_config *config, const fd_outputs *outputs);

/* Cross-entropy of the words of an output (FD_OUT_HIDDEN, FD_OUT_VISIBLE): its gradient into `gradient`, the sum into *sum. */
void fd_objective_words(fd_device *dev, const fd_outputs *outputs, fd_out output, float scale, fd_mat gradient, double *sum);

/* Runs all terms with a weight: their sums[FD_TERMS] (device, zero before) of this micro-batch, and the gradients of the whole
 * loss by the student's outputs (zero before, fd_pass_clear). */
void fd_objective_run(const fd_config *config, fd_device *dev, const fd_outputs *outputs, const fd_totals *totals, double *sums);

/* The loss from the terms' sums over the batch: values[i] = sum / divisor, returns the weighted total. */
double fd_objective_loss(const fd_config *config, const fd_totals *totals, const double *sums, double *values);

#endif
