/* The processors that this process may use, by its CPU affinity and by the CPU quota of its control group. */
#include "base/cores.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Reads a file of /proc or /sys, truncated to the size of `text`. 0: it is absent or empty. */
static int read_text(const char *path, char *text, size_t size) {
  FILE *in = fopen(path, "re");
  size_t length = in ? fread(text, 1, size - 1, in) : 0;
  text[length] = '\0';
  return in && !fclose(in) && length;
}

/* Whether a CPU is the first usable hardware thread of its core, so that each core is counted once. */
static int is_first(int cpu, const cpu_set_t *usable) {
  char path[128], list[512], *end;
  snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
  if (!read_text(path, list, sizeof list)) return 1;
  for (char *at = list; *at >= '0' && *at <= '9'; at = *end == ',' ? end + 1 : end) { /* such as 0,64 or 0-1 */
    long first = strtol(at, &end, 10), last = *end == '-' ? strtol(end + 1, &end, 10) : first;
    for (long i = first; i <= last && i < cpu; i++)
      if (CPU_ISSET((int)i, usable)) return 0;
  }
  return 1;
}

/* CPUs granted by a quota and a period in microseconds, such as "200000 100000"; 0, no limit, for "max", -1 or no text. */
static int granted(const char *quota, const char *period) {
  double time = strtod(quota, NULL), each = strtod(period, NULL);
  if (!(time > 0 && each > 0)) return 0;
  return time < 2 * each ? 1 : time / each < INT_MAX ? (int)(time / each) : 0;
}

static int limit_of(const char *folder, int version) {
  char path[PATH_MAX + 32], quota[64], period[64];
  snprintf(path, sizeof path, "%s/%s", folder, version == 2 ? "cpu.max" : "cpu.cfs_quota_us");
  if (!read_text(path, quota, sizeof quota)) return 0;
  if (version == 2) return granted(quota, quota + strcspn(quota, " "));
  snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
  return read_text(path, period, sizeof period) ? granted(quota, period) : 0;
}

/* The smallest limit of a group and its ancestors. In a container the path may be the host's, with only ancestors that exist. */
static int least_limit(const char *mount, const char *controller, const char *path, int version) {
  char folder[PATH_MAX];
  int least = 0, root = snprintf(folder, sizeof folder, "%s%s", mount, controller);
  if (snprintf(folder + root, sizeof folder - (size_t)root, "%s", path) >= PATH_MAX - root) folder[root] = '\0';
  for (;;) {
    int limit = limit_of(folder, version);
    if (limit && (!least || limit < least)) least = limit;
    char *slash = strrchr(folder + root, '/');
    if (!slash) return least;
    *slash = '\0';
  }
}

int fd_cores_limit(const char *groups, const char *mount) {
  int least = 0;
  char line[PATH_MAX];
  for (const char *at = groups; *at; at += strcspn(at, "\n"), at += *at == '\n') {
    snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
    char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL; /* 4:cpu,cpuacct:/path or 0::/path */
    if (!path) continue;
    *path++ = '\0';
    int version = names[1] ? 1 : 2, limit = 0;
    if (version == 2) limit = least_limit(mount, "", path, 2);
    for (char *name = strtok(names + 1, ","); name; name = strtok(NULL, ","))
      if (!strcmp(name, "cpu")) limit = least_limit(mount, "/cpu", path, 1);
    if (limit && (!least || limit < least)) least = limit;
  }
  return least;
}

fd_cores fd_cores_here(void) {
  char groups[4096];
  cpu_set_t usable;
  fd_cores c = {.machine = (int)sysconf(_SC_NPROCESSORS_ONLN)};
  c.cpus = c.cores = c.machine;
  if (!sched_getaffinity(0, sizeof usable, &usable)) {
    c.cpus = CPU_COUNT(&usable), c.cores = 0;
    for (int i = 0; i < CPU_SETSIZE; i++)
      if (CPU_ISSET(i, &usable)) c.cores += is_first(i, &usable);
  }
  if (read_text("/proc/self/cgroup", groups, sizeof groups)) c.limit = fd_cores_limit(groups, "/sys/fs/cgroup");
  return c;
}
