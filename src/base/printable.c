/* Makes untrusted text, such as file names, safe for a terminal. */
#include "base/printable.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { LINE_MAX_BYTES = 8192 };

/* Decodes the character at `at` and returns its length in bytes; 0 where the text is not UTF-8. */
static int decode(const unsigned char *at, uint32_t *code) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  const int bytes = *at < 0x80                  ? 1
                    : *at >= 0xf0 && *at < 0xf8 ? 4
                    : *at >= 0xe0 && *at < 0xf0 ? 3
                    : *at >= 0xc0 && *at < 0xe0 ? 2
                                                : 0;
  *code = bytes > 1 ? *at & (0x7fu >> bytes) : *at;
  for (int i = 1; i < bytes; i++) {
    if ((at[i] & 0xc0) != 0x80) return 0; /* also at the end of the text */
    *code = *code << 6 | (at[i] & 0x3f);
  }
  return bytes && *code >= least[bytes] && *code <= 0x10ffff && (*code < 0xd800 || *code > 0xdfff) ? bytes : 0;
}

/* Control characters, line and paragraph separators, and bidirectional controls. */
static int is_control(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x61c || code == 0x200e || code == 0x200f ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

void fd_printable(char *out, size_t size, const char *text) {
  char part[16];
  size_t used = 0;
  for (const unsigned char *at = (const unsigned char *)text; *at;) {
    uint32_t code;
    int bytes = decode(at, &code);
    if (!bytes) snprintf(part, sizeof part, "\\x%02x", *at);
    else if (code == '\n' || code == '\t') snprintf(part, sizeof part, "\\%c", code == '\n' ? 'n' : 't');
    else if (is_control(code)) snprintf(part, sizeof part, code < 0x80 ? "\\x%02x" : "\\u%04x", (unsigned)code);
    else snprintf(part, sizeof part, "%.*s", bytes, (const char *)at);
    size_t length = strlen(part);
    if (used + length + 1 > size) break;
    memcpy(out + used, part, length);
    used += length;
    at += bytes ? bytes : 1;
  }
  out[used] = '\0';
}

void fd_print(const char *fmt, ...) {
  char text[LINE_MAX_BYTES], shown[FD_PRINTABLE_GROWTH * LINE_MAX_BYTES];
  size_t ends = 0, length = strlen(fmt);
  va_list args;
  while (ends < length && fmt[length - 1 - ends] == '\n') ends++;
  va_start(args, fmt);
  int whole = vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  if (whole >= 0 && (size_t)whole < sizeof text) text[(size_t)whole - ends] = '\0';
  fd_printable(shown, sizeof shown, text);
  fputs(shown, stdout);
  while (ends--) putchar('\n');
}
