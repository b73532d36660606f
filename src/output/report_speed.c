/* The table of sizes and speeds of a report, measured by 'findna speed'. */
#include <math.h>

#include "output/report_parts.h"
#include "output/svg.h"

/* Prints "11.8 (7.0–19.3)": the median in ms with the quartiles. */
static void print_time(FILE *out, const json_t *times) {
  double median = fd_report_value(times, "median_ms"), low = fd_report_value(times, "first_quartile_ms"),
         high = fd_report_value(times, "third_quartile_ms");
  if (!isfinite(median)) fprintf(out, "<td class=\"n\">–</td>");
  else if (!isfinite(low) || !isfinite(high)) fprintf(out, "<td class=\"n\">%.3g</td>", median);
  else fprintf(out, "<td class=\"n\">%.3g (%.3g–%.3g)</td>", median, low, high);
}

static void print_number(FILE *out, const char *format, double value) {
  fprintf(out, "<td class=\"n\">");
  if (isfinite(value)) fprintf(out, format, value);
  else fprintf(out, "–");
  fprintf(out, "</td>");
}

static double rate_of(const json_t *model) { return fd_report_value(json_object_get(model, "batch_16"), "sequences_per_second"); }

static void print_model(FILE *out, const json_t *model, const json_t *first) {
  double parameters = fd_report_value(model, "parameters"), of_first = fd_report_value(first, "parameters");
  fprintf(out, "<tr><td class=\"name\">");
  fd_html_text(out, fd_report_text(model, "checkpoint", "?"));
  fprintf(out, "</td>");
  print_number(out, "%.0f", parameters);
  print_number(out, "%.1f×", parameters > 0 ? of_first / parameters : NAN);
  print_time(out, json_object_get(model, "batch_1"));
  print_time(out, json_object_get(model, "batch_16"));
  print_number(out, "%.1f", rate_of(model));
  print_number(out, "%.1f×", rate_of(model) / rate_of(first));
  fprintf(out, "</tr>\n");
}

void fd_report_speed(FILE *out, const json_t *speed) {
  const json_t *models = json_object_get(speed, "models"), *first = json_array_get(models, 0);
  if (!json_array_size(models)) return;
  fprintf(out,
          "<h2>Size and speed</h2>\n<div class=\"scroll\"><table><tr><th>model</th><th class=\"n\">parameters</th><th "
          "class=\"n\">smaller</th><th class=\"n\">1 sequence, ms</th><th class=\"n\">16 sequences, ms</th><th "
          "class=\"n\">sequences/s</th><th class=\"n\">faster</th></tr>\n");
  for (size_t i = 0; i < json_array_size(models); i++) print_model(out, json_array_get(models, i), first);
  fprintf(out,
          "</table></div>\n<p class=\"note\">Median time of a batch from nucleotides to the head’s logits, with the quartiles; "
          "the models took turns on the same rows (");
  fd_html_text(out, fd_report_text(speed, "rows", "?"));
  fprintf(out, "). Sequences per second in batches of 16; smaller and faster: than the first model. Device: ");
  fd_html_text(out, fd_report_text(first, "device", "?"));
  fprintf(out, ", ");
  fd_html_text(out, fd_report_text(first, "instructions", "?"));
  double threads = fd_report_value(first, "threads");
  if (isfinite(threads)) fprintf(out, ", %.0f thread%s", threads, threads > 1 ? "s" : "");
  fprintf(out, " (findna speed).</p>\n");
}
