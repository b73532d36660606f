/* findna finetune CHECKPOINT: trains encoder and head on a table, selects weights on held-out rows, scores the test rows once. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "commands/command.h"
#include "commands/finetune.h"
#include "commands/finetune_results.h"
#include "data/rows.h"
#include "tasks/features.h"
#include "tasks/further.h"
#include "tasks/pretrained.h"
#include "tasks/probe.h"
#include "tasks/published.h"
#include "tasks/softmax.h"
#include "tasks/task_input.h"
#include "tasks/teacher.h"
#include "tasks/whiten.h"
#include "tasks/words.h"
#include "train/memory.h"
#include "train/rank_device.h"
#include "train/run_folder.h"
#include "train/same_run.h"
#include "train/schedule.h"

/* --- options --------------------------------------------------------------------------------------------------------- */

static fd_status check_options(fd_finetune_options *o) {
  if (o->teacher && o->teacher_logits)
    return fd_fail(FD_USAGE, "findna finetune: give either --teacher or --teacher-logits; a run has one teacher");
  if (o->rows.values && (o->teacher || o->teacher_logits))
    return fd_fail(FD_USAGE, "findna finetune: %s: its answers are classes; a regression (--values) cannot be distilled",
                   o->teacher ? "--teacher" : "--teacher-logits");
  if (o->new_model && o->first_layers)
    return fd_fail(FD_USAGE,
                   "findna finetune: --first-layers takes CHECKPOINT's layers, --new-model takes none: give one of them");
  o->untrained |= o->new_model;
  return fd_task_input_check(&o->rows, "finetune");
}

static fd_status read_options(int argc, char **argv, fd_finetune_options *o, const char **words, int *helped) {
  const fd_arg table[] = {
      FD_TASK_INPUT_ARGS(o->rows),
      {"valid", FD_ARG_TEXT, &o->rows.valid, 0, 0, "FILE",
       "validation rows that select the best weights (default: a fraction of the training rows, task.selection)"},
      {"also", FD_ARG_LIST, &o->also, 0, 0, "FILE",
       "further test rows, for example of another species, which are only scored; may be repeated"},
      {"values", FD_ARG_FLAG, &o->rows.values, 0, 0, NULL, "labels are numbers: a regression"},
      {"init-untrained", FD_ARG_FLAG, &o->untrained, 0, 0, NULL,
       "start from random weights of the checkpoint's model: the untrained baseline"},
      {"new-model", FD_ARG_FLAG, &o->new_model, 0, 0, NULL,
       "train a new model with the config's encoder and sizes and random weights; only the vocabulary is CHECKPOINT's"},
      {"first-layers", FD_ARG_INT, &o->first_layers, 1, 1000, "N",
       "train a model made of the first N layers of CHECKPOINT, with their weights"},
      {"teacher", FD_ARG_TEXT, &o->teacher, 0, 0, "CHECKPOINT",
       "distil from this classifier's logits of each row (objective.kd_alpha, objective.kd_temperature)"},
      {"teacher-logits", FD_ARG_TEXT, &o->teacher_logits, 0, 0, "FILE",
       "distil from logits written by 'findna embed --pool task --logits' for the rows"},
      {"config", FD_ARG_TEXT, &o->config_name, 0, 0, "CONFIG", "a YAML file or the name of one in configs/"},
      {"restart", FD_ARG_FLAG, &o->restart, 0, 0, NULL, "start over; the contents of the run folder are moved aside"},
      {"encoder", FD_ARG_CHOICE, &o->encoder, 0, 0, FD_ENCODER_WORDS,
       "which network to start from (default: best for a fine-tuned model, else the teacher if there is one)"},
      {0},
  };
  const fd_args args = {
      "finetune", "CHECKPOINT --train FILE [--valid FILE] [--test FILE] [section.key=value ...] [options]",
      "Trains the pretrained encoder and a new head together on labelled sequences of any length, packed without padding. The\n"
      "run folder, resuming, signals and ranks work as in 'findna pretrain'. The weights that are best on the validation rows\n"
      "are kept along with the last ones (--encoder best); probe, embed, score and export use them. Scores are written to\n"
      "RUN/finetune.json.",
      table};
  int count;
  FD_TRY(fd_args_parse(&args, argc, argv, words, FD_LIST_MAX, &count, helped));
  if (*helped) return FD_OK;
  if (count == 0) return fd_fail(FD_USAGE, "findna finetune: give CHECKPOINT and --train FILE; see findna finetune --help");
  o->checkpoint = words[0];
  o->overrides = (char **)(words + 1);
  o->override_count = count - 1;
  return check_options(o);
}

