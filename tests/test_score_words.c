/* Scores of variants by models over words, against a plain version: one window at a time, with words cut directly. */
#include "check.h"
#include "draws.h"

#include <unistd.h>

#include "data/alphabet.h"
#include "scratch.h"
#include "tasks/score.h"

enum { CONTIGS = 2, LENGTH = 300, WINDOW = 62, VARIANTS = 60 };
static char genome_text[CONTIGS][LENGTH + 1];
static char merges[FD_PATH_MAX];
static fd_device *dev;

/* A model over one kind of word. */
typedef struct subject {
  int k, is_nt; /* letters of a word, 0: byte pairs; words of Nucleotide Transformer, else k-mers */
  int vocabulary;
  fd_tokenizer *tokenizer;
  fd_network *network;
  float *params;
  fd_encoder encoder;
} subject;

static uint32_t draw(uint32_t below) {
  static uint64_t count;
  uint32_t word[4];
  fd_philox(word, drawn_key(12), 1, count++);
  return fd_below(word[0], below);
}

static int set_up(void **state) {
  fd_config c;
  if (!realpath("tests/golden/bpe_merges.txt", merges) || make_folder(state) || chdir(folder)) return -1;
  fd_config_defaults(&c);
  c.device.threads = 2;
  assert_ok(fd_device_open(&dev, &c, 0, 1));
  FILE *out = fopen("genome.fa", "w");
  for (int k = 0; k < CONTIGS; k++) {
    for (int i = 0; i < LENGTH; i++) genome_text[k][i] = "ACGT"[draw(4)];
    if (k) genome_text[k][150] = 'N';
    fprintf(out, ">chr%d\n%s\n", k + 1, genome_text[k]);
  }
  return fclose(out);
}

static int tear_down(void **state) {
  fd_device_close(&dev);
  return remove_folder(state);
}

static void open_subject(subject *s, const char *kind, int k) {
  fd_config c;
  fd_config_defaults(&c);
  *s = (subject){.k = k, .is_nt = !strcmp(kind, "nt6")};
  const fd_tokenizer_settings settings = {.kind = kind, .k = k, .stride = k, .file = k ? NULL : merges};
  assert_ok(fd_tokenizer_create(&s->tokenizer, &settings));
  s->vocabulary = fd_tokenizer_vocabulary(s->tokenizer)->size;
  c.model.encoder = FD_ARCH_NT_V2, c.model.channels = 24, c.model.hidden = 32, c.model.layers = 2, c.model.heads = 4;
  c.model.vocabulary = s->vocabulary;
  assert_ok(fd_network_create(&s->network, &c, WINDOW));
  s->params = calloc(s->network->params.size, sizeof *s->params);
  fd_params_init(&s->network->params, drawn_seed(5), s->params);
  s->encoder = (fd_encoder){"test", s->network, s->params, dev, 0, s->tokenizer};
}

static void close_subject(subject *s) {
  free(s->params);
  fd_network_destroy(&s->network);
  fd_tokenizer_destroy(&s->tokenizer);
}

static int cut_pairs(const subject *s, const char *text, int32_t *ids, int *begin, int *letters) {
  uint8_t symbols[WINDOW + 4];
  fd_tokens tokens;
  int length = (int)strlen(text);
  for (int i = 0; i < length; i++) symbols[i] = fd_symbol_of[(unsigned char)text[i]];
  assert_ok(fd_tokens_create(&tokens, s->tokenizer, length));
  int n = (int)fd_tokenizer_encode(s->tokenizer, symbols, length, 0, &tokens);
  for (int i = 0; i < n; i++) ids[i] = tokens.ids[i], begin[i] = tokens.spans[i].first, letters[i] = tokens.spans[i].count;
  fd_tokens_free(&tokens);
  return n;
}

/* Tokenizes a text: ids, start and number of letters of each word. Returns the number of words. */
static int cut(const subject *s, const char *text, int32_t *ids, int *begin, int *letters) {
  const char *digits = s->is_nt ? "ATCG" : "ACGT";
  int n = 0, first = s->is_nt ? 6 : 2, length = (int)strlen(text);
  if (!s->k) return cut_pairs(s, text, ids, begin, letters);
  if (s->is_nt) ids[n] = 3, begin[n] = letters[n] = 0, n++; /* <cls> */
  for (int at = 0; at < length; n++) {
    int number = 0, whole = at + s->k <= length, has_n = whole && memchr(text + at, 'N', (size_t)s->k);
    if (!s->is_nt && !whole) break;
    for (int i = 0; whole && !has_n && i < s->k; i++) number = 4 * number + (int)(strchr(digits, text[at + i]) - digits);
    begin[n] = at;
    letters[n] = s->is_nt && (!whole || has_n) ? 1 : s->k;
    if (letters[n] == 1 && s->is_nt) ids[n] = text[at] == 'N' ? 4106 : 6 + 4096 + (int)(strchr(digits, text[at]) - digits);
    else ids[n] = has_n ? 1 : first + number; /* a k-mer with N is [UNK] */
    at += letters[n];
  }
  return n;
}

