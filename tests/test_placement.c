/* The placement of windows, the intervals that hold them, and the BED files from which these come. */
#include "files.h"
#include "draws.h"
#include "said.h"

#include "data/bed.h"
#include "data/placement.h"

static void refused(fd_status status, const char *says) {
  if (status != FD_DATA || !strstr(said, says)) fail_msg("status %d, '%s'; expected %s", (int)status, said, says);
}

/* Two contigs of 10,000 and 1,000 bases; the first has N in [2000, 3000). */
static fd_genome small_genome(void) {
  fd_genome g = {.records = 2};
  g.record = calloc(2, sizeof *g.record);
  g.record[0].length = 10000, g.record[1].length = 1000;
  g.record[0].run = calloc(1, sizeof *g.record[0].run);
  g.record[0].run[0] = (fd_run_of_n){2000, 3000, 0};
  g.record[0].runs = 1;
  return g;
}

static fd_intervals small_intervals(const fd_genome *g) {
  fd_intervals v = {0};
  assert_ok(fd_intervals_add(&v, 0, FD_TRAIN, 6000, 10000));
  assert_ok(fd_intervals_add(&v, 0, FD_TRAIN, 0, 5000));
  assert_ok(fd_intervals_add(&v, 0, FD_TRAIN, 4000, 5000)); /* within another one: joined */
  assert_ok(fd_intervals_add(&v, 0, FD_VAL, 5000, 6000));
  assert_ok(fd_intervals_add(&v, 1, FD_TRAIN, 0, 400));
  assert_ok(fd_intervals_add(&v, 1, FD_TRAIN, 400, 1000)); /* adjacent: joined, so that windows cross */
  assert_ok(fd_intervals_close(&v, g));
  assert_int_equal(v.count, 4);
  return v;
}

/* The random words of a window are those of its split and index: the places are the first draws of Philox, as nothing is refused,
 * and other splits have other places. */
static void places_are_drawn_by_split_and_index(void **state) {
  (void)state;
  enum { COUNT = 40 };
  fd_genome g = {.records = 1};
  fd_intervals v = {0};
  const fd_placement p = {1, 1, 0, 9};
  g.record = calloc(1, sizeof *g.record);
  g.record[0].length = 9000;
  for (int s = 0; s < FD_SPLITS; s++) assert_ok(fd_intervals_add(&v, 0, s, 3000 * s, 3000 * (s + 1)));
  assert_ok(fd_intervals_close(&v, &g));
  for (int s = 0; s < FD_SPLITS; s++) {
    fd_places got = {0};
    int64_t want[COUNT];
    assert_ok(fd_place_random(&p, &g, &v, s, COUNT, &got));
    for (int i = 0; i < COUNT; i++) {
      uint32_t word[4];
      fd_philox(word, fd_rng_key_of(9, FD_RNG_PREPARE), (uint64_t)s << 56 | (uint64_t)i, 0);
      int64_t start = 3000 * s + (int64_t)(3000 * (double)((uint64_t)word[0] << 32 | word[1]) / 0x1p64);
      int at = i;
      for (; at && want[at - 1] > start; at--) want[at] = want[at - 1]; /* sorted, as the places are */
      want[at] = start;
    }
    for (int i = 0; i < COUNT; i++) assert_int_equal(got.item[i].start, want[i]);
    free(got.item);
  }
  free(v.item);
  free(g.record);
}

