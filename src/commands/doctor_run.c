/* Reports what a run of a config will need: memory per rank and disk for checkpoints, and whether they fit. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/lock.h"
#include "base/memory.h"
#include "commands/doctor.h"
#include "commands/doctor_work.h"
#include "data/hide.h"
#include "data/listing.h"
#include "data/manifest.h"
#include "device/gpu_memory.h"
#include "device/plugin.h"
#include "objective/frozen.h"
#include "objective/objective.h"
#include "train/memory.h"
#include "train/schedule.h"
#include "train/trainer.h"

typedef struct plan {
  const fd_config *config;
  const fd_comm *comm;
  int window;
  int64_t windows; /* of the shards; 0: not known */
  int cuda;
  fd_form form;
  int micro_batches; /* per pass */
  fd_doctor_teacher teacher;
} plan;

/* Creates the network of the plan's config with this model.recompute; the caller destroys it. */
static fd_status network_of(const plan *p, int recompute, fd_network **network) {
  fd_config changed = *p->config;
  changed.model.recompute = recompute;
  return fd_network_create(network, &changed, p->window);
}

/* Number of rows of a window, including [CLS] tokens. */
static int tokens_of(const plan *p) { return fd_config_tokens(p->config, p->window) + fd_config_cls(p->config); }

/* Bytes of device memory of a frozen teacher, for micro-batches of `micro` windows. */
static double teacher_memory(const plan *p, int64_t micro) {
  int count = (int)micro * p->micro_batches;
  if (!p->teacher.network) return 0;
  return (double)fd_frozen_memory(p->teacher.network, p->form, 1u << FD_OUT_LATENT,
                                  (fd_extent){count * p->teacher.words, count, 0});
}

/* Bytes of device memory of a rank. */
static double device_memory(const plan *p, const fd_network *network, int64_t micro) {
  return (double)fd_trainer_memory(p->config, network, p->form, p->cuda, p->comm->size, (int)(micro * tokens_of(p)),
                                   p->micro_batches) +
         teacher_memory(p, micro);
}

/* Bytes of host memory of a rank: the windows, cached features of the teacher, and its share of a checkpoint being written. */
static double host_memory(const plan *p, double checkpoint) {
  double kept = 0;
  if (p->teacher.network && p->config->teacher.cache)
    kept = fd_frozen_cache_memory(p->teacher.network, p->form, fd_hider_keys(p->config, p->windows, 0), p->teacher.words);
  return (double)p->windows * p->window + kept + checkpoint / p->comm->size;
}

/* Adds to the diagnosis which settings would fit in `room` bytes. */
static fd_status advise(const plan *p, const fd_network *network, double need, double room, fd_diagnosis *d) {
  int64_t v = p->config->train.virtual_ranks, micro = p->config->train.batch / v;
  int64_t batch, batch_small;
  char whole[96] = "", smaller[96] = "";
  fd_network *small = NULL;
  room -= teacher_memory(p, micro), need -= teacher_memory(p, micro);
  FD_TRY(network_of(p, 1, &small));
  batch = v * fd_trainer_largest(p->config, network, p->form, p->cuda, p->comm->size, tokens_of(p), room, micro);
  double need_small = device_memory(p, small, micro) - teacher_memory(p, micro);
  batch_small = v * fd_trainer_largest(p->config, small, p->form, p->cuda, p->comm->size, tokens_of(p), room, micro);
  fd_network_destroy(&small);
  if (need_small <= room) snprintf(whole, sizeof whole, "model.recompute=true fits (%.2f GB); ", need_small * 1e-9);
  else if (batch_small > batch)
    snprintf(whole, sizeof whole, "train.batch=%" PRId64 " with model.recompute=true is the largest that fits; ", batch_small);
  if (batch) snprintf(smaller, sizeof smaller, "train.batch=%" PRId64 " is the largest that fits as it is; ", batch);
  fd_doctor_miss(d, "%.2f GB of memory: %s%s%s", (need - room) * 1e-9, whole, smaller,
                 micro > 1 ? "more train.virtual_ranks make smaller micro-batches"
                           : "a micro-batch of one window is the smallest there is; fewer ranks a machine, or a smaller model");
  return FD_OK;
}

