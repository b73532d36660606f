/* FinDNA-T: whole training steps against values of an independent PyTorch implementation (golden5, findna_t_d32), through
 * `findna trace`, on the CPU and on the emulated GPU or the GPU of FINDNA_PLUGIN. */
#include "find_gpu.h"
#include "golden5.h"

#include "commands/command.h"

static void run_trace(const char *device, const char *precision, fd_safetensors *out) {
  char output[] = "/tmp/findna-golden-XXXXXX";
  int fd = mkstemp(output);
  assert_true(fd >= 0);
  close(fd);
  char *argv[] = {"trace",
                  "configs/findna-t.yaml",
                  "model.channels=32",
                  "model.hidden=64",
                  "model.layers=3",
                  "model.heads=4",
                  "optim.schedule=constant",
                  "train.steps=100",
                  (char *)device,
                  (char *)precision,
                  "--prefix=",
                  "--steps=3",
                  "--input",
                  "../shared/golden5/findna_t_d32.safetensors",
                  "--output",
                  output,
                  NULL};
  assert_ok(fd_command_trace(fd_comm_self(), sizeof argv / sizeof *argv - 1, argv));
  assert_ok(fd_safetensors_read(output, out));
  unlink(output);
}

/* Views, labels, and the state before the steps. */
static int is_input(const char *name) {
  return !strncmp(name, "in", 2) || !strncmp(name, "student0.", 9) || !strncmp(name, "teacher0.", 9) || !strcmp(name, "centre0");
}

static void compare_losses(const golden5 *g, const fd_safetensors *ours) {
  static const struct {
    const char *name;
    double bound;
  } scalars[] = {{"loss", 1e-5}, {"mnm", 1e-5}, {"cl", 1e-5}, {"grad_norm", 1e-4}, {"clip_coef", 1e-4}, {"lr", 1e-12}};
  for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) {
    const fd_tensor *t = fd_safetensors_find(ours, scalars[i].name);
    assert_non_null(t);
    for (size_t step = 0; step < 3; step++) {
      json_t *values = json_array_get(json_object_get(g->root, "steps_fp64"), step);
      double expected = json_number_value(json_object_get(values, scalars[i].name));
      assert_near(((const double *)t->data)[step], expected, scalars[i].bound * fabs(expected));
    }
  }
}

static void check(const char *device, const char *precision) {
  golden5 g = {.rate = 3e-4};
  fd_safetensors ours;
  int compared = 0;
  if (!golden5_open(&g, "findna_t_d32")) return;
  run_trace(device, precision, &ours);
  for (int i = 0; i < g.theirs.count; i++) {
    const fd_tensor *t = &g.theirs.tensor[i], *mine = fd_safetensors_find(&ours, t->name);
    if (is_input(t->name)) continue;
    if (!mine || mine->bytes != t->bytes) fail_msg("no %s of this size in the trace", t->name);
    golden5_compare(&g, t, mine->data);
    compared++;
  }
  assert_true(compared > 200);
  compare_losses(&g, &ours);
  fd_safetensors_free(&ours);
  golden5_close(&g);
}

static void steps_on_the_cpu(void **state) {
  (void)state;
  check("device.threads=1", "device.precision=fp32");
  check("device.threads=2", "device.precision=fp32");
}

static void steps_with_plain_kernels(void **state) {
  (void)state;
  check("device.simd=generic", "device.precision=fp32");
}

static void steps_on_the_gpu(void **state) {
  (void)state;
  if (find_gpu()) check("device.kind=cuda", "device.precision=fp32");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(steps_on_the_cpu), cmocka_unit_test(steps_with_plain_kernels),
                                     cmocka_unit_test(steps_on_the_gpu)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
