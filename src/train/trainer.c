/* One training step, top to bottom: views, teacher, student, loss, backward pass, gradient sum, clipping, AdamW, moving average,
 * centre. */
#include "train/trainer.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/finite.h"
#include "base/memory.h"
#include "data/ahead.h"
#include "train/decay.h"
#include "train/gradients.h"
#include "train/memory.h"
#include "train/rank_device.h"
#include "train/schedule.h"

/* Statistics of a pass, summed along with its gradient: the sums of the loss terms, then the sum of the teacher's [CLS] rows. */
static size_t statistics_size(const fd_state *state) { return FD_TERMS + state->size[FD_CENTRE]; }

fd_status fd_trainer_check_ranks(const fd_config *config, int ranks) {
  int64_t v = config->train.virtual_ranks;
  if (v % ranks == 0) return FD_OK;
  return fd_fail(
      FD_CONFIG,
      "%d ranks do not divide train.virtual_ranks (%lld): use 1, 2, 4, ... up to %lld ranks, or another train.virtual_ranks",
      ranks, (long long)v, (long long)v);
}

fd_status fd_trainer_rows(const fd_config *config, int window, int *rows) {
  int64_t micro = config->train.batch / config->train.virtual_ranks, tokens = micro * (window + fd_config_cls(config));
  if (tokens > INT_MAX / 16)
    return fd_fail(FD_CONFIG,
                   "a micro-batch of %" PRId64 " windows has %" PRId64 " tokens, more than %d; use more train.virtual_ranks",
                   micro, tokens, INT_MAX / 16);
  *rows = (int)tokens;
  return FD_OK;
}

fd_demand fd_trainer_student(const fd_config *config, int passes) {
  int only = config->task.outputs || fd_config_hides(config); /* no outputs other than those that loss terms read */
  unsigned reads = fd_objective_reads(config), extra = only ? 0 : 1u << FD_OUT_LOGITS | 1u << FD_OUT_LATENT;
  if (fd_config_hides(config)) extra |= 1u << FD_OUT_HIDDEN; /* read by evaluations, trained or not */
  if (fd_config_aligns(config)) extra |= FD_LAYERS;          /* read by evaluations; kept for the backward pass in any case */
  return (fd_demand){reads | extra, reads, passes == 1};
}

fd_demand fd_trainer_teacher(const fd_config *config) {
  return (fd_demand){.wanted = 1u << FD_OUT_LOGITS | 1u << fd_objective_space(config)};
}

fd_status fd_trainer_create(fd_trainer **trainer, const fd_config *config, fd_comm *comm, fd_device *dev,
                            const fd_network *network, fd_source source, fd_state *state, int64_t steps, int rows) {
  fd_status status = FD_OK;
  *trainer = NULL;
  if (network->ids && !config->task.outputs && network->out[FD_OUT_HIDDEN].id == FD_NO_VALUE)
    return fd_fail(FD_CONFIG,
                   "model.lm_head: none: an encoder over ids is pretrained with a head of masked words; use own or tied");
  FD_TRY(fd_trainer_check_ranks(config, comm->size));
  FD_TRY(fd_alloc(trainer, 1, sizeof **trainer, "trainer"));
  fd_trainer *t = *trainer;
  *t = (fd_trainer){
      .config = config, .comm = comm, .dev = dev, .network = network, .state = state, .steps = steps, .source = source};
  t->micro_size = (int)(config->train.batch / config->train.virtual_ranks);
  t->micro_batches = fd_trainer_micro_batches(config, network, dev->form, dev->fill, (double)dev->free_memory, comm->size, rows);
  t->passes = (int)(config->train.virtual_ranks / comm->size) / t->micro_batches;
  int all = t->micro_batches * rows, cls = fd_config_cls(config);
  const fd_extent extent = {all, t->micro_batches * t->micro_size, cls};
  uint64_t batch = (uint64_t)config->train.batch;
  const fd_ahead_shape views = {t->passes, t->micro_batches,       t->micro_batches * t->micro_size, all, cls,
                                batch,     batch * (uint64_t)steps};
  FD_GO(fd_ahead_create(&t->ahead, source, dev, &views));
  FD_GO(fd_batch_create(&t->held_out, dev, t->micro_batches * t->micro_size, all, cls));
  if (fd_config_aligns(config)) FD_GO(dev->alloc(dev, &t->cosines, sizeof *t->cosines, "evaluation"));
  if (source.held_out) FD_GO(fd_batch_add(t->held_out, &source.beside, t->micro_batches * t->micro_size));
  if (state->size[FD_CENTRE]) FD_GO(fd_alloc(&t->centre, state->size[FD_CENTRE], sizeof *t->centre, "centre"));
  FD_GO(fd_running_create(&t->running, dev, &network->params));
  FD_GO(fd_network_pass(&t->student, network, dev, fd_trainer_student(config, t->passes), extent));
  if (config->teacher.kind == FD_TEACHER_EMA)
    FD_GO(fd_network_pass(&t->teacher, network, dev, fd_trainer_teacher(config), extent));
  unsigned used = fd_pass_spaces(t->student) | (t->teacher ? fd_pass_spaces(t->teacher) : 0);
  FD_GO(fd_spaces_create(&t->spaces, dev, used, extent));
  const fd_gradients_shape shape = {.leaves = t->passes,
                                    .size = network->params.size,
                                    .statistics = statistics_size(state),
                                    .bucket = (size_t)(config->comm.bucket * 1e6 / sizeof(float)),
                                    .fast = config->comm.reduction == FD_REDUCTION_FAST,
                                    .leaf = t->student->held};
  FD_GO(fd_rank_link_open(&t->link, config, comm, dev));
  FD_GO(fd_gradients_create(&t->gradients, dev, comm, t->link, &shape));
done:
  if (status != FD_OK) fd_trainer_destroy(trainer);
  return status;
}

