/* Compares source files between the ranks, and with their state at the beginning. */
#include "data/sources.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"

/* "path: hash" of each file, each NUL-terminated. */
static fd_status hash_files(const fd_sources *s, char **words, size_t *bytes) {
  uint64_t size;
  *bytes = 0;
  for (int i = 0; i < s->count; i++) *bytes += strlen(s->path[i]) + 2 + FD_SHA256_HEX;
  FD_TRY(fd_alloc(words, *bytes, 1, "the hashes of the files"));
  char *at = *words;
  for (int i = 0; i < s->count; i++) {
    at += sprintf(at, "%s: ", s->path[i]);
    FD_TRY(fd_sha256_file(s->path[i], at, &size));
    at += FD_SHA256_HEX;
  }
  return FD_OK;
}

static fd_status note_state(fd_sources *s) {
  for (int i = 0; i < s->count; i++) FD_TRY(fd_file_id_at(s->path[i], &s->was[i]));
  return FD_OK;
}

fd_status fd_sources_begin(fd_sources *s, const fd_list *files, const char *const more[FD_SOURCES_MORE], fd_comm *comm) {
  char *words = NULL;
  size_t bytes;
  fd_status status = FD_OK;
  s->count = files->count;
  memcpy(s->path, files->item, (size_t)files->count * sizeof *files->item);
  for (int i = 0; i < FD_SOURCES_MORE; i++)
    if (more[i]) s->path[s->count++] = more[i];
  if (comm->size == 1) return note_state(s);
  if (comm->rank) FD_GO(comm->ops->barrier(comm)); /* rank 0 first, so that an error is reported once */
  FD_GO(note_state(s));
  FD_GO(hash_files(s, &words, &bytes));
  if (comm->rank == 0) FD_GO(comm->ops->barrier(comm));
  status =
      fd_comm_same(comm, FD_DATA, "source files", words, bytes,
                   "each rank reads the files of its own host: copy the same files to all hosts, or name files that they share");
done:
  free(words);
  return status;
}

fd_status fd_sources_unchanged(const fd_sources *s) {
  fd_file_id now;
  for (int i = 0; i < s->count; i++) {
    FD_TRY(fd_file_id_at(s->path[i], &now));
    if (!fd_file_id_same(&now, &s->was[i]))
      return fd_fail(FD_DATA, "%s: was changed or replaced while it was read; start again", s->path[i]);
  }
  return FD_OK;
}
