/* Scores variants in genome order, so that the genome's sequences are read one at a time. The root rank makes jobs (a window with
 * REF and one with ALT); every rank computes a share of them. */
#include "tasks/score.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/alphabet.h"
#include "tasks/features.h"
#include "tasks/score_words.h"

enum { JOBS = 512, JOBS_BYTES = 1 << 26 };

/* One allele to score; `symbols` holds its windows, first the one with REF. */
typedef struct job {
  int64_t allele;
  int ref_window, alt_window; /* lengths */
  int at, ref, alt;           /* place of REF in its window, and the alleles' lengths */
  int alt_place, llr;         /* place of ALT in its window; llr: the alleles' likelihoods are comparable */
} job;

typedef struct pass_item {
  int job, minus;
  enum { MASKED, ALT_MASKED, WITH_REF, WITH_ALT } kind; /* ALT_MASKED: words of ALT in other places than REF's */
} pass_item;

typedef struct work {
  fd_score_options *options;
  const fd_encoder *encoder;
  fd_comm *comm;
  const char *path;
  const fd_variants *variants;
  const fd_genome *genome;
  fd_variant_scores *scores;
  /* root */
  int64_t *order;     /* [variants] sorted by place in the genome */
  int *record;        /* [variants] genome record; below 0: no score */
  int64_t first_line; /* smallest line of a refused variant */
  fd_genome_reader *reader;
  uint8_t *contig; /* symbols of record `loaded` */
  int loaded;
  /* all ranks */
  int jobs, jobs_max;
  job *job;                /* [jobs_max] */
  uint8_t *symbols;        /* [jobs_max, 2, window] */
  fd_allele_score *result; /* [jobs_max] */
  fd_encoding *e;
  fd_word_scratch words; /* of a model over words */
  float *row, *ref_row;  /* [channels] pooled latents; ref_row: of the job whose ALT follows */
} work;

/* --- root: selecting and ordering variants --------------------------------------------------------------------------------- */

enum { WRONG_PLACE = -1, TELOMERE = -2, ABSENT = -3 };

/* Finds the genome record that contains the variant's REF. TELOMERE: a structural variant before a contig's first base or after
 * its last, where VCF allows these; WRONG_PLACE: the genome has the contig but not this place. A contig that the genome lacks is
 * FD_DATA, or with `partial` ABSENT. */
static fd_status record_of(const work *w, const fd_variant *v, int *record) {
  const fd_genome *g = w->genome;
  int64_t end = v->position + (int64_t)strlen(v->ref);
  *record = fd_genome_locate(g, v->contig, v->position, end);
  if (*record >= 0) return FD_OK;
  if (*record == FD_NO_CONTIG) {
    char where[FD_PATH_MAX + 32];
    snprintf(where, sizeof where, "%s:%" PRId64, w->path, v->line);
    *record = ABSENT;
    w->scores->absent++;
    return w->options->partial ? FD_OK : fd_genome_lacks(g, where, v->contig, v->position, end, FD_NO_CONTIG);
  }
  int before = v->position > 0 ? fd_genome_locate(g, v->contig, v->position - 1, v->position) : WRONG_PLACE;
  int behind = before >= 0 && v->position == g->record[before].first + g->record[before].length;
  *record = (v->position < 0 || behind) && !fd_variant_is_sequence(v) ? TELOMERE : WRONG_PLACE;
  return FD_OK;
}

static fd_status load(work *w, int record) {
  if (w->loaded == record) return FD_OK;
  free(w->contig);
  w->loaded = -1;
  FD_TRY(fd_alloc(&w->contig, (size_t)w->genome->record[record].length, 1, "a sequence"));
  FD_TRY(fd_genome_read(w->reader, record, w->contig));
  w->loaded = record;
  return FD_OK;
}

static int64_t place_of(const work *w, const fd_variant *v, int record) { return v->position - w->genome->record[record].first; }

static int by_place(const void *a, const void *b, void *context) {
  const work *w = context;
  int64_t i = *(const int64_t *)a, j = *(const int64_t *)b;
  int x = w->record[i], y = w->record[j];
  if (x != y) return (x > y) - (x < y);
  int64_t p = w->variants->item[i].position, q = w->variants->item[j].position;
  return p != q ? (p > q) - (p < q) : (i > j) - (i < j);
}

