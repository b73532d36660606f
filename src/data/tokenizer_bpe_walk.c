/* Byte-pair encoding from left to right, in linear time.
 *
 * If no merge has a part that a later merge makes, encoding goes through the ranks in order, and the merges of a token's letters
 * do not depend on their context as long as no merge crosses the token's ends. So a sequence of tokens is the encoding of its
 * letters if and only if every two adjacent tokens are the encoding of theirs (may_meet). The walk takes, from the left, the
 * longest token that may follow; where none may, it goes back and replaces the last token by a shorter one. A position that was
 * left in this way is never visited again. */
#include <string.h>

#include "base/memory.h"
#include "data/tokenizer_bpe.h"

/* Whether encoding the letters of two adjacent tokens makes these two tokens: no merge of a rank below `limit` crosses their
 * border before both are complete. *steps is decremented by each table lookup; below 0 the answer is no. */
static int may_meet(const fd_bpe *b, uint16_t left, uint16_t right, int32_t limit, int64_t *steps) {
  for (;;) {
    const fd_bpe_pair *pair = fd_bpe_find(b, left, right);
    const fd_bpe_token *l = &b->token[left], *r = &b->token[right];
    if ((pair && pair->rank < limit) || --*steps < 0) return 0;
    if (l->rank < 0 && r->rank < 0) return 1;
    /* Undo the later of their two merges; of equal ranks, the left one is made first. */
    int first = l->rank > r->rank;
    limit = first ? l->rank : r->rank + 1;
    left = first ? l->right : left;
    right = first ? right : r->left;
  }
}

static void begin_with_letters(fd_bpe *b) {
  for (int i = 0; i < b->vocabulary.size; i++)
    b->token[i] = (fd_bpe_token){.rank = FD_BPE_NEVER, .letters = (uint8_t)strlen(b->text[i])};
  for (uint8_t i = 0; i < 4; i++) {
    fd_bpe_token *t = &b->token[b->letter[i]];
    t->rank = -1, t->head = t->tail = FD_BPE_NONE;
    t->first = t->last = i;
    for (int j = 0; j < 4; j++) {
      const fd_bpe_pair *pair = fd_bpe_find(b, b->letter[i], b->letter[j]);
      b->rank[i][j] = pair ? pair->rank : FD_BPE_NONE;
    }
  }
}

/* Finds the tokens that encoding can make, and by which merge: encoding a token's own letters makes it, in one way only. */
static void find_ways(fd_bpe *b) {
  for (int rank = 0; rank < b->merges; rank++) {
    const fd_bpe_merge *m = &b->merge[rank];
    const fd_bpe_token *l = &b->token[m->left], *r = &b->token[m->right];
    fd_bpe_token *made = &b->token[m->made];
    int64_t steps = INT64_MAX;
    if (made->rank != FD_BPE_NEVER || l->rank == FD_BPE_NEVER || r->rank == FD_BPE_NEVER) continue;
    if (!may_meet(b, m->left, m->right, rank, &steps)) continue;
    made->rank = rank, made->left = m->left, made->right = m->right;
    made->first = l->first, made->head = l->rank < 0 ? (uint16_t)rank : l->head;
    made->last = r->last, made->tail = r->rank < 0 ? (uint16_t)rank : r->tail;
  }
}

/* Whether no merge has a part that this merge or a later one makes. Tokens that encoding never makes do not count. */
static int in_order(const fd_bpe *b) {
  for (int rank = 0; rank < b->merges; rank++) {
    int32_t left = b->token[b->merge[rank].left].rank, right = b->token[b->merge[rank].right].rank;
    if ((left != FD_BPE_NEVER && left >= rank) || (right != FD_BPE_NEVER && right >= rank)) return 0;
  }
  return 1;
}

static fd_status add_to_tree(fd_bpe *b, uint16_t id) {
  int32_t at = 0;
  for (const char *c = b->text[id]; *c; c++) {
    int symbol = (int)(strchr("ACGT", *c) - "ACGT");
    if (!b->node[at].next[symbol]) {
      FD_TRY(fd_grow(&b->node, &b->node_capacity, (size_t)b->nodes + 1, sizeof *b->node, "tokens"));
      b->node[b->nodes] = (fd_bpe_node){.token = FD_BPE_NONE};
      b->node[at].next[symbol] = b->nodes++;
    }
    at = b->node[at].next[symbol];
  }
  b->node[at].token = id;
  return FD_OK;
}

