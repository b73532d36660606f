/* Sequences in FASTA (plain, gzip, bgzip, xz) and 2bit files. A scan finds the records, their lengths and runs of N without
 * keeping the sequence; reading then returns one record at a time, so that memory holds one sequence, never a genome. */
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
  char *name;     /* first word of the header, unchanged; owned */
  char *contig;   /* the name, without a suffix :first-last (1-based, inclusive) if that is the record's length; in `name` */
  int64_t first;  /* 0-based position of the record in its contig: 0, or as in the suffix */
  int64_t region; /* number of bases by the suffix; 0: no suffix */
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
  int scanned; /* whether this process has scanned it; `id` is as of then */
  fd_file_id id;
} fd_source_file;

/* What was read, for the report. */
typedef struct fd_read_counts {
  int64_t bases, n, lower, iupac[26]; /* n: all N; iupac: other IUPAC letters among them, by letter */
  int64_t empty;                      /* records without a sequence */
  int64_t other_region;               /* records named contig:first-last of another length (bedtools counts from 0) */
} fd_read_counts;

typedef struct fd_genome {
  int files, records;
  fd_source_file *file;
  fd_record *record;
  size_t file_capacity, record_capacity;
  int *by_name; /* [records] sorted by contig and position; NULL before fd_genome_index */
  fd_read_counts counts;
} fd_genome;

/* Appends the records of a file. Invalid content is FD_DATA with file:line:column and what is expected. */
fd_status fd_genome_scan(fd_genome *genome, const char *path) FD_MUST_CHECK;
void fd_genome_free(fd_genome *genome);

/* Number of N among the symbols [begin, end) of a record. */
int64_t fd_record_count_n(const fd_record *record, int64_t begin, int64_t end);

/* --- finding contigs -------------------------------------------------------------------------------------------------- */

/* Sorts the records by name; a base in two records is FD_DATA, which names both files. Call after the last scan. */
fd_status fd_genome_index(fd_genome *genome) FD_MUST_CHECK;

/* The records of a contig, by position: genome->by_name[first] .. [first + count - 1]. They have exactly this name or, if no
 * record has it, an equivalent one (chr1 = 1, chrM = MT). */
typedef struct fd_contig {
  int first, count;
} fd_contig;
fd_contig fd_genome_find(const fd_genome *genome, const char *contig);

/* Number of records of a contig that begin at or before a position of the contig. */
int fd_contig_begun(const fd_genome *genome, fd_contig contig, int64_t place);

/* The record that holds [begin, end) of a contig; FD_NO_CONTIG, or FD_NO_PLACE if no record of the contig holds it. */
enum { FD_NO_CONTIG = -1, FD_NO_PLACE = -2 };
int fd_genome_locate(const fd_genome *genome, const char *contig, int64_t begin, int64_t end);

/* Returns FD_DATA for an interval that fd_genome_locate did not find; `where` is "file:line", `lacking` what it returned. */
fd_status fd_genome_lacks(const fd_genome *genome, const char *where, const char *contig, int64_t begin, int64_t end,
                          int lacking);

/* --- reading --------------------------------------------------------------------------------------------------------- */

/* Reads records. The file of the last one stays open, which makes reading forwards cheap; going back in a compressed file starts
 * it again. A file that this process has not scanned must not change after the first record was read. */
typedef struct fd_genome_reader fd_genome_reader;
fd_status fd_genome_reader_open(const fd_genome *genome, fd_genome_reader **reader) FD_MUST_CHECK;
void fd_genome_reader_close(fd_genome_reader **reader);

/* Symbols 0..4 of one record: [length]. FD_DATA if the file has changed since the scan. */
fd_status fd_genome_read(fd_genome_reader *reader, int record, uint8_t *symbols) FD_MUST_CHECK;

/* --- for the readers of the formats ---------------------------------------------------------------------------------- */

/* Appends a record, whose length is 0 and grows while it is read. `where` is "file" or "file:line". */
fd_status fd_genome_add_record(fd_genome *genome, const char *where, const char *name, int64_t offset) FD_MUST_CHECK;

/* Adds N at [begin, end) of the last record. */
fd_status fd_genome_add_n(fd_genome *genome, int64_t begin, int64_t end) FD_MUST_CHECK;

/* Completes the last record. */
void fd_genome_end_record(fd_genome *genome, const char *where);

/* Sets a record's name (a copy), and its contig. */
fd_status fd_record_set_name(fd_record *record, const char *name) FD_MUST_CHECK;

/* For each format: the scan of the last file, which sets its hash, and the reading of records. A FASTA file stays open between
 * records; `id` is as of the scan. */
typedef struct fd_fasta fd_fasta;
fd_status fd_fasta_scan(fd_genome *genome) FD_MUST_CHECK;
fd_status fd_fasta_open(const char *path, fd_fasta **fasta) FD_MUST_CHECK;
fd_status fd_fasta_read(fd_fasta *fasta, const fd_file_id *id, const fd_record *record, uint8_t *symbols) FD_MUST_CHECK;
void fd_fasta_close(fd_fasta **fasta);

fd_status fd_twobit_detect(const char *path, int *is) FD_MUST_CHECK;
fd_status fd_twobit_scan(fd_genome *genome) FD_MUST_CHECK;
fd_status fd_twobit_read(const char *path, const fd_file_id *id, const fd_record *record, uint8_t *symbols) FD_MUST_CHECK;

#endif
