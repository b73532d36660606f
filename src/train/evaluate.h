/* Evaluation on held-out windows, and the collapse monitor. Collective; the same numbers on any number of ranks. */
#ifndef FD_TRAIN_EVALUATE_H
#define FD_TRAIN_EVALUATE_H

#include "data/batch.h"
#include "train/alignment.h"
#include "train/trainer.h"

/* Loss (nats) and accuracy of a network over the masked A, C, G, T of held-out windows, or over hidden words, unaugmented. */
typedef struct fd_held_out {
  double loss, accuracy;
  double cosine;           /* mean one between what is aligned with a frozen teacher's features and these */
  int64_t masked, aligned; /* aligned: rows that have one; 0: there is no such teacher */
} fd_held_out;

/* Fewer windows bias the mutual information upwards, so that collapse would be missed: no judgement is made on them. */
enum { FD_MONITOR_WINDOWS = 512 };

/* How much signal the [CLS] term carries (nats where not said otherwise), on augmented pairs of views of held-out windows.
 * Entropies are means over the distributions. */
typedef struct fd_monitor {
  double entropy, entropy_limit; /* of the teacher's q-hat; ln n */
  double mutual_information;     /* H(mean q-hat over the windows) - mean H(q-hat): 0 when every window gets the same */
  double cross_entropy, gain; /* -q-hat log p-hat; H(mean q-hat) - cross_entropy: > 0 when the student beats the best constant */
  double correlation;         /* between the views, of what the softmax sees beyond its common part, batch mean removed */
  double centre_norm;         /* of the centre without the part that the softmax cancels */
  int64_t windows;
  const char *warning; /* why this looks like collapse, or NULL */
} fd_monitor;

/* Evaluates the state's array FD_STUDENT or FD_TEACHER on the first `count` windows; with `layers`, not NULL, it takes rows of
 * these. FD_RETRY on all ranks when a signal asked one of them to stop, in a training too: nothing has changed. */
fd_status fd_evaluate_held_out(fd_trainer *trainer, fd_array array, const fd_windows *windows, int64_t count,
                               fd_alignment *layers, fd_held_out *result) FD_MUST_CHECK;

/* What its loops ask of each pass. */
fd_status fd_evaluate_go_on(void) FD_MUST_CHECK;

/* Measures the monitor on the first `count` windows; needs a teacher. FD_RETRY as above. */
fd_status fd_evaluate_monitor(fd_trainer *trainer, const fd_windows *windows, int64_t count, fd_monitor *result) FD_MUST_CHECK;

#endif
