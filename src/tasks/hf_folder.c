/* From config.json and safetensors of a published model to a config and weights. */
#include "tasks/hf_folder.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/path.h"
#include "config/shape.h"
#include "data/tokenizer.h"
#include "tasks/hf_tensors.h"
#include "tasks/model_file.h"
#include "tasks/words.h"

enum { JSON_MAX = 1 << 20, SETTINGS = 11 };

static fd_status read_json(const char *folder, const char *name, char path[FD_PATH_MAX], json_t **root) {
  char *text;
  size_t bytes;
  FD_TRY(fd_path(path, folder, name, NULL));
  FD_TRY(fd_read_file(path, JSON_MAX, &text, &bytes));
  fd_status status = fd_json_parse(root, text, bytes, path);
  free(text);
  return status;
}

fd_status fd_hf_is(const char *folder, int *is) {
  char path[FD_PATH_MAX];
  json_t *root;
  FD_TRY(read_json(folder, "config.json", path, &root));
  *is = json_is_string(json_object_get(root, "model_type")) && !json_object_get(root, "format");
  json_decref(root);
  return FD_OK;
}

/* What config.json must say, where it says it: a form that the encoders have. */
static fd_status check_forms(const char *path, const json_t *root, int encoder) {
  static const struct {
    int of_esm;
    const char *key, *word;
  } forms[] = {{1, "position_embedding_type", "rotary"},
               {1, "token_dropout", "false"},
               {1, "emb_layer_norm_before", "false"},
               {1, "add_bias_fnn", "false"},
               {1, "is_folding_model", "false"},
               {1, "tie_word_embeddings", "false"},
               {0, "position_embedding_type", "absolute"},
               {0, "hidden_act", "gelu"},
               {0, "is_decoder", "false"},
               {0, "add_cross_attention", "false"}};
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    const json_t *value = json_object_get(root, forms[i].key);
    if (!value || forms[i].of_esm != (encoder == FD_ARCH_NT_V2)) continue;
    const char *word = json_is_string(value) ? json_string_value(value) : json_is_true(value) ? "true" : "false";
    if (strcmp(word, forms[i].word))
      return fd_fail(FD_DATA, "%s: %s: '%.60s' (expected '%s': the only kind that is read)", path, forms[i].key, word,
                     forms[i].word);
  }
  return FD_OK;
}

static fd_status take_int(const char *path, const json_t *root, const char *key, int64_t most, int64_t *value) {
  const json_t *found = json_object_get(root, key);
  *value = json_integer_value(found);
  if (json_is_integer(found) && *value >= 1 && *value <= most) return FD_OK;
  return fd_fail(FD_DATA, "%s: %s: expected a whole number from 1 to %" PRId64, path, key, most);
}

/* The tokenizer that makes so many ids. */
typedef struct words {
  const char *kind;
  int kmer; /* letters of a word, or about so many of byte pairs */
  char identity[FD_SHA256_HEX];
} words;

static fd_status read_pairs(const char *folder, int64_t vocabulary, words *w) {
  char path[FD_PATH_MAX];
  fd_tokenizer *tokenizer;
  FD_TRY(fd_path(path, folder, FD_WORDS_FILE, NULL));
  if (fd_is_absent(path))
    return fd_fail(FD_MISSING, "%s: not there; a vocabulary of %" PRId64 " ids is one of byte pairs, which that file holds", path,
                   vocabulary);
  FD_TRY(fd_tokenizer_create(&tokenizer, &(fd_tokenizer_settings){.kind = "bpe", .file = path, .vocabulary = vocabulary}));
  *w = (words){.kind = "bpe", .kmer = 5};
  fd_status status = fd_tokenizer_identity(tokenizer, w->identity);
  fd_tokenizer_destroy(&tokenizer);
  return status;
}

