/* Opens the device that a config selects: the only file that names the back ends. */
#include "device/device.h"

#include <inttypes.h>

#include "base/cores.h"
#include "base/log.h"
#include "cpu/backend.h"
#include "device/plugin.h"

static int least(int a, int b) { return a < b ? a : b; }

/* Threads of a rank: its share of the machine's CPUs or of the control group's CPU quota, at most the CPUs it is bound to. */
static int fair_threads(int local_size) {
  fd_cores here = fd_cores_here();
  int share = here.limit ? least(here.machine, here.limit) : here.machine;
  return least(here.cpus, share > local_size ? share / local_size : 1);
}

void fd_device_simd(char *text, size_t size) { fd_cpu_simd(text, size); }

/* Opens the GPU with the rank's number on this machine, or the only one that is visible. */
static fd_status open_gpu(fd_device **dev, const fd_config *config, int local_rank, int local_size) {
  static const fd_plugin_host host = {fd_fail};
  const fd_plugin *plugin;
  FD_TRY(fd_plugin_load(&plugin));
  int count = plugin->count(), bf16 = config->device.precision != FD_PRECISION_FP32;
  if (count > 1 && local_size > count && !config->comm.share_gpu)
    return fd_fail(FD_CONFIG,
                   "%d ranks on this machine and %d GPUs: start one rank a GPU (comm.share_gpu=true lets ranks share them)",
                   local_size, count);
  const fd_gpu_options options = {.gpu = local_rank % count, .bf16 = bf16, .products = FD_PRODUCTS_DEFAULT};
  FD_TRY(plugin->open(dev, &host, &options));
  if (config->comm.share_gpu) (*dev)->free_memory /= (uint64_t)((local_size + count - 1) / count);
  return FD_OK;
}

static fd_status open_cpu(fd_device **dev, const fd_config *config, int local_size) {
  int threads = (int)config->device.threads;
  if (threads == 0) threads = fair_threads(local_size);
  return fd_cpu_open(dev, threads, config->device.simd, config->device.precision == FD_PRECISION_BF16);
}

fd_status fd_device_open(fd_device **dev, const fd_config *config, int local_rank, int local_size) {
  *dev = NULL;
  if (config->device.kind == FD_DEVICE_CUDA) FD_TRY(open_gpu(dev, config, local_rank, local_size));
  else FD_TRY(open_cpu(dev, config, local_size));
  (*dev)->check = config->device.check;
  return FD_OK;
}

fd_status fd_device_take_weights(fd_device *dev, const float **there, const float *weights, size_t floats, const char *what) {
  float *copy;
  *there = dev->own_memory ? NULL : weights;
  if (!dev->own_memory) return FD_OK;
  FD_TRY(dev->alloc(dev, &copy, floats * sizeof *copy, what));
  *there = copy;
  return dev->copy(dev, copy, weights, floats * sizeof *copy);
}

void fd_device_drop_weights(fd_device *dev, const float *there) {
  if (dev->own_memory) dev->release(dev, (void *)there);
}

void fd_device_close(fd_device **dev) {
  if (*dev && (*dev)->graphs.passes)
    fd_info("graphs: %" PRIu64 " of %" PRIu64 " forward and backward passes were started as one CUDA graph each, %" PRIu64
            " were built",
            (*dev)->graphs.whole, (*dev)->graphs.passes, (*dev)->graphs.built);
  if (*dev) (*dev)->destroy(*dev);
  *dev = NULL;
}
