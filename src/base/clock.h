/* Time that never jumps, and durations as text; used for rates and limits, never for results. */
#ifndef FD_BASE_CLOCK_H
#define FD_BASE_CLOCK_H

/* Seconds of the monotonic clock. */
double fd_seconds(void);

enum { FD_DURATION_TEXT = 32 };

/* Writes a duration in seconds as h:mm:ss, rounded down; "?" if it is negative or not a number, or longer than a million years.
 */
const char *fd_duration_text(char text[FD_DURATION_TEXT], double seconds);

#endif
