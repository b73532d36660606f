/* Reads files with one flipped bit or cut short, in one process: flip FOLDER TRIALS SEED.
 *
 * FOLDER holds run (one checkpoint), shards, export, embeddings.h5 and embeddings.npy, and is best in memory. A damaged file must
 * be refused, or give what the whole one gave (if the byte is never read); where the format has no checksum, a flipped bit may
 * also give other values, but a cut file must be refused. No crash, and no load longer than LIMIT seconds. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "commands/command.h"
#include "data/shards.h"
#include "tasks/model_file.h"
#include "train/checkpoint.h"

enum { LIMIT = 60, FILES_MAX = 32 };

/* The result of a load: the hash of everything that its user would see. */
typedef struct outcome {
  fd_status status;
  char content[FD_SHA256_HEX];
} outcome;

typedef struct world {
  char path[FD_PATH_MAX], step[FD_PATH_MAX];
  fd_config config;
  fd_device *dev;
  fd_network *network;
  fd_state *state;
  fd_run run;
  char dataset_id[FD_SHA256_HEX];
} world;

typedef struct file {
  char path[FD_PATH_MAX];
  char *text;
  size_t bytes;
} file;

/* A kind of file or folder, and how it is read; `sealed`: a checksum covers every byte that is read. */
typedef struct subject {
  const char *name, *place, *only; /* a file or folder below FOLDER; of the folder only this file */
  int sealed;
  fd_status (*load)(world *w, fd_sha256 *content);
  int64_t flips, cuts, refused, same, other, wrong;
} subject;

static char now[FD_PATH_MAX + 128]; /* the current trial, printed after a crash */
static int terminal;

static void crash(int sig) {
  static const char text[] = "CRASH or hang: ";
  (void)sig;
  if (write(terminal, text, sizeof text - 1) < 0 || write(terminal, now, strlen(now)) < 0) _exit(98);
  _exit(99);
}

/* Restores default signal handlers in child processes of a reader, so that they die as usual. */
static void plain_child(void) {
  const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) signal(signals[i], SIG_DFL);
}

static void need(int condition, const char *what) {
  if (condition) return;
  dprintf(terminal, "flip: %s\n", what);
  exit(2);
}

/* --- the loads ------------------------------------------------------------------------------------------------------- */

static const char *below(const world *w, const char *name) {
  static char path[FD_PATH_MAX];
  need(fd_path(path, w->path, name, NULL) == FD_OK, "a path is too long");
  return path;
}

static fd_status load_all_files(world *w, fd_sha256 *content) {
  fd_checkpoint_info info;
  FD_TRY(fd_checkpoint_verify(w->step, 1, &info));
  fd_sha256_add(content, info.state_id, sizeof info.state_id);
  return FD_OK;
}

static fd_status load_weights(world *w, fd_sha256 *content) {
  static fd_config config;
  fd_checkpoint_info info;
  fd_weights weights;
  FD_TRY(fd_checkpoint_open_weights(fd_comm_self(), below(w, "run"), &config, &info, &weights));
  fd_sha256_add(content, weights.of[FD_STUDENT], w->network->params.size * sizeof(float));
  fd_sha256_add(content, weights.of[FD_TEACHER], w->network->params.size * sizeof(float));
  fd_sha256_add(content, &info.step, sizeof info.step);
  fd_weights_free(&weights);
  return FD_OK;
}

static fd_status load_resume(world *w, fd_sha256 *content) {
  fd_checkpoint_info info;
  int found;
  FD_TRY(fd_checkpoint_resume(&w->run, w->state, &info, &found));
  if (!found) return fd_fail(FD_MISSING, "no checkpoint");
  for (int i = 0; i < FD_ARRAYS; i++) fd_sha256_add(content, w->state->array[i], w->state->size[i] * sizeof(float));
  fd_sha256_add(content, &w->state->step, sizeof w->state->step);
  fd_sha256_add(content, &w->state->draws, sizeof w->state->draws);
  return FD_OK;
}