void fd_trainer_destroy(fd_trainer **trainer) {
  fd_trainer *t = *trainer;
  if (!t) return;
  if (t->link) t->link->close(t->link); /* first: pending transfers must not outlive their buffers */
  fd_ahead_destroy(&t->ahead);
  fd_batch_destroy(&t->held_out);
  fd_running_free(&t->running);
  free(t->centre);
  t->dev->release(t->dev, t->cosines);
  fd_pass_destroy(&t->student);
  fd_pass_destroy(&t->teacher);
  fd_spaces_destroy(&t->spaces);
  fd_gradients_destroy(&t->gradients);
  free(t);
  *trainer = NULL;
}

/* Takes the views of all passes of this rank. */
static fd_status take_views(fd_trainer *t, fd_batch ***batches) {
  uint64_t mine = (uint64_t)t->passes * (uint64_t)t->micro_batches * (uint64_t)t->micro_size;
  return fd_ahead_take(t->ahead, t->state->draws + (uint64_t)t->comm->rank * mine, batches);
}

/* Sums over the ranks the counts of the whole batch by which the loss is divided. */
static fd_status count_batch(fd_trainer *t, fd_batch **batches, fd_totals *totals) {
  uint64_t count[4] = {0, 0, 0, 0};
  for (int i = 0; i < t->passes; i++) {
    count[0] += (uint64_t)batches[i]->seqs.count;
    count[1] += (uint64_t)batches[i]->masked;
    count[2] += (uint64_t)batches[i]->visible;
    count[3] += (uint64_t)batches[i]->aligned_rows;
  }
  FD_TRY(t->comm->ops->sum_u64(t->comm, count, 4));
  *totals = (fd_totals){(double)count[0], (double)count[1], (double)count[2], (double)count[3]};
  return FD_OK;
}

/* Captures the following operations as one graph to launch (a CUDA graph), if the device supports it, all kernels have run once
 * and their memory is allocated, and intermediate values are not checked. */
static void begin_recording(fd_trainer *t, int possible) {
  if (possible && t->dev->begin && t->stepped && !t->dev->check) t->dev->begin(t->dev);
}

static void end_recording(fd_trainer *t) {
  if (t->dev->end) t->dev->end(t->dev);
}

static void gradient_ready(void *context, size_t from) { fd_gradients_ready(context, from); }

