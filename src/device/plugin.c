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

/* Looks for the plugin in the folder of the file `beside`, and in `other`, relative to that folder. */
static int find_from(const char *beside, const char *other, char path[PATH_MAX]) {
  const char *slash = strrchr(beside, '/'), *const folders[] = {"", other};
  int length = slash ? (int)(slash + 1 - beside) : 0;
  for (int i = 0; i < 2; i++) {
    if (snprintf(path, PATH_MAX, "%.*s%s%s", length, beside, folders[i], file_name) >= PATH_MAX) return 0;
    if (!access(path, F_OK)) return 1;
  }
  return 0;
}

/* Next to the program or libfindna, or where `make install` puts it; FINDNA_PLUGIN names another file (the emulated GPU of the
 * tests). */
static int find(char path[PATH_MAX]) {
  const char *named = getenv("FINDNA_PLUGIN");
  char program[PATH_MAX];
  Dl_info self; /* the library or program that this function is in */
  if (named) return snprintf(path, PATH_MAX, "%s", named) < PATH_MAX;
  ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  if (length <= 0) return 0;
  program[length] = 0;
  if (find_from(program, "../lib/findna/", path)) return 1;
  return dladdr(file_name, &self) && find_from(self.dli_fname, "findna/", path);
}

static const fd_plugin *load(char *text, size_t size) {
  char path[PATH_MAX];
  if (!find(path)) {
    snprintf(text, size, "this build has no CUDA plugin (%s): 'make CUDA=1' builds it", file_name);
    return NULL;
  }
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL); /* for the lifetime of the process */
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
  int driver = plugin->driver(), needed = plugin->runtime;
  if (driver <= 0) snprintf(text, size, "this machine has no NVIDIA driver");
  else if (driver / 1000 < needed / 1000)
    snprintf(text, size,
             "the NVIDIA driver supports CUDA %d.%d, and the plugin was built with CUDA %d.%d: update the driver, or build with "
             "CUDA %d",
             driver / 1000, driver % 1000 / 10, needed / 1000, needed % 1000 / 10, driver / 1000);
  else snprintf(text, size, "there is no GPU that this process may use (is CUDA_VISIBLE_DEVICES empty?)");
  return NULL;
}

fd_status fd_plugin_load(const fd_plugin **plugin) {
  char text[PATH_MAX + 256];
  *plugin = fd_plugin_try(text, sizeof text);
  return *plugin ? FD_OK : fd_fail(FD_GPU, "device.kind: cuda: %s; device.kind=cpu runs without", text);
}
