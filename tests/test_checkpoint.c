/* Checkpoints: of a state before its first update, without files of moments, as an import creates them; which states are refused,
 * and which checkpoints are kept. */
#include "files.h"

#include "base/memory.h"
#include "train/checkpoint_format.h"

typedef struct world {
  fd_config config;
  fd_device *dev;
  fd_network *network;
  fd_state *state;
  char folder[FD_PATH_MAX];
  fd_run run;
} world;

static void open_world(world *w, const char *name) {
  fd_config_defaults(&w->config);
  w->config.model.channels = 6, w->config.model.hidden = 8, w->config.model.track = 2, w->config.model.networks = 1;
  w->config.device.threads = 1;
  assert_ok(fd_device_open(&w->dev, &w->config, 0, 1));
  assert_ok(fd_network_create(&w->network, &w->config, 9));
  assert_ok(fd_state_create(&w->state, &w->config, w->network, w->dev));
  snprintf(w->folder, sizeof w->folder, "%s", below(name, NULL));
  assert_ok(fd_make_folder(w->folder));
  w->run = (fd_run){w->folder, &w->config, w->network, fd_comm_self(), 9, "none", 0, NULL, NULL, NULL};
}

static void close_world(world *w) {
  fd_state_destroy(&w->state);
  fd_network_destroy(&w->network);
  fd_device_close(&w->dev);
}

static void write_state(world *w, const fd_state *state) {
  fd_checkpointer *c;
  int durable;
  assert_ok(fd_checkpointer_create(&c, &w->run, state));
  assert_ok(fd_checkpointer_begin(c, state));
  assert_ok(fd_checkpointer_finish(c, &durable, NULL));
  assert_true(durable);
  fd_checkpointer_destroy(&c);
}

/* The state without its moments, whose sizes are 0. */
static fd_state without_moments(const fd_state *state) {
  fd_state bare = *state;
  bare.size[FD_ADAM_M] = bare.size[FD_ADAM_V] = 0;
  return bare;
}

static void fill(const world *w, float value) {
  for (int i = FD_STUDENT; i <= FD_ADAM_V; i++)
    for (size_t k = 0; k < w->state->size[i]; k++) w->state->array[i][k] = value;
}

static void assert_all(const world *w, fd_array array, float value) {
  for (size_t k = 0; k < w->state->size[array]; k++) assert_true(!memcmp(&w->state->array[array][k], &value, sizeof value));
}

static fd_status resume(world *w) {
  fd_checkpoint_info info;
  int found;
  fd_status status = fd_checkpoint_resume(&w->run, w->state, &info, &found);
  if (status == FD_OK) assert_true(found);
  return status;
}

/* A teacher is the same as that of the checkpoint, or has the tensors that an earlier build wrote in its place. */
static void teachers_are_compared(void **state) {
  (void)state;
  static char of[3][FD_SHA256_HEX];
  world w;
  for (int i = 0; i < 3; i++) memset(of[i], 'a' + i, FD_SHA256_HEX - 1);
  open_world(&w, "taught");
  fill(&w, 2);
  w.run.teacher = of[0];
  write_state(&w, w.state);
  assert_ok(resume(&w));
  w.run.teacher = of[1];
  assert_int_equal(resume(&w), FD_CONFIG);
  w.run.teacher_tensors = of[2];
  assert_int_equal(resume(&w), FD_CONFIG);
  w.run.teacher_tensors = of[0];
  assert_ok(resume(&w));
  w.run.teacher = w.run.teacher_tensors = "";
  assert_int_equal(resume(&w), FD_CONFIG);
  close_world(&w);
  open_world(&w, "untaught");
  fill(&w, 2);
  write_state(&w, w.state);
  w.run.teacher = of[0], w.run.teacher_tensors = ""; /* stored logits */
  assert_int_equal(resume(&w), FD_CONFIG);
  close_world(&w);
}

