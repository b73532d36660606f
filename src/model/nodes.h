/* The functions that add nodes to a graph, each with its settings; `name` is the prefix of the node's parameters. */
#ifndef FD_MODEL_NODES_H
#define FD_MODEL_NODES_H

#include "config/config.h"
#include "model/pass.h"

/* y = x W^T + b: {name}.weight [out, width of x], {name}.bias [out]. dense: y is fp32 without padding. */
fd_value fd_linear(fd_graph *graph, const char *name, fd_value x, int out, int dense);

/* The same without a bias. */
fd_value fd_linear_unbiased(fd_graph *graph, const char *name, fd_value x, int out, int dense);

/* The same with the bias of another name, {bias}.bias, and fp32 rows without padding. */
fd_value fd_linear_split(fd_graph *graph, const char *name, const char *bias, fd_value x, int out);

/* The same as fd_linear_split, with a tied weight: the table [out, width of x] in which `rows` were looked up (fd_lookup). The
 * gradient of the table is that of this layer, to which the lookup then adds its own. */
fd_value fd_linear_tied(fd_graph *graph, const char *name, const char *bias, fd_value x, fd_value rows, int out);

/* Several layers on the same input, computed as one product with their columns side by side: {name}.{part}.weight [out, width of
 * x] of all parts, then {name}.{part}.bias [out]. `parts` ends with NULL. */
enum { FD_LINEAR_PARTS = 4 };
fd_value fd_linears(fd_graph *graph, const char *name, const char *const parts[FD_LINEAR_PARTS], fd_value x, int out);

/* The same without biases, of `widths` columns each. */
fd_value fd_linears_unbiased(fd_graph *graph, const char *name, const char *const parts[FD_LINEAR_PARTS], fd_value x,
                             const int widths[FD_LINEAR_PARTS]);

/* y = act(x W^T + b), [rows, width], gated: act(first half) * second half of twice as many columns. The pre-activations are kept
 * in memory only for the backward pass; y, if only an fd_linear reads it, only until then. */
typedef struct fd_linear_act_settings {
  fd_act act;
  int gated, unbiased;
} fd_linear_act_settings;
fd_value fd_linear_act(fd_graph *graph, const char *name, fd_value x, int width, const fd_linear_act_settings *settings);

/* The settings of such a node. */
const fd_linear_act_settings *fd_linear_act_of(const fd_node *node);

/* A linear layer that adds a learned row to each [CLS] row, {name}.cls [cls, out], so that the [CLS] tokens differ. */
fd_value fd_embedding(fd_graph *graph, const char *name, fd_value x, int out, int cls);

/* Rows of a table, {name}.weight [size, width]: by the ids that are the graph's input (int32, one per row; below 0: zeros), by
 * the positions of the tokens, or by token type, which is 0 for all tokens. FD_BY_LATER_POSITION: by position + FD_LATER, as in
 * tables whose first rows belong to padding (RoBERTa, ESM). Other kinds than FD_BY_ID use only the space of `ids`. */
enum { FD_TOKEN_TYPES = 2 /* rows of the published token type tables */, FD_LATER = 2 };
typedef enum fd_lookup_by { FD_BY_ID, FD_BY_POSITION, FD_BY_LATER_POSITION, FD_BY_TYPE } fd_lookup_by;
fd_value fd_lookup(fd_graph *graph, const char *name, fd_value ids, fd_lookup_by by, int size, int width);

/* Token dropout of the rows x of all tokens (ops.def): `ids` are the graph's input, `mask` is the id of a masked token. */
fd_value fd_token_dropout(fd_graph *graph, const char *name, fd_value x, fd_value ids, int mask);

/* One block of a ChordMixer network (arXiv 2206.05852; arXiv 2405.08538, section 3.1):
 * {name}.fc1.{weight,bias} [hidden, channels], {name}.fc2.{weight,bias}. */
typedef struct fd_chordmixer_settings {
  int hidden, track;
  int recompute;  /* save nothing that can be recomputed */
  float dropout;  /* rate, on the output, in training */
  fd_rng_key key; /* of dropout, with the number `layer` */
  int layer;
} fd_chordmixer_settings;
fd_value fd_chordmixer(fd_graph *graph, const char *name, fd_value x, const fd_chordmixer_settings *settings);

/* For each row of a space (FD_SEQUENCES, FD_CLS_ROWS, FD_GROUPS) the mean over its rows of x: over its nucleotides, over its
 * [CLS] rows, or both, concatenated (fp32). */
fd_value fd_pool(fd_graph *graph, const char *name, fd_value x, fd_space to, fd_features features);

/* The same with the maximum of each column; the gradient goes to the first of equal maxima. */
fd_value fd_pool_max(fd_graph *graph, const char *name, fd_value x, fd_space to, fd_features features);

/* The first token of each sequence, such as a tokenizer's own [CLS]: [sequences, width of x] (fp32); with `both`, after the mean
 * over all tokens of the sequence. */
fd_value fd_first(fd_graph *graph, const char *name, fd_value x, int both);

/* Exact (erf) GELU, elementwise, of fp32 rows without padding. */
fd_value fd_gelu(fd_graph *graph, const char *name, fd_value x);

/* LayerNorm, or with `rms` RMSNorm, of each row: {name}.weight, and for LayerNorm {name}.bias, [width of x]. */
fd_value fd_normalize(fd_graph *graph, const char *name, fd_value x, int rms, float epsilon);

