/* FASTA, plain or gzip (bgzip is gzip): any line length, CRLF, lower case, IUPAC letters. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/signals.h"
#include "data/alphabet.h"
#include "data/genome.h"

enum { BLOCK = 1 << 18, HEADER_MAX = 4096, WHERE_MAX = FD_PATH_MAX + 32 };

/* A stream of the file's uncompressed bytes, a block at a time. */
struct fd_fasta {
  gzFile file;
  const char *path;
  unsigned char *block;
  int size, at;     /* of the block */
  int64_t position; /* of the block's first byte in the uncompressed file */
  int64_t line, line_start;
};

fd_status fd_fasta_open(const char *path, fd_fasta **out) {
  FD_TRY(fd_alloc(out, 1, sizeof **out, "a FASTA file"));
  fd_fasta *s = *out;
  s->path = path;
  s->line = 1;
  fd_status status = fd_alloc(&s->block, BLOCK, 1, "reading FASTA");
  if (status == FD_OK && !(s->file = gzopen(path, "rb"))) status = fd_fail_errno("cannot open", path);
  if (status == FD_OK) gzbuffer(s->file, BLOCK);
  else fd_fasta_close(out);
  return status;
}

void fd_fasta_close(fd_fasta **s) {
  if (!*s) return;
  if ((*s)->file) gzclose((*s)->file);
  free((*s)->block);
  free(*s);
  *s = NULL;
}

/* The next block; size 0 at the end. A cut-off or damaged gzip file is an error, not an end. */
static fd_status fill(fd_fasta *s) {
  int code = Z_OK;
  if (fd_signals_stop()) return fd_fail(FD_RETRY, "%s: stopped by a signal while it was read", s->path);
  s->position += s->size;
  s->at = 0;
  s->size = gzread(s->file, s->block, BLOCK);
  const char *why = gzerror(s->file, &code);
  if (s->size < 0 || (code != Z_OK && code != Z_STREAM_END))
    return fd_fail(code == Z_ERRNO ? FD_IO : FD_DATA, "%s: near byte %" PRId64 " of its content: %s; fetch or pack it again",
                   s->path, s->position, code == Z_BUF_ERROR ? "the gzip file is cut off" : why);
  return FD_OK;
}

static int64_t place_of(const fd_fasta *s) { return s->position + s->at; }

/* "file:line", for messages. */
static const char *where(const fd_fasta *s, int64_t line, char text[WHERE_MAX]) {
  snprintf(text, WHERE_MAX, "%s:%" PRId64, s->path, line);
  return text;
}

static void next_line(fd_fasta *s) {
  s->line++;
  s->line_start = place_of(s);
}

/* Reads a header line after its '>': the first word goes to `name`. Leaves the stream behind the line's end. */
static fd_status read_header(fd_fasta *s, char name[HEADER_MAX]) {
  int length = 0, word = 1;
  for (;;) {
    if (s->at == s->size) FD_TRY(fill(s));
    if (!s->size) break;
    unsigned char byte = s->block[s->at++];
    if (byte == '\n') {
      next_line(s);
      break;
    }
    if (isspace(byte)) word = word && length == 0; /* "> name" has its name behind the space */
    else if (word && length < HEADER_MAX - 1) name[length++] = (char)(byte ? byte : 1);
  }
  name[length] = '\0';
  return FD_OK;
}

/* What a pass does with a stretch of letters of one line. */
typedef fd_status take_letters(void *context, fd_fasta *s, const unsigned char *letters, int count);

/* Reads letters up to the next header (*more: 1) or the end (0). */
static fd_status read_sequence(fd_fasta *s, take_letters *take, void *context, int *more) {
  for (;;) {
    if (s->at == s->size) FD_TRY(fill(s));
    *more = s->size > 0;
    if (!s->size) return FD_OK;
    if (place_of(s) == s->line_start && s->block[s->at] == '>') return FD_OK;
    unsigned char *from = s->block + s->at, *newline = memchr(from, '\n', (size_t)(s->size - s->at));
    int count = newline ? (int)(newline - from) : s->size - s->at;
    FD_TRY(take(context, s, from, count));
    s->at += count;
    if (newline) {
      s->at++;
      next_line(s);
    }
  }
}

/* --- pass 1 ---------------------------------------------------------------------------------------------------------- */

static fd_status bad_byte(const fd_fasta *s, const unsigned char *letter) {
  char text[16];
  snprintf(text, sizeof text, isgraph(*letter) ? "'%c'" : "byte 0x%02x", *letter);
  return fd_fail(FD_DATA, "%s:%" PRId64 ":%" PRId64 ": %s is no letter of DNA; expected A, C, G, T, N or another IUPAC letter",
                 s->path, s->line, s->position + (letter - s->block) - s->line_start + 1, text);
}

/* CRLF, and blanks at the end of a line. */
static int blank(unsigned char byte) { return byte == '\r' || byte == ' ' || byte == '\t'; }

