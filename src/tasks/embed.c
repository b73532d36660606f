/* Embeds sequences chunk by chunk: the root rank reads a chunk, every rank embeds a share of its pieces, the root passes on the
 * rows. The pieces of a long sequence are shared like those of many short ones. */
#include "tasks/embed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/finite.h"
#include "base/guard.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/alphabet.h"
#include "tasks/features.h"
#include "tasks/stored_logits.h"

/* A chunk is full when it holds this many nucleotides, values or sequences; it holds at least one sequence. */
enum { CHUNK_BASES = 1 << 20, CHUNK_VALUES = 1 << 24, CHUNK_SEQUENCES = 1 << 16 };

/* The pieces of a chunk are shared in rounds of at most so many pieces and pooled values. */
enum { ROUND_PIECES = 1 << 16, ROUND_VALUES = 1 << 22 };

/* Sequences in memory, on every rank. */
typedef struct chunk {
  int count;
  int64_t *start;   /* [count + 1] */
  uint8_t *symbols; /* [start[count]] */
  char **id;        /* root: [count] */
  uint8_t *whole;   /* [count] whether a sequence is not cut because it has few words; NULL without options->words */
  float *values;    /* rows of the sequences, consecutively */
  /* Where rows are words: */
  int64_t *row;       /* [count + 1] bounds of the sequences' rows */
  int64_t *piece_row; /* [pieces] first row of each piece */
  int64_t pieces;
  int64_t *spans; /* root: [row[count], 2] */
  size_t starts, room, ids, whole_room, row_room, piece_room, span_room;
} chunk;

/* A piece of a sequence: sequence, strand, first nucleotide; its number in the chunk, and the nucleotides of the pieces before it
 * in the round. */
typedef struct piece {
  int item, minus;
  int64_t from, number, before;
} piece;

/* The next piece of the chunk. */
typedef struct cursor {
  int item, minus;
  int64_t piece, number;
} cursor;

typedef struct work {
  const fd_embed_options *options;
  fd_embed_options uncut; /* the same, with window 0 */
  const fd_encoder *encoder;
  fd_comm *comm;
  int width;
  chunk c;
  fd_encoding *e;
  int64_t longest; /* longest piece that `e` has room for */
  float *row;      /* [width] */
  int words;       /* rows are words */
  fd_tokens found; /* root: words of a piece */
  int64_t found_room;
  uint8_t *turned; /* root: the reverse complement of a sequence */
  size_t turned_room;
  piece *list; /* of a round */
  size_t list_room;
  int64_t listed, bases; /* its pieces, and their nucleotides */
  float *parts;          /* pooled features of its pieces */
} work;

static fd_status check_choice(const fd_embed_choice *c, const fd_pretrained *m, const fd_embed_options *o, int words) {
  FD_TRY(fd_pretrained_check_window(m, o->window));
  if (words && c->both_strands)
    return fd_fail(FD_USAGE,
                   "--pool positions: the words of the reverse complement differ from the sequence's: leave out "
                   "--both-strands, and give reverse complements as separate sequences");
  if (o->task && !m->network->task.outputs)
    return fd_fail(FD_USAGE, "--pool task: %s has no task's head; it is for checkpoints of 'findna finetune'", m->info.folder);
  if (o->logits && m->config.task.kind != FD_TASK_CLASSES)
    return fd_fail(FD_USAGE, "--logits: %s predicts values, not classes; leave it out", m->info.folder);
  if (o->window && o->stride > o->window)
    return fd_fail(FD_USAGE, "--stride %" PRId64 " is longer than the window (%" PRId64 "): nucleotides would be left out",
                   o->stride, o->window);
  return FD_OK;
}

/* Letters of the longest word. */
static int64_t longest_word(const fd_tokenizer *t) {
  char text[FD_TOKEN_TEXT];
  size_t longest = 0;
  const fd_vocabulary *v = fd_tokenizer_vocabulary(t);
  for (int32_t id = 0; id < v->size; id++) {
    fd_tokenizer_text(t, id, text);
    if (strspn(text, "ACGT") == strlen(text) && strlen(text) > longest) longest = strlen(text);
  }
  return (int64_t)longest;
}

