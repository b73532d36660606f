/* A linear classifier of thousands of classes: softmax regression by AdamW in epochs, in fp32, by all threads of a device. What
 * fits to convergence in double precision (logistic.h) would take days there, and 24 copies of its weights. */
#ifndef FD_TASKS_SOFTMAX_H
#define FD_TASKS_SOFTMAX_H

#include "device/device.h"
#include "tasks/logistic.h"

/* More classes than this are many: they are fitted here. */
enum { FD_CLASSES_EXACT = 256, FD_SOFTMAX_BATCH = 256 };

typedef struct fd_softmax fd_softmax;

/* Takes 4 bytes for each of the classes * (dims + 1) weights, 16 once it is fitted, and FD_SOFTMAX_BATCH rows of inputs and of
 * classes beside. */
fd_status fd_softmax_create(fd_softmax **model, fd_device *dev, int classes, int dims) FD_MUST_CHECK;
void fd_softmax_free(fd_softmax **model);

/* The rows row[0..count-1] (all `count` rows when NULL) in an order that `seed` draws for each epoch, for `epochs` of a schedule
 * of `most` whose learning rate falls on half a cosine from 1e-3 to 0; from the weights that the model has. Multiplications:
 * three times count * classes * dims an epoch. After each epoch `watch` (NULL: nobody) may say *enough. Bits do not depend on
 * threads. */
typedef struct fd_softmax_fit {
  const fd_design *x;
  const int *label, *row;
  int count, epochs, most;
  uint64_t seed;
  void *context;
  fd_status (*watch)(void *context, int epoch, int *enough);
} fd_softmax_fit;
fd_status fd_softmax_run(fd_softmax *model, const fd_softmax_fit *fit) FD_MUST_CHECK;

/* Weights [classes, dims] and biases [classes] that were fitted elsewhere, copied. */
void fd_softmax_set(fd_softmax *model, const float *weights, const float *biases);

/* The likeliest class of each row (predicted, unless NULL), and the mean negative log likelihood (nats) of the labels (loss,
 * unless NULL) over rows as above. */
fd_status fd_softmax_predict(fd_softmax *model, const fd_design *x, const int *label, const int *row, int count, int *predicted,
                             double *loss) FD_MUST_CHECK;

/* Chooses the number of epochs by loss on the first `held_out` of the rows order[0..x->rows-1], as lambda is chosen elsewhere:
 * the others are fitted, until FD_SOFTMAX_PATIENCE epochs gave no better one. */
enum { FD_SOFTMAX_EPOCHS = 30, FD_SOFTMAX_PATIENCE = 3 };
fd_status fd_softmax_select(fd_device *dev, const fd_design *x, const int *label, int classes, const int *order, int held_out,
                            uint64_t seed, int *epochs, double *loss) FD_MUST_CHECK;

/* Fits all rows of `train` for so many epochs and says the likeliest class of each row of `test`. */
fd_status fd_softmax_classify(fd_device *dev, const fd_design *train, const int *label, int classes, const fd_design *test,
                              uint64_t seed, int epochs, int *predicted) FD_MUST_CHECK;

#endif