static fd_status load_shards(world *w, fd_sha256 *content) {
  static const char *const splits[] = {"train", "val", "test"};
  fd_manifest m;
  FD_TRY(fd_manifest_read(below(w, "shards"), &m));
  fd_status status = fd_manifest_verify(&m, fd_comm_self());
  for (int i = 0; i < 3 && status == FD_OK; i++) {
    fd_windows windows;
    if ((status = fd_windows_load(&m, splits[i], &windows)) != FD_OK) break;
    fd_sha256_add(content, windows.symbols, (size_t)windows.count * (size_t)windows.length);
    fd_windows_free(&windows);
  }
  fd_manifest_free(&m);
  return status;
}

static fd_status load_export(world *w, fd_sha256 *content) {
  static fd_config config;
  float *weights;
  int window;
  fd_class_names classes;
  FD_TRY(fd_model_read(below(w, "export"), &config, &window, &weights, &classes));
  fd_class_names_free(&classes);
  fd_sha256_add(content, weights, w->network->params.size * sizeof *weights);
  fd_sha256_add(content, &config, sizeof config);
  fd_sha256_add(content, &window, sizeof window);
  free(weights);
  return FD_OK;
}

static fd_status inspect(const char *path) {
  char *argv[] = {(char *)"inspect", (char *)path};
  return fd_command_inspect(fd_comm_self(), 2, argv);
}

static fd_status load_h5(world *w, fd_sha256 *content) {
  (void)content;
  return inspect(below(w, "embeddings.h5"));
}

static fd_status load_npy(world *w, fd_sha256 *content) {
  (void)content;
  return inspect(below(w, "embeddings.npy"));
}

static outcome load(world *w, const subject *s) {
  unsigned char digest[FD_SHA256_BYTES];
  fd_sha256 *content;
  outcome o = {FD_OK, ""};
  need(fd_sha256_begin(&content) == FD_OK, "no hash");
  o.status = s->load(w, content);
  need(fd_sha256_end(&content, digest) == FD_OK, "no hash");
  fd_hex(o.content, digest);
  return o;
}

/* --- the trials ------------------------------------------------------------------------------------------------------ */

static void add_file(file *files, int *count, const char *folder, const char *name) {
  file *f = &files[(*count)++];
  need(*count <= FILES_MAX, "more files than expected");
  need(fd_path(f->path, folder, name, NULL) == FD_OK && fd_read_file(f->path, 64 << 20, &f->text, &f->bytes) == FD_OK,
       "a file is gone");
}

/* The files of a place: the file itself, or the files in the folder. */
static int find_files(file *files, const char *place, const char *only) {
  int count = 0;
  DIR *folder = opendir(place);
  if (!folder) {
    add_file(files, &count, place, NULL);
    return count;
  }
  for (struct dirent *e; (e = readdir(folder));)
    if (e->d_name[0] != '.' && (!only || !strcmp(e->d_name, only))) add_file(files, &count, place, e->d_name);
  closedir(folder);
  return count;
}

static void try_one(world *w, subject *s, const file *f, const outcome *whole, const uint32_t word[4]) {
  size_t at = (((size_t)word[0] << 16) ^ word[1]) % f->bytes;
  int cut = word[2] % 5 == 0, bit = (int)(word[3] & 7);
  char flipped = (char)(f->text[at] ^ 1 << bit);
  int fd = open(f->path, O_WRONLY | O_CLOEXEC);
  need(fd >= 0 && (cut ? !ftruncate(fd, (off_t)at) : pwrite(fd, &flipped, 1, (off_t)at) == 1), "cannot damage a file");
  snprintf(now, sizeof now, "%s: %s, %s byte %zu bit %d\n", s->name, f->path, cut ? "cut at" : "flipped", at, bit);
  alarm(LIMIT);
  outcome o = load(w, s);
  alarm(0);
  int same = o.status == FD_OK && !strcmp(o.content, whole->content);
  *(cut ? &s->cuts : &s->flips) += 1;
  if (o.status == FD_DATA || o.status == FD_MISSING || o.status == FD_CONFIG) s->refused++;
  else if (same && s->sealed) s->same++;
  else if (o.status == FD_OK && !s->sealed && !cut) s->other++;
  else if (++s->wrong <= 5) dprintf(terminal, "status %d: %s", (int)o.status, now);
  need(pwrite(fd, f->text, f->bytes, 0) == (ssize_t)f->bytes && !close(fd), "cannot restore a file");
}

