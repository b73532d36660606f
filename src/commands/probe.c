/* findna probe CHECKPOINT: a linear probe on a labelled table, compared with an untrained encoder and k-mer counts. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/args.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/printable.h"
#include "base/spread.h"
#include "base/version.h"
#include "commands/command.h"
#include "output/json_file.h"
#include "tasks/figures.h"
#include "tasks/pretrained.h"
#include "tasks/probe.h"
#include "tasks/scores.h"
#include "tasks/task_input.h"
#include "tasks/task_json.h"
#include "train/rank_device.h"

typedef struct options {
  const char *checkpoint, *output;
  fd_task_input rows;
  fd_list encoder, baseline, kmer;
  int64_t seeds, limit;
  int features;
  fd_use use;
  double selection;
  fd_probe_options probe;
  int want[FD_ENCODERS], want_none; /* encoders requested; all 0: every encoder of the checkpoint */
} options;

/* Everything that a probe holds, released in one place. */
typedef struct probing {
  fd_pretrained model;
  fd_task_folder rows;
  int same, turned; /* test sequences that are also training sequences; whose reverse complements are */
  int unknown;      /* test rows whose label no training row has */
  fd_device *cpu;   /* fits a probe of more than FD_CLASSES_EXACT classes; else NULL */
  fd_encoder encoder[FD_ENCODERS], untrained;
  int encoders;
  fd_probe_result result;
} probing;

static int index_of(const char *word, const char *const *names, int count) {
  for (int i = 0; i < count; i++)
    if (!strcmp(word, names[i])) return i;
  return -1;
}

static fd_status read_kmers(options *o) {
  fd_probe_options *p = &o->probe;
  if (o->kmer.count == 0)
    for (p->ks = 0; p->ks < 6; p->ks++) p->k[p->ks] = p->ks + 1;
  for (int i = 0; i < o->kmer.count; i++) {
    const char *text = o->kmer.item[i];
    if (text[0] < '1' || text[0] > '0' + FD_KMER_MAX || text[1] || i == FD_KMER_MAX)
      return fd_fail(FD_USAGE, "findna probe: --kmer %s: expected up to %d whole numbers from 1 to %d", text, FD_KMER_MAX,
                     FD_KMER_MAX);
    p->k[p->ks++] = text[0] - '0';
  }
  return FD_OK;
}

static fd_status read_lists(options *o) {
  static const char *const baselines[] = {"untrained", "kmer", "none"};
  int *kmer = &o->probe.kmers;
  *kmer = o->baseline.count == 0;
  o->probe.untrained = o->baseline.count == 0 && o->checkpoint;
  for (int i = 0; i < o->encoder.count; i++) {
    int which = index_of(o->encoder.item[i], fd_array_names, FD_ENCODERS), none = !strcmp(o->encoder.item[i], "none");
    if (which < 0 && !none)
      return fd_fail(FD_USAGE, "findna probe: --encoder %s: expected student, teacher, best, several, or none",
                     o->encoder.item[i]);
    if (none && o->encoder.count > 1) return fd_fail(FD_USAGE, "findna probe: --encoder none excludes others");
    *(none ? &o->want_none : &o->want[which]) = 1;
  }
  for (int i = 0; i < o->baseline.count; i++) {
    int which = index_of(o->baseline.item[i], baselines, 3);
    if (which < 0)
      return fd_fail(FD_USAGE, "findna probe: --baseline %s: expected untrained, kmer, both, or none", o->baseline.item[i]);
    if (which == 2 && o->baseline.count > 1) return fd_fail(FD_USAGE, "findna probe: --baseline none excludes others");
    if (which < 2) *(which ? kmer : &o->probe.untrained) = 1;
  }
  if (!o->checkpoint && (!o->want_none || o->probe.untrained))
    return fd_fail(FD_USAGE, "findna probe: which CHECKPOINT? Only --encoder none without the baseline 'untrained' needs none");
  if (o->want_none && !o->probe.untrained && !*kmer)
    return fd_fail(FD_USAGE, "findna probe: --encoder none and --baseline none together leave nothing to do");
  if (o->want_none && o->probe.joined)
    return fd_fail(FD_USAGE,
                   "findna probe: --joined has no effect with --encoder none: there are no features to join with k-mers");
  if (!*kmer && !o->probe.joined && o->kmer.count)
    return fd_fail(FD_USAGE, "findna probe: --kmer has no effect without the baseline 'kmer' or --joined");
  return *kmer || o->probe.joined ? read_kmers(o) : FD_OK;
}

