/* The shape of a model: the options that define its architecture and the meaning of its logits (SHAPE in schema.def). */
#ifndef FD_CONFIG_SHAPE_H
#define FD_CONFIG_SHAPE_H

#include <string.h>

#include "config/config.h"

enum { FD_SHAPE_MAX = 32, FD_SETTING_MAX = 96 };

typedef struct fd_shape_item {
  const char *name;             /* "channels": unique among shape options */
  int word, real;               /* the value is a word; a real number; if neither, an integer, true or false */
  char setting[FD_SETTING_MAX]; /* "model.channels=308" */
} fd_shape_item;

typedef struct fd_shape {
  int count;
  fd_shape_item item[FD_SHAPE_MAX];
} fd_shape;

/* The value of an item: the text after the first '='. */
static inline const char *fd_shape_value(const fd_shape_item *item) { return strchr(item->setting, '=') + 1; }

/* The shape of a model with this config, in the order of the schema. */
fd_status fd_shape_of(fd_shape *shape, const fd_config *config) FD_MUST_CHECK;

/* The defaults for an encoder, by its name in model.encoder; `place` is for messages: FD_CONFIG when there is no such encoder. */
fd_status fd_shape_defaults(fd_shape *shape, const char *encoder, const char *place) FD_MUST_CHECK;

/* Whether two shapes have the same item of this name. */
int fd_shape_agrees(const fd_shape *a, const fd_shape *b, const char *name);

/* Whether two shapes are the same. */
int fd_shape_equal(const fd_shape *a, const fd_shape *b);

#endif
