/* Learns merges: the counts of all pairs are updated while the text shrinks. */
#include "data/merges.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/memory.h"
#include "data/alphabet.h"
#include "data/tokenizer.h"

enum { NONE = UINT16_MAX /* between pieces */ };

typedef struct learner {
  uint16_t *token; /* [count + 2], the last two NONE */
  int64_t count;
  size_t ids;
  uint32_t *pairs;   /* [ids, ids] counts of the pairs */
  uint16_t *letters; /* [ids] letters of each token */
  uint64_t *heap;    /* max-heap of pairs by upper bounds of their counts: count << 32 | ~pair */
  size_t in_heap, room;
} learner;

static int may_join(const learner *l, uint16_t left, uint16_t right) {
  return left != NONE && right != NONE && l->letters[left] + l->letters[right] < FD_TOKEN_TEXT;
}

static void add(learner *l, uint16_t left, uint16_t right, uint32_t change) {
  if (may_join(l, left, right)) l->pairs[left * l->ids + right] += change;
}

/* --- the heap ---------------------------------------------------------------------------------------------------------- */

static uint64_t item_of(uint32_t count, uint16_t left, uint16_t right) {
  return (uint64_t)count << 32 | (UINT32_MAX - ((uint32_t)left << 16 | right));
}

static void sink(learner *l, uint64_t item) {
  size_t i = 0;
  for (size_t down; (down = 2 * i + 1) < l->in_heap; i = down) {
    if (down + 1 < l->in_heap && l->heap[down + 1] > l->heap[down]) down++;
    if (l->heap[down] <= item) break;
    l->heap[i] = l->heap[down];
  }
  l->heap[i] = item;
}

static fd_status push_pair(learner *l, uint16_t left, uint16_t right) {
  uint32_t count = l->pairs[left * l->ids + right];
  if (!count) return FD_OK;
  FD_TRY(fd_grow(&l->heap, &l->room, l->in_heap + 1, sizeof *l->heap, "merges"));
  uint64_t item = item_of(count, left, right);
  size_t i = l->in_heap++;
  for (size_t up; i && l->heap[up = (i - 1) / 2] < item; i = up) l->heap[i] = l->heap[up];
  l->heap[i] = item;
  return FD_OK;
}

/* Pops the most frequent pair; 0 if none is left. Counts only fall while a pair is in the heap: a pair with an outdated count
 * is put back with its current one. */
static int pop_best(learner *l, uint16_t pair[2]) {
  while (l->in_heap) {
    uint64_t top = l->heap[0];
    uint32_t code = UINT32_MAX - (uint32_t)top;
    pair[0] = (uint16_t)(code >> 16), pair[1] = (uint16_t)code;
    uint32_t now = l->pairs[pair[0] * l->ids + pair[1]];
    int stays = now && now != top >> 32;
    sink(l, stays ? item_of(now, pair[0], pair[1]) : l->heap[--l->in_heap]);
    if (now && !stays) return 1;
  }
  return 0;
}

/* --- the text ---------------------------------------------------------------------------------------------------------- */

static fd_status read_text(learner *l, const fd_windows *windows, int64_t count) {
  int64_t letters = 0;
  for (int64_t i = 0; i < count; i++) letters += fd_windows_length(windows, i);
  if (letters > UINT32_MAX)
    return fd_fail(FD_DATA, "%" PRId64 " letters to learn merges from; expected at most %" PRIu32 ": take fewer windows", letters,
                   UINT32_MAX);
  FD_TRY(fd_alloc(&l->token, (size_t)(letters + count + 2), sizeof *l->token, "the text of merges"));
  for (int64_t i = 0; i < count; i++) {
    const uint8_t *symbols = fd_windows_at(windows, i);
    for (int k = 0; k < fd_windows_length(windows, i); k++)
      l->token[l->count++] = symbols[k] < FD_N ? (uint16_t)(FD_MERGES_LETTER + symbols[k]) : NONE;
    l->token[l->count++] = NONE;
  }
  l->token[l->count] = l->token[l->count + 1] = NONE;
  for (int64_t i = 0; i < l->count; i++) add(l, l->token[i], l->token[i + 1], 1);
  return FD_OK;
}

/* Joins all occurrences of a pair, from left to right. */
static void join(learner *l, const uint16_t pair[2], uint16_t made) {
  uint16_t *t = l->token;
  int64_t to = 0;
  for (int64_t from = 0; from < l->count; from++) {
    uint16_t id = t[from];
    if (id == pair[0] && t[from + 1] == pair[1]) {
      uint16_t before = to ? t[to - 1] : NONE, after = t[from + 2];
      add(l, before, pair[0], UINT32_MAX), add(l, before, made, 1); /* adding UINT32_MAX subtracts 1 */
      add(l, pair[1], after, UINT32_MAX), add(l, made, after, 1);
      id = made, from++;
    }
    t[to++] = id;
  }
  l->count = to;
  t[to] = t[to + 1] = NONE;
  l->pairs[pair[0] * l->ids + pair[1]] = 0;
}

/* --- learning ---------------------------------------------------------------------------------------------------------- */

/* Pushes the pairs of a new token with itself and with all tokens before it. */
static fd_status push_pairs(learner *l, uint16_t made) {
  for (uint16_t id = FD_MERGES_LETTER; id <= made; id++) {
    FD_TRY(push_pair(l, id, made));
    if (id < made) FD_TRY(push_pair(l, made, id));
  }
  return FD_OK;
}

