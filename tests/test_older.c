/* Tests checkpoints of fine-tuning: those of older versions are read as the same state; names of classes are stored next to the
 * weights. */
#include "files.h"

#include "train/checkpoint_format.h"

typedef struct tuning {
  fd_config config;
  fd_device *dev;
  fd_network *network;
  fd_state *state;
  fd_run run;
} tuning;

enum { WINDOW = 40 };

static void open_tuning(tuning *t) {
  fd_config_defaults(&t->config);
  fd_config *c = &t->config;
  c->model.channels = 12, c->model.hidden = 14, c->model.track = 3, c->model.networks = 1, c->model.cls = 3, c->model.blocks = 4;
  c->objective.mnm_weight = c->objective.cl_weight = 0;
  c->teacher.kind = FD_TEACHER_NONE;
  c->task.outputs = 2;
  c->device.threads = 1;
  snprintf(c->run.folder, sizeof c->run.folder, "%s", below("run", NULL));
  assert_ok(fd_make_folder(c->run.folder));
  assert_ok(fd_device_open(&t->dev, c, 0, 1));
  assert_ok(fd_network_create(&t->network, c, WINDOW));
  assert_ok(fd_state_create(&t->state, c, t->network, t->dev));
  t->run = (fd_run){c->run.folder, c, t->network, fd_comm_self(), WINDOW, "rows", 0, NULL, NULL, NULL};
}

static void close_tuning(tuning *t) {
  fd_state_destroy(&t->state);
  fd_network_destroy(&t->network);
  fd_device_close(&t->dev);
  assert_ok(fd_remove_folder(below("run", NULL)));
}

/* Fills every array with different numbers. */
static void fill(fd_state *s) {
  for (int a = 0; a < FD_ARRAYS; a++)
    for (size_t i = 0; i < s->size[a]; i++) s->array[a][i] = (float)a + 1.0f / (float)(i + 1);
  s->step = s->updates = 7, s->best_step = 5, s->best_score = -0.25;
}

static void save(tuning *t) {
  fd_checkpointer *checkpointer;
  char state_id[FD_SHA256_HEX];
  int durable;
  t->state->draws = (uint64_t)(t->state->step * t->config.train.batch);
  assert_ok(fd_checkpointer_create(&checkpointer, &t->run, t->state));
  assert_ok(fd_checkpointer_begin(checkpointer, t->state));
  assert_ok(fd_checkpointer_finish(checkpointer, &durable, state_id));
  assert_true(durable);
  fd_checkpointer_destroy(&checkpointer);
}

/* Rewrites config.yaml, which becomes files[arrays], and the MANIFEST for the existing files of arrays. */
static void rewrite(const char *step, fd_checkpoint_info *info, const fd_config *config, fd_slice *files, int arrays) {
  char *text;
  size_t bytes;
  FILE *out = fopen(below(step, "config.yaml"), "w");
  assert_non_null(out);
  fd_config_print(out, config, FD_CONFIG_YAML);
  fclose(out);
  files[arrays] = (fd_slice){.name = FD_CONFIG_TEXT};
  assert_ok(fd_config_hash(config, info->config_hash));
  assert_ok(fd_sha256_file(below(step, "config.yaml"), files[arrays].sha256, &files[arrays].bytes));
  assert_ok(fd_checkpoint_manifest_text(info, files, arrays, 1, &text, &bytes));
  put(below(step, "MANIFEST"), text);
  free(text);
}

/* Converts a checkpoint to the older form, in which the best weights were stored as the teacher's, marked by teacher.kind. */
static void as_before_best(const char *step) {
  static fd_slice files[FD_CHECKPOINT_FILES_MAX];
  static fd_config config;
  fd_checkpoint_info info;
  char *text, hash[FD_SHA256_HEX];
  int count, renamed = 0;
  assert_ok(fd_checkpoint_manifest_parse(below(step, NULL), &info, files, &count));
  for (int i = 0; i < count; i++) {
    char old[64];
    if (strncmp(files[i].name, "best-", 5)) continue;
    snprintf(old, sizeof old, "teacher-%.40s", files[i].name + 5);
    assert_int_equal(rename(below(step, files[i].name), below(step, old)), 0);
    memcpy(files[i].name, old, sizeof old);
    renamed++;
  }
  assert_true(renamed > 0);
  text = get(below(step, "config.yaml"));
  assert_ok(fd_config_parse_saved(&config, text, strlen(text), "config.yaml", hash));
  free(text);
  config.teacher.kind = FD_TEACHER_BEST;
  rewrite(step, &info, &config, files, count - 1);
}

static void best_weights_of_the_teacher(void **state) {
  (void)state;
  static const char step[] = "run/ckpt/step_000000007";
  tuning t = {0};
  fd_checkpoint_info info;
  fd_weights weights;
  fd_config read;
  int found;
  open_tuning(&t);
  fill(t.state);
  save(&t);
  as_before_best(step);
  assert_ok(fd_checkpoint_verify(below(step, NULL), 1, &info));
  for (int a = 0; a < FD_ARRAYS; a++)
    if (t.state->size[a]) memset(t.state->array[a], 0, t.state->size[a] * sizeof(float));
  t.state->best_step = -1;
  assert_ok(fd_checkpoint_resume(&t.run, t.state, &info, &found));
  assert_true(found && t.state->step == 7 && t.state->best_step == 5);
  for (int a = 0; a < FD_ARRAYS; a++)
    for (size_t i = 0; i < t.state->size[a]; i++) assert_true(t.state->array[a][i] == (float)a + 1.0f / (float)(i + 1));
  assert_ok(fd_checkpoint_open_weights(fd_comm_self(), below("run", NULL), &read, &info, &weights));
  assert_int_equal(read.teacher.kind, FD_TEACHER_NONE);
  assert_null(weights.of[FD_TEACHER]);
  assert_memory_equal(weights.of[FD_BEST], t.state->array[FD_BEST], t.state->size[FD_BEST] * sizeof(float));
  assert_memory_equal(weights.of[FD_STUDENT], t.state->array[FD_STUDENT], t.state->size[FD_STUDENT] * sizeof(float));
  fd_weights_free(&weights);
  close_tuning(&t);
}

