/* Allocates the training state and sets its initial values. */
#include "train/state.h"

#include <stdlib.h>

#include "base/memory.h"
#include "objective/objective.h"

const char *const fd_array_names[FD_ARRAYS] = {"student", "teacher", "best", "adam_m", "adam_v", "centre"};

void fd_state_sizes(size_t size[FD_ARRAYS], const fd_config *config, const fd_network *network) {
  size_t n = network->params.size, centre = (size_t)fd_objective_rows(config) * (size_t)fd_objective_width(config);
  size[FD_STUDENT] = size[FD_ADAM_M] = size[FD_ADAM_V] = n;
  size[FD_TEACHER] = config->teacher.kind == FD_TEACHER_EMA ? n : 0;
  size[FD_BEST] = config->task.outputs ? n : 0;
  size[FD_CENTRE] = config->teacher.kind == FD_TEACHER_EMA ? centre : 0;
}

fd_status fd_state_create(fd_state **state, const fd_config *config, const fd_network *network, fd_device *dev) {
  fd_status status = FD_OK;
  float *start = NULL;
  FD_TRY(fd_alloc(state, 1, sizeof **state, "training state"));
  fd_state *s = *state;
  size_t n = network->params.size;
  s->dev = dev;
  s->best_step = -1;
  s->cls = fd_objective_rows(config);
  s->width = fd_objective_width(config);
  fd_state_sizes(s->size, config, network);
  FD_GO(fd_alloc(&start, n, sizeof *start, "initial values"));
  fd_params_init(&network->params, (uint64_t)config->run.seed, start);
  for (int i = 0; i < FD_ARRAYS; i++) {
    if (!s->size[i]) continue;
    FD_GO(dev->alloc(dev, &s->array[i], s->size[i] * sizeof(float), fd_array_names[i]));
    dev->ops.zero(dev, s->size[i] * sizeof(float), s->array[i]);
  }
  FD_GO(dev->copy(dev, s->array[FD_STUDENT], start, n * sizeof *start));
  for (int i = FD_TEACHER; i <= FD_BEST; i++)
    if (s->size[i]) FD_GO(dev->copy(dev, s->array[i], start, n * sizeof *start));
done:
  free(start);
  if (status != FD_OK) fd_state_destroy(state);
  return status;
}

void fd_state_destroy(fd_state **state) {
  fd_state *s = *state;
  if (!s) return;
  for (int i = 0; i < FD_ARRAYS; i++) s->dev->release(s->dev, s->array[i]);
  free(s);
  *state = NULL;
}
