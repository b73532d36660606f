/* Stop requests by signal. */
#include "base/signals.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

static volatile sig_atomic_t stop_signal, end_code; /* end_code: of a process that only has to exit; else 0 */

/* How often fd_signals_stop was called, and whether it ever returned a signal. */
static atomic_uint stop_looks;
static atomic_int stop_taken;

static void ask_to_stop(int number) {
  if (end_code) _exit(end_code);
  if (stop_signal == SIGINT && number == SIGINT) _exit(FD_RETRY); /* a user's second Ctrl-C; schedulers repeat TERM and USR1 */
  stop_signal = number;
}

/* Whether the signal was ignored at start, as nohup and a shell's & set HUP and INT for background processes; it then stays
 * ignored. */
static int is_ignored(int number) {
  struct sigaction before;
  return (number == SIGHUP || number == SIGINT) && !sigaction(number, NULL, &before) && before.sa_handler == SIG_IGN;
}

void fd_signals_install(int catch_stops) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = ask_to_stop;
  action.sa_flags = SA_RESTART;
  const int asking[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
  for (unsigned i = 0; catch_stops && i < sizeof asking / sizeof *asking; i++)
    if (!is_ignored(asking[i])) sigaction(asking[i], &action, NULL);
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, NULL);
  sigaction(SIGXFSZ, &action, NULL);
}

int fd_signals_stop(void) {
  int number = stop_signal;
  atomic_fetch_add_explicit(&stop_looks, 1, memory_order_relaxed);
  if (number) atomic_store(&stop_taken, 1);
  return number;
}

int fd_signals_peek(unsigned *looks, int *taken) {
  *looks = atomic_load_explicit(&stop_looks, memory_order_relaxed);
  *taken = atomic_load(&stop_taken);
  return stop_signal;
}

void fd_signals_end_with(int code) { end_code = code; }

void fd_signals_ask(int number) {
  if (!stop_signal) stop_signal = number;
}
