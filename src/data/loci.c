/* Finds intervals in a genome, and copies their sequences. */
#include "data/loci.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/alphabet.h"

fd_status fd_locus_find(const fd_genome *g, const char *where, const char *contig, int64_t begin, int64_t end, int minus,
                        fd_locus *locus) {
  int record = fd_genome_locate(g, contig, begin, end);
  if (record < 0) return fd_genome_lacks(g, where, contig, begin, end, record);
  int64_t first = g->record[record].first;
  *locus = (fd_locus){record, minus, begin - first, end - first, NULL};
  return FD_OK;
}

fd_status fd_loci_scattered(const fd_genome *g, const fd_locus *loci, int64_t count, int *scattered) {
  char *seen;
  FD_TRY(fd_alloc(&seen, (size_t)g->records, 1, "sequences"));
  *scattered = 0;
  for (int64_t i = 0; i < count && !*scattered; i++) {
    int record = loci[i].record, last = i ? loci[i - 1].record : -1;
    if (record == last) continue;
    *scattered = seen[record]++ || (record < last && g->file[g->record[record].file].packed);
  }
  free(seen);
  return FD_OK;
}

static int by_record(const void *a, const void *b) {
  const fd_locus *x = a, *y = b;
  return x->record != y->record ? (x->record > y->record) - (x->record < y->record)
                                : (x->begin > y->begin) - (x->begin < y->begin);
}

fd_status fd_loci_cut(const fd_genome *g, fd_genome_reader *reader, fd_locus *loci, int64_t count) {
  uint8_t *symbols = NULL;
  fd_status status = FD_OK;
  int loaded = -1;
  if (count) qsort(loci, (size_t)count, sizeof *loci, by_record);
  for (int64_t i = 0; i < count; i++) {
    const fd_locus *l = &loci[i];
    if (l->record != loaded) {
      free(symbols);
      FD_GO(fd_alloc(&symbols, (size_t)g->record[l->record].length, 1, "a sequence"));
      FD_GO(fd_genome_read(reader, l->record, symbols));
      loaded = l->record;
    }
    if (l->minus) fd_reverse_complement(symbols + l->begin, l->end - l->begin, l->to);
    else memcpy(l->to, symbols + l->begin, (size_t)(l->end - l->begin));
  }
done:
  free(symbols);
  return status;
}
