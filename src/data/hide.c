/* Hides words of windows and records. */
#include "data/hide.h"

#include <inttypes.h>
#include <string.h>

enum { OFFSET, ONE_HIDDEN, ONE_VISIBLE /* words of the draw's first number; the others are those of the places */ };

fd_status fd_hider_create(fd_hider *h, const fd_config *config, const fd_windows *windows, const fd_tokenizer *tokenizer,
                          int replaces, int first) {
  uint64_t seed = (uint64_t)config->run.seed;
  *h = (fd_hider){.tokenizer = tokenizer, .replaces = replaces, .first = first};
  h->train = fd_rng_key_of(seed, FD_RNG_HIDE), h->held_out = fd_rng_key_of(seed, FD_RNG_EVAL);
  fd_loader_init(&h->loader, config, windows);
  FD_TRY(fd_tokens_create(&h->words, tokenizer, windows->length));
  return fd_tokens_create(&h->current, tokenizer, windows->length);
}

void fd_hider_free(fd_hider *h) {
  fd_tokens_free(&h->words);
  fd_tokens_free(&h->current);
}

fd_status fd_hider_check(const fd_config *config, const fd_windows *windows, const char *folder) {
  int k = (int)config->model.kmer, most = windows->length / k;
  int64_t below = 0;
  if (most > config->model.positions)
    return fd_fail(FD_CONFIG, "%s: sequences of up to %d nucleotides have %d words; model.positions is %" PRId64, folder,
                   windows->length, most, config->model.positions);
  for (int64_t i = 0; i < windows->count; i++) below += fd_windows_length(windows, i) < k;
  if (!below) return FD_OK;
  return fd_fail(FD_DATA,
                 "%s: %" PRId64 " of %" PRId64
                 " sequences are shorter than a word (model.kmer: %d); leave them out with findna prepare --shortest %d",
                 folder, below, windows->count, k, k);
}

static int is_word(const fd_hider *h, int32_t id) {
  const fd_vocabulary *v = fd_tokenizer_vocabulary(h->tokenizer);
  return id != v->mask && id != v->unk;
}

/* The place of the n-th of those that are not [UNK], from 0. */
static int find_word(const fd_hider *h, const int32_t *ids, uint32_t n) {
  int at = 0;
  while (!is_word(h, ids[at]) || n--) at++;
  return at;
}

/* Which of the words are hidden. */
static void hide(const fd_hider *h, fd_rng_key key, uint64_t draw, const int32_t *ids, int words, uint8_t *hidden) {
  uint32_t first[4], word[4];
  int can = 0, is = 0;
  fd_philox(first, key, draw, 0);
  for (int i = 0; i < words; i++) {
    if (i % 4 == 0) fd_philox(word, key, draw, 1 + (uint64_t)i / 4);
    int good = is_word(h, ids[i]);
    hidden[i] = good && fd_unit(word[i % 4]) < (float)h->loader.config->aug.mask_rate;
    can += good, is += hidden[i];
  }
  if (words < 2 || !can) {
    memset(hidden, 0, (size_t)words);
    return;
  }
  if (!is) hidden[find_word(h, ids, fd_below(first[ONE_HIDDEN], (uint32_t)can))] = 1;
  if (is == words) hidden[fd_below(first[ONE_VISIBLE], (uint32_t)words)] = 0;
}

static int32_t *ids_of(const fd_batch *batch) { return (int32_t *)(void *)batch->scratch; }

static void begin(fd_batch *batch, int count) {
  batch->seqs.count = count;
  batch->seqs.hidden = batch->tokens;
  batch->seqs.start[0] = 0;
  batch->masked = batch->visible = 0;
  batch->entry_mask = 0;
}

/* The words of a sequence behind those before. */
static void put(fd_batch *batch, int i, const fd_tokens *words, int count) {
  int at = batch->seqs.start[i];
  memcpy(ids_of(batch) + at, words->ids, (size_t)count * sizeof *words->ids);
  batch->seqs.start[i + 1] = batch->rows = at + count;
}