/* Refuses a variant that does not match the genome; `first` describes the one on the first line. */
static void refuse(work *w, int64_t variant, const char *there, char *first, size_t size) {
  const fd_variant *v = &w->variants->item[variant];
  w->record[variant] = WRONG_PLACE;
  if (w->scores->mismatches++ && v->line > w->first_line) return;
  w->first_line = v->line;
  if (there)
    snprintf(first, size, "%s:%" PRId64 ": REF is %.20s, the genome has %s at %s:%" PRId64, w->path, v->line, v->ref, there,
             v->contig, v->position + 1);
  else snprintf(first, size, "%s:%" PRId64 ": the genome has no %s:%" PRId64, w->path, v->line, v->contig, v->position + 1);
}

static fd_status compare_references(work *w, char *first, size_t size) {
  for (int64_t k = 0; k < w->variants->count; k++) {
    int64_t i = w->order[k];
    const fd_variant *v = &w->variants->item[i];
    char there[24] = "";
    int same = 1;
    if (w->record[i] == WRONG_PLACE) refuse(w, i, NULL, first, size);
    if (w->record[i] < 0) continue;
    FD_TRY(load(w, w->record[i]));
    const uint8_t *genome = w->contig + place_of(w, v, w->record[i]);
    for (size_t c = 0; v->ref[c]; c++) {
      uint8_t base = fd_symbol_of[(unsigned char)v->ref[c]];
      same &= base == genome[c] || v->ref[c] == 'N' || v->ref[c] == 'n'; /* callers of structural variants write N */
      if (c < sizeof there - 1) there[c] = fd_letters[genome[c]];
    }
    if (!same) refuse(w, i, there, first, size);
  }
  return FD_OK;
}

static fd_status check_references(work *w) {
  const fd_variants *all = w->variants;
  char first[512] = "";
  FD_TRY(fd_alloc(&w->order, (size_t)all->count, sizeof *w->order, "variants"));
  FD_TRY(fd_alloc(&w->record, (size_t)all->count, sizeof *w->record, "variants"));
  FD_TRY(fd_genome_reader_open(w->genome, &w->reader));
  for (int64_t i = 0; i < all->count; i++) {
    w->order[i] = i;
    FD_TRY(record_of(w, &all->item[i], &w->record[i]));
  }
  qsort_r(w->order, (size_t)all->count, sizeof *w->order, by_place, w);
  FD_TRY(compare_references(w, first, sizeof first));
  int64_t wrong = w->scores->mismatches;
  if (!wrong) return FD_OK;
  if ((double)wrong > w->options->mismatches * (double)all->count)
    return fd_fail(FD_DATA,
                   "%" PRId64 " of %" PRId64
                   " variants do not lie on this genome, the first is %s. Is it of another assembly? "
                   "(--mismatches %g allows a share)",
                   wrong, all->count, first, w->options->mismatches);
  fd_warn("%" PRId64 " of %" PRId64 " variants do not lie on this genome and get no score; the first is %s", wrong, all->count,
          first);
  return FD_OK;
}

/* Numbers the alleles of all variants. */
static fd_status number_alleles(work *w) {
  const fd_variants *all = w->variants;
  fd_variant_scores *s = w->scores;
  FD_TRY(fd_alloc(&s->first, (size_t)all->count + 1, sizeof *s->first, "scores"));
  for (int64_t i = 0; i < all->count; i++) {
    s->first[i] = s->alleles++;
    for (const char *c = all->item[i].alt; *c; c++) s->alleles += *c == ',';
  }
  s->first[all->count] = s->alleles;
  FD_TRY(fd_alloc(&s->score, (size_t)s->alleles, sizeof *s->score, "scores"));
  for (int64_t i = 0; i < s->alleles; i++) s->score[i] = (fd_allele_score){NAN, NAN};
  return FD_OK;
}

/* --- root: jobs ------------------------------------------------------------------------------------------------------ */

/* Writes the symbols of an allele; returns 0 unless it consists of A, C, G and T only (0 for symbolic, missing, N). */
static int take_allele(const char *text, size_t length, uint8_t *to) {
  for (size_t i = 0; i < length; i++)
    if ((to[i] = fd_symbol_of[(unsigned char)text[i]]) >= FD_N) return 0;
  return length > 0;
}

