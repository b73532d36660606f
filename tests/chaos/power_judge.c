/* Judges outputs after a power loss: whole or absent. Checkpoints are judged in power_run.c. */
#include "power_judge.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "power_inside.h"

uint64_t power_hash(uint64_t hash, const void *data, size_t bytes) {
  const unsigned char *at = data;
  for (size_t i = 0; i < bytes; i++) hash = (hash ^ at[i]) * 1099511628211u;
  return hash ^ hash >> 29;
}

/* --- contents ---------------------------------------------------------------------------------------------------------- */

/* The number of a content in the pool, where it is the name of its file. */
static int pool_of(inside *in, const char *data, size_t bytes) {
  uint64_t hash = power_hash(power_hash(14695981039346656037u, &bytes, sizeof bytes), data, bytes);
  char path[FD_PATH_MAX];
  for (int i = 0; i < in->contents; i++)
    if (in->content[i] == hash) return i;
  in->content = power_need(realloc(in->content, ((size_t)in->contents + 1) * sizeof *in->content));
  in->content[in->contents] = hash;
  snprintf(path, sizeof path, "%s/pool/%d", in->folder, in->contents);
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
  if (fd < 0 || fd_write_all(fd, data, bytes, path) != FD_OK) abort();
  close(fd);
  return in->contents++;
}

static int content_at(inside *in, const record *r, int end, int node, int variant) {
  size_t bytes;
  char *data = power_content(r, end, node, variant, &bytes);
  int id = pool_of(in, data, bytes);
  free(data);
  return id;
}

int power_content_id(judge *j, int node) {
  inside *in = j->inside;
  int *id = &in->id[node * POWER_VARIANTS + in->variant[node]];
  if (*id < 0) *id = content_at(in, j->record, in->end, node, in->variant[node]);
  return *id;
}

int power_is_whole(judge *j, int node) {
  inside *in = j->inside;
  if (in->final[node] < 0) in->final[node] = content_at(in, j->record, j->record->ops, node, 1);
  return power_content_id(j, node) == in->final[node];
}

/* --- the state at hand ------------------------------------------------------------------------------------------------- */

void judge_begin(judge *j, const crash *c) {
  inside *in = j->inside;
  in->end = c->end;
  in->told = in->begun = in->step = 0;
  in->step = -1;
  for (int i = 0; i < c->end; i++) {
    const op *o = &j->record->item[i];
    in->begun += o->kind == OP_BEGIN;
    if (o->kind != OP_TOLD) continue;
    if (o->at == POWER_DONE) in->told = in->begun;
    else if (o->at > in->step) in->step = o->at;
  }
  for (int i = 0; i < j->record->nodes * POWER_VARIANTS; i++) in->id[i] = -1;
}

void judge_take(judge *j, const crash *c, const char *entries, const char *variants) {
  power_tree(c, entries, &j->tree);
  memset(j->inside->variant, 0, (size_t)j->record->nodes);
  for (int i = 0; i < c->files; i++) j->inside->variant[c->file[i]] = variants[i];
}

/* The sum does not depend on the order of the entries. */
static uint64_t hash_folder(const judge *j, int folder, uint64_t place) {
  uint64_t sum = 0;
  for (int i = 0; i < j->tree.count; i++) {
    const entry *e = &j->tree.item[i];
    if (e->folder != folder) continue;
    uint64_t name = power_hash(place, e->name, strlen(e->name) + 1);
    int id = j->record->is_folder[e->node] ? -1 : power_content_id((judge *)j, e->node); /* may reallocate the contents */
    sum += id < 0 ? name * 3 + hash_folder(j, e->node, name) : power_hash(name, &j->inside->content[id], sizeof(uint64_t));
  }
  return sum;
}

uint64_t judge_hash(const judge *j) {
  const int64_t told[] = {j->inside->told, j->inside->begun, j->inside->step};
  return power_hash(hash_folder(j, 0, 1), told, sizeof told);
}

static void lay_out_folder(judge *j, int folder, const char *path, int copies) {
  char name[FD_PATH_MAX], from[FD_PATH_MAX], *text;
  size_t bytes;
  if (fd_make_folder(path) != FD_OK) abort();
  for (int i = 0; i < j->tree.count; i++) {
    const entry *e = &j->tree.item[i];
    if (e->folder != folder) continue;
    if (fd_path(name, path, e->name, NULL) != FD_OK) abort();
    if (j->record->is_folder[e->node]) {
      lay_out_folder(j, e->node, name, copies);
      continue;
    }
    snprintf(from, sizeof from, "%s/pool/%d", j->inside->folder, power_content_id(j, e->node));
    if (!copies && link(from, name)) abort();
    if (!copies) continue;
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (fd < 0 || fd_read_file(from, SIZE_MAX, &text, &bytes) != FD_OK || fd_write_all(fd, text, bytes, name) != FD_OK) abort();
    close(fd);
    free(text);
  }
}

void judge_lay_out(judge *j, const char *folder, int copies) { lay_out_folder(j, 0, folder, copies); }

