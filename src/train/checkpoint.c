/* Writes checkpoints in the background of the training. */
#include "train/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/finite.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/output.h"
#include "base/signals.h"
#include "base/text.h"
#include "base/version.h"
#include "output/safetensors.h"
#include "train/checkpoint_format.h"

struct fd_checkpointer {
  fd_run run;
  fd_slice *slice; /* [slices], followed by the texts once they are written */
  int slices, texts;
  fd_device *dev;   /* borrowed */
  float **snapshot; /* [slices]; NULL for slices of other ranks */
  char **header;    /* [slices], headers of the files */
  size_t *header_bytes;
  uint64_t *report; /* [slices, 6]: bytes, four words of the hash, status; each slice is filled in by one rank */
  fd_checkpoint_info info;
  char temporary[FD_PATH_MAX];
  int cls, width;
  int busy, late, failed_in_a_row; /* late: still being written after checkpoint.limit */
  fd_status failure, place;        /* place: status of creating the folder, the same on all ranks */
  int64_t durable_step;            /* -1: none yet */
  pthread_t writer;
  atomic_int ready, abandoned;
};

enum { REPORT_BYTES, REPORT_HASH, REPORT_STATUS = REPORT_HASH + 4, REPORT_WORDS };

/* Removes a folder that nothing reads any more. One that cannot be removed (in use on NFS, say) takes only space. */
static void discard(const char *folder) {
  if (fd_remove_folder(folder) != FD_OK) fd_warn("%s: cannot be removed; nothing reads it", folder);
}

/* Removes unfinished folders of earlier processes. The run's lock is held, so no process is writing them. */
static fd_status remove_unfinished(const char *ckpt) {
  DIR *folder = opendir(ckpt);
  if (!folder) return fd_fail_errno("cannot open folder", ckpt);
  fd_status status = FD_OK;
  for (struct dirent *entry; status == FD_OK && (errno = 0, entry = readdir(folder));) {
    char path[FD_PATH_MAX];
    if (strncmp(entry->d_name, ".tmp-", 5) && strncmp(entry->d_name, ".trash-", 7)) continue;
    status = fd_path(path, ckpt, entry->d_name, NULL);
    if (status == FD_OK) discard(path);
  }
  if (status == FD_OK && errno) status = fd_fail_errno("cannot read folder", ckpt);
  closedir(folder);
  return status;
}

/* Makes the header of a slice's file, once and in advance: a writer that is stuck must not use memory that the run has
 * released. */
static fd_status describe(fd_checkpointer *c, int slice) {
  const fd_slice *s = &c->slice[slice];
  int count = s->array == FD_CENTRE ? 1 : s->count;
  fd_tensor *tensors;
  FD_TRY(fd_alloc(&tensors, (size_t)count, sizeof *tensors, "checkpoint"));
  if (s->array == FD_CENTRE) tensors[0] = fd_tensor_f32("centre", c->cls, c->width, c->snapshot[slice]);
  for (int i = 0; s->array != FD_CENTRE && i < s->count; i++) {
    const fd_param *p = &c->run.network->params.item[s->first + i];
    tensors[i] =
        fd_tensor_f32(p->name, p->shape[0], p->dims == 2 ? p->shape[1] : 0, c->snapshot[slice] + (p->offset - s->offset));
  }
  fd_status status = fd_safetensors_header(tensors, count, &c->header[slice], &c->header_bytes[slice]);
  free(tensors);
  return status;
}

