/* Checks the keys of a published config.json and turns them into settings. */
#include "tasks/hf_config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "config/shape.h"
#include "data/tokenizer.h"
#include "tasks/hf_words.h"
#include "tasks/model_file.h"
#include "tasks/task_json.h"
#include "tasks/words.h"

enum { SETTINGS = 20 };

fd_status fd_hf_config_read(const char *folder, char path[], json_t **root) {
  char *text;
  size_t bytes;
  FD_TRY(fd_path(path, folder, "config.json", NULL));
  FD_TRY(fd_read_file(path, FD_MODEL_JSON_MAX, &text, &bytes));
  fd_status status = fd_json_parse_last(root, text, bytes, path);
  free(text);
  return status;
}

/* --- kinds --------------------------------------------------------------------------------------------------------------- */

enum { NT_V1 = 1, NT_V2 = 2, ESM = NT_V1 | NT_V2, BERT = 4, ALL = ESM | BERT };

/* The value that a key must have if it is present: the only variant that the encoders implement. */
static const struct {
  int of, needed; /* families; needed: the default of transformers for a missing key is another variant */
  const char *key, *word;
} forms[] = {{NT_V1, 1, "token_dropout", "true"},
             {NT_V1, 1, "mask_token_id", "2"},
             {NT_V1, 1, "pad_token_id", "1"},
             {NT_V1, 0, "add_bias_fnn", "true"},
             {NT_V2, 1, "position_embedding_type", "rotary"},
             {NT_V2, 0, "token_dropout", "false"},
             {NT_V2, 0, "add_bias_fnn", "false"},
             {NT_V2, 0, "hidden_act", "silu"},
             {ESM, 0, "emb_layer_norm_before", "false"},
             {ESM, 0, "is_folding_model", "false"},
             {BERT, 0, "position_embedding_type", "absolute"},
             {NT_V1 | BERT, 0, "hidden_act", "gelu"},
             {ALL, 0, "is_decoder", "false"},
             {ALL, 0, "add_cross_attention", "false"},
             {ALL, 0, "rope_theta", "10000"},
             {ALL, 0, "quantization_config", "null"},
             {BERT, 0, "type_vocab_size", "2"}};
enum { FORMS = sizeof forms / sizeof *forms };

static void word_of(const json_t *value, char word[64]) {
  if (json_is_string(value)) snprintf(word, 64, "%.60s", json_string_value(value));
  else if (json_is_number(value)) snprintf(word, 64, "%.10g", json_number_value(value));
  else
    snprintf(word, 64, "%s",
             json_is_true(value)     ? "true"
             : json_is_false(value)  ? "false"
             : json_is_null(value)   ? "null"
             : json_is_object(value) ? "{...}"
                                     : "[...]");
}

/* Whether a key names a kind of activation or normalization, by any of the usual names. */
static int names_kind(const char *key) {
  static const char *const ends[] = {"_act",      "_act_fn",       "activation", "activation_function", "activation_type", "norm",
                                     "norm_type", "normalization", "rms_norm"};
  size_t n = strlen(key);
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    size_t m = strlen(ends[i]);
    if (n >= m && !strcmp(key + n - m, ends[i])) return 1;
  }
  return 0;
}

