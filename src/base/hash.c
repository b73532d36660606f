/* SHA-256 by libcrypto. */
#include "base/hash.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
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

int fd_is_hex(const char *text) { return text && strlen(text) == FD_SHA256_HEX - 1 && !text[strspn(text, "0123456789abcdef")]; }

fd_status fd_sha256_file(const char *path, char hex[FD_SHA256_HEX], uint64_t *bytes) {
  enum { BLOCK = 1 << 16 };
  unsigned char digest[FD_SHA256_BYTES], block[BLOCK];
  fd_sha256 *hash = NULL;
  uint64_t size;
  int fd;
  *bytes = 0;
  FD_TRY(fd_open_input(path, &fd, &size));
  fd_status status = fd_sha256_begin(&hash);
  for (ssize_t n; status == FD_OK && (n = read(fd, block, BLOCK)) != 0;) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      status = fd_fail_errno("cannot read", path);
      break;
    }
    fd_sha256_add(hash, block, (size_t)n);
    *bytes += (uint64_t)n;
    status = fd_guard_go_on();
  }
  if (status == FD_OK && *bytes < size)
    status = fd_fail(FD_IO, "%s: became shorter while it was read (%" PRIu64 " of %" PRIu64 " bytes)", path, *bytes, size);
  if (status == FD_OK) status = fd_sha256_end(&hash, digest);
  if (status == FD_OK) fd_hex(hex, digest);
  fd_sha256_abandon(&hash);
  close(fd);
  return status;
}
