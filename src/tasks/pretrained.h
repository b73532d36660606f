/* A pretrained model opened for use: the weights of a checkpoint, the network, and the device that runs it. */
#ifndef FD_TASKS_PRETRAINED_H
#define FD_TASKS_PRETRAINED_H

#include "base/args.h"
#include "tasks/encoder.h"
#include "train/checkpoint.h"

/* How a command runs a model. */
typedef struct fd_use {
  int64_t threads; /* of a rank; 0: its share of the cores */
  int device, simd, precision, encoder;
} fd_use;

/* The networks of a checkpoint, in the order of fd_array; -1: the best weights of a fine-tuning run, else the teacher if there is
 * one, else the student. */
enum { FD_ENCODER_STUDENT = FD_STUDENT, FD_ENCODER_TEACHER = FD_TEACHER, FD_ENCODER_BEST = FD_BEST, FD_ENCODERS };
#define FD_ENCODER_WORDS "student|teacher|best"

/* Rows of a command's option table for an fd_use `use`, whose defaults are {.encoder = -1}. */
#define FD_USE_DEVICE_ARGS(use)                                                                                             \
  {"device", FD_ARG_CHOICE, &(use).device, 0, 0, "cpu|cuda", "where the encoder runs; cuda computes in bf16"},              \
      {"threads", FD_ARG_INT, &(use).threads, 0, 1024, "N", "threads per rank for the encoder; 0: its share of the cores"}, \
      {"simd", FD_ARG_CHOICE, &(use).simd, 0, 0, FD_SIMD_CHOICES, "instructions of the CPU kernels"}, {                     \
    "precision", FD_ARG_CHOICE, &(use).precision, 0, 0, "auto|fp32|bf16",                                                   \
        "operands of matrix products; auto: fp32 on CPUs, bf16 on GPUs"                                                     \
  }
#define FD_USE_ENCODER_ARG(use)                                                                  \
  {                                                                                              \
    "encoder", FD_ARG_CHOICE, &(use).encoder, 0, 0, FD_ENCODER_WORDS,                            \
        "which network (default: best for a fine-tuned model, else the teacher if there is one)" \
  }

typedef struct fd_pretrained {
  fd_config config;
  fd_checkpoint_info info; /* info.folder: the checkpoint that was opened */
  fd_weights weights;
  const fd_network *network; /* the network of the weights */
  fd_tokenizer *tokenizer;   /* of an encoder over ids, else NULL */
  fd_device *dev;
} fd_pretrained;

/* Opens a checkpoint folder, or the newest valid checkpoint of a run folder. Collective: the root reads first, so that an error
 * is reported once. Unless use->precision is bf16, a CPU computes with fp32 operands regardless of how the run was trained, so
 * that results do not depend on the machine's instruction sets. */
fd_status fd_pretrained_open(fd_pretrained *model, const char *path, const fd_use *use, fd_comm *comm) FD_MUST_CHECK;
void fd_pretrained_close(fd_pretrained *model);

/* Identifies the function of these weights of the model: SHA-256 of the tensors and of the options that say what they mean, with
 * the words of its tokenizer and the head of its task. `tensors`: SHA-256 of the tensors only, as older versions had it. */
fd_status fd_pretrained_identity(const fd_pretrained *model, const float *weights, char hex[FD_SHA256_HEX],
                                 char tensors[FD_SHA256_HEX]) FD_MUST_CHECK;

/* The number of nucleotides of which a window must be a multiple to be filled by words: k for k-mers, else 1. */
int fd_pretrained_unit(const fd_pretrained *model);

/* FD_USAGE if words of a fixed length do not fill windows of `window` nucleotides (0: sequences are not cut), so that the end of
 * each window would be in no word. */
fd_status fd_pretrained_check_window(const fd_pretrained *model, int64_t window) FD_MUST_CHECK;

/* The window of pretraining or fine-tuning in nucleotides, in whole words of k-mers: rounded up, so that the longest row of a
 * fine-tuning is one window, unless the model has no position for one more word. */
int64_t fd_pretrained_window(const fd_pretrained *model);

/* Bytes of the weights in host memory. */
double fd_pretrained_memory(const fd_pretrained *model);

/* The network `which`, one of FD_ENCODER_... or -1, as an encoder. FD_USAGE if the checkpoint does not have it. */
fd_status fd_pretrained_encoder(const fd_pretrained *model, int which, fd_encoder *encoder) FD_MUST_CHECK;

#endif
