/* Measures the paper's training step and the data path; one "name value" line a measurement.
 *   bench step THREADS BATCH REPEATS   seconds of each whole step (views, both networks, losses, backward, clip, AdamW, EMA,
 * centre) bench data REPEATS                 windows per second of one core: both token views of 1,000 nucleotides, noise not
 * counted bench prepare FOLDER               one core: MB of plain FASTA per second, and bytes of memory per base of its only
 * sequence */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/ingest.h"
#include "train/schedule.h"
#include "train/trainer.h"

static fd_windows random_windows(int count, int length) {
  fd_windows w = {count, length, malloc((size_t)count * (size_t)length)};
  for (int i = 0; i < count * length; i++) {
    uint32_t word[4];
    fd_philox(word, fd_rng_key_of(1, FD_RNG_TEST), 0, (uint64_t)i);
    w.symbols[i] = (uint8_t)fd_below(word[0], 4);
  }
  return w;
}

static fd_status bench_step(int threads, int batch, int repeats) {
  fd_config c;
  fd_device *dev;
  fd_network *network;
  fd_state *state;
  fd_trainer *trainer;
  fd_loader loader;
  fd_step step;
  fd_config_defaults(&c);
  c.device.threads = threads;
  c.train.batch = batch;
  c.train.virtual_ranks = 1;
  fd_windows windows = random_windows(64, 1000);
  FD_TRY(fd_device_open(&dev, &c, 1));
  FD_TRY(fd_network_create(&network, &c, windows.length));
  FD_TRY(fd_state_create(&state, &c, network, dev));
  fd_loader_init(&loader, &c, &windows);
  FD_TRY(fd_trainer_create(&trainer, &c, fd_comm_self(), dev, network, (fd_source){&loader, fd_loader_fill}, state, 1000,
                           batch * 1010));
  FD_TRY(fd_trainer_step(trainer, &step)); /* warm-up */
  for (int i = 0; i < repeats; i++) {
    double start = fd_seconds();
    FD_TRY(fd_trainer_step(trainer, &step));
    printf("step_seconds %.6f\n", fd_seconds() - start);
  }
  fd_trainer_destroy(&trainer);
  fd_state_destroy(&state);
  fd_network_destroy(&network);
  fd_device_close(&dev);
  free(windows.symbols);
  return FD_OK;
}

static fd_status bench_data(int repeats) {
  enum { WINDOWS = 20000, LENGTH = 1000 };
  static uint8_t view[4][LENGTH], scratch[4 * LENGTH];
  fd_config c;
  fd_loader loader;
  fd_config_defaults(&c);
  fd_windows windows = random_windows(2000, LENGTH);
  fd_loader_init(&loader, &c, &windows);
  for (int i = 0; i < repeats; i++) {
    double start = fd_seconds();
    for (uint64_t g = 0; g < WINDOWS; g++) fd_loader_views(&loader, g, view[0], view[1], view[2], view[3], scratch);
    printf("windows_per_second %.0f\n", WINDOWS / (fd_seconds() - start));
  }
  free(windows.symbols);
  return FD_OK;
}

/* A chromosome of 200 Mb in lines of 80, half of it in lower case, a tenth N. */
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

static fd_status bench_prepare(const char *folder) {
  char fasta[FD_PATH_MAX], shards[FD_PATH_MAX];
  uint64_t bytes;
  struct rusage before, after;
  FD_TRY(fd_path(fasta, folder, "chr1.fa", NULL));
  FD_TRY(fd_path(shards, folder, "shards", NULL));
  FD_TRY(fd_remove_folder(shards));
  if (!fd_exists(fasta)) FD_TRY(write_chromosome(fasta));
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
  double start = fd_seconds();
  FD_TRY(fd_ingest_run(&o, fd_comm_self()));
  double seconds = fd_seconds() - start;
  getrusage(RUSAGE_SELF, &after);
  fprintf(stderr, "prepare_mb_per_second %.1f\nprepare_bytes_per_base %.3f\n", (double)bytes / seconds * 1e-6,
          (double)(after.ru_maxrss - before.ru_maxrss) * 1024 / 200e6);
  return fd_remove_folder(shards);
}

int main(int argc, char **argv) {
  if (argc == 5 && !strcmp(argv[1], "step")) return bench_step(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
  if (argc == 3 && !strcmp(argv[1], "data")) return bench_data(atoi(argv[2]));
  if (argc == 3 && !strcmp(argv[1], "prepare")) return bench_prepare(argv[2]);
  return fd_fail(FD_USAGE, "usage: bench step THREADS BATCH REPEATS | bench data REPEATS | bench prepare FOLDER");
}
