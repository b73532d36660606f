/* Micro-batches of words, or letters, of which some are hidden: what an autoencoder, a model of masked words, or a student of a
 * frozen teacher is pretrained on. */
#ifndef FD_DATA_HIDE_H
#define FD_DATA_HIDE_H

#include "data/batch.h"
#include "data/tokenizer.h"

/* Windows or records in the order of the run (fd_loader), as words side by side, k-mers from an offset on (aug.offsets), or as
 * byte pairs, of which a window has as many as it happens to have; with R
 * in aug.student reverse complements with probability aug.revcomp.
 *
 * Which words are hidden: each one with probability aug.mask_rate, by a number keyed by the draw and counted by its place. What
 * is not of A, C, G, T alone never is, and is no target. Of two or more words at least one is hidden, if one can be, and at least
 * one is not; a single word is not hidden. An offset leaves at least one word. Letters are hidden in groups of FD_GROUP side by
 * side, as if these were words.
 *
 * A frozen teacher, if there is one, sees the words of the same sequences, one for each group; hidden ones are its [MASK], or
 * with teacher.sees: clean they stay. batch->aligned says which of its rows each group, or with objective.distil_pool: repeat
 * each letter, is held against: that of its word, if it is visible and of A, C, G, T alone. */
typedef struct fd_hider {
  fd_loader loader;
  const fd_tokenizer *tokenizer; /* any */
  const fd_tokenizer *teacher;   /* of a frozen teacher, with words of FD_GROUP letters; NULL: there is none */
  int keyed;                     /* its view has keys (fd_view.key) */
  int unit;                      /* words that are hidden together */
  fd_rng_key train, held_out;
  int replaces;        /* a hidden word's id becomes [MASK]; else it stays: nobody sees it */
  int first;           /* id of the word that is class 0 */
  fd_tokens words;     /* of one window, for the thread that makes batches */
  fd_tokens current;   /* for evaluations */
  uint8_t *turned;     /* a reverse complement */
  fd_tokens taught[2]; /* the teacher's words: of that thread, for evaluations */
} fd_hider;

/* All borrowed. fd_hider_free may follow a failure. */
fd_status fd_hider_create(fd_hider *hider, const fd_config *config, const fd_windows *windows, const fd_tokenizer *tokenizer,
                          int replaces, int first) FD_MUST_CHECK;

/* Makes batches for a frozen teacher, too: before fd_hider_source. `keyed`: with keys of what it sees, which must be clean. */
fd_status fd_hider_teach(fd_hider *hider, const fd_tokenizer *teacher, int keyed) FD_MUST_CHECK;

/* How many keys so many training windows and held-out ones have; the first ones are those of the training windows. */
int64_t fd_hider_keys(const fd_config *config, int64_t windows, int64_t held_out);
void fd_hider_free(fd_hider *hider);

/* FD_DATA where a record is shorter than a word, groups of letters do not cut windows, or it is not known which ids are words. */
fd_status fd_hider_check(const fd_config *config, const fd_tokenizer *tokenizer, const fd_windows *windows,
                         const char *folder) FD_MUST_CHECK;

/* Raises *most to the most tokens that one of the windows becomes. Byte pairs are counted in all windows, of both strands where
 * reverse complements are read, of which each rank takes a share; other words follow from the letters. FD_CONFIG where these
 * are more than the model has learned positions (mae, bert). Collective. */
fd_status fd_hider_most(const fd_config *config, const fd_tokenizer *tokenizer, const fd_windows *windows, fd_comm *comm,
                        int *most) FD_MUST_CHECK;

/* How many words the sequences have from their first letters on, and how many of these have other letters than A, C, G, T: they
 * are seen as [UNK], and never hidden. */
void fd_hider_count(const fd_config *config, const fd_windows *windows, int64_t *words, int64_t *unknown);

/* The words of held-out window i, from its first letter on, and which are hidden: ids and hidden as long as the window may have
 * words. Returns how many. Masks depend on the window's number alone. */
int fd_hider_held_out(fd_hider *hider, const fd_windows *windows, int64_t i, int32_t *ids, uint8_t *hidden);

/* The hider as a source; borrowed. */
fd_source fd_hider_source(fd_hider *hider);

#endif