/* Prints whether a rank's device memory fits in `room` bytes. */
static fd_status judge_memory(const plan *p, const fd_network *network, double room, fd_diagnosis *d) {
  double need = device_memory(p, network, p->config->train.batch / p->config->train.virtual_ranks);
  char sharing[64] = "";
  if (!p->cuda && p->comm->local_size > 1) snprintf(sharing, sizeof sharing, ", shared by %d ranks", p->comm->local_size);
  fd_doctor_show("memory", "%.3f GB a rank of %s, of %.3f GB that are free for it%s: %s", need * 1e-9,
                 p->cuda ? "its GPU" : "this machine", room * 1e-9, sharing, need <= room ? "fits" : "does NOT fit");
  return need <= room ? FD_OK : advise(p, network, need, room, d);
}

static fd_status judge_gpu(plan *p, const fd_network *network, fd_diagnosis *d) {
  char text[4096];
  fd_gpu gpu;
  const fd_plugin *plugin = fd_plugin_try(text, sizeof text);
  int64_t micro = p->config->train.batch / p->config->train.virtual_ranks;
  double need = device_memory(p, network, micro);
  if (!plugin || plugin->describe(0, &gpu)) {
    fd_doctor_show("memory", "%.3f GB a rank of its GPU; no GPU here to compare with: %s", need * 1e-9,
                   plugin ? "GPU 0 does not answer" : text);
    return FD_OK;
  }
  int gpus = plugin->count(), sharing = (p->comm->local_size + gpus - 1) / gpus;
  if (sharing > 1 && !p->config->comm.share_gpu)
    fd_doctor_miss(d, "%d ranks on this machine and %d GPU%s: start one rank per GPU, or set comm.share_gpu=true",
                   p->comm->local_size, gpus, gpus > 1 ? "s" : "");
  if (gpu.major < FD_GPU_MAJOR)
    fd_doctor_miss(d, "a supported GPU: %s has compute capability %d.%d; the lowest supported is 8.0 (A100)", gpu.name, gpu.major,
                   gpu.minor);
  double room = (double)gpu.free_memory / sharing;
  int64_t rows = micro * tokens_of(p), own = p->config->train.virtual_ranks / p->comm->size;
  p->micro_batches = fd_trainer_micro_batches(p->config, network, p->form, gpu.fill, room, p->comm->size, (int)rows);
  fd_doctor_show("pass", "%d micro-batch%s, %" PRId64 " tokens; %d give each multiprocessor a tile%s", p->micro_batches,
                 p->micro_batches > 1 ? "es" : "", p->micro_batches * rows, gpu.fill,
                 p->micro_batches == own && 2 * p->micro_batches * rows <= gpu.fill
                     ? ": a larger train.batch would use more of it, or fewer ranks"
                     : "");
  return judge_memory(p, network, fd_gpu_room(room), d);
}

/* Copies the folder, or its nearest parent that exists. */
static void nearest_folder(const char *folder, char path[FD_PATH_MAX]) {
  struct stat info;
  snprintf(path, FD_PATH_MAX, "%s", *folder ? folder : ".");
  while (stat(path, &info) || !S_ISDIR(info.st_mode)) {
    char *slash = strrchr(path, '/');
    if (!slash || slash == path) {
      strcpy(path, slash ? "/" : ".");
      return;
    }
    *slash = '\0';
  }
}

/* Free bytes on the disk of an existing folder; 0 on error. */
static double disk_room(const char *folder) {
  struct statvfs disk;
  return statvfs(folder, &disk) ? 0 : (double)disk.f_bavail * (double)disk.f_frsize;
}

/* Prints which kind of lock keeps a second job out of the run folder. */
static fd_status judge_locks(const char *folder) {
  static const char *const says[] = {
      ("none: neither flock nor fcntl works at %s; a second job in the run folder is not noticed: make sure that there is only "
       "one"),
      "fcntl at %s, which has no flock: a second job in the run folder is refused",
      "flock at %s: a second job in the run folder is refused"};
  fd_lock_kind kind;
  if (access(folder, W_OK)) return fd_doctor_show("locks", "not tried: %s cannot be written", folder), FD_OK;
  FD_TRY(fd_lock_probe(folder, &kind));
  fd_doctor_show("locks", says[kind], folder);
  return FD_OK;
}

