/* Tests the memory plan of passes: random graphs in planned memory have the same bits as with separate buffers, and their
 * gradients agree with finite differences. */
#include "graphs.h"

#include "model/network.h"

enum { GRAPHS = 1500, WIDTH = 6, ENDS = 4, READABLE = 40, GAP = 255 /* bytes after a part of a gradient, at most */ };

/* `add` without a gradient shared by several values: the plan must give each value its own. */
static fd_node_kind add_unshared;

/* A graph under construction: values that any node may read, and values whose gradient may be given. */
typedef struct growing {
  trial *t;
  fd_value readable[READABLE], end[READABLE];
  int readables, ends;
} growing;

/* The last value, or a random one. */
static fd_value some_value(const growing *g) {
  return g->readable[between(0, 1) ? g->readables - 1 : between(0, g->readables - 1)];
}

static fd_value attend(growing *g, const char *name, fd_value x) {
  static const char *const parts[FD_LINEAR_PARTS] = {"q", "k", "v", NULL};
  char turned[FD_NAME_MAX + 8];
  snprintf(turned, sizeof turned, "%s.table", name);
  fd_positions kind = between(0, 1) ? FD_POSITIONS_ROTARY : FD_POSITIONS_NONE;
  fd_value table = kind == FD_POSITIONS_ROTARY ? fd_rotary_table(&g->t->graph, turned, 2) : FD_NONE;
  const fd_attention_settings settings = {.heads = 3, .kind = kind};
  return fd_attend(&g->t->graph, name, fd_linears(&g->t->graph, name, parts, x, WIDTH), table, &settings);
}

/* Adds a head: means of sequences, sometimes followed by layers. */
static void add_head(growing *g, const char *name) {
  char behind[FD_NAME_MAX + 8];
  fd_graph *graph = &g->t->graph;
  snprintf(behind, sizeof behind, "%s.out", name);
  fd_value x = between(0, 3) ? fd_pool(graph, name, some_value(g), FD_SEQUENCES, (fd_features)between(0, 2))
                             : fd_first(graph, name, some_value(g), between(0, 1));
  if (between(0, 1)) x = fd_linear(graph, behind, fd_gelu(graph, name, x), 3, 1);
  g->end[g->ends++] = x;
}

static void grow(growing *g, int number) {
  char name[FD_NAME_MAX];
  fd_graph *graph = &g->t->graph;
  fd_value x = some_value(g), y;
  const fd_chordmixer_settings block = {.hidden = 5, .track = 2, .recompute = between(0, 1), .dropout = between(0, 1) ? 0.2f : 0};
  const fd_dropout_settings dropout = {.rate = 0.2f, .layer = number};
  snprintf(name, sizeof name, "n%d", number);
  switch (between(0, 15)) {
    case 0: y = fd_chordmixer(graph, name, x, &block); break;
    case 1: y = fd_dropout(graph, name, x, &dropout); break;
    case 2: y = attend(g, name, x); break;
    case 3: y = fd_activation(graph, name, x, FD_ACT_SILU); break;
    case 4:
    case 5: y = fd_normalize(graph, name, x, number % 2, 1e-1f); break;
    case 6: add_head(g, name); return;
    case 7:
    case 8:
    case 9: y = fd_linear(graph, name, x, WIDTH, number % 2); break;
    case 10:
    case 11: y = fd_linear_act(graph, name, x, WIDTH, &(fd_linear_act_settings){FD_ACT_GELU, number % 2, number / 2 % 2}); break;
    default: y = fd_add(graph, name, x, some_value(g)); break;
  }
  g->readable[g->readables++] = g->end[g->ends++] = y;
}

/* Grows a graph and draws its ends, so few that some nodes are not needed. */
static void grow_graph(trial *t, int nodes) {
  growing g = {.t = t};
  begin_trial(t, 2, 6);
  g.readable[g.readables++] = g.end[g.ends++] = fd_linear(&t->graph, "first", t->x, WIDTH, 0);
  for (int i = 0; i < nodes; i++) grow(&g, i);
  graph_is_whole(t);
  for (int i = between(1, ENDS); i > 0; i--) {
    int v = g.end[between(0, 2) ? g.ends - 1 : between(0, g.ends - 1)].id;
    if (between(0, 3)) t->given[v] = 1; /* only given, only wanted, or both */
    if (between(0, 1) || !t->given[v]) t->wanted[v] = 1;
  }
}

static int is_end(const trial *t, int value) { return t->wanted[value] || t->given[value]; }

