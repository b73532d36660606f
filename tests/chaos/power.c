/* make test-chaos: tries the states in which a power loss may leave the files that a recorded program wrote (power.h).
 *
 *   power KIND OUTPUT ROOT STATES SEED SAMPLES COUNT LOG...
 *
 * KIND is run (OUTPUT: a run folder), folder, or files (OUTPUT: FIRST or FIRST,LAST, a pair). ROOT is the recorded folder. After
 * each operation all states are tried if there are at most STATES, else STATES random ones by SEED. A checkpoint that the
 * program's own loader accepts must be one that was committed, byte for byte, and not older than the last acknowledged one; an
 * output must be whole or absent, and present once it was acknowledged. COUNT states are written to SAMPLES/, to start the
 * program from them. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/random.h"
#include "power_judge.h"

enum { WRONG_SHOWN = 20 };

typedef struct trial {
  judge *judge;
  const char *samples;
  int64_t states, distinct, wrong;
  int most, wanted, sampled;
  fd_rng_key key;
  uint64_t *seen; /* hashes of states, open addressing */
  size_t room;
  FILE *out;
} trial;

/* Whether the state is new. */
static int is_new(trial *t, uint64_t hash) {
  if (2 * (size_t)t->distinct >= t->room) {
    size_t room = t->room ? 2 * t->room : 1 << 16;
    uint64_t *seen = power_need(calloc(room, sizeof *seen));
    for (size_t i = 0; i < t->room; i++) {
      size_t at = t->seen[i] % room;
      while (t->seen[i] && seen[at]) at = (at + 1) % room;
      if (t->seen[i]) seen[at] = t->seen[i];
    }
    free(t->seen);
    t->seen = seen, t->room = room;
  }
  size_t at = (hash += !hash) % t->room;
  while (t->seen[at] && t->seen[at] != hash) at = (at + 1) % t->room;
  if (t->seen[at] == hash) return 0;
  t->seen[at] = hash;
  return ++t->distinct != 0;
}

static void try_state(trial *t, const crash *c, const char *entries, const char *variants) {
  judge *j = t->judge;
  char why[512] = "";
  t->states++;
  judge_take(j, c, entries, variants);
  if (!is_new(t, judge_hash(j))) return;
  if (!judge_state(j, why, sizeof why)) {
    if (t->wrong++ < WRONG_SHOWN) fprintf(t->out, "wrong after operation %d: %s\n", c->end, why), judge_tell(j, t->out);
  }
  uint32_t word[4]; /* about evenly distributed, whatever the number of states */
  fd_philox(word, t->key, (uint64_t)t->distinct, 1);
  if (t->sampled < t->wanted && word[0] % 997 < 60) {
    char folder[FD_PATH_MAX];
    snprintf(folder, sizeof folder, "%s/%04d", t->samples, t->sampled++);
    judge_lay_out(j, folder, 1);
  }
}

/* Tries all states after an operation, by counting in mixed radix. */
static void try_all(trial *t, const crash *c) {
  char entries[POWER_PENDING] = {0}, variants[POWER_PENDING] = {0};
  for (;;) {
    int i = 0;
    try_state(t, c, entries, variants);
    while (i < c->pendings && (entries[i] ^= 1) == 0) i++;
    if (i < c->pendings) continue;
    for (i = 0; i < c->files && ++variants[i] == POWER_VARIANTS; i++) variants[i] = 0;
    if (i == c->files) return;
  }
}

/* Tries the extremes, losses from each position on, and random states: evenly, most operations lost, most kept. */
static void try_some(trial *t, const crash *c) {
  char entries[POWER_PENDING], variants[POWER_PENDING];
  for (int n = 0; n < t->most; n++) {
    int kept = n % 4 == 0 ? 50 : n % 4 == 1 ? 10 : n % 4 == 2 ? 90 : -1; /* percent; -1: in order */
    uint32_t word[4];
    fd_philox(word, t->key, (uint64_t)n, 2 + (uint64_t)c->end);
    int first_lost = n == 3 ? c->pendings : n == 7 ? 0 : (int)(word[0] % (uint32_t)(c->pendings + 1));
    for (int i = 0; i < c->pendings || i < c->files; i++) {
      fd_philox(word, t->key, (uint64_t)n << 16 | (uint64_t)i, (uint64_t)c->end << 32);
      entries[i] = (char)(kept < 0 ? i < first_lost : (int)(word[0] % 100) < kept);
      variants[i] = (char)(n == 3 ? 1 : n == 7 ? 0 : word[1] % POWER_VARIANTS);
    }
    try_state(t, c, entries, variants);
  }
}

static void try_crashes(trial *t) {
  for (int end = 0; end <= t->judge->record->ops; end++) {
    crash c;
    double all = 1;
    power_crash_at(t->judge->record, end, &c);
    for (int i = 0; i < c.pendings; i++) all *= 2;
    for (int i = 0; i < c.files; i++) all *= POWER_VARIANTS;
    judge_begin(t->judge, &c);
    if (all <= t->most) try_all(t, &c);
    else try_some(t, &c);
  }
}

int main(int argc, char **argv) {
  record r = {0};
  trial t = {0};
  char pool[] = "/dev/shm/findna-power-XXXXXX", elsewhere[] = "/tmp/findna-power-XXXXXX", *folder;
  if (argc < 9) return fprintf(stderr, "usage: power KIND OUTPUT ROOT STATES SEED SAMPLES COUNT LOG...\n"), 64;
  r.root = argv[3];
  for (int i = 8; i < argc; i++) power_read(&r, argv[i]);
  t.most = atoi(argv[4]), t.samples = argv[6], t.wanted = atoi(argv[7]);
  t.key = fd_rng_key_of((uint64_t)atoll(argv[5]), FD_RNG_TEST);
  t.out = fdopen(dup(1), "w");
  if ((!(folder = mkdtemp(pool)) && !(folder = mkdtemp(elsewhere))) || !t.out) return perror("power"), 1;
  /* Silences the loaders, which would report broken files a hundred thousand times. */
  if (!getenv("SAY") && !freopen("/dev/null", "w", stderr)) return 1;
  fd_log_set_rank(1, 2);
  int code = judge_open(&t.judge, &r, argv[1], argv[2], folder);
  if (code) fprintf(t.out, "the undisturbed outputs cannot be loaded\n");
  else try_crashes(&t);
  judge_close(t.judge);
  power_free(&r);
  free(t.seen);
  fprintf(t.out, "%s: %d operations, %" PRId64 " states, %" PRId64 " of them distinct, %" PRId64 " wrong\n", argv[2], r.ops,
          t.states, t.distinct, t.wrong);
  fclose(t.out);
  if (fd_remove_folder(folder) != FD_OK) return 1;
  return code || t.wrong || !t.states;
}
