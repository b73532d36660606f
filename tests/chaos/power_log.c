/* Converts strace logs into the operations of power.h. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "power.h"

enum { FDS = 1024, ARGUMENTS = 8, THREADS = 64 };

/* A call in the log. Texts are decoded; those of a list (writev) are joined into the first. */
typedef struct call {
  char name[32];
  char *text[ARGUMENTS]; /* by argument; NULL if it is not a text */
  size_t bytes[ARGUMENTS];
  char word[ARGUMENTS][96]; /* the other arguments */
  int64_t result;
} call;

/* An open file; descriptors made by dup share its position. */
typedef struct opened {
  int node, append, users;
  int64_t at;
} opened;

typedef struct reader {
  record *record;
  tree live; /* the entries as the process currently sees them */
  opened *fd[FDS];
  char *unfinished[THREADS]; /* calls interrupted by another thread's line */
  long thread[THREADS];
  long first; /* the process */
} reader;

void *power_need(void *block) {
  if (block) return block;
  fprintf(stderr, "power: out of memory\n");
  exit(1);
}

static _Noreturn void stop(const char *what, const char *line) {
  fprintf(stderr, "power: %s: %.200s\n", what, line);
  exit(1);
}

static op *add(record *r, op_kind kind, int node) {
  if ((r->ops & (r->ops - 1)) == 0) r->item = power_need(realloc(r->item, (size_t)(r->ops ? 2 * r->ops : 1) * sizeof *r->item));
  r->item[r->ops] = (op){.kind = kind, .node = node};
  return &r->item[r->ops++];
}

static int add_node(record *r, int is_folder) {
  r->is_folder = power_need(realloc(r->is_folder, (size_t)r->nodes + 1));
  r->is_folder[r->nodes] = (char)is_folder;
  return r->nodes++;
}

/* --- the text of a line ------------------------------------------------------------------------------------------------ */

/* Decodes the quoted text at `at` and appends it to an argument; returns what follows. */
static const char *take_text(call *c, int i, const char *at, const char *line) {
  size_t room = strlen(at);
  char *out = c->text[i] = power_need(realloc(c->text[i], c->bytes[i] + room + 1));
  for (at++; *at != '"'; at++) {
    unsigned value = (unsigned char)*at;
    if (!*at) stop("a text without an end", line);
    if (*at == '\\' && at[1] == 'x') {
      if (sscanf(at + 2, "%2x", &value) != 1) stop("bad text", line);
      at += 3;
    }
    out[c->bytes[i]++] = (char)value;
  }
  out[c->bytes[i]] = '\0';
  if (at[1] == '.') stop("a text that strace has cut off (give it a larger -s)", line);
  return at + 1;
}

/* Parses "name(arguments) = result"; 0 if this is not a call that succeeded. */
static int take_call(call *c, const char *line) {
  int depth = 0, i = 0, length = 0;
  memset(c, 0, sizeof *c);
  const char *at = strchr(line, '(');
  if (!at || at - line >= (int)sizeof c->name) return 0;
  memcpy(c->name, line, (size_t)(at - line));
  for (at++; *at && !(*at == ')' && !depth); at++) {
    if (i >= ARGUMENTS) stop("too many arguments", line);
    while (*at == '"') at = take_text(c, i, at, line);
    if (*at == ')' && !depth) break;
    if (*at == '[' || *at == '{' || *at == '(') depth++;
    if (*at == ']' || *at == '}' || *at == ')') depth--;
    if (*at == ',' && !depth) i++, length = 0;
    else if (*at != ' ' && length < (int)sizeof c->word[0] - 1) c->word[i][length++] = *at;
  }
  const char *equals = *at ? strchr(at, '=') : NULL;
  if (equals && equals[1] == ' ' && equals[2] == '?') return 0; /* killed during the call */
  if (!equals || sscanf(equals + 1, "%" SCNd64, &c->result) != 1) stop("not understood", line);
  return c->result >= 0;
}

/* --- places ------------------------------------------------------------------------------------------------------------ */

static opened *opened_of(const reader *r, const char *word) {
  char *end;
  long fd = strtol(word, &end, 10);
  return end != word && fd >= 0 && fd < FDS ? r->fd[fd] : NULL;
}

/* The folder and the last name of a path; 0 if it is outside of the recorded folder. `base` is the preceding argument, or
 * NULL. */
