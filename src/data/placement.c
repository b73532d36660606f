/* Places windows in intervals. */
#include "data/placement.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/memory.h"
#include "base/random.h"

const char *const fd_split_names[FD_SPLITS] = {"train", "val", "test"};

enum { ATTEMPTS_MAX = 100000 };

/* --- intervals ------------------------------------------------------------------------------------------------------- */

fd_status fd_intervals_add(fd_intervals *v, int record, int split, int64_t begin, int64_t end) {
  FD_TRY(fd_grow(&v->item, &v->capacity, (size_t)v->count + 1, sizeof *v->item, "intervals"));
  v->item[v->count++] = (fd_interval){.record = record, .split = split, .begin = begin, .end = end};
  return FD_OK;
}

static int by_record(const void *a, const void *b) {
  const fd_interval *x = a, *y = b;
  if (x->record != y->record) return x->record < y->record ? -1 : 1;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return (x->line > y->line) - (x->line < y->line); /* messages name the earlier line first */
}

static int by_split(const void *a, const void *b) {
  const fd_interval *x = a, *y = b;
  return x->split != y->split ? x->split - y->split : by_record(a, b);
}

/* Refuses overlapping intervals of two splits: a base in both would leak held-out data. */
static fd_status check_overlaps(const fd_intervals *v, const fd_genome *g) {
  int last = 0; /* the interval with the largest end so far */
  for (int i = 1; i < v->count; i++) {
    const fd_interval *a = &v->item[last], *b = &v->item[i];
    if (a->record == b->record && b->begin < a->end && a->split != b->split)
      return fd_fail(FD_DATA,
                     "the splits %s and %s share bases of %s from %" PRId64 " on (lines %" PRId64 " and %" PRId64
                     " of the BED file); splits must not overlap",
                     fd_split_names[a->split], fd_split_names[b->split], g->record[b->record].contig,
                     g->record[b->record].first + b->begin, a->line, b->line);
    if (a->record != b->record || b->end > a->end) last = i;
  }
  return FD_OK;
}

fd_status fd_intervals_close(fd_intervals *v, const fd_genome *g) {
  int kept = 0;
  memset(v->of, 0, sizeof v->of);
  if (!v->count) return FD_OK;
  qsort(v->item, (size_t)v->count, sizeof *v->item, by_record);
  FD_TRY(check_overlaps(v, g));
  qsort(v->item, (size_t)v->count, sizeof *v->item, by_split);
  for (int i = 0; i < v->count; i++) {
    fd_interval *last = kept ? &v->item[kept - 1] : NULL, next = v->item[i];
    int same = last && last->split == next.split;
    if (same && last->record == next.record && next.begin <= last->end) {
      if (next.end > last->end) last->end = next.end;
      continue;
    }
    next.before = same ? last->before + last->end - last->begin : 0;
    v->item[kept++] = next;
  }
  v->count = kept;
  for (int s = 0, i = 0; s <= FD_SPLITS; s++) {
    while (i < kept && v->item[i].split < s) i++;
    v->of[s] = i;
  }
  return FD_OK;
}

