/* Checks of options against each other, beyond the ranges of the schema. */
#include <string.h>

#include "config/options.h"

static int check_operations(const char *name, const char *key, const char *letters, const char *known) {
  int seen[128] = {0};
  for (const char *at = letters; *at; at++) {
    if (!strchr(known, *at))
      return (void)fd_fail(FD_CONFIG, "%s: %s: '%s': '%c' is no operation; they are %s", name, key, letters, *at, known), 0;
    if (seen[(unsigned char)*at]++) return (void)fd_fail(FD_CONFIG, "%s: %s: '%s': %c occurs twice", name, key, letters, *at), 0;
  }
  return 1;
}

/* Noise is added on the device after all other operations; T and R commute with it. */
static int check_noise_last(const char *name, const char *key, const char *letters) {
  const char *noise = strchr(letters, 'N');
  if (!noise || !strpbrk(noise, "DIM")) return 1;
  return (void)fd_fail(FD_CONFIG, "%s: %s: '%s': noise (N) comes after deletion, insertion and masking (D, I, M)", name, key,
                       letters),
         0;
}

/* The random numbers of attention dropout are keyed by layer, 0 .. 255; a decoder's layers are numbered after the encoder's, with
 * one number between. */
enum { LAYERS_MAX = 254, LAYERS_ALONE_MAX = 256 };

/* Rejects options of other encoders than the model's. */
static int check_encoder(const fd_config *c, const char *name) {
  fd_config defaults;
  int good = 1, length;
  const char *encoder = fd_choice_text(fd_option_find("model", "encoder")->choices, c->model.encoder, &length);
  fd_config_defaults(&defaults);
  for (const fd_option *o = fd_options; o < fd_options + fd_option_count; o++) {
    int of_one = o->change >= FD_CHANGE_CHORDMIXER;
    if (!of_one || fd_option_shapes(o, c->model.encoder)) continue;
    if (!memcmp((const char *)c + o->offset, (const char *)&defaults + o->offset, fd_option_bytes(&defaults, o))) continue;
    good = 0;
    (void)fd_fail(FD_CONFIG, "%s: %s.%s has no effect with model.encoder: %.*s", name, o->section, o->name, length, encoder);
  }
  return good;
}

/* In functions with `good`. */
#define NEED(condition, ...) \
  if (!(condition)) good = 0, (void)fd_fail(FD_CONFIG, __VA_ARGS__)

/* Whether an autoencoder's options are consistent, and unset for other encoders. */
static int check_autoencoder(const fd_config *c, const char *name) {
  int good = 1, is_one = c->model.encoder == FD_ARCH_MAE;
  int64_t words = ((int64_t)1 << 2 * c->model.kmer) + 2;
  NEED(is_one || c->model.encoder == FD_ARCH_HAD || c->objective.hidden_weight == 1,
       "%s: objective.hidden_weight is only for model.encoder: mae and had", name);
  NEED(is_one || c->model.encoder == FD_ARCH_BERT || c->train.dropout == 0,
       "%s: train.dropout is only for model.encoder: mae and bert", name);
  NEED(!c->aug.offsets || (fd_config_reads_ids(c) && c->model.tokenizer == FD_TOKENIZER_KMER),
       "%s: aug.offsets is only for words of tokenizer kmer", name);
  NEED(!is_one || c->model.tokenizer == FD_TOKENIZER_KMER, "%s: model.tokenizer: model.encoder: mae needs kmer", name);
  NEED(!is_one || c->model.lm_head <= FD_LM_HEAD_NONE,
       "%s: model.lm_head: model.encoder: mae has none; its decoder predicts tokens", name);
  NEED(!is_one || c->model.vocabulary == words, "%s: model.vocabulary: %lld; model.encoder: mae with model.kmer %lld has %lld",
       name, (long long)c->model.vocabulary, (long long)c->model.kmer, (long long)words);
  NEED(!is_one || c->model.layers + c->model.decoder_layers <= LAYERS_MAX,
       "%s: model.layers, model.decoder_layers: together %lld; expected at most %d", name,
       (long long)(c->model.layers + c->model.decoder_layers), LAYERS_MAX);
  return good;
}

/* Whether attention dropout has random numbers for every layer. The attention of had follows its layers. */
static int check_attention(const fd_config *c, const char *name) {
  int good = 1, most = LAYERS_ALONE_MAX - (c->model.encoder == FD_ARCH_HAD);
  if (!fd_config_attends(c) || fd_config_attention_dropout(c) == 0) return 1;
  NEED(c->model.layers <= most, "%s: %s: the random numbers of attention suffice for %d layers, and model.layers is %lld", name,
       c->task.outputs ? "task.attention_dropout" : "train.dropout", most, (long long)c->model.layers);
  return good;
}

