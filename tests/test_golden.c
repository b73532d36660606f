/* Whole training steps against values of an independent PyTorch implementation, through `findna trace`. The bounds are those that
 * its own fp32-to-fp64 deviations allow. */
#include "check.h"

#include <jansson.h>
#include <unistd.h>

#include "base/file.h"
#include "commands/command.h"
#include "output/safetensors.h"

static const char *const code[] = {"objective.mnm=bce",           "objective.mnm_tau=0.1",
                                   "objective.mnm_reduce=mean",   "objective.mnm_weight=1",
                                   "objective.cl_weight=1",       "objective.cl_axis=D",
                                   "objective.cl_reduce=mean",    "teacher.order=before",
                                   "teacher.centre_momentum=0.9", NULL};
static const char *const latent[] = {"objective.cl_space=latent", NULL};
static const char *const none[] = {NULL};

typedef struct golden {
  const char *folder, *file;
  const char *model[12]; /* overrides */
  const char *lengths;
} golden;

static const golden exact = {
    "tests/golden", "exact_d27_L120", {"model.channels=27", "model.hidden=48", "model.track=3", "model.networks=2"}, NULL};
static const golden paper = {"tests/golden", "paper_d308_L1000", {NULL}, NULL};
static const golden ragged = {
    "../shared/golden", "ragged_d30_L100", {"model.channels=30", "model.hidden=44", "model.track=4", "model.networks=3"}, NULL};
static const golden varlen = {"../shared/golden",
                              "varlen_d27",
                              {"model.channels=27", "model.hidden=48", "model.track=3", "model.networks=2"},
                              "150,97,64,33,7"};

static int add_all(char **argv, int argc, const char *const *words) {
  while (*words) argv[argc++] = (char *)*words++;
  return argc;
}

/* Runs three steps and reads what they wrote. */
static void run_trace(const golden *g, const char *objective, const char *input, fd_safetensors *out) {
  char output[] = "/tmp/findna-golden-XXXXXX", lengths[128];
  char *argv[64] = {"trace", "configs/findna.yaml", "optim.schedule=constant", "train.steps=100"};
  int argc = add_all(argv, 4, g->model);
  int literal = !strcmp(objective, "code_literal"), is_code = literal || !strcmp(objective, "code");
  argc = add_all(argv, argc, is_code ? code : !strcmp(objective, "paper_latent") ? latent : none);
  if (literal) argv[argc++] = "objective.mask_layout=scrambled";
  snprintf(lengths, sizeof lengths, "--lengths=%s", g->lengths ? g->lengths : "");
  if (g->lengths) argv[argc++] = lengths;
  int fd = mkstemp(output);
  assert_true(fd >= 0);
  close(fd);
  char *rest[] = {"--steps", "3", "--prefix", (char *)objective, "--input", (char *)input, "--output", output};
  for (int i = 0; i < 8; i++) argv[argc++] = rest[i];
  assert_ok(fd_command_trace(fd_comm_self(), argc, argv));
  assert_ok(fd_safetensors_read(output, out));
  unlink(output);
}

static double largest_of(const fd_tensor *t) {
  double largest = 0;
  for (size_t i = 0; i < t->bytes / 4; i++) largest = fmax(largest, fabs((double)((const float *)t->data)[i]));
  return largest;
}

static void compare(const char *name, const fd_tensor *ours, const fd_tensor *theirs, size_t count, double bound) {
  if (!ours) fail_msg("no %s in the trace", name);
  const float *a = ours->data, *b = theirs->data;
  if (ours->bytes / 4 < count) fail_msg("%s: %zu values, expected %zu", name, ours->bytes / 4, count);
  for (size_t i = 0; i < count; i++)
    if (!(fabs((double)a[i] - (double)b[i]) <= bound))
      fail_msg("%s[%zu] = %.9g, expected %.9g within %.2g", name, i, (double)a[i], (double)b[i], bound);
}

/* The bound for a tensor, by its name after the objective's prefix; < 0: not an output. */
static double bound_of(const char *name, double grad_absmax) {
  if (!strncmp(name, "grad.", 5)) return 1e-5 * grad_absmax;
  if (!strncmp(name, "center", 6)) return 1e-6;
  if (!strcmp(name, "q") || !strcmp(name, "logp")) return 2e-4; /* logits within 5e-6, divided by tau = 0.04 or 0.1 */
  if (!strncmp(name, "student", 7) || !strncmp(name, "teacher", 7)) return 5e-5;
  return -1;
}

