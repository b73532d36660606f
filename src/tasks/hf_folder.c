/* Reads a published model's config.json and safetensors as a config and weights. */
#include "tasks/hf_folder.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "tasks/hf_config.h"
#include "tasks/hf_names.h"
#include "tasks/words.h"

fd_status fd_hf_is(const char *folder, int *is) {
  static const char *const names[] = {"config.json", "model.safetensors.index.json", FD_WORDS_FILE, "vocab.txt", "vocab.json"};
  char path[FD_PATH_MAX];
  json_t *root;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    FD_TRY(fd_path(path, folder, names[i], NULL));
    FD_TRY(fd_hf_check_file(path));
  }
  FD_TRY(fd_hf_config_read(folder, path, &root));
  *is = !json_object_get(root, "format");
  json_decref(root);
  return FD_OK;
}

static fd_status read_weights(const fd_hf_tensors *t, const fd_config *config, int window, float **weights,
                              fd_hf_read_tensors *read) {
  fd_network *network;
  FD_TRY(fd_network_create(&network, config, window));
  *read = (fd_hf_read_tensors){json_object(), json_array()};
  fd_status status = fd_hf_tensors_read(t, config, &network->params, weights, &read->types, &read->skipped);
  fd_network_destroy(&network);
  return status;
}

static void tell_heads(const fd_config *c, const fd_class_names *classes) {
  static const char *const heads[] = {"", "no", "a tied", "a"};
  char names[1024], task[sizeof names + 64] = "";
  fd_class_names_show(classes, names, sizeof names);
  if (c->task.outputs)
    snprintf(task, sizeof task, ", a classifier of %d outputs%s%s%s", (int)c->task.outputs, *names ? " (" : "", names,
             *names ? ")" : "");
  fd_info("heads: %s head of masked words%s", heads[fd_config_lm_head(c)], task);
}

fd_status fd_hf_read(const char *folder, fd_config *config, int *window, float **weights, fd_class_names *classes,
                     fd_hf_read_tensors *read) {
  char path[FD_PATH_MAX];
  json_t *root = NULL;
  fd_hf_tensors *t = NULL;
  fd_status status = FD_OK;
  *weights = NULL;
  *classes = (fd_class_names){0};
  *read = (fd_hf_read_tensors){0};
  FD_GO(fd_hf_config_read(folder, path, &root));
  FD_GO(fd_alloc(&t, 1, sizeof *t, "tensors"));
  FD_GO(fd_hf_tensors_list(t, folder));
  FD_GO(fd_hf_config_take(path, root, t, config, window, classes));
  FD_GO(read_weights(t, config, *window, weights, read));
  tell_heads(config, classes);
  fd_info("the weights' licence is that of their authors%s",
          fd_hf_is_esm(config) ? " (Nucleotide Transformer: CC BY-NC-SA 4.0, not for commercial use)" : "");
done:
  if (t) fd_hf_tensors_free(t);
  free(t);
  json_decref(root);
  if (status != FD_OK) fd_hf_read_tensors_free(read), fd_class_names_free(classes);
  return status;
}

void fd_hf_read_tensors_free(fd_hf_read_tensors *read) {
  json_decref(read->types);
  json_decref(read->skipped);
  *read = (fd_hf_read_tensors){0};
}
