/* findna knn CHECKPOINT: classifies queries by their nearest keys in embedding space, compared with k-mer counts and an untrained
 * encoder. */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/output.h"
#include "base/path.h"
#include "base/printable.h"
#include "base/text.h"
#include "base/version.h"
#include "commands/command.h"
#include "data/rows.h"
#include "output/cell.h"
#include "output/json_file.h"
#include "tasks/features.h"
#include "tasks/kmer.h"
#include "tasks/neighbours.h"
#include "tasks/pretrained.h"
#include "tasks/scores.h"
#include "train/rank_device.h"

enum { METHODS = 3, KEYS = 0, QUERIES = 1 };

typedef struct options {
  const char *checkpoint, *file[2], *column, *output, *predictions;
  int64_t neighbours, kmer;
  fd_list baseline;
  int features, untrained, kmers; /* untrained, kmers: the baselines that run */
  fd_use use;
} options;

/* Results for the queries with one kind of vectors: an encoder's, an untrained encoder's, or k-mer counts. */
typedef struct method {
  char name[32];
  const char *features;
  fd_scores scores;
  int *index, *predicted; /* [queries, k], [queries] */
  float *cosine;          /* [queries, k] */
} method;

typedef struct searching {
  fd_pretrained model;
  fd_device *dev; /* the CPU that compares vectors */
  fd_table table[2];
  fd_class_names names; /* of both files; empty: labels are numbers */
  int classes, absent;  /* absent: queries whose label no key has */
  int methods;
  method method[METHODS];
} searching;

static fd_status read_baselines(options *o) {
  int none = 0;
  o->untrained = o->kmers = !o->baseline.count;
  for (int i = 0; i < o->baseline.count; i++) {
    int is[] = {!strcmp(o->baseline.item[i], "untrained"), !strcmp(o->baseline.item[i], "kmer"),
                !strcmp(o->baseline.item[i], "none")};
    if (!is[0] && !is[1] && !is[2])
      return fd_fail(FD_USAGE, "findna knn: --baseline %s: expected untrained, kmer, both, or none", o->baseline.item[i]);
    o->untrained |= is[0], o->kmers |= is[1], none |= is[2];
  }
  if (none && o->baseline.count > 1) return fd_fail(FD_USAGE, "findna knn: --baseline none excludes others");
  return FD_OK;
}

static fd_status read_options(int argc, char **argv, options *o, int *helped) {
  const fd_arg table[] = {
      {"train", FD_ARG_TEXT, &o->file[KEYS], 0, 0, "FILE",
       "keys: CSV or TSV with the columns sequence and label (and id); plain, gzip or xz"},
      {"test", FD_ARG_TEXT, &o->file[QUERIES], 0, 0, "FILE", "queries, in the same format"},
      {"label", FD_ARG_TEXT, &o->column, 0, 0, "COLUMN", "the column of the labels in both files, such as genus"},
      {"neighbours", FD_ARG_INT, &o->neighbours, 1, FD_NEIGHBOURS_MAX, "K",
       "number of nearest keys that vote on a query's class"},
      {"features", FD_ARG_CHOICE, &o->features, 0, 0, FD_FEATURES_WORDS,
       "mean over the nucleotides, over appended [CLS] tokens, or both"},
      {"baseline", FD_ARG_LIST, &o->baseline, 0, 0, "LIST", "untrained, kmer (default: both), or none"},
      {"kmer", FD_ARG_INT, &o->kmer, 1, FD_KMER_MAX, "K", "k of the k-mer count baseline"},
      FD_USE_DEVICE_ARGS(o->use),
      FD_USE_ENCODER_ARG(o->use),
      {"output", FD_ARG_TEXT, &o->output, 0, 0, "FILE", "also write the scores as JSON"},
      {"predictions", FD_ARG_TEXT, &o->predictions, 0, 0, "FILE",
       "write each query's label, predicted label, nearest key and cosine as TSV"},
      {0},
  };
  const fd_args args = {
      "knn", "CHECKPOINT --train KEYS --test QUERIES [options]",
      "Classifies queries by their nearest keys in embedding space. The class of a query is that of the key with the\n"
      "largest cosine between their embeddings, or the majority of the K nearest keys; the search is exact. Queries whose\n"
      "label no key has are counted: they cannot be classified correctly. k-mer counts and the untrained network are\n"
      "searched in the same way: an embedding that does not beat them is not worth its cost.",
      table};
  int count;
  FD_TRY(fd_args_parse(&args, argc, argv, &o->checkpoint, 1, &count, helped));
  if (*helped) return FD_OK;
  if (count < 1 || !o->file[KEYS] || !o->file[QUERIES])
    return fd_fail(FD_USAGE, "findna knn: give CHECKPOINT, --train FILE and --test FILE; see findna knn --help");
  return read_baselines(o);
}

