/* findna trace: runs training steps on given weights and views and writes every value, for comparison with another program. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/args.h"
#include "base/finite.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/path.h"
#include "commands/command.h"
#include "output/safetensors.h"
#include "train/rank_device.h"
#include "train/trainer.h"

enum { RESTS = 4, SCALARS = 1 + FD_TERMS + RESTS, TENSORS_MAX = 65536, ROWS_MAX = 1 << 24 };

/* Scalars of each step: the loss, its terms, and these. */
static const char *const rests[RESTS] = {"grad_norm", "clip_coef", "lr", "ema_lambda"};

static const char *scalar_name(int i) { return !i ? "loss" : i <= FD_TERMS ? fd_terms[i - 1]->name : rests[i - 1 - FD_TERMS]; }

typedef struct trace {
  fd_config config;
  fd_safetensors input;
  const char *prefix;
  int cls, sequences, *lengths; /* nucleotides of each sequence */
  fd_device *dev;
  fd_network *network;
  fd_state *state;
  fd_trainer *trainer;
  int64_t steps;
  double *scalars; /* [SCALARS, steps] */
  fd_tensor *output;
  int outputs;
  fd_status failed; /* status of the probe points, which cannot return one */
} trace;

/* Finds a tensor of the input and checks its type and number of elements (`count` 0: any); floats must be finite. */
static fd_status take(const trace *t, const char *name, const char *dtype, size_t count, const fd_tensor **tensor) {
  *tensor = fd_safetensors_find(&t->input, name);
  if (!*tensor) return fd_fail(FD_DATA, "the input has no tensor '%s'", name);
  size_t size = !strcmp(dtype, "F32") ? 4 : 1;
  if (strcmp((*tensor)->dtype, dtype))
    return fd_fail(FD_DATA, "input tensor '%s' is %s (expected %s)", name, (*tensor)->dtype, dtype);
  if (count && (*tensor)->bytes != count * size)
    return fd_fail(FD_DATA, "input tensor '%s' has %zu elements (expected %zu)", name, (*tensor)->bytes / size, count);
  size_t floats = size == 4 ? (*tensor)->bytes / size : 0, place = fd_first_bad((*tensor)->data, floats);
  if (place < floats) return fd_fail(FD_NUMERIC, "input tensor '%s', element %zu is not finite", name, place);
  return FD_OK;
}

/* PREFIX.what, or `what` if the prefix is empty. */
static const char *full_name(const trace *t, const char *what, char name[FD_TENSOR_NAME]) {
  snprintf(name, FD_TENSOR_NAME, "%.30s%s%.90s", t->prefix, *t->prefix ? "." : "", what);
  return name;
}

/* Name of the centre after a step: spelled "center" in files with a prefix, "centre" in others. */
static const char *centre_name(const trace *t, int64_t step, char name[FD_TENSOR_NAME]) {
  char what[32];
  snprintf(what, sizeof what, "%s%" PRId64, *t->prefix ? "center" : "centre", step);
  return full_name(t, what, name);
}

static fd_status emit(trace *t, const char *name, const int64_t *shape, int dims, fd_mat from) {
  size_t n = 1;
  float *copy;
  fd_tensor *tensor = &t->output[t->outputs];
  if (t->outputs == TENSORS_MAX) return fd_fail(FD_USAGE, "more than %d tensors to write; fewer --steps", TENSORS_MAX);
  *tensor = (fd_tensor){.dtype = "F32", .dims = dims};
  snprintf(tensor->name, sizeof tensor->name, "%s", name);
  for (int i = 0; i < dims; i++) n *= (size_t)(tensor->shape[i] = shape[i]);
  FD_TRY(fd_alloc(&copy, n, sizeof *copy, "trace"));
  tensor->data = copy;
  tensor->bytes = n * sizeof *copy;
  t->outputs++;
  int width = (int)shape[dims - 1];
  return fd_mat_read(t->dev, from, 0, (int)(n / (size_t)width), width, copy);
}

