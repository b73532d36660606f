/* Variants of a VCF file, or of a table with the columns chrom, pos, ref, alt (and id); plain, gzip or xz. */
#ifndef FD_DATA_VARIANTS_H
#define FD_DATA_VARIANTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct fd_variant {
  int64_t line;            /* in the file, from 1 */
  const char *contig, *id; /* id: "." without one */
  const char *written;     /* the position as it is in the file */
  int64_t position;        /* of REF's first base, from 0 */
  const char *ref, *alt;   /* letters; alt: alleles separated by commas */
  const char *rest[3];     /* VCF: QUAL, FILTER, INFO */
  const char *samples;     /* VCF: the columns after INFO, or NULL */
} fd_variant;

typedef struct fd_variants {
  int vcf;
  char *text;          /* of the file, split into fields */
  const char **header; /* VCF: [headers] lines; the last one begins with #CHROM */
  int headers;
  int columns; /* VCF: of the line #CHROM */
  int64_t count;
  fd_variant *item;
  size_t header_capacity, item_capacity;
} fd_variants;

/* Reads all variants. REF consists of nucleotides, ALT of alleles that VCF allows, and lines of a VCF file have the columns of
 * its line #CHROM; else FD_DATA with file:line. */
fd_status fd_variants_read(const char *path, fd_variants *variants) FD_MUST_CHECK;
/* Whether an allele of ALT is nucleotides and REF is not N: then the variant is within a contig. Others may be at a telomere. */
int fd_variant_is_sequence(const fd_variant *variant);
void fd_variants_free(fd_variants *variants);

#endif
