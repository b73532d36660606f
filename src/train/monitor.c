/* The collapse monitor: statistics of the [CLS] term on a large batch of held-out windows. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "train/evaluate.h"

/* [CLS] rows of all windows: student's and teacher's, [windows, cls, width]. */
typedef struct cls_rows {
  int64_t windows;
  int cls, width, axis_d;
  float *p, *q;
} cls_rows;

/* Runs this rank's share of the windows, a contiguous range; rows of other ranks stay zero. */
static fd_status collect_share(fd_trainer *t, const fd_windows *windows, cls_rows *rows) {
  size_t each = (size_t)rows->cls * (size_t)rows->width;
  fd_loader loader;
  fd_loader_init(&loader, t->config, windows);
  loader.augment = fd_rng_key_of((uint64_t)t->config->run.seed, FD_RNG_MONITOR);
  loader.noise = fd_rng_key_of((uint64_t)t->config->run.seed, FD_RNG_MONITOR_NOISE);
  fd_source source = fd_loader_source(&loader);
  int64_t share = (rows->windows + t->comm->size - 1) / t->comm->size, first = t->comm->rank * share, last = first + share,
          size = t->micro_batches * t->micro_size;
  if (last > rows->windows) last = rows->windows;
  for (int64_t i = first; i < last; i += size) {
    int count = (int)(last - i < size ? last - i : size);
    fd_batch *batch = t->held_out;
    FD_TRY(fd_evaluate_go_on());
    source.make(source.context, (uint64_t)i, count, batch);
    FD_TRY(source.upload(source.context, batch));
    FD_TRY(fd_spaces_set(&t->spaces, &batch->seqs));
    t->student->training = 0;
    fd_pass_forward(t->student, &t->spaces, t->state->array[FD_STUDENT], batch->student);
    fd_pass_forward(t->teacher, &t->spaces, t->state->array[FD_TEACHER], batch->teacher);
    const fd_outputs outputs = {.batch = batch,
                                .spaces = &t->spaces,
                                .network = t->network,
                                .student = t->student,
                                .teacher = t->teacher,
                                .width = rows->width};
    fd_compared c = fd_objective_compare(t->config, &outputs);
    for (int s = 0; s < count; s++) {
      int from = c.seqs->start[s + 1] - rows->cls;
      size_t to = (size_t)(i + s) * each;
      FD_TRY(fd_mat_read(t->dev, c.student, from, rows->cls, rows->width, rows->p + to));
      FD_TRY(fd_mat_read(t->dev, c.teacher, from, rows->cls, rows->width, rows->q + to));
    }
  }
  return FD_OK;
}

/* Gathers all rows on all ranks: adding the bits gathers them, as each row is zero on all other ranks. */
static fd_status collect(fd_trainer *t, const fd_windows *windows, cls_rows *rows) {
  FD_TRY(fd_comm_agree(t->comm, collect_share(t, windows, rows)));
  /* p and q are contiguous; together an even number of floats */
  size_t words = 2 * (size_t)rows->windows * (size_t)rows->cls * (size_t)rows->width / 2;
  return t->comm->ops->sum_u64(t->comm, (uint64_t *)(void *)rows->p, words);
}

/* Softmax of n values `step` apart: the distribution and its logarithm. */
static void softmax(int n, const float *x, const float *centre, size_t step, double tau, double *prob, double *logp) {
  double largest = -INFINITY, sum = 0;
  for (int k = 0; k < n; k++) {
    logp[k] = ((double)x[(size_t)k * step] - (centre ? (double)centre[(size_t)k * step] : 0)) / tau;
    if (logp[k] > largest) largest = logp[k];
  }
  for (int k = 0; k < n; k++) sum += exp(logp[k] - largest);
  for (int k = 0; k < n; k++) logp[k] -= largest + log(sum), prob[k] = exp(logp[k]);
}

/* Adds one distribution's entropy, marginal entropy and cross-entropy over the windows. */
static void measure_distribution(const cls_rows *r, const fd_config *c, const float *centre, size_t first, size_t step, int n,
                                 fd_monitor *m) {
  double prob[n], logp[n], student[n], log_student[n], mean[n], windows = (double)r->windows;
  size_t each = (size_t)r->cls * (size_t)r->width;
  memset(mean, 0, sizeof mean);
  for (int64_t w = 0; w < r->windows; w++) {
    size_t at = (size_t)w * each + first;
    softmax(n, r->q + at, centre + first, step, c->objective.tau_teacher, prob, logp);
    softmax(n, r->p + at, NULL, step, c->objective.tau_student, student, log_student);
    for (int k = 0; k < n; k++) {
      mean[k] += prob[k] / windows;
      m->entropy -= prob[k] * logp[k] / windows;
      m->cross_entropy -= prob[k] * log_student[k] / windows;
    }
  }
  for (int k = 0; k < n; k++)
    if (mean[k] > 0)
      m->mutual_information -= mean[k] * log(mean[k]); /* entropy of the marginal; the mean entropy is subtracted later */
}

