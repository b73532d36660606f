/* Augmentations of windows and rows. */
#include "data/augment.h"

#include <string.h>

#include "data/alphabet.h"
#include "device/tensors.h"

/* A position: token in bits 0-2, label in bits 3-5, mask in bit 6. */
enum { LABEL_SHIFT = 3, MASK_BIT = 64, SYMBOL_BITS = 7 };

static uint8_t position_of(int symbol) { return (uint8_t)(symbol | symbol << LABEL_SHIFT); }

/* The random numbers of one operation of one view. */
typedef struct draws {
  fd_rng_key key;
  uint64_t draw, low;
} draws;

static void draw_words(const draws *d, uint64_t index, uint32_t word[4]) { fd_philox(word, d->key, d->draw, d->low | index); }

void fd_augment_deletion(const uint8_t *x, int length, int n, int at, const uint8_t *random, int size, uint8_t *y) {
  int front = n / 2, behind = n - front;
  memcpy(y, random, (size_t)front);
  memcpy(y + front, x, (size_t)at);
  memcpy(y + front + at, x + at + n, (size_t)(length - at - n));
  memcpy(y + length - behind, random + size - behind, (size_t)behind);
}

void fd_augment_insertion(const uint8_t *x, int length, int n, int at, const uint8_t *random, int size, uint8_t *y) {
  int front = (size - n) / 2, done = 0;
  const struct {
    const uint8_t *from;
    int count;
  } parts[4] = {{random, front}, {x, at}, {random + front, n}, {x + at, length - at}};
  for (int i = 0; i < 4 && done < length; i++) {
    int count = parts[i].count < length - done ? parts[i].count : length - done;
    memcpy(y + done, parts[i].from, (size_t)count);
    done += count;
  }
}

void fd_augment_roll(const uint8_t *x, int length, int shift, uint8_t *y) {
  int first = ((-shift) % length + length) % length; /* y[0] = x[first] */
  memcpy(y, x + first, (size_t)(length - first));
  memcpy(y + length - first, x, (size_t)first);
}

void fd_augment_revcomp(const uint8_t *x, int length, uint8_t *y) {
  for (int i = 0; i < length; i++) {
    uint8_t p = x[length - 1 - i];
    y[i] =
        (uint8_t)(fd_complement[p & SYMBOL_BITS] | fd_complement[p >> LABEL_SHIFT & SYMBOL_BITS] << LABEL_SHIFT | (p & MASK_BIT));
  }
}

/* Random DNA for deletions and insertions. */
static void random_dna(const fd_config *config, const draws *d, int count, uint8_t *out) {
  uint32_t word[4], symbols = config->aug.random_n ? FD_SYMBOLS : FD_N;
  for (int i = 0; i < count; i++) {
    if (i % 4 == 0) draw_words(d, (uint64_t)(1 + i / 4), word);
    out[i] = position_of((int)fd_below(word[i % 4], symbols));
  }
}

static void mask_positions(const fd_config *config, const draws *d, uint8_t *x, int length) {
  uint32_t word[4], how[4];
  uint32_t limit = (uint32_t)(config->aug.mask_rate * 0x1p24); /* compared with 24 bits: P = limit / 2^24 */
  for (int i = 0; i < length; i++) {
    if (i % 4 == 0) draw_words(d, (uint64_t)(i / 4), word);
    if (i % 4 == 0 && config->aug.mask_bert) draw_words(d, (uint64_t)1 << 40 | (uint64_t)(i / 4), how);
    if (word[i % 4] >> 8 >= limit) continue;
    int token = FD_ZERO;
    if (config->aug.mask_bert && fd_unit(how[i % 4]) >= 0.8f)
      token = fd_unit(how[i % 4]) < 0.9f ? (int)fd_below(how[i % 4] << 8 | word[i % 4] >> 24, FD_SYMBOLS) : (x[i] & SYMBOL_BITS);
    x[i] = (uint8_t)((x[i] & ~SYMBOL_BITS) | token | MASK_BIT);
  }
}

