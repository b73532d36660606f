/* Whole training steps against values of an independent PyTorch implementation, through `findna trace`: on the CPU, and on the
 * emulated GPU or the GPU of FINDNA_PLUGIN. The bounds in fp32 are those that the implementation's own differences between fp32
 * and fp64 allow; those in bf16 follow from the number of roundings. */
#include "check.h"
#include "find_gpu.h"

#include <jansson.h>
#include <unistd.h>

#include "base/file.h"
#include "commands/command.h"
#include "device/device.h"
#include "output/safetensors.h"

static const char *const code[] = {"objective.mnm=bce",           "objective.mnm_tau=0.1",
                                   "objective.mnm_reduce=mean",   "objective.mnm_weight=1",
                                   "objective.cl_weight=1",       "objective.cl_axis=D",
                                   "objective.cl_reduce=mean",    "teacher.order=before",
                                   "teacher.centre_momentum=0.9", NULL};
static const char *const latent[] = {"objective.cl_space=latent", NULL};
static const char *const none[] = {NULL};
static const char *const gpu_fp32[] = {"device.kind=cuda", "device.precision=fp32", NULL};
static const char *const gpu_bf16[] = {"device.kind=cuda", "device.precision=bf16", NULL};
static const char *const amx_bf16[] = {"device.simd=amx_model", "device.precision=bf16", NULL};
static const char *const avx512_bf16[] = {"device.simd=avx512", "device.precision=bf16", NULL};

typedef struct golden {
  const char *folder, *file;
  const char *model[12]; /* overrides */
  const char *lengths;
  const char *const *device; /* overrides; NULL: the CPU */
} golden;

static const golden exact = {
    "tests/golden", "exact_d27_L120", {"model.channels=27", "model.hidden=48", "model.track=3", "model.networks=2"}, NULL, NULL};
static const golden paper = {"tests/golden", "paper_d308_L1000", {NULL}, NULL, NULL};
static const golden ragged = {"../shared/golden",
                              "ragged_d30_L100",
                              {"model.channels=30", "model.hidden=44", "model.track=4", "model.networks=3"},
                              NULL,
                              NULL};
static const golden varlen = {"../shared/golden",
                              "varlen_d27",
                              {"model.channels=27", "model.hidden=48", "model.track=3", "model.networks=2"},
                              "150,97,64,33,7",
                              NULL};

static int add_all(char **argv, int argc, const char *const *words) {
  while (*words) argv[argc++] = (char *)*words++;
  return argc;
}

/* Runs three steps and reads their trace. */
static void run_trace(const golden *g, const char *objective, const char *input, fd_safetensors *out) {
  char output[] = "/tmp/findna-golden-XXXXXX", lengths[128];
  char *argv[64] = {"trace", "configs/findna.yaml", "optim.schedule=constant", "train.steps=100"};
  int argc = add_all(argv, 4, g->model);
  argc = add_all(argv, argc, g->device ? g->device : none);
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
  float largest = 0;
  for (size_t i = 0; i < t->bytes / 4; i++) largest = fmaxf(largest, fabsf(((const float *)t->data)[i]));
  return (double)largest;
}

/* Allowed differences: of a value `value`, of a tensor in root mean square `rms` (0: not checked). */
typedef struct bound {
  double value, rms;
} bound;

/* Precision of a device. In bf16 a value undergoes about four roundings per block (input, preactivation, hidden units, weights)
 * of a relative rms of at most 2^-9 / sqrt(3) each; independent errors add in quadrature. A gradient undergoes those of the
 * forward pass and of both products of the backward pass: three times as many. */
typedef struct exactness {
  int bf16;
  double grad_absmax, forward, backward; /* bf16: relative rms of outputs and gradients */
  double cls;                            /* size of the [CLS] term's input: logits, or latents */
} exactness;

