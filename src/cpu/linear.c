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

void fd_cpu_linear_backward(fd_device *dev, int rows, int micro_batches, int in, int out, fd_mat x, const float *w, fd_mat dy,
                            fd_mat dx, float *dw, float *db) {
  fd_cpu *cpu = fd_cpu_of(dev);
  (void)micro_batches; /* one: this device has no `fill` */
  int apart = in <= APART_UNTIL || out <= APART_UNTIL;
  const fd_cpu_kernels *kernels = apart && !cpu->kernels->multiply_apart ? cpu->fp32 : cpu->kernels;
  if (dx.at)
    fd_cpu_multiply(
        cpu, kernels,
        &(fd_product){.m = rows, .n = in, .k = out, .a = dy.at, .b = w, .b_is_weights = 1, .c = dx.at, .apart = apart});
  fd_cpu_multiply(cpu, kernels,
                  &(fd_product){.m = out,
                                .n = in,
                                .k = rows,
                                .a = dy.at,
                                .a_is_transposed = 1,
                                .a_sums = db,
                                .b = x.at,
                                .c = dw,
                                .past = (size_t)in * (size_t)out >= LARGE,
                                .apart = apart});
}
