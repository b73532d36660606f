/* Counts of a nucleotide given its neighbours, each of which may be known or unknown. */
#include "tasks/context.h"

#include <math.h>
#include <stdlib.h>

#include "base/guard.h"
#include "base/memory.h"
#include "device/tensors.h"

enum { BASES = 4, UNKNOWN = 4 };

/* A context is a number in base 4: one digit per neighbour, from left to right. */
struct fd_context_table {
  int reach;
  double *count; /* [4^(2 * reach), 4]: exact up to 2^53 */
};

/* Adds up the training windows' words of 2 * reach + 1 nucleotides. `word` holds the last ones as a number in base 4, whose
 * middle digit is the nucleotide that is counted. */
static void count_window(fd_context_table *t, const uint8_t *window, int length) {
  const size_t side = (size_t)1 << 2 * t->reach; /* contexts of one side */
  size_t word = 0;
  int run = 0; /* known nucleotides in a row up to here */
  for (int at = 0; at < length; at++) {
    run = window[at] < FD_N ? run + 1 : 0;
    word = (word * BASES + (window[at] & 3)) % (side * side * BASES);
    if (run <= 2 * t->reach) continue;
    size_t left = word / (side * BASES), middle = word / side % BASES, right = word % side;
    t->count[(left * side + right) * BASES + middle]++;
  }
}

fd_status fd_context_table_fit(fd_context_table **table, const fd_windows *train, int reach) {
  fd_status status = FD_OK;
  *table = NULL;
  if (reach < 0 || reach > FD_CONTEXT_REACH)
    return fd_fail(FD_BUG, "context table of reach %d; expected 0 to %d", reach, FD_CONTEXT_REACH);
  FD_TRY(fd_alloc(table, 1, sizeof **table, "a context table"));
  fd_context_table *t = *table;
  t->reach = reach;
  FD_GO(fd_alloc(&t->count, BASES * ((size_t)1 << 4 * reach), sizeof *t->count, "a context table"));
  for (int64_t w = 0; w < train->count; w++) {
    FD_GO(fd_guard_go_on());
    count_window(t, fd_windows_at(train, w), fd_windows_length(train, w));
  }
done:
  if (status != FD_OK) fd_context_table_free(table);
  return status;
}

void fd_context_table_free(fd_context_table **table) {
  if (*table) free((*table)->count);
  free(*table);
  *table = NULL;
}

/* Adds the counts of all contexts that continue `context` with these neighbours. */
static void add_counts(const fd_context_table *t, size_t context, const uint8_t *neighbour, int neighbours, double sum[BASES]) {
  for (; neighbours && *neighbour != UNKNOWN; neighbour++, neighbours--) context = context * BASES + *neighbour;
  if (!neighbours)
    for (int c = 0; c < BASES; c++) sum[c] += t->count[context * BASES + (size_t)c];
  else
    for (size_t c = 0; c < BASES; c++) add_counts(t, context * BASES + c, neighbour + 1, neighbours - 1, sum);
}

/* The counts of the nucleotides that position `at` of a window may have. */
static void count_at(const fd_context_table *t, const uint8_t *window, const uint8_t *hidden, int length, int at,
                     double sum[BASES]) {
  uint8_t neighbour[2 * FD_CONTEXT_REACH];
  int n = 0;
  for (int i = at - t->reach; i <= at + t->reach; i++) {
    int known = i >= 0 && i < length && window[i] < FD_N && !hidden[i];
    if (i != at) neighbour[n++] = known ? window[i] : UNKNOWN;
  }
  for (int c = 0; c < BASES; c++) sum[c] = 0;
  add_counts(t, 0, neighbour, n, sum);
}

fd_status fd_context_table_score(const fd_context_table *table, const fd_windows *windows, const uint8_t *mask, double *loss_nats,
                                 double *accuracy, int64_t *masked) {
  double loss = 0;
  int64_t hits = 0, n = 0;
  for (int64_t w = 0; w < windows->count; w++) {
    FD_TRY(fd_guard_go_on());
    const uint8_t *window = fd_windows_at(windows, w), *hidden = mask + w * windows->length;
    int length = fd_windows_length(windows, w);
    for (int t = 0; t < length; t++) {
      double count[BASES];
      int best = 0;
      if (!hidden[t] || window[t] >= FD_N) continue;
      count_at(table, window, hidden, length, t, count);
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
