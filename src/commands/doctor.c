/* findna doctor: reports what this build and this machine have, and what is missing. */
#include <dirent.h>
#include <errno.h>
#include <hdf5.h>
#include <inttypes.h>
#include <jansson.h>
#include <lzma.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <yaml.h>
#include <zlib.h>

#include "base/args.h"
#include "base/cores.h"
#include "base/file.h"
#include "base/lapack.h"
#include "base/memory.h"
#include "base/printable.h"
#include "base/version.h"
#include "commands/command.h"
#include "commands/doctor.h"
#include "commands/doctor_net.h"
#include "config/config.h"
#include "device/device.h"

static const uint64_t disk_needed = (uint64_t)1 << 30; /* bytes; the demo's shards, checkpoints and report fit */

void fd_doctor_miss(fd_diagnosis *d, const char *fmt, ...) {
  va_list args;
  if (d->count == FD_MISSING_MAX) return;
  va_start(args, fmt);
  vsnprintf(d->text[d->count++], sizeof d->text[0], fmt, args);
  va_end(args);
}

void fd_doctor_show(const char *name, const char *fmt, ...) {
  char text[FD_PATH_MAX + 512];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  fd_print("  %-16s %s\n", name, text);
}

static void show_versions(const fd_comm *comm, fd_diagnosis *d) {
  char blas[512];
  unsigned major, minor, release;
  H5get_libversion(&major, &minor, &release);
  printf("program\n");
  fd_doctor_show("findna", "%s", fd_version());
#ifdef __clang__
  fd_doctor_show("compiler", "clang %s", __clang_version__);
#else
  fd_doctor_show("compiler", "gcc %s", __VERSION__);
#endif
  fd_doctor_show("communication", "%s, %d rank%s (%d on this machine)", comm->ops->name, comm->size, comm->size > 1 ? "s" : "",
                 comm->local_size);
  fd_doctor_show("HDF5", "%u.%u.%u", major, minor, release);
  fd_doctor_show("libyaml", "%s", yaml_get_version_string());
  fd_doctor_show("jansson", "%s", jansson_version_str());
  fd_doctor_show("zlib", "%s", zlibVersion());
  fd_doctor_show("liblzma", "%s", lzma_version_string());
  fd_doctor_show("OpenSSL", "%s", OpenSSL_version(OPENSSL_VERSION));
  if (!fd_lapack_describe(blas, sizeof blas))
    fd_doctor_miss(
        d, "BLAS and LAPACK, which probe and finetune need (%s): install libopenblas0, or name a library: FINDNA_BLAS=FILE",
        blas);
  fd_doctor_show("BLAS", "%s", blas);
}

/* The text after `key :` in a file such as /proc/cpuinfo; "unknown" if the file or key is missing. */
static void find_in_file(const char *path, const char *key, char *out, size_t room) {
  char line[512];
  FILE *in = fopen(path, "re");
  snprintf(out, room, "unknown");
  while (in && fgets(line, sizeof line, in)) {
    char *colon = strchr(line, ':');
    if (strncmp(line, key, strlen(key)) || !colon) continue;
    colon += 1 + strspn(colon + 1, " \t");
    colon[strcspn(colon, "\n")] = '\0';
    snprintf(out, room, "%s", colon);
    break;
  }
  if (in) fclose(in);
}

/* Shows whether large buffers get 2 MB pages (base/memory.c). The kernel puts its current setting in brackets. */
static void show_huge_pages(void) {
  char text[64] = "";
  FILE *in = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
  if (in && !fgets(text, sizeof text, in)) *text = '\0';
  if (in) fclose(in);
  int none = !*text || strstr(text, "[never]");
  fd_doctor_show("huge pages", none ? "none: the kernel's transparent huge pages are off" : "of 2 MB, for large buffers");
}

