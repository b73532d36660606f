/* From latents to prototypes, and back. */
#include "model/projection.h"

#include <stdlib.h>

#include "base/memory.h"

static int of_cls(const fd_task_head *head) { return head->features == FD_FEATURES_CLS; }

fd_status fd_projected_create(fd_projected **projected, const fd_network *network, fd_device *dev, int count, int cls) {
  fd_status status = FD_OK;
  FD_TRY(fd_alloc(projected, 1, sizeof **projected, "the projection's passes"));
  fd_projected *p = *projected;
  int each = of_cls(&network->projection) ? cls : 1;
  p->dev = dev;
  p->head = &network->projection;
  FD_GO(fd_seqs_create(&p->each, dev, count * each, 1));
  FD_GO(fd_seqs_create(&p->rows, dev, count, each));
  FD_GO(fd_task_pass_create(&p->student, p->head, dev, count * each));
  FD_GO(fd_task_pass_create(&p->teacher, p->head, dev, count * each));
done:
  if (status != FD_OK) fd_projected_destroy(projected);
  return status;
}

void fd_projected_destroy(fd_projected **projected) {
  fd_projected *p = *projected;
  if (!p) return;
  fd_task_pass_destroy(&p->student);
  fd_task_pass_destroy(&p->teacher);
  fd_seqs_destroy(&p->each, p->dev);
  fd_seqs_destroy(&p->rows, p->dev);
  free(p);
  *projected = NULL;
}

fd_status fd_projected_begin(fd_projected *p, const fd_seqs *seqs) {
  int n = p->rows.cls;
  p->rows.count = seqs->count, p->rows.parts = seqs->parts;
  for (int s = 0; s < seqs->count; s++) p->rows.start[s + 1] = (s + 1) * n;
  FD_TRY(fd_seqs_send(&p->rows, p->dev));
  p->pooled = of_cls(p->head) ? &p->each : seqs;
  if (!of_cls(p->head)) return FD_OK;
  p->each.count = seqs->count * n, p->each.parts = seqs->parts;
  for (int s = 0; s < seqs->count; s++)
    for (int k = 0; k < n; k++) p->each.start[s * n + k + 1] = seqs->start[s + 1] - n + k + 1;
  return fd_seqs_send(&p->each, p->dev);
}

void fd_projected_forward(const fd_projected *p, const float *params, fd_mat latent, fd_task_pass *pass) {
  fd_task_head_forward(p->head, p->dev, p->pooled, params, latent, pass);
}

void fd_projected_backward(const fd_projected *p, const float *params, fd_mat dlatent, float *grads) {
  fd_task_head_backward(p->head, p->dev, p->pooled, params, p->student, dlatent, grads);
}
