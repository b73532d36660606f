/* Gathers and compares hashes of the state. */
#include "train/synchrony.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { COUNTERS = FD_ARRAYS, WORDS };

static uint64_t counters_of(const fd_state *s) {
  uint64_t word[] = {(uint64_t)s->step,
                     (uint64_t)s->updates,
                     (uint64_t)s->skipped,
                     (uint64_t)s->bad_in_row,
                     s->draws,
                     (uint64_t)s->best_step,
                     0},
           hash = 0;
  memcpy(&word[6], &s->best_score, sizeof s->best_score);
  for (size_t i = 0; i < sizeof word / sizeof *word; i++) hash = (hash ^ word[i]) * 0x9E3779B97F4A7C15u;
  return hash;
}

static fd_status hash_state(const fd_state *s, uint64_t hash[WORDS]) {
  for (int i = 0; i < FD_ARRAYS; i++)
    if (s->size[i]) s->dev->ops.hash(s->dev, s->size[i], s->array[i], &hash[i]);
  hash[COUNTERS] = counters_of(s);
  return s->dev->sync(s->dev);
}

static int same(const uint64_t *a, const uint64_t *b) {
  for (int i = 0; i < WORDS; i++)
    if (a[i] != b[i]) return 0;
  return 1;
}

static int all_same(int size, uint64_t (*all)[WORDS]) {
  for (int r = 1; r < size; r++)
    if (!same(all[r], all[0])) return 0;
  return 1;
}

/* Marks the ranks outside the largest group of equal states; returns a member of that group, or -1 if no group is the largest. */
static int compare(int size, uint64_t (*all)[WORDS], int *differs) {
  int best = 0, best_count = 0, tie = 0;
  for (int r = 0; r < size; r++) {
    int count = 0;
    for (int other = 0; other < size; other++) count += same(all[r], all[other]);
    if (count > best_count) best = r, best_count = count, tie = 0;
    else if (count == best_count && !same(all[r], all[best])) tie = 1;
  }
  for (int r = 0; r < size; r++) differs[r] = tie || !same(all[r], all[best]);
  return tie ? -1 : best;
}

/* Prints "rank 2 (n3) in teacher, centre": the arrays that differ from those of rank `against`. */
static int name_rank(const fd_comm *comm, uint64_t (*all)[WORDS], int rank, int against, char *text, size_t size) {
  char place[FD_PLACE_MAX];
  int n = snprintf(text, size, "rank %d (%s) in", rank, fd_comm_place(comm, rank, place)), parts = 0;
  for (int i = 0; i < WORDS && n < (int)size - 40; i++)
    if (all[rank][i] != all[against][i])
      n += snprintf(text + n, size - (size_t)n, "%s %s", parts++ ? "," : "", i == COUNTERS ? "counters" : fd_array_names[i]);
  return n;
}

static fd_status refuse(const fd_comm *comm, int64_t step, uint64_t (*all)[WORDS], int reference, const int *differs) {
  char text[512];
  int n = 0, against = reference < 0 ? 0 : reference;
  for (int r = 0; r < comm->size && n < (int)sizeof text - 160; r++) {
    if (!differs[r] || r == against) continue;
    n += snprintf(text + n, sizeof text - (size_t)n, "%s", n ? "; " : "");
    n += name_rank(comm, all, r, against, text + n, sizeof text - (size_t)n);
  }
  return fd_fail(FD_LOST,
                 "step %" PRId64
                 ": the ranks' states are not the same: %s differs from %s %d (%s)%s. A bit may have flipped in memory: "
                 "check that machine; the same command goes on from the last checkpoint",
                 step, text, reference < 0 ? "rank" : "the others, such as rank", against, fd_comm_host(comm, against),
                 reference < 0 ? ", and no majority says who is right" : "");
}

fd_status fd_synchrony_check(fd_comm *comm, const fd_state *state, int *differs) {
  uint64_t(*all)[WORDS];
  fd_status status = FD_OK;
  memset(differs, 0, (size_t)comm->size * sizeof *differs);
  if (comm->size == 1) return FD_OK;
  FD_TRY(fd_alloc(&all, (size_t)comm->size, sizeof *all, "comparison of the ranks"));
  FD_GO(hash_state(state, all[comm->rank]));
  FD_GO(fd_comm_gather_rows(comm, all, WORDS));
  if (all_same(comm->size, all)) goto done;
  int reference = compare(comm->size, all, differs);
  status = comm->rank ? FD_LOST : refuse(comm, state->step, all, reference, differs);
  fd_status said = comm->ops->barrier(comm); /* no rank ends the job before the root rank has reported the reason */
  if (said != FD_OK) status = said;
done:
  free(all);
  return status;
}