static void random_places(void **state) {
  (void)state;
  fd_genome g = small_genome();
  fd_intervals v = small_intervals(&g);
  for (int uniform = 0; uniform < 2; uniform++) {
    fd_placement p = {100, 0.2, uniform, 9};
    fd_places all = {0}, fewer = {0}, held_out = {0};
    int in_second = 0;
    assert_ok(fd_place_random(&p, &g, &v, FD_TRAIN, 4000, &all));
    assert_ok(fd_place_random(&p, &g, &v, FD_TRAIN, 100, &fewer));
    assert_ok(fd_place_random(&p, &g, &v, FD_VAL, 50, &held_out));
    assert_int_equal(all.count, 4000);
    for (int i = 0; i < all.count; i++) {
      fd_place at = all.item[i];
      in_second += at.record == 1;
      assert_true(at.start >= 0 && at.start + 100 <= g.record[at.record].length);
      assert_true(at.record == 1 || at.start + 100 <= 5000 || at.start >= 6000);
      assert_true(fd_record_count_n(&g.record[at.record], at.start, at.start + 100) <= 20);
      if (i) assert_true(at.record > all.item[i - 1].record || at.start >= all.item[i - 1].start);
    }
    for (int i = 0; i < held_out.count; i++)
      assert_true(held_out.item[i].record == 0 && held_out.item[i].start >= 5000 && held_out.item[i].start <= 5900);
    for (int i = 0, j = 0; i < fewer.count; i++) { /* a window does not depend on the number of windows */
      while (j < all.count && (all.item[j].record != fewer.item[i].record || all.item[j].start != fewer.item[i].start)) j++;
      assert_true(j++ < all.count);
    }
    /* Valid positions: 4900 - 1060 + 3901 in the first contig, 901 in the second; uniform: what each attempt's half yields. */
    double first = 7741, second = 901,
           share = uniform ? second / 1000 / (first / 9000 + second / 1000) : second / (first + second);
    assert_near(in_second / 4000.0, share, 4 * sqrt(share * (1 - share) / 4000));
    free(all.item);
    free(fewer.item);
    free(held_out.item);
  }
  free(v.item);
  fd_genome_free(&g);
}

/* A place is found if there is one, be it the only one of its interval or one of few without N; otherwise the message says why
 * the others were refused. */
static void rare_places(void **state) {
  (void)state;
  fd_genome g = small_genome();
  fd_intervals v = small_intervals(&g), n = {0};
  const fd_placement one = {1000, 0, 0, 1}, larger = {1001, 0, 0, 1}, bases = {1, 0, 0, 1};
  fd_places places = {0}, none = {0};
  assert_ok(fd_place_random(&one, &g, &v, FD_VAL, 3, &places));
  for (int i = 0; i < 3; i++) assert_true(places.item[i].start == 5000 && places.item[i].end == 6000);
  free(places.item);
  refused(fd_place_random(&larger, &g, &v, FD_VAL, 2, &none),
          "window 0 of split val found no place in 100000 attempts (so far 100000 crossed an end, 0 had more N than --max-n 0)");
  refused(fd_place_random(&larger, &g, &v, FD_TEST, 1, &none), "the split test has no sequence to take 1 windows from");
  assert_ok(fd_intervals_add(&n, 0, FD_TEST, 2000, 3000));
  assert_ok(fd_intervals_close(&n, &g));
  free(none.item);
  none = (fd_places){0};
  refused(fd_place_random(&bases, &g, &n, FD_TEST, 1, &none), "(so far 0 crossed an end, 100000 had more N than --max-n 0)");
  assert_ok(fd_intervals_add(&n, 0, FD_TEST, 3000, 3001)); /* 1 of 1,001 */
  assert_ok(fd_intervals_close(&n, &g));
  places = (fd_places){0};
  assert_ok(fd_place_random(&bases, &g, &n, FD_TEST, 20, &places));
  for (int i = 0; i < 20; i++) assert_int_equal(places.item[i].start, 3000);
  free(places.item);
  free(none.item);
  free(n.item);
  free(v.item);
  fd_genome_free(&g);
}

static int draw(int n) {
  static uint64_t drawn;
  uint32_t word[4];
  fd_philox(word, drawn_key(1), 0, drawn++);
  return (int)fd_below(word[0], (uint32_t)n);
}