/* --- selection rows ------------------------------------------------------------------------------------------------- */

/* Refuses test rows that are the validation rows, in any order: weights selected on the test rows have scores that are too good.
 * Warns of single ones. */
static fd_status check_test(const fd_table *valid, const fd_table *test, const char *name, int root) {
  int shared, valid_rows, turned;
  FD_TRY(fd_task_leakage(valid, test, &shared, &turned));
  FD_TRY(fd_task_leakage(test, valid, &valid_rows, &turned));
  if (shared && shared == test->rows && valid_rows == valid->rows)
    return fd_fail(
        FD_DATA,
        "the validation rows (--valid, or dev of a task) are the test rows (%s): scores of weights that were selected on "
        "the test rows are biased; give other rows, or none: then a fraction of the training rows is used "
        "(task.selection)",
        name);
  if (shared && root)
    fd_warn(
        "%d of the %d test sequences in %s are also validation sequences, by which the weights are selected: their scores are "
        "too good",
        shared, test->rows, name);
  return FD_OK;
}

/* Checks that the rows by which weights are selected are neither test nor training rows. */
static fd_status check_selection(const fd_finetune_options *o, const fd_tuning *t, int root) {
  const fd_table *valid = &t->data.valid;
  int same, turned;
  if (!valid->rows) return FD_OK;
  FD_TRY(check_test(valid, &t->data.test, o->rows.test ? o->rows.test : fd_task_input_name(&o->rows), root));
  for (int i = 0; i < t->further.count; i++) FD_TRY(check_test(valid, &t->further.table[i], t->further.file[i], root));
  FD_TRY(fd_task_leakage(&t->data.train, valid, &same, &turned));
  if (same && root)
    fd_warn("%d of the %d validation sequences are also training sequences: weights that memorise them are preferred", same,
            valid->rows);
  return FD_OK;
}

/* --- setting up ------------------------------------------------------------------------------------------------------ */

/* Without a file of validation rows, draws them from the training rows (fraction task.selection) with the run's seed. */
static fd_status split_rows(fd_tuning *t) {
  fd_table all = t->data.train;
  int *order, held_out;
  FD_TRY(fd_alloc(&order, (size_t)all.rows, sizeof *order, "split"));
  fd_status status = fd_probe_split(all.rows, (uint64_t)t->config.run.seed, t->config.task.selection, order, &held_out);
  if (status == FD_OK) status = fd_table_pick(&all, order, held_out, &t->data.valid);
  if (status == FD_OK) status = fd_table_pick(&all, order + held_out, all.rows - held_out, &t->data.train);
  if (status == FD_OK) fd_table_free(&all);
  free(order);
  return status;
}

/* Hashes what determines the result besides the config's frozen keys: the rows, the start weights, and when they are evaluated.
 */
static fd_status identify(const fd_finetune_options *o, fd_tuning *t, const char *encoder) {
  if (!strcmp(encoder, fd_array_names[FD_BEST])) encoder = fd_array_names[FD_TEACHER]; /* the name in older versions */
  unsigned char digest[FD_SHA256_BYTES];
  char line[256];
  fd_sha256 *hash;
  FD_TRY(fd_sha256_begin(&hash));
  fd_task_rows_hash(hash, &t->data.train);
  fd_task_rows_hash(hash, &t->data.valid);
  fd_sha256_add(hash, line,
                (size_t)snprintf(line, sizeof line, "%" PRId64 " %s %s", t->config.eval.every,
                                 o->untrained ? "untrained" : t->model.info.state_id, o->untrained ? "" : encoder));
  FD_TRY(fd_sha256_end(&hash, digest));
  fd_hex(t->dataset_id, digest);
  return FD_OK;
}

/* Copies the checkpoint's weights, matched by name. Additional blocks for a longer input, and the head, keep their initial
 * random values. */
