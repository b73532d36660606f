/* Releases sparse rows. */
#include "tasks/sparse.h"

#include <stdlib.h>

void fd_sparse_free(fd_sparse **sparse) {
  if (!*sparse) return;
  for (int which = 0; which < 2; which++) {
    free((*sparse)->start[which]);
    free((*sparse)->column[which]);
    free((*sparse)->value[which]);
  }
  free((*sparse)->shift);
  free(*sparse);
  *sparse = NULL;
}
