/* findna pretrain CONFIG: sets up a run and trains, or resumes it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/args.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/path.h"
#include "commands/command.h"
#include "commands/pretrain_baselines.h"
#include "config/options.h"
#include "config/shape.h"
#include "tasks/features_teacher.h"
#include "tasks/published.h"
#include "tasks/words.h"
#include "train/memory.h"
#include "train/rank_device.h"
#include "train/run_folder.h"
#include "train/same_run.h"
#include "train/schedule.h"
#include "train/session.h"

typedef struct options {
  int restart;
  const char *init_from, *teacher;
  const char *config_name;
  char **overrides;
  int override_count;
} options;

/* All resources of a run, released in one place. */
typedef struct pretraining {
  fd_config config;
  fd_manifest manifest;
  fd_windows train, held_out;
  fd_device *dev;
  fd_network *network;
  fd_state *state;
  fd_loader loader;            /* views of windows, for a model over nucleotides */
  fd_tokenizer *tokenizer;     /* for a model over ids; else NULL */
  int tokens;                  /* largest number of tokens of a window */
  fd_hider hider;              /* windows with hidden tokens, for a model that hides them */
  fd_features_teacher teacher; /* the frozen teacher of a student that is aligned with it */
  fd_trainer *trainer;
  fd_checkpointer *checkpointer;
  fd_metrics *metrics;
  FILE *window_log;
  fd_run run;
  int64_t steps;
  int owed;       /* 1: the evaluation at the step of the resumed checkpoint was abandoned and must be repeated */
  double started; /* fd_seconds at the start of the command */
  int lock;
  fd_checkpoint_info first; /* of the checkpoint of --init-from */
} pretraining;

/* Checks the settings that pretraining requires of a model over ids. */
static fd_status check_words(const fd_config *c, const char *path) {
  if (!fd_config_reads_ids(c)) return FD_OK;
  if (!fd_config_hides(c))
    return fd_fail(FD_CONFIG, "%s: model.lm_head: none: no head would predict the hidden words; use own or tied", path);
  if (c->objective.mnm_weight > 0 || c->objective.cl_weight > 0 || c->teacher.kind == FD_TEACHER_EMA)
    return fd_fail(FD_CONFIG,
                   "%s: objective: models over words have neither the term mnm nor cl, nor a moving-average teacher; expected "
                   "objective.mnm_weight: 0, objective.cl_weight: 0, teacher.kind: none (or frozen for had)",
                   path);
  if ((strcmp(c->aug.student, "M") && strcmp(c->aug.student, "RM")) || c->aug.mask_bert || c->aug.mask_rate <= 0)
    return fd_fail(FD_CONFIG,
                   "%s: aug: models over words have only the augmentations M (hidden words) and R (reverse complement); expected "
                   "aug.student: M or RM, aug.mask_rate above 0 and no aug.mask_bert",
                   path);
  return FD_OK;
}

/* The root reads the config file once, and every rank parses the same text. */
static fd_status read_config(fd_comm *comm, const options *o, fd_config *config) {
  char path[FD_PATH_MAX] = "", *text = NULL;
  size_t bytes = 0;
  if (comm->rank == 0) {
    FD_TRY(fd_config_read(o->config_name, path, &text, &bytes));
    fd_status status = fd_config_parse(config, text, bytes, path, o->overrides, o->override_count);
    if (status == FD_OK) status = fd_trainer_check_ranks(config, comm->size);
    if (status == FD_OK && config->objective.mask_layout != FD_MASK_OK)
      status =
          fd_fail(FD_CONFIG, "objective.mask_layout: scrambled reproduces a defect for comparisons; only findna trace takes it");
    if (status == FD_OK && config->objective.mnm_weight > 0 && config->aug.mask_rate <= 0)
      status = fd_fail(FD_CONFIG, "%s: aug.mask_rate: 0, but objective.mnm_weight is %g: nothing is masked", path,
                       config->objective.mnm_weight);
    if (status == FD_OK && config->task.outputs)
      status = fd_fail(FD_CONFIG, "%s: task.outputs belongs to 'findna finetune'", path);
    if (status == FD_OK) status = check_words(config, path);
    if (status == FD_OK) fd_config_warn_unused(config);
    if (status != FD_OK) {
      free(text);
      return status; /* only the root reports the error; main ends the job */
    }
  }
  FD_TRY(fd_comm_share_text(comm, &text, &bytes));
  FD_TRY(comm->ops->broadcast(comm, path, sizeof path, 0));
  fd_status status = fd_config_parse(config, text, bytes, path, o->overrides, o->override_count);
  free(text);
  return status;
}

