/* The processors that a process may use: CPU affinity, and control groups of both versions, on a host or in a container. */
#include "files.h"

#include <sched.h>
#include <sys/stat.h>

#include "base/cores.h"

/* Writes a file of the replacement for /sys/fs/cgroup, with its folders. */
static void group(const char *path, const char *name, const char *text) {
  char at[FD_PATH_MAX];
  snprintf(at, sizeof at, "%s/mount%s", folder, path);
  for (char *slash = at + strlen(folder); (slash = strchr(slash + 1, '/'));) {
    *slash = '\0';
    mkdir(at, 0777);
    *slash = '/';
  }
  mkdir(at, 0777);
  put(below(at + strlen(folder) + 1, name), text);
}

static int limit(const char *groups) { return fd_cores_limit(groups, below("mount", NULL)); }

static void version_2(void **state) {
  (void)state;
  group("/a/b", "cpu.max", "250000 100000\n");
  group("/a/free", "cpu.max", "max 100000\n");
  group("/half", "cpu.max", "50000 100000\n");
  group("/odd", "cpu.max", "what is this");
  group("/zero", "cpu.max", "100000 0\n");
  assert_int_equal(limit("0::/a/b\n"), 2); /* rounded down: the third would idle for half of the time */
  assert_int_equal(limit("0::/a/b/c/not/there\n"), 2);
  assert_int_equal(limit("0::/a/free\n"), 0);
  assert_int_equal(limit("0::/half\n"), 1);
  assert_int_equal(limit("0::/odd\n"), 0);
  assert_int_equal(limit("0::/zero\n"), 0);
  assert_int_equal(limit("0::/\n"), 0);
  assert_int_equal(limit(""), 0);
  assert_int_equal(limit("nonsense"), 0);
  group("/a", "cpu.max", "100000 100000\n"); /* the parent group has less */
  assert_int_equal(limit("0::/a/b\n"), 1);
  group("", "cpu.max", "400000 100000\n"); /* a container sees its own group as the root */
  assert_int_equal(limit("0::/\n"), 4);
  assert_int_equal(limit("0::/../../the/host\n"), 4);
}

static void version_1(void **state) {
  (void)state;
  group("/cpu/job", "cpu.cfs_quota_us", "300000\n");
  group("/cpu/job", "cpu.cfs_period_us", "100000\n");
  group("/cpu/free", "cpu.cfs_quota_us", "-1\n");
  group("/cpu/free", "cpu.cfs_period_us", "100000\n");
  assert_int_equal(limit("9:name=systemd:/x\n4:cpu,cpuacct:/job\n1:memory:/job\n"), 3);
  assert_int_equal(limit("4:cpuacct,cpu:/job/step_0\n"), 3);
  assert_int_equal(limit("4:cpu:/free\n"), 0);
  assert_int_equal(limit("4:cpuset:/job\n"), 0);
}

static void affinity(void **state) {
  (void)state;
  cpu_set_t before, one;
  assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
  fd_cores all = fd_cores_here();
  assert_int_equal(all.cpus, CPU_COUNT(&before));
  assert_in_range(all.cores, 1, all.cpus);
  assert_true(all.machine >= all.cpus);
  CPU_ZERO(&one);
  for (int i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
    if (CPU_ISSET(i, &before)) CPU_SET(i, &one);
  assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
  fd_cores few = fd_cores_here();
  sched_setaffinity(0, sizeof before, &before);
  assert_int_equal(few.cpus, 1);
  assert_int_equal(few.cores, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(version_2), cmocka_unit_test(version_1), cmocka_unit_test(affinity)};
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
