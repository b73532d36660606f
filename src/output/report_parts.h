/* The parts of a report; private to src/output. */
#ifndef FD_OUTPUT_REPORT_PARTS_H
#define FD_OUTPUT_REPORT_PARTS_H

#include <jansson.h>
#include <stdio.h>

#include "config/config.h"
#include "output/metrics.h"
#include "output/report.h"

enum { FD_REPORT_PROBES = 16, FD_REPORT_CONTEXTS = 8 };

/* What plain counting of a nucleotide, or of a word, given `reach` neighbouring nucleotides on either side gets on the same
 * masked positions; -1: given the place in the sequence; 0: given nothing. */
typedef struct fd_report_context {
  int reach;
  double loss, accuracy;
  char name[24];
} fd_report_context;

/* Everything that a report is made from. */
typedef struct fd_report {
  const char *folder;
  fd_metrics_log log;
  char *config_text; /* NULL: absent */
  int config_known;  /* `config` was read from the text */
  fd_config config;
  json_t *environment; /* NULL: absent */
  int tuned;           /* a fine-tuning: it has evaluations on rows that select */
  json_t *finetune;    /* its scores; NULL: absent */
  json_t *speed;       /* what 'findna speed' has left there; NULL: absent */
  int probes, contexts;
  char probe_name[FD_REPORT_PROBES][256];
  json_t *probe[FD_REPORT_PROBES];
  fd_report_context context[FD_REPORT_CONTEXTS]; /* by reach */
} fd_report;

/* Reads a run folder; fd_report_close releases what was read, and may follow a failure. */
fd_status fd_report_open(fd_report *report, const char *folder) FD_MUST_CHECK;
void fd_report_close(fd_report *report);

/* The last finite value of a column, or NAN. */
double fd_report_last(const fd_report *report, const char *kind, const char *name);

/* An entry of environment.json as text (borrowed), or NULL; a number, or NAN. */
const char *fd_report_setting(const fd_report *report, const char *name);
double fd_report_number(const fd_report *report, const char *name);

/* A member of a JSON object: its text (borrowed), or `otherwise`; its number, or NAN. */
const char *fd_report_text(const json_t *object, const char *key, const char *otherwise);
double fd_report_value(const json_t *object, const char *key);

extern const char fd_report_style[], fd_report_svg_style[];

/* Writes a page durably: what `print` prints, between a head that it begins with fd_report_title, and the foot. */
fd_status fd_report_page(const char *output, const char *made_of, void (*print)(FILE *out, const void *context),
                         const void *context) FD_MUST_CHECK;

/* The head of a page: what it is, and the last part of a folder's name. */
void fd_report_title(FILE *out, const char *what, const char *folder);

/* The page of a run, part by part, in its order. */
void fd_report_summary(FILE *out, const fd_report *report);
void fd_report_say_probes(FILE *out, const fd_report *report); /* a line of the summary for each probe */
void fd_report_charts(FILE *out, const fd_report *report);
void fd_report_layers(FILE *out, const fd_report *report); /* two figures among the charts; nothing where a run has no layers */
/* The curves of several runs, each chart with a line a run; without captions. */
void fd_report_overlays(FILE *out, fd_report *const *runs, const char *const *names, int count);
void fd_report_probes(FILE *out, const fd_report *report);
void fd_report_tables(FILE *out, const fd_report *report);

/* Sizes and speeds of the models of a speed.json; nothing where it is NULL. */
void fd_report_speed(FILE *out, const json_t *speed);

/* ROC curves, confusion matrices and embeddings in a plane, of the "figures" of probe.json and finetune.json objects that are of
 * the same test rows; NULLs are passed over. Nothing where none has figures. */
void fd_report_figures(FILE *out, json_t *const *results, int count);

#endif
