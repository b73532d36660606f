/* The processors that this process may use, by its CPU affinity and by the CPU quota of its control group. */
#ifndef FD_BASE_CORES_H
#define FD_BASE_CORES_H

typedef struct fd_cores {
  int machine; /* CPUs (hardware threads) that are online */
  int cpus;    /* CPUs that this process may use */
  int cores;   /* cores of these CPUs, as MPI counts them */
  int limit;   /* CPU quota of the control group, rounded down but at least 1; 0: no limit */
} fd_cores;

fd_cores fd_cores_here(void);

/* The smallest CPU limit of a control group (version 1 or 2) and its ancestors; 0: none. `groups` is the text of
 * /proc/self/cgroup, `mount` the folder /sys/fs/cgroup. */
int fd_cores_limit(const char *groups, const char *mount);

#endif
