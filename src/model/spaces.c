/* The rows of a batch in every space, from its tokens. */
#include "model/spaces.h"

#include <string.h>

fd_status fd_spaces_create(fd_spaces *s, fd_device *dev, unsigned used, int count, int cls) {
  fd_status status = FD_OK;
  *s = (fd_spaces){.dev = dev, .used = used};
  if (used >> FD_SEQUENCES & 1) FD_GO(fd_seqs_create(&s->sequences, dev, count, 1));
  if (!(used >> FD_CLS_ROWS & 1)) return FD_OK;
  FD_GO(fd_seqs_create(&s->cls, dev, count, cls));
  FD_GO(fd_seqs_create(&s->each, dev, count * cls, 1));
done:
  if (status != FD_OK) fd_spaces_destroy(s);
  return status;
}

void fd_spaces_destroy(fd_spaces *s) {
  if (!s->dev) return;
  fd_seqs_destroy(&s->sequences, s->dev);
  fd_seqs_destroy(&s->cls, s->dev);
  fd_seqs_destroy(&s->each, s->dev);
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
  for (int i = 0; i < tokens->count; i++) s->sequences.start[i + 1] = i + 1;
  s->of[FD_SEQUENCES] = &s->sequences;
  s->sources[FD_SEQUENCES] = tokens;
  return fd_seqs_send(&s->sequences, s->dev);
}

fd_status fd_spaces_set(fd_spaces *s, const fd_seqs *tokens) {
  s->of[FD_TOKENS] = tokens;
  if (s->used >> FD_SEQUENCES & 1) FD_TRY(set_sequences(s, tokens));
  return s->used >> FD_CLS_ROWS & 1 ? set_cls(s, tokens) : FD_OK;
}
