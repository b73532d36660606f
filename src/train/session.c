/* The training loop around the step. */
#include "train/session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/signals.h"
#include "train/straggler.h"
#include "train/synchrony.h"

/* Requests that are summed over the ranks after each step, so that all ranks act alike. */
enum { WANT_RETRY, WANT_STOP, WANT_CHECKPOINT, WRITER_READY, REQUESTS };

enum { FAILED_CHECKPOINTS_MAX = 3 };

/* Times of the session; the root rank's clock decides. */
typedef struct clocks {
  double start, checkpoint, step_start;
  int64_t first_step;
  uint64_t step_bytes; /* bytes sent before this step */
  double step_waited;  /* seconds waited in collectives before this step */
  fd_times times;
} clocks;

static fd_status agree(const fd_session *s, const clocks *clock, uint64_t request[REQUESTS]) {
  const fd_config *c = s->run->config;
  char stop[FD_PATH_MAX];
  request[WANT_RETRY] = fd_signals_stop() != 0;
  request[WANT_STOP] = request[WANT_CHECKPOINT] = 0;
  if (s->run->comm->rank == 0) {
    FD_TRY(fd_path(stop, s->run->folder, "stop", NULL));
    request[WANT_STOP] = (uint64_t)fd_exists(stop);
    request[WANT_RETRY] += c->run.minutes > 0 && fd_seconds() - s->run->started > 60 * c->run.minutes;
    request[WANT_CHECKPOINT] = c->checkpoint.minutes > 0 && fd_seconds() - clock->checkpoint > 60 * c->checkpoint.minutes;
  }
  request[WRITER_READY] = (uint64_t)fd_checkpointer_ready(s->checkpointer);
  return s->run->comm->ops->sum_u64(s->run->comm, request, REQUESTS);
}

/* What to do before a run is resumed whose checkpoints could not be written. */
static const char *remedy(fd_status failure) {
  switch (failure) {
    case FD_PERMISSION: return "allow this user to write there";
    case FD_MISSING: return "see to it that the folder is there";
    case FD_MEMORY: return "make memory free";
    case FD_IO: return "make room, or have the disk repaired, according to the errors above,";
    default: return "do what the errors above say";
  }
}

/* Commits the checkpoint that is being written, if any. */
static fd_status finish_checkpoint(fd_session *s) {
  int durable, in_a_row;
  if (!fd_checkpointer_busy(s->checkpointer)) return FD_OK;
  FD_TRY(fd_checkpointer_finish(s->checkpointer, &durable, NULL));
  fd_status failure = fd_checkpointer_failure(s->checkpointer, &in_a_row);
  if (in_a_row >= FAILED_CHECKPOINTS_MAX)
    return fd_fail(failure, "%d checkpoints in a row could not be written to %s; %s and resume", in_a_row, s->run->folder,
                   remedy(failure));
  return FD_OK;
}

/* Finishes an earlier checkpoint before a new one; *room is 0 if it is still being written after `seconds`. */
static fd_status make_room(fd_session *s, double seconds, int *room) {
  *room = 1;
  if (!fd_checkpointer_busy(s->checkpointer)) return FD_OK;
  FD_TRY(fd_checkpointer_wait(s->checkpointer, seconds, room));
  return *room ? finish_checkpoint(s) : FD_OK;
}

/* Compares the states of the ranks before saving: a state that differs between ranks is never saved. */
static fd_status compare_states(fd_session *s) {
  int *differs;
  if (s->run->comm->size == 1) return FD_OK;
  FD_TRY(fd_alloc(&differs, (size_t)s->run->comm->size, sizeof *differs, "comparison of the ranks"));
  fd_status status = fd_synchrony_check(s->run->comm, s->trainer->state, differs);
  free(differs);
  return status;
}

static fd_status begin_checkpoint(fd_session *s, clocks *clock) {
  FD_TRY(compare_states(s));
  clock->checkpoint = fd_seconds();
  return fd_checkpointer_begin(s->checkpointer, s->trainer->state);
}

