/* Embeddings of many sequences, one after the other, in any number of ranks. */
#ifndef FD_TASKS_EMBED_H
#define FD_TASKS_EMBED_H

#include "comm/comm.h"
#include "data/sequences.h"
#include "tasks/features.h"
#include "tasks/pretrained.h"

/* A sequence longer than `window` is cut into windows of that length, `stride` apart, the last one at its end; 0: never. Pooled
 * features are the mean over the windows; a position is the mean over the windows that hold it. With `both_strands` the mean
 * with those of the reverse complement, read backwards. Of an encoder over ids the positions are the words of each window, one
 * window after the other, each with its span; both_strands is then 0, since the words of the reverse complement are others. */
typedef struct fd_embed_options {
  const char *path; /* of the sequences, for messages */
  int task;         /* what a fine-tuned head predicts from its features: probabilities of classes, or the value */
  int logits;    /* with `task`: logits in the place of probabilities; a row is named by its sequence's hash (stored_logits.h) */
  int positions; /* the latents of all nucleotides, or words, instead of pooled features */
  fd_features kind; /* of pooled features */
  int64_t window, stride;
  int both_strands;
} fd_embed_options;

/* What a row is: one of fd_features, a nucleotide's or word's latents, or a head's prediction. */
enum { FD_POOL_POSITIONS = FD_FEATURES_MAX + 1, FD_POOL_TASK };
#define FD_POOL_WORDS "tokens|cls|both|max|positions|task"

/* The options of `findna embed`, as they are given. */
typedef struct fd_embed_choice {
  int pool;               /* of FD_POOL_WORDS */
  int64_t window, stride; /* window -1: as in pretraining, or, with logits, 0; stride 0: half a window; of words, a window */
  int both_strands, logits;
} fd_embed_choice;

/* What a choice means for a model; FD_USAGE where it has no meaning. `path` is of the sequences, borrowed. */
fd_status fd_embed_choose(const fd_embed_choice *choice, const fd_pretrained *model, const fd_encoder *encoder, const char *path,
                          fd_embed_options *options) FD_MUST_CHECK;

/* Width of a row. */
int fd_embed_width(const fd_embed_options *options, const fd_network *network);

/* Whether the rows are words, as many as it takes, with spans. */
int fd_embed_rows_are_words(const fd_embed_options *options, const fd_encoder *encoder);

/* Bytes that a rank's buffers take for these sequences. */
double fd_embed_memory(const fd_embed_options *options, const fd_encoder *encoder, const fd_sequences *sequences);

/* Takes the rows of the next sequence: values [rows, width], spans [rows, 2] where rows are words, else NULL; borrowed. */
typedef fd_status fd_embed_taker(void *context, const char *id, int64_t rows, const float *values, const int64_t *spans);

/* Reads all of `sequences` and gives them to `take` in their order; both are the root's, NULL elsewhere. Collective; the result
 * has the same bits for any number of ranks and threads. */
fd_status fd_embed_run(const fd_embed_options *options, const fd_encoder *encoder, fd_comm *comm, fd_sequences *sequences,
                       fd_embed_taker *take, void *context) FD_MUST_CHECK;

#endif
