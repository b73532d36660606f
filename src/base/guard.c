/* A thread that ends the process when nothing else does. */
#include "base/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/signals.h"

enum { TICK_MS = 50 };

/* Seconds until the process is ended: after a stop request that the main thread has not polled (`unheard`) or has polled
 * (`heard`), and after the launcher's end (`orphaned`; the MPI library may end the process earlier). */
static const double unheard = 0.8, heard = 5, orphaned = 1;

/* Seconds that a tick counts for, at most: a process that was suspended (SIGSTOP, a sleeping laptop) is not late. */
static const double longest_tick = 0.25;

static atomic_int holds, said;
static void (*_Atomic end_job)(int);

/* The launcher; set before `watching`. */
static pid_t launcher;
static unsigned long long launcher_began; /* 0: the launcher is the parent process */
static atomic_int watching;

static struct limit {
  pthread_mutex_t lock;
  double seconds; /* remaining; 0: no limit */
  int code;
  const char *why;
} limit = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* --- the launcher ---------------------------------------------------------------------------------------------------- */

typedef struct process {
  char state;
  int parent;
  unsigned long long began;
} process;

/* GONE is certain; UNKNOWN: /proc cannot be read at the moment. */
typedef enum presence { UNKNOWN, GONE, PRESENT } presence;

static presence look_up(pid_t pid, process *p) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? GONE : UNKNOWN;
  ssize_t n = read(fd, text, sizeof text - 1);
  int failed = n < 0 ? errno : 0;
  close(fd);
  if (failed) return failed == ESRCH ? GONE : UNKNOWN;
  text[n] = '\0';
  const char *name_end = strrchr(text, ')'); /* the name may contain any character */
  if (!name_end || sscanf(name_end + 1, " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                          &p->state, &p->parent, &p->began) != 3)
    return UNKNOWN;
  return p->state == 'Z' || p->state == 'X' ? GONE : PRESENT;
}

/* Whether a process was started with the environment variable `sign`; 0 when its environment may not be read. */
static int has_sign(pid_t pid, const char *sign) {
  char path[64], *word = NULL;
  size_t room = 0, length = strlen(sign);
  int found = 0;
  snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
  FILE *in = fopen(path, "re");
  while (in && !found && getdelim(&word, &room, '\0', in) > 0) found = !strncmp(word, sign, length) && word[length] == '=';
  free(word);
  if (in) fclose(in);
  return found;
}

void fd_guard_watch_launcher(const char *sign) {
  pid_t parent = getppid(), pid = parent;
  process p = {0};
  while (pid > 1 && has_sign(pid, sign) && look_up(pid, &p) == PRESENT) pid = p.parent;
  int far = pid != parent && pid > 1 && look_up(pid, &p) == PRESENT;
  launcher = far ? pid : parent;
  launcher_began = far ? p.began : 0;
  atomic_store(&watching, 1);
}

static int is_launcher_gone(void) {
  process p;
  if (!atomic_load(&watching)) return 0;
  if (!launcher_began) return getppid() != launcher;
  presence now = look_up(launcher, &p);
  return now == GONE || (now == PRESENT && p.began != launcher_began);
}

/* --- the thread ------------------------------------------------------------------------------------------------------- */

static void end(int code) {
  void (*job)(int) = atomic_load(&end_job);
  if (job) job(code);
  _exit(code);
}

/* For how many seconds each condition has lasted. */
typedef struct patience {
  double stop, orphan;
} patience;

static void say(int number) {
  if (!atomic_exchange(&said, 1)) fd_info("asked to stop by signal %d (%s)", number, strsignal(number));
}

static void watch_stop(patience *p, double tick) {
  unsigned looks;
  int taken, number = fd_signals_peek(&looks, &taken), held = atomic_load(&holds);
  if (number) say(number);
  p->stop = number && !held ? p->stop + tick : 0;
  if (p->stop > (taken ? heard : unheard)) _exit(FD_RETRY); /* as do the other ranks, informed by the watchdog */
}

static void watch_launcher(patience *p, double tick) {
  p->orphan = is_launcher_gone() ? p->orphan + tick : 0;
  if (p->orphan <= orphaned) return;
  (void)fd_fail(FD_LOST, "the process that launched this rank (%d) is gone: this rank ends with code %d", (int)launcher, FD_LOST);
  _exit(FD_LOST); /* no launcher is left that could end the job */
}

static void watch_limit(double tick) {
  pthread_mutex_lock(&limit.lock);
  int over = limit.seconds > 0 && (limit.seconds -= tick) <= 0, code = limit.code;
  const char *why = limit.why;
  pthread_mutex_unlock(&limit.lock);
  if (!over) return;
  fd_warn("%s: ends with code %d", why, code);
  end(code);
}

static void *watch(void *started) {
  patience p = {0};
  sem_post(started);
  for (double last = fd_seconds();;) {
    usleep(1000 * TICK_MS);
    double now = fd_seconds(), tick = now - last < longest_tick ? now - last : longest_tick;
    last = now;
    watch_stop(&p, tick);
    watch_launcher(&p, tick);
    watch_limit(tick);
  }
  return NULL;
}

fd_status fd_guard_start(void) {
  pthread_t thread;
  sem_t started;
  sigset_t all, before;
  sem_init(&started, 0, 0);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* the main thread handles signals */
  int failed = pthread_create(&thread, NULL, watch, &started);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  /* Wait until the thread runs: a thread that is just starting may hold an allocator's lock when the process forks (findna
   * inspect). */
  while (!failed && sem_wait(&started)) {}
  sem_destroy(&started);
  return failed ? fd_fail(FD_MEMORY, "cannot start a thread: %s", strerror(failed)) : FD_OK;
}

/* --- interface -------------------------------------------------------------------------------------------------------- */

void fd_guard_end_with(void (*job)(int code)) { atomic_store(&end_job, job); }

fd_status fd_guard_go_on(void) {
  int number = fd_signals_stop();
  if (!number || atomic_load(&holds)) return FD_OK;
  say(number);
  return FD_RETRY;
}

void fd_guard_hold(void) { atomic_fetch_add(&holds, 1); }

void fd_guard_release(void) { atomic_fetch_sub(&holds, 1); }

void fd_guard_limit(double seconds, int code, const char *why) {
  pthread_mutex_lock(&limit.lock);
  limit.seconds = seconds;
  limit.code = code;
  limit.why = why;
  pthread_mutex_unlock(&limit.lock);
}
