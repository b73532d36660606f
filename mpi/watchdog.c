/* Heartbeats between the ranks, and the diagnosis when they cease. */
#include "mpi/watchdog.h"

#include <mpi.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/signals.h"

enum { PERIOD_MS = 500, SLICE_MS = 50, ABORT_SECONDS = 3, WORD = 40, NAMED_MAX = 4 };

/* A heartbeat: the state of a rank. It has durations, not times, since clocks of machines differ. */
typedef struct beat {
  int64_t step;
  char phase[WORD], waiting[WORD];                      /* waiting: the collective in progress, or "" */
  double phase_seconds, waiting_seconds, still_seconds; /* still: without a sign of progress (base/guard.h) */
  int leaving, stop;                                    /* stop: the signal that requested it, or 0 */
} beat;

typedef struct peer {
  beat said, sending;
  double heard;        /* time of the last beat */
  MPI_Request request; /* of the beat in transit to this peer */
  int busy, warned;
} peer;

struct fd_watchdog {
  fd_comm *comm;
  MPI_Comm beats;
  peer *peer;         /* [size]; ranks other than the root use only peer[0] */
  double last, quiet; /* time of the last round; time before which no rank is judged */
  unsigned looks;     /* this process's polls for a stop (base/guard.h) at the last round */
  double moved;       /* time when `looks` last grew */
  atomic_int stop;
  pthread_t thread;
};

static void copy_word(char to[WORD], const char *from) { snprintf(to, WORD, "%s", from ? from : ""); }

static int asked_to_stop(unsigned *looks) {
  int told;
  return fd_signals_peek(looks, &told);
}

static beat own_beat(fd_watchdog *w) {
  const fd_watch *a = &w->comm->watch;
  double now = fd_seconds();
  unsigned looks;
  beat b = {.step = atomic_load(&a->step), .leaving = atomic_load(&w->stop), .stop = asked_to_stop(&looks)};
  if (looks != w->looks) w->looks = looks, w->moved = now;
  b.still_seconds = now - w->moved;
  copy_word(b.phase, atomic_load(&a->phase));
  copy_word(b.waiting, atomic_load(&a->waiting));
  b.phase_seconds = now - atomic_load(&a->phase_since);
  b.waiting_seconds = *b.waiting ? now - atomic_load(&a->waiting_since) : 0;
  return b;
}

static void receive(fd_watchdog *w, double now) {
  for (;;) { /* an error counts as silence */
    MPI_Status status;
    beat b;
    int there;
    if (MPI_Iprobe(MPI_ANY_SOURCE, 0, w->beats, &there, &status) || !there) return;
    if (MPI_Recv(&b, sizeof b, MPI_BYTE, status.MPI_SOURCE, 0, w->beats, MPI_STATUS_IGNORE)) return;
    if (b.stop) fd_signals_ask(b.stop); /* so that loops of this rank stop, too */
    w->peer[status.MPI_SOURCE].said = b;
    w->peer[status.MPI_SOURCE].heard = now;
  }
}

/* At most one beat is in transit to a peer, so that none pile up for one that is stopped. A leave is sent once. */
static void send(fd_watchdog *w, int rank, const beat *b) {
  peer *p = &w->peer[rank];
  int done = 1;
  if (p->busy && MPI_Test(&p->request, &done, MPI_STATUS_IGNORE)) return;
  if (!done || (p->busy && p->sending.leaving)) return;
  p->sending = *b;
  p->busy = !MPI_Isend(&p->sending, sizeof *b, MPI_BYTE, rank, 0, w->beats, &p->request);
}

static volatile sig_atomic_t exit_code;

static void exit_now(int number) {
  (void)number;
  _exit(exit_code);
}

void fd_end_job(int code) {
  exit_code = code;
  signal(SIGALRM, exit_now);
  alarm(ABORT_SECONDS);
  MPI_Abort(MPI_COMM_WORLD, code);
  _exit(code);
}

static void end_job(const fd_watchdog *w, const char *text) {
  int trains = atomic_load(&w->comm->watch.step) >= 0;
  (void)fd_fail(FD_LOST, "%s; the job ends with code %d%s", text, FD_LOST,
                trains ? ": the same command goes on from the last checkpoint" : "");
  fd_end_job(FD_LOST);
}

