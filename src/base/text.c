/* Printing into memory. */
#include "base/text.h"

#include <stdlib.h>

fd_status fd_text_open(FILE **out, char **text, size_t *bytes) {
  *text = NULL;
  *bytes = 0;
  *out = open_memstream(text, bytes);
  return *out ? FD_OK : fd_fail(FD_MEMORY, "out of memory for a text");
}

fd_status fd_text_flush(FILE *out, char **text) {
  return fflush(out) || ferror(out) || !*text ? fd_fail(FD_MEMORY, "out of memory for a text") : FD_OK;
}

fd_status fd_text_close(FILE *out, char **text) {
  int bad = ferror(out);
  if (!fclose(out) && !bad && *text) return FD_OK;
  free(*text);
  *text = NULL;
  return fd_fail(FD_MEMORY, "out of memory for a text");
}