/* Removes the mean over the softmax axis, which the softmax cancels, from one [cls, width] matrix. */
static void remove_common(const cls_rows *r, const float *x, double *out) {
  int n = r->axis_d ? r->width : r->cls, distributions = r->axis_d ? r->cls : r->width;
  size_t step = r->axis_d ? 1 : (size_t)r->width, next = r->axis_d ? (size_t)r->width : 1;
  for (int i = 0; i < distributions; i++) {
    double mean = 0;
    for (int k = 0; k < n; k++) mean += (double)x[(size_t)i * next + (size_t)k * step] / n;
    for (int k = 0; k < n; k++) out[(size_t)i * next + (size_t)k * step] = (double)x[(size_t)i * next + (size_t)k * step] - mean;
  }
}

static fd_status measure_correlation(const cls_rows *r, fd_monitor *m) {
  size_t each = (size_t)r->cls * (size_t)r->width, n = (size_t)r->windows;
  double *p, pq = 0, pp = 0, qq = 0;
  FD_TRY(fd_alloc(&p, 2 * n * each, sizeof *p, "collapse monitor"));
  double *q = p + n * each;
  for (size_t w = 0; w < n; w++) {
    remove_common(r, r->p + w * each, p + w * each);
    remove_common(r, r->q + w * each, q + w * each);
  }
  for (size_t i = 0; i < each; i++) {
    double p_mean = 0, q_mean = 0;
    for (size_t w = 0; w < n; w++) p_mean += p[w * each + i] / (double)n, q_mean += q[w * each + i] / (double)n;
    for (size_t w = 0; w < n; w++) {
      double a = p[w * each + i] - p_mean, b = q[w * each + i] - q_mean;
      pq += a * b, pp += a * a, qq += b * b;
    }
  }
  m->correlation = pp > 0 && qq > 0 ? pq / sqrt(pp * qq) : 0;
  free(p);
  return FD_OK;
}

/* The criteria for collapse. With the paper's softmax over K the term carried almost no signal in small runs, so users must be
 * warned. */
static const char *judge(const fd_monitor *m) {
  if (m->windows < FD_MONITOR_WINDOWS) return NULL; /* mutual information is biased upwards with few windows */
  if (m->entropy > 0.97 * m->entropy_limit)
    return "the teacher's [CLS] distribution is close to uniform: the self-distillation term teaches nothing";
  if (m->entropy < 0.1 * m->entropy_limit && m->mutual_information < 0.1)
    return "the teacher's [CLS] distribution is almost the same single choice for every window: collapse to a constant";
  if (m->mutual_information < 0.1)
    return "the teacher's [CLS] distribution hardly depends on the window (mutual information below 0.1 nats)";
  if (m->gain <= 0)
    return "the student predicts the teacher's [CLS] distribution no better than a constant would (gain at or below 0)";
  return NULL;
}

fd_status fd_evaluate_monitor(fd_trainer *t, const fd_windows *windows, int64_t count, fd_monitor *m) {
  const fd_config *c = t->config;
  cls_rows r = {.windows = count < windows->count ? count : windows->count,
                .cls = t->state->cls,
                .width = t->state->width,
                .axis_d = c->objective.cl_axis == FD_AXIS_D};
  size_t each = (size_t)r.cls * (size_t)r.width;
  int n = r.axis_d ? r.width : r.cls, distributions = r.axis_d ? r.cls : r.width;
  size_t step = r.axis_d ? 1 : (size_t)r.width, next = r.axis_d ? (size_t)r.width : 1;
  float *centre = NULL;
  double *common = NULL;
  fd_status status = FD_OK;
  *m = (fd_monitor){.windows = r.windows, .entropy_limit = log(n)};
  FD_GO(fd_alloc(&r.p, 2 * (size_t)r.windows * each + 2, sizeof(float), "collapse monitor"));
  r.q = r.p + (size_t)r.windows * each;
  FD_GO(collect(t, windows, &r));
  FD_GO(fd_alloc(&centre, each, sizeof *centre, "collapse monitor"));
  FD_GO(fd_alloc(&common, each, sizeof *common, "collapse monitor"));
  FD_GO(t->dev->copy(t->dev, centre, t->state->array[FD_CENTRE], each * sizeof *centre));
  for (int i = 0; i < distributions; i++) measure_distribution(&r, c, centre, (size_t)i * next, step, n, m);
  m->entropy /= distributions;
  m->cross_entropy /= distributions;
  double marginal = m->mutual_information / distributions;
  m->mutual_information = marginal - m->entropy;
  m->gain = marginal - m->cross_entropy;
  FD_GO(measure_correlation(&r, m));
  remove_common(&r, centre, common);
  for (size_t i = 0; i < each; i++) m->centre_norm += common[i] * common[i];
  m->centre_norm = sqrt(m->centre_norm);
  m->warning = judge(m);
done:
  free(r.p);
  free(centre);
  free(common);
  return status;
}