/* Emits all parameters of a flat buffer as PREFIX.what.NAME. */
static fd_status emit_parameters(trace *t, const char *what, const float *values) {
  for (int i = 0; i < t->network->params.count; i++) {
    const fd_param *p = &t->network->params.item[i];
    char whole[FD_TENSOR_NAME], name[FD_TENSOR_NAME];
    snprintf(whole, sizeof whole, "%s.%s", what, p->name);
    FD_TRY(emit(t, full_name(t, whole, name), (const int64_t[]){p->shape[0], p->shape[1]}, p->dims,
                fd_dense(values + p->offset, p->shape[p->dims - 1])));
  }
  return FD_OK;
}

/* Emits the outputs of step 0. */
static void on_outputs(void *context, const fd_outputs *o) {
  trace *t = context;
  if (t->state->step) return;
  int64_t rows = o->batch->rows, rest = t->sequences, equal = 1;
  for (int i = 1; i < t->sequences; i++) equal = equal && t->lengths[i] == t->lengths[0];
  int64_t logits[3] = {equal ? rest : rows, equal ? rows / rest : FD_SYMBOLS, FD_SYMBOLS},
          latent[3] = {logits[0], equal ? logits[1] : t->network->channels, t->network->channels};
  int64_t cls[3] = {rest, t->state->cls, o->width};
  int dims = equal ? 3 : 2;
  char name[FD_TENSOR_NAME];
  fd_status status = emit(t, "student_out", logits, dims, fd_network_output(t->network, o->student, FD_OUT_LOGITS));
  if (status == FD_OK) status = emit(t, "student_latent", latent, dims, fd_network_output(t->network, o->student, FD_OUT_LATENT));
  if (status == FD_OK && o->teacher)
    status = emit(t, "teacher_out", logits, dims, fd_network_output(t->network, o->teacher, FD_OUT_LOGITS));
  if (status == FD_OK && o->teacher) status = emit(t, full_name(t, "q", name), cls, 3, fd_dense(o->prob, o->width));
  if (status == FD_OK && o->teacher) status = emit(t, full_name(t, "logp", name), cls, 3, fd_dense(o->logp, o->width));
  t->failed = status;
}

static void on_gradient(void *context, const float *gradient) {
  trace *t = context;
  if (t->state->step == 0 && t->failed == FD_OK) t->failed = emit_parameters(t, "grad", gradient);
}

static void remember_draw(void *context, uint64_t first_draw, int count, fd_batch *batch) {
  (void)context, (void)count;
  batch->seqs.draws[0] = first_draw;
}

/* Uploads a micro-batch made from the input's views. */
static fd_status upload(void *context, fd_batch *batch) {
  trace *t = context;
  int64_t step = (int64_t)(batch->seqs.draws[0] / (uint64_t)t->sequences);
  const fd_tensor *student, *teacher, *labels, *mask;
  const struct {
    const char *name, *dtype;
    const fd_tensor **tensor;
    int rows, per_row;
  } wanted[] = {{"student_view", "F32", &student, 1, FD_SYMBOLS},
                {"teacher_view", "F32", &teacher, 1, FD_SYMBOLS},
                {"labels", "U8", &labels, 0, 1},
                {"mask", "U8", &mask, 0, 1}};
  size_t bases = 0, rows;
  batch->seqs.count = t->sequences;
  for (int i = 0; i < t->sequences; i++)
    batch->seqs.start[i + 1] = batch->seqs.start[i] + t->lengths[i] + t->cls, bases += (size_t)t->lengths[i];
  rows = (size_t)(batch->rows = batch->seqs.start[t->sequences]);
  for (int i = 0; i < 4; i++) {
    char name[64];
    snprintf(name, sizeof name, "in%" PRId64 ".%s", step, wanted[i].name);
    FD_TRY(take(t, name, wanted[i].dtype, (wanted[i].rows ? rows : bases) * (size_t)wanted[i].per_row, wanted[i].tensor));
  }
  uint8_t *label_rows = batch->scratch, *mask_rows = label_rows + rows;
  memset(label_rows, FD_CLS, rows);
  memset(mask_rows, 0, rows);
  batch->masked = 0;
  for (int i = 0, from = 0; i < t->sequences; from += t->lengths[i++]) {
    memcpy(label_rows + batch->seqs.start[i], (const uint8_t *)labels->data + from, (size_t)t->lengths[i]);
    memcpy(mask_rows + batch->seqs.start[i], (const uint8_t *)mask->data + from, (size_t)t->lengths[i]);
  }
  for (size_t r = 0; r < rows; r++) batch->masked += mask_rows[r] != 0;
  batch->entry_mask = t->config.objective.mask_layout == FD_MASK_SCRAMBLED;
  uint8_t *entries = mask_rows + rows;
  if (batch->entry_mask) fd_batch_scramble(batch, mask_rows, entries, t->lengths[0]);
  FD_TRY(fd_seqs_send(&batch->seqs, t->dev));
  FD_TRY(t->dev->copy(t->dev, batch->labels, label_rows, rows));
  FD_TRY(
      t->dev->copy(t->dev, batch->mask, batch->entry_mask ? entries : mask_rows, batch->entry_mask ? rows * FD_SYMBOLS : rows));
  FD_TRY(t->dev->copy(t->dev, batch->student, student->data, student->bytes));
  return t->dev->copy(t->dev, batch->teacher, teacher->data, teacher->bytes);
}

