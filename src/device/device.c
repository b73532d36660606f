/* Opens the device that a config asks for: the one file that names the back ends. */
#include "device/device.h"

#include <sched.h>
#include <unistd.h>

#include "cpu/backend.h"

/* A rank's share of the machine's cores, within those that it is bound to. */
static int fair_threads(int local_size) {
  cpu_set_t bound;
  long cores = sysconf(_SC_NPROCESSORS_ONLN), share = cores > local_size ? cores / local_size : 1;
  int usable = sched_getaffinity(0, sizeof bound, &bound) ? (int)cores : CPU_COUNT(&bound);
  return usable < share ? usable : (int)share;
}

void fd_device_simd(char *text, size_t size) { fd_cpu_simd(text, size); }

fd_status fd_device_open(fd_device **dev, const fd_config *config, int local_size) {
  *dev = NULL;
  if (config->device.kind == FD_DEVICE_CUDA)
    return fd_fail(FD_CONFIG, "device.kind: cuda: this build has no CUDA plugin; use device.kind=cpu");
  int threads = (int)config->device.threads;
  if (threads == 0) threads = fair_threads(local_size);
  return fd_cpu_open(dev, threads, config->device.simd, config->device.precision);
}

void fd_device_close(fd_device **dev) {
  if (*dev) (*dev)->destroy(*dev);
  *dev = NULL;
}
