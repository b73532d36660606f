/* Finds, checks and copies a tokenizer's file. */
#include "tasks/words.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

/* The path two folders up, by its name. */
static fd_status go_up(const char *checkpoint, const char *name, char path[]) {
  char run[FD_PATH_MAX];
  FD_TRY(fd_path(run, checkpoint, NULL, NULL));
  for (int i = 0; i < 2; i++) {
    char *slash = strrchr(run, '/');
    if (!slash || slash == run) return fd_path(path, checkpoint, "../..", name);
    *slash = '\0';
  }
  return fd_path(path, run, name, NULL);
}

/* By the name as it is given first: RUN/ckpt may be a link to another disk. Then by where the checkpoint is: it may be a link. */
fd_status fd_run_path(const char *checkpoint, const char *name, char path[]) {
  char *real;
  FD_TRY(go_up(checkpoint, name, path));
  if (!fd_is_absent(path) || !(real = realpath(checkpoint, NULL))) return FD_OK;
  fd_status status = go_up(real, name, path);
  free(real);
  return status;
}

static fd_status check_words(const fd_tokenizer *tokenizer, const fd_config *config, const char *path) {
  char hex[FD_SHA256_HEX];
  FD_TRY(fd_tokenizer_identity(tokenizer, hex));
  if (!strcmp(hex, config->model.words)) return FD_OK;
  return fd_fail(FD_DATA, "%s: not the model's tokenizer (%.12s...; expected that of model.words, %.12s...)", path, hex,
                 config->model.words);
}

/* `file`: of a byte-pair tokenizer. */
static fd_status create(fd_tokenizer **tokenizer, const fd_config *config, const char *file, int groups) {
  static const char *const kinds[] = {
#define TOKENIZER(NAME, name) #name,
#include "config/tokenizers.def"
#undef TOKENIZER
  };
  int k = config->model.tokenizer == FD_TOKENIZER_KMER ? (int)config->model.kmer : 0;
  const fd_tokenizer_settings settings = {.kind = kinds[config->model.tokenizer],
                                          .k = k,
                                          .stride = k,
                                          .groups = groups && config->model.tokenizer == FD_TOKENIZER_NT6,
                                          .padding = config->model.padding,
                                          .file = file,
                                          .vocabulary = config->model.vocabulary};
  return fd_tokenizer_create(tokenizer, &settings);
}

fd_status fd_words_open(fd_tokenizer **tokenizer, const fd_config *config, const char *checkpoint, int groups) {
  char path[FD_PATH_MAX];
  int in_file = config->model.tokenizer == FD_TOKENIZER_BPE;
  FD_TRY(fd_run_path(checkpoint, FD_WORDS_FILE, path));
  FD_TRY(create(tokenizer, config, in_file ? path : NULL, groups));
  return in_file ? check_words(*tokenizer, config, path) : FD_OK;
}

fd_status fd_words_begin(fd_tokenizer **tokenizer, fd_config *config) {
  const char *file = config->data.tokenizer;
  if (config->model.tokenizer != FD_TOKENIZER_BPE) return create(tokenizer, config, NULL, 1);
  if (!*file)
    return fd_fail(FD_CONFIG,
                   "data.tokenizer: model.tokenizer: bpe needs a file of merges, for example that of 'findna merges %s --output "
                   "tokenizer.json'",
                   *config->data.shards ? config->data.shards : "SHARDS");
  FD_TRY(create(tokenizer, config, file, 0));
  if (*config->model.words) return check_words(*tokenizer, config, file);
  return fd_tokenizer_identity(*tokenizer, config->model.words);
}

fd_status fd_words_save(const fd_tokenizer *tokenizer, const char *folder) {
  char path[FD_PATH_MAX];
  FD_TRY(fd_path(path, folder, FD_WORDS_FILE, NULL));
  return fd_tokenizer_save(tokenizer, path);
}

fd_status fd_words_copy(const fd_config *config, const char *file, const char *folder) {
  fd_tokenizer *tokenizer = NULL;
  if (!fd_config_reads_ids(config) || config->model.tokenizer != FD_TOKENIZER_BPE) return FD_OK;
  fd_status status = create(&tokenizer, config, file, 0);
  if (status == FD_OK) status = check_words(tokenizer, config, file);
  if (status == FD_OK) status = fd_words_save(tokenizer, folder);
  fd_tokenizer_destroy(&tokenizer);
  return status;
}
