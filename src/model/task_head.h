/* Heads over pooled latents: one or two linear layers. That of a downstream task (spec section 6) is also applied on the host;
 * its parameters are task.out.{weight,bias}, and task.hidden.{weight,bias} with a hidden layer. */
#ifndef FD_MODEL_TASK_HEAD_H
#define FD_MODEL_TASK_HEAD_H

#include "model/nodes.h"

typedef struct fd_head_shape {
  const char *name; /* the prefix of its parameters */
  fd_features features;
  fd_space space;           /* of its rows */
  int hidden, outputs;      /* hidden: units between two linear layers; 0: one layer */
  int tanh;                 /* their activation; else GELU */
  const fd_config *thinned; /* NULL, or whose dropout leaves out entries of what is pooled */
  int first;                /* the first token in the place of a mean over [CLS] rows */
} fd_head_shape;

/* Adds pooling and the layers over latents; the value of the outputs, fp32. */
fd_value fd_head(fd_graph *graph, fd_value latent, const fd_head_shape *shape);

typedef struct fd_task_head {
  int outputs; /* 0: there is no task */
  int kind, features, width, hidden, tanh;
  const fd_param *hidden_weight, *hidden_bias, *out_weight, *out_bias; /* NULL where there is no such layer */
} fd_task_head;

/* Adds the head of the config's task. */
fd_value fd_task_head_add(fd_task_head *head, fd_graph *graph, const fd_config *config, fd_value latent);

/* Finds its parameters, once all are declared; borrowed. */
void fd_task_head_find(fd_task_head *head, const fd_params *params);

/* What the last layer sees: the hidden units, or without these the features. */
int fd_task_head_inner_width(const fd_task_head *head);

/* The same on the host for a row of pooled features [width], params being host memory: what the last layer sees,
 * x [inner_width]; and what the head says, z [outputs]. */
void fd_task_head_inner(const fd_task_head *head, const float *params, const float *features, double *x);
void fd_task_head_apply(const fd_task_head *head, const float *params, const float *features, double *z);

/* What a user is told: the softmax of z for classes, z itself for values; in place. */
void fd_task_head_predict(const fd_task_head *head, double *z);

#endif