static fd_status read_options(int argc, char **argv, options *o, int *helped) {
  const fd_arg table[] = {
      FD_TASK_INPUT_ARGS(o->rows),
      {"features", FD_ARG_CHOICE, &o->features, 0, 0, FD_FEATURES_WORDS,
       "mean over the nucleotides, over appended [CLS] tokens, or both"},
      {"encoder", FD_ARG_LIST, &o->encoder, 0, 0, "LIST",
       "student, teacher, best (default: what the checkpoint has), or none: baselines only"},
      {"baseline", FD_ARG_LIST, &o->baseline, 0, 0, "LIST", "untrained, kmer (the default), or none"},
      {"joined", FD_ARG_FLAG, &o->probe.joined, 0, 0, NULL,
       "also score the features of each encoder, and of the untrained network, joined with k-mer counts: do they add to "
       "counting?"},
      {"kmer", FD_ARG_LIST, &o->kmer, 0, 0, "LIST", "k of the k-mers to choose from (default 1,2,3,4,5,6)"},
      {"seeds", FD_ARG_INT, &o->seeds, 1, FD_PROBE_SEEDS, "N",
       "number of splits for choosing lambda and k, and of untrained encoders"},
      {"selection", FD_ARG_REAL, &o->selection, 0.01, 0.9, "SHARE",
       "fraction of the training rows held out to choose lambda and k"},
      {"limit", FD_ARG_INT, &o->limit, 0, 1e9, "N", "use N training rows, drawn with a fixed seed; 0: all"},
      FD_USE_DEVICE_ARGS(o->use),
      {"output", FD_ARG_TEXT, &o->output, 0, 0, "FILE", "also write the scores as JSON"},
      {0},
  };
  const fd_args args = {
      "probe", "CHECKPOINT --train FILE --test FILE [options]",
      "Freezes the encoder and fits a regularised linear classifier to its features. CHECKPOINT is a run folder (its newest\n"
      "valid checkpoint) or a checkpoint folder. Features are whitened. lambda (and k) are chosen on a held-out fraction of the\n"
      "training rows, drawn with the seed; the test rows are scored once per seed. Scores are mean and standard deviation over\n"
      "the seeds.",
      table};
  int count;
  FD_TRY(fd_args_parse(&args, argc, argv, &o->checkpoint, 1, &count, helped));
  if (*helped) return FD_OK;
  if (count == 0) o->checkpoint = NULL;
  if (!o->rows.task && (!o->rows.train || !o->rows.test))
    return fd_fail(FD_USAGE,
                   "findna probe: give CHECKPOINT, --train FILE and --test FILE (or --task FOLDER); see findna probe --help");
  FD_TRY(fd_task_input_check(&o->rows, "probe"));
  o->probe.features = (fd_features)o->features;
  o->probe.seeds = (int)o->seeds;
  o->probe.selection = o->selection;
  return read_lists(o);
}

static int ascending(const void *a, const void *b) {
  int x = *(const int *)a, y = *(const int *)b;
  return (x > y) - (x < y);
}

/* Keeps `limit` rows, drawn at random with a fixed seed, in the file's order. */
static fd_status limit_rows(fd_table *table, int limit) {
  int *order, held_out, rows = table->rows;
  if (limit == 0 || limit >= rows) return FD_OK;
  FD_TRY(fd_alloc(&order, (size_t)rows, sizeof *order, "--limit"));
  fd_status status = fd_probe_split(rows, FD_PROBE_SEEDS, 0.5, order, &held_out); /* a seed that no split of the probe uses */
  if (status == FD_OK) {
    qsort(order, (size_t)limit, sizeof *order, ascending); /* the file's order */
    fd_table all = *table;
    status = fd_table_pick(&all, order, limit, table);
    fd_table_free(&all);
  }
  free(order);
  return status;
}

