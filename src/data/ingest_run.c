/* The order of an ingest: scan, choose contigs and intervals, place, write, commit. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "data/alphabet.h"
#include "data/ingest_parts.h"
#include "data/sources.h"

/* Published lengths of GRCh38's chromosomes: what --assembly GRCh38 checks. */
static const struct {
  const char *name;
  int64_t length;
} grch38[] = {{"chr1", 248956422},  {"chr2", 242193529},  {"chr3", 198295559},  {"chr4", 190214555},  {"chr5", 181538259},
              {"chr6", 170805979},  {"chr7", 159345973},  {"chr8", 145138636},  {"chr9", 138394717},  {"chr10", 133797422},
              {"chr11", 135086622}, {"chr12", 133275309}, {"chr13", 114364328}, {"chr14", 107043718}, {"chr15", 101991189},
              {"chr16", 90338345},  {"chr17", 83257441},  {"chr18", 80373285},  {"chr19", 58617616},  {"chr20", 64444167},
              {"chr21", 46709983},  {"chr22", 50818468},  {"chrX", 156040895},  {"chrY", 57227415},   {"chrM", 16569}};
enum { GRCH38_NAMES = sizeof grch38 / sizeof *grch38, NUCLEAR = GRCH38_NAMES - 1 };

static fd_status check_assembly(const fd_ingest *in) {
  int known = 0;
  if (strcmp(in->options->assembly, "GRCh38")) return FD_OK;
  for (int r = 0; r < in->genome.records; r++) {
    const fd_record *record = &in->genome.record[r];
    for (int i = 0; i < GRCH38_NAMES; i++) {
      if (!fd_same_contig(record->contig, grch38[i].name)) continue;
      int64_t end = record->first + record->length;
      known++;
      if (record->region ? end > grch38[i].length : end != grch38[i].length)
        return fd_fail(FD_DATA,
                       "%s: %s has %" PRId64 " bases, but GRCh38's has %" PRId64
                       ": this is another assembly (leave out --assembly, or take the right file)",
                       in->genome.file[record->file].path, record->contig, end, grch38[i].length);
    }
  }
  return known ? FD_OK
               : fd_fail(FD_DATA,
                         "--assembly GRCh38: no sequence has the name of a chromosome, such as chr1 or 1 (the first is '%s')",
                         in->genome.record[0].contig);
}

static int listed(const fd_list *list, const char *contig) {
  for (int i = 0; i < list->count; i++)
    if (fd_same_contig(list->item[i], contig)) return 1;
  return 0;
}

static int nuclear(const char *contig) {
  for (int i = 0; i < NUCLEAR; i++)
    if (fd_same_contig(grch38[i].name, contig)) return 1;
  return 0;
}

/* Every name that the user gave must be there. */
static fd_status check_list(const fd_ingest *in, const fd_list *list, const char *option) {
  for (int i = 0; i < list->count; i++) {
    int found = 0;
    for (int r = 0; r < in->genome.records; r++) found |= fd_same_contig(list->item[i], in->genome.record[r].contig);
    if (!found)
      return fd_fail(FD_DATA, "--%s: no sequence is named '%s' (the first is '%s')", option, list->item[i],
                     in->genome.record[0].contig);
  }
  return FD_OK;
}

/* Which records are used: those listed; or of a human assembly with many scaffolds, chromosomes 1-22, X and Y; or all. */
static fd_status choose_records(fd_ingest *in) {
  const fd_genome *g = &in->genome;
  int chromosomes = 0;
  FD_TRY(fd_alloc(&in->used, (size_t)g->records, sizeof *in->used, "contigs"));
  FD_TRY(check_list(in, &in->options->contigs, "contigs"));
  FD_TRY(check_list(in, &in->options->holdout, "holdout"));
  for (int r = 0; r < g->records; r++) chromosomes += nuclear(g->record[r].contig);
  for (int r = 0; r < g->records; r++)
    in->used[r] = in->options->contigs.count ? listed(&in->options->contigs, g->record[r].contig)
                                             : chromosomes < NUCLEAR || nuclear(g->record[r].contig);
  for (int r = 0; r < g->records; r++)
    if (in->used[r] && g->record[r].length >= in->options->window) return FD_OK;
  return fd_fail(FD_DATA, "--window %" PRId64 " is longer than every sequence to use", in->options->window);
}