/* Sets the lengths of the sequences: from the shape of in0.labels [B, L], or from --lengths. */
static fd_status read_lengths(trace *t, const fd_list *list) {
  const fd_tensor *labels;
  int64_t bases = 0;
  FD_TRY(take(t, "in0.labels", "U8", 0, &labels));
  if (!list->count && labels->dims != 2)
    return fd_fail(FD_DATA, "in0.labels has %d dimensions (expected [batch, length], or give --lengths)", labels->dims);
  if (!labels->bytes || labels->bytes > ROWS_MAX)
    return fd_fail(FD_DATA, "in0.labels holds %zu nucleotides (expected 1 to %d)", labels->bytes, ROWS_MAX);
  t->sequences = list->count ? list->count : (int)labels->shape[0]; /* fits an int: at most the number of bytes */
  FD_TRY(fd_alloc(&t->lengths, (size_t)t->sequences, sizeof *t->lengths, "trace"));
  for (int i = 0; i < t->sequences; i++) {
    long length = list->count ? strtol(list->item[i], NULL, 10) : (long)labels->shape[1];
    if (length < 1 || length > ROWS_MAX)
      return fd_fail(FD_USAGE, "--lengths: '%s' is not a length from 1 to %d", list->count ? list->item[i] : "0", ROWS_MAX);
    t->lengths[i] = (int)length;
    if (!fd_add_size(&bases, length) || bases > (int64_t)labels->bytes) break;
  }
  if (bases == (int64_t)labels->bytes) return FD_OK;
  return fd_fail(FD_DATA, "in0.labels holds %zu nucleotides, but --lengths has another sum", labels->bytes);
}

/* The authors' mask is a reshaped [batch, length] (fd_batch_scramble), which sequences of different lengths do not have. */
static fd_status check_layout(const trace *t) {
  for (int i = 1; i < t->sequences && t->config.objective.mask_layout == FD_MASK_SCRAMBLED; i++)
    if (t->lengths[i] != t->lengths[0])
      return fd_fail(FD_CONFIG,
                     "objective.mask_layout: scrambled needs sequences of one length; sequence %d has %d nucleotides, the first "
                     "has %d; use ok",
                     i + 1, t->lengths[i], t->lengths[0]);
  return FD_OK;
}

/* Copies the input's tensors WHAT.NAME into an array of the state. */
static fd_status take_weights(trace *t, const char *what, float *to) {
  for (int i = 0; i < t->network->params.count; i++) {
    const fd_param *p = &t->network->params.item[i];
    const fd_tensor *tensor;
    char name[FD_TENSOR_NAME];
    snprintf(name, sizeof name, "%s.%s", what, p->name);
    FD_TRY(take(t, name, "F32", p->size, &tensor));
    FD_TRY(t->dev->copy(t->dev, to + p->offset, tensor->data, tensor->bytes));
  }
  return FD_OK;
}