static fd_status take_weights(const fd_finetune_options *o, fd_tuning *t, const fd_encoder *encoder) {
  const fd_params *to = &t->network->params, *from = &t->model.network->params;
  int taken = 0, fresh = 0;
  if (o->first_layers) t->taken = json_array();
  if (o->untrained) {
    fd_info(o->new_model ? "untrained: random weights of a new model" : "untrained: random weights of the checkpoint's model");
    return FD_OK;
  }
  FD_TRY(t->dev->copy(t->dev, t->weights, t->state->array[FD_STUDENT], to->size * sizeof(float)));
  for (int i = 0; i < to->count; i++) {
    const fd_param *p = &to->item[i], *q = fd_params_find(from, p->name);
    int fits = q && q->dims == p->dims && q->shape[0] == p->shape[0] && (p->dims == 1 || q->shape[1] == p->shape[1]);
    int of_task = p->offset >= fd_network_core(t->network);
    if (fits && !of_task) memcpy(t->weights + p->offset, encoder->params + q->offset, p->size * sizeof(float));
    if (t->taken && fits && !of_task) fd_json_append(&t->taken, json_string(p->name));
    taken += fits && !of_task, fresh += !fits && !of_task;
  }
  fd_info("%d tensors taken from the %s of %s, %d new besides the head", taken, encoder->name, t->model.info.folder, fresh);
  if (!taken) return fd_fail(FD_CONFIG, "%s: none of its weights fits the model of this config", t->model.info.folder);
  if (o->first_layers && fresh)
    return fd_fail(FD_CONFIG,
                   "--first-layers %" PRId64 ": %d tensors of such a model have no weights in %s; leave the option out",
                   o->first_layers, fresh, t->model.info.folder);
  return t->dev->copy(t->dev, t->state->array[FD_STUDENT], t->weights, to->size * sizeof(float));
}

static int longest_of(const fd_tuning *t) {
  const fd_table *tables[] = {&t->data.train, &t->data.valid, &t->data.test};
  int longest = fd_further_longest(&t->further);
  for (int i = 0; i < 3; i++)
    if (fd_rows_longest(tables[i]) > longest) longest = fd_rows_longest(tables[i]);
  return longest;
}

/* Sets up the trainer's rows: nucleotides, or tokens of a model over ids. */
static fd_status give_rows(fd_tuning *t, const fd_tokenizer *tokenizer) {
  if (t->config.task.balance && t->data.train.label) {
    FD_TRY(fd_alloc(&t->class_weight, (size_t)t->data.train.classes, sizeof *t->class_weight, "class weights"));
    fd_selection_class_weights(&t->data.train, t->class_weight);
  }
  t->rows = (fd_rows){.config = &t->config, .table = &t->data.train, .class_weight = t->class_weight, .tokenizer = tokenizer};
  if (*t->config.task.augment) {
    size_t longest = (size_t)fd_rows_longest(&t->data.train);
    t->rows.augment = fd_rng_key_of((uint64_t)t->config.run.seed, FD_RNG_AUGMENT);
    FD_TRY(fd_alloc(&t->rows.augmented, 3 * longest + 2 * (size_t)t->config.aug.size, 1, "augmented rows"));
  }
  return tokenizer ? fd_tokens_create(&t->rows.words, tokenizer, fd_rows_longest(&t->data.train)) : FD_OK;
}

/* Opens the CPU device that scores more than FD_CLASSES_EXACT classes, with all threads. */
static fd_status open_scorer(fd_comm *comm, fd_tuning *t) {
  fd_config config;
  if (t->config.task.kind != FD_TASK_CLASSES || t->config.task.outputs <= FD_CLASSES_EXACT) return FD_OK;
  t->selection.cpu = t->dev;
  if (!t->dev->own_memory) return FD_OK;
  fd_config_defaults(&config);
  config.device.threads = t->config.device.threads;
  FD_TRY(fd_rank_device_open(&t->cpu, &config, comm));
  t->selection.cpu = t->cpu;
  return FD_OK;
}

