/* The teacher that a classifier is distilled from: another classifier, which runs along with it, or stored logits of one. */
#ifndef FD_TASKS_TEACHER_H
#define FD_TASKS_TEACHER_H

#include <jansson.h>

#include "data/rows.h"
#include "objective/frozen.h"
#include "tasks/pretrained.h"
#include "tasks/stored_logits.h"

typedef struct fd_teacher {
  fd_pretrained model;
  fd_encoder encoder;          /* its best weights (fd_pretrained_encoder, -1) */
  fd_frozen *frozen;           /* NULL with stored logits */
  fd_stored_logits stored;     /* path NULL: none */
  float *logits;               /* [training rows, classes] stored logits, or NULL */
  char id[FD_SHA256_HEX];      /* SHA-256 of the classifier or of the logits; "": no teacher */
  char tensors[FD_SHA256_HEX]; /* of the classifier's tensors only (fd_pretrained_identity) */
} fd_teacher;

/* Opens a classifier: a checkpoint of a fine-tuning run or of an imported classifier. FD_CONFIG unless it has the classes of the
 * rows, with the same names in the same order; if one side has no names, only the numbers of classes are compared. Collective. */
fd_status fd_teacher_open(fd_teacher *teacher, const char *path, const fd_taught_classes *classes, fd_comm *comm) FD_MUST_CHECK;

/* Reads stored logits instead (stored_logits.h). Collective: the root reads first, so that an error is reported once. */
fd_status fd_teacher_read(fd_teacher *teacher, const char *path, const fd_taught_classes *classes, fd_comm *comm) FD_MUST_CHECK;

/* Checks, as long as the rows are in the order of their file, that the teacher can read all of them, or that there are logits of
 * each, also of those that will be drawn for validation: FD_DATA names the row. Without a teacher nothing is checked.
 * Collective. */
fd_status fd_teacher_check_rows(const fd_teacher *teacher, const fd_table *table, const char *file, fd_comm *comm) FD_MUST_CHECK;

/* Prepares the teacher for batches of `count` training rows on the trainer's device, and `rows` for the teacher's inputs.
 * FD_DATA, with the row, if the teacher cannot read a row or has no logits of it. Collective. */
fd_status fd_teacher_begin(fd_teacher *teacher, fd_device *dev, int count, fd_rows *rows, fd_comm *comm) FD_MUST_CHECK;

/* The teacher as described in a file of results. */
json_t *fd_teacher_json(const fd_teacher *teacher);

void fd_teacher_close(fd_teacher *teacher);

#endif
