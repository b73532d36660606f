/* A frozen encoder for inference: sequences are packed without padding; one forward pass computes their latents and logits. */
#ifndef FD_TASKS_ENCODER_H
#define FD_TASKS_ENCODER_H

#include "data/tokenizer.h"
#include "model/network.h"

/* An encoder that computes features. All borrowed; `name` is for messages. */
typedef struct fd_encoder {
  const char *name;
  const fd_network *network;
  const float *params; /* host memory, the network's layout */
  fd_device *dev;
  int cls;                       /* [CLS] rows that the model was trained with */
  const fd_tokenizer *tokenizer; /* of an encoder over ids; NULL: the encoder reads nucleotides */
} fd_encoder;

typedef struct fd_encoding fd_encoding;

/* Reads the results of sequence i of a finished pass; `note` is the note given to fd_encoding_put. */
typedef void fd_encoding_taker(void *context, int i, const void *note);

/* The sequences of one pass. Sequence i owns the rows seqs.start[i] .. seqs.start[i+1]-1 of both results, its [CLS] rows last. */
struct fd_encoding {
  const fd_encoder *encoder;
  fd_seqs seqs;
  fd_spaces spaces;
  int tokens_max;
  uint8_t *tokens;        /* [tokens_max] of the pass; with ids: one sequence's letters */
  fd_tokens words;        /* of one sequence */
  uint8_t *padding;       /* [tokens_max] of the pass, nonzero where a token is padding; NULL with nucleotides */
  int32_t *ids;           /* [tokens_max] of the pass */
  float *latent, *logits; /* host: [tokens_max, channels], [tokens_max, 5 or the vocabulary]; NULL unless requested */
  fd_pass *pass;
  uint8_t *device_tokens;
  int *device_ids;
  const float *params; /* of the encoder, in the device's memory */
  float *x;            /* device */
  fd_encoding_taker *take;
  void *context;
  char *notes; /* [sequences of the pass, note_bytes] */
  size_t note_bytes, notes_room;
};

/* Results that a pass copies to the host. */
enum { FD_WANT_LATENT = 1, FD_WANT_LOGITS = 2 };

/* Allocates buffers for passes over sequences of up to `longest` nucleotides with `cls` [CLS] rows after each. A pass of fixed
 * size holds as many sequences as fit, a longer sequence gets a pass of its own. `take` is called with `context` for each
 * sequence in the order of fd_encoding_put; a sequence's note has `note_bytes`. */
fd_status fd_encoding_open(fd_encoding **encoding, const fd_encoder *encoder, int cls, int64_t longest, int want,
                           fd_encoding_taker *take, void *context, size_t note_bytes) FD_MUST_CHECK;
void fd_encoding_close(fd_encoding **encoding);

/* Bytes of such buffers, including the weights on the device. */
size_t fd_encoding_memory(const fd_encoder *encoder, int cls, int64_t longest, int want);

/* Adds a sequence, or with `minus` its reverse complement, and a copy of the note to the pass; a full pass is run and its results
 * are delivered first. */
fd_status fd_encoding_put(fd_encoding *encoding, const uint8_t *symbols, int length, int minus, const void *note) FD_MUST_CHECK;

/* Masks nucleotides first .. first + count - 1, on the strand that was added, of the sequence added last, or the words that
 * contain them. */
void fd_encoding_mask(fd_encoding *encoding, int64_t first, int count);

/* Runs the last pass and delivers its results. */
fd_status fd_encoding_flush(fd_encoding *encoding) FD_MUST_CHECK;

#endif
