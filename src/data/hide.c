/* Hides words of windows and records. */
#include "data/hide.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/memory.h"
#include "data/alphabet.h"

/* Words of a draw's first block of random numbers; the further blocks are for the positions. */
enum { OFFSET, ONE_HIDDEN, ONE_VISIBLE, TURN };

fd_status fd_hider_create(fd_hider *h, const fd_config *config, const fd_windows *windows, const fd_tokenizer *tokenizer,
                          int replaces, int first) {
  uint64_t seed = (uint64_t)config->run.seed;
  *h = (fd_hider){.tokenizer = tokenizer, .replaces = replaces, .first = first};
  h->train = fd_rng_key_of(seed, FD_RNG_HIDE), h->held_out = fd_rng_key_of(seed, FD_RNG_EVAL);
  fd_loader_init(&h->loader, config, windows);
  h->unit = config->model.tokenizer == FD_TOKENIZER_LETTERS ? FD_GROUP : 1;
  FD_TRY(fd_alloc(&h->turned, (size_t)windows->length, 1, "words"));
  FD_TRY(fd_tokens_create(&h->words, tokenizer, windows->length));
  return fd_tokens_create(&h->current, tokenizer, windows->length);
}

fd_status fd_hider_teach(fd_hider *h, const fd_tokenizer *teacher, int keyed) {
  h->teacher = teacher;
  h->keyed = keyed;
  for (int i = 0; i < 2; i++) FD_TRY(fd_tokens_create(&h->taught[i], teacher, h->loader.windows->length));
  return FD_OK;
}

void fd_hider_free(fd_hider *h) {
  free(h->turned);
  for (int i = 0; i < 2; i++) fd_tokens_free(&h->taught[i]);
  fd_tokens_free(&h->words);
  fd_tokens_free(&h->current);
}

/* Letters of the shortest word: k of k-mers, 1 of byte pairs; single letters are hidden in groups. */
static int letters_of(const fd_config *c) {
  if (c->model.tokenizer == FD_TOKENIZER_BPE) return 1;
  return c->model.tokenizer == FD_TOKENIZER_KMER ? (int)c->model.kmer : FD_GROUP;
}

fd_status fd_hider_check(const fd_config *config, const fd_tokenizer *tokenizer, const fd_windows *windows, const char *folder) {
  int k = letters_of(config), letters = config->model.tokenizer == FD_TOKENIZER_LETTERS;
  int64_t below = 0, cut = 0, single = 0;
  if (!fd_tokenizer_vocabulary(tokenizer)->words)
    return fd_fail(FD_DATA,
                   "%s: its special tokens are not its first ids, so that it is not known which words may be hidden; expected "
                   "[UNK] [CLS] [SEP] [PAD] [MASK] as ids 0 to 4",
                   config->data.tokenizer);
  for (int64_t i = 0; i < windows->count; i++) {
    below += fd_windows_length(windows, i) < k;
    cut += fd_windows_length(windows, i) % k != 0;
    single += fd_windows_length(windows, i) < 2 * k;
  }
  if (letters && cut)
    return fd_fail(
        FD_DATA,
        "%s: %" PRId64 " of %" PRId64
        " sequences are not of whole groups of %d letters, which are hidden together; use windows (findna prepare --window) of "
        "a multiple of %d, not records",
        folder, cut, windows->count, FD_GROUP, FD_GROUP);
  const char *name = config->model.tokenizer == FD_TOKENIZER_KMER ? "model.kmer" : "letters";
  if (below)
    return fd_fail(FD_DATA,
                   "%s: %" PRId64 " of %" PRId64
                   " sequences are shorter than a word (%s: %d); leave them out with findna prepare --shortest %d",
                   folder, below, windows->count, name, k, k);
  if (single < windows->count || !windows->count) return FD_OK;
  return fd_fail(
      FD_DATA,
      "%s: no sequence has two words (%s: %d), one to be hidden and one to be seen, so that nothing would be learned; use "
      "longer windows",
      folder, name, k);
}