static int describe(const fd_watchdog *w, int rank, const beat *b, char *text, size_t size) {
  char place[FD_PLACE_MAX];
  int n = snprintf(text, size, "rank %d (%s)", rank, fd_comm_place(w->comm, rank, place));
  if (b->step >= 0) n += snprintf(text + n, size - (size_t)n, " at step %lld", (long long)b->step);
  if (*b->phase) n += snprintf(text + n, size - (size_t)n, " in %s for %.0f s", b->phase, b->phase_seconds);
  if (*b->waiting) n += snprintf(text + n, size - (size_t)n, ", waiting in %s for %.0f s", b->waiting, b->waiting_seconds);
  return n;
}

/* Describes the first few of these ranks and counts the others. */
static void list(const fd_watchdog *w, const int *ranks, int count, char *text, size_t size) {
  int n = 0;
  for (int i = 0; i < count && i < NAMED_MAX; i++) {
    n += snprintf(text + n, size - (size_t)n, "%s", i ? "; " : "");
    n += describe(w, ranks[i], &w->peer[ranks[i]].said, text + n, size - (size_t)n);
  }
  if (count > NAMED_MAX) snprintf(text + n, size - (size_t)n, "; and %d more", count - NAMED_MAX);
}

/* Ends the job when ranks have sent no beat for `limit` seconds. */
static void judge_silence(fd_watchdog *w, double now, double limit, int *ranks) {
  char names[NAMED_MAX * 256];
  int count = 0;
  for (int r = 1; r < w->comm->size; r++)
    if (!w->peer[r].said.leaving && now - w->peer[r].heard > limit) ranks[count++] = r;
  if (!count) return;
  char text[sizeof names + 128];
  list(w, ranks, count, names, sizeof names);
  snprintf(text, sizeof text, "no sign of life for %.0f s, stopped or cut off; last heard of: %s", limit, names);
  end_job(w, text);
}

/* Judges ranks that are alive: all wait for each other, which ends the job, or some wait for busy ones. While one of the busy
 * ranks shows progress there is only a warning; when none has for `stall` seconds, the job ends. */
static void judge_waiting(fd_watchdog *w, double now, double limit, double stall, int *ranks) {
  char names[NAMED_MAX * 256], text[sizeof names + 128];
  double longest = 0, shortest = 1e30, still = 1e30;
  int busy = 0;
  for (int r = 0; r < w->comm->size; r++) {
    const beat *b = &w->peer[r].said;
    double waits = b->waiting_seconds + (b->leaving ? now - w->peer[r].heard : 0); /* a leave is a rank's last beat */
    if (waits > longest) longest = waits;
    if (waits < shortest) shortest = waits;
    if (*b->waiting) continue;
    if (b->still_seconds < still) still = b->still_seconds;
    ranks[busy++] = r;
  }
  if (shortest > limit) {
    for (int r = 0; r < w->comm->size; r++) ranks[r] = r;
    list(w, ranks, w->comm->size, names, sizeof names);
    snprintf(text, sizeof text, "all ranks wait for each other for %.0f s, a link between them may be cut: %s", limit, names);
    end_job(w, text);
  }
  for (int r = 0; r < w->comm->size; r++) w->peer[r].warned &= longest > limit && !*w->peer[r].said.waiting;
  if (!busy || longest <= limit) return;
  list(w, ranks, busy, names, sizeof names);
  if (stall > 0 && longest > stall && still > stall) {
    snprintf(text, sizeof text, "the others have waited %.0f s for: %s; there is no sign of progress", longest, names);
    end_job(w, text);
  }
  if (!w->peer[ranks[0]].warned) fd_warn("the other ranks have waited %.0f s for: %s", longest, names);
  w->peer[ranks[0]].warned = 1;
}

/* After this process, and perhaps the whole job, was suspended for `gap` seconds: no rank was silent or waiting in that time. */
static void forgive(fd_watchdog *w, double now, double gap) {
  fd_watch *own = &w->comm->watch;
  _Atomic double *since[] = {&own->phase_since, &own->waiting_since};
  for (int r = 0; r < w->comm->size; r++) w->peer[r].heard += gap;
  for (int i = 0; i < 2; i++) {
    double was = atomic_load(since[i]);
    if (was < now - gap) atomic_compare_exchange_strong(since[i], &was, was + gap); /* unless it was just set anew */
  }
  w->moved += gap;
  w->quiet = now + 4e-3 * PERIOD_MS;
}