fd_status fd_checkpointer_create(fd_checkpointer **checkpointer, const fd_run *run, const fd_state *state) {
  fd_status status = FD_OK;
  FD_TRY(fd_alloc(checkpointer, 1, sizeof **checkpointer, "checkpoint"));
  fd_checkpointer *c = *checkpointer;
  c->run = *run;
  c->dev = state->dev;
  c->durable_step = -1;
  c->cls = state->cls;
  c->width = state->width;
  FD_GO(fd_checkpoint_plan(&run->network->params, state->size, &c->slice, &c->slices));
  FD_GO(fd_alloc(&c->snapshot, (size_t)c->slices, sizeof *c->snapshot, "checkpoint"));
  FD_GO(fd_alloc(&c->header, (size_t)c->slices, sizeof *c->header, "checkpoint"));
  FD_GO(fd_alloc(&c->header_bytes, (size_t)c->slices, sizeof *c->header_bytes, "checkpoint"));
  FD_GO(fd_alloc(&c->report, (size_t)c->slices * REPORT_WORDS, sizeof *c->report, "checkpoint"));
  for (int i = run->comm->rank; i < c->slices; i += run->comm->size) {
    FD_GO(c->dev->alloc_host(c->dev, &c->snapshot[i], c->slice[i].size * sizeof(float), "snapshot for checkpoints"));
    FD_GO(describe(c, i));
  }
  if (run->comm->rank == 0) {
    char ckpt[FD_PATH_MAX];
    FD_GO(fd_path(ckpt, run->folder, "ckpt", NULL));
    FD_GO(fd_make_folder(ckpt));
    FD_GO(remove_unfinished(ckpt));
  }
done:
  if (status != FD_OK) fd_checkpointer_destroy(checkpointer);
  return status;
}

/* The temporary folder of a checkpoint of this step. */
static fd_status name_temporary(fd_checkpointer *c, int64_t step) {
  char name[64];
  snprintf(name, sizeof name, "ckpt/.tmp-step_%09" PRId64, step);
  return fd_path(c->temporary, c->run.folder, name, NULL);
}

/* Root rank: makes the temporary folder; what a writer that was given up has left there is removed. */
static fd_status make_place(const fd_checkpointer *c) {
  FD_TRY(fd_remove_folder(c->temporary));
  return fd_make_folder(c->temporary);
}

/* Writes a file into the temporary folder whose name is as long as that of any file of a checkpoint. */
static fd_status try_file(const fd_checkpointer *c) {
  char path[FD_PATH_MAX], name[sizeof c->slice->name];
  snprintf(name, sizeof name, "%0*d", (int)sizeof name - 1, c->run.comm->rank);
  FD_TRY(fd_path(path, c->temporary, name, NULL));
  return fd_write_file(path, name, sizeof name - 1);
}

fd_status fd_checkpointer_try(fd_checkpointer *c, int64_t last_step) {
  fd_comm *comm = c->run.comm;
  fd_status status = name_temporary(c, last_step);
  if (status == FD_OK && comm->rank == 0) status = make_place(c);
  FD_GO(fd_comm_agree(comm, status));
  FD_GO(fd_comm_agree(comm, try_file(c)));
done:
  if (comm->rank) return status;
  if (*c->temporary && fd_exists(c->temporary)) discard(c->temporary);
  if (status == FD_OK || status == FD_LOST) return status;
  return fd_fail(status, "no checkpoint can be written to %s/ckpt, as the error above says: nothing was trained", c->run.folder);
}

double fd_checkpoint_patience(const fd_config *config) {
  return config->checkpoint.limit > 0 ? config->checkpoint.limit : INFINITY;
}

/* Waits at most `seconds`; returns whether this rank's part is done. */
static int wait_ready(fd_checkpointer *c, double seconds) {
  for (double start = fd_seconds(); !atomic_load(&c->ready) && fd_seconds() - start < seconds;) {
    if (isfinite(seconds)) fd_signals_stop(); /* a sign of progress for comm.stall: this wait has its own limit */
    usleep(2000);
  }
  return atomic_load(&c->ready);
}