static int locate(const reader *r, const char *base, const char *path, int *folder, char name[POWER_NAME]) {
  size_t root = strlen(r->record->root);
  const opened *from = base ? opened_of(r, base) : NULL;
  *folder = from ? from->node : 0;
  if (base && strcmp(base, "AT_FDCWD") && !from) return 0;
  if (!strncmp(path, r->record->root, root) && (path[root] == '/' || !path[root])) path += root;
  else if (*path == '/') return 0;
  strcpy(name, ".");
  for (char part[POWER_NAME]; *path;) {
    size_t n = strcspn(path, "/");
    if (n >= sizeof part) stop("a long name", path);
    snprintf(part, sizeof part, "%.*s", (int)n, path);
    path += n + strspn(path + n, "/");
    if (!*part || !strcmp(part, ".")) continue;
    if (!strcmp(part, "..")) return 0;
    if (strcmp(name, ".")) {
      const entry *e = power_find(&r->live, *folder, name);
      if (!e) return 0;
      *folder = e->node;
    }
    strcpy(name, part);
  }
  return 1;
}

static int node_of(const reader *r, int folder, const char *name) {
  if (!strcmp(name, ".")) return folder;
  const entry *e = power_find(&r->live, folder, name);
  return e ? e->node : -1;
}

/* --- calls ------------------------------------------------------------------------------------------------------------- */

static void enters(reader *r, int node, int folder, const char *name) {
  op *o = add(r->record, OP_ENTER, node);
  o->to_folder = folder;
  strcpy(o->to_name, name);
  power_apply(&r->live, o);
}

static void opens(reader *r, const call *c, int first) {
  char name[POWER_NAME];
  int folder;
  const char *flags = c->word[first + 1];
  if (c->result >= FDS) stop("a high descriptor", c->text[first]);
  r->fd[c->result] = NULL;
  if (!locate(r, first ? c->word[0] : NULL, c->text[first], &folder, name)) return;
  int node = node_of(r, folder, name), is_new = node < 0;
  if (is_new && strstr(flags, "O_TMPFILE")) stop("a file without a name", c->text[first]);
  if (is_new) enters(r, node = add_node(r->record, 0), folder, name);
  else if (strstr(flags, "O_TRUNC")) add(r->record, OP_CUT, node);
  opened *o = r->fd[c->result] = power_need(calloc(1, sizeof *o));
  *o = (opened){.node = node, .append = strstr(flags, "O_APPEND") != NULL, .users = 1};
}

static void closes(reader *r, const call *c) {
  opened *o = opened_of(r, c->word[0]);
  if (!o) return;
  if (!--o->users) free(o);
  r->fd[atoi(c->word[0])] = NULL;
}

static void duplicates(reader *r, const call *c) {
  opened *o = opened_of(r, c->word[0]);
  if (c->result >= FDS || (*c->name == 'f' && strncmp(c->word[1], "F_DUPFD", 7))) return;
  if ((r->fd[c->result] = o)) o->users++;
}

/* Records what a message acknowledges. */
static void tells(reader *r, const char *text) {
  int64_t step;
  const char *at = strstr(text, "checkpoint of step ");
  if (at && strstr(at, " is durable") && sscanf(at, "checkpoint of step %" SCNd64, &step) == 1)
    add(r->record, OP_TOLD, 0)->at = step;
  else if (strstr(text, "wrote ") || strstr(text, "written ")) add(r->record, OP_TOLD, 0)->at = POWER_DONE;
}

static void writes(reader *r, const call *c, int has_place) {
  opened *o = opened_of(r, c->word[0]);
  if (!o) {
    if (atoi(c->word[0]) <= 2 && c->text[1]) tells(r, c->text[1]);
    return;
  }
  op *w = add(r->record, OP_WRITE, o->node);
  w->at = has_place ? strtoll(c->word[3], NULL, 10) : o->append ? -1 : o->at; /* -1: at the end */
  w->bytes = (size_t)c->result;
  w->data = power_need(malloc(w->bytes + 1));
  memcpy(w->data, c->text[1], w->bytes);
  if (!has_place) o->at += c->result;
}

static void renames(reader *r, const call *c, int at) {
  char from[POWER_NAME], to[POWER_NAME];
  int folder, to_folder;
  int a = locate(r, at ? c->word[0] : NULL, c->text[at], &folder, from);
  int b = locate(r, at ? c->word[2] : NULL, c->text[2 * at + 1], &to_folder, to);
  if (!a && !b) return;
  int node = a ? node_of(r, folder, from) : -1;
  if (!a || !b || node < 0) stop("a rename that is not within the folder", c->text[at]);
  op *o = add(r->record, OP_MOVE, node);
  o->folder = folder, o->to_folder = to_folder;
  strcpy(o->name, from), strcpy(o->to_name, to);
  power_apply(&r->live, o);
}

