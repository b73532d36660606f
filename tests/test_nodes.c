/* Tests every node kind of nodes.def: gradients by its parameters and by those of its inputs against central differences. */
#include "graphs.h"

enum { TRIALS = 32 };

/* A case adds the n-th variant of nodes around its kind, and returns the value from which the loss is computed. */
typedef fd_value node_case(trial *t, int n);

enum { PLACES = 257 /* a prime larger than the number of tokens of a trial */ };

static fd_value from_input(trial *t, const char *name, int width) { return fd_linear(&t->graph, name, t->x, width, 0); }

static fd_value case_linear(trial *t, int n) {
  static const char *const parts[FD_LINEAR_PARTS] = {"q", "k", "v", NULL}, *const all[FD_LINEAR_PARTS] = {"a", "b", "c", "d"};
  fd_value x = n % 2 ? from_input(t, "before", between(1, 20)) : t->x;
  if (n % 8 == 2) return fd_linears_unbiased(&t->graph, "linear", n % 3 ? parts : all, x, (const int[]){3, 1, 7, 2});
  if (n % 8 == 0) return fd_linear_unbiased(&t->graph, "linear", x, between(1, 20), 0);
  if (n % 8 == 1) return fd_linear_split(&t->graph, "linear", "other", x, between(1, 20));
  if (n % 8 == 5) { /* the gradient by the table is a sum of two */
    int size = between(1, 3);
    fd_value rows = fd_lookup(&t->graph, "table", FD_NONE, FD_BY_TYPE, size, x.width);
    return fd_linear_tied(&t->graph, "linear", "other", fd_add(&t->graph, "sum", x, rows), rows, size);
  }
  if (n % 4 < 2) return fd_linear(&t->graph, "linear", x, between(1, 20), n % 3 == 0);
  return fd_linears(&t->graph, "linear", n % 3 ? parts : all, x, between(1, 9));
}

/* Inputs of RELU are far from its kink (keep_off_kinks). */
static fd_value case_linear_act(trial *t, int n) {
  const fd_linear_act_settings s = {.act = (fd_act)(n % 4), .gated = n / 4 % 2, .unbiased = n % 4 != FD_ACT_RELU && n / 8 % 2};
  fd_value x = n / 16 % 2 ? t->x : from_input(t, "before", between(1, 20));
  if (s.act == FD_ACT_RELU) x = fd_normalize(&t->graph, "small", from_input(t, "before", between(1, 20)), 0, 1);
  x = fd_linear_act(&t->graph, "far", x, between(1, 20), &s);
  return n % 3 ? fd_linear(&t->graph, "behind", x, between(1, 9), 0) : x;
}

static fd_value case_embedding(trial *t, int n) {
  fd_value x = n % 2 ? from_input(t, "before", between(1, 20)) : t->x;
  return fd_embedding(&t->graph, "embedding", x, between(1, 20),
                      t->tokens.cls ? t->tokens.cls : 3); /* fine-tuning may have none */
}

static fd_value case_chordmixer(trial *t, int n) {
  int channels = between(1, 20);
  const fd_chordmixer_settings block = {.hidden = between(1, 20),
                                        .track = between(1, channels),
                                        .recompute = n % 2,
                                        .dropout = n / 2 % 2 ? 0.3f : 0,
                                        .key = fd_rng_key_of(drawn_seed(3), FD_RNG_DROPOUT),
                                        .layer = between(1, 40)};
  t->training = n / 4 % 2;
  return fd_chordmixer(&t->graph, "block", from_input(t, "before", channels), &block);
}

/* Replaces the sequences by ones that groups divide evenly. */
static void group_tokens(trial *t) {
  t->tokens.cls = 0;
  for (int i = 0; i < t->tokens.count; i++) t->tokens.start[i + 1] = t->tokens.start[i] + FD_GROUP * between(1, 4);
  t->extent.tokens = fd_seqs_rows(&t->tokens) + between(0, 9);
  free(t->input);
  t->input = random_floats((size_t)fd_seqs_rows(&t->tokens) * INPUT, 1);
}

static fd_value case_pool(trial *t, int n) {
  fd_features features = t->tokens.cls ? (fd_features)(n % 3) : FD_FEATURES_TOKENS;
  fd_space to = features == FD_FEATURES_CLS && n / 3 % 2 ? FD_CLS_ROWS : FD_SEQUENCES;
  if (n % 5 == 4) group_tokens(t), features = FD_FEATURES_TOKENS, to = FD_GROUPS;
  fd_value x = from_input(t, "before", between(1, 20));
  if (n / 6 % 2) {
    fd_value apart = fd_lookup(&t->graph, "apart", x, FD_BY_POSITION, PLACES, x.width);
    return fd_pool_max(&t->graph, "pool", fd_add(&t->graph, "sum", x, apart), to, features);
  }
  return fd_pool(&t->graph, "pool", x, to, features);
}

