/* Scores of variants and nucleotides against a plain version: one window at a time, cut out of the genome directly. */
#include "check.h"
#include "draws.h"

#include <unistd.h>

#include "data/alphabet.h"
#include "scratch.h"
#include "tasks/score.h"
#include "tasks/bedgraph.h"

enum { CONTIGS = 2, LENGTH = 300, WINDOW = 61, CHANNELS = 20 };
static const char *const contigs[CONTIGS] = {"chr1", "chr2"};
static const int first_base[CONTIGS] = {0, 50}; /* the file has a region of the second contig */
static char genome_text[CONTIGS][LENGTH + 1];
static fd_device *dev;
static fd_network *network;
static float *params;
static fd_encoder encoder;

static uint32_t draw(uint32_t below) {
  static uint64_t count;
  uint32_t word[4];
  fd_philox(word, drawn_key(11), 1, count++);
  return fd_below(word[0], below);
}

static int set_up(void **state) {
  fd_config c;
  if (make_folder(state) || chdir(folder)) return -1;
  fd_config_defaults(&c);
  c.model.channels = CHANNELS, c.model.hidden = 24, c.model.track = 4, c.model.networks = 1, c.model.cls = 3;
  c.device.threads = 2;
  assert_ok(fd_device_open(&dev, &c, 0, 1));
  assert_ok(fd_network_create(&network, &c, WINDOW));
  params = calloc(network->params.size, sizeof *params);
  fd_params_init(&network->params, drawn_seed(5), params);
  encoder = (fd_encoder){"test", network, params, dev, 3, NULL};
  FILE *out = fopen("genome.fa", "w");
  for (int k = 0; k < CONTIGS; k++) {
    for (int i = 0; i < LENGTH; i++) genome_text[k][i] = "ACGT"[draw(4)];
    if (k) genome_text[k][150] = 'N';
    fprintf(out, k ? ">%s:51-350\n%s\n" : ">%s\n%s\n", contigs[k], genome_text[k]);
  }
  return fclose(out);
}

static int tear_down(void **state) {
  free(params);
  fd_network_destroy(&network);
  fd_device_close(&dev);
  return remove_folder(state);
}

/* Runs a single window. logits: [length, 5]; mean: [channels]; `masked` counts from `at`; both may be NULL. */
static void forward(const uint8_t *symbols, int length, int at, int masked, float *logits, double *mean) {
  uint8_t tokens[WINDOW];
  int start[2] = {0, length};
  fd_seqs seqs = {.count = 1, .start = start};
  const fd_extent extent = {length, 1, 0};
  fd_spaces spaces;
  fd_pass *pass;
  float *x;
  memcpy(tokens, symbols, (size_t)length);
  memset(tokens + at, FD_ZERO, (size_t)masked);
  assert_ok(fd_network_pass(&pass, network, dev, (fd_demand){1u << FD_OUT_LATENT | 1u << FD_OUT_LOGITS, 0, 0}, extent));
  assert_ok(fd_spaces_create(&spaces, dev, fd_pass_spaces(pass), extent));
  assert_ok(fd_spaces_set(&spaces, &seqs));
  assert_ok(dev->alloc(dev, &x, (size_t)length * FD_SYMBOLS * sizeof *x, "test"));
  dev->ops.expand(dev, &seqs, tokens, 0, (fd_rng_key){{0, 0}}, 0, x);
  fd_pass_forward(pass, &spaces, params, x);
  const float *latent = fd_network_output(network, pass, FD_OUT_LATENT).at;
  assert_ok(dev->sync(dev));
  if (logits) memcpy(logits, fd_network_output(network, pass, FD_OUT_LOGITS).at, (size_t)length * FD_SYMBOLS * sizeof *logits);
  for (int c = 0; mean && c < CHANNELS; c++) {
    mean[c] = 0;
    for (int t = 0; t < length; t++) mean[c] += (double)latent[t * CHANNELS + c] / length;
  }
  dev->release(dev, x);
  fd_spaces_destroy(&spaces);
  fd_pass_destroy(&pass);
}

static void turn(uint8_t *symbols, int length) {
  uint8_t copy[WINDOW];
  memcpy(copy, symbols, (size_t)length);
  for (int i = 0; i < length; i++) symbols[i] = (uint8_t)(3 - copy[length - 1 - i]);
}

/* The logarithm of a nucleotide's probability: of the softmax, or with `bce` of its own sigmoid. */
static double log_of(const float *z, int symbol, double tau, int bce) {
  double sum = 0;
  if (bce) return -log(1 + exp(-z[symbol] / tau));
  for (int c = 0; c < FD_SYMBOLS; c++) sum += exp(z[c] / tau);
  return log(exp(z[symbol] / tau) / sum);
}

