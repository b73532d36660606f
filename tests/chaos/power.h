/* The operations of a program on the files of a folder, in order, and the states in which a power loss may leave the files.
 *
 * The file system guarantees only: fsync of a file makes its data and its size durable; fsync of a folder makes its entries
 * durable; a rename is atomic. Everything else may be lost, and in any order: data that was not synced is absent, there in part,
 * zeroes or garbage; each entry that was not synced is there or not; the content of a lost folder is lost. */
#ifndef FD_TESTS_CHAOS_POWER_H
#define FD_TESTS_CHAOS_POWER_H

#include <stddef.h>
#include <stdint.h>

enum { POWER_NAME = 256, POWER_PENDING = 512 };

typedef enum op_kind { OP_ENTER, OP_LEAVE, OP_MOVE, OP_WRITE, OP_CUT, OP_SYNC, OP_TOLD, OP_BEGIN } op_kind;

/* node: the file or folder that appears, disappears, moves, is written, truncated or synced. folder and name: its place before;
 * to_folder and to_name: after. */
typedef struct op {
  op_kind kind;
  int node, folder, to_folder;
  char name[POWER_NAME], to_name[POWER_NAME];
  int64_t at;   /* OP_WRITE: offset; OP_CUT: size; OP_TOLD: step of a checkpoint, or POWER_DONE */
  size_t bytes; /* OP_WRITE */
  char *data;
} op;

enum { POWER_DONE = -1 }; /* OP_TOLD: an output is written, or a start ended with success */

/* A record may hold several starts, consecutively in the same folder: each begins with OP_BEGIN. Node 0 is the folder. */
typedef struct record {
  char *root;
  op *item;
  int ops, starts;
  char *is_folder; /* [nodes] */
  int nodes;
} record;

/* Appends a log of `strace -f -xx`; ends the program with a message if it cannot parse a line. */
void power_read(record *r, const char *log);
void power_free(record *r);

/* A state: the entries that exist, and for each file which of its contents it has. */
typedef struct entry {
  int folder, node;
  char name[POWER_NAME];
} entry;

typedef struct tree {
  entry *item;
  int count, room;
} tree;

/* What is undetermined at a crash after the first `end` operations: operations on entries that are not durable, and files with
 * data that is not durable. */
typedef struct crash {
  const record *record;
  int end, pendings, files;
  int pending[POWER_PENDING]; /* indices of operations */
  int file[POWER_PENDING];    /* nodes */
} crash;

void power_crash_at(const record *r, int end, crash *c);

/* Applies one operation to the entries; operations of other kinds leave them unchanged. */
void power_apply(tree *t, const op *o);

/* The entries if, of the pending operations, those with choice[i] have reached the disk. */
void power_tree(const crash *c, const char *choice, tree *t);

/* The entry of a name, or NULL. */
const entry *power_find(const tree *t, int folder, const char *name);

/* The contents that a file may have: 0 what is durable, 1 all that was written, others in part. `variant` of a file without
 * pending data is 0. Release it with free(). */
enum { POWER_VARIANTS = 7 };
char *power_content(const record *r, int end, int node, int variant, size_t *bytes);

void *power_need(void *block); /* ends the program if out of memory */

#endif
