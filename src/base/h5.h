/* How the program uses HDF5: silent, without locks of its own, and never a crash at exit. */
#ifndef FD_BASE_H5_H
#define FD_BASE_H5_H

#include <hdf5.h>
#include <stddef.h>

#include "base/error.h"

enum { FD_H5_NEEDS = 8 << 20 }; /* bytes of memory that HDF5 must have for itself */

/* Before the first use of HDF5; again does no harm. Sets errno to 0, for fd_h5_fail. FD_MEMORY: HDF5 must not be used. */
fd_status fd_h5_start(void) FD_MUST_CHECK;

/* A property list for H5Fcreate and H5Fopen by name, without locks of files, which many shared file systems lack; -1 without
 * memory. Closed by the caller. */
hid_t fd_h5_access(void);

/* Says that HDF5 could not do something (`what`: a verb phrase) for a file: FD_MEMORY when memory was lacking since fd_h5_start,
 * else `otherwise`, with the text of the system's error if there was one. */
fd_status fd_h5_fail(fd_status otherwise, const char *path, const char *what);

/* The same of reading a file whose bytes no hash has checked: FD_DATA, or FD_MEMORY. Such a file, damaged, asks for more memory
 * than there is, too: memory is lacking only where there is none for as many bytes as the file has. */
fd_status fd_h5_damaged(const char *path, const char *what);

/* A file in memory, of `size` bytes when it has been closed; released with free(). */
typedef struct fd_h5_image {
  void *bytes;
  size_t size;
} fd_h5_image;

/* Creates a file of HDF5's latest format in memory, with the bytes that it would have on a disk; -1 without memory. H5Fclose
 * fills *image, whatever it returns. */
hid_t fd_h5_create_image(hid_t creation, fd_h5_image *image);

/* Where a closed image ends by its own superblock; FD_IO when the image is not that of a whole file. */
fd_status fd_h5_image_size(fd_h5_image *image, const char *path) FD_MUST_CHECK;

#endif
