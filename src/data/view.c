/* Makes a frozen teacher's view of a batch and copies it to the device. */
#include "data/view.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

fd_status fd_view_create(fd_view **view, fd_device *dev, const fd_beside *beside, int count) {
  fd_status status = FD_OK;
  size_t rows = (size_t)beside->tokens * (size_t)count, row = beside->ids ? sizeof(int32_t) : FD_SYMBOLS * sizeof(float);
  FD_TRY(fd_alloc(view, 1, sizeof **view, "a teacher's view"));
  fd_view *v = *view;
  v->dev = dev;
  FD_GO(fd_seqs_create(&v->seqs, dev, count, beside->cls));
  if (beside->ids) FD_GO(fd_alloc(&v->ids, rows, sizeof *v->ids, "a teacher's view"));
  if (beside->ids) FD_GO(fd_alloc(&v->hidden, rows, 1, "a teacher's view"));
  else FD_GO(fd_alloc(&v->letters, rows, 1, "a teacher's view"));
  if (!beside->ids) FD_GO(dev->alloc(dev, &v->device_letters, rows, "a teacher's view"));
  if (beside->keyed) FD_GO(fd_alloc(&v->key, (size_t)count, sizeof *v->key, "a teacher's view"));
  FD_GO(dev->alloc(dev, &v->input, rows * row, "a teacher's view"));
done:
  if (status != FD_OK) fd_view_destroy(view);
  return status;
}

void fd_view_destroy(fd_view **view) {
  fd_view *v = *view;
  if (!v) return;
  fd_seqs_destroy(&v->seqs, v->dev);
  v->dev->release(v->dev, v->device_letters);
  v->dev->release(v->dev, v->input);
  free(v->letters);
  free(v->ids);
  free(v->hidden);
  free(v->key);
  free(v);
  *view = NULL;
}

void fd_view_put_letters(fd_view *v, int i, const uint8_t *letters, int count) {
  int at = v->seqs.start[i];
  memcpy(v->letters + at, letters, (size_t)count);
  memset(v->letters + at + count, FD_CLS, (size_t)v->seqs.cls);
  v->seqs.start[i + 1] = at + count + v->seqs.cls;
}

void fd_view_put_ids(fd_view *v, int i, const int32_t *ids, int count) {
  int at = v->seqs.start[i];
  memcpy(v->ids + at, ids, (size_t)count * sizeof *ids);
  v->seqs.start[i + 1] = at + count;
}

fd_status fd_view_send(fd_view *v, int count) {
  fd_device *dev = v->dev;
  v->seqs.count = count;
  size_t rows = (size_t)fd_seqs_rows(&v->seqs);
  FD_TRY(fd_seqs_send(&v->seqs, dev));
  if (v->ids) return dev->copy(dev, v->input, v->ids, rows * sizeof *v->ids);
  FD_TRY(dev->copy(dev, v->device_letters, v->letters, rows));
  dev->ops.expand(dev, &v->seqs, v->device_letters, 0, (fd_rng_key){{0, 0}}, 0, v->input);
  return FD_OK;
}
