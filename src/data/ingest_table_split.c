/* Sets the split of each record of a table: by a column's value, or by a hash and the shares of the splits. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/ingest_table.h"

static int in_list(const fd_list *list, const char *value) {
  for (int i = 0; i < list->count; i++)
    if (!strcmp(list->item[i], value)) return 1;
  return 0;
}

static int split_of_part(const fd_ingest_table *o, const char *part) {
  for (int s = 0; s < FD_SPLITS; s++)
    if (in_list(&o->of[s], part)) return s;
  return o->of[FD_TRAIN].count ? FD_LEFT_OUT : FD_TRAIN;
}

/* A number in [0, 1): the first 53 bits of the SHA-256 of seed and bytes. */
static fd_status share_of(int64_t seed, const void *bytes, size_t count, double *share) {
  char text[32];
  unsigned char digest[FD_SHA256_BYTES];
  fd_sha256 *hash;
  uint64_t bits = 0;
  FD_TRY(fd_sha256_begin(&hash));
  fd_sha256_add(hash, text, (size_t)snprintf(text, sizeof text, "%" PRId64 "\n", seed));
  fd_sha256_add(hash, bytes, count);
  FD_TRY(fd_sha256_end(&hash, digest));
  for (int i = 0; i < 8; i++) bits = bits << 8 | digest[i];
  *share = (double)(bits >> 11) * 0x1p-53;
  return FD_OK;
}

static fd_status split_of_share(const fd_record_set *set, int64_t i, int *split) {
  const fd_ingest_table *o = set->options;
  const fd_taxa *t = &set->taxa;
  int together = o->taxa.by && !o->known;
  double share;
  *split = FD_TRAIN;
  if (o->taxa.by && !*t->by[i]) return FD_OK;
  if (together) FD_TRY(share_of(o->seed, t->by[i], strlen(t->by[i]), &share));
  else FD_TRY(share_of(o->seed, t->symbols + t->start[i], (size_t)(t->start[i + 1] - t->start[i]), &share));
  if (share < o->val_share + o->test_share) *split = share < o->val_share ? FD_VAL : FD_TEST;
  return FD_OK;
}

typedef struct named {
  const char *name;
  int64_t record;
} named;

static int by_name(const void *a, const void *b) {
  const named *x = a, *y = b;
  int order = strcmp(x->name, y->name);
  return order ? order : (x->record > y->record) - (x->record < y->record);
}

/* Ensures that each name has a training row: its first row, if it has no other. */
static fd_status keep_known(fd_record_set *set) {
  const fd_taxa *t = &set->taxa;
  named *all;
  FD_TRY(fd_alloc(&all, (size_t)t->count, sizeof *all, "names of records"));
  for (int64_t i = 0; i < t->count; i++) all[i] = (named){t->by[i], i};
  qsort(all, (size_t)t->count, sizeof *all, by_name);
  for (int64_t first = 0, i; first < t->count; first = i) {
    int known = 0;
    for (i = first; i < t->count && !strcmp(all[i].name, all[first].name); i++) known |= set->split[all[i].record] == FD_TRAIN;
    if (!known) set->split[all[first].record] = FD_TRAIN;
  }
  free(all);
  return FD_OK;
}

/* Checks that each requested value occurs in a record. */
static fd_status check_values(const fd_record_set *set) {
  const fd_ingest_table *o = set->options;
  for (int s = 0; o->taxa.part && s < FD_SPLITS; s++)
    for (int k = 0; k < o->of[s].count; k++) {
      int64_t i = 0;
      while (i < set->taxa.count && strcmp(set->taxa.part[i], o->of[s].item[k])) i++;
      if (i == set->taxa.count)
        return fd_fail(FD_DATA, "%s: --%s %s: no record has this in its column '%s'", o->taxa.table, fd_split_names[s],
                       o->of[s].item[k], o->taxa.part);
    }
  return FD_OK;
}

static const char *table_name(const fd_record_set *set, int64_t record) {
  if (!set->options->taxa.part) return fd_split_names[set->split[record]];
  return *set->taxa.part[record] ? set->taxa.part[record] : "none";
}

int fd_record_set_table(const fd_record_set *set, int64_t record) {
  const char *name = table_name(set, record);
  int k = 0;
  while (k < set->tables && strcmp(set->table[k], name)) k++;
  return k;
}

/* Adds a table; its name, which becomes a file name, has letters, digits, '_', '-' and '.' only. */
static fd_status add_table(fd_record_set *set, int64_t record) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
  const char *name = table_name(set, record);
  if (set->tables == FD_TABLES_MAX)
    return fd_fail(FD_DATA, "%s: column '%s' has more than %d values; expected one of splits", set->options->taxa.table,
                   set->options->taxa.part, FD_TABLES_MAX);
  if (*name == '.' || strlen(name) > 100 || name[strspn(name, plain)])
    return fd_fail(FD_DATA, "%s: column '%s': '%.80s' cannot name a file; expected letters, digits, '_', '-' and '.'",
                   set->options->taxa.table, set->options->taxa.part, name);
  set->table[set->tables++] = name;
  return FD_OK;
}

fd_status fd_record_set_split(fd_record_set *set) {
  const fd_ingest_table *o = set->options;
  int64_t count = set->taxa.count;
  FD_TRY(check_values(set));
  FD_TRY(fd_alloc(&set->split, (size_t)count, sizeof *set->split, "splits of records"));
  for (int64_t i = 0; i < count; i++) {
    if (o->taxa.part) set->split[i] = split_of_part(o, set->taxa.part[i]);
    else FD_TRY(split_of_share(set, i, &set->split[i]));
  }
  if (o->known) FD_TRY(keep_known(set));
  for (int64_t i = 0; i < count; i++) {
    (*(set->split[i] == FD_LEFT_OUT ? &set->left_out : &set->in_split[set->split[i]]))++;
    int table = fd_record_set_table(set, i);
    if (table == set->tables) FD_TRY(add_table(set, i));
    set->in_table[table]++;
  }
  if (set->in_split[FD_TRAIN]) return FD_OK;
  return fd_fail(FD_DATA, "%s: none of the %" PRId64 " records is one to train on", o->taxa.table, count);
}