static int is_known_kind(int family, const char *word) {
  static const char *const words[] = {"layernorm", "layer_norm", "LayerNorm", "false", "null"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (!strcmp(word, words[i])) return 1;
  return !strcmp(word, family == NT_V2 ? "silu" : "gelu") || (family == NT_V2 && !strcmp(word, "swish"));
}

static fd_status check_forms(const char *path, const json_t *root, int family) {
  const char *key;
  json_t *value;
  char word[64];
  for (int i = 0; i < FORMS; i++) {
    const json_t *found = json_object_get(root, forms[i].key);
    if (!(forms[i].of & family) || (!forms[i].needed && (!found || json_is_null(found)))) continue;
    word_of(found, word);
    if (!found || strcmp(word, forms[i].word))
      return fd_fail(FD_DATA, "%s: %s: '%s' (expected '%s': the only kind supported)", path, forms[i].key,
                     found ? word : "missing", forms[i].word);
  }
  json_object_foreach((json_t *)root, key, value) {
    word_of(value, word);
    if (names_kind(key) && !is_known_kind(family, word))
      return fd_fail(FD_DATA, "%s: %.60s: '%s' (expected %s: the only kinds supported)", path, key, word,
                     family == NT_V2 ? "'silu' or 'layer_norm'" : "'gelu' or 'layer_norm'");
  }
  return FD_OK;
}

/* --- words --------------------------------------------------------------------------------------------------------------- */

/* The tokenizer of a vocabulary. */
typedef struct words {
  const char *kind;
  int kmer; /* letters of a word; of byte pairs a typical number */
  char identity[FD_SHA256_HEX];
} words;

static fd_status read_pairs(const char *folder, int64_t vocabulary, words *w) {
  char path[FD_PATH_MAX];
  fd_tokenizer *tokenizer;
  FD_TRY(fd_path(path, folder, FD_WORDS_FILE, NULL));
  if (fd_is_absent(path))
    return fd_fail(FD_MISSING,
                   "%s: not there; expected that of a byte-pair tokenizer for a vocabulary of %" PRId64
                   " ids: adjacent k-mers have 4^k + 2, and DNABERT's overlapping ones, 4^k + 5, are not supported",
                   path, vocabulary);
  FD_TRY(fd_tokenizer_create(&tokenizer, &(fd_tokenizer_settings){.kind = "bpe", .file = path, .vocabulary = vocabulary}));
  *w = (words){.kind = "bpe", .kmer = 5};
  fd_status status = fd_tokenizer_identity(tokenizer, w->identity);
  fd_tokenizer_destroy(&tokenizer);
  return status;
}

/* Checks the words of a tokenizer whose ids follow from its kind and size. */
static fd_status check_order(const char *folder, const words *w, int64_t vocabulary) {
  fd_tokenizer *tokenizer;
  int k = strcmp(w->kind, "kmer") ? 0 : w->kmer;
  FD_TRY(
      fd_tokenizer_create(&tokenizer, &(fd_tokenizer_settings){.kind = w->kind, .k = k, .stride = k, .vocabulary = vocabulary}));
  fd_status status = fd_hf_words_check(folder, tokenizer);
  fd_tokenizer_destroy(&tokenizer);
  return status;
}

/* Whether the folder has a byte-pair tokenizer, whose vocabulary may have the size of one of k-mers. A tokenizer file of k-mers,
 * if present, is a list of words without merges. */
static fd_status has_pairs(const char *folder, int *has) {
  char path[FD_PATH_MAX], *text;
  size_t bytes;
  json_t *root;
  *has = 0;
  FD_TRY(fd_path(path, folder, FD_WORDS_FILE, NULL));
  if (fd_is_absent(path)) return FD_OK;
  FD_TRY(fd_read_file(path, FD_WORDS_MAX, &text, &bytes));
  fd_status status = fd_json_parse(&root, text, bytes, path);
  free(text);
  FD_TRY(status);
  *has = json_object_get(json_object_get(root, "model"), "merges") != NULL;
  json_decref(root);
  return FD_OK;
}

/* Finds the tokenizer by the architecture and the size of the vocabulary: Nucleotide Transformer's 6-mers, k-mers with [MASK] and
 * [UNK], or byte pairs. */
static fd_status find_words(const char *folder, const char *path, const fd_arch *arch, int64_t vocabulary, words *w) {
  enum { NT6 = 4107, NT6_OF_V1 = 4105 };
  int k = 1, pairs, expected = arch == &fd_arch_nt_v1 ? NT6_OF_V1 : NT6;
  if (arch == &fd_arch_nt_v1 || arch == &fd_arch_nt_v2) {
    *w = (words){.kind = "nt6", .kmer = 6};
    if (vocabulary == expected) return check_order(folder, w, vocabulary);
    return fd_fail(FD_DATA, "%s: vocab_size: %" PRId64 " (expected %d, that of 6-mers)", path, vocabulary, expected);
  }
  while (k < 12 && ((int64_t)1 << 2 * k) + 2 < vocabulary) k++;
  *w = (words){.kind = "kmer", .kmer = k};
  if (vocabulary != ((int64_t)1 << 2 * k) + 2) return read_pairs(folder, vocabulary, w);
  FD_TRY(has_pairs(folder, &pairs));
  return pairs ? read_pairs(folder, vocabulary, w) : check_order(folder, w, vocabulary);
}

/* --- settings ------------------------------------------------------------------------------------------------------------ */

typedef struct settings {
  int count;
  char text[SETTINGS][FD_SETTING_MAX];
} settings;

__attribute__((format(printf, 2, 3))) static void set(settings *s, const char *format, ...) {
  va_list values;
  va_start(values, format);
  vsnprintf(s->text[s->count++], FD_SETTING_MAX, format, values);
  va_end(values);
}

static fd_status take_int(const char *path, const json_t *root, const char *key, int64_t most, int64_t *value) {
  const json_t *found = json_object_get(root, key);
  *value = json_integer_value(found);
  if (json_is_integer(found) && *value >= 1 && *value <= most) return FD_OK;
  return fd_fail(FD_DATA, "%s: %s: expected a whole number from 1 to %" PRId64, path, key, most);
}

/* Window in nucleotides: about the number that the model has learned positions for or was trained with. For byte pairs with
 * learned positions, the number that always fits along with [CLS] and [SEP], as a word may be a single letter. */
static int window_of(const fd_arch *arch, int64_t positions, const words *w) {
  if (positions > 100000) positions = 100000;
  if (arch == &fd_arch_bert && !strcmp(w->kind, "bpe")) return positions > 2 ? (int)positions - 2 : 1;
  if (arch == &fd_arch_nt_v1 && positions > 1) positions--; /* of <cls> */
  return (int)positions * w->kmer;
}

static fd_status take_sizes(const char *path, const json_t *root, const char *folder, const fd_arch *arch, settings *s, words *w,
                            int *window) {
  static const struct {
    const char *key, *option;
    int64_t most;
  } sizes[] = {{"hidden_size", "channels", 65536},    {"num_hidden_layers", "layers", 1000},
               {"num_attention_heads", "heads", 256}, {"intermediate_size", "hidden", 65536},
               {"vocab_size", "vocabulary", 1000000}, {"max_position_embeddings", "positions", 10000000}};
  enum { SIZES = sizeof sizes / sizeof *sizes, VOCABULARY = 4, POSITIONS = 5 };
  int64_t value[SIZES];
  for (int i = 0; i < SIZES; i++) {
    FD_TRY(take_int(path, root, sizes[i].key, sizes[i].most, &value[i]));
    if (i == POSITIONS && arch == &fd_arch_nt_v1 && (value[i] -= FD_LATER) < 1)
      return fd_fail(FD_DATA, "%s: %s: expected more than %d, as the first rows of the table belong to padding", path,
                     sizes[i].key, FD_LATER);
    set(s, "model.%s=%" PRId64, sizes[i].option, value[i]);
  }
  FD_TRY(find_words(folder, path, arch, value[VOCABULARY], w));
  const json_t *epsilon = json_object_get(root, "layer_norm_eps");
  set(s, "model.epsilon=%.17g", json_is_number(epsilon) ? json_number_value(epsilon) : 1e-12);
  set(s, "model.encoder=%s", arch->name);
  set(s, "model.tokenizer=%s", w->kind);
  set(s, "model.kmer=%d", w->kmer);
  set(s, "model.words=%s", w->identity);
  *window = window_of(arch, value[POSITIONS], w);
  return FD_OK;
}

/* The masked-word head of the files; its decoder is tied to the embedding table unless config.json says otherwise. */
static void take_lm_head(const json_t *root, const fd_hf_tensors *t, int family, settings *s) {
  int there = fd_hf_tensors_count(t, family & ESM ? "lm_head." : "cls.predictions.") > 0;
  set(s, "model.lm_head=%s", !there ? "none" : json_is_false(json_object_get(root, "tie_word_embeddings")) ? "own" : "tied");
}

/* --- a published classifier ---------------------------------------------------------------------------------------------- */

/* The last layer of a classifier of sequences, or NULL; config.json decides if it names an architecture. */
static const fd_tensor *find_classifier(const json_t *root, const fd_hf_tensors *t, int family) {
  const char *said = json_string_value(json_array_get(json_object_get(root, "architectures"), 0));
  const fd_tensor *out = fd_hf_tensors_find(t, family & ESM ? "classifier.out_proj.weight" : "classifier.weight");
  if (said && !strstr(said, "ForSequenceClassification")) return NULL;
  return said || family & ESM || fd_hf_tensors_find(t, "bert.pooler.dense.weight") ? out : NULL;
}

/* Whether the task's head can represent this classifier; if not, warns why, and its tensors are left out. */
static int is_usable(const char *path, const json_t *root, const fd_tensor *out, const words *w) {
  const char *problem = json_string_value(json_object_get(root, "problem_type")),
             *expected = out->shape[0] == 1 ? "regression" : "single_label_classification";
  if (!strcmp(w->kind, "kmer"))
    fd_warn("%s: the classifier is not used: k-mers have no [CLS] token here, and it reads that token", path);
  else if (problem && strcmp(problem, expected))
    fd_warn("%s: problem_type: '%.60s': the classifier is not used (expected '%s' for a classifier with %lld outputs)", path,
            problem, expected, (long long)out->shape[0]);
  else return 1;
  return 0;
}

/* Reads the class names of config.json; the default names LABEL_0, ... count as none. */
static fd_status take_names(const char *path, const json_t *root, int64_t outputs, fd_class_names *classes) {
  const json_t *names = json_object_get(root, "id2label");
  char where[FD_PATH_MAX + 16];
  int given = 0;
  if (!json_is_object(names)) return FD_OK;
  if ((int64_t)json_object_size(names) != outputs)
    return fd_fail(FD_DATA, "%s: id2label has %zu classes; the classifier's last layer has %" PRId64 " rows", path,
                   json_object_size(names), outputs);
  snprintf(where, sizeof where, "%s: id2label", path);
  for (int64_t i = 0; i < outputs; i++) {
    char key[24], plain[40];
    snprintf(key, sizeof key, "%" PRId64, i);
    snprintf(plain, sizeof plain, "LABEL_%s", key);
    const char *name = json_string_value(json_object_get(names, key));
    if (!name || !*name) return fd_fail(FD_DATA, "%s: class %s has no name", where, key);
    for (int k = 0; k < classes->count; k++)
      if (!strcmp(classes->name[k], name))
        return fd_fail(FD_DATA, "%s: the classes %d and %s are both '%.80s'; expected a name for each", where, k, key, name);
    FD_TRY(fd_class_names_add(classes, where, name));
    given |= strcmp(name, plain) != 0;
  }
  if (!given) fd_class_names_free(classes);
  return FD_OK;
}

/* Reads the class names and stores their hash in the config. */
static fd_status name_classes(const char *path, const json_t *root, fd_config *config, fd_class_names *classes) {
  fd_status status = take_names(path, root, config->task.outputs, classes);
  if (status == FD_OK) return fd_task_json_take(path, config, classes);
  fd_class_names_free(classes);
  return status;
}

static void take_classifier(const json_t *root, const fd_tensor *out, settings *s) {
  set(s, "task.outputs=%lld", (long long)out->shape[0]);
  set(s, "task.kind=%s", out->shape[0] == 1 ? "values" : "classes");
  set(s, "task.features=cls");
  set(s, "task.hidden=%lld", (long long)json_integer_value(json_object_get(root, "hidden_size")));
  set(s, "task.activation=tanh");
}

/* Whether positions are learned. */
static int has_table(const json_t *root) {
  const char *kind = json_string_value(json_object_get(root, "position_embedding_type"));
  return kind && !strcmp(kind, "absolute");
}

/* The family by model_type or, without one, by the first architecture: Nucleotide Transformer v2 has been published so. */
static fd_status find_family(const char *path, const json_t *root, int *family) {
  static const char *const types[][2] = {{"esm", "Esm"}, {"bert", "Bert"}};
  const char *type = json_string_value(json_object_get(root, "model_type")),
             *first = json_string_value(json_array_get(json_object_get(root, "architectures"), 0));
  for (int i = 0; i < 2; i++) {
    *family = i ? BERT : has_table(root) ? NT_V1 : NT_V2;
    if (type ? !strcmp(type, types[i][0]) : first && !strncmp(first, types[i][1], strlen(types[i][1]))) return FD_OK;
  }
  return fd_fail(FD_DATA, "%s: model_type: '%.60s' (expected esm or bert: Nucleotide Transformer, DNABERT-2, BERT)", path,
                 type ? type : "missing");
}

/* DNABERT-2 by the key of its config, which is lost when a BertConfig of transformers saves it, or by its tensors. */
static const fd_arch *arch_of(const json_t *root, const fd_hf_tensors *t, int family) {
  static const char *const own[] = {"bert.encoder.layer.0.attention.self.Wqkv.", "encoder.layer.0.attention.self.Wqkv."};
  if (family & ESM) return family == NT_V1 ? &fd_arch_nt_v1 : &fd_arch_nt_v2;
  int is_own = json_object_get(root, "alibi_starting_size") || fd_hf_tensors_count(t, own[0]) || fd_hf_tensors_count(t, own[1]);
  return is_own ? &fd_arch_dnabert_2 : &fd_arch_bert;
}

fd_status fd_hf_config_take(const char *path, const json_t *root, const fd_hf_tensors *t, fd_config *config, int *window,
                            fd_class_names *classes) {
  const json_t *ours = json_object_get(root, "findna"), *length = json_object_get(ours, "window");
  settings s = {0};
  char *setting[SETTINGS];
  int family;
  words w;
  *classes = (fd_class_names){0};
  FD_TRY(find_family(path, root, &family));
  FD_TRY(check_forms(path, root, family));
  FD_TRY(take_sizes(path, root, t->folder, arch_of(root, t, family), &s, &w, window));
  take_lm_head(root, t, family, &s);
  const json_t *task = json_object_get(ours, "task");
  const fd_tensor *out = task ? NULL : find_classifier(root, t, family);
  if (out && !is_usable(path, root, out, &w)) out = NULL;
  if (out) take_classifier(root, out, &s);
  if (task) s.count += fd_task_json_settings(task, s.text + s.count);
  if (json_is_integer(length) && json_integer_value(length) >= 1 && json_integer_value(length) <= 1 << 30)
    *window = (int)json_integer_value(length);
  for (int i = 0; i < s.count; i++) setting[i] = s.text[i];
  FD_TRY(fd_model_config(config, setting, s.count, path));
  if (out && config->task.kind == FD_TASK_CLASSES) return name_classes(path, root, config, classes);
  return task ? fd_task_json_names(path, task, config, classes) : FD_OK;
}
