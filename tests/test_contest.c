/* Contestants of an evaluation: which seeds and tasks count, gains and their intervals, against numbers worked out by hand. */
#include "values.h"

#include <string.h>

#include "commands/evaluate_contest.h"

enum { TASKS = 3, MODELS = 6 };
static const char *const models[MODELS] = {"A-0", "A-1", "A-2", "B-plus-0", "B-plus-1", "single"};
static const double score[TASKS][MODELS] = {
    {0.80, 0.82, 0.84, 0.70, 0.74, 0.9}, {0.60, 0.66, 0.63, 0.61, 0.61, 0.9}, {0.50, 0.40, 0.30, 0.20, 0.10, 0.9}};
static const double kmers[TASKS] = {0.75, 0.65, 0.20};

static fd_evaluation *evaluation(void) {
  fd_evaluation *e = calloc(1, sizeof *e);
  e->suite.count = TASKS, e->models = MODELS;
  for (int i = 0; i < MODELS; i++) strcpy(e->model[i].name, models[i]), e->model[i].cost.hours = NAN;
  return e;
}

static void put(fd_evaluation_outcome *o, const char *model, const char *name, double mean) {
  fd_evaluation_row *r = &o->row[o->count++];
  r->model = model, r->mean = mean, r->seeds = 1;
  strcpy(r->name, name);
}

static fd_evaluation_outcome *outcomes(void) {
  fd_evaluation_outcome *o = calloc(TASKS, sizeof *o);
  for (int t = 0; t < TASKS; t++) {
    for (int i = 0; i < MODELS; i++) put(&o[t], models[i], "probe teacher", score[t][i]);
    put(&o[t], "", "probe kmer", kmers[t]);
  }
  return o;
}

static void seeds_are_repetitions_and_tasks_blocks(void **state) {
  (void)state;
  fd_evaluation *e = evaluation();
  fd_evaluation_outcome *o = outcomes();
  fd_contest c;
  assert_true(fd_contest_is(e));
  assert_ok(fd_contest_make(e, o, &c));
  assert_int_equal(c.count, 2); /* a checkpoint without seeds is none */
  const fd_contest_row *a = &c.row[0], *b = &c.row[1];
  assert_string_equal(a->name, "A");
  assert_string_equal(b->name, "B-plus");
  assert_int_equal(a->seeds, 3), assert_int_equal(b->seeds, 2);
  assert_int_equal(a->tasks, 3), assert_int_equal(a->better, 2), assert_int_equal(b->better, 0);
  /* Means over the tasks: A .63333, .62667, .59; k-mers .53333. */
  assert_near(a->mean, (1.9 + 1.88 + 1.77) / 9, 1e-12);
  double sd = sqrt((pow(1.9 / 3 - a->mean, 2) + pow(1.88 / 3 - a->mean, 2) + pow(1.77 / 3 - a->mean, 2)) / 2);
  assert_near(a->sd, sd, 1e-12);
  assert_near(a->kmers.mean, a->mean - 1.6 / 3, 1e-12);
  assert_near(a->kmers.high - a->kmers.mean, 4.303 * sd / sqrt(3), 1e-12);
  assert_near(a->kmers.mean - a->kmers.low, 4.303 * sd / sqrt(3), 1e-12);
  /* A above B, seed by seed: (1.9 - 1.51) / 3 and (1.88 - 1.45) / 3. */
  fd_contest_gain g = fd_contest_between(a, b);
  assert_int_equal(g.seeds, 2);
  assert_near(g.mean, (0.39 + 0.43) / 6, 1e-12);
  assert_near(g.high - g.mean, 12.706 * (0.04 / 3 / sqrt(2)) / sqrt(2), 1e-12);
  free(c.row), free(o), free(e);
}

