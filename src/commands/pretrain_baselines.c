/* Scores count-based baselines on the masked positions of the evaluation of a pretraining. */
#include "commands/pretrain_baselines.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "tasks/context.h"
#include "tasks/word_tables.h"

_Static_assert((int)FD_CONTEXTS_MAX == (int)FD_CONTEXT_REACH + 1, "eval.contexts lists reaches that a table may have");

/* Marks the nucleotides that an evaluation hides; mask: [count, length]. */
static void mark_hidden(const fd_baselines *b, const fd_windows *held_out, uint8_t *mask) {
  for (int64_t w = 0; w < held_out->count; w++) {
    uint8_t *hidden = mask + w * held_out->length;
    if (fd_config_hides(b->config)) (void)fd_hider_held_out(b->hider, held_out, w, b->hider->current.ids, hidden);
    else fd_held_out_mask(b->config, held_out, w, hidden);
  }
}

static fd_status score_context_table(const fd_baselines *b, const fd_windows *held_out, const uint8_t *mask, int reach) {
  fd_context_table *table;
  double loss, accuracy;
  int64_t masked;
  FD_TRY(fd_context_table_fit(&table, b->train, reach));
  fd_status status = fd_context_table_score(table, held_out, mask, &loss, &accuracy, &masked);
  fd_context_table_free(&table);
  if (status != FD_OK) return status;
  fd_info("baseline: counts with %s%d neighbours: held-out loss %.4f nats, accuracy %.2f %%", reach ? "±" : "", reach, loss,
          100 * accuracy);
  fd_metrics_step(b->metrics, "context", 0, 4, (const char *const[]){"reach", "loss", "accuracy", "masked"},
                  (const double[]){reach, loss, accuracy, (double)masked});
  return FD_OK;
}

/* Root only: scores count-based baselines, fitted on the training windows only, on the masked positions of the evaluation. */
static fd_status score_context_tables(const fd_baselines *b) {
  int reach[FD_CONTEXTS_MAX], count = fd_config_contexts(b->config, reach);
  fd_windows held_out = *b->held_out;
  uint8_t *mask;
  if (held_out.count > b->config->eval.windows) held_out.count = b->config->eval.windows;
  if (held_out.count == 0 || count <= 0) return FD_OK;
  FD_TRY(fd_alloc(&mask, (size_t)held_out.count * (size_t)held_out.length, 1, "context tables"));
  mark_hidden(b, &held_out, mask);
  fd_status status = FD_OK;
  for (int i = 0; i < count && status == FD_OK; i++) status = score_context_table(b, &held_out, mask, reach[i]);
  free(mask);
  return status;
}

/* Number of word tables that apply: 1 for any tokenizer of words, all 3 for k-mers of a length for which the letters on either
 * side of a word are known. */
static int count_tables(const fd_config *c) {
  if (c->model.tokenizer != FD_TOKENIZER_KMER) return 1;
  if (c->model.kmer <= FD_TABLE_LETTERS && c->model.kmer >= 2 * FD_TABLE_REACH) return 3;
  fd_info("no count-based baselines: word tables need model.kmer from %d to %d", 2 * FD_TABLE_REACH, FD_TABLE_LETTERS);
  return 0;
}

/* The same for hidden words. In metrics, `reach` is the number of letters known on either side, and -1 for the table by place. */
static fd_status score_word_tables(const fd_baselines *b) {
  static const struct {
    fd_table_given given;
    double reach;
    const char *name;
  } tables[] = {{FD_TABLE_ALONE, 0, "words"},
                {FD_TABLE_PLACE, -1, "words at each place"},
                {FD_TABLE_BESIDE, FD_TABLE_REACH, "words with ±2 letters"}};
  fd_status status = FD_OK;
  int count = b->held_out->count ? count_tables(b->config) : 0;
  for (int i = 0; i < count && status == FD_OK; i++) {
    fd_word_table *table = NULL;
    fd_word_score s;
    status = fd_word_table_fit(&table, b->hider, tables[i].given);
    if (status == FD_OK) status = fd_word_table_score(table, b->hider, b->held_out, b->config->eval.windows, &s);
    if (status == FD_OK) {
      fd_info("baseline: counts of %s: held-out loss %.4f nats, accuracy %.2f %%", tables[i].name, s.loss, 100 * s.accuracy);
      fd_metrics_step(b->metrics, "context", 0, 4, (const char *const[]){"reach", "loss", "accuracy", "masked"},
                      (const double[]){tables[i].reach, s.loss, s.accuracy, (double)s.words});
    }
    fd_word_table_free(&table);
  }
  return status;
}

fd_status fd_pretrain_baselines(const fd_baselines *b) {
  int words = fd_config_hides(b->config) && b->config->model.tokenizer != FD_TOKENIZER_LETTERS;
  return words ? score_word_tables(b) : score_context_tables(b);
}
