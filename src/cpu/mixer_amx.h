/* The ChordMixer block with kernels that multiply tiles of tokens (AMX and its model); mixer.c has the others'. */
#ifndef FD_CPU_MIXER_AMX_H
#define FD_CPU_MIXER_AMX_H

#include "cpu/backend.h"

/* As mixer_forward and mixer_backward of ops.def, on dense fp32 rows. z is NULL where it is not kept, and has this file's own
 * order of elements. */
void fd_cpu_mixer_amx_forward(fd_cpu *cpu, const fd_seqs *seqs, const fd_mixer *block, const float *x, float *z, float *y);
void fd_cpu_mixer_amx_backward(fd_cpu *cpu, const fd_seqs *seqs, const fd_mixer *block, const float *x, const float *z,
                               const float *dy, float *dx, const fd_mixer_grads *grads);

#endif