/* The cosines and sines of rotary positions for heads of `dim` columns (Su et al., RoFormer; base 10,000): [positions, dim]. */
fd_value fd_rotary_table(fd_graph *graph, const char *name, int dim);

/* The slope of each head (Press et al., ALiBi, including its rule for a number of heads that is not a power of two). */
fd_value fd_alibi_slopes(fd_graph *graph, const char *name, int heads);

/* Self-attention of each sequence: x [rows, 3 heads dim] holds queries, keys and values side by side, y [rows, heads dim].
 * positions: the value of fd_rotary_table or fd_alibi_slopes, or FD_NONE. Rotary positions rotate queries and keys in place in x,
 * so no other node may read x. In every space, the position of a row is the index of its token in its sequence. */
typedef enum fd_positions { FD_POSITIONS_NONE, FD_POSITIONS_ROTARY, FD_POSITIONS_ALIBI } fd_positions;
typedef struct fd_attention_settings {
  int heads;
  fd_positions kind;
  int visible;    /* hidden tokens are masked out as keys */
  float dropout;  /* rate, on probabilities, in training */
  fd_rng_key key; /* of dropout (FD_RNG_ATTENTION), with the number `layer`, 0 .. 255 */
  int layer;
} fd_attention_settings;
fd_value fd_attend(fd_graph *graph, const char *name, fd_value x, fd_value positions, const fd_attention_settings *settings);

/* Settings with the heads and the dropout of the config (fd_config_attention_dropout). Each use in an architecture has a `layer`
 * of its own, 0 .. 255. */
fd_attention_settings fd_attention_of(const fd_config *config, fd_positions kind, int layer);

/* Attention of queries [rows, heads dim] to keys and values, side by side in `keys` [rows of another space, 2 heads dim], of the
 * same sequence. A query without keys gets zeros. */
fd_value fd_cross_attention(fd_graph *graph, const char *name, fd_value queries, fd_value keys, fd_value positions,
                            const fd_attention_settings *settings);

/* Depthwise causal convolution of each sequence (ops.def), with `reverse` over its rows from last to first. Its columns are
 * several parts side by side, of widths[part] columns: each part has {name}.{part}.weight [width, taps]. `parts` ends with
 * NULL. */
fd_value fd_causal_conv(fd_graph *graph, const char *name, const char *const parts[FD_LINEAR_PARTS], fd_value x,
                        const int widths[FD_LINEAR_PARTS], int taps, int reverse);

/* The gated delta rule (fd_delta) of x [rows, heads (2 keys + values)] and gates [rows, 2 heads]: {name}.A_log, {name}.dt_bias
 * [heads]; y [rows, heads values]. */
typedef struct fd_delta_settings {
  int heads, keys, values, reverse;
} fd_delta_settings;
fd_value fd_delta_rule(fd_graph *graph, const char *name, fd_value x, fd_value gates, const fd_delta_settings *settings);

/* RMSNorm of each head's columns, times SiLU(gate): {name}.weight [width of a head], the same for all heads. */
fd_value fd_gated_norm(fd_graph *graph, const char *name, fd_value x, fd_value gate, int heads, float epsilon);

/* Selects the rows of the tokens of a space (FD_VISIBLE, FD_HIDDEN); and scatters them back, with zeros for the other tokens. */
fd_value fd_select_rows(fd_graph *graph, const char *name, fd_value x, fd_space to);
fd_value fd_scatter_rows(fd_graph *graph, const char *name, fd_value x);

/* y = act(x), stored as x is: fp32 without padding or not. A gated activation follows a linear layer (fd_linear_act). */
fd_value fd_activation(fd_graph *graph, const char *name, fd_value x, fd_act act);

/* a + b: the residual a and its branch b. */
fd_value fd_add(fd_graph *graph, const char *name, fd_value a, fd_value b);

/* In training y = D x, else y = x: an entry of D is 0 with probability `rate`, else 1 / (1 - rate). x: rows of all, visible or
 * hidden tokens; their masks are drawn by position in the whole sequence. */
typedef struct fd_dropout_settings {
  float rate;
  fd_rng_key key; /* with the number `layer`, 0 .. 4095 */
  int layer;
} fd_dropout_settings;
fd_value fd_dropout(fd_graph *graph, const char *name, fd_value x, const fd_dropout_settings *settings);

/* y = convolution over the `taps` rows (an odd number) around each row of a sequence, with rows of zeros outside the sequence:
 * {name}.weight [out, in taps] (in memory [out, in, taps]), {name}.bias [out]. */
fd_value fd_conv1d(fd_graph *graph, const char *name, fd_value x, int out, int taps);

/* Batch normalization: (x - mean) / sqrt(variance + epsilon) weight + bias for each column; mean and variance are over all rows
 * of the micro-batch in training, else {name}.running_mean and {name}.running_var (train/running.h). These and {name}.weight and
 * {name}.bias are [width of x]. */
fd_value fd_batch_norm(fd_graph *graph, const char *name, fd_value x, float epsilon);

/* x with the dropout of the config (fd_config_dropout), or x itself without one: the dropout of an architecture. Each call of an
 * architecture has its own `number`, 0 .. 4095. */
fd_value fd_train_dropout(fd_graph *graph, const char *name, fd_value x, const fd_config *config, int number);

/* The kinds of nodes.def: fd_node_linear, ... */
#define NODE(name) extern const fd_node_kind fd_node_##name;
#include "model/nodes.def"
#undef NODE

#endif
