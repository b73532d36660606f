/* A frozen teacher's view of a batch's sequences, next to the student's: the letters or words that its network reads, with
 * lengths of its own. */
#ifndef FD_DATA_VIEW_H
#define FD_DATA_VIEW_H

#include "device/device.h"

/* What a source of batches makes besides the student's input. */
typedef struct fd_beside {
  int tokens;  /* of the longest sequence in the teacher's view, with its [CLS] rows; 0: no such view */
  int cls;     /* [CLS] rows per sequence in that view */
  int ids;     /* the view's rows are token ids, else letters */
  int logits;  /* stored logits per sequence; 0: none */
  int aligned; /* rows per sequence that are compared with a teacher's features; 0: none */
  int keyed;   /* the view has keys of its sequences (fd_view.key) */
} fd_beside;

/* Row r of `seqs` is letters[r] or ids[r]. */
typedef struct fd_view {
  fd_device *dev;
  fd_seqs seqs;
  uint8_t *letters; /* host: [rows] symbols, FD_CLS on [CLS] rows; NULL with ids */
  int32_t *ids;     /* host: [rows]; NULL with letters */
  uint8_t *hidden;  /* host: [rows] memory for seqs.hidden; NULL with letters */
  int64_t *key;     /* host: [count] keys from 0 on, equal for equal sequences; NULL: not requested */
  uint8_t *device_letters;
  void *input; /* device: [rows, 5] one-hot rows, or [rows] int32 ids */
} fd_view;

/* A view of up to `count` sequences. */
fd_status fd_view_create(fd_view **view, fd_device *dev, const fd_beside *beside, int count) FD_MUST_CHECK;
void fd_view_destroy(fd_view **view);

/* Appends sequence i: `count` letters, followed by [CLS] rows, or `count` ids. */
void fd_view_put_letters(fd_view *view, int i, const uint8_t *letters, int count);
void fd_view_put_ids(fd_view *view, int i, const int32_t *ids, int count);

/* Copies the first `count` sequences to the device. */
fd_status fd_view_send(fd_view *view, int count) FD_MUST_CHECK;

#endif