void fd_checkpointer_destroy(fd_checkpointer **checkpointer) {
  fd_checkpointer *c = *checkpointer;
  if (!c) return;
  atomic_store(&c->abandoned, 1);
  if (c->busy && !wait_ready(c, c->late ? 0 : fd_checkpoint_patience(c->run.config)))
    return; /* the writer is stuck on a disk that does not respond: leak its memory until the process ends */
  if (c->busy) pthread_join(c->writer, NULL);
  for (int i = 0; c->snapshot && i < c->slices; i++) c->dev->release_host(c->dev, c->snapshot[i]);
  for (int i = 0; c->header && i < c->slices; i++) free(c->header[i]);
  free(c->snapshot);
  free(c->header);
  free(c->header_bytes);
  free(c->report);
  free(c->slice);
  free(c);
  *checkpointer = NULL;
}

/* Verifies that a file on disk has the intended content: memory, a disk or a file system that changes bytes is detected before
 * the checkpoint is committed and an older one is removed. */
static fd_status read_back(const char *path, uint64_t bytes, const char meant[FD_SHA256_HEX]) {
  char found[FD_SHA256_HEX];
  uint64_t size;
  FD_TRY(fd_sha256_file(path, found, &size));
  if (size == bytes && !strcmp(meant, found)) return FD_OK;
  return fd_fail(FD_IO,
                 "%s: reads back as %" PRIu64 " bytes with SHA-256 %.12s... (written: %" PRIu64
                 ", %.12s...): memory or disk is faulty",
                 path, size, found, bytes, meant);
}

/* Writes, hashes and syncs a new file, and reads it back. */
static fd_status write_hashed(const char *path, const void *const parts[2], const size_t bytes[2],
                              unsigned char digest[FD_SHA256_BYTES]) {
  fd_sha256 *hash;
  char hex[FD_SHA256_HEX];
  FD_TRY(fd_sha256_begin(&hash));
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
  fd_status status = fd < 0 ? fd_fail_errno("cannot create", path) : FD_OK;
  for (int i = 0; i < 2; i++) {
    fd_sha256_add(hash, parts[i], bytes[i]);
    if (status == FD_OK) status = fd_write_all(fd, parts[i], bytes[i], path);
  }
  fd_status hashed = fd_sha256_end(&hash, digest);
  if (status == FD_OK) status = hashed;
  if (status == FD_OK && fsync(fd)) status = fd_fail_errno("cannot sync", path);
  if (fd >= 0 && close(fd) && status == FD_OK) status = fd_fail_errno("cannot close", path);
  FD_TRY(status);
  fd_hex(hex, digest);
  return read_back(path, bytes[0] + bytes[1], hex);
}

static fd_status write_slice(fd_checkpointer *c, int i) {
  char path[FD_PATH_MAX];
  unsigned char digest[FD_SHA256_BYTES];
  const void *const parts[2] = {c->header[i], c->snapshot[i]};
  const size_t bytes[2] = {c->header_bytes[i], c->slice[i].size * sizeof(float)};
  FD_TRY(fd_path(path, c->temporary, c->slice[i].name, NULL));
  FD_TRY(write_hashed(path, parts, bytes, digest));
  uint64_t *report = c->report + (size_t)i * REPORT_WORDS;
  report[REPORT_BYTES] = bytes[0] + bytes[1];
  memcpy(report + REPORT_HASH, digest, sizeof digest);
  return FD_OK;
}

/* Ends with the first slice that cannot be written: the others would fail for the same reason. */
static void *write_slices(void *argument) {
  fd_checkpointer *c = argument;
  fd_status status = c->place;
  for (int i = 0; i < c->slices && status == FD_OK; i++) {
    if (!c->snapshot[i] || atomic_load(&c->abandoned)) continue;
    status = write_slice(c, i);
    c->report[(size_t)i * REPORT_WORDS + REPORT_STATUS] = status;
  }
  atomic_store(&c->ready, 1);
  return NULL;
}

