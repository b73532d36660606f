/* Decides whether a state after a power loss is one that the program may leave. */
#ifndef FD_TESTS_CHAOS_POWER_JUDGE_H
#define FD_TESTS_CHAOS_POWER_JUDGE_H

#include <stdio.h>

#include "power.h"

typedef struct judge {
  const record *record;
  tree tree;             /* of the current state */
  struct inside *inside; /* private */
} judge;

/* `kind` and `output` as in power.c; files are made in `folder`. Returns 0, or 1 if the end of the record is not good
 * itself. */
int judge_open(judge **j, const record *r, const char *kind, const char *output, const char *folder);
void judge_close(judge *j);

/* Begins the states of one crash; selects one of them; its hash, which includes what was acknowledged. */
void judge_begin(judge *j, const crash *c);
void judge_take(judge *j, const crash *c, const char *entries, const char *variants);
uint64_t judge_hash(const judge *j);

/* 1 if the state is good, else 0 and the reason. */
int judge_state(judge *j, char *why, size_t size);

/* Writes the state's files into a folder: links to the pool, or copies. */
void judge_lay_out(judge *j, const char *folder, int copies);

/* Lists the state. */
void judge_tell(const judge *j, FILE *out);

#endif
