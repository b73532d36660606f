/* Counts of a nucleotide given its neighbours, each of which may be known or unknown. */
#include "tasks/context.h"

#include <math.h>
#include <stdlib.h>

#include "base/guard.h"
#include "base/memory.h"
#include "device/tensors.h"

enum { BASES = 4, UNKNOWN = 4, STATES = 5 };

/* A context is a number in base 5: one digit per neighbour, 4 for an unknown one. */
struct fd_context_table {
  int neighbours; /* 2 * reach */
  size_t contexts;
  double *count; /* [contexts, 4]: exact up to 2^53 */
};

/* The context of position t; a neighbour that `mask` (may be NULL) hides counts as unknown. */
static size_t context_at(const uint8_t *window, const uint8_t *mask, int length, int t, int reach) {
  size_t context = 0;
  for (int d = -reach; d <= reach; d++) {
    int at = t + d;
    if (d == 0) continue;
    int known = at >= 0 && at < length && window[at] < FD_N && !(mask && mask[at]);
    context = context * STATES + (known ? window[at] : UNKNOWN);
  }
  return context;
}

/* For one neighbour after another, sets the counts of contexts where it is unknown to the sum over its four nucleotides. */
static void add_marginals(fd_context_table *t) {
  size_t place = 1;
  for (int n = 0; n < t->neighbours; n++, place *= STATES) {
    for (size_t i = 0; i < t->contexts; i++) {
      if (i / place % STATES != UNKNOWN) continue;
      for (int c = 0; c < BASES; c++) {
        double sum = 0;
        for (size_t s = 1; s <= BASES; s++) sum += t->count[(i - s * place) * BASES + (size_t)c];
        t->count[i * BASES + (size_t)c] = sum;
      }
    }
  }
}

fd_status fd_context_table_fit(fd_context_table **table, const fd_windows *train, int reach) {
  *table = NULL;
  if (reach < 0 || reach > FD_CONTEXT_REACH)
    return fd_fail(FD_BUG, "context table of reach %d; expected 0 to %d", reach, FD_CONTEXT_REACH);
  FD_TRY(fd_alloc(table, 1, sizeof **table, "a context table"));
  fd_context_table *t = *table;
  t->neighbours = 2 * reach;
  t->contexts = 1;
  for (int n = 0; n < t->neighbours; n++) t->contexts *= STATES;
  fd_status status = fd_alloc(&t->count, t->contexts * BASES, sizeof *t->count, "a context table");
  if (status != FD_OK) {
    fd_context_table_free(table);
    return status;
  }
  for (int64_t w = 0; w < train->count; w++) {
    if ((status = fd_guard_go_on()) != FD_OK) {
      fd_context_table_free(table);
      return status;
    }
    const uint8_t *window = train->symbols + w * train->length;
    int run = 0; /* known nucleotides in a row up to here */
    for (int at = 0; at < train->length; at++) {
      run = window[at] < FD_N ? run + 1 : 0;
      if (run <= t->neighbours) continue;
      t->count[context_at(window, NULL, train->length, at - reach, reach) * BASES + window[at - reach]]++;
    }
  }
  add_marginals(t);
  return FD_OK;
}

void fd_context_table_free(fd_context_table **table) {
  if (*table) free((*table)->count);
  free(*table);
  *table = NULL;
}

fd_status fd_context_table_score(const fd_context_table *table, const fd_windows *windows, const uint8_t *mask, double *loss_nats,
                                 double *accuracy, int64_t *masked) {
  double loss = 0;
  int64_t hits = 0, n = 0;
  for (int64_t w = 0; w < windows->count; w++) {
    FD_TRY(fd_guard_go_on());
    const uint8_t *window = windows->symbols + w * windows->length, *hidden = mask + w * windows->length;
    for (int t = 0; t < windows->length; t++) {
      if (!hidden[t] || window[t] >= FD_N) continue;
      const double *count = table->count + context_at(window, hidden, windows->length, t, table->neighbours / 2) * BASES;
      int best = 0;
      for (int c = 1; c < BASES; c++)
        if (count[c] > count[best]) best = c;
      loss -= log((count[window[t]] + 1) / (count[0] + count[1] + count[2] + count[3] + BASES));
      hits += best == window[t];
      n++;
    }
  }
  *masked = n;
  *loss_nats = n ? loss / (double)n : 0;
  *accuracy = n ? (double)hits / (double)n : 0;
  return FD_OK;
}
