/* A network: the graph of an architecture from one-hot rows to latents, with its heads, which are the network's outputs (spec
 * section 3). */
#ifndef FD_MODEL_NETWORK_H
#define FD_MODEL_NETWORK_H

#include "model/nodes.h"
#include "model/task_head.h"

/* What a network computes. */
typedef enum fd_out {
  FD_OUT_LATENT,    /* [tokens, channels] */
  FD_OUT_LOGITS,    /* [tokens, 5 or the vocabulary], fp32 */
  FD_OUT_PROJECTED, /* [rows, prototypes], fp32: pretraining with objective.cl_space: projection */
  FD_OUT_TASK,      /* [sequences, outputs], fp32: with a task */
  FD_OUT_HIDDEN,    /* [hidden tokens, words], fp32: logits of models over ids in pretraining */
  FD_OUT_VISIBLE,   /* [visible tokens, words], fp32: the same, where these have a weight in the loss */
  FD_OUT_ALIGNED,   /* [groups, or tokens, channels of a frozen teacher], fp32: what is compared with its features */
  FD_OUTPUTS
} fd_out;

typedef struct fd_network {
  fd_params params;
  fd_graph graph;
  fd_value out[FD_OUTPUTS]; /* FD_NO_VALUE: the network does not have it */
  fd_task_head task;
  int channels;   /* of a latent row */
  int blocks;     /* per ChordMixer network */
  int ids;        /* the input is ids of a tokenizer, else one-hot rows */
  int positions;  /* tokens of the longest sequence; 0: any length */
  int first_word; /* the id that is class 0 of FD_OUT_HIDDEN and FD_OUT_VISIBLE */
  fd_value words; /* of an encoder over ids: the rows of its table of embeddings */
  int layers;     /* values of `layer`: what stands behind each of its layers, where an architecture says so; else 0 */
  fd_value *layer;
  size_t layer_room;
} fd_network;

/* An architecture: adds the nodes from the input to the latents, whose value it returns; then, if it can, those from there to
 * the logits. */
typedef struct fd_arch {
  const char *name;
  int ids; /* the input is ids of a tokenizer, [tokens] int32; else one-hot rows */
  fd_value (*build)(fd_network *network, const fd_config *config, int window, fd_value x);
  fd_value (*head)(fd_network *network, const fd_config *config, fd_value latent); /* NULL: no logits */
} fd_arch;

/* Remembers what stands behind the next layer; returns it. */
fd_value fd_network_layer(fd_network *network, fd_value x);

/* The head of encoders over nucleotides: logits of the five symbols. */
fd_value fd_symbol_head(fd_network *network, const fd_config *config, fd_value latent);

/* The head of encoders over ids, as model.lm_head says: logits of masked words by a linear layer, GELU, LayerNorm and a decoder,
 * which may be tied to the table of embeddings. FD_NONE where there is none. Names of the parts: prefixes of their parameters. */
typedef struct fd_lm_head_names {
  const char *dense, *act, *norm, *decoder, *bias;
} fd_lm_head_names;
fd_value fd_lm_head(fd_network *network, const fd_config *config, fd_value latent, const fd_lm_head_names *names);

/* The architectures of archs.def: fd_arch_chordmixer, ... */
#define ARCH(name) extern const fd_arch fd_arch_##name;
#include "model/archs.def"
#undef ARCH

/* Builds the network for windows of `window` nucleotides (the number of blocks depends on it unless the config says). */
fd_status fd_network_create(fd_network **network, const fd_config *config, int window) FD_MUST_CHECK;
void fd_network_destroy(fd_network **network);

/* What the encoder is made of, for messages: "4 networks of 10 blocks". */
void fd_network_describe(const fd_network *network, const fd_config *config, char text[FD_NAME_MAX]);

/* Floats of the encoder and its head: the parameters without those of projections, of a decoder and of a task's
 * head, which stand behind them. */
size_t fd_network_core(const fd_network *network);

/* Whether two networks have the same parameters up to there: names and shapes. */
int fd_network_same_core(const fd_network *a, const fd_network *b);

/* What a pass reads and learns from: bits 1 << FD_OUT_... */
enum { FD_LAYERS = 1 << FD_OUTPUTS /* in `wanted`: what stands behind each layer (fd_network.layer) */ };
typedef struct fd_demand {
  unsigned wanted; /* outputs that are read after the forward pass */
  unsigned given;  /* outputs whose gradients the caller gives; 0: no backward pass */
  int holds;       /* memory for the gradients by the parameters (fd_ends) */
} fd_demand;

/* A pass over batches up to an extent. Outputs that the network does not have are passed over. */
fd_status fd_network_pass(fd_pass **pass, const fd_network *network, fd_device *dev, fd_demand use,
                          fd_extent extent) FD_MUST_CHECK;

/* Bytes of device memory that such a pass takes on a device that stores activations so; SIZE_MAX / 4, and it is said, without
 * memory for a plan. */
size_t fd_network_pass_size(const fd_network *network, fd_form form, fd_demand use, fd_extent extent);

/* Multiply-adds of the products in such a pass over a sequence with so many rows in each space, what runs forward and what learns
 * backward: this is twice the former, by input and by weight. */
typedef struct fd_products {
  double forward, backward;
} fd_products;
fd_status fd_network_products(const fd_network *network, fd_demand use, const double rows[FD_SPACES],
                              fd_products *products) FD_MUST_CHECK;

/* An output after a forward pass, and the gradient by it (fd_pass_gradient). */
fd_mat fd_network_output(const fd_network *network, const fd_pass *pass, fd_out output);
fd_mat fd_network_gradient(const fd_network *network, const fd_pass *pass, fd_out output);

#endif
