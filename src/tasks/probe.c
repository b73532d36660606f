/* Runs the linear probe on encoders and baselines. */
#include "tasks/probe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "tasks/joined.h"
#include "tasks/scores.h"
#include "tasks/whiten.h"

/* Descending, so that each fit starts near the solution of the previous one. */
const double fd_probe_lambdas[FD_PROBE_LAMBDAS] = {1, 1e-1, 1e-2, 1e-3, 1e-4};

fd_status fd_probe_split(int rows, uint64_t seed, double share, int *order, int *held_out) {
  fd_rng_key key = fd_rng_key_of(seed, FD_RNG_PROBE);
  for (int i = 0; i < rows; i++) order[i] = i;
  for (int i = rows - 1; i > 0; i--) {
    uint32_t word[4];
    fd_philox(word, key, 0, (uint64_t)i);
    int other = (int)fd_below(word[0], (uint32_t)i + 1), mine = order[i];
    order[i] = order[other];
    order[other] = mine;
  }
  *held_out = (int)lround(share * rows);
  if (*held_out >= 1 && *held_out < rows) return FD_OK;
  return fd_fail(FD_DATA,
                 "%d training rows are too few to hold out a share of %g of them for selection; give more, or another share",
                 rows, share);
}

fd_status fd_probe_select(const fd_design *train, const int *label, int classes, const int *order, int held_out, double *lambda,
                          double *loss) {
  fd_logistic *model;
  FD_TRY(fd_logistic_create(&model, classes, train->dims));
  fd_status status = FD_OK;
  *loss = INFINITY;
  for (int i = 0; i < FD_PROBE_LAMBDAS; i++) {
    double here;
    FD_GO(fd_logistic_fit(model, train, label, order + held_out, train->rows - held_out, fd_probe_lambdas[i], NULL));
    FD_GO(fd_logistic_loss(model, train, label, order, held_out, &here));
    if (!(here < *loss)) continue;
    *loss = here;
    *lambda = fd_probe_lambdas[i];
  }
  if (!isfinite(*loss)) status = fd_fail(FD_NUMERIC, "no lambda yields a finite loss on the held-out training rows");
done:
  fd_logistic_free(&model);
  return status;
}

static int is_many(const fd_probe_task *task) { return task->train->classes > FD_CLASSES_EXACT; }

/* Chooses lambda, or for many classes the number of epochs, on held-out training rows. */
static fd_status choose(const fd_probe_options *o, const fd_probe_task *task, const fd_design *train, int seed,
                        fd_probe_score *score) {
  const int *label = task->train->label;
  int *order, held_out, classes = task->train->classes, epochs = 0;
  double *loss = &score->selection_loss;
  FD_TRY(fd_alloc(&order, (size_t)train->rows, sizeof *order, "the split of a probe"));
  fd_status status = fd_probe_split(train->rows, (uint64_t)seed, o->selection, order, &held_out);
  if (status == FD_OK)
    status = is_many(task) ? fd_softmax_select(task->cpu, train, label, classes, order, held_out, (uint64_t)seed, &epochs, loss)
                           : fd_probe_select(train, label, classes, order, held_out, &score->lambda, loss);
  score->epochs = epochs;
  free(order);
  return status;
}

/* Fits all training rows with the chosen lambda and computes the logits of the test rows. */
static fd_status fit_exactly(const fd_probe_task *task, const fd_design *train, const fd_design *test, double lambda,
                             double *odds) {
  fd_logistic *model = NULL;
  fd_status status = FD_OK;
  FD_GO(fd_logistic_create(&model, task->train->classes, train->dims));
  FD_GO(fd_logistic_fit(model, train, task->train->label, NULL, train->rows, lambda, NULL));
  FD_GO(fd_logistic_predict(model, test, odds));
done:
  fd_logistic_free(&model);
  return status;
}

/* Fits all training rows with the chosen lambda or epochs and scores the test rows. */
static fd_status finish(const fd_probe_task *task, const fd_design *train, const fd_design *test, int seed, fd_probe_item *item) {
  fd_probe_score *score = &item->score[seed];
  fd_scores s;
  fd_areas areas;
  int *predicted, classes = task->train->classes;
  double *odds = NULL;
  fd_status status = FD_OK;
  FD_TRY(fd_alloc(&predicted, (size_t)test->rows, sizeof *predicted, "predictions"));
  score->auroc = score->auprc = NAN;
  if (is_many(task)) {
    FD_GO(
        fd_softmax_classify(task->cpu, train, task->train->label, classes, test, (uint64_t)seed, (int)score->epochs, predicted));
  } else {
    FD_GO(fd_alloc(&odds, (size_t)test->rows * (size_t)classes, sizeof *odds, "predictions"));
    FD_GO(fit_exactly(task, train, test, score->lambda, odds));
    FD_GO(fd_areas_of(test->rows, task->test->label, odds, classes, &areas)); /* refuses NaN */
    score->auroc = areas.roc, score->auprc = areas.precision;
    fd_likeliest(test->rows, odds, classes, predicted);
  }
  FD_GO(fd_scores_of(test->rows, task->test->label, predicted, classes + task->unknown, &s));
  score->accuracy = s.accuracy, score->f1 = s.f1, score->mcc = s.mcc;
  score->dims = train->dims;
  if (seed == 0) item->test = odds, odds = NULL;
done:
  free(predicted);
  free(odds);
  return status;
}

