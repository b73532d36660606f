/* findna doctor: a run's frozen teacher by its shape, and the operations of the run; neither needs the teacher's weights. */
#ifndef FD_COMMANDS_DOCTOR_WORK_H
#define FD_COMMANDS_DOCTOR_WORK_H

#include "model/network.h"

/* A frozen teacher by its shape. */
typedef struct fd_doctor_teacher {
  fd_config config;
  fd_network *network; /* NULL: no teacher */
  int words;           /* tokens of a window in the teacher's tokenizer */
} fd_doctor_teacher;

/* `name`: a run folder, a checkpoint, or a config of the teacher; `window`: nucleotides. */
fd_status fd_doctor_teacher_open(fd_doctor_teacher *teacher, const char *name, int window) FD_MUST_CHECK;
void fd_doctor_teacher_close(fd_doctor_teacher *teacher);

/* Prints the floating-point operations of the matrix products of a window, a step and a run of `steps` (0: unknown), and the time
 * of a run on GPUs at an assumed fraction of their peak. */
fd_status fd_doctor_work(const fd_config *config, const fd_network *network, const fd_doctor_teacher *teacher, int tokens,
                         int64_t steps) FD_MUST_CHECK;

#endif
