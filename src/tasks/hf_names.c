/* Maps between published names of tensors and parameters by tables. */
#include "tasks/hf_names.h"

#include <stdio.h>
#include <string.h>

/* When a published name stands for one of our names. */
typedef enum condition { ALWAYS, TIED, CLASSIFIER } condition;

enum { ESM = 1 << FD_ARCH_NT_V1 | 1 << FD_ARCH_NT_V2, DNABERT_2 = 1 << FD_ARCH_DNABERT_2, BERT = 1 << FD_ARCH_BERT };

/* Prefixes of names: published ones, and ours. */
static const struct {
  int encoders;
  condition when;
  const char *theirs, *ours;
} others[] = {{BERT, TIED, "cls.predictions.decoder.bias", "cls.predictions.bias"},
              {DNABERT_2, ALWAYS, "cls.predictions.bias", "cls.predictions.decoder.bias"},
              {BERT | DNABERT_2, TIED, "cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"},
              {ESM, TIED, "lm_head.decoder.weight", "esm.embeddings.word_embeddings.weight"},
              {BERT | DNABERT_2, CLASSIFIER, "bert.pooler.dense.", "task.hidden."},
              {BERT | DNABERT_2, CLASSIFIER, "classifier.", "task.out."},
              {ESM, CLASSIFIER, "classifier.dense.", "task.hidden."},
              {ESM, CLASSIFIER, "classifier.out_proj.", "task.out."}};
enum { OTHERS = sizeof others / sizeof *others };

int fd_hf_is_esm(const fd_config *c) { return ESM >> c->model.encoder & 1; }

int fd_hf_is_classifier(const fd_config *c) {
  return fd_config_reads_ids(c) && c->task.outputs && c->task.features == FD_FEATURES_CLS &&
         c->task.hidden == c->model.channels && c->task.activation == FD_TASK_TANH;
}

static int is_so(const fd_config *c, int i) {
  if (!(others[i].encoders >> c->model.encoder & 1)) return 0;
  return others[i].when == ALWAYS || (others[i].when == TIED && fd_config_lm_head(c) == FD_LM_HEAD_TIED) ||
         (others[i].when == CLASSIFIER && fd_hf_is_classifier(c));
}

/* Renames the two vectors of a normalization from TensorFlow's names, which some versions of transformers write. */
static void modernize(char *name) {
  static const char *const ends[][2] = {{".gamma", ".weight"}, {".beta", ".bias"}};
  size_t n = strlen(name);
  for (int i = 0; i < 2; i++) {
    size_t m = strlen(ends[i][0]);
    if (n > m && !strcmp(name + n - m, ends[i][0])) memcpy(name + n - m, ends[i][1], strlen(ends[i][1]) + 1);
  }
}

const fd_param *fd_hf_param(const fd_params *params, const fd_config *config, const char *name) {
  static const char *const prefixes[] = {"", "bert.", "esm."};
  char full[2 * FD_NAME_MAX + 8];
  if (strlen(name) >= FD_NAME_MAX) return NULL;
  for (int p = 0; p < 3; p++) {
    snprintf(full, sizeof full, "%s%s", prefixes[p], name);
    modernize(full);
    const fd_param *found = fd_params_find(params, full);
    if (found) return found;
    for (int i = 0; i < OTHERS; i++) {
      char other[2 * FD_NAME_MAX];
      size_t n = strlen(others[i].theirs);
      if (!is_so(config, i) || strncmp(full, others[i].theirs, n)) continue;
      snprintf(other, sizeof other, "%s%s", others[i].ours, full + n);
      if ((found = fd_params_find(params, other))) return found;
    }
  }
  return NULL;
}

void fd_hf_name(const fd_config *config, const fd_param *param, char name[FD_NAME_MAX]) {
  snprintf(name, FD_NAME_MAX, "%s", param->name);
  for (int i = 0; i < OTHERS; i++) {
    size_t n = strlen(others[i].ours);
    if (others[i].when != CLASSIFIER || !is_so(config, i) || strncmp(param->name, others[i].ours, n)) continue;
    snprintf(name, FD_NAME_MAX, "%s%s", others[i].theirs, param->name + n);
  }
}

void fd_hf_full_name(const fd_config *config, const char *name, char *full, size_t room) {
  static const char *const whole[] = {"bert.", "esm.", "cls.", "lm_head.", "classifier.", "qa_outputs.", "task."};
  const char *first = fd_hf_is_esm(config) ? "esm." : "bert.";
  for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
    if (!strncmp(name, whole[i], strlen(whole[i]))) first = "";
  snprintf(full, room, "%s%s", strlen(first) + strlen(name) < room ? first : "", name);
}
