/* Internals that power_judge.c and power_run.c share. */
#ifndef FD_TESTS_CHAOS_POWER_INSIDE_H
#define FD_TESTS_CHAOS_POWER_INSIDE_H

#include "power_judge.h"

typedef struct runner runner; /* the program's loader of checkpoints */

typedef struct inside {
  char folder[256], output[256], last[256]; /* last: second output of a pair */
  int end, told, begun;                     /* of the crash: operations, last start that was acknowledged, starts begun */
  int64_t step;                             /* last checkpoint that was acknowledged; -1: none */
  char *variant;                            /* [nodes] of the current state */
  int *id, *final;                          /* [nodes, variants] contents at the crash, [nodes] at the end; -1: not yet made */
  uint64_t *content;                        /* the pool's hashes */
  int contents;
  tree *after; /* [starts] entries at the end of each start */
  runner *run; /* NULL: an output */
} inside;

uint64_t power_hash(uint64_t hash, const void *data, size_t bytes);

/* The content of a file in the current state, by its number; whether it is the file's content at the end. */
int power_content_id(judge *j, int node);
int power_is_whole(judge *j, int node);

const entry *power_at(const tree *t, const char *path);
int power_same_folder(judge *j, int folder, const tree *then);
void power_live(const record *r, int end, tree *t);

int power_open_run(judge *j);
void power_close_run(runner *run);
int power_judge_run(judge *j, char *why, size_t size);

#endif
