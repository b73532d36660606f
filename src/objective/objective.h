/* Objectives are weighted sums of terms between the outputs of student and teacher. A new term is one line in terms.def and one
 * file. */
#ifndef FD_OBJECTIVE_OBJECTIVE_H
#define FD_OBJECTIVE_OBJECTIVE_H

#include "data/batch.h"
#include "model/projection.h"

/* Where student and teacher are compared: in the last rows of each sequence, as many as seqs->cls says. */
typedef struct fd_compared {
  const fd_seqs *seqs;
  fd_mat student, teacher; /* [rows, width] */
} fd_compared;

/* What the terms see of one micro-batch. */
typedef struct fd_outputs {
  const fd_batch *batch;
  const fd_network *network;
  const float *params, *teacher_params;    /* the student's; the teacher's */
  const fd_activations *student, *teacher; /* teacher: NULL without one */
  const float *centre;                     /* [rows, width], device: fd_objective_rows, fd_objective_width */
  int width;                               /* of the centre: 5, the channels or the prototypes */
  fd_projected *projected;                 /* NULL without a projection */
  fd_compared compared;                    /* fd_objective_compare; nothing without a teacher */
  fd_task_pass *task;                      /* NULL without a task */
  float *logp, *prob;                      /* NULL, or [count, rows, width] for a trace */
} fd_outputs;

/* Gradients by the student's outputs; terms add to them. There is no dlatent when no term needs it. `params` is the gradient by
 * the parameters: terms write the parts of a projection and of a task's head. */
typedef struct fd_output_grads {
  float *dlogits, *params;
  fd_mat dlatent;
} fd_output_grads;

/* Counts over the whole batch, all ranks: what sums are divided by. */
typedef struct fd_totals {
  double sequences, masked;
} fd_totals;

typedef struct fd_term {
  const char *name;
  double (*weight)(const fd_config *config);
  /* The number by which the term's sum over the batch is divided. */
  double (*divisor)(const fd_config *config, const fd_totals *totals, int width);
  /* Adds scale * gradient; *sum (device) becomes the term's sum over this micro-batch. */
  void (*run)(const fd_config *config, fd_device *dev, const fd_outputs *outputs, float scale, const fd_output_grads *grads,
              double *sum);
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

/* Whether a term takes gradients by the latents. */
int fd_objective_latent(const fd_config *config);

/* What the [CLS] term compares, after the forward passes: of the outputs' rows those that it looks at, or their projection, of
 * which fd_projected_begin knows the sequences. */
void fd_objective_compare(const fd_config *config, fd_outputs *outputs);

/* Runs all terms with a weight: their sums[FD_TERMS] (device, zero before) of this micro-batch, and the gradient of the whole
 * loss. */
void fd_objective_run(const fd_config *config, fd_device *dev, const fd_outputs *outputs, const fd_totals *totals,
                      const fd_output_grads *grads, double *sums);

/* The loss from the terms' sums over the batch: values[i] = sum / divisor, returns the weighted total. */
double fd_objective_loss(const fd_config *config, const fd_totals *totals, const double *sums, double *values);

#endif
