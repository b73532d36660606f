/* Prints names in the cells of tables (.tsv). */
#include "output/cell.h"

#include <string.h>

static int is_computed(const char *name, size_t length) {
  static const char *const wide[] = {"\uff1d", "\uff0b", "\uff0d", "\uff20"}; /* = + - @ */
  if (!length) return 0;
  if (strchr("=+-@\"", *name) || (unsigned char)*name < 0x20) return 1;
  for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
    if (length >= 3 && !memcmp(name, wide[i], 3)) return 1;
  return 0;
}

void fd_cell(FILE *out, const char *name, size_t length, int spreadsheet) {
  if (spreadsheet && is_computed(name, length)) fputc('\'', out);
  for (size_t i = 0; i < length; i++) fputc(strchr("\t\r\n", name[i]) ? ' ' : name[i], out);
}
