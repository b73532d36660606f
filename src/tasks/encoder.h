/* A frozen encoder at work: sequences are packed without padding, and one forward pass gives their latents and logits. */
#ifndef FD_TASKS_ENCODER_H
#define FD_TASKS_ENCODER_H

#include "model/network.h"

/* An encoder to take features from. All borrowed; `name` is for messages. */
typedef struct fd_encoder {
  const char *name;
  const fd_network *network;
  const float *params; /* host memory, the network's layout */
  fd_device *dev;
  int cls; /* [CLS] rows that the model was trained with */
} fd_encoder;

/* The sequences of one pass. Sequence i has the rows seqs.start[i] .. seqs.start[i+1]-1 of both results, its [CLS] rows last. */
typedef struct fd_encoding {
  const fd_encoder *encoder;
  fd_seqs seqs;
  int *start, tokens_max;
  uint8_t *tokens;
  float *latent, *logits; /* host: [tokens_max, channels], [tokens_max, 5]; NULL unless asked for */
  fd_activations *acts;
  uint8_t *device_tokens;
  float *params, *x; /* device */
} fd_encoding;

/* What fd_encoding_run brings to the host. */
enum { FD_WANT_LATENT = 1, FD_WANT_LOGITS = 2 };

/* Buffers for passes over sequences of up to `longest` nucleotides with `cls` [CLS] rows behind each: as many sequences at a time
 * as fit a pass of convenient size, a longer one alone. */
fd_status fd_encoding_open(fd_encoding **encoding, const fd_encoder *encoder, int cls, int64_t longest, int want) FD_MUST_CHECK;
void fd_encoding_close(fd_encoding **encoding);

/* Bytes that such buffers take, the weights on the device included. */
size_t fd_encoding_memory(const fd_encoder *encoder, int cls, int64_t longest, int want);

/* Adds a sequence of this length to the pass: the caller writes its symbols (or FD_ZERO where masked) there. NULL when it does
 * not fit any more: run and clear first. */
uint8_t *fd_encoding_add(fd_encoding *encoding, int length);

/* Runs the pass over what was added. */
fd_status fd_encoding_run(fd_encoding *encoding) FD_MUST_CHECK;
void fd_encoding_clear(fd_encoding *encoding);

#endif
