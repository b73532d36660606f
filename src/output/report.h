/* HTML reports: each one self-contained file with inline SVG, no script, for light and dark screens and for paper. */
#ifndef FD_OUTPUT_REPORT_H
#define FD_OUTPUT_REPORT_H

#include "base/error.h"

/* Writes the report of a run folder durably to `output`. It is made from metrics.jsonl, config.used.yaml, environment.json,
 * finetune.json and probe*.json; what is absent is said to be absent, what is damaged is FD_DATA. A folder without metrics.jsonl
 * is FD_MISSING. */
fd_status fd_report_write(const char *run_folder, const char *output) FD_MUST_CHECK;

/* The same of the output folder of an evaluation: made from its results.json, without which it is FD_MISSING. */
fd_status fd_report_write_suite(const char *folder, const char *output) FD_MUST_CHECK;

/* Several runs in one page: their numbers side by side, how their configs and environments differ, their curves in the same
 * charts. At most FD_REPORT_COMPARED. */
enum { FD_REPORT_COMPARED = 16 };
fd_status fd_report_write_comparison(const char *const *run_folders, int count, const char *output) FD_MUST_CHECK;

#endif
