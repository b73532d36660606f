/* Node kind `chordmixer`: a block of a ChordMixer network, and the dropout of its output. */
#include "model/nodes.h"

enum { FC1_WEIGHT, FC1_BIAS, FC2_WEIGHT, FC2_BIAS, PARAMETERS };

typedef struct settings {
  fd_chordmixer_settings block;
  size_t at[PARAMETERS];
} settings;

static fd_status declare(fd_node *node, const char *prefix, fd_params *params) {
  settings *s = node->own;
  int channels = node->out.width, hidden = s->block.hidden;
  FD_TRY(fd_params_add(params, prefix, "fc1.weight", hidden, channels, FD_START_FAN_IN, channels, &s->at[FC1_WEIGHT]));
  FD_TRY(fd_params_add(params, prefix, "fc1.bias", hidden, 0, FD_START_FAN_IN, channels, &s->at[FC1_BIAS]));
  FD_TRY(fd_params_add(params, prefix, "fc2.weight", channels, hidden, FD_START_FAN_IN, hidden, &s->at[FC2_WEIGHT]));
  return fd_params_add(params, prefix, "fc2.bias", channels, 0, FD_START_FAN_IN, hidden, &s->at[FC2_BIAS]);
}

/* With dropout, the gradient of the dropped-out output and that of the residual need one buffer each. */
static void keeps(const fd_node *node, fd_keep *keep) {
  const settings *s = node->own;
  fd_room channels = {node->out.space, node->out.width, 0};
  keep->inputs = 1;
  if (!s->block.recompute) keep->saved[0] = (fd_room){node->out.space, s->block.hidden, 0};
  if (s->block.dropout > 0) keep->scratch[0] = keep->scratch[1] = channels;
}

static fd_mixer block_of(const fd_node *node, const float *params) {
  const settings *s = node->own;
  return (fd_mixer){node->out.width,          s->block.hidden,
                    s->block.track,           params + s->at[FC1_WEIGHT],
                    params + s->at[FC1_BIAS], params + s->at[FC2_WEIGHT],
                    params + s->at[FC2_BIAS]};
}

static int drops(const settings *s, const fd_pass *pass) { return pass->training && s->block.dropout > 0; }

static void forward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  const fd_seqs *seqs = pass->spaces->of[node->out.space];
  fd_mixer block = block_of(node, pass->params);
  pass->dev->ops.mixer_forward(pass->dev, seqs, &block, m->in[0], m->saved[0], m->out);
  if (drops(s, pass))
    pass->dev->ops.dropout_forward(pass->dev, seqs, node->out.width, s->block.dropout, s->block.key, s->block.layer, m->in[0],
                                   m->out);
}

static void backward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  const fd_seqs *seqs = pass->spaces->of[node->out.space];
  fd_device *dev = pass->dev;
  fd_mixer block = block_of(node, pass->params);
  const fd_mixer_grads grads = {pass->grads + s->at[FC1_WEIGHT], pass->grads + s->at[FC1_BIAS], pass->grads + s->at[FC2_WEIGHT],
                                pass->grads + s->at[FC2_BIAS]};
  fd_mat dout = m->dout, rest = m->scratch[1];
  if (drops(s, pass)) {
    dout = m->scratch[0];
    dev->ops.dropout_backward(dev, seqs, node->out.width, s->block.dropout, s->block.key, s->block.layer, m->dout, dout, rest);
  }
  dev->ops.mixer_backward(dev, seqs, &block, m->in[0], m->saved[0], dout, m->din[0], &grads);
  if (drops(s, pass)) dev->ops.add_rows(dev, fd_seqs_rows(seqs), m->din[0], rest, m->din[0]);
}

static double products(const fd_node *node, const double rows[FD_SPACES]) {
  return 2 * rows[node->out.space] * node->out.width * ((const settings *)node->own)->block.hidden;
}

const fd_node_kind fd_node_chordmixer = {.name = "chordmixer",
                                         .own = sizeof(settings),
                                         .declare = declare,
                                         .keeps = keeps,
                                         .forward = forward,
                                         .backward = backward,
                                         .products = products};

fd_value fd_chordmixer(fd_graph *graph, const char *name, fd_value x, const fd_chordmixer_settings *block) {
  return fd_graph_add(graph, &fd_node_chordmixer, name, &(settings){.block = *block},
                      (const fd_value[FD_INPUTS]){x, FD_NONE, FD_NONE}, (fd_room){x.space, x.width, 0});
}