static fd_status load(fd_comm *comm, const options *o, probing *p) {
  int most;
  FD_TRY(fd_check_output_place(o->output));
  const char *const inputs[] = {o->rows.train, o->rows.test, o->rows.task, o->rows.genome};
  for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) FD_TRY(fd_check_output(o->output, inputs[i]));
  FD_TRY(fd_task_input_read(&o->rows, comm, &p->rows));
  if (!p->rows.test.rows) return fd_fail(FD_MISSING, "%s: has no test rows", fd_task_input_name(&o->rows));
  p->unknown = fd_task_unknown(&p->rows.test, p->rows.train.classes);
  if (o->checkpoint) {
    FD_TRY(fd_pretrained_open(&p->model, o->checkpoint, &o->use, comm));
    FD_TRY(fd_task_input_check_words(&o->rows, comm, &p->rows, p->model.tokenizer, p->model.network->positions, &most));
  }
  return limit_rows(&p->rows.train, (int)o->limit);
}

/* The encoders requested with --encoder, or without it all that the checkpoint has. */
static fd_status take_encoders(const options *o, probing *p) {
  static const int order[FD_ENCODERS] = {FD_ENCODER_BEST, FD_ENCODER_TEACHER, FD_ENCODER_STUDENT};
  int any = o->encoder.count > 0;
  for (int i = 0; i < FD_ENCODERS; i++)
    if (any ? o->want[order[i]] : p->model.weights.of[order[i]] != NULL)
      FD_TRY(fd_pretrained_encoder(&p->model, order[i], &p->encoder[p->encoders++]));
  if (o->checkpoint) FD_TRY(fd_pretrained_encoder(&p->model, -1, &p->untrained));
  if (o->checkpoint) FD_TRY(fd_features_check(&p->untrained, (fd_features)o->features));
  p->untrained.name = "untrained";
  return FD_OK;
}

/* One of the scores over the seeds: {"mean", "seeds"} and, for several, "sd". */
static json_t *json_of_scores(const double *value, int seeds) {
  enum { STRIDE = sizeof(fd_probe_score) / sizeof(double) };
  double mean, sd;
  fd_mean_sd(value, seeds, STRIDE, &mean, &sd);
  json_t *list = json_array();
  for (int i = 0; i < seeds; i++) fd_json_append(&list, json_real(value[i * STRIDE]));
  json_t *scores = json_pack("{s:f, s:o}", "mean", mean, "seeds", list);
  fd_json_set_defined(&scores, "sd", sd);
  return scores;
}

static json_t *json_of_item(const fd_probe_item *item, int seeds) {
  json_t *lambda = json_array(), *k = json_array(), *dims = json_array();
  const fd_probe_score *s = item->score;
  int has_k = 0;
  for (int i = 0; i < seeds; i++) {
    fd_json_append(&lambda, json_real(s[i].lambda));
    fd_json_append(&dims, json_integer((json_int_t)s[i].dims));
    if (s[i].k <= 0) continue;
    fd_json_append(&k, json_integer((json_int_t)s[i].k));
    has_k = 1;
  }
  json_t *object = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "name", item->name, "features", item->features, "accuracy",
                             json_of_scores(&s->accuracy, seeds), "f1", json_of_scores(&s->f1, seeds), "mcc",
                             json_of_scores(&s->mcc, seeds), "lambda", lambda, "dims", dims);
  if (isfinite(s->selection_loss)) fd_json_set(&object, "selection_loss", json_of_scores(&s->selection_loss, seeds));
  if (!isnan(s->auroc)) fd_json_set(&object, "auroc", json_of_scores(&s->auroc, seeds));
  if (!isnan(s->auprc)) fd_json_set(&object, "auprc", json_of_scores(&s->auprc, seeds));
  if (s->epochs > 0) fd_json_set(&object, "epochs", json_of_scores(&s->epochs, seeds));
  if (has_k) fd_json_set(&object, "k", k);
  else json_decref(k);
  return object;
}

