/* The head of a downstream task: one or two linear layers over the pooled latents of a sequence (spec section 6). Its parameters
 * stand behind the network's own: task.out.{weight,bias}, and task.hidden.{weight,bias} with a hidden layer. */
#ifndef FD_MODEL_TASK_HEAD_H
#define FD_MODEL_TASK_HEAD_H

#include "config/config.h"
#include "model/layer.h"

typedef struct fd_task_head {
  int outputs; /* 0: there is no task */
  int kind, features, channels, width, hidden;
  fd_layer layer[2]; /* hidden (if any), out */
} fd_task_head;

/* The head of the config's task, if there is one: its sizes, and its parameters. */
fd_status fd_task_head_create(fd_task_head *head, const fd_config *config, fd_params *params) FD_MUST_CHECK;

/* Declares the parameters of a head of given sizes under `prefix`. */
fd_status fd_task_head_declare(fd_task_head *head, const char *prefix, fd_params *params) FD_MUST_CHECK;

/* Device memory of a pass over up to `count` sequences. */
typedef struct fd_task_pass {
  fd_device *dev;
  float *pool;                           /* behind all that follows */
  float *features, *hidden, *active, *z; /* [count, width], [count, hidden] before and after GELU, [count, outputs] */
  float *dfeatures, *dhidden, *dactive, *dz;
} fd_task_pass;
fd_status fd_task_pass_create(fd_task_pass **pass, const fd_task_head *head, fd_device *dev, int count) FD_MUST_CHECK;
void fd_task_pass_destroy(fd_task_pass **pass);

/* Bytes of it. */
size_t fd_task_pass_size(const fd_task_head *head, int count);

/* latent [rows, channels] -> pass->z. */
void fd_task_head_forward(const fd_task_head *head, fd_device *dev, const fd_seqs *seqs, const float *params, fd_mat latent,
                          fd_task_pass *pass);

/* From pass->dz: adds to dlatent, and writes the head's part of `grads`. */
void fd_task_head_backward(const fd_task_head *head, fd_device *dev, const fd_seqs *seqs, const float *params, fd_task_pass *pass,
                           fd_mat dlatent, float *grads);

/* The same on the host for rows of pooled features: z [outputs] from features [width]; params is host memory. */
void fd_task_head_apply(const fd_task_head *head, const float *params, const float *features, double *z);

/* What a user is told: the softmax of z for classes, z itself for values; in place. */
void fd_task_head_predict(const fd_task_head *head, double *z);

#endif