/* Whether the options of a frozen teacher's student are consistent, and unset for other encoders. */
static int check_student(const fd_config *c, const char *name) {
  int good = 1, is_one = c->model.encoder == FD_ARCH_HAD, frozen = c->teacher.kind == FD_TEACHER_FROZEN;
  NEED(is_one || (c->objective.distil_weight == 0 && c->aug.sees == FD_SEES_FULL),
       "%s: objective.distil_weight and aug.sees are only for model.encoder: had", name);
  NEED(!is_one || c->model.tokenizer == FD_TOKENIZER_LETTERS, "%s: model.tokenizer: model.encoder: had reads letters", name);
  NEED(!is_one || c->model.lm_head <= FD_LM_HEAD_NONE,
       "%s: model.lm_head: model.encoder: had has none; its decoder predicts nucleotides", name);
  NEED(!is_one || c->task.outputs || c->objective.hidden_weight > 0 || c->objective.distil_weight > 0,
       "%s: objective: hidden_weight and distil_weight are 0; nothing to learn", name);
  NEED(!fd_config_aligns(c) || frozen,
       "%s: objective.distil_weight: %g needs teacher.kind: frozen, and --teacher with a checkpoint (or set the weight to 0)",
       name, c->objective.distil_weight);
  NEED(!fd_config_aligns(c) || !c->teacher.cache || c->teacher.sees == FD_SEES_CLEAN,
       "%s: teacher.cache: features of a teacher that sees [MASK] differ from draw to draw, so none can be kept: use "
       "teacher.sees: clean, or no cache",
       name);
  NEED(!fd_config_aligns(c) || c->objective.distil_project == FD_DISTIL_LINEAR || !c->teacher.width ||
           c->teacher.width == c->model.channels,
       "%s: objective.distil_project: none, but the teacher has %lld channels and the student %lld: expected the same, or a "
       "projection (linear)",
       name, (long long)c->teacher.width, (long long)c->model.channels);
  return good;
}

/* Whether the options of convolutions are consistent. */
static int check_convolutions(const fd_config *c, const char *name) {
  int good = 1, taps[FD_KERNELS_MAX];
  if (!fd_config_convolves(c)) return 1;
  NEED(fd_config_kernels(c, taps) > 0,
       "%s: model.kernels: '%s'; expected up to %d odd numbers from 1 to 255 with commas between, such as 15,9,5,3", name,
       c->model.kernels, FD_KERNELS_MAX);
  NEED(c->model.lm_head <= FD_LM_HEAD_NONE, "%s: model.lm_head: encoders with convolutions have none", name);
  NEED(!fd_config_encoder_has(c->model.encoder, FD_HAS_POSITIONS) || c->model.padding <= c->model.positions,
       "%s: model.padding: %lld; the model has learned positions of %lld tokens (model.positions)", name,
       (long long)c->model.padding, (long long)c->model.positions);
  return good;
}

/* Whether the model's options are consistent. */
static int check_model(const fd_config *c, const char *name) {
  int good = check_encoder(c, name) & check_autoencoder(c, name) & check_student(c, name) & check_convolutions(c, name) &
             check_attention(c, name);
  NEED(!fd_config_attends(c) || c->model.channels % c->model.heads == 0,
       "%s: model.heads: %lld do not divide model.channels (%lld)", name, (long long)c->model.heads,
       (long long)c->model.channels);
  NEED(!fd_config_encoder_has(c->model.encoder, FD_HAS_ROTATION) || c->model.channels % c->model.heads ||
           c->model.channels % (2 * c->model.heads) == 0,
       "%s: model.heads: %lld divide model.channels (%lld) into odd numbers, and rotary positions rotate pairs of channels", name,
       (long long)c->model.heads, (long long)c->model.channels);
  NEED(c->model.encoder == FD_ARCH_CHORDMIXER || !c->model.recompute, "%s: model.recompute is only for model.encoder: chordmixer",
       name);
  int ids = fd_config_reads_ids(c);
  NEED(!ids || (c->task.features != FD_FEATURES_CLS && c->task.features != FD_FEATURES_BOTH) ||
           c->model.tokenizer != FD_TOKENIZER_KMER,
       "%s: task.features: the tokenizer kmer has no [CLS] token; use tokens", name);
  NEED(c->task.hidden || c->task.activation == FD_TASK_GELU,
       "%s: task.activation has no effect without task.hidden: there are no hidden units", name);
  return good;
}

