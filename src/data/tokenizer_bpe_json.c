/* Reads a tokenizer.json of the tokenizers library, if it specifies byte-pair encoding as in DNABERT-2 and GROVER. */
#include <stdio.h>
#include <string.h>

#include "data/tokenizer_bpe.h"

/* Checks that a part of the file has a type, or is absent if `absent` allows it. */
static fd_status check_type(const char *path, const json_t *part, const char *name, const char *expected, int absent) {
  const char *type = json_string_value(json_object_get(part, "type"));
  int is_absent = !part || json_is_null(part);
  if (is_absent ? absent : type && expected && !strcmp(type, expected)) return FD_OK;
  return fd_fail(FD_DATA, "%s: %s is %.40s; expected %s%s%s, as DNABERT-2's: others are not read", path, name,
                 is_absent ? "null"
                 : type    ? type
                           : "of no type",
                 expected ? expected : "", expected && absent ? " or " : "", absent ? "null" : "");
}

/* Checks options of the model that change how a sequence is encoded. */
static fd_status check_model(const char *path, const json_t *model) {
  static const char *const off[] = {
      "dropout", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges"};
  const char *unknown = json_string_value(json_object_get(model, "unk_token"));
  for (size_t i = 0; i < sizeof off / sizeof *off; i++) {
    const json_t *value = json_object_get(model, off[i]);
    int is_off = !value || json_is_null(value) || json_is_false(value) ||
                 (json_is_number(value) && json_number_value(value) == 0) ||
                 (json_is_string(value) && !*json_string_value(value));
    if (!is_off) return fd_fail(FD_DATA, "%s: model.%s is set; expected null or false, as DNABERT-2's", path, off[i]);
  }
  if (!unknown || strcmp(unknown, "[UNK]"))
    return fd_fail(FD_DATA, "%s: model.unk_token is %s; expected \"[UNK]\", which an N becomes", path,
                   unknown ? "another one" : "none");
  return FD_OK;
}

static int special_named(const char *text) {
  for (int i = 0; i < FD_BPE_SPECIALS; i++)
    if (!strcmp(text, fd_bpe_specials[i].name)) return 1;
  return 0;
}

/* The last token of GROVER's vocabulary is an empty text, which no sequence contains, and for which its model has no row. */
static int has_empty(const json_t *vocabulary) {
  const json_t *id = json_object_get(vocabulary, "");
  return json_is_integer(id) && json_integer_value(id) == (json_int_t)json_object_size(vocabulary) - 1;
}

static fd_status read_vocabulary(fd_bpe *b, json_t *vocabulary) {
  const char *text;
  uint8_t seen[FD_BPE_IDS_MAX] = {0};
  json_t *value;
  int empty = has_empty(vocabulary);
  size_t size = json_object_size(vocabulary) - (size_t)empty;
  if (!json_is_object(vocabulary)) return fd_fail(FD_DATA, "%s: model.vocab is missing or no object of tokens and ids", b->path);
  if (size > FD_BPE_IDS_MAX)
    return fd_fail(FD_DATA, "%s: model.vocab has %zu tokens; expected at most %d", b->path, size, FD_BPE_IDS_MAX);
  json_object_foreach(vocabulary, text, value) {
    json_int_t id = json_integer_value(value);
    if (empty && !*text) continue;
    if (!special_named(text) && !fd_bpe_is_letters(text))
      return fd_fail(FD_DATA, "%s: model.vocab: '%.40s' is no token of A, C, G and T, and none of [UNK] [CLS] [SEP] [PAD] [MASK]",
                     b->path, text);
    if (strlen(text) >= FD_TOKEN_TEXT)
      return fd_fail(FD_DATA, "%s: model.vocab: '%.40s...' has more than %d letters", b->path, text, FD_TOKEN_TEXT - 1);
    if (!json_is_integer(value) || id < 0 || (uint64_t)id >= size)
      return fd_fail(
          FD_DATA,
          "%s: model.vocab: the id of '%.40s' is none of the %zu ids from 0; expected ids without gaps, one for each token",
          b->path, text, size);
    if (seen[id]++) return fd_fail(FD_DATA, "%s: model.vocab: the id %lld is there twice", b->path, (long long)id);
    FD_TRY(fd_bpe_name(b, text, id));
  }
  return FD_OK;
}

/* Checks for the special tokens and letters that every sequence requires. */
static fd_status check_first(const fd_bpe *b) {
  static const char *const letters[] = {"A", "C", "G", "T"};
  for (int i = 0; i < FD_BPE_SPECIALS; i++)
    if (!json_object_get(b->ids, fd_bpe_specials[i].name))
      return fd_fail(FD_DATA, "%s: model.vocab has no %s; expected [UNK] [CLS] [SEP] [PAD] [MASK]", b->path,
                     fd_bpe_specials[i].name);
  for (int i = 0; i < 4; i++)
    if (!json_object_get(b->ids, letters[i])) return fd_fail(FD_DATA, "%s: model.vocab has no token %s", b->path, letters[i]);
  return FD_OK;
}

/* Merges with the empty token, which come before the others, are left out, as they never apply. */
static fd_status read_merges(fd_bpe *b, const json_t *merges, int empty) {
  char where[FD_BPE_WHERE], text[2 * FD_TOKEN_TEXT];
  json_t *merge;
  size_t i;
  if (!json_is_array(merges)) return fd_fail(FD_DATA, "%s: model.merges is missing or no list", b->path);
  json_array_foreach(merges, i, merge) {
    const char *left = json_string_value(json_array_get(merge, 0)), *right = json_string_value(json_array_get(merge, 1));
    if (json_is_string(merge)) { /* "left right", as in older files */
      snprintf(text, sizeof text, "%s", json_string_value(merge));
      char *blank = strchr(text, ' ');
      if (blank) *blank = '\0', left = text, right = blank + 1;
    }
    fd_bpe_where(b, b->merges, where);
    if (!left || !right || (json_is_array(merge) && json_array_size(merge) != 2))
      return fd_fail(FD_DATA, "%s: is no merge; expected \"left right\" or [\"left\", \"right\"]", where);
    if (empty && !b->merges && !(*left && *right)) {
      b->left_out++;
      continue;
    }
    FD_TRY(fd_bpe_add(b, left, right, 0));
  }
  return FD_OK;
}

/* Checks the tokens that are matched before the model's: only the special ones are allowed, which no sequence has. */
static fd_status check_added(const fd_bpe *b, const json_t *added) {
  json_t *token;
  size_t i;
  json_array_foreach(added, i, token) {
    const char *text = json_string_value(json_object_get(token, "content"));
    const json_t *id = json_object_get(token, "id");
    if (!text || !special_named(text))
      return fd_fail(FD_DATA, "%s: added_tokens[%zu] is '%.40s'; expected only [UNK] [CLS] [SEP] [PAD] [MASK]", b->path, i,
                     text ? text : "");
    if (!json_equal(id, json_object_get(b->ids, text)))
      return fd_fail(FD_DATA, "%s: added_tokens[%zu]: the id of %s is not that of model.vocab", b->path, i, text);
  }
  return FD_OK;
}

/* Whether an item of the template has this key, and this id in it. */
static int is_item(const json_t *item, const char *key, const char *id) {
  const char *given = json_string_value(json_object_get(json_object_get(item, key), "id"));
  return given && !strcmp(given, id);
}

static const char *const ends[] = {"[CLS]", "[SEP]"};

/* Checks the names and ids of BertProcessing, whose template is always [CLS] A [SEP]. */
static fd_status check_ends(const fd_bpe *b, const json_t *processor) {
  static const char *const keys[] = {"cls", "sep"};
  for (int i = 0; i < 2; i++) {
    const json_t *end = json_object_get(processor, keys[i]);
    const char *name = json_string_value(json_array_get(end, 0));
    if (!name || strcmp(name, ends[i]) || !json_equal(json_array_get(end, 1), json_object_get(b->ids, name)))
      return fd_fail(FD_DATA, "%s: post_processor.%s is not %s with its id in model.vocab", b->path, keys[i], ends[i]);
  }
  return FD_OK;
}

/* Checks that the template is [CLS] A [SEP], with the ids of the vocabulary. */
static fd_status check_template(const fd_bpe *b, const json_t *processor) {
  const json_t *single = json_object_get(processor, "single"), *specials = json_object_get(processor, "special_tokens");
  if (json_array_size(single) != 3 || !is_item(json_array_get(single, 0), "SpecialToken", ends[0]) ||
      !is_item(json_array_get(single, 1), "Sequence", "A") || !is_item(json_array_get(single, 2), "SpecialToken", ends[1]))
    return fd_fail(FD_DATA, "%s: post_processor.single is not [CLS], the sequence A, [SEP], as DNABERT-2's", b->path);
  for (int i = 0; i < 2; i++) {
    const json_t *ids = json_object_get(json_object_get(specials, ends[i]), "ids");
    if (json_array_size(ids) != 1 || !json_equal(json_array_get(ids, 0), json_object_get(b->ids, ends[i])))
      return fd_fail(FD_DATA, "%s: post_processor.special_tokens: the id of %s is not that of model.vocab", b->path, ends[i]);
  }
  return FD_OK;
}

static fd_status check_processor(const fd_bpe *b, const json_t *processor) {
  const char *type = json_string_value(json_object_get(processor, "type"));
  if (type && !strcmp(type, "BertProcessing")) return check_ends(b, processor);
  FD_TRY(check_type(b->path, processor, "post_processor", "TemplateProcessing", 0));
  return check_template(b, processor);
}

/* `truncation` and `padding` are not read: they are those of the last call before the file was written, and the caller cuts and
 * pads. */
fd_status fd_bpe_read_json(fd_bpe *b, const char *text, size_t bytes) {
  fd_status status;
  json_t *root = NULL;
  FD_GO(fd_json_parse(&root, text, bytes, b->path));
  const json_t *model = json_object_get(root, "model"), *processor = json_object_get(root, "post_processor");
  FD_GO(check_type(b->path, model, "model", "BPE", 0));
  FD_GO(check_type(b->path, json_object_get(root, "normalizer"), "normalizer", NULL, 1));
  FD_GO(check_type(b->path, json_object_get(root, "pre_tokenizer"), "pre_tokenizer", "Whitespace", 1));
  FD_GO(check_model(b->path, model));
  FD_GO(read_vocabulary(b, json_object_get(model, "vocab")));
  FD_GO(check_first(b));
  FD_GO(check_added(b, json_object_get(root, "added_tokens")));
  FD_GO(check_processor(b, processor));
  FD_GO(read_merges(b, json_object_get(model, "merges"), has_empty(json_object_get(model, "vocab"))));
done:
  json_decref(root);
  return status;
}
