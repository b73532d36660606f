/* Row spaces: what the rows of a value are. A batch says for each space how many rows every sequence has in it. */
#ifndef FD_MODEL_SPACES_H
#define FD_MODEL_SPACES_H

#include "device/device.h"

typedef enum fd_space {
  FD_TOKENS,    /* of a view: its nucleotides or their words, then its [CLS] rows */
  FD_CLS_ROWS,  /* the [CLS] rows */
  FD_SEQUENCES, /* one row a sequence */
  FD_SPACES
} fd_space;

/* The rows of a batch. */
typedef struct fd_spaces {
  fd_device *dev;
  unsigned used;
  const fd_seqs *of[FD_SPACES];      /* the rows of each sequence in a space; NULL: it is not used */
  const fd_seqs *sources[FD_SPACES]; /* of a space whose rows are pooled from tokens: the tokens of each of its rows */
  fd_seqs cls, each, sequences;      /* what these point to, beside the batch's own */
} fd_spaces;

/* Tokens and nothing else; borrowed. */
static inline fd_spaces fd_spaces_of_tokens(const fd_seqs *tokens) { return (fd_spaces){.of = {[FD_TOKENS] = tokens}}; }

/* The spaces of `used` (bit FD_...), for batches of up to `count` sequences with `cls` [CLS] rows each. */
fd_status fd_spaces_create(fd_spaces *spaces, fd_device *dev, unsigned used, int count, int cls) FD_MUST_CHECK;
void fd_spaces_destroy(fd_spaces *spaces);

/* Makes them those of a batch with these tokens; borrowed until the next. */
fd_status fd_spaces_set(fd_spaces *spaces, const fd_seqs *tokens) FD_MUST_CHECK;

#endif