/* Refuses a state with values that are not finite: no run can resume from it, so it must not replace older checkpoints. */
static fd_status check_snapshot(const fd_checkpointer *c) {
  for (int i = 0; i < c->slices; i++) {
    const fd_slice *s = &c->slice[i];
    size_t place = c->snapshot[i] ? fd_first_bad(c->snapshot[i], s->size) : s->size;
    if (place == s->size) continue;
    const fd_param *p = s->array == FD_CENTRE ? NULL : fd_params_at(&c->run.network->params, s->offset + place);
    return fd_fail(FD_NUMERIC,
                   "step %" PRId64
                   ": %s, tensor '%s', element %zu is not finite: the training has diverged and this state is not saved; "
                   "older checkpoints stay. Try a smaller optim.lr, or resume from one of them",
                   c->info.step, fd_array_names[s->array], p ? p->name : "centre", p ? s->offset + place - p->offset : place);
  }
  return FD_OK;
}

fd_status fd_checkpointer_begin(fd_checkpointer *c, const fd_state *state) {
  fd_checkpoint_info *info = &c->info;
  *info = (fd_checkpoint_info){.step = state->step,
                               .updates = state->updates,
                               .skipped = state->skipped,
                               .bad_in_row = state->bad_in_row,
                               .best_step = state->best_step,
                               .best_score = state->best_score,
                               .draws = state->draws,
                               .window = c->run.window,
                               .virtual_ranks = (int)c->run.config->train.virtual_ranks};
  snprintf(info->reduction, sizeof info->reduction, "%s",
           c->run.config->comm.reduction == FD_REDUCTION_FAST ? "fast" : "reproducible");
  snprintf(info->dataset_id, sizeof info->dataset_id, "%s", c->run.dataset_id);
  snprintf(info->version, sizeof info->version, "%s", fd_version());
  snprintf(info->teacher, sizeof info->teacher, "%s", c->run.teacher ? c->run.teacher : "");
  snprintf(info->kernels, sizeof info->kernels, "%s", state->dev->kernels);
  FD_TRY(fd_config_hash(c->run.config, info->config_hash));
  FD_TRY(name_temporary(c, state->step));
  memset(c->report, 0, (size_t)c->slices * REPORT_WORDS * sizeof *c->report);
  for (int i = 0; i < c->slices; i++)
    if (c->snapshot[i])
      FD_TRY(state->dev->copy(state->dev, c->snapshot[i], state->array[c->slice[i].array] + c->slice[i].offset,
                              c->slice[i].size * sizeof(float)));
  FD_TRY(state->dev->sync(state->dev));
  FD_TRY(fd_comm_agree(c->run.comm, check_snapshot(c)));
  /* If the folder cannot be made, no rank writes; fd_checkpointer_finish reports this like a full disk. */
  c->place = fd_comm_agree(c->run.comm, c->run.comm->rank == 0 ? make_place(c) : FD_OK);
  atomic_store(&c->ready, 0);
  if (pthread_create(&c->writer, NULL, write_slices, c))
    return fd_fail(FD_MEMORY, "cannot start the thread that writes checkpoints");
  c->busy = 1, c->late = 0;
  return FD_OK;
}

int fd_checkpointer_busy(const fd_checkpointer *c) { return c->busy; }

int fd_checkpointer_late(const fd_checkpointer *c) { return c->late; }

int fd_checkpointer_ready(const fd_checkpointer *c) { return c->busy && atomic_load(&c->ready); }

fd_status fd_checkpointer_wait(fd_checkpointer *c, double seconds, int *ready) {
  uint64_t done = (uint64_t)wait_ready(c, seconds);
  FD_TRY(c->run.comm->ops->sum_u64(c->run.comm, &done, 1));
  *ready = done == (uint64_t)c->run.comm->size;
  c->late = !*ready;
  return FD_OK;
}

/* Takes a checkpoint out of the candidates with one atomic rename: a partly removed folder must not be a candidate. The name may
 * be that of a folder that could not be removed (discard): then the next one is taken. */