/* The two windows of a job with the places and lengths of their alleles. */
static fd_word_pair pair_of(const work *w, const job *j, const uint8_t *windows) {
  return (fd_word_pair){.symbols = {windows, windows + w->options->window},
                        .length = {j->ref_window, j->alt_window},
                        .at = {j->at, j->alt_place},
                        .count = {j->ref, j->alt}};
}

/* Places ALT's window in the changed contig, of `changed` letters; *start is where REF's begins. It is placed as REF's is in the
 * contig, but for models over words: theirs begins with the words of REF's, unless ALT would not be in it, and may be shorter at
 * the contig's end. Returns its length. */
static int place_alt(const work *w, int64_t changed, int64_t place, const job *j, int window, int64_t *start) {
  int over = j->at + j->alt - window, length = window > changed ? (int)changed : window;
  if (w->encoder->tokenizer) {
    if (over > 0) *start += over;
    return changed - *start < window ? (int)(changed - *start) : window;
  }
  *start = place - window / 2;
  if (*start + length > changed) *start = changed - length;
  if (*start < 0) *start = 0;
  return length;
}

/* Makes a job for an allele of a variant on the loaded record; returns 0 if the allele cannot be scored. */
static int make_job(const work *w, int64_t variant, const char *alt, size_t alt_length, job *out, uint8_t *symbols) {
  const fd_variant *v = &w->variants->item[variant];
  int64_t length = w->genome->record[w->loaded].length, place = place_of(w, v, w->loaded);
  int window = w->options->window, ref = (int)strlen(v->ref);
  if (window > length) window = (int)length;
  if (w->options->unit) window -= window % w->options->unit;
  if (ref > window / 2 || alt_length > (size_t)window / 2) return 0;
  int64_t from = place - window / 2;
  if (from + window > length) from = length - window;
  if (from < 0) from = 0;
  *out = (job){.ref_window = window, .at = (int)(place - from), .ref = ref, .alt = (int)alt_length};
  if (out->at + ref > window) return 0;
  for (int i = 0; i < ref; i++)
    if (fd_symbol_of[(unsigned char)v->ref[i]] >= FD_N) return 0;
  uint8_t *with_ref = symbols, *with_alt = symbols + w->options->window;
  memcpy(with_ref, w->contig + from, (size_t)window);
  for (int i = 0; i < ref; i++)
    if (with_ref[out->at + i] >= FD_N) return 0;
  int64_t start = from;
  out->alt_window = place_alt(w, length - ref + out->alt, place, out, window, &start);
  int before = (int)(place - start), tail = out->alt_window - before - out->alt;
  if (tail < 0) return 0;
  memcpy(with_alt, w->contig + start, (size_t)before);
  if (!take_allele(alt, alt_length, with_alt + before)) return 0;
  memcpy(with_alt + before + out->alt, w->contig + place + ref, (size_t)tail);
  out->alt_place = before;
  out->llr = w->options->llr && ref == out->alt;
  return 1;
}

/* For a model over words: whether both windows contain a word (*seen), and whether the model can compare the alleles (job->llr).
 * Windows of more tokens than the model has positions are FD_DATA. */
static fd_status look_at_words(work *w, int64_t variant, job *j, const uint8_t *windows, int *seen) {
  const fd_word_pair pair = pair_of(w, j, windows);
  fd_word_change change;
  char where[FD_PATH_MAX + 64];
  *seen = 1;
  snprintf(where, sizeof where, "%s:%" PRId64 ": the window", w->path, w->variants->item[variant].line);
  for (int i = 0; i < FD_ALLELES; i++) {
    int words, n = fd_word_tokens(&w->words, pair.symbols[i], pair.length[i], &words);
    *seen = *seen && words;
    if (words) FD_TRY(fd_tokenizer_check(w->encoder->tokenizer, pair.length[i], n, w->encoder->network->positions, where));
  }
  j->llr = w->options->llr && *seen;
  for (int minus = 0; minus <= w->options->both_strands; minus++)
    j->llr = j->llr && fd_word_change_find(&w->words, &pair, minus, &change);
  return FD_OK;
}