static fd_space some_tokens(trial *t, int n) {
  hide_tokens(t);
  return n % 2 ? FD_HIDDEN : FD_VISIBLE;
}

static fd_value case_select(trial *t, int n) {
  fd_space to = some_tokens(t, n);
  if (n % 8 == 7) memset(t->hidden, 0, (size_t)fd_seqs_rows(&t->tokens)); /* FD_HIDDEN has no rows */
  if (n % 8 == 3) t->tokens.hidden = NULL;
  fd_value x = fd_linear(&t->graph, "before", t->x, between(1, 20), n / 2 % 2);
  return fd_linear(&t->graph, "behind", fd_select_rows(&t->graph, "some", x, to), between(1, 9), 0);
}

static fd_value case_scatter(trial *t, int n) {
  fd_space of = some_tokens(t, n);
  if (n % 8 == 7) t->tokens.hidden = NULL;
  fd_value x = fd_select_rows(&t->graph, "some", t->x, of);
  return fd_scatter_rows(&t->graph, "all", fd_linear(&t->graph, "before", x, between(1, 20), n / 2 % 2));
}

static fd_value case_first(trial *t, int n) {
  return fd_first(&t->graph, "first", from_input(t, "before", between(1, 20)), n % 2);
}

static fd_value case_gelu(trial *t, int n) {
  (void)n;
  return fd_gelu(&t->graph, "gelu", fd_linear(&t->graph, "before", t->x, between(1, 20), 1));
}

static fd_value case_norm(trial *t, int n) {
  return fd_normalize(&t->graph, "norm", from_input(t, "before", between(2, 20)), n % 2, 1e-2f);
}

/* Draws the width of a head and adds its positions. */
static int place(trial *t, fd_positions kind, int heads, fd_value *positions) {
  int dim = kind == FD_POSITIONS_ROTARY ? 2 * between(1, 4) : between(1, 8);
  *positions = FD_NONE;
  if (kind == FD_POSITIONS_ROTARY) *positions = fd_rotary_table(&t->graph, "table", dim);
  if (kind == FD_POSITIONS_ALIBI) *positions = fd_alibi_slopes(&t->graph, "slopes", heads);
  return dim;
}

static fd_value attend(trial *t, fd_attention_settings a, fd_value x) {
  static const char *const parts[FD_LINEAR_PARTS] = {"q", "k", "v", NULL};
  fd_value positions;
  int dim = place(t, a.kind, a.heads, &positions);
  x = fd_linears(&t->graph, "attn", parts, x, a.heads * dim);
  return fd_attend(&t->graph, "heads", x, positions, &a);
}

/* Cross-attention from hidden to visible tokens, from visible to hidden ones, or from all to some. */
static fd_value cross(trial *t, fd_attention_settings a, int n) {
  static const char *const parts[FD_LINEAR_PARTS] = {"k", "v", NULL};
  fd_space keys = some_tokens(t, n), queries = keys == FD_HIDDEN ? FD_VISIBLE : FD_HIDDEN;
  fd_value positions;
  int dim = place(t, a.kind, a.heads, &positions);
  fd_value q = fd_linear(&t->graph, "q", t->x, a.heads * dim, 0);
  if (n / 2 % 2) q = fd_select_rows(&t->graph, "queries", q, queries);
  fd_value k = fd_linears(&t->graph, "attn", parts, fd_select_rows(&t->graph, "keys", t->x, keys), a.heads * dim);
  return fd_cross_attention(&t->graph, "heads", q, k, positions, &a);
}

static fd_value case_rotary_table(trial *t, int n) {
  return (void)n, attend(t, (fd_attention_settings){between(1, 3), .kind = FD_POSITIONS_ROTARY}, t->x);
}

static fd_value case_alibi_slopes(trial *t, int n) {
  return (void)n, attend(t, (fd_attention_settings){between(1, 3), .kind = FD_POSITIONS_ALIBI}, t->x);
}

static fd_value case_attention(trial *t, int n) {
  fd_attention_settings a = {between(1, 3), (fd_positions)(n % 3), .key = fd_rng_key_of(drawn_seed(3), FD_RNG_ATTENTION)};
  if (n / 3 % 2) a.dropout = 0.3f, a.layer = between(0, 255);
  t->training = n / 4 % 4 > 0;
  if (n / 6 % 4 < 2) return cross(t, a, n);
  if (n / 6 % 4 == 2) return hide_tokens(t), a.visible = 1, attend(t, a, t->x);
  return attend(t, a, n % 2 ? fd_select_rows(&t->graph, "some", t->x, some_tokens(t, n / 2)) : t->x);
}

