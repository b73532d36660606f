/* Detects AMX: support by the processor, tile state enabled by the hypervisor and the kernel, and the kernel's permission. */
#include "cpu/amx.h"

#if defined(FD_WITH_amx)
#include <cpuid.h>
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Constants of asm/prctl.h, which headers older than Linux 5.16 lack. */
enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };

const char *fd_cpu_amx_refused(void) {
  unsigned a, b, c, d, low, high;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d >> 22 & 1) || !(d >> 24 & 1))
    return "the processor has no AMX with bf16, or the virtual machine hides it";
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1)) return "the operating system does not save the registers of AMX";
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low >> 17 & 3) != 3) return "the kernel or the hypervisor does not save the registers of AMX (XCR0)";
  if (syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0) return NULL;
  if (errno == EPERM || errno == ENOSYS) return "the kernel or the container (seccomp) refuses AMX (arch_prctl)";
  return "the kernel refuses AMX (arch_prctl): older than Linux 5.16, or signal stacks are too small for it";
}
#else
const char *fd_cpu_amx_refused(void) { return "this build has no kernels for AMX"; }
#endif
