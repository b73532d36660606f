/* Opens the teacher of a classifier and adds its inputs to the batches. */
#include "tasks/teacher.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"

/* Compares the numbers of classes, and their names if both sides have them. */
static fd_status check_classes(const fd_teacher *t, const char *path, const fd_taught_classes *classes) {
  const fd_config *c = &t->model.config;
  const fd_class_names *theirs = &t->model.weights.classes, *ours = classes->names;
  char what[256];
  if (!c->task.outputs || c->task.kind != FD_TASK_CLASSES)
    return fd_fail(FD_CONFIG,
                   "--teacher %s: is no classifier; expected a run of 'findna finetune' on classes, or an imported classifier",
                   path);
  if (c->task.outputs != classes->count)
    return fd_fail(FD_CONFIG, "--teacher %s: has %lld classes, the training rows have %d; expected the same", path,
                   (long long)c->task.outputs, classes->count);
  if (theirs->count && ours->count && fd_class_names_differ(ours, theirs, what, sizeof what))
    return fd_fail(FD_CONFIG,
                   "--teacher %s: its classes are others than those of the training rows: %s; expected the same names in the "
                   "same order",
                   path, what);
  if (!theirs->count != !ours->count)
    fd_info("the teacher's classes are %s, those of the rows %s: they are matched by their order",
            theirs->count ? "names" : "numbers", ours->count ? "names" : "numbers");
  return FD_OK;
}

fd_status fd_teacher_open(fd_teacher *t, const char *path, const fd_taught_classes *classes, fd_comm *comm) {
  FD_TRY(fd_pretrained_open(&t->model, path, &(fd_use){.threads = 1}, comm));
  FD_TRY(fd_pretrained_encoder(&t->model, -1, &t->encoder));
  FD_TRY(check_classes(t, path, classes));
  return fd_pretrained_identity(&t->model, t->encoder.params, t->id, t->tensors);
}

fd_status fd_teacher_read(fd_teacher *t, const char *path, const fd_taught_classes *classes, fd_comm *comm) {
  if (comm->rank) FD_TRY(comm->ops->barrier(comm));
  FD_TRY(fd_stored_logits_read(&t->stored, path, classes));
  return comm->rank ? FD_OK : comm->ops->barrier(comm);
}

/* Looks up the logits of all training rows. */
static fd_status begin_stored(fd_teacher *t, fd_rows *rows) {
  unsigned char digest[FD_SHA256_BYTES];
  size_t count = (size_t)rows->table->rows * (size_t)t->stored.classes;
  FD_TRY(fd_alloc(&t->logits, count, sizeof *t->logits, "stored logits"));
  FD_TRY(fd_stored_logits_take(&t->stored, rows->table, "the training rows", t->logits));
  FD_TRY(fd_sha256_of(t->logits, count * sizeof *t->logits, digest));
  fd_hex(t->id, digest);
  rows->logits = t->logits;
  rows->beside = (fd_beside){.logits = t->stored.classes};
  fd_info("teacher: stored logits of %s (%.12s...)", t->stored.path, t->id);
  return FD_OK;
}

fd_status fd_teacher_check_rows(const fd_teacher *t, const fd_table *table, const char *file, fd_comm *comm) {
  char name[FD_PATH_MAX + 32];
  int most = 0;
  fd_status status = FD_OK;
  snprintf(name, sizeof name, "--teacher: %s", file);
  if (comm->rank == 0 && t->stored.path) status = fd_stored_logits_take(&t->stored, table, file, NULL);
  if (comm->rank == 0 && t->encoder.tokenizer)
    status = fd_rows_check_words(table, t->encoder.tokenizer, t->encoder.network->positions, name, &most);
  return fd_comm_agree(comm, status);
}

/* Finds the number of the teacher's tokens of the longest training row; augmented rows may consist of any words. */
static fd_status most_tokens(const fd_teacher *t, const fd_table *table, int augmented, fd_comm *comm, int *most) {
  *most = fd_rows_longest(table) + fd_config_cls(&t->model.config);
  if (!t->encoder.tokenizer) return FD_OK;
  *most = 0;
  fd_status status = FD_OK;
  if (comm->rank == 0)
    status = fd_rows_check_words(table, t->encoder.tokenizer, t->encoder.network->positions, "--teacher: training rows", most);
  FD_TRY(fd_comm_agree(comm, status));
  if (augmented) {
    int longest = fd_rows_longest(table);
    *most = (int)fd_tokenizer_most(t->encoder.tokenizer, longest);
    return fd_tokenizer_check(t->encoder.tokenizer, longest, *most, t->encoder.network->positions,
                              "--teacher, task.augment: the longest training row at its largest number of words");
  }
  return comm->ops->broadcast(comm, most, sizeof *most, 0);
}

fd_status fd_teacher_begin(fd_teacher *t, fd_device *dev, int count, fd_rows *rows, fd_comm *comm) {
  int most, cls = t->encoder.tokenizer ? 0 : fd_config_cls(&t->model.config);
  if (t->stored.path) return begin_stored(t, rows);
  if (!*t->id) return FD_OK;
  rows->teacher = t->encoder.tokenizer;
  if (rows->teacher) FD_TRY(fd_tokens_create(&rows->teacher_words, rows->teacher, fd_rows_longest(rows->table)));
  FD_TRY(most_tokens(t, rows->table, rows->augmented != NULL, comm, &most));
  rows->beside = (fd_beside){.tokens = most, .cls = cls, .ids = rows->teacher != NULL};
  FD_TRY(fd_frozen_create(&t->frozen, dev, t->encoder.network, t->encoder.params, 1u << FD_OUT_TASK,
                          (fd_extent){count * most, count, cls}));
  fd_info("teacher: the %s of %s (%.12s...), %.3g million parameters", t->encoder.name, t->model.info.folder, t->id,
          1e-6 * (double)t->encoder.network->params.size);
  return FD_OK;
}

json_t *fd_teacher_json(const fd_teacher *t) {
  return json_pack("{s:s, s:s, s:s}", "from", t->stored.path ? t->stored.path : t->model.info.folder, "kind",
                   t->stored.path ? "logits" : "online", "sha256", t->id);
}

void fd_teacher_close(fd_teacher *t) {
  fd_frozen_destroy(&t->frozen);
  fd_stored_logits_free(&t->stored);
  free(t->logits);
  fd_pretrained_close(&t->model);
}