/* Runs a single window: logits [n, vocabulary], and the mean latent. */
static void forward(const subject *s, const int32_t *ids, int n, float *logits, double *mean) {
  int start[2] = {0, n}, channels = s->network->channels;
  fd_seqs seqs = {.count = 1, .start = start, .micro_batches = 1};
  const fd_extent extent = {n, 1, 0};
  fd_spaces spaces;
  fd_pass *pass;
  assert_ok(fd_network_pass(&pass, s->network, dev, (fd_demand){1u << FD_OUT_LATENT | 1u << FD_OUT_LOGITS, 0, 0}, extent));
  assert_ok(fd_spaces_create(&spaces, dev, fd_pass_spaces(pass), extent));
  assert_ok(fd_spaces_set(&spaces, &seqs));
  fd_pass_forward(pass, &spaces, s->params, ids);
  const float *latent = fd_network_output(s->network, pass, FD_OUT_LATENT).at;
  assert_ok(dev->sync(dev));
  memcpy(logits, fd_network_output(s->network, pass, FD_OUT_LOGITS).at, (size_t)(n * s->vocabulary) * sizeof *logits);
  for (int c = 0; c < channels; c++) {
    mean[c] = 0;
    for (int t = 0; t < n; t++) mean[c] += (double)latent[t * channels + c] / n;
  }
  fd_spaces_destroy(&spaces);
  fd_pass_destroy(&pass);
}

static void turn(char *text) {
  char copy[2 * LENGTH];
  int length = (int)strlen(text);
  strcpy(copy, text);
  for (int i = 0; i < length; i++) {
    char c = copy[length - 1 - i];
    text[i] = c == 'N' ? 'N' : "TGCA"[strchr("ACGT", c) - "ACGT"];
  }
}

static double log_p(const float *z, int n, int32_t id, double tau) {
  double sum = 0;
  for (int i = 0; i < n; i++) sum += exp(((double)z[i] - (double)z[id]) / tau);
  return -log(sum);
}

/* A window as words; border i precedes word i, border n follows the last word. */
typedef struct words {
  char text[2 * LENGTH + 64];
  int32_t id[WINDOW + 4];
  int begin[WINDOW + 4], letters[WINDOW + 4], n, at, count; /* of the allele */
} words;

static void cut_words(const subject *s, words *w, int minus) {
  if (minus) turn(w->text), w->at = (int)strlen(w->text) - w->at - w->count;
  w->n = cut(s, w->text, w->id, w->begin, w->letters);
}

static int is_word(const words *w, int i) { return i >= 0 && i < w->n && w->letters[i] > 0; }

/* The end of the words: [SEP] has no letters. */
static int end_of(const words *w) {
  int i = w->n;
  while (i > 0 && !w->letters[i - 1]) i--;
  return i;
}

static int border(const words *w, int i) { return i < end_of(w) ? w->begin[i] : i ? w->begin[i - 1] + w->letters[i - 1] : 0; }

/* Among all pairs of borders on the left, or right, of the alleles, at the same distance from both and with equal words (or none)
 * beyond, finds the nearest pair; returns 0 if there is none. */
static int find_border(const words *a, const words *b, int right, int *i, int *j) {
  int nearest = INT32_MAX;
  for (int k = 0; k <= end_of(a); k++)
    for (int m = 0; m <= end_of(b); m++) {
      int x = right ? border(a, k) - a->at - a->count : a->at - border(a, k),
          y = right ? border(b, m) - b->at - b->count : b->at - border(b, m), p = right ? k : k - 1, q = right ? m : m - 1;
      int none = !is_word(a, p) && !is_word(b, q), both = is_word(a, p) && is_word(b, q) && a->id[p] == b->id[q];
      if ((k < end_of(a) && !is_word(a, k)) || (m < end_of(b) && !is_word(b, m))) continue; /* before [CLS] */
      if (x != y || x < 0 || x >= nearest || !(none || both)) continue;
      nearest = x, *i = k, *j = m;
    }
  return nearest < INT32_MAX;
}

