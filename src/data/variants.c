/* Reads VCF files and tables of variants. */
#include "data/variants.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/alphabet.h"
#include "data/fields.h"

enum { VCF_COLUMNS = 8, POSITION_MAX = INT_MAX };
static const size_t file_max = (size_t)64 << 30;

/* The columns of a table; -1: absent. */
typedef struct columns {
  fd_fields fields;
  int contig, position, id, ref, alt;
} columns;

static int is_letter(char c) { return fd_symbol_of[(unsigned char)c] != FD_NO_LETTER; }

/* Whether the text consists of letters of nucleotides; empty is not. */
static int is_sequence(const char *text, size_t length) {
  size_t i = 0;
  while (i < length && is_letter(text[i])) i++;
  return length && i == length;
}

/* Whether an allele is nucleotides, or what else VCF allows (version 4.5, section 1.6.1): missing, overlapping, symbolic, or a
 * breakend, of two ends (with brackets) or a single one (with a dot). */
static int is_allele(const char *text, size_t length) {
  if (length == 1 && (*text == '.' || *text == '*')) return 1;
  if (*text == '<') return length > 2 && text[length - 1] == '>';
  if (memchr(text, '[', length) || memchr(text, ']', length)) return 1;
  if (length > 1 && *text == '.') text++, length--;
  else if (length > 1 && text[length - 1] == '.') length--;
  return is_sequence(text, length);
}

/* The allele behind the next comma, or NULL. */
static const char *next_allele(const char *allele) {
  const char *comma = strchr(allele, ',');
  return comma ? comma + 1 : NULL;
}

static fd_status check_alleles(const char *path, const fd_variant *v) {
  for (const char *allele = v->alt; allele; allele = next_allele(allele)) {
    size_t length = strcspn(allele, ",");
    if (!length)
      return fd_fail(FD_DATA, "%s:%" PRId64 ": ALT '%.20s': an allele is empty; expected one, or several separated by commas",
                     path, v->line, v->alt);
    if (!is_allele(allele, length))
      return fd_fail(FD_DATA,
                     "%s:%" PRId64
                     ": ALT '%.*s': expected nucleotides, or what VCF allows besides (. * <ID> or a breakend); "
                     "deletions are written with the base before them, as REF CA and ALT C",
                     path, v->line, length < 20 ? (int)length : 20, allele);
  }
  return FD_OK;
}

int fd_variant_is_sequence(const fd_variant *v) {
  for (const char *allele = v->alt; allele; allele = next_allele(allele))
    if (is_sequence(allele, strcspn(allele, ","))) return strspn(v->ref, "Nn") != strlen(v->ref);
  return 0;
}

/* Checks a variant. REF must be nucleotides, since it is compared with the genome. */
static fd_status check(const char *path, fd_variant *v, const char *position) {
  int64_t at;
  if (!fd_whole_number(position, &at) || at < 0 || at > POSITION_MAX)
    return fd_fail(FD_DATA, "%s:%" PRId64 ": position '%.40s': expected a whole number from 1 (0 is the telomere)", path, v->line,
                   position);
  v->written = position;
  v->position = at - 1;
  if (!*v->contig) return fd_fail(FD_DATA, "%s:%" PRId64 ": the contig is empty", path, v->line);
  if (!*v->ref) return fd_fail(FD_DATA, "%s:%" PRId64 ": REF is empty; expected the genome's nucleotides", path, v->line);
  if (!is_sequence(v->ref, strlen(v->ref)))
    return fd_fail(FD_DATA, "%s:%" PRId64 ": REF '%.20s': expected nucleotides (A, C, G, T, N)", path, v->line, v->ref);
  return check_alleles(path, v);
}

static int tabs_of(const char *text) {
  int count = 0;
  for (; text && (text = strchr(text, '\t')); text++) count++;
  return count;
}

/* `columns`: of the line #CHROM. */
static fd_status read_vcf_line(const char *path, int64_t line, char *text, int columns, fd_variant *v) {
  char *field[VCF_COLUMNS] = {0}, *rest = text;
  int fields = 0, all = tabs_of(text) + 1;
  while (fields < VCF_COLUMNS && rest) field[fields++] = fd_next_field(&rest, '\t');
  if (fields < VCF_COLUMNS)
    return fd_fail(FD_DATA, "%s:%" PRId64 ": %d columns; expected CHROM POS ID REF ALT QUAL FILTER INFO, separated by tabs", path,
                   line, fields);
  if (all != columns)
    return fd_fail(FD_DATA, "%s:%" PRId64 ": %d columns; the line #CHROM has %d: one for each sample", path, line, all, columns);
  *v = (fd_variant){line, field[0], field[2], NULL, 0, field[3], field[4], {field[5], field[6], field[7]}, rest};
  return check(path, v, field[1]);
}

