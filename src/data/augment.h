/* Augmentations of a window (arXiv 2405.08538, section 3.3): the student's and the teacher's view from counter-based random
 * numbers.
 *
 * Inside an operation a position is one byte that carries its token, its label and its mask bit together, so that labels and
 * masks follow every permutation by construction. */
#ifndef FD_DATA_AUGMENT_H
#define FD_DATA_AUGMENT_H

#include <stdint.h>

#include "base/random.h"
#include "config/config.h"

enum { FD_VIEW_STUDENT, FD_VIEW_TEACHER };

/* Makes one view of a window of `length` symbols (0..4): applies config->aug.student or .teacher. tokens: symbols, FD_ZERO where
 * masked; labels (symbols before masking) and mask may be NULL. `scratch` holds 2 * (length + aug.size) bytes. Noise is not added
 * here (see the device operation `expand`); it commutes with every other operation. All random numbers depend on (key, draw,
 * view) only. */
void fd_augment_view(const fd_config *config, fd_rng_key key, uint64_t draw, int view, const uint8_t *window, int length,
                     uint8_t *tokens, uint8_t *labels, uint8_t *mask, uint8_t *scratch);

/* Applies the operations of task.augment to a training row of a task: symbols [length]; `scratch` as above. */
void fd_augment_row(const fd_config *config, fd_rng_key key, uint64_t draw, const uint8_t *row, int length, uint8_t *symbols,
                    uint8_t *scratch);

/* Standard deviation of a view's noise; 0 without the operation N. */
float fd_augment_noise(const fd_config *config, int view);

/* The operations with given random numbers, from x to y (not the same memory), of `length` symbols each (as in EvoAug):
 *   deletion     x[at .. at+n) is removed; the first n/2 symbols of random [size] are prepended, its last n - n/2 appended
 *   insertion    random[0 .. f) is prepended, the next n are inserted before x[at], the rest is appended, f = (size - n) / 2;
 *                the first `length` symbols are kept
 *   roll         y[i] = x[(i - shift) mod length]; a breakpoint p is a roll by -p
 *   revcomp      y[i] = complement of x[length - 1 - i] */
void fd_augment_deletion(const uint8_t *x, int length, int n, int at, const uint8_t *random, int size, uint8_t *y);
void fd_augment_insertion(const uint8_t *x, int length, int n, int at, const uint8_t *random, int size, uint8_t *y);
void fd_augment_roll(const uint8_t *x, int length, int shift, uint8_t *y);
void fd_augment_revcomp(const uint8_t *x, int length, uint8_t *y);

#endif