/* log p of words first .. end - 1, masked together. */
static double masked_log_p(const subject *s, const words *w, int first, int end, double tau, float *z) {
  const fd_vocabulary *v = fd_tokenizer_vocabulary(s->tokenizer);
  int32_t ids[WINDOW + 4];
  double sum = 0, mean[24];
  for (int i = 0; i < w->n; i++) {
    ids[i] = i >= first && i < end ? v->mask : w->id[i];
    if (i >= first && i < end && w->id[i] == v->unk) return NAN;
  }
  forward(s, ids, w->n, z, mean);
  for (int i = first; i < end; i++) sum += log_p(z + (size_t)(i * s->vocabulary), s->vocabulary, w->id[i], tau);
  return sum;
}

/* The scores of one allele, on one strand; NAN: none. */
static fd_allele_score plain_score(const subject *s, int contig, int place, const char *ref, const char *alt, double tau,
                                   int minus) {
  static words a, b;
  char text[2 * LENGTH + 64];
  double mean[2][24];
  fd_allele_score score = {NAN, 0};
  int from = place - WINDOW / 2, n = (int)strlen(ref), m = (int)strlen(alt), left[2], right[2];
  if (from + WINDOW > LENGTH) from = LENGTH - WINDOW;
  if (from < 0) from = 0;
  int over = place - from + m - WINDOW;
  if (over < 0) over = 0;
  snprintf(text, sizeof text, "%.*s%s%s", place, genome_text[contig], alt, genome_text[contig] + place + n);
  snprintf(a.text, sizeof a.text, "%.*s", WINDOW, genome_text[contig] + from);
  snprintf(b.text, sizeof b.text, "%.*s", WINDOW, text + from + over);
  a.at = place - from, b.at = a.at - over, a.count = n, b.count = m;
  cut_words(s, &a, minus), cut_words(s, &b, minus);
  float *z = malloc((size_t)((WINDOW + 4) * s->vocabulary) * sizeof *z);
  forward(s, a.id, a.n, z, mean[0]);
  forward(s, b.id, b.n, z, mean[1]);
  for (int c = 0; c < s->network->channels; c++) score.distance += (mean[0][c] - mean[1][c]) * (mean[0][c] - mean[1][c]);
  score.distance = sqrt(score.distance);
  if (find_border(&a, &b, 0, &left[0], &left[1]) && find_border(&a, &b, 1, &right[0], &right[1]))
    score.llr = masked_log_p(s, &b, left[1], right[1], tau, z) - masked_log_p(s, &a, left[0], right[0], tau, z);
  free(z);
  return score;
}

typedef struct allele {
  int contig, place;
  char ref[12], alt[12];
} allele;

static void write_variants(allele *want) {
  static const int places[] = {0, 1, 29, 30, 299, 296, 270, 298, 151, 149, 155, 120};
  FILE *out = fopen("v.csv", "w");
  fprintf(out, "chrom,pos,ref,alt\n");
  for (int i = 0; i < VARIANTS; i++) {
    allele *v = &want[i];
    v->contig = i % 2, v->place = i < 24 ? places[i / 2] : (int)draw(LENGTH - 8);
    int n = 1 + (int)draw(i % 3 ? 2 : 8), m = i % 4 ? n : 1 + (int)draw(8);
    if (v->place + n > LENGTH) n = m = LENGTH - v->place;
    snprintf(v->ref, sizeof v->ref, "%.*s", n, genome_text[v->contig] + v->place);
    for (int c = 0; c < m; c++) v->alt[c] = "ACGT"[draw(4)];
    v->alt[m] = '\0';
    fprintf(out, "chr%d,%d,%s,%s\n", v->contig + 1, v->place + 1, v->ref, v->alt);
  }
  assert_int_equal(fclose(out), 0);
}

