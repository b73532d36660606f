/* A graph: nodes that compute values from values, in the order in which they run. An architecture is a function that adds nodes
 * (archs.def), a node kind is one file (nodes.def); buffers and the memory plan follow from what the nodes say (plan.h), and a
 * pass runs them forward and backward (pass.h). */
#ifndef FD_MODEL_GRAPH_H
#define FD_MODEL_GRAPH_H

#include "model/params.h"
#include "model/spaces.h"

typedef struct fd_node fd_node;
typedef struct fd_pass fd_pass;

enum { FD_INPUTS = 3, FD_EXTRAS = 2, FD_NO_VALUE = -1 };
#define FD_NONE ((fd_value){FD_NO_VALUE, FD_TOKENS, 0})

/* A matrix: one row for each row of a space, `width` values wide. */
typedef struct fd_value {
  int id; /* FD_NO_VALUE: there is none */
  fd_space space;
  int width;
} fd_value;

/* Memory of a node beside its values: rows of a space. `dense`: fp32 without padding, else as the device stores activations. */
typedef struct fd_room {
  fd_space space;
  int width, dense; /* width 0: none */
} fd_room;

/* What a node needs beside its inputs and output: its backward pass, but for `work`. */
typedef struct fd_keep {
  unsigned inputs;            /* bit i: input i */
  int output;                 /* the output */
  unsigned again;             /* bit i: input i, which computing the output once more reads */
  fd_room saved[FD_EXTRAS];   /* what else the forward pass leaves for it; a forward pass without backward has no memory for it */
  fd_room scratch[FD_EXTRAS]; /* memory while it runs */
  fd_room work;               /* memory while the forward pass of the node runs */
  int spared;                 /* a device that is lean does without `work`, and so does a pass that has saved[0] */
} fd_keep;

/* Where the matrices of a node lie in a pass. A matrix without `at` is not there: nobody wants that gradient, or nothing is
 * saved. Nobody wants that by the graph's input: of kinds that always write theirs, none reads it. */
typedef struct fd_mats {
  fd_mat in[FD_INPUTS], out, saved[FD_EXTRAS], work;
  fd_mat dout, din[FD_INPUTS], scratch[FD_EXTRAS]; /* gradients; backward only */
} fd_mats;

typedef struct fd_node_kind {
  const char *name;
  size_t own;      /* bytes of the node's settings, which only its file knows */
  unsigned spaces; /* that it needs beside those of its values: bits 1 << FD_... */
  unsigned adds;   /* bit i: the backward pass adds to the gradient of input i; it writes the others */
  /* Declares the parameters under `prefix` and remembers their offsets. NULL: it has none. */
  fd_status (*declare)(fd_node *node, const char *prefix, fd_params *params);
  void (*keeps)(const fd_node *node, fd_keep *keep);
  void (*forward)(const fd_node *node, const fd_pass *pass, const fd_mats *m);
  /* Gradients by the inputs, and by its parameters, written whole. NULL: nothing is learned through it. */
  void (*backward)(const fd_node *node, const fd_pass *pass, const fd_mats *m);
  int passes; /* gradients by both inputs are that of the output: they may be the same memory, dout */
  /* Multiply-adds of its products in the forward pass of a sequence with so many rows in each space. NULL: it has none to speak
   * of. */
  double (*products)(const fd_node *node, const double rows[FD_SPACES]);
  /* Computes the output once more, to the same bits, from what the backward pass has. NULL: that is not cheap. */
  void (*again)(const fd_node *node, const fd_pass *pass, const fd_mats *m);
} fd_node_kind;

struct fd_node {
  const fd_node_kind *kind;
  char name[FD_NAME_MAX];      /* the parameters' prefix, or what it is called in messages */
  fd_value in[FD_INPUTS], out; /* inputs that it does not have: FD_NO_VALUE */
  size_t first, params;        /* its parameters: their first float, and floats in all */
  int owner;                   /* the node before it whose first parameter is its weight, too (tied); -1: none */
  void *own;                   /* the node's settings */
};

typedef struct fd_graph {
  int nodes, values; /* value 0 is the input */
  fd_node *node;
  int *producer, *dense; /* [values] the node that computes a value, -1: the input; whether it is fp32 without padding */
  size_t node_room, producer_room, dense_room;
  int tied; /* nodes with an owner */
  fd_params *params;
  fd_status status; /* the first failure while it was built */
} fd_graph;

/* An empty graph over an input of these rows, which declares parameters in `params`, borrowed. Nodes are added by the functions
 * of nodes.h; a failure stays in `status`, and values are then without meaning. */
fd_value fd_graph_begin(fd_graph *graph, fd_params *params, fd_space space, int width);
void fd_graph_free(fd_graph *graph);

/* Says that the last node has the first parameter of the node that computes `value` as its weight: of a kind (lookup) that adds
 * to a gradient which is begun (fd_pass.begun). */
void fd_graph_tie(fd_graph *graph, fd_value value);

/* Adds a node of a kind with its settings (copied); in[] ends before the first FD_NO_VALUE. */
fd_value fd_graph_add(fd_graph *graph, const fd_node_kind *kind, const char *name, const void *own, const fd_value in[FD_INPUTS],
                      fd_room out);

/* Whether a value is fp32 without padding; 0 in a graph that has failed. */
int fd_graph_dense(const fd_graph *graph, fd_value value);

#endif
