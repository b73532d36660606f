/* The tables of config and environment of a report. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "output/report_parts.h"
#include "output/svg.h"

/* Prints a table row for a line "  name: value" of a printed config and the same line of the defaults, both NUL-terminated. */
static void config_row(FILE *out, const char *section, char *line, const char *other) {
  char *colon = strchr(line, ':');
  int changed = strcmp(line, other) != 0;
  if (!colon) return;
  *colon = '\0';
  fprintf(out, "<tr><td><code>%s.%s</code></td><td%s>", section, line + strspn(line, " "), changed ? " class=\"changed\"" : "");
  fd_html_text(out, colon[1] ? colon + 2 : "");
  fprintf(out, "</td><td>");
  const char *value = strchr(other, ':');
  if (changed && value) fd_html_text(out, value[1] ? value + 2 : "");
  fprintf(out, "</td></tr>\n");
}

char *fd_report_config(FILE *page, const fd_config *config) {
  char *text = NULL;
  size_t bytes;
  FILE *out;
  fd_status status = fd_text_open(&out, &text, &bytes);
  if (status == FD_OK) {
    fd_config_print(out, config, FD_CONFIG_YAML);
    status = fd_text_close(out, &text);
  }
  if (status != FD_OK) fd_text_spoil(page);
  return text;
}

/* Both configs print the same keys in the same order, so they are compared line by line. */
static void config_table(FILE *out, const fd_config *config) {
  fd_config defaults;
  char section[64] = "", *rest, *rest_default;
  fd_config_defaults(&defaults);
  char *text = fd_report_config(out, config), *other = fd_report_config(out, &defaults);
  char *line = text && other ? strtok_r(text, "\n", &rest) : NULL, *same = line ? strtok_r(other, "\n", &rest_default) : NULL;
  fprintf(out, "<div class=\"columns\">");
  for (; line && same; line = strtok_r(NULL, "\n", &rest), same = strtok_r(NULL, "\n", &rest_default)) {
    if (*line == ' ') {
      config_row(out, section, line, same);
      continue;
    }
    if (*section) fprintf(out, "</table>");
    snprintf(section, sizeof section, "%.*s", (int)strcspn(line, ":"), line);
    fprintf(out, "<table><tr><th>%s</th><th>value</th><th>default, if changed</th></tr>\n", section);
  }
  fprintf(out, "%s</div>\n", *section ? "</table>" : "");
  free(text);
  free(other);
}

static void environment_table(FILE *out, json_t *environment) {
  const char *key;
  json_t *value;
  fprintf(out, "<table>\n");
  json_object_foreach(environment, key, value) {
    char *text = json_is_string(value) ? NULL : fd_json_dump(value, JSON_COMPACT);
    if (!json_is_string(value) && !text) fd_text_spoil(out);
    fprintf(out, "<tr><td>");
    fd_html_text(out, key);
    fprintf(out, "</td><td>");
    fd_html_text(out, json_is_string(value) ? json_string_value(value) : text ? text : "");
    fprintf(out, "</td></tr>\n");
    free(text);
  }
  fprintf(out, "</table>\n");
}

void fd_report_tables(FILE *out, const fd_report *r) {
  fprintf(out, "<h2>Environment</h2>\n");
  if (r->environment) environment_table(out, r->environment);
  else fprintf(out, "<p class=\"absent\">absent: no environment.json in the run folder</p>\n");
  fprintf(out, "<h2>Configuration</h2>\n");
  if (r->config_known) config_table(out, &r->config);
  else if (r->config_text) {
    fprintf(out, "<p class=\"note\">This version of findna cannot read the config; its text:</p><pre>");
    fd_html_text(out, r->config_text);
    fprintf(out, "</pre>\n");
  } else fprintf(out, "<p class=\"absent\">absent: no config.used.yaml in the run folder</p>\n");
}
