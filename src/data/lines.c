/* Splits text files into lines. */
#include "data/lines.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/stream.h"

fd_status fd_byte_order_mark(const char *path, const void *text, size_t bytes, size_t *mark) {
  *mark = bytes >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0;
  if (bytes < 2 || (memcmp(text, "\xff\xfe", 2) && memcmp(text, "\xfe\xff", 2))) return FD_OK;
  return fd_fail(FD_DATA, "%s: is UTF-16 text, as some spreadsheets write it; save it as UTF-8 or plain text", path);
}

/* Reads the whole content; *text is NUL-terminated. */
static fd_status read_all(fd_stream *s, const char *path, size_t limit, char **text, size_t *bytes) {
  size_t room = 0;
  *text = NULL;
  for (*bytes = 0;;) {
    size_t got;
    if (*bytes > limit) return fd_fail(FD_DATA, "%s: its content has more than %zu bytes", path, limit);
    FD_TRY(fd_grow(text, &room, *bytes + 2, 1, path));
    FD_TRY(fd_stream_read(s, *text + *bytes, room - *bytes - 1, &got));
    *bytes += got;
    (*text)[*bytes] = '\0';
    if (!got) return FD_OK;
  }
}

/* The number of the line that holds a byte. */
static int64_t line_at(const fd_lines *l, const char *byte) {
  int64_t line = 1;
  for (const char *c = l->at; c < byte; c++) line += *c == '\n' || (*c == '\r' && c[1] != '\n');
  return line;
}

/* Refuses a NUL byte anywhere, and a byte order mark at the beginning of a line, where another file was appended. */
static fd_status check_text(const fd_lines *l) {
  static const char mark[] = "\xef\xbb\xbf";
  const char *nul = memchr(l->at, '\0', (size_t)(l->end - l->at));
  if (nul && l->end - l->at > 4 && (!memcmp(l->at, "BCF\2", 4) || !memcmp(l->at, "BAM\1", 4)))
    return fd_fail(FD_DATA, "%s: is %.3s, which is not read; write it as text (bcftools view, samtools fasta)", l->path, l->at);
  if (nul)
    return fd_fail(FD_DATA, "%s:%" PRId64 ": has a NUL byte: this is no text (or UTF-16; save it as UTF-8)", l->path,
                   line_at(l, nul));
  for (const char *at = l->at; (at = memmem(at, (size_t)(l->end - at), mark, 3)); at += 3)
    if (at == l->at || at[-1] == '\n' || at[-1] == '\r')
      return fd_fail(FD_DATA, "%s:%" PRId64 ": begins with a byte order mark, as a file does: joined with cat? Remove the mark",
                     l->path, line_at(l, at));
  return FD_OK;
}

fd_status fd_lines_of(fd_lines *l, const char *path, char *text, size_t bytes) {
  size_t mark;
  FD_TRY(fd_byte_order_mark(path, text, bytes, &mark));
  *l = (fd_lines){.path = path, .at = text + mark, .end = text + bytes};
  return check_text(l);
}

fd_status fd_lines_open(fd_lines *l, const char *path, size_t limit) {
  fd_stream *stream = NULL;
  fd_status status = FD_OK;
  char *text = NULL;
  size_t bytes = 0;
  *l = (fd_lines){0};
  FD_GO(fd_stream_open(&stream, path, 0));
  FD_GO(read_all(stream, path, limit, &text, &bytes));
  FD_GO(fd_stream_finish(stream, NULL, NULL));
  FD_GO(fd_lines_of(l, path, text, bytes));
done:
  fd_stream_close(&stream);
  l->text = text;
  if (status != FD_OK) fd_lines_close(l);
  return status;
}

void fd_lines_close(fd_lines *l) {
  free(l->text);
  *l = (fd_lines){0};
}

char *fd_lines_next(fd_lines *l, size_t *length) {
  while (l->at < l->end) {
    char *line = l->at, *stop = line + strcspn(line, "\r\n"); /* the text ends with a NUL */
    l->at = stop + 1 + (stop[0] == '\r' && stop[1] == '\n');
    l->number++;
    *stop = '\0';
    if (!line[strspn(line, " \t")]) continue;
    if (length) *length = (size_t)(stop - line);
    return line;
  }
  return NULL;
}

char *fd_next_field(char **line, char separator) {
  const char separators[2] = {separator, '\0'};
  return strsep(line, separators);
}

int fd_whole_number(const char *text, int64_t *value) {
  char *end;
  if (!isdigit((unsigned char)text[*text == '-'])) return 0;
  errno = 0;
  long long number = strtoll(text, &end, 10);
  *value = number;
  return !errno && !*end;
}
