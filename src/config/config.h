/* The configuration of a run: a struct generated from schema.def, read from YAML and command-line overrides. */
#ifndef FD_CONFIG_CONFIG_H
#define FD_CONFIG_CONFIG_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "base/hash.h"

/* The choices of schema.def, in its order. */
enum { FD_CLS_ZERO, FD_CLS_LEARNED };
enum { FD_TRANS_BREAK, FD_TRANS_SHIFT };
enum { FD_SEES_FULL, FD_SEES_VISIBLE };
enum { FD_SEES_MASKED, FD_SEES_CLEAN };
enum { FD_DISTIL_MSE, FD_DISTIL_COSINE };
enum { FD_DISTIL_MEAN, FD_DISTIL_REPEAT };
enum { FD_DISTIL_LAYER, FD_DISTIL_AS_IS };
enum { FD_DISTIL_LINEAR, FD_DISTIL_SAME };
enum { FD_REFRESH_EPOCH, FD_REFRESH_ONCE };
enum { FD_MNM_CE, FD_MNM_BCE };
enum { FD_REDUCE_SUM, FD_REDUCE_MEAN };
enum { FD_MASK_OK, FD_MASK_SCRAMBLED };
enum { FD_AXIS_K, FD_AXIS_D };
enum { FD_SPACE_HEAD, FD_SPACE_LATENT, FD_SPACE_PROJECTION };
enum {
  FD_TEACHER_EMA,
  FD_TEACHER_NONE,
  FD_TEACHER_BEST /* in files only: an older name for none */,
  FD_TEACHER_FROZEN,
  FD_TEACHER_LOGITS
};
enum { FD_EMA_AFTER, FD_EMA_BEFORE };
enum { FD_TASK_CLASSES, FD_TASK_VALUES };
enum { FD_TASK_GELU, FD_TASK_TANH };
enum {
#define ARCH(NAME, name, has) FD_ARCH_##NAME,
#include "config/archs.def"
#undef ARCH
};
enum { FD_NORM_PRE, FD_NORM_POST };
enum { FD_NORM_LAYER, FD_NORM_RMS };
enum {
#define TOKENIZER(NAME, name) FD_TOKENIZER_##NAME,
#include "config/tokenizers.def"
#undef TOKENIZER
};
enum { FD_LM_HEAD_AUTO, FD_LM_HEAD_NONE, FD_LM_HEAD_TIED, FD_LM_HEAD_OWN };
/* Of task.features and of objective.projection_of. */
typedef enum fd_features { FD_FEATURES_TOKENS, FD_FEATURES_CLS, FD_FEATURES_BOTH, FD_FEATURES_MAX } fd_features;
enum { FD_SELECT_LOSS, FD_SELECT_ACCURACY, FD_SELECT_F1, FD_SELECT_MCC };
enum { FD_SCHEDULE_COSINE, FD_SCHEDULE_CONSTANT, FD_SCHEDULE_ONE_CYCLE };
enum { FD_DECAY_ALL, FD_DECAY_MATRICES };
enum { FD_DEVICE_CPU, FD_DEVICE_CUDA };
#define FD_SIMD_CHOICES "auto|avx512|avx2|generic|amx|amx_model|neon"
enum { FD_SIMD_AUTO, FD_SIMD_AVX512, FD_SIMD_AVX2, FD_SIMD_GENERIC, FD_SIMD_AMX, FD_SIMD_AMX_MODEL, FD_SIMD_NEON };
enum { FD_PRECISION_AUTO, FD_PRECISION_FP32, FD_PRECISION_BF16 };
enum { FD_REDUCTION_REPRODUCIBLE, FD_REDUCTION_FAST };
enum { FD_TRANSPORT_AUTO, FD_TRANSPORT_MPI, FD_TRANSPORT_NCCL };

enum { FD_TEXT_MAX = 4096, FD_CONFIG_FILE_MAX = 65536 };

/* Letters of a group, a word of tokenizer nt6: hidden together, and compared with a row of a teacher. */
enum { FD_GROUP = 6 };

typedef struct fd_config {
#define SECTION(section) struct {
#define END(section) \
  }                  \
  section;
#define INT(section, name, value, min, max, change, help) int64_t name;
#define REAL(section, name, value, min, max, change, help) double name;
#define BOOL(section, name, value, change, help) int name;
#define TEXT(section, name, value, change, help) char name[FD_TEXT_MAX];
#define PATH(section, name, value, change, help) char name[FD_TEXT_MAX];
#define CHOICE(section, name, value, choices, change, help) int name;
#include "config/schema.def"
#undef SECTION
#undef END
#undef INT
#undef REAL
#undef BOOL
#undef TEXT
#undef PATH
#undef CHOICE
} fd_config;

/* How the configuration is printed. */
typedef enum fd_config_style {
  FD_CONFIG_YAML,
  FD_CONFIG_YAML_HELP,
  FD_CONFIG_MARKDOWN,
  FD_CONFIG_MAN,   /* entries of a man page (man(7)) */
  FD_CONFIG_WORDS, /* for completion, as in base/help.h */
  FD_CONFIG_FROZEN
} fd_config_style;

/* All defaults. */
void fd_config_defaults(fd_config *config);

/* [CLS] rows after each sequence in training: 0 for a task that uses nucleotides only and for models over token ids. */
int fd_config_cls(const fd_config *config);

/* Whether an encoder (FD_ARCH_...) has what archs.def says of it: token ids as input (else nucleotides), attention,
 * convolutions, rotary positions, learned positions (a table of model.positions tokens). */