static void moments_without_files_are_zero(void **state) {
  (void)state;
  world w;
  open_world(&w, "bare");
  fill(&w, 2);
  const fd_state bare = without_moments(w.state);
  write_state(&w, &bare);
  assert_false(fd_exists(below("bare/ckpt/step_000000000", "adam_m-00.safetensors")));
  fill(&w, 7);
  assert_ok(resume(&w));
  assert_all(&w, FD_STUDENT, 2);
  assert_all(&w, FD_ADAM_M, 0);
  assert_all(&w, FD_ADAM_V, 0);
  /* The same after a newer checkpoint whose moments were read before it proved to be damaged. */
  fill(&w, 5);
  w.state->step = w.state->updates = 3, w.state->draws = 3 * 64;
  write_state(&w, w.state);
  put(below("bare/ckpt/step_000000003", "centre.safetensors"), "damaged");
  assert_ok(resume(&w));
  assert_int_equal(w.state->step, 0);
  assert_all(&w, FD_STUDENT, 2);
  assert_all(&w, FD_ADAM_M, 0);
  assert_all(&w, FD_ADAM_V, 0);
  close_world(&w);
}

static void a_trained_state_has_its_moments(void **state) {
  (void)state;
  static const fd_array arrays[] = {FD_ADAM_M, FD_ADAM_V};
  for (int i = 0; i < 3; i++) { /* without the first moments, the second, or both, although there were updates */
    world w;
    char name[16];
    snprintf(name, sizeof name, "run%d", i);
    open_world(&w, name);
    w.state->step = w.state->updates = i == 2, w.state->draws = i == 2 ? 64 : 0;
    fd_state half = without_moments(w.state);
    if (i < 2) half.size[arrays[i]] = w.state->size[arrays[i]];
    write_state(&w, &half);
    assert_int_equal(resume(&w), FD_DATA);
    close_world(&w);
  }
}

/* A MANIFEST of as many files as there may be is read; of one more, it is refused, and nothing is written beyond the array. */
static void a_manifest_lists_no_more_than_there_may_be(void **state) {
  (void)state;
  world w;
  static fd_slice files[FD_CHECKPOINT_FILES_MAX + 1], read[FD_CHECKPOINT_FILES_MAX + 1];
  fd_checkpoint_info info;
  char *text;
  size_t bytes;
  int count;
  open_world(&w, "many");
  write_state(&w, w.state);
  char folder[FD_PATH_MAX];
  assert_ok(fd_checkpoint_folder(folder, w.folder, 0));
  assert_ok(fd_checkpoint_manifest_parse(folder, &info, files, &count));
  fd_slice config = files[count - 1];
  for (int more = 0; more < 2; more++) {
    int all = FD_CHECKPOINT_FILES_MAX + more;
    for (int i = count - 1; i < all - 1; i++)
      files[i] = files[0], snprintf(files[i].name, sizeof files[i].name, "student-x%d", i);
    files[all - 1] = config;
    assert_ok(fd_checkpoint_manifest_text(&info, files, all - 1, 1, &text, &bytes));
    char path[FD_PATH_MAX];
    assert_ok(fd_path(path, folder, "MANIFEST", NULL));
    assert_ok(fd_write_file(path, text, bytes));
    free(text);
    memset(read, 'x', sizeof read);
    assert_int_equal(fd_checkpoint_manifest_parse(folder, &info, read, &all), more ? FD_DATA : FD_OK);
    for (size_t i = 0; i < sizeof *read; i++) assert_int_equal(((char *)&read[FD_CHECKPOINT_FILES_MAX])[i], 'x');
  }
  close_world(&w);
}

/* Moves a state to a step, as if every step were an update. */
static void go_to(world *w, int64_t step) {
  w->state->step = w->state->updates = step;
  w->state->draws = (uint64_t)step * (uint64_t)w->config.train.batch;
}

/* The steps of a run's checkpoints, the newest first. */
static void assert_steps(const world *w, int count, const int64_t *steps) {
  int64_t *found;
  int n;
  assert_ok(fd_checkpoint_list(w->folder, &found, &n));
  assert_int_equal(n, count);
  for (int i = 0; i < n; i++) assert_int_equal(found[i], steps[i]);
  free(found);
}

