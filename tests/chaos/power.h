/* What a program did to the files of a folder, in order, and the states in which a power loss may leave them.
 *
 * The file system promises only: fsync of a file makes its data and its size durable; fsync of a folder makes its entries
 * durable; a rename is seen whole or not at all. Everything else may be lost, and in any order: data that was not synced is
 * absent, there in part, zeroes or garbage; each entry that was not synced is there or not; what lies in a lost folder is lost.
 */
#ifndef FD_TESTS_CHAOS_POWER_H
#define FD_TESTS_CHAOS_POWER_H

#include <stddef.h>
#include <stdint.h>

enum { POWER_NAME = 256, POWER_PENDING = 512 };

typedef enum op_kind { OP_ENTER, OP_LEAVE, OP_MOVE, OP_WRITE, OP_CUT, OP_SYNC, OP_TOLD, OP_BEGIN } op_kind;

/* node: what appears, disappears, moves, is written, cut or synced. folder and name: its place before; to_folder and to_name:
 * after. */
typedef struct op {
  op_kind kind;
  int node, folder, to_folder;
  char name[POWER_NAME], to_name[POWER_NAME];
  int64_t at;   /* OP_WRITE: offset; OP_CUT: size; OP_TOLD: the step of a checkpoint, or POWER_DONE */
  size_t bytes; /* OP_WRITE */
  char *data;
} op;

enum { POWER_DONE = -1 }; /* OP_TOLD: that an output is written, or the end of a start with success */

/* One record may hold several starts, one after the other in the same folder: each begins with OP_BEGIN. Node 0 is the folder. */
typedef struct record {
  char *root;
  op *item;
  int ops, starts;
  char *is_folder; /* [nodes] */
  int nodes;
} record;

/* Appends a log of `strace -f -xx`; ends the program with a message on what it does not understand. */
void power_read(record *r, const char *log);
void power_free(record *r);

/* A state: the entries that are there, and for each file which of its contents. */
typedef struct entry {
  int folder, node;
  char name[POWER_NAME];
} entry;

typedef struct tree {
  entry *item;
  int count, room;
} tree;

/* What may be chosen at a crash behind the first `end` operations: the entries' operations that are not durable, and the files
 * with data that is not. */
typedef struct crash {
  const record *record;
  int end, pendings, files;
  int pending[POWER_PENDING]; /* indices of operations */
  int file[POWER_PENDING];    /* nodes */
} crash;

void power_crash_at(const record *r, int end, crash *c);

/* Does one operation to the entries; none but those of entries change them. */
void power_apply(tree *t, const op *o);

/* The entries when of the pending operations those with choice[i] are on the disk. */
void power_tree(const crash *c, const char *choice, tree *t);

/* The entry of a name, or NULL. */
const entry *power_find(const tree *t, int folder, const char *name);

/* The contents that a file may have: 0 what is durable, 1 all that was written, further ones in part. `variant` of a file without
 * pending data is 0. Allocated. */
enum { POWER_VARIANTS = 7 };
char *power_content(const record *r, int end, int node, int variant, size_t *bytes);

void *power_need(void *block); /* ends the program when there is no memory */

#endif
