/* Compares options, data and folder of a run between the ranks. */
#include "train/same_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

enum { LOCK_MAX = 4096, VISIBLE_SECONDS = 5 };

fd_status fd_same_run(const fd_run *run) {
  char *text = NULL;
  size_t bytes;
  FILE *out;
  FD_TRY(fd_text_open(&out, &text, &bytes));
  fprintf(out, "dataset_id: %s\nteacher: %s\n", run->dataset_id, run->teacher ? run->teacher : "none");
  fd_config_print(out, run->config, FD_CONFIG_YAML);
  FD_TRY(fd_text_close(out, &text));
  for (size_t i = 0; i < bytes; i++)
    if (text[i] == '\n') text[i] = '\0'; /* one string per line */
  fd_status status =
      fd_comm_same(run->comm, FD_CONFIG, "options", text, bytes, "a run has one config and one dataset on all of its ranks");
  free(text);
  return status;
}

/* Reads the file at `path`; "" if there is none. With `wanted`, waits up to VISIBLE_SECONDS until this content, written on
 * another host, becomes visible here; else returns whatever is there. */
static fd_status read_lock(const char *path, const char *wanted, char found[LOCK_MAX]) {
  double start = fd_seconds();
  do {
    FILE *in = NULL;
    uint64_t bytes;
    if (!fd_is_absent(path)) FD_TRY(fd_open_stream(path, &in, &bytes));
    size_t n = in ? fread(found, 1, LOCK_MAX - 1, in) : 0;
    found[n] = '\0';
    if (in) fclose(in);
    if (!wanted || !strcmp(found, wanted)) return FD_OK;
    usleep(50000);
  } while (fd_seconds() - start < VISIBLE_SECONDS);
  return FD_OK;
}

fd_status fd_same_run_folder(fd_comm *comm, const char *folder) {
  char path[FD_PATH_MAX], wanted[LOCK_MAX] = "", found[LOCK_MAX] = "", what[FD_PATH_MAX + 32];
  if (comm->size == 1) return FD_OK;
  FD_TRY(fd_path(path, folder, "run.lock", NULL));
  if (comm->rank == 0) FD_TRY(read_lock(path, NULL, wanted));
  FD_TRY(comm->ops->broadcast(comm, wanted, sizeof wanted, 0));
  FD_TRY(read_lock(path, wanted, found));
  found[strcspn(found, "\n")] = '\0';
  snprintf(what, sizeof what, "run.folder (the lock %s)", path);
  return fd_comm_same_text(comm, FD_CONFIG, what, found,
                           "each rank writes its part of a checkpoint there: name a folder that all machines see");
}
