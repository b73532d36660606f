/* Evaluation on held-out windows, and the collapse monitor. Collective; the same numbers on any number of ranks. */
#ifndef FD_TRAIN_EVALUATE_H
#define FD_TRAIN_EVALUATE_H

#include "data/batch.h"
#include "train/alignment.h"
#include "train/trainer.h"

/* Loss (nats) and accuracy of a network on the masked A, C, G, T, or the hidden words, of held-out windows without
 * augmentation. */
typedef struct fd_held_out {
  double loss, accuracy;
  double cosine;           /* mean cosine between the student's aligned features and those of a frozen teacher */
  int64_t masked, aligned; /* aligned: rows with a cosine; 0: no frozen teacher */
} fd_held_out;

/* How much signal the [CLS] term carries (in nats unless stated otherwise), on augmented pairs of views of held-out windows.
 * Entropies are means over the distributions. */
typedef struct fd_monitor {
  double entropy, entropy_limit; /* entropy of the teacher's q-hat; its maximum, ln n */
  double mutual_information;     /* H(mean q-hat over the windows) - mean H(q-hat): 0 if q-hat is the same for every window */
  double cross_entropy, gain;    /* -q-hat log p-hat; H(mean q-hat) - cross_entropy: > 0 if the student beats the best constant */
  double correlation;            /* between the views, of the softmax inputs without their common part and batch mean */
  double centre_norm;            /* of the centre, without the part that cancels in the softmax */
  int64_t windows;
  const char *warning; /* why this looks like collapse, or NULL */
} fd_monitor;

/* Evaluates the state's array FD_STUDENT or FD_TEACHER on the first `count` windows; `layers`, unless NULL, collects rows of
 * them. FD_RETRY on all ranks if a signal requested a stop on one of them, also during training: nothing has changed. */
fd_status fd_evaluate_held_out(fd_trainer *trainer, fd_array array, const fd_windows *windows, int64_t count,
                               fd_alignment *layers, fd_held_out *result) FD_MUST_CHECK;

/* Called before each pass: FD_RETRY if a stop was requested. */
fd_status fd_evaluate_go_on(void) FD_MUST_CHECK;

/* Measures the collapse monitor on the first `count` windows; requires a moving-average teacher. FD_RETRY as above. */
fd_status fd_evaluate_monitor(fd_trainer *trainer, const fd_windows *windows, int64_t count, fd_monitor *result) FD_MUST_CHECK;

#endif