/* The values at the ends of a pass, concatenated; the caller frees them. */
static float *values_of(const trial *t, const fd_pass *pass, size_t *bytes) {
  float *all = NULL;
  size_t n = 0;
  for (int i = 0; i < t->graph.nodes; i++) {
    fd_value v = t->graph.node[i].out;
    size_t entries = (size_t)v.width;
    if (!is_end(t, v.id)) continue;
    entries *= (size_t)fd_pass_rows(pass, v.space);
    all = realloc(all, (n + entries) * sizeof *all);
    memcpy(all + n, fd_pass_value(pass, v).at, entries * sizeof *all);
    n += entries;
  }
  *bytes = n * sizeof *all;
  return all;
}

static int alive_together(const fd_buffer *a, const fd_buffer *b) { return a->from <= b->to && b->from <= a->to; }

/* Checks that no two buffers in use at the same time overlap, and that the plan takes at most the sum of all buffers and at least
 * the sum of those in use at any time. */
static void check_places(const fd_plan *plan) {
  size_t all = 0, last = 0;
  for (int i = 0; i < plan->buffers; i++) {
    const fd_buffer *a = &plan->buffer[i];
    size_t now = 0;
    assert_true(a->from <= a->to && (a->fixed || a->offset % 64 == 0) && a->offset + a->bytes <= plan->bytes);
    for (int k = 0; k < plan->buffers; k++) {
      const fd_buffer *b = &plan->buffer[k];
      if (b->from <= a->from && a->from <= b->to) now += b->bytes;
      if (i == k || !alive_together(a, b)) continue;
      assert_true(a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset);
    }
    assert_true(now <= plan->bytes);
    all += a->bytes + (a->fixed ? GAP : 0);
    if (last < a->offset + a->bytes) last = a->offset + a->bytes;
  }
  assert_true(plan->bytes <= all && plan->bytes == last);
}

static void same_values(const trial *t, const fd_pass *a, const fd_pass *b) {
  size_t bytes[2];
  float *x = values_of(t, a, &bytes[0]), *y = values_of(t, b, &bytes[1]);
  assert_true(bytes[0] == bytes[1] && !memcmp(x, y, bytes[0]));
  for (size_t i = 0; i < bytes[0] / sizeof *x; i++) assert_true(isfinite(x[i]));
  free(x), free(y);
}

/* Checks that the gradients with unshared additions equal `g`, and those of `apart` bit for bit. */
static void same_gradients(trial *t, const float *g, fd_pass *apart) {
  size_t bytes = t->params.size * sizeof *g;
  run_backward(t, apart);
  assert_memory_equal(g, t->g, bytes);
  for (int i = 0; i < t->graph.nodes; i++)
    if (t->graph.node[i].kind == &fd_node_add) t->graph.node[i].kind = &add_unshared;
  fd_pass *alone = open_pass(t, 1);
  run_backward(t, alone);
  for (size_t i = 0; i < t->params.size; i++) /* adding zeros may lose the sign of a zero */
    if (!(t->g[i] == g[i]))
      fail_msg("gradient %zu (%s): %.9g, expected %.9g", i, fd_params_at(&t->params, i)->name, (double)g[i], (double)t->g[i]);
  fd_pass_destroy(&alone);
}

/* Totals over the graphs of a test: memory as planned and with separate buffers; additions that share a gradient, values that are
 * recomputed. */
typedef struct account {
  double planned, apart;
  double held, gradients; /* additional memory of passes that hold their gradients; bytes of these gradients */
  int shared, again;
  int learn, compared; /* graphs with gradients; those compared with slopes */
} account;

/* Checks that a pass that holds its gradients computes the same ones, and adds up its memory beyond that of `plain`, which does
 * not. */
static void same_held(trial *t, const float *g, const fd_pass *plain, account *sum) {
  size_t bytes = t->params.size * sizeof *g;
  t->holds = 1;
  fd_pass *pass = open_pass(t, 0);
  check_places(&pass->plan);
  run_backward(t, pass);
  assert_memory_equal(g, t->g, bytes);
  sum->held += (double)pass->plan.bytes - (double)plain->plan.bytes, sum->gradients += (double)bytes;
  t->holds = 0;
  fd_pass_destroy(&pass);
}

static void count(const trial *t, const fd_pass *pass, const fd_pass *apart, account *sum) {
  sum->planned += (double)pass->plan.bytes, sum->apart += (double)apart->plan.bytes;
  for (int i = 0; i < t->graph.nodes; i++) {
    sum->shared += pass->plan.node[i].flow[0] == FD_FLOW_SAME;
    sum->again += pass->plan.node[i].again != FD_NEVER;
  }
}

