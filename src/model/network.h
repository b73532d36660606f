/* A network: the graph of an architecture from one-hot rows or token ids to latents, and the heads, which yield the network's
 * outputs (arXiv 2405.08538, section 3.1). */
#ifndef FD_MODEL_NETWORK_H
#define FD_MODEL_NETWORK_H

#include "model/nodes.h"
#include "model/task_head.h"

/* The outputs of a network. */
typedef enum fd_out {
  FD_OUT_LATENT,    /* [tokens, channels] */
  FD_OUT_LOGITS,    /* [tokens, 5 or the vocabulary], fp32 */
  FD_OUT_PROJECTED, /* [rows, prototypes], fp32: pretraining with objective.cl_space: projection */
  FD_OUT_TASK,      /* [sequences, outputs], fp32: with a task */
  FD_OUT_HIDDEN,    /* [hidden tokens, words], fp32: logits of models over ids in pretraining */
  FD_OUT_VISIBLE,   /* [visible tokens, words], fp32: the same, if these have a weight in the loss */
  FD_OUT_ALIGNED,   /* [groups, or tokens, channels of a frozen teacher], fp32: compared with the teacher's features */
  FD_OUTPUTS
} fd_out;

typedef struct fd_network {
  fd_params params;
  fd_graph graph;
  fd_value out[FD_OUTPUTS]; /* FD_NO_VALUE: the network lacks the output */
  fd_task_head task;
  int channels;   /* of a latent row */
  int blocks;     /* per ChordMixer network */
  int ids;        /* the input is ids of a tokenizer, else one-hot rows */
  int positions;  /* maximum tokens of a sequence; 0: any length */
  int first_word; /* the id that is class 0 of FD_OUT_HIDDEN and FD_OUT_VISIBLE */
  fd_value words; /* of an encoder over ids: rows looked up in its embedding table */
  int layers;     /* values of `layer`, the outputs of the layers, if the architecture records them; else 0 */
  fd_value *layer;
  size_t layer_room;
} fd_network;

/* An architecture: `build` adds the nodes from the input, ids of a tokenizer [tokens] (int32) if archs.def says so, else one-hot
 * rows, to the latents and returns these; `head` adds the nodes from the latents to the logits; `describe` writes what
 * fd_network_describe returns. */
typedef struct fd_arch {
  const char *name;
  fd_value (*build)(fd_network *network, const fd_config *config, int window, fd_value x);
  fd_value (*head)(fd_network *network, const fd_config *config, fd_value latent); /* NULL: no logits */
  void (*describe)(const fd_network *network, const fd_config *config, char text[FD_NAME_MAX]);
} fd_arch;

/* Records x as the output of the next layer; returns x. */
fd_value fd_network_layer(fd_network *network, fd_value x);

/* Describes encoders of blocks of attention and an MLP: "4 blocks of 8 heads". */
void fd_describe_blocks(const fd_network *network, const fd_config *config, char text[FD_NAME_MAX]);

/* The head of encoders over nucleotides: logits of the five symbols. */
fd_value fd_symbol_head(fd_network *network, const fd_config *config, fd_value latent);

/* The head of encoders over ids, as selected by model.lm_head: logits of masked words from a linear layer, GELU, LayerNorm and a
 * decoder, which may be tied to the embedding table. FD_NONE without a head. The names of the parts are the prefixes of their
 * parameters. */
typedef struct fd_lm_head_names {
  const char *dense, *act, *norm, *decoder, *bias;
} fd_lm_head_names;
fd_value fd_lm_head(fd_network *network, const fd_config *config, fd_value latent, const fd_lm_head_names *names);

/* The architectures of archs.def: fd_arch_chordmixer, ... */
#define ARCH(NAME, name, has) extern const fd_arch fd_arch_##name;
#include "config/archs.def"
#undef ARCH

/* Builds the network for windows of `window` nucleotides (the number of blocks depends on it unless the config sets it). */
fd_status fd_network_create(fd_network **network, const fd_config *config, int window) FD_MUST_CHECK;
void fd_network_destroy(fd_network **network);

/* Blocks of each ChordMixer network for windows of this length; 0 for other encoders. */
int fd_network_blocks(const fd_config *config, int window);

/* A description of the encoder by its architecture, for messages: "4 networks of 10 blocks". */
void fd_network_describe(const fd_network *network, const fd_config *config, char text[FD_NAME_MAX]);

/* Floats of the encoder and its head: the parameters except those of projections, of a decoder and of a task's head, which follow
 * them. */
size_t fd_network_core(const fd_network *network);

/* Whether the parameters of fd_network_core have the same names and shapes in both networks. */
int fd_network_same_core(const fd_network *a, const fd_network *b);

/* What a pass reads and learns from: bits 1 << FD_OUT_... */
enum { FD_LAYERS = 1 << FD_OUTPUTS /* in `wanted`: the output of each layer (fd_network.layer) */ };
typedef struct fd_demand {
  unsigned wanted; /* outputs that are read after the forward pass */
  unsigned given;  /* outputs whose gradients the caller supplies; 0: no backward pass */
  int holds;       /* includes memory for the parameter gradients (fd_ends) */
} fd_demand;

/* A pass over batches up to an extent. Outputs that the network lacks are ignored. */
fd_status fd_network_pass(fd_pass **pass, const fd_network *network, fd_device *dev, fd_demand use,
                          fd_extent extent) FD_MUST_CHECK;

/* Bytes of device memory of such a pass on a device that stores activations in this form; SIZE_MAX / 4, with a message, if there
 * is no memory for a plan. */
size_t fd_network_pass_size(const fd_network *network, fd_form form, fd_demand use, fd_extent extent);

/* Multiply-adds of the products in such a pass over a sequence with rows[space] rows in each space: of the nodes that run
 * forward, and of those that learn backward. Backward counts twice forward, for the gradients of input and weight. */
typedef struct fd_products {
  double forward, backward;
} fd_products;
fd_status fd_network_products(const fd_network *network, fd_demand use, const double rows[FD_SPACES],
                              fd_products *products) FD_MUST_CHECK;

/* An output after a forward pass, and its gradient (fd_pass_gradient). */
fd_mat fd_network_output(const fd_network *network, const fd_pass *pass, fd_out output);
fd_mat fd_network_gradient(const fd_network *network, const fd_pass *pass, fd_out output);

#endif
