/* What a classifier is distilled from: another classifier, which runs beside it, or the logits that one has left in a file. */
#ifndef FD_TASKS_TEACHER_H
#define FD_TASKS_TEACHER_H

#include <jansson.h>

#include "data/rows.h"
#include "objective/frozen.h"
#include "tasks/pretrained.h"
#include "tasks/stored_logits.h"

typedef struct fd_teacher {
  fd_pretrained model;
  fd_encoder encoder;      /* its weights that teach: the best ones of a fine-tuning */
  fd_frozen *frozen;       /* NULL with stored logits */
  fd_stored_logits stored; /* path NULL: none */
  float *logits;           /* [training rows, classes] of them, or NULL */
  char id[FD_SHA256_HEX];  /* of its weights, or of these logits; "": none */
} fd_teacher;

/* Opens a classifier: a checkpoint of a fine-tuning, or of an imported classifier. FD_CONFIG unless its classes are those of the
 * rows, by name and in their order; where one side has numbers in the place of names, their number is compared. Collective. */
fd_status fd_teacher_open(fd_teacher *teacher, const char *path, const fd_taught_classes *classes, fd_comm *comm) FD_MUST_CHECK;

/* Reads stored logits in its place (stored_logits.h). Collective: the root reads first, so that what is wrong is said once. */
fd_status fd_teacher_read(fd_teacher *teacher, const char *path, const fd_taught_classes *classes, fd_comm *comm) FD_MUST_CHECK;

/* Prepares it for batches of `count` training rows on the trainer's device: FD_DATA, with the row, unless it can read all of
 * them, or has their logits. `rows` gets what it needs of each. Collective. */
fd_status fd_teacher_begin(fd_teacher *teacher, fd_device *dev, int count, fd_rows *rows, fd_comm *comm) FD_MUST_CHECK;

/* What a file of results says of it. */
json_t *fd_teacher_json(const fd_teacher *teacher);

void fd_teacher_close(fd_teacher *teacher);

#endif
