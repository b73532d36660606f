/* Embeddings of many sequences, in their order, on any number of ranks. */
#ifndef FD_TASKS_EMBED_H
#define FD_TASKS_EMBED_H

#include "comm/comm.h"
#include "data/sequences.h"
#include "tasks/pretrained.h"

/* A sequence longer than `window` is cut into windows of that length, `stride` apart, the last one at the sequence's end; window
 * 0: never. One of at most `words` words on each strand that is used is not cut either. Pooled features are averaged over the
 * windows, positions over the windows that contain them. `both_strands` averages with the reverse complement, which has windows
 * of its own and whose positions are reversed: both strands of a sequence have the same result but for rounding. For an encoder
 * over ids the positions are the words of consecutive windows, each with its span; both_strands is then 0, as the words of the
 * reverse complement differ. */
typedef struct fd_embed_options {
  const char *path; /* of the sequences, for messages */
  int task;         /* rows are a fine-tuned head's predictions: probabilities of classes, or the value */
  int logits;       /* with `task`: logits instead of probabilities; a row's name is its sequence's hash (stored_logits.h) */
  int positions;    /* rows are the latents of all nucleotides or words instead of pooled features */
  fd_features kind; /* of pooled features */
  int64_t window, stride;
  int64_t words, letters; /* letters: the most that `words` words can have; 0, 0: only the window decides */
  int both_strands;
} fd_embed_options;

/* Kinds of rows: one of fd_features, the latents of a nucleotide or word, or a head's prediction. */
enum { FD_POOL_POSITIONS = FD_FEATURES_MAX + 1, FD_POOL_TASK };
#define FD_POOL_WORDS "tokens|cls|both|max|positions|task"

/* The options of `findna embed` as given by the user. */
typedef struct fd_embed_choice {
  int pool;               /* of FD_POOL_WORDS */
  int64_t window, stride; /* window -1: as in pretraining, of byte pairs only sequences of more words than model.positions are
                           * cut; with logits 0. stride 0: half a window, for words a window */
  int both_strands, logits;
} fd_embed_choice;

/* Resolves a choice for a model; FD_USAGE if the model does not support it. `path`: the file of the sequences, borrowed. */
fd_status fd_embed_choose(const fd_embed_choice *choice, const fd_pretrained *model, const fd_encoder *encoder, const char *path,
                          fd_embed_options *options) FD_MUST_CHECK;

/* Width of a row. */
int fd_embed_width(const fd_embed_options *options, const fd_network *network);

/* Whether rows are words with spans, so that their number depends on the sequence. */
int fd_embed_rows_are_words(const fd_embed_options *options, const fd_encoder *encoder);

/* Bytes of a rank's buffers for these sequences. */
double fd_embed_memory(const fd_embed_options *options, const fd_encoder *encoder, const fd_sequences *sequences);

/* Receives the rows of the next sequence: values [rows, width]; spans [rows, 2] where rows are words, else NULL; borrowed. */
typedef fd_status fd_embed_taker(void *context, const char *id, int64_t rows, const float *values, const int64_t *spans);

/* Embeds all of `sequences` and passes their rows to `take` in order; both are used on the root only, NULL elsewhere. Collective;
 * the result has the same bits for any number of ranks and threads. */
fd_status fd_embed_run(const fd_embed_options *options, const fd_encoder *encoder, fd_comm *comm, fd_sequences *sequences,
                       fd_embed_taker *take, void *context) FD_MUST_CHECK;

#endif
