/* The communicator of a single process: every collective is the identity. */
#include <stdlib.h>

#include "comm/comm.h"

static fd_status self_exchange(fd_comm *comm, int peer, const void *send, size_t send_bytes, void *receive,
                               size_t receive_bytes) {
  (void)comm, (void)peer, (void)send, (void)send_bytes, (void)receive, (void)receive_bytes;
  return fd_fail(FD_BUG, "a single process has no peer to exchange with");
}

static fd_status self_broadcast(fd_comm *comm, void *data, size_t bytes, int root) {
  (void)comm, (void)data, (void)bytes, (void)root;
  return FD_OK;
}

static fd_status self_sum_u64(fd_comm *comm, uint64_t *data, size_t count) {
  (void)comm, (void)data, (void)count;
  return FD_OK;
}

static fd_status self_barrier(fd_comm *comm) {
  (void)comm;
  return FD_OK;
}

static void self_abort(fd_comm *comm, int code) {
  (void)comm;
  exit(code);
}

static void self_finish(fd_comm *comm) { (void)comm; }

fd_comm *fd_comm_self(void) {
  static const fd_comm_ops ops = {"self",       self_exchange, self_broadcast, self_sum_u64,
                                  self_barrier, NULL,          self_abort,     self_finish};
  static fd_comm self = {.size = 1, .local_size = 1, .ops = &ops};
  return &self;
}