/* The scores of one allele, on one strand. */
static void plain_score(int contig, int place, const char *ref, const char *alt, const fd_score_options *o, int minus,
                        double *llr, double *distance) {
  uint8_t a[WINDOW], b[2 * WINDOW];
  float z[WINDOW * FD_SYMBOLS];
  double mean[2][CHANNELS];
  int from = place - WINDOW / 2, n = (int)strlen(ref), m = (int)strlen(alt), at;
  if (from + WINDOW > LENGTH) from = LENGTH - WINDOW;
  if (from < 0) from = 0;
  at = place - from;
  char text[2 * LENGTH + 64]; /* the contig with ALT */
  snprintf(text, sizeof text, "%.*s%s%s", place, genome_text[contig], alt, genome_text[contig] + place + n);
  /* ALT's window is placed in the changed contig as REF's in the contig. */
  int total = (int)strlen(text), b_from = place - WINDOW / 2, b_length = total < WINDOW ? total : WINDOW;
  if (b_from + WINDOW > total) b_from = total - WINDOW;
  if (b_from < 0) b_from = 0;
  for (int i = 0; i < WINDOW; i++) a[i] = fd_symbol_of[(unsigned char)genome_text[contig][from + i]];
  for (int i = 0; i < b_length; i++) b[i] = fd_symbol_of[(unsigned char)text[b_from + i]];
  if (minus) turn(a, WINDOW), turn(b, b_length);
  forward(a, WINDOW, 0, 0, NULL, mean[0]);
  forward(b, b_length, 0, 0, NULL, mean[1]);
  *distance = 0;
  for (int c = 0; c < CHANNELS; c++) *distance += (mean[0][c] - mean[1][c]) * (mean[0][c] - mean[1][c]);
  *distance = sqrt(*distance);
  *llr = n == m ? 0 : NAN;
  if (n != m) return;
  int first = minus ? WINDOW - at - n : at;
  forward(a, WINDOW, first, n, z, NULL);
  for (int i = first; i < first + n; i++)
    *llr += log_of(z + i * FD_SYMBOLS, b[i], o->tau, o->bce) - log_of(z + i * FD_SYMBOLS, a[i], o->tau, o->bce);
}

typedef struct expected {
  int contig, place;
  char ref[8], alt[8];
} expected;

/* Writes random variants all over the contigs, also at their ends; returns the number of alleles. */
static int write_variants(expected *want, int count) {
  FILE *out = fopen("v.vcf", "w");
  int alleles = 0;
  fprintf(out, "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n");
  for (int i = 0; i < count; i++) {
    static const int places[] = {0, 1, 29, 30, 299, 296, 270, 298};
    int contig = (int)draw(2), place = i < 16 ? places[i % 8] : (int)draw(LENGTH - 4), n = 1 + (int)draw(3),
        many = 1 + (int)draw(2);
    char ref[8], alts[2][8];
    if (place + n > LENGTH) n = LENGTH - place;
    snprintf(ref, sizeof ref, "%.*s", n, genome_text[contig] + place);
    for (int k = 0; k < many; k++) {
      int m = draw(2) ? n : 1 + (int)draw(4), c = 0;
      for (; c < m; c++) alts[k][c] = "ACGT"[draw(4)];
      alts[k][c] = '\0';
      expected *e = &want[alleles++];
      *e = (expected){contig, place, "", ""};
      memcpy(e->ref, ref, sizeof e->ref);
      memcpy(e->alt, alts[k], sizeof e->alt);
    }
    fprintf(out, "%s\t%d\t.\t%s\t%s%s%s\t.\t.\t.\n", i % 2 ? contigs[contig] : contigs[contig] + 3,
            first_base[contig] + place + 1, ref, alts[0], many > 1 ? "," : "", many > 1 ? alts[1] : "");
  }
  assert_int_equal(fclose(out), 0);
  return alleles;
}

static void variants_against_one_at_a_time(void **state) {
  (void)state;
  enum { COUNT = 90 };
  static expected want[2 * COUNT];
  fd_variants variants;
  fd_genome genome = {0};
  fd_variant_scores scores;
  int alleles = write_variants(want, COUNT), scored = 0, compared = 0;
  assert_ok(fd_variants_read("v.vcf", &variants));
  assert_ok(fd_genome_scan(&genome, "genome.fa"));
  assert_ok(fd_genome_index(&genome));
  for (int run = 0; run < 3; run++) {
    int both = run == 1;
    fd_score_options o = {
        .window = WINDOW, .both_strands = both, .llr = 1, .distance = 1, .mismatches = 0, .tau = run ? 0.7 : 1, .bce = run == 2};
    assert_ok(fd_score_variants(&o, &encoder, fd_comm_self(), "v.vcf", &variants, &genome, &scores));
    assert_int_equal(scores.alleles, alleles);
    assert_int_equal(scores.first[COUNT], alleles);
    for (int i = 0; i < alleles; i++) {
      const expected *e = &want[i];
      double llr[2], distance[2];
      int from = e->place - WINDOW / 2 < 0 ? 0 : e->place - WINDOW / 2, hidden = strchr(e->ref, 'N') != NULL;
      if (hidden) {
        assert_true(isnan(scores.score[i].llr) && isnan(scores.score[i].distance));
        continue;
      }
      if (e->contig == 1 && from <= 150 && from + 2 * WINDOW > 150) continue; /* the plain version does not complement N */
      for (int minus = 0; minus < 2; minus++)
        plain_score(e->contig, e->place, e->ref, e->alt, &o, minus, &llr[minus], &distance[minus]);
      assert_near(scores.score[i].distance, both ? (distance[0] + distance[1]) / 2 : distance[0], 1e-6);
      compared++;
      if (strlen(e->ref) != strlen(e->alt)) {
        assert_true(isnan(scores.score[i].llr));
        continue;
      }
      assert_near(scores.score[i].llr, both ? (llr[0] + llr[1]) / 2 : llr[0], 1e-5);
      scored++;
    }
    fd_variant_scores_free(&scores);
  }
  assert_true(compared > 100 && scored > 50);
  fd_variants_free(&variants);
  fd_genome_free(&genome);
}