/* Starts a checkpoint in the background, unless a slow disk is still busy with the previous one. It is waited for only once. */
static fd_status checkpoint(fd_session *s, clocks *clock) {
  const fd_config *c = s->run->config;
  int room;
  fd_comm_phase(s->run->comm, s->trainer->state->step, "a checkpoint");
  FD_TRY(make_room(s, fd_checkpointer_late(s->checkpointer) ? 0 : fd_checkpoint_patience(c), &room));
  if (room) return begin_checkpoint(s, clock);
  clock->checkpoint = fd_seconds();
  if (s->run->comm->rank == 0)
    fd_warn("checkpoint of step %" PRId64 " dropped: the one before it is still being written after %g s (a slow disk?)",
            s->trainer->state->step, c->checkpoint.limit);
  return FD_OK;
}

/* Writes and commits the checkpoint of a stop or of the end: its failure is a failure of the run, except that a slow disk does
 * not make a stop fail. */
static fd_status last_checkpoint(fd_session *s, clocks *clock, int stopping) {
  char state_id[FD_SHA256_HEX];
  double limit = fd_checkpoint_patience(s->run->config), start = fd_seconds();
  int64_t step = s->trainer->state->step;
  int durable = 0, in_a_row, ready;
  fd_comm_phase(s->run->comm, step, "the last checkpoint");
  FD_TRY(make_room(s, limit, &ready));
  if (ready) {
    FD_TRY(begin_checkpoint(s, clock));
    FD_TRY(fd_checkpointer_wait(s->checkpointer, limit - (fd_seconds() - start), &ready));
  }
  if (!ready) {
    if (s->run->comm->rank == 0)
      fd_warn("the checkpoint of step %" PRId64 " could not be written to %s within %g s (checkpoint.limit); older ones stay",
              step, s->run->folder, limit);
    FD_TRY(s->run->comm->ops->barrier(s->run->comm));
    return stopping ? FD_OK : FD_IO;
  }
  FD_TRY(fd_checkpointer_finish(s->checkpointer, &durable, state_id));
  if (!durable) {
    fd_status failure = fd_checkpointer_failure(s->checkpointer, &in_a_row);
    return fd_fail(failure, "the last checkpoint could not be written to %s; %s and resume", s->run->folder, remedy(failure));
  }
  fd_info("checkpoint of step %" PRId64 " is durable; state_id %s", step, state_id);
  return FD_OK;
}

/* Saves the best weights of a fine-tuning that diverges, which are in the state and finite. A resume must not take that
 * checkpoint for the end of a run, so the failure counts as a step without an update. */
static fd_status keep_best(fd_session *s, clocks *clock, fd_status failure) {
  fd_state *state = s->trainer->state;
  if (failure != FD_NUMERIC || state->best_step < 0) return failure;
  if (!state->bad_in_row) state->bad_in_row = 1;
  fd_info("saving the best weights, those of step %" PRId64, state->best_step);
  FD_TRY(last_checkpoint(s, clock, 1));
  return failure;
}

/* Writes a line of metrics: the loss and its terms, counters and times of the step. */
static void report_metrics(const fd_session *s, const fd_step *r, double seconds, uint64_t bytes_sent) {
  const fd_config *c = s->run->config;
  const char *name[FD_TERMS + 16] = {"loss"};
  double value[FD_TERMS + 16] = {r->loss}, batch = (double)c->train.batch;
  int n = 1;
  for (int i = 0; i < FD_TERMS; i++)
    if (fd_terms[i]->weight(c) > 0) name[n] = fd_terms[i]->name, value[n++] = r->term[i];
  const struct {
    const char *name;
    double value;
  } rest[] = {{"lr", r->lr},
              {"lambda", r->momentum},
              {"grad_norm", r->grad_norm},
              {"clip", r->clip},
              {"masked", r->masked},
              {"skipped", r->skipped},
              {"draws", (double)s->trainer->state->draws},
              {"seconds", seconds},
              {"sequences_per_second", batch / seconds},
              {"bytes_sent", (double)bytes_sent}};
  for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) name[n] = rest[i].name, value[n++] = rest[i].value;
  fd_metrics_step(s->metrics, "step", r->step, n, name, value);
}

