/* A network: the encoder of an architecture, followed by its heads. */
#include "model/network.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const fd_arch *const archs[] = {
#define ARCH(NAME, name, has) &fd_arch_##name,
#include "config/archs.def"
#undef ARCH
};

/* The projection of the self-distillation term: two linear layers with GELU between them, from the latent of each [CLS] token or
 * from the mean latent of the nucleotides. */
static fd_value add_projection(fd_network *net, const fd_config *config) {
  int of_cls = config->objective.projection_of == FD_FEATURES_CLS;
  const fd_head_shape head = {.name = "projection",
                              .features = of_cls ? FD_FEATURES_CLS : FD_FEATURES_TOKENS,
                              .space = of_cls ? FD_CLS_ROWS : FD_SEQUENCES,
                              .hidden = (int)config->model.hidden,
                              .outputs = (int)config->objective.prototypes};
  return fd_head(&net->graph, net->out[FD_OUT_LATENT], &head);
}

fd_value fd_network_layer(fd_network *net, fd_value x) {
  fd_graph *g = &net->graph;
  if (g->status == FD_OK)
    g->status = fd_grow(&net->layer, &net->layer_room, (size_t)net->layers + 1, sizeof *net->layer, "layers of a network");
  if (g->status == FD_OK) net->layer[net->layers++] = x;
  return x;
}

void fd_describe_blocks(const fd_network *network, const fd_config *config, char text[FD_NAME_MAX]) {
  (void)network;
  snprintf(text, FD_NAME_MAX, "%" PRId64 " blocks of %" PRId64 " heads", config->model.layers, config->model.heads);
}

fd_value fd_symbol_head(fd_network *net, const fd_config *config, fd_value latent) {
  (void)config;
  return fd_linear(&net->graph, "head", latent, FD_SYMBOLS, 1);
}

fd_value fd_lm_head(fd_network *net, const fd_config *config, fd_value latent, const fd_lm_head_names *names) {
  fd_graph *g = &net->graph;
  int kind = fd_config_lm_head(config), vocabulary = (int)config->model.vocabulary;
  if (kind == FD_LM_HEAD_NONE) return FD_NONE;
  fd_value x = fd_linear(g, names->dense, latent, latent.width, 0);
  x = fd_activation(g, names->act, x, FD_ACT_GELU);
  x = fd_normalize(g, names->norm, x, 0, (float)config->model.epsilon);
  if (kind == FD_LM_HEAD_TIED) x = fd_linear_tied(g, names->decoder, names->bias, x, net->words, vocabulary);
  else x = fd_linear_split(g, names->decoder, names->bias, x, vocabulary);
  if (fd_config_hides(config)) net->out[FD_OUT_HIDDEN] = fd_select_rows(g, "hidden_logits", x, FD_HIDDEN);
  return x;
}

static void add_heads(fd_network *net, const fd_config *config) {
  const fd_arch *arch = archs[config->model.encoder];
  if (arch->head) net->out[FD_OUT_LOGITS] = arch->head(net, config, net->out[FD_OUT_LATENT]);
  if (fd_config_projects(config)) net->out[FD_OUT_PROJECTED] = add_projection(net, config);
  if (config->task.outputs) net->out[FD_OUT_TASK] = fd_task_head_add(&net->task, &net->graph, config, net->out[FD_OUT_LATENT]);
}

fd_status fd_network_create(fd_network **network, const fd_config *config, int window) {
  FD_TRY(fd_alloc(network, 1, sizeof **network, "network"));
  fd_network *net = *network;
  int ids = fd_config_reads_ids(config);
  fd_value x = fd_graph_begin(&net->graph, &net->params, FD_TOKENS, ids ? 1 : FD_SYMBOLS);
  for (int i = 0; i < FD_OUTPUTS; i++) net->out[i] = FD_NONE;
  net->channels = (int)config->model.channels;
  net->ids = ids;
  net->words = FD_NONE;
  net->out[FD_OUT_LATENT] = archs[config->model.encoder]->build(net, config, window, x);
  add_heads(net, config);
  fd_status status = net->graph.status;
  if (status == FD_OK) fd_task_head_find(&net->task, &net->params);
  else fd_network_destroy(network);
  return status;
}