/* --- rows ------------------------------------------------------------------------------------------------------------ */

/* Joins the class names of both files into one list, and renumbers the labels of both by it. */
static fd_status join_names(const options *o, searching *s, fd_class_names names[2]) {
  const char **all;
  int count = names[KEYS].count + names[QUERIES].count;
  if (!names[KEYS].count != !names[QUERIES].count)
    return fd_fail(FD_DATA, "%s: its labels are names, but those of %s are numbers: expected the same kind in both",
                   o->file[names[KEYS].count ? KEYS : QUERIES], o->file[names[KEYS].count ? QUERIES : KEYS]);
  if (!count) return FD_OK;
  FD_TRY(fd_alloc(&all, (size_t)count, sizeof *all, "names of classes"));
  for (int i = 0; i < count; i++)
    all[i] = i < names[KEYS].count ? names[KEYS].name[i] : names[QUERIES].name[i - names[KEYS].count];
  fd_status status = fd_class_names_of(&s->names, o->file[KEYS], all, count);
  free(all);
  for (int f = 0; f < 2 && status == FD_OK; f++)
    for (int i = 0; i < s->table[f].rows; i++)
      s->table[f].label[i] = fd_class_names_find(&s->names, names[f].name[s->table[f].label[i]]);
  s->classes = s->names.count;
  return status;
}

/* Counts the queries whose label no key has. Keys of a single class are refused: every query would get it, whatever the
 * embeddings. */
static fd_status count_absent(const options *o, searching *s) {
  char *known;
  int classes = 0;
  FD_TRY(fd_alloc(&known, (size_t)s->classes, 1, "classes"));
  for (int i = 0; i < s->table[KEYS].rows; i++) known[s->table[KEYS].label[i]] = 1;
  for (int i = 0; i < s->table[QUERIES].rows; i++) s->absent += !known[s->table[QUERIES].label[i]];
  for (int c = 0; c < s->classes; c++) classes += known[c];
  free(known);
  if (classes > 1) return FD_OK;
  return fd_fail(FD_DATA, "%s: its rows have a single class, which every query would get; expected at least two labels",
                 o->file[KEYS]);
}

static fd_status read_rows(const options *o, searching *s) {
  fd_class_names names[2] = {{0}, {0}};
  fd_status status = FD_OK;
  for (int f = 0; f < 2; f++)
    FD_GO(fd_table_read_column(o->file[f], &(fd_label_column){o->column, 1, 0}, &names[f], &s->table[f]));
  for (int f = 0; f < 2; f++)
    if (s->table[f].classes > s->classes) s->classes = s->table[f].classes;
  FD_GO(join_names(o, s, names));
  FD_GO(count_absent(o, s));
done:
  fd_class_names_free(&names[KEYS]);
  fd_class_names_free(&names[QUERIES]);
  if (status == FD_OK && o->neighbours > s->table[KEYS].rows)
    status = fd_fail(FD_USAGE, "findna knn: --neighbours %" PRId64 ", but %s has %d rows", o->neighbours, o->file[KEYS],
                     s->table[KEYS].rows);
  return status;
}

/* --- methods --------------------------------------------------------------------------------------------------------- */

static fd_status search(const options *o, searching *s, const char *name, const char *features, const fd_vectors vectors[2]) {
  method *m = &s->method[s->methods++];
  size_t rows = (size_t)s->table[QUERIES].rows, k = (size_t)o->neighbours;
  snprintf(m->name, sizeof m->name, "%s", name);
  m->features = features;
  FD_TRY(fd_alloc(&m->index, rows * k, sizeof *m->index, "nearest neighbours"));
  FD_TRY(fd_alloc(&m->cosine, rows * k, sizeof *m->cosine, "nearest neighbours"));
  FD_TRY(fd_alloc(&m->predicted, rows, sizeof *m->predicted, "nearest neighbours"));
  FD_TRY(fd_neighbours_find(s->dev, vectors[KEYS], vectors[QUERIES], (int)k, m->index, m->cosine));
  for (size_t i = 0; i < rows; i++) m->predicted[i] = fd_neighbours_vote(m->index + i * k, (int)k, s->table[KEYS].label);
  return fd_scores_of((int)rows, s->table[QUERIES].label, m->predicted, s->classes, &m->scores);
}

