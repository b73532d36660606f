/* Learns the merges of byte-pair encoding from windows, and says them as a tokenizer.json. */
#ifndef FD_DATA_MERGES_H
#define FD_DATA_MERGES_H

#include "base/json.h"
#include "data/shards.h"

/* Ids as DNABERT-2 has them: [UNK] [CLS] [SEP] [PAD] [MASK], then A, C, G, T, then what each merge makes. */
enum { FD_MERGES_LETTER = 5, FD_MERGES_FIRST = 9, FD_MERGES_IDS_MAX = 16384 /* pairs are counted in a table of 4 bytes each */ };

typedef struct fd_merges {
  int count;
  uint16_t (*pair)[2]; /* the ids that merge i joins; they make id FD_MERGES_FIRST + i */
} fd_merges;

/* The merges of a vocabulary of `ids` tokens, FD_MERGES_FIRST .. FD_MERGES_IDS_MAX: again and again the most frequent pair of
 * neighbours in the first `count` windows becomes a token, of equally frequent ones that of the smallest ids, as the tokenizers
 * library does it (BpeTrainer) with each piece between two N as a word. Fewer merges where no pair is left that may be joined:
 * no token has more letters than FD_TOKEN_TEXT - 1. One window counts as often as it is there. FD_DATA for more than 2^32 - 1
 * letters. Free it with fd_merges_free, also after a failure. */
fd_status fd_merges_learn(const fd_windows *windows, int64_t count, int ids, fd_merges *merges) FD_MUST_CHECK;
void fd_merges_free(fd_merges *merges);

/* The object of a tokenizer.json, which the tokenizers library reads, too; new, or NULL as fd_json_text takes it. */
json_t *fd_merges_json(const fd_merges *merges);

#endif
