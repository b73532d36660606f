/* Runs the steps of an ingest: scan, choose contigs and intervals, place, write, commit. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/output.h"
#include "data/ingest_parts.h"
#include "data/sources.h"

/* Takes the rows of --exclude out of the intervals. */
static fd_status exclude(fd_ingest *in) {
  const fd_ingest_options *o = in->options;
  fd_intervals excluded = {0};
  if (!o->exclude) return FD_OK;
  fd_status status = fd_exclusions_read(o->exclude, &in->genome, in->used, o->partial, &excluded, &in->exclusions);
  if (status == FD_OK) status = fd_intervals_exclude(&in->intervals, &excluded, &in->genome, &in->excluded);
  free(excluded.item);
  return status;
}

static fd_status choose_intervals(fd_ingest *in) {
  const fd_ingest_options *o = in->options;
  if (o->bed) FD_TRY(fd_splits_read(o->bed, &in->genome, in->used, o->partial, &in->intervals, &in->splits));
  for (int r = 0; r < in->genome.records && !o->bed; r++)
    if (in->used[r] && in->genome.record[r].length)
      FD_TRY(fd_intervals_add(&in->intervals, r, in->held_out[r] ? FD_VAL : FD_TRAIN, 0, in->genome.record[r].length));
  FD_TRY(fd_intervals_close(&in->intervals, &in->genome));
  return exclude(in);
}

static fd_status place_windows(fd_ingest *in) {
  const fd_ingest_options *o = in->options;
  const int64_t counts[FD_SPLITS] = {o->count, o->val_count, o->test_count};
  fd_placement p = {(int)o->window, o->max_n, strcmp(o->sampling, "uniform") == 0, (uint64_t)o->seed};
  int64_t total = 0;
  for (int s = 0; s < FD_SPLITS; s++) {
    if (o->stride) FD_TRY(fd_place_strided(&p, &in->genome, &in->intervals, s, o->stride, &in->places[s]));
    else FD_TRY(fd_place_random(&p, &in->genome, &in->intervals, s, counts[s], &in->places[s]));
    total += in->places[s].count;
  }
  return total ? FD_OK : fd_fail(FD_DATA, "no window was placed: every place had too many N or lay outside the intervals");
}

static fd_status plan_shards(fd_ingest *in) {
  int64_t size = in->options->shard_windows;
  size_t capacity = 0;
  for (int s = 0; s < FD_SPLITS; s++) {
    if (in->places[s].count / size >= FD_SHARDS_MAX - in->shards)
      return fd_fail(FD_USAGE, "--shard-windows %" PRId64 " makes more than %d shards; take more windows for each", size,
                     FD_SHARDS_MAX);
    for (int64_t first = 0, part = 0; first < in->places[s].count; first += size, part++) {
      FD_TRY(fd_grow(&in->shard, &capacity, (size_t)in->shards + 1, sizeof *in->shard, "shards"));
      fd_shard_plan *plan = &in->shard[in->shards++];
      int64_t left = in->places[s].count - first;
      *plan = (fd_shard_plan){.split = s, .first = first, .count = left < size ? left : size};
      snprintf(plan->file, sizeof plan->file, "%s-%05" PRId64 ".h5", fd_split_names[s], part);
    }
  }
  return FD_OK;
}

static fd_status write_contigs(const fd_ingest *in, const char *temporary) {
  char path[FD_PATH_MAX], *text;
  size_t bytes;
  FD_TRY(fd_path(path, temporary, "contigs.tsv", NULL));
  FD_TRY(fd_ingest_contigs(in, &text, &bytes));
  fd_status status = fd_write_file(path, text, bytes);
  free(text);
  return status;
}

/* Rank 0: writes the tables, then renames the folder to its final name. */
static fd_status commit(const fd_ingest *in, const char *temporary, fd_manifest *m) {
  FD_TRY(write_contigs(in, temporary));
  FD_TRY(fd_dataset_id(m, m->dataset_id));
  return fd_ingest_commit(temporary, in->options->output, fd_ingest_manifest(in, m));
}

static fd_status write_shards(const fd_ingest *in, const fd_sources *sources, const char *temporary, fd_comm *comm) {
  fd_manifest m = {.window = (int)in->options->window, .shards = in->shards};
  fd_status status = FD_OK;
  FD_TRY(fd_alloc(&m.shard, (size_t)in->shards, sizeof *m.shard, "manifest"));
  FD_GO(fd_ingest_write(in, temporary, comm, m.shard));
  FD_GO(fd_comm_agree(comm, fd_sources_unchanged(sources)));
  if (comm->rank == 0) status = commit(in, temporary, &m);
  FD_GO(fd_comm_agree(comm, status));
  if (comm->rank == 0) fd_ingest_report(in, &m);
done:
  fd_manifest_free(&m);
  return status;
}

/* Decides which records and intervals are used, where windows are placed, and which shard holds them. */
static fd_status decide(fd_ingest *in) {
  FD_TRY(fd_genome_index(&in->genome));
  FD_TRY(fd_ingest_choose(in));
  FD_TRY(choose_intervals(in));
  FD_TRY(place_windows(in));
  return plan_shards(in);
}

fd_status fd_ingest_run(const fd_ingest_options *o, fd_comm *comm) {
  char temporary[FD_TEMPORARY_MAX];
  fd_ingest in = {.options = o};
  fd_sources sources;
  fd_status status = FD_OK;
  int lock = -1;
  FD_GO(fd_ingest_take(o->output, comm, temporary, &lock));
  FD_GO(fd_sources_begin(&sources, &o->files, (const char *const[FD_SOURCES_MORE]){o->bed, o->exclude}, comm));
  FD_GO(fd_ingest_scan(&o->files, comm, &in.genome));
  /* Every rank makes the same decisions from the same tables; rank 0 first, so that an error is reported once. */
  FD_GO(fd_comm_agree(comm, comm->rank ? FD_OK : decide(&in)));
  FD_GO(fd_comm_agree(comm, comm->rank ? decide(&in) : FD_OK));
  status = write_shards(&in, &sources, temporary, comm);
done:
  fd_ingest_leave(temporary, lock, status);
  for (int s = 0; s < FD_SPLITS; s++) free(in.places[s].item);
  free(in.shard);
  free(in.intervals.item);
  free(in.used);
  free(in.held_out);
  fd_genome_free(&in.genome);
  return status;
}
