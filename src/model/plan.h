/* The memory plan of a pass: where every value, gradient and piece of scratch lies. It follows from what the nodes say they keep;
 * two matrices share memory when no node needs both at the same time. */
#ifndef FD_MODEL_PLAN_H
#define FD_MODEL_PLAN_H

#include "model/graph.h"

/* One piece of memory and when it is in use. Node i of n runs forward at time i and backward at time 2n - i; the loss is at n. */
typedef struct fd_buffer {
  fd_room room;
  int from, to;
  size_t bytes, offset;
  int fixed; /* its place was given: it is a part of the gradient that the pass holds */
} fd_buffer;

enum { FD_NO_BUFFER = -1, FD_NEVER = -1 };

/* How the gradient of a node's input comes about. */
typedef enum fd_flow {
  FD_FLOW_NONE,  /* nobody wants it */
  FD_FLOW_WRITE, /* the node writes it */
  FD_FLOW_ZERO,  /* the node adds to it, and is the first: it is cleared before */
  FD_FLOW_SAME,  /* it is the gradient of the output */
  FD_FLOW_ADD,   /* the node adds to what others left */
  FD_FLOW_SUM    /* the node writes to memory of its own, which is then added to what others left */
} fd_flow;

typedef struct fd_node_plan {
  int runs, learns; /* in the forward pass; in the backward pass */
  fd_flow flow[FD_INPUTS];
  int own[FD_INPUTS], saved[FD_EXTRAS], scratch[FD_EXTRAS], work; /* buffers; own: of FD_FLOW_SUM */
  int again, second; /* the node before whose backward pass its output is computed again, or FD_NEVER; the buffer for that */
} fd_node_plan;

typedef struct fd_plan {
  fd_node_plan *node;    /* [nodes] */
  int *value, *gradient; /* [values] their buffers */
  int buffers;
  fd_buffer *buffer;
  size_t room, bytes; /* capacity of buffer; device memory in all */
} fd_plan;

/* The ends of a pass, by value: wanted after the forward pass; with a gradient that the caller gives, which makes it a pass with
 * a backward pass. With `holds` the pass has memory for the gradients by all parameters: at its beginning, in the places of what
 * the backward pass has used up. */
typedef struct fd_ends {
  const unsigned char *wanted, *given; /* [values] */
  int holds;
} fd_ends;

/* Plans for batches up to an extent on a device that stores activations so. */
fd_status fd_plan_make(fd_plan *plan, const fd_graph *graph, const fd_ends *ends, fd_form form, fd_extent extent) FD_MUST_CHECK;
void fd_plan_free(fd_plan *plan);

#endif
