/* Installs an allocator in jansson that records lack of memory. */
#include "base/json_memory.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/json.h"

static void *allocate(size_t bytes) {
  void *block = malloc(bytes);
  if (!block) fd_json_lacked_memory();
  return block;
}

/* A file of its own: libfindna is linked without it. */
void fd_json_watch_memory(void) { json_set_alloc_funcs(allocate, free); }