/* The data of the report's figures: of the test rows, for the first seed. */
static fd_status figures_of(const probing *p, json_t **list) {
  for (int i = 0; i < p->result.items && !p->unknown; i++) {
    const fd_probe_item *item = &p->result.item[i];
    json_t *json;
    if (!item->test) continue; /* more than FD_CLASSES_EXACT classes */
    FD_TRY(fd_figures_json(
        &(fd_figures){item->name, 0, &p->rows.test, p->rows.train.classes, item->test, item->plane, item->share, "training rows"},
        &json));
    fd_json_append(list, json);
  }
  return FD_OK;
}

static fd_status write_json(const options *o, const probing *p) {
  json_t *results = json_array(), *figures = json_array();
  fd_status status = figures_of(p, &figures);
  if (status != FD_OK) {
    json_decref(results);
    json_decref(figures);
    return status;
  }
  for (int i = 0; i < p->result.items; i++) fd_json_append(&results, json_of_item(&p->result.item[i], p->result.seeds));
  json_t *root = json_pack("{s:s, s:s?, s:s?, s:s, s:s?, s:i, s:i, s:i, s:i, s:I, s:i, s:i, s:i, s:f, s:o, s:o}", "version",
                           fd_version(), "checkpoint", o->checkpoint ? p->model.info.folder : NULL, "state_id",
                           o->checkpoint ? p->model.info.state_id : NULL, "train", fd_task_input_name(&o->rows), "test",
                           o->rows.test, "train_rows", p->rows.train.rows, "test_rows", p->rows.test.rows, "test_rows_in_train",
                           p->same, "test_rows_turned_in_train", p->turned, "rows_left_out", (json_int_t)p->rows.left_out,
                           "test_rows_of_unknown_label", p->unknown, "classes", p->rows.train.classes, "seeds", p->result.seeds,
                           "selection", o->selection, "results", results, "figures", figures);
  if (p->rows.names.count) fd_json_set(&root, "labels", fd_task_json_list(&p->rows.names));
  status = fd_json_write(o->output, root);
  json_decref(root);
  return status;
}

static void print_number(const double *value, int seeds, double scale, int digits) {
  double mean, sd;
  char room[FD_SPREAD];
  fd_mean_sd(value, seeds, sizeof(fd_probe_score) / sizeof(double), &mean, &sd);
  if (isnan(mean)) printf("  %6s   %-5s", "-", ""); /* undefined: the test rows have a single class */
  else printf("  %6.*f%s", digits, scale * mean, fd_spread(room, scale * sd, digits, digits > 2 ? 9 : 8));
}

/* The distinct values chosen over the seeds, as "1e-04, 1e-03". */
static void print_choices(const double *value, int seeds, const char *format) {
  enum { STRIDE = sizeof(fd_probe_score) / sizeof(double) };
  for (int i = 0, shown = 0; i < seeds; i++) {
    int seen = 0;
    for (int j = 0; j < i; j++) seen |= value[j * STRIDE] == value[i * STRIDE];
    if (seen) continue;
    if (shown++) printf(", ");
    printf(format, value[i * STRIDE]);
  }
}