static void announce(fd_comm *comm, const fd_tuning *t, int rows) {
  const fd_config *c = &t->config;
  char shown[1024];
  int evaluated_cls = fd_features_cls(&t->selection.encoder, (fd_features)t->network->task.features);
  fd_info("data: %d training, %d validation, %d test rows; up to %d nucleotides; %" PRId64 " steps of %" PRId64 " rows",
          t->data.train.rows, t->data.valid.rows, t->data.test.rows, t->longest, t->steps, c->train.batch);
  fd_class_names_show(&t->data.names, shown, sizeof shown);
  if (*shown) fd_info("classes: %s", shown);
  fd_info("device: %s (%s), %d rank%s of %d thread%s; about %.0f MB of memory a rank", t->dev->kind, t->dev->simd, comm->size,
          comm->size > 1 ? "s" : "", t->dev->threads, t->dev->threads > 1 ? "s" : "",
          1e-6 * ((double)fd_trainer_memory(c, t->network, t->dev->form, t->dev->own_memory, comm->size, rows, 1) +
                  fd_pretrained_memory(&t->model) +
                  (double)fd_encoding_memory(&t->selection.encoder, evaluated_cls, t->longest, FD_WANT_LATENT)));
}

static fd_status build(fd_comm *comm, const fd_finetune_options *o, fd_tuning *t) {
  fd_config *c = &t->config;
  fd_encoder encoder;
  int rows;
  FD_TRY(fd_pretrained_encoder(&t->model, o->encoder, &encoder));
  if (!t->data.valid.rows) FD_TRY(split_rows(t));
  if (!c->eval.every) c->eval.every = (t->data.train.rows + c->train.batch - 1) / c->train.batch;
  FD_TRY(identify(o, t, encoder.name));
  FD_TRY(fd_trainer_rows(c, t->tokenizer ? t->words : fd_rows_longest(&t->data.train), &rows));
  FD_TRY(fd_rank_device_open(&t->dev, c, comm));
  FD_TRY(give_rows(t, t->tokenizer));
  FD_TRY(fd_teacher_begin(&t->teacher, t->dev, (int)(c->train.batch / c->train.virtual_ranks), &t->rows, comm));
  FD_TRY(fd_comm_agree(comm, fd_trainer_fits(c, t->network, t->dev, comm->size, rows)));
  FD_TRY(fd_state_create(&t->state, c, t->network, t->dev));
  FD_TRY(fd_alloc(&t->weights, t->network->params.size, sizeof *t->weights, "weights"));
  FD_TRY(take_weights(o, t, &encoder));
  t->steps = fd_schedule_steps(c, t->data.train.rows);
  if (t->steps < 1)
    return fd_fail(FD_CONFIG, "%d training rows and train.epochs %" PRId64 " give no step of train.batch %" PRId64,
                   t->data.train.rows, c->train.epochs, c->train.batch);
  FD_TRY(fd_trainer_create(&t->trainer, c, comm, t->dev, t->network, fd_rows_source(&t->rows), t->state, t->steps, rows));
  t->trainer->frozen = t->teacher.frozen;
  t->selection =
      (fd_selection){c,          &t->data.valid, {"fine-tuned", t->network, t->weights, t->dev, (int)c->model.cls, t->tokenizer},
                     t->weights, c->eval.every,  NULL};
  t->run = (fd_run){.folder = c->run.folder,
                    .config = c,
                    .network = t->network,
                    .comm = comm,
                    .window = t->longest,
                    .dataset_id = t->dataset_id,
                    .started = t->started,
                    .teacher = t->teacher.id,
                    .classes = &t->data.names,
                    .teacher_tensors = t->teacher.tensors};
  FD_TRY(open_scorer(comm, t));
  announce(comm, t, rows);
  return FD_OK;
}