static fd_status learn(learner *l, fd_merges *merges) {
  uint16_t *pair;
  for (uint16_t id = FD_MERGES_LETTER; id < FD_MERGES_FIRST; id++) FD_TRY(push_pairs(l, id));
  for (uint16_t made = FD_MERGES_FIRST; made < l->ids && pop_best(l, pair = merges->pair[merges->count]); made++) {
    FD_TRY(fd_guard_go_on());
    l->letters[made] = (uint16_t)(l->letters[pair[0]] + l->letters[pair[1]]);
    join(l, pair, made);
    FD_TRY(push_pairs(l, made));
    merges->count++;
  }
  return FD_OK;
}

fd_status fd_merges_learn(const fd_windows *windows, int64_t count, int ids, fd_merges *merges) {
  learner l = {.ids = (size_t)ids};
  fd_status status;
  *merges = (fd_merges){0};
  if (ids < FD_MERGES_FIRST || ids > FD_MERGES_IDS_MAX)
    return fd_fail(FD_CONFIG, "a vocabulary of %d tokens; expected %d to %d", ids, FD_MERGES_FIRST, FD_MERGES_IDS_MAX);
  FD_GO(fd_alloc(&merges->pair, l.ids - FD_MERGES_FIRST + 1, sizeof *merges->pair, "merges"));
  FD_GO(fd_alloc(&l.letters, l.ids, sizeof *l.letters, "merges"));
  FD_GO(fd_alloc(&l.pairs, l.ids * l.ids, sizeof *l.pairs, "counts of pairs"));
  for (int i = FD_MERGES_LETTER; i < FD_MERGES_FIRST; i++) l.letters[i] = 1;
  FD_GO(read_text(&l, windows, count));
  FD_GO(learn(&l, merges));
done:
  free(l.token);
  free(l.letters);
  free(l.pairs);
  free(l.heap);
  if (status != FD_OK) fd_merges_free(merges);
  return status;
}

void fd_merges_free(fd_merges *merges) {
  free(merges->pair);
  *merges = (fd_merges){0};
}

/* --- tokenizer.json ---------------------------------------------------------------------------------------------------- */

static const char *const first_tokens[FD_MERGES_FIRST] = {"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "A", "C", "G", "T"};

static json_t *added_tokens(void) {
  json_t *list = json_array();
  for (int i = 0; i < FD_MERGES_LETTER; i++)
    fd_json_append(&list, json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id", i, "content", first_tokens[i], "single_word", 0,
                                    "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1));
  return list;
}

static json_t *special(const char *name) { return json_pack("{s:{s:s, s:i}}", "SpecialToken", "id", name, "type_id", 0); }

static json_t *named(const char *name, int id) { return json_pack("{s:s, s:[i], s:[s]}", "id", name, "ids", id, "tokens", name); }

/* The template [CLS] sequence [SEP]. */
static json_t *around(void) {
  json_t *sequence = json_pack("{s:{s:s, s:i}}", "Sequence", "id", "A", "type_id", 0),
         *pair = json_pack("[{s:{s:s, s:i}}, {s:{s:s, s:i}}]", "Sequence", "id", "A", "type_id", 0, "Sequence", "id", "B",
                           "type_id", 1);
  return json_pack("{s:s, s:[o, o, o], s:o, s:{s:o, s:o}}", "type", "TemplateProcessing", "single", special("[CLS]"), sequence,
                   special("[SEP]"), "pair", pair, "special_tokens", "[CLS]", named("[CLS]", 1), "[SEP]", named("[SEP]", 2));
}

/* The vocabulary and the merges, each as "left right"; `text` [FD_MERGES_FIRST + merges->count] receives the tokens. */
static json_t *model(const fd_merges *merges, char (*text)[FD_TOKEN_TEXT]) {
  json_t *vocabulary = json_object(), *list = json_array();
  for (int i = 0; i < FD_MERGES_FIRST; i++) snprintf(text[i], FD_TOKEN_TEXT, "%s", first_tokens[i]);
  for (int i = 0; i < merges->count; i++) {
    const char *left = text[merges->pair[i][0]], *right = text[merges->pair[i][1]];
    char *made = stpncpy(text[FD_MERGES_FIRST + i], left, FD_TOKEN_TEXT - 1); /* fits, by may_join */
    memcpy(made, right, strlen(right) + 1);
    fd_json_append(&list, json_sprintf("%s %s", left, right));
  }
  for (int i = 0; i < FD_MERGES_FIRST + merges->count; i++) fd_json_set(&vocabulary, text[i], json_integer(i));
  return json_pack("{s:s, s:n, s:s, s:n, s:n, s:b, s:b, s:o, s:o}", "type", "BPE", "dropout", "unk_token", "[UNK]",
                   "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 0, "byte_fallback", 0, "vocab", vocabulary,
                   "merges", list);
}

json_t *fd_merges_json(const fd_merges *merges) {
  char(*text)[FD_TOKEN_TEXT];
  if (fd_alloc(&text, (size_t)(FD_MERGES_FIRST + merges->count), sizeof *text, "tokens") != FD_OK) return NULL;
  json_t *root = json_pack("{s:s, s:n, s:n, s:o, s:n, s:{s:s}, s:o, s:n, s:o}", "version", "1.0", "truncation", "padding",
                           "added_tokens", added_tokens(), "normalizer", "pre_tokenizer", "type", "Whitespace", "post_processor",
                           around(), "decoder", "model", model(merges, text));
  free(text);
  return root;
}
