/* SHA-256 by libcrypto. */
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/memory.h"

struct fd_sha256 {
  EVP_MD_CTX *context;
  int failed;
};

static fd_status failure(void) { return fd_fail(FD_MEMORY, "libcrypto could not compute a SHA-256: out of memory?"); }

fd_status fd_sha256_begin(fd_sha256 **hash) {
  FD_TRY(fd_alloc(hash, 1, sizeof **hash, "a hash"));
  (*hash)->context = EVP_MD_CTX_new();
  if ((*hash)->context && EVP_DigestInit_ex((*hash)->context, EVP_sha256(), NULL)) return FD_OK;
  fd_sha256_abandon(hash);
  return failure();
}

void fd_sha256_add(fd_sha256 *hash, const void *data, size_t bytes) {
  if (!hash->failed) hash->failed = !EVP_DigestUpdate(hash->context, data, bytes);
}

fd_status fd_sha256_end(fd_sha256 **hash, unsigned char digest[FD_SHA256_BYTES]) {
  int good = !(*hash)->failed && EVP_DigestFinal_ex((*hash)->context, digest, NULL);
  fd_sha256_abandon(hash);
  if (good) return FD_OK;
  memset(digest, 0, FD_SHA256_BYTES);
  return failure();
}

void fd_sha256_abandon(fd_sha256 **hash) {
  if (!*hash) return;
  EVP_MD_CTX_free((*hash)->context);
  free(*hash);
  *hash = NULL;
}

fd_status fd_sha256_of(const void *data, size_t bytes, unsigned char digest[FD_SHA256_BYTES]) {
  if (EVP_Digest(data, bytes, digest, NULL, EVP_sha256(), NULL)) return FD_OK;
  memset(digest, 0, FD_SHA256_BYTES);
  return failure();
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
    FD_GO(fd_guard_go_on());
  }
  if (status == FD_OK) status = fd_sha256_end(&hash, digest);
  if (status == FD_OK) fd_hex(hex, digest);
done:
  fd_sha256_abandon(&hash);
  free(block);
  close(fd);
  return status;
}
