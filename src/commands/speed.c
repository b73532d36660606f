/* findna speed CHECKPOINT ... --rows FILE: size and speed of models, measured alternately on the same sequences. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/printable.h"
#include "base/sort.h"
#include "base/version.h"
#include "commands/command.h"
#include "output/json_file.h"
#include "tasks/speed.h"

enum { MODELS_MAX = 16, BATCHES = 2, WARM = 3, TIMES_MAX = 100000 };
static const int batches[BATCHES] = {1, 16};

typedef struct options {
  const char *words[MODELS_MAX];
  int count;
  const char *rows, *output;
  double seconds;
  fd_use use;
} options;

/* The times of a model's batches: in the order of measurement, afterwards sorted. */
typedef struct times {
  int count;
  double *seconds;          /* [TIMES_MAX] */
  double median, low, high; /* seconds; low and high: first and third quartile */
} times;

typedef struct comparison {
  fd_table table;
  fd_speed *speed; /* [count] */
  times of[MODELS_MAX][BATCHES];
} comparison;

static fd_status read_options(int argc, char **argv, options *o, int *helped) {
  const fd_arg table[] = {
      {"rows", FD_ARG_TEXT, &o->rows, 0, 0, "FILE", "CSV or TSV with a column 'sequence': the input of the models"},
      {"seconds", FD_ARG_REAL, &o->seconds, 0.01, 3600, "S", "time of measurement for each model and batch size"},
      {"output", FD_ARG_TEXT, &o->output, 0, 0, "FILE", "also write the numbers as JSON"},
      FD_USE_ENCODER_ARG(o->use),
      FD_USE_DEVICE_ARGS(o->use),
      {0},
  };
  const fd_args args = {
      "speed", "CHECKPOINT [CHECKPOINT ...] --rows FILE [options]",
      "Measures size and speed of models on the same sequences. Printed are the number of parameters of each model and the\n"
      "median time of batches of 1 and of 16 sequences, from nucleotides to the head's logits (latents of a model without a\n"
      "head) in host memory. The models take turns, so that slow changes of the machine's speed affect all of them alike; but\n"
      "measure on an idle machine: other processes interrupt a large model more often than a small one.",
      table};
  FD_TRY(fd_args_parse(&args, argc, argv, o->words, MODELS_MAX, &o->count, helped));
  if (*helped) return FD_OK;
  if (!o->count || !o->rows)
    return fd_fail(FD_USAGE, "findna speed: give one CHECKPOINT or several, and --rows FILE; see findna speed --help");
  return FD_OK;
}

static fd_status open_all(const options *o, comparison *c) {
  FD_TRY(fd_check_output_place(o->output));
  FD_TRY(fd_check_output(o->output, o->rows));
  FD_TRY(fd_table_read_sequences(o->rows, &c->table));
  if (!c->table.rows) return fd_fail(FD_DATA, "%s: has no rows", o->rows);
  FD_TRY(fd_alloc(&c->speed, (size_t)o->count, sizeof *c->speed, "models"));
  for (int i = 0; i < o->count; i++) {
    FD_TRY(fd_speed_open(&c->speed[i], o->words[i], &o->use, &c->table, batches[BATCHES - 1]));
    for (int b = 0; b < BATCHES; b++) FD_TRY(fd_alloc(&c->of[i][b].seconds, TIMES_MAX, sizeof(double), "times"));
  }
  return FD_OK;
}

/* Times a batch of each model in turn, until `seconds` per model have passed and every model has run at least WARM batches. */
static fd_status measure(const options *o, comparison *c, int b) {
  int first = 0;
  double start = 0, ignored;
  for (int k = 0; k < WARM; k++)
    for (int i = 0; i < o->count; i++) FD_TRY(fd_speed_batch(&c->speed[i], k, batches[b], &ignored));
  start = fd_seconds();
  for (int n = 0; n < TIMES_MAX && (n < WARM || fd_seconds() - start < o->seconds * o->count); n++) {
    FD_TRY(fd_guard_go_on());
    for (int i = 0; i < o->count; i++) {
      times *t = &c->of[i][b];
      FD_TRY(fd_speed_batch(&c->speed[i], first, batches[b], &t->seconds[t->count]));
      t->count++;
    }
    first = (first + batches[b]) % c->table.rows;
  }
  for (int i = 0; i < o->count; i++) {
    times *t = &c->of[i][b];
    fd_sort(t->seconds, (size_t)t->count);
    t->median = t->seconds[t->count / 2], t->low = t->seconds[t->count / 4], t->high = t->seconds[t->count * 3 / 4];
  }
  return FD_OK;
}

