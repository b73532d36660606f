/* Whether this process may use AMX with bf16 operands. */
#ifndef FD_CPU_AMX_H
#define FD_CPU_AMX_H

/* NULL: it may, in all threads from now on; else why it may not, a text that stays. The first call asks the kernel, before
 * threads start.
 */
const char *fd_cpu_amx_refused(void);

#endif
