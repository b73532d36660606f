/* Time that never jumps; used for rates and limits, never for results. */
#ifndef FD_BASE_CLOCK_H
#define FD_BASE_CLOCK_H

/* Seconds of the monotonic clock. */
double fd_seconds(void);

#endif
