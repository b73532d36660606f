/* The angles of rotary position embeddings, the same on every device. */
#ifndef FD_DEVICE_ROTARY_H
#define FD_DEVICE_ROTARY_H

#include <math.h>

#include "base/both.h"

/* The angle by which pair i of a head's columns turns per position. */
FD_BOTH static inline double fd_rotary_turn(int dim, double base, int i) { return pow(base, -2.0 * i / dim); }

#endif