/* Makes the next jobs, starting with allele number *skip of variant number *next in genome order. */
static fd_status make_jobs(work *w, int64_t *next, int64_t *skip) {
  for (w->jobs = 0; *next < w->variants->count; ++*next, *skip = 0) {
    int64_t i = w->order[*next], number = 0;
    if (w->record[i] < 0) continue;
    FD_TRY(load(w, w->record[i]));
    for (const char *alt = w->variants->item[i].alt; alt; alt = strchr(alt, ',') ? strchr(alt, ',') + 1 : NULL, number++) {
      if (number < *skip) continue;
      if (w->jobs == w->jobs_max) {
        *skip = number;
        return FD_OK;
      }
      job *j = &w->job[w->jobs];
      uint8_t *windows = w->symbols + (size_t)w->jobs * 2 * (size_t)w->options->window;
      int seen = make_job(w, i, alt, strcspn(alt, ","), j, windows);
      if (seen && w->encoder->tokenizer) FD_TRY(look_at_words(w, i, j, windows, &seen));
      if (!seen) continue;
      j->allele = w->scores->first[i] + number;
      w->jobs++;
    }
  }
  return FD_OK;
}

/* --- all ranks: passes ----------------------------------------------------------------------------------------------- */

static const uint8_t *window_of(const work *w, int j, int with_alt) {
  return w->symbols + ((size_t)j * 2 + (size_t)with_alt) * (size_t)w->options->window;
}

/* The logits of a sequence of a pass. */
static const float *logits_of(const work *w, int slot) {
  return w->e->logits + (size_t)w->e->seqs.start[slot] * (size_t)w->encoder->network->out[FD_OUT_LOGITS].width;
}

/* The contribution of a pass with masked words to log p(ALT's words) - log p(REF's words). */
static double words_ratio(work *w, int slot, const pass_item *p) {
  const fd_word_pair pair = pair_of(w, &w->job[p->job], window_of(w, p->job, 0));
  const float *logits = logits_of(w, slot);
  double tau = w->options->tau;
  fd_word_change change;
  if (!fd_word_change_find(&w->words, &pair, p->minus, &change)) return NAN; /* never: the root found it */
  if (p->kind == ALT_MASKED) return fd_word_change_log_p(&w->words, &change, FD_ALT, logits, tau);
  double alt = change.together ? fd_word_change_log_p(&w->words, &change, FD_ALT, logits, tau) : 0;
  return alt - fd_word_change_log_p(&w->words, &change, FD_REF, logits, tau);
}

/* log p(alt) - log p(ref) over the masked positions of a pass. */
static double likelihood_ratio(const work *w, int slot, const pass_item *p) {
  const job *j = &w->job[p->job];
  const uint8_t *ref = window_of(w, p->job, 0) + j->at, *alt = window_of(w, p->job, 1) + j->alt_place;
  double sum = 0;
  for (int i = 0; i < j->ref; i++) {
    int t = p->minus ? j->ref_window - 1 - (j->at + i) : j->at + i;
    const float *z = logits_of(w, slot) + (size_t)t * FD_SYMBOLS;
    uint8_t a = p->minus ? fd_complement[alt[i]] : alt[i], r = p->minus ? fd_complement[ref[i]] : ref[i];
    sum += fd_score_log_weight((double)z[a], w->options->tau, w->options->bce) -
           fd_score_log_weight((double)z[r], w->options->tau, w->options->bce);
  }
  return sum;
}

double fd_score_log_weight(double z, double tau, int bce) {
  double x = z / tau;
  return !bce ? x : x > 0 ? -log1p(exp(-x)) : x - log1p(exp(x));
}

static double distance(const float *a, const float *b, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++) sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
  return sqrt(sum);
}

static void take(void *context, int i, const void *note) {
  work *w = context;
  const pass_item *p = note;
  fd_allele_score *result = &w->result[p->job];
  double share = w->options->both_strands ? 0.5 : 1;
  if (p->kind == MASKED || p->kind == ALT_MASKED)
    result->llr += share * (w->encoder->tokenizer ? words_ratio(w, i, p) : likelihood_ratio(w, i, p));
  if (p->kind == WITH_REF) fd_features_pool(w->e, i, FD_FEATURES_TOKENS, w->ref_row);
  if (p->kind == WITH_ALT) {
    fd_features_pool(w->e, i, FD_FEATURES_TOKENS, w->row);
    result->distance += share * distance(w->row, w->ref_row, w->encoder->network->channels);
  }
}

