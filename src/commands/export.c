/* findna export CHECKPOINT FOLDER: writes the weights of one network for PyTorch and other programs. */
#include "base/log.h"
#include "base/memory.h"
#include "commands/command.h"
#include "tasks/model_file.h"
#include "tasks/published.h"

#include <stdlib.h>

static fd_status export(const char *const words[2], const fd_use *use, fd_pretrained *model) {
  fd_encoder encoder;
  int published;
  FD_TRY(fd_pretrained_open(model, words[0], use, fd_comm_self()));
  FD_TRY(fd_pretrained_encoder(model, use->encoder, &encoder));
  FD_TRY(fd_published_is(model->info.folder, &published));
  FD_TRY((published ? fd_published_write : fd_model_write)(words[1], model, &encoder));
  fd_info("wrote the %s of %s to %s: model.safetensors, config.json", encoder.name, model->info.folder, words[1]);
  return FD_OK;
}

fd_status fd_command_export(fd_comm *comm, int argc, char **argv) {
  const char *words[2];
  fd_use use = {.threads = 1, .encoder = -1};
  int count, helped;
  const fd_arg table[] = {FD_USE_ENCODER_ARG(use), {0}};
  const fd_args args = {
      "export", "CHECKPOINT FOLDER [options]",
      "Writes FOLDER/model.safetensors (float32; the names are in docs/using.md) and FOLDER/config.json.\n"
      "launch/torch/findna_torch.py is a PyTorch module that reads them. A model that was imported from a published folder is\n"
      "written in the same form, for transformers, with the original names and types of its tensors.",
      table};
  (void)comm;
  FD_TRY(fd_args_parse(&args, argc, argv, words, 2, &count, &helped));
  if (helped) return FD_OK;
  if (count < 2) return fd_fail(FD_USAGE, "findna export: give CHECKPOINT and FOLDER; see findna export --help");
  fd_pretrained *model;
  FD_TRY(fd_alloc(&model, 1, sizeof *model, "an export"));
  fd_status status = export(words, &use, model);
  fd_pretrained_close(model);
  free(model);
  return status;
}
