/* Opens one GPU per rank, and the link that carries gradients between them. */
#include "train/rank_device.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/memory.h"

/* For an error that all ranks found and the root has reported: no rank ends the job before the message. */
static fd_status after_root(fd_comm *comm, fd_status status) {
  fd_status call = comm->ops->barrier(comm);
  return call == FD_OK ? status : call;
}

static fd_status refuse_sharing(const fd_device *dev, fd_comm *comm, int a, int b) {
  if (comm->rank) return after_root(comm, FD_CONFIG);
  return after_root(
      comm, fd_fail(FD_CONFIG,
                    "ranks %d and %d on %s have the same GPU (%s): give each rank its own (srun --gpus-per-task=1, or one rank a "
                    "GPU of CUDA_VISIBLE_DEVICES), or set comm.share_gpu=true",
                    a, b, fd_comm_host(comm, b), dev->simd));
}

/* GPUs are compared by UUID, as their numbers depend on which GPUs are visible to each process. */
static fd_status check_sharing(const fd_device *dev, fd_comm *comm) {
  uint64_t uuid[comm->size][2];
  memcpy(uuid[comm->rank], dev->uuid, sizeof dev->uuid);
  FD_TRY(fd_comm_gather_rows(comm, uuid, 2));
  for (int r = 0; r < comm->size; r++)
    for (int other = 0; other < r; other++)
      if (!memcmp(uuid[r], uuid[other], sizeof uuid[r])) return refuse_sharing(dev, comm, other, r);
  return FD_OK;
}

/* Describes the kernels by their family, and for a GPU plugin also by its SHA-256: the program's version does not determine that
 * of a separate library. */
static fd_status describe_kernels(const fd_device *dev, char *text, size_t size) {
  Dl_info info;
  void *inside;
  char hex[FD_SHA256_HEX];
  uint64_t bytes;
  int n = snprintf(text, size, "%s", dev->kernels);
  memcpy(&inside, &dev->destroy, sizeof inside);
  if (!dev->own_memory || !dladdr(inside, &info)) return FD_OK;
  FD_TRY(fd_sha256_file(info.dli_fname, hex, &bytes));
  snprintf(text + n, size - (size_t)n, ", plugin %.16s", hex);
  return FD_OK;
}

/* Checks that all ranks have the same kernels: the last bits of a result depend on them, and every rank computes a part of it. */
static fd_status same_kernels(const fd_device *dev, fd_comm *comm) {
  static const char *const families[] = {"avx512", "avx2", "neon", "generic"};
  enum { FAMILIES = sizeof families / sizeof *families };
  uint64_t have[FAMILIES];
  char kernels[256], usable[128], remedy[128] = "the GPUs must be of one compute capability, and the plugins one build";
  int best = 0;
  fd_device_simd(usable, sizeof usable);
  for (int i = 0; i < FAMILIES; i++) have[i] = strstr(usable, families[i]) != NULL;
  FD_TRY(comm->ops->sum_u64(comm, have, FAMILIES));
  while (best + 1 < FAMILIES && have[best] < (uint64_t)comm->size) best++;
  if (!dev->own_memory)
    snprintf(remedy, sizeof remedy, "device.simd=%s (--simd %s) is the best that all of them have", families[best],
             families[best]);
  FD_TRY(describe_kernels(dev, kernels, sizeof kernels));
  return fd_comm_same_text(comm, FD_CONFIG, "kernels", kernels, remedy);
}

/* Gathers the GPU numbers of all ranks, which messages include from here on. */
static fd_status name_gpus(const fd_device *dev, fd_comm *comm) {
  int64_t *gpu;
  if (comm->gpu || comm->size == 1) return FD_OK;
  FD_TRY(fd_alloc(&gpu, (size_t)comm->size, sizeof *gpu, "the ranks' GPUs"));
  gpu[comm->rank] = dev->gpu;
  FD_TRY(fd_comm_gather_rows(comm, gpu, 1));
  comm->gpu = gpu;
  return FD_OK;
}

fd_status fd_rank_device_open(fd_device **dev, const fd_config *config, fd_comm *comm) {
  fd_status status = fd_comm_agree(comm, fd_device_open(dev, config, comm->local_rank, comm->local_size));
  if (status == FD_OK && (*dev)->own_memory && !config->comm.share_gpu) status = check_sharing(*dev, comm);
  if (status == FD_OK && (*dev)->own_memory) status = name_gpus(*dev, comm);
  if (status == FD_OK && comm->size > 1) status = same_kernels(*dev, comm);
  if (status != FD_OK) fd_device_close(dev);
  return status;
}

/* Opens the device's own link (NCCL). Leaves *link NULL if the root rank lacks the library and MPI may be used instead. */
static fd_status open_own(fd_link **link, const fd_config *config, fd_comm *comm, fd_device *dev) {
  char id[FD_LINK_ID] = "";
  const char *why = "";
  fd_status status = fd_comm_agree(comm, comm->rank == 0 ? dev->link_id(dev, id, &why) : FD_OK);
  if (status == FD_MISSING && config->comm.transport == FD_TRANSPORT_AUTO) {
    if (comm->rank == 0) fd_warn("no NCCL: %s; gradients go through MPI and host memory", why);
    return FD_OK;
  }
  if (status == FD_MISSING) status = after_root(comm, comm->rank ? FD_GPU : fd_fail(FD_GPU, "comm.transport: nccl: %s", why));
  FD_TRY(status);
  FD_TRY(comm->ops->broadcast(comm, id, sizeof id, 0));
  status = fd_comm_agree(comm, dev->link(dev, link, comm->rank, comm->size, id, config->comm.limit));
  if (status != FD_OK && *link) (*link)->close(*link);
  if (status != FD_OK) *link = NULL;
  return status;
}

fd_status fd_rank_link_open(fd_link **link, const fd_config *config, fd_comm *comm, fd_device *dev) {
  int wanted = config->comm.transport, own = dev->link && !config->comm.share_gpu;
  *link = NULL;
  if (comm->size == 1) return FD_OK;
  if (wanted == FD_TRANSPORT_NCCL && !own)
    return fd_fail(FD_CONFIG, "comm.transport: nccl needs a GPU of its own for each rank (device.kind=cuda, not comm.share_gpu)");
  if (wanted != FD_TRANSPORT_MPI && own) FD_TRY(open_own(link, config, comm, dev));
  if (!*link) FD_TRY(comm->ops->link(link, comm, dev));
  if (comm->rank == 0) fd_info("gradients travel between the %d ranks by %s", comm->size, (*link)->name);
  return FD_OK;
}