static fd_status scan_letters(void *context, fd_fasta *s, const unsigned char *letters, int count) {
  fd_genome *g = context;
  int64_t length = g->record[g->records - 1].length;
  for (int i = 0; i < count; i++) {
    unsigned char byte = letters[i];
    uint8_t symbol = fd_symbol_of[byte];
    if (symbol == FD_NO_LETTER) {
      if (!blank(byte)) return bad_byte(s, letters + i);
      continue;
    }
    g->counts.lower += byte >> 5 & 1; /* bit 5 of a letter is its case */
    if (symbol == FD_N) {
      if ((byte & ~0x20) != 'N') g->counts.iupac[(byte & ~0x20) - 'A']++;
      FD_TRY(fd_genome_add_n(g, length, length + 1));
    }
    length++;
  }
  g->record[g->records - 1].length = length;
  return FD_OK;
}

/* Goes behind the '>' of the first record. */
static fd_status find_first(fd_fasta *s) {
  FD_TRY(fill(s));
  while (s->at < s->size && isspace(s->block[s->at]))
    if (s->block[s->at++] == '\n') next_line(s);
  if (s->at < s->size && s->block[s->at] == '>' && place_of(s) == s->line_start) return s->at++, FD_OK;
  return fd_fail(FD_DATA, "%s:%" PRId64 ":%" PRId64 ": expected '>' and a name: this is neither FASTA nor 2bit", s->path, s->line,
                 place_of(s) - s->line_start + 1);
}

static fd_status scan_records(fd_fasta *s, fd_genome *g) {
  char name[HEADER_MAX], text[WHERE_MAX];
  int more;
  FD_TRY(find_first(s));
  do {
    int64_t line = s->line;
    FD_TRY(read_header(s, name));
    FD_TRY(fd_genome_add_record(g, where(s, line, text), name, place_of(s)));
    FD_TRY(read_sequence(s, scan_letters, g, &more));
    FD_TRY(fd_genome_end_record(g, where(s, line, text)));
    s->at += more; /* the '>' */
    fd_progress(0, "%s: %s, %" PRId64 " Mb read", s->path, name, g->counts.bases / 1000000);
  } while (more);
  return FD_OK;
}

/* bgzip ends with an empty member: without it the file was cut between two members, which gzip alone would not notice. */
static fd_status check_bgzip_end(const char *path, uint64_t bytes) {
  static const unsigned char end[28] = {0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, 'B', 'C', 2, 0, 0x1b, 0, 3};
  unsigned char head[16] = {0}, tail[28] = {0};
  FILE *file = fopen(path, "rb");
  if (!file) return fd_fail_errno("cannot open", path);
  size_t n = fread(head, 1, sizeof head, file);
  int bgzip = n == sizeof head && !memcmp(head, end, 4) && head[12] == 'B' && head[13] == 'C';
  int whole = !bgzip || (bytes >= sizeof tail && !fseeko(file, -(off_t)sizeof tail, SEEK_END) &&
                         fread(tail, 1, sizeof tail, file) == sizeof tail && !memcmp(tail, end, sizeof end));
  fclose(file);
  return whole ? FD_OK : fd_fail(FD_DATA, "%s: is bgzip without its end mark: the file is cut off; fetch or pack it again", path);
}

fd_status fd_fasta_scan(fd_genome *g) {
  char path[FD_PATH_MAX]; /* g->file may move */
  fd_fasta *s;
  FD_TRY(fd_path(path, g->file[g->files - 1].path, NULL, NULL));
  FD_TRY(check_bgzip_end(path, g->file[g->files - 1].bytes));
  FD_TRY(fd_fasta_open(path, &s));
  fd_status status = scan_records(s, g);
  fd_fasta_close(&s);
  return status;
}

/* --- pass 2 ---------------------------------------------------------------------------------------------------------- */

typedef struct destination {
  uint8_t *symbols;
  int64_t filled, length;
} destination;

static fd_status changed(const fd_fasta *s) { return fd_fail(FD_DATA, "%s: has changed while it was read", s->path); }

static fd_status store_letters(void *context, fd_fasta *s, const unsigned char *letters, int count) {
  destination *d = context;
  for (int i = 0; i < count; i++) {
    uint8_t symbol = fd_symbol_of[letters[i]];
    if (symbol == FD_NO_LETTER) continue;
    if (d->filled == d->length) return changed(s);
    d->symbols[d->filled++] = symbol;
  }
  return FD_OK;
}

/* Goes to a byte of the uncompressed file; within the block, without asking zlib. */
static fd_status seek(fd_fasta *s, int64_t offset) {
  if (offset < s->position || offset > s->position + s->size) {
    if (gzseek(s->file, (z_off_t)offset, SEEK_SET) < 0) return changed(s);
    s->position = offset;
    s->size = 0;
  }
  s->at = (int)(offset - s->position);
  s->line_start = offset;
  return FD_OK;
}

fd_status fd_fasta_read(fd_fasta *s, const fd_record *r, uint8_t *symbols) {
  int more;
  destination d = {symbols, 0, r->length};
  FD_TRY(seek(s, r->offset));
  FD_TRY(read_sequence(s, store_letters, &d, &more));
  return d.filled == r->length ? FD_OK : changed(s);
}
