/* Initializes HDF5, reports its errors, and creates and opens files in memory. */
#include "base/h5.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/file.h"

/* H5Pset_file_locking exists since 1.10.7 and 1.12.1. */
#define HAS_FILE_LOCKING ((H5_VERSION_GE(1, 10, 7) && !H5_VERSION_GE(1, 12, 0)) || H5_VERSION_GE(1, 12, 1))

enum {
  STEP = 1 << 20,     /* bytes by which an image grows */
  READ_STEP = 1 << 16 /* the same of one that is read: it does not grow */
};

/* Looks for lack of memory in one entry of a failed call's error stack. */
static herr_t look(unsigned depth, const H5E_error2_t *entry, void *lacking) {
  (void)depth;
  if (entry->maj_num == H5E_RESOURCE && (entry->min_num == H5E_NOSPACE || entry->min_num == H5E_CANTALLOC)) *(int *)lacking = 1;
  return 0;
}

/* HDF5's error handler, in place of printing the error stack: lack of memory sets errno to ENOMEM, as malloc does. */
static herr_t remember(hid_t stack, void *unused) {
  int lacking = 0;
  (void)unused;
  H5Ewalk2(stack, H5E_WALK_UPWARD, look, &lacking);
  if (lacking) errno = ENOMEM;
  return 0;
}

fd_status fd_h5_start(void) {
  /* Check that the memory HDF5 needs is available: version 1.10 crashes without it. By mmap, since malloc would raise its mmap
   * threshold to this size. */
  void *reserve = mmap(NULL, FD_H5_NEEDS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (reserve == MAP_FAILED) return fd_fail(FD_MEMORY, "out of memory: %d bytes for HDF5", FD_H5_NEEDS);
  munmap(reserve, FD_H5_NEEDS);
  H5dont_atexit(); /* its exit handler would close and write files again that could not be closed: a crash after a full disk */
#if !HAS_FILE_LOCKING
  setenv("HDF5_USE_FILE_LOCKING", "FALSE", 0);
#endif
  if (H5open() < 0 || H5Eset_auto2(H5E_DEFAULT, remember, NULL) < 0 ||
      H5PLset_loading_state(0) < 0) /* no plugins named by the environment */
    return fd_fail(FD_MEMORY, "HDF5 cannot start: out of memory?");
  errno = 0;
  return FD_OK;
}

hid_t fd_h5_access(void) {
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
#if HAS_FILE_LOCKING
  if (access >= 0 && H5Pset_file_locking(access, 0, 1) < 0) H5Pclose(access), access = -1;
#endif
  return access;
}

fd_status fd_h5_fail(fd_status otherwise, const char *path, const char *what) {
  int code = errno;
  if (code == ENOMEM) return fd_fail(FD_MEMORY, "%s: out of memory: HDF5 cannot %s", path, what);
  return fd_fail(otherwise, "%s: HDF5 cannot %s%s%s", path, what, code ? ": " : "", code ? strerror(code) : "");
}

fd_status fd_h5_damaged(const char *path, const char *what) {
  int code = errno;
  uint64_t bytes;
  void *room = code == ENOMEM && fd_file_size(path, &bytes) == FD_OK ? malloc((size_t)bytes + FD_H5_NEEDS) : NULL;
  errno = room ? 0 : code;
  free(room);
  return fd_h5_fail(FD_DATA, path, what);
}

/* --- files in memory: HDF5's core driver, whose last buffer the image takes over at close ------------------------------ */

static void *take(size_t bytes, H5FD_file_image_op_t doing, void *image) {
  (void)doing, (void)image;
  return malloc(bytes);
}

static void *copy(void *to, const void *from, size_t bytes, H5FD_file_image_op_t doing, void *image) {
  (void)doing, (void)image;
  return memcpy(to, from, bytes);
}

static void *grow(void *block, size_t bytes, H5FD_file_image_op_t doing, void *image) {
  (void)doing;
  void *grown = realloc(block, bytes);
  if (grown) ((fd_h5_image *)image)->size = bytes;
  return grown;
}

static herr_t give(void *block, H5FD_file_image_op_t doing, void *image) {
  if (doing == H5FD_FILE_IMAGE_OP_FILE_CLOSE) ((fd_h5_image *)image)->bytes = block;
  else free(block);
  return 0;
}

static void *same(void *image) { return image; }

static herr_t nothing(void *image) {
  (void)image;
  return 0;
}

hid_t fd_h5_create_image(hid_t creation, fd_h5_image *image) {
  H5FD_file_image_callbacks_t calls = {take, copy, grow, give, same, nothing, image};
  hid_t access = H5Pcreate(H5P_FILE_ACCESS), file = -1;
  *image = (fd_h5_image){0};
  if (access >= 0 && H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST) >= 0 &&
      H5Pset_fapl_core(access, STEP, 0) >= 0 && H5Pset_file_image_callbacks(access, &calls) >= 0)
    file = H5Fcreate("image", H5F_ACC_TRUNC, creation, access);
  if (access >= 0) H5Pclose(access);
  return file;
}

/* The superblock of versions 2 and 3: signature, version, size of offsets; then base, extension, end of file. */
fd_status fd_h5_image_size(fd_h5_image *image, const char *path) {
  static const unsigned char signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
  enum { VERSION = 8, OFFSET_BYTES = 9, END = 28 };
  const unsigned char *at = image->bytes;
  uint64_t size = 0;
  if (at && image->size > 48 && !memcmp(at, signature, sizeof signature) && at[VERSION] >= 2 && at[OFFSET_BYTES] == 8)
    for (int i = 0; i < 8; i++) size |= (uint64_t)at[END + i] << 8 * i;
  if (!size || size > image->size) return fd_h5_fail(FD_IO, path, "make the file in memory");
  image->size = (size_t)size;
  return FD_OK;
}

/* HDF5 reads the caller's bytes in place: where it would copy them, it gets them themselves, which are only read. */
static void *same_memory(size_t bytes, H5FD_file_image_op_t doing, void *image) {
  (void)bytes, (void)doing;
  return image;
}

static void *copy_nothing(void *to, const void *from, size_t bytes, H5FD_file_image_op_t doing, void *image) {
  (void)from, (void)bytes, (void)doing, (void)image;
  return to;
}

static void *never_grow(void *block, size_t bytes, H5FD_file_image_op_t doing, void *image) {
  (void)block, (void)bytes, (void)doing, (void)image;
  return NULL;
}

static herr_t free_nothing(void *block, H5FD_file_image_op_t doing, void *image) {
  (void)block, (void)doing, (void)image;
  return 0;
}

/* HDF5 requires a name that no file has: below /dev/null there is none. */
fd_status fd_h5_open_image(hid_t *file, const char *path, void *bytes, size_t size) {
  H5FD_file_image_callbacks_t calls = {same_memory, copy_nothing, never_grow, free_nothing, same, nothing, bytes};
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  *file = -1;
  if (access < 0) return fd_fail(FD_MEMORY, "%s: libhdf5 has no memory", path);
  if (H5Pset_fapl_core(access, READ_STEP, 0) >= 0 && H5Pset_file_image_callbacks(access, &calls) >= 0 &&
      H5Pset_file_image(access, bytes, size) >= 0)
    *file = H5Fopen("/dev/null/image", H5F_ACC_RDONLY, access);
  H5Pclose(access);
  return *file >= 0 ? FD_OK : fd_h5_fail(FD_DATA, path, "open it: not an HDF5 file, or damaged");
}