/* The seeds of an item are distributed over the ranks; a rank leaves the scores of other ranks' seeds at zero. */
static int is_mine(const fd_probe_task *task, int seed) { return seed % task->comm->size == task->comm->rank; }

/* Projects the test rows on the first two principal components. */
static fd_status take_plane(const fd_whitening *whitening, const float *raw, int rows, fd_probe_item *item) {
  FD_TRY(fd_alloc(&item->plane, (size_t)rows * 2, sizeof *item->plane, "principal components"));
  fd_whitening_plane(whitening, raw, rows, item->plane);
  memcpy(item->share, whitening->share, sizeof item->share);
  return FD_OK;
}

/* Computes the whitened features of both tables, and `item`'s plane unless it is there. */
static fd_status whitened_features(const fd_probe_options *o, const fd_probe_task *task, const fd_encoder *encoder,
                                   fd_design *train, fd_design *test, fd_probe_item *item) {
  const fd_table *table[2] = {task->train, task->test};
  fd_design *design[2] = {train, test};
  fd_whitening *whitening = NULL;
  float *raw = NULL;
  fd_status status = FD_OK;
  for (int i = 0; i < 2; i++) {
    int width = fd_features_width(encoder->network, o->features);
    double *white = NULL;
    FD_GO(fd_alloc(&raw, (size_t)table[i]->rows * (size_t)width, sizeof *raw, "features"));
    FD_GO(fd_features_compute(encoder, o->features, table[i], task->comm, raw));
    if (i == 0) FD_GO(fd_whitening_fit(&whitening, raw, table[i]->rows, width));
    if (i == 0)
      fd_info("%s: %d %s features, %d directions after whitening", encoder->name, width, fd_features_names[o->features],
              whitening->kept);
    FD_GO(fd_alloc(&white, (size_t)table[i]->rows * (size_t)whitening->kept, sizeof *white, "features"));
    *design[i] = (fd_design){.rows = table[i]->rows, .dims = whitening->kept, .dense = white};
    FD_GO(fd_whitening_apply(whitening, raw, table[i]->rows, white));
    if (i == 1 && !item->plane && task->comm->rank == 0) FD_GO(take_plane(whitening, raw, table[i]->rows, item));
    free(raw);
    raw = NULL;
  }
done:
  free(raw);
  fd_whitening_free(&whitening);
  return status;
}

/* The designs of one k: k-mer counts, joined with the features of an encoder where there are some. */
typedef struct counted {
  fd_sparse *kmers;
  fd_sparse *joined;
  const fd_design *train, *test;
} counted;

static fd_status count(const fd_probe_task *task, const fd_design *features, int k, counted *c) {
  *c = (counted){NULL, NULL, NULL, NULL};
  FD_TRY(fd_kmers_create(&c->kmers, task->train, task->test, k));
  c->train = &c->kmers->train, c->test = &c->kmers->test;
  if (!features) return FD_OK;
  FD_TRY(fd_joined_create(&c->joined, features, c->kmers));
  c->train = &c->joined->train, c->test = &c->joined->test;
  return FD_OK;
}

static void free_counted(counted *c) {
  fd_sparse_free(&c->joined);
  fd_sparse_free(&c->kmers);
}

/* One seed with k-mers: k and lambda together by the split, then the test rows once. features: [2], of the training and the test
 * rows, to be joined with the counts; NULL: the baseline. */
static fd_status probe_kmers(const fd_probe_options *o, const fd_probe_task *task, const fd_design *features, int seed,
                             fd_probe_item *item) {
  fd_probe_score *score = &item->score[seed];
  counted c;
  score->selection_loss = INFINITY;
  for (int i = 0; i < o->ks; i++) {
    fd_probe_score here = {.k = o->k[i]};
    fd_status status = count(task, features, o->k[i], &c);
    if (status == FD_OK) status = choose(o, task, c.train, seed, &here);
    free_counted(&c);
    FD_TRY(status);
    fd_progress(0, "%s: seed %d, k = %d: loss %.4f on the held-out training rows", item->name, seed, o->k[i],
                here.selection_loss);
    if (here.selection_loss < score->selection_loss) *score = here;
  }
  fd_status status = count(task, features, (int)score->k, &c);
  if (status == FD_OK) status = finish(task, c.train, c.test, seed, item);
  free_counted(&c);
  return status;
}

