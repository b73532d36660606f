/* Computes the rows of a batch in every space from its tokens. */
#include "model/spaces.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

int fd_extent_rows(fd_extent e, fd_space space) {
  switch (space) {
    case FD_CLS_ROWS: return e.sequences * e.cls;
    case FD_SEQUENCES: return e.sequences;
    case FD_GROUPS: return e.tokens / FD_GROUP;
    case FD_TOKENS:
    case FD_VISIBLE:
    case FD_HIDDEN:
    case FD_POSITIONS: /* one sequence may have all tokens */
    case FD_SPACES: break;
  }
  return e.tokens;
}

static int uses(const fd_spaces *s, fd_space space) { return s->used >> space & 1; }

static fd_status create_chosen(fd_chosen *c, fd_device *dev, fd_extent e) {
  size_t bytes = (size_t)e.tokens * sizeof(int);
  FD_TRY(fd_seqs_create(&c->seqs, dev, e.sequences, e.cls));
  FD_TRY(fd_alloc(&c->host, 2 * (size_t)e.tokens, sizeof(int), "chosen tokens"));
  FD_TRY(dev->alloc(dev, &c->index, bytes, "chosen tokens"));
  return dev->alloc(dev, &c->position, bytes, "chosen tokens");
}

static void destroy_chosen(fd_chosen *c, fd_device *dev) {
  fd_seqs_destroy(&c->seqs, dev);
  free(c->host);
  dev->release(dev, c->index);
  dev->release(dev, c->position);
}

fd_status fd_spaces_create(fd_spaces *s, fd_device *dev, unsigned used, fd_extent e) {
  fd_status status = FD_OK;
  size_t tokens = (size_t)e.tokens;
  *s = (fd_spaces){.dev = dev, .used = used};
  if (uses(s, FD_GROUPS)) FD_GO(fd_seqs_create(&s->groups, dev, e.sequences, 0));
  if (uses(s, FD_GROUPS)) FD_GO(fd_seqs_create(&s->grouped, dev, fd_extent_rows(e, FD_GROUPS), 0));
  if (uses(s, FD_SEQUENCES)) FD_GO(fd_seqs_create(&s->sequences, dev, e.sequences, 1));
  if (uses(s, FD_SEQUENCES)) FD_GO(fd_seqs_create(&s->firsts, dev, e.sequences, 1));
  if (uses(s, FD_CLS_ROWS)) FD_GO(fd_seqs_create(&s->cls, dev, e.sequences, e.cls));
  if (uses(s, FD_CLS_ROWS)) FD_GO(fd_seqs_create(&s->each, dev, e.sequences * e.cls, 1));
  for (int i = 0; i < 2; i++)
    if (uses(s, FD_VISIBLE + (fd_space)i)) FD_GO(create_chosen(&s->chosen[i], dev, e));
  FD_GO(dev->alloc(dev, &s->flags, tokens, "chosen tokens"));
  if (!uses(s, FD_POSITIONS)) return FD_OK;
  FD_GO(fd_alloc(&s->host_position, tokens, sizeof(int), "positions"));
  FD_GO(dev->alloc(dev, &s->token_position, tokens * sizeof(int), "positions"));
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
  fd_seqs_destroy(&s->groups, s->dev);
  fd_seqs_destroy(&s->grouped, s->dev);
  for (int i = 0; i < 2; i++) destroy_chosen(&s->chosen[i], s->dev);
  free(s->host_position);
  s->dev->release(s->dev, s->flags);
  s->dev->release(s->dev, s->token_position);
  s->dev->release(s->dev, s->type);
  memset(s, 0, sizeof *s);
}

/* `each`: every [CLS] row is the last row of a sequence of its own with one [CLS] row, so the mean over that is the row
 * itself. */
static fd_status set_cls(fd_spaces *s, const fd_seqs *tokens) {
  int n = tokens->cls;
  s->cls.count = tokens->count, s->cls.micro_batches = tokens->micro_batches;
  s->each.count = tokens->count * n, s->each.micro_batches = tokens->micro_batches;
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
  s->sequences.count = tokens->count, s->sequences.micro_batches = tokens->micro_batches;
  s->firsts.count = tokens->count, s->firsts.micro_batches = tokens->micro_batches;
  for (int i = 0; i < tokens->count; i++) {
    s->sequences.start[i + 1] = i + 1, s->firsts.start[i + 1] = tokens->start[i] + 1;
    if (tokens->draws) s->sequences.draws[i] = tokens->draws[i];
  }
  s->of[FD_SEQUENCES] = &s->sequences;
  s->sources[FD_SEQUENCES] = tokens;
  FD_TRY(fd_seqs_send(&s->firsts, s->dev));
  return fd_seqs_send(&s->sequences, s->dev);
}