static void compare_tensors(const fd_safetensors *theirs, const fd_safetensors *ours, const char *objective, double grad_absmax) {
  size_t prefix = strlen(objective);
  int compared = 0;
  for (int i = 0; i < theirs->count; i++) {
    const fd_tensor *t = &theirs->tensor[i];
    char name[FD_TENSOR_NAME];
    snprintf(name, sizeof name, "%s", t->name);
    name[strcspn(name, "[")] = '\0'; /* "....weight[:16,:]": the first rows alone */
    double bound = -1;
    if (!strncmp(name, objective, prefix) && name[prefix] == '.') bound = bound_of(name + prefix + 1, grad_absmax);
    if (!strcmp(name, "student_out") || !strcmp(name, "teacher_out") || !strcmp(name, "student_latent")) bound = 5e-6;
    if (bound < 0 || !strcmp(name + prefix, ".center0")) continue;
    compare(t->name, fd_safetensors_find(ours, name), t, t->bytes / 4, bound);
    compared++;
  }
  assert_true(compared > 20);
}

static void compare_scalars(const json_t *objective, const fd_safetensors *ours, const char *name) {
  static const char *const scalars[] = {"loss", "mnm", "cl", "grad_norm", "clip_coef", "lr", "ema_lambda"};
  json_t *steps = json_object_get(objective, "scalars_fp64");
  for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) {
    char full[FD_TENSOR_NAME];
    snprintf(full, sizeof full, "%s.%s", name, scalars[i]);
    const fd_tensor *t = fd_safetensors_find(ours, full);
    assert_non_null(t);
    for (size_t step = 0; step < 3; step++) {
      double expected = json_number_value(json_object_get(json_array_get(steps, step), scalars[i]));
      assert_near(((const double *)t->data)[step], expected,
                  1e-5 * fabs(expected) + (i == 3 || i == 4 ? 1e-5 * fabs(expected) : 0));
    }
  }
}

/* Sums, extremes and ends of the gradients that are not stored whole. */
static void compare_fingerprints(const json_t *objective, const fd_safetensors *ours, const char *name, double grad_absmax) {
  const char *key;
  json_t *value;
  json_object_foreach(json_object_get(objective, "grad_fp"), key, value) {
    char full[FD_TENSOR_NAME];
    snprintf(full, sizeof full, "%s.grad.%.100s", name, key);
    const fd_tensor *t = fd_safetensors_find(ours, full);
    assert_non_null(t);
    const float *g = t->data;
    size_t n = t->bytes / 4;
    double sumsq = 0, bound = 1e-5 * grad_absmax;
    for (size_t i = 0; i < n; i++) sumsq += (double)g[i] * (double)g[i];
    assert_near(largest_of(t), json_number_value(json_object_get(value, "absmax")), bound);
    assert_near((double)g[0], json_number_value(json_object_get(value, "first")), bound);
    assert_near((double)g[n - 1], json_number_value(json_object_get(value, "last")), bound);
    double expected = json_number_value(json_object_get(value, "sumsq"));
    assert_near(sqrt(sumsq), sqrt(expected), 1e-5 * sqrt(expected) + bound);
  }
}

static void check_golden(const golden *g, const char *objective, const char *input, const fd_safetensors *theirs) {
  char path[FD_PATH_MAX];
  snprintf(path, sizeof path, "%s/%s.json", g->folder, g->file);
  json_t *root = json_load_file(path, 0, NULL), *o = json_object_get(json_object_get(root, "objectives"), objective);
  assert_non_null(o);
  fd_safetensors ours;
  double grad_absmax = json_number_value(json_object_get(o, "grad_absmax"));
  run_trace(g, objective, input, &ours);
  compare_tensors(theirs, &ours, objective, grad_absmax);
  compare_scalars(o, &ours, objective);
  compare_fingerprints(o, &ours, objective, grad_absmax);
  fd_safetensors_free(&ours);
  json_decref(root);
}

static void check_file(const golden *g, int objectives) {
  static const char *const names[] = {"paper", "paper_latent", "code", "code_literal"};
  char path[FD_PATH_MAX];
  fd_safetensors theirs;
  snprintf(path, sizeof path, "%s/%s.safetensors", g->folder, g->file);
  if (!fd_exists(path)) {
    printf("skipped - %s: %s is not here\n", g->file, path);
    return;
  }
  assert_ok(fd_safetensors_read(path, &theirs));
  for (int i = 0; i < objectives; i++) check_golden(g, names[i], path, &theirs);
  fd_safetensors_free(&theirs);
}

