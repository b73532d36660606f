/* Finds exact nearest neighbours from matrix products of blocks of queries and keys, with a list of the best keys per query. */
#include "tasks/neighbours.h"

#include <math.h>
#include <stdlib.h>

#include "base/guard.h"
#include "base/log.h"
#include "base/memory.h"

enum { QUERIES = 256, KEYS = 2048 }; /* rows of a block */

/* A copy of the rows, scaled to length 1. */
static fd_status normalized(fd_vectors v, float **out) {
  size_t width = (size_t)v.width;
  FD_TRY(fd_alloc(out, (size_t)v.rows * width, sizeof **out, "nearest neighbours"));
  for (size_t i = 0; i < (size_t)v.rows; i++) {
    double squares = 0;
    for (size_t c = 0; c < width; c++) squares += (double)v.at[i * width + c] * (double)v.at[i * width + c];
    for (size_t c = 0; c < width; c++)
      (*out)[i * width + c] = squares > 0 ? (float)((double)v.at[i * width + c] / sqrt(squares)) : 0;
  }
  return FD_OK;
}

/* Inserts a key into a query's list of the best so far, after earlier keys of equal cosine. */
static void insert(int k, int key, float cosine, int *index, float *best) {
  int at = k - 1;
  if (index[at] >= 0 && cosine <= best[at]) return;
  for (; at > 0 && (index[at - 1] < 0 || cosine > best[at - 1]); at--) index[at] = index[at - 1], best[at] = best[at - 1];
  index[at] = key, best[at] = cosine;
}

fd_status fd_neighbours_find(fd_device *dev, fd_vectors keys, fd_vectors queries, int k, int *index, float *cosine) {
  fd_status status = FD_OK;
  float *key = NULL, *query = NULL, *product = NULL;
  size_t width = (size_t)keys.width, of_each = (size_t)k;
  if (keys.width != queries.width)
    return fd_fail(FD_DATA, "keys of %d values and queries of %d: expected embeddings of the same model", keys.width,
                   queries.width);
  FD_GO(normalized(keys, &key));
  FD_GO(normalized(queries, &query));
  FD_GO(fd_alloc(&product, (size_t)QUERIES * KEYS, sizeof *product, "nearest neighbours"));
  for (size_t i = 0; i < (size_t)queries.rows * of_each; i++) index[i] = -1;
  for (int q = 0; q < queries.rows; q += QUERIES) {
    int rows = queries.rows - q < QUERIES ? queries.rows - q : QUERIES;
    for (int first = 0; first < keys.rows; first += KEYS) {
      int count = keys.rows - first < KEYS ? keys.rows - first : KEYS;
      FD_GO(fd_guard_go_on());
      dev->ops.linear_forward(dev, rows, keys.width, count, fd_dense(query + (size_t)q * width, keys.width),
                              key + (size_t)first * width, NULL, fd_dense(product, count));
      for (int i = 0; i < rows; i++)
        for (int j = 0; j < count; j++)
          insert(k, first + j, product[(size_t)i * (size_t)count + (size_t)j], index + (size_t)(q + i) * of_each,
                 cosine + (size_t)(q + i) * of_each);
    }
    fd_progress(0, "nearest keys of %d of %d queries", q + rows, queries.rows);
  }
done:
  free(key);
  free(query);
  free(product);
  return status;
}

int fd_neighbours_vote(const int *index, int k, const int *label) {
  int most = 0, winner = label[index[0]];
  for (int i = 0; i < k; i++) {
    int votes = 0;
    for (int j = 0; j < k; j++) votes += label[index[j]] == label[index[i]];
    if (votes > most) most = votes, winner = label[index[i]];
  }
  return winner;
}