static void tell_folder(const judge *j, int folder, int depth, FILE *out) {
  for (int i = 0; i < j->tree.count; i++) {
    const entry *e = &j->tree.item[i];
    if (e->folder != folder) continue;
    fprintf(out, "%*s%s", 2 * depth + 2, "", e->name);
    if (j->record->is_folder[e->node]) fprintf(out, "/\n"), tell_folder(j, e->node, depth + 1, out);
    else fprintf(out, "%s\n", power_is_whole((judge *)j, e->node) ? "" : " (partial)");
  }
}

void judge_tell(const judge *j, FILE *out) { tell_folder(j, 0, 0, out); }

/* --- outputs ----------------------------------------------------------------------------------------------------------- */

const entry *power_at(const tree *t, const char *path) {
  const entry *e = NULL;
  char part[POWER_NAME];
  for (int folder = 0; *path; folder = e->node) {
    size_t n = strcspn(path, "/");
    snprintf(part, sizeof part, "%.*s", (int)n, path);
    path += n + (path[n] == '/');
    if (!(e = power_find(t, folder, part))) return NULL;
  }
  return e;
}

/* Whether a folder holds, whole, what it held in `then`, and nothing else except locks. */
int power_same_folder(judge *j, int folder, const tree *then) {
  for (int i = 0; i < then->count; i++) {
    const entry *e = &then->item[i];
    if (e->folder != folder) continue;
    const entry *now = power_find(&j->tree, folder, e->name);
    if (!now || now->node != e->node) return 0;
    if (j->record->is_folder[e->node] ? !power_same_folder(j, e->node, then) : !power_is_whole(j, e->node)) return 0;
  }
  for (int i = 0; i < j->tree.count; i++) {
    const entry *e = &j->tree.item[i];
    if (e->folder == folder && !strstr(e->name, ".lock") && !power_find(then, folder, e->name)) return 0;
  }
  return 1;
}

/* The start that made what is at a path; 0: nothing is there, -1: made by none, or in part. */
static int version_of(judge *j, const char *path) {
  const entry *e = power_at(&j->tree, path);
  if (!e) return 0;
  for (int v = 1; v <= j->record->starts; v++) {
    const entry *then = power_at(&j->inside->after[v - 1], path);
    if (!then || then->node != e->node) continue;
    if (j->record->is_folder[e->node] ? power_same_folder(j, e->node, &j->inside->after[v - 1]) : power_is_whole(j, e->node))
      return v;
  }
  return -1;
}

static int judge_output(judge *j, char *why, size_t size) {
  inside *in = j->inside;
  int first = version_of(j, in->output), last = *in->last ? version_of(j, in->last) : first;
  snprintf(why, size, "%s is of start %d, %s of start %d (0: absent, -1: partial); start %d of %d was acknowledged", in->output,
           first, in->last, last, in->told, in->begun);
  if (first < in->told) return 0;
  return last == first || (last == 0 && in->begun > in->told);
}

int judge_state(judge *j, char *why, size_t size) {
  return j->inside->run ? power_judge_run(j, why, size) : judge_output(j, why, size);
}

/* The entries after `end` operations if all of them have reached the disk. */
void power_live(const record *r, int end, tree *t) {
  *t = (tree){0};
  for (int i = 0; i < end; i++) power_apply(t, &r->item[i]);
}

int judge_open(judge **judged, const record *r, const char *kind, const char *output, const char *folder) {
  judge *j = *judged = power_need(calloc(1, sizeof *j));
  inside *in = j->inside = power_need(calloc(1, sizeof *in));
  char path[FD_PATH_MAX], all[POWER_PENDING], why[512] = "";
  crash end;
  int start = 0;
  j->record = r;
  snprintf(in->folder, sizeof in->folder, "%s", folder);
  snprintf(in->output, sizeof in->output, "%.*s", (int)strcspn(output, ","), output);
  snprintf(in->last, sizeof in->last, "%s", strchr(output, ',') ? strchr(output, ',') + 1 : "");
  in->id = power_need(malloc((size_t)r->nodes * POWER_VARIANTS * sizeof *in->id));
  in->final = power_need(malloc((size_t)r->nodes * sizeof *in->final));
  in->variant = power_need(calloc(1, (size_t)r->nodes));
  in->after = power_need(calloc((size_t)r->starts, sizeof *in->after));
  for (int i = 0; i < r->nodes; i++) in->final[i] = -1;
  for (int i = 1; i <= r->ops; i++)
    if (i == r->ops || r->item[i].kind == OP_BEGIN) power_live(r, i, &in->after[start++]);
  if (fd_path(path, folder, "pool", NULL) != FD_OK || fd_make_folder(path) != FD_OK) return 1;
  /* The end, with everything on the disk, must be good: otherwise the states before mean nothing. */
  power_crash_at(r, r->ops, &end);
  memset(all, 1, sizeof all);
  judge_begin(j, &end);
  judge_take(j, &end, all, all);
  if (!strcmp(kind, "run") && power_open_run(j)) return 1;
  if (in->told == r->starts && judge_state(j, why, sizeof why)) return 0;
  printf("at the end: %s\n", *why ? why : "no start was acknowledged");
  return 1;
}

void judge_close(judge *j) {
  inside *in = j->inside;
  power_close_run(in->run);
  for (int i = 0; i < j->record->starts; i++) free(in->after[i].item);
  free(in->after);
  free(in->id);
  free(in->final);
  free(in->variant);
  free(in->content);
  free(in);
  free(j->tree.item);
  free(j);
}