static fd_status resume_or_begin(fd_comm *comm, const fd_finetune_options *o, fd_tuning *t) {
  fd_checkpoint_info info;
  char path[FD_PATH_MAX];
  int found = 0;
  FD_TRY(fd_checkpointer_create(&t->checkpointer, &t->run, t->state));
  FD_TRY(fd_checkpoint_resume(&t->run, t->state, &info, &found));
  if (found) fd_info("resuming from %s (step %" PRId64 ", state_id %.16s...)", info.folder, info.step, info.state_id);
  if (comm->rank) return FD_OK;
  if (t->tokenizer) FD_TRY(fd_words_save(t->tokenizer, t->run.folder));
  if (!o->new_model && !o->first_layers) FD_TRY(fd_published_copy(&t->config, t->model.info.folder, t->run.folder));
  FD_TRY(fd_run_folder_describe(&t->run, t->dev,
                                &(fd_run_size){.train = t->data.train.rows, .held_out = t->data.valid.rows, .steps = t->steps}));
  FD_TRY(fd_path(path, t->run.folder, "metrics.jsonl", NULL));
  FD_TRY(fd_metrics_open(path, found ? info.step : -1, t->config.log.every, &t->metrics));
  if (found) fd_metrics_step(t->metrics, "resume", info.step, 1, (const char *const[]){"ranks"}, (const double[]){comm->size});
  return FD_OK;
}

/* Scores the selected weights on the validation rows and, once, on the test rows, and reports the results. */
static fd_status finish(fd_comm *comm, const fd_finetune_options *o, fd_tuning *t) {
  fd_status status = FD_OK;
  const fd_state *s = t->state;
  fd_tuned tuned = {.from = &t->model.info,
                    .rows = &o->rows,
                    .data = &t->data,
                    .config = &t->config,
                    .state = s,
                    .width = t->network->task.width,
                    .untrained = o->untrained,
                    .taken = t->taken,
                    .teacher = *t->teacher.id ? &t->teacher : NULL,
                    .further = &t->further,
                    .unknown = fd_task_unknown(&t->data.test, t->data.train.classes),
                    .same = t->same,
                    .turned = t->turned};
  if (s->best_step < 0)
    return fd_fail(FD_NUMERIC, "no evaluation had a finite loss: there are no weights to select; try a smaller optim.lr");
  FD_TRY(t->dev->copy(t->dev, t->weights, s->array[FD_BEST], s->size[FD_BEST] * sizeof(float)));
  FD_TRY(fd_selection_score(&t->selection, comm, &t->data.valid, &tuned.valid, NULL));
  if (t->data.test.rows) status = fd_selection_score(&t->selection, comm, &t->data.test, &tuned.test, &tuned.prediction);
  if (status == FD_OK) status = fd_further_score(&t->further, &t->selection, comm);
  if (status == FD_OK && comm->rank == 0) status = fd_tuned_report(&tuned);
  fd_prediction_free(&tuned.prediction);
  return status;
}

/* Sets the longest row to the largest number of tokens that its length can have: augmentation may change the tokens. */
static fd_status augmented_words(fd_tuning *t) {
  int longest = fd_rows_longest(&t->data.train);
  int64_t most = fd_tokenizer_most(t->tokenizer, longest);
  FD_TRY(fd_tokenizer_check(t->tokenizer, longest, most, t->network->positions,
                            "task.augment: the longest training row, with the most tokens possible"));
  t->words = (int)most;
  return FD_OK;
}

/* Creates the network and its tokenizer, and checks that all rows fit its positions. */
static fd_status make_model(fd_comm *comm, const fd_finetune_options *o, fd_tuning *t) {
  t->longest = longest_of(t);
  FD_TRY(fd_network_create(&t->network, &t->config, t->longest));
  if (o->new_model && t->network->ids) FD_TRY(fd_words_open(&t->new_words, &t->config, t->model.info.folder, 0));
  t->tokenizer = o->new_model ? t->new_words : t->model.tokenizer;
  FD_TRY(fd_task_input_check_words(&o->rows, comm, &t->data, t->tokenizer, t->network->positions, &t->words));
  FD_TRY(fd_further_check_words(&t->further, t->tokenizer, t->network->positions, comm));
  return t->tokenizer && *t->config.task.augment ? augmented_words(t) : FD_OK;
}

static fd_status open_teacher(fd_comm *comm, const fd_finetune_options *o, fd_tuning *t) {
  const fd_taught_classes classes = {t->data.train.classes, &t->data.names};
  if (o->teacher) FD_TRY(fd_teacher_open(&t->teacher, o->teacher, &classes, comm));
  if (o->teacher_logits) FD_TRY(fd_teacher_read(&t->teacher, o->teacher_logits, &classes, comm));
  return fd_teacher_check_rows(&t->teacher, &t->data.train, fd_task_input_name(&o->rows), comm);
}