/* A value that is not finite in any array of the state: no checkpoint is begun, and those of the run stay as they are. */
static void states_that_are_not_finite_are_refused(void **state) {
  (void)state;
  world w;
  open_world(&w, "diverged");
  fill(&w, 2);
  write_state(&w, w.state);
  char *before = get(below("diverged/ckpt/step_000000000", "MANIFEST"));
  go_to(&w, 1);
  for (int array = 0; array < FD_ARRAYS; array++) {
    fd_checkpointer *c;
    if (!w.state->size[array]) continue;
    float *at = &w.state->array[array][w.state->size[array] - 1], kept = *at;
    *at = array % 2 ? INFINITY : NAN;
    assert_ok(fd_checkpointer_create(&c, &w.run, w.state));
    assert_int_equal(fd_checkpointer_begin(c, w.state), FD_NUMERIC);
    assert_false(fd_checkpointer_busy(c));
    fd_checkpointer_destroy(&c);
    *at = kept;
  }
  assert_steps(&w, 1, (const int64_t[]){0});
  assert_false(fd_exists(below("diverged/ckpt", ".tmp-step_000000001")));
  char *after = get(below("diverged/ckpt/step_000000000", "MANIFEST"));
  assert_string_equal(before, after);
  free(before), free(after);
  close_world(&w);
}

static void the_newest_and_every_nth_are_kept(void **state) {
  (void)state;
  world w;
  open_world(&w, "kept");
  fill(&w, 2);
  w.config.checkpoint.keep = 1, w.config.checkpoint.keep_every = 4;
  for (int step = 1; step <= 10; step++) {
    go_to(&w, step);
    write_state(&w, w.state);
  }
  assert_steps(&w, 3, (const int64_t[]){10, 8, 4});
  close_world(&w);
}

/* A resume skips damaged checkpoints, and the run writes those of earlier steps: a damaged one is none of the newest that are
 * kept. */
static void a_damaged_newer_one_pushes_out_none(void **state) {
  (void)state;
  world w;
  open_world(&w, "damaged");
  fill(&w, 2);
  w.config.checkpoint.keep = 1, w.config.checkpoint.keep_every = 0;
  go_to(&w, 2);
  write_state(&w, w.state);
  go_to(&w, 9);
  w.config.checkpoint.keep = 2;
  write_state(&w, w.state);
  w.config.checkpoint.keep = 1;
  put(below("damaged/ckpt/step_000000009", "centre.safetensors"), "damaged");
  assert_ok(resume(&w));
  assert_int_equal(w.state->step, 2);
  go_to(&w, 5);
  write_state(&w, w.state);
  assert_steps(&w, 2, (const int64_t[]){9, 5});
  assert_ok(resume(&w));
  assert_int_equal(w.state->step, 5);
  close_world(&w);
}

/* A checkpoint that is replaced is moved aside even if the folder of that name, moved aside before, could not be removed. */
static void a_folder_that_stays_is_in_nobodys_way(void **state) {
  (void)state;
  world w;
  fd_checkpointer *c;
  int durable;
  open_world(&w, "stays");
  fill(&w, 2);
  go_to(&w, 9);
  write_state(&w, w.state);
  assert_ok(fd_checkpointer_create(&c, &w.run, w.state));
  assert_ok(fd_make_folder(below("stays/ckpt", ".trash-9-0")));
  put(below("stays/ckpt/.trash-9-0", "open"), "by another host");
  put(below("stays/ckpt/step_000000009", "centre.safetensors"), "damaged");
  assert_ok(fd_checkpointer_begin(c, w.state));
  assert_ok(fd_checkpointer_finish(c, &durable, NULL));
  assert_true(durable);
  fd_checkpointer_destroy(&c);
  assert_ok(resume(&w));
  assert_true(fd_exists(below("stays/ckpt/.trash-9-0", "open")));
  assert_false(fd_exists(below("stays/ckpt", ".trash-9-1")));
  close_world(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(teachers_are_compared),
                                     cmocka_unit_test(moments_without_files_are_zero),
                                     cmocka_unit_test(a_trained_state_has_its_moments),
                                     cmocka_unit_test(states_that_are_not_finite_are_refused),
                                     cmocka_unit_test(the_newest_and_every_nth_are_kept),
                                     cmocka_unit_test(a_damaged_newer_one_pushes_out_none),
                                     cmocka_unit_test(a_folder_that_stays_is_in_nobodys_way),
                                     cmocka_unit_test(a_manifest_lists_no_more_than_there_may_be)};
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