/* Probes an encoder with the seeds first .. last-1, into `item`; and its features joined with k-mer counts, into `joined` (NULL:
 * not wanted). whitened_features is collective. */
static fd_status probe_encoder(const fd_probe_options *o, const fd_probe_task *task, const fd_encoder *encoder, int first,
                               int last, fd_probe_item *item, fd_probe_item *joined) {
  fd_design design[2] = {0}; /* of the training and the test rows */
  fd_status status = whitened_features(o, task, encoder, &design[0], &design[1], item);
  item->features = fd_features_names[o->features];
  for (int seed = first; seed < last && status == FD_OK; seed++) {
    fd_probe_score *score = &item->score[seed];
    if (!is_mine(task, seed)) continue;
    status = choose(o, task, &design[0], seed, score);
    if (status == FD_OK) status = finish(task, &design[0], &design[1], seed, item);
    if (status == FD_OK && joined) status = probe_kmers(o, task, design, seed, joined);
  }
  for (int i = 0; i < 2; i++) free((double *)design[i].dense);
  return fd_comm_agree(task->comm, status);
}

static fd_status probe_untrained(const fd_probe_options *o, const fd_probe_task *task, fd_probe_item *item,
                                 fd_probe_item *joined) {
  float *params;
  fd_status status = FD_OK;
  fd_encoder encoder = *task->untrained;
  FD_TRY(fd_alloc(&params, encoder.network->params.size, sizeof *params, "an untrained encoder"));
  encoder.params = params;
  for (int seed = 0; seed < o->seeds && status == FD_OK; seed++) {
    fd_params_init(&encoder.network->params, o->run_seed + (uint64_t)seed, params);
    status = probe_encoder(o, task, &encoder, seed, seed + 1, item, joined);
  }
  free(params);
  return status;
}

static fd_status check_tables(const fd_probe_task *task) {
  if (task->train->classes < 2)
    return fd_fail(FD_DATA, "the training rows have one class only: there is nothing to learn; expected at least two labels");
  if (task->test->classes > task->train->classes + task->unknown)
    return fd_fail(FD_DATA, "the test rows have the label %d, which no training row has; expected 0 to %d",
                   task->test->classes - 1, task->train->classes - 1);
  return FD_OK;
}

static fd_probe_item *add_item(fd_probe_result *result, const char *name) {
  fd_probe_item *item = &result->item[result->items++];
  snprintf(item->name, sizeof item->name, "%s", name);
  return item;
}

static fd_probe_item *add_joined(fd_probe_result *result, const char *encoder) {
  fd_probe_item *item = &result->item[result->items++];
  snprintf(item->name, sizeof item->name, "%.24s+kmer", encoder);
  item->features = "joined";
  return item;
}

/* Every score is zero on all ranks but one, so summing the bits over ranks gathers the scores exactly. */
static fd_status gather(fd_comm *comm, fd_probe_item *item, int seeds) {
  return comm->ops->sum_u64(comm, (uint64_t *)(void *)item->score, (size_t)seeds * sizeof *item->score / sizeof(uint64_t));
}

void fd_probe_result_free(fd_probe_result *result) {
  for (int i = 0; i < result->items; i++) {
    free(result->item[i].test);
    free(result->item[i].plane);
  }
  memset(result, 0, sizeof *result);
}

fd_status fd_probe_run(const fd_probe_options *options, const fd_probe_task *task, fd_probe_result *result) {
  memset(result, 0, sizeof *result);
  result->seeds = options->seeds;
  FD_TRY(check_tables(task));
  if (task->encoders || options->untrained) FD_TRY(fd_whitening_ready());
  for (int e = 0; e < task->encoders; e++) {
    FD_TRY(fd_comm_stop_asked(task->comm));
    fd_probe_item *item = add_item(result, task->encoder[e].name), *joined = NULL;
    if (options->joined) joined = add_joined(result, task->encoder[e].name);
    FD_TRY(probe_encoder(options, task, &task->encoder[e], 0, options->seeds, item, joined));
  }
  FD_TRY(fd_comm_stop_asked(task->comm));
  if (options->untrained) {
    fd_probe_item *item = add_item(result, "untrained"), *joined = options->joined ? add_joined(result, "untrained") : NULL;
    FD_TRY(probe_untrained(options, task, item, joined));
  }
  if (options->kmers) {
    fd_probe_item *item = add_item(result, "kmer");
    item->features = "kmer";
    fd_status status = FD_OK;
    for (int seed = 0; seed < options->seeds && status == FD_OK; seed++)
      if (is_mine(task, seed)) status = probe_kmers(options, task, NULL, seed, item);
    FD_TRY(fd_comm_agree(task->comm, status));
  }
  for (int i = 0; i < result->items; i++) FD_TRY(gather(task->comm, &result->item[i], options->seeds));
  return FD_OK;
}
