/* The memory plan of a pass: the offset of every value, gradient and scratch buffer. It is derived from what the nodes declare
 * they keep; two matrices may share memory if they are never needed at the same time. */
#ifndef FD_MODEL_PLAN_H
#define FD_MODEL_PLAN_H

#include "model/graph.h"

/* One piece of memory and when it is in use. Node i of n runs forward at time i and backward at time 2n - i; the loss is at n. */
typedef struct fd_buffer {
  fd_room room;
  int from, to;
  size_t bytes, offset;
  int fixed; /* its offset is given: a part of the parameter gradient that the pass holds */
} fd_buffer;

enum { FD_NO_BUFFER = -1, FD_NEVER = -1 };

/* How the gradient of a node's input is computed. */
typedef enum fd_flow {
  FD_FLOW_NONE,   /* it is not needed */
  FD_FLOW_WRITE,  /* the node writes it */
  FD_FLOW_ZERO,   /* the node is the first to add to it: it is zeroed before */
  FD_FLOW_SAME,   /* it is the gradient of the output */
  FD_FLOW_ADD,    /* the node adds to the gradient of other nodes */
  FD_FLOW_SUM,    /* the node writes to a buffer of its own, which is then added to the gradient of other nodes */
  FD_FLOW_THROUGH /* the node leaves the gradient of pre-activations in their place (fd_mats.through) */
} fd_flow;

typedef struct fd_node_plan {
  int runs, learns; /* in the forward pass; in the backward pass */
  fd_flow flow[FD_INPUTS];
  int own[FD_INPUTS], saved[FD_EXTRAS], scratch[FD_EXTRAS], work; /* buffers; own: of FD_FLOW_SUM */
  int again, second; /* the node whose backward pass needs the output recomputed before it, or FD_NEVER; the buffer for that */
} fd_node_plan;

typedef struct fd_plan {
  fd_node_plan *node;    /* [nodes] */
  int *value, *gradient; /* [values] buffers */
  int buffers;
  fd_buffer *buffer;
  size_t room, bytes; /* capacity of buffer; device memory in all */
} fd_plan;

/* The ends of a pass, as flags per value: `wanted` after the forward pass; `given`: the caller supplies its gradient, so the pass
 * has a backward pass. With `holds` the pass has memory for the gradients of all parameters, at the beginning of its memory,
 * reusing what the backward pass no longer needs. */
typedef struct fd_ends {
  const unsigned char *wanted, *given; /* [values] */
  int holds;
} fd_ends;

/* Plans for batches up to an extent on a device that stores activations in this form. */
fd_status fd_plan_make(fd_plan *plan, const fd_graph *graph, const fd_ends *ends, fd_form form, fd_extent extent) FD_MUST_CHECK;
void fd_plan_free(fd_plan *plan);

#endif
