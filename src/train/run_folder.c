/* Locks a run folder, moves earlier content aside, and describes the run in it. */
#include "train/run_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/output.h"
#include "base/path.h"
#include "base/text.h"
#include "base/version.h"
#include "objective/objective.h"
#include "train/same_run.h"

/* The files and folders of a run, without the lock. */
static const char *const names[] = {"ckpt",          "metrics.jsonl", "config.used.yaml", "environment.json",
                                    "origin.json",   "probe.json",    "report.html",      "windows",
                                    "finetune.json", "published",     "tokenizer.json"};
enum { NAMES = sizeof names / sizeof *names };

/* Moves an entry of the folder to its folder `aside`, if it exists. */
static fd_status move_one(const char *folder, const char *name, const char *aside) {
  char from[FD_PATH_MAX], to[FD_PATH_MAX];
  FD_TRY(fd_path(from, folder, name, NULL));
  if (!fd_exists(from)) return FD_OK;
  FD_TRY(fd_path(to, folder, aside, NULL));
  FD_TRY(fd_make_folder(to));
  FD_TRY(fd_path(to, folder, aside, name));
  if (rename(from, to)) return fd_fail_errno("cannot move aside", from);
  fd_info("moved %s to %s", from, to);
  return FD_OK;
}

/* What other commands made of the run, some of which its page shows. */
static int is_derived(const struct dirent *entry) {
  static const char *const patterns[] = {"probe-*.json", "speed.json", "tensorboard"};
  for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
    if (!fnmatch(patterns[i], entry->d_name, 0)) return 1;
  return 0;
}

static fd_status move_derived(const char *folder, const char *aside) {
  struct dirent **entry;
  fd_status status = FD_OK;
  int count = scandir(folder, &entry, is_derived, alphasort);
  if (count < 0) return fd_fail_errno("cannot read folder", folder);
  for (int i = 0; i < count; i++) {
    if (status == FD_OK) status = move_one(folder, entry[i]->d_name, aside);
    free(entry[i]);
  }
  free(entry);
  return status;
}

/* A run that starts in the folder of an earlier run: the earlier content is moved aside, never deleted. The file `stop` may be
 * meant for this run, except at a restart. */
static fd_status move_aside(const char *folder, int restart) {
  char to[FD_PATH_MAX], aside[64];
  int n = 1;
  FD_TRY(fd_path(to, folder, "metrics.jsonl", NULL));
  int had = restart || fd_exists(to); /* a run was here */
  do {
    snprintf(aside, sizeof aside, "before-restart-%d", n++);
    FD_TRY(fd_path(to, folder, aside, NULL));
  } while (fd_exists(to));
  for (int i = 0; i < NAMES; i++) FD_TRY(move_one(folder, names[i], aside));
  if (restart) FD_TRY(move_one(folder, "stop", aside));
  return had ? move_derived(folder, aside) : FD_OK;
}

/* Root rank: counts the checkpoints. */
static fd_status count(const char *folder, int *checkpoints) {
  int64_t *steps = NULL;
  fd_status status = fd_checkpoint_list(folder, &steps, checkpoints);
  free(steps);
  return status;
}

/* Refuses a path of which a part exists and is not a folder. */
static fd_status check_parts(const char *folder) {
  char part[FD_PATH_MAX];
  struct stat info;
  FD_TRY(fd_path(part, folder, NULL, NULL));
  for (char *at = part + 1;; at++) {
    char old = *at;
    if (old != '/' && old != '\0') continue;
    *at = '\0';
    if (!stat(part, &info) && !S_ISDIR(info.st_mode)) return fd_fail(FD_BUSY, "run.folder %s: exists and is not a folder", part);
    if (!old) return FD_OK;
    *at = old;
  }
}

fd_status fd_run_folder_count(fd_comm *comm, const char *folder, int *checkpoints) {
  if (comm->rank == 0 && (*folder == '~' || *folder == '$'))
    return fd_fail(
        FD_CONFIG,
        "run.folder %s: only '~/' is expanded here, variables only by the shell: give run.folder=%s on the command line "
        "without quotes, or ./%s for a folder of that name",
        folder, folder, folder);
  if (comm->rank == 0) FD_TRY(check_parts(folder));
  if (comm->rank == 0) FD_TRY(fd_path_check_printable("run.folder", folder));
  if (comm->rank == 0) FD_TRY(count(folder, checkpoints));
  return comm->ops->broadcast(comm, checkpoints, sizeof *checkpoints, 0);
}

/* Root rank: refuses symlinks in the folder that another user made, and warns if other users may create them. */
static fd_status check_owners(const char *folder) {
  char path[FD_PATH_MAX];
  struct stat info;
  for (int i = 0; i <= NAMES; i++) {
    FD_TRY(fd_path(path, folder, i < NAMES ? names[i] : "run.lock", NULL));
    if (!lstat(path, &info) && S_ISLNK(info.st_mode) && info.st_uid != geteuid() && info.st_uid != 0)
      return fd_fail(FD_PERMISSION,
                     "%s: is a symlink that another user made (uid %ld): findna does not write to its target; remove it", path,
                     (long)info.st_uid);
  }
  if (!stat(folder, &info) && (info.st_mode & S_IWOTH) && !(info.st_mode & S_ISVTX))
    fd_warn("%s: every user of this machine may change and replace its files (chmod o-w %s)", folder, folder);
  return FD_OK;
}

