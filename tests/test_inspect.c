/* findna inspect, config and doctor: their output for checkpoints, other paths, options and this machine. */
#include "files.h"

#include <inttypes.h>

#include "base/hash.h"
#include "commands/command.h"
#include "output/safetensors.h"
#include "train/checkpoint_format.h"

static fd_status inspect(const char *path, char **said) {
  char *argv[] = {(char *)"inspect", (char *)path};
  capture_begin();
  fd_status status = fd_command_inspect(fd_comm_self(), 2, argv);
  *said = capture_end();
  return status;
}

/* Makes a checkpoint of two files with a correct MANIFEST. */
static void make_checkpoint(int64_t number, float last) {
  char name[64], path[FD_PATH_MAX], *text;
  fd_slice file[] = {{.name = "student-00.safetensors"}, {.name = FD_CONFIG_TEXT}};
  fd_checkpoint_info info = {.step = number,
                             .updates = number,
                             .best_step = -1,
                             .draws = 64,
                             .window = 61,
                             .virtual_ranks = 1,
                             .reduction = "reproducible",
                             .dataset_id = "none",
                             .version = "1"};
  size_t bytes;
  float values[4] = {-1, 0, 2, last};
  fd_tensor t = fd_tensor_f32("head.weight", 2, 2, values);
  snprintf(name, sizeof name, "run/ckpt/step_%09" PRId64, number);
  assert_ok(fd_make_folder(below(name, NULL)));
  assert_ok(fd_path(path, below(name, NULL), file[0].name, NULL));
  assert_ok(fd_safetensors_write(path, &t, 1));
  assert_ok(fd_sha256_file(path, file[0].sha256, &file[0].bytes));
  put(below(name, "config.yaml"), "run:\n  seed: 3\n");
  assert_ok(fd_sha256_file(below(name, "config.yaml"), file[1].sha256, &file[1].bytes));
  memcpy(info.config_hash, file[1].sha256, sizeof info.config_hash);
  assert_ok(fd_checkpoint_manifest_text(&info, file, 1, 1, &text, &bytes));
  put(below(name, "MANIFEST"), text);
  free(text);
}

static void inspects_checkpoints(void **state) {
  (void)state;
  char *said;
  const char *file;
  assert_ok(fd_make_folder(below("run", NULL)));
  make_checkpoint(100, 1);
  make_checkpoint(200, 1);
  assert_ok(inspect(below("run/ckpt/step_000000200", NULL), &said));
  assert_non_null(strstr(said, "step     200"));
  assert_non_null(strstr(said, "all 2 files are as written"));
  free(said);
  assert_ok(inspect(below("run/ckpt/step_000000200", "MANIFEST"), &said));
  free(said);
  assert_ok(inspect(below("run/ckpt/step_000000200", "student-00.safetensors"), &said));
  assert_non_null(strstr(said, "head.weight"));
  assert_non_null(strstr(said, "[2, 2]"));
  assert_non_null(strstr(said, "          -1          0.5            2          0\n"));
  free(said);
  assert_ok(inspect(below("run", NULL), &said));
  assert_int_equal(count_of(said, " ok "), 2);
  assert_int_equal(count_of(said, "a resume takes this one"), 1);
  assert_true(strstr(said, "a resume takes") < strstr(said, "step 100 "));
  free(said);
  make_checkpoint(300, NAN); /* intact, but diverged: no resume from it */
  assert_int_equal(inspect(below("run", NULL), &said), FD_NUMERIC);
  assert_non_null(strstr(said, "step 300          DIVERGED"));
  assert_null(strstr(said, "a resume takes this one"));
  free(said);
  assert_ok(inspect(below("run/ckpt/step_000000300", "student-00.safetensors"), &said));
  assert_non_null(strstr(said, "          -1      0.33333            2          1\n"));
  free(said);
  assert_ok(fd_remove_folder(below("run/ckpt/step_000000300", NULL)));
  file = below("run/ckpt/step_000000200", "student-00.safetensors");
  int fd = open(file, O_WRONLY);
  assert_int_equal(pwrite(fd, "x", 1, 100), 1);
  close(fd);
  assert_int_equal(inspect(below("run/ckpt/step_000000200", NULL), &said), FD_DATA);
  assert_non_null(strstr(said, "WRONG"));
  free(said);
  assert_int_equal(inspect(below("run", NULL), &said), FD_DATA);
  assert_non_null(strstr(said, "step 200          DAMAGED"));
  assert_true(strstr(said, "a resume takes this one") > strstr(said, "step 100 "));
  free(said);
  assert_int_equal(truncate(below("run/ckpt/step_000000100", "MANIFEST"), 90), 0);
  assert_int_equal(inspect(below("run/ckpt/step_000000100", NULL), &said), FD_DATA);
  free(said);
  assert_int_equal(inspect(below("run", NULL), &said), FD_DATA);
  assert_null(strstr(said, "a resume takes this one"));
  free(said);
}

static void inspects_other_paths(void **state) {
  (void)state;
  char *said, *none[] = {(char *)"inspect"};
  put(below("text", NULL), "this is not a file of ours\n");
  assert_int_equal(inspect(below("text", NULL), &said), FD_DATA);
  free(said);
  assert_int_equal(inspect(below("nothing", NULL), &said), FD_MISSING);
  free(said);
  assert_ok(fd_make_folder(below("strange", NULL)));
  assert_int_equal(inspect(below("strange", NULL), &said), FD_DATA);
  free(said);
  assert_ok(fd_make_folder(below("fresh/ckpt", NULL)));
  assert_ok(inspect(below("fresh", NULL), &said));
  assert_non_null(strstr(said, "0 checkpoints"));
  free(said);
  assert_int_equal(fd_command_inspect(fd_comm_self(), 1, none), FD_USAGE);
}

static void config_and_doctor(void **state) {
  (void)state;
  char *markdown[] = {(char *)"config", (char *)"--as", (char *)"markdown"},
       *overridden[] = {(char *)"config", (char *)"train.batch=128"}, *wrong[] = {(char *)"config", (char *)"train.batch=0"};
  char *doctor[] = {(char *)"doctor"};
  capture_begin();
  fd_status status = fd_command_config(fd_comm_self(), 3, markdown);
  char *said = capture_end();
  assert_int_equal(status, FD_OK);
  assert_int_equal(strncmp(said, "# Options\n\n", 11), 0);
  assert_non_null(strstr(said, "| `train.batch` | `64` |"));
  if (fd_exists("docs/options.md")) {
    char *page = get("docs/options.md");
    assert_string_equal(said, page); /* 'make docs' regenerates it */
    free(page);
  }
  free(said);
  capture_begin();
  status = fd_command_config(fd_comm_self(), 2, overridden);
  said = capture_end();
  assert_int_equal(status, FD_OK);
  assert_non_null(strstr(said, "\n  batch: 128\n"));
  free(said);
  assert_int_equal(fd_command_config(fd_comm_self(), 2, wrong), FD_CONFIG);
  capture_begin();
  status = fd_command_doctor(fd_comm_self(), 1, doctor);
  said = capture_end();
  assert_true(status == FD_OK ? strstr(said, "nothing is missing") != NULL
                              : status == FD_MISSING && strstr(said, "missing: ") != NULL);
  assert_non_null(strstr(said, "device.simd: auto takes"));
  free(said);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(inspects_checkpoints),
      cmocka_unit_test(inspects_other_paths),
      cmocka_unit_test(config_and_doctor),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
