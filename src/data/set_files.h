/* The files of a dataset beside its shards: contigs.tsv of genomes, and tables of records, which probes read. */
#ifndef FD_DATA_SET_FILES_H
#define FD_DATA_SET_FILES_H

#include "base/json.h"

/* The manifest's list `files` of a folder: file, bytes and sha256 of each, in the order of their names. *list is the caller's,
 * also on failure. */
fd_status fd_set_files_list(const char *folder, json_t **list) FD_MUST_CHECK;

/* Compares size and SHA-256 of the files with the folder's manifest; one of an earlier version lists none. FD_DATA or FD_MISSING
 * after a message for each file that differs or is missing. */
fd_status fd_set_files_verify(const char *folder) FD_MUST_CHECK;

#endif
