/* Computes tracks one sequence at a time: the root rank reads it, every rank runs a share of the passes, the root writes its
 * lines. */
#include "tasks/bedgraph.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/finite.h"
#include "base/guard.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/alphabet.h"
#include "tasks/score.h"

/* A window on one strand with one phase of the mask; it scores [first, last) of the sequence. */
typedef struct task {
  int64_t from, first, last;
  int length, phase, minus;
} task;

typedef struct work {
  fd_bedgraph_options *options;
  const fd_encoder *encoder;
  fd_comm *comm;
  int64_t length, room;
  uint8_t *symbols; /* [length] of the sequence */
  float *value;     /* [length, 4] probabilities */
  fd_encoding *e;
  char *contig; /* root: contig of the previous sequence, or NULL; end: its end there */
  int64_t end;
  int warned;
} work;

static int64_t windows_of(const work *w) {
  int64_t size = w->options->window, step = (size + 1) / 2;
  return w->length <= size ? 1 : 1 + (w->length - size + step - 1) / step;
}

/* Window k, and the part of the sequence that it scores; these parts are adjacent and disjoint. */
static task window_at(const work *w, int64_t k) {
  int64_t size = w->options->window, step = (size + 1) / 2, count = windows_of(w), quarter = (size - step) / 2;
  task t = {.length = (int)(w->length < size ? w->length : size)};
  t.from = k * step < w->length - t.length ? k * step : w->length - t.length;
  t.first = k ? k * step + quarter : 0;
  t.last = k + 1 < count ? (k + 1) * step + quarter : w->length;
  return t;
}

/* Adds the probabilities at the masked nucleotides of a window of a pass. */
static void take(void *context, int i, const void *note) {
  const work *w = context;
  const task *t = note;
  double share = w->options->both_strands ? 0.5 : 1;
  for (int64_t at = t->first + t->phase; at < t->last; at += w->options->every) {
    int row = (int)(at - t->from);
    if (t->minus) row = t->length - 1 - row;
    const float *z = w->e->logits + (size_t)(w->e->seqs.start[i] + row) * FD_SYMBOLS;
    double p[FD_N], most = -INFINITY, sum = 0;
    for (int c = 0; c < FD_N; c++)
      p[c] = fd_score_log_weight((double)z[c], w->options->tau, w->options->bce), most = fmax(most, p[c]);
    for (int c = 0; c < FD_N; c++) sum += p[c] = exp(p[c] - most);
    float *out = w->value + (size_t)at * FD_N;
    for (int c = 0; c < FD_N; c++) {
      int base = t->minus ? fd_complement[c] : c;
      out[base] = (float)(out[base] + share * p[c] / sum);
    }
  }
}

static fd_status add(work *w, const task *t) {
  FD_TRY(fd_encoding_put(w->e, w->symbols + t->from, t->length, t->minus, t));
  for (int64_t at = t->first + t->phase; at < t->last; at += w->options->every) {
    int64_t row = at - t->from;
    fd_encoding_mask(w->e, t->minus ? t->length - 1 - row : row, 1);
  }
  return FD_OK;
}

/* Computes this rank's windows of the sequence. */
static fd_status do_share(work *w) {
  int64_t count = windows_of(w), first = count * w->comm->rank / w->comm->size,
          last = count * (w->comm->rank + 1) / w->comm->size;
  for (int64_t k = first; k < last; k++)
    for (int phase = 0; phase < w->options->every; phase++)
      for (int minus = 0; minus <= w->options->both_strands; minus++) {
        task t = window_at(w, k);
        if (phase >= t.last - t.first) break; /* nothing left to mask */
        t.phase = phase, t.minus = minus;
        FD_TRY(add(w, &t));
      }
  return fd_encoding_flush(w->e);
}

/* Root: refuses probabilities that are not finite, which finite weights may produce if they are too large. */
static fd_status check_values(const work *w, const fd_sequence *s) {
  size_t count = (size_t)w->length * FD_N, place = fd_first_bad(w->value, count);
  if (place == count) return FD_OK;
  int64_t at = (int64_t)(place / FD_N);
  return fd_fail(FD_NUMERIC,
                 "%s:%" PRId64
                 ": a probability is not finite: the weights of the %s have diverged, use an older checkpoint; nothing "
                 "was written",
                 s->contig, s->start + (s->minus ? s->length - 1 - at : at) + 1, w->encoder->name);
}

