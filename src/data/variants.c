/* Reads VCF files and tables of variants. */
#include "data/variants.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/alphabet.h"
#include "data/lines.h"

enum { COLUMNS_MAX = 64, VCF_COLUMNS = 8, POSITION_MAX = INT_MAX };
static const size_t file_max = (size_t)64 << 30;

/* Where a table has its columns; -1: not at all. */
typedef struct columns {
  char separator;
  int count, contig, position, id, ref, alt;
} columns;

/* REF of a variant must be nucleotides: the genome is compared with it. */
static fd_status check(const char *path, fd_variant *v, const char *position) {
  int64_t at;
  if (!fd_whole_number(position, &at) || at < 0 || at > POSITION_MAX)
    return fd_fail(FD_DATA, "%s:%" PRId64 ": position '%.40s': expected a whole number from 1 (0 is the telomere)", path, v->line,
                   position);
  v->position = at - 1;
  if (!*v->contig) return fd_fail(FD_DATA, "%s:%" PRId64 ": the contig is empty", path, v->line);
  if (!*v->ref) return fd_fail(FD_DATA, "%s:%" PRId64 ": REF is empty; expected the genome's nucleotides", path, v->line);
  for (const char *c = v->ref; *c; c++)
    if (fd_symbol_of[(unsigned char)*c] == FD_NO_LETTER)
      return fd_fail(FD_DATA, "%s:%" PRId64 ": REF '%.20s': expected nucleotides (A, C, G, T, N)", path, v->line, v->ref);
  if (!*v->alt) return fd_fail(FD_DATA, "%s:%" PRId64 ": ALT is empty", path, v->line);
  return FD_OK;
}

static fd_status read_vcf_line(const char *path, int64_t line, char *text, fd_variant *v) {
  char *field[VCF_COLUMNS] = {0}, *rest = text;
  int fields = 0;
  while (fields < VCF_COLUMNS && rest) field[fields++] = fd_next_field(&rest, '\t');
  if (fields < VCF_COLUMNS)
    return fd_fail(FD_DATA, "%s:%" PRId64 ": %d columns; expected CHROM POS ID REF ALT QUAL FILTER INFO, separated by tabs", path,
                   line, fields);
  *v = (fd_variant){line, field[0], field[2], 0, field[3], field[4], {field[5], field[6], field[7]}, rest};
  return check(path, v, field[1]);
}

static int is(const char *word, const char *a, const char *b, const char *c) {
  if (*word == '#') word++;
  return !strcasecmp(word, a) || (b && !strcasecmp(word, b)) || (c && !strcasecmp(word, c));
}

/* "A" is A; a separator within quotes is not known here, and gives another number of fields. */
static char *without_quotes(char *word) {
  size_t n = strlen(word);
  if (n < 2 || word[0] != '"' || word[n - 1] != '"') return word;
  word[n - 1] = '\0';
  return word + 1;
}

static fd_status read_columns(const char *path, char *line, columns *c) {
  *c = (columns){strchr(line, '\t') ? '\t' : ',', 0, -1, -1, -1, -1, -1};
  for (char *word; (word = fd_next_field(&line, c->separator)); c->count++) {
    word = without_quotes(word);
    if (is(word, "chrom", "chr", "contig")) c->contig = c->count;
    else if (is(word, "pos", "position", NULL)) c->position = c->count;
    else if (is(word, "id", "name", "rsid")) c->id = c->count;
    else if (is(word, "ref", "reference", NULL)) c->ref = c->count;
    else if (is(word, "alt", "alternative", NULL)) c->alt = c->count;
  }
  const char *missing = c->contig < 0 ? "chrom" : c->position < 0 ? "pos" : c->ref < 0 ? "ref" : c->alt < 0 ? "alt" : NULL;
  if (missing)
    return fd_fail(FD_DATA, "%s:1: no column '%s'; expected a header with chrom, pos (from 1), ref, alt (and id), or a VCF file",
                   path, missing);
  return c->count <= COLUMNS_MAX ? FD_OK : fd_fail(FD_DATA, "%s:1: more than %d columns", path, COLUMNS_MAX);
}

static fd_status read_table_line(const char *path, int64_t line, char *text, const columns *c, fd_variant *v) {
  char *field[COLUMNS_MAX];
  int fields = 0;
  for (char *word; (word = fd_next_field(&text, c->separator)); fields++)
    if (fields < COLUMNS_MAX) field[fields] = without_quotes(word);
  if (fields != c->count)
    return fd_fail(FD_DATA, "%s:%" PRId64 ": %d fields; the header has %d columns", path, line, fields, c->count);
  const char *position = field[c->position];
  *v = (fd_variant){.line = line,
                    .contig = field[c->contig],
                    .id = c->id >= 0 && *field[c->id] ? field[c->id] : ".",
                    .ref = field[c->ref],
                    .alt = field[c->alt]};
  return check(path, v, position);
}

static fd_status read_line(const char *path, int64_t number, char *line, fd_variants *all, columns *c) {
  int first = !all->vcf && !c->count;
  if (first) all->vcf = !strncmp(line, "##fileformat=VCF", 16);
  if (all->vcf && *line == '#') {
    if (all->count)
      return fd_fail(FD_DATA,
                     "%s:%" PRId64 ": a header line behind variants: files joined with cat? Join them with bcftools concat", path,
                     number);
    FD_TRY(fd_grow(&all->header, &all->header_capacity, (size_t)all->headers + 1, sizeof *all->header, "a VCF header"));
    all->header[all->headers++] = line;
    return FD_OK;
  }
  if (first && !strncmp(line, "##", 2)) return fd_fail(FD_DATA, "%s:1: '%.40s': expected ##fileformat=VCFv4...", path, line);
  if (first) return read_columns(path, line, c);
  if (all->vcf && (!all->headers || strncmp(all->header[all->headers - 1], "#CHROM\t", 7)))
    return fd_fail(FD_DATA, "%s:%" PRId64 ": no line '#CHROM ...' before the first variant", path, number);
  FD_TRY(fd_grow(&all->item, &all->item_capacity, (size_t)all->count + 1, sizeof *all->item, "variants"));
  fd_variant *v = &all->item[all->count++];
  return all->vcf ? read_vcf_line(path, number, line, v) : read_table_line(path, number, line, c, v);
}

fd_status fd_variants_read(const char *path, fd_variants *all) {
  fd_lines lines;
  columns c = {0};
  memset(all, 0, sizeof *all);
  FD_TRY(fd_lines_open(&lines, path, file_max));
  fd_status status = FD_OK;
  for (char *line; status == FD_OK && (line = fd_lines_next(&lines, NULL));)
    status = read_line(path, lines.number, line, all, &c);
  if (status == FD_OK && !all->vcf && !c.count)
    status = fd_fail(FD_DATA, "%s: is empty; expected a VCF file or a table of variants", path);
  if (status == FD_OK && !all->count) status = fd_fail(FD_DATA, "%s: has no variant", path);
  all->text = lines.text; /* the fields lie in it */
  if (status != FD_OK) fd_variants_free(all);
  return status;
}

void fd_variants_free(fd_variants *all) {
  free(all->text);
  free(all->header);
  free(all->item);
  memset(all, 0, sizeof *all);
}
