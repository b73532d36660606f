/* What a session says of its held-out windows: loss, accuracy, and whether the [CLS] term carries a signal. */
#include <inttypes.h>
#include <math.h>

#include "base/log.h"
#include "train/evaluate.h"
#include "train/session.h"

static fd_status check_loss(const char *network, double loss, int64_t step) {
  if (isfinite(loss)) return FD_OK;
  return fd_fail(FD_NUMERIC,
                 "step %" PRId64
                 ": the held-out loss of the %s is not finite: the training has diverged; try a smaller optim.lr, or resume "
                 "from an older checkpoint",
                 step, network);
}

static fd_status measure_networks(fd_session *s, int64_t step) {
  int64_t windows = s->run->config->eval.windows;
  const fd_config *c = s->run->config;
  const char *what = !fd_config_hides(c)                          ? "masked nucleotides"
                     : c->model.tokenizer == FD_TOKENIZER_LETTERS ? "hidden letters"
                                                                  : "hidden words";
  fd_held_out student, teacher;
  FD_TRY(fd_evaluate_held_out(s->trainer, FD_STUDENT, s->held_out, windows, &student));
  FD_TRY(check_loss("student", student.loss, step));
  if (!s->trainer->teacher) {
    fd_info("step %" PRId64 ": held-out loss %.4f nats, accuracy %.2f %% over %" PRId64 " %s", step, student.loss,
            100 * student.accuracy, student.masked, what);
    if (student.aligned)
      fd_info("step %" PRId64 ": cosine %.4f of student and teacher features over %" PRId64 " visible %s", step, student.cosine,
              student.aligned, c->objective.distil_pool == FD_DISTIL_MEAN ? "words" : "letters");
    fd_metrics_step(s->metrics, "eval", step, student.aligned ? 4 : 3,
                    (const char *const[]){"student_loss", "student_accuracy", "masked", "cosine"},
                    (const double[]){student.loss, student.accuracy, (double)student.masked, student.cosine});
    return FD_OK;
  }
  FD_TRY(fd_evaluate_held_out(s->trainer, FD_TEACHER, s->held_out, windows, &teacher));
  FD_TRY(check_loss("teacher", teacher.loss, step));
  fd_info("step %" PRId64 ": held-out loss %.4f nats, accuracy %.2f %% (teacher %.4f, %.2f %%) over %" PRId64
          " masked nucleotides",
          step, student.loss, 100 * student.accuracy, teacher.loss, 100 * teacher.accuracy, student.masked);
  fd_metrics_step(s->metrics, "eval", step, 5,
                  (const char *const[]){"student_loss", "student_accuracy", "teacher_loss", "teacher_accuracy", "masked"},
                  (const double[]){student.loss, student.accuracy, teacher.loss, teacher.accuracy, (double)student.masked});
  return FD_OK;
}

static fd_status measure_collapse(fd_session *s, int64_t step) {
  fd_monitor m;
  FD_TRY(fd_evaluate_monitor(s->trainer, s->held_out, s->run->config->eval.monitor_windows, &m));
  fd_metrics_step(s->metrics, "monitor", step, 9,
                  (const char *const[]){"teacher_entropy", "entropy_limit", "mutual_information", "cross_entropy", "gain",
                                        "correlation", "centre_norm", "windows", "warning"},
                  (const double[]){m.entropy, m.entropy_limit, m.mutual_information, m.cross_entropy, m.gain, m.correlation,
                                   m.centre_norm, (double)m.windows, m.warning != NULL});
  if (step == 0 && m.windows < FD_MONITOR_WINDOWS)
    fd_info("the collapse monitor measures but does not judge: it has %" PRId64 " held-out windows, and needs %d", m.windows,
            FD_MONITOR_WINDOWS);
  if (m.warning && m.warning != s->warned && step > 0 && s->run->comm->rank == 0)
    fd_warn("step %" PRId64
            ": [CLS] term: %s. Teacher entropy %.3f of %.3f, mutual information %.3f, gain %.3f nats, correlation of the views "
            "%.3f (%" PRId64 " windows)",
            step, m.warning, m.entropy, m.entropy_limit, m.mutual_information, m.gain, m.correlation, m.windows);
  if (step > 0) s->warned = m.warning;
  return FD_OK;
}

fd_status fd_session_evaluate(fd_session *s) {
  const fd_config *c = s->run->config;
  int64_t step = s->trainer->state->step;
  if (!s->held_out->count) return FD_OK;
  fd_comm_phase(s->run->comm, step, "the evaluation");
  FD_TRY(measure_networks(s, step));
  if (!s->trainer->teacher || c->objective.cl_weight == 0 || c->eval.monitor_windows == 0) return FD_OK;
  return measure_collapse(s, step);
}