/* Runs are compared with those of the same seed, in whatever order they come and whichever are missing. */
static void pairs_have_the_same_seed(void **state) {
  (void)state;
  static const char *const orders[][2] = {{"B-plus-1", "B-plus-0"}, {"B-plus-1", "B-plus-7"}, {"B-plus-001", "B-plus-8"}};
  for (size_t n = 0; n < sizeof orders / sizeof *orders; n++) {
    fd_evaluation *e = evaluation();
    for (int i = 0; i < 2; i++) strcpy(e->model[3 + i].name, orders[n][i]);
    fd_evaluation_outcome *o = outcomes();
    for (int t = 0; t < TASKS; t++)
      for (int i = 0; i < 2; i++) o[t].row[3 + i].model = orders[n][i];
    fd_contest c;
    assert_ok(fd_contest_make(e, o, &c));
    /* The first B has the means of seed 0 in the test above, and the second those of seed 1. */
    fd_contest_gain g = fd_contest_between(&c.row[0], &c.row[1]);
    double first = (1.88 - 1.51) / 3, second = (1.90 - 1.45) / 3;
    assert_int_equal(g.seeds, n ? 1 : 2);
    assert_near(g.mean, n ? first : (first + second) / 2, 1e-12);
    free(c.row), free(o), free(e);
  }
}

/* A task that one seed of one contestant lacks counts for nobody; one without k-mers neither. */
static void tasks_that_some_lack_count_for_none(void **state) {
  (void)state;
  fd_evaluation *e = evaluation();
  fd_evaluation_outcome *o = outcomes();
  fd_contest c;
  strcpy(o[0].row[4].name, "probe student"); /* B-plus-1 has no teacher here */
  assert_ok(fd_contest_make(e, o, &c));
  assert_int_equal(c.row[0].tasks, 2);
  assert_near(c.row[0].value[0], (0.60 + 0.50) / 2, 1e-12);
  free(c.row);
  strcpy(o[1].row[MODELS].name, "knn kmer");
  assert_ok(fd_contest_make(e, o, &c));
  assert_int_equal(c.row[0].tasks, 1);
  free(c.row), free(o), free(e);
}

static void one_seed_has_no_interval(void **state) {
  (void)state;
  fd_evaluation *e = evaluation();
  fd_evaluation_outcome *o = outcomes();
  fd_contest c;
  strcpy(e->model[4].name, "C-1");
  for (int t = 0; t < TASKS; t++) o[t].row[4].model = "C-1";
  assert_ok(fd_contest_make(e, o, &c));
  assert_int_equal(c.count, 3);
  assert_int_equal(c.row[1].seeds, 1);
  assert_true(isnan(c.row[1].kmers.low) && isnan(c.row[1].kmers.high) && !isnan(c.row[1].kmers.mean));
  json_t *json = fd_contest_json(&c), *row = json_array_get(json_object_get(json, "rows"), 1);
  assert_non_null(json_object_get(row, "above_kmers"));
  assert_int_equal(json_integer_value(json_object_get(row, "seeds")), 1);
  assert_null(json_object_get(json_object_get(row, "above_kmers"), "low"));
  assert_int_equal(json_array_size(json_object_get(json, "pairs")), 2); /* B and C have no seed in common */
  json_decref(json);
  free(c.row), free(o), free(e);
}

/* The hours of one kind, GPU or core, are listed: that of the first seed whose cost is known. */
static void costs_are_of_the_first_known_kind(void **state) {
  (void)state;
  fd_evaluation *e = evaluation();
  fd_evaluation_outcome *o = outcomes();
  fd_contest c;
  e->model[1].cost = (fd_cost){3, 1};  /* GPU hours; A-0 is unknown */
  e->model[2].cost = (fd_cost){70, 0}; /* core hours */
  assert_ok(fd_contest_make(e, o, &c));
  json_t *json = fd_contest_json(&c), *row = json_array_get(json_object_get(json, "rows"), 0);
  const json_t *hours = json_object_get(row, "gpu_hours");
  assert_int_equal(json_array_size(hours), 3);
  assert_true(json_is_null(json_array_get(hours, 0)) && json_is_null(json_array_get(hours, 2)));
  assert_near(json_real_value(json_array_get(hours, 1)), 3, 1e-12);
  assert_null(json_object_get(row, "core_hours"));
  row = json_array_get(json_object_get(json, "rows"), 1); /* B: nothing is known */
  assert_null(json_object_get(row, "gpu_hours"));
  assert_null(json_object_get(row, "core_hours"));
  json_decref(json);
  free(c.row), free(o), free(e);
}

