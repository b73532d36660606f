/* Reads FASTA, compressed or not (stream.h): any line length and line end, lower case, IUPAC letters. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "data/alphabet.h"
#include "data/genome.h"
#include "data/lines.h"

enum { BLOCK = 1 << 16, STRETCH = 512, NAME_MAX_BYTES = 4096, WHERE_MAX = FD_PATH_MAX + 32 };

/* The content is read in blocks. */
struct fd_fasta {
  fd_stream *stream;
  const char *path;
  unsigned char *block;
  size_t size, at;  /* of the block: its bytes, and the next one */
  int64_t position; /* of the block's first byte in the uncompressed content */
  int64_t line, line_start;
  int after_cr; /* the last byte was a CR that ended a line: an LF that follows belongs to it */
};

static fd_status open_fasta(const char *path, int hashed, fd_fasta **out) {
  FD_TRY(fd_alloc(out, 1, sizeof **out, "a FASTA file"));
  fd_fasta *s = *out;
  s->path = path;
  s->line = 1;
  fd_status status = fd_alloc(&s->block, BLOCK, 1, "reading FASTA");
  if (status == FD_OK) status = fd_stream_open(&s->stream, path, hashed);
  if (status != FD_OK) fd_fasta_close(out);
  return status;
}

fd_status fd_fasta_open(const char *path, fd_fasta **out) { return open_fasta(path, 0, out); }

void fd_fasta_close(fd_fasta **s) {
  if (!*s) return;
  fd_stream_close(&(*s)->stream);
  free((*s)->block);
  free(*s);
  *s = NULL;
}

/* Reads the next block when this one is used up; size 0 at the end. */
static fd_status fill(fd_fasta *s) {
  if (s->at < s->size) return FD_OK;
  s->position += (int64_t)s->size;
  s->at = 0;
  return fd_stream_read(s->stream, s->block, BLOCK, &s->size);
}

static int64_t place_of(const fd_fasta *s) { return s->position + (int64_t)s->at; }

/* "file:line", for messages. */
static const char *where(const fd_fasta *s, int64_t line, char text[WHERE_MAX]) {
  snprintf(text, WHERE_MAX, "%s:%" PRId64, s->path, line);
  return text;
}

/* Consumes the line end that comes next: CR or LF. */
static void end_line(fd_fasta *s) {
  s->after_cr = s->block[s->at++] == '\r';
  s->line++;
  s->line_start = place_of(s);
}

/* At the beginning of a line: fills the block, and skips the LF of a CRLF. */
static fd_status begin_line(fd_fasta *s) {
  FD_TRY(fill(s));
  if (s->after_cr && s->size && s->block[s->at] == '\n') s->at++, s->line_start++;
  s->after_cr = 0;
  return fill(s);
}

static int is_line_end(unsigned char byte) { return byte == '\n' || byte == '\r'; }

/* Reads a header line after its '>': the first word goes to `name`. Leaves the stream after the line end. */
static fd_status read_header(fd_fasta *s, char name[NAME_MAX_BYTES]) {
  int length = 0, word = 1;
  for (;;) {
    FD_TRY(fill(s));
    if (!s->size) break;
    unsigned char byte = s->block[s->at];
    if (is_line_end(byte)) {
      end_line(s);
      break;
    }
    s->at++;
    if (isspace(byte)) word = word && length == 0; /* blanks between '>' and the name are skipped */
    else if (word && length == NAME_MAX_BYTES - 1)
      return fd_fail(FD_DATA, "%s:%" PRId64 ": the record's name is longer than %d characters", s->path, s->line,
                     NAME_MAX_BYTES - 1);
    else if (!byte)
      return fd_fail(FD_DATA, "%s:%" PRId64 ": has a NUL byte: this is no text (or UTF-16; save it as UTF-8)", s->path, s->line);
    else if (word) name[length++] = (char)byte;
  }
  name[length] = '\0';
  return FD_OK;
}

/* What a pass does with consecutive letters of one line. */
typedef fd_status take_letters(void *context, fd_fasta *s, const unsigned char *letters, int count);

/* Number of the next bytes of the block that belong to this line, STRETCH at most: a search for LF would otherwise scan the whole
 * block for each line of a file with CR line ends. */
static size_t next_of_line(const fd_fasta *s) {
  size_t count = s->size - s->at < STRETCH ? s->size - s->at : STRETCH;
  const unsigned char *from = s->block + s->at, *lf = memchr(from, '\n', count);
  if (lf) count = (size_t)(lf - from);
  const unsigned char *cr = memchr(from, '\r', count);
  return cr ? (size_t)(cr - from) : count;
}