/* Bytes of a checkpoint: the arrays of the state; headers and MANIFEST are negligible. */
static double checkpoint_size(const fd_config *c, const fd_network *network) {
  size_t size[FD_ARRAYS], floats = 0;
  fd_state_sizes(size, c, network);
  for (int i = 0; i < FD_ARRAYS; i++) floats += size[i];
  return (double)(floats * sizeof(float));
}

/* Whether checkpoints can be written below RUN/ckpt, or below its nearest parent that exists, by permission and by length of
 * their paths. */
static fd_status judge_place(const char *run, fd_diagnosis *d) {
  enum { LONGEST = 128 }; /* bytes of the longest path below ckpt, at least */
  char ckpt[FD_PATH_MAX], folder[FD_PATH_MAX];
  size_t most = FD_PATH_MAX - LONGEST, part;
  FD_TRY(fd_path(ckpt, run, "ckpt", NULL));
  nearest_folder(ckpt, folder);
  if (!fd_is_absent(ckpt) && !fd_is_folder(ckpt)) fd_doctor_miss(d, "a folder for checkpoints: %s is a file", ckpt);
  if (access(folder, W_OK | X_OK)) fd_doctor_miss(d, "permission to write checkpoints at %s: %s", folder, strerror(errno));
  if (strlen(ckpt) > most)
    fd_doctor_miss(d, "room for the names of checkpoints: run.folder has %zu bytes, of at most %zu", strlen(run),
                   most - strlen("/ckpt"));
  for (const char *at = run; *at; at += part + (at[part] == '/'))
    if ((part = strcspn(at, "/")) > NAME_MAX)
      fd_doctor_miss(d, "a run.folder that can be made: one of its names has %zu bytes, of at most %d", part, NAME_MAX);
  return FD_OK;
}

static fd_status judge_disk(const plan *p, double checkpoint, fd_diagnosis *d) {
  int64_t kept = p->config->checkpoint.keep + 1; /* and one being written */
  char folder[FD_PATH_MAX];
  nearest_folder(p->config->run.folder, folder);
  FD_TRY(judge_place(p->config->run.folder, d));
  double need = checkpoint * (double)kept, room = disk_room(folder);
  fd_doctor_show(
      "checkpoint", "%.3f GB; %" PRId64 " of them, including one being written, need %.2f GB of the %.1f GB free at %s: %s",
      checkpoint * 1e-9, kept, need * 1e-9, room * 1e-9, p->config->run.folder, need <= room ? "fits" : "does NOT fit");
  if (need > room)
    fd_doctor_miss(d, "%.2f GB of disk for checkpoints at %s: another run.folder, or a smaller checkpoint.keep",
                   (need - room) * 1e-9, p->config->run.folder);
  return judge_locks(folder);
}

/* Takes the length and number of windows from the config's shards, if it names any; 1,000 nucleotides without them. */
static fd_status take_shards(plan *p) {
  fd_manifest manifest = {0};
  const char *folder = p->config->data.shards;
  if (*folder) {
    FD_TRY(fd_manifest_read(folder, &manifest));
    for (int i = 0; i < manifest.shards; i++) p->windows += manifest.shard[i].windows;
    if (!p->window) p->window = manifest.window;
    fd_manifest_free(&manifest);
  }
  if (!p->window) p->window = 1000;
  return FD_OK;
}

/* Opens the frozen teacher's shape, and sets teacher.width of the config. */
static fd_status take_teacher(plan *p, const char *name, fd_config *config) {
  if (!fd_config_aligns(config)) return FD_OK;
  if (!name) {
    fd_doctor_show("teacher", "not counted: name the teacher, a checkpoint or a config, with --teacher");
    config->teacher.width = config->model.channels; /* width of the projection without a known teacher */
    return FD_OK;
  }
  FD_TRY(fd_doctor_teacher_open(&p->teacher, name, p->window));
  config->teacher.width = p->teacher.network->channels;
  fd_doctor_show("teacher", "%zu parameters, %d words a window, %d features each: %.3f GB a rank",
                 p->teacher.network->params.size, p->teacher.words, p->teacher.network->channels,
                 1e-9 * teacher_memory(p, config->train.batch / config->train.virtual_ranks));
  return FD_OK;
}

