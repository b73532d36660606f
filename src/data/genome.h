/* Sequences in FASTA (plain, gzip, bgzip, xz) and 2bit files. A scan finds the records, their lengths and runs of N without
 * keeping the sequence; reading then gives one record at a time, so memory holds one sequence, never a genome. */
#ifndef FD_DATA_GENOME_H
#define FD_DATA_GENOME_H

#include "base/file.h"
#include "base/hash.h"
#include "data/stream.h"

typedef struct fd_run_of_n {
  int64_t begin, end; /* 0-based in the record, end exclusive */
  int64_t before;     /* N in all runs before this one */
} fd_run_of_n;

typedef struct fd_record {
  char *name;     /* first word of the header, as it is there; owned */
  char *contig;   /* the name; without a suffix :first-last (1-based, inclusive) where that is the record's length; in `name` */
  int64_t first;  /* place of the record in its contig, 0-based: 0, or what the suffix says */
  int64_t region; /* bases that the suffix promises; 0: no suffix */
  int64_t length; /* 0: a header without a sequence */
  int64_t offset; /* of its sequence in the (uncompressed) file */
  int file;
  size_t runs, runs_capacity;
  fd_run_of_n *run;
} fd_record;

typedef struct fd_source_file {
  char path[FD_PATH_MAX], sha256[FD_SHA256_HEX];
  uint64_t bytes;
  int twobit, packed;
  int scanned; /* by this process: `id` is the file's at that time */
  fd_file_id id;
} fd_source_file;

/* What was read, for the report. */
typedef struct fd_read_counts {
  int64_t bases, n, lower, iupac[26]; /* n: all that are N; iupac: those of them that were other letters, by letter */
  int64_t empty;                      /* records without a sequence */
  int64_t other_region;               /* records named contig:first-last whose length is another: bedtools counts from 0 */
} fd_read_counts;

typedef struct fd_genome {
  int files, records;
  fd_source_file *file;
  fd_record *record;
  size_t file_capacity, record_capacity;
  int *by_name; /* [records] by contig and place; NULL before fd_genome_index */
  fd_read_counts counts;
} fd_genome;

/* Appends the records of a file. Wrong content is FD_DATA with file:line:column and what would be right. */
fd_status fd_genome_scan(fd_genome *genome, const char *path) FD_MUST_CHECK;
void fd_genome_free(fd_genome *genome);

/* N among the symbols [begin, end) of a record. */
int64_t fd_record_count_n(const fd_record *record, int64_t begin, int64_t end);

/* --- finding contigs -------------------------------------------------------------------------------------------------- */

/* Sorts the records by name; a base that two records hold is FD_DATA naming both files. Call after the last scan. */
fd_status fd_genome_index(fd_genome *genome) FD_MUST_CHECK;

/* The records of a contig, by place: genome->by_name[first] .. [first + count - 1]. Those of exactly this name, or where there is
 * none, of a name that means the same (chr1 = 1, chrM = MT). */
typedef struct fd_contig {
  int first, count;
} fd_contig;
fd_contig fd_genome_find(const fd_genome *genome, const char *contig);

/* How many records of a contig begin at a place of it or before. */
int fd_contig_begun(const fd_genome *genome, fd_contig contig, int64_t place);

/* The record that holds [begin, end) of a contig; FD_NO_CONTIG, or FD_NO_PLACE where its records do not reach so far. */
enum { FD_NO_CONTIG = -1, FD_NO_PLACE = -2 };
int fd_genome_locate(const fd_genome *genome, const char *contig, int64_t begin, int64_t end);

/* FD_DATA for a place that fd_genome_locate did not find; `where` is "file:line", `lacking` what it returned. */
fd_status fd_genome_lacks(const fd_genome *genome, const char *where, const char *contig, int64_t begin, int64_t end,
                          int lacking);

/* --- reading --------------------------------------------------------------------------------------------------------- */

/* Reads records; keeps the file of the last one open, and goes forwards for free: gzip has no way back. A file that this process
 * has not scanned itself may not change from the first record on. */
typedef struct fd_genome_reader fd_genome_reader;
fd_status fd_genome_reader_open(const fd_genome *genome, fd_genome_reader **reader) FD_MUST_CHECK;
void fd_genome_reader_close(fd_genome_reader **reader);

/* Symbols 0..4 of one record: [length]. FD_DATA when the file is no longer what was scanned. */
fd_status fd_genome_read(fd_genome_reader *reader, int record, uint8_t *symbols) FD_MUST_CHECK;

/* --- for the readers of each format ---------------------------------------------------------------------------------- */

/* A new record; its length is the last record's, and grows as it is read. `where` is "file" or "file:line". */
fd_status fd_genome_add_record(fd_genome *genome, const char *where, const char *name, int64_t offset) FD_MUST_CHECK;

/* N at [begin, end) of the newest record. */
fd_status fd_genome_add_n(fd_genome *genome, int64_t begin, int64_t end) FD_MUST_CHECK;

/* The newest record is complete. */
void fd_genome_end_record(fd_genome *genome, const char *where);

/* Gives a record a copy of its name, and its contig. */
fd_status fd_record_set_name(fd_record *record, const char *name) FD_MUST_CHECK;

/* Each format: the scan of the newest file, which fills in its hash, and reading. A FASTA file stays open between records; `id`
 * is what the file was when it was scanned. */
typedef struct fd_fasta fd_fasta;
fd_status fd_fasta_scan(fd_genome *genome) FD_MUST_CHECK;
fd_status fd_fasta_open(const char *path, fd_fasta **fasta) FD_MUST_CHECK;
fd_status fd_fasta_read(fd_fasta *fasta, const fd_file_id *id, const fd_record *record, uint8_t *symbols) FD_MUST_CHECK;
void fd_fasta_close(fd_fasta **fasta);

fd_status fd_twobit_detect(const char *path, int *is) FD_MUST_CHECK;
fd_status fd_twobit_scan(fd_genome *genome) FD_MUST_CHECK;
fd_status fd_twobit_read(const char *path, const fd_file_id *id, const fd_record *record, uint8_t *symbols) FD_MUST_CHECK;

#endif