void fd_hider_count(const fd_config *config, const fd_windows *windows, int64_t *words, int64_t *unknown) {
  int k = letters_of(config);
  *words = *unknown = 0;
  for (int64_t i = 0; i < windows->count; i++) {
    const uint8_t *at = fd_windows_at(windows, i);
    for (int n = fd_windows_length(windows, i) / k; n > 0; n--, at += k) {
      int good = 1;
      for (int c = 0; c < k; c++) good &= at[c] < FD_N;
      *words += 1, *unknown += !good;
    }
  }
}

/* The largest number of tokens of a window in this rank's share. */
static fd_status most_of_share(const fd_config *config, const fd_tokenizer *t, const fd_windows *windows, const fd_comm *comm,
                               uint64_t *most) {
  fd_tokens tokens;
  uint8_t *turned;
  int turns = strchr(config->aug.student, 'R') != NULL;
  FD_TRY(fd_tokens_create(&tokens, t, windows->length));
  fd_status status = fd_alloc(&turned, (size_t)windows->length, 1, "words");
  for (int64_t i = comm->rank; i < windows->count && status == FD_OK; i += comm->size) {
    const uint8_t *symbols = fd_windows_at(windows, i);
    int length = fd_windows_length(windows, i);
    for (int turn = 0; turn <= turns; turn++) {
      if (turn) fd_reverse_complement(symbols, length, turned);
      uint64_t count = (uint64_t)fd_tokenizer_encode(t, turn ? turned : symbols, length, 0, &tokens);
      if (count > *most) *most = count;
    }
    status = fd_guard_go_on();
  }
  free(turned);
  fd_tokens_free(&tokens);
  return status;
}

/* The largest number of byte pairs of a window, over all ranks' shares. */
static fd_status count_most(const fd_config *config, const fd_tokenizer *tokenizer, const fd_windows *windows, fd_comm *comm,
                            int *most) {
  uint64_t *share;
  FD_TRY(fd_alloc(&share, (size_t)comm->size, sizeof *share, "words"));
  fd_status status = fd_comm_agree(comm, most_of_share(config, tokenizer, windows, comm, &share[comm->rank]));
  if (status == FD_OK) status = fd_comm_gather_rows(comm, share, 1);
  for (int i = 0; i < comm->size && status == FD_OK; i++)
    if (share[i] > (uint64_t)*most) *most = (int)share[i];
  free(share);
  return status;
}

fd_status fd_hider_most(const fd_config *config, const fd_tokenizer *tokenizer, const fd_windows *windows, fd_comm *comm,
                        int *most) {
  int words = 0, longest = 0, learned = fd_config_encoder_has(config->model.encoder, FD_HAS_POSITIONS);
  for (int64_t i = 0; i < windows->count; i++)
    if (fd_windows_length(windows, i) > longest) longest = fd_windows_length(windows, i);
  if (config->model.tokenizer == FD_TOKENIZER_BPE) FD_TRY(count_most(config, tokenizer, windows, comm, &words));
  else if (windows->count) words = fd_config_tokens(config, longest);
  if (learned && words > config->model.positions)
    return fd_fail(FD_CONFIG, "%s: sequences of up to %d nucleotides have %d words; model.positions is %" PRId64,
                   config->data.shards, longest, words, config->model.positions);
  if (words > *most) *most = words;
  return FD_OK;
}

/* Whether a unit (a word, or a group of letters) has A, C, G and T only. */
static int is_word(const fd_hider *h, const int32_t *ids) {
  int good = 1;
  for (int i = 0; i < h->unit; i++) good &= fd_is_word(fd_tokenizer_vocabulary(h->tokenizer), ids[i]);
  return good;
}

/* Index of the n-th unit, from 0, for which is_word holds. */
static int find_word(const fd_hider *h, const int32_t *ids, uint32_t n) {
  int at = 0;
  while (!is_word(h, ids + at * h->unit) || n--) at++;
  return at;
}

static void mark(const fd_hider *h, uint8_t *hidden, int at, int value) { memset(hidden + at * h->unit, value, (size_t)h->unit); }