enum { FD_HAS_IDS = 1, FD_HAS_ATTENTION = 2, FD_HAS_CONVOLUTIONS = 4, FD_HAS_ROTATION = 8, FD_HAS_POSITIONS = 16 };
int fd_config_encoder_has(int encoder, int what);

/* Whether the encoder reads token ids; else it reads nucleotides. */
int fd_config_reads_ids(const fd_config *config);

/* Whether tokens are hidden for the model to predict: the pretraining of an autoencoder, which does not see them, or of an
 * encoder over token ids with a language-model head, which sees [MASK] there. */
int fd_config_hides(const fd_config *config);

/* Tokens of a window of `window` nucleotides in pretraining, without [CLS] rows: its nucleotides, or its token ids (an upper
 * bound for bpe). */
int fd_config_tokens(const fd_config *config, int window);

/* Whether a model in pretraining aligns its latents with the features of a frozen teacher. */
int fd_config_aligns(const fd_config *config);

/* Whether the encoder has attention. */
int fd_config_attends(const fd_config *config);

/* Whether the encoder has convolutions; and the widths of these in rows, from model.kernels: returns their number, -1 when the
 * text is not such a list. */
enum { FD_KERNELS_MAX = 8 };
int fd_config_convolves(const fd_config *config);
int fd_config_kernels(const fd_config *config, int taps[FD_KERNELS_MAX]);

/* The reaches of the context tables, from eval.contexts: returns their number, which may be 0, or -1 when the text is not such a
 * list. */
enum { FD_CONTEXTS_MAX = 7 };
int fd_config_contexts(const fd_config *config, int reach[FD_CONTEXTS_MAX]);

/* With fewer windows the mutual information of the collapse monitor is biased upwards and collapse would be missed, so no warning
 * is derived from them. */
enum { FD_MONITOR_WINDOWS = 512 };

/* Whether a classifier learns from a teacher's probabilities of its classes. */
int fd_config_distils(const fd_config *config);

/* Dropout rates in training, the task's or pretraining's: of what layers add, of attention probabilities, and of the input of the
 * task head's last layer (in cnn task.dropout, as published). */
double fd_config_dropout(const fd_config *config);
double fd_config_attention_dropout(const fd_config *config);
double fd_config_head_dropout(const fd_config *config);

/* The encoder's language-model head: FD_LM_HEAD_NONE, ..._TIED or ..._OWN. */
int fd_config_lm_head(const fd_config *config);

/* Whether the self-distillation term has a projection. */
int fd_config_projects(const fd_config *config);

/* Warns about options of other kinds of runs (fine-tuning, views of nucleotides, hidden words) that differ from their defaults.
 */
void fd_config_warn_unused(const fd_config *config);

/* Reads YAML text (at most FD_CONFIG_FILE_MAX bytes; `name` is for messages), then applies `count` overrides "section.key=value"
 * and checks the values against the schema and each other. FD_CONFIG: errors of the text are logged as name:line:column, then
 * those of the overrides, at most 20 in all; without any, all conflicts between options. FD_MEMORY: out of memory. */
fd_status fd_config_parse(fd_config *config, const char *text, size_t bytes, const char *name, char *const *overrides,
                          int count) FD_MUST_CHECK;

/* The same for settings that were read from the file `name`. */
fd_status fd_config_parse_settings(fd_config *config, const char *text, const char *name, char *const *settings,
                                   int count) FD_MUST_CHECK;

/* Reads a text that fd_config_print wrote, in this version or an older one with fewer keys; `hex` is what fd_config_hash returned
 * then: the hash of the frozen keys that the text names. */
fd_status fd_config_parse_saved(fd_config *config, const char *text, size_t bytes, const char *name,
                                char hex[FD_SHA256_HEX]) FD_MUST_CHECK;

/* Whether an override "section.key=value" sets a free key, which does not change the result. */
int fd_config_is_free(const char *override);

/* Finds the config file: a path (with a '/' or '.'), or the bare name of one in the folders of fd_config_folder. Returns its text
 * (released with free()) and its path [FD_PATH_MAX]. */
fd_status fd_config_read(const char *name, char path[], char **text, size_t *bytes) FD_MUST_CHECK;

/* Finds, reads and parses the config file `name` (NULL: all defaults) with these overrides; errors as in fd_config_read and
 * fd_config_parse. */
fd_status fd_config_load(fd_config *config, const char *name, char *const *overrides, int count) FD_MUST_CHECK;

/* Folder i = 0, 1, ... that is searched for configs: ./configs, next to the program, installed; "" when it is unknown. Returns 0
 * after the last. */
int fd_config_folder(int i, char folder[]);

/* Prints the configuration; FD_CONFIG_FROZEN prints only the frozen keys, one "section.key=value" per line. */
void fd_config_print(FILE *out, const fd_config *config, fd_config_style style);

/* SHA-256 (hex) of the frozen keys: two runs with the same hash and data are the same experiment. */
fd_status fd_config_hash(const fd_config *config, char hex[FD_SHA256_HEX]) FD_MUST_CHECK;

/* Logs every frozen key in which the two differ ("optim.lr: 0.001 (checkpoint) -> 0.002 (now)") and returns FD_CONFIG, or FD_OK
 * when they agree. */
fd_status fd_config_compare_frozen(const fd_config *saved, const fd_config *now) FD_MUST_CHECK;

#endif
