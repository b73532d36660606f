/* A graph: nodes that compute values from values, in the order in which they run. An architecture is a function that adds nodes
 * (archs.def), a node kind is one file (nodes.def); buffers and the memory plan are derived from what the nodes declare (plan.h),
 * and a pass runs the nodes forward and backward (pass.h). */
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
  int id; /* FD_NO_VALUE: no value */
  fd_space space;
  int width;
} fd_value;

/* Memory of a node in addition to its values: rows of a space. `dense`: fp32 without padding; else as the device stores
 * activations. */
typedef struct fd_room {
  fd_space space;
  int width, dense; /* width 0: none */
} fd_room;

/* What a node needs in addition to its inputs and output: for its backward pass, and `work` for its forward pass. */
typedef struct fd_keep {
  unsigned inputs;            /* bit i: input i */
  int output;                 /* the output */
  unsigned again;             /* bit i: recomputing the output reads input i */
  fd_room saved[FD_EXTRAS];   /* saved by the forward pass for the backward pass; no memory without a backward pass */
  fd_room scratch[FD_EXTRAS]; /* memory while the backward pass of the node runs */
  fd_room work;               /* memory while the forward pass of the node runs */
  int spared;                 /* lean devices, and passes that have saved[0], do without `work` */
} fd_keep;

/* The matrices of a node in a pass. `at` is NULL if a gradient is not needed, or nothing is saved. The gradient of the graph's
 * input is never needed, so no node kind that always writes its input gradients may read that input. */
typedef struct fd_mats {
  fd_mat in[FD_INPUTS], out, saved[FD_EXTRAS], work;
  fd_mat dout, din[FD_INPUTS], scratch[FD_EXTRAS]; /* gradients; backward only */
  /* Backward, unless NULL: the node that computes input 0, of a kind that `defers`. din[0] are then its pre-activations, which
   * receive their gradient; the activations, in[0], and their gradient have no memory. */
  const fd_node *through;
} fd_mats;

typedef struct fd_node_kind {
  const char *name;
  size_t own;      /* bytes of the node's settings, private to its file */
  unsigned spaces; /* needed in addition to those of its values: bits 1 << FD_... */
  unsigned adds;   /* bit i: the backward pass adds to the gradient of input i; it overwrites the others */
  /* Declares the parameters under `prefix` and stores their offsets in the settings. NULL: no parameters. */
  fd_status (*declare)(fd_node *node, const char *prefix, fd_params *params);
  void (*keeps)(const fd_node *node, fd_keep *keep);
  void (*forward)(const fd_node *node, const fd_pass *pass, const fd_mats *m);
  /* Gradients of the inputs, and of its parameters, overwritten. NULL: no gradient passes through it. */
  void (*backward)(const fd_node *node, const fd_pass *pass, const fd_mats *m);
  int passes;  /* the gradient of both inputs is that of the output: all may share the memory of dout */
  int defers;  /* saved[0] are pre-activations, whose gradient another node may leave there; dout is then NULL */
  int through; /* its backward pass can do so for the node that computes input 0 (fd_mats.through) */
  /* Multiply-adds of its products in the forward pass of a sequence with rows[space] rows in each space. NULL: negligible. */
  double (*products)(const fd_node *node, const double rows[FD_SPACES]);
  /* Recomputes the output, with the same bits, from what the backward pass has. NULL: too expensive. */
  void (*again)(const fd_node *node, const fd_pass *pass, const fd_mats *m);
} fd_node_kind;

struct fd_node {
  const fd_node_kind *kind;
  char name[FD_NAME_MAX];      /* prefix of the parameters; name in messages */
  fd_value in[FD_INPUTS], out; /* unused inputs: FD_NO_VALUE */
  size_t first, params;        /* its parameters: offset of the first, and number of floats */
  int owner;                   /* the earlier node whose first parameter is also its weight (tied); -1: none */
  void *own;                   /* the node's settings */
};

typedef struct fd_graph {
  int nodes, values; /* value 0 is the input */
  fd_node *node;
  int *producer, *dense; /* [values] the node that computes a value (-1: the input); whether the value is fp32 without padding */
  size_t node_room, producer_room, dense_room;
  int tied; /* nodes with an owner */
  fd_params *params;
  fd_status status; /* the first failure while the graph was built */
} fd_graph;

/* Begins a graph whose input has rows of `space` and `width` columns; parameters are declared in `params`, which is borrowed.
 * Nodes are added by the functions of nodes.h; a failure is kept in `status`, and values are meaningless from then on. */
fd_value fd_graph_begin(fd_graph *graph, fd_params *params, fd_space space, int width);
void fd_graph_free(fd_graph *graph);

/* Ties the weight of the last node to the first parameter of the node that computes `value`; that node must be of a kind (lookup)
 * that adds to a gradient already written (fd_pass.begun). */
void fd_graph_tie(fd_graph *graph, fd_value value);

/* Adds a node of a kind with its settings (copied); in[] ends before the first FD_NO_VALUE. */
fd_value fd_graph_add(fd_graph *graph, const fd_node_kind *kind, const char *name, const void *own, const fd_value in[FD_INPUTS],
                      fd_room out);

/* Whether a value is fp32 without padding; 0 in a graph that has failed. */
int fd_graph_dense(const fd_graph *graph, fd_value value);

#endif