/* log p of every nucleotide of a sequence of one window, masking one nucleotide at a time. */
static void track_against_one_at_a_time(void **state) {
  (void)state;
  uint8_t x[WINDOW];
  FILE *out = fopen("one.fa", "w");
  fprintf(out, ">one\n%.*s\n", WINDOW, genome_text[0]);
  assert_int_equal(fclose(out), 0);
  for (int i = 0; i < WINDOW; i++) x[i] = fd_symbol_of[(unsigned char)genome_text[0][i]];
  for (int run = 0; run < 3; run++) {
    int both = run == 1;
    fd_bedgraph_options o = {
        .window = WINDOW, .every = WINDOW, .both_strands = both, .kind = FD_BEDGRAPH_LOGP, .tau = 1, .bce = run == 2};
    fd_sequences *sequences;
    char *text = NULL;
    size_t bytes;
    out = open_memstream(&text, &bytes);
    assert_ok(fd_sequences_open(&sequences, "one.fa", NULL));
    assert_ok(fd_bedgraph_run(&o, &encoder, fd_comm_self(), sequences, out));
    fd_sequences_close(&sequences);
    assert_int_equal(fclose(out), 0);
    char *rest = text;
    for (int i = 0; i < WINDOW; i++) {
      float z[WINDOW * FD_SYMBOLS];
      double found, p = 0;
      int at;
      assert_int_equal(sscanf(strsep(&rest, "\n"), "one\t%d\t%*d\t%lf", &at, &found), 2);
      assert_int_equal(at, i);
      for (int minus = 0; minus <= both; minus++) {
        uint8_t y[WINDOW];
        int t = minus ? WINDOW - 1 - i : i;
        double sum = 0;
        memcpy(y, x, sizeof y);
        if (minus) turn(y, WINDOW);
        forward(y, WINDOW, t, 1, z, NULL);
        for (int c = 0; c < FD_N; c++) sum += exp(log_of(z + t * FD_SYMBOLS, c, 1, o.bce));
        p += exp(log_of(z + t * FD_SYMBOLS, y[t], 1, o.bce)) / sum / (1 + both);
      }
      assert_near(found, log(p), 1e-5); /* six digits are printed */
    }
    free(text);
  }
}

/* Every nucleotide of a long sequence is scored exactly once, with any windows: p adds up to 1 for uniform networks. */
static void tracks_cover_every_nucleotide(void **state) {
  (void)state;
  float *uniform = calloc(network->params.size, sizeof *uniform);
  fd_encoder flat = {"flat", network, uniform, dev, 3, NULL};
  for (int window = 2; window <= 2 * LENGTH; window += 1 + window / 3)
    for (int every = 1; every <= 9; every += 4) {
      fd_bedgraph_options o = {.window = window, .every = every, .both_strands = 1, .kind = FD_BEDGRAPH_LOGP, .tau = 1};
      fd_sequences *sequences;
      char *text = NULL;
      size_t bytes;
      int lines = 0;
      FILE *out = open_memstream(&text, &bytes);
      assert_ok(fd_sequences_open(&sequences, "genome.fa", NULL));
      assert_ok(fd_bedgraph_run(&o, &flat, fd_comm_self(), sequences, out));
      fd_sequences_close(&sequences);
      assert_int_equal(fclose(out), 0);
      for (char *at = text; *at; at = strchr(at, '\n') + 1, lines++) {
        double value;
        assert_int_equal(sscanf(at, "chr%*d\t%*d\t%*d\t%lf", &value), 1);
        assert_near(value, log(0.25), 1e-5);
      }
      assert_int_equal(lines, CONTIGS * LENGTH - 1); /* all but the N */
      free(text);
    }
  free(uniform);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(variants_against_one_at_a_time),
      cmocka_unit_test(track_against_one_at_a_time),
      cmocka_unit_test(tracks_cover_every_nucleotide),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
