/* Prints into memory through a custom stream: glibc's open_memstream does not report that it ran out of memory. */
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

typedef struct printed {
  char **text;
  size_t *bytes, room;
} printed;

static ssize_t take(void *cookie, const char *data, size_t bytes) {
  printed *p = cookie;
  size_t needed = *p->bytes + bytes + 1;
  if (needed > p->room) {
    size_t room = p->room + p->room / 2 > needed ? p->room + p->room / 2 : needed + 4096;
    char *grown = realloc(*p->text, room);
    if (!grown) return 0; /* sets the stream's error, which persists */
    *p->text = grown;
    p->room = room;
  }
  memcpy(*p->text + *p->bytes, data, bytes);
  *p->bytes += bytes;
  (*p->text)[*p->bytes] = '\0';
  return (ssize_t)bytes;
}

static int done(void *cookie) {
  free(cookie);
  return 0;
}

static fd_status lack(void) { return fd_fail(FD_MEMORY, "out of memory for a text"); }

fd_status fd_text_open(FILE **out, char **text, size_t *bytes) {
  printed *p = malloc(sizeof *p);
  *text = calloc(1, 1);
  *bytes = 0;
  *out = NULL;
  if (p) *p = (printed){text, bytes, 1};
  if (p && *text) *out = fopencookie(p, "w", (cookie_io_functions_t){.write = take, .close = done});
  if (*out) return FD_OK;
  free(p);
  free(*text);
  *text = NULL;
  return lack();
}

fd_status fd_text_flush(FILE *out, char **text) { return fflush(out) || ferror(out) || !*text ? lack() : FD_OK; }

void fd_text_spoil(FILE *out) { fputc('\0', out); }

void *fd_text_memory(FILE *out, size_t count, size_t size) {
  void *block = calloc(count + !count, size);
  if (!block) fd_text_spoil(out);
  return block;
}

fd_status fd_text_check(const char *text, size_t bytes) { return memchr(text, '\0', bytes) ? lack() : FD_OK; }

fd_status fd_text_close(FILE *out, char **text) {
  int bad = ferror(out);
  if (!fclose(out) && !bad && *text) return FD_OK;
  free(*text);
  *text = NULL;
  return lack();
}
