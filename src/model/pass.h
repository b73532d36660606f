/* A pass of a graph over a batch: its device memory, as planned, and the forward and backward runs. */
#ifndef FD_MODEL_PASS_H
#define FD_MODEL_PASS_H

#include "model/plan.h"

struct fd_pass {
  fd_device *dev;
  const fd_graph *graph;
  const fd_spaces *spaces; /* of the batch, from the forward pass on; borrowed */
  const float *params;     /* of the pass */
  float *grads;            /* of the backward pass */
  int training;            /* dropout is active */
  int begun;            /* backward: another node has written the gradient of this node's first parameter, so it adds to that */
  unsigned char *given; /* [values] whether the caller supplies the gradient */
  fd_plan plan;
  fd_mats *mats; /* [nodes] */
  char *memory;
  float *held; /* with fd_ends.holds: memory for parameter gradients, overwritten by the next forward pass; else NULL */
};

/* A callback during a backward pass: the gradient is complete from offset `from` on. */
typedef struct fd_backward_watch {
  void *context;
  void (*ready)(void *context, size_t from);
} fd_backward_watch;

/* Allocates the device memory of passes over batches up to an extent. */
fd_status fd_pass_create(fd_pass **pass, const fd_graph *graph, fd_device *dev, const fd_ends *ends,
                         fd_extent extent) FD_MUST_CHECK;

/* The same with a plan made before; takes ownership of the plan, even after a failure. */
fd_status fd_pass_of_plan(fd_pass **pass, const fd_graph *graph, fd_device *dev, fd_plan *plan,
                          const fd_ends *ends) FD_MUST_CHECK;
void fd_pass_destroy(fd_pass **pass);

/* The spaces used by the pass: bits 1 << FD_... */
unsigned fd_pass_spaces(const fd_pass *pass);

/* Rows of the current batch in a space. */
static inline int fd_pass_rows(const fd_pass *pass, fd_space space) { return fd_seqs_rows(pass->spaces->of[space]); }

/* Runs the nodes that the ends need. input: of the graph, fp32 rows without padding or int32 ids; params: one flat buffer in the
 * graph's layout. All are borrowed until the end of the backward pass. */
void fd_pass_forward(fd_pass *pass, const fd_spaces *spaces, const float *params, const void *input);

/* A wanted value, after the forward pass. */
fd_mat fd_pass_value(const fd_pass *pass, fd_value value);

/* The gradient of a value in fd_ends.given, to be filled in before the backward pass; fd_pass_clear zeroes all such gradients. */
fd_mat fd_pass_gradient(const fd_pass *pass, fd_value value);
void fd_pass_clear(fd_pass *pass);

/* Writes the gradients of all parameters to `grads`; those of nodes that do not learn are zero. `watch` may be NULL. */
void fd_pass_backward(fd_pass *pass, float *grads, const fd_backward_watch *watch);

#endif
