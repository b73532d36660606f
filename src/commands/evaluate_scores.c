/* Scores of fine-tunings on the test rows and on further test rows over the seeds, in addition to the measure of the task. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/printable.h"
#include "base/spread.h"
#include "commands/evaluate_results.h"
#include "tasks/scores.h"

static const char *const keys[FD_EVALUATION_SCORES] = {"accuracy", "balanced_accuracy", "mcc", "auroc", "auprc"};
static const char *const names[FD_EVALUATION_SCORES] = {"accuracy", "balanced", "MCC", "AUROC", "AUPRC"};

double fd_evaluation_number(const json_t *object, const char *key) {
  const json_t *value = json_object_get(object, key);
  return json_is_number(value) ? json_number_value(value) : NAN;
}

/* Finds or adds the set of these rows; NULL if all FD_EVALUATION_SETS are in use. */
static fd_status find_set(fd_evaluation_row *r, const char *rows, fd_evaluation_set **set) {
  *set = NULL;
  for (int i = 0; i < r->sets; i++)
    if (!strcmp(r->set[i].rows, rows)) return *set = &r->set[i], FD_OK;
  if (r->sets == FD_EVALUATION_SETS) return FD_OK;
  *set = &r->set[r->sets];
  if (!((*set)->rows = strdup(rows))) return fd_fail(FD_MEMORY, "no memory for scores");
  r->sets++;
  return FD_OK;
}

static fd_status take_set(fd_evaluation_row *r, const char *rows, const json_t *from) {
  const json_t *scores = json_object_get(from, "test_scores"), *constant = json_object_get(from, "constant");
  fd_evaluation_set *set;
  if (!json_is_number(json_object_get(scores, keys[0]))) return FD_OK;
  FD_TRY(find_set(r, rows, &set));
  if (!set || set->seeds == FD_EVALUATION_SEEDS) return FD_OK;
  set->count = fd_evaluation_whole(from, "test_rows");
  for (int i = 0; i < FD_EVALUATION_SCORES; i++) {
    set->constant[i] = fd_evaluation_number(constant, keys[i]);
    set->value[i][set->seeds] = fd_evaluation_number(scores, keys[i]);
  }
  set->seeds++;
  return FD_OK;
}

fd_status fd_evaluation_take_scores(fd_evaluation_row *r, const json_t *root) {
  const json_t *also = json_object_get(root, "also");
  if (!root) return FD_OK;
  if (!r->set) FD_TRY(fd_alloc(&r->set, FD_EVALUATION_SETS, sizeof *r->set, "scores"));
  FD_TRY(take_set(r, "test rows", root));
  for (size_t i = 0; i < json_array_size(also); i++) {
    const json_t *from = json_array_get(also, i);
    const char *file = json_string_value(json_object_get(from, "test"));
    if (file) FD_TRY(take_set(r, file, from));
  }
  return FD_OK;
}

/* Reads one set. A score without values is undefined in all seeds. */
static fd_status read_set(fd_evaluation_row *r, const json_t *item) {
  const char *rows = json_string_value(json_object_get(item, "rows"));
  const json_t *constant = json_object_get(item, "constant");
  fd_evaluation_set *set;
  if (!rows) return FD_OK;
  FD_TRY(find_set(r, rows, &set));
  if (!set || set->seeds) return FD_OK;
  set->count = fd_evaluation_whole(item, "count");
  for (int i = 0; i < FD_EVALUATION_SCORES; i++) {
    const json_t *values = json_object_get(json_object_get(item, keys[i]), "values");
    int seeds = json_array_size(values) < FD_EVALUATION_SEEDS ? (int)json_array_size(values) : FD_EVALUATION_SEEDS;
    set->constant[i] = fd_evaluation_number(constant, keys[i]);
    if (seeds > set->seeds) set->seeds = seeds;
    for (int n = 0; n < FD_EVALUATION_SEEDS; n++)
      set->value[i][n] = n < seeds ? json_number_value(json_array_get(values, (size_t)n)) : NAN;
  }
  return FD_OK;
}