fd_status fd_embed_choose(const fd_embed_choice *c, const fd_pretrained *m, const fd_encoder *encoder, const char *path,
                          fd_embed_options *o) {
  int64_t window = c->window >= 0 ? c->window
                   : c->logits    ? 0
                                  : fd_pretrained_window(m); /* logits of a teacher: of whole sequences */
  int positions = c->pool == FD_POOL_POSITIONS,
      words = positions && m->network->ids; /* one row per word: no overlap of windows */
  *o = (fd_embed_options){.path = path,
                          .positions = positions,
                          .task = c->pool == FD_POOL_TASK,
                          .logits = c->logits,
                          .kind = positions                 ? FD_FEATURES_TOKENS
                                  : c->pool == FD_POOL_TASK ? (fd_features)m->network->task.features
                                                            : (fd_features)c->pool,
                          .window = window,
                          .stride = c->stride ? c->stride
                                    : words   ? window
                                              : (window + 1) / 2,
                          .both_strands = c->both_strands};
  if (c->window < 0 && window && m->config.model.tokenizer == FD_TOKENIZER_BPE) {
    o->words = m->config.model.positions;
    o->letters = o->words * longest_word(m->tokenizer);
  }
  FD_TRY(check_choice(c, m, o, words));
  return o->task ? FD_OK : fd_features_check(encoder, o->kind); /* a head reads the first token, even if it is no [CLS] */
}

int fd_embed_width(const fd_embed_options *o, const fd_network *network) {
  if (o->task) return network->task.outputs;
  return o->positions ? network->channels : fd_features_width(network, o->kind);
}

