/* The option table behind the config struct; private to src/config and the tests. */
#ifndef FD_CONFIG_OPTIONS_H
#define FD_CONFIG_OPTIONS_H

#include <stddef.h>
#include <stdio.h>

#include "config/config.h"

typedef enum fd_option_kind { FD_OPTION_INT, FD_OPTION_REAL, FD_OPTION_BOOL, FD_OPTION_CHOICE, FD_OPTION_TEXT } fd_option_kind;

/* Whether a key may change at resume, and which models have it; see schema.def. */
typedef enum fd_change {
  FD_CHANGE_FREE,
  FD_CHANGE_FROZEN,
  FD_CHANGE_SHAPE,
  FD_CHANGE_CHORDMIXER,
  FD_CHANGE_TRANSFORMER,
  FD_CHANGE_BLOCKS,
  FD_CHANGE_WORDS,
  FD_CHANGE_AUTOENCODER,
  FD_CHANGE_CONVOLUTION,
  FD_CHANGE_DELTA
} fd_change;

typedef struct fd_option {
  const char *section, *name;
  fd_option_kind kind;
  size_t offset;       /* in fd_config */
  double number;       /* default of INT, REAL, BOOL, CHOICE */
  const char *text;    /* default of TEXT */
  double min, max;     /* TEXT: max is 1 for a path */
  const char *choices; /* "a|b|c" */
  fd_change change;
  const char *help;
} fd_option;

extern const fd_option fd_options[];
extern const int fd_option_count;

static inline int fd_option_frozen(const fd_option *option) { return option->change != FD_CHANGE_FREE; }

/* Bytes of the option's value in this config. */
size_t fd_option_bytes(const fd_config *config, const fd_option *option);

/* Whether the option is part of the shape of a model with this encoder. */
static inline int fd_option_shapes(const fd_option *option, int encoder) {
  switch (option->change) {
    case FD_CHANGE_SHAPE: return 1;
    case FD_CHANGE_CHORDMIXER: return encoder == FD_ARCH_CHORDMIXER;
    case FD_CHANGE_TRANSFORMER: return fd_config_encoder_has(encoder, FD_HAS_ATTENTION);
    case FD_CHANGE_BLOCKS: return encoder == FD_ARCH_TRANSFORMER;
    case FD_CHANGE_WORDS: return fd_config_encoder_has(encoder, FD_HAS_IDS);
    case FD_CHANGE_AUTOENCODER: return encoder == FD_ARCH_MAE;
    case FD_CHANGE_CONVOLUTION: return fd_config_encoder_has(encoder, FD_HAS_CONVOLUTIONS);
    case FD_CHANGE_DELTA: return encoder == FD_ARCH_HAD;
    case FD_CHANGE_FREE:
    case FD_CHANGE_FROZEN: break;
  }
  return 0;
}

/* The option section.name, or NULL. */
const fd_option *fd_option_find(const char *section, const char *name);

/* Sets an option from text. Returns 1; 0 for a bad value, with the reason in `why`; -1 when out of memory, which is logged. */
int fd_option_set(fd_config *config, const fd_option *option, const char *text, char *why, size_t room);

/* Word number `index` of "a|b|c", of *length bytes. */
const char *fd_choice_text(const char *choices, int index, int *length);

/* Prints the value as YAML. */
void fd_option_print(FILE *out, const fd_config *config, const fd_option *option);

/* SHA-256 (hex) of the frozen keys; with `named` [fd_option_count] only of those that are marked there. */
fd_status fd_frozen_hash(const fd_config *config, const unsigned char *named, char hex[FD_SHA256_HEX]) FD_MUST_CHECK;

/* Checks values against each other; logs every conflict (`name` is the config file) and returns FD_CONFIG, or FD_OK. */
fd_status fd_config_check(const fd_config *config, const char *name) FD_MUST_CHECK;

#endif
