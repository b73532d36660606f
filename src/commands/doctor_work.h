/* What findna doctor says of a run's frozen teacher and of its work; neither needs the teacher's weights. */
#ifndef FD_COMMANDS_DOCTOR_WORK_H
#define FD_COMMANDS_DOCTOR_WORK_H

#include "model/network.h"

/* A frozen teacher by its shape. */
typedef struct fd_doctor_teacher {
  fd_config config;
  fd_network *network; /* NULL: there is none */
  int words;           /* of a window, as it reads it */
} fd_doctor_teacher;

/* `name`: a run folder, a checkpoint, or a config of what will teach. */
fd_status fd_doctor_teacher_open(fd_doctor_teacher *teacher, const char *name, int window) FD_MUST_CHECK;
void fd_doctor_teacher_close(fd_doctor_teacher *teacher);

/* Says how many operations the products of a window, a step and a run of `steps` (0: not known) have, and how long that would
 * take on GPUs at an assumed share of their peak. */
fd_status fd_doctor_work(const fd_config *config, const fd_network *network, const fd_doctor_teacher *teacher, int tokens,
                         int64_t steps) FD_MUST_CHECK;

#endif