/* NT's 6-mers, k-mers with [MASK] and [UNK], or byte pairs. */
static fd_status find_words(const char *folder, const char *path, int encoder, int64_t vocabulary, words *w) {
  enum { NT6 = 4107 };
  int k = 1;
  while (k < 12 && ((int64_t)1 << 2 * k) + 2 < vocabulary) k++;
  *w = (words){.kind = encoder == FD_ARCH_NT_V2 ? "nt6" : "kmer", .kmer = encoder == FD_ARCH_NT_V2 ? 6 : k};
  if (encoder == FD_ARCH_NT_V2 && vocabulary != NT6)
    return fd_fail(FD_DATA, "%s: vocab_size: %" PRId64 " (expected %d, that of 6-mers)", path, vocabulary, NT6);
  if (encoder == FD_ARCH_NT_V2 || vocabulary == ((int64_t)1 << 2 * k) + 2) return FD_OK;
  return read_pairs(folder, vocabulary, w);
}

static fd_status read_config(const char *folder, const char *path, const json_t *root, fd_config *config, int *window) {
  static const char *const names[] = {"chordmixer", "transformer", "nt_v2", "dnabert_2", "bert"};
  static const struct {
    const char *key, *option;
    int64_t most;
  } sizes[] = {{"hidden_size", "channels", 65536},    {"num_hidden_layers", "layers", 1000},
               {"num_attention_heads", "heads", 256}, {"intermediate_size", "hidden", 65536},
               {"vocab_size", "vocabulary", 1000000}, {"max_position_embeddings", "positions", 10000000}};
  enum { SIZES = sizeof sizes / sizeof *sizes, VOCABULARY = 4, POSITIONS = 5 };
  char text[SETTINGS][FD_SETTING_MAX], *setting[SETTINGS];
  const char *type = json_string_value(json_object_get(root, "model_type"));
  words w;
  int64_t value[SIZES];
  int alibi = json_object_get(root, "alibi_starting_size") != NULL, encoder = !strcmp(type, "esm") ? FD_ARCH_NT_V2
                                                                              : alibi              ? FD_ARCH_DNABERT_2
                                                                                                   : FD_ARCH_BERT;
  if (strcmp(type, "esm") && strcmp(type, "bert"))
    return fd_fail(FD_DATA, "%s: model_type: '%.60s' (expected esm or bert: Nucleotide Transformer v2, DNABERT-2, BERT)", path,
                   type);
  FD_TRY(check_forms(path, root, encoder));
  for (int i = 0; i < SIZES; i++) {
    FD_TRY(take_int(path, root, sizes[i].key, sizes[i].most, &value[i]));
    snprintf(text[i], sizeof text[i], "model.%s=%" PRId64, sizes[i].option, value[i]);
  }
  FD_TRY(find_words(folder, path, encoder, value[VOCABULARY], &w));
  const json_t *epsilon = json_object_get(root, "layer_norm_eps");
  snprintf(text[SIZES], sizeof *text, "model.epsilon=%.17g", json_is_number(epsilon) ? json_number_value(epsilon) : 1e-12);
  snprintf(text[SIZES + 1], sizeof *text, "model.encoder=%s", names[encoder]);
  snprintf(text[SIZES + 2], sizeof *text, "model.tokenizer=%s", w.kind);
  snprintf(text[SIZES + 3], sizeof *text, "model.kmer=%d", w.kmer);
  snprintf(text[SIZES + 4], sizeof *text, "model.words=%s", w.identity);
  for (int i = 0; i < SETTINGS; i++) setting[i] = text[i];
  *window = (int)(value[POSITIONS] < 100000 ? value[POSITIONS] * w.kmer : 100000 * w.kmer);
  return fd_model_config(config, setting, SETTINGS, path);
}

fd_status fd_hf_read(const char *folder, fd_config *config, int *window, float **weights) {
  char path[FD_PATH_MAX];
  json_t *root;
  fd_network *network;
  *weights = NULL;
  FD_TRY(read_json(folder, "config.json", path, &root));
  fd_status status = read_config(folder, path, root, config, window);
  json_decref(root);
  FD_TRY(status);
  FD_TRY(fd_network_create(&network, config, *window));
  status = fd_hf_tensors(folder, &network->params, weights);
  if (status == FD_OK)
    fd_info("the weights' licence is that of their authors%s",
            config->model.encoder == FD_ARCH_NT_V2 ? " (Nucleotide Transformer: CC BY-NC-SA 4.0, not for commercial use)" : "");
  fd_network_destroy(&network);
  return status;
}
