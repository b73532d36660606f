/* What a model is: the options of its architecture, and how its logits are to be read (SHAPE in schema.def). */
#ifndef FD_CONFIG_SHAPE_H
#define FD_CONFIG_SHAPE_H

#include <string.h>

#include "config/config.h"

enum { FD_SHAPE_MAX = 32, FD_SETTING_MAX = 96 };

typedef struct fd_shape_item {
  const char *name;             /* "channels": no two options have the same */
  int word, real;               /* the value is a word; a number that need not be whole; else a whole one, true or false */
  char setting[FD_SETTING_MAX]; /* "model.channels=308" */
} fd_shape_item;

typedef struct fd_shape {
  int count;
  fd_shape_item item[FD_SHAPE_MAX];
} fd_shape;

/* Its value: what stands behind the first '='. */
static inline const char *fd_shape_value(const fd_shape_item *item) { return strchr(item->setting, '=') + 1; }

/* The shape of a model with this config, in the order of the schema. */
fd_status fd_shape_of(fd_shape *shape, const fd_config *config) FD_MUST_CHECK;

/* The defaults for an encoder, by its name in model.encoder; `place` is for messages: FD_CONFIG when there is none such. */
fd_status fd_shape_defaults(fd_shape *shape, const char *encoder, const char *place) FD_MUST_CHECK;

/* Whether two shapes have the same item of this name. */
int fd_shape_agrees(const fd_shape *a, const fd_shape *b, const char *name);

/* Whether two shapes are the same. */
int fd_shape_equal(const fd_shape *a, const fd_shape *b);

#endif
