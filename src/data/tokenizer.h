/* Tokenizers: a sequence as the ids of a model's vocabulary, and where each token lies. A new kind is one line in tokenizers.def
 * and one file. */
#ifndef FD_DATA_TOKENIZER_H
#define FD_DATA_TOKENIZER_H

#include <stdint.h>

#include "base/hash.h"

enum { FD_TOKEN_TEXT = 256 /* bytes of a token's text with its NUL: no token has more letters */, FD_KMER_LETTERS_MAX = 12 };

typedef struct fd_tokenizer_settings {
  const char *kind; /* a name of tokenizers.def */
  int k, stride;    /* kmer: letters of a token, letters from one to the next: 1 <= stride <= k <= FD_KMER_LETTERS_MAX */
  int groups;       /* nt6: a group of six letters with an N in it is one token N, so that tokens and groups are aligned */
  int64_t padding; /* so many tokens every sequence gets at least, [PAD] behind its own; more are refused; 0: as many as it has */
  int64_t limit;   /* so many letters behind the offset are the sequence; 0: all */
  const char *file;   /* bpe: a text of merges "left right", a line each, or a tokenizer.json; packed or not */
  int64_t vocabulary; /* of the model that reads the ids: another one is refused; 0: any */
} fd_tokenizer_settings;

/* Ids are 0 .. size - 1. Those of special tokens are -1 where there is none. Ids first .. first + words - 1 are made of A, C, G,
 * T alone; of byte pairs whose special tokens are not the first ids it is not known which are (words: 0). */
typedef struct fd_vocabulary {
  int32_t size, cls, sep, pad, mask, unk, first, words;
} fd_vocabulary;

/* Whether an id is a word of A, C, G, T alone. */
static inline int fd_is_word(const fd_vocabulary *v, int32_t id) { return id >= v->first && id < v->first + v->words; }

/* The letters of a token: `count` of them from `first`, counted from the sequence's own first letter. A special token has none.
 */
typedef struct fd_span {
  int32_t first, count;
} fd_span;

/* Where tokens go. `ids` and `spans` may be set to other memory with as much room. */
typedef struct fd_tokens {
  int32_t *ids;   /* [fd_tokenizer_most] */
  fd_span *spans; /* as many, or NULL: not wanted */
  void *scratch;  /* of the tokenizer, for one call at a time */
} fd_tokens;

/* Never changed once it is created: any number of threads may use it, each with tokens of its own. */
typedef struct fd_tokenizer fd_tokenizer;

/* A setting out of range is FD_CONFIG, a file with wrong content, or of another vocabulary than the model's, FD_DATA. */
fd_status fd_tokenizer_create(fd_tokenizer **tokenizer, const fd_tokenizer_settings *settings) FD_MUST_CHECK;
void fd_tokenizer_destroy(fd_tokenizer **tokenizer);

const fd_vocabulary *fd_tokenizer_vocabulary(const fd_tokenizer *tokenizer);

/* The largest number of tokens of a sequence with this many letters. */
int64_t fd_tokenizer_most(const fd_tokenizer *tokenizer, int64_t letters);

/* Room for the tokens of sequences with up to `letters` letters; more than 2^29 are FD_DATA. */
fd_status fd_tokens_create(fd_tokens *tokens, const fd_tokenizer *tokenizer, int64_t letters) FD_MUST_CHECK;
void fd_tokens_free(fd_tokens *tokens);

/* Tokens of symbols[offset .. length), 0..4 each; returns how many, 0 for none. A letter without a token of its own (a rest that
 * is shorter than a k-mer) is in no span, one of overlapping k-mers is in several. Allocates nothing. */
int64_t fd_tokenizer_encode(const fd_tokenizer *tokenizer, const uint8_t *symbols, int64_t length, int64_t offset,
                            const fd_tokens *tokens);

/* FD_DATA unless a sequence of `length` letters that became `count` tokens has a word, and no more tokens than a model has
 * positions (0: any number). `where` is for the message: the file and what of it. */
fd_status fd_tokenizer_check(const fd_tokenizer *tokenizer, int64_t length, int64_t count, int positions,
                             const char *where) FD_MUST_CHECK;

/* hidden[i] = whether ids[i] is padding. 0, and nothing is written, with a tokenizer that does not pad. */
int fd_tokenizer_padding(const fd_tokenizer *tokenizer, const int32_t *ids, int64_t count, uint8_t *hidden);

/* A token's text: its letters, or the name of a special token; empty for what is no id. */
void fd_tokenizer_text(const fd_tokenizer *tokenizer, int32_t id, char text[FD_TOKEN_TEXT]);

/* SHA-256 of all that ids depend on, wherever it was read from: ranks of a job, and a model and who uses it, have the same. */
fd_status fd_tokenizer_identity(const fd_tokenizer *tokenizer, char hex[FD_SHA256_HEX]) FD_MUST_CHECK;

#endif