/* Whether a task's options are consistent, also with a teacher's. */
static int check_task(const fd_config *c, const char *name) {
  int good = 1;
  good &= check_operations(name, "task.augment", c->task.augment, "DITRS");
  NEED(!*c->task.augment || c->teacher.kind != FD_TEACHER_LOGITS,
       "%s: task.augment: '%s', but stored logits are of the rows as they are: leave it out, or let the teacher see what the "
       "student sees (--teacher)",
       name, c->task.augment);
  NEED(c->teacher.kind != FD_TEACHER_BEST || c->task.outputs, "%s: teacher.kind: best belongs to 'findna finetune'", name);
  NEED(c->teacher.kind < FD_TEACHER_FROZEN || c->task.outputs ||
           (c->teacher.kind == FD_TEACHER_FROZEN && c->model.encoder == FD_ARCH_HAD),
       "%s: teacher.kind: frozen and logits belong to 'findna finetune', with --teacher and --teacher-logits; frozen also to "
       "model.encoder: had",
       name);
  NEED(!fd_config_distils(c) || c->task.kind == FD_TASK_CLASSES,
       "%s: teacher.kind: a teacher gives probabilities of classes; use none with task.kind: values", name);
  NEED(!fd_config_distils(c) || c->objective.kd_alpha < 1,
       "%s: objective.kd_alpha: 1 leaves nothing to the teacher; give less, or no teacher", name);
  NEED(c->task.kind == FD_TASK_CLASSES || c->task.outputs <= 1, "%s: task.outputs: %lld; values have 1", name,
       (long long)c->task.outputs);
  NEED(c->task.kind == FD_TASK_CLASSES || c->task.select == FD_SELECT_LOSS, "%s: task.select: values are selected by the loss",
       name);
  return good;
}

fd_status fd_config_check(const fd_config *c, const char *name) {
  int good = check_model(c, name) & check_task(c, name), contexts[FD_CONTEXTS_MAX];
  int64_t v = c->train.virtual_ranks;
  NEED((v & (v - 1)) == 0, "%s: train.virtual_ranks: %lld is not a power of two", name, (long long)v);
  NEED(c->train.batch % v == 0, "%s: train.batch: %lld is not a multiple of train.virtual_ranks (%lld)", name,
       (long long)c->train.batch, (long long)v);
  good &= check_operations(name, "aug.student", c->aug.student, "DITMNR");
  good &= check_operations(name, "aug.teacher", c->aug.teacher, "DITMNR");
  good &= check_noise_last(name, "aug.student", c->aug.student) && check_noise_last(name, "aug.teacher", c->aug.teacher);
  NEED(!strchr(c->aug.teacher, 'M'), "%s: aug.teacher: '%s': masking belongs to the student's view", name, c->aug.teacher);
  NEED(c->objective.mnm_weight > 0 || c->objective.cl_weight > 0 || c->task.outputs > 0 || fd_config_hides(c),
       "%s: objective: both weights are 0; nothing to learn; to check the config of a fine-tuning, add task.outputs=N", name);
  NEED(c->objective.mnm_weight == 0 || strchr(c->aug.student, 'M'),
       "%s: aug.student: '%s' has no M, but objective.mnm_weight is %g: nothing is masked", name, c->aug.student,
       c->objective.mnm_weight);
  NEED(c->objective.cl_weight == 0 || c->teacher.kind == FD_TEACHER_EMA,
       "%s: teacher.kind: none, but objective.cl_weight is %g: the term needs a teacher (or set the weight to 0)", name,
       c->objective.cl_weight);
  NEED(!fd_config_projects(c) || c->objective.projection_of != FD_FEATURES_TOKENS || c->objective.cl_axis == FD_AXIS_D,
       "%s: objective.cl_axis: K, but objective.projection_of: tokens gives one row per sequence: a softmax over it is always 1; "
       "use D",
       name);
  NEED(c->objective.mask_layout == FD_MASK_OK || c->objective.mnm == FD_MNM_BCE,
       "%s: objective.mask_layout: scrambled needs objective.mnm: bce", name);
  NEED((c->device.group & (c->device.group - 1)) == 0, "%s: device.group: %lld is not a power of two (or 0)", name,
       (long long)c->device.group);
  NEED(fd_config_contexts(c, contexts) >= 0,
       "%s: eval.contexts: '%s'; expected up to %d numbers from 0 to %d with commas between, such as 0,1,4, or nothing", name,
       c->eval.contexts, FD_CONTEXTS_MAX, FD_CONTEXTS_MAX - 1);
  NEED(*c->run.folder, "%s: run.folder: is empty; expected the name of a folder", name);
  NEED(c->comm.limit == 0 || c->comm.limit >= 2,
       "%s: comm.limit: %g s; expected 0 (none) or at least 2: ranks send a heartbeat twice a second", name, c->comm.limit);
  return good ? FD_OK : FD_CONFIG;
}
