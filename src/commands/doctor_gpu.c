/* findna doctor: prints the GPUs of this machine, as a run would find them. */
#include <stdio.h>
#include <string.h>

#include "commands/doctor.h"
#include "device/plugin.h"

/* Version of the NVIDIA driver as reported by the kernel; "" if it is not loaded. */
static void driver_version(char *text, size_t size) {
  FILE *in = fopen("/sys/module/nvidia/version", "re");
  text[0] = '\0';
  if (!in) return;
  if (!fgets(text, (int)size, in)) text[0] = '\0';
  text[strcspn(text, "\n")] = '\0';
  fclose(in);
}

static void show_gpu(const fd_plugin *plugin, int i) {
  fd_gpu gpu;
  char name[16];
  snprintf(name, sizeof name, "GPU %d", i);
  int error = plugin->describe(i, &gpu);
  if (error) {
    fd_doctor_show(name, "does not answer (CUDA error %d)", error);
    return;
  }
  fd_doctor_show(name, "%s, compute capability %d.%d%s; %.1f GB, of which %.1f GB are free", gpu.name, gpu.major, gpu.minor,
                 gpu.major < FD_GPU_MAJOR ? " (too old: the lowest supported is 8.0, A100)" : "", (double)gpu.memory * 1e-9,
                 (double)gpu.free_memory * 1e-9);
}

void fd_doctor_gpus(void) {
  char text[4096], driver[64];
  const fd_plugin *plugin = fd_plugin_try(text, sizeof text);
  driver_version(driver, sizeof driver);
  printf("GPUs\n");
  if (*driver) fd_doctor_show("driver", "%s", driver);
  if (!plugin) {
    fd_doctor_show("GPU", "none: %s", text);
    return;
  }
  int version = plugin->driver(), count = plugin->count();
  fd_doctor_show("CUDA", "%d.%d at most with this driver; plugin interface %s", version / 1000, version % 1000 / 10,
                 plugin->interface);
  for (int i = 0; i < count; i++) show_gpu(plugin, i);
}
