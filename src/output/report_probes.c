/* The linear probes of a report, with their baselines. */
#include <math.h>
#include <string.h>

#include "base/spread.h"
#include "output/report_parts.h"
#include "output/svg.h"

enum { BARS_MAX = 32, SEEDS_MAX = 64 };

/* Pretrained networks are coloured, baselines are grey. */
static int color_of(const char *name) { return strstr(name, "student") ? 1 : strstr(name, "teacher") ? 2 : 0; }

static void draw_scores(FILE *out, json_t *results, const char *score, const char *label, double base) {
  fd_bar bar[BARS_MAX];
  static const char between[] = ", ";
  char name[BARS_MAX][96];
  double seeds[BARS_MAX][SEEDS_MAX];
  int count = 0;
  size_t index, k;
  json_t *result, *value;
  json_array_foreach(results, index, result) {
    json_t *s = json_object_get(result, score);
    if (count == BARS_MAX) break;
    const char *features = fd_report_text(result, "features", "");
    snprintf(name[count], sizeof name[count], "%.50s%s%.30s", fd_report_text(result, "name", "?"), *features ? between : "",
             features);
    fd_bar *b = &bar[count];
    *b = (fd_bar){.name = name[count],
                  .mean = 100 * fd_report_value(s, "mean"),
                  .sd = 100 * fd_report_value(s, "sd"),
                  .seed = seeds[count]};
    b->color = color_of(name[count]);
    json_array_foreach(json_object_get(s, "seeds"), k, value) if (json_is_number(value) && b->seeds < SEEDS_MAX)
        seeds[count][b->seeds++] = 100 * json_number_value(value);
    count++;
  }
  fd_svg_bars(out, &(fd_bars){.title = label, .x_label = label, .base = base, .count = count, .bar = bar});
}

static void score_cell(FILE *out, json_t *score) {
  double mean = fd_report_value(score, "mean"), sd = fd_report_value(score, "sd");
  char room[FD_SPREAD];
  if (!isfinite(mean)) fprintf(out, "<td class=\"n\">–</td>");
  else fprintf(out, "<td class=\"n\">%.2f%s</td>", 100 * mean, fd_spread(room, 100 * sd, 2, 0));
}

static void score_table(FILE *out, json_t *results) {
  size_t index;
  json_t *result;
  fprintf(out,
          "<div class=\"scroll\"><table><tr><th>encoder</th><th>features</th><th class=\"n\">accuracy %%</th><th class=\"n\">F1 "
          "%%</th><th class=\"n\">MCC %%</th><th class=\"n\">AUROC %%</th><th class=\"n\">AUPRC %%</th>"
          "<th class=\"n\">dimensions</th><th class=\"n\">seeds</th></tr>\n");
  json_array_foreach(results, index, result) {
    double dims = json_number_value(json_array_get(json_object_get(result, "dims"), 0)); /* a list with one number per seed */
    fprintf(out, "<tr><td>");
    fd_html_text(out, fd_report_text(result, "name", "?"));
    fprintf(out, "</td><td>");
    fd_html_text(out, fd_report_text(result, "features", ""));
    fprintf(out, "</td>");
    score_cell(out, json_object_get(result, "accuracy"));
    score_cell(out, json_object_get(result, "f1"));
    score_cell(out, json_object_get(result, "mcc"));
    score_cell(out, json_object_get(result, "auroc"));
    score_cell(out, json_object_get(result, "auprc"));
    fprintf(out, dims > 0 ? "<td class=\"n\">%.0f</td>" : "<td class=\"n\">–</td>", dims);
    fprintf(out, "<td class=\"n\">%zu</td></tr>\n",
            json_array_size(json_object_get(json_object_get(result, "accuracy"), "seeds")));
  }
  fprintf(out, "</table></div>\n");
}

static void print_probe(FILE *out, const char *file, json_t *probe) {
  json_t *results = json_object_get(probe, "results");
  double classes = fd_report_value(probe, "classes"), base = classes >= 2 ? 100 / classes : 0;
  char label[96] = "accuracy, %";
  fprintf(out, "<figure class=\"wide\"><h3>");
  fd_html_text(out, fd_report_text(probe, "test", file));
  fprintf(out, "</h3>\n");
  if (!json_array_size(results)) {
    fprintf(out, "<p class=\"absent\">%s has no results</p></figure>\n", "this probe");
    return;
  }
  if (base > 0) snprintf(label, sizeof label, "accuracy, %%; bars begin at %.4g, chance for %.0f classes", base, classes);
  draw_scores(out, results, "accuracy", label, base);
  draw_scores(out, results, "mcc", "Matthews correlation, %; bars begin at 0", 0);
  fprintf(out,
          "<figcaption>A linear classifier on frozen, whitened features of unaugmented sequences; its regularisation is chosen "
          "on held-out training rows, and the test rows are scored once per seed. Bars: mean; whiskers: one standard deviation "
          "over the seeds; dots: the seeds. Colour: the pretrained networks. Grey: the baselines that they must beat to be "
          "useful, the same network before training and logistic regression on k-mer counts.");
  fprintf(out, " Trained on ");
  fd_html_text(out, fd_report_text(probe, "train", "?"));
  fprintf(out, " (");
  fd_html_text(out, file);
  fprintf(out, ").</figcaption></figure>\n");
  score_table(out, results);
  fd_report_figures(out, &probe, 1);
}

void fd_report_say_probes(FILE *out, const fd_report *r) {
  for (int i = 0; i < r->probes; i++) {
    json_t *results = json_object_get(r->probe[i], "results"), *result;
    size_t index;
    if (!json_array_size(results)) continue;
    fprintf(out, "<li>Linear probe on ");
    fd_html_text(out, fd_report_text(r->probe[i], "test", r->probe_name[i]));
    fprintf(out, ", accuracy: ");
    json_array_foreach(results, index, result) {
      double mean = 100 * fd_report_value(json_object_get(result, "accuracy"), "mean");
      fprintf(out, "%s", index ? ", " : "");
      fd_html_text(out, fd_report_text(result, "name", "?"));
      fprintf(out, isfinite(mean) ? " %.2f %%" : " –", mean);
    }
    fprintf(out, ".</li>\n");
  }
}

void fd_report_probes(FILE *out, const fd_report *r) {
  fprintf(out, "<h2>Linear probes</h2>\n");
  if (!r->probes)
    fprintf(out,
            "<p class=\"absent\">absent: no probe*.json in the run folder; 'findna probe ... --output RUN/probe.json' writes "
            "one</p>\n");
  for (int i = 0; i < r->probes; i++) print_probe(out, r->probe_name[i], r->probe[i]);
}
