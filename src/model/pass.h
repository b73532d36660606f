/* A pass of a graph over a batch: device memory by a plan, forward and backward. */
#ifndef FD_MODEL_PASS_H
#define FD_MODEL_PASS_H

#include "model/plan.h"

struct fd_pass {
  fd_device *dev;
  const fd_graph *graph;
  const fd_spaces *spaces; /* of the batch, from the forward pass on; borrowed */
  const float *params;     /* of the pass */
  float *grads;            /* of the backward pass */
  int training;            /* what is random in training is: dropout */
  int begun;               /* backward: another node has written the gradient of this one's first parameter, which adds to it */
  unsigned char *given;    /* [values] those whose gradient the caller gives */
  fd_plan plan;
  fd_mats *mats; /* [nodes] */
  char *memory;
  float *held; /* where the ends say so: for the gradients of a backward pass, gone with the next forward pass; else NULL */
};

/* Who is told during a backward pass that the gradient is complete from an offset on. */
typedef struct fd_backward_watch {
  void *context;
  void (*ready)(void *context, size_t from);
} fd_backward_watch;

/* Device memory of passes over batches up to an extent. */
fd_status fd_pass_create(fd_pass **pass, const fd_graph *graph, fd_device *dev, const fd_ends *ends,
                         fd_extent extent) FD_MUST_CHECK;

/* The same by a plan that was made before, which is the pass's from then on, after a failure too. */
fd_status fd_pass_of_plan(fd_pass **pass, const fd_graph *graph, fd_device *dev, fd_plan *plan,
                          const fd_ends *ends) FD_MUST_CHECK;
void fd_pass_destroy(fd_pass **pass);

/* The spaces that its values have rows in: bits 1 << FD_... */
unsigned fd_pass_spaces(const fd_pass *pass);

/* Rows that this pass has in a space. */
static inline int fd_pass_rows(const fd_pass *pass, fd_space space) { return fd_seqs_rows(pass->spaces->of[space]); }

/* Runs the nodes that the ends need. input: the graph's, fp32 rows without padding or int32 ids; params: one flat buffer in the
 * graph's layout. All borrowed until the backward pass is over. */
void fd_pass_forward(fd_pass *pass, const fd_spaces *spaces, const float *params, const void *input);

/* A wanted value, after the forward pass. */
fd_mat fd_pass_value(const fd_pass *pass, fd_value value);

/* The gradient by a value of fd_ends.given, to be filled in before the backward pass; fd_pass_clear zeroes all of these. */
fd_mat fd_pass_gradient(const fd_pass *pass, fd_value value);
void fd_pass_clear(fd_pass *pass);

/* Gradients by all parameters, written whole to `grads`; those of nodes that do not learn are zero. `watch` may be NULL. */
void fd_pass_backward(fd_pass *pass, float *grads, const fd_backward_watch *watch);

#endif
