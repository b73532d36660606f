/* Finds and loads the CUDA plugin: a library of its own, so that the program starts on machines without CUDA. */
#include "device/plugin.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "build_interface.h"

static const char file_name[] = "libfindna_cuda.so";

/* Beside the program, or where `make install` puts it; FINDNA_PLUGIN names another file (the emulated GPU of the tests). */
static int find(char path[PATH_MAX]) {
  const char *named = getenv("FINDNA_PLUGIN"), *const folders[] = {"", "../lib/findna/"};
  char folder[PATH_MAX - 64];
  if (named) return snprintf(path, PATH_MAX, "%s", named) < PATH_MAX;
  ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
  if (length <= 0) return 0;
  folder[length] = 0;
  char *slash = strrchr(folder, '/');
  if (slash) slash[1] = 0;
  for (int i = 0; i < 2; i++) {
    snprintf(path, PATH_MAX, "%s%s%s", folder, folders[i], file_name);
    if (!access(path, F_OK)) return 1;
  }
  return 0;
}

static const fd_plugin *load(char *text, size_t size) {
  char path[PATH_MAX];
  if (!find(path)) {
    snprintf(text, size, "this build has no CUDA plugin (%s): 'make CUDA=1' builds it", file_name);
    return NULL;
  }
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL); /* stays for the life of the process */
  void *entry = library ? dlsym(library, "fd_plugin_entry") : NULL;
  if (!entry) {
    snprintf(text, size, "the CUDA plugin cannot be loaded: %s", dlerror());
    return NULL;
  }
  fd_plugin_entry_function *function;
  memcpy(&function, &entry, sizeof function);
  const fd_plugin *plugin = function();
  if (!strcmp(plugin->interface, FD_INTERFACE)) return plugin;
  snprintf(text, size, "%s was built for another version of this program (interface %s, not %s): build both again", path,
           plugin->interface, FD_INTERFACE);
  return NULL;
}

const fd_plugin *fd_plugin_try(char *text, size_t size) {
  const fd_plugin *plugin = load(text, size);
  if (!plugin) return NULL;
  if (plugin->count() > 0) return plugin;
  if (plugin->driver() > 0) snprintf(text, size, "there is no GPU that this process may use (is CUDA_VISIBLE_DEVICES empty?)");
  else snprintf(text, size, "this machine has no NVIDIA driver");
  return NULL;
}

fd_status fd_plugin_load(const fd_plugin **plugin) {
  char text[PATH_MAX + 256];
  *plugin = fd_plugin_try(text, sizeof text);
  return *plugin ? FD_OK : fd_fail(FD_GPU, "device.kind: cuda: %s; device.kind=cpu runs without", text);
}