/* The longest token that is a proper prefix of another one. */
static uint16_t shorter_than(const fd_bpe *b, uint16_t id) {
  uint16_t longest = FD_BPE_NONE;
  int32_t at = 0;
  for (const char *c = b->text[id]; *c; c++) {
    if (b->node[at].token != FD_BPE_NONE) longest = b->node[at].token;
    at = b->node[at].next[strchr("ACGT", *c) - "ACGT"];
  }
  return longest;
}

fd_status fd_bpe_plan(fd_bpe *b) {
  FD_TRY(fd_alloc(&b->token, (size_t)b->vocabulary.size, sizeof *b->token, "tokens"));
  begin_with_letters(b);
  find_ways(b);
  b->ordered = in_order(b);
  if (!b->ordered) return FD_OK;
  FD_TRY(fd_grow(&b->node, &b->node_capacity, 1, sizeof *b->node, "tokens"));
  b->node[b->nodes++] = (fd_bpe_node){.token = FD_BPE_NONE};
  for (int i = 0; i < b->vocabulary.size; i++)
    if (b->token[i].rank != FD_BPE_NEVER) FD_TRY(add_to_tree(b, (uint16_t)i));
  for (int i = 0; i < b->vocabulary.size; i++)
    if (b->token[i].rank != FD_BPE_NEVER) b->token[i].shorter = shorter_than(b, (uint16_t)i);
  return FD_OK;
}

/* Whether the letters at a border are merged with others before they would be with each other; most rejections happen here. */
static inline int may_touch(const fd_bpe *b, uint16_t left, uint16_t right) {
  const fd_bpe_token *l = &b->token[left], *r = &b->token[right];
  uint16_t rank = b->rank[l->last][r->first];
  return rank >= l->tail || rank > r->head;
}

static inline uint16_t longest(const fd_bpe *b, const uint8_t *symbols, int64_t length) {
  uint16_t token = FD_BPE_NONE;
  int32_t at = 0;
  for (int64_t i = 0; i < length && (at = b->node[at].next[symbols[i]]); i++)
    if (b->node[at].token != FD_BPE_NONE) token = b->node[at].token;
  return token;
}

size_t fd_bpe_walk_bytes(int64_t letters) { return ((size_t)letters / 64 + 1) * sizeof(uint64_t); }

/* Encodes one piece without N, from letter `first` on; `dead` has a bit for each position from which no token leads on. */
static int64_t walk_piece(const fd_bpe *b, const uint8_t *symbols, int64_t first, int64_t length, const fd_tokens *out, int64_t n,
                          int64_t *steps) {
  uint64_t *dead = memset(out->scratch, 0, fd_bpe_walk_bytes(length));
  int64_t begin = n, at = 0;
  uint16_t token = longest(b, symbols + first, length);
  while (at < length) {
    uint16_t last = n > begin ? (uint16_t)out->ids[n - 1] : FD_BPE_NONE;
    for (; token != FD_BPE_NONE; token = b->token[token].shorter) {
      int64_t end = at + b->token[token].letters;
      if (dead[end / 64] >> end % 64 & 1) continue;
      if (last == FD_BPE_NONE) break;
      if (may_touch(b, last, token) && may_meet(b, last, token, INT32_MAX, steps)) break;
    }
    if (*steps < 0 || (token == FD_BPE_NONE && last == FD_BPE_NONE)) return -1;
    if (token != FD_BPE_NONE) {
      n = fd_put_token(out, n, token, first + at, b->token[token].letters);
      at += b->token[token].letters;
      token = longest(b, symbols + first + at, length - at);
    } else {
      dead[at / 64] |= (uint64_t)1 << at % 64;
      token = last;
      n--;
      at -= b->token[token].letters;
    }
  }
  return n;
}

int64_t fd_bpe_walk(const fd_bpe *b, const uint8_t *symbols, int64_t length, const fd_tokens *out, int64_t n, int64_t steps) {
  if (!b->ordered) return -1;
  for (int64_t at = 0, end; at < length && n >= 0; at = end) {
    for (end = at; end < length && symbols[end] < FD_N;) end++;
    if (end > at) n = walk_piece(b, symbols, at, end - at, out, n, &steps);
    else n = fd_put_token(out, n, b->vocabulary.unk, end++, 1);
  }
  return n;
}
