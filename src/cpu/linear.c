/* Linear layers on the CPU, from 5 columns (embedding, head) to thousands. */
#include "cpu/backend.h"
#include "cpu/product.h"

/* In the backward pass, layers whose smaller side is at most this round each product before adding it: results of existing runs
 * depend on these bits. Rounding costs a third of the speed of fused multiply-adds with AVX-512 on Zen 4, and half where
 * additions have no execution units of their own, so wider layers, those of transformers, fuse. */
enum { APART_UNTIL = 640 };

/* Gradients of at least so many weights are written past the caches: the optimizer reads them after the whole backward pass. */
enum { LARGE = 1 << 18 };

void fd_cpu_linear_forward(fd_device *dev, int rows, int in, int out, fd_mat x, const float *w, const float *b, fd_mat y) {
  fd_cpu *cpu = fd_cpu_of(dev);
  fd_cpu_multiply(
      cpu, cpu->kernels,
      &(fd_product){
          .m = rows, .n = out, .k = in, .a = x.at, .b = w, .b_is_transposed = 1, .b_is_weights = 1, .bias = b, .c = y.at});
}

/* Gated: the second half of the columns, the gate, is computed first, into h or, where it need not be kept, into y. */
void fd_cpu_linear_act_forward(fd_device *dev, int rows, int in, int width, fd_mat x, const float *w, const float *b, fd_act act,
                               int gated, fd_mat h, fd_mat y) {
  fd_cpu *cpu = fd_cpu_of(dev);
  float *gate = h.at ? (float *)h.at + width : y.at;
  size_t row = (size_t)(h.at ? h.stride : width);
  if (gated)
    fd_cpu_multiply(cpu, cpu->kernels,
                    &(fd_product){.m = rows,
                                  .n = width,
                                  .k = in,
                                  .a = x.at,
                                  .b = w + (size_t)width * (size_t)in,
                                  .b_is_transposed = 1,
                                  .b_is_weights = 1,
                                  .bias = b ? b + width : NULL,
                                  .c = gate,
                                  .c_row = row});
  fd_cpu_multiply(cpu, cpu->kernels,
                  &(fd_product){.m = rows,
                                .n = width,
                                .k = in,
                                .a = x.at,
                                .b = w,
                                .b_is_transposed = 1,
                                .b_is_weights = 1,
                                .bias = b,
                                .c = h.at,
                                .c_row = row,
                                .y = y.at,
                                .gate = gated ? gate : NULL,
                                .gate_row = row,
                                .act = act});
}

/* dw[out, in] = dy^T x and db; of the product, the fields that describe x are given. */
static void weight_gradients(fd_cpu *cpu, const fd_cpu_kernels *kernels, int rows, int in, int out, int apart, fd_mat dy,
                             float *dw, float *db, fd_product x) {
  x.m = out;
  x.n = in;
  x.k = rows;
  x.a = dy.at;
  x.a_is_transposed = 1;
  x.a_sums = db;
  x.c = dw;
  x.past = (size_t)in * (size_t)out >= LARGE;
  x.apart = apart;
  fd_cpu_multiply(cpu, kernels, &x);
}

static int is_apart(int in, int out) { return in <= APART_UNTIL || out <= APART_UNTIL; }

static const fd_cpu_kernels *backward_kernels(const fd_cpu *cpu, int apart) {
  return apart && !cpu->kernels->multiply_apart ? cpu->fp32 : cpu->kernels;
}

void fd_cpu_linear_backward(fd_device *dev, int rows, int micro_batches, int in, int out, fd_mat x, const float *w, fd_mat dy,
                            fd_mat dx, float *dw, float *db) {
  fd_cpu *cpu = fd_cpu_of(dev);
  (void)micro_batches; /* one: this device has no `fill` */
  int apart = is_apart(in, out);
  const fd_cpu_kernels *kernels = backward_kernels(cpu, apart);
  if (dx.at)
    fd_cpu_multiply(
        cpu, kernels,
        &(fd_product){.m = rows, .n = in, .k = out, .a = dy.at, .b = w, .b_is_weights = 1, .c = dx.at, .apart = apart});
  weight_gradients(cpu, kernels, rows, in, out, apart, dy, dw, db, (fd_product){.b = x.at});
}

/* The activations are computed while they are packed, and their gradients pass through the slopes as they are written, so that
 * neither goes to memory. */
void fd_cpu_act_linear_backward(fd_device *dev, int rows, int micro_batches, int in, int out, fd_act act, int gated, fd_mat h,
                                const float *w, fd_mat dy, float *dw, float *db) {
  fd_cpu *cpu = fd_cpu_of(dev);
  (void)micro_batches;
  int apart = is_apart(in, out);
  const fd_cpu_kernels *kernels = backward_kernels(cpu, apart);
  size_t row = (size_t)h.stride;
  float *gate = gated ? (float *)h.at + in : NULL;
  weight_gradients(cpu, kernels, rows, in, out, apart, dy, dw, db,
                   (fd_product){.b = h.at, .b_row = row, .act_of_b = 1, .act = act, .gate = gate, .gate_row = row});
  fd_cpu_multiply(cpu, kernels,
                  &(fd_product){.m = rows,
                                .n = in,
                                .k = out,
                                .a = dy.at,
                                .b = w,
                                .b_is_weights = 1,
                                .c = h.at,
                                .c_row = row,
                                .act_of_c = 1,
                                .act = act,
                                .gate = gate,
                                .gate_row = row,
                                .apart = apart});
}
