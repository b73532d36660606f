/* The merges of byte-pair encoding and the files they come from; private to the files tokenizer_bpe*.c. */
#ifndef FD_DATA_TOKENIZER_BPE_H
#define FD_DATA_TOKENIZER_BPE_H

#include "base/file.h"
#include "base/json.h"
#include "data/lines.h"
#include "data/tokenizer_kinds.h"

enum {
  FD_BPE_IDS_MAX = 65535, /* ids and ranks have 16 bits, and the last number is none */
  FD_BPE_NONE = 65535,
  FD_BPE_NEVER = INT32_MAX,
  FD_BPE_WHERE = FD_PATH_MAX + 64
};

/* Two neighbours become one token. Merges are ordered: the index of one is its rank. */
typedef struct fd_bpe_merge {
  uint16_t left, right, made;
} fd_bpe_merge;

/* A place of the hash table by pairs. */
typedef struct fd_bpe_pair {
  uint32_t key; /* left * 65536 + right; UINT32_MAX: empty */
  uint16_t rank, made;
} fd_bpe_pair;

/* A node of the tree of tokens by their letters. */
typedef struct fd_bpe_node {
  int32_t next[4]; /* of each symbol; 0: none */
  uint16_t token;  /* that ends here, or FD_BPE_NONE */
} fd_bpe_node;

/* How encoding comes to a token. */
typedef struct fd_bpe_token {
  int32_t rank;         /* of the merge that makes it; -1: a letter; FD_BPE_NEVER: none does */
  uint16_t left, right; /* its parts */
  uint16_t shorter;     /* the longest token that it begins with, or FD_BPE_NONE */
  uint16_t head, tail;  /* ranks of the merges that take its first and its last letter; FD_BPE_NONE: they stay alone */
  uint8_t letters;
  uint8_t first, last; /* symbols */
} fd_bpe_token;

typedef struct fd_bpe {
  fd_vocabulary vocabulary;
  uint16_t letter[FD_SYMBOLS]; /* id of each symbol; N is [UNK] */
  int merges;
  size_t capacity;
  fd_bpe_merge *merge;
  fd_bpe_pair *pair; /* [mask + 1], a power of two */
  uint32_t mask;
  int shift;                   /* of a hash to an index */
  char (*text)[FD_TOKEN_TEXT]; /* [vocabulary.size] */
  uint16_t rank[4][4];         /* of the merges of two letters; FD_BPE_NONE: they are none */
  int ordered;                 /* no merge has a part that a later one, or it itself, makes: */
  fd_bpe_token *token;         /* [vocabulary.size] */
  fd_bpe_node *node;           /* [0] is the root */
  int32_t nodes;
  size_t node_capacity;
  /* While a file is read: */
  const char *path;
  int64_t first_line; /* of the merges in a text; 0: a tokenizer.json */
  json_t *ids;        /* text -> id */
} fd_bpe;

/* The special tokens by their names, and where their ids are. */
typedef struct fd_bpe_special {
  const char *name;
  size_t id; /* offset in fd_vocabulary */
} fd_bpe_special;
enum { FD_BPE_SPECIALS = 5 };
extern const fd_bpe_special fd_bpe_specials[FD_BPE_SPECIALS];

/* Where a file has a merge: its line, or its index. */
void fd_bpe_where(const fd_bpe *bpe, int rank, char where[FD_BPE_WHERE]);

/* Gives a text an id; it has none yet. */
fd_status fd_bpe_name(fd_bpe *bpe, const char *text, int64_t id) FD_MUST_CHECK;

/* Whether a text consists of A, C, G and T, at least one. */
int fd_bpe_is_letters(const char *text);

/* The next merge. What it makes must have an id, or gets the next one with `grow`. */
fd_status fd_bpe_add(fd_bpe *bpe, const char *left, const char *right, int grow) FD_MUST_CHECK;

/* The two kinds of files; both fill ids, merges, and the special tokens. */
fd_status fd_bpe_read_text(fd_bpe *bpe, fd_lines *lines) FD_MUST_CHECK;
fd_status fd_bpe_read_json(fd_bpe *bpe, const char *text, size_t bytes) FD_MUST_CHECK;

/* Makes the tables for encoding from left to right, and finds out whether they hold. */
fd_status fd_bpe_plan(fd_bpe *bpe) FD_MUST_CHECK;

/* Whether two tokens stand next to each other in what encoding makes of their letters: no merge of a rank below `limit` crosses
 * their border before both are whole. *steps is counted down by the looks into the table; below 0 the answer is no. */
int fd_bpe_may_meet(const fd_bpe *bpe, uint16_t left, uint16_t right, int32_t limit, int64_t *steps);

/* Encodes from left to right; the tokens go to out from number n on. Returns the number behind the last, or -1 where the merges
 * are not in order, or it takes more than `steps` looks into the table. */
int64_t fd_bpe_walk(const fd_bpe *bpe, const uint8_t *symbols, int64_t length, const fd_tokens *out, int64_t n, int64_t steps);
size_t fd_bpe_walk_bytes(int64_t letters); /* of out->scratch */

/* Encodes merge by merge, whatever their order; the same otherwise. */
int64_t fd_bpe_merge_all(const fd_bpe *bpe, const uint8_t *symbols, int64_t length, const fd_tokens *out, int64_t n);
size_t fd_bpe_merge_bytes(int64_t letters);

/* Reads a file of either kind, and makes the tables. */
fd_status fd_bpe_open(fd_bpe *bpe, const char *path) FD_MUST_CHECK;
void fd_bpe_close(fd_bpe *bpe);

/* The rank of a pair and what it makes, or NULL. */
static inline const fd_bpe_pair *fd_bpe_find(const fd_bpe *bpe, uint16_t left, uint16_t right) {
  uint32_t key = (uint32_t)left << 16 | right;
  for (uint32_t i = key * 0x9E3779B1u >> bpe->shift;; i++) {
    const fd_bpe_pair *p = &bpe->pair[i & bpe->mask];
    if (p->key == key) return p;
    if (p->key == UINT32_MAX) return NULL;
  }
}

#endif