static void exact_tracks(void **state) {
  (void)state;
  check_file(&exact, 4);
}

/* The same with the instructions that this machine would not choose. */
static void exact_tracks_other_instructions(void **state) {
  (void)state;
  golden g = exact;
  g.model[4] = "device.simd=generic";
  check_file(&g, 4);
#ifdef FD_WITH_avx2
  g.model[4] = "device.simd=avx2";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) check_file(&g, 4);
#endif
}

static void ragged_last_track(void **state) {
  (void)state;
  check_file(&ragged, 4);
}

static void variable_lengths(void **state) {
  (void)state;
  check_file(&varlen, 3);
}

/* The golden generator's numbers: splitmix64 counter streams. */
static uint64_t splitmix(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

static void golden_weights(uint64_t seed, uint64_t stream, size_t n, float bound, float *w) {
  uint64_t base = splitmix((seed << 32) + stream);
  for (size_t i = 0; i < n; i++) {
    double u = (double)(splitmix(base + i) >> 40) * 0x1p-24;
    w[i] = (float)(2 * u - 1) * bound;
  }
}

static double bound_of_layer(const char *name) {
  const struct {
    const char *part;
    double fan_in;
  } fans[] = {{"embedding", 5}, {"head", 308}, {"fc1", 308}, {"fc2", 512}};
  for (int i = 0; i < 4; i++)
    if (strstr(name, fans[i].part)) return 1 / sqrt(fans[i].fan_in);
  return 0;
}

/* The paper's model: its file stores no weights; they are made anew, and checked against the stored fingerprints. */
static void paper_model(void **state) {
  (void)state;
  char input[] = "/tmp/findna-golden-XXXXXX";
  fd_safetensors theirs;
  assert_ok(fd_safetensors_read("tests/golden/paper_d308_L1000.safetensors", &theirs));
  json_t *root = json_load_file("tests/golden/paper_d308_L1000.json", 0, NULL), *order = json_object_get(root, "tensor_order"),
         *prints = json_object_get(root, "student0_fp");
  uint64_t seed = (uint64_t)json_integer_value(json_object_get(root, "seed"));
  size_t count = json_array_size(order);
  fd_tensor *all = calloc((size_t)theirs.count + 2 * count, sizeof *all);
  memcpy(all, theirs.tensor, (size_t)theirs.count * sizeof *all);
  int n = theirs.count;
  for (size_t i = 0; i < count; i++) {
    const char *name = json_string_value(json_array_get(order, i));
    int weight = strstr(name, "weight") != NULL, first = strstr(name, "fc1") != NULL, second = strstr(name, "fc2") != NULL,
        head = !strncmp(name, "head", 4);
    int64_t rows = first ? 512 : head ? 5 : 308, columns = weight ? (second ? 512 : first || head ? 308 : 5) : 0;
    size_t size = (size_t)(rows * (columns ? columns : 1));
    float *student = malloc(size * 4), *teacher = malloc(size * 4), bound = (float)bound_of_layer(name);
    golden_weights(seed, 1000 + i, size, bound, student);
    golden_weights(seed + 1, 1000 + i, size, bound, teacher);
    for (size_t j = 0; j < size; j++) {
      float a = 0.9f * student[j], b = 0.1f * teacher[j];
      teacher[j] = a + b;
    }
    json_t *print = json_object_get(prints, name);
    assert_true((double)student[0] == json_number_value(json_object_get(print, "first")));
    assert_true((double)student[size - 1] == json_number_value(json_object_get(print, "last")));
    char full[FD_TENSOR_NAME];
    snprintf(full, sizeof full, "student0.%s", name);
    all[n++] = fd_tensor_f32(full, rows, columns, student);
    snprintf(full, sizeof full, "teacher0.%s", name);
    all[n++] = fd_tensor_f32(full, rows, columns, teacher);
  }
  int fd = mkstemp(input);
  assert_true(fd >= 0);
  close(fd);
  assert_ok(fd_safetensors_write(input, all, n));
  check_golden(&paper, "paper", input, &theirs);
  check_golden(&paper, "code", input, &theirs);
  unlink(input);
  for (int i = theirs.count; i < n; i++) free((void *)all[i].data);
  free(all);
  json_decref(root);
  fd_safetensors_free(&theirs);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(exact_tracks),      cmocka_unit_test(exact_tracks_other_instructions),
      cmocka_unit_test(ragged_last_track), cmocka_unit_test(variable_lengths),
      cmocka_unit_test(paper_model),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