/* In older imports, a classifier had only the student's weights. */
static void imports_without_best(void **state) {
  (void)state;
  static const char step[] = "run/ckpt/step_000000007";
  static fd_slice files[FD_CHECKPOINT_FILES_MAX];
  tuning t = {0};
  fd_checkpoint_info info;
  fd_weights weights;
  fd_config read;
  int count, kept = 0;
  open_tuning(&t);
  fill(t.state);
  save(&t);
  assert_ok(fd_checkpoint_manifest_parse(below(step, NULL), &info, files, &count));
  for (int i = 0; i < count - 1; i++)
    if (strncmp(files[i].name, "best-", 5)) files[kept++] = files[i];
  assert_int_equal(kept, count - 2);
  rewrite(step, &info, &t.config, files, kept);
  assert_ok(fd_checkpoint_open_weights(fd_comm_self(), below("run", NULL), &read, &info, &weights));
  assert_null(weights.of[FD_BEST]);
  assert_memory_equal(weights.of[FD_STUDENT], t.state->array[FD_STUDENT], t.state->size[FD_STUDENT] * sizeof(float));
  fd_weights_free(&weights);
  close_tuning(&t);
}

/* In older checkpoints, the names of classes were in the config, separated by commas. */
static void names_in_the_config(void **state) {
  (void)state;
  static const char step[] = "run/ckpt/step_000000007";
  static fd_slice files[FD_CHECKPOINT_FILES_MAX];
  tuning t = {0};
  fd_checkpoint_info info;
  fd_weights weights;
  fd_config read;
  fd_class_names names, others;
  int found, count;
  open_tuning(&t);
  fill(t.state);
  save(&t);
  assert_ok(fd_checkpoint_manifest_parse(below(step, NULL), &info, files, &count));
  snprintf(t.config.task.names, sizeof t.config.task.names, "fly,worm");
  rewrite(step, &info, &t.config, files, count - 1);
  assert_ok(fd_checkpoint_open_weights(fd_comm_self(), below("run", NULL), &read, &info, &weights));
  assert_true(weights.classes.count == 2 && !strcmp(weights.classes.name[1], "worm"));
  assert_true(!*read.task.names && fd_is_hex(read.task.classes));
  fd_weights_free(&weights);
  *t.config.task.names = '\0'; /* a current run of the same rows resumes from it */
  assert_ok(fd_class_names_split(&names, "fly,worm"));
  assert_ok(fd_class_names_hash(&names, t.config.task.classes));
  t.run.classes = &names;
  assert_ok(fd_checkpoint_resume(&t.run, t.state, &info, &found));
  assert_true(found && t.state->step == 7);
  assert_ok(fd_class_names_split(&others, "fly,wasp"));
  assert_ok(fd_class_names_hash(&others, t.config.task.classes));
  t.run.classes = &others;
  assert_int_equal(fd_checkpoint_resume(&t.run, t.state, &info, &found), FD_CONFIG);
  fd_class_names_free(&names);
  fd_class_names_free(&others);
  close_tuning(&t);
}

/* The names' file is covered by the hashes of the MANIFEST and of the config; a checkpoint with a damaged or missing file is
 * invalid. */
static void names_beside_the_weights(void **state) {
  (void)state;
  tuning t = {0};
  fd_checkpoint_info info;
  fd_weights weights;
  fd_config read;
  fd_class_names names;
  open_tuning(&t);
  fill(t.state);
  assert_ok(fd_class_names_split(&names, "fly,worm"));
  assert_ok(fd_class_names_hash(&names, t.config.task.classes));
  t.run.classes = &names;
  save(&t);
  const char *file = below("run/ckpt/step_000000007", FD_CLASSES_TEXT);
  char *text = get(file);
  assert_string_equal(text, "fly\nworm\n");
  free(text);
  assert_ok(fd_checkpoint_verify(below("run/ckpt/step_000000007", NULL), 1, &info));
  assert_ok(fd_checkpoint_open_weights(fd_comm_self(), below("run", NULL), &read, &info, &weights));
  assert_true(weights.classes.count == 2 && !strcmp(weights.classes.name[0], "fly"));
  fd_weights_free(&weights);
  put(file, "fly\nwasp\n");
  assert_int_equal(fd_checkpoint_verify(below("run/ckpt/step_000000007", NULL), 1, &info), FD_DATA);
  assert_int_equal(fd_checkpoint_open_weights(fd_comm_self(), below("run/ckpt/step_000000007", NULL), &read, &info, &weights),
                   FD_DATA);
  assert_int_equal(remove(file), 0);
  assert_int_equal(fd_checkpoint_open_weights(fd_comm_self(), below("run/ckpt/step_000000007", NULL), &read, &info, &weights),
                   FD_MISSING);
  t.run.classes = NULL; /* but the config has a hash of names */
  save(&t);
  assert_int_equal(fd_checkpoint_open_weights(fd_comm_self(), below("run/ckpt/step_000000007", NULL), &read, &info, &weights),
                   FD_DATA);
  fd_class_names_free(&names);
  close_tuning(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(best_weights_of_the_teacher),
      cmocka_unit_test(imports_without_best),
      cmocka_unit_test(names_in_the_config),
      cmocka_unit_test(names_beside_the_weights),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
