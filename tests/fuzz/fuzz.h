/* What the fuzz targets share: files that live in memory, and expectations. */
#ifndef FD_TESTS_FUZZ_H
#define FD_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Ends the program with a core that the fuzzer keeps the input of. */
#define EXPECT(condition)                                                       \
  do {                                                                          \
    if (!(condition)) {                                                         \
      fprintf(stderr, "%s:%d: expected: %s\n", __FILE__, __LINE__, #condition); \
      abort();                                                                  \
    }                                                                           \
  } while (0)

/* The path of a file with this name and content, in a folder of this process's own that lies in memory (/dev/shm). It stays open,
 * and is written over by the next call. */
const char *fuzz_file(const char *name, const void *data, size_t size);

/* From now on there is no file of this name. */
void fuzz_no_file(const char *name);

/* The folder of the files. */
const char *fuzz_files_folder(void);

/* Cuts the next part, up to a byte 0xff, off an input; NULL behind the last. */
const uint8_t *fuzz_part(const uint8_t **data, size_t *size, size_t *part);

/* Runs the target named `name` on an input; 0 when there is no such target. */
int fuzz_run(const char *name, const uint8_t *data, size_t size);

#define TARGET(name, longest, what) void fuzz_##name(const uint8_t *data, size_t size);
#include "targets.def"
#undef TARGET

#endif
