/* Runs an encoder over a table and pools its latents. */
#include "tasks/features.h"

#include <stdlib.h>
#include <string.h>

#include "base/finite.h"
#include "base/log.h"
#include "base/memory.h"

const char *const fd_features_names[] = {"tokens", "cls", "both", "max", NULL};

int fd_features_width(const fd_network *network, fd_features kind) {
  return network->channels * (kind == FD_FEATURES_BOTH ? 2 : 1);
}

static int is_of_tokens(fd_features kind) { return kind == FD_FEATURES_TOKENS || kind == FD_FEATURES_MAX; }

/* Encoders over ids have their own [CLS] token. */
int fd_features_cls(const fd_encoder *encoder, fd_features kind) {
  return is_of_tokens(kind) || encoder->tokenizer ? 0 : encoder->cls;
}

fd_status fd_features_check(const fd_encoder *encoder, fd_features kind) {
  if (is_of_tokens(kind) || !encoder->tokenizer || fd_tokenizer_vocabulary(encoder->tokenizer)->cls >= 0) return FD_OK;
  return fd_fail(FD_USAGE, "features '%s': this model's tokenizer has no [CLS] token", fd_features_names[kind]);
}

/* out = mean over rows first .. last-1 of the latents, summed in double, in the order of the rows. */
static void mean_latent(const fd_encoding *e, int first, int last, float *out) {
  enum { TOGETHER = 64 /* channels whose sums stay in L1 */ };
  int channels = e->encoder->network->channels;
  for (int from = 0; from < channels; from += TOGETHER) {
    int count = channels - from < TOGETHER ? channels - from : TOGETHER;
    double sum[TOGETHER] = {0};
    for (int r = first; r < last; r++)
      for (int c = 0; c < count; c++) sum[c] += e->latent[(size_t)r * (size_t)channels + (size_t)(from + c)];
    for (int c = 0; c < count; c++) out[from + c] = (float)(sum[c] / (last - first));
  }
}

/* out = the largest value of each channel over these rows. */
static void largest_latent(const fd_encoding *e, int first, int last, float *out) {
  int channels = e->encoder->network->channels;
  for (int r = first; r < last; r++)
    for (int c = 0; c < channels; c++) {
      float value = e->latent[(size_t)r * (size_t)channels + (size_t)c];
      if (r == first || value > out[c]) out[c] = value;
    }
}

void fd_features_pool(const fd_encoding *e, int i, fd_features kind, float *out) {
  int first = e->seqs.start[i], last = e->seqs.start[i + 1], cls = last - e->seqs.cls, words = e->encoder->tokenizer != NULL;
  float *of_cls = kind == FD_FEATURES_BOTH ? out + e->encoder->network->channels : out;
  if (kind == FD_FEATURES_MAX) largest_latent(e, first, cls, out);
  else if (kind != FD_FEATURES_CLS) mean_latent(e, first, cls, out);
  if (!is_of_tokens(kind)) mean_latent(e, words ? first : cls, words ? first + 1 : last, of_cls);
}

static int length_of(const fd_table *table, int row) { return (int)(table->start[row + 1] - table->start[row]); }

/* The destination of a table's features. */
typedef struct collection {
  fd_encoding *e;
  fd_features kind;
  size_t width;
  float *out; /* [rows, width] */
} collection;

static void take_row(void *context, int i, const void *note) {
  const collection *c = context;
  fd_features_pool(c->e, i, c->kind, c->out + (size_t) * (const int *)note * c->width);
}

/* Computes the features of rows first .. last-1. */
static fd_status compute_share(const fd_encoder *encoder, fd_features kind, const fd_table *table, int first, int last,
                               float *out) {
  fd_status status = FD_OK;
  collection c = {.kind = kind, .width = (size_t)fd_features_width(encoder->network, kind), .out = out};
  int longest = 0;
  for (int row = first; row < last; row++)
    if (length_of(table, row) > longest) longest = length_of(table, row);
  FD_TRY(fd_encoding_open(&c.e, encoder, fd_features_cls(encoder, kind), longest, FD_WANT_LATENT, take_row, &c, sizeof(int)));
  for (int row = first; row < last; row++) {
    FD_GO(fd_encoding_put(c.e, table->symbols + table->start[row], length_of(table, row), 0, &row));
    fd_progress(0, "features of the %s encoder: %d of %d sequences", encoder->name, row - first, last - first);
  }
  FD_GO(fd_encoding_flush(c.e));
done:
  fd_encoding_close(&c.e);
  return status;
}

/* Refuses features that are not finite, which finite weights may produce if they are too large. */
static fd_status check(const fd_encoder *encoder, const fd_table *table, const float *out, size_t width) {
  size_t count = (size_t)table->rows * width, place = fd_first_bad(out, count), row = place / width;
  char number[FD_TABLE_ID];
  if (place == count) return FD_OK;
  return fd_fail(FD_NUMERIC, "row %zu%s%s%s: feature %zu of the %s encoder is not finite: its weights have diverged", row + 1,
                 table->id ? " (" : "", table->id ? fd_table_id(table, (int)row, number) : "", table->id ? ")" : "",
                 place % width, encoder->name);
}

fd_status fd_features_compute(const fd_encoder *encoder, fd_features kind, const fd_table *table, fd_comm *comm, float *out) {
  size_t count = (size_t)table->rows * (size_t)fd_features_width(encoder->network, kind), pairs = (count + 1) / 2;
  float *shared;
  FD_TRY(fd_alloc(&shared, pairs, 2 * sizeof *shared, "features"));
  int first = (int)((int64_t)table->rows * comm->rank / comm->size),
      last = (int)((int64_t)table->rows * (comm->rank + 1) / comm->size);
  fd_status status = compute_share(encoder, kind, table, first, last, shared);
  status = fd_comm_agree(comm, status);
  /* Every value is zero on all ranks but one, so summing the bits over ranks yields the value exactly. */
  if (status == FD_OK) status = comm->ops->sum_u64(comm, (uint64_t *)(void *)shared, pairs);
  memcpy(out, shared, count * sizeof *out);
  free(shared);
  return status == FD_OK ? check(encoder, table, out, (size_t)fd_features_width(encoder->network, kind)) : status;
}
