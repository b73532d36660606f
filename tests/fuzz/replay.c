/* Runs files through a fuzz target, with any compiler: replay TARGET FILE... */
#include "fuzz.h"

#include "base/file.h"

int main(int argc, char **argv) {
  if (argc < 2) return fprintf(stderr, "usage: replay TARGET FILE...\n"), 2;
  for (int i = 2; i < argc; i++) {
    char *text;
    size_t bytes;
    if (fd_read_file(argv[i], 1 << 20, &text, &bytes) != FD_OK) return 1;
    int known = fuzz_run(argv[1], (const uint8_t *)text, bytes);
    free(text);
    if (!known) return fprintf(stderr, "no target %s\n", argv[1]), 2;
  }
  return 0;
}
