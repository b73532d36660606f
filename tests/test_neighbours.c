/* Tests nearest neighbours by cosine against a plain search, and the scores of their predictions against golden values. */
#include "check.h"
#include "draws.h"
#include "golden5.h"

#include "tasks/ami.h"
#include "tasks/neighbours.h"
#include "tasks/scores.h"

static uint64_t drawn;

static float draw(void) {
  uint32_t word[4];
  fd_philox(word, drawn_key(31), 1, drawn++);
  return (float)word[0] / 4294967296.0f - 0.4f;
}

static fd_device *open_device(int threads, fd_config *config) {
  fd_device *dev;
  fd_config_defaults(config);
  config->device.threads = threads;
  assert_ok(fd_device_open(&dev, config, 0, 1));
  return dev;
}

static double cosine_of(const float *a, const float *b, int width) {
  double ab = 0, aa = 0, bb = 0;
  for (int i = 0; i < width; i++)
    ab += (double)a[i] * (double)b[i], aa += (double)a[i] * (double)a[i], bb += (double)b[i] * (double)b[i];
  return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

/* Each list descends, has k distinct keys with their cosines, and omits no key that is clearly nearer. */
static void check_lists(fd_vectors keys, fd_vectors queries, int k, const int *index, const float *cosine) {
  for (int q = 0; q < queries.rows; q++) {
    const int *list = index + (size_t)q * (size_t)k;
    const float *said = cosine + (size_t)q * (size_t)k, *query = queries.at + (size_t)q * (size_t)queries.width;
    for (int i = 0; i < k; i++) {
      assert_in_range(list[i], 0, keys.rows - 1);
      for (int j = 0; j < i; j++) assert_int_not_equal(list[i], list[j]);
      assert_near(said[i], cosine_of(query, keys.at + (size_t)list[i] * (size_t)keys.width, keys.width), 2e-6);
      if (i) assert_true(said[i] < said[i - 1] || (said[i] <= said[i - 1] && list[i] > list[i - 1]));
    }
    for (int key = 0; key < keys.rows; key++) {
      int listed = 0;
      for (int i = 0; i < k; i++) listed |= list[i] == key;
      double c = cosine_of(query, keys.at + (size_t)key * (size_t)keys.width, keys.width);
      assert_true(listed || c < (double)said[k - 1] + 2e-6);
    }
  }
}

static void lists_are_those_of_a_plain_search(void **state) {
  (void)state;
  static const struct {
    int keys, queries, width, k;
  } shapes[] = {{1, 1, 1, 1}, {7, 3, 5, 7}, {2049, 3, 33, 4}, {300, 257, 8, 1}, {4100, 260, 17, 100}};
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
    int n = shapes[s].keys, m = shapes[s].queries, width = shapes[s].width, k = shapes[s].k;
    size_t lists = (size_t)m * (size_t)k;
    float *key = malloc((size_t)n * (size_t)width * sizeof *key), *query = malloc((size_t)m * (size_t)width * sizeof *query);
    for (int i = 0; i < n * width; i++) key[i] = draw();
    for (int i = 0; i < m * width; i++) query[i] = draw();
    for (int i = 0; i < width && n > 5; i++)
      key[5 * width + i] = 0, key[6 * width + i] = 3 * key[i]; /* a zero row; parallel to key 0 */
    const fd_vectors keys = {key, n, width}, queries = {query, m, width};
    int *index[2];
    float *cosine[2];
    for (int t = 0; t < 2; t++) {
      fd_config config;
      fd_device *dev = open_device(1 + t, &config);
      index[t] = malloc(lists * sizeof(int)), cosine[t] = malloc(lists * sizeof(float));
      for (size_t i = 0; i < lists; i++) index[t][i] = -7, cosine[t][i] = NAN;
      assert_ok(fd_neighbours_find(dev, keys, queries, k, index[t], cosine[t]));
      fd_device_close(&dev);
    }
    assert_memory_equal(index[0], index[1], lists * sizeof(int));
    assert_memory_equal(cosine[0], cosine[1], lists * sizeof(float));
    check_lists(keys, queries, k, index[0], cosine[0]);
    for (int t = 0; t < 2; t++) free(index[t]), free(cosine[t]);
    free(key), free(query);
  }
}

/* Of keys with equal cosines, the first is listed. */
static void the_first_of_equal_keys_is_listed(void **state) {
  (void)state;
  const float key[] = {0, 1, 2, 1, 2, 1, 4, 2}, query[] = {2, 1};
  fd_config config;
  fd_device *dev = open_device(1, &config);
  int index[2];
  float cosine[2];
  assert_ok(fd_neighbours_find(dev, (fd_vectors){key, 4, 2}, (fd_vectors){query, 1, 2}, 1, index, cosine));
  assert_int_equal(index[0], 1);
  assert_ok(fd_neighbours_find(dev, (fd_vectors){key, 4, 2}, (fd_vectors){query, 1, 2}, 2, index, cosine));
  assert_true(index[0] == 1 && index[1] == 2);
  fd_device_close(&dev);
}

static void most_of_the_neighbours_win(void **state) {
  (void)state;
  const int label[] = {3, 1, 1, 2, 2, 3, 0};
  assert_int_equal(fd_neighbours_vote((const int[]){6}, 1, label), 0);
  assert_int_equal(fd_neighbours_vote((const int[]){6, 1, 2}, 3, label), 1);
  assert_int_equal(fd_neighbours_vote((const int[]){3, 1, 2, 4, 0}, 5, label), 2); /* two votes each: the nearest wins */
  assert_int_equal(fd_neighbours_vote((const int[]){0, 1, 3}, 3, label), 3);
}

