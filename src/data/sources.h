/* Checks that files that are read more than once, or by several ranks, are the same each time and on all ranks. */
#ifndef FD_DATA_SOURCES_H
#define FD_DATA_SOURCES_H

#include "base/args.h"
#include "comm/comm.h"
#include "data/file_id.h"

enum { FD_SOURCES_MORE = 2 };

typedef struct fd_sources {
  int count;
  const char *path[FD_LIST_MAX + FD_SOURCES_MORE]; /* borrowed */
  fd_file_id was[FD_LIST_MAX + FD_SOURCES_MORE];
} fd_sources;

/* Notes the state of the files, and of those of `more` that are not NULL. Each rank reads the files of its own host: content that
 * differs between ranks is FD_DATA on all of them. Collective. */
fd_status fd_sources_begin(fd_sources *sources, const fd_list *files, const char *const more[FD_SOURCES_MORE],
                           fd_comm *comm) FD_MUST_CHECK;

/* FD_DATA if one of the files has changed since. */
fd_status fd_sources_unchanged(const fd_sources *sources) FD_MUST_CHECK;

#endif
