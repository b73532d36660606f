/* A frozen teacher of features in pretraining: any model over words of six letters, imported or trained by this program. */
#ifndef FD_TASKS_FEATURES_TEACHER_H
#define FD_TASKS_FEATURES_TEACHER_H

#include "objective/frozen.h"
#include "tasks/pretrained.h"

typedef struct fd_features_teacher {
  fd_pretrained model;
  fd_encoder encoder;
  fd_tokenizer *tokenizer; /* in groups of six letters, so that its words and the student's groups are the same */
  fd_frozen *frozen;
  char id[FD_SHA256_HEX]; /* of its weights; "": there is none */
} fd_features_teacher;

/* Opens a checkpoint, whose best network teaches (fd_pretrained_encoder, -1). FD_CONFIG unless it reads words of as many letters
 * as are hidden together. Collective. */
fd_status fd_features_teacher_open(fd_features_teacher *teacher, const char *path, fd_comm *comm) FD_MUST_CHECK;

/* Bytes of device memory that it takes for passes over `count` windows of so many nucleotides, on a device that stores
 * activations so; bytes of the host's that a cache of so many keys takes (objective/frozen.h). */
size_t fd_features_teacher_memory(const fd_features_teacher *teacher, fd_form form, int count, int window);
double fd_features_teacher_cache_memory(const fd_features_teacher *teacher, fd_form form, int64_t keys, int window);

/* Prepares it for passes over `count` windows of so many nucleotides on the trainer's device; FD_CONFIG where these are more
 * words than it has positions. keys: of what is kept of it; 0: nothing. */
fd_status fd_features_teacher_begin(fd_features_teacher *teacher, fd_device *dev, int count, int window,
                                    int64_t keys) FD_MUST_CHECK;

void fd_features_teacher_close(fd_features_teacher *teacher);

#endif