static fd_status add(work *w, pass_item p) {
  int with_alt = p.kind == WITH_ALT || p.kind == ALT_MASKED, length = w->job[p.job].ref_window;
  if (with_alt) length = w->job[p.job].alt_window;
  return fd_encoding_put(w->e, window_of(w, p.job, with_alt), length, p.minus, &p);
}

/* Adds the window with REF masked; for a model over words, the window with the differing words of REF masked and, unless ALT's
 * words have the same places, the window with ALT's masked. */
static fd_status add_masked(work *w, int number, int minus) {
  const job *j = &w->job[number];
  fd_word_change change;
  if (!w->encoder->tokenizer) {
    FD_TRY(add(w, (pass_item){number, minus, MASKED}));
    fd_encoding_mask(w->e, minus ? j->ref_window - j->at - j->ref : j->at, j->ref);
    return FD_OK;
  }
  const fd_word_pair pair = pair_of(w, j, window_of(w, number, 0));
  int found = fd_word_change_find(&w->words, &pair, minus, &change);
  for (int k = 0; k < FD_ALLELES && found; k++) {
    if (k == FD_ALT && change.together) continue;
    FD_TRY(add(w, (pass_item){number, minus, k == FD_ALT ? ALT_MASKED : MASKED}));
    fd_encoding_mask(w->e, change.begin[k], change.letters[k]);
  }
  return FD_OK;
}

/* Computes this rank's jobs. */
static fd_status do_share(work *w) {
  const fd_score_options *o = w->options;
  int first = (int)((int64_t)w->jobs * w->comm->rank / w->comm->size),
      last = (int)((int64_t)w->jobs * (w->comm->rank + 1) / w->comm->size);
  memset(w->result, 0, (size_t)w->jobs_max * sizeof *w->result);
  for (int i = first; i < last; i++) {
    int comparable = w->job[i].llr;
    for (int minus = 0; minus <= o->both_strands; minus++) {
      if (comparable) FD_TRY(add_masked(w, i, minus));
      if (o->distance) FD_TRY(add(w, (pass_item){i, minus, WITH_REF}));
      if (o->distance) FD_TRY(add(w, (pass_item){i, minus, WITH_ALT}));
    }
    if (!comparable) w->result[i].llr = NAN;
    if (!o->distance) w->result[i].distance = NAN;
  }
  return fd_encoding_flush(w->e);
}

/* Root: refuses scores that are not finite, which finite weights may produce if they are too large. */
static fd_status check_results(const work *w) {
  for (int i = 0; i < w->jobs; i++) {
    const fd_allele_score *r = &w->result[i];
    int64_t v = 0;
    if ((!w->job[i].llr || isfinite(r->llr)) && (!w->options->distance || isfinite(r->distance))) continue;
    while (w->scores->first[v + 1] <= w->job[i].allele) v++;
    return fd_fail(FD_NUMERIC,
                   "%s:%" PRId64 ": a score of allele %" PRId64
                   " is not finite: the weights of the %s have diverged, use an older "
                   "checkpoint; nothing was written",
                   w->path, w->variants->item[v].line, w->job[i].allele - w->scores->first[v] + 1, w->encoder->name);
  }
  return FD_OK;
}

static fd_status do_jobs(work *w) {
  fd_comm *comm = w->comm;
  size_t window = (size_t)w->options->window;
  FD_TRY(comm->ops->broadcast(comm, &w->jobs, sizeof w->jobs, 0));
  if (!w->jobs) return FD_OK;
  FD_TRY(comm->ops->broadcast(comm, w->job, (size_t)w->jobs * sizeof *w->job, 0));
  FD_TRY(comm->ops->broadcast(comm, w->symbols, (size_t)w->jobs * 2 * window, 0));
  FD_TRY(fd_comm_agree(comm, do_share(w)));
  /* Every value is zero on all ranks but one, so summing the bits over ranks yields the value exactly. */
  FD_TRY(comm->ops->sum_u64(comm, (uint64_t *)(void *)w->result, (size_t)w->jobs * sizeof *w->result / sizeof(uint64_t)));
  return fd_comm_agree(comm, comm->rank ? FD_OK : check_results(w));
}