static int try_subject(world *w, subject *s, int64_t trials, uint64_t seed) {
  file files[FILES_MAX];
  const char *place = !strncmp(s->place, "run", 3) ? w->step : below(w, s->place);
  int count = find_files(files, place, s->only);
  const outcome whole = load(w, s);
  double start = fd_seconds();
  need(count > 0 && whole.status == FD_OK, "the undamaged files are refused");
  for (int64_t i = 0; i < trials; i++) {
    uint32_t word[4], which[4];
    fd_philox(word, fd_rng_key_of(seed, FD_RNG_TEST), (uint64_t)i, 0);
    fd_philox(which, fd_rng_key_of(seed, FD_RNG_TEST), (uint64_t)i, 1);
    try_one(w, s, &files[which[0] % (uint32_t)count], &whole, word);
  }
  const outcome again = load(w, s);
  s->wrong += again.status != FD_OK || strcmp(again.content, whole.content) != 0;
  for (int i = 0; i < count; i++) free(files[i].text);
  dprintf(terminal, "%-22s %8" PRId64 " %8" PRId64 " %8" PRId64 " %8" PRId64 " %8" PRId64 " %8" PRId64 " %7.1f s\n", s->name,
          s->flips, s->cuts, s->refused, s->same, s->other, s->wrong, fd_seconds() - start);
  return s->wrong == 0;
}

static fd_status build(world *w, const char *folder) {
  fd_checkpoint_info info;
  fd_weights weights;
  int64_t *steps;
  int count;
  FD_TRY(fd_path(w->path, folder, NULL, NULL));
  FD_TRY(fd_checkpoint_list(below(w, "run"), &steps, &count));
  need(count == 1, "run must have one checkpoint: an older one would hide a damaged one");
  FD_TRY(fd_checkpoint_open_weights(fd_comm_self(), below(w, "run"), &w->config, &info, &weights));
  memcpy(w->step, info.folder, sizeof w->step);
  memcpy(w->dataset_id, info.dataset_id, sizeof w->dataset_id);
  free(steps), fd_weights_free(&weights);
  w->config.device.threads = 1;
  FD_TRY(fd_device_open(&w->dev, &w->config, 0, 1));
  FD_TRY(fd_network_create(&w->network, &w->config, info.window));
  FD_TRY(fd_state_create(&w->state, &w->config, w->network, w->dev));
  w->run =
      (fd_run){strdup(below(w, "run")), &w->config, w->network, fd_comm_self(), info.window, w->dataset_id, 0, NULL, NULL, NULL};
  return FD_OK;
}

int main(int argc, char **argv) {
  static world w;
  subject subjects[] = {
      {.name = "checkpoint, all files", .place = "run", .sealed = 1, .load = load_all_files},
      {.name = "checkpoint, weights", .place = "run", .sealed = 1, .load = load_weights},
      {.name = "checkpoint, resume", .place = "run", .sealed = 1, .load = load_resume},
      {.name = "shards", .place = "shards", .sealed = 1, .load = load_shards},
      {.name = "shards, manifest", .place = "shards", .only = "manifest.json", .sealed = 1, .load = load_shards},
      {.name = "exported model", .place = "export", .load = load_export},
      {.name = "embeddings.npy", .place = "embeddings.npy", .load = load_npy},
      {.name = "embeddings.h5", .place = "embeddings.h5", .load = load_h5}};
  const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM};
  int good = 1;
  pthread_atfork(NULL, NULL, plain_child);
  if (argc != 4) return fprintf(stderr, "usage: flip FOLDER TRIALS SEED\n"), 2;
  terminal = dup(STDOUT_FILENO);
  need(freopen("/dev/null", "w", stdout) && freopen("/dev/null", "w", stderr), "cannot silence the readers");
  need(build(&w, argv[1]) == FD_OK, "the folder is not as test_flips.sh makes it");
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) signal(signals[i], crash);
  dprintf(terminal, "%-22s %8s %8s %8s %8s %8s %8s\n", "damaged", "flips", "cuts", "refused", "same", "other", "wrong");
  for (subject *s = subjects; s < subjects + sizeof subjects / sizeof *subjects; s++) {
    int64_t trials = strtoll(argv[2], NULL, 10);
    if (s->load == load_h5) trials = trials / 10 + 1; /* one process per trial */
    good &= try_subject(&w, s, trials, strtoull(argv[3], NULL, 10));
  }
  return good ? 0 : 1;
}
