/* Times a model's forward passes over rows of a table. */
#include "tasks/speed.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "comm/comm.h"
#include "data/rows.h"

/* Finds the number of tokens of the longest row. */
static fd_status most_tokens(fd_speed *s, const char *path, int *most) {
  *most = fd_rows_longest(s->table) + fd_config_cls(&s->model.config);
  if (!s->encoder.tokenizer) return FD_OK;
  *most = 0;
  FD_TRY(fd_rows_check_words(s->table, s->encoder.tokenizer, s->encoder.network->positions, path, most));
  return fd_tokens_create(&s->words, s->encoder.tokenizer, fd_rows_longest(s->table));
}

fd_status fd_speed_open(fd_speed *s, const char *path, const fd_use *use, const fd_table *table, int count) {
  int most, cls, width;
  s->table = table;
  FD_TRY(fd_pretrained_open(&s->model, path, use, fd_comm_self()));
  FD_TRY(fd_pretrained_encoder(&s->model, use->encoder, &s->encoder));
  FD_TRY(most_tokens(s, path, &most));
  const fd_network *net = s->encoder.network;
  cls = s->encoder.tokenizer ? 0 : fd_config_cls(&s->model.config);
  s->output = net->task.outputs ? FD_OUT_TASK : FD_OUT_LATENT;
  width = net->out[s->output].width;
  const fd_beside beside = {.tokens = most, .cls = cls, .ids = s->encoder.tokenizer != NULL};
  const fd_extent extent = {count * most, count, cls};
  FD_TRY(fd_alloc(&s->result, (size_t)count * (size_t)(net->task.outputs ? 1 : most) * (size_t)width, sizeof *s->result,
                  "a result"));
  FD_TRY(fd_view_create(&s->view, s->model.dev, &beside, count));
  FD_TRY(fd_frozen_create(&s->frozen, s->model.dev, net, s->encoder.params, 1u << s->output, extent));
  for (int i = 0; i < net->params.count; i++)
    if (!fd_param_is_running(&net->params.item[i])) s->parameters += (double)net->params.item[i].size;
  return FD_OK;
}

void fd_speed_close(fd_speed *s) {
  fd_frozen_destroy(&s->frozen);
  fd_view_destroy(&s->view);
  fd_tokens_free(&s->words);
  free(s->result);
  fd_pretrained_close(&s->model);
}

static void put_row(fd_speed *s, int i, int row) {
  const uint8_t *symbols = s->table->symbols + s->table->start[row];
  int length = (int)(s->table->start[row + 1] - s->table->start[row]);
  if (!s->encoder.tokenizer) {
    fd_view_put_letters(s->view, i, symbols, length);
    return;
  }
  int n = (int)fd_tokenizer_encode(s->encoder.tokenizer, symbols, length, 0, &s->words);
  if (fd_tokenizer_padding(s->encoder.tokenizer, s->words.ids, n, s->view->hidden + s->view->seqs.start[i]))
    s->view->seqs.hidden = s->view->hidden;
  fd_view_put_ids(s->view, i, s->words.ids, n);
}

fd_status fd_speed_batch(fd_speed *s, int first, int count, double *seconds) {
  const fd_network *net = s->encoder.network;
  double start = fd_seconds();
  for (int i = 0; i < count; i++) put_row(s, i, (first + i) % s->table->rows);
  FD_TRY(fd_view_send(s->view, count));
  FD_TRY(fd_frozen_take(s->frozen, s->view));
  fd_frozen_forward(s->frozen);
  int rows = s->output == FD_OUT_TASK ? count : fd_seqs_rows(&s->view->seqs);
  FD_TRY(fd_mat_read(s->model.dev, fd_frozen_output(s->frozen, s->output), 0, rows, net->out[s->output].width, s->result));
  *seconds = fd_seconds() - start;
  return FD_OK;
}