static fd_status judge_run(plan *p, const fd_network *network, fd_diagnosis *d) {
  const fd_config *c = p->config;
  double checkpoint = checkpoint_size(c, network), host = host_memory(p, checkpoint);
  double free_host = fd_memory_of_machine("MemAvailable");
  fd_status status = p->cuda ? judge_gpu(p, network, d) : judge_memory(p, network, free_host / p->comm->local_size - host, d);
  fd_doctor_show("host memory", "%.2f GB a rank beside it: windows%s%s, and a checkpoint while it is written", host * 1e-9,
                 p->windows ? "" : " (not counted: data.shards is not given)",
                 p->teacher.network && c->teacher.cache ? ", features of the teacher (teacher.cache)" : "");
  if (p->cuda && host * p->comm->local_size > free_host)
    fd_doctor_miss(d, "%.2f GB of host memory", (host * p->comm->local_size - free_host) * 1e-9);
  if (status == FD_OK) status = judge_disk(p, checkpoint, d);
  return status;
}

fd_status fd_doctor_run(const fd_comm *comm, const fd_config *config, int window, const char *teacher, fd_diagnosis *d) {
  fd_network *network = NULL;
  fd_config own = *config; /* take_teacher sets its teacher.width */
  const fd_config *c = &own;
  fd_status status = FD_OK;
  int rows, cuda = c->device.kind == FD_DEVICE_CUDA, bf16 = cuda && c->device.precision != FD_PRECISION_FP32;
  char encoder[FD_NAME_MAX];
  plan p = {.config = c, .comm = comm, .window = window, .cuda = cuda, .micro_batches = 1};
  /* how the back ends store activations: cpu/ without padding, cuda/ rows padded to multiples of 16 bytes (fp32) or 32 (bf16) */
  p.form = !cuda ? FD_FORM_CPU : bf16 ? (fd_form){FD_BF16, 16, 0} : (fd_form){FD_FP32, 4, 0};
  FD_TRY(take_shards(&p));
  if (c->model.tokenizer == FD_TOKENIZER_LETTERS && fd_config_hides(c) && p.window % FD_GROUP)
    fd_doctor_miss(d, "windows of a multiple of %d nucleotides, which are hidden together: they have %d", FD_GROUP, p.window);
  FD_TRY(fd_trainer_check_ranks(c, comm->size));
  FD_TRY(fd_trainer_rows(c, fd_config_tokens(c, p.window), &rows));
  int64_t v = c->train.virtual_ranks;
  printf("a run of this config\n");
  FD_GO(take_teacher(&p, teacher, &own));
  FD_GO(network_of(&p, c->model.recompute, &network));
  fd_network_describe(network, c, encoder);
  fd_doctor_show("model", "%zu parameters, %s, windows of %d + %d tokens", network->params.size, encoder, p.window,
                 fd_config_cls(c));
  fd_doctor_show("step",
                 "%" PRId64 " windows in %" PRId64 " micro-batches of %" PRId64 ", %" PRId64 " of them on each of %d rank%s",
                 c->train.batch, v, c->train.batch / v, v / comm->size, comm->size, comm->size > 1 ? "s" : "");
  fd_doctor_show("device", "%s, activations in %s%s", cuda ? "cuda" : "cpu", bf16 ? "bf16" : "fp32",
                 c->model.recompute ? ", with model.recompute" : "");
  FD_GO(fd_doctor_work(c, network, &p.teacher, tokens_of(&p), p.windows ? fd_schedule_steps(c, p.windows) : c->train.steps));
  FD_GO(judge_run(&p, network, d));
done:
  fd_network_destroy(&network);
  fd_doctor_teacher_close(&p.teacher);
  return status;
}
