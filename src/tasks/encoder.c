/* Runs a frozen encoder over packed sequences. */
#include "tasks/encoder.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/memory.h"
#include "data/alphabet.h"

enum { TOKENS_PER_PASS = 1 << 13 };

/* Rows of the largest pass. */
static int64_t tokens_of(const fd_encoder *encoder, int cls, int64_t longest) {
  int64_t rows = encoder->tokenizer ? fd_tokenizer_most(encoder->tokenizer, longest) : longest + cls;
  return rows > TOKENS_PER_PASS ? rows : TOKENS_PER_PASS;
}

/* Pooled outputs are never requested: the caller pools. */
static fd_demand demand_of(int want) {
  return (fd_demand){(want & FD_WANT_LATENT ? 1u << FD_OUT_LATENT : 0) | (want & FD_WANT_LOGITS ? 1u << FD_OUT_LOGITS : 0), 0, 0};
}

static size_t logits_width(const fd_network *network) { return (size_t)network->out[FD_OUT_LOGITS].width; }

size_t fd_encoding_memory(const fd_encoder *encoder, int cls, int64_t longest, int want) {
  size_t tokens = (size_t)tokens_of(encoder, cls, longest), channels = (size_t)encoder->network->channels;
  size_t floats = tokens * FD_SYMBOLS;
  if (encoder->dev->own_memory) floats += encoder->network->params.size;
  if (want & FD_WANT_LATENT) floats += tokens * channels;
  if (want & FD_WANT_LOGITS) floats += tokens * logits_width(encoder->network);
  return fd_network_pass_size(encoder->network, encoder->dev->form, demand_of(want), (fd_extent){(int)tokens, 0, 0}) +
         floats * sizeof(float) + 2 * tokens;
}

static fd_status open_letters(fd_encoding *e) {
  fd_device *dev = e->encoder->dev;
  FD_TRY(dev->alloc(dev, &e->device_tokens, (size_t)e->tokens_max, "an encoder"));
  return dev->alloc(dev, &e->x, (size_t)e->tokens_max * FD_SYMBOLS * sizeof(float), "an encoder");
}

static fd_status open_words(fd_encoding *e, int64_t longest) {
  fd_device *dev = e->encoder->dev;
  FD_TRY(fd_tokens_create(&e->words, e->encoder->tokenizer, longest));
  FD_TRY(fd_alloc(&e->padding, (size_t)e->tokens_max, 1, "an encoder"));
  FD_TRY(fd_alloc(&e->ids, (size_t)e->tokens_max, sizeof *e->ids, "an encoder"));
  return dev->alloc(dev, &e->device_ids, (size_t)e->tokens_max * sizeof(int), "an encoder");
}

fd_status fd_encoding_open(fd_encoding **encoding, const fd_encoder *encoder, int cls, int64_t longest, int want,
                           fd_encoding_taker *take, void *context, size_t note_bytes) {
  fd_status status = FD_OK;
  fd_device *dev = encoder->dev;
  size_t channels = (size_t)encoder->network->channels;
  *encoding = NULL;
  if (longest > INT_MAX / 16)
    return fd_fail(FD_DATA, "a sequence of %lld nucleotides is too long for one pass; at most %d are read", (long long)longest,
                   INT_MAX / 16);
  size_t tokens = (size_t)tokens_of(encoder, cls, longest), letters = tokens > (size_t)longest ? tokens : (size_t)longest;
  const fd_extent extent = {(int)tokens, TOKENS_PER_PASS + 1, cls};
  FD_TRY(fd_alloc(encoding, 1, sizeof **encoding, "an encoder"));
  fd_encoding *e = *encoding;
  *e = (fd_encoding){.encoder = encoder, .tokens_max = (int)tokens, .take = take, .context = context, .note_bytes = note_bytes};
  FD_GO(fd_seqs_create(&e->seqs, dev, TOKENS_PER_PASS + 1, cls));
  FD_GO(fd_alloc(&e->tokens, letters, 1, "an encoder"));
  if (want & FD_WANT_LATENT) FD_GO(fd_alloc(&e->latent, tokens * channels, sizeof *e->latent, "latents"));
  if (want & FD_WANT_LOGITS) FD_GO(fd_alloc(&e->logits, tokens * logits_width(encoder->network), sizeof *e->logits, "logits"));
  FD_GO(fd_network_pass(&e->pass, encoder->network, dev, demand_of(want), extent));
  FD_GO(fd_spaces_create(&e->spaces, dev, fd_pass_spaces(e->pass), extent));
  FD_GO(encoder->tokenizer ? open_words(e, longest) : open_letters(e));
  FD_GO(fd_device_take_weights(dev, &e->params, encoder->params, encoder->network->params.size, "an encoder's weights"));
done:
  if (status != FD_OK) fd_encoding_close(encoding);
  return status;
}

void fd_encoding_close(fd_encoding **encoding) {
  fd_encoding *e = *encoding;
  if (!e) return;
  fd_device *dev = e->encoder->dev;
  fd_seqs_destroy(&e->seqs, dev);
  fd_device_drop_weights(dev, e->params);
  dev->release(dev, e->x);
  dev->release(dev, e->device_tokens);
  dev->release(dev, e->device_ids);
  fd_tokens_free(&e->words);
  free(e->ids);
  free(e->padding);
  fd_spaces_destroy(&e->spaces);
  fd_pass_destroy(&e->pass);
  free(e->notes);
  free(e->logits);
  free(e->latent);
  free(e->tokens);
  free(e);
  *encoding = NULL;
}

