/* Heads over pooled latents: one or two linear layers. That of a downstream task (arXiv 2405.08538, section 3.4) is also applied
 * on the host; its parameters are task.out.{weight,bias}, and task.hidden.{weight,bias} with a hidden layer. */
#ifndef FD_MODEL_TASK_HEAD_H
#define FD_MODEL_TASK_HEAD_H

#include "model/nodes.h"

typedef struct fd_head_shape {
  const char *name; /* prefix of the parameters */
  fd_features features;
  fd_space space;      /* of the output rows */
  int hidden, outputs; /* hidden: units between two linear layers; 0: one layer */
  int tanh;            /* activation of the hidden units; 0: GELU */
  float dropout;       /* rate, in training, of the last layer's input */
  fd_rng_key key;      /* of dropout */
  int first;           /* use the first token instead of a mean over [CLS] rows */
} fd_head_shape;

/* Adds pooling and the layers over latents; returns the outputs, fp32. */
fd_value fd_head(fd_graph *graph, fd_value latent, const fd_head_shape *shape);

typedef struct fd_task_head {
  int outputs; /* 0: no task */
  int kind, features, width, hidden, tanh;
  const fd_param *hidden_weight, *hidden_bias, *out_weight, *out_bias; /* NULL for a missing layer */
} fd_task_head;

/* Adds the head of the config's task. */
fd_value fd_task_head_add(fd_task_head *head, fd_graph *graph, const fd_config *config, fd_value latent);

/* Finds the parameters of the head, once all are declared; `params` is borrowed. */
void fd_task_head_find(fd_task_head *head, const fd_params *params);

/* Width of the input of the last layer: the hidden units, or without these the features. */
int fd_task_head_inner_width(const fd_task_head *head);

/* Compute on the host, with params in host memory, for one row of pooled features [width]: the input of the last layer, x
 * [inner_width]; and the output of the head, z [outputs]. */
void fd_task_head_inner(const fd_task_head *head, const float *params, const float *features, double *x);
void fd_task_head_apply(const fd_task_head *head, const float *params, const float *features, double *z);

/* Turns z into predictions, in place: the softmax of z for classes, z itself for values. */
void fd_task_head_predict(const fd_task_head *head, double *z);

#endif
