/* A view of a batch's sequences beside the student's: what a frozen teacher sees, with lengths of its own, as the letters or
 * words that its network reads. */
#ifndef FD_DATA_VIEW_H
#define FD_DATA_VIEW_H

#include "device/device.h"

/* What a source of batches makes beside the student's input. */
typedef struct fd_beside {
  int tokens;  /* of the longest sequence in that view, with its [CLS] rows; 0: there is no such view */
  int cls;     /* [CLS] rows of a sequence there */
  int ids;     /* its rows are ids of a tokenizer, else letters */
  int logits;  /* stored logits of a sequence; 0: none */
  int aligned; /* rows of a sequence that are held against a teacher's features; 0: none */
  int keyed;   /* the view says which of its sequences are the same ones (fd_view.key) */
} fd_beside;

/* Row r of `seqs` is letters[r] or ids[r]. */
typedef struct fd_view {
  fd_device *dev;
  fd_seqs seqs;
  uint8_t *letters; /* host: [rows] symbols, FD_CLS on [CLS] rows; NULL with ids */
  int32_t *ids;     /* host: [rows]; NULL with letters */
  uint8_t *hidden;  /* host: [rows] what seqs.hidden may point to; NULL with letters */
  int64_t *key;     /* host: [count] numbers from 0 on: sequences with the same one are the same; NULL: nobody asks */
  uint8_t *device_letters;
  void *input; /* device: [rows, 5] one-hot rows, or [rows] int32 ids */
} fd_view;

/* A view of up to `count` sequences. */
fd_status fd_view_create(fd_view **view, fd_device *dev, const fd_beside *beside, int count) FD_MUST_CHECK;
void fd_view_destroy(fd_view **view);

/* Puts sequence number i behind those before it: `count` letters, which get [CLS] rows behind them, or `count` ids. */
void fd_view_put_letters(fd_view *view, int i, const uint8_t *letters, int count);
void fd_view_put_ids(fd_view *view, int i, const int32_t *ids, int count);

/* Brings the first `count` sequences to the device. */
fd_status fd_view_send(fd_view *view, int count) FD_MUST_CHECK;

#endif
