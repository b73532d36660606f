/* Results of the gated delta rule for a pack of sequences on a device, for tests that compare bits. */
#ifndef FD_TESTS_DELTA_BITS_H
#define FD_TESTS_DELTA_BITS_H

#include "transfer.h"

enum { HEADS_OF = 2, KEYS_OF = 7, VALUES_OF = 9, IN_OF = HEADS_OF * (2 * KEYS_OF + VALUES_OF), OUT_OF = HEADS_OF * VALUES_OF };
enum { GATES_OF = 2 * HEADS_OF, BITS_OF = IN_OF + GATES_OF + OUT_OF };

/* y, dx and dgates, side by side, for rows of the pack from `first` on; rows_of has the rule's input, gates and dy. */
static inline float *delta_there(fd_device *dev, const fd_seqs *seqs, const float *rows_of, int first) {
  static const float gates[HEADS_OF] = {0.3f, -1};
  static const int width[] = {IN_OF, GATES_OF, OUT_OF, OUT_OF, IN_OF, GATES_OF};
  int rows = fd_seqs_rows(seqs), column = 0;
  float *out = malloc(sizeof(float) * (size_t)(rows * BITS_OF + 1)), *x = malloc(sizeof(float) * (size_t)(rows * IN_OF + 1)),
        *states = put(dev, NULL, sizeof(float) * (size_t)(rows / FD_DELTA_CHUNK * HEADS_OF * KEYS_OF * VALUES_OF + 1)),
        *there_too = put(dev, gates, sizeof gates), *grads = put(dev, NULL, 2 * sizeof gates);
  fd_seqs beside = put_seqs(dev, seqs);
  fd_mat m[6];
  for (int i = 0; i < 6; i++) {
    for (int r = 0; i < 3 && r < rows; r++)
      memcpy(x + r * width[i], rows_of + (first + r) * BITS_OF + column, (size_t)width[i] * sizeof *x);
    m[i] = put_rows(dev, i < 3 ? x : NULL, rows, width[i]);
    column += width[i];
  }
  fd_delta d = {HEADS_OF, KEYS_OF, VALUES_OF, 1, 1e-6f, there_too, there_too};
  dev->ops.delta_forward(dev, &beside, &d, m[0], m[1], m[3], states);
  dev->ops.delta_backward(dev, &beside, &d, m[0], m[1], states, m[2], m[4], m[5], grads, grads + HEADS_OF);
  for (int i = 3, at = 0; i < 6; at += width[i++]) {
    float *got = get_rows(dev, m[i], rows, width[i]);
    for (int r = 0; r < rows; r++) memcpy(out + r * BITS_OF + at, got + r * width[i], (size_t)width[i] * sizeof *out);
    free(got);
  }
  for (int i = 0; i < 6; i++) dev->release(dev, m[i].at);
  dev->release(dev, states), dev->release(dev, there_too), dev->release(dev, grads);
  fd_seqs_destroy(&beside, dev);
  free(x);
  return out;
}

#endif