/* The first excluded interval that ends behind a place of a record. */
static int first_behind(const fd_intervals *excluded, int record, int64_t place) {
  int low = 0, high = excluded->count;
  while (low < high) {
    int middle = low + (high - low) / 2;
    const fd_interval *x = &excluded->item[middle];
    if (x->record < record || (x->record == record && x->end <= place)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/* Appends the pieces of an interval that are left. */
static fd_status add_pieces(fd_intervals *pieces, fd_interval whole, const fd_intervals *excluded, int64_t *bases) {
  int64_t begin = whole.begin;
  for (int i = first_behind(excluded, whole.record, begin); begin < whole.end; i++) {
    const fd_interval *x = i < excluded->count ? &excluded->item[i] : NULL;
    int is_inside = x && x->record == whole.record && x->begin < whole.end;
    int64_t end = !is_inside ? whole.end : x->begin > begin ? x->begin : begin;
    if (end > begin) {
      FD_TRY(fd_intervals_add(pieces, whole.record, whole.split, begin, end));
      pieces->item[pieces->count - 1].line = whole.line;
    }
    begin = !is_inside || x->end > whole.end ? whole.end : x->end;
    *bases += begin - end;
  }
  return FD_OK;
}

fd_status fd_intervals_exclude(fd_intervals *v, const fd_intervals *excluded, const fd_genome *g, int64_t *bases) {
  fd_intervals pieces = {0};
  fd_status status = FD_OK;
  *bases = 0;
  for (int i = 0; i < v->count && status == FD_OK; i++) status = add_pieces(&pieces, v->item[i], excluded, bases);
  free(v->item);
  *v = pieces;
  return status == FD_OK ? fd_intervals_close(v, g) : status;
}

/* --- windows --------------------------------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b) {
  const fd_place *x = a, *y = b;
  if (x->record != y->record) return x->record < y->record ? -1 : 1;
  return (x->start > y->start) - (x->start < y->start);
}

static int too_many_n(const fd_placement *p, const fd_record *r, int64_t start) {
  return (double)fd_record_count_n(r, start, start + p->window) > p->max_n * p->window;
}

__extension__ typedef unsigned __int128 wide;

/* Uniform integer below n, from two random words. */
static int64_t below(uint32_t high, uint32_t low, int64_t n) {
  return (int64_t)(((wide)((uint64_t)high << 32 | low) * (wide)n) >> 64);
}

/* Intervals of one record, or of the whole split: item[begin] .. item[end - 1]. */
typedef struct group {
  int begin, end;
} group;

static int64_t bases_of(const fd_intervals *v, group g) {
  const fd_interval *last = &v->item[g.end - 1];
  return last->before + last->end - last->begin - v->item[g.begin].before;
}

/* The position of base `pick` of a group. */
static fd_place locate(const fd_intervals *v, group g, int64_t pick) {
  int low = g.begin, high = g.end;
  pick += v->item[g.begin].before;
  while (high - low > 1) {
    int middle = low + (high - low) / 2;
    if (v->item[middle].before <= pick) low = middle;
    else high = middle;
  }
  return (fd_place){v->item[low].record, v->item[low].begin + pick - v->item[low].before, v->item[low].end};
}

static fd_status cannot_place(const fd_placement *p, int split, int64_t index, const fd_places *found) {
  return fd_fail(
      FD_DATA,
      "window %" PRId64 " of split %s found no place in %d attempts (so far %" PRId64 " crossed an end, %" PRId64
      " had more N than --max-n %g): use a shorter --window than %d, a larger --max-n, or other sequences or intervals",
      index, fd_split_names[split], ATTEMPTS_MAX, found->crossed, found->too_many_n, p->max_n, p->window);
}

/* Places one window: tries random positions until one is accepted. */
static fd_status place_one(const fd_placement *p, const fd_genome *g, const fd_intervals *v, int split, const group *choice,
                           int choices, int64_t index, fd_places *places) {
  fd_rng_key key = fd_rng_key_of(p->seed, FD_RNG_PREPARE);
  FD_TRY(fd_guard_go_on());
  for (uint64_t attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    uint32_t word[4];
    fd_philox(word, key, (uint64_t)split << 56 | (uint64_t)index, attempt);
    group from = choice[fd_below(word[2], (uint32_t)choices)];
    fd_place at = locate(v, from, below(word[0], word[1], bases_of(v, from)));
    if (at.start + p->window > at.end) {
      places->crossed++;
    } else if (too_many_n(p, &g->record[at.record], at.start)) {
      places->too_many_n++;
    } else {
      places->item[places->count++] = at;
      return FD_OK;
    }
  }
  return cannot_place(p, split, index, places);
}

fd_status fd_place_random(const fd_placement *p, const fd_genome *g, const fd_intervals *v, int split, int64_t count,
                          fd_places *places) {
  group all = {v->of[split], v->of[split + 1]}, *choice;
  int choices = 0;
  fd_status status = FD_OK;
  if (!count) return FD_OK;
  if (all.begin == all.end)
    return fd_fail(FD_DATA, "the split %s has no sequence to take %" PRId64 " windows from", fd_split_names[split], count);
  FD_TRY(fd_grow(&places->item, &places->capacity, (size_t)count, sizeof *places->item, "places of windows"));
  FD_TRY(fd_alloc(&choice, (size_t)(all.end - all.begin), sizeof *choice, "intervals"));
  choice[choices++] = all;
  for (int i = all.begin; p->uniform && i < all.end; i++) { /* one choice per contig */
    if (i == all.begin) choices = 0;
    if (i == all.begin || v->item[i].record != v->item[i - 1].record) choice[choices++].begin = i;
    choice[choices - 1].end = i + 1;
  }
  for (int64_t i = 0; i < count && status == FD_OK; i++) status = place_one(p, g, v, split, choice, choices, i, places);
  if (status == FD_OK) qsort(places->item, (size_t)places->count, sizeof *places->item, by_place);
  free(choice);
  return status;
}

fd_status fd_place_strided(const fd_placement *p, const fd_genome *g, const fd_intervals *v, int split, int64_t stride,
                           fd_places *places) {
  for (int i = v->of[split]; i < v->of[split + 1]; i++) {
    const fd_interval *t = &v->item[i];
    for (int64_t start = t->begin; start + p->window <= t->end; start += stride) {
      FD_TRY(fd_guard_go_on());
      if (too_many_n(p, &g->record[t->record], start)) {
        places->too_many_n++;
        continue;
      }
      FD_TRY(fd_grow(&places->item, &places->capacity, (size_t)places->count + 1, sizeof *places->item, "places of windows"));
      places->item[places->count++] = (fd_place){t->record, start, t->end};
    }
  }
  return FD_OK;
}