/* Computes gradient and statistics of one pass, and adds them to the tree. */
static fd_status run_pass(fd_trainer *t, const fd_batch *batch, const fd_totals *totals) {
  const fd_config *config = t->config;
  const fd_state *s = t->state;
  fd_device *dev = t->dev;
  double *statistics;
  float *gradient = fd_gradients_leaf(t->gradients, &statistics);
  FD_TRY(fd_spaces_set(&t->spaces, &batch->seqs));
  if (t->frozen) FD_TRY(fd_frozen_take(t->frozen, batch->taught));
  begin_recording(t, 1);
  if (t->frozen) fd_frozen_forward(t->frozen);
  if (t->teacher) fd_pass_forward(t->teacher, &t->spaces, s->array[FD_TEACHER], batch->teacher);
  t->student->training = 1;
  fd_pass_forward(t->student, &t->spaces, s->array[FD_STUDENT], batch->student);
  fd_pass_clear(t->student);
  const fd_outputs outputs = {.batch = batch,
                              .spaces = &t->spaces,
                              .network = t->network,
                              .student = t->student,
                              .teacher = t->teacher,
                              .frozen = t->frozen,
                              .centre = s->array[FD_CENTRE],
                              .width = s->width,
                              .logp = t->logp,
                              .prob = t->prob};
  fd_objective_run(config, dev, &outputs, totals, statistics);
  fd_compared compared = fd_objective_compare(config, &outputs);
  if (t->teacher) dev->ops.cls_sum(dev, compared.seqs, s->width, compared.teacher, statistics + FD_TERMS);
  end_recording(t);
  if (t->points) t->points->outputs(t->points->context, &outputs);
  begin_recording(t, !fd_gradients_sends(t->gradients));
  const fd_backward_watch watch = {t->gradients, gradient_ready};
  fd_pass_backward(t->student, gradient, &watch);
  end_recording(t);
  fd_gradients_add(t->gradients);
  return FD_OK;
}

/* Several passes share the packed or converted weights made for the first. */
static fd_status run_passes(fd_trainer *t, fd_batch **batches, const fd_totals *totals) {
  fd_status status = FD_OK;
  if (t->passes > 1) fd_device_hold_weights(t->dev);
  for (int i = 0; i < t->passes && status == FD_OK; i++) status = run_pass(t, batches[i], totals);
  fd_device_release_weights(t->dev);
  return status;
}

/* Whether the step can be taken: with finite moments, centre and gradients, the update must yield finite values. Both moments and
 * the centre are averages over the steps, so bounds on the averaged values hold for them too. */
static int can_update(const fd_trainer *t, const fd_step *r, const fd_totals *totals, const double *cls_sum) {
  static const double largest_square = 1e38; /* of a clipped gradient, in AdamW's second moment */
  double clipped = r->grad_norm * r->clip;
  int good = isfinite(r->loss) && clipped * clipped < largest_square;
  for (int i = 0; i < FD_TERMS; i++) good = good && isfinite(r->term[i]);
  for (size_t i = 0; i < t->state->size[FD_CENTRE]; i++) good = good && isfinite((float)(cls_sum[i] / totals->sequences));
  return good;
}

/* Reports the parameter that is not finite after an update. */
static fd_status refuse_update(fd_trainer *t, const fd_step *r) {
  size_t n = t->state->size[FD_STUDENT], place;
  float *copy;
  FD_TRY(fd_alloc(&copy, n, sizeof *copy, "a look at the parameters"));
  fd_status status = t->dev->copy(t->dev, copy, t->state->array[FD_STUDENT], n * sizeof *copy);
  if (status == FD_OK && (place = fd_first_bad(copy, n)) < n) {
    const fd_param *p = fd_params_at(&t->network->params, place);
    status = fd_fail(FD_NUMERIC,
                     "step %" PRId64
                     ": after the update the student's '%s', element %zu, is not finite: the training has diverged "
                     "(learning rate %.3g, norm of the gradient %.3g); this step is not saved. Try a smaller optim.lr, or resume "
                     "from an older checkpoint",
                     r->step, p->name, place - p->offset, r->lr, r->grad_norm);
  }
  free(copy);
  return status;
}

/* AdamW with clipped gradients on the student, and the teacher's moving average before or after it (Eq. 9). */
static fd_status update_networks(fd_trainer *t, const fd_step *r, const float *gradient) {
  const fd_config *c = t->config;
  fd_state *s = t->state;
  float lambda = (float)r->momentum, *teacher = t->teacher ? s->array[FD_TEACHER] : NULL;
  double updates = (double)++s->updates, squares;
  double b1 = fd_schedule_beta1(c, r->step, t->steps), b2 = c->optim.beta2;
  fd_adamw h = {(float)r->lr,
                (float)(r->lr * c->optim.weight_decay),
                (float)c->optim.epsilon,
                (float)b1,
                (float)(1 - b1),
                (float)b2,
                (float)(1 - b2),
                (float)(1 - pow(b1, updates)),
                (float)(1 - pow(b2, updates)),
                (float)r->clip};
  int before = teacher && c->teacher.order == FD_EMA_BEFORE;
  if (before) t->dev->ops.ema(t->dev, s->size[FD_STUDENT], lambda, s->array[FD_STUDENT], teacher);
  const fd_decayed arrays = {gradient, s->array[FD_STUDENT], s->array[FD_ADAM_M], s->array[FD_ADAM_V], before ? NULL : teacher,
                             lambda};
  fd_decay_update(c, t->dev, &t->network->params, &h, &arrays);
  t->dev->ops.sum_squares(t->dev, s->size[FD_STUDENT], s->array[FD_STUDENT], &squares);
  return isfinite(squares) ? FD_OK : refuse_update(t, r);
}

