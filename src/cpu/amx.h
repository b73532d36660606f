/* Whether this process may use AMX with bf16 operands. */
#ifndef FD_CPU_AMX_H
#define FD_CPU_AMX_H

/* NULL if AMX may be used, from now on in all threads; else the reason why not, a static string. The first call requests the
 * kernel's permission and must come before threads start. */
const char *fd_cpu_amx_refused(void);

#endif
