/* A linear classifier for thousands of classes: softmax regression trained with AdamW in epochs, in fp32, by all threads of a
 * device. Fitting to convergence in double precision (logistic.h) would take days, and 24 copies of the weights. */
#ifndef FD_TASKS_SOFTMAX_H
#define FD_TASKS_SOFTMAX_H

#include "device/device.h"
#include "tasks/logistic.h"

/* More than FD_CLASSES_EXACT classes count as many and are fitted here. */
enum { FD_CLASSES_EXACT = 256, FD_SOFTMAX_BATCH = 256 };

typedef struct fd_softmax fd_softmax;

/* A model of zero weights. Memory: 4 bytes for each of the classes * (dims + 1) weights, 16 once it is being fitted, plus
 * FD_SOFTMAX_BATCH rows of inputs and of logits. */
fd_status fd_softmax_create(fd_softmax **model, fd_device *dev, int classes, int dims) FD_MUST_CHECK;
void fd_softmax_free(fd_softmax **model);

/* A fit of the rows row[0..count-1] (NULL: the first `count` rows), shuffled by `seed` in each epoch, for `epochs` of a schedule
 * of `most` epochs whose learning rate decays from 1e-3 to 0 along half a cosine; it starts from the model's weights. An epoch
 * takes 3 * count * classes * dims multiplications. After each epoch `watch` (may be NULL) may stop the fit by setting *enough.
 * The result has the same bits for any number of threads. */
typedef struct fd_softmax_fit {
  const fd_design *x;
  const int *label, *row;
  int count, epochs, most;
  uint64_t seed;
  void *context;
  fd_status (*watch)(void *context, int epoch, int *enough);
} fd_softmax_fit;
fd_status fd_softmax_run(fd_softmax *model, const fd_softmax_fit *fit) FD_MUST_CHECK;

/* Copies weights [classes, dims] and biases [classes] that were fitted elsewhere. */
void fd_softmax_set(fd_softmax *model, const float *weights, const float *biases);

/* Computes the likeliest class of each row (`predicted`, may be NULL) and the mean negative log likelihood in nats of the labels
 * (`loss`, may be NULL) over rows as above. */
fd_status fd_softmax_predict(fd_softmax *model, const fd_design *x, const int *label, const int *row, int count, int *predicted,
                             double *loss) FD_MUST_CHECK;

/* Chooses the number of epochs by loss on the first `held_out` of the rows order[0..x->rows-1], as fd_probe_select chooses
 * lambda: the other rows are fitted, with early stopping after FD_SOFTMAX_PATIENCE epochs without improvement. */
enum { FD_SOFTMAX_EPOCHS = 30, FD_SOFTMAX_PATIENCE = 3 };
fd_status fd_softmax_select(fd_device *dev, const fd_design *x, const int *label, int classes, const int *order, int held_out,
                            uint64_t seed, int *epochs, double *loss) FD_MUST_CHECK;

/* Fits all rows of `train` for `epochs` epochs and predicts the likeliest class of each row of `test`. */
fd_status fd_softmax_classify(fd_device *dev, const fd_design *train, const int *label, int classes, const fd_design *test,
                              uint64_t seed, int epochs, int *predicted) FD_MUST_CHECK;

#endif
