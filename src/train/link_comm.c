/* Blocking collectives as a link. */
#include "train/link_comm.h"

#include <stdlib.h>

#include "base/memory.h"

typedef struct comm_link {
  fd_link link; /* first */
  fd_comm *comm;
  fd_device *dev;
  float *staged; /* host copies of what a device with memory of its own sends and receives */
  size_t room;
} comm_link;

static comm_link *of(fd_link *link) { return (comm_link *)(void *)link; }

static fd_status follow(fd_link *link) { return of(link)->dev->sync(of(link)->dev); }

static fd_status exchange(fd_link *link, int peer, const float *send, size_t send_count, float *receive, size_t receive_count) {
  comm_link *l = of(link);
  size_t out = send_count * sizeof(float), in = receive_count * sizeof(float);
  if (!l->dev->own_memory) return l->comm->ops->exchange(l->comm, peer, send, out, receive, in);
  FD_TRY(fd_grow(&l->staged, &l->room, send_count + receive_count, sizeof(float), "gradients on their way"));
  FD_TRY(l->dev->copy(l->dev, l->staged, send, out));
  FD_TRY(l->comm->ops->exchange(l->comm, peer, l->staged, out, l->staged + send_count, in));
  return l->dev->copy(l->dev, receive, l->staged + send_count, in);
}

static fd_status add(fd_link *link, size_t count, const float *a, const float *b, float *out) {
  of(link)->dev->ops.add(of(link)->dev, count, a, b, out);
  return FD_OK;
}

static fd_status sum(fd_link *link, float *data, size_t count) {
  comm_link *l = of(link);
  if (!l->dev->own_memory) return l->comm->ops->sum_f32(l->comm, data, count);
  FD_TRY(fd_grow(&l->staged, &l->room, count, sizeof(float), "gradients on their way"));
  FD_TRY(l->dev->copy(l->dev, l->staged, data, count * sizeof(float)));
  FD_TRY(l->comm->ops->sum_f32(l->comm, l->staged, count));
  return l->dev->copy(l->dev, data, l->staged, count * sizeof(float));
}

static fd_status progress(fd_link *link, int *idle) {
  (void)link;
  *idle = 1;
  return FD_OK;
}

static fd_status lead(fd_link *link) {
  (void)link;
  return FD_OK;
}

static void close_link(fd_link *link) {
  free(of(link)->staged);
  free(link);
}

fd_status fd_link_comm_open(fd_link **link, fd_comm *comm, fd_device *dev) {
  comm_link *l;
  *link = NULL;
  FD_TRY(fd_alloc(&l, 1, sizeof *l, "the link between ranks"));
  *l =
      (comm_link){.link = {comm->ops->name, comm->rank, comm->size, 0, 0, follow, exchange, add, sum, progress, lead, close_link},
                  .comm = comm,
                  .dev = dev};
  *link = &l->link;
  return FD_OK;
}
