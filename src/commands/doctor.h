/* The parts of findna doctor: each prints lines, and remembers what is missing. */
#ifndef FD_COMMANDS_DOCTOR_H
#define FD_COMMANDS_DOCTOR_H

#include "comm/comm.h"
#include "config/config.h"

enum { FD_MISSING_MAX = 8 };

/* What is missing, and what to do about it. */
typedef struct fd_diagnosis {
  int count;
  char text[FD_MISSING_MAX][512];
} fd_diagnosis;

void FD_PRINTF(2, 3) fd_doctor_miss(fd_diagnosis *d, const char *fmt, ...);

/* A line "  name   text". */
void FD_PRINTF(2, 3) fd_doctor_show(const char *name, const char *fmt, ...);

/* The GPUs of this machine, or what is missing to use one: which is no fault of a machine. */
void fd_doctor_gpus(void);

/* What a run of the config needs, and whether it fits. `window`: nucleotides; 0: those of data.shards, or 1,000. `teacher`: of a
 * student that is aligned with one (doctor_work.h), or NULL. */
fd_status fd_doctor_run(const fd_comm *comm, const fd_config *config, int window, const char *teacher,
                        fd_diagnosis *d) FD_MUST_CHECK;

#endif