static fd_status show_machine(const fd_comm *comm) {
  char model[256], host[256] = "", simd[128], limit[64] = "";
  fd_cores c = fd_cores_here();
  fd_config config;
  fd_device *dev;
  gethostname(host, sizeof host - 1);
  find_in_file("/proc/cpuinfo", "model name", model, sizeof model);
  printf("machine\n");
  fd_doctor_show("host", "%s", host);
  fd_doctor_show("CPU", "%s", model);
  if (c.limit) snprintf(limit, sizeof limit, "; its control group has the time of %d", c.limit);
  /* launch/run reads this line. */
  fd_doctor_show("cores", "%d with %d CPUs that this process may use, of %d%s", c.cores, c.cpus, c.machine, limit);
  fd_config_defaults(&config);
  FD_TRY(fd_device_open(&dev, &config, comm->local_rank, comm->local_size));
  fd_device_simd(simd, sizeof simd);
  fd_doctor_show("instructions", "%s; device.simd: auto takes %s, with %d thread%s a rank", simd, dev->simd, dev->threads,
                 dev->threads > 1 ? "s" : "");
#ifdef FD_WITHOUT
  fd_doctor_show("left out", "kernels for %s: not supported by this build's compiler, or excluded by make's ISAS", FD_WITHOUT);
#endif
  fd_device_close(&dev);
  show_huge_pages();
  fd_doctor_show("memory", "%.1f GB, of which %.1f GB are free to use", fd_memory_of_machine("MemTotal") * 1e-9,
                 fd_memory_of_machine("MemAvailable") * 1e-9);
  return FD_OK;
}

static void check_disk(fd_diagnosis *d) {
  struct statvfs disk;
  char folder[FD_PATH_MAX];
  if (!getcwd(folder, sizeof folder)) snprintf(folder, sizeof folder, ".");
  if (statvfs(".", &disk)) {
    fd_doctor_miss(d, "the current folder cannot be examined: %s", strerror(errno));
    return;
  }
  uint64_t room = (uint64_t)disk.f_bavail * disk.f_frsize;
  int writable = !access(".", W_OK);
  fd_doctor_show("disk", "%.1f GB free in %s, %s", (double)room * 1e-9, folder, writable ? "writable" : "NOT writable");
  if (!writable)
    fd_doctor_miss(d, "%s is not writable: start findna in a folder of your own, or set run.folder to a writable path", folder);
  if (room < disk_needed)
    fd_doctor_miss(d, "less than %.1f GB are free in %s: free some space, or set run.folder to another disk",
                   (double)disk_needed * 1e-9, folder);
  if (!statvfs("/dev/shm", &disk))
    fd_doctor_show("shared memory", "%.2f GB free in /dev/shm (messages between the ranks of a machine)",
                   (double)disk.f_bavail * (double)disk.f_frsize * 1e-9);
}

static void show_limit(const char *name, int which, const char *note) {
  struct rlimit limit;
  if (getrlimit(which, &limit)) return;
  if (limit.rlim_cur == RLIM_INFINITY) fd_doctor_show(name, "no limit");
  else fd_doctor_show(name, "%" PRIu64 "%s", (uint64_t)limit.rlim_cur, note);
}

static void show_limits(void) {
  show_limit("open files", RLIMIT_NOFILE, "");
  show_limit("file size", RLIMIT_FSIZE, " bytes: a larger checkpoint or shard cannot be written (ulimit -f)");
  show_limit("locked memory", RLIMIT_MEMLOCK, " bytes; InfiniBand needs 'unlimited' (ulimit -l)");
}

static int on_path(const char *program, char found[FD_PATH_MAX]) {
  const char *folders = getenv("PATH");
  char part[FD_PATH_MAX];
  for (const char *at = folders; at && *at; at += strcspn(at, ":"), at += *at == ':') {
    snprintf(part, sizeof part, "%.*s", (int)strcspn(at, ":"), at);
    if (*part && fd_path(found, part, program, NULL) == FD_OK && !access(found, X_OK)) return 1;
  }
  return 0;
}