fd_status fd_run_folder_take(fd_comm *comm, const char *folder, int restart, int *lock) {
  char path[FD_PATH_MAX];
  int checkpoints;
  *lock = -1;
  if (comm->rank == 0) {
    FD_TRY(fd_make_folder(folder));
    FD_TRY(check_owners(folder));
    FD_TRY(fd_path(path, folder, "run.lock", NULL));
    FD_TRY(fd_lock(path, lock));
  }
  FD_TRY(fd_same_run_folder(comm, folder)); /* before anything in the folder is moved */
  if (comm->rank) return FD_OK;
  FD_TRY(count(folder, &checkpoints)); /* only now: before the lock was taken, another run may have written here */
  FD_TRY(fd_path(path, folder, "metrics.jsonl", NULL));
  if (!restart && !checkpoints && fd_exists(path))
    fd_warn("%s has metrics but no checkpoint: the run starts anew, and the old content is moved aside", folder);
  return restart || !checkpoints ? move_aside(folder, restart) : FD_OK;
}

/* Writes a file of JSON; takes ownership of `root`, which may be NULL after a failure to build it. */
static fd_status write_json(const char *path, json_t *root, size_t flags) {
  char *text;
  fd_status status = fd_json_text(&text, root, flags, path);
  if (status == FD_OK) status = fd_write_file(path, text, strlen(text));
  free(text);
  json_decref(root);
  return status;
}

static fd_status write_origin(const fd_run *run, const fd_run_size *size, int *there) {
  char path[FD_PATH_MAX];
  FD_TRY(fd_path(path, run->folder, "origin.json", NULL));
  *there = fd_exists(path);
  if (*there || (!size->init_from && !size->teacher)) return FD_OK;
  json_t *root = json_object();
  if (size->init_from)
    fd_json_set(&root, "init_from", json_pack("{s:s, s:s}", "path", size->init_from, "state_id", size->init_state));
  if (size->teacher) fd_json_set(&root, "teacher", json_pack("{s:s, s:s}", "path", size->teacher, "sha256", run->teacher));
  *there = 1;
  return write_json(path, root, JSON_INDENT(2));
}

/* `more`: the run began with the checkpoints that origin.json names. */
static fd_status write_used_config(const fd_run *run, int more) {
  char path[FD_PATH_MAX], *text = NULL;
  size_t bytes;
  FILE *out;
  FD_TRY(fd_text_open(&out, &text, &bytes));
  fprintf(out, "# What this run used%s%s.\n", run->config->task.outputs ? "" : "; 'findna pretrain' on this file repeats it",
          more ? ", with the checkpoints that origin.json names (--init-from, --teacher)" : "");
  fd_config_print(out, run->config, FD_CONFIG_YAML_HELP);
  FD_TRY(fd_text_close(out, &text));
  fd_status status = fd_path(path, run->folder, "config.used.yaml", NULL);
  if (status == FD_OK) status = fd_write_file(path, text, bytes);
  free(text);
  return status;
}

static json_t *names_of_terms(const fd_config *config) {
  json_t *list = json_array();
  for (int i = 0; i < FD_TERMS; i++)
    if (fd_terms[i]->weight(config) > 0) fd_json_append(&list, json_string(fd_terms[i]->name));
  return list;
}

static fd_status write_environment(const fd_run *run, const fd_device *dev, const fd_run_size *size) {
  char path[FD_PATH_MAX], host[256] = "", when[64];
  time_t now = time(NULL);
  gethostname(host, sizeof host - 1);
  for (char *at = host; *at; at++)
    if ((unsigned char)*at < 0x20 || (unsigned char)*at > 0x7e) *at = '?'; /* JSON is UTF-8, which a hostname need not be */
  strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
  FD_TRY(fd_path(path, run->folder, "environment.json", NULL));
  json_t *root =
      json_pack("{s:s, s:s, s:s, s:i, s:i, s:s, s:s, s:s, s:I, s:i, s:i, s:I, s:I, s:I, s:s, s:o}", "version", fd_version(),
                "host", host, "started", when, "ranks", run->comm->size, "threads_per_rank", dev->threads, "device", dev->kind,
                "simd", dev->simd, "communication", run->comm->ops->name, "parameters", (json_int_t)run->network->params.size,
                "blocks_per_network", run->network->blocks, "window", run->window, "training_windows", (json_int_t)size->train,
                "held_out_windows", (json_int_t)size->held_out, "steps", (json_int_t)size->steps, "dataset_id", run->dataset_id,
                "terms", names_of_terms(run->config));
  return write_json(path, root, 0);
}

fd_status fd_run_folder_describe(const fd_run *run, const fd_device *dev, const fd_run_size *size) {
  int more;
  FD_TRY(write_origin(run, size, &more));
  FD_TRY(write_used_config(run, more));
  return write_environment(run, dev, size);
}

fd_status fd_run_folder_window_log(const fd_run *run, FILE **log) {
  fd_comm *comm = run->comm;
  char folder[FD_PATH_MAX], path[FD_PATH_MAX], name[64];
  int start = 0;
  FD_TRY(fd_path(folder, run->folder, "windows", NULL));
  if (comm->rank == 0) {
    FD_TRY(fd_make_folder(folder));
    do {
      snprintf(name, sizeof name, "start-%04d-rank-0", ++start);
      FD_TRY(fd_path(path, folder, name, NULL));
    } while (fd_exists(path));
  }
  FD_TRY(comm->ops->broadcast(comm, &start, sizeof start, 0));
  snprintf(name, sizeof name, "start-%04d-rank-%d", start, comm->rank);
  FD_TRY(fd_path(path, folder, name, NULL));
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (fd < 0) return fd_fail_errno("cannot create", path);
  *log = fdopen(fd, "w");
  if (!*log) {
    close(fd);
    return fd_fail(FD_MEMORY, "cannot open a stream for %s", path);
  }
  setlinebuf(*log);
  return FD_OK;
}