/* Lists the terms of a loss with several terms. */
static void list_terms(const fd_config *c, const fd_step *r, char *text, size_t size) {
  size_t at = 0;
  int terms = 0;
  *text = '\0';
  for (int i = 0; i < FD_TERMS; i++) terms += fd_terms[i]->weight(c) > 0;
  for (int i = 0; i < FD_TERMS && terms > 1 && at < size; i++)
    if (fd_terms[i]->weight(c) > 0) at += (size_t)snprintf(text + at, size - at, "  %s %.4f", fd_terms[i]->name, r->term[i]);
}

static void report(const fd_session *s, const fd_step *r, const clocks *clock) {
  const fd_trainer *t = s->trainer;
  double now = fd_seconds(), seconds = now - clock->step_start, elapsed = now - clock->start,
         batch = (double)t->config->train.batch;
  int64_t done = t->state->step - clock->first_step, left = t->steps - t->state->step;
  double rate = (double)done * batch / elapsed, remaining = (double)left * elapsed / (double)done;
  char terms[32 * FD_TERMS], duration[FD_DURATION_TEXT];
  if (r->step % t->config->log.every == 0 || t->state->step == t->steps)
    report_metrics(s, r, seconds, s->run->comm->bytes_sent - clock->step_bytes);
  if (r->skipped)
    fd_warn("step %" PRId64 ": the gradients are not finite, or too large; nothing was updated (%" PRId64 " in a row)", r->step,
            t->state->bad_in_row);
  list_terms(t->config, r, terms, sizeof terms);
  fd_progress(left == 0, "step %" PRId64 "/%" PRId64 "  loss %.4f%s  lr %.2e  %.1f seq/s  %s left", t->state->step, t->steps,
              r->loss, terms, r->lr, rate, fd_duration_text(duration, remaining));
}

int fd_session_evaluates(const fd_config *c, int64_t step, int64_t steps) {
  return step == steps || (step < steps && c->eval.every && step % c->eval.every == 0);
}

/* Evaluates, unless a stop was requested before or is requested meanwhile; then the evaluation is left to the resumed run: a
 * cluster that ends a job leaves it only seconds, which the checkpoint needs. An evaluation that changes the state (of a
 * fine-tuning) is completed, as no resume repeats it. */
static fd_status evaluate(fd_session *s, clocks *clock, uint64_t request[REQUESTS]) {
  int64_t step = s->trainer->state->step;
  if (!s->repeats) return keep_best(s, clock, s->evaluate(s));
  fd_status status = request[WANT_STOP] || request[WANT_RETRY] ? FD_RETRY : s->evaluate(s);
  if (status != FD_RETRY) return status;
  fd_info("step %" PRId64 ": the evaluation waits for the resumed run", step);
  if (!request[WANT_STOP]) request[WANT_RETRY] = 1;
  return FD_OK;
}

/* After a step: evaluation and checkpoints at their intervals; sets *stop if the ranks agreed to stop. */
static fd_status after_step(fd_session *s, clocks *clock, fd_status *stop) {
  const fd_config *c = s->run->config;
  int64_t step = s->trainer->state->step;
  uint64_t request[REQUESTS];
  char path[FD_PATH_MAX];
  fd_comm_phase(s->run->comm, step, "the agreement after the step");
  FD_TRY(agree(s, clock, request));
  if (c->comm.check_every && step % c->comm.check_every == 0) {
    FD_TRY(compare_states(s));
    FD_TRY(fd_straggler_report(s->run->comm, &clock->times, step, s->metrics));
  }
  if (step < s->trainer->steps && fd_session_evaluates(c, step, s->trainer->steps)) FD_TRY(evaluate(s, clock, request));
  if (s->enough) return FD_OK;
  if (request[WRITER_READY] == (uint64_t)s->run->comm->size) FD_TRY(finish_checkpoint(s));
  if (step < s->trainer->steps && (request[WANT_STOP] || request[WANT_RETRY])) {
    *stop = request[WANT_STOP] ? FD_STOPPED : FD_RETRY;
    FD_TRY(last_checkpoint(s, clock, 1));
    if (request[WANT_STOP] && s->run->comm->rank == 0) {
      FD_TRY(fd_path(path, s->run->folder, "stop", NULL));
      if (unlink(path) && errno != ENOENT) /* done; the file must not stop the resumed run */
        fd_warn("%s cannot be removed (%s): remove it, or each start stops again after one step", path, strerror(errno));
    }
    return s->run->comm->ops->barrier(s->run->comm);
  }
  /* No checkpoint after a step without an update: the run may have diverged, and its older checkpoints must not be replaced. */
  if (step < s->trainer->steps && !s->trainer->state->bad_in_row &&
      (request[WANT_CHECKPOINT] || (c->checkpoint.every && step % c->checkpoint.every == 0)))
    FD_TRY(checkpoint(s, clock));
  return FD_OK;
}