fd_status fd_evaluation_read_scores(fd_evaluation_row *r, const json_t *result) {
  const json_t *sets = json_object_get(result, "scores");
  if (!json_array_size(sets)) return FD_OK;
  if (!r->set) FD_TRY(fd_alloc(&r->set, FD_EVALUATION_SETS, sizeof *r->set, "scores"));
  for (size_t i = 0; i < json_array_size(sets); i++) FD_TRY(read_set(r, json_array_get(sets, i)));
  return FD_OK;
}

void fd_evaluation_free_scores(fd_evaluation_row *r) {
  for (int i = 0; i < r->sets; i++) free(r->set[i].rows);
  free(r->set);
  r->set = NULL, r->sets = 0;
}

void fd_evaluation_compare_scores(fd_evaluation_row *r, const fd_evaluation_row *other, int64_t seeds) {
  for (fd_evaluation_set *set = r->set; set < r->set + r->sets; set++)
    for (int k = 0; k < other->sets; k++) {
      const fd_evaluation_set *with = &other->set[k];
      double above[FD_EVALUATION_SEEDS];
      if (strcmp(set->rows, with->rows) || set->seeds != seeds || with->seeds != seeds) continue;
      for (int i = 0; i < FD_EVALUATION_SCORES; i++) {
        for (int n = 0; n < set->seeds; n++) above[n] = set->value[i][n] - with->value[i][n];
        fd_mean_sd(above, set->pairs = set->seeds, 1, &set->above[i], &set->spread[i]);
      }
    }
}

static double mean_of(const fd_evaluation_set *set, int i, double *sd) {
  double mean;
  fd_mean_sd(set->value[i], set->seeds, 1, &mean, sd);
  return mean;
}

void fd_evaluation_print_scores(const fd_evaluation_row *r, const char *versus) {
  for (const fd_evaluation_set *set = r->set; set < r->set + r->sets; set++) {
    double sd;
    char room[FD_SPREAD];
    fd_print("    %s:", set->rows);
    for (int i = 0; i < FD_EVALUATION_SCORES; i++) {
      double mean = mean_of(set, i, &sd);
      if (isnan(mean)) printf("%s %s -", i ? "," : "", names[i]);
      else printf("%s %s %.2f%s", i ? "," : "", names[i], 100 * mean, fd_spread(room, 100 * sd, 2, 0));
      if (set->pairs && !isnan(set->above[i]))
        printf(" (%+.2f%s)", 100 * set->above[i], fd_spread(room, 100 * set->spread[i], 2, 0));
    }
    if (!isnan(set->constant[0])) printf("; always the most frequent class: accuracy %.2f", 100 * set->constant[0]);
    printf("\n");
  }
  if (r->sets && r->set->pairs) fd_print("    (in brackets: differences from %s, seed by seed)\n", versus);
}

static json_t *json_of_score(const fd_evaluation_set *set, int i) {
  double sd, mean = mean_of(set, i, &sd);
  json_t *values = json_array(), *score;
  if (isnan(mean)) {
    json_decref(values);
    return NULL;
  }
  for (int n = 0; n < set->seeds; n++) fd_json_append(&values, json_real(set->value[i][n]));
  score = json_pack("{s:f, s:o}", "mean", mean, "values", values);
  fd_json_set_defined(&score, "sd", sd);
  if (set->pairs && !isnan(set->above[i])) {
    json_t *above = json_pack("{s:f, s:i}", "mean", set->above[i], "pairs", set->pairs);
    fd_json_set_defined(&above, "sd", set->spread[i]);
    fd_json_set(&score, "above", above);
  }
  return score;
}

json_t *fd_evaluation_scores_json(const fd_evaluation_row *r) {
  json_t *list = json_array();
  for (const fd_evaluation_set *set = r->set; set < r->set + r->sets; set++) {
    json_t *item = json_pack("{s:s, s:i}", "rows", set->rows, "count", set->count), *constant = json_object();
    for (int i = 0; i < FD_EVALUATION_SCORES; i++) {
      double sd;
      if (!isnan(mean_of(set, i, &sd))) fd_json_set(&item, keys[i], json_of_score(set, i));
      if (!isnan(set->constant[i])) fd_json_set(&constant, keys[i], json_real(set->constant[i]));
    }
    fd_json_set(&item, "constant", constant);
    fd_json_append(&list, item);
  }
  return list;
}
