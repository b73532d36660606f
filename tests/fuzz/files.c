/* Fuzz targets: files that findna writes and others may have changed: checkpoints, shards, models, metrics, results,
 * embeddings. */
#include "fuzz.h"

#include <jansson.h>
#include <string.h>

#include "base/hash.h"
#include "commands/evaluate_results.h"
#include "data/manifest.h"
#include "output/matrix_show.h"
#include "output/metrics.h"
#include "output/report.h"
#include "output/safetensors.h"
#include "tasks/hf_folder.h"
#include "tasks/model_file.h"
#include "train/checkpoint_format.h"

void fuzz_safetensors(const uint8_t *data, size_t size) {
  fd_safetensors file;
  char *copy = malloc(size ? size : 1);
  EXPECT(copy);
  memcpy(copy, data, size);
  if (fd_safetensors_parse(copy, size, "fuzz", &file) != FD_OK) return;
  size_t bytes = 0;
  unsigned sum = 0;
  for (int i = 0; i < file.count; i++) {
    const fd_tensor *t = &file.tensor[i];
    bytes += t->bytes;
    for (size_t k = 0; k < t->bytes; k++) sum += ((const uint8_t *)t->data)[k]; /* reads every byte, for AddressSanitizer */
    EXPECT(fd_safetensors_find(&file, t->name) == t && t->dims >= 0 && t->dims <= FD_TENSOR_DIMS);
  }
  EXPECT(bytes <= size && (bytes || !sum));
  fd_safetensors_free(&file);
}

static int is_hex(const char *text) { return strlen(text) == FD_SHA256_HEX - 1 && !text[strspn(text, "0123456789abcdef")]; }

void fuzz_checkpoint(const uint8_t *data, size_t size) {
  static fd_slice slices[FD_CHECKPOINT_FILES_MAX];
  static char text[1 << 13];
  unsigned char digest[FD_SHA256_BYTES];
  char hex[FD_SHA256_HEX];
  fd_checkpoint_info info;
  int count;
  memcpy(text, data, size);
  EXPECT(fd_sha256_of(text, size, digest) == FD_OK);
  fd_hex(hex, digest);
  int line = snprintf(text + size, sizeof text - size, "sha256 %s\n", hex);
  fuzz_file("MANIFEST", text, size + (size_t)line);
  if (fd_checkpoint_manifest_parse(fuzz_files_folder(), &info, slices, &count) != FD_OK) return;
  EXPECT(info.step >= 0 && is_hex(info.state_id) && count <= FD_CHECKPOINT_FILES_MAX);
  for (int i = 0; i < count; i++) {
    EXPECT(*slices[i].name && !strchr(slices[i].name, '/') && is_hex(slices[i].sha256));
    for (int k = 0; k < i; k++) EXPECT(strcmp(slices[i].name, slices[k].name));
  }
}

/* Corrects the dataset_id if the text is JSON with shards; returns the text to read (release it with free()), or NULL. */
static char *put_right(const uint8_t *data, size_t size) {
  enum { SHARDS = 32 };
  fd_shard_entry entry[SHARDS];
  fd_manifest m = {.shard = entry};
  char *text = NULL;
  json_t *root = json_loadb((const char *)data, size, 0, NULL), *shards = json_object_get(root, "shards"), *shard;
  size_t i;
  if (json_array_size(shards) && json_array_size(shards) <= SHARDS) {
    m.window = (int)json_integer_value(json_object_get(root, "window"));
    json_array_foreach(shards, i, shard) {
      const char *split = json_string_value(json_object_get(shard, "split")),
                 *hash = json_string_value(json_object_get(shard, "sha256"));
      fd_shard_entry *e = &entry[m.shards++];
      snprintf(e->split, sizeof e->split, "%s", split ? split : "");
      snprintf(e->sha256, sizeof e->sha256, "%s", hash ? hash : "");
      e->windows = json_integer_value(json_object_get(shard, "windows"));
    }
    EXPECT(fd_dataset_id(&m, m.dataset_id) == FD_OK);
    json_object_set_new(root, "dataset_id", json_string(m.dataset_id));
    text = json_dumps(root, JSON_COMPACT);
  }
  json_decref(root);
  return text;
}

void fuzz_shards(const uint8_t *data, size_t size) {
  fd_manifest m;
  char *text = put_right(data, size);
  fuzz_file("manifest.json", text ? (const uint8_t *)text : data, text ? strlen(text) : size);
  free(text);
  if (fd_manifest_read(fuzz_files_folder(), &m) != FD_OK) return;
  int64_t windows = 0, symbols;
  EXPECT(m.window > 0 && m.shards > 0);
  for (int i = 0; i < m.shards; i++) {
    const fd_shard_entry *e = &m.shard[i];
    EXPECT(*e->file && !strchr(e->file, '/') && *e->file != '.' && is_hex(e->sha256) && e->windows > 0);
    EXPECT(!__builtin_add_overflow(windows, e->windows, &windows) && !__builtin_mul_overflow(windows, m.window, &symbols));
    for (int k = 0; k < i; k++) EXPECT(strcmp(e->file, m.shard[k].file));
  }
  fd_manifest_free(&m);
}

void fuzz_model(const uint8_t *data, size_t size) {
  static fd_config config;
  float *weights;
  int window;
  fd_class_names classes;
  size_t part;
  const uint8_t *json = fuzz_part(&data, &size, &part);
  fuzz_file("config.json", json, part);
  fuzz_file("model.safetensors", data ? data : json, size);
  if (fd_model_read(fuzz_files_folder(), &config, &window, &weights, &classes) != FD_OK) return;
  EXPECT(!classes.count || classes.count == config.task.outputs);
  fd_class_names_free(&classes);
  free(weights);
}