/* Reads letters up to the next header (*more: 1) or the end (0). */
static fd_status read_sequence(fd_fasta *s, take_letters *take, void *context, int *more) {
  for (;;) {
    FD_TRY(begin_line(s));
    *more = s->size > 0;
    if (!s->size || (place_of(s) == s->line_start && s->block[s->at] == '>')) return FD_OK;
    size_t count = next_of_line(s);
    FD_TRY(take(context, s, s->block + s->at, (int)count));
    s->at += count;
    if (s->at < s->size && is_line_end(s->block[s->at])) end_line(s);
  }
}

/* --- pass 1 ---------------------------------------------------------------------------------------------------------- */

static fd_status bad_byte(const fd_fasta *s, const unsigned char *letter) {
  char text[16];
  snprintf(text, sizeof text, isgraph(*letter) ? "'%c'" : "byte 0x%02x", *letter);
  const char *hint = *letter == '>' ? " (files joined without a line end between them?)" : "";
  return fd_fail(FD_DATA, "%s:%" PRId64 ":%" PRId64 ": %s is no letter of DNA; expected A, C, G, T, N or another IUPAC letter%s",
                 s->path, s->line, s->position + (letter - s->block) - s->line_start + 1, text, hint);
}

static int blank(unsigned char byte) { return byte == ' ' || byte == '\t'; }

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

/* Moves past the '>' of the first record. */
static fd_status find_first(fd_fasta *s) {
  size_t mark;
  FD_TRY(fill(s));
  FD_TRY(fd_byte_order_mark(s->path, s->block, s->size, &mark));
  s->at = mark;
  s->line_start = place_of(s);
  for (;;) {
    FD_TRY(begin_line(s));
    if (!s->size || !isspace(s->block[s->at])) break;
    if (is_line_end(s->block[s->at])) end_line(s);
    else s->at++;
  }
  if (s->size && s->block[s->at] == '>' && place_of(s) == s->line_start) return s->at++, FD_OK;
  return fd_fail(FD_DATA, "%s:%" PRId64 ":%" PRId64 ": expected '>' and a name: this is neither FASTA nor 2bit", s->path, s->line,
                 place_of(s) - s->line_start + 1);
}

static fd_status scan_records(fd_fasta *s, fd_genome *g) {
  char name[NAME_MAX_BYTES], text[WHERE_MAX];
  int more;
  FD_TRY(find_first(s));
  do {
    int64_t line = s->line;
    FD_TRY(read_header(s, name));
    FD_TRY(fd_genome_add_record(g, where(s, line, text), name, place_of(s)));
    FD_TRY(read_sequence(s, scan_letters, g, &more));
    fd_genome_end_record(g, where(s, line, text));
    s->at += (size_t)more; /* the '>' */
    fd_progress(0, "%s: %s, %" PRId64 " Mb read", s->path, name, g->counts.bases / 1000000);
  } while (more);
  return FD_OK;
}

fd_status fd_fasta_scan(fd_genome *g) {
  fd_source_file *f = &g->file[g->files - 1];
  fd_fasta *s;
  FD_TRY(open_fasta(f->path, 1, &s));
  f->packed = fd_stream_is_packed(s->stream);
  fd_status status = fd_stream_id(s->stream, &f->id);
  if (status == FD_OK) status = scan_records(s, g);
  if (status == FD_OK) status = fd_stream_finish(s->stream, f->sha256, &f->bytes);
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

/* Moves to an offset of the content; within the block, without a seek in the stream. */
static fd_status seek(fd_fasta *s, int64_t offset) {
  if (offset < s->position || offset > s->position + (int64_t)s->size) {
    FD_TRY(fd_stream_seek(s->stream, offset));
    s->position = offset;
    s->size = 0;
  }
  s->at = (size_t)(offset - s->position);
  s->line_start = offset;
  s->after_cr = 0;
  return FD_OK;
}

fd_status fd_fasta_read(fd_fasta *s, const fd_file_id *id, const fd_record *r, uint8_t *symbols) {
  int more;
  fd_file_id now;
  destination d = {symbols, 0, r->length};
  FD_TRY(fd_stream_id(s->stream, &now));
  if (!fd_file_id_same(id, &now)) return changed(s);
  FD_TRY(seek(s, r->offset));
  FD_TRY(read_sequence(s, store_letters, &d, &more));
  return d.filled == r->length ? FD_OK : changed(s);
}
