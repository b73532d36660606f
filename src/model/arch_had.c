/* Architecture `had`, the student of Hybrid Architecture Distillation: bidirectional gated delta nets, one attention layer and
 * one gated MLP over letters. In pretraining it also has a decoder, where hidden letters attend to the latents of visible
 * letters, and a projection to the width of a teacher. */
#include <inttypes.h>
#include <stdio.h>

#include "model/delta_net.h"
#include "model/network.h"

enum {
  TABLE = 16 /* rows of the embedding table, more than symbols: with 16, configs/had.yaml has 1,068,704 parameters */,
  LETTERS = 4
};

static const char *const query_key_value[FD_LINEAR_PARTS] = {"q", "k", "v", NULL};
static const char *const key_value[FD_LINEAR_PARTS] = {"k", "v", NULL};

static const char *named(char name[FD_NAME_MAX], int block, const char *part) {
  snprintf(name, FD_NAME_MAX, "student.blocks.%d%s", block, part);
  return name;
}

static fd_value norm(fd_graph *g, const fd_config *config, const char *name, fd_value x) {
  return fd_normalize(g, name, x, 1, (float)config->model.epsilon);
}

/* W_2 (SiLU(a) * b), [a; b] = W_1 x. */
static fd_value add_mlp(fd_graph *g, const char *name, fd_value x, int hidden) {
  char part[FD_NAME_MAX];
  int channels = x.width;
  snprintf(part, sizeof part, "%.48s.w1", name);
  x = fd_linear_act(g, part, x, hidden, &(fd_linear_act_settings){.act = FD_ACT_SILU, .gated = 1, .unbiased = 1});
  snprintf(part, sizeof part, "%.48s.w2", name);
  return fd_linear_unbiased(g, part, x, channels, 0);
}

static fd_value add_delta_block(fd_graph *g, const fd_config *config, int block, fd_value x) {
  char name[FD_NAME_MAX];
  const fd_delta_net net = {(int)config->model.delta_heads, (int)config->model.delta_keys, (int)config->model.delta_values,
                            (float)config->model.epsilon};
  fd_value h = norm(g, config, named(name, block, ".norm"), x);
  h = fd_delta_net_both(g, named(name, block, ""), h, &net);
  h = fd_train_dropout(g, named(name, block, ".drop"), h, config, block + 1);
  return fd_add(g, named(name, block, ".sum"), x, h);
}

static fd_value add_attention_block(fd_graph *g, const fd_config *config, int block, fd_value table, fd_value x) {
  char name[FD_NAME_MAX];
  const int widths[FD_LINEAR_PARTS] = {x.width, x.width, x.width};
  const fd_attention_settings settings = fd_attention_of(config, FD_POSITIONS_ROTARY, block);
  fd_value h = norm(g, config, named(name, block, ".norm"), x);
  h = fd_linears_unbiased(g, named(name, block, ""), query_key_value, h, widths);
  h = fd_attend(g, named(name, block, ".heads"), h, table, &settings);
  h = fd_linear_unbiased(g, named(name, block, ".o"), h, x.width, 0);
  h = fd_train_dropout(g, named(name, block, ".drop"), h, config, block + 1);
  return fd_add(g, named(name, block, ".sum"), x, h);
}

static fd_value add_mlp_block(fd_graph *g, const fd_config *config, int block, fd_value x) {
  char name[FD_NAME_MAX];
  fd_value h = norm(g, config, named(name, block, ".norm"), x);
  h = add_mlp(g, named(name, block, ""), h, (int)config->model.hidden);
  h = fd_train_dropout(g, named(name, block, ".drop"), h, config, block + 1);
  return fd_add(g, named(name, block, ".sum"), x, h);
}

static int only_visible(const fd_config *config) { return config->aug.sees == FD_SEES_VISIBLE && fd_config_hides(config); }

static fd_value build(fd_network *net, const fd_config *config, int window, fd_value ids) {
  fd_graph *g = &net->graph;
  int layers = (int)config->model.layers;
  (void)window;
  fd_value x = fd_lookup(g, "student.embed", ids, FD_BY_ID, TABLE, (int)config->model.channels);
  if (only_visible(config)) x = fd_select_rows(g, "student.visible", x, FD_VISIBLE);
  fd_value table = fd_rotary_table(g, "rotary", (int)(config->model.channels / config->model.heads));
  for (int i = 0; i < layers; i++) x = fd_network_layer(net, add_delta_block(g, config, i, x));
  x = fd_network_layer(net, add_attention_block(g, config, layers, table, x));
  x = fd_network_layer(net, add_mlp_block(g, config, layers + 1, x));
  return norm(g, config, "student.norm", x);
}

/* Predicts the hidden letters: for each of them a learned query attends to the latents of the visible letters, and an MLP
 * follows. */
static fd_value decode(fd_graph *g, const fd_config *config, fd_value latent) {
  const fd_value hidden = {FD_NO_VALUE, FD_HIDDEN, 0};
  const fd_attention_settings settings = {.heads = (int)config->model.heads, .kind = FD_POSITIONS_ROTARY};
  const int widths[FD_LINEAR_PARTS] = {latent.width, latent.width};
  fd_value table = fd_rotary_table(g, "decoder.rotary", latent.width / settings.heads);
  fd_value seen = only_visible(config) ? latent : fd_select_rows(g, "decoder.visible", latent, FD_VISIBLE);
  fd_value e = fd_lookup(g, "decoder.query", hidden, FD_BY_TYPE, 1, latent.width);
  fd_value q = fd_linear_unbiased(g, "decoder.q", e, latent.width, 0);
  fd_value r =
      fd_cross_attention(g, "decoder.heads", q, fd_linears_unbiased(g, "decoder", key_value, seen, widths), table, &settings);
  r = fd_add(g, "decoder.sum1", e, fd_linear_unbiased(g, "decoder.o", r, latent.width, 0));
  fd_value h = add_mlp(g, "decoder", norm(g, config, "decoder.norm", r), (int)config->model.decoder_hidden);
  r = fd_add(g, "decoder.sum2", r, h);
  return fd_linear_unbiased(g, "decoder.out", norm(g, config, "decoder.out_norm", r), LETTERS, 1);
}

/* The student's features that are aligned with a teacher's: one row per group or per letter, with the teacher's width. */
static fd_value align(fd_graph *g, const fd_config *config, fd_value latent) {
  if (only_visible(config)) latent = fd_scatter_rows(g, "projector.all", latent);
  if (config->objective.distil_pool == FD_DISTIL_MEAN)
    latent = fd_pool(g, "projector.groups", latent, FD_GROUPS, FD_FEATURES_TOKENS);
  if (config->objective.distil_project == FD_DISTIL_SAME) return latent;
  return fd_linear(g, "projector", latent, (int)config->teacher.width, 1);
}

static fd_value head(fd_network *net, const fd_config *config, fd_value latent) {
  if (config->task.outputs) return FD_NONE;
  net->out[FD_OUT_HIDDEN] = decode(&net->graph, config, latent);
  if (fd_config_aligns(config)) net->out[FD_OUT_ALIGNED] = align(&net->graph, config, latent);
  return FD_NONE;
}

static void describe(const fd_network *network, const fd_config *config, char text[FD_NAME_MAX]) {
  (void)network;
  snprintf(text, FD_NAME_MAX, "%" PRId64 " gated delta nets of %" PRId64 " heads, attention of %" PRId64 " heads",
           config->model.layers, config->model.delta_heads, config->model.heads);
}

const fd_arch fd_arch_had = {.name = "had", .build = build, .head = head, .describe = describe};
