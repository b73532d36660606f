/* The bytes of a file, unpacked: plain, gzip (of any number of members, as bgzip writes) or xz, known by their first bytes and
 * not by their names. Every byte of the file is accounted for: what follows the packed data and is none is an error, as are a
 * cut-off or a damaged file. */
#ifndef FD_DATA_STREAM_H
#define FD_DATA_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "data/file_id.h"

typedef struct fd_stream fd_stream;

/* Opens a regular file; anything else (a pipe, a device, a folder), and a file packed in another way, is FD_DATA. With `hashed`
 * the file's own bytes are hashed as they are read. */
fd_status fd_stream_open(fd_stream **stream, const char *path, int hashed) FD_MUST_CHECK;
void fd_stream_close(fd_stream **stream);

/* 1 for gzip and xz: going backwards starts from the beginning. */
int fd_stream_is_packed(const fd_stream *stream);

/* The next bytes of the content, at least one of at most `room`; *bytes is 0 at the end. A request to stop is FD_RETRY; content
 * that is out of all proportion to the file is FD_DATA. */
fd_status fd_stream_read(fd_stream *stream, void *to, size_t room, size_t *bytes) FD_MUST_CHECK;

/* Goes to a byte of the content, counted from 0; in a packed file forwards by unpacking, backwards from the beginning. Not for a
 * stream that is hashed. A place behind the end is FD_DATA. */
fd_status fd_stream_seek(fd_stream *stream, int64_t place) FD_MUST_CHECK;

/* Of a stream that was read to its end, once: warns of a bgzip file without its end mark, which may have been cut off between two
 * blocks; of one that is hashed, the SHA-256 and size of the file, else both are NULL. */
fd_status fd_stream_finish(fd_stream *stream, char sha256[FD_SHA256_HEX], uint64_t *bytes) FD_MUST_CHECK;

/* What the open file is. */
fd_status fd_stream_id(const fd_stream *stream, fd_file_id *id) FD_MUST_CHECK;

/* Where `ending` (".bed") begins in the name of a file, with .gz, .bgz or .xz behind it or not, in upper or lower case; NULL
 * where the name has another ending. */
const char *fd_ending(const char *name, const char *ending);

#endif