static void print_table(const options *o, const probing *p) {
  int seeds = p->result.seeds;
  if (o->checkpoint) fd_print("checkpoint  %s\n", p->model.info.folder);
  fd_print("task        %s (%d rows) -> %s (%d rows), %d classes\n", fd_task_input_name(&o->rows), p->rows.train.rows,
           o->rows.test ? o->rows.test : "its test rows", p->rows.test.rows, p->rows.train.classes);
  int named = p->cpu ? 0 : p->rows.names.count; /* thousands of names are of no use on a terminal */
  for (int i = 0; i < named; i++) fd_print("%s%s", i ? ", " : "            classes: ", p->rows.names.name[i]);
  if (named) printf("\n");
  if (p->unknown) printf("            %d test rows have a label that no training row has: they count as wrong\n", p->unknown);
  if (p->same + p->turned)
    printf("            %d of the test sequences are also training sequences, the reverse complements of %d others are\n",
           p->same, p->turned);
  printf("            ");
  if (seeds > 1) printf("mean ± sd over %d seeds: ", seeds);
  printf("%s and k chosen on %g %% of the training rows\n\n", p->cpu ? "epochs" : "lambda", 100 * o->selection);
  printf("%-12s %-8s  %-15s  %-15s  %-15s  %-15s  %-15s %8s  %s\n", "encoder", "features", "accuracy %", "macro F1 %", "MCC",
         "AUROC", "AUPRC", "dims", p->cpu ? "epochs" : "lambda");
  for (int i = 0; i < p->result.items; i++) {
    const fd_probe_item *item = &p->result.item[i];
    const fd_probe_score *s = item->score;
    printf("%-12s %-8s", item->name, item->features);
    print_number(&s->accuracy, seeds, 100, 2);
    print_number(&s->f1, seeds, 100, 2);
    print_number(&s->mcc, seeds, 1, 4);
    print_number(&s->auroc, seeds, 1, 4);
    print_number(&s->auprc, seeds, 1, 4);
    printf("  %7.0f  ", s->dims);
    if (p->cpu) print_choices(&s->epochs, seeds, "%.0f");
    else print_choices(&s->lambda, seeds, "%.0e");
    if (s->k > 0) printf("  (k = "), print_choices(&s->k, seeds, "%.0f"), printf(")");
    printf("\n");
  }
}

static void release(probing *p) {
  fd_probe_result_free(&p->result);
  fd_pretrained_close(&p->model);
  fd_device_close(&p->cpu);
  fd_task_folder_free(&p->rows);
}

/* A probe of more than FD_CLASSES_EXACT classes is fitted on a CPU device with all threads, and k is chosen from 3 to 5 only. */
static fd_status prepare_many(fd_comm *comm, options *o, probing *p) {
  fd_config config;
  int classes = p->rows.train.classes, dims = p->model.network ? p->model.network->channels : 1024;
  if (classes <= FD_CLASSES_EXACT) return FD_OK;
  fd_config_defaults(&config);
  config.device.threads = o->use.threads, config.device.simd = o->use.simd;
  for (int i = 0; o->probe.ks && !o->kmer.count && i < 3; i++) o->probe.ks = 3, o->probe.k[i] = i + 3;
  fd_info("%d classes are fitted in up to %d epochs; %.1f MB for the weights of a classifier on %d features", classes,
          FD_SOFTMAX_EPOCHS, 16e-6 * classes * (double)(dims + 1), dims);
  return fd_rank_device_open(&p->cpu, &config, comm);
}

static fd_status probe(fd_comm *comm, options *o, probing *p) {
  double start = fd_seconds();
  FD_TRY(load(comm, o, p));
  FD_TRY(take_encoders(o, p));
  FD_TRY(prepare_many(comm, o, p));
  o->probe.run_seed = (uint64_t)p->model.config.run.seed;
  fd_probe_task task = {comm, &p->rows.train, &p->rows.test, p->encoders, p->encoder, &p->untrained, p->cpu, p->unknown > 0};
  FD_TRY(fd_probe_run(&o->probe, &task, &p->result));
  if (comm->rank) return FD_OK;
  FD_TRY(fd_task_leakage(&p->rows.train, &p->rows.test, &p->same, &p->turned));
  fd_info("probe: %.1f s", fd_seconds() - start);
  print_table(o, p);
  return o->output ? write_json(o, p) : FD_OK;
}

fd_status fd_command_probe(fd_comm *comm, int argc, char **argv) {
  options o = {.features = FD_FEATURES_TOKENS, .seeds = 3, .selection = 0.2};
  int helped;
  FD_TRY(read_options(argc, argv, &o, &helped));
  if (helped) return FD_OK;
  probing *p;
  FD_TRY(fd_alloc(&p, 1, sizeof *p, "probing"));
  fd_status status = probe(comm, &o, p);
  release(p);
  free(p);
  return status;
}