/* Checks that the model can read the windows, and finds the largest number of tokens of one. */
static fd_status check_data(fd_comm *comm, pretraining *p) {
  const fd_windows *windows[] = {&p->train, &p->held_out};
  const char *folder = p->config.data.shards;
  p->tokens = fd_config_tokens(&p->config, p->manifest.window);
  if (!fd_config_hides(&p->config) && p->manifest.records)
    return fd_fail(FD_CONFIG,
                   "%s: holds records of different lengths, which only models over words are pretrained on; others need windows",
                   folder);
  if (!fd_config_hides(&p->config)) return FD_OK;
  FD_TRY(fd_comm_agree(comm, fd_words_begin(&p->tokenizer, &p->config)));
  p->tokens = 0;
  for (int i = 0; i < 2; i++) {
    FD_TRY(fd_hider_check(&p->config, p->tokenizer, windows[i], folder));
    FD_TRY(fd_hider_most(&p->config, p->tokenizer, windows[i], comm, &p->tokens));
  }
  return FD_OK;
}

static fd_status load_data(fd_comm *comm, pretraining *p) {
  const char *folder = p->config.data.shards;
  if (comm->rank == 0) {
    if (!*folder)
      return fd_fail(FD_CONFIG, "data.shards: give the folder made by 'findna prepare', for example data.shards=shards");
    if (fd_is_absent(folder))
      return fd_fail(FD_MISSING, "data.shards: there is no folder '%s'; 'findna prepare' makes it from FASTA or 2bit files",
                     folder);
    FD_TRY(fd_manifest_read(folder, &p->manifest));
  }
  FD_TRY(comm->ops->barrier(comm));
  if (comm->rank) FD_TRY(fd_manifest_read(folder, &p->manifest));
  FD_TRY(fd_manifest_same(&p->manifest, comm));
  fd_status status = fd_windows_load(&p->manifest, "train", &p->train);
  if (status == FD_OK) status = fd_windows_load(&p->manifest, "val", &p->held_out);
  FD_TRY(fd_comm_agree(comm, status));
  if (p->train.count == 0) return fd_fail(FD_DATA, "%s: has no training windows", folder);
  FD_TRY(check_data(comm, p));
  if (p->held_out.count == 0 && comm->rank == 0)
    fd_warn("%s has no held-out windows (split val): nothing will be evaluated", folder);
  p->steps = fd_schedule_steps(&p->config, p->train.count);
  if (p->steps < 1)
    return fd_fail(FD_CONFIG, "%s: %" PRId64 " windows and train.epochs %" PRId64 " give no step of train.batch %" PRId64, folder,
                   p->train.count, p->config.train.epochs, p->config.train.batch);
  return FD_OK;
}

/* Sets the source of batches: views of windows, or windows with hidden tokens. */
static fd_status open_source(pretraining *p, fd_source *source) {
  const fd_config *c = &p->config;
  if (!fd_config_hides(c)) {
    fd_loader_init(&p->loader, c, &p->train);
    *source = fd_loader_source(&p->loader);
    return FD_OK;
  }
  FD_TRY(fd_hider_create(&p->hider, c, &p->train, p->tokenizer, c->model.encoder != FD_ARCH_MAE, p->network->first_word));
  if (*p->teacher.id) FD_TRY(fd_hider_teach(&p->hider, p->teacher.tokenizer, c->teacher.cache));
  *source = fd_hider_source(&p->hider);
  return FD_OK;
}

/* Opens the frozen teacher if the alignment with it has a weight, and sets the width of the projection to that of its features.
 */