static void other_widths_are_refused(void **state) {
  (void)state;
  const float values[6] = {1, 2, 3, 4, 5, 6};
  int index;
  float cosine;
  fd_config config;
  fd_device *dev = open_device(1, &config);
  assert_int_equal(fd_neighbours_find(dev, (fd_vectors){values, 3, 2}, (fd_vectors){values, 2, 3}, 1, &index, &cosine), FD_DATA);
  fd_device_close(&dev);
}

static const int *ints_of(const golden5 *g, const char *name) {
  const fd_tensor *t = fd_safetensors_find(&g->theirs, name);
  assert_non_null(t);
  assert_string_equal(t->dtype, "I32");
  return (const int *)t->data;
}

static void check_scores(const json_t *expected, const fd_scores *s) {
  assert_near(s->accuracy, json_number_value(json_object_get(expected, "accuracy")), 1e-12);
  assert_near(s->balanced, json_number_value(json_object_get(expected, "balanced_accuracy")), 1e-12);
  assert_near(s->f1, json_number_value(json_object_get(expected, "macro_f1")), 1e-12);
  assert_near(s->mcc, json_number_value(json_object_get(expected, "mcc")), 1e-12);
}

static void check_ami(const json_t *expected, int count, const int *truth, const int *predicted) {
  double ami;
  assert_ok(fd_ami(count, truth, predicted, &ami));
  assert_near(ami, json_number_value(json_object_get(expected, "ami")), 1e-12);
}

/* Extreme cases of the definition; the numbering and order of clusters do not matter. */
static void agreement_beyond_chance(void **state) {
  (void)state;
  enum { ROWS = 4000 };
  static int a[ROWS], b[ROWS], c[ROWS];
  double one, other;
  for (int i = 0; i < ROWS; i++) a[i] = i % 40, b[i] = (int)((draw() + 0.4f) * 30), c[i] = 29 - b[i];
  assert_ok(fd_ami(ROWS, a, b, &one));
  assert_near(one, 0, 0.01);
  assert_ok(fd_ami(ROWS, a, c, &other));
  assert_near(one, other, 1e-12);
  assert_ok(fd_ami(ROWS, b, a, &other));
  assert_near(one, other, 1e-12);
  assert_ok(fd_ami(ROWS, b, c, &one));
  assert_near(one, 1, 1e-12);
  for (int i = 0; i < ROWS; i++) c[i] = 0;
  assert_ok(fd_ami(ROWS, b, c, &one));
  assert_near(one, 0, 1e-12);
  assert_ok(fd_ami(ROWS, c, c, &one));
  assert_near(one, 1, 0);
  for (int i = 0; i < ROWS; i++) a[i] = i, c[i] = ROWS - 1 - i;
  assert_ok(fd_ami(ROWS, a, c, &one));
  assert_near(one, 1, 0);
  assert_ok(fd_ami(1, a, c, &one));
  assert_near(one, 1, 0);
}

static void golden_neighbours_and_scores(void **state) {
  (void)state;
  golden5 g;
  fd_scores scores;
  const char *name;
  json_t *table;
  if (!golden5_open(&g, "metrics")) return;
  const fd_tensor *keys = fd_safetensors_find(&g.theirs, "keys"), *queries = fd_safetensors_find(&g.theirs, "queries");
  const int *label = ints_of(&g, "key_labels"), *truth = ints_of(&g, "query_labels"), *theirs = ints_of(&g, "predicted");
  int rows = (int)queries->shape[0], width = (int)keys->shape[1], *index = malloc((size_t)rows * sizeof *index);
  float *cosine = malloc((size_t)rows * sizeof *cosine);
  fd_config config;
  fd_device *dev = open_device(2, &config);
  assert_ok(fd_neighbours_find(dev, (fd_vectors){keys->data, (int)keys->shape[0], width},
                               (fd_vectors){queries->data, rows, width}, 1, index, cosine));
  for (int i = 0; i < rows; i++) index[i] = fd_neighbours_vote(&index[i], 1, label);
  assert_memory_equal(index, theirs, (size_t)rows * sizeof *index);
  assert_ok(fd_scores_of(rows, truth, index, 64, &scores));
  check_scores(json_object_get(g.root, "knn"), &scores);
  check_ami(json_object_get(g.root, "knn"), rows, truth, index);
  json_object_foreach(json_object_get(g.root, "tables"), name, table) {
    const json_t *t = json_object_get(table, "truth"), *p = json_object_get(table, "predicted");
    int n = (int)json_array_size(t), is[256], said[256];
    assert_in_range(n, 1, 256);
    for (int i = 0; i < n; i++) {
      is[i] = (int)json_integer_value(json_array_get(t, (size_t)i));
      said[i] = (int)json_integer_value(json_array_get(p, (size_t)i));
    }
    assert_ok(fd_scores_of(n, is, said, 64, &scores));
    check_scores(table, &scores);
    check_ami(table, n, is, said);
  }
  fd_device_close(&dev);
  free(index), free(cosine);
  golden5_close(&g);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_first_of_equal_keys_is_listed), cmocka_unit_test(lists_are_those_of_a_plain_search),
      cmocka_unit_test(most_of_the_neighbours_win),        cmocka_unit_test(other_widths_are_refused),
      cmocka_unit_test(agreement_beyond_chance),           cmocka_unit_test(golden_neighbours_and_scores),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
