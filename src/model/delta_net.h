/* The gated delta net of one block (Yang, Kautz, Hatamizadeh, "Gated Delta Networks", 2024; flash-linear-attention,
 * GatedDeltaNet). */
#ifndef FD_MODEL_DELTA_NET_H
#define FD_MODEL_DELTA_NET_H

#include "model/nodes.h"

typedef struct fd_delta_net {
  int heads, keys, values; /* columns of a head's keys and queries, and of its values */
  float epsilon;           /* of the gated norm */
} fd_delta_net;

/* y = GDN_f(x) + rev(GDN_b(rev(x))), as wide as x. Each direction, {name}.fwd and {name}.bwd, has: q, k, v = SiLU(conv4(W x));
 * the delta rule, with gates W_a x and W_b x and output o; y = W_o (RMSNorm(o) SiLU(W_g x)). Parameters, without biases:
 * {q,k,v,a,b,g,o}.weight, {q,k,v}_conv.weight, A_log, dt_bias, o_norm.weight. */
fd_value fd_delta_net_both(fd_graph *graph, const char *name, fd_value x, const fd_delta_net *net);

#endif