static fd_status read_columns(const fd_lines *lines, char *line, size_t length, columns *c) {
  static const char *const contig[] = {"chrom", "chr", "contig", NULL}, *const position[] = {"pos", "position", NULL},
                           *const id[] = {"id", "rsid", "name", NULL}, *const ref[] = {"ref", "reference", NULL},
                           *const alt[] = {"alt", "alternative", NULL};
  FD_TRY(fd_fields_begin(&c->fields, lines, line, length));
  FD_TRY(fd_fields_column(&c->fields, contig, &c->contig));
  FD_TRY(fd_fields_column(&c->fields, position, &c->position));
  FD_TRY(fd_fields_column(&c->fields, id, &c->id));
  FD_TRY(fd_fields_column(&c->fields, ref, &c->ref));
  FD_TRY(fd_fields_column(&c->fields, alt, &c->alt));
  const char *missing = c->contig < 0 ? "chrom" : c->position < 0 ? "pos" : c->ref < 0 ? "ref" : c->alt < 0 ? "alt" : NULL;
  if (!missing) return FD_OK;
  return fd_fail(FD_DATA,
                 "%s:%" PRId64 ": no column '%s'; expected a header with chrom, pos (from 1), ref, alt (and id), or a VCF file",
                 lines->path, lines->number, missing);
}

static fd_status read_table_line(const fd_lines *lines, char *line, size_t length, columns *c, fd_variant *v) {
  const fd_field *item;
  FD_TRY(fd_fields_cut(&c->fields, line, length));
  item = c->fields.item;
  *v = (fd_variant){.line = lines->number,
                    .contig = fd_field_trimmed(item[c->contig]).text,
                    .id = c->id >= 0 && *item[c->id].text ? item[c->id].text : ".",
                    .ref = fd_field_trimmed(item[c->ref]).text,
                    .alt = fd_field_trimmed(item[c->alt]).text};
  return check(lines->path, v, fd_field_trimmed(item[c->position]).text);
}

static fd_status read_line(const fd_lines *lines, char *line, size_t length, fd_variants *all, columns *c) {
  const char *path = lines->path;
  int64_t number = lines->number;
  int first = !all->vcf && !c->fields.columns;
  if (first) all->vcf = !strncmp(line, "##fileformat=VCF", 16);
  if (all->vcf && *line == '#') {
    if (all->count)
      return fd_fail(FD_DATA,
                     "%s:%" PRId64 ": a header line behind variants: files joined with cat? Join them with bcftools concat", path,
                     number);
    FD_TRY(fd_grow(&all->header, &all->header_capacity, (size_t)all->headers + 1, sizeof *all->header, "a VCF header"));
    all->header[all->headers++] = line;
    all->columns = tabs_of(line) + 1;
    return FD_OK;
  }
  if (first && !strncmp(line, "##", 2)) return fd_fail(FD_DATA, "%s:1: '%.40s': expected ##fileformat=VCFv4...", path, line);
  if (first) return read_columns(lines, line, length, c);
  if (all->vcf && (!all->headers || strncmp(all->header[all->headers - 1], "#CHROM\t", 7)))
    return fd_fail(FD_DATA, "%s:%" PRId64 ": no line '#CHROM POS ...', separated by tabs, before the first variant", path,
                   number);
  FD_TRY(fd_grow(&all->item, &all->item_capacity, (size_t)all->count + 1, sizeof *all->item, "variants"));
  fd_variant *v = &all->item[all->count++];
  return all->vcf ? read_vcf_line(path, number, line, all->columns, v) : read_table_line(lines, line, length, c, v);
}

fd_status fd_variants_read(const char *path, fd_variants *all) {
  fd_lines lines;
  columns c = {0};
  memset(all, 0, sizeof *all);
  FD_TRY(fd_lines_open(&lines, path, file_max));
  fd_status status = FD_OK;
  size_t length;
  for (char *line; status == FD_OK && (line = fd_lines_next(&lines, &length));) status = read_line(&lines, line, length, all, &c);
  if (status == FD_OK && !all->vcf && !c.fields.columns)
    status = fd_fail(FD_DATA, "%s: is empty; expected a VCF file or a table of variants", path);
  if (status == FD_OK && !all->count) status = fd_fail(FD_DATA, "%s: has no variant", path);
  all->text = lines.text; /* the fields point into it */
  fd_fields_end(&c.fields);
  if (status != FD_OK) fd_variants_free(all);
  return status;
}

void fd_variants_free(fd_variants *all) {
  free(all->text);
  free(all->header);
  free(all->item);
  memset(all, 0, sizeof *all);
}
