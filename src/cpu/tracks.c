/* Moves the tracks of a ChordMixer block between tokens. */
#include "cpu/tracks.h"

#include <string.h>

enum { AHEAD = 4 /* tokens whose rows are fetched before they are needed */, LINE = 16 /* floats of a cache line */ };

typedef struct move_call {
  const fd_mixer *block;
  const float *m, *x;
  size_t ld;
  float *y;
} move_call;

/* Moves `width` channels from `channel` on between token `row`, the i-th of the call, and token `other`. */
typedef void move_track(const move_call *call, int i, int row, int other, int channel, int width);

static inline __attribute__((always_inline)) void for_tracks(const fd_seqs *seqs, int first, int count, const move_call *call,
                                                             move_track *move) {
  enum { KNOWN = 512 };
  const fd_mixer *b = call->block;
  int end = first + count, tracks = (b->channels + b->track - 1) / b->track, shifts[KNOWN];
  int s = fd_sequence_of(seqs->start, seqs->count, first);
  for (int row = first; row < end; s++) {
    int start = seqs->start[s], stop = seqs->start[s + 1], length = stop - start;
    if (!length) continue; /* has no rotation */
    for (int i = 0; i < tracks && i < KNOWN; i++) shifts[i] = fd_mixer_shift(i, length);
    for (; row < stop && row < end; row++)
      for (int i = 0; i < tracks; i++) {
        int channel = i * b->track, width = b->channels - channel < b->track ? b->channels - channel : b->track;
        int other = row - (i < KNOWN ? shifts[i] : fd_mixer_shift(i, length));
        move(call, row - first, row, other < start ? other + length : other, channel, width);
      }
  }
}

/* Fetches the lines of a track. Each track has its own place in the rows: too many streams for the processor to foresee. */
static inline void fetch_to_read(const float *at, int width) {
  for (int c = 0; c < width; c += LINE) __builtin_prefetch(at + c);
  __builtin_prefetch(at + width - 1);
}

static inline void fetch_to_write(const float *at, int width) {
  for (int c = 0; c < width; c += LINE) __builtin_prefetch(at + c, 1);
  __builtin_prefetch(at + width - 1, 1);
}

static inline void scatter(const move_call *call, int i, int row, int other, int channel, int width) {
  (void)row;
  size_t at = (size_t)other * (size_t)call->block->channels + (size_t)channel;
  const float *restrict m = call->m + (size_t)i * call->ld + channel, *restrict bias = call->block->b2 + channel;
  const float *x = call->x + at;
  float *y = call->y + at;
  fetch_to_write(y + AHEAD * call->block->channels, width);
  fetch_to_read(x + AHEAD * call->block->channels, width);
  for (int c = 0; c < width; c++) y[c] = x[c] + (m[c] + bias[c]);
}

static inline void gather(const move_call *call, int i, int row, int other, int channel, int width) {
  (void)row;
  size_t channels = (size_t)call->block->channels;
  const float *from = call->x + (size_t)other * channels + (size_t)channel;
  float *to = call->y + (size_t)i * channels + (size_t)channel;
  int c = 0;
  fetch_to_read(from + AHEAD * call->block->channels, width);
  for (; c + 4 <= width; c += 4) memcpy(to + c, from + c, 4 * sizeof *to); /* a call of memcpy takes longer */
  for (; c < width; c++) to[c] = from[c];
}

void fd_cpu_scatter_tracks(const fd_seqs *seqs, const fd_mixer *block, int first, int count, const float *m, size_t ld,
                           const float *x, float *y) {
  for_tracks(seqs, first, count, &(move_call){block, m, x, ld, y}, scatter);
}

void fd_cpu_gather_tracks(const fd_seqs *seqs, const fd_mixer *block, int first, int count, const float *dy, float *dm) {
  for_tracks(seqs, first, count, &(move_call){block, NULL, dy, 0, dm}, gather);
}