static fd_status set_groups(fd_spaces *s, const fd_seqs *tokens) {
  int n = 0;
  for (int i = 0; i < tokens->count; i++) {
    int length = tokens->start[i + 1] - tokens->start[i];
    if (tokens->cls || length % FD_GROUP)
      return fd_fail(FD_DATA, "sequence %d has %d tokens, %d of them [CLS] tokens; expected none of these, and groups of %d", i,
                     length, tokens->cls, FD_GROUP);
    for (int t = FD_GROUP; t <= length; t += FD_GROUP) s->grouped.start[++n] = tokens->start[i] + t;
    s->groups.start[i + 1] = n;
  }
  s->groups.count = tokens->count, s->grouped.count = n;
  s->groups.micro_batches = s->grouped.micro_batches = tokens->micro_batches;
  s->of[FD_GROUPS] = &s->groups, s->sources[FD_GROUPS] = &s->grouped;
  FD_TRY(fd_seqs_send(&s->groups, s->dev));
  return fd_seqs_send(&s->grouped, s->dev);
}

/* The position of a token is its index in its sequence. */
static fd_status set_positions(fd_spaces *s, const fd_seqs *tokens) {
  s->longest[1] = 0;
  for (int i = 0; i < tokens->count; i++) {
    int length = tokens->start[i + 1] - tokens->start[i];
    for (int t = 0; t < length; t++) s->host_position[tokens->start[i] + t] = t;
    if (length > s->longest[1]) s->longest[1] = length;
  }
  s->positions = (fd_seqs){.count = 1, .micro_batches = 1, .start = s->longest};
  s->of[FD_POSITIONS] = &s->positions;
  s->position[FD_TOKENS] = s->token_position;
  return s->dev->copy(s->dev, s->token_position, s->host_position, (size_t)fd_seqs_rows(tokens) * sizeof(int));
}

/* The tokens of each sequence that are hidden, or not, in order; their sequences keep the draw of the original one. */
static fd_status set_chosen(fd_spaces *s, const fd_seqs *tokens, fd_space space) {
  fd_chosen *c = &s->chosen[space - FD_VISIBLE];
  int n = 0, wanted = space == FD_HIDDEN, *place = c->host + fd_seqs_rows(tokens);
  c->seqs.count = tokens->count, c->seqs.micro_batches = tokens->micro_batches, c->seqs.cls = wanted ? 0 : tokens->cls;
  for (int i = 0; i < tokens->count; i++) {
    for (int t = tokens->start[i]; t < tokens->start[i + 1]; t++) {
      if ((tokens->hidden && tokens->hidden[t]) != wanted) continue;
      c->host[n] = t;
      place[n++] = t - tokens->start[i];
    }
    c->seqs.start[i + 1] = n;
    if (tokens->draws) c->seqs.draws[i] = tokens->draws[i];
  }
  s->of[space] = &c->seqs, s->index[space] = c->index, s->position[space] = c->position;
  FD_TRY(fd_seqs_send(&c->seqs, s->dev));
  FD_TRY(s->dev->copy(s->dev, c->index, c->host, (size_t)n * sizeof(int)));
  return s->dev->copy(s->dev, c->position, place, (size_t)n * sizeof(int));
}

fd_status fd_spaces_set(fd_spaces *s, const fd_seqs *tokens) {
  s->of[FD_TOKENS] = tokens;
  s->hidden = tokens->hidden ? s->flags : NULL;
  if (tokens->hidden) FD_TRY(s->dev->copy(s->dev, s->flags, tokens->hidden, (size_t)fd_seqs_rows(tokens)));
  for (fd_space space = FD_VISIBLE; space <= FD_HIDDEN; space++)
    if (uses(s, space)) FD_TRY(set_chosen(s, tokens, space));
  if (uses(s, FD_SEQUENCES)) FD_TRY(set_sequences(s, tokens));
  if (uses(s, FD_GROUPS)) FD_TRY(set_groups(s, tokens));
  if (uses(s, FD_CLS_ROWS) && tokens->cls) FD_TRY(set_cls(s, tokens));
  return uses(s, FD_POSITIONS) ? set_positions(s, tokens) : FD_OK;
}
