/* The reproducible sum over the ranks' devices. */
#include "device/link.h"

/* Ranks r and r ^ distance hold the same part [begin, end); each keeps one half and adds the other's copy of it. The lower rank's
 * value is the left operand, so the sum is that of the balanced tree. */
fd_status fd_link_tree_sum(fd_link *link, float *data, size_t count, float *scratch) {
  size_t begin[32], end[32];
  int level = 0;
  if (link->size & (link->size - 1))
    return fd_fail(FD_CONFIG, "%d ranks: the reproducible reduction needs a power of two", link->size);
  begin[0] = 0, end[0] = count;
  for (int distance = 1; distance < link->size; distance *= 2, level++) {
    int peer = link->rank ^ distance, upper = (link->rank & distance) != 0;
    size_t lo = begin[level], hi = end[level], middle = lo + (hi - lo) / 2;
    size_t keep = upper ? middle : lo, stop = upper ? hi : middle, give = upper ? lo : middle, n = stop - keep;
    FD_TRY(link->exchange(link, peer, data + give, hi - lo - n, scratch, n));
    FD_TRY(upper ? link->add(link, n, scratch, data + keep, data + keep) : link->add(link, n, data + keep, scratch, data + keep));
    begin[level + 1] = keep, end[level + 1] = stop;
  }
  for (int distance = link->size / 2; distance > 0; distance /= 2, level--) {
    int peer = link->rank ^ distance, upper = (link->rank & distance) != 0;
    size_t lo = begin[level], hi = end[level], from = upper ? begin[level - 1] : hi, to = upper ? lo : end[level - 1];
    FD_TRY(link->exchange(link, peer, data + lo, hi - lo, data + from, to - from));
  }
  return FD_OK;
}