static void add_times(clocks *clock, const fd_comm *comm, const fd_step *r) {
  double wait = comm->watch.waited - clock->step_waited;
  clock->times.data += r->data_seconds;
  clock->times.wait += wait;
  clock->times.compute += fd_seconds() - clock->step_start - wait - r->data_seconds;
  clock->times.steps++;
}

static fd_status give_up(const fd_session *s) {
  const fd_state *state = s->trainer->state;
  return fd_fail(
      FD_NUMERIC,
      "step %" PRId64 ": %" PRId64
      " steps in a row without finite gradients: the training has diverged; try a smaller optim.lr, or resume from an older "
      "checkpoint",
      state->step - 1, state->bad_in_row);
}

fd_status fd_session_judge(const fd_run *run, const fd_state *state) {
  if (!state->bad_in_row) return FD_OK;
  return fd_fail(FD_NUMERIC,
                 "%s: its last %" PRId64 " of %" PRId64
                 " steps gave no finite numbers and changed nothing: the training has diverged, it is not finished; the weights "
                 "in its checkpoint are those before. Begin again with a smaller optim.lr (--restart), or resume from an older "
                 "checkpoint",
                 run->folder, state->bad_in_row, state->step);
}

/* The end of the training: its last checkpoint, and whether the training is complete. */
static fd_status end_run(fd_session *s, clocks *clock) {
  FD_TRY(last_checkpoint(s, clock, 0));
  return fd_session_judge(s->run, s->trainer->state);
}

/* Runs steps until the end or a stop. */
static fd_status run_steps(fd_session *s) {
  fd_trainer *t = s->trainer;
  double now = fd_seconds();
  clocks clock = {.start = now, .checkpoint = now, .step_start = now, .first_step = t->state->step};
  fd_status stop = FD_OK;
  fd_step step;
  while (t->state->step < t->steps) {
    clock.step_start = fd_seconds();
    clock.step_bytes = s->run->comm->bytes_sent;
    clock.step_waited = s->run->comm->watch.waited;
    FD_TRY(fd_trainer_step(t, &step));
    add_times(&clock, s->run->comm, &step);
    report(s, &step, &clock);
    if (t->state->bad_in_row >= t->config->train.max_bad_steps) return keep_best(s, &clock, give_up(s));
    FD_TRY(after_step(s, &clock, &stop));
    if (stop != FD_OK) return stop;
    if (s->enough) return end_run(s, &clock);
  }
  uint64_t request[REQUESTS] = {0};
  FD_TRY(evaluate(s, &clock, request));
  if (!request[WANT_RETRY]) return end_run(s, &clock);
  FD_TRY(last_checkpoint(s, &clock, 1));
  return FD_RETRY;
}

fd_status fd_session_run(fd_session *s) {
  if (s->trainer->state->step < s->trainer->steps) FD_TRY(fd_checkpointer_try(s->checkpointer, s->trainer->steps));
  if (s->trainer->state->step == 0 || s->owed) FD_TRY(s->evaluate(s));
  if (s->trainer->state->step >= s->trainer->steps)
    return fd_session_judge(s->run, s->trainer->state); /* only the evaluation was left */
  fd_guard_hold();                                      /* from here on a stop must save the state */
  fd_status status = run_steps(s);
  fd_guard_release();
  return status;
}
