/* Measures the data path: token views of windows, and FASTA to shards. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/output.h"
#include "bench.h"
#include "data/batch.h"
#include "data/ingest.h"

enum { WINDOWS = 2000, DRAWS = 20000, LENGTH = 1000 };

fd_status fd_bench_data(fd_bench *bench) {
  static uint8_t view[4][LENGTH], scratch[4 * LENGTH];
  fd_loader loader;
  fd_windows windows = {WINDOWS, LENGTH, malloc(WINDOWS * LENGTH), NULL, NULL};
  for (int i = 0; i < WINDOWS * LENGTH; i++) {
    uint32_t word[4];
    fd_philox(word, fd_rng_key_of(1, FD_RNG_TEST), 0, (uint64_t)i);
    windows.symbols[i] = (uint8_t)fd_below(word[0], 4);
  }
  fd_loader_init(&loader, &bench->config, &windows);
  while (fd_bench_next(bench)) {
    double start = fd_seconds();
    for (uint64_t g = 0; g < DRAWS; g++) fd_loader_views(&loader, g, view[0], view[1], view[2], view[3], scratch);
    fprintf(bench->out, "%.0f\n", DRAWS / (fd_seconds() - start));
  }
  free(windows.symbols);
  return FD_OK;
}

/* Writes a random chromosome of 200 Mb in lines of 80, half of it lower case, a tenth N. */
static fd_status write_chromosome(const char *path) {
  enum { LINES = 2500000, LINE = 80 };
  static const char letters[] = "ACGTacgt";
  FILE *out = fopen(path, "w");
  if (!out) return fd_fail_errno("cannot open", path);
  fprintf(out, ">chr1 random\n");
  for (uint64_t i = 0; i < LINES; i++) {
    char line[LINE + 1];
    uint32_t word[4];
    for (int k = 0; k < LINE; k += 16) {
      fd_philox(word, fd_rng_key_of(1, FD_RNG_TEST), i, (uint64_t)k);
      for (int j = 0; j < 16; j++)
        line[k + j] = i / 1000 % 10 ? letters[(word[j / 4] >> (j % 4 * 8) & 3) + (i / 500 % 2 ? 4 : 0)] : 'N';
    }
    line[LINE] = '\n';
    fwrite(line, 1, LINE + 1, out);
  }
  return fclose(out) ? fd_fail_errno("cannot write", path) : FD_OK;
}

/* Writes to the folder run.folder. */
fd_status fd_bench_prepare(fd_bench *bench) {
  char fasta[FD_PATH_MAX], shards[FD_PATH_MAX];
  uint64_t bytes;
  struct rusage before, after;
  FD_TRY(fd_path(fasta, bench->config.run.folder, "chr1.fa", NULL));
  FD_TRY(fd_path(shards, bench->config.run.folder, "shards", NULL));
  FD_TRY(write_chromosome(fasta));
  FD_TRY(fd_file_size(fasta, &bytes));
  fd_ingest_options o = {.output = shards,
                         .window = 1000,
                         .count = 10000,
                         .max_n = 0.1,
                         .shard_windows = 16384,
                         .sampling = "length",
                         .assembly = ""};
  o.files.item[o.files.count++] = fasta;
  getrusage(RUSAGE_SELF, &before);
  while (fd_bench_next(bench)) {
    FD_TRY(fd_remove_folder(shards));
    double start = fd_seconds();
    FD_TRY(fd_ingest_run(&o, bench->comm));
    double seconds = fd_seconds() - start;
    getrusage(RUSAGE_SELF, &after);
    fprintf(bench->out, "%.1f %.3f\n", (double)bytes / seconds * 1e-6,
            (double)(after.ru_maxrss - before.ru_maxrss) * 1024 / 200e6);
  }
  return FD_OK;
}
