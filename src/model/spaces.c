/* The rows of a batch in every space, from its tokens. */
#include "model/spaces.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

int fd_extent_rows(fd_extent e, fd_space space) {
  switch (space) {
    case FD_CLS_ROWS: return e.sequences * e.cls;
    case FD_SEQUENCES: return e.sequences;
    case FD_TOKENS:
    case FD_POSITIONS: /* one sequence may have all */
    case FD_SPACES: break;
  }
  return e.tokens;
}

static int uses(const fd_spaces *s, fd_space space) { return s->used >> space & 1; }

fd_status fd_spaces_create(fd_spaces *s, fd_device *dev, unsigned used, fd_extent e) {
  fd_status status = FD_OK;
  size_t tokens = (size_t)e.tokens;
  *s = (fd_spaces){.dev = dev, .used = used};
  if (uses(s, FD_SEQUENCES)) FD_GO(fd_seqs_create(&s->sequences, dev, e.sequences, 1));
  if (uses(s, FD_SEQUENCES)) FD_GO(fd_seqs_create(&s->firsts, dev, e.sequences, 1));
  if (uses(s, FD_CLS_ROWS)) FD_GO(fd_seqs_create(&s->cls, dev, e.sequences, e.cls));
  if (uses(s, FD_CLS_ROWS)) FD_GO(fd_seqs_create(&s->each, dev, e.sequences * e.cls, 1));
  if (!uses(s, FD_POSITIONS)) return FD_OK;
  FD_GO(fd_alloc(&s->host_position, tokens, sizeof(int), "positions"));
  FD_GO(dev->alloc(dev, &s->position, tokens * sizeof(int), "positions"));
  FD_GO(dev->alloc(dev, &s->type, tokens * sizeof(int), "positions"));
  dev->ops.zero(dev, tokens * sizeof(int), s->type);
done:
  if (status != FD_OK) fd_spaces_destroy(s);
  return status;
}

void fd_spaces_destroy(fd_spaces *s) {
  if (!s->dev) return;
  fd_seqs_destroy(&s->sequences, s->dev);
  fd_seqs_destroy(&s->firsts, s->dev);
  fd_seqs_destroy(&s->cls, s->dev);
  fd_seqs_destroy(&s->each, s->dev);
  free(s->host_position);
  s->dev->release(s->dev, s->position);
  s->dev->release(s->dev, s->type);
  memset(s, 0, sizeof *s);
}

/* `each`: a [CLS] row is the last row of a sequence of its own, whose mean over its one [CLS] row it is. */
static fd_status set_cls(fd_spaces *s, const fd_seqs *tokens) {
  int n = tokens->cls;
  s->cls.count = tokens->count, s->cls.parts = tokens->parts;
  s->each.count = tokens->count * n, s->each.parts = tokens->parts;
  for (int i = 0; i < tokens->count; i++) {
    s->cls.start[i + 1] = (i + 1) * n;
    for (int k = 0; k < n; k++) s->each.start[i * n + k + 1] = tokens->start[i + 1] - n + k + 1;
  }
  FD_TRY(fd_seqs_send(&s->cls, s->dev));
  FD_TRY(fd_seqs_send(&s->each, s->dev));
  s->of[FD_CLS_ROWS] = &s->cls;
  s->sources[FD_CLS_ROWS] = &s->each;
  return FD_OK;
}

static fd_status set_sequences(fd_spaces *s, const fd_seqs *tokens) {
  s->sequences.count = tokens->count, s->sequences.parts = tokens->parts;
  s->firsts.count = tokens->count, s->firsts.parts = tokens->parts;
  for (int i = 0; i < tokens->count; i++) s->sequences.start[i + 1] = i + 1, s->firsts.start[i + 1] = tokens->start[i] + 1;
  s->of[FD_SEQUENCES] = &s->sequences;
  s->sources[FD_SEQUENCES] = tokens;
  FD_TRY(fd_seqs_send(&s->firsts, s->dev));
  return fd_seqs_send(&s->sequences, s->dev);
}

/* A token's position is its place in its sequence. */
static fd_status set_positions(fd_spaces *s, const fd_seqs *tokens) {
  s->longest[1] = 0;
  for (int i = 0; i < tokens->count; i++) {
    int length = tokens->start[i + 1] - tokens->start[i];
    for (int t = 0; t < length; t++) s->host_position[tokens->start[i] + t] = t;
    if (length > s->longest[1]) s->longest[1] = length;
  }
  s->positions = (fd_seqs){.count = 1, .parts = 1, .start = s->longest};
  s->of[FD_POSITIONS] = &s->positions;
  return s->dev->copy(s->dev, s->position, s->host_position, (size_t)fd_seqs_rows(tokens) * sizeof(int));
}

fd_status fd_spaces_set(fd_spaces *s, const fd_seqs *tokens) {
  s->of[FD_TOKENS] = tokens;
  if (uses(s, FD_SEQUENCES)) FD_TRY(set_sequences(s, tokens));
  if (uses(s, FD_CLS_ROWS) && tokens->cls) FD_TRY(set_cls(s, tokens));
  return uses(s, FD_POSITIONS) ? set_positions(s, tokens) : FD_OK;
}