/* Replaces each nucleotide by another one with probability aug.mutation; N is kept. */
static void substitute(const fd_config *config, const draws *d, uint8_t *x, int length) {
  uint32_t word[4], limit = (uint32_t)(config->aug.mutation * 0x1p24);
  for (int i = 0; i < length; i++) {
    int symbol = x[i] & SYMBOL_BITS;
    draw_words(d, (uint64_t)i, word);
    if (word[0] >> 8 < limit && symbol < FD_N) x[i] = position_of((symbol + 1 + (int)fd_below(word[1], FD_N - 1)) % FD_N);
  }
}

/* Applies one operation to x in place, with the buffers `spare` [length] and `random` [aug.size]. */
static void apply(const fd_config *config, char operation, const draws *d, uint8_t *x, int length, uint8_t *spare,
                  uint8_t *random) {
  uint32_t word[4];
  int size = config->aug.size < length ? (int)config->aug.size : length;
  draw_words(d, 0, word);
  switch (operation) {
    case 'D':
      random_dna(config, d, size, random);
      fd_augment_deletion(x, length, (int)fd_below(word[0], (uint32_t)size + 1),
                          (int)fd_below(word[1], (uint32_t)(length - size) + 1), random, size, spare);
      break;
    case 'I':
      random_dna(config, d, size, random);
      fd_augment_insertion(x, length, (int)fd_below(word[0], (uint32_t)size + 1), (int)fd_below(word[1], (uint32_t)length),
                           random, size, spare);
      break;
    case 'T': {
      int shift = config->aug.trans == FD_TRANS_BREAK ? (length > 1 ? -1 - (int)fd_below(word[0], (uint32_t)length - 1) : 0)
                                                      : (int)fd_below(word[0], (uint32_t)size + 1);
      fd_augment_roll(x, length, config->aug.trans == FD_TRANS_SHIFT && word[1] >> 31 ? -shift : shift, spare);
      break;
    }
    case 'R':
      if (fd_unit(word[0]) >= (float)config->aug.revcomp) return;
      fd_augment_revcomp(x, length, spare);
      break;
    case 'S': substitute(config, d, x, length); return;
    case 'M': mask_positions(config, d, x, length); return;
    default: return; /* N (noise): added by the device operation `expand` */
  }
  memcpy(x, spare, (size_t)length);
}

/* Applies a string of operations to a window: fills positions [length]. `view` is part of the key of the random numbers. */
static void run_operations(const fd_config *config, const char *operations, fd_rng_key key, uint64_t draw, int view,
                           const uint8_t *window, int length, uint8_t *positions, uint8_t *scratch) {
  uint8_t *spare = scratch, *random = scratch + length;
  for (int i = 0; i < length; i++) positions[i] = position_of(window[i]);
  for (; *operations; operations++) {
    draws d = {key, draw, (uint64_t)view << 56 | (uint64_t)(uint8_t)*operations << 48};
    apply(config, *operations, &d, positions, length, spare, random);
  }
}

void fd_augment_row(const fd_config *config, fd_rng_key key, uint64_t draw, const uint8_t *row, int length, uint8_t *symbols,
                    uint8_t *scratch) {
  run_operations(config, config->task.augment, key, draw, FD_VIEW_STUDENT, row, length, symbols, scratch);
  for (int i = 0; i < length; i++) symbols[i] &= SYMBOL_BITS;
}

void fd_augment_view(const fd_config *config, fd_rng_key key, uint64_t draw, int view, const uint8_t *window, int length,
                     uint8_t *tokens, uint8_t *labels, uint8_t *mask, uint8_t *scratch) {
  run_operations(config, view == FD_VIEW_STUDENT ? config->aug.student : config->aug.teacher, key, draw, view, window, length,
                 tokens, scratch);
  for (int i = 0; labels && i < length; i++) labels[i] = tokens[i] >> LABEL_SHIFT & SYMBOL_BITS;
  for (int i = 0; mask && i < length; i++) mask[i] = (tokens[i] & MASK_BIT) != 0;
  for (int i = 0; i < length; i++) tokens[i] &= SYMBOL_BITS;
}

float fd_augment_noise(const fd_config *config, int view) {
  return strchr(view == FD_VIEW_STUDENT ? config->aug.student : config->aug.teacher, 'N') ? (float)config->aug.noise : 0;
}
