/* Shared by the parts of the benchmark program. After its setup, a program measures once per line on standard input, so that a
 * script can let several programs take turns, and prints a line of numbers each time. */
#ifndef FD_BENCH_H
#define FD_BENCH_H

#include <stdio.h>

#include "comm/comm.h"
#include "config/config.h"

typedef struct fd_bench {
  fd_comm *comm;
  FILE *out;        /* for the numbers; standard output is redirected to standard error */
  fd_config config; /* of the paper's model, with overrides from the command line */
} fd_bench;

/* Waits for the next line on the root's standard input; 0 at its end. Collective. */
int fd_bench_next(fd_bench *bench);

/* The kinds of measurement; each returns at the end of the input. */
fd_status fd_bench_step(fd_bench *bench);           /* seconds of a training step, MB of memory so far */
fd_status fd_bench_infer(fd_bench *bench);          /* seconds of a forward pass */
fd_status fd_bench_finetune(fd_bench *bench);       /* seconds of a fine-tuning step */
fd_status fd_bench_embed(fd_bench *bench);          /* seconds to embed train.batch sequences */
fd_status fd_bench_block(fd_bench *bench);          /* GFLOP/s: multiply-adds in registers, block forward, block backward */
fd_status fd_bench_stages(fd_bench *bench);         /* ms of a block's forward and backward pass and of their stages */
fd_status fd_bench_encoder_step(fd_bench *bench);   /* seconds of a training step of an encoder over ids, MB of memory so far */
fd_status fd_bench_encoder_packed(fd_bench *bench); /* the same for packed sequences of several lengths */
fd_status fd_bench_encoder_infer(fd_bench *bench);  /* the same for its forward pass */
fd_status fd_bench_data(fd_bench *bench);           /* windows per second on one core */
fd_status fd_bench_tokens(fd_bench *bench);         /* MB of DNA per second on one core: letters, kmer, nt6, bpe */
fd_status fd_bench_prepare(fd_bench *bench);        /* MB of FASTA per second on one core, bytes of memory per base */
/* 3 linear layers on 1,760 rows: seconds of each forward and backward pass, then the same as % of the peak */
fd_status fd_bench_linear(fd_bench *bench);

#endif
