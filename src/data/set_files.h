/* The files of a dataset beside its shards: contigs.tsv of genomes, and tables of records, which probes read. */
#ifndef FD_DATA_SET_FILES_H
#define FD_DATA_SET_FILES_H

#include "base/json.h"

/* The manifest's list `files` of a folder: file, bytes and sha256 of each, in the order of their names. *list is the caller's,
 * also on failure. */
fd_status fd_set_files_list(const char *folder, json_t **list) FD_MUST_CHECK;

#endif