/* Lookups by position and type; test_published.c tests those by ids, which are its input. */
static fd_value case_lookup(trial *t, int n) {
  int width = between(1, 20);
  fd_value x = from_input(t, "before", width);
  if (n / 2 % 2) x = fd_select_rows(&t->graph, "some", x, some_tokens(t, n / 4));
  if (n % 2) return fd_lookup(&t->graph, "type", x, FD_BY_TYPE, between(1, 3), width);
  fd_lookup_by by = n / 8 % 2 ? FD_BY_LATER_POSITION : FD_BY_POSITION;
  return fd_add(&t->graph, "sum", x, fd_lookup(&t->graph, "place", x, by, PLACES + FD_LATER, width));
}

/* The ids are the bits of the input's first values; about a third of these are made the same, that of a masked token. */
static fd_value case_token_dropout(trial *t, int n) {
  int mask;
  memcpy(&mask, t->input, sizeof mask);
  for (int r = 1; r < fd_seqs_rows(&t->tokens); r++)
    if (n % 4 && word() % 3 == 0) t->input[r] = t->input[0];
  return fd_token_dropout(&t->graph, "visible", from_input(t, "before", between(1, 20)), t->x, mask);
}

/* Inputs of RELU are far from its kink (keep_off_kinks). */
static fd_value case_act(trial *t, int n) {
  fd_act act = (fd_act)(n % 4);
  fd_value x = from_input(t, "before", between(1, 12));
  if (act == FD_ACT_RELU) x = fd_linear(&t->graph, "far", fd_normalize(&t->graph, "small", x, 0, 1), x.width, 0);
  return fd_activation(&t->graph, "act", x, act);
}

static fd_value case_add(trial *t, int n) {
  int width = between(1, 20);
  fd_value a = from_input(t, "a", width);
  return fd_add(&t->graph, "sum", a, n % 3 ? from_input(t, "b", width) : a);
}

static fd_value case_dropout(trial *t, int n) {
  const fd_dropout_settings settings = {0.4f, fd_rng_key_of(drawn_seed(3), FD_RNG_DROPOUT), between(0, 4095)};
  t->training = n % 4 != 0;
  fd_value x = from_input(t, "before", between(1, 300));
  if (n % 3 == 0) x = fd_select_rows(&t->graph, "some", x, some_tokens(t, n));
  return fd_dropout(&t->graph, "drop", x, &settings);
}

/* Rows of all tokens, or packed rows of some tokens. */
static fd_value of_tokens(trial *t, int n, int width) {
  fd_value x = from_input(t, "before", width);
  return n % 3 ? x : fd_select_rows(&t->graph, "some", x, some_tokens(t, n / 3));
}

static fd_value case_causal_conv(trial *t, int n) {
  static const char *const parts[FD_LINEAR_PARTS] = {"q_conv", "k_conv", NULL};
  const int widths[FD_LINEAR_PARTS] = {between(1, 9), between(1, 9)};
  fd_value x = of_tokens(t, n, widths[0] + widths[1]);
  return fd_causal_conv(&t->graph, "conv", parts, x, widths, between(1, 5), n % 2);
}

/* Keys and queries are kept away from zero, where their normalization changes abruptly (keep_off_kinks). */
static fd_value case_delta(trial *t, int n) {
  const fd_delta_settings s = {between(1, 2), between(1, 7), between(1, 6), n % 2};
  fd_value x = of_tokens(t, n, between(1, 5)), gates = fd_linear(&t->graph, "gates", x, 2 * s.heads, 0);
  x = fd_linear(&t->graph, "far", x, s.heads * (2 * s.keys + s.values), 0);
  return fd_delta_rule(&t->graph, "delta", x, gates, &s);
}

static fd_value case_gated_norm(trial *t, int n) {
  int heads = between(1, 3), width = heads * between(1, 6);
  fd_value x = of_tokens(t, n, width);
  return fd_gated_norm(&t->graph, "norm", x, fd_linear(&t->graph, "gate", x, width, 0), heads, 1e-2f);
}

static fd_value case_conv1d(trial *t, int n) {
  return fd_conv1d(&t->graph, "conv", from_input(t, "before", between(1, 9)), between(1, 12), 2 * between(0, n % 3 ? 3 : 8) + 1);
}

static fd_value case_batch_norm(trial *t, int n) {
  return (void)n, fd_batch_norm(&t->graph, "bn", from_input(t, "before", between(1, 20)), 1e-2f);
}

static const struct {
  const fd_node_kind *kind;
  node_case *add;
} cases[] = {
#define NODE(name) {&fd_node_##name, case_##name},
#include "model/nodes.def"
#undef NODE
};

enum { KINDS = sizeof cases / sizeof *cases };

