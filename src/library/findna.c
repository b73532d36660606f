/* libfindna: the functions of findna.h, built on the code of `findna embed`. */
#pragma GCC visibility push(default) /* everything else is hidden; findna.map exports the same names */
#include "library/findna.h"
#pragma GCC visibility pop

#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/version.h"
#include "data/alphabet.h"
#include "tasks/embed.h"

_Static_assert((int)FINDNA_TOKENS == FD_FEATURES_TOKENS && (int)FINDNA_CLS == FD_FEATURES_CLS &&
                   (int)FINDNA_BOTH == FD_FEATURES_BOTH && (int)FINDNA_MAX == FD_FEATURES_MAX &&
                   (int)FINDNA_TASK == FD_POOL_TASK && FINDNA_TOKEN_TEXT == FD_TOKEN_TEXT,
               "findna.h and fd_features have the same numbers");

/* Largest number of letters of a sequence. tasks/encoder.c has the same limit, but its error does not name the sequence. */
enum { LETTERS_MAX = INT_MAX / 16 };

struct findna_model {
  pthread_mutex_t lock; /* of the device, whose threads serve one call at a time */
  fd_pretrained pretrained;
  fd_encoder encoder;
};

/* Errors and warnings of the thread's current call. */
static _Thread_local char message[8192];

static void keep(const char *level, const char *text) {
  size_t used = strlen(message);
  if (!level) return; /* information is not kept */
  snprintf(message + used, sizeof message - used, "%s%s%s", used ? "\n" : "", strcmp(level, "error") ? "warning: " : "", text);
}

/* Called first by each function that can fail. */
static void begin(void) {
  fd_log_to(keep);
  *message = '\0';
}

const char *findna_message(void) { return message; }

const char *findna_version(void) { return fd_version(); }

/* Refuses a caller that was compiled with another version of findna.h. */
static fd_status check_size(const char *what, size_t size, size_t expected) {
  if (size == expected) return FD_OK;
  return fd_fail(FD_USAGE, "%s.size is %zu; expected sizeof(%s), which is %zu in this library (findna %s)", what, size, what,
                 expected, fd_version());
}

/* Parses the options with the table of `findna embed`, so that words and messages are the same. */
static fd_status read_options(const findna_options *o, fd_use *use) {
  const fd_arg table[] = {FD_USE_ENCODER_ARG(*use), FD_USE_DEVICE_ARGS(*use), {0}};
  const fd_args args = {"embed", "", "", table};
  enum { WORDS = 5 };
  char threads[32], *argv[1 + 2 * WORDS] = {NULL};
  int argc = 1, count, helped;
  if (!o) return FD_OK;
  FD_TRY(check_size("findna_options", o->size, sizeof *o));
  snprintf(threads, sizeof threads, "%" PRId64, o->threads);
  const struct {
    const char *option, *word;
  } given[WORDS] = {{"--threads", threads},
                    {"--device", o->device},
                    {"--simd", o->simd},
                    {"--precision", o->precision},
                    {"--encoder", o->encoder}};
  for (int i = 0; i < WORDS; i++)
    if (given[i].word) argv[argc++] = (char *)given[i].option, argv[argc++] = (char *)given[i].word; /* not modified */
  return fd_args_parse(&args, argc, argv, NULL, 0, &count, &helped);
}

/* Opens the model with all signals blocked, so that the threads started here leave signals to the caller's threads. */
static fd_status open_model(findna_model *m, const char *path, const fd_use *use) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  fd_status status = fd_pretrained_open(&m->pretrained, path, use, fd_comm_self());
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return status == FD_OK ? fd_pretrained_encoder(&m->pretrained, use->encoder, &m->encoder) : status;
}

int findna_open(findna_model **model, const char *path, const findna_options *options) {
  fd_use use = {.encoder = -1};
  findna_model *made;
  begin();
  *model = NULL;
  if (!path) return fd_fail(FD_USAGE, "findna_open: path is NULL; expected a run folder or a checkpoint folder");
  FD_TRY(read_options(options, &use));
  FD_TRY(fd_alloc(&made, 1, sizeof *made, "a model"));
  pthread_mutex_init(&made->lock, NULL);
  fd_status status = open_model(made, path, &use);
  if (status == FD_OK) *model = made;
  else findna_close(made);
  return status;
}

