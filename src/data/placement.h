/* Places windows by the records' lengths and runs of N only: no sequence is needed, and each window is independent of the
 * others. */
#ifndef FD_DATA_PLACEMENT_H
#define FD_DATA_PLACEMENT_H

#include "data/genome.h"

enum { FD_TRAIN, FD_VAL, FD_TEST, FD_SPLITS };
extern const char *const fd_split_names[FD_SPLITS];

/* An interval of a record that belongs to a split; 0-based in the record, end exclusive. */
typedef struct fd_interval {
  int record, split;
  int64_t begin, end;
  int64_t before; /* bases in all intervals of the split before this one */
  int64_t line;   /* in the BED file; 0: not from one */
} fd_interval;

/* Split s owns item[of[s]] .. item[of[s + 1] - 1], sorted by record and place. */
typedef struct fd_intervals {
  int count, of[FD_SPLITS + 1];
  fd_interval *item;
  size_t capacity;
} fd_intervals;

/* A window: its record, its start in the record, and the end of the interval that holds it. */
typedef struct fd_place {
  int record;
  int64_t start, end;
} fd_place;

typedef struct fd_places {
  int64_t count;
  fd_place *item;
  size_t capacity;
  int64_t crossed, too_many_n; /* positions refused, by reason */
} fd_places;

typedef struct fd_placement {
  int window;
  double max_n; /* largest fraction of N in a window */
  int uniform;  /* random windows: contigs are drawn uniformly (as the authors do), not by length */
  uint64_t seed;
} fd_placement;

/* What was done with the rows of a BED file of splits. */
typedef struct fd_split_counts {
  int64_t rows;
  int64_t unused;  /* in sequences that the user left out (--contigs) */
  int64_t absent;  /* with `partial`: on contigs, or parts of them, that the files lack */
  int64_t outside; /* bases beyond the parts of a contig that the files have */
} fd_split_counts;

/* Appends the intervals of a BED file (columns contig, start, end, split: train, val or valid, test; further columns are
 * ignored) in records with used[record]. Errors name file:line; a row outside all sequences is an error unless `partial`. */
fd_status fd_splits_read(const char *path, const fd_genome *genome, const int *used, int partial, fd_intervals *intervals,
                         fd_split_counts *counts) FD_MUST_CHECK;

/* Appends the intervals of a BED file (contig start end; further columns are ignored), and closes them: all are of split 0.
 * Errors as above; a file without rows is one, too. */
fd_status fd_exclusions_read(const char *path, const fd_genome *genome, const int *used, int partial, fd_intervals *intervals,
                             fd_split_counts *counts) FD_MUST_CHECK;

/* Appends one interval. */
fd_status fd_intervals_add(fd_intervals *intervals, int record, int split, int64_t begin, int64_t end) FD_MUST_CHECK;

/* Sorts the intervals and joins those of a split that touch; FD_DATA if two splits share a base. Required before placing. */
fd_status fd_intervals_close(fd_intervals *intervals, const fd_genome *genome) FD_MUST_CHECK;

/* Removes the bases of `excluded` (closed, of split 0) from closed intervals; the remaining pieces are intervals of their own.
 * *bases: number of bases removed. */
fd_status fd_intervals_exclude(fd_intervals *intervals, const fd_intervals *excluded, const fd_genome *genome,
                               int64_t *bases) FD_MUST_CHECK;

/* Places `count` random windows in the intervals of a split; each depends on (seed, split, its index) only. Sorted by record
 * and start. */
fd_status fd_place_random(const fd_placement *p, const fd_genome *genome, const fd_intervals *intervals, int split, int64_t count,
                          fd_places *places) FD_MUST_CHECK;

/* Places a window of a split every `stride` nucleotides of each of its intervals. Sorted by record and start. */
fd_status fd_place_strided(const fd_placement *p, const fd_genome *genome, const fd_intervals *intervals, int split,
                           int64_t stride, fd_places *places) FD_MUST_CHECK;

#endif
