/* Reads the records of a FASTA file as rows, with the classes at the end of their names. */
#include "data/labelled_fasta.h"

#include <string.h>

#include "data/lines.h"
#include "base/memory.h"
#include "data/genome.h"

enum { CLASSES_MAX = 65536 };

/* The number after the last '|' of a name. */
static fd_status label_of(const char *path, const fd_record *record, int *label) {
  const char *bar = strrchr(record->name, '|');
  int64_t number = -1;
  if (!bar || !fd_whole_number(bar + 1, &number) || number < 0 || number >= CLASSES_MAX)
    return fd_fail(FD_DATA, "%s: record '%.60s': expected a name that ends with its class, |0 to |%d", path, record->name,
                   CLASSES_MAX - 1);
  *label = (int)number;
  return record->length ? FD_OK : fd_fail(FD_DATA, "%s: record '%.60s': has no sequence", path, record->name);
}

fd_status fd_labelled_fasta_read(const char *path, fd_table *t) {
  fd_genome genome = {0};
  fd_genome_reader *reader = NULL;
  fd_status status = FD_OK;
  int64_t bases = 0;
  *t = (fd_table){0};
  FD_GO(fd_genome_scan(&genome, path));
  for (int i = 0; i < genome.records; i++) bases += genome.record[i].length;
  size_t rows = (size_t)genome.records;
  FD_GO(fd_alloc(&t->start, rows + 1, sizeof *t->start, "rows of a task"));
  FD_GO(fd_alloc(&t->label, rows, sizeof *t->label, "rows of a task"));
  FD_GO(fd_alloc(&t->symbols, (size_t)bases, 1, "rows of a task"));
  FD_GO(fd_genome_reader_open(&genome, &reader));
  for (; t->rows < genome.records; t->rows++) {
    int row = t->rows;
    FD_GO(label_of(path, &genome.record[row], &t->label[row]));
    FD_GO(fd_genome_read(reader, row, t->symbols + t->start[row]));
    t->start[row + 1] = t->start[row] + genome.record[row].length;
    if (t->label[row] >= t->classes) t->classes = t->label[row] + 1;
  }
done:
  fd_genome_reader_close(&reader);
  fd_genome_free(&genome);
  if (status != FD_OK) fd_table_free(t);
  return status;
}