static fd_status open_teacher(fd_comm *comm, const options *o, pretraining *p) {
  fd_config *c = &p->config;
  if (!fd_config_aligns(c)) {
    if (o->teacher && c->model.encoder != FD_ARCH_HAD)
      return fd_fail(FD_USAGE,
                     "findna pretrain: --teacher is for model.encoder: had, whose features are aligned with a teacher's");
    if (o->teacher && comm->rank == 0) fd_info("objective.distil_weight: 0: the teacher of --teacher is not used");
    return FD_OK;
  }
  if (!o->teacher)
    return fd_fail(
        FD_USAGE,
        "findna pretrain: objective.distil_weight is %g: give the teacher of the alignment with --teacher CHECKPOINT (or set the "
        "weight to 0)",
        c->objective.distil_weight);
  FD_TRY(fd_features_teacher_open(&p->teacher, o->teacher, c, comm));
  if (fd_path_is_inside(p->teacher.model.info.folder, c->run.folder))
    return fd_fail(FD_CONFIG, "run.folder: %s is that of the --teacher; give another", c->run.folder);
  c->teacher.width = p->teacher.encoder.network->channels;
  return fd_config_check(c, "--teacher");
}

/* Logs how many words contain letters other than A, C, G and T and are therefore not learned. Of byte pairs this is not known
 * before tokenization. */
static void tell_unknown(const pretraining *p) {
  int64_t words, unknown;
  if (!fd_config_hides(&p->config) || p->config.model.tokenizer == FD_TOKENIZER_BPE) return;
  fd_hider_count(&p->config, &p->train, &words, &unknown);
  fd_info("words: %" PRId64 " of %" PRId64
          " training words contain letters other than A, C, G, T; they are read as unknown, and never hidden",
          unknown, words);
}

/* Number of held-out windows that are evaluated. */
static int64_t evaluated(const pretraining *p) {
  return p->held_out.count < p->config.eval.windows ? p->held_out.count : p->config.eval.windows;
}

/* Number of keys of the teacher's feature cache; 0: no cache. */
static int64_t kept_features(const pretraining *p) {
  const fd_config *c = &p->config;
  return *p->teacher.id && c->teacher.cache ? fd_hider_keys(c, p->train.count, evaluated(p)) : 0;
}

/* Prepares the teacher, after checking that it fits in device memory, and that its feature cache fits in this machine's memory in
 * addition to the `plan` bytes of the rank. Called before the trainer is checked, which has the remaining memory. */
static fd_status begin_teacher(pretraining *p, int local_size, double plan, int count) {
  const fd_device *dev = p->dev;
  int window = p->manifest.window;
  int64_t keys = kept_features(p);
  double need = (double)fd_features_teacher_memory(&p->teacher, dev->form, count, window),
         cache = fd_features_teacher_cache_memory(&p->teacher, dev->form, keys, window),
         room = fd_memory_of_machine("MemAvailable") / local_size - (dev->own_memory ? 0 : plan);
  if (dev->free_memory && need > (double)dev->free_memory)
    return fd_fail(FD_MEMORY,
                   "--teacher: needs %.3g GB on %s, where %.3g GB are free; more train.virtual_ranks give smaller micro-batches",
                   1e-9 * need, dev->simd, 1e-9 * (double)dev->free_memory);
  if (keys && p->manifest.records && dev->own_memory)
    return fd_fail(FD_CONFIG, "teacher.cache: on a GPU it is available for windows of the same length only, not for records");
  if (keys && cache > room)
    return fd_fail(FD_MEMORY,
                   "teacher.cache: the features of %" PRId64
                   " windows need %.3g GB of memory a rank, where %.3g GB are free for it: use teacher.cache=false, or fewer "
                   "windows or ranks a machine",
                   keys, 1e-9 * cache, 1e-9 * (room > 0 ? room : 0));
  if (keys) fd_info("teacher.cache: features of %" PRId64 " windows, %.3g GB of memory a rank", keys, 1e-9 * cache);
  return fd_features_teacher_begin(&p->teacher, p->dev, count, window, keys);
}

/* Estimated bytes of memory of a rank. */
static double planned_memory(const fd_comm *comm, const pretraining *p, int rows, int micro_batches) {
  const fd_config *c = &p->config;
  double plan = (double)fd_trainer_memory(c, p->network, p->dev->form, p->dev->own_memory, comm->size, rows, micro_batches) +
                (double)(p->train.count + p->held_out.count) * p->manifest.window;
  if (!*p->teacher.id) return plan;
  return plan + (double)fd_features_teacher_memory(&p->teacher, p->dev->form,
                                                   micro_batches * (int)(c->train.batch / c->train.virtual_ranks),
                                                   p->manifest.window);
}