/* One round; 0 when all ranks have left. */
static int beat_once(fd_watchdog *w, int *ranks) {
  double now = fd_seconds(), gap = now - w->last - 1, limit = atomic_load(&w->comm->watch.limit),
         stall = atomic_load(&w->comm->watch.stall);
  if (gap > 0) forgive(w, now, gap);
  beat own = own_beat(w);
  int root = w->comm->rank == 0, all_leave = own.leaving, later = w->comm->rank < 5 ? w->comm->rank - 1 : 4;
  w->last = now;
  receive(w, now);
  if (root) {
    w->peer[0].said = own, w->peer[0].heard = now;
    for (int r = 1; r < w->comm->size; r++) all_leave = all_leave && w->peer[r].said.leaving;
    own.leaving = all_leave;
    for (int r = 1; r < w->comm->size; r++) send(w, r, &own);
    for (int r = 1; r < w->comm->size; r++) all_leave = all_leave && w->peer[r].sending.leaving;
    if (limit <= 0 || now < w->quiet) return !all_leave;
    judge_silence(w, now, limit, ranks);
    judge_waiting(w, now, limit, stall, ranks);
    return !all_leave;
  }
  send(w, 0, &own);
  /* The lowest rank judges first: its abort ends the others, too. */
  if (limit > 0 && now > w->quiet && now - w->peer[0].heard > limit + later * 1.2e-3 * PERIOD_MS) {
    char name[256], text[sizeof name + 128];
    describe(w, 0, &w->peer[0].said, name, sizeof name);
    snprintf(text, sizeof text, "no sign of life for %.0f s, stopped or cut off; last heard of: %s", limit, name);
    end_job(w, text);
  }
  return !w->peer[0].said.leaving;
}

static void *watch(void *argument) {
  fd_watchdog *w = argument;
  int ranks[w->comm->size];
  w->last = w->moved = fd_seconds();
  for (int r = 0; r < w->comm->size; r++) w->peer[r].heard = w->last;
  for (int pause = PERIOD_MS, leaving = 0;;) {
    unsigned looks;
    int stop = asked_to_stop(&looks);
    if (!leaving && atomic_load(&w->stop)) leaving = 1, pause = 0;
    if (!beat_once(w, ranks)) break;
    if (pause < PERIOD_MS) pause += 10; /* a leaving rank beats often at first: the others leave, too */
    for (int left = pause; left > 0; left -= SLICE_MS) {
      usleep(1000 * (useconds_t)(left < SLICE_MS ? left : SLICE_MS));
      if (atomic_load(&w->stop) != leaving || asked_to_stop(&looks) != stop) break; /* a new state is sent at once */
    }
  }
  for (int r = 0; r < w->comm->size; r++)
    if (w->peer[r].busy) MPI_Wait(&w->peer[r].request, MPI_STATUS_IGNORE);
  return NULL;
}

fd_status fd_watchdog_start(fd_watchdog **watchdog, fd_comm *comm) {
  FD_TRY(fd_alloc(watchdog, 1, sizeof **watchdog, "watchdog"));
  fd_watchdog *w = *watchdog;
  w->comm = comm;
  FD_TRY(fd_alloc(&w->peer, (size_t)comm->size, sizeof *w->peer, "watchdog"));
  if (MPI_Comm_dup(MPI_COMM_WORLD, &w->beats)) return fd_fail(FD_LOST, "MPI_Comm_dup failed");
  if (pthread_create(&w->thread, NULL, watch, w)) return fd_fail(FD_MEMORY, "cannot start the watchdog's thread");
  return FD_OK;
}

void fd_watchdog_stop(fd_watchdog **watchdog) {
  fd_watchdog *w = *watchdog;
  if (!w) return;
  fd_watch *watch = &w->comm->watch; /* a leaving rank counts as waiting: one that never leaves is detected */
  atomic_store(&watch->waiting_since, fd_seconds());
  atomic_store(&watch->waiting, "the end of the job");
  atomic_store(&w->stop, 1);
  pthread_join(w->thread, NULL);
  MPI_Comm_free(&w->beats);
  free(w->peer);
  free(w);
  *watchdog = NULL;
}
