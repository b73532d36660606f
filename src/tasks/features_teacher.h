/* A frozen teacher whose features a student is aligned with in pretraining: any model over words of six letters, imported or
 * trained by this program. */
#ifndef FD_TASKS_FEATURES_TEACHER_H
#define FD_TASKS_FEATURES_TEACHER_H

#include "objective/frozen.h"
#include "tasks/pretrained.h"

typedef struct fd_features_teacher {
  fd_pretrained model;
  fd_encoder encoder;
  fd_tokenizer *tokenizer; /* in groups of six letters, so that its words coincide with the student's groups */
  fd_frozen *frozen;
  char id[FD_SHA256_HEX], tensors[FD_SHA256_HEX]; /* of fd_pretrained_identity; "": no teacher */
} fd_features_teacher;

/* Opens a checkpoint and selects its best network (fd_pretrained_encoder, -1). FD_CONFIG unless its words have FD_GROUP letters,
 * the number that is hidden together, and it was trained on [MASK] if it is to see it (teacher.sees of the student's config).
 * Collective. */
fd_status fd_features_teacher_open(fd_features_teacher *teacher, const char *path, const fd_config *student,
                                   fd_comm *comm) FD_MUST_CHECK;

/* Bytes of device memory for passes over `count` windows of `window` nucleotides, with activations stored as `form` says; bytes
 * of host memory of a cache of `keys` keys (objective/frozen.h). */
size_t fd_features_teacher_memory(const fd_features_teacher *teacher, fd_form form, int count, int window);
double fd_features_teacher_cache_memory(const fd_features_teacher *teacher, fd_form form, int64_t keys, int window);

/* Prepares the teacher for passes over `count` windows of `window` nucleotides on the trainer's device; FD_CONFIG if a window has
 * more words than the teacher has positions. keys: number of keys of its cache; 0: no cache. */
fd_status fd_features_teacher_begin(fd_features_teacher *teacher, fd_device *dev, int count, int window,
                                    int64_t keys) FD_MUST_CHECK;

void fd_features_teacher_close(fd_features_teacher *teacher);

#endif
