/* Dropout on the CPU: masks are drawn again wherever they are needed, never stored. */
#include <string.h>

#include "cpu/backend.h"

enum { ROWS_PER_ITEM = 64, PER_DRAW = 8 /* channels, 16 bits each */, DRAWS = 32 /* at a time */ };

typedef struct dropout_call {
  const fd_cpu_kernels *kernels;
  const fd_seqs *seqs;
  int channels, layer, direct; /* direct: y = D x */
  float rate;
  fd_rng_key key;
  const int *position; /* of each row; NULL: its index in the sequence */
  const float *x, *dy;
  float *y, *masked, *rest;
} dropout_call;

/* Draws the bits of the entries of a row: an entry is dropped if its bits are below the limit. With limit 0 nothing is drawn. */
static void draw_bits(const dropout_call *c, uint64_t draw, int position, int first, int count, uint16_t bits[DRAWS * PER_DRAW]) {
  uint32_t groups[DRAWS];
  if (!fd_dropout_limit(c->rate)) {
    memset(bits, 0, (size_t)count * sizeof *bits);
    return;
  }
  for (int i = 0; i < DRAWS; i++) groups[i] = (uint32_t)(first / PER_DRAW + i);
  c->kernels->draw(fd_parts(count, PER_DRAW), groups, c->key, draw, fd_dropout_counter(c->layer, position, 0), bits);
}

static void do_row(const dropout_call *c, uint64_t draw, int position, size_t at) {
  uint32_t limit = fd_dropout_limit(c->rate);
  uint16_t bits[DRAWS * PER_DRAW];
  float kept = 1 / (1 - c->rate);
  for (int first = 0; first < c->channels; first += DRAWS * PER_DRAW) {
    int rest = c->channels - first, count = rest < DRAWS * PER_DRAW ? rest : DRAWS * PER_DRAW;
    draw_bits(c, draw, position, first, count, bits);
    for (int i = 0; i < count; i++) {
      size_t k = at + (size_t)(first + i);
      float factor = bits[i] < limit ? 0 : kept;
      if (c->direct) c->y[k] = c->x[k] * factor;
      else if (c->y) c->y[k] = c->x[k] + factor * (c->y[k] - c->x[k]);
      else c->masked[k] = factor * c->dy[k], c->rest[k] = c->dy[k] - c->masked[k];
    }
  }
}

static void dropout_item(void *context, int item, int thread) {
  (void)thread;
  const dropout_call *c = context;
  int first = item * ROWS_PER_ITEM, last = first + ROWS_PER_ITEM, rows = fd_seqs_rows(c->seqs),
      i = fd_sequence_of(c->seqs->start, c->seqs->count, first);
  if (last > rows) last = rows;
  for (int r = first; r < last; r++) {
    while (r >= c->seqs->start[i + 1]) i++;
    do_row(c, c->seqs->draws[i], c->position ? c->position[r] : r - c->seqs->start[i], (size_t)r * (size_t)c->channels);
  }
}

static void run(fd_device *dev, dropout_call *call) {
  call->kernels = fd_cpu_of(dev)->kernels;
  fd_pool_run(fd_cpu_of(dev)->pool, fd_parts(fd_seqs_rows(call->seqs), ROWS_PER_ITEM), dropout_item, call);
}

void fd_cpu_dropout_forward(fd_device *dev, const fd_seqs *seqs, int channels, float rate, fd_rng_key key, int layer, fd_mat x,
                            fd_mat y) {
  dropout_call call = {.seqs = seqs, .channels = channels, .layer = layer, .rate = rate, .key = key, .x = x.at, .y = y.at};
  run(dev, &call);
}

void fd_cpu_dropout_backward(fd_device *dev, const fd_seqs *seqs, int channels, float rate, fd_rng_key key, int layer, fd_mat dy,
                             fd_mat masked, fd_mat rest) {
  dropout_call call = {.seqs = seqs,
                       .channels = channels,
                       .layer = layer,
                       .rate = rate,
                       .key = key,
                       .dy = dy.at,
                       .masked = masked.at,
                       .rest = rest.at};
  run(dev, &call);
}

void fd_cpu_dropout_rows(fd_device *dev, const fd_seqs *seqs, const int *position, int width, float rate, fd_rng_key key,
                         int layer, fd_mat x, fd_mat y) {
  dropout_call call = {.seqs = seqs,
                       .position = position,
                       .channels = width,
                       .layer = layer,
                       .direct = 1,
                       .rate = rate,
                       .key = key,
                       .x = x.at,
                       .y = y.at};
  run(dev, &call);
}
