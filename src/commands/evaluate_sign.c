/* Writes and compares the signatures of units of work. */
#include "commands/evaluate_sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/output.h"
#include "base/text.h"
#include "config/config.h"
#include "data/listing.h"
#include "train/checkpoint.h"

enum { TEXT_MAX = 1 << 20, DEPTH_MAX = 32 };

fd_status fd_unit_line_add(fd_unit_line *l, fd_unit_word kind, const char *text) {
  if (l->count == FD_UNIT_WORDS_MAX - 1) return fd_fail(FD_USAGE, "a task has more than %d words", FD_UNIT_WORDS_MAX - 1);
  if (!(l->word[l->count] = strdup(text))) return fd_fail(FD_MEMORY, "no memory for a command line");
  l->kind[l->count++] = kind;
  return FD_OK;
}

void fd_unit_line_free(fd_unit_line *l) {
  for (int i = 0; i < l->count; i++) free(l->word[i]);
  l->count = 0;
}

/* --- contents -------------------------------------------------------------------------------------------------------- */

static fd_status add_content(fd_sha256 *hash, const char *path, int depth);

/* Adds the entries of a folder with their names: in a task's folder and its parts those that may hold rows, in the folders of
 * classes all files. */
static fd_status add_folder(fd_sha256 *hash, const char *path, int depth) {
  enum { OF_CLASSES = 2 };
  char inner[FD_PATH_MAX];
  struct stat info;
  fd_listing entries;
  FD_TRY(fd_listing_open(&entries, path));
  fd_status status = FD_OK;
  for (int i = 0; i < entries.count && status == FD_OK; i++) {
    const char *name = entries.entry[i]->d_name;
    status = fd_path(inner, path, name, NULL);
    if (status != FD_OK || stat(inner, &info) || (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode))) continue;
    if (depth < OF_CLASSES && !fd_listing_may_hold_rows(&entries, i)) continue;
    fd_sha256_add(hash, name, strlen(name) + 1);
    status = add_content(hash, inner, depth + 1);
  }
  fd_listing_close(&entries);
  return status;
}

/* Adds a file's hash, or a folder, each with its kind. */
static fd_status add_content(fd_sha256 *hash, const char *path, int depth) {
  char hex[FD_SHA256_HEX];
  uint64_t bytes;
  if (depth == DEPTH_MAX) return fd_fail(FD_DATA, "%s: folders within folders, more than %d deep", path, DEPTH_MAX);
  if (fd_is_folder(path)) {
    fd_sha256_add(hash, "d", 1);
    FD_TRY(add_folder(hash, path, depth));
    fd_sha256_add(hash, "", 1); /* no name is empty: the end of the folder */
    return FD_OK;
  }
  FD_TRY(fd_sha256_file(path, hex, &bytes));
  fd_sha256_add(hash, "f", 1);
  fd_sha256_add(hash, hex, sizeof hex);
  return FD_OK;
}

/* Adds the lines of a config without comments and blanks at their ends. */
static fd_status add_config(fd_sha256 *hash, const char *path) {
  char *text, *rest;
  size_t bytes;
  FD_TRY(fd_read_file(path, TEXT_MAX, &text, &bytes));
  rest = text;
  for (char *line; (line = strsep(&rest, "\n"));) {
    size_t n = strlen(line);
    for (size_t i = 0; i < n; i++)
      if (line[i] == '#' && (!i || line[i - 1] == ' ' || line[i - 1] == '\t')) n = i;
    while (n && strchr(" \t\r", line[n - 1])) n--;
    if (n) fd_sha256_add(hash, line, n), fd_sha256_add(hash, "\n", 1);
  }
  free(text);
  return FD_OK;
}

static fd_status hash_content(fd_unit_word kind, const char *path, char hex[FD_SHA256_HEX]) {
  unsigned char digest[FD_SHA256_BYTES];
  fd_sha256 *hash;
  FD_TRY(fd_sha256_begin(&hash));
  fd_status status = kind == FD_UNIT_CONFIG ? add_config(hash, path) : add_content(hash, path, 0);
  if (status == FD_OK) status = fd_sha256_end(&hash, digest);
  fd_sha256_abandon(&hash);
  if (status == FD_OK) fd_hex(hex, digest);
  return status;
}

