/* bench KIND [section.key=value ...]: runs one kind of measurement of bench.h, by default on the paper's model. */
#include "bench.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "device/device.h"
#include "mpi/world.h"

static const struct kind {
  const char *name;
  fd_status (*run)(fd_bench *bench);
} kinds[] = {{"step", fd_bench_step},
             {"infer", fd_bench_infer},
             {"finetune", fd_bench_finetune},
             {"embed", fd_bench_embed},
             {"block", fd_bench_block},
             {"stages", fd_bench_stages},
             {"linear", fd_bench_linear},
             {"data", fd_bench_data},
             {"tokens", fd_bench_tokens},
             {"prepare", fd_bench_prepare},
             {"encoder_step", fd_bench_encoder_step},
             {"encoder_packed", fd_bench_encoder_packed},
             {"encoder_infer", fd_bench_encoder_infer}};

int fd_bench_next(fd_bench *bench) {
  char line[64];
  uint64_t more = bench->comm->rank == 0 && fgets(line, sizeof line, stdin) != NULL;
  return bench->comm->ops->sum_u64(bench->comm, &more, 1) == FD_OK && more;
}

/* Prints the name of the kernels, which bench.sh prints in its rows. */
static fd_status print_kernels(const fd_config *config) {
  fd_device *dev;
  FD_TRY(fd_device_open(&dev, config, 0, 1));
  fprintf(stderr, "kernels %s\n", dev->kernels);
  fd_device_close(&dev);
  return FD_OK;
}

int main(int argc, char **argv) {
  static const char defaults[] = "train:\n  batch: 4\n  virtual_ranks: 1\n";
  fd_bench bench;
  fd_status status = fd_world_start(&bench.comm, &argc, &argv, 1);
  if (status != FD_OK) return status;
  bench.out = fdopen(dup(STDOUT_FILENO), "w");
  if (!bench.out || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) return fd_fail_errno("cannot open", "standard output");
  setlinebuf(bench.out);
  const struct kind *kind = NULL;
  for (size_t i = 0; argc > 1 && i < sizeof kinds / sizeof *kinds; i++)
    if (!strcmp(argv[1], kinds[i].name)) kind = &kinds[i];
  if (!kind)
    status =
        fd_fail(FD_USAGE,
                "usage: bench "
                "step|infer|finetune|embed|block|stages|linear|data|tokens|prepare|encoder_step|encoder_packed|encoder_infer "
                "[section.key=value ...]");
  else status = fd_config_parse(&bench.config, defaults, sizeof defaults - 1, "bench", argv + 2, argc - 2);
  if (status == FD_OK) status = print_kernels(&bench.config);
  if (status == FD_OK) status = kind->run(&bench);
  if (status != FD_OK) bench.comm->ops->abort(bench.comm, status);
  bench.comm->ops->finish(bench.comm);
  return 0;
}
