/* Reads the merges of byte-pair encoding, and makes the tables for encoding. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/lines.h"
#include "data/tokenizer_bpe.h"

enum { FILE_MAX = 16 << 20 /* a JSON object needs tens of times the memory of its text */ };

const fd_bpe_special fd_bpe_specials[FD_BPE_SPECIALS] = {{"[UNK]", offsetof(fd_vocabulary, unk)},
                                                         {"[CLS]", offsetof(fd_vocabulary, cls)},
                                                         {"[SEP]", offsetof(fd_vocabulary, sep)},
                                                         {"[PAD]", offsetof(fd_vocabulary, pad)},
                                                         {"[MASK]", offsetof(fd_vocabulary, mask)}};

void fd_bpe_where(const fd_bpe *b, int rank, char where[FD_BPE_WHERE]) {
  if (b->first_line) snprintf(where, FD_BPE_WHERE, "%s:%" PRId64, b->path, b->first_line + rank);
  else snprintf(where, FD_BPE_WHERE, "%s: model.merges[%d]", b->path, b->left_out + rank);
}

fd_status fd_bpe_name(fd_bpe *b, const char *text, int64_t id) {
  if (b->vocabulary.size == FD_BPE_IDS_MAX)
    return fd_fail(FD_DATA, "%s: more than %d tokens; expected a vocabulary of at most that", b->path, FD_BPE_IDS_MAX);
  if (json_object_set_new(b->ids, text, json_integer(id))) return fd_fail(FD_MEMORY, "%s: out of memory", b->path);
  b->vocabulary.size++;
  return FD_OK;
}

int fd_bpe_is_letters(const char *text) { return *text && !text[strspn(text, "ACGT")]; }

/* The id of a part of a merge. */
static fd_status part(const fd_bpe *b, const char *where, const char *text, uint16_t *id) {
  const json_t *known = json_object_get(b->ids, text);
  if (!fd_bpe_is_letters(text))
    return fd_fail(FD_DATA, "%s: '%.40s' has another letter than A, C, G and T in upper case", where, text);
  if (!known)
    return fd_fail(FD_DATA, "%s: '%.40s' is no token: expected a letter or %s", where, text,
                   b->first_line ? "what a line above makes" : "a token of model.vocab");
  *id = (uint16_t)json_integer_value(known);
  return FD_OK;
}

fd_status fd_bpe_add(fd_bpe *b, const char *left, const char *right, int grow) {
  char where[FD_BPE_WHERE], made[2 * FD_TOKEN_TEXT];
  fd_bpe_merge m;
  fd_bpe_where(b, b->merges, where);
  FD_TRY(part(b, where, left, &m.left));
  FD_TRY(part(b, where, right, &m.right));
  int length = snprintf(made, sizeof made, "%s%s", left, right); /* cannot overflow: tokens are short */
  if (length >= FD_TOKEN_TEXT)
    return fd_fail(FD_DATA, "%s: makes a token of %d letters; expected at most %d", where, length, FD_TOKEN_TEXT - 1);
  if (!json_object_get(b->ids, made)) {
    if (!grow) return fd_fail(FD_DATA, "%s: makes '%.40s', which is no token of model.vocab", where, made);
    FD_TRY(fd_bpe_name(b, made, b->vocabulary.size));
  }
  m.made = (uint16_t)json_integer_value(json_object_get(b->ids, made));
  if (b->merges == FD_BPE_IDS_MAX)
    return fd_fail(FD_DATA, "%s: more than %d merges; expected at most that", where, FD_BPE_IDS_MAX);
  FD_TRY(fd_grow(&b->merge, &b->capacity, (size_t)b->merges + 1, sizeof *b->merge, "merges"));
  b->merge[b->merges++] = m;
  return FD_OK;
}

/* Adds the special tokens and letters, whose ids come before those of the merges of a text. */
static fd_status name_first(fd_bpe *b) {
  static const char *const letters[] = {"A", "C", "G", "T"};
  for (int i = 0; i < FD_BPE_SPECIALS; i++) FD_TRY(fd_bpe_name(b, fd_bpe_specials[i].name, b->vocabulary.size));
  for (int i = 0; i < 4; i++) FD_TRY(fd_bpe_name(b, letters[i], b->vocabulary.size));
  return FD_OK;
}

/* Splits a line into "left right". */
static fd_status cut(const fd_lines *lines, char *line, const char *word[2]) {
  int words = 0;
  for (char *at; (at = strsep(&line, " \t"));) {
    if (!*at) continue;
    if (words < 2) word[words] = at;
    words++;
  }
  if (words == 2) return FD_OK;
  return fd_fail(FD_DATA, "%s:%" PRId64 ": has %d word%s; expected the two parts of a merge, 'left right'", lines->path,
                 lines->number, words, words == 1 ? "" : "s");
}

