/* Tests where the published encoders apply dropout in fine-tuning: hidden_dropout_prob, attention_probs_dropout_prob and
 * classifier_dropout of their authors' code. */
#include "check.h"

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

/* `more`: other settings, with spaces between. */
static fd_network *create(const char *encoder, const char *task, const char *more) {
  char text[4][96], *setting[16] = {text[0], "model.channels=16", "model.hidden=24", "model.layers=3", "model.heads=2", text[1],
                                    text[2], "run.seed=9"};
  int count = 8;
  fd_config c;
  fd_network *network;
  snprintf(text[0], sizeof *text, "model.encoder=%s", encoder);
  snprintf(text[1], sizeof *text, "task.outputs=%d", *task ? 2 : 0);
  snprintf(text[2], sizeof *text, "task.dropout=%s", *task ? task : "0.3");
  snprintf(text[3], sizeof *text, "%s", more);
  for (char *at = strtok(text[3], " "); at; at = strtok(NULL, " ")) setting[count++] = at;
  assert_ok(fd_config_parse(&c, "", 0, "test", setting, count));
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
    fd_network *network = create(p->encoder, "0.3", "task.hidden=4");
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
      fd_network *network = create(published[i].encoder, task ? "0" : "", "task.attention_dropout=0");
      assert_int_equal(dropouts(network), 0);
      fd_network_destroy(&network);
    }
}

/* Every encoder with attention drops the probabilities of each layer by other random numbers, and has no other dropout. */
static void attention_has_a_dropout_of_its_own(void **state) {
  static const char *const encoders[][2] = {{"nt_v2", ""},      {"dnabert_2", ""},
                                            {"bert", ""},       {"mae", "model.tokenizer=kmer model.vocabulary=4098"},
                                            {"hybrid", ""},     {"had", "model.tokenizer=letters model.vocabulary=8"},
                                            {"transformer", ""}};
  (void)state;
  for (size_t i = 0; i < sizeof encoders / sizeof *encoders; i++) {
    char settings[96];
    snprintf(settings, sizeof settings, "task.attention_dropout=0.2 %s", encoders[i][1]);
    fd_network *network = create(encoders[i][0], "0", settings);
    unsigned layers = 0;
    int found = 0;
    assert_int_equal(dropouts(network), 0);
    for (int k = 0; k < network->graph.nodes; k++) {
      if (network->graph.node[k].kind != &fd_node_attention) continue;
      const fd_attention_settings *s = network->graph.node[k].own; /* the first member of the node's settings */
      assert_near(s->dropout, 0.2, 1e-7);
      assert_in_range(s->layer, 0, 31);
      layers |= 1u << s->layer;
      found++;
    }
    assert_int_equal(found, !strcmp(encoders[i][0], "had") ? 1 : LAYERS);
    assert_int_equal(__builtin_popcount(layers), found);
    fd_network_destroy(&network);
  }
}

/* The head drops what its last layer reads: hidden units behind their activation, or the pooled latents. */
static void the_head_drops_the_input_of_its_last_layer(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
    fd_network *network = create(published[i].encoder, "0", "task.head_dropout=0.4");
    const fd_dropout_settings *s = dropout_after(&network->graph, "task.pool");
    assert_non_null(s);
    assert_near(s->rate, 0.4, 1e-7);
    assert_int_equal(dropouts(network), 1);
    fd_network_destroy(&network);
  }
  fd_network *network = create("bert", "0.1", "task.hidden=6 task.activation=tanh task.head_dropout=0.4");
  const fd_dropout_settings *s = dropout_after(&network->graph, "task.tanh"),
                            *layer = dropout_after(&network->graph, "bert.encoder.layer.0.output.dense");
  assert_non_null(s);
  assert_near(s->rate, 0.4, 1e-7);
  assert_near(layer->rate, 0.1, 1e-7);
  assert_true(s->layer != layer->layer);
  fd_network_destroy(&network);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(places_are_those_of_the_authors), cmocka_unit_test(none_outside_of_fine_tuning),
      cmocka_unit_test(attention_has_a_dropout_of_its_own), cmocka_unit_test(the_head_drops_the_input_of_its_last_layer)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