static fd_status build(fd_comm *comm, pretraining *p) {
  const fd_config *c = &p->config;
  int window = p->manifest.window, rows;
  char encoder[FD_NAME_MAX];
  FD_TRY(fd_trainer_rows(c, p->tokens, &rows));
  FD_TRY(fd_rank_device_open(&p->dev, c, comm));
  FD_TRY(fd_network_create(&p->network, c, window));
  fd_network_describe(p->network, c, encoder);
  fd_info("model: %zu parameters, %s, %s %d + %d tokens", p->network->params.size, encoder,
          p->manifest.records ? "records of up to" : "windows of", p->tokens, fd_config_cls(c));
  fd_info("data: %" PRId64 " training and %" PRId64 " held-out windows; %" PRId64 " steps of %" PRId64 " windows in %" PRId64
          " micro-batches",
          p->train.count, p->held_out.count, p->steps, c->train.batch, c->train.virtual_ranks);
  tell_unknown(p);
  int micro_batches =
      fd_trainer_micro_batches(c, p->network, p->dev->form, p->dev->fill, (double)p->dev->free_memory, comm->size, rows);
  double plan = planned_memory(comm, p, rows, micro_batches);
  fd_info("device: %s (%s), %d rank%s of %d thread%s; about %.0f MB of memory a rank", p->dev->kind, p->dev->simd, comm->size,
          comm->size > 1 ? "s" : "", p->dev->threads, p->dev->threads > 1 ? "s" : "", plan * 1e-6);
  if (p->dev->fill)
    fd_info("a pass takes %d micro-batch%s, %d tokens; %d give each multiprocessor a tile", micro_batches,
            micro_batches > 1 ? "es" : "", micro_batches * rows, p->dev->fill);
  if (c->comm.reduction == FD_REDUCTION_FAST) fd_info("comm.reduction: fast: the result depends on the number of ranks");
  if (*p->teacher.id)
    FD_TRY(fd_comm_agree(
        comm, begin_teacher(p, comm->local_size, plan, micro_batches * (int)(c->train.batch / c->train.virtual_ranks))));
  FD_TRY(fd_comm_agree(comm, fd_trainer_fits(c, p->network, p->dev, comm->size, rows)));
  FD_TRY(fd_state_create(&p->state, c, p->network, p->dev));
  fd_source source;
  FD_TRY(open_source(p, &source));
  FD_TRY(fd_trainer_create(&p->trainer, c, comm, p->dev, p->network, source, p->state, p->steps, rows));
  p->trainer->frozen = p->teacher.frozen;
  p->run = (fd_run){.folder = c->run.folder,
                    .config = c,
                    .network = p->network,
                    .comm = comm,
                    .window = window,
                    .dataset_id = p->manifest.dataset_id,
                    .started = p->started,
                    .teacher = p->teacher.id,
                    .teacher_tensors = p->teacher.tensors};
  return FD_OK;
}

/* Checks that settings which parameters do not show, such as the number of attention heads or the channels of a track, agree. The
 * number of [CLS] tokens and of blocks may differ if the parameters fit. */
static fd_status check_shape(const fd_config *now, const fd_config *other, const char *folder) {
  fd_shape a, b;
  FD_TRY(fd_shape_of(&a, now));
  FD_TRY(fd_shape_of(&b, other));
  for (int i = 0; i < b.count; i++) {
    const fd_shape_item *item = &b.item[i];
    int may_differ = strncmp(item->setting, "model.", 6) || !strcmp(item->name, "cls") || !strcmp(item->name, "blocks");
    if (!may_differ && !fd_shape_agrees(&a, &b, item->name))
      return fd_fail(FD_CONFIG, "--init-from %s: its model has %s, and is not of the config's shape", folder, item->setting);
  }
  return FD_OK;
}

/* Initialises the weights from another run's. */
static fd_status take_weights(pretraining *p, const char *from) {
  fd_config other;
  fd_weights weights;
  FD_TRY(fd_checkpoint_open_weights(p->run.comm, from, &other, &p->first, &weights));
  fd_status status = FD_OK;
  const float *student = weights.of[weights.of[FD_BEST] ? FD_BEST : FD_STUDENT], *teacher = weights.of[FD_TEACHER];
  size_t core = fd_network_core(p->network), bytes = core * sizeof(float); /* a projection keeps its random start values */
  if (!fd_network_same_core(weights.network, p->network))
    status = fd_fail(FD_CONFIG, "--init-from %s: its model (%zu parameters) is not of the config's shape (%zu parameters)",
                     p->first.folder, fd_network_core(weights.network), core);
  if (status == FD_OK) status = check_shape(&p->config, &other, p->first.folder);
  if (status == FD_OK) status = p->dev->copy(p->dev, p->state->array[FD_STUDENT], student, bytes);
  if (status == FD_OK && p->state->array[FD_TEACHER])
    status = p->dev->copy(p->dev, p->state->array[FD_TEACHER], teacher ? teacher : student, bytes);
  if (status == FD_OK) fd_info("weights taken from %s", p->first.folder);
  fd_weights_free(&weights);
  return status;
}

