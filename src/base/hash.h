/* SHA-256 for identity and integrity of files and state. */
#ifndef FD_BASE_HASH_H
#define FD_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { FD_SHA256_BYTES = 32, FD_SHA256_HEX = 65 };

typedef struct fd_sha256 fd_sha256;

/* A running hash; fd_sha256_end releases it and sets the pointer to NULL. */
fd_status fd_sha256_begin(fd_sha256 **hash) FD_MUST_CHECK;
void fd_sha256_add(fd_sha256 *hash, const void *data, size_t bytes);
void fd_sha256_end(fd_sha256 **hash, unsigned char digest[FD_SHA256_BYTES]);

/* Hash of a block of memory. */
void fd_sha256_of(const void *data, size_t bytes, unsigned char digest[FD_SHA256_BYTES]);

/* Hash and size of a file. */
fd_status fd_sha256_file(const char *path, char hex[FD_SHA256_HEX], uint64_t *bytes) FD_MUST_CHECK;

/* Lower-case hexadecimal text of a digest. */
void fd_hex(char hex[FD_SHA256_HEX], const unsigned char digest[FD_SHA256_BYTES]);

#endif
