/* The projection of the self-distillation term (objective.cl_space: projection): two linear layers with GELU between them, to
 * objective.prototypes values, from the latent of each [CLS] token or from the mean latent of the nucleotides. It is a head over
 * pooled latents, as a task's (task_head.h). Its parameters stand behind the network's own:
 * projection.{hidden,out}.{weight,bias}. Only pretraining has them. */
#ifndef FD_MODEL_PROJECTION_H
#define FD_MODEL_PROJECTION_H

#include "model/network.h"

/* What a pass of both networks over a micro-batch leaves. */
typedef struct fd_projected {
  fd_device *dev;
  const fd_task_head *head;
  fd_seqs each;          /* every [CLS] token is the last row of a sequence of its own, so that its mean is the token */
  fd_seqs rows;          /* of z: each sequence has as many as it has [CLS] tokens, or one */
  const fd_seqs *pooled; /* what the means are over: `each`, or the sequences themselves */
  fd_task_pass *student, *teacher;
} fd_projected;

/* For micro-batches of up to `count` sequences with `cls` [CLS] tokens each. */
fd_status fd_projected_create(fd_projected **projected, const fd_network *network, fd_device *dev, int count,
                              int cls) FD_MUST_CHECK;
void fd_projected_destroy(fd_projected **projected);

/* Sets the sequences of the passes that follow; borrowed. */
fd_status fd_projected_begin(fd_projected *projected, const fd_seqs *seqs) FD_MUST_CHECK;

/* latent [tokens, channels] -> pass->z [rows, prototypes]; pass is the student's or the teacher's. */
void fd_projected_forward(const fd_projected *projected, const float *params, fd_mat latent, fd_task_pass *pass);

/* From the student's dz: adds to dlatent, and writes the projection's part of `grads`. */
void fd_projected_backward(const fd_projected *projected, const float *params, fd_mat dlatent, float *grads);

#endif
