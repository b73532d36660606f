/* OpenBLAS, loaded when it is needed. Linked, it would start a thread a core before main, in every command: under a limit of
 * address space those fail or never end, and no command but two computes with it. */
#include "base/lapack.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/memory.h"

/* Bytes of the library (40 MB) and of the buffer for its products (128 MB in 0.3.21 on x86-64), which it asks for until it gets
 * it. */
enum { NEEDED = 176 << 20 };

void fd_lapack_forbid_threads(void) { setenv("OPENBLAS_NUM_THREADS", "1", 1); }

static int find(void *library, const char *name, void *function) {
  void *address = dlsym(library, name);
  memcpy(function, &address, sizeof address);
  return address != NULL;
}

/* NULL, or why not. */
static const char *load(fd_lapack *l) {
  void *library = dlopen(FD_OPENBLAS, RTLD_NOW | RTLD_LOCAL);
  if (!library) return dlerror();
  if (!find(library, "openblas_get_config", &l->openblas_get_config) ||
      !find(library, "openblas_set_num_threads", &l->openblas_set_num_threads) ||
      !find(library, "cblas_dsyrk", &l->cblas_dsyrk) || !find(library, "cblas_dgemm", &l->cblas_dgemm) ||
      !find(library, "dsyevd_", &l->dsyevd_))
    return dlerror();
  if (strstr(l->openblas_get_config(), "USE64BITINT")) return FD_OPENBLAS ": built for integers of 64 bits, not 32";
  l->openblas_set_num_threads(1); /* sums depend on the number of threads, and some builds do not read the environment */
  return NULL;
}

static int is_room(void) {
  void *room = mmap(NULL, NEEDED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return room != MAP_FAILED && !munmap(room, NEEDED);
}

fd_status fd_lapack_open(fd_lapack *lapack) {
  double one = 1, product = 0;
  if (!dlopen(FD_OPENBLAS, RTLD_NOW | RTLD_NOLOAD) && !is_room())
    return fd_fail(FD_MEMORY, "out of memory: OpenBLAS needs %d MB of address space (ulimit -v, h_vmem)", NEEDED >> 20);
  const char *why = load(lapack);
  if (why) return fd_fail(FD_MISSING, "OpenBLAS, of the kind that findna was built with, cannot be loaded: %s", why);
  /* It takes its buffer, and keeps it. */
  lapack->cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, 1, 1, 1, &one, 1, 0, &product, 1);
  return FD_OK;
}

int fd_lapack_describe(char *text, size_t size) {
  fd_lapack lapack;
  const char *why = load(&lapack);
  snprintf(text, size, "%s", why ? why : lapack.openblas_get_config());
  return !why;
}

fd_status fd_lapack_eigen(const fd_lapack *lapack, int n, double *a, double *w) {
  double room, *work = NULL;
  int whole_room, *whole = NULL, code, ask = -1;
  fd_status status = FD_OK;
  lapack->dsyevd_("V", "L", &n, a, &n, w, &room, &ask, &whole_room, &ask, &code, 1, 1);
  const int length = (int)room;
  FD_GO(fd_alloc(&work, (size_t)length, sizeof *work, "principal components"));
  FD_GO(fd_alloc(&whole, (size_t)whole_room, sizeof *whole, "principal components"));
  lapack->dsyevd_("V", "L", &n, a, &n, w, work, &length, whole, &whole_room, &code, 1, 1);
  if (code) status = fd_fail(FD_NUMERIC, "no principal components: LAPACK's dsyevd ended with %d", code);
done:
  free(work);
  free(whole);
  return status;
}
