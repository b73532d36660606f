/* What the fuzz targets share: files in memory, and expectations. */
#ifndef FD_TESTS_FUZZ_H
#define FD_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Aborts the program if the condition is false; the fuzzer then keeps the input. */
#define EXPECT(condition)                                                       \
  do {                                                                          \
    if (!(condition)) {                                                         \
      fprintf(stderr, "%s:%d: expected: %s\n", __FILE__, __LINE__, #condition); \
      abort();                                                                  \
    }                                                                           \
  } while (0)

/* The path of a file with this name and content, in this process's own folder in memory (/dev/shm). The file stays open, and
 * the next call overwrites it. */
const char *fuzz_file(const char *name, const void *data, size_t size);

/* Removes the file of this name. */
void fuzz_no_file(const char *name);

/* The folder of the files. */
const char *fuzz_files_folder(void);

/* Splits the next part, up to a byte 0xff, off an input; NULL after the last one. */
const uint8_t *fuzz_part(const uint8_t **data, size_t *size, size_t *part);

/* Runs a target on an input; 0 if there is no target of this name. */
int fuzz_run(const char *name, const uint8_t *data, size_t size);

#define TARGET(name, longest, what) void fuzz_##name(const uint8_t *data, size_t size);
#include "targets.def"
#undef TARGET

#endif