static fd_status move_to_trash(const fd_checkpointer *c, int64_t step, char trash[FD_PATH_MAX]) {
  enum { NAMES = 1000 };
  char path[FD_PATH_MAX], name[64];
  FD_TRY(fd_checkpoint_folder(path, c->run.folder, step));
  for (int i = 0; i < NAMES; i++) {
    snprintf(name, sizeof name, "ckpt/.trash-%" PRId64 "-%d", step, i);
    FD_TRY(fd_path(trash, c->run.folder, name, NULL));
    if (!rename(path, trash)) return FD_OK;
    if (errno != ENOTEMPTY && errno != EEXIST) break;
  }
  return fd_fail_errno("cannot rename", path);
}

/* Root rank: checks that the temporary folder is complete on disk, as visible from this host: the MANIFEST reads back, and each
 * file has its size. The contents of the slices were read back on the ranks that wrote them. */
static fd_status check_written(const fd_checkpointer *c) {
  char path[FD_PATH_MAX];
  fd_checkpoint_info info;
  fd_slice *slices;
  int count;
  FD_TRY(fd_alloc(&slices, FD_CHECKPOINT_FILES_MAX, sizeof *slices, "checkpoint"));
  fd_status status = fd_checkpoint_manifest_parse(c->temporary, &info, slices, &count);
  if (status == FD_OK && (count != c->slices + c->texts || strcmp(info.state_id, c->info.state_id)))
    status = fd_fail(FD_IO, "%s: its MANIFEST reads back as a different one", c->temporary);
  for (int i = 0; i < count && status == FD_OK; i++) {
    uint64_t bytes;
    status = fd_path(path, c->temporary, slices[i].name, NULL);
    if (status == FD_OK) status = fd_file_size(path, &bytes);
    if (status == FD_OK && bytes != slices[i].bytes)
      status = fd_fail(FD_IO, "%s: has %" PRIu64 " bytes, but %" PRIu64 " were written", path, bytes, slices[i].bytes);
    if (status == FD_OK && i >= c->slices) status = read_back(path, bytes, c->slice[i].sha256);
  }
  free(slices);
  return status;
}

/* Writes a text next to the arrays, and records its hash after theirs. */
static fd_status write_text(fd_checkpointer *c, const char *name, const char *text, size_t bytes) {
  fd_slice *s = &c->slice[c->slices + c->texts++];
  char path[FD_PATH_MAX];
  unsigned char digest[FD_SHA256_BYTES];
  *s = (fd_slice){.bytes = bytes};
  snprintf(s->name, sizeof s->name, "%s", name);
  FD_TRY(fd_sha256_of(text, bytes, digest));
  fd_hex(s->sha256, digest);
  FD_TRY(fd_path(path, c->temporary, name, NULL));
  return fd_write_file(path, text, bytes);
}

static fd_status write_config(fd_checkpointer *c) {
  char *text = NULL;
  size_t bytes;
  FILE *out;
  FD_TRY(fd_text_open(&out, &text, &bytes));
  fd_config_print(out, c->run.config, FD_CONFIG_YAML);
  FD_TRY(fd_text_close(out, &text));
  fd_status status = write_text(c, FD_CONFIG_TEXT, text, bytes);
  free(text);
  return status;
}

static fd_status write_classes(fd_checkpointer *c) {
  char *text;
  size_t bytes;
  if (!c->run.classes || !c->run.classes->count) return FD_OK;
  FD_TRY(fd_class_names_text(c->run.classes, &text, &bytes));
  fd_status status = write_text(c, FD_CLASSES_TEXT, text, bytes);
  free(text);
  return status;
}