static fd_status resume_or_begin(fd_comm *comm, pretraining *p, const options *o) {
  fd_checkpoint_info info;
  int found = 0, has;
  char path[FD_PATH_MAX];
  fd_comm_phase(comm, -1, "the search for a checkpoint");
  FD_TRY(fd_checkpointer_create(&p->checkpointer, &p->run, p->state));
  FD_TRY(fd_checkpoint_resume(&p->run, p->state, &info, &found));
  if (found) fd_info("resuming from %s (step %" PRId64 ", state_id %.16s...)", info.folder, info.step, info.state_id);
  if (found && o->init_from) fd_info("--init-from applies only to the start of a run; its own checkpoint is newer");
  fd_comm_phase(comm, p->state->step, "setting up the run");
  FD_TRY(fd_path(path, p->config.run.folder, "metrics.jsonl", NULL));
  if (comm->rank == 0 && found && p->state->step > 0 && p->held_out.count > 0 &&
      fd_session_evaluates(&p->config, p->state->step, p->steps)) {
    FD_TRY(fd_metrics_has(path, "eval", p->state->step, &has));
    p->owed = !has;
  }
  FD_TRY(comm->ops->broadcast(comm, &p->owed, sizeof p->owed, 0));
  if (comm->rank || (p->state->step >= p->steps && !p->owed)) return FD_OK;
  if (p->tokenizer) FD_TRY(fd_words_save(p->tokenizer, p->config.run.folder));
  if (!found && o->init_from) FD_TRY(fd_published_copy(&p->config, p->first.folder, p->config.run.folder));
  FD_TRY(fd_run_folder_describe(&p->run, p->dev,
                                &(fd_run_size){.train = p->train.count,
                                               .held_out = p->held_out.count,
                                               .steps = p->steps,
                                               .init_from = found ? NULL : o->init_from,
                                               .init_state = p->first.state_id,
                                               .teacher = *p->teacher.id ? o->teacher : NULL}));
  FD_TRY(fd_metrics_open(path, found ? info.step : -1, p->config.log.every, &p->metrics));
  if (found) fd_metrics_step(p->metrics, "resume", info.step, 1, (const char *const[]){"ranks"}, (const double[]){comm->size});
  return FD_OK;
}

static void release(pretraining *p) {
  fd_metrics_close(&p->metrics);
  fd_checkpointer_destroy(&p->checkpointer);
  fd_trainer_destroy(&p->trainer);
  fd_features_teacher_close(&p->teacher);
  fd_hider_free(&p->hider);
  fd_tokenizer_destroy(&p->tokenizer);
  if (p->window_log) fclose(p->window_log);
  fd_state_destroy(&p->state);
  fd_network_destroy(&p->network);
  fd_device_close(&p->dev);
  fd_windows_free(&p->train);
  fd_windows_free(&p->held_out);
  fd_manifest_free(&p->manifest);
  if (p->lock > 0) close(p->lock);
}

static void say_end(const pretraining *p, const options *o, fd_status status) {
  const char *same = o->restart ? "without --restart" : "again";
  if (status == FD_RETRY)
    fd_info("stopped by a signal or the time limit (run.minutes) at step %" PRId64 "; the same command %s resumes from there",
            p->state->step, same);
  if (status == FD_STOPPED)
    fd_info("stopped by the file 'stop' at step %" PRId64 "; the same command %s resumes from there", p->state->step, same);
  if (status == FD_OK)
    fd_info("finished: %s/ckpt/step_%09" PRId64 "; metrics in %s/metrics.jsonl; 'findna report %s' draws them",
            p->config.run.folder, p->state->step, p->config.run.folder, p->config.run.folder);
}

