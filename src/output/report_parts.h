/* The parts of a report page; private to src/output. */
#ifndef FD_OUTPUT_REPORT_PARTS_H
#define FD_OUTPUT_REPORT_PARTS_H

#include <jansson.h>
#include <stdio.h>

#include "config/config.h"
#include "output/metrics.h"

enum { FD_REPORT_PROBES = 16, FD_REPORT_CONTEXTS = 8 };

/* A count-based baseline on the same masked positions: frequencies of a nucleotide or word, given `reach` neighbouring
 * nucleotides on either side; 0: unconditional; -1: given the position in the sequence. */
typedef struct fd_report_context {
  int reach;
  double loss, accuracy;
  char name[24];
} fd_report_context;

/* All data of a run's report. */
typedef struct fd_report {
  const char *folder;
  fd_metrics_log log;
  char *config_text; /* NULL: absent */
  int config_known;  /* 1: `config` was parsed from the text */
  fd_config config;
  json_t *environment; /* NULL: absent */
  int tuned;           /* 1: a fine-tuning, which has evaluations on validation rows */
  json_t *finetune;    /* finetune.json; NULL: absent */
  json_t *speed;       /* speed.json of 'findna speed'; NULL: absent */
  int probes, contexts;
  char probe_name[FD_REPORT_PROBES][256];
  json_t *probe[FD_REPORT_PROBES];
  fd_report_context context[FD_REPORT_CONTEXTS]; /* by reach */
} fd_report;

/* Reads a run folder. fd_report_close releases the data, also after a failure. */
fd_status fd_report_open(fd_report *report, const char *folder) FD_MUST_CHECK;
void fd_report_close(fd_report *report);

/* The last finite value of a column, or NAN. */
double fd_report_last(const fd_report *report, const char *kind, const char *name);

/* An entry of environment.json: as text (borrowed), or NULL; as a number, or NAN. */
const char *fd_report_setting(const fd_report *report, const char *name);
double fd_report_number(const fd_report *report, const char *name);

/* A member of a JSON object: as text (borrowed), or `otherwise`; as a number, or NAN. */
const char *fd_report_text(const json_t *object, const char *key, const char *otherwise);
double fd_report_value(const json_t *object, const char *key);

extern const char fd_report_style[], fd_report_svg_style[];

/* Writes a page durably: `print` prints it, beginning with fd_report_title; the footer is added. */
fd_status fd_report_page(const char *output, const char *made_of, void (*print)(FILE *out, const void *context),
                         const void *context) FD_MUST_CHECK;

/* Prints the head of a page with the title "WHAT: last component of the folder". */
void fd_report_title(FILE *out, const char *what, const char *folder);

/* The parts of a run's page, in their order. */
void fd_report_summary(FILE *out, const fd_report *report);
void fd_report_say_probes(FILE *out, const fd_report *report); /* a line of the summary for each probe */
void fd_report_charts(FILE *out, const fd_report *report);
void fd_report_layers(FILE *out, const fd_report *report); /* two figures; nothing if the run has no layer metrics */
/* The curves of several runs: charts with a line per run, without captions. */
void fd_report_overlays(FILE *out, fd_report *const *runs, const char *const *names, int count);
void fd_report_probes(FILE *out, const fd_report *report);
void fd_report_tables(FILE *out, const fd_report *report);

/* A config as YAML text, to be released with free(); NULL when memory runs out: then the page is marked as failed. */
char *fd_report_config(FILE *page, const fd_config *config);

/* A table of sizes and speeds of the models of a speed.json; nothing for NULL. */
void fd_report_speed(FILE *out, const json_t *speed);

/* ROC curves, confusion matrices and embeddings in a plane, from the "figures" of probe.json and finetune.json objects of the
 * same test rows; NULL entries are skipped. Nothing if none has figures. */
void fd_report_figures(FILE *out, json_t *const *results, int count);

#endif
