/* Context tables: a baseline that predicts a masked nucleotide from counts of its neighbours. */
#ifndef FD_TASKS_CONTEXT_H
#define FD_TASKS_CONTEXT_H

#include "data/shards.h"

enum { FD_CONTEXT_REACH = 6 };

typedef struct fd_context_table fd_context_table;

/* Counts each nucleotide given its `reach` (0 .. FD_CONTEXT_REACH) neighbours on either side, wherever all of them are A, C, G or
 * T within a training window. Takes 32 * 16^reach bytes: 2 MB for a reach of 4, 537 MB for 6. */
fd_status fd_context_table_fit(fd_context_table **table, const fd_windows *train, int reach) FD_MUST_CHECK;
void fd_context_table_free(fd_context_table **table);

/* Loss (nats) and accuracy at the masked A, C, G and T; mask: [count, length], nonzero where masked. A neighbour that is masked,
 * N or outside the window is unknown: counts are summed over its four nucleotides (exact marginalisation, 4^u sums for u unknown
 * neighbours), then smoothed by adding one to each nucleotide's count. A tie goes to the first of A, C, G, T. Without masked
 * positions all results are 0. */
fd_status fd_context_table_score(const fd_context_table *table, const fd_windows *windows, const uint8_t *mask, double *loss_nats,
                                 double *accuracy, int64_t *masked) FD_MUST_CHECK;

#endif
