/* SHA-256 by libcrypto. */
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"

struct fd_sha256 {
  EVP_MD_CTX *context;
};

fd_status fd_sha256_begin(fd_sha256 **hash) {
  FD_TRY(fd_alloc(hash, 1, sizeof **hash, "a hash"));
  (*hash)->context = EVP_MD_CTX_new();
  if ((*hash)->context && EVP_DigestInit_ex((*hash)->context, EVP_sha256(), NULL)) return FD_OK;
  EVP_MD_CTX_free((*hash)->context);
  free(*hash);
  *hash = NULL;
  return fd_fail(FD_MEMORY, "libcrypto has no SHA-256");
}

void fd_sha256_add(fd_sha256 *hash, const void *data, size_t bytes) { EVP_DigestUpdate(hash->context, data, bytes); }

void fd_sha256_end(fd_sha256 **hash, unsigned char digest[FD_SHA256_BYTES]) {
  if (!*hash) return;
  EVP_DigestFinal_ex((*hash)->context, digest, NULL);
  EVP_MD_CTX_free((*hash)->context);
  free(*hash);
  *hash = NULL;
}

void fd_sha256_of(const void *data, size_t bytes, unsigned char digest[FD_SHA256_BYTES]) {
  EVP_Digest(data, bytes, digest, NULL, EVP_sha256(), NULL);
}

void fd_hex(char hex[FD_SHA256_HEX], const unsigned char digest[FD_SHA256_BYTES]) {
  static const char digits[] = "0123456789abcdef";
  for (int i = 0; i < FD_SHA256_BYTES; i++) {
    hex[2 * i] = digits[digest[i] >> 4];
    hex[2 * i + 1] = digits[digest[i] & 15];
  }
  hex[2 * FD_SHA256_BYTES] = '\0';
}

fd_status fd_sha256_file(const char *path, char hex[FD_SHA256_HEX], uint64_t *bytes) {
  enum { BLOCK = 1 << 18 };
  unsigned char digest[FD_SHA256_BYTES], *block = NULL;
  fd_sha256 *hash = NULL;
  fd_status status = FD_OK;
  *bytes = 0;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fd_fail_errno("cannot open", path);
  FD_GO(fd_alloc(&block, BLOCK, 1, "hashing a file"));
  FD_GO(fd_sha256_begin(&hash));
  for (ssize_t n; (n = read(fd, block, BLOCK)) != 0;) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      status = fd_fail_errno("cannot read", path);
      break;
    }
    fd_sha256_add(hash, block, (size_t)n);
    *bytes += (uint64_t)n;
  }
done:
  fd_sha256_end(&hash, digest);
  fd_hex(hex, digest);
  free(block);
  close(fd);
  return status;
}
