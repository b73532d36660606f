/* findna import FOLDER RUN: makes a run folder whose checkpoint holds the weights of an exported, converted or published model.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/args.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/output.h"
#include "base/path.h"
#include "commands/command.h"
#include "tasks/hf_folder.h"
#include "tasks/model_file.h"
#include "tasks/published.h"
#include "tasks/words.h"

typedef struct import_parts {
  const char *from;
  fd_config config;
  int window;
  float *weights;
  fd_class_names classes;
  fd_device *dev;
  fd_network *network;
  fd_state state; /* weights only: the optimizer's moments would be twice as many zeros */
  fd_checkpointer *checkpointer;
  fd_folder made;
  int published;
  fd_hf_read_tensors read; /* the tensors read from a published folder */
} import_parts;

/* Writes the checkpoint of step 0 of a run without shards, hence the dataset_id of zeros. */
static fd_status write_checkpoint(const char *folder, import_parts *p) {
  static const char no_dataset[FD_SHA256_HEX] = "0000000000000000000000000000000000000000000000000000000000000000";
  const fd_run run = {.folder = p->made.temporary,
                      .config = &p->config,
                      .network = p->network,
                      .comm = fd_comm_self(),
                      .window = p->window,
                      .dataset_id = no_dataset,
                      .classes = &p->classes};
  int durable, in_a_row;
  char state_id[FD_SHA256_HEX], words[FD_PATH_MAX];
  FD_TRY(fd_folder_begin(&p->made, folder));
  FD_TRY(fd_checkpointer_create(&p->checkpointer, &run, &p->state));
  FD_TRY(fd_checkpointer_begin(p->checkpointer, &p->state));
  FD_TRY(fd_checkpointer_finish(p->checkpointer, &durable, state_id));
  if (!durable) return fd_checkpointer_failure(p->checkpointer, &in_a_row);
  FD_TRY(fd_path(words, p->from, FD_WORDS_FILE, NULL));
  FD_TRY(fd_words_copy(&p->config, words, p->made.temporary));
  if (p->published) FD_TRY(fd_published_keep(p->from, &p->config, &p->read, p->made.temporary));
  FD_TRY(fd_folder_commit(&p->made));
  if (p->published) fd_info("wrote %s (state_id %.16s...): use it as CHECKPOINT", folder, state_id);
  else
    fd_info("wrote %s (state_id %.16s...): use it as CHECKPOINT, or begin a run with --init-from %s", folder, state_id, folder);
  return FD_OK;
}

static fd_status import(const char *const words[2], import_parts *p) {
  char folder[FD_PATH_MAX];
  FD_TRY(fd_path_resolve(folder, words[1]));
  if (fd_exists(folder)) return fd_fail(FD_BUSY, "%s: exists already; give the name of a new folder", words[1]);
  p->from = words[0];
  if (fd_is_absent(words[0])) return fd_fail(FD_MISSING, "%s: no such folder", words[0]);
  FD_TRY(fd_hf_is(words[0], &p->published));
  if (p->published) FD_TRY(fd_hf_read(words[0], &p->config, &p->window, &p->weights, &p->classes, &p->read));
  else FD_TRY(fd_model_read(words[0], &p->config, &p->window, &p->weights, &p->classes));
  snprintf(p->config.run.folder, sizeof p->config.run.folder, "%s", words[1]);
  p->config.device.threads = 1;
  FD_TRY(fd_device_open(&p->dev, &p->config, 0, 1));
  FD_TRY(fd_network_create(&p->network, &p->config, p->window));
  p->state = (fd_state){.dev = p->dev, .best_step = -1};
  p->state.size[FD_STUDENT] = p->network->params.size;
  p->state.array[FD_STUDENT] = p->weights; /* the device is a CPU: host memory is its memory */
  return write_checkpoint(words[1], p);
}

fd_status fd_command_import(fd_comm *comm, int argc, char **argv) {
  const char *words[2];
  int count, helped;
  const fd_arg table[] = {{0}};
  const fd_args args = {
      "import", "FOLDER RUN",
      "Imports a model into a new run folder. FOLDER holds model.safetensors and config.json, written by 'findna export' or\n"
      "(from a PyTorch checkpoint) by launch/torch/convert_pt.py, or it is a published folder of Nucleotide Transformer,\n"
      "DNABERT-2 or BERT. RUN is a new run folder with one checkpoint, for probe, embed, score, finetune and\n"
      "pretrain --init-from.",
      table};
  (void)comm;
  FD_TRY(fd_args_parse(&args, argc, argv, words, 2, &count, &helped));
  if (helped) return FD_OK;
  if (count < 2) return fd_fail(FD_USAGE, "findna import: give FOLDER and RUN; see findna import --help");
  import_parts *p;
  FD_TRY(fd_alloc(&p, 1, sizeof *p, "an import"));
  fd_status status = import(words, p);
  fd_checkpointer_destroy(&p->checkpointer);
  fd_folder_abandon(&p->made);
  fd_network_destroy(&p->network);
  fd_device_close(&p->dev);
  fd_hf_read_tensors_free(&p->read);
  fd_class_names_free(&p->classes);
  free(p->weights);
  free(p);
  return status;
}