/* Random exclusions, base by base: what is left is what was there and is not excluded, in pieces as large as possible. */
static void exclusions(void **state) {
  (void)state;
  fd_genome g = small_genome();
  for (int n = 0; n < 200; n++) {
    static uint8_t left[2][10000];
    fd_intervals v = small_intervals(&g), excluded = {0};
    int64_t bases = 0, taken;
    for (int i = 0; i < v.count; i++)
      memset(left[v.item[i].record] + v.item[i].begin, 1 + v.item[i].split, (size_t)(v.item[i].end - v.item[i].begin));
    for (int k = draw(12); k > 0; k--) {
      int record = draw(2), length = record ? 1000 : 10000, begin = draw(length), most = length - begin;
      int end = begin + 1 + draw(draw(3) && most > 300 ? 300 : most);
      assert_ok(fd_intervals_add(&excluded, record, 0, begin, end));
      for (int i = begin; i < end; i++) bases += left[record][i] != 0, left[record][i] = 0;
    }
    assert_ok(fd_intervals_close(&excluded, &g));
    assert_ok(fd_intervals_exclude(&v, &excluded, &g, &taken));
    assert_int_equal(taken, bases);
    for (int i = 0; i < v.count; i++) {
      const fd_interval *x = &v.item[i];
      const uint8_t *at = left[x->record];
      int64_t length = g.record[x->record].length;
      assert_true(x->begin < x->end && x->end <= length);
      assert_true(x->begin == 0 || at[x->begin - 1] != 1 + x->split);
      assert_true(x->end == length || at[x->end] != 1 + x->split);
      for (int64_t k = x->begin; k < x->end; k++) assert_int_equal(left[x->record][k], 1 + x->split);
      memset(left[x->record] + x->begin, 9, (size_t)(x->end - x->begin));
    }
    for (int k = 0; k < 10000; k++) assert_true(left[0][k] == 0 || left[0][k] == 9);
    memset(left, 0, sizeof left);
    free(v.item);
    free(excluded.item);
  }
  fd_genome_free(&g);
}

static void strided_places(void **state) {
  (void)state;
  fd_genome g = small_genome();
  fd_intervals v = small_intervals(&g);
  fd_placement p = {100, 0.2, 0, 9};
  fd_places at = {0};
  assert_ok(fd_place_strided(&p, &g, &v, FD_TRAIN, 30, &at));
  int n = 0, refused = 0;
  const int begin[3] = {0, 6000, 0}, end[3] = {5000, 10000, 1000}, record[3] = {0, 0, 1};
  for (int k = 0; k < 3; k++)
    for (int s = begin[k]; s + 100 <= end[k]; s += 30) {
      int good = record[k] == 1 || fd_record_count_n(&g.record[0], s, s + 100) <= 20;
      refused += !good;
      if (good) assert_true(n < at.count && at.item[n].record == record[k] && at.item[n].start == s);
      n += good;
    }
  assert_int_equal(n, at.count);
  assert_int_equal(refused, at.too_many_n);
  free(at.item);
  free(v.item);
  fd_genome_free(&g);
}

/* --- BED files of splits ---------------------------------------------------------------------------------------------- */

/* Parts of chr1, with a gap, and chr2; chr3 is not used. */
static const char regions[] = ">chr1:101-110\nACGTACGTAC\n>chr2\nACGTACGTAC\n>chr1:113-120\nACGTACGT\n>chr3\nACGT\n";

typedef struct bed_case {
  const char *rows;
  int partial;
  const char *expected; /* record:split begin-end of each interval, and the counts; or the message */
} bed_case;

/* Reads rows as splits, or as exclusions, on the records above. */
static void check_bed(const bed_case *c, int exclusions) {
  static const int used[4] = {1, 1, 1, 0};
  char path[FD_PATH_MAX], text[1024] = "";
  fd_genome g = {0};
  fd_intervals v = {0};
  fd_split_counts counts;
  size_t n = 0;
  put(below("regions.fa", NULL), regions);
  put(below("splits.bed", NULL), c->rows);
  assert_ok(fd_path(path, folder, "regions.fa", NULL));
  assert_ok(fd_genome_scan(&g, path));
  assert_ok(fd_genome_index(&g));
  assert_ok(fd_path(path, folder, "splits.bed", NULL));
  *said = '\0';
  fd_status status = (exclusions ? fd_exclusions_read : fd_splits_read)(path, &g, used, c->partial, &v, &counts);
  if (status == FD_OK && !exclusions) status = fd_intervals_close(&v, &g);
  for (int i = 0; i < v.count && status == FD_OK; i++)
    n += (size_t)snprintf(text + n, sizeof text - n, "%d:%s %d-%d, ", v.item[i].record, fd_split_names[v.item[i].split],
                          (int)v.item[i].begin, (int)v.item[i].end);
  if (status == FD_OK)
    snprintf(text + n, sizeof text - n, "%d rows, %d unused, %d absent, %d outside", (int)counts.rows, (int)counts.unused,
             (int)counts.absent, (int)counts.outside);
  if (status != (*text ? FD_OK : FD_DATA) || !strstr(*text ? text : said, c->expected))
    fail_msg("'%s': '%s', '%s'; expected %s", c->rows, text, said, c->expected);
  free(v.item);
  fd_genome_free(&g);
}

