/* How the program uses HDF5: without its error output and file locks, and without a crash at exit. */
#ifndef FD_BASE_H5_H
#define FD_BASE_H5_H

#include <hdf5.h>
#include <stddef.h>

#include "base/error.h"

enum { FD_H5_NEEDS = 8 << 20 }; /* bytes of memory that HDF5 itself needs */

/* Initializes HDF5; may be called again. Sets errno to 0, for fd_h5_fail. FD_MEMORY: HDF5 must not be used. */
fd_status fd_h5_start(void) FD_MUST_CHECK;

/* An access property list for H5Fcreate and H5Fopen by name, without file locks, which many shared file systems lack; -1 when out
 * of memory. Closed by the caller. */
hid_t fd_h5_access(void);

/* Reports that HDF5 could not do something (`what`: a verb phrase) with a file: FD_MEMORY when memory was lacking since
 * fd_h5_start, else `otherwise`, with the text of errno if set. */
fd_status fd_h5_fail(fd_status otherwise, const char *path, const char *what);

/* The same for reading a file whose bytes were not verified by a hash: FD_DATA or FD_MEMORY. A damaged file can also make HDF5
 * request too much memory, so it is FD_MEMORY only when not even as many bytes as the file has are available. */
fd_status fd_h5_damaged(const char *path, const char *what);

/* A file in memory, of `size` bytes once it is closed; released with free(). */
typedef struct fd_h5_image {
  void *bytes;
  size_t size;
} fd_h5_image;

/* Creates a file of HDF5's latest format in memory, with the bytes that it would have on disk; -1 when out of memory. H5Fclose
 * fills *image, whatever it returns. */
hid_t fd_h5_create_image(hid_t creation, fd_h5_image *image);

/* Opens a file of `size` bytes in memory, read-only and without a copy: they must stay valid, and are not changed, until
 * H5Fclose. `path` is for messages. FD_DATA or FD_MEMORY, and *file is -1. */
fd_status fd_h5_open_image(hid_t *file, const char *path, void *bytes, size_t size) FD_MUST_CHECK;

/* Sets the size of a closed image to the end of file in its superblock; FD_IO when the image is not a whole file. */
fd_status fd_h5_image_size(fd_h5_image *image, const char *path) FD_MUST_CHECK;

#endif
