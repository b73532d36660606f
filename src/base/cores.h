/* The processors that this process may use: by its affinity, and by the time that its control group grants. */
#ifndef FD_BASE_CORES_H
#define FD_BASE_CORES_H

typedef struct fd_cores {
  int machine; /* CPUs, that is hardware threads, which are online */
  int cpus;    /* those among them that this process may use */
  int cores;   /* the cores that these belong to, as MPI counts */
  int limit;   /* CPUs whose time the control group grants, rounded down but at least 1; 0: no limit */
} fd_cores;

fd_cores fd_cores_here(void);

/* The least limit of a control group and of those that it is in, of version 1 or 2; 0: none. `groups` is the text of
 * /proc/self/cgroup, `mount` the folder /sys/fs/cgroup. */
int fd_cores_limit(const char *groups, const char *mount);

#endif