static fd_status search_encoder(const options *o, searching *s, const fd_encoder *encoder) {
  fd_vectors vectors[2] = {{0}, {0}};
  float *values[2] = {NULL, NULL};
  fd_status status = FD_OK;
  for (int f = 0; f < 2; f++) {
    vectors[f] = (fd_vectors){NULL, s->table[f].rows, fd_features_width(encoder->network, (fd_features)o->features)};
    FD_GO(fd_alloc(&values[f], (size_t)vectors[f].rows * (size_t)vectors[f].width, sizeof(float), "embeddings"));
    FD_GO(fd_features_compute(encoder, (fd_features)o->features, &s->table[f], fd_comm_self(), values[f]));
    vectors[f].at = values[f];
  }
  FD_GO(search(o, s, encoder->name, fd_features_names[o->features], vectors));
done:
  free(values[KEYS]);
  free(values[QUERIES]);
  return status;
}

/* Searches with the same network and random weights. */
static fd_status search_untrained(const options *o, searching *s, fd_encoder encoder) {
  float *params;
  FD_TRY(fd_alloc(&params, encoder.network->params.size, sizeof *params, "an untrained encoder"));
  fd_params_init(&encoder.network->params, (uint64_t)s->model.config.run.seed, params);
  encoder.params = params, encoder.name = "untrained";
  fd_status status = search_encoder(o, s, &encoder);
  free(params);
  return status;
}

static fd_status search_kmers(const options *o, searching *s) {
  fd_vectors vectors[2] = {{0}, {0}};
  float *values[2] = {NULL, NULL};
  fd_status status = FD_OK;
  for (int f = 0; f < 2; f++) {
    FD_GO(fd_kmers_dense(&s->table[f], (int)o->kmer, &values[f]));
    vectors[f] = (fd_vectors){values[f], s->table[f].rows, 1 << 2 * (int)o->kmer};
  }
  FD_GO(search(o, s, "kmer", "counts", vectors));
done:
  free(values[KEYS]);
  free(values[QUERIES]);
  return status;
}

/* --- results --------------------------------------------------------------------------------------------------------- */

static void cell(FILE *out, const char *name) { fd_cell(out, name, strlen(name), 0); }

static void print_label(FILE *out, const searching *s, int label) {
  if (s->names.count) cell(out, s->names.name[label]);
  else fprintf(out, "%d", label);
}

/* Writes the predictions of the first method, the encoder's, a line per query. */
static fd_status write_predictions(const options *o, const searching *s) {
  const fd_table *keys = &s->table[KEYS], *queries = &s->table[QUERIES];
  const method *m = &s->method[0];
  char *text = NULL, room[FD_TABLE_ID];
  size_t bytes;
  FILE *out;
  FD_TRY(fd_text_open(&out, &text, &bytes));
  fprintf(out, "query\tlabel\tpredicted\tnearest\tcosine\n");
  for (int i = 0; i < queries->rows; i++) {
    size_t nearest = (size_t)i * (size_t)o->neighbours;
    cell(out, fd_table_id(queries, i, room));
    fputc('\t', out), print_label(out, s, queries->label[i]);
    fputc('\t', out), print_label(out, s, m->predicted[i]);
    fputc('\t', out);
    cell(out, fd_table_id(keys, m->index[nearest], room));
    fprintf(out, "\t%.6g\n", (double)m->cosine[nearest]);
  }
  FD_TRY(fd_text_close(out, &text));
  fd_status status = fd_write_file(o->predictions, text, bytes);
  free(text);
  return status;
}