/* Large biases and small rows keep inputs of RELU on one side of 0; widely spaced rows of a table keep maxima in place. */
static void keep_off_kinks(trial *t) {
  const fd_param *apart = fd_params_find(&t->params, "apart.weight");
  const fd_param *bias = fd_params_find(&t->params, "far.bias"), *small = fd_params_find(&t->params, "small.weight");
  for (size_t i = 0; bias && i < bias->size; i++) t->w[bias->offset + i] = i % 2 ? 9 : -9;
  for (size_t i = 0; apart && i < apart->size; i++) {
    size_t row = i / (size_t)apart->shape[1], column = i % (size_t)apart->shape[1];
    t->w[apart->offset + i] = (float)(row * (37 + column) % PLACES);
  }
  for (size_t i = 0; small && i < small->size; i++) t->w[small->offset + i] *= 0.1f;
}

static void try_kind(int kind, int n) {
  trial t;
  int found = 0;
  begin_trial(&t, n % 5 ? between(1, 3) : 0, n % 7 ? 14 : 70);
  fd_value out = cases[kind].add(&t, n);
  graph_is_whole(&t);
  keep_off_kinks(&t);
  for (int i = 0; i < t.graph.nodes; i++) found += t.graph.node[i].kind == cases[kind].kind;
  assert_true(found > 0);
  t.given[out.id] = 1;
  fd_pass *pass = open_pass(&t, 0);
  run_backward(&t, pass);
  float *again = malloc((t.params.size + 1) * sizeof *again);
  memcpy(again, t.g, t.params.size * sizeof *again);
  run_backward(&t, pass);
  assert_memory_equal(again, t.g, t.params.size * sizeof *again);
  for (int i = 0; i < t.params.count; i++) {
    char what[160];
    const fd_param *p = &t.params.item[i];
    snprintf(what, sizeof what, "%s, trial %d, %s", cases[kind].kind->name, n, p->name);
    for (int k = 0; k < 3 && !fd_param_is_running(p); k++) assert_true(gradient_is_slope(&t, pass, what, p->offset, p->size));
  }
  free(again);
  fd_pass_destroy(&pass);
  end_trial(&t);
}

static void gradients_equal_finite_differences(void **state) {
  (void)state;
  for (int kind = 0; kind < KINDS; kind++)
    for (int n = 0; n < TRIALS; n++) try_kind(kind, n);
}

/* Sequences that groups do not divide evenly, or with [CLS] tokens, are refused. */
static void groups_are_whole(void **state) {
  (void)state;
  static const int lengths[][2] = {{12, 0}, {7, 0}, {5, 0}, {6, 1}};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    int start[] = {0, 6, 6 + lengths[i][0]};
    fd_seqs tokens = {.count = 2, .cls = lengths[i][1], .micro_batches = 1, .start = start};
    fd_spaces spaces;
    assert_ok(fd_spaces_create(&spaces, dev, 1u << FD_GROUPS, (fd_extent){20, 2, 1}));
    assert_int_equal(fd_spaces_set(&spaces, &tokens), i ? FD_DATA : FD_OK);
    if (i == 0) assert_int_equal(fd_seqs_rows(spaces.of[FD_GROUPS]), 3);
    fd_spaces_destroy(&spaces);
  }
}

/* Outside of training dropout is the identity, bit for bit. */
static void dropout_only_in_training(void **state) {
  (void)state;
  for (int n = 0; n < TRIALS; n++) {
    trial t;
    begin_trial(&t, 2, 30);
    const fd_dropout_settings settings = {0.4f, fd_rng_key_of(drawn_seed(3), FD_RNG_DROPOUT), n};
    fd_value x = from_input(&t, "before", between(1, 40)), y = fd_dropout(&t.graph, "drop", x, &settings);
    graph_is_whole(&t);
    t.wanted[x.id] = t.wanted[y.id] = 1;
    for (t.training = 0; t.training < 2; t.training++) {
      fd_pass *pass = open_pass(&t, 0);
      run_forward(&t, pass);
      const float *from = fd_pass_value(pass, x).at, *to = fd_pass_value(pass, y).at;
      size_t entries = (size_t)fd_seqs_rows(&t.tokens) * (size_t)x.width;
      for (size_t i = 0; t.training && i < entries; i++)
        if (to[i] != 0) assert_near((double)to[i], (double)from[i] / 0.6, 1e-6 * fabs((double)from[i]));
      assert_true(t.training ? entries < 20 || memcmp(from, to, entries * sizeof *to) : !memcmp(from, to, entries * sizeof *to));
      fd_pass_destroy(&pass);
    }
    end_trial(&t);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(gradients_equal_finite_differences), cmocka_unit_test(groups_are_whole),
                                     cmocka_unit_test(dropout_only_in_training)};
  return cmocka_run_group_tests(tests, open_device, close_device);
}
