/* Computes principal components of features with LAPACK's symmetric eigensolver. */
#include "tasks/whiten.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

enum { CHUNK = 512 }; /* rows centred at a time: a fixed tile size of every sum */

static const double smallest = 1e-10;

static int centre(const fd_whitening *w, const float *x, int rows, double *to) {
  for (int r = 0; r < rows; r++)
    for (int i = 0; i < w->dims; i++)
      to[(size_t)r * (size_t)w->dims + (size_t)i] = (double)x[(size_t)r * (size_t)w->dims + (size_t)i] - w->mean[i];
  return rows;
}

static int chunk_at(int rows, int first) { return rows - first < CHUNK ? rows - first : CHUNK; }

/* The upper triangle (row-major) of the covariance. */
static void covariance(const fd_whitening *w, const float *x, int rows, double *tile, double *c) {
  for (int first = 0; first < rows; first += CHUNK) {
    int n = centre(w, x + (size_t)first * (size_t)w->dims, chunk_at(rows, first), tile);
    w->lapack.cblas_dsyrk(FD_ROW_MAJOR, FD_UPPER, FD_TRANS, w->dims, n, 1.0 / rows, tile, w->dims, 1, c, w->dims);
  }
}

/* Makes the map, largest variance first, from the eigenvectors (row i of `vector`, ascending variance). */
static fd_status make_map(fd_whitening *w, const double *vector, const double *variance) {
  int dims = w->dims;
  double largest = variance[dims - 1];
  if (!(largest > 0)) return fd_fail(FD_DATA, "all sequences have the same features: there is nothing to learn from them");
  while (w->kept < dims && variance[dims - 1 - w->kept] > smallest * largest) w->kept++;
  FD_TRY(fd_alloc(&w->map, (size_t)dims * (size_t)w->kept, sizeof *w->map, "whitening"));
  double total = 0;
  for (int k = 0; k < dims; k++) total += variance[k] > 0 ? variance[k] : 0;
  for (int k = 0; k < 2 && k < w->kept; k++)
    w->sd[k] = sqrt(variance[dims - 1 - k]), w->share[k] = variance[dims - 1 - k] / total;
  for (int k = 0; k < w->kept; k++) {
    const double *v = vector + (size_t)(dims - 1 - k) * (size_t)dims;
    for (int i = 0; i < dims; i++) w->map[(size_t)i * (size_t)w->kept + (size_t)k] = v[i] / sqrt(variance[dims - 1 - k]);
  }
  return FD_OK;
}

static fd_status find_mean(fd_whitening *w, const float *x, int rows) {
  for (int r = 0; r < rows; r++)
    for (int i = 0; i < w->dims; i++) w->mean[i] += x[(size_t)r * (size_t)w->dims + (size_t)i];
  for (int i = 0; i < w->dims; i++) {
    w->mean[i] /= rows;
    if (!isfinite(w->mean[i]))
      return fd_fail(FD_NUMERIC, "feature %d is not finite: the encoder's weights are damaged or diverged", i);
  }
  return FD_OK;
}

fd_status fd_whitening_ready(void) {
  fd_lapack lapack;
  return fd_lapack_open(&lapack);
}

fd_status fd_whitening_fit(fd_whitening **whitening, const float *x, int rows, int dims) {
  double *work = NULL;
  fd_status status = FD_OK;
  FD_TRY(fd_alloc(whitening, 1, sizeof **whitening, "whitening"));
  fd_whitening *w = *whitening;
  w->dims = dims;
  size_t square = (size_t)dims * (size_t)dims;
  FD_GO(fd_lapack_open(&w->lapack));
  FD_GO(fd_alloc(&w->mean, (size_t)dims, sizeof *w->mean, "whitening"));
  FD_GO(fd_alloc(&work, square + (size_t)(CHUNK + 1) * (size_t)dims, sizeof *work, "whitening"));
  double *c = work, *variance = work + square, *tile = variance + dims;
  FD_GO(find_mean(w, x, rows));
  covariance(w, x, rows, tile, c);
  /* The row-major upper triangle is the column-major lower one, so no copy is needed, and eigenvectors are returned as rows. */
  FD_GO(fd_lapack_eigen(&w->lapack, dims, c, variance));
  status = make_map(w, c, variance);
done:
  free(work);
  if (status != FD_OK) fd_whitening_free(whitening);
  return status;
}

void fd_whitening_free(fd_whitening **whitening) {
  if (!*whitening) return;
  free((*whitening)->mean);
  free((*whitening)->map);
  free(*whitening);
  *whitening = NULL;
}

fd_status fd_whitening_apply(const fd_whitening *w, const float *x, int rows, double *y) {
  double *tile;
  FD_TRY(fd_alloc(&tile, (size_t)CHUNK * (size_t)w->dims, sizeof *tile, "whitening"));
  for (int first = 0; first < rows; first += CHUNK) {
    int n = centre(w, x + (size_t)first * (size_t)w->dims, chunk_at(rows, first), tile);
    w->lapack.cblas_dgemm(FD_ROW_MAJOR, FD_NO_TRANS, FD_NO_TRANS, n, w->kept, w->dims, 1, tile, w->dims, w->map, w->kept, 0,
                          y + (size_t)first * (size_t)w->kept, w->kept);
  }
  free(tile);
  return FD_OK;
}

void fd_whitening_plane(const fd_whitening *w, const float *x, int rows, double *plane) {
  for (int r = 0; r < rows; r++, x += w->dims, plane += 2) {
    plane[0] = plane[1] = 0;
    for (int k = 0; k < 2 && k < w->kept; k++) {
      for (int i = 0; i < w->dims; i++) plane[k] += ((double)x[i] - w->mean[i]) * w->map[(size_t)i * (size_t)w->kept + (size_t)k];
      plane[k] *= w->sd[k];
    }
  }
}
