/* The term of a downstream task: cross-entropy of classes or squared error of values, of the head over the student's latents. */
#include "objective/objective.h"

static double weight(const fd_config *config) { return config->task.outputs > 0; }

static double divisor(const fd_config *config, const fd_totals *totals, int width) {
  (void)config, (void)width;
  return totals->sequences;
}

static void run(const fd_config *config, fd_device *dev, const fd_outputs *outputs, float scale, const fd_output_grads *grads,
                double *sum) {
  const fd_task_head *head = &outputs->network->task;
  const fd_batch *batch = outputs->batch;
  fd_task_pass *pass = outputs->task;
  fd_task_head_forward(head, dev, &batch->seqs, outputs->params, outputs->student->latent, pass);
  if (config->task.kind == FD_TASK_CLASSES)
    dev->ops.class_loss(dev, batch->seqs.count, head->outputs, pass->z, batch->target, batch->weight, scale, pass->dz, sum);
  else dev->ops.value_loss(dev, batch->seqs.count, pass->z, batch->target, scale, pass->dz, sum);
  fd_task_head_backward(head, dev, &batch->seqs, outputs->params, pass, grads->dlatent, grads->params);
}

const fd_term fd_term_task = {"task", weight, divisor, run};