void fuzz_published(const uint8_t *data, size_t size) {
  static fd_config config;
  float *weights;
  int window, is;
  fd_hf_read_tensors read;
  fd_class_names classes;
  size_t part;
  const uint8_t *json = fuzz_part(&data, &size, &part);
  fuzz_file("config.json", json, part);
  const uint8_t *index = fuzz_part(&data, &size, &part);
  if (index && part) fuzz_file("model.safetensors.index.json", index, part);
  else fuzz_no_file("model.safetensors.index.json");
  fuzz_file("model.safetensors", data ? data : json, size);
  if (fd_hf_is(fuzz_files_folder(), &is) != FD_OK || !is) return;
  if (fd_hf_read(fuzz_files_folder(), &config, &window, &weights, &classes, &read) != FD_OK) return;
  EXPECT(window > 0 && weights && json_object_size(read.types) > 0);
  EXPECT(!classes.count || classes.count == config.task.outputs);
  fd_class_names_free(&classes);
  fd_hf_read_tensors_free(&read);
  free(weights);
}

void fuzz_metrics(const uint8_t *data, size_t size) {
  fd_metrics_log log;
  const char *path = fuzz_file("metrics.jsonl", data, size);
  if (fd_metrics_read(path, &log) != FD_OK) return;
  for (int i = 0; i < log.tables; i++) {
    const double *step = fd_metrics_column(fd_metrics_find(&log, log.table[i].kind), "step");
    EXPECT(step && log.table[i].rows > 0 && step[log.table[i].rows - 1] == step[log.table[i].rows - 1]);
  }
  fd_metrics_log_free(&log);
}

/* A page contains no script or image, which a text of the files could have injected. */
static void check_page(const char *path) {
  char *text;
  size_t bytes;
  EXPECT(fd_read_file(path, 64 << 20, &text, &bytes) == FD_OK);
  EXPECT(strlen(text) == bytes && strstr(text, "</html>") && !strstr(text, "<script") && !strstr(text, "<img"));
  free(text);
}

static const char *page(void) {
  static char path[FD_PATH_MAX];
  if (!*path) EXPECT(fd_path(path, fuzz_files_folder(), "page.html", NULL) == FD_OK);
  return path;
}

void fuzz_report(const uint8_t *data, size_t size) {
  static const char *const names[] = {"metrics.jsonl", "config.used.yaml", "environment.json", "probe.json", "finetune.json"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    size_t part;
    const uint8_t *text = fuzz_part(&data, &size, &part);
    if (part) fuzz_file(names[i], text, part);
    else fuzz_no_file(names[i]);
  }
  if (fd_report_write(fuzz_files_folder(), page()) == FD_OK) check_page(page());
}

void fuzz_results(const uint8_t *data, size_t size) {
  fuzz_file("results.json", data, size);
  if (fd_report_write_suite(fuzz_files_folder(), page()) == FD_OK) check_page(page());
}

/* Joins results with themselves, and writes the table as results.json; 0 if they cannot be joined. */
static int join(const char *path) {
  static fd_evaluation e;
  enum { TASKS = 2 };
  fd_evaluation_outcome *outcome = calloc(TASKS, sizeof *outcome);
  EXPECT(outcome);
  e = (fd_evaluation){
      .comm = fd_comm_self(), .words = {"suite"}, .output = fuzz_files_folder(), .join = {.count = 2, .item = {path, path}}};
  e.suite.count = TASKS;
  e.suite.task[0] = (fd_suite_task){.name = "t1", .measure = "mcc", .note = "", .paper_probe = "", .paper_finetune = ""};
  e.suite.task[1] = (fd_suite_task){.name = "t2", .measure = "accuracy", .note = "", .paper_probe = "", .paper_finetune = ""};
  for (int i = 0; i < TASKS; i++) outcome[i].files = json_array(), outcome[i].remarks = json_array();
  fd_status status = fd_evaluation_join(&e, outcome);
  if (status == FD_OK) status = fd_evaluation_save(&e, outcome, NULL); /* refuses a mean that overflows */
  for (int i = 0; i < TASKS; i++) {
    json_decref(outcome[i].files), json_decref(outcome[i].remarks);
    for (int k = 0; k < outcome[i].count; k++) fd_evaluation_free_scores(&outcome[i].row[k]);
  }
  free(outcome);
  return status == FD_OK;
}

void fuzz_joined(const uint8_t *data, size_t size) {
  char results[FD_PATH_MAX], *text[2] = {0};
  size_t bytes[2];
  if (!join(fuzz_file("joined.json", data, size))) return;
  EXPECT(fd_path(results, fuzz_files_folder(), "results.json", NULL) == FD_OK);
  for (int i = 0; i < 2; i++) { /* numbers are rounded when they are written first */
    EXPECT(join(results));
    EXPECT(fd_read_file(results, 64 << 20, &text[i], &bytes[i]) == FD_OK);
  }
  EXPECT(bytes[0] == bytes[1] && !memcmp(text[0], text[1], bytes[0]));
  free(text[0]), free(text[1]);
}

void fuzz_npy(const uint8_t *data, size_t size) {
  size_t part;
  const uint8_t *names = fuzz_part(&data, &size, &part);
  fuzz_file("values.npy.ids.txt", names, part);
  const char *path = fuzz_file("values.npy", data ? data : names, size);
  int is;
  if (fd_matrix_is_one(path, &is) == FD_OK && is) (void)!fd_matrix_show(path);
}