/* xi = beta xi + (1 - beta) mean of the teacher's [CLS] rows (Eq. 6). */
static fd_status update_centre(fd_trainer *t, const fd_totals *totals, const double *cls_sum) {
  fd_state *s = t->state;
  size_t n = s->size[FD_CENTRE];
  double beta = t->config->teacher.centre_momentum;
  FD_TRY(t->dev->copy(t->dev, t->centre, s->array[FD_CENTRE], n * sizeof *t->centre));
  for (size_t i = 0; i < n; i++)
    t->centre[i] = (float)(beta * (double)t->centre[i] + (1 - beta) * cls_sum[i] / totals->sequences);
  if (fd_first_bad(t->centre, n) < n)
    return fd_fail(FD_NUMERIC, "step %" PRId64 ": the centre is not finite; resume from an older checkpoint", s->step);
  return t->dev->copy(t->dev, s->array[FD_CENTRE], t->centre, n * sizeof *t->centre);
}

/* An incomplete log would prove nothing, so a failure ends the run. */
static fd_status log_windows(fd_trainer *t, fd_batch **batches) {
  fprintf(t->window_log, "%lld", (long long)t->state->step);
  for (int i = 0; i < t->passes; i++)
    for (int k = 0; k < batches[i]->seqs.count; k++) fprintf(t->window_log, " %llu", (unsigned long long)batches[i]->windows[k]);
  fprintf(t->window_log, "\n");
  return fflush(t->window_log) || ferror(t->window_log)
             ? fd_fail_errno("cannot write", "this rank's log of windows (log.windows)")
             : FD_OK;
}

static void count_step(fd_trainer *t, const fd_step *r) {
  fd_state *s = t->state;
  s->skipped += r->skipped;
  s->bad_in_row = r->skipped ? s->bad_in_row + 1 : 0;
  s->step++;
  s->draws += (uint64_t)t->config->train.batch;
  t->stepped = 1;
}

fd_status fd_trainer_step(fd_trainer *t, fd_step *r) {
  fd_state *s = t->state;
  fd_totals totals;
  fd_batch **batches;
  float *gradient;
  double *statistics, squares, max_norm = t->config->optim.clip;

  double start = fd_seconds();
  fd_comm_phase(t->comm, s->step, "the views");
  FD_TRY(take_views(t, &batches));
  double data_seconds = fd_seconds() - start;
  fd_comm_phase(t->comm, s->step, "forward and backward");
  FD_TRY(count_batch(t, batches, &totals));
  FD_TRY(run_passes(t, batches, &totals));
  FD_TRY(t->dev->found);
  fd_comm_phase(t->comm, s->step, "the sum of gradients");
  FD_TRY(fd_gradients_finish(t->gradients, &gradient, &statistics));
  if (t->points) t->points->gradient(t->points->context, gradient);

  fd_comm_phase(t->comm, s->step, "the update");
  *r = (fd_step){.step = s->step, .masked = totals.masked, .data_seconds = data_seconds};
  r->loss = fd_objective_loss(t->config, &totals, statistics, r->term);
  r->lr = fd_schedule_lr(t->config, s->step, t->steps);
  r->momentum = fd_schedule_momentum(t->config, s->step, t->steps);
  if (t->running.size) FD_TRY(fd_running_take(&t->running, gradient, s->array[FD_STUDENT]));
  t->dev->ops.sum_squares(t->dev, s->size[FD_STUDENT], gradient, &squares);
  r->grad_norm = sqrt(squares);
  r->clip = max_norm > 0 ? fmin(1, max_norm / (r->grad_norm + 1e-6)) : 1;
  r->skipped = !can_update(t, r, &totals, statistics + FD_TERMS);

  if (!r->skipped) {
    FD_TRY(update_networks(t, r, gradient));
    if (t->running.size) FD_TRY(fd_running_put(&t->running, t->config->train.virtual_ranks, s->array[FD_STUDENT]));
    if (t->teacher) FD_TRY(update_centre(t, &totals, statistics + FD_TERMS));
  }
  if (t->window_log) FD_TRY(log_windows(t, batches));
  count_step(t, r);
  return t->dev->sync(t->dev);
}