/* Mean number of nucleotides of a row. */
static double mean_length(const comparison *c) { return (double)c->table.start[c->table.rows] / c->table.rows; }

static json_t *json_of(const options *o, const comparison *c, int i) {
  const fd_speed *s = &c->speed[i];
  json_t *model = json_pack("{s:s, s:s, s:f, s:s, s:s, s:i}", "checkpoint", o->words[i], "state_id", s->model.info.state_id,
                            "parameters", s->parameters, "device", s->model.dev->kind, "instructions", s->model.dev->simd,
                            "threads", s->model.dev->threads);
  for (int b = 0; b < BATCHES; b++) {
    char key[32];
    const times *t = &c->of[i][b];
    snprintf(key, sizeof key, "batch_%d", batches[b]);
    fd_json_set(&model, key,
                json_pack("{s:i, s:f, s:f, s:f, s:f, s:f}", "times", t->count, "median_ms", 1e3 * t->median, "first_quartile_ms",
                          1e3 * t->low, "third_quartile_ms", 1e3 * t->high, "sequences_per_second", batches[b] / t->median,
                          "nucleotides_per_second", batches[b] * mean_length(c) / t->median));
  }
  return model;
}

static fd_status report(const options *o, const comparison *c) {
  printf("%-32s %12s  %22s  %22s  %12s  %13s  %8s\n", "model", "parameters", "1 sequence, ms", "16 sequences, ms", "sequences/s",
         "nucleotides/s", "faster");
  for (int i = 0; i < o->count; i++) {
    const times *one = &c->of[i][0], *many = &c->of[i][1];
    fd_print("%-32.32s", o->words[i]);
    printf(" %12.0f  %8.3f (%.3f-%.3f)  %8.3f (%.3f-%.3f)  %12.1f  %13.0f  %7.1fx\n", c->speed[i].parameters, 1e3 * one->median,
           1e3 * one->low, 1e3 * one->high, 1e3 * many->median, 1e3 * many->low, 1e3 * many->high, batches[1] / many->median,
           batches[1] * mean_length(c) / many->median, c->of[0][1].median / many->median);
  }
  fd_print("(median and quartiles; %d rows of %s; %s, %s, %d threads; faster: than the first model, at 16 sequences)\n",
           c->table.rows, o->rows, c->speed->model.dev->kind, c->speed->model.dev->simd, c->speed->model.dev->threads);
  if (!o->output) return FD_OK;
  json_t *root = json_pack("{s:s, s:s, s:i}", "version", fd_version(), "rows", o->rows, "count", c->table.rows),
         *models = json_array();
  for (int i = 0; i < o->count; i++) fd_json_append(&models, json_of(o, c, i));
  fd_json_set(&root, "models", models);
  fd_status status = fd_json_write(o->output, root);
  json_decref(root);
  return status;
}

static fd_status speed(const options *o, comparison *c) {
  FD_TRY(open_all(o, c));
  for (int b = 0; b < BATCHES; b++) FD_TRY(measure(o, c, b));
  return report(o, c);
}

fd_status fd_command_speed(fd_comm *comm, int argc, char **argv) {
  options o = {.seconds = 5, .use.encoder = -1};
  int helped;
  (void)comm;
  FD_TRY(read_options(argc, argv, &o, &helped));
  if (helped) return FD_OK;
  comparison *c;
  FD_TRY(fd_alloc(&c, 1, sizeof *c, "a comparison"));
  fd_status status = speed(&o, c);
  for (int i = 0; i < o.count; i++) {
    if (c->speed) fd_speed_close(&c->speed[i]);
    for (int b = 0; b < BATCHES; b++) free(c->of[i][b].seconds);
  }
  free(c->speed);
  fd_table_free(&c->table);
  free(c);
  return status;
}
