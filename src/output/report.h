/* HTML reports: each is one self-contained file with inline SVG and no scripts, for light and dark screens and for print. */
#ifndef FD_OUTPUT_REPORT_H
#define FD_OUTPUT_REPORT_H

#include "base/error.h"

/* Writes the report of a run folder durably to `output`, from metrics.jsonl, config.used.yaml, environment.json, finetune.json,
 * speed.json and probe*.json. The page names absent files; a damaged file is FD_DATA, a folder without metrics.jsonl is
 * FD_MISSING. */
fd_status fd_report_write(const char *run_folder, const char *output) FD_MUST_CHECK;

/* The same for the output folder of an evaluation, from its results.json; FD_MISSING without that file. */
fd_status fd_report_write_suite(const char *folder, const char *output) FD_MUST_CHECK;

/* Compares several runs, at most FD_REPORT_COMPARED, in one page: a table of their numbers, the differences between their configs
 * and environments, and their curves in the same charts. */
enum { FD_REPORT_COMPARED = 16 };
fd_status fd_report_write_comparison(const char *const *run_folders, int count, const char *output) FD_MUST_CHECK;

#endif
