/* The parts of findna doctor: each prints its lines, and records what is missing. */
#ifndef FD_COMMANDS_DOCTOR_H
#define FD_COMMANDS_DOCTOR_H

#include "comm/comm.h"
#include "config/config.h"

enum { FD_MISSING_MAX = 8 };

/* What is missing, and what to do about it; at most FD_MISSING_MAX entries. */
typedef struct fd_diagnosis {
  int count;
  char text[FD_MISSING_MAX][512];
} fd_diagnosis;

void FD_PRINTF(2, 3) fd_doctor_miss(fd_diagnosis *d, const char *fmt, ...);

/* Prints a line "  name   text". */
void FD_PRINTF(2, 3) fd_doctor_show(const char *name, const char *fmt, ...);

/* Prints the GPUs of this machine, or why none can be used, which is not counted as missing. */
void fd_doctor_gpus(void);

/* Prints what a run of the config needs, and whether it fits. `window`: nucleotides; 0: as in data.shards, or 1,000 without
 * shards. `teacher`: name of the frozen teacher (doctor_work.h) of a student that is aligned with one, or NULL. */
fd_status fd_doctor_run(const fd_comm *comm, const fd_config *config, int window, const char *teacher,
                        fd_diagnosis *d) FD_MUST_CHECK;

#endif
