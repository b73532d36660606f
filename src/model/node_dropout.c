/* Node kind `dropout`: sets random entries to zero in training. */
#include "model/nodes.h"

static void keeps(const fd_node *node, fd_keep *keep) { (void)node, (void)keep; }

/* Masks are drawn again in the backward pass. Outside of training nothing is dropped. */
static void drop(const fd_node *node, const fd_pass *pass, fd_mat x, fd_mat y) {
  const fd_dropout_settings *s = node->own;
  const fd_spaces *spaces = pass->spaces;
  fd_space space = node->out.space;
  pass->dev->ops.dropout_rows(pass->dev, spaces->of[space], fd_spaces_moved(spaces, space), node->out.width,
                              pass->training ? s->rate : 0, s->key, s->layer, x, y);
}

static void forward(const fd_node *node, const fd_pass *pass, const fd_mats *m) { drop(node, pass, m->in[0], m->out); }

static void backward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  if (m->din[0].at) drop(node, pass, m->dout, m->din[0]);
}

const fd_node_kind fd_node_dropout = {
    .name = "dropout", .own = sizeof(fd_dropout_settings), .keeps = keeps, .forward = forward, .backward = backward};

fd_value fd_dropout(fd_graph *graph, const char *name, fd_value x, const fd_dropout_settings *settings) {
  return fd_graph_add(graph, &fd_node_dropout, name, settings, (const fd_value[FD_INPUTS]){x, FD_NONE, FD_NONE},
                      (fd_room){x.space, x.width, fd_graph_dense(graph, x)});
}

fd_value fd_train_dropout(fd_graph *graph, const char *name, fd_value x, const fd_config *config, int number) {
  const fd_dropout_settings settings = {(float)fd_config_dropout(config),
                                        fd_rng_key_of((uint64_t)config->run.seed, FD_RNG_DROPOUT), number};
  return settings.rate > 0 ? fd_dropout(graph, name, x, &settings) : x;
}