static exactness exactness_of(const golden *g, const char *objective, const fd_safetensors *ours, double grad_absmax) {
  int blocks = 0, on_latents = !strcmp(objective, "paper_latent");
  for (int i = 0; i < ours->count; i++)
    blocks += strstr(ours->tensor[i].name, ".student1.") && strstr(ours->tensor[i].name, ".fc1.weight");
  assert_true(blocks > 0);
  double one = 0x1p-9 / sqrt(3);
  double backward = one * sqrt(12.0 * blocks);
  if (on_latents) backward *= 2; /* its softmaxes multiply the errors of latents by 1 / tau, which affects all gradients */
  return (exactness){g->device && !strcmp(g->device[1], "device.precision=bf16"), grad_absmax, one * sqrt(4.0 * blocks), backward,
                     on_latents ? 1 : 0.5};
}

static void compare(const char *name, const fd_tensor *ours, const fd_tensor *theirs, size_t count, bound allowed) {
  if (!ours) fail_msg("no %s in the trace", name);
  const float *a = ours->data, *b = theirs->data;
  double squares = 0;
  if (ours->bytes / 4 < count) fail_msg("%s: %zu values, expected %zu", name, ours->bytes / 4, count);
  for (size_t i = 0; i < count; i++) {
    double difference = (double)a[i] - (double)b[i];
    squares += difference * difference;
    if (!(fabs(difference) <= allowed.value))
      fail_msg("%s[%zu] = %.9g, expected %.9g within %.2g", name, i, (double)a[i], (double)b[i], allowed.value);
  }
  if (allowed.rms > 0 && !(sqrt(squares / (double)count) <= allowed.rms))
    fail_msg("%s: root mean square of the differences %.3g, expected at most %.3g", name, sqrt(squares / (double)count),
             allowed.rms);
}

static double rms_of(const fd_tensor *t) {
  double squares = 0;
  size_t n = t->bytes / 4;
  for (size_t i = 0; i < n; i++) squares += (double)((const float *)t->data)[i] * (double)((const float *)t->data)[i];
  return sqrt(squares / (double)n);
}

/* The bound for a tensor by its name; value < 0: not an output. */
static bound bound_fp32(const char *name, const exactness *e) {
  if (!strncmp(name, "grad.", 5)) return (bound){1e-5 * e->grad_absmax, 0};
  if (!strncmp(name, "center", 6)) return (bound){1e-6, 0};
  if (!strcmp(name, "q") || !strcmp(name, "logp")) return (bound){2e-4, 0}; /* logits within 5e-6, divided by tau = 0.04 or 0.1 */
  if (!strncmp(name, "student", 7) || !strncmp(name, "teacher", 7)) return (bound){5e-5, 0};
  return (bound){-1, 0};
}

/* The same in bf16. AdamW moves every parameter by about the learning rate per step, whatever the size of its gradient: if the
 * gradient is below its error, the step may have the other sign, a difference of two learning rates; otherwise the sign is the
 * same. */
static bound bound_bf16(const char *name, const fd_tensor *t, const exactness *e) {
  const double rate = 3e-4, extremes = 5; /* largest error of a tensor, in units of their rms */
  if (!strncmp(name, "grad.", 5)) {
    double size = fmax(rms_of(t), 1e-2 * e->grad_absmax); /* a gradient near 0 is a difference of large sums */
    return (bound){extremes * e->backward * fmax(largest_of(t), 0.1 * e->grad_absmax), 2 * e->backward * size};
  }
  if (!strncmp(name, "center", 6)) return (bound){extremes * e->forward * largest_of(t), e->forward * rms_of(t)};
  if (!strcmp(name, "q")) return (bound){0.25, e->forward * e->cls / 0.04}; /* divided by tau */
  if (!strcmp(name, "logp")) return (bound){extremes * e->forward / 0.1, e->forward * e->cls / 0.1};
  if (!strncmp(name, "student", 7)) {
    int steps = atoi(name + 7);
    double few = 4 * 4 / (double)(t->bytes / 4); /* a small tensor may hold four such parameters */
    return (bound){2.1 * rate * steps, sqrt(0.3 * 0.3 + few) * rate * steps};
  }
  if (!strncmp(name, "teacher", 7)) return (bound){2.1 * rate * 0.1, 0}; /* moves by a fraction of 0.004 or 0.1 per step */
  return (bound){-1, 0};
}

