/* Adds bidirectional gated delta nets to a graph. */
#include "model/delta_net.h"

#include <stdio.h>

enum { TAPS = 4 };

static const char *const query_key_value[FD_LINEAR_PARTS] = {"q", "k", "v", NULL};
static const char *const convolutions[FD_LINEAR_PARTS] = {"q_conv", "k_conv", "v_conv", NULL};
static const char *const gates[FD_LINEAR_PARTS] = {"a", "b", NULL};

static fd_value add_direction(fd_graph *g, const char *name, fd_value x, const fd_delta_net *net, int reverse) {
  char part[FD_NAME_MAX];
  const int wide[FD_LINEAR_PARTS] = {net->heads * net->keys, net->heads * net->keys, net->heads * net->values},
            one_each[FD_LINEAR_PARTS] = {net->heads, net->heads};
  const fd_delta_settings settings = {net->heads, net->keys, net->values, reverse};
  fd_value rows = fd_linears_unbiased(g, name, query_key_value, x, wide);
  rows = fd_causal_conv(g, name, convolutions, rows, wide, TAPS, reverse);
  rows = fd_activation(g, name, rows, FD_ACT_SILU);
  rows = fd_delta_rule(g, name, rows, fd_linears_unbiased(g, name, gates, x, one_each), &settings);
  snprintf(part, sizeof part, "%s.g", name);
  fd_value gate = fd_linear_unbiased(g, part, x, rows.width, 0);
  snprintf(part, sizeof part, "%s.o_norm", name);
  rows = fd_gated_norm(g, part, rows, gate, net->heads, net->epsilon);
  snprintf(part, sizeof part, "%s.o", name);
  return fd_linear_unbiased(g, part, rows, x.width, 0);
}

fd_value fd_delta_net_both(fd_graph *g, const char *name, fd_value x, const fd_delta_net *net) {
  char part[FD_NAME_MAX];
  snprintf(part, sizeof part, "%s.fwd", name);
  fd_value forward = add_direction(g, part, x, net, 0);
  snprintf(part, sizeof part, "%s.bwd", name);
  return fd_add(g, name, forward, add_direction(g, part, x, net, 1));
}
