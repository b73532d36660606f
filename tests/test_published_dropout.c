/* Tests where the published encoders apply dropout in fine-tuning: hidden_dropout_prob of their authors' code. */
#include "check.h"

#include <stdlib.h>

#include "model/network.h"

enum { LAYERS = 3, NUMBERS = 4096 };

typedef struct places {
  const char *encoder, *embeddings, *attention, *mlp; /* nodes whose outputs get dropout, %d: the layer; NULL: none */
} places;

static const places published[] = {
    {"nt_v2", NULL, "esm.encoder.layer.%d.attention.output.dense", "esm.encoder.layer.%d.output.dense"},
    {"dnabert_2", "bert.embeddings.LayerNorm", "bert.encoder.layer.%d.attention.output.dense",
     "bert.encoder.layer.%d.mlp.gated_layers"},
    {"bert", "bert.embeddings.LayerNorm", "bert.encoder.layer.%d.attention.output.dense", "bert.encoder.layer.%d.output.dense"}};

static fd_network *create(const char *encoder, const char *task) {
  char text[5][64], *setting[] = {text[0], "model.channels=16", "model.hidden=24", "model.layers=3", "model.heads=2", text[1],
                                  text[2], "run.seed=9"};
  fd_config c;
  fd_network *network;
  snprintf(text[0], sizeof *text, "model.encoder=%s", encoder);
  snprintf(text[1], sizeof *text, "task.outputs=%d", *task ? 2 : 0);
  snprintf(text[2], sizeof *text, "task.dropout=%s", *task ? task : "0.3");
  assert_ok(fd_config_parse(&c, "", 0, "test", setting, 8));
  assert_ok(fd_network_create(&network, &c, 100));
  return network;
}

/* The dropout node that reads this node's value, which no other node reads. */
static const fd_dropout_settings *dropout_after(const fd_graph *g, const char *name) {
  const fd_dropout_settings *found = NULL;
  int value = FD_NO_VALUE, readers = 0;
  for (int i = 0; i < g->nodes; i++) {
    const fd_node *node = &g->node[i];
    if (!strcmp(node->name, name)) value = node->out.id;
    for (int k = 0; value != FD_NO_VALUE && k < FD_INPUTS; k++) {
      if (node->in[k].id != value) continue;
      readers++;
      if (node->kind == &fd_node_dropout) found = node->own;
    }
  }
  assert_true(value != FD_NO_VALUE && readers == 1);
  return found;
}

static int dropouts(const fd_network *network) {
  int n = 0;
  for (int i = 0; i < network->graph.nodes; i++) n += network->graph.node[i].kind == &fd_node_dropout;
  return n;
}

static void places_are_those_of_the_authors(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
    const places *p = &published[i];
    static int seen[NUMBERS];
    char name[FD_NAME_MAX];
    int count = 0;
    fd_network *network = create(p->encoder, "0.3");
    memset(seen, 0, sizeof seen);
    for (int layer = -1; layer < LAYERS; layer++)
      for (int part = 0; part < 2; part++) {
        const char *form = layer < 0 ? (part ? NULL : p->embeddings) : part ? p->mlp : p->attention;
        if (!form) continue;
        snprintf(name, sizeof name, form, layer);
        const fd_dropout_settings *s = dropout_after(&network->graph, name);
        assert_non_null(s);
        assert_near(s->rate, 0.3, 1e-7);
        assert_in_range(s->layer, 0, NUMBERS - 1);
        assert_int_equal(seen[s->layer]++, 0);
        count++;
      }
    assert_int_equal(dropouts(network), count);
    fd_network_destroy(&network);
  }
}

static void none_outside_of_fine_tuning(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof published / sizeof *published; i++)
    for (int task = 0; task < 2; task++) {
      fd_network *network = create(published[i].encoder, task ? "0" : "");
      assert_int_equal(dropouts(network), 0);
      fd_network_destroy(&network);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(places_are_those_of_the_authors),
                                     cmocka_unit_test(none_outside_of_fine_tuning)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