static fd_status run(work *w) {
  int root = w->comm->rank == 0, want = (w->options->llr ? FD_WANT_LOGITS : 0) | (w->options->distance ? FD_WANT_LATENT : 0);
  size_t channels = (size_t)w->encoder->network->channels;
  int64_t next = 0, skip = 0, *scored = &w->scores->scored;
  int64_t longest = 0;
  for (int r = 0; root && r < w->genome->records; r++)
    if (w->genome->record[r].length > longest) longest = w->genome->record[r].length;
  FD_TRY(w->comm->ops->broadcast(w->comm, &longest, sizeof longest, 0));
  if (longest < w->options->window) w->options->window = (int)longest; /* limits the buffers */
  FD_TRY(fd_comm_agree(w->comm, root ? check_references(w) : FD_OK));
  if (root) FD_TRY(number_alleles(w));
  w->jobs_max = JOBS_BYTES / 2 / w->options->window;
  if (w->jobs_max > JOBS) w->jobs_max = JOBS;
  if (w->jobs_max < 1) w->jobs_max = 1;
  size_t most = (size_t)w->jobs_max;
  fd_info("about %.0f MB of memory a rank, plus the genome's longest sequence",
          1e-6 * ((double)fd_encoding_memory(w->encoder, 0, w->options->window, want) + 2.0 * (double)most * w->options->window));
  FD_TRY(fd_alloc(&w->job, most, sizeof *w->job, "scores"));
  FD_TRY(fd_alloc(&w->symbols, most, 2 * (size_t)w->options->window, "the windows of variants (a smaller --window needs less)"));
  FD_TRY(fd_alloc(&w->result, most, sizeof *w->result, "scores"));
  FD_TRY(fd_alloc(&w->row, channels, sizeof *w->row, "scores"));
  FD_TRY(fd_alloc(&w->ref_row, channels, sizeof *w->ref_row, "scores"));
  if (w->encoder->tokenizer) FD_TRY(fd_word_scratch_create(&w->words, w->encoder->tokenizer, w->options->window));
  FD_TRY(fd_encoding_open(&w->e, w->encoder, 0, w->options->window, want, take, w, sizeof(pass_item)));
  for (double start = fd_seconds();;) {
    FD_TRY(fd_comm_stop_asked(w->comm));
    FD_TRY(fd_comm_agree(w->comm, root ? make_jobs(w, &next, &skip) : FD_OK));
    FD_TRY(do_jobs(w));
    if (!w->jobs) return FD_OK;
    for (int i = 0; i < w->jobs && root; i++) w->scores->score[w->job[i].allele] = w->result[i];
    *scored += w->jobs;
    fd_progress(root && next == w->variants->count,
                "%" PRId64 " alleles scored, %" PRId64 " of %" PRId64 " variants, %.1f alleles/s", *scored, next,
                root ? w->variants->count : 0, (double)*scored / (fd_seconds() - start));
  }
}

fd_status fd_score_variants(const fd_score_options *o, const fd_encoder *encoder, fd_comm *comm, const char *path,
                            const fd_variants *variants, const fd_genome *genome, fd_variant_scores *scores) {
  memset(scores, 0, sizeof *scores);
  fd_score_options own = *o;
  work w = {.options = &own,
            .encoder = encoder,
            .comm = comm,
            .path = path,
            .variants = variants,
            .genome = genome,
            .scores = scores,
            .loaded = -1};
  fd_status status = run(&w);
  fd_encoding_close(&w.e);
  fd_genome_reader_close(&w.reader);
  free(w.order);
  free(w.record);
  free(w.contig);
  free(w.job);
  free(w.symbols);
  free(w.result);
  free(w.row);
  free(w.ref_row);
  fd_word_scratch_free(&w.words);
  if (status != FD_OK) fd_variant_scores_free(scores);
  return status;
}

void fd_variant_scores_free(fd_variant_scores *scores) {
  free(scores->first);
  free(scores->score);
  memset(scores, 0, sizeof *scores);
}
