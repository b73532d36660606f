/* Tokenizers: encode a sequence as ids of a model's vocabulary, with the position of each token. A new kind is one line in
 * tokenizers.def and one file. */
#ifndef FD_DATA_TOKENIZER_H
#define FD_DATA_TOKENIZER_H

#include <stdint.h>

#include "base/hash.h"

enum { FD_TOKEN_TEXT = 256 /* bytes of a token's text with its NUL: no token has more letters */, FD_KMER_LETTERS_MAX = 12 };

typedef struct fd_tokenizer_settings {
  const char *kind;   /* a name in tokenizers.def */
  int k, stride;      /* kmer: letters of a token, and from one token to the next: 1 <= stride <= k <= FD_KMER_LETTERS_MAX */
  int groups;         /* nt6: a group of six letters with an N is one token N, which keeps tokens and groups aligned */
  int64_t padding;    /* each sequence is padded with [PAD] to this many tokens; longer ones are refused; 0: not padded */
  int64_t limit;      /* letters after the offset that are read; 0: all */
  const char *file;   /* bpe: a text of merges "left right", one per line, or a tokenizer.json; compressed or not */
  int64_t vocabulary; /* of the model that reads the ids: another size is refused; 0: any */
} fd_tokenizer_settings;

/* Ids are 0 .. size - 1. The id of a special token that is missing is -1. Ids first .. first + words - 1 have A, C, G and T
 * only; words is 0 if it is not known which ids do (byte pairs whose special tokens are not the first ids). */
typedef struct fd_vocabulary {
  int32_t size, cls, sep, pad, mask, unk, first, words;
} fd_vocabulary;

/* Whether an id is a word of A, C, G and T only. */
static inline int fd_is_word(const fd_vocabulary *v, int32_t id) { return id >= v->first && id < v->first + v->words; }

/* The letters of a token: `count` of them from `first`, counted from the sequence's first letter. A special token has none. */
typedef struct fd_span {
  int32_t first, count;
} fd_span;

/* Memory for tokens. `ids` and `spans` may point to other memory of the same size. */
typedef struct fd_tokens {
  int32_t *ids;   /* [fd_tokenizer_most] */
  fd_span *spans; /* the same number, or NULL: not requested */
  void *scratch;  /* of the tokenizer, for one call at a time */
} fd_tokens;

/* Immutable once created: any number of threads may share it, each with its own fd_tokens. */
typedef struct fd_tokenizer fd_tokenizer;

/* FD_CONFIG for a setting out of range; FD_DATA for a file with invalid content, or whose vocabulary is not the model's. */
fd_status fd_tokenizer_create(fd_tokenizer **tokenizer, const fd_tokenizer_settings *settings) FD_MUST_CHECK;
void fd_tokenizer_destroy(fd_tokenizer **tokenizer);

const fd_vocabulary *fd_tokenizer_vocabulary(const fd_tokenizer *tokenizer);

/* The largest number of tokens of a sequence with this many letters. */
int64_t fd_tokenizer_most(const fd_tokenizer *tokenizer, int64_t letters);

/* Allocates memory for the tokens of sequences with up to `letters` letters; more than 2^29 are FD_DATA. */
fd_status fd_tokens_create(fd_tokens *tokens, const fd_tokenizer *tokenizer, int64_t letters) FD_MUST_CHECK;
void fd_tokens_free(fd_tokens *tokens);

/* Encodes symbols[offset .. length), 0..4 each; returns the number of tokens. A letter that no token covers (a remainder shorter
 * than a k-mer) is in no span, a letter of overlapping k-mers is in several. Allocates nothing. */
int64_t fd_tokenizer_encode(const fd_tokenizer *tokenizer, const uint8_t *symbols, int64_t length, int64_t offset,
                            const fd_tokens *tokens);

/* FD_DATA unless a sequence of `length` letters that became `count` tokens has a word, and no more tokens than the model has
 * positions (0: any number). `where` is for the message: file and row. */
fd_status fd_tokenizer_check(const fd_tokenizer *tokenizer, int64_t length, int64_t count, int positions,
                             const char *where) FD_MUST_CHECK;

/* hidden[i] = whether ids[i] is padding. Returns 0 and writes nothing if the tokenizer does not pad. */
int fd_tokenizer_padding(const fd_tokenizer *tokenizer, const int32_t *ids, int64_t count, uint8_t *hidden);

/* A token's text: its letters, or the name of a special token; empty for an invalid id. */
void fd_tokenizer_text(const fd_tokenizer *tokenizer, int32_t id, char text[FD_TOKEN_TEXT]);

/* SHA-256 of everything that ids depend on, independent of where it was read from: it must be the same on all ranks, and for a
 * model and its users. */
fd_status fd_tokenizer_identity(const fd_tokenizer *tokenizer, char hex[FD_SHA256_HEX]) FD_MUST_CHECK;

/* Writes the text that the tokenizer was read from (decompressed, without a byte order mark); nothing for a tokenizer without a
 * file. */
fd_status fd_tokenizer_save(const fd_tokenizer *tokenizer, const char *path) FD_MUST_CHECK;

#endif