/* An interval is cut to the records that cover it, in the coordinates of the contig. */
static void beds_of_splits(void **state) {
  (void)state;
  static const bed_case cases[] = {
      {"1\t98\t105\ttrain\nchr1\t106\t115\tvalid\nchr1\t119\t130\ttest\nchr2\t0\t10\tval\n", 0,
       "0:train 0-5, 0:val 6-10, 1:val 0-10, 2:val 0-3, 2:test 7-8, 4 rows, 0 unused, 0 absent, 14 outside"},
      {"chr1\t0\t1000\ttrain\nchr3\t0\t4\tval\nchr9\t0\t4\tval\nchr1\t110\t112\tval\n", 1,
       "0:train 0-10, 2:train 0-8, 4 rows, 1 unused, 2 absent, 982 outside"},
      {"chr1\t100\t105\ttrain\nchr1\t105\t110\tval\n", 0, "0:train 0-5, 0:val 5-10, 2 rows"}, /* adjacent splits */
      {"track\nbrowser\nchr2 0 5 train name\n", 0, "1:train 0-5, 1 rows"},
      {"chr2\t0\t5\ttrain\nchr9\t0\t4\tval\n", 0, "splits.bed:2: "},
      {"chr1\t110\t112\ttrain\n", 0,
       "regions.fa has bases 100 to 110 of chr1 and other parts of it, but the interval is 110 to 112"},
      {"chr2\t0\t11\ttrain\n", 0, "splits.bed:1: chr2 has 10 bases, but the interval ends at 11"},
      {"chr9\t0\t4\ttrain\n", 1,
       "splits.bed: no interval lies in the sequences given; are the contig names right (such as chr1)"},
      {"chr1\t100\t106\ttrain\n#\nchr1\t105\t110\tval\n", 0,
       "the splits train and val share bases of chr1 from 105 on (lines 1 and 3"},
      {"chr1\t105\t106\tval\nchr1\t105\t110\ttrain\n", 0,
       "the splits val and train share bases of chr1 from 105 on (lines 1 and 2"},
      {"chr2\t-1\t4\ttrain\n", 0, "splits.bed:1: interval -1 to 4: expected 0 <= start < end"},
      {"chr2\t4\t4\ttrain\n", 0, "splits.bed:1: interval 4 to 4: expected 0 <= start < end"},
      {"\t0\t4\ttrain\n", 0, "splits.bed:1: expected contig, start and end"},
      {"chr2\t0\n", 0, "splits.bed:1: expected contig, start and end"},
      {"trackx 0 4 train\n", 0, "has no sequence 'trackx'"},
      {"chr2\t0\t4\n", 0, "splits.bed:1: expected contig, start, end and split"},
      {"chr2\t0\t4\tTrain\n", 0, "splits.bed:1: split 'Train' is not one of"},
  };
  static const bed_case excluded[] = {
      {"chr1\t104\t108\nchr1\t98\t105\tany\n", 0, "0:train 0-8, 2 rows, 0 unused, 0 absent, 2 outside"}, /* joined */
      {"chr9\t0\t4\n", 1, "1 rows, 0 unused, 1 absent, 0 outside"},
      {"# none\n", 1, "splits.bed: has no interval to exclude"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_bed(&cases[i], 0);
  for (size_t i = 0; i < sizeof excluded / sizeof *excluded; i++) check_bed(&excluded[i], 1);
}

static void names_of_bed_files(void **state) {
  (void)state;
  static const char *const beds[] = {"a.bed", "a.BED.gz", "a.narrowPeak", "a.broadPeak", "a.gappedPeak.gz"};
  static const char *const others[] = {"a.bedgraph", "abed", "a.bed.fa", "a.narrow", ""};
  for (size_t i = 0; i < sizeof beds / sizeof *beds; i++)
    if (!fd_bed_is_name(beds[i])) fail_msg("%s", beds[i]);
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (fd_bed_is_name(others[i])) fail_msg("%s", others[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(places_are_drawn_by_split_and_index),
      cmocka_unit_test(random_places),
      cmocka_unit_test(rare_places),
      cmocka_unit_test(strided_places),
      cmocka_unit_test(exclusions),
      cmocka_unit_test(beds_of_splits),
      cmocka_unit_test(names_of_bed_files),
  };
  fd_log_to(keep);
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
