/* SHA-256 for identity and integrity of files and state. */
#ifndef FD_BASE_HASH_H
#define FD_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { FD_SHA256_BYTES = 32, FD_SHA256_HEX = 65 };

typedef struct fd_sha256 fd_sha256;

/* A running hash. libcrypto may fail at any call (FD_MEMORY): fd_sha256_add remembers that, and fd_sha256_end, which releases the
 * hash and sets the pointer to NULL, returns it. After a failure `digest` holds zeroes. */
fd_status fd_sha256_begin(fd_sha256 **hash) FD_MUST_CHECK;
void fd_sha256_add(fd_sha256 *hash, const void *data, size_t bytes);
fd_status fd_sha256_end(fd_sha256 **hash, unsigned char digest[FD_SHA256_BYTES]) FD_MUST_CHECK;

/* Releases a hash whose digest nobody wants; no harm on NULL. */
void fd_sha256_abandon(fd_sha256 **hash);

/* Hash of a block of memory. */
fd_status fd_sha256_of(const void *data, size_t bytes, unsigned char digest[FD_SHA256_BYTES]) FD_MUST_CHECK;

/* Hash and size of a file. */
fd_status fd_sha256_file(const char *path, char hex[FD_SHA256_HEX], uint64_t *bytes) FD_MUST_CHECK;

/* Lower-case hexadecimal text of a digest. */
void fd_hex(char hex[FD_SHA256_HEX], const unsigned char digest[FD_SHA256_BYTES]);

/* Whether a text (or NULL) is what fd_hex writes. */
int fd_is_hex(const char *text);

#endif
