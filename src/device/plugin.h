/* The interface between the program and the CUDA plugin. */
#ifndef FD_DEVICE_PLUGIN_H
#define FD_DEVICE_PLUGIN_H

#include "device/device.h"

/* One GPU of this machine. */
typedef struct fd_gpu {
  char name[128];
  int major, minor; /* compute capability */
  uint64_t memory, free_memory;
  uint64_t shared; /* most bytes of shared memory per thread block */
  int fill;        /* rows of a pass that give every SM a tile */
  uint64_t uuid[2];
} fd_gpu;

/* Functions of the program that the plugin calls. */
typedef struct fd_plugin_host {
  fd_status (*fail)(fd_status status, const char *format, ...); /* fd_fail */
} fd_plugin_host;

/* How products are computed. In bf16: both of a block in one kernel where they fit, one per kernel, both by the warpgroup
 * instructions of compute capability 9.0, or without tensor cores. In bf16 and fp32: those of blocks and wide linear layers by
 * cuBLASLt. FD_PRODUCTS_DEFAULT: what is expected to be fastest on the GPU (docs/gpu.md).
 * FINDNA_PRODUCTS=chain|single|warpgroup|plain|library selects one, for measurements. */
enum {
  FD_PRODUCTS_CHAIN,
  FD_PRODUCTS_SINGLE,
  FD_PRODUCTS_WARPGROUP,
  FD_PRODUCTS_PLAIN,
  FD_PRODUCTS_LIBRARY,
  FD_PRODUCTS, /* their number */
  FD_PRODUCTS_DEFAULT = FD_PRODUCTS
};

/* How a device is opened. */
typedef struct fd_gpu_options {
  int gpu;      /* its number among those visible */
  int bf16;     /* store activations and multiply in bf16; else all is fp32 */
  int products; /* FD_PRODUCTS_... */
} fd_gpu_options;

/* Exported by the plugin, through fd_plugin_entry(). */
typedef struct fd_plugin {
  const char *interface;                 /* the hash of the headers that it was built with (FD_INTERFACE) */
  int runtime;                           /* version of CUDA that it was built with, such as 13000 */
  int (*driver)(void);                   /* newest version of CUDA that the driver supports; 0: there is no driver */
  int (*count)(void);                    /* GPUs; 0: none that this process may use */
  int (*describe)(int gpu, fd_gpu *out); /* 0 on success */
  fd_status (*open)(fd_device **dev, const fd_plugin_host *host, const fd_gpu_options *options);
} fd_plugin;

typedef const fd_plugin *fd_plugin_entry_function(void);

/* The oldest GPUs that the plugin has kernels for: compute capability 8.0. */
enum { FD_GPU_MAJOR = 8 };

/* Loads the plugin and checks that it was built with this program. FD_GPU, with a message: the plugin, the driver or a GPU is
 * missing. */
fd_status fd_plugin_load(const fd_plugin **plugin) FD_MUST_CHECK;

/* The same without a message: returns NULL, and in text[size] what is missing. */
const fd_plugin *fd_plugin_try(char *text, size_t size);

#endif
