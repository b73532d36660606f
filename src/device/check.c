/* device.check: looks for values that are not finite in the results of layers. */
#include "device/device.h"

void fd_device_check(fd_device *dev, const char *pass, const char *layer, int rows, int width, fd_mat m) {
  double bad = 0;
  if (!dev->check || !m.at || dev->found != FD_OK) return;
  dev->ops.count_bad(dev, rows, m, &bad);
  if (bad > 0)
    dev->found = fd_fail(FD_NUMERIC, "device.check: %.0f of %.0f values are not finite in the %s of %s (on %s)", bad,
                         (double)rows * width, pass, layer, dev->simd);
}
