/* The merges of byte-pair encoding and the files that list them; private to the files tokenizer_bpe*.c. */
#ifndef FD_DATA_TOKENIZER_BPE_H
#define FD_DATA_TOKENIZER_BPE_H

#include "base/file.h"
#include "base/json.h"
#include "data/tokenizer_kinds.h"
#include "device/tensors.h"

enum {
  FD_BPE_IDS_MAX = 65535, /* ids and ranks have 16 bits, whose last value means none */
  FD_BPE_NONE = 65535,
  FD_BPE_NEVER = INT32_MAX,
  FD_BPE_WHERE = FD_PATH_MAX + 64
};

/* Two adjacent tokens become one. Merges are ordered: the index of a merge is its rank. */
typedef struct fd_bpe_merge {
  uint16_t left, right, made;
} fd_bpe_merge;

/* A slot of the hash table of pairs. */
typedef struct fd_bpe_pair {
  uint32_t key; /* left * 65536 + right; UINT32_MAX: empty */
  uint16_t rank;
} fd_bpe_pair;

/* A node of the trie of tokens by their letters. */
typedef struct fd_bpe_node {
  int32_t next[4]; /* child for each symbol; 0: none */
  uint16_t token;  /* that ends here, or FD_BPE_NONE */
} fd_bpe_node;

/* How encoding makes a token. */
typedef struct fd_bpe_token {
  int32_t rank;         /* of the merge that makes it; -1: a letter; FD_BPE_NEVER: none */
  uint16_t left, right; /* its parts */
  uint16_t shorter;     /* its longest proper prefix that is a token, or FD_BPE_NONE */
  uint16_t head, tail;  /* ranks of the merges that consume its first and its last letter; FD_BPE_NONE: a single letter */
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
  int shift;                   /* from a hash to an index */
  char (*text)[FD_TOKEN_TEXT]; /* [vocabulary.size] */
  uint16_t rank[4][4];         /* of the merge of two letters; FD_BPE_NONE: there is none */
  int ordered;                 /* no merge has a part that this merge or a later one makes: */
  fd_bpe_token *token;         /* [vocabulary.size] */
  fd_bpe_node *node;           /* [0] is the root */
  int32_t nodes;
  size_t node_capacity;
  char *source; /* the text of its file */
  size_t source_bytes;
  /* While a file is read: */
  const char *path;
  int64_t first_line; /* of the merges in a text; 0: a tokenizer.json */
  int left_out;       /* merges before the first, of an empty token */
  json_t *ids;        /* text -> id */
} fd_bpe;

/* A special token by its name, and where its id is stored. */
typedef struct fd_bpe_special {
  const char *name;
  size_t id; /* offset in fd_vocabulary */
} fd_bpe_special;
enum { FD_BPE_SPECIALS = 5 };
extern const fd_bpe_special fd_bpe_specials[FD_BPE_SPECIALS];

/* Where a merge is in its file: the line, or the index. */
void fd_bpe_where(const fd_bpe *bpe, int rank, char where[FD_BPE_WHERE]);

/* Assigns an id to a text, which must not have one yet. */
fd_status fd_bpe_name(fd_bpe *bpe, const char *text, int64_t id) FD_MUST_CHECK;

/* Whether a text consists of A, C, G and T, and is not empty. */
int fd_bpe_is_letters(const char *text);

/* Appends a merge. The token that it makes must have an id or, with `grow`, gets the next one. */
fd_status fd_bpe_add(fd_bpe *bpe, const char *left, const char *right, int grow) FD_MUST_CHECK;

/* Reads a tokenizer.json: sets ids, merges, and the special tokens. */
fd_status fd_bpe_read_json(fd_bpe *bpe, const char *text, size_t bytes) FD_MUST_CHECK;

/* Makes the tables for encoding from left to right, and finds out whether the merges allow it (`ordered`). */
fd_status fd_bpe_plan(fd_bpe *bpe) FD_MUST_CHECK;

/* Encodes from left to right; the tokens are stored in `out` from index n on. Returns the index after the last one, or -1 if
 * the merges are not ordered, or if more than `steps` table lookups are needed. */
int64_t fd_bpe_walk(const fd_bpe *bpe, const uint8_t *symbols, int64_t length, const fd_tokens *out, int64_t n, int64_t steps);
size_t fd_bpe_walk_bytes(int64_t letters); /* size of out->scratch */

/* Encodes merge by merge, for merges in any order; otherwise the same. */
int64_t fd_bpe_merge_all(const fd_bpe *bpe, const uint8_t *symbols, int64_t length, const fd_tokens *out, int64_t n);
size_t fd_bpe_merge_bytes(int64_t letters);

/* Reads a file of either kind, and makes the tables. */
fd_status fd_bpe_open(fd_bpe *bpe, const char *path) FD_MUST_CHECK;
void fd_bpe_close(fd_bpe *bpe);

/* The rank of a pair and the token it makes, or NULL. */
static inline const fd_bpe_pair *fd_bpe_find(const fd_bpe *bpe, uint16_t left, uint16_t right) {
  uint32_t key = (uint32_t)left << 16 | right;
  for (uint32_t i = key * 0x9E3779B1u >> bpe->shift;; i++) {
    const fd_bpe_pair *p = &bpe->pair[i & bpe->mask];
    if (p->key == key) return p;
    if (p->key == UINT32_MAX) return NULL;
  }
}

#endif