void findna_close(findna_model *model) {
  if (!model) return;
  fd_pretrained_close(&model->pretrained);
  pthread_mutex_destroy(&model->lock);
  free(model);
}

static const fd_vocabulary *vocabulary_of(const findna_model *model) {
  static const fd_vocabulary letters = {.size = 5, .cls = -1};
  return model->encoder.tokenizer ? fd_tokenizer_vocabulary(model->encoder.tokenizer) : &letters;
}

int findna_describe(const findna_model *model, findna_description *out) {
  begin();
  FD_TRY(check_size("findna_description", out->size, sizeof *out));
  *out = (findna_description){.size = sizeof *out,
                              .window = model->pretrained.info.window,
                              .channels = model->encoder.network->channels,
                              .outputs = model->encoder.network->task.outputs,
                              .vocabulary = vocabulary_of(model)->size,
                              .cls = vocabulary_of(model)->cls};
  snprintf(out->encoder, sizeof out->encoder, "%s", model->encoder.name);
  snprintf(out->state_id, sizeof out->state_id, "%s", model->pretrained.info.state_id);
  return FD_OK;
}

/* --- sequences ---------------------------------------------------------------------------------------------------------- */

/* Converts letters to symbols; `which` is the number of the sequence in messages, from 1. */
static fd_status read_letters(const char *letters, int64_t length, int64_t which, uint8_t *symbols) {
  for (int64_t i = 0; i < length; i++) {
    char shown[8] = "";
    unsigned char letter = (unsigned char)letters[i];
    symbols[i] = fd_symbol_of[letter];
    if (letter > 0x20 && letter < 0x7f) snprintf(shown, sizeof shown, "'%c' ", letter);
    if (symbols[i] == FD_NO_LETTER)
      return fd_fail(FD_DATA,
                     "sequence %" PRId64 ", letter %" PRId64
                     ": %s(byte 0x%02x) is not a nucleotide; expected A, C, G, T, N or another IUPAC letter",
                     which, i + 1, shown, letter);
  }
  return FD_OK;
}

static fd_status check_length(int64_t length, int64_t which) {
  if (length <= 0) return fd_fail(FD_DATA, "sequence %" PRId64 " is empty", which);
  if (length > LETTERS_MAX)
    return fd_fail(FD_DATA, "sequence %" PRId64 " has %" PRId64 " letters; expected at most %d", which, length, LETTERS_MAX);
  return FD_OK;
}

/* Makes a table of the sequences, which the caller releases, also on failure. */
static fd_status make_table(const char *const *sequences, const int64_t *lengths, int64_t count, fd_table *t) {
  if (count > INT_MAX - 1) return fd_fail(FD_USAGE, "%" PRId64 " sequences in one call; expected at most %d", count, INT_MAX - 1);
  FD_TRY(fd_alloc(&t->start, (size_t)count + 1, sizeof *t->start, "sequences"));
  for (int64_t i = 0; i < count; i++) {
    if (!sequences[i]) return fd_fail(FD_USAGE, "sequence %" PRId64 " is NULL", i + 1);
    int64_t length = lengths ? lengths[i] : (int64_t)strlen(sequences[i]);
    FD_TRY(check_length(length, i + 1));
    t->start[i + 1] = t->start[i] + length;
  }
  FD_TRY(fd_alloc(&t->symbols, (size_t)t->start[count], 1, "sequences"));
  for (int64_t i = 0; i < count; i++)
    FD_TRY(read_letters(sequences[i], t->start[i + 1] - t->start[i], i + 1, t->symbols + t->start[i]));
  t->rows = (int)count;
  return FD_OK;
}

/* --- embeddings --------------------------------------------------------------------------------------------------------- */

/* Destination of the next row. */
typedef struct rows {
  float *at;
  size_t width;
} rows;

static fd_status put(void *context, const char *id, int64_t count, const float *values, const int64_t *spans) {
  rows *out = context;
  (void)id, (void)spans;
  memcpy(out->at, values, (size_t)count * out->width * sizeof *values);
  out->at += (size_t)count * out->width;
  return FD_OK;
}

