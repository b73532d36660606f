/* Chooses the sequences that an ingest uses. */
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "data/alphabet.h"
#include "data/ingest_parts.h"

/* Published lengths of GRCh38's chromosomes, for --assembly GRCh38. */
static const struct {
  const char *name;
  int64_t length;
} grch38[] = {{"chr1", 248956422},  {"chr2", 242193529},  {"chr3", 198295559},  {"chr4", 190214555},  {"chr5", 181538259},
              {"chr6", 170805979},  {"chr7", 159345973},  {"chr8", 145138636},  {"chr9", 138394717},  {"chr10", 133797422},
              {"chr11", 135086622}, {"chr12", 133275309}, {"chr13", 114364328}, {"chr14", 107043718}, {"chr15", 101991189},
              {"chr16", 90338345},  {"chr17", 83257441},  {"chr18", 80373285},  {"chr19", 58617616},  {"chr20", 64444167},
              {"chr21", 46709983},  {"chr22", 50818468},  {"chrX", 156040895},  {"chrY", 57227415},   {"chrM", 16569}};
enum { GRCH38_NAMES = sizeof grch38 / sizeof *grch38, NUCLEAR = GRCH38_NAMES - 1 };

/* Lengths of chr1 and chrX: the names are not enough, since another species' genome may have them, too. */
static const struct {
  const char *assembly;
  int64_t chr1, chrx;
} human[] = {{"GRCh38", 248956422, 156040895},
             {"GRCh37", 249250621, 155270560},
             {"T2T-CHM13v2.0", 248387328, 154259566},
             {"NCBI36", 247249719, 154913754}};

static fd_status check_assembly(const fd_ingest *in) {
  int known = 0;
  if (strcmp(in->options->assembly, "GRCh38")) return FD_OK;
  for (int r = 0; r < in->genome.records; r++) {
    const fd_record *record = &in->genome.record[r];
    for (int i = 0; i < GRCH38_NAMES; i++) {
      if (!fd_same_contig(record->contig, grch38[i].name)) continue;
      int64_t end = record->first + record->length;
      known++;
      if (record->region ? end > grch38[i].length : end != grch38[i].length)
        return fd_fail(FD_DATA,
                       "%s: %s has %" PRId64 " bases, but GRCh38's has %" PRId64
                       ": this is another assembly (leave out --assembly, or take the right file)",
                       in->genome.file[record->file].path, record->contig, end, grch38[i].length);
    }
  }
  return known ? FD_OK
               : fd_fail(FD_DATA,
                         "--assembly GRCh38: no sequence has the name of a chromosome, such as chr1 or 1 (the first is '%s')",
                         in->genome.record[0].contig);
}

/* The length of a contig that is one whole record, or -1. */
static int64_t length_of(const fd_genome *g, const char *name) {
  fd_contig c = fd_genome_find(g, name);
  const fd_record *r = c.count == 1 ? &g->record[g->by_name[c.first]] : NULL;
  return r && !r->region ? r->length : -1;
}

/* Whether the records are the chromosomes of a human assembly, by names and lengths. */
static int is_human(const fd_genome *g) {
  for (int i = 0; i < NUCLEAR; i++)
    if (length_of(g, grch38[i].name) < 0) return 0;
  for (size_t i = 0; i < sizeof human / sizeof *human; i++)
    if (length_of(g, "chr1") == human[i].chr1 && length_of(g, "chrX") == human[i].chrx) return 1;
  fd_info(
      "chromosomes 1 to 22, X and Y are there, but not with the lengths of a human assembly known here: all sequences are used "
      "(--contigs chooses)");
  return 0;
}

/* Marks the records that a list names; a name without a record is FD_DATA. */
static fd_status mark(const fd_ingest *in, const fd_list *list, const char *option, int *marked) {
  const fd_genome *g = &in->genome;
  for (int i = 0; i < list->count; i++) {
    fd_contig c = fd_genome_find(g, list->item[i]);
    if (!c.count)
      return fd_fail(FD_DATA, "--%s: no sequence is named '%s' (the first is '%s')", option, list->item[i], g->record[0].contig);
    for (int k = 0; k < c.count; k++) marked[g->by_name[c.first + k]] = 1;
  }
  return FD_OK;
}

static int is_nuclear(const char *contig) {
  for (int i = 0; i < NUCLEAR; i++)
    if (fd_same_contig(grch38[i].name, contig)) return 1;
  return 0;
}

/* Without --contigs: all sequences, or, of a human assembly, chromosomes 1-22, X, Y and those of --holdout. With --bed the
 * intervals choose. */
static void choose_by_default(fd_ingest *in) {
  int chromosomes_only = !in->options->bed && is_human(&in->genome);
  for (int r = 0; r < in->genome.records; r++)
    in->used[r] = !chromosomes_only || in->held_out[r] || is_nuclear(in->genome.record[r].contig);
}

fd_status fd_ingest_choose(fd_ingest *in) {
  const fd_genome *g = &in->genome;
  const fd_ingest_options *o = in->options;
  FD_TRY(check_assembly(in));
  FD_TRY(fd_alloc(&in->used, (size_t)g->records, sizeof *in->used, "contigs"));
  FD_TRY(fd_alloc(&in->held_out, (size_t)g->records, sizeof *in->held_out, "contigs"));
  FD_TRY(mark(in, &o->contigs, "contigs", in->used));
  FD_TRY(mark(in, &o->holdout, "holdout", in->held_out));
  if (!o->contigs.count) choose_by_default(in);
  for (int r = 0; r < g->records; r++)
    if (in->held_out[r] && !in->used[r])
      return fd_fail(FD_USAGE, "--holdout: '%s' is not among --contigs; name it there, too", g->record[r].contig);
  for (int r = 0; r < g->records; r++)
    if (in->used[r] && g->record[r].length >= o->window) return FD_OK;
  return fd_fail(FD_DATA, "--window %" PRId64 " is longer than every sequence to use", o->window);
}
