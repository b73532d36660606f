/* Byte-pair encoding merge by merge, for merges in any order: a heap finds the leftmost pair of the lowest rank. */
#include "data/tokenizer_bpe.h"

/* At the first letter of a token: its id and number of letters; at its last letter: that number (back). */
typedef struct node {
  uint16_t id; /* FD_BPE_NONE: no token begins here */
  uint8_t length, back;
} node;

typedef struct work {
  const fd_bpe *b;
  node *node;     /* [-1 .. letters]; both ends hold no token */
  uint64_t *heap; /* pairs to merge, some outdated: rank * 2^32 + first letter */
  int32_t used;
} work;

/* The heap's size: every letter begins at most one pair, and every merge adds at most two. */
size_t fd_bpe_merge_bytes(int64_t letters) {
  size_t n = (size_t)letters;
  return 3 * n * sizeof(uint64_t) + (n + 2) * sizeof(node);
}

static void push(work *w, uint64_t item) {
  int32_t i = w->used++;
  for (int32_t up; i && w->heap[up = (i - 1) / 2] > item; i = up) w->heap[i] = w->heap[up];
  w->heap[i] = item;
}

static uint64_t pop(work *w) {
  uint64_t first = w->heap[0], item = w->heap[--w->used];
  int32_t i = 0;
  for (int32_t down; (down = 2 * i + 1) < w->used; i = down) {
    if (down + 1 < w->used && w->heap[down + 1] < w->heap[down]) down++;
    if (w->heap[down] >= item) break;
    w->heap[i] = w->heap[down];
  }
  w->heap[i] = item;
  return first;
}

/* Pushes the pair that begins with the token at `at`, if it can be merged. */
static void push_pair(work *w, int32_t at) {
  const node *left = &w->node[at];
  const fd_bpe_pair *pair = fd_bpe_find(w->b, left->id, left[left->length].id);
  if (pair) push(w, (uint64_t)pair->rank << 32 | (uint32_t)at);
}

static void join(work *w, int32_t at, uint16_t made) {
  node *left = &w->node[at], *right = left + left->length;
  uint8_t length = (uint8_t)(left->length + right->length);
  right->id = FD_BPE_NONE;
  left->id = made, left->length = length;
  left[length - 1].back = length;
  push_pair(w, at - left[-1].back);
  push_pair(w, at);
}

int64_t fd_bpe_merge_all(const fd_bpe *b, const uint8_t *symbols, int64_t length, const fd_tokens *out, int64_t n) {
  static const node none = {FD_BPE_NONE, 1, 1};
  work w = {.b = b, .heap = out->scratch};
  w.node = (node *)(w.heap + 3 * length) + 1;
  for (int64_t i = 0; i < length; i++) w.node[i] = (node){b->letter[symbols[i] < FD_N ? symbols[i] : FD_N], 1, 1};
  w.node[-1] = w.node[length] = none;
  for (int32_t at = 0; at < length - 1; at++) push_pair(&w, at);
  while (w.used) {
    uint64_t item = pop(&w);
    int32_t at = (int32_t)(item & UINT32_MAX);
    const fd_bpe_merge *m = &b->merge[item >> 32];
    const node *left = &w.node[at];
    if (left->id == m->left && left[left->length].id == m->right) join(&w, at, m->made);
  }
  for (int64_t at = 0; at < length; at += w.node[at].length) n = fd_put_token(out, n, w.node[at].id, at, w.node[at].length);
  return n;
}
