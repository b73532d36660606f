/* Row spaces: what the rows of a value are. A batch says for each space how many rows every sequence has in it. */
#ifndef FD_MODEL_SPACES_H
#define FD_MODEL_SPACES_H

#include "device/device.h"

typedef enum fd_space {
  FD_TOKENS,    /* of a view: its nucleotides or their words, then its [CLS] rows */
  FD_CLS_ROWS,  /* the [CLS] rows */
  FD_SEQUENCES, /* one row a sequence */
  FD_POSITIONS, /* one row for each position that a token of the batch may have, 0 .. the longest sequence's */
  FD_VISIBLE,   /* the tokens that are not hidden (fd_seqs.hidden), [CLS] rows among them */
  FD_HIDDEN,    /* the others */
  FD_GROUPS,    /* one row for FD_GROUP tokens side by side, of sequences without [CLS] rows */
  FD_SPACES
} fd_space;

enum { FD_GROUP = 6 /* as many letters as a word of Nucleotide Transformer has */ };

/* The most that a batch may have. */
typedef struct fd_extent {
  int tokens, sequences, cls; /* cls: of each sequence */
} fd_extent;

/* Some of the tokens: where they stand among all, [rows] in device memory. */
typedef struct fd_chosen {
  fd_seqs seqs;
  int *index, *position, *host; /* row among the tokens; place in its sequence; [2, tokens] both, staging */
} fd_chosen;

/* The rows of a batch. */
typedef struct fd_spaces {
  fd_device *dev;
  unsigned used;
  const fd_seqs *of[FD_SPACES];      /* the rows of each sequence in a space; NULL: it is not used */
  const fd_seqs *sources[FD_SPACES]; /* of a space whose rows are pooled from tokens: the tokens of each of its rows */
  /* Device memory, of spaces whose rows are tokens: [rows] the place of each in its sequence, of FD_TOKENS where FD_POSITIONS is
   * used; [rows] the token that it is, of FD_VISIBLE and FD_HIDDEN; [tokens] zeros, where FD_POSITIONS is used; [tokens] not 0
   * where one is hidden, NULL where none is. */
  const int *position[FD_SPACES], *index[FD_SPACES];
  int *type;
  const uint8_t *hidden;
  fd_seqs cls, each, sequences, positions; /* what these point to, beside the batch's own */
  fd_seqs groups, grouped;                 /* the groups of each sequence; the tokens of each group */
  fd_chosen chosen[2];                     /* the visible, the hidden */
  int *token_position;
  uint8_t *flags;
  fd_seqs firsts; /* with FD_SEQUENCES: the first token of each sequence is the [CLS] row of these, whatever comes before */
  int *host_position, longest[2];
} fd_spaces;

/* The spaces of `used` (bit 1 << FD_...), for batches up to an extent. */
fd_status fd_spaces_create(fd_spaces *spaces, fd_device *dev, unsigned used, fd_extent extent) FD_MUST_CHECK;
void fd_spaces_destroy(fd_spaces *spaces);

/* Rows that such a batch has in a space, at most. */
int fd_extent_rows(fd_extent extent, fd_space space);

/* The positions of a space's rows where they are not their places in the packed sequences of that space; NULL: they are. */
static inline const int *fd_spaces_moved(const fd_spaces *spaces, fd_space space) {
  return space == FD_VISIBLE || space == FD_HIDDEN ? spaces->position[space] : NULL;
}

/* Makes them those of a batch with these tokens; borrowed until the next. */
fd_status fd_spaces_set(fd_spaces *spaces, const fd_seqs *tokens) FD_MUST_CHECK;

#endif