/* Broadcasts the sequence to all ranks and computes its probabilities, which all ranks then have. */
static fd_status do_sequence(work *w, const fd_sequence *sequence) {
  fd_comm *comm = w->comm;
  if (comm->rank == 0) w->length = sequence->length;
  FD_TRY(comm->ops->broadcast(comm, &w->length, sizeof w->length, 0));
  if (w->length > w->room) {
    free(w->symbols);
    free(w->value);
    w->value = NULL;
    FD_TRY(fd_alloc(&w->symbols, (size_t)w->length, 1, "a sequence"));
    FD_TRY(fd_alloc(&w->value, (size_t)w->length, FD_N * sizeof *w->value, "a track"));
    w->room = w->length;
  }
  if (comm->rank == 0) memcpy(w->symbols, sequence->symbols, (size_t)w->length);
  memset(w->value, 0, (size_t)w->length * FD_N * sizeof *w->value);
  FD_TRY(comm->ops->broadcast(comm, w->symbols, (size_t)w->length, 0));
  FD_TRY(fd_comm_agree(comm, do_share(w)));
  /* A window's values are zero on all ranks but one, so summing the bits over ranks yields the values exactly. */
  FD_TRY(comm->ops->sum_u64(comm, (uint64_t *)(void *)w->value, (size_t)w->length * FD_N * sizeof(float) / sizeof(uint64_t)));
  return fd_comm_agree(comm, comm->rank ? FD_OK : check_values(w, sequence));
}

static double value_at(const work *w, int64_t at) {
  const float *p = w->value + (size_t)at * FD_N;
  double sum = 0;
  if (w->options->kind == FD_BEDGRAPH_LOGP) return log(fmax(p[w->symbols[at]], FLT_MIN));
  for (int c = 0; c < FD_N; c++) sum -= p[c] > 0 ? p[c] * log(p[c]) : 0;
  return sum;
}

/* Prints a name with _ for blanks, at which programs split the lines of a bedGraph as they do at tabs. */
static void print_name(FILE *out, const char *name) {
  for (; *name; name++) fputc((unsigned char)*name <= ' ' ? '_' : *name, out);
}

static fd_status write_sequence(work *w, const fd_sequence *s, FILE *out) {
  if (w->contig && !strcmp(w->contig, s->contig) && s->start < w->end && !w->warned++)
    fd_warn("%s:%" PRId64
            ": intervals overlap or go backwards: most programs accept a bedGraph only if they are sorted and disjoint",
            s->contig, s->start);
  free(w->contig);
  if (!(w->contig = strdup(s->contig))) return fd_fail(FD_MEMORY, "out of memory for a name");
  w->end = s->start + s->length;
  for (int64_t i = 0; i < s->length; i++) {
    int64_t at = s->minus ? s->length - 1 - i : i;
    FD_TRY(fd_guard_go_on());
    if (w->symbols[at] >= FD_N) continue;
    print_name(out, s->contig);
    fprintf(out, "\t%" PRId64 "\t%" PRId64 "\t%.6g\n", s->start + i, s->start + i + 1, value_at(w, at));
  }
  return FD_OK;
}

static fd_status run(work *w, fd_sequences *s, FILE *out) {
  int root = w->comm->rank == 0;
  int64_t count = root ? fd_sequences_count(s) : 0, bases = root ? fd_sequences_bases(s) : 0, done = 0,
          longest = root ? fd_sequences_longest(s) : 0;
  fd_sequence next = {0};
  FD_TRY(w->comm->ops->broadcast(w->comm, &count, sizeof count, 0));
  FD_TRY(w->comm->ops->broadcast(w->comm, &longest, sizeof longest, 0));
  if (longest < w->options->window) w->options->window = (int)longest; /* limits the buffers */
  FD_TRY(fd_encoding_open(&w->e, w->encoder, 0, w->options->window, FD_WANT_LOGITS, take, w, sizeof(task)));
  double start = fd_seconds();
  for (int64_t i = 0; i < count; i++) {
    FD_TRY(fd_comm_stop_asked(w->comm));
    FD_TRY(fd_comm_agree(w->comm, root ? fd_sequences_next(s, &next) : FD_OK));
    FD_TRY(do_sequence(w, &next));
    FD_TRY(fd_comm_agree(w->comm, root ? write_sequence(w, &next, out) : FD_OK));
    done += w->length;
    double seconds = fd_seconds() - start;
    fd_progress(root && i + 1 == count, "%" PRId64 " of %" PRId64 " nucleotides, %.0f nucleotides/s, %.0f s left", done, bases,
                (double)done / seconds, (double)(bases - done) * seconds / (double)done);
  }
  return FD_OK;
}

fd_status fd_bedgraph_run(const fd_bedgraph_options *o, const fd_encoder *encoder, fd_comm *comm, fd_sequences *s, FILE *out) {
  fd_bedgraph_options own = *o;
  work w = {.options = &own, .encoder = encoder, .comm = comm};
  fd_status status = run(&w, s, out);
  free(w.symbols);
  free(w.value);
  free(w.contig);
  fd_encoding_close(&w.e);
  return status;
}