/* Student's density, up to a factor. */
static double density(double t, int freedom) { return pow(1 + t * t / freedom, -(freedom + 1) / 2.0); }

/* Half the width of an interval is a multiple of sd / sqrt(seeds) below which 95 % of Student's distribution lie, by Simpson's
 * rule; its tails beyond a large t are those of the substitution t = 1 / u. */
static void intervals_hold_95_percent(void **state) {
  (void)state;
  enum { STEPS = 20000 };
  for (int seeds = 2; seeds <= FD_EVALUATION_SEEDS; seeds++) {
    char names[FD_EVALUATION_SEEDS][8];
    fd_contest_row a = {.method = "m", .seeds = seeds}, b = a;
    double squares = 0, inside = 0, outside = 0;
    for (int i = 0; i < seeds; i++) {
      snprintf(names[i], sizeof names[i], "%d", i);
      a.seed[i] = b.seed[i] = names[i];
      a.value[i] = 0.5 + 0.01 * i, b.value[i] = 0.4;
      squares += pow(0.01 * (i - (seeds - 1) / 2.0), 2);
    }
    fd_contest_gain g = fd_contest_between(&a, &b);
    double t = (g.high - g.mean) / sqrt(squares / (seeds - 1) / seeds);
    assert_near(g.mean, 0.1 + 0.01 * (seeds - 1) / 2.0, 1e-12);
    assert_near(g.mean - g.low, g.high - g.mean, 1e-12);
    for (int i = 0; i <= STEPS; i++) {
      double share = i % STEPS ? 2 + 2 * (i % 2) : 1, u = (i + 1e-9) / STEPS / t;
      inside += share * density(t * i / STEPS, seeds - 1) * t;
      outside += share * density(1 / u, seeds - 1) / (u * u) / t;
    }
    assert_near(inside / (inside + outside), 0.95, 3e-4);
  }
}

/* A task in which a contestant equals k-mer counts is none in which it is better; random weights cost no pretraining. */
static void equal_is_not_better(void **state) {
  (void)state;
  fd_evaluation *e = evaluation();
  fd_evaluation_outcome *o = outcomes();
  fd_contest c;
  for (int i = 0; i < MODELS; i++) o[0].row[i].mean = kmers[0], e->model[i].cost = (fd_cost){2, 0};
  for (int t = 0; t < TASKS; t++) put(&o[t], "A-0", "fine-tuned untrained", 0.5), put(&o[t], "A-1", "fine-tuned untrained", 0.6);
  assert_ok(fd_contest_make(e, o, &c));
  assert_int_equal(c.count, 3);
  assert_int_equal(c.row[0].better, 1);
  assert_near(c.row[0].cost[0].hours, 2, 0);
  for (int i = 0; i < c.count; i++)
    if (strstr(c.row[i].method, "untrained")) assert_true(c.row[i].seeds == 2 && isnan(c.row[i].cost[0].hours));
  free(c.row), free(o), free(e);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(seeds_are_repetitions_and_tasks_blocks),
      cmocka_unit_test(pairs_have_the_same_seed),
      cmocka_unit_test(tasks_that_some_lack_count_for_none),
      cmocka_unit_test(one_seed_has_no_interval),
      cmocka_unit_test(costs_are_of_the_first_known_kind),
      cmocka_unit_test(intervals_hold_95_percent),
      cmocka_unit_test(equal_is_not_better),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