static fd_status build(trace *t, fd_comm *comm) {
  int longest = 0;
  int64_t rows = 0;
  char name[FD_TENSOR_NAME];
  const fd_tensor *centre;
  for (int i = 0; i < t->sequences; i++) {
    if (t->lengths[i] > longest) longest = t->lengths[i];
    rows += t->lengths[i] + t->cls;
  }
  if (rows > ROWS_MAX)
    return fd_fail(FD_DATA, "the input has %" PRId64 " rows including [CLS] (expected at most %d)", rows, ROWS_MAX);
  if (fd_config_reads_ids(&t->config))
    return fd_fail(FD_CONFIG, "model.encoder: findna trace takes nucleotides; this encoder reads ids of a tokenizer");
  FD_TRY(check_layout(t));
  t->config.train.batch = t->sequences; /* the input determines the batch, which is one micro-batch */
  t->config.train.virtual_ranks = 1;
  FD_TRY(fd_rank_device_open(&t->dev, &t->config, comm));
  FD_TRY(fd_network_create(&t->network, &t->config, longest));
  FD_TRY(fd_state_create(&t->state, &t->config, t->network, t->dev));
  FD_TRY(take_weights(t, "student0", t->state->array[FD_STUDENT]));
  if (t->state->array[FD_TEACHER]) {
    FD_TRY(take_weights(t, "teacher0", t->state->array[FD_TEACHER]));
  }
  if (t->state->array[FD_CENTRE]) {
    FD_TRY(take(t, centre_name(t, 0, name), "F32", t->state->size[FD_CENTRE], &centre));
    FD_TRY(t->dev->copy(t->dev, t->state->array[FD_CENTRE], centre->data, centre->bytes));
  }
  fd_source source = {.context = t, .make = remember_draw, .upload = upload};
  return fd_trainer_create(&t->trainer, &t->config, comm, t->dev, t->network, source, t->state,
                           t->config.train.steps ? t->config.train.steps : t->steps, (int)rows);
}

static void take_scalars(trace *t, int64_t step, const fd_step *r) {
  const double rest[RESTS] = {r->grad_norm, r->clip, r->lr, r->momentum};
  char terms[40 * FD_TERMS] = "";
  for (int i = 0, n = 0; i < FD_TERMS; i++)
    if (fd_terms[i]->weight(&t->config) > 0)
      n += snprintf(terms + n, sizeof terms - (size_t)n, "%s %.9g  ", fd_terms[i]->name, r->term[i]);
  for (int i = 0; i < SCALARS; i++)
    t->scalars[(size_t)i * (size_t)t->steps + (size_t)step - 1] = !i              ? r->loss
                                                                  : i <= FD_TERMS ? r->term[i - 1]
                                                                                  : rest[i - 1 - FD_TERMS];
  fd_info("step %" PRId64 ": loss %.9g  %sgrad_norm %.9g", r->step, r->loss, terms, r->grad_norm);
}

static fd_status run_steps(trace *t) {
  const fd_trace_points points = {t, on_outputs, on_gradient};
  size_t distributions = (size_t)t->sequences * t->state->size[FD_CENTRE];
  FD_TRY(t->dev->alloc(t->dev, &t->trainer->logp, distributions * sizeof(float), "trace"));
  FD_TRY(t->dev->alloc(t->dev, &t->trainer->prob, distributions * sizeof(float), "trace"));
  FD_TRY(fd_alloc(&t->scalars, SCALARS * (size_t)t->steps, sizeof *t->scalars, "trace"));
  t->trainer->points = &points;
  for (int64_t k = 1; k <= t->steps; k++) {
    fd_step r;
    char what[32], name[FD_TENSOR_NAME];
    FD_TRY(fd_trainer_step(t->trainer, &r));
    FD_TRY(t->failed);
    if (r.skipped)
      return fd_fail(FD_NUMERIC, "step %" PRId64 ": loss %g, norm of the gradient %g: no update can be made from these", r.step,
                     r.loss, r.grad_norm);
    take_scalars(t, k, &r);
    snprintf(what, sizeof what, "student%" PRId64, k);
    FD_TRY(emit_parameters(t, what, t->state->array[FD_STUDENT]));
    if (!t->state->array[FD_TEACHER]) continue;
    snprintf(what, sizeof what, "teacher%" PRId64, k);
    FD_TRY(emit_parameters(t, what, t->state->array[FD_TEACHER]));
    FD_TRY(emit(t, centre_name(t, k, name), (const int64_t[]){t->state->cls, t->state->width}, 2,
                fd_dense(t->state->array[FD_CENTRE], t->state->width)));
  }
  t->trainer->points = NULL;
  return FD_OK;
}