/* Root rank: writes the texts and the MANIFEST, then commits with an atomic rename. */
static fd_status commit(fd_checkpointer *c) {
  char path[FD_PATH_MAX], final[FD_PATH_MAX], ckpt[FD_PATH_MAX], trash[FD_PATH_MAX] = "", *text = NULL;
  size_t bytes;
  fd_status status = FD_OK;
  c->texts = 0;
  FD_GO(write_config(c));
  FD_GO(write_classes(c));
  FD_GO(fd_checkpoint_manifest_text(&c->info, c->slice, c->slices, c->texts, &text, &bytes));
  FD_GO(fd_path(path, c->temporary, "MANIFEST", NULL));
  FD_GO(fd_write_file(path, text, bytes));
  FD_GO(check_written(c));
  FD_GO(fd_sync_folder(c->temporary));
  FD_GO(fd_checkpoint_folder(final, c->run.folder, c->info.step));
  FD_GO(fd_path(ckpt, c->run.folder, "ckpt", NULL));
  if (fd_exists(final)) FD_GO(move_to_trash(c, c->info.step, trash)); /* an invalid one that the resume skipped */
  FD_GO(fd_commit_rename(c->temporary, final));
  if (*trash) discard(trash);
done:
  free(text);
  return status;
}

/* Root rank: removes committed checkpoints except the newest checkpoint.keep, and those of steps divisible by
 * checkpoint.keep_every. */
static fd_status prune(const fd_checkpointer *c) {
  int64_t *steps, every = c->run.config->checkpoint.keep_every;
  int count, kept = 0;
  FD_TRY(fd_checkpoint_list(c->run.folder, &steps, &count));
  fd_status status = FD_OK;
  for (int i = 0; i < count && status == FD_OK; i++) {
    char trash[FD_PATH_MAX];
    if (steps[i] > c->info.step || kept++ < c->run.config->checkpoint.keep || (every && steps[i] % every == 0)) continue;
    status = move_to_trash(c, steps[i], trash);
    if (status == FD_OK) discard(trash);
  }
  free(steps);
  return status;
}

fd_status fd_checkpointer_finish(fd_checkpointer *c, int *durable, char state_id[FD_SHA256_HEX]) {
  uint64_t good = 1;
  fd_status failure = FD_OK;
  *durable = 0;
  pthread_join(c->writer, NULL);
  c->busy = 0;
  FD_TRY(c->run.comm->ops->sum_u64(c->run.comm, c->report, (size_t)c->slices * REPORT_WORDS));
  for (int i = 0; i < c->slices; i++) {
    uint64_t *report = c->report + (size_t)i * REPORT_WORDS;
    c->slice[i].bytes = report[REPORT_BYTES];
    fd_hex(c->slice[i].sha256, (unsigned char *)(report + REPORT_HASH));
    if (report[REPORT_STATUS]) failure = (fd_status)report[REPORT_STATUS];
  }
  if (c->place != FD_OK) failure = c->place;
  if (c->run.comm->rank == 0 && failure == FD_OK) failure = commit(c);
  good = failure == FD_OK;
  FD_TRY(c->run.comm->ops->broadcast(c->run.comm, &good, sizeof good, 0));
  FD_TRY(c->run.comm->ops->broadcast(c->run.comm, c->info.state_id, sizeof c->info.state_id, 0));
  if (state_id) memcpy(state_id, c->info.state_id, FD_SHA256_HEX);
  c->failed_in_a_row = good ? 0 : c->failed_in_a_row + 1;
  c->failure = good ? FD_OK : failure != FD_OK ? failure : FD_IO;
  if (good) c->durable_step = c->info.step;
  if (!good && c->run.comm->rank == 0) {
    char last[64] = "none of this process";
    if (c->durable_step >= 0) snprintf(last, sizeof last, "step %" PRId64, c->durable_step);
    if (c->info.step == 0) fd_warn("the checkpoint could not be written");
    else
      fd_warn("checkpoint of step %" PRId64 " failed; training goes on, older checkpoints stay (last durable: %s)", c->info.step,
              last);
    if (c->place == FD_OK) discard(c->temporary);
  }
  if (good && c->run.comm->rank == 0 && prune(c) != FD_OK) fd_warn("could not remove old checkpoints of %s", c->run.folder);
  *durable = (int)good;
  return FD_OK;
}

fd_status fd_checkpointer_failure(const fd_checkpointer *c, int *in_a_row) {
  *in_a_row = c->failed_in_a_row;
  return c->failure;
}