/* The identity of the checkpoint that a path would give, or of the newest intact one of a run. */
static fd_status identify_model(const char *path, char identity[FD_EVALUATION_IDENTITY]) {
  struct opened {
    fd_config config;
    fd_checkpoint_info info;
    fd_weights weights;
  } * o;
  FD_TRY(fd_alloc(&o, 1, sizeof *o, "a checkpoint"));
  fd_status status = fd_checkpoint_open_weights(fd_comm_self(), path, &o->config, &o->info, &o->weights);
  if (status == FD_OK) {
    fd_evaluation_identity(&o->info, identity);
    fd_weights_free(&o->weights);
  }
  free(o);
  return status;
}

/* What stands for a file, a folder or a checkpoint in a signature; computed once in a run. */
static fd_status identify(fd_evaluation *e, fd_unit_word kind, const char *path, const char **identity) {
  for (int i = 0; i < e->contents; i++)
    if (!strcmp(e->content[i].path, path)) return *identity = e->content[i].identity, FD_OK;
  FD_TRY(fd_grow(&e->content, &e->contents_room, (size_t)e->contents + 1, sizeof *e->content, "contents of files"));
  fd_evaluation_content *c = &e->content[e->contents];
  FD_TRY(kind == FD_UNIT_MODEL ? identify_model(path, c->identity) : hash_content(kind, path, c->identity));
  if (!(c->path = strdup(path))) return fd_fail(FD_MEMORY, "no memory for a path");
  e->contents++;
  *identity = c->identity;
  return FD_OK;
}

void fd_evaluation_free_contents(fd_evaluation *e) {
  for (int i = 0; i < e->contents; i++) free(e->content[i].path);
  free(e->content);
}

/* --- signatures ------------------------------------------------------------------------------------------------------ */

static const char format[] = "findna-unit 2"; /* version 1 named files by their paths */

static int is_path(fd_unit_word kind) { return kind == FD_UNIT_MODEL || kind == FD_UNIT_FILES || kind == FD_UNIT_CONFIG; }

/* What a word contributes, a line of the signature; *said is NULL for a place, and for a setting such as the number of threads,
 * on which results do not depend. */
static fd_status say(fd_evaluation *e, const fd_evaluation_unit *u, const fd_unit_line *l, int i, const char **said) {
  const char *word = l->word[i];
  fd_unit_word kind = l->kind[i];
  int is_free = fd_config_is_free(word) && strncmp(word, "eval.", 5);
  *said = kind == FD_UNIT_PLACE || (kind == FD_UNIT_TEXT && is_free) ? NULL : word;
  if (kind == FD_UNIT_MODEL && !strcmp(word, u->model->path)) *said = u->model->identity;
  else if (is_path(kind) && !fd_is_absent(word)) return identify(e, kind, word, said);
  return FD_OK;
}

static fd_status write_signature(fd_evaluation *e, const fd_evaluation_unit *u, const fd_unit_line *l, const char *path) {
  FILE *out;
  char *text = NULL;
  size_t bytes;
  fd_status status = FD_OK;
  FD_TRY(fd_text_open(&out, &text, &bytes));
  fprintf(out, "%s\n", format);
  for (int i = 0; i < l->count && status == FD_OK; i++) {
    const char *said = NULL;
    status = say(e, u, l, i, &said);
    if (said) fprintf(out, "%s\n", said);
  }
  fd_status closed = fd_text_close(out, &text);
  if (status == FD_OK) status = closed;
  if (status == FD_OK) status = fd_write_file(path, text, bytes);
  free(text);
  return status;
}

/* Describes the word that differs, from the earlier line `then` (NULL: it ended there). */
static void describe(const fd_unit_line *l, int i, const char *then, char what[FD_EVALUATION_WHAT]) {
  const char *option = i && l->kind[i] != FD_UNIT_TEXT ? l->word[i - 1] : "", *word = l->word[i];
  if (!then && (!i || is_path(l->kind[i]))) snprintf(what, FD_EVALUATION_WHAT, "it is cut off before %.40s %.300s", option, word);
  else if (l->kind[i] == FD_UNIT_FILES || l->kind[i] == FD_UNIT_CONFIG)
    snprintf(what, FD_EVALUATION_WHAT, "%.40s %.300s has other content now", option, word);
  else if (l->kind[i] == FD_UNIT_MODEL) snprintf(what, FD_EVALUATION_WHAT, "%.300s is another checkpoint now", word);
  else if (then) snprintf(what, FD_EVALUATION_WHAT, "'%.200s' then, '%.200s' now", then, word);
  else snprintf(what, FD_EVALUATION_WHAT, "without '%.200s'", word);
}

/* Whether a line of an earlier signature is what a word contributes now. Earlier builds named checkpoints by their state_id only.
 */