static void check_mpirun(fd_diagnosis *d) {
  char path[FD_PATH_MAX];
  if (!on_path("mpirun", path)) {
    fd_doctor_show("mpirun", "not on PATH");
    fd_doctor_miss(
        d, "mpirun is not on PATH, so only one rank can be started: install openmpi-bin, or load your cluster's MPI module");
    return;
  }
  fd_doctor_show("mpirun", "%s%s", path,
                 geteuid() == 0 ? " (you are root: Open MPI requires --allow-run-as-root; launch/run passes it)" : "");
}

static int is_yaml(const struct dirent *entry) {
  const char *dot = strrchr(entry->d_name, '.');
  return dot && dot != entry->d_name && !strcmp(dot, ".yaml");
}

static int list_configs(const char *folder) {
  struct dirent **entries;
  int n = scandir(folder, &entries, is_yaml, alphasort);
  if (n < 0) return 0;
  if (n) fd_print("  %-16s %s:", "configs", folder);
  for (int i = 0; i < n; i++) {
    fd_print(" %.*s", (int)(strlen(entries[i]->d_name) - strlen(".yaml")), entries[i]->d_name);
    free(entries[i]);
  }
  if (n) putchar('\n');
  free(entries);
  return n;
}

static void check_configs(fd_diagnosis *d) {
  char folder[FD_PATH_MAX];
  int found = 0;
  for (int i = 0; !found && fd_config_folder(i, folder); i++) found = list_configs(folder);
  if (!found) fd_doctor_miss(d, "no configs found: run 'make install', or give config files by path");
}

/* Examines this build and this machine, independently of any config. */
static fd_status look_around(const fd_comm *comm, fd_diagnosis *d) {
  show_versions(comm, d);
  FD_TRY(show_machine(comm));
  check_disk(d);
  show_limits();
  fd_doctor_gpus();
  printf("tools\n");
  check_mpirun(d);
  check_configs(d);
  return FD_OK;
}

fd_status fd_command_doctor(fd_comm *comm, int argc, char **argv) {
  int count, helped, net = 0;
  int64_t window = 0;
  const char *words[FD_LIST_MAX], *teacher = NULL;
  fd_diagnosis d = {0};
  fd_config config;
  const fd_arg table[] = {
      {"net", FD_ARG_FLAG, &net, 0, 0, NULL,
       "time the all-reduce of a model's gradients over the ranks of this job, and the compute time of a step"},
      {"window", FD_ARG_INT, &window, 0, 1 << 30, "L",
       "with CONFIG: window length in nucleotides; 0: that of data.shards, or 1000 without shards"},
      {"teacher", FD_ARG_TEXT, &teacher, 0, 0, "MODEL",
       "with a CONFIG of had: the teacher, as a checkpoint or as a config of its shape"},
      {0},
  };
  const fd_args args = {
      "doctor", "[CONFIG [section.key=value ...]] [--teacher MODEL] [--net]",
      "Reports what this build and this machine have, and what is missing. Shown are versions, cores, instructions in use,\n"
      "GPUs, memory, disk and limits, and for what is missing how to get it. With CONFIG also the memory and disk that a\n"
      "run of it needs, whether they are available, and how many operations the run takes.",
      table};
  FD_TRY(fd_args_parse(&args, argc, argv, words, FD_LIST_MAX, &count, &helped));
  if (helped) return FD_OK;
  if (net) {
    FD_TRY(fd_config_load(&config, count ? words[0] : "findna", (char **)(words + 1), count ? count - 1 : 0));
    return fd_doctor_net(comm, &config, window ? (int)window : 1000);
  }
  if (count) FD_TRY(fd_config_load(&config, words[0], (char **)(words + 1), count - 1));
  FD_TRY(look_around(comm, &d));
  if (count) FD_TRY(fd_doctor_run(comm, &config, (int)window, teacher, &d));
  for (int i = 0; i < d.count; i++) fd_print("missing: %s\n", d.text[i]);
  if (d.count) return fd_fail(FD_MISSING, "%d thing%s missing: see above for what to do", d.count, d.count > 1 ? "s are" : " is");
  printf("nothing is missing\n");
  return FD_OK;
}