static int cls_of(const fd_embed_options *o, const fd_encoder *encoder) {
  return o->positions ? 0 : fd_features_cls(encoder, o->kind);
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

static int64_t length_of(const chunk *c, int i) { return c->start[i + 1] - c->start[i]; }

static int64_t piece_length(const fd_embed_options *o, int64_t length) {
  return o->window && length > o->window ? o->window : length;
}

/* Pieces of a sequence on one strand. */
static int64_t pieces_of(const fd_embed_options *o, int64_t length) {
  return o->window && length > o->window ? 1 + (length - o->window + o->stride - 1) / o->stride : 1;
}

/* The first nucleotide of a piece of the given strand. Those of the minus strand are mirrored, so that they are the pieces of the
 * reverse complement: the last piece, which ends with the sequence, need not be a stride behind its predecessor. */
static int64_t place_of(const fd_embed_options *o, int64_t length, int64_t piece, int minus) {
  int64_t from = piece * o->stride, last = length - piece_length(o, length);
  if (from > last) from = last;
  return minus ? last - from : from;
}

/* Pieces of the plus strand that begin at nucleotide t or before it. */
static int64_t begun_by(const fd_embed_options *o, int64_t length, int64_t t) {
  if (t < 0) return 0;
  return t < length - piece_length(o, length) ? t / o->stride + 1 : pieces_of(o, length);
}

/* Pieces of the plus strand that contain nucleotide t. */
static int64_t pieces_with(const fd_embed_options *o, int64_t length, int64_t t) {
  return begun_by(o, length, t) - begun_by(o, length, t - piece_length(o, length));
}

/* The options for sequence i. */
static const fd_embed_options *options_of(const work *w, int i) { return w->c.whole && w->c.whole[i] ? &w->uncut : w->options; }

/* Rows before sequence i in the chunk. */
static int64_t row_of(const work *w, int i) { return w->words ? w->c.row[i] : w->options->positions ? w->c.start[i] : i; }

int fd_embed_rows_are_words(const fd_embed_options *o, const fd_encoder *encoder) { return o->positions && encoder->tokenizer; }

double fd_embed_memory(const fd_embed_options *o, const fd_encoder *encoder, const fd_sequences *s) {
  int64_t longest = fd_sequences_longest(s), bases = fd_sequences_bases(s), rows = o->positions ? bases : fd_sequences_count(s),
          piece = most(piece_length(o, longest), least(longest, o->letters));
  double values = (double)rows * fd_embed_width(o, encoder->network),
         one = (o->positions ? (double)longest : 1) * fd_embed_width(o, encoder->network);
  if (values > CHUNK_VALUES + one) values = CHUNK_VALUES + one;
  if (bases > CHUNK_BASES + longest) bases = CHUNK_BASES + longest;
  return (double)fd_encoding_memory(encoder, cls_of(o, encoder), piece, FD_WANT_LATENT) +
         (values + (o->positions ? 0 : ROUND_VALUES)) * sizeof(float) + (double)bases;
}

/* Root: appends the words of the piece that begins at `from` to the rows of sequence i. */
static fd_status add_words(work *w, int i, int64_t from, int64_t count) {
  chunk *c = &w->c;
  FD_TRY(fd_grow(&c->spans, &c->span_room, (size_t)(c->row[i + 1] + count), 2 * sizeof *c->spans, "words"));
  for (int64_t j = 0; j < count; j++) {
    int64_t *span = c->spans + 2 * c->row[i + 1]++;
    span[0] = from + w->found.spans[j].first, span[1] = w->found.spans[j].count;
  }
  return FD_OK;
}

/* Root: encodes a part of a sequence into w->found; *n: its words, special ones included. */
static fd_status encode(work *w, const uint8_t *symbols, int64_t length, int64_t *n) {
  const fd_tokenizer *t = w->encoder->tokenizer;
  if (!w->found.ids || length > w->found_room) {
    fd_tokens_free(&w->found);
    FD_TRY(fd_tokens_create(&w->found, t, w->found_room = length));
  }
  *n = fd_tokenizer_encode(t, symbols, length, 0, &w->found);
  return FD_OK;
}

/* Root: whether sequence i has at most options->words words, also on the other strand if that is used. */
static fd_status find_whole(work *w, int i) {
  const fd_embed_options *o = w->options;
  chunk *c = &w->c;
  int64_t length = length_of(c, i), n;
  FD_TRY(fd_grow(&c->whole, &c->whole_room, (size_t)i + 1, 1, "sequences"));
  c->whole[i] = 0;
  if (length > o->letters) return FD_OK;
  FD_TRY(encode(w, c->symbols + c->start[i], length, &n));
  c->whole[i] = n <= o->words;
  if (!o->both_strands || !c->whole[i]) return FD_OK;
  FD_TRY(fd_grow(&w->turned, &w->turned_room, (size_t)length, 1, "sequences"));
  fd_reverse_complement(c->symbols + c->start[i], length, w->turned);
  FD_TRY(encode(w, w->turned, length, &n));
  c->whole[i] = n <= o->words;
  return FD_OK;
}

/* Root, for an encoder over ids: checks that it can read the pieces of the sequence i just read; where rows are words, appends
 * them. */
static fd_status find_words(work *w, int i, const char *id) {
  chunk *c = &w->c;
  const fd_tokenizer *t = w->encoder->tokenizer;
  char where[FD_PATH_MAX + 128];
  if (w->options->words) FD_TRY(find_whole(w, i));
  const fd_embed_options *o = options_of(w, i);
  int64_t length = length_of(c, i), size = piece_length(o, length);
  FD_TRY(fd_grow(&c->row, &c->row_room, (size_t)i + 2, sizeof *c->row, "sequences"));
  if (!i) c->row[0] = 0;
  c->row[i + 1] = c->row[i];
  for (int64_t k = 0; k < pieces_of(o, length); k++) {
    int64_t from = place_of(o, length, k, 0), n;
    FD_TRY(encode(w, c->symbols + c->start[i] + from, size, &n));
    snprintf(where, sizeof where, "%s: sequence %.100s", w->options->path, id);
    FD_TRY(fd_tokenizer_check(t, size, n, w->encoder->network->positions, where));
    if (!w->words) continue;
    FD_TRY(fd_grow(&c->piece_row, &c->piece_room, (size_t)c->pieces + 1, sizeof *c->piece_row, "words"));
    c->piece_row[c->pieces++] = c->row[i + 1];
    FD_TRY(add_words(w, i, from, n));
  }
  return FD_OK;
}

/* Root: the name of a sequence's row; released with free(). */
static fd_status name_of(const work *w, const fd_sequence *s, char **name) {
  char hex[FD_SHA256_HEX];
  if (w->options->logits) FD_TRY(fd_sequence_name(s->symbols, s->length, hex));
  *name = strdup(w->options->logits ? hex : s->id);
  return *name ? FD_OK : fd_fail(FD_MEMORY, "no memory for a name");
}

/* Root: reads sequences until the chunk is full. */
static fd_status read_chunk(work *w, fd_sequences *s, int64_t *left) {
  chunk *c = &w->c;
  c->count = 0;
  c->pieces = 0;
  FD_TRY(fd_grow(&c->start, &c->starts, 1, sizeof *c->start, "sequences"));
  c->start[0] = 0;
  while (*left && c->count < CHUNK_SEQUENCES && c->start[c->count] < CHUNK_BASES &&
         (!c->count || row_of(w, c->count) * w->width < CHUNK_VALUES)) {
    fd_sequence next;
    FD_TRY(fd_sequences_next(s, &next));
    size_t used = (size_t)c->start[c->count], n = (size_t)c->count;
    FD_TRY(fd_grow(&c->start, &c->starts, n + 2, sizeof *c->start, "sequences"));
    FD_TRY(fd_grow(&c->symbols, &c->room, used + (size_t)next.length, 1, "sequences"));
    FD_TRY(fd_grow(&c->id, &c->ids, n + 1, sizeof *c->id, "names"));
    memcpy(c->symbols + used, next.symbols, (size_t)next.length);
    c->start[n + 1] = (int64_t)used + next.length;
    if (w->encoder->tokenizer) FD_TRY(find_words(w, c->count, next.id));
    FD_TRY(name_of(w, &next, &c->id[n]));
    c->count++;
    --*left;
  }
  return FD_OK;
}

/* Broadcasts the root's chunk to all ranks. */
static fd_status share_chunk(work *w) {
  chunk *c = &w->c;
  fd_comm *comm = w->comm;
  FD_TRY(comm->ops->broadcast(comm, &c->count, sizeof c->count, 0));
  if (!c->count) return FD_OK;
  size_t n = (size_t)c->count;
  FD_TRY(fd_grow(&c->start, &c->starts, n + 1, sizeof *c->start, "sequences"));
  FD_TRY(comm->ops->broadcast(comm, c->start, (n + 1) * sizeof *c->start, 0));
  FD_TRY(fd_grow(&c->symbols, &c->room, (size_t)c->start[n], 1, "sequences"));
  FD_TRY(comm->ops->broadcast(comm, c->symbols, (size_t)c->start[n], 0));
  if (w->options->words) {
    FD_TRY(fd_grow(&c->whole, &c->whole_room, n, 1, "sequences"));
    FD_TRY(comm->ops->broadcast(comm, c->whole, n, 0));
  }
  if (!w->words) return FD_OK;
  FD_TRY(fd_grow(&c->row, &c->row_room, n + 1, sizeof *c->row, "sequences"));
  FD_TRY(comm->ops->broadcast(comm, c->row, (n + 1) * sizeof *c->row, 0));
  FD_TRY(comm->ops->broadcast(comm, &c->pieces, sizeof c->pieces, 0));
  FD_TRY(fd_grow(&c->piece_row, &c->piece_room, (size_t)c->pieces, sizeof *c->piece_row, "words"));
  return comm->ops->broadcast(comm, c->piece_row, (size_t)c->pieces * sizeof *c->piece_row, 0);
}

/* The first of n things of this rank's share. */
static int64_t share_of(const work *w, int64_t n, int rank) { return (int64_t)((double)n * rank / w->comm->size); }

/* Whether a number below n is in this rank's share. */
static int in_share(const work *w, int64_t n, int64_t number) {
  int rank = w->comm->rank;
  return number >= share_of(w, n, rank) && (rank + 1 == w->comm->size || number < share_of(w, n, rank + 1));
}

/* The nucleotides [*begin, *end) of a sequence whose rows this rank computes, where rows are nucleotides: those in its share of
 * the chunk, or, for a sequence of one piece, all if the first is. */
static void range_of(const work *w, int item, int64_t *begin, int64_t *end) {
  int64_t start = w->c.start[item], length = length_of(&w->c, item), all = w->c.start[w->c.count];
  int rank = w->comm->rank;
  if (pieces_of(options_of(w, item), length) == 1) {
    *begin = 0, *end = in_share(w, all, start) ? length : 0;
    return;
  }
  *begin = most(share_of(w, all, rank) - start, 0);
  *end = rank + 1 == w->comm->size ? length : least(share_of(w, all, rank + 1) - start, length);
}

/* Adds the latents of a piece to the rows of those of its positions that are this rank's. */
static void add_positions(work *w, int slot, const piece *p) {
  int first = w->e->seqs.start[slot], length = w->e->seqs.start[slot + 1] - first;
  int64_t begin, end;
  range_of(w, p->item, &begin, &end);
  for (int t = 0; t < length; t++) {
    if (p->from + t < begin || p->from + t >= end) continue;
    const float *row = w->e->latent + (size_t)(first + (p->minus ? length - 1 - t : t)) * (size_t)w->width;
    float *out = w->c.values + (size_t)(w->c.start[p->item] + p->from + t) * (size_t)w->width;
    for (int c = 0; c < w->width; c++) out[c] += row[c];
  }
}

/* Copies the latents of a piece's words to their rows. */
static void put_words(work *w, int slot, const piece *p) {
  int first = w->e->seqs.start[slot], words = w->e->seqs.start[slot + 1] - first;
  memcpy(w->c.values + (size_t)w->c.piece_row[p->number] * (size_t)w->width, w->e->latent + (size_t)first * (size_t)w->width,
         (size_t)words * (size_t)w->width * sizeof(float));
}

/* Replaces the features by the head's prediction. */
static void predict(const work *w) {
  const fd_task_head *head = &w->encoder->network->task;
  double z[head->outputs];
  fd_task_head_apply(head, w->encoder->params, w->row, z);
  if (!w->options->logits) fd_task_head_predict(head, z);
  for (int o = 0; o < head->outputs; o++) w->row[o] = (float)z[o];
}

/* Takes the results of a piece. */
static void take(void *context, int i, const void *note) {
  work *w = context;
  const piece *p = note;
  if (w->words) {
    put_words(w, i, p);
  } else if (w->options->positions) {
    add_positions(w, i, p);
  } else {
    fd_features_pool(w->e, i, w->options->kind, w->row);
    if (w->options->task) predict(w);
    memcpy(w->parts + (size_t)(p->number - w->list[0].number) * (size_t)w->width, w->row, (size_t)w->width * sizeof(float));
  }
}

/* Lists the pieces of the next round; none after the last one. */
static fd_status list_pieces(work *w, cursor *at) {
  const fd_embed_options *o = w->options;
  int64_t room = o->positions ? ROUND_PIECES : most(least(ROUND_PIECES, ROUND_VALUES / w->width), 1);
  w->listed = w->bases = 0;
  for (; at->item < w->c.count; at->item++, at->piece = 0) {
    const fd_embed_options *cut = options_of(w, at->item);
    int64_t length = length_of(&w->c, at->item);
    for (; at->piece < pieces_of(cut, length); at->piece++, at->minus = 0)
      for (; at->minus <= o->both_strands; at->minus++) {
        if (w->listed == room) return FD_OK;
        FD_TRY(fd_grow(&w->list, &w->list_room, (size_t)w->listed + 1, sizeof *w->list, "pieces of sequences"));
        w->list[w->listed] = (piece){at->item, at->minus, place_of(cut, length, at->piece, at->minus), at->number++, w->bases};
        w->bases += piece_length(cut, length);
        w->listed++;
      }
  }
  return FD_OK;
}

/* Whether this rank embeds a piece: where rows are nucleotides, each piece that contains one of its own; else the pieces that
 * begin in its share of the round's nucleotides. */
static int is_mine(const work *w, const piece *p) {
  int64_t begin, end;
  if (w->words || !w->options->positions) return in_share(w, w->bases, p->before);
  range_of(w, p->item, &begin, &end);
  return begin < end && p->from < end && p->from + piece_length(options_of(w, p->item), length_of(&w->c, p->item)) > begin;
}

static fd_status embed_share(work *w) {
  for (int64_t i = 0; i < w->listed; i++) {
    const piece *p = &w->list[i];
    int length = (int)piece_length(options_of(w, p->item), length_of(&w->c, p->item));
    if (is_mine(w, p)) FD_TRY(fd_encoding_put(w->e, w->c.symbols + w->c.start[p->item] + p->from, length, p->minus, p));
  }
  return fd_encoding_flush(w->e);
}

/* Averages each of this rank's positions of a sequence over the pieces that contain it, whose latents were summed. */
static void divide_positions(work *w, int item) {
  const fd_embed_options *o = options_of(w, item);
  int64_t length = length_of(&w->c, item), begin, end;
  range_of(w, item, &begin, &end);
  for (int64_t t = begin; t < end; t++) {
    int64_t summed = pieces_with(o, length, t) + (o->both_strands ? pieces_with(o, length, length - 1 - t) : 0);
    float share = 1.0f / (float)summed;
    float *row = w->c.values + (size_t)(w->c.start[item] + t) * (size_t)w->width;
    for (int c = 0; c < w->width; c++) row[c] *= share;
  }
}

/* Adds up n floats of all ranks, each of which is zero on all ranks but one: the sum of their bits is exact. */
static fd_status unite(work *w, float *values, size_t n) {
  return w->comm->ops->sum_u64(w->comm, (uint64_t *)(void *)values, (n + 1) / 2);
}

/* In a round a rank may have much to do and the others nothing, so they meet only after the last one. */
static fd_status embed_rows(work *w) {
  cursor at = {0};
  fd_status status;
  do {
    status = list_pieces(w, &at);
    if (status == FD_OK) status = embed_share(w);
  } while (status == FD_OK && w->listed);
  FD_TRY(fd_comm_agree(w->comm, status));
  for (int i = 0; i < w->c.count && !w->words; i++) divide_positions(w, i);
  return unite(w, w->c.values, (size_t)row_of(w, w->c.count) * (size_t)w->width);
}

/* Adds the features of the round's pieces to those of their sequences, in order, on all ranks. */
static void add_parts(work *w) {
  for (int64_t i = 0; i < w->listed; i++) {
    int item = w->list[i].item;
    double share = 1.0 / (double)(pieces_of(options_of(w, item), length_of(&w->c, item)) * (w->options->both_strands ? 2 : 1));
    const float *part = w->parts + (size_t)i * (size_t)w->width;
    float *out = w->c.values + (size_t)item * (size_t)w->width;
    for (int c = 0; c < w->width; c++) out[c] = (float)(out[c] + share * part[c]);
  }
}

static fd_status embed_pooled(work *w) {
  cursor at = {0};
  do {
    fd_status status = list_pieces(w, &at);
    size_t values = (size_t)w->listed * (size_t)w->width;
    if (status == FD_OK) status = fd_alloc(&w->parts, (values + 1) / 2, 2 * sizeof(float), "embeddings");
    if (status == FD_OK) status = embed_share(w);
    FD_TRY(fd_comm_agree(w->comm, status));
    FD_TRY(unite(w, w->parts, values));
    add_parts(w);
    free(w->parts);
    w->parts = NULL;
  } while (w->listed);
  return FD_OK;
}

/* Grows the encoder's buffers for the longest piece of the chunk. */
static fd_status fit_encoder(work *w) {
  int64_t longest = 0;
  for (int i = 0; i < w->c.count; i++) {
    int64_t n = piece_length(options_of(w, i), length_of(&w->c, i));
    if (n > longest) longest = n;
  }
  if (w->e && longest <= w->longest) return FD_OK;
  fd_encoding_close(&w->e);
  w->longest = longest;
  return fd_encoding_open(&w->e, w->encoder, cls_of(w->options, w->encoder), longest, FD_WANT_LATENT, take, w, sizeof(piece));
}

static fd_status embed_chunk(work *w) {
  size_t values = (size_t)row_of(w, w->c.count) * (size_t)w->width;
  FD_TRY(fd_alloc(&w->c.values, (values + 1) / 2, 2 * sizeof(float), "embeddings"));
  FD_TRY(fit_encoder(w));
  return w->options->positions ? embed_rows(w) : embed_pooled(w);
}

/* Root: refuses values that are not finite, which finite weights may produce if they are too large. */
static fd_status check_chunk(const work *w) {
  const chunk *c = &w->c;
  size_t count = (size_t)row_of(w, c->count) * (size_t)w->width, place = fd_first_bad(c->values, count);
  int i = 0;
  if (place == count) return FD_OK;
  while (row_of(w, i + 1) <= (int64_t)(place / (size_t)w->width)) i++;
  return fd_fail(FD_NUMERIC,
                 "%s: value %zu of its embedding is not finite: the weights of the %s have diverged, use an older checkpoint; "
                 "nothing was written",
                 c->id[i], place % (size_t)w->width, w->encoder->name);
}

/* Root: passes the rows of the chunk to the caller. */
static fd_status give_chunk(work *w, fd_embed_taker *taker, void *context) {
  for (int i = 0; i < w->c.count; i++) {
    FD_TRY(fd_guard_go_on()); /* HDF5 takes a second for a few thousand rows on a busy machine */
    int64_t row = row_of(w, i);
    FD_TRY(taker(context, w->c.id[i], row_of(w, i + 1) - row, w->c.values + (size_t)row * (size_t)w->width,
                 w->words ? w->c.spans + 2 * row : NULL));
  }
  return FD_OK;
}

static void empty_chunk(chunk *c) {
  for (int i = 0; c->id && i < c->count; i++) free(c->id[i]);
  free(c->values);
  c->values = NULL;
  c->count = 0;
}

static fd_status run(work *w, fd_sequences *s, fd_embed_taker *taker, void *context) {
  int root = w->comm->rank == 0;
  int64_t count = root ? fd_sequences_count(s) : 0, left = count, bases = root ? fd_sequences_bases(s) : 0, done = 0;
  double start = fd_seconds();
  int features = fd_features_width(w->encoder->network, w->options->kind);
  FD_TRY(fd_alloc(&w->row, (size_t)(features > w->width ? features : w->width), sizeof *w->row, "embeddings"));
  for (;;) {
    FD_TRY(fd_comm_stop_asked(w->comm));
    FD_TRY(fd_comm_agree(w->comm, root ? read_chunk(w, s, &left) : FD_OK));
    FD_TRY(share_chunk(w));
    if (!w->c.count) return FD_OK;
    FD_TRY(embed_chunk(w));
    FD_TRY(fd_comm_agree(w->comm, root ? check_chunk(w) : FD_OK));
    FD_TRY(fd_comm_agree(w->comm, root ? give_chunk(w, taker, context) : FD_OK));
    done += w->c.start[w->c.count];
    double seconds = fd_seconds() - start;
    fd_progress(root && left == 0,
                "%" PRId64 " of %" PRId64 " sequences, %.1f %% of the nucleotides, %.0f nucleotides/s, %.0f s left", count - left,
                count, root ? 100.0 * (double)done / (double)bases : 0, (double)done / seconds,
                root ? (double)(bases - done) * seconds / (double)done : 0);
    empty_chunk(&w->c);
  }
}

fd_status fd_embed_run(const fd_embed_options *o, const fd_encoder *encoder, fd_comm *comm, fd_sequences *s,
                       fd_embed_taker *taker, void *context) {
  work w = {.options = o,
            .uncut = *o,
            .encoder = encoder,
            .comm = comm,
            .width = fd_embed_width(o, encoder->network),
            .words = fd_embed_rows_are_words(o, encoder)};
  w.uncut.window = 0;
  fd_status status = run(&w, s, taker, context);
  empty_chunk(&w.c);
  free(w.c.id);
  free(w.c.start);
  free(w.c.symbols);
  free(w.c.whole);
  free(w.c.row);
  free(w.c.piece_row);
  free(w.c.spans);
  free(w.list);
  free(w.parts);
  fd_tokens_free(&w.found);
  free(w.turned);
  free(w.row);
  fd_encoding_close(&w.e);
  return status;
}