/* Chooses the words to hide. */
static void hide(const fd_hider *h, fd_rng_key key, uint64_t draw, const int32_t *ids, int words, uint8_t *hidden) {
  uint32_t first[4], word[4];
  int eligible = 0, chosen = 0, units = words / h->unit;
  memset(hidden, 0, (size_t)words);
  fd_philox(first, key, draw, 0);
  for (int i = 0; i < units; i++) {
    if (i % 4 == 0) fd_philox(word, key, draw, 1 + (uint64_t)i / 4);
    int good = is_word(h, ids + i * h->unit), hides = good && fd_unit(word[i % 4]) < (float)h->loader.config->aug.mask_rate;
    mark(h, hidden, i, hides);
    eligible += good, chosen += hides;
  }
  if (units < 2 || !eligible) memset(hidden, 0, (size_t)words);
  else if (!chosen) mark(h, hidden, find_word(h, ids, fd_below(first[ONE_HIDDEN], (uint32_t)eligible)), 1);
  else if (chosen == units) mark(h, hidden, (int)fd_below(first[ONE_VISIBLE], (uint32_t)units), 0);
}

static void begin(fd_batch *batch, int count) {
  batch->seqs.count = count;
  batch->seqs.hidden = batch->tokens;
  batch->seqs.start[0] = 0;
  batch->masked = batch->visible = batch->aligned_rows = 0;
  batch->entry_mask = 0;
}

/* Appends the words of sequence i. */
static void put(fd_batch *batch, int i, const fd_tokens *words, int count) {
  int at = batch->seqs.start[i];
  memcpy(fd_batch_ids(batch) + at, words->ids, (size_t)count * sizeof *words->ids);
  batch->seqs.start[i + 1] = batch->rows = at + count;
}

/* Sets the classes of the hidden words, then of the visible ones, and their weights (0 or 1). With `replaces`, hidden ids become
 * [MASK]. */
static void set_targets(const fd_hider *h, fd_batch *batch) {
  const fd_vocabulary *v = fd_tokenizer_vocabulary(h->tokenizer);
  int32_t *ids = fd_batch_ids(batch);
  int rows = batch->rows, n = 0;
  for (int hidden = 1; hidden >= 0; hidden--)
    for (int r = 0; r < rows; r++) {
      if (batch->tokens[r] != hidden) continue;
      int good = fd_is_word(v, ids[r]);
      batch->host_target[n] = good ? (float)(ids[r] - h->first) : 0;
      batch->host_target[rows + n++] = (float)good;
      *(hidden ? &batch->masked : &batch->visible) += good;
    }
  for (int r = 0; r < rows && h->replaces; r++)
    if (batch->tokens[r]) ids[r] = v->mask;
}

static int offset_of(const fd_hider *h, uint64_t draw, int length) {
  int k = (int)h->loader.config->model.kmer, most = length - k + 1 < k ? length - k + 1 : k;
  uint32_t first[4];
  if (!h->loader.config->aug.offsets) return 0;
  fd_philox(first, h->train, draw, 0);
  return (int)fd_below(first[OFFSET], (uint32_t)most);
}

/* Puts the teacher's words of sequence i, whose student's words were put before, and aligns the student's rows with them. */
static void teach(const fd_hider *h, fd_batch *batch, int i, const uint8_t *symbols, int length, const fd_tokens *to) {
  const fd_config *c = h->loader.config;
  const int32_t *ids = fd_batch_ids(batch) + batch->seqs.start[i];
  const uint8_t *hidden = batch->tokens + batch->seqs.start[i];
  int n = (int)fd_tokenizer_encode(h->teacher, symbols, length, 0, to), before = n - length / FD_GROUP,
      each = c->objective.distil_pool == FD_DISTIL_REPEAT ? FD_GROUP : 1, mask = fd_tokenizer_vocabulary(h->teacher)->mask;
  int *aligned = batch->host_aligned + batch->seqs.start[i] / FD_GROUP * each, first = batch->taught->seqs.start[i] + before;
  for (int g = 0; g < length / FD_GROUP; g++) {
    int good = !hidden[g * FD_GROUP] && is_word(h, ids + g * FD_GROUP);
    for (int k = 0; k < each; k++) aligned[g * each + k] = good ? first + g : -1;
    batch->aligned_rows += good * each;
    if (hidden[g * FD_GROUP] && c->teacher.sees == FD_SEES_MASKED) to->ids[before + g] = mask;
  }
  fd_view_put_ids(batch->taught, i, to->ids, n);
}