static fd_status choose_intervals(fd_ingest *in) {
  if (in->options->bed) FD_TRY(fd_bed_read(in->options->bed, &in->genome, in->used, &in->intervals));
  for (int r = 0; r < in->genome.records && !in->options->bed; r++) {
    int split = listed(&in->options->holdout, in->genome.record[r].contig) ? FD_VAL : FD_TRAIN;
    if (in->used[r]) FD_TRY(fd_intervals_add(&in->intervals, r, split, 0, in->genome.record[r].length));
  }
  return fd_intervals_close(&in->intervals, &in->genome);
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

static const char lock_name[] = "prepare.lock";

/* Root: the manifest, then the rename that makes the folder appear whole. */
static fd_status commit(const fd_ingest *in, const char *temporary, fd_manifest *m) {
  char path[FD_PATH_MAX], *text = NULL;
  FD_TRY(fd_dataset_id(m, m->dataset_id));
  FD_TRY(fd_ingest_manifest(in, m, &text));
  fd_status status = fd_path(path, temporary, "manifest.json", NULL);
  if (status == FD_OK) status = fd_write_file(path, text, strlen(text));
  free(text);
  if (status == FD_OK) status = fd_sync_folder(temporary);
  if (status == FD_OK) status = fd_commit_rename(temporary, in->options->output);
  if (status == FD_OK) status = fd_path(path, in->options->output, lock_name, NULL);
  if (status == FD_OK) unlink(path);
  return status;
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

/* Which records, intervals and places there are, and which shards hold them. */
static fd_status decide(fd_ingest *in) {
  FD_TRY(fd_genome_check_names(&in->genome));
  FD_TRY(check_assembly(in));
  FD_TRY(choose_records(in));
  FD_TRY(choose_intervals(in));
  FD_TRY(place_windows(in));
  return plan_shards(in);
}

/* Root: the temporary folder is ours alone from here on, and holds nothing but the lock. */
static fd_status take_folder(const char *temporary, int *lock) {
  char path[FD_PATH_MAX];
  fd_status status = FD_OK;
  FD_TRY(fd_path(path, temporary, lock_name, NULL));
  if (fd_exists(temporary) && !fd_exists(path))
    return fd_fail(FD_BUSY, "%s: is in the way, and is not of an earlier findna prepare; move it", temporary);
  FD_TRY(fd_make_folder(temporary));
  FD_TRY(fd_lock(path, lock));
  DIR *folder = opendir(temporary);
  if (!folder) return fd_fail_errno("cannot open folder", temporary);
  for (struct dirent *entry; status == FD_OK && (entry = readdir(folder));) { /* of a run that was killed */
    if (entry->d_name[0] == '.' || !strcmp(entry->d_name, lock_name)) continue;
    status = fd_path(path, temporary, entry->d_name, NULL);
    if (status == FD_OK && unlink(path)) status = fd_fail_errno("cannot remove", path);
  }
  closedir(folder);
  return status;
}

fd_status fd_ingest_run(const fd_ingest_options *o, fd_comm *comm) {
  char temporary[FD_PATH_MAX + 16];
  fd_ingest in = {.options = o};
  fd_sources sources;
  fd_status status = FD_OK;
  int lock = -1;
  snprintf(temporary, sizeof temporary, "%s.tmp-prepare", o->output);
  if (comm->rank == 0 && fd_exists(o->output))
    status = fd_fail(FD_BUSY, "%s: exists already; give another folder, or remove it", o->output);
  if (comm->rank == 0 && status == FD_OK) status = take_folder(temporary, &lock);
  FD_GO(fd_comm_agree(comm, status));
  FD_GO(fd_sources_begin(&sources, &o->files, o->bed, comm));
  FD_GO(fd_ingest_scan(&o->files, comm, &in.genome));
  /* Every rank decides the same from the same tables; the root first, so that what is wrong is said once. */
  FD_GO(fd_comm_agree(comm, comm->rank ? FD_OK : decide(&in)));
  FD_GO(fd_comm_agree(comm, comm->rank ? decide(&in) : FD_OK));
  status = write_shards(&in, &sources, temporary, comm);
done:
  if (lock >= 0 && status != FD_OK && fd_remove_folder(temporary) != FD_OK)
    (void)fd_fail(status, "%s: could not be removed", temporary);
  if (lock >= 0) close(lock);
  for (int s = 0; s < FD_SPLITS; s++) free(in.places[s].item);
  free(in.shard);
  free(in.intervals.item);
  free(in.used);
  fd_genome_free(&in.genome);
  return status;
}