/* Reads merges as text: sets ids, merges, and the special tokens. */
static fd_status read_text(fd_bpe *b, fd_lines *lines) {
  static const char version[] = "#version"; /* the tokenizers library writes one */
  char *line = fd_lines_next(lines, NULL);
  if (line && !strncmp(line, version, sizeof version - 1)) line = fd_lines_next(lines, NULL);
  if (!line) return fd_fail(FD_DATA, "%s: has no merges; expected 'left right' in each line", lines->path);
  b->first_line = lines->number;
  FD_TRY(name_first(b));
  for (; line; line = fd_lines_next(lines, NULL)) {
    const char *word[2];
    if (lines->number != b->first_line + b->merges)
      return fd_fail(FD_DATA, "%s:%" PRId64 ": an empty line; expected a merge in each, since its place is its rank", lines->path,
                     b->first_line + b->merges);
    FD_TRY(cut(lines, line, word));
    FD_TRY(fd_bpe_add(b, word[0], word[1], 1));
  }
  return FD_OK;
}

/* Puts all merges into the hash table of pairs. */
static fd_status index_pairs(fd_bpe *b) {
  int bits = 4;
  while (1 << bits < 4 * b->merges) bits++;
  b->mask = ((uint32_t)1 << bits) - 1;
  b->shift = 32 - bits;
  FD_TRY(fd_alloc(&b->pair, (size_t)b->mask + 1, sizeof *b->pair, "merges"));
  for (uint32_t i = 0; i <= b->mask; i++) b->pair[i].key = UINT32_MAX;
  for (int rank = 0; rank < b->merges; rank++) {
    const fd_bpe_merge *m = &b->merge[rank];
    const fd_bpe_pair *same = fd_bpe_find(b, m->left, m->right);
    char where[FD_BPE_WHERE], before[FD_BPE_WHERE];
    uint32_t key = (uint32_t)m->left << 16 | m->right, i = key * 0x9E3779B1u >> b->shift;
    if (same) {
      fd_bpe_where(b, rank, where), fd_bpe_where(b, same->rank, before);
      return fd_fail(FD_DATA, "%s: the merge '%s %s' is there twice; the first is %s", where, b->text[m->left], b->text[m->right],
                     before);
    }
    while (b->pair[i & b->mask].key != UINT32_MAX) i++;
    b->pair[i & b->mask] = (fd_bpe_pair){key, (uint16_t)rank};
  }
  return FD_OK;
}

/* The steps that both kinds of files have in common. */
static fd_status finish(fd_bpe *b) {
  static const char *const letters[] = {"A", "C", "G", "T"};
  const char *text;
  json_t *id;
  FD_TRY(fd_alloc(&b->text, (size_t)b->vocabulary.size, sizeof *b->text, "tokens"));
  json_object_foreach(b->ids, text, id) snprintf(b->text[json_integer_value(id)], FD_TOKEN_TEXT, "%s", text);
  int32_t first = 0; /* after all special ids */
  for (int i = 0; i < FD_BPE_SPECIALS; i++) {
    int32_t special = (int32_t)json_integer_value(json_object_get(b->ids, fd_bpe_specials[i].name));
    memcpy((char *)&b->vocabulary + fd_bpe_specials[i].id, &special, sizeof special);
    if (special >= first) first = special + 1;
  }
  if (first == FD_BPE_SPECIALS) b->vocabulary.first = first, b->vocabulary.words = b->vocabulary.size - first;
  for (int i = 0; i < 4; i++) b->letter[i] = (uint16_t)json_integer_value(json_object_get(b->ids, letters[i]));
  b->letter[FD_N] = (uint16_t)b->vocabulary.unk;
  FD_TRY(index_pairs(b));
  return fd_bpe_plan(b);
}

fd_status fd_bpe_open(fd_bpe *b, const char *path) {
  fd_status status;
  fd_lines lines;
  *b = (fd_bpe){.path = path};
  FD_TRY(fd_lines_open(&lines, path, FILE_MAX));
  b->source_bytes = (size_t)(lines.end - lines.at);
  FD_GO(fd_alloc(&b->source, b->source_bytes + 1, 1, "a tokenizer"));
  memcpy(b->source, lines.at, b->source_bytes); /* now: lines are split in place */
  b->ids = json_object();
  FD_GO(b->ids ? FD_OK : fd_fail(FD_MEMORY, "%s: out of memory", path));
  int is_json = lines.at[strspn(lines.at, " \t\r\n")] == '{'; /* a text ends with a NUL */
  FD_GO(is_json ? fd_bpe_read_json(b, lines.at, (size_t)(lines.end - lines.at)) : read_text(b, &lines));
  FD_GO(finish(b));
done:
  fd_lines_close(&lines);
  json_decref(b->ids);
  b->ids = NULL, b->path = NULL;
  return status;
}

void fd_bpe_close(fd_bpe *b) {
  free(b->merge);
  free(b->pair);
  free(b->text);
  free(b->token);
  free(b->node);
  free(b->source);
  *b = (fd_bpe){0};
}