static int is_same(fd_unit_word kind, const char *then, const char *said) {
  if (!strcmp(then, said)) return 1;
  return kind == FD_UNIT_MODEL && strlen(then) == FD_SHA256_HEX - 1 && !strncmp(then, said, FD_SHA256_HEX - 1);
}

/* Compares a signature with the words; `what` is empty if they are the same. `found` is cut into lines. */
static fd_status compare(fd_evaluation *e, const fd_evaluation_unit *u, const fd_unit_line *l, char *found,
                         char what[FD_EVALUATION_WHAT]) {
  const char *first = strsep(&found, "\n");
  *what = '\0';
  if (strcmp(first, format)) {
    snprintf(what, FD_EVALUATION_WHAT, "by an earlier version of findna, which did not sign the rows");
    return FD_OK;
  }
  for (int i = 0; i < l->count; i++) {
    const char *said;
    FD_TRY(say(e, u, l, i, &said));
    if (!said) continue;
    const char *then = found && *found ? strsep(&found, "\n") : NULL;
    int gone = is_path(l->kind[i]) && strcmp(l->word[i], u->model->path) && fd_is_absent(l->word[i]);
    if (then && (gone || is_same(l->kind[i], then, said))) continue;
    describe(l, i, then, what);
    return FD_OK;
  }
  if (found && *found) snprintf(what, FD_EVALUATION_WHAT, "with '%.200s'", strsep(&found, "\n"));
  return FD_OK;
}

typedef enum signature { NONE, DAMAGED, WHOLE } signature;

/* Whether a file is a signature to its end, of this version or an earlier one. */
static int is_whole(const char *text, size_t bytes) {
  static const char head[] = "findna-unit ";
  return bytes && text[bytes - 1] == '\n' && strlen(text) == bytes && !strncmp(text, head, sizeof head - 1);
}

/* *there: the signature in the unit's folder. `what`: the difference, empty for none, or if there is no whole signature. */
static fd_status look(fd_evaluation *e, const fd_evaluation_unit *u, const fd_unit_line *l, const char *path, signature *there,
                      char what[FD_EVALUATION_WHAT]) {
  char *found = NULL;
  size_t bytes;
  *what = '\0';
  *there = NONE;
  if (fd_is_absent(path)) return FD_OK;
  FD_TRY(fd_read_file(path, TEXT_MAX, &found, &bytes));
  *there = is_whole(found, bytes) ? WHOLE : DAMAGED;
  fd_status status = *there == WHOLE ? compare(e, u, l, found, what) : FD_OK;
  free(found);
  return status;
}

fd_status fd_evaluation_sign(fd_evaluation *e, const fd_evaluation_unit *u, const fd_unit_line *l, const char *folder,
                             const char *file) {
  char path[FD_PATH_MAX], begun[FD_PATH_MAX], what[FD_EVALUATION_WHAT];
  signature there;
  FD_TRY(fd_path(path, folder, "command.txt", NULL));
  FD_TRY(fd_path(begun, folder, "ckpt", NULL));
  const char *made = fd_exists(file) ? file : fd_exists(begun) ? begun : NULL;
  FD_TRY(look(e, u, l, path, &there, what));
  if (made && there == DAMAGED)
    return fd_fail(FD_BUSY,
                   "%s: is damaged, so of which weights, settings and rows %s is cannot be known; give another --output, or "
                   "remove %s to compute it again",
                   path, made, folder);
  if (made && there == NONE)
    return fd_fail(FD_BUSY,
                   "%s: is there, but no command.txt, with which findna evaluate signs what it computes: of which weights, "
                   "settings and rows it is cannot be known; give another --output, or remove %s to compute it (--job N does one "
                   "unit of --list and signs it)",
                   made, folder);
  if (made && *what)
    return fd_fail(FD_BUSY, "%s: was made otherwise (%s); give another --output, or remove %s to compute it again", path, what,
                   folder);
  if (there == WHOLE && !*what) return FD_OK;
  FD_TRY(fd_make_folder(folder));
  return write_signature(e, u, l, path);
}

fd_status fd_evaluation_compare(fd_evaluation *e, const fd_evaluation_unit *u, const fd_unit_line *l, const char *folder,
                                char what[FD_EVALUATION_WHAT]) {
  char path[FD_PATH_MAX];
  signature there;
  FD_TRY(fd_path(path, folder, "command.txt", NULL));
  FD_TRY(look(e, u, l, path, &there, what));
  if (there == NONE) snprintf(what, FD_EVALUATION_WHAT, "not by findna evaluate: it has no command.txt");
  if (there == DAMAGED) snprintf(what, FD_EVALUATION_WHAT, "or cannot be known: its command.txt is damaged");
  return FD_OK;
}