static void try_graph(trial *t, account *sum) {
  int learns = memchr(t->given, 1, (size_t)t->graph.values) != NULL;
  fd_pass *pass = open_pass(t, 0), *apart = open_pass(t, 1);
  float *g = malloc((t->params.size + 1) * sizeof *g);
  check_places(&pass->plan);
  count(t, pass, apart, sum);
  run_forward(t, pass);
  run_forward(t, apart);
  same_values(t, pass, apart);
  if (learns) {
    run_backward(t, pass);
    memcpy(g, t->g, t->params.size * sizeof *g);
    same_held(t, g, pass, sum);
    same_gradients(t, g, apart);
    sum->learn++, sum->compared += gradient_is_slope(t, pass, "all parameters", 0, t->params.size);
  }
  free(g);
  fd_pass_destroy(&pass), fd_pass_destroy(&apart);
}

static void random_graphs_are_as_in_separate_memory(void **state) {
  (void)state;
  account sum = {0};
  for (int n = 0; n < GRAPHS; n++) {
    trial t;
    grow_graph(&t, between(0, n % 3 ? 12 : 25));
    try_graph(&t, &sum);
    end_trial(&t);
  }
  printf(
      "# %d graphs in %.0f %% of their buffers' memory, %d values recomputed; held gradients take %.0f %% of their size extra\n",
      GRAPHS, 100 * sum.planned / sum.apart, sum.again, 100 * sum.held / sum.gradients);
  assert_true(sum.planned < 0.6 * sum.apart && sum.shared > 100 && sum.again > 100);
  assert_true(sum.held < 0.9 * sum.gradients);
  printf("# %d of %d gradients compared with slopes\n", sum.compared, sum.learn);
  assert_true(sum.compared > 0.98 * sum.learn);
}

/* Tests the graph of a line: after value 0, a linear layer of the input, `l3` is a linear layer of value 3 and `a12` the sum of
 * values 1 and 2. The loss depends on the last value, and with `more` also on a random one. */
static void try_line(const char *line, int more, account *sum) {
  trial t;
  fd_value v[12];
  int n = 0;
  begin_trial(&t, 1, 2);
  v[n++] = fd_linear(&t.graph, "n0", t.x, 3, 0);
  while (*line) {
    char name[16];
    snprintf(name, sizeof name, "n%d", n);
    fd_value a = v[line[1] - '0'];
    v[n++] = *line == 'l' ? fd_linear(&t.graph, name, a, 3, 0) : fd_add(&t.graph, name, a, v[line[2] - '0']);
    line += *line == 'l' ? 2 : 3;
  }
  graph_is_whole(&t);
  t.given[v[n - 1].id] = 1;
  if (more) t.given[v[between(0, n - 1)].id] = 1;
  try_graph(&t, sum);
  end_trial(&t);
}

/* Tests all graphs of a line followed by up to `nodes` nodes. */
static void try_lines(char *line, int values, int nodes, account *sum) {
  size_t end = strlen(line);
  try_line(line, values % 2, sum);
  for (int i = 0; nodes && i < values; i++) {
    snprintf(line + end, 32, "l%d", i);
    try_lines(line, values + 1, nodes - 1, sum);
    for (int k = 0; k < values; k++) {
      snprintf(line + end, 32, "a%d%d", i, k);
      try_lines(line, values + 1, nodes - 1, sum);
    }
  }
  line[end] = 0;
}

static void all_small_graphs_are_as_in_separate_memory(void **state) {
  (void)state;
  char line[128] = "";
  account sum = {0};
  try_lines(line, 1, 4, &sum);
  assert_true(sum.shared > 100);
}

/* Additions whose inputs are also read before and after them, sums of sums, values that are read twice. */
static void residuals_are_as_in_separate_memory(void **state) {
  (void)state;
  static const char *const lines[] = {"l0l0l2l3a24a51",     "l0a01l2a23l4a45",      "l0l0a12l1a34l3a56", "l0a01a22a33l4a54",
                                      "l0l1a02l3a03a45a62", "l0l0a12l0a34l2a53a66", "l0l0l0a32a14a53",   "a00l1a12a03a44"};
  account sum = {0};
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
    for (int n = 0; n < 20; n++) try_line(lines[i], n % 4, &sum);
}

/* Bytes of a pass with or without a backward pass, for rows of the paper's windows. */
static size_t plan_of(const fd_config *config, int learns, int rows, fd_form form) {
  const unsigned logits = 1u << FD_OUT_LOGITS;
  const fd_extent extent = {rows, rows / 1010, 10};
  fd_network *network;
  assert_ok(fd_network_create(&network, config, 1000));
  size_t bytes = fd_network_pass_size(network, form, (fd_demand){logits, learns ? logits : 0, 0}, extent);
  fd_network_destroy(&network);
  return bytes;
}

/* Two buffers of channels alternate or carry gradients; each block keeps its input and, unless it recomputes, its MLP's hidden
 * units. This also holds for a pass of several micro-batches on a GPU. */