static void leaves(reader *r, const call *c, int at) {
  char name[POWER_NAME];
  int folder;
  if (!locate(r, at ? c->word[0] : NULL, c->text[at], &folder, name)) return;
  op *o = add(r->record, OP_LEAVE, node_of(r, folder, name));
  o->folder = folder;
  strcpy(o->name, name);
  power_apply(&r->live, o);
}

static void makes(reader *r, const call *c, int at) {
  char name[POWER_NAME];
  int folder;
  if (locate(r, at ? c->word[0] : NULL, c->text[at], &folder, name)) enters(r, add_node(r->record, 1), folder, name);
}

static void take(reader *r, const call *c) {
  const char *n = c->name;
  opened *o = opened_of(r, c->word[0]);
  if (!strcmp(n, "openat") || !strcmp(n, "open")) opens(r, c, n[4] != '\0');
  else if (!strcmp(n, "creat") || !strncmp(n, "link", 4) || !strncmp(n, "symlink", 7) || !strcmp(n, "copy_file_range"))
    stop("unexpected call", n);
  else if (!strcmp(n, "close")) closes(r, c);
  else if (!strncmp(n, "dup", 3) || !strcmp(n, "fcntl")) duplicates(r, c);
  else if (!strcmp(n, "write") || !strcmp(n, "writev")) writes(r, c, 0);
  else if (!strcmp(n, "pwrite64")) writes(r, c, 1);
  else if (!strncmp(n, "rename", 6)) renames(r, c, n[6] != '\0');
  else if (!strncmp(n, "mkdir", 5)) makes(r, c, n[5] != '\0');
  else if (!strncmp(n, "unlink", 6)) leaves(r, c, n[6] != '\0');
  else if (!strcmp(n, "rmdir")) leaves(r, c, 0);
  else if (o && !strcmp(n, "lseek")) o->at = c->result;
  else if (o && !strcmp(n, "ftruncate")) add(r->record, OP_CUT, o->node)->at = strtoll(c->word[1], NULL, 10);
  else if (o && (!strcmp(n, "fsync") || !strcmp(n, "fdatasync"))) add(r->record, OP_SYNC, o->node);
}

/* A whole line of a thread, joined from two halves if it was interrupted; NULL for a first half. Release it with free(). */
static char *whole_line(reader *r, long thread, const char *text) {
  const char *cut = strstr(text, " <unfinished ...>"), *rest = strstr(text, " resumed>");
  int i = 0;
  while (i < THREADS - 1 && r->thread[i] && r->thread[i] != thread) i++;
  if (cut && !strncmp(text, "<...", 4)) stop("not understood", text);
  r->thread[i] = thread;
  if (cut) return free(r->unfinished[i]), r->unfinished[i] = power_need(strndup(text, (size_t)(cut - text))), NULL;
  if (strncmp(text, "<...", 4) || !rest) return power_need(strdup(text));
  char *line;
  if (!r->unfinished[i] || asprintf(&line, "%s%s", r->unfinished[i], rest + 9) < 0) stop("not understood", text);
  free(r->unfinished[i]);
  r->unfinished[i] = NULL;
  return line;
}

void power_read(record *r, const char *log) {
  FILE *in = fopen(log, "r");
  char *line = NULL;
  size_t room = 0;
  reader now = {.record = r};
  if (!in) stop("cannot open", log);
  if (!r->nodes) add_node(r, 1);
  for (int i = 0; i < r->ops; i++) power_apply(&now.live, &r->item[i]);
  add(r, OP_BEGIN, 0);
  r->starts++;
  for (ssize_t n; (n = getline(&line, &room, in)) > 0;) {
    int skip = 0;
    long thread;
    line[n - (line[n - 1] == '\n')] = '\0';
    if (sscanf(line, "%ld %n", &thread, &skip) != 1) stop("not understood", line);
    if (!now.first) now.first = thread;
    if (!strncmp(line + skip, "+++ exited with 0", 17) && thread == now.first) add(r, OP_TOLD, 0)->at = POWER_DONE;
    if (line[skip] == '+' || line[skip] == '-') continue;
    char *text = whole_line(&now, thread, line + skip);
    call c;
    if (text && take_call(&c, text)) take(&now, &c);
    for (int i = 0; text && i < ARGUMENTS; i++) free(c.text[i]);
    free(text);
  }
  for (int i = 0; i < FDS; i++)
    if (now.fd[i] && !--now.fd[i]->users) free(now.fd[i]);
  for (int i = 0; i < THREADS; i++) free(now.unfinished[i]);
  free(now.live.item);
  free(line);
  fclose(in);
}

void power_free(record *r) {
  for (int i = 0; i < r->ops; i++) free(r->item[i].data);
  free(r->item);
  free(r->is_folder);
}
