/* Judges checkpoints after a power loss: the program's own loader must load one that was committed, and none older than the
 * last acknowledged one. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "power_inside.h"
#include "train/checkpoint.h"

enum { COMMITS = 256 };

typedef struct commit {
  int64_t step;
  int folder;
  tree then; /* entries at the commit */
} commit;

struct runner {
  commit commit[COMMITS];
  int commits;
  char place[FD_PATH_MAX], folder[FD_PATH_MAX]; /* of the current state, and its run folder */
  fd_config config;
  fd_device *dev;
  fd_network *network;
  fd_state *state;
  fd_run run;
  fd_checkpoint_info info;
};

/* Finds each rename of a folder to step_... */
static void find_commits(const record *r, runner *run) {
  for (int i = 0; i < r->ops; i++) {
    const op *o = &r->item[i];
    int64_t step;
    if (o->kind != OP_MOVE || !r->is_folder[o->node] || sscanf(o->to_name, "step_%" SCNd64, &step) != 1) continue;
    if (run->commits == COMMITS) abort();
    commit *c = &run->commit[run->commits++];
    c->step = step;
    c->folder = o->node;
    power_live(r, i, &c->then);
  }
}

int power_open_run(judge *j) {
  inside *in = j->inside;
  runner *run = in->run = power_need(calloc(1, sizeof *run));
  fd_weights weights;
  fd_status status = FD_OK;
  find_commits(j->record, run);
  FD_GO(fd_path(run->place, in->folder, "state", NULL));
  FD_GO(fd_path(run->folder, run->place, in->output, NULL));
  judge_lay_out(j, run->place, 0);
  FD_GO(fd_checkpoint_open_weights(fd_comm_self(), run->folder, &run->config, &run->info, &weights));
  fd_weights_free(&weights);
  run->config.device.threads = 1;
  FD_GO(fd_device_open(&run->dev, &run->config, 0, 1));
  FD_GO(fd_network_create(&run->network, &run->config, run->info.window));
  FD_GO(fd_state_create(&run->state, &run->config, run->network, run->dev));
  run->run = (fd_run){.folder = run->folder,
                      .config = &run->config,
                      .network = run->network,
                      .comm = fd_comm_self(),
                      .window = run->info.window,
                      .dataset_id = run->info.dataset_id};
  FD_GO(fd_remove_folder(run->place));
done:
  return status != FD_OK;
}

void power_close_run(runner *run) {
  if (!run) return;
  for (int i = 0; i < run->commits; i++) free(run->commit[i].then.item);
  fd_state_destroy(&run->state);
  fd_network_destroy(&run->network);
  fd_device_close(&run->dev);
  free(run);
}

static int was_committed(judge *j, int64_t step) {
  const runner *run = j->inside->run;
  char path[FD_PATH_MAX];
  snprintf(path, sizeof path, "%s/ckpt/step_%09" PRId64, j->inside->output, step);
  const entry *e = power_at(&j->tree, path);
  for (int i = 0; e && i < run->commits; i++)
    if (run->commit[i].step == step && run->commit[i].folder == e->node && power_same_folder(j, e->node, &run->commit[i].then))
      return 1;
  return 0;
}

int power_judge_run(judge *j, char *why, size_t size) {
  runner *run = j->inside->run;
  fd_checkpoint_info info;
  int found = 0;
  judge_lay_out(j, run->place, 0);
  fd_status status = fd_checkpoint_resume(&run->run, run->state, &info, &found);
  if (fd_remove_folder(run->place) != FD_OK) abort();
  int64_t step = found ? info.step : -1;
  snprintf(why, size, "status %d, step %" PRId64 " loaded, %" PRId64 " acknowledged", status, step, j->inside->step);
  if (status != FD_OK || step < j->inside->step) return 0;
  if (!found || was_committed(j, step)) return 1;
  snprintf(why, size, "step %" PRId64 " was loaded, but is not what was committed", step);
  return 0;
}