static fd_status read_pooling(const findna_pooling *p, fd_embed_choice *choice) {
  *choice = (fd_embed_choice){.pool = FINDNA_TOKENS, .window = -1};
  if (!p) return FD_OK;
  FD_TRY(check_size("findna_pooling", p->size, sizeof *p));
  if (p->pool < 0 || p->pool > FINDNA_TASK || p->pool == FD_POOL_POSITIONS)
    return fd_fail(FD_USAGE, "findna_pooling.pool is %d; expected FINDNA_TOKENS, CLS, BOTH, MAX or TASK", (int)p->pool);
  if (p->window < -1 || p->stride < 0)
    return fd_fail(FD_USAGE, "findna_pooling.window is %" PRId64 " and stride %" PRId64 "; expected -1 or more, and 0 or more",
                   p->window, p->stride);
  *choice = (fd_embed_choice){.pool = p->pool, .window = p->window, .stride = p->stride, .both_strands = p->both_strands != 0};
  return FD_OK;
}

static fd_status embed(findna_model *m, const fd_embed_choice *choice, fd_table *table, float *out) {
  fd_embed_options o;
  fd_sequences *sequences;
  FD_TRY(fd_embed_choose(choice, &m->pretrained, &m->encoder, "the call", &o));
  FD_TRY(fd_sequences_of_table(&sequences, table));
  fd_status status =
      fd_embed_run(&o, &m->encoder, fd_comm_self(), sequences, put, &(rows){out, (size_t)fd_embed_width(&o, m->encoder.network)});
  fd_sequences_close(&sequences);
  return status;
}

int findna_embed(findna_model *model, const char *const *sequences, const int64_t *lengths, int64_t count,
                 const findna_pooling *pooling, float *out) {
  fd_embed_choice choice;
  fd_table table = {0};
  begin();
  FD_TRY(read_pooling(pooling, &choice));
  if (count < 0) return fd_fail(FD_USAGE, "count is %" PRId64 "; expected 0 or more", count);
  if (count == 0) return FD_OK;
  fd_status status = make_table(sequences, lengths, count, &table);
  if (status == FD_OK) {
    pthread_mutex_lock(&model->lock);
    status = embed(model, &choice, &table, out);
    pthread_mutex_unlock(&model->lock);
  }
  fd_table_free(&table);
  return status;
}

/* --- tokens ------------------------------------------------------------------------------------------------------------- */

static fd_status words(const fd_encoder *e, const uint8_t *symbols, int64_t length, findna_token *tokens, int64_t room,
                       int64_t *count) {
  fd_tokens found;
  FD_TRY(fd_tokens_create(&found, e->tokenizer, length));
  *count = fd_tokenizer_encode(e->tokenizer, symbols, length, 0, &found);
  for (int64_t i = 0; i < *count && i < room; i++)
    tokens[i] = (findna_token){found.ids[i], found.spans[i].first, found.spans[i].count};
  fd_tokens_free(&found);
  return fd_tokenizer_check(e->tokenizer, length, *count, e->network->positions, "the sequence");
}

int findna_tokenize(const findna_model *model, const char *sequence, int64_t length, findna_token *tokens, int64_t room,
                    int64_t *count) {
  const fd_encoder *e = &model->encoder;
  uint8_t *symbols;
  begin();
  *count = 0;
  if (!sequence || (room > 0 && !tokens)) return fd_fail(FD_USAGE, "findna_tokenize: the sequence, or room for tokens, is NULL");
  if (length < 0) length = (int64_t)strlen(sequence);
  FD_TRY(check_length(length, 1));
  FD_TRY(fd_alloc(&symbols, (size_t)length, 1, "a sequence"));
  fd_status status = read_letters(sequence, length, 1, symbols);
  if (status == FD_OK && e->tokenizer) status = words(e, symbols, length, tokens, room, count);
  else if (status == FD_OK) {
    *count = length;
    for (int64_t i = 0; i < length && i < room; i++) tokens[i] = (findna_token){symbols[i], (int32_t)i, 1};
  }
  free(symbols);
  return status;
}

int findna_token_text(const findna_model *model, int32_t id, char text[FINDNA_TOKEN_TEXT]) {
  const fd_vocabulary *v = vocabulary_of(model);
  begin();
  if (id < 0 || id >= v->size) return fd_fail(FD_USAGE, "token %d: expected an id from 0 to %d", (int)id, (int)v->size - 1);
  if (model->encoder.tokenizer) fd_tokenizer_text(model->encoder.tokenizer, id, text);
  else snprintf(text, FINDNA_TOKEN_TEXT, "%c", fd_letters[id]);
  return FD_OK;
}