static void compare_tensors(const fd_safetensors *theirs, const fd_safetensors *ours, const char *objective, const exactness *e) {
  size_t prefix = strlen(objective);
  int compared = 0;
  for (int i = 0; i < theirs->count; i++) {
    const fd_tensor *t = &theirs->tensor[i];
    char name[FD_TENSOR_NAME];
    snprintf(name, sizeof name, "%s", t->name);
    name[strcspn(name, "[")] = '\0'; /* "....weight[:16,:]": only the first rows */
    bound allowed = {-1, 0};
    if (!strncmp(name, objective, prefix) && name[prefix] == '.')
      allowed = e->bf16 ? bound_bf16(name + prefix + 1, t, e) : bound_fp32(name + prefix + 1, e);
    if (!strcmp(name, "student_out") || !strcmp(name, "teacher_out") || !strcmp(name, "student_latent"))
      allowed = e->bf16 ? (bound){5 * e->forward * largest_of(t), e->forward * rms_of(t)} : (bound){5e-6, 0};
    if (allowed.value < 0 || !strcmp(name + prefix, ".center0")) continue;
    compare(t->name, fd_safetensors_find(ours, name), t, t->bytes / 4, allowed);
    compared++;
  }
  assert_true(compared > 20);
}

static void compare_scalars(const json_t *objective, const fd_safetensors *ours, const char *name, const exactness *e) {
  /* Relative bounds. In bf16: the masked term is a mean of many errors of either sign; the [CLS] term divides logits by tau =
   * 0.04, so that an error of 1 % in logits is one of about 10 % in q, and averages a few hundred of them; a gradient's norm
   * includes both. */
  static const struct {
    const char *name;
    double fp32, bf16;
  } scalars[] = {{"loss", 1e-5, 2e-2},      {"mnm", 1e-5, 5e-3}, {"cl", 1e-5, 2e-2},        {"grad_norm", 2e-5, 4e-2},
                 {"clip_coef", 2e-5, 4e-2}, {"lr", 1e-5, 1e-5},  {"ema_lambda", 1e-5, 1e-5}};
  json_t *steps = json_object_get(objective, "scalars_fp64");
  for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) {
    char full[FD_TENSOR_NAME];
    snprintf(full, sizeof full, "%s.%s", name, scalars[i].name);
    const fd_tensor *t = fd_safetensors_find(ours, full);
    assert_non_null(t);
    for (size_t step = 0; step < 3; step++) {
      double expected = json_number_value(json_object_get(json_array_get(steps, step), scalars[i].name));
      assert_near(((const double *)t->data)[step], expected, (e->bf16 ? scalars[i].bf16 : scalars[i].fp32) * fabs(expected));
    }
  }
}

/* Sums, extremes, first and last values of the gradients that are not stored whole. */
static void compare_fingerprints(const json_t *objective, const fd_safetensors *ours, const char *name, const exactness *e) {
  const char *key;
  json_t *value;
  json_object_foreach(json_object_get(objective, "grad_fp"), key, value) {
    char full[FD_TENSOR_NAME], grad[FD_TENSOR_NAME];
    snprintf(full, sizeof full, "%s.grad.%.100s", name, key);
    snprintf(grad, sizeof grad, "grad.%.100s", key);
    const fd_tensor *t = fd_safetensors_find(ours, full);
    assert_non_null(t);
    const float *g = t->data;
    size_t n = t->bytes / 4;
    double sumsq = 0, allowed = (e->bf16 ? bound_bf16(grad, t, e) : bound_fp32(grad, e)).value;
    for (size_t i = 0; i < n; i++) sumsq += (double)g[i] * (double)g[i];
    assert_near(largest_of(t), json_number_value(json_object_get(value, "absmax")), allowed);
    assert_near((double)g[0], json_number_value(json_object_get(value, "first")), allowed);
    assert_near((double)g[n - 1], json_number_value(json_object_get(value, "last")), allowed);
    double expected = json_number_value(json_object_get(value, "sumsq"));
    assert_near(sqrt(sumsq), sqrt(expected), (e->bf16 ? 2 * e->backward : 1e-5) * sqrt(expected) + allowed);
  }
}