static void compare(const char *kind, int k, int least, int most) {
  static allele want[VARIANTS];
  subject s;
  fd_variants variants;
  fd_genome genome = {0};
  fd_variant_scores scores;
  int scored = 0, none = 0;
  open_subject(&s, kind, k);
  write_variants(want);
  assert_ok(fd_variants_read("v.csv", &variants));
  assert_ok(fd_genome_scan(&genome, "genome.fa"));
  assert_ok(fd_genome_index(&genome));
  for (int both = 0; both < 2; both++) {
    fd_score_options o = {.window = WINDOW, .both_strands = both, .llr = 1, .distance = 1, .tau = both ? 0.7 : 1};
    assert_ok(fd_score_variants(&o, &s.encoder, fd_comm_self(), "v.csv", &variants, &genome, &scores));
    for (int i = 0; i < VARIANTS; i++) {
      const allele *v = &want[i];
      fd_allele_score x[2], found = scores.score[i];
      if (strchr(v->ref, 'N')) {
        assert_true(isnan(found.llr) && isnan(found.distance));
        continue;
      }
      for (int minus = 0; minus < 2; minus++) x[minus] = plain_score(&s, v->contig, v->place, v->ref, v->alt, o.tau, minus);
      assert_near(found.distance, both ? (x[0].distance + x[1].distance) / 2 : x[0].distance, 1e-6);
      int comparable = !isnan(x[0].llr) && !(both && isnan(x[1].llr));
      assert_int_equal(isnan(found.llr), !comparable);
      if (comparable) assert_near(found.llr, both ? (x[0].llr + x[1].llr) / 2 : x[0].llr, 2e-5);
      scored += comparable, none += !comparable;
    }
    fd_variant_scores_free(&scores);
  }
  assert_true(scored > least && none <= most);
  fd_variants_free(&variants);
  fd_genome_free(&genome);
  close_subject(&s);
}

/* After an insertion, 6-mers have no border in common, up to the single letters at the window's end. */
static void words_that_do_not_meet(void **state) {
  (void)state;
  subject s;
  fd_variants variants;
  fd_genome genome = {0};
  fd_variant_scores scores;
  FILE *out = fopen("i.csv", "w");
  char ref = genome_text[0][30];
  fprintf(out, "chrom,pos,ref,alt\nchr1,31,%c,%cAC\nchr1,31,%c,%cACGTTA\n", ref, ref, ref, ref);
  assert_int_equal(fclose(out), 0);
  open_subject(&s, "nt6", 6);
  assert_ok(fd_variants_read("i.csv", &variants));
  assert_ok(fd_genome_scan(&genome, "genome.fa"));
  assert_ok(fd_genome_index(&genome));
  fd_score_options o = {.window = LENGTH - 10, .llr = 1, .distance = 1, .tau = 1};
  assert_ok(fd_score_variants(&o, &s.encoder, fd_comm_self(), "i.csv", &variants, &genome, &scores));
  assert_true(isnan(scores.score[0].llr) && isfinite(scores.score[0].distance));
  assert_true(isfinite(scores.score[1].llr)); /* six inserted letters: borders coincide again at once */
  fd_variant_scores_free(&scores);
  fd_variants_free(&variants);
  fd_genome_free(&genome);
  close_subject(&s);
}

/* In a contig whose length is not a whole number of words, and shorter than a window, every letter is in a word of some
 * window. */
static void ends_of_contigs(void **state) {
  (void)state;
  subject s;
  fd_variants variants;
  fd_genome genome = {0};
  fd_variant_scores scores;
  FILE *out = fopen("e.csv", "w");
  fprintf(out, "chrom,pos,ref,alt\n");
  for (int i = 0; i < LENGTH; i++)
    fprintf(out, "chr1,%d,%c,%c\n", i + 1, genome_text[0][i], genome_text[0][i] == 'A' ? 'C' : 'A');
  assert_int_equal(fclose(out), 0);
  open_subject(&s, "kmer", 7);
  assert_ok(fd_variants_read("e.csv", &variants));
  assert_ok(fd_genome_scan(&genome, "genome.fa"));
  assert_ok(fd_genome_index(&genome));
  for (int window = 7; window <= LENGTH + 50; window += 49) {
    fd_score_options o = {.window = window, .unit = 7, .distance = 1, .tau = 1};
    assert_ok(fd_score_variants(&o, &s.encoder, fd_comm_self(), "e.csv", &variants, &genome, &scores));
    for (int i = 0; i < LENGTH; i++) assert_true(scores.score[i].distance > 0);
    fd_variant_scores_free(&scores);
  }
  fd_variants_free(&variants);
  fd_genome_free(&genome);
  close_subject(&s);
}

static void words_of_six(void **state) {
  (void)state;
  compare("nt6", 6, 40, 60);
}

static void words_of_three(void **state) {
  (void)state;
  compare("kmer", 3, 40, 60);
}

/* The borders of byte pairs shift with the variant, and coincide again after it. */
static void byte_pairs(void **state) {
  (void)state;
  compare("bpe", 0, 90, 20);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(words_of_six), cmocka_unit_test(words_of_three),
                                     cmocka_unit_test(byte_pairs), cmocka_unit_test(words_that_do_not_meet),
                                     cmocka_unit_test(ends_of_contigs)};
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
