/* SHA-256 for identity and integrity of files and state. */
#ifndef FD_BASE_HASH_H
#define FD_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { FD_SHA256_BYTES = 32, FD_SHA256_HEX = 65 };

typedef struct fd_sha256 fd_sha256;

/* An incremental hash. fd_sha256_end releases it and sets the pointer to NULL. libcrypto may fail at any call: fd_sha256_add
 * records the failure, and fd_sha256_end returns it as FD_MEMORY with a digest of zeros. */
fd_status fd_sha256_begin(fd_sha256 **hash) FD_MUST_CHECK;
void fd_sha256_add(fd_sha256 *hash, const void *data, size_t bytes);
fd_status fd_sha256_end(fd_sha256 **hash, unsigned char digest[FD_SHA256_BYTES]) FD_MUST_CHECK;

/* Releases a hash without its digest; *hash may be NULL. */
void fd_sha256_abandon(fd_sha256 **hash);

/* Hash of a block of memory. */
fd_status fd_sha256_of(const void *data, size_t bytes, unsigned char digest[FD_SHA256_BYTES]) FD_MUST_CHECK;

/* Hash and size of a file. */
fd_status fd_sha256_file(const char *path, char hex[FD_SHA256_HEX], uint64_t *bytes) FD_MUST_CHECK;

/* Lower-case hexadecimal text of a digest. */
void fd_hex(char hex[FD_SHA256_HEX], const unsigned char digest[FD_SHA256_BYTES]);

/* Whether a text has the format that fd_hex writes; 0 for NULL. */
int fd_is_hex(const char *text);

#endif