static fd_status finetune(fd_comm *comm, const fd_finetune_options *o, fd_tuning *t) {
  FD_TRY(fd_pretrained_open(&t->model, o->checkpoint, &(fd_use){.threads = 1}, comm));
  fd_comm_phase(comm, -1, "reading the rows");
  FD_TRY(fd_task_input_read(&o->rows, comm, &t->data));
  if (t->data.test.rows && !t->data.test.value) FD_TRY(fd_whitening_ready()); /* for the figure of the test rows at the end */
  FD_TRY(fd_further_read(&t->further, &o->also, &o->rows, &t->data, comm));
  FD_TRY(check_selection(o, t, comm->rank == 0));
  FD_TRY(fd_class_names_hash(&t->data.names, t->classes));
  FD_TRY(fd_task_leakage(&t->data.train, &t->data.test, &t->same, &t->turned));
  if (t->same + t->turned && comm->rank == 0)
    fd_warn("%d of the test sequences are also training sequences, the reverse complements of %d others are", t->same, t->turned);
  FD_TRY(open_teacher(comm, o, t));
  FD_TRY(fd_finetune_config(comm, o, t));
  FD_TRY(make_model(comm, o, t));
  comm->watch.limit = t->config.comm.limit;
  comm->watch.stall = t->config.comm.stall;
  fd_comm_phase(comm, -1, "setting up the run");
  FD_TRY(build(comm, o, t));
  FD_TRY(fd_same_run(&t->run));
  FD_TRY(fd_run_folder_take(comm, t->config.run.folder, o->restart,
                            &t->lock)); /* after all checks: a refused run leaves no folder */
  FD_TRY(resume_or_begin(comm, o, t));
  if (t->config.log.windows) FD_TRY(fd_run_folder_window_log(&t->run, &t->window_log));
  t->trainer->window_log = t->window_log;
  if (t->state->step < t->steps && !fd_selection_is_over(&t->selection, t->state)) {
    fd_session session = {.run = &t->run,
                          .trainer = t->trainer,
                          .checkpointer = t->checkpointer,
                          .metrics = t->metrics,
                          .evaluate = fd_selection_evaluate,
                          .task = &t->selection};
    fd_status status = fd_session_run(&session);
    if (status == FD_RETRY || status == FD_STOPPED)
      fd_info("stopped at step %" PRId64 "; the same command resumes from there", t->state->step);
    FD_TRY(status);
  } else {
    FD_TRY(fd_session_judge(&t->run, t->state));
    fd_info("the run in %s is finished; --restart begins it again", t->config.run.folder);
  }
  return finish(comm, o, t);
}

static void release(fd_tuning *t) {
  fd_metrics_close(&t->metrics);
  fd_checkpointer_destroy(&t->checkpointer);
  fd_trainer_destroy(&t->trainer);
  fd_teacher_close(&t->teacher);
  json_decref(t->taken);
  if (t->window_log) fclose(t->window_log);
  fd_state_destroy(&t->state);
  fd_network_destroy(&t->network);
  fd_tokens_free(&t->rows.words);
  free(t->rows.augmented);
  fd_tokens_free(&t->rows.teacher_words);
  fd_tokenizer_destroy(&t->new_words);
  fd_device_close(&t->dev);
  fd_device_close(&t->cpu);
  fd_task_folder_free(&t->data);
  fd_further_free(&t->further);
  free(t->class_weight);
  free(t->weights);
  fd_pretrained_close(&t->model);
  if (t->lock > 0) close(t->lock);
}

fd_status fd_command_finetune(fd_comm *comm, int argc, char **argv) {
  fd_finetune_options o = {.config_name = "finetune", .encoder = -1};
  const char *words[FD_LIST_MAX];
  int helped;
  FD_TRY(read_options(argc, argv, &o, words, &helped));
  if (helped) return FD_OK;
  fd_tuning *t;
  FD_TRY(fd_alloc(&t, 1, sizeof *t, "fine-tuning"));
  t->started = fd_seconds();
  fd_status status = finetune(comm, &o, t);
  release(t);
  free(t);
  return status;
}
