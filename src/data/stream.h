/* The uncompressed bytes of a file: plain, gzip (of any number of members, as bgzip writes) or xz, recognized by its first
 * bytes and not by its name. Every byte of the file is accounted for: bytes after the compressed data that are not part of it
 * are an error, as is a truncated or damaged file. */
#ifndef FD_DATA_STREAM_H
#define FD_DATA_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "data/file_id.h"

typedef struct fd_stream fd_stream;

/* Opens a regular file; anything else (a pipe, a device, a folder), and a file in another compression format, is FD_DATA. With
 * `hashed` the file's own bytes are hashed as they are read. */
fd_status fd_stream_open(fd_stream **stream, const char *path, int hashed) FD_MUST_CHECK;
void fd_stream_close(fd_stream **stream);

/* 1 for gzip and xz: seeking backwards starts from the beginning. */
int fd_stream_is_packed(const fd_stream *stream);

/* Reads the next bytes of the content, 1 to `room` of them; *bytes is 0 at the end. FD_RETRY after a request to stop; FD_DATA
 * for content out of all proportion to the file's size. */
fd_status fd_stream_read(fd_stream *stream, void *to, size_t room, size_t *bytes) FD_MUST_CHECK;

/* Seeks to an offset of the content; in a compressed file by decompressing, backwards from the beginning, and with FD_DATA beyond
 * its end. Not for a hashed stream. */
fd_status fd_stream_seek(fd_stream *stream, int64_t place) FD_MUST_CHECK;

/* For a stream that was read to its end, once: warns of a bgzip file without its end mark, which may have been cut off between
 * two blocks; for a hashed stream, sets SHA-256 and size of the file, else both are NULL. */
fd_status fd_stream_finish(fd_stream *stream, char sha256[FD_SHA256_HEX], uint64_t *bytes) FD_MUST_CHECK;

/* The identity of the open file. */
fd_status fd_stream_id(const fd_stream *stream, fd_file_id *id) FD_MUST_CHECK;

/* Where the extension `ending` (".bed") begins in a file's name, with or without .gz, .bgz or .xz after it, ignoring case; NULL
 * if the name has another extension. */
const char *fd_ending(const char *name, const char *ending);

#endif
