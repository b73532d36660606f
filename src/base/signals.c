/* Stop requests by signal. */
#include "base/signals.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

static volatile sig_atomic_t stop_signal;

static void ask_to_stop(int number) {
  if (stop_signal == SIGINT && number == SIGINT) _exit(FD_RETRY); /* an impatient user; schedulers repeat TERM and USR1 */
  stop_signal = number;
}

void fd_signals_install(int catch_stops) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = ask_to_stop;
  action.sa_flags = SA_RESTART;
  const int asking[] = {SIGTERM, SIGINT, SIGUSR1, SIGUSR2};
  for (unsigned i = 0; catch_stops && i < sizeof asking / sizeof *asking; i++) sigaction(asking[i], &action, NULL);
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, NULL);
  sigaction(SIGXFSZ, &action, NULL);
}

int fd_signals_stop(void) { return stop_signal; }