/* The place for the symbols of one more sequence; NULL if it does not fit. */
static uint8_t *add(fd_encoding *e, int length) {
  int used = e->seqs.start[e->seqs.count], all = length + e->seqs.cls;
  if (e->seqs.count > TOKENS_PER_PASS || used + all > (e->seqs.count ? TOKENS_PER_PASS : e->tokens_max)) return NULL;
  memset(e->tokens + used + length, FD_ZERO, (size_t)e->seqs.cls);
  e->seqs.start[++e->seqs.count] = used + all;
  return e->tokens + used;
}

/* Copies the note of the last sequence. */
static fd_status keep_note(fd_encoding *e, const void *note) {
  size_t slot = (size_t)e->seqs.count - 1;
  FD_TRY(fd_grow(&e->notes, &e->notes_room, slot + 1, e->note_bytes, "notes"));
  memcpy(e->notes + slot * e->note_bytes, note, e->note_bytes);
  return FD_OK;
}

/* Adds the words of one more sequence. */
static fd_status put_words(fd_encoding *e, const uint8_t *symbols, int length, int minus, const void *note) {
  const fd_tokenizer *t = e->encoder->tokenizer;
  int64_t most = fd_tokenizer_most(t, length);
  int full = e->seqs.count > TOKENS_PER_PASS || e->seqs.start[e->seqs.count] + most > TOKENS_PER_PASS;
  if (e->seqs.count && full) FD_TRY(fd_encoding_flush(e));
  int used = e->seqs.start[e->seqs.count], positions = e->encoder->network->positions;
  if (minus) fd_reverse_complement(symbols, length, e->tokens), symbols = e->tokens;
  int n = (int)fd_tokenizer_encode(t, symbols, length, 0, &e->words);
  FD_TRY(fd_tokenizer_check(t, length, n, positions, "a sequence"));
  memcpy(e->ids + used, e->words.ids, (size_t)n * sizeof *e->ids);
  if (fd_tokenizer_padding(t, e->words.ids, n, e->padding + used)) e->seqs.hidden = e->padding;
  e->seqs.start[++e->seqs.count] = used + n;
  return keep_note(e, note);
}

fd_status fd_encoding_put(fd_encoding *e, const uint8_t *symbols, int length, int minus, const void *note) {
  if (e->encoder->tokenizer) return put_words(e, symbols, length, minus, note);
  uint8_t *to = add(e, length);
  if (!to) {
    FD_TRY(fd_encoding_flush(e));
    to = add(e, length);
  }
  FD_TRY(keep_note(e, note));
  if (minus) fd_reverse_complement(symbols, length, to);
  else memcpy(to, symbols, (size_t)length);
  return FD_OK;
}

void fd_encoding_mask(fd_encoding *e, int64_t first, int count) {
  int begin = e->seqs.start[e->seqs.count - 1], tokens = e->seqs.start[e->seqs.count] - begin;
  if (!e->encoder->tokenizer) memset(e->tokens + begin + first, FD_ZERO, (size_t)count);
  for (int i = 0; e->encoder->tokenizer && i < tokens; i++) {
    fd_span s = e->words.spans[i];
    if (s.count && s.first < first + count && first < s.first + s.count)
      e->ids[begin + i] = fd_tokenizer_vocabulary(e->encoder->tokenizer)->mask;
  }
}

/* Copies the network's input to the device. */
static fd_status send_input(fd_encoding *e, size_t rows, const void **input) {
  fd_device *dev = e->encoder->dev;
  *input = e->encoder->tokenizer ? (const void *)e->device_ids : e->x;
  if (e->encoder->tokenizer) return dev->copy(dev, e->device_ids, e->ids, rows * sizeof *e->ids);
  FD_TRY(dev->copy(dev, e->device_tokens, e->tokens, rows));
  dev->ops.expand(dev, &e->seqs, e->device_tokens, 0, (fd_rng_key){{0, 0}}, 0, e->x);
  return FD_OK;
}

fd_status fd_encoding_flush(fd_encoding *e) {
  const fd_network *net = e->encoder->network;
  fd_device *dev = e->encoder->dev;
  size_t rows = (size_t)fd_seqs_rows(&e->seqs);
  const void *input;
  if (!e->seqs.count) return FD_OK;
  FD_TRY(fd_guard_go_on());
  FD_TRY(fd_seqs_send(&e->seqs, dev));
  FD_TRY(fd_spaces_set(&e->spaces, &e->seqs));
  FD_TRY(send_input(e, rows, &input));
  fd_pass_forward(e->pass, &e->spaces, e->params, input);
  FD_TRY(dev->sync(dev));
  if (e->latent) FD_TRY(fd_mat_read(dev, fd_network_output(net, e->pass, FD_OUT_LATENT), 0, (int)rows, net->channels, e->latent));
  if (e->logits)
    FD_TRY(
        dev->copy(dev, e->logits, fd_network_output(net, e->pass, FD_OUT_LOGITS).at, rows * logits_width(net) * sizeof(float)));
  for (int i = 0; i < e->seqs.count; i++) e->take(e->context, i, e->notes + (size_t)i * e->note_bytes);
  e->seqs.count = 0;
  return FD_OK;
}