static void the_papers_model_takes_what_its_blocks_keep(void **state) {
  (void)state;
  static const fd_form forms[] = {{FD_FP32, 1, 1}, {FD_BF16, 64, 0}};
  for (int f = 0; f < 2; f++)
    for (int learns = 0; learns < 2; learns++)
      for (int recompute = 0; recompute < 2; recompute++)
        for (int rows = 1010; rows <= 16 * 1010; rows *= 16) {
          fd_config c;
          fd_config_defaults(&c);
          c.model.recompute = recompute;
          size_t channels = fd_form_row(forms[f], 308), hidden = recompute ? 0 : fd_form_row(forms[f], 512);
          size_t row = 2 * channels + FD_SYMBOLS * sizeof(float) + (learns ? 41 * channels + 40 * hidden : 0);
          double share = (double)plan_of(&c, learns, rows, forms[f]) / ((double)row * rows);
          printf("# %d rows%s%s: %.4f of the sum\n", rows, learns ? ", backward" : "", recompute ? ", recomputed" : "", share);
          assert_true(share <= 1.02);
        }
}

/* The gradient of a transformer's residual stream stays in one buffer from the end to the embedding. */
static void a_residual_stream_has_one_gradient(void **state) {
  (void)state;
  fd_config c;
  fd_network *network;
  fd_plan plan;
  fd_config_defaults(&c);
  c.model.encoder = FD_ARCH_TRANSFORMER, c.model.channels = 32, c.model.hidden = 64, c.task.outputs = 2, c.task.dropout = 0.1;
  assert_ok(fd_network_create(&network, &c, 60));
  unsigned char wanted[200] = {0}, given[200] = {0};
  assert_true(network->graph.values <= 200);
  given[network->out[FD_OUT_LOGITS].id] = 1;
  assert_ok(fd_plan_make(&plan, &network->graph, &(fd_ends){wanted, given, 0}, FD_FORM_CPU, (fd_extent){70, 1, 10}));
  check_places(&plan);
  int place = -1;
  for (int i = 0; i < network->graph.nodes; i++) {
    const fd_node *node = &network->graph.node[i];
    if (node->kind != &fd_node_add) continue;
    if (place < 0) place = plan.gradient[node->in[0].id];
    assert_true(plan.node[i].flow[0] == FD_FLOW_SAME && plan.node[i].flow[1] == FD_FLOW_SAME);
    assert_int_equal(plan.gradient[node->out.id], place);
  }
  fd_plan_free(&plan);
  fd_network_destroy(&network);
}

/* On a CPU, activations that only one linear layer reads are in memory only until its forward pass, and their gradient is not;
 * with another reader that learns or a gradient from outside, and on GPUs, both are kept. */
static void activations_before_a_layer_leave_memory(void **state) {
  (void)state;
  enum { ONLY_READER, IDLE_READER, OTHER_READER, GIVEN, GPU, CASES };
  for (int n = 0; n < CASES; n++) {
    trial t;
    fd_plan plan;
    begin_trial(&t, 2, 6);
    fd_value h = fd_linear_act(&t.graph, "up", fd_linear(&t.graph, "first", t.x, WIDTH, 0), WIDTH,
                               &(fd_linear_act_settings){.act = FD_ACT_GELU}),
             y = fd_linear(&t.graph, "down", h, WIDTH, 0), other = fd_normalize(&t.graph, "other", h, 0, 1e-1f);
    graph_is_whole(&t);
    t.given[y.id] = 1;
    t.given[h.id] = n == GIVEN, t.given[other.id] = n == OTHER_READER, t.wanted[other.id] = n == IDLE_READER;
    fd_form form = n == GPU ? (fd_form){FD_BF16, 16, 0} : FD_FORM_CPU;
    assert_ok(fd_plan_make(&plan, &t.graph, &(fd_ends){t.wanted, t.given, 0}, form, t.extent));
    int down = t.graph.producer[y.id], leaves = n == ONLY_READER || n == IDLE_READER;
    assert_true(plan.node[down].flow[0] != FD_FLOW_NONE && (plan.node[down].flow[0] == FD_FLOW_THROUGH) == leaves);
    assert_true((plan.gradient[h.id] == FD_NO_BUFFER) == leaves);
    assert_true((plan.buffer[plan.value[h.id]].to <= t.graph.nodes) == leaves);
    fd_plan_free(&plan);
    end_trial(&t);
  }
}

int main(void) {
  add_unshared = fd_node_add;
  add_unshared.passes = 0;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(random_graphs_are_as_in_separate_memory), cmocka_unit_test(all_small_graphs_are_as_in_separate_memory),
      cmocka_unit_test(residuals_are_as_in_separate_memory),     cmocka_unit_test(the_papers_model_takes_what_its_blocks_keep),
      cmocka_unit_test(a_residual_stream_has_one_gradient),      cmocka_unit_test(activations_before_a_layer_leave_memory),
  };
  return cmocka_run_group_tests(tests, open_device, close_device);
}
