/* BLAS and LAPACK, loaded at run time by the two commands that use them. If linked, OpenBLAS would start a thread per core before
 * main in every command, and under a limit of address space these threads fail or hang. */
#include "base/lapack.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/memory.h"

/* Bytes of the library (40 MB) and of its buffer for matrix products (128 MB in OpenBLAS 0.3.21 on x86-64), whose allocation
 * OpenBLAS retries for ever. */
enum { NEEDED = 176 << 20 };

/* Libraries with CBLAS for 32-bit integers; the first one found is used. Names without a version, the only ones at some sites,
 * come after those of packages. */
static const char *const libraries[] = {
    "libopenblas.so.0", "libflexiblas.so.3", "libmkl_rt.so.2", "libarmpl_lp64.so",
    "libblis.so.4",     "libopenblas.so",    "libmkl_rt.so",
};
enum { LIBRARIES = sizeof libraries / sizeof *libraries };
static const char apart[] = "liblapack.so.3"; /* LAPACK for a library that has only BLAS */

void fd_lapack_forbid_threads(void) {
  setenv("OPENBLAS_NUM_THREADS", "1", 1);
  setenv("BLIS_NUM_THREADS", "1", 1);
  setenv("MKL_NUM_THREADS", "1", 1);
  setenv("MKL_THREADING_LAYER", "SEQUENTIAL", 1);
}

static int find(void *loaded, const char *name, void *function) {
  void *address = loaded ? dlsym(loaded, name) : NULL;
  memcpy(function, &address, sizeof address);
  return address != NULL;
}

/* Sets OpenBLAS to one thread by its own functions, since sums depend on the number of threads and some builds ignore the
 * environment. Returns NULL, or why the library is unusable. */
static const char *set_up_openblas(void *loaded, char *text, size_t size) {
  char *(*config)(void);
  void (*set_threads)(int threads);
  if (!find(loaded, "openblas_get_config", &config) || !find(loaded, "openblas_set_num_threads", &set_threads)) return NULL;
  snprintf(text, size, "%s", config());
  if (strstr(text, "USE64BITINT")) return "built for integers of 64 bits, not 32";
  set_threads(1);
  return NULL;
}

/* Loads one library and writes its name or configuration to text[size]. Returns NULL, or why it is unusable. */
static const char *load_one(fd_lapack *l, const char *name, char *text, size_t size) {
  void *blas = dlopen(name, RTLD_NOW | RTLD_LOCAL), *lapack;
  if (!blas) return dlerror();
  if (!find(blas, "cblas_dsyrk", &l->cblas_dsyrk) || !find(blas, "cblas_dgemm", &l->cblas_dgemm)) return "it has no CBLAS";
  snprintf(text, size, "%s", name);
  if (!find(blas, "dsyevd_", &l->dsyevd_)) {
    lapack = dlopen(apart, RTLD_NOW | RTLD_LOCAL);
    if (!find(lapack, "dsyevd_", &l->dsyevd_)) return "it has no LAPACK (dsyevd), and there is no liblapack.so.3";
    snprintf(text, size, "%s with %s", name, apart);
  }
  return set_up_openblas(blas, text, size);
}

/* Loads the first usable library. text[size]: its name or configuration; on failure why the one that FINDNA_BLAS names, or one
 * that was found, is unusable. */
static int load(fd_lapack *l, char *text, size_t size) {
  const char *named = getenv("FINDNA_BLAS"), *const *from = libraries, *why;
  char unfit[512] = "no libopenblas.so.0, libflexiblas.so.3, libmkl_rt.so.2, libarmpl_lp64.so or libblis.so.4 is found";
  int count = LIBRARIES;
  if (named && *named) from = &named, count = 1;
  for (int i = 0; i < count; i++) {
    if (!(why = load_one(l, from[i], text, size))) return 1;
    int says_which = strstr(why, from[i]) != NULL;
    if (count == 1 || dlopen(from[i], RTLD_NOW | RTLD_NOLOAD))
      snprintf(unfit, sizeof unfit, "%s%s%s", says_which ? "" : from[i], says_which ? "" : ": ", why);
  }
  snprintf(text, size, "%s", unfit);
  return 0;
}

static int is_room(void) {
  void *room = mmap(NULL, NEEDED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return room != MAP_FAILED && !munmap(room, NEEDED);
}

static int is_loaded(void) {
  for (int i = 0; i < LIBRARIES; i++)
    if (dlopen(libraries[i], RTLD_NOW | RTLD_NOLOAD)) return 1;
  return 0;
}

fd_status fd_lapack_open(fd_lapack *lapack) {
  double one = 1, product = 0;
  char text[512];
  if (!is_loaded() && !is_room())
    return fd_fail(FD_MEMORY, "out of memory: OpenBLAS needs %d MB of address space (ulimit -v, h_vmem)", NEEDED >> 20);
  if (!load(lapack, text, sizeof text))
    return fd_fail(FD_MISSING,
                   "no library for BLAS and LAPACK can be loaded: %s; install libopenblas0, or name one: FINDNA_BLAS=FILE", text);
  /* The first product makes the library allocate its buffer, which it keeps. */
  lapack->cblas_dsyrk(FD_ROW_MAJOR, FD_UPPER, FD_TRANS, 1, 1, 1, &one, 1, 0, &product, 1);
  return FD_OK;
}

int fd_lapack_describe(char *text, size_t size) {
  fd_lapack lapack;
  return load(&lapack, text, size);
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
