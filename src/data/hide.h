/* Micro-batches of words or letters, some of which are hidden: for pretraining an autoencoder, a masked language model, or a
 * student of a frozen teacher. */
#ifndef FD_DATA_HIDE_H
#define FD_DATA_HIDE_H

#include "data/batch.h"
#include "data/tokenizer.h"

/* Windows or records in the order of the run (fd_loader), as adjacent words, which begin at a random offset with aug.offsets, or
 * as byte pairs, whose number varies; with R in aug.student as reverse complements with probability aug.revcomp.
 *
 * Which words are hidden: each one with probability aug.mask_rate, by a random number keyed by the draw and counted by the word's
 * position. A word with letters other than A, C, G and T is never hidden, and is not a target. Of two or more words at least one
 * is hidden, if any may be, and at least one is visible; a single word is never hidden. An offset leaves at least one word.
 * Letters are hidden in groups of FD_GROUP adjacent ones, as if a group were a word.
 *
 * A frozen teacher, if any, reads the words of the same sequences, one per group; hidden words become its [MASK], or are kept
 * with teacher.sees: clean. batch->aligned holds for each group (for each letter with objective.distil_pool: repeat) the
 * teacher's row of its word, if the word is visible and has A, C, G and T only, else -1. */
typedef struct fd_hider {
  fd_loader loader;
  const fd_tokenizer *tokenizer; /* of any kind */
  const fd_tokenizer *teacher;   /* of a frozen teacher, with words of FD_GROUP letters; NULL: no teacher */
  int keyed;                     /* the teacher's view has keys (fd_view.key) */
  int unit;                      /* words that are hidden together */
  fd_rng_key train, held_out;
  int replaces;        /* a hidden word's id becomes [MASK]; else it is kept, and never read by the encoder */
  int first;           /* id of the word that is class 0 */
  fd_tokens words;     /* of one window, for the thread that makes batches */
  fd_tokens current;   /* for evaluations */
  uint8_t *turned;     /* a reverse complement */
  fd_tokens taught[2]; /* the teacher's words: for that thread, and for evaluations */
} fd_hider;

/* All arguments are borrowed. fd_hider_free may be called after a failure. */
fd_status fd_hider_create(fd_hider *hider, const fd_config *config, const fd_windows *windows, const fd_tokenizer *tokenizer,
                          int replaces, int first) FD_MUST_CHECK;

/* Adds the input of a frozen teacher to the batches; call it before fd_hider_source. `keyed`: with keys of that input, which must
 * be clean (teacher.sees). */
fd_status fd_hider_teach(fd_hider *hider, const fd_tokenizer *teacher, int keyed) FD_MUST_CHECK;

/* Number of keys of `windows` training windows and `held_out` held-out ones; the training windows' keys come first. */
int64_t fd_hider_keys(const fd_config *config, int64_t windows, int64_t held_out);
void fd_hider_free(fd_hider *hider);

/* FD_DATA if a record is shorter than a word, if windows are not of whole groups of letters, or if it is not known which ids are
 * words. */
fd_status fd_hider_check(const fd_config *config, const fd_tokenizer *tokenizer, const fd_windows *windows,
                         const char *folder) FD_MUST_CHECK;

/* Raises *most to the largest number of tokens of a window. Byte pairs are counted in all windows, on both strands if reverse
 * complements are read, each rank counting a share; the number of other words follows from the letters. FD_CONFIG if a window has
 * more words than the model has learned positions (mae, bert). Collective. */
fd_status fd_hider_most(const fd_config *config, const fd_tokenizer *tokenizer, const fd_windows *windows, fd_comm *comm,
                        int *most) FD_MUST_CHECK;

/* Number of words of the sequences (offset 0), and number of these with letters other than A, C, G and T, which are read as [UNK]
 * and never hidden. */
void fd_hider_count(const fd_config *config, const fd_windows *windows, int64_t *words, int64_t *unknown);

/* The words of held-out window i (offset 0), and which are hidden: `ids` and `hidden` have room for the most words of a window.
 * Returns the number of words. Masks depend on the window's index only. */
int fd_hider_held_out(fd_hider *hider, const fd_windows *windows, int64_t i, int32_t *ids, uint8_t *hidden);

/* The hider, which is borrowed, as a source. */
fd_source fd_hider_source(fd_hider *hider);

#endif
