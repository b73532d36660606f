/* Checked allocation, and checked arithmetic on sizes. */
#ifndef FD_BASE_MEMORY_H
#define FD_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Sets *out to `count` zeroed elements of `size` bytes, aligned to 64 bytes, large blocks to huge pages (2 MB); on failure logs
 * `what` the bytes were for and sets NULL. Released with free(). A count of 0 gives a valid pointer. */
fd_status fd_alloc(void *out, size_t count, size_t size, const char *what) FD_MUST_CHECK;

/* Grows *out (from fd_grow, or NULL) to hold at least `count` elements of `size` bytes, keeping the contents; *capacity is
 * the number of elements it holds. Released with free(). */
fd_status fd_grow(void *out, size_t *capacity, size_t count, size_t size, const char *what) FD_MUST_CHECK;

/* Checked *total += value and *total *= value, for sizes that a file claims. Returns 0 and leaves *total unchanged when an
 * operand is negative or the result overflows: the file is then invalid. */
int fd_add_size(int64_t *total, int64_t value) FD_MUST_CHECK;
int fd_multiply_size(int64_t *total, int64_t value) FD_MUST_CHECK;

/* Bytes in /proc/meminfo for `key`, such as MemAvailable, the memory that programs can still allocate; 0: unknown. */
double fd_memory_of_machine(const char *key);

#endif
