/* A frozen encoder at work: sequences are packed without padding, and one forward pass gives their latents and logits. */
#ifndef FD_TASKS_ENCODER_H
#define FD_TASKS_ENCODER_H

#include "data/tokenizer.h"
#include "model/network.h"

/* An encoder to take features from. All borrowed; `name` is for messages. */
typedef struct fd_encoder {
  const char *name;
  const fd_network *network;
  const float *params; /* host memory, the network's layout */
  fd_device *dev;
  int cls;                       /* [CLS] rows that the model was trained with */
  const fd_tokenizer *tokenizer; /* of an encoder over ids; NULL: it reads nucleotides */
} fd_encoder;

typedef struct fd_encoding fd_encoding;

/* Takes what it needs of sequence i of a pass that has been run; `note` is what fd_encoding_put was told of it. */
typedef void fd_encoding_taker(void *context, int i, const void *note);

/* The sequences of one pass. Sequence i has the rows seqs.start[i] .. seqs.start[i+1]-1 of both results, its [CLS] rows last. */
struct fd_encoding {
  const fd_encoder *encoder;
  fd_seqs seqs;
  fd_spaces spaces;
  int tokens_max;
  uint8_t *tokens;        /* an encoder over ids: one sequence's letters */
  fd_tokens words;        /* of one sequence */
  uint8_t *padding;       /* [tokens_max] of the pass, not 0 where a token is padding; NULL with nucleotides */
  int32_t *ids;           /* [tokens_max] of the pass */
  float *latent, *logits; /* host: [tokens_max, channels], [tokens_max, 5 or the vocabulary]; NULL unless asked for */
  fd_pass *pass;
  uint8_t *device_tokens;
  int *device_ids;
  const float *params; /* of the encoder, for the device */
  float *x;            /* device */
  fd_encoding_taker *take;
  void *context;
  char *notes; /* [sequences of the pass, note_bytes] */
  size_t note_bytes, notes_room;
};

/* What a pass brings to the host. */
enum { FD_WANT_LATENT = 1, FD_WANT_LOGITS = 2 };

/* Buffers for passes over sequences of up to `longest` nucleotides with `cls` [CLS] rows behind each: as many sequences at a time
 * as fit a pass of convenient size, a longer one alone. Each is handed to `take` (with `context`) in the order in which they were
 * put; a note about it has `note_bytes`. */
fd_status fd_encoding_open(fd_encoding **encoding, const fd_encoder *encoder, int cls, int64_t longest, int want,
                           fd_encoding_taker *take, void *context, size_t note_bytes) FD_MUST_CHECK;
void fd_encoding_close(fd_encoding **encoding);

/* Bytes that such buffers take, the weights on the device included. */
size_t fd_encoding_memory(const fd_encoder *encoder, int cls, int64_t longest, int want);

/* Puts a sequence, or with `minus` its reverse complement, and a copy of the note into the pass; a full pass is run and handed
 * out first. */
fd_status fd_encoding_put(fd_encoding *encoding, const uint8_t *symbols, int length, int minus, const void *note) FD_MUST_CHECK;

/* Masks nucleotides first .. first + count - 1 of the sequence that was put last, as it was put, or the words that hold them. */
void fd_encoding_mask(fd_encoding *encoding, int64_t first, int count);

/* Runs and hands out what is left. */
fd_status fd_encoding_flush(fd_encoding *encoding) FD_MUST_CHECK;

#endif
