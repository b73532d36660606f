/* Row spaces: what the rows of a value stand for. A batch defines how many rows each sequence has in each space. */
#ifndef FD_MODEL_SPACES_H
#define FD_MODEL_SPACES_H

#include "device/device.h"

typedef enum fd_space {
  FD_TOKENS,    /* of a view: its nucleotides or words, then its [CLS] rows */
  FD_CLS_ROWS,  /* the [CLS] rows */
  FD_SEQUENCES, /* one row per sequence */
  FD_POSITIONS, /* one row per position: 0 .. the last of the longest sequence */
  FD_VISIBLE,   /* the tokens that are not hidden (fd_seqs.hidden), [CLS] rows among them */
  FD_HIDDEN,    /* the hidden tokens */
  FD_GROUPS,    /* one row per FD_GROUP consecutive tokens, of sequences without [CLS] rows */
  FD_SPACES
} fd_space;

/* The maximum size of a batch. */
typedef struct fd_extent {
  int tokens, sequences, cls; /* cls: of each sequence */
} fd_extent;

/* Some of the tokens, and their indices among all tokens, [rows] in device memory. */
typedef struct fd_chosen {
  fd_seqs seqs;
  int *index, *position, *host; /* row among all tokens; index in the sequence; staging memory for both [2, tokens] */
} fd_chosen;

/* The rows of a batch. */
typedef struct fd_spaces {
  fd_device *dev;
  unsigned used;
  const fd_seqs *of[FD_SPACES];      /* the rows of each sequence in a space; NULL: not used */
  const fd_seqs *sources[FD_SPACES]; /* of a space whose rows are pooled from tokens: the tokens of each row */
  /* In device memory, for spaces whose rows are tokens. position: [rows] index of the token in its sequence; for FD_TOKENS only
   * if FD_POSITIONS is used. index: [rows] the token of a row of FD_VISIBLE and FD_HIDDEN. type: [tokens] zeros, if FD_POSITIONS
   * is used. hidden: [tokens] not 0 for a hidden token; NULL if no token is hidden. */
  const int *position[FD_SPACES], *index[FD_SPACES];
  int *type;
  const uint8_t *hidden;
  fd_seqs cls, each, sequences, positions; /* the targets of `of` and `sources` that are not the batch's own */
  fd_seqs groups, grouped;                 /* the groups of each sequence; the tokens of each group */
  fd_chosen chosen[2];                     /* the visible, the hidden */
  int *token_position;
  uint8_t *flags;
  fd_seqs firsts; /* with FD_SEQUENCES: sequences that end with the first token of each sequence, as their [CLS] row */
  int *host_position, longest[2];
} fd_spaces;

/* Allocates the spaces of `used` (bits 1 << FD_...) for batches up to an extent. */
fd_status fd_spaces_create(fd_spaces *spaces, fd_device *dev, unsigned used, fd_extent extent) FD_MUST_CHECK;
void fd_spaces_destroy(fd_spaces *spaces);

/* Maximum rows of such a batch in a space. */
int fd_extent_rows(fd_extent extent, fd_space space);

/* The positions of the rows of a space, if they differ from the indices in the packed sequences of that space; else NULL. */
static inline const int *fd_spaces_moved(const fd_spaces *spaces, fd_space space) {
  return space == FD_VISIBLE || space == FD_HIDDEN ? spaces->position[space] : NULL;
}

/* Sets the spaces to those of a batch with these tokens, which are borrowed until the next call. */
fd_status fd_spaces_set(fd_spaces *spaces, const fd_seqs *tokens) FD_MUST_CHECK;

#endif