static fd_status write_json(const options *o, const searching *s) {
  json_t *results = json_array();
  for (int i = 0; i < s->methods; i++) {
    const method *m = &s->method[i];
    fd_json_append(&results, json_pack("{s:s, s:s, s:f, s:f, s:f, s:f}", "name", m->name, "features", m->features, "accuracy",
                                       m->scores.accuracy, "balanced_accuracy", m->scores.balanced, "f1", m->scores.f1, "mcc",
                                       m->scores.mcc));
  }
  json_t *root = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:I, s:I, s:o}", "version", fd_version(),
                           "checkpoint", s->model.info.folder, "state_id", s->model.info.state_id, "keys", o->file[KEYS],
                           "queries", o->file[QUERIES], "label", o->column, "key_rows", s->table[KEYS].rows, "query_rows",
                           s->table[QUERIES].rows, "classes", s->classes, "queries_without_key", s->absent, "neighbours",
                           (json_int_t)o->neighbours, "kmer", (json_int_t)o->kmer, "results", results);
  fd_status status = fd_json_write(o->output, root);
  json_decref(root);
  return status;
}

static void print_table(const options *o, const searching *s) {
  fd_print("checkpoint  %s\n", s->model.info.folder);
  fd_print("keys        %s (%d rows)\n", o->file[KEYS], s->table[KEYS].rows);
  fd_print("queries     %s (%d rows), %d classes of '%s' in both files\n", o->file[QUERIES], s->table[QUERIES].rows, s->classes,
           o->column);
  printf("            %d queries have a label that no key has\n\n", s->absent);
  printf("%-10s %-8s  %10s  %19s  %10s  %8s\n", "encoder", "features", "accuracy %", "balanced accuracy %", "macro F1 %", "MCC");
  for (int i = 0; i < s->methods; i++) {
    const method *m = &s->method[i];
    printf("%-10s %-8s  %10.2f  %19.2f  %10.2f  %8.4f\n", m->name, m->features, 100 * m->scores.accuracy,
           100 * m->scores.balanced, 100 * m->scores.f1, m->scores.mcc);
  }
}

/* Checks, before anything is computed, that a model over ids can read all rows. */
static fd_status check_words(const options *o, const searching *s) {
  int most = 0;
  for (int f = 0; f < 2 && s->model.tokenizer; f++)
    FD_TRY(fd_rows_check_words(&s->table[f], s->model.tokenizer, s->model.network->positions, o->file[f], &most));
  return FD_OK;
}

static fd_status check_places(const options *o) {
  const char *const written[] = {o->output, o->predictions};
  for (int i = 0; i < 2; i++) {
    FD_TRY(fd_check_output_place(written[i]));
    for (int f = 0; f < 2; f++) FD_TRY(fd_check_output(written[i], o->file[f]));
  }
  return fd_check_outputs_differ(o->output, o->predictions);
}

static fd_status knn(fd_comm *comm, const options *o, searching *s) {
  fd_encoder encoder;
  FD_TRY(check_places(o));
  FD_TRY(read_rows(o, s));
  FD_TRY(fd_pretrained_open(&s->model, o->checkpoint, &o->use, comm));
  FD_TRY(fd_pretrained_encoder(&s->model, o->use.encoder, &encoder));
  FD_TRY(fd_features_check(&encoder, (fd_features)o->features));
  FD_TRY(check_words(o, s));
  fd_config config = s->model.config;
  config.device.kind = FD_DEVICE_CPU;
  FD_TRY(fd_rank_device_open(&s->dev, &config, comm));
  FD_TRY(search_encoder(o, s, &encoder));
  if (o->untrained) FD_TRY(search_untrained(o, s, encoder));
  if (o->kmers) FD_TRY(search_kmers(o, s));
  print_table(o, s);
  if (o->output) FD_TRY(write_json(o, s));
  return o->predictions ? write_predictions(o, s) : FD_OK;
}

fd_status fd_command_knn(fd_comm *comm, int argc, char **argv) {
  options o = {.column = "label", .neighbours = 1, .kmer = 5, .features = FD_FEATURES_TOKENS, .use = {.encoder = -1}};
  int helped;
  FD_TRY(read_options(argc, argv, &o, &helped));
  if (helped) return FD_OK;
  searching *s;
  FD_TRY(fd_alloc(&s, 1, sizeof *s, "nearest neighbours"));
  fd_status status = knn(comm, &o, s);
  for (int i = 0; i < s->methods; i++) free(s->method[i].index), free(s->method[i].predicted), free(s->method[i].cosine);
  for (int f = 0; f < 2; f++) fd_table_free(&s->table[f]);
  fd_class_names_free(&s->names);
  fd_pretrained_close(&s->model);
  fd_device_close(&s->dev);
  free(s);
  return status;
}