/* Keys per training window: one for each strand that may be read. The keys of held-out windows follow. */
static int64_t keys_of_window(const fd_config *c) { return strchr(c->aug.student, 'R') ? 2 : 1; }

int64_t fd_hider_keys(const fd_config *config, int64_t windows, int64_t held_out) {
  return windows * keys_of_window(config) + held_out;
}

/* The letters of a draw's window or, at random, of its reverse complement. */
static const uint8_t *letters_at(fd_hider *h, uint64_t key, uint64_t window, int length) {
  const fd_config *c = h->loader.config;
  const uint8_t *symbols = fd_windows_at(h->loader.windows, (int64_t)window);
  uint32_t first[4];
  if (!strchr(c->aug.student, 'R')) return symbols;
  fd_philox(first, h->train, key, 0);
  if (fd_unit(first[TURN]) >= (float)c->aug.revcomp) return symbols;
  fd_reverse_complement(symbols, length, h->turned);
  return h->turned;
}

static void make_words(void *context, uint64_t first_draw, int count, fd_batch *batch) {
  fd_hider *h = context;
  const fd_windows *w = h->loader.windows;
  begin(batch, count);
  for (int i = 0; i < count; i++) {
    uint64_t draw = first_draw + (uint64_t)i, window = fd_loader_window(&h->loader, draw), key = fd_loader_key(&h->loader, draw);
    int length = fd_windows_length(w, (int64_t)window);
    const uint8_t *symbols = letters_at(h, key, window, length);
    int n = (int)fd_tokenizer_encode(h->tokenizer, symbols, length, offset_of(h, key, length), &h->words);
    hide(h, h->train, key, h->words.ids, n, batch->tokens + batch->seqs.start[i]);
    put(batch, i, &h->words, n);
    if (h->teacher) teach(h, batch, i, symbols, length, &h->taught[0]);
    if (h->keyed) batch->taught->key[i] = (int64_t)window * keys_of_window(h->loader.config) + (symbols == h->turned);
    batch->seqs.draws[i] = draw; /* of dropout, which is new in each epoch even where words are not (aug.refresh) */
    batch->windows[i] = window;
  }
  set_targets(h, batch);
}

static fd_status upload_words(void *context, fd_batch *batch) {
  fd_device *dev = batch->dev;
  size_t bytes = (size_t)batch->rows * sizeof(float);
  const fd_hider *h = context;
  size_t aligned = (size_t)batch->rows / (h->loader.config->objective.distil_pool == FD_DISTIL_REPEAT ? 1 : FD_GROUP);
  FD_TRY(fd_seqs_send(&batch->seqs, dev));
  if (h->teacher) FD_TRY(fd_view_send(batch->taught, batch->seqs.count));
  if (h->teacher) FD_TRY(dev->copy(dev, batch->aligned, batch->host_aligned, aligned * sizeof *batch->aligned));
  FD_TRY(dev->copy(dev, batch->target, batch->host_target, bytes));
  FD_TRY(dev->copy(dev, batch->weight, batch->host_target + batch->rows, bytes));
  return dev->copy(dev, batch->student, fd_batch_ids(batch), (size_t)batch->rows * sizeof(int32_t));
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
    if (h->teacher) teach(h, batch, i, fd_windows_at(windows, first + i), fd_windows_length(windows, first + i), &h->taught[1]);
    if (h->keyed) batch->taught->key[i] = fd_hider_keys(h->loader.config, h->loader.windows->count, first + i);
    batch->seqs.draws[i] = (uint64_t)(first + i);
  }
  set_targets(h, batch);
  return upload_words(h, batch);
}

fd_source fd_hider_source(fd_hider *h) {
  int length = h->loader.windows->length, each = h->loader.config->objective.distil_pool == FD_DISTIL_REPEAT ? 1 : FD_GROUP;
  fd_beside beside = {0};
  if (h->teacher)
    beside =
        (fd_beside){.tokens = (int)fd_tokenizer_most(h->teacher, length), .ids = 1, .aligned = length / each, .keyed = h->keyed};
  return (fd_source){.context = h, .make = make_words, .upload = upload_words, .held_out = held_out_words, .beside = beside};
}