/* The classes of the hidden words, then those of the visible ones, and which count; hidden ids become [MASK] where they are
 * seen. */
static void set_targets(const fd_hider *h, fd_batch *batch) {
  int32_t *ids = ids_of(batch), mask = fd_tokenizer_vocabulary(h->tokenizer)->mask;
  int rows = batch->rows, n = 0;
  for (int hidden = 1; hidden >= 0; hidden--)
    for (int r = 0; r < rows; r++) {
      if (batch->tokens[r] != hidden) continue;
      int good = is_word(h, ids[r]);
      batch->host_target[n] = good ? (float)(ids[r] - h->first) : 0;
      batch->host_target[rows + n++] = (float)good;
      *(hidden ? &batch->masked : &batch->visible) += good;
    }
  for (int r = 0; r < rows && h->replaces; r++)
    if (batch->tokens[r]) ids[r] = mask;
}

static int offset_of(const fd_hider *h, uint64_t draw, int length) {
  int k = (int)h->loader.config->model.kmer, most = length - k + 1 < k ? length - k + 1 : k;
  uint32_t first[4];
  if (!h->loader.config->aug.offsets) return 0;
  fd_philox(first, h->train, draw, 0);
  return (int)fd_below(first[OFFSET], (uint32_t)most);
}

static fd_status make_words(void *context, uint64_t first_draw, int count, fd_batch *batch) {
  fd_hider *h = context;
  const fd_windows *w = h->loader.windows;
  begin(batch, count);
  for (int i = 0; i < count; i++) {
    uint64_t draw = first_draw + (uint64_t)i, window = fd_loader_window(&h->loader, draw), key = fd_loader_key(&h->loader, draw);
    int length = fd_windows_length(w, (int64_t)window);
    int n =
        (int)fd_tokenizer_encode(h->tokenizer, fd_windows_at(w, (int64_t)window), length, offset_of(h, key, length), &h->words);
    hide(h, h->train, key, h->words.ids, n, batch->tokens + batch->seqs.start[i]);
    put(batch, i, &h->words, n);
    batch->seqs.draws[i] = key;
    batch->windows[i] = window;
  }
  set_targets(h, batch);
  return FD_OK;
}

static fd_status upload_words(void *context, fd_batch *batch) {
  fd_device *dev = batch->dev;
  size_t bytes = (size_t)batch->rows * sizeof(float);
  (void)context;
  FD_TRY(fd_seqs_send(&batch->seqs, dev));
  FD_TRY(dev->copy(dev, batch->target, batch->host_target, bytes));
  FD_TRY(dev->copy(dev, batch->weight, batch->host_target + batch->rows, bytes));
  return dev->copy(dev, batch->student, ids_of(batch), (size_t)batch->rows * sizeof(int32_t));
}

int fd_hider_held_out(fd_hider *h, const fd_windows *windows, int64_t i, int32_t *ids, uint8_t *hidden) {
  const fd_tokens to = {.ids = ids, .spans = NULL, .scratch = h->current.scratch};
  int n = (int)fd_tokenizer_encode(h->tokenizer, fd_windows_at(windows, i), fd_windows_length(windows, i), 0, &to);
  hide(h, h->held_out, (uint64_t)i, ids, n, hidden);
  return n;
}

static fd_status held_out_words(void *context, const fd_windows *windows, int64_t first, int count, fd_batch *batch) {
  fd_hider *h = context;
  begin(batch, count);
  for (int i = 0; i < count; i++) {
    int n = fd_hider_held_out(h, windows, first + i, h->current.ids, batch->tokens + batch->seqs.start[i]);
    put(batch, i, &h->current, n);
    batch->seqs.draws[i] = (uint64_t)(first + i);
  }
  set_targets(h, batch);
  return upload_words(h, batch);
}

fd_source fd_hider_source(fd_hider *hider) {
  return (fd_source){.context = hider, .make = make_words, .upload = upload_words, .held_out = held_out_words};
}
