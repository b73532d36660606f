/* Learns the merges of byte-pair encoding from windows, and writes them as a tokenizer.json. */
#ifndef FD_DATA_MERGES_H
#define FD_DATA_MERGES_H

#include "base/json.h"
#include "data/shards.h"

/* Ids as in DNABERT-2: [UNK] [CLS] [SEP] [PAD] [MASK], then A, C, G, T, then the token of each merge. */
enum { FD_MERGES_LETTER = 5, FD_MERGES_FIRST = 9, FD_MERGES_IDS_MAX = 16384 /* pairs are counted in a table of 4 bytes each */ };

typedef struct fd_merges {
  int count;
  uint16_t (*pair)[2]; /* the ids that merge i joins into id FD_MERGES_FIRST + i */
} fd_merges;

/* Learns the merges of a vocabulary of `ids` tokens, FD_MERGES_FIRST .. FD_MERGES_IDS_MAX: repeatedly, the most frequent pair
 * of adjacent tokens in the first `count` windows becomes a token (of equally frequent pairs, that of the smallest ids), as in
 * the tokenizers library (BpeTrainer) with each piece between two N as a word. There are fewer merges if no pair is left that
 * may be joined: a token has at most FD_TOKEN_TEXT - 1 letters. Equal windows all count. FD_CONFIG for another number of
 * ids, FD_DATA for more than 2^32 - 1 letters. Release it with fd_merges_free, also after a failure. */
fd_status fd_merges_learn(const fd_windows *windows, int64_t count, int ids, fd_merges *merges) FD_MUST_CHECK;
void fd_merges_free(fd_merges *merges);

/* The object of a tokenizer.json, which the tokenizers library can read, too; new, or NULL, which fd_json_text reports. */
json_t *fd_merges_json(const fd_merges *merges);

#endif