void fd_network_destroy(fd_network **network) {
  if (!*network) return;
  fd_graph_free(&(*network)->graph);
  fd_params_free(&(*network)->params);
  free((*network)->layer);
  free(*network);
  *network = NULL;
}

void fd_network_describe(const fd_network *network, const fd_config *config, char text[FD_NAME_MAX]) {
  archs[config->model.encoder]->describe(network, config, text);
}

size_t fd_network_core(const fd_network *network) {
  static const char *const after_core[] = {"projection", "decoder", "projector", "task"};
  for (int i = 0; i < network->params.count; i++)
    for (int k = 0; k < (int)(sizeof after_core / sizeof *after_core); k++)
      if (fd_param_is_of(&network->params.item[i], after_core[k])) return network->params.item[i].offset;
  return network->params.size;
}

int fd_network_same_core(const fd_network *a, const fd_network *b) {
  size_t core = fd_network_core(a);
  if (core != fd_network_core(b)) return 0;
  for (int i = 0; i < a->params.count && a->params.item[i].offset < core; i++) {
    const fd_param *p = &a->params.item[i], *q = &b->params.item[i];
    if (strcmp(p->name, q->name) || p->dims != q->dims || memcmp(p->shape, q->shape, sizeof p->shape)) return 0;
  }
  return 1;
}

/* The ends of a pass, as flags per value, which the caller frees. */
static fd_status ends_of(const fd_network *net, fd_demand use, unsigned char **flags, fd_ends *ends) {
  size_t n = (size_t)net->graph.values;
  FD_TRY(fd_alloc(flags, 2 * n, 1, "a pass"));
  for (int i = 0; i < FD_OUTPUTS; i++) {
    if (net->out[i].id == FD_NO_VALUE) continue;
    (*flags)[net->out[i].id] |= use.wanted >> i & 1;
    (*flags)[n + (size_t)net->out[i].id] |= use.given >> i & 1;
  }
  for (int i = 0; i < net->layers && use.wanted & FD_LAYERS; i++) (*flags)[net->layer[i].id] = 1;
  *ends = (fd_ends){*flags, *flags + n, use.holds};
  return FD_OK;
}

fd_status fd_network_pass(fd_pass **pass, const fd_network *net, fd_device *dev, fd_demand use, fd_extent extent) {
  fd_ends ends;
  unsigned char *flags;
  *pass = NULL;
  FD_TRY(ends_of(net, use, &flags, &ends));
  fd_status status = fd_pass_create(pass, &net->graph, dev, &ends, extent);
  free(flags);
  return status;
}

size_t fd_network_pass_size(const fd_network *net, fd_form form, fd_demand use, fd_extent extent) {
  fd_ends ends;
  unsigned char *flags;
  fd_plan plan = {0};
  if (ends_of(net, use, &flags, &ends) != FD_OK) return SIZE_MAX / 4;
  size_t bytes = fd_plan_make(&plan, &net->graph, &ends, form, extent) == FD_OK ? plan.bytes : SIZE_MAX / 4;
  fd_plan_free(&plan);
  free(flags);
  return bytes;
}

fd_status fd_network_products(const fd_network *net, fd_demand use, const double rows[FD_SPACES], fd_products *products) {
  const fd_graph *g = &net->graph;
  fd_ends ends;
  unsigned char *flags;
  fd_plan plan = {0};
  *products = (fd_products){0, 0};
  FD_TRY(ends_of(net, use, &flags, &ends));
  fd_status status = fd_plan_make(&plan, g, &ends, FD_FORM_CPU, (fd_extent){0, 1, 0});
  for (int i = 0; status == FD_OK && i < g->nodes; i++) {
    const fd_node *node = &g->node[i];
    double own = node->kind->products ? node->kind->products(node, rows) : 0;
    products->forward += plan.node[i].runs ? own : 0;
    products->backward += plan.node[i].learns ? 2 * own : 0;
  }
  fd_plan_free(&plan);
  free(flags);
  return status;
}

fd_mat fd_network_output(const fd_network *net, const fd_pass *pass, fd_out output) {
  return fd_pass_value(pass, net->out[output]);
}

fd_mat fd_network_gradient(const fd_network *net, const fd_pass *pass, fd_out output) {
  return fd_pass_gradient(pass, net->out[output]);
}