static void check_golden(const golden *g, const char *objective, const char *input, const fd_safetensors *theirs) {
  char path[FD_PATH_MAX];
  snprintf(path, sizeof path, "%s/%s.json", g->folder, g->file);
  json_t *root = json_load_file(path, 0, NULL), *o = json_object_get(json_object_get(root, "objectives"), objective);
  assert_non_null(o);
  fd_safetensors ours;
  run_trace(g, objective, input, &ours);
  exactness e = exactness_of(g, objective, &ours, json_number_value(json_object_get(o, "grad_absmax")));
  compare_tensors(theirs, &ours, objective, &e);
  compare_scalars(o, &ours, objective, &e);
  compare_fingerprints(o, &ours, objective, &e);
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

/* Whether this machine has the kernels. */
static int has_kernels(const char *name) {
  char names[128];
  fd_device_simd(names, sizeof names);
  return strstr(names, name) != NULL;
}

/* Whether FINDNA_SIMD asks for a test of certain kernels; if so, tests that select kernels themselves have nothing to add. */
static int are_others_asked(void) {
  if (!getenv("FINDNA_SIMD")) return 0;
  puts("skipped - golden steps with other kernels: they are the same with and without FINDNA_SIMD");
  return 1;
}

/* The same with instruction sets that this machine would not select. */
static void exact_tracks_other_instructions(void **state) {
  (void)state;
  if (are_others_asked()) return;
  golden g = exact;
  g.model[4] = "device.simd=generic";
  check_file(&g, 4);
  g.model[4] = "device.simd=avx2";
  if (has_kernels("avx2")) check_file(&g, 4);
}

static void ragged_last_track(void **state) {
  (void)state;
  check_file(&ragged, 4);
}

static void variable_lengths(void **state) {
  (void)state;
  check_file(&varlen, 3);
}

/* The golden generator's random numbers: splitmix64 counter streams. */
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

/* The paper's model: its file stores no weights; they are generated again and compared with the stored fingerprints. */
static void check_paper(const char *const *device) {
  golden g = paper;
  g.device = device;
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
  check_golden(&g, "paper", input, &theirs);
  check_golden(&g, "code", input, &theirs);
  unlink(input);
  for (int i = theirs.count; i < n; i++) free((void *)all[i].data);
  free(all);
  json_decref(root);
  fd_safetensors_free(&theirs);
}

static void paper_model(void **state) {
  (void)state;
  check_paper(NULL);
}

static void check_gpu(const char *const *device) {
  const golden *const all[] = {&exact, &ragged, &varlen};
  if (!find_gpu()) return;
  for (int i = 0; i < 3; i++) {
    golden g = *all[i];
    g.device = device;
    check_file(&g, i < 2 ? 4 : 3);
  }
  if (!strstr(getenv("FINDNA_PLUGIN"), "emulated")) check_paper(device); /* takes hours when emulated */
}

/* Operands in bf16 with the kernels of CPUs: the bounds are those of GPUs, which also round activations. */
static void check_bf16(const char *const *device) {
  const golden *const all[] = {&exact, &ragged, &varlen};
  for (int i = 0; i < 3; i++) {
    golden g = *all[i];
    g.device = device;
    check_file(&g, i < 2 ? 4 : 3);
  }
}

static void cpu_in_bf16(void **state) {
  (void)state;
  if (are_others_asked()) return;
  check_bf16(amx_bf16);
  if (has_kernels("avx512bf16")) check_bf16(avx512_bf16);
}

static void gpu_in_fp32(void **state) {
  (void)state;
  check_gpu(gpu_fp32);
}

static void gpu_in_bf16(void **state) {
  (void)state;
  check_gpu(gpu_bf16);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(exact_tracks),      cmocka_unit_test(exact_tracks_other_instructions),
      cmocka_unit_test(ragged_last_track), cmocka_unit_test(variable_lengths),
      cmocka_unit_test(paper_model),       cmocka_unit_test(cpu_in_bf16),
      cmocka_unit_test(gpu_in_fp32),       cmocka_unit_test(gpu_in_bf16),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
