/* Measures and reports held-out loss, accuracy, and whether the [CLS] term carries a signal. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
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

/* The results of an evaluation. They are reported only once complete: a stop reports nothing, and the resumed run repeats the
 * evaluation. */
typedef struct evaluation {
  fd_held_out student, teacher; /* teacher: the moving average */
  fd_monitor monitor;
  fd_alignment *layers; /* NULL without a frozen teacher */
  double *cka;          /* [layers] */
  int rows;
} evaluation;

static int has_average(const fd_session *s) { return s->trainer->teacher != NULL; }

static int is_monitored(const fd_session *s) {
  const fd_config *c = s->run->config;
  return has_average(s) && c->objective.cl_weight > 0 && c->eval.monitor_windows > 0;
}

static fd_status measure(fd_session *s, evaluation *e) {
  fd_trainer *t = s->trainer;
  int64_t windows = s->run->config->eval.windows, step = t->state->step;
  if (t->frozen) {
    FD_TRY(fd_alignment_create(&e->layers, t, windows < s->held_out->count ? windows : s->held_out->count));
    FD_TRY(fd_alloc(&e->cka, (size_t)t->network->layers, sizeof *e->cka, "the alignment of layers"));
  }
  FD_TRY(fd_evaluate_held_out(t, FD_STUDENT, s->held_out, windows, e->layers, &e->student));
  FD_TRY(check_loss("student", e->student.loss, step));
  if (e->layers) FD_TRY(fd_alignment_measure(e->layers, t, e->cka, &e->rows));
  if (!has_average(s)) return FD_OK;
  FD_TRY(fd_evaluate_held_out(t, FD_TEACHER, s->held_out, windows, NULL, &e->teacher));
  FD_TRY(check_loss("teacher", e->teacher.loss, step));
  return is_monitored(s) ? fd_evaluate_monitor(t, s->held_out, s->run->config->eval.monitor_windows, &e->monitor) : FD_OK;
}

static void report_student(const fd_session *s, const fd_held_out *student, int64_t step) {
  const fd_config *c = s->run->config;
  const char *what = !fd_config_hides(c)                          ? "masked nucleotides"
                     : c->model.tokenizer == FD_TOKENIZER_LETTERS ? "hidden letters"
                                                                  : "hidden words";
  fd_info("step %" PRId64 ": held-out loss %.4f nats, accuracy %.2f %% over %" PRId64 " %s", step, student->loss,
          100 * student->accuracy, student->masked, what);
  if (student->aligned)
    fd_info("step %" PRId64 ": cosine %.4f of student and teacher features over %" PRId64 " visible %s", step, student->cosine,
            student->aligned, c->objective.distil_pool == FD_DISTIL_MEAN ? "words" : "letters");
  fd_metrics_step(s->metrics, "eval", step, student->aligned ? 4 : 3,
                  (const char *const[]){"student_loss", "student_accuracy", "masked", "cosine"},
                  (const double[]){student->loss, student->accuracy, (double)student->masked, student->cosine});
}

static void report_both(const fd_session *s, const fd_held_out *student, const fd_held_out *teacher, int64_t step) {
  fd_info("step %" PRId64 ": held-out loss %.4f nats, accuracy %.2f %% (teacher %.4f, %.2f %%) over %" PRId64
          " masked nucleotides",
          step, student->loss, 100 * student->accuracy, teacher->loss, 100 * teacher->accuracy, student->masked);
  fd_metrics_step(s->metrics, "eval", step, 5,
                  (const char *const[]){"student_loss", "student_accuracy", "teacher_loss", "teacher_accuracy", "masked"},
                  (const double[]){student->loss, student->accuracy, teacher->loss, teacher->accuracy, (double)student->masked});
}

/* Writes a line of metrics with a column per layer, up to the maximum number of columns. */
static void report_layers(const fd_session *s, const evaluation *e, int64_t step) {
  enum { MOST = FD_METRICS_COLUMNS - 2 };
  char text[MOST][16];
  const char *names[MOST + 1] = {"rows"};
  double values[MOST + 1] = {e->rows};
  int layers = s->trainer->network->layers < MOST ? s->trainer->network->layers : MOST;
  for (int i = 0; i < layers; i++) {
    snprintf(text[i], sizeof text[i], "layer_%d", i + 1);
    names[i + 1] = text[i], values[i + 1] = e->cka[i];
  }
  fd_metrics_step(s->metrics, "layers", step, layers + 1, names, values);
}

static void report_collapse(fd_session *s, const fd_monitor *m, int64_t step) {
  fd_metrics_step(s->metrics, "monitor", step, 9,
                  (const char *const[]){"teacher_entropy", "entropy_limit", "mutual_information", "cross_entropy", "gain",
                                        "correlation", "centre_norm", "windows", "warning"},
                  (const double[]){m->entropy, m->entropy_limit, m->mutual_information, m->cross_entropy, m->gain, m->correlation,
                                   m->centre_norm, (double)m->windows, m->warning != NULL});
  if (step == 0 && m->windows < FD_MONITOR_WINDOWS)
    fd_info("the collapse monitor measures but does not judge: it has %" PRId64 " held-out windows, and needs %d", m->windows,
            FD_MONITOR_WINDOWS);
  if (m->warning && m->warning != s->warned && step > 0 && s->run->comm->rank == 0)
    fd_warn("step %" PRId64
            ": [CLS] term: %s. Teacher entropy %.3f of %.3f, mutual information %.3f, gain %.3f nats, correlation of the views "
            "%.3f (%" PRId64 " windows)",
            step, m->warning, m->entropy, m->entropy_limit, m->mutual_information, m->gain, m->correlation, m->windows);
  if (step > 0) s->warned = m->warning;
}

fd_status fd_session_evaluate(fd_session *s) {
  int64_t step = s->trainer->state->step;
  evaluation e = {0};
  if (!s->held_out->count) return FD_OK;
  fd_comm_phase(s->run->comm, step, "the evaluation");
  fd_status status = measure(s, &e);
  if (status == FD_OK && has_average(s)) report_both(s, &e.student, &e.teacher, step);
  else if (status == FD_OK) report_student(s, &e.student, step);
  if (status == FD_OK && e.layers && e.rows >= FD_ALIGNMENT_LEAST) report_layers(s, &e, step);
  if (status == FD_OK && is_monitored(s)) report_collapse(s, &e.monitor, step);
  fd_alignment_destroy(&e.layers);
  free(e.cka);
  return status;
}