static fd_status write_output(trace *t, const char *path) {
  for (int i = 0; i < SCALARS; i++) {
    fd_tensor *tensor = &t->output[i];
    *tensor = (fd_tensor){.dtype = "F64",
                          .dims = 1,
                          .shape = {t->steps},
                          .data = t->scalars + (size_t)i * (size_t)t->steps,
                          .bytes = (size_t)t->steps * sizeof(double)};
    full_name(t, scalar_name(i), tensor->name);
  }
  return fd_safetensors_write(path, t->output, t->outputs);
}

static fd_status run_trace(trace *t, fd_comm *comm, const char *config_name, char **overrides, int count, const char *input,
                           const char *output, const fd_list *lengths) {
  FD_TRY(fd_config_load(&t->config, config_name, overrides, count));
  t->cls = (int)t->config.model.cls;
  FD_TRY(fd_alloc(&t->output, TENSORS_MAX, sizeof *t->output, "trace"));
  t->outputs = SCALARS; /* the F64 scalars come first, so that every tensor is aligned */
  FD_TRY(fd_check_output(output, input));
  FD_TRY(fd_safetensors_read(input, &t->input));
  FD_TRY(read_lengths(t, lengths));
  FD_TRY(build(t, comm));
  FD_TRY(run_steps(t));
  return write_output(t, output);
}

static void release(trace *t) {
  if (t->trainer) {
    t->dev->release(t->dev, t->trainer->logp);
    t->dev->release(t->dev, t->trainer->prob);
  }
  fd_trainer_destroy(&t->trainer);
  fd_state_destroy(&t->state);
  fd_network_destroy(&t->network);
  fd_device_close(&t->dev);
  for (int i = SCALARS; i < t->outputs; i++) free((void *)t->output[i].data);
  free(t->output);
  free(t->scalars);
  free(t->lengths);
  fd_safetensors_free(&t->input);
}

fd_status fd_command_trace(fd_comm *comm, int argc, char **argv) {
  trace t = {.prefix = "paper", .steps = 1};
  const char *words[FD_LIST_MAX], *input = NULL, *output = NULL;
  fd_list lengths = {0};
  int count, helped;
  const fd_arg table[] = {
      {"input", FD_ARG_TEXT, &input, 0, 0, "FILE",
       "safetensors: student0.*, teacher0.*, PREFIX.center0, in0.student_view, in0.teacher_view, in0.labels, in0.mask, in1...."},
      {"output", FD_ARG_TEXT, &output, 0, 0, "FILE",
       "safetensors to write: outputs, loss terms, gradients of step 0, student, teacher and centre after each step"},
      {"steps", FD_ARG_INT, &t.steps, 1, 10000, "K", "steps to run; step t uses the views in{t}.*"},
      {"prefix", FD_ARG_TEXT, &t.prefix, 0, 0, "NAME",
       "prefix of the names of tensors that depend on the objective; empty: no prefix, and the centre is named centre0, ..."},
      {"lengths", FD_ARG_LIST, &lengths, 0, 0, "L1,L2,...",
       "lengths of the sequences, without [CLS], when the views are concatenated without padding"},
      {0},
  };
  const fd_args args = {
      "trace", "CONFIG [section.key=value ...] --input IN --output OUT [options]",
      "Runs training steps on given weights and views and writes every value. The values are for comparison with another\n"
      "program. train.steps is the length of the schedules; the input determines the batch.",
      table};
  FD_TRY(fd_args_parse(&args, argc, argv, words, FD_LIST_MAX, &count, &helped));
  if (helped) return FD_OK;
  if (!count || !input || !output)
    return fd_fail(FD_USAGE, "findna trace: give CONFIG, --input and --output; see findna trace --help");
  fd_status status = run_trace(&t, comm, words[0], (char **)(words + 1), count - 1, input, output, &lengths);
  release(&t);
  return status;
}
