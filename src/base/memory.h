/* Checked allocation, and checked arithmetic on sizes. */
#ifndef FD_BASE_MEMORY_H
#define FD_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Sets *out to `count` zeroed elements of `size` bytes, aligned to 64, large blocks to huge pages (2 MB); on failure logs what
 * the bytes were for and sets NULL. Released with free(). A count of 0 gives a valid pointer. */
fd_status fd_alloc(void *out, size_t count, size_t size, const char *what) FD_MUST_CHECK;

/* Grows *out (from fd_grow, or NULL) to hold at least `count` elements of `size` bytes, keeping the contents; *capacity is
 * the number of elements it holds. Released with free(). */
fd_status fd_grow(void *out, size_t *capacity, size_t count, size_t size, const char *what) FD_MUST_CHECK;

/* Sums and products of sizes that a file claims: *total + value and *total * value, in place. 0, and *total as it was, where the
 * result is negative or does not fit: the file is then wrong. */
int fd_add_size(int64_t *total, int64_t value) FD_MUST_CHECK;
int fd_multiply_size(int64_t *total, int64_t value) FD_MUST_CHECK;

/* Bytes that /proc/meminfo has for `key`, such as MemAvailable, what programs may still take; 0: not known. */
double fd_memory_of_machine(const char *key);

#endif
