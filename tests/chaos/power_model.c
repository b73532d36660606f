/* Computes the states in which a power loss may leave a folder. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "power.h"

const entry *power_find(const tree *t, int folder, const char *name) {
  for (int i = 0; i < t->count; i++)
    if (t->item[i].folder == folder && !strcmp(t->item[i].name, name)) return &t->item[i];
  return NULL;
}

static void remove_entry(tree *t, int folder, const char *name, int node) {
  entry *e = (entry *)power_find(t, folder, name);
  if (e && (node < 0 || e->node == node)) *e = t->item[--t->count];
}

static void set_entry(tree *t, int folder, const char *name, int node) {
  remove_entry(t, folder, name, -1);
  if (t->count == t->room) {
    t->room = t->room ? 2 * t->room : 64;
    t->item = power_need(realloc(t->item, (size_t)t->room * sizeof *t->item));
  }
  entry *e = &t->item[t->count++];
  e->folder = folder, e->node = node;
  snprintf(e->name, sizeof e->name, "%s", name);
}

void power_apply(tree *t, const op *o) {
  if (o->kind == OP_LEAVE || o->kind == OP_MOVE) remove_entry(t, o->folder, o->name, o->node);
  if (o->kind == OP_ENTER || o->kind == OP_MOVE) set_entry(t, o->to_folder, o->to_name, o->node);
}

void power_tree(const crash *c, const char *choice, tree *t) {
  t->count = 0;
  for (int i = 0, next = 0; i < c->end; i++) {
    int waits = next < c->pendings && c->pending[next] == i;
    if (!waits || choice[next]) power_apply(t, &c->record->item[i]);
    next += waits;
  }
}

static int is_of_entries(const op *o) { return o->kind == OP_ENTER || o->kind == OP_LEAVE || o->kind == OP_MOVE; }

/* Whether a folder was synced between the operation and the crash. */
static int synced(const record *r, int from, int end, int node) {
  for (int i = from + 1; i < end; i++)
    if (r->item[i].kind == OP_SYNC && r->item[i].node == node) return 1;
  return 0;
}

static int is_durable(const record *r, int i, int end) {
  const op *o = &r->item[i];
  int from = o->kind == OP_ENTER || synced(r, i, end, o->folder);
  int to = o->kind == OP_LEAVE || synced(r, i, end, o->to_folder);
  return from && to;
}

/* Index of the operation after the file's last fsync; 0 without one. */
static int last_sync(const record *r, int end, int node) {
  for (int i = end - 1; i >= 0; i--)
    if (r->item[i].kind == OP_SYNC && r->item[i].node == node) return i + 1;
  return 0;
}

static int changes(const op *o, int node) { return (o->kind == OP_WRITE || o->kind == OP_CUT) && o->node == node; }

void power_crash_at(const record *r, int end, crash *c) {
  char *seen = power_need(calloc(1, (size_t)r->nodes));
  *c = (crash){.record = r, .end = end};
  for (int i = 0; i < end; i++) {
    const op *o = &r->item[i];
    if (is_of_entries(o) && !is_durable(r, i, end) && c->pendings < POWER_PENDING) c->pending[c->pendings++] = i;
    if ((o->kind != OP_WRITE && o->kind != OP_CUT) || seen[o->node] || i < last_sync(r, end, o->node)) continue;
    seen[o->node] = 1;
    if (c->files < POWER_PENDING) c->file[c->files++] = o->node;
  }
  if (c->pendings == POWER_PENDING || c->files == POWER_PENDING) {
    fprintf(stderr, "power: more than %d operations that are not durable\n", POWER_PENDING);
    exit(1);
  }
  free(seen);
}

typedef struct content {
  char *data;
  size_t bytes;
} content;

static void resize(content *c, size_t bytes) {
  c->data = power_need(realloc(c->data, bytes + 1));
  if (bytes > c->bytes) memset(c->data + c->bytes, 0, bytes - c->bytes);
  c->bytes = bytes;
}

/* Applies one write: its data (fill 0), zeroes (1), or garbage (2). */
static void put(content *c, const op *o, int fill) {
  if (o->kind == OP_CUT) {
    resize(c, (size_t)o->at);
    return;
  }
  size_t at = o->at < 0 ? c->bytes : (size_t)o->at;
  if (at + o->bytes > c->bytes) resize(c, at + o->bytes);
  if (!fill) memcpy(c->data + at, o->data, o->bytes);
  else memset(c->data + at, fill == 1 ? 0 : 0xa5, o->bytes);
}

/* Variants: 0 durable, 1 all, 2 zeroes, 3 garbage, 4 the first half, 5 the first half, then zeroes, 6 zeroes, then the second
 * half. */
char *power_content(const record *r, int end, int node, int variant, size_t *bytes) {
  int from = last_sync(r, end, node);
  size_t pending = 0, done = 0;
  content c = {power_need(calloc(1, 1)), 0};
  for (int i = 0; i < from; i++)
    if (changes(&r->item[i], node)) put(&c, &r->item[i], 0);
  for (int i = from; i < end; i++) pending += changes(&r->item[i], node) ? r->item[i].bytes : 0;
  for (int i = from; i < end && variant; i++) {
    op o = r->item[i], rest = o;
    if (!changes(&o, node)) continue;
    size_t left = pending / 2 > done ? pending / 2 - done : 0; /* bytes left of the first half */
    size_t first = variant < 4 || o.kind == OP_CUT ? o.bytes : left < o.bytes ? left : o.bytes;
    int fill = variant == 2 || variant == 6 ? 1 : variant == 3 ? 2 : 0;
    done += o.bytes;
    o.bytes = first;
    if (o.bytes || o.kind == OP_CUT) put(&c, &o, fill);
    rest.bytes -= first, rest.data += first, rest.at += rest.at < 0 ? 0 : (int64_t)first;
    if (rest.bytes && variant != 4) put(&c, &rest, variant == 5);
  }
  *bytes = c.bytes;
  return c.data;
}