static fd_status pretrain(fd_comm *comm, const options *o, pretraining *p) {
  int checkpoints = 0;
  FD_TRY(read_config(comm, o, &p->config));
  comm->watch.limit = p->config.comm.limit;
  comm->watch.stall = p->config.comm.stall;
  fd_comm_phase(comm, -1, "reading the shards");
  FD_TRY(load_data(comm, p));
  fd_comm_phase(comm, -1, "setting up the run");
  FD_TRY(open_teacher(comm, o, p));
  FD_TRY(build(comm, p));
  FD_TRY(fd_same_run(&p->run));
  FD_TRY(fd_run_folder_count(comm, p->config.run.folder, &checkpoints));
  if (o->init_from && (o->restart || !checkpoints)) FD_TRY(take_weights(p, o->init_from));
  FD_TRY(fd_run_folder_take(comm, p->config.run.folder, o->restart,
                            &p->lock)); /* after all checks: a refused run leaves no folder */
  FD_TRY(resume_or_begin(comm, p, o));
  if (p->state->step >= p->steps && !p->owed) {
    FD_TRY(fd_session_judge(&p->run, p->state));
    fd_info("the run in %s is finished (step %" PRId64 "); --restart begins it again", p->config.run.folder, p->state->step);
    return FD_OK;
  }
  if (p->config.log.windows) FD_TRY(fd_run_folder_window_log(&p->run, &p->window_log));
  p->trainer->window_log = p->window_log;
  fd_comm_phase(comm, p->state->step, "counting for the baselines");
  FD_TRY(
      fd_comm_agree(comm, p->state->step == 0 && comm->rank == 0
                              ? fd_pretrain_baselines(&(fd_baselines){&p->config, &p->train, &p->held_out, &p->hider, p->metrics})
                              : FD_OK));
  fd_session session = {.run = &p->run,
                        .trainer = p->trainer,
                        .checkpointer = p->checkpointer,
                        .held_out = &p->held_out,
                        .metrics = p->metrics,
                        .evaluate = fd_session_evaluate,
                        .repeats = 1,
                        .owed = p->owed};
  fd_status status = fd_session_run(&session);
  say_end(p, o, status);
  return status;
}

fd_status fd_command_pretrain(fd_comm *comm, int argc, char **argv) {
  options o = {0};
  int resume = 0, helped, count;
  const char *words[FD_LIST_MAX];
  const fd_arg table[] = {
      {"resume", FD_ARG_FLAG, &resume, 0, 0, NULL, "resume from the newest valid checkpoint of the run folder (the default)"},
      {"restart", FD_ARG_FLAG, &o.restart, 0, 0, NULL, "start over; the contents of the run folder are moved aside"},
      {"init-from", FD_ARG_TEXT, &o.init_from, 0, 0, "PATH", "start from the weights of another run or checkpoint"},
      {"teacher", FD_ARG_TEXT, &o.teacher, 0, 0, "CHECKPOINT",
       "for had: the frozen teacher, a model over words of six letters, with whose features the student is aligned"},
      {0},
  };
  const fd_args args = {
      "pretrain", "CONFIG [section.key=value ...] [options]",
      "Pretrains a model on shards. CONFIG is a YAML file or the name of one in configs/ (demo, findna, findna-code, cm-mnm,\n"
      "findna-plus, findna-t, recommended, mae, mae-small, mlm, had, had-small, had-distil, had-reconstruct, nt-small,\n"
      "dnabert-small); 'findna config' lists all options. The same command, started again, resumes. A signal (TERM, INT,\n"
      "HUP, USR1, USR2) stops the run after the current step with a checkpoint and exit code 75, a file named 'stop' in the\n"
      "run folder with exit code 85.",
      table};
  FD_TRY(fd_args_parse(&args, argc, argv, words, FD_LIST_MAX, &count, &helped));
  if (helped) return FD_OK;
  if (count == 0) return fd_fail(FD_USAGE, "findna pretrain: which CONFIG? For example: findna pretrain demo data.shards=shards");
  if (resume && o.restart) return fd_fail(FD_USAGE, "findna pretrain: --resume and --restart exclude each other");
  o.config_name = words[0];
  o.overrides = (char **)(words + 1);
  o.override_count = count - 1;
  pretraining *p;
  FD_TRY(fd_alloc(&p, 1, sizeof *p, "pretraining"));
  p->started = fd_seconds();
  fd_status status = pretrain(comm, &o, p);
  release(p);
  free(p);
  return status;
}
