/* Checked allocation, and checked arithmetic on sizes. */
#include "base/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGNMENT = 64, LARGE = 4 << 20, HUGE_PAGE = 2 << 20 };

/* Requests huge pages for a large block before it is first touched: matrix products walk through many MB in large strides, and on
 * huge pages TLB misses cost them a fraction. A kernel without huge pages is no error. */
static void *take(size_t bytes) {
  if (bytes < LARGE) return aligned_alloc(ALIGNMENT, bytes);
  if (bytes > SIZE_MAX - HUGE_PAGE) return NULL;
  void *block = aligned_alloc(HUGE_PAGE, (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE); /* a multiple, as C11 requires */
#ifdef MADV_HUGEPAGE
  if (block) (void)madvise(block, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#endif
  return block;
}

fd_status fd_alloc(void *out, size_t count, size_t size, const char *what) {
  void *block = NULL;
  memcpy(out, &block, sizeof block);
  if (size && count > (SIZE_MAX - ALIGNMENT) / size)
    return fd_fail(FD_MEMORY, "%s: %zu elements of %zu bytes are more than this machine can address", what, count, size);
  size_t bytes = (count * size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  if (bytes == 0) bytes = ALIGNMENT;
  block = take(bytes);
  if (!block) return fd_fail(FD_MEMORY, "out of memory: %zu bytes for %s", bytes, what);
  memset(block, 0, bytes);
  memcpy(out, &block, sizeof block);
  return FD_OK;
}

double fd_memory_of_machine(const char *key) {
  char line[256];
  double kilobytes = 0;
  FILE *in = fopen("/proc/meminfo", "re");
  while (in && fgets(line, sizeof line, in))
    if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':') kilobytes = strtod(line + strlen(key) + 1, NULL);
  if (in) fclose(in);
  return kilobytes * 1024;
}

fd_status fd_grow(void *out, size_t *capacity, size_t count, size_t size, const char *what) {
  if (count <= *capacity) return FD_OK;
  size_t wanted = *capacity + *capacity / 2 + 16;
  if (wanted < count) wanted = count;
  void *block;
  memcpy(&block, out, sizeof block);
  if (wanted > SIZE_MAX / size) return fd_fail(FD_MEMORY, "%s: too many elements (%zu)", what, count);
  void *grown = realloc(block, wanted * size);
  if (!grown) return fd_fail(FD_MEMORY, "out of memory: %zu bytes for %s", wanted * size, what);
  memcpy(out, &grown, sizeof grown);
  *capacity = wanted;
  return FD_OK;
}

int fd_add_size(int64_t *total, int64_t value) {
  int64_t sum;
  if (*total < 0 || value < 0 || __builtin_add_overflow(*total, value, &sum)) return 0;
  *total = sum;
  return 1;
}

int fd_multiply_size(int64_t *total, int64_t value) {
  int64_t product;
  if (*total < 0 || value < 0 || __builtin_mul_overflow(*total, value, &product)) return 0;
  *total = product;
  return 1;
}
