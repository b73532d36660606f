/* Line charts as inline SVG. */
#include "output/svg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/sort.h"
#include "base/text.h"

enum {
  WIDTH = 560,
  HEIGHT = 290,
  LEFT = 58,
  LEGEND_TOP = 14,
  LEGEND_ROW = 16,
  BOTTOM = 38,
  RIGHT = 14,
  RIGHT_NAMED = 122,
  LABEL_DISTANCE = 13,
  REFERENCES_MAX = 8
};

/* The plot area inside the chart, and the mapping of values to its pixels. */
typedef struct plot {
  double width, height, top; /* size and upper edge, in user units */
  int outer_height;          /* of the chart */
  double x0, x1, y0, y1;     /* values at the edges; logarithms with log_y */
  int log_y;
} plot;

void fd_html_text(FILE *out, const char *text) {
  for (; *text; text++) {
    if (*text == '&') fputs("&amp;", out);
    else if (*text == '<') fputs("&lt;", out);
    else if (*text == '>') fputs("&gt;", out);
    else if (*text == '"') fputs("&quot;", out);
    else if (*text == '\'') fputs("&#39;", out);
    else if ((unsigned char)*text < 0x20 && *text != '\n' && *text != '\t') fputc('?', out);
    else fputc(*text, out);
  }
}

int fd_svg_drawable(double value) { return isfinite(value) && fabs(value) < 1e300; }

void fd_svg_ticks(double low, double high, int wanted, double *first, double *step) {
  static const double nice[] = {1, 2, 2.5, 5, 10};
  *first = *step = NAN;
  if (!fd_svg_drawable(low) || !fd_svg_drawable(high) || !(high - low > 1e-290)) return;
  double rough = (high - low) / wanted, power = pow(10, floor(log10(rough)));
  int i = 0;
  while (i < 4 && nice[i] * power < rough * (1 - 1e-9)) i++;
  *step = nice[i] * power;
  *first = ceil(low / *step - 1e-9) * *step;
}

void fd_svg_tick_text(char out[32], double value, double step) {
  double size = fmax(fabs(value), step);
  if (fabs(value) < step * 1e-6) snprintf(out, 32, "0");
  else if (size >= 1e6) snprintf(out, 32, "%gM", round(value / 1e3) / 1e3);
  else if (size >= 1e4) snprintf(out, 32, "%gk", round(value) / 1e3);
  else if (step < 1e-3 && size < 0.1) {
    int power = (int)floor(log10(fabs(value)) + 1e-9);
    snprintf(out, 32, "%ge%d", round(value / pow(10, power) * 1e3) / 1e3, power);
  } else {
    int digits = 0; /* enough for the step: two for 0.25, one for 0.5 */
    while (digits < 9 && fabs(step * pow(10, digits) - round(step * pow(10, digits))) > 1e-6) digits++;
    snprintf(out, 32, "%.*f", digits, value);
  }
}

static int usable(const plot *p, double x, double y) {
  return fd_svg_drawable(x) && fd_svg_drawable(y) && (!p->log_y || y > 1e-300);
}

static double pixel_x(const plot *p, double x) { return (x - p->x0) / (p->x1 - p->x0) * p->width; }

static double pixel_y(const plot *p, double y) {
  return p->height - ((p->log_y ? log10(y) : y) - p->y0) / (p->y1 - p->y0) * p->height;
}

/* Widens [low, high] to the values from range_from on; of a faint series the outer 1 % on either side is ignored. */
static void widen_by_series(FILE *out, const plot *p, const fd_series *s, double *low, double *high) {
  double *sorted = fd_text_memory(out, s->count, sizeof *sorted);
  size_t n = 0;
  for (size_t i = 0; sorted && i < s->count; i++)
    if (usable(p, s->x[i], s->y[i]) && s->x[i] >= s->range_from) sorted[n++] = s->y[i];
  if (n) {
    fd_sort(sorted, n);
    size_t outer = s->faint ? n / 100 : 0;
    *low = fmin(*low, sorted[outer]);
    *high = fmax(*high, sorted[n - 1 - outer]);
  }
  free(sorted);
}

/* Sets the ranges of both axes; returns 0 if there is nothing to draw. */
static int find_range(FILE *out, const fd_chart *chart, plot *p) {
  double low = INFINITY, high = -INFINITY;
  int from_zero = chart->from_zero && !p->log_y; /* a logarithm has no zero */
  p->x0 = INFINITY, p->x1 = -INFINITY;
  for (int i = 0; i < chart->series_count; i++) {
    const fd_series *s = &chart->series[i];
    widen_by_series(out, p, s, &low, &high);
    for (size_t k = 0; k < s->count; k++)
      if (usable(p, s->x[k], s->y[k])) p->x0 = fmin(p->x0, s->x[k]), p->x1 = fmax(p->x1, s->x[k]);
  }
  if (low > high) return 0;
  if (chart->x_from_zero) p->x0 = fmin(p->x0, 0), p->x1 += 0.03 * (p->x1 - p->x0);
  for (int i = 0; i < chart->reference_count; i++)
    if (usable(p, 0, chart->reference[i].y)) low = fmin(low, chart->reference[i].y), high = fmax(high, chart->reference[i].y);
  if (from_zero) low = fmin(low, 0);
  if (p->log_y) low = log10(low), high = log10(high);
  if (high - low < 1e-9 * fmax(fabs(high), 1e-30)) {
    double around = fabs(high) > 1e-30 && !p->log_y ? 0.1 * fabs(high) : 0.5;
    low -= around, high += around;
  }
  double margin = 0.06 * (high - low);
  p->y0 = from_zero && low >= 0 ? 0 : low - margin;
  p->y1 = high + margin;
  double around_x = fmax(1, 1e-9 * fabs(p->x1)); /* larger than the rounding error of x1 */
  if (p->x1 <= p->x0) p->x0 -= around_x, p->x1 += around_x;
  return 1;
}

static void draw_y_tick(FILE *out, const plot *p, double value, double step) {
  char text[32];
  double y = p->top + pixel_y(p, value);
  fd_svg_tick_text(text, value, step);
  fprintf(
      out,
      "<line class=\"grid\" x1=\"%d\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/><text class=\"t e\" x=\"%d\" y=\"%.1f\">%s</text>\n",
      LEFT, LEFT + p->width, y, y, LEFT - 6, y + 3.5, text);
}

static void draw_axes(FILE *out, const fd_chart *chart, const plot *p) {
  double first, step;
  char text[32];
  if (p->log_y) {
    int fine = p->y1 - p->y0 < 2.5;
    for (double decade = floor(p->y0); decade <= p->y1; decade++)
      for (int m = 1; m < 10; m += m == 1 ? 1 : m == 2 ? 3 : 9) {
        double value = m * pow(10, decade);
        if ((m == 1 || fine) && log10(value) >= p->y0 && log10(value) <= p->y1) draw_y_tick(out, p, value, value);
      }
  } else {
    fd_svg_ticks(p->y0, p->y1, 5, &first, &step);
    for (int i = 0; first + i * step <= p->y1 + 1e-9 * step; i++) draw_y_tick(out, p, first + i * step, step);
  }
  fd_svg_ticks(p->x0, p->x1, 6, &first, &step);
  if (chart->whole_x && step < 1) step = 1, first = ceil(p->x0);
  for (int i = 0; first + i * step <= p->x1 + 1e-9 * step; i++) {
    double x = LEFT + pixel_x(p, first + i * step);
    fd_svg_tick_text(text, first + i * step, step);
    fprintf(out,
            "<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/><text class=\"t m\" x=\"%.1f\" "
            "y=\"%.1f\">%s</text>\n",
            x, x, p->top + p->height, p->top + p->height + 4, x, p->top + p->height + 16, text);
  }
  fprintf(out, "<line class=\"axis\" x1=\"%d\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/><text class=\"t m\" x=\"%.1f\" y=\"%d\">",
          LEFT, LEFT + p->width, p->top + p->height, p->top + p->height, LEFT + p->width / 2, p->outer_height - 6);
  fd_html_text(out, chart->x_label ? chart->x_label : "step");
  fprintf(out, "</text>\n");
  fprintf(out, "<text class=\"t m\" transform=\"translate(11 %.1f) rotate(-90)\">", p->top + p->height / 2);
  fd_html_text(out, chart->y_label);
  fprintf(out, "</text>\n");
}

/* Draws named dashed lines; names that would overlap are moved apart. */
static void draw_references(FILE *out, const fd_chart *chart, const plot *p) {
  double at[REFERENCES_MAX];
  const fd_reference *order[REFERENCES_MAX];
  int n = 0;
  for (int i = 0; i < chart->reference_count && n < REFERENCES_MAX; i++) {
    const fd_reference *r = &chart->reference[i];
    if (!usable(p, 0, r->y)) continue;
    int k = n++;
    for (; k > 0 && order[k - 1]->y < r->y; k--) order[k] = order[k - 1];
    order[k] = r;
  }
  for (int i = 0; i < n; i++) at[i] = fmax(pixel_y(p, order[i]->y), i ? at[i - 1] + LABEL_DISTANCE : 4);
  for (int i = n - 1; i >= 0; i--) at[i] = fmin(at[i], i == n - 1 ? p->height - 2 : at[i + 1] - LABEL_DISTANCE);
  for (int i = 0; i < n; i++) {
    double y = p->top + pixel_y(p, order[i]->y), x = LEFT + p->width;
    fprintf(
        out,
        "<line class=\"ref\" x1=\"%d\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/><path class=\"lead\" d=\"M%.1f %.1fL%.1f %.1f\"/>",
        LEFT, x, y, y, x, y, x + 7, p->top + at[i]);
    fprintf(out, "<text class=\"t\" x=\"%.1f\" y=\"%.1f\">", x + 9, p->top + at[i] + 3.5);
    fd_html_text(out, order[i]->name);
    fprintf(out, "</text>\n");
  }
}

/* Draws the line of a series, if it has one. Of a long one only the lowest and highest value of each pixel column are drawn, so
 * that spikes stay visible and the file small. */
static void draw_path(FILE *out, const fd_series *s, const plot *p) {
  size_t columns = (size_t)p->width, group = s->count > 4 * columns ? s->count / (2 * columns) : 1;
  int open = 0;
  if (s->dots == FD_DOTS_ONLY) return;
  fprintf(out, "<path class=\"s c%d%s%s\" d=\"", s->color, s->faint ? " faint" : "", s->dashed ? " dashed" : "");
  for (size_t first = 0; first < s->count; first += group) {
    size_t end = first + group < s->count ? first + group : s->count, low = end, high = end;
    for (size_t i = first; i < end; i++) {
      if (!usable(p, s->x[i], s->y[i])) continue;
      if (low == end || s->y[i] < s->y[low]) low = i;
      if (high == end || s->y[i] > s->y[high]) high = i;
    }
    size_t pick[2] = {low < high ? low : high, low < high ? high : low};
    for (int k = pick[0] == pick[1]; k < 2; k++) {
      if (pick[k] < end) fprintf(out, "%c%.1f %.1f", open ? 'L' : 'M', pixel_x(p, s->x[pick[k]]), pixel_y(p, s->y[pick[k]]));
      open = pick[k] < end;
    }
  }
  fprintf(out, "\"/>\n");
}

static void draw_dots(FILE *out, const fd_series *s, const plot *p) {
  for (size_t i = 0; i < s->count && s->dots; i++)
    if (usable(p, s->x[i], s->y[i]))
      fprintf(out, "<circle class=\"d c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.6\"/>", s->color, pixel_x(p, s->x[i]),
              pixel_y(p, s->y[i]));
}

/* Lays out the legend in rows, and draws it unless `out` is NULL. Returns the number of rows. */
static int lay_legend(FILE *out, const fd_chart *chart, int outer_width) {
  double x = LEFT;
  int row = 0, any = 0;
  for (int i = 0; i < chart->series_count; i++) {
    const fd_series *s = &chart->series[i];
    double width = s->name ? 23 + 6.3 * (double)strlen(s->name) : 0;
    if (!s->name) continue;
    if (any && x + width > outer_width) x = LEFT, row++;
    any = 1;
    if (out) {
      double y = LEGEND_TOP - 1 + row * LEGEND_ROW;
      if (s->dots == FD_DOTS_ONLY)
        fprintf(out, "<circle class=\"d c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.6\"/>", s->color, x + 14, y);
      else
        fprintf(out, "<line class=\"s c%d%s%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", s->color,
                s->faint ? " faint" : "", s->dashed ? " dashed" : "", x, x + 18, y, y);
      fprintf(out, "<text class=\"t\" x=\"%.1f\" y=\"%.1f\">", x + 23, y + 4);
      fd_html_text(out, s->name);
      fprintf(out, "</text>\n");
    }
    x += width + 18;
  }
  return row + 1;
}

void fd_svg_chart(FILE *out, const fd_chart *chart) {
  int width = chart->width ? chart->width : WIDTH, height = chart->height ? chart->height : HEIGHT;
  plot p = {.log_y = chart->log_y};
  p.top = LEGEND_TOP + LEGEND_ROW * lay_legend(NULL, chart, width);
  p.outer_height =
      height + (int)p.top - LEGEND_TOP - LEGEND_ROW; /* further rows of the legend make the chart higher, not the plot smaller */
  p.width = width - LEFT - (chart->reference_count ? RIGHT_NAMED : RIGHT);
  p.height = p.outer_height - p.top - BOTTOM;
  if (!find_range(out, chart, &p)) {
    fprintf(out, "<p class=\"absent\">no data</p>\n");
    return;
  }
  fprintf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\"><title>", width, p.outer_height);
  fd_html_text(out, chart->title);
  fprintf(out, "</title>\n");
  draw_axes(out, chart, &p);
  draw_references(out, chart, &p);
  fprintf(out, "<svg x=\"%d\" y=\"%.0f\" width=\"%.0f\" height=\"%.0f\" overflow=\"hidden\">\n", LEFT, p.top, p.width, p.height);
  for (size_t i = 0; i < chart->event_count; i++)
    if (chart->event[i] >= p.x0 && chart->event[i] <= p.x1)
      fprintf(out, "<line class=\"event\" x1=\"%.1f\" x2=\"%.1f\" y1=\"0\" y2=\"%.0f\"/>", pixel_x(&p, chart->event[i]),
              pixel_x(&p, chart->event[i]), p.height);
  if (chart->diagonal && !p.log_y)
    fprintf(out, "<line class=\"ref\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", pixel_x(&p, p.x0), pixel_x(&p, p.x1),
            pixel_y(&p, p.x0), pixel_y(&p, p.x1));
  for (int i = 0; i < chart->series_count; i++) draw_path(out, &chart->series[i], &p), draw_dots(out, &chart->series[i], &p);
  fprintf(out, "</svg>\n");
  lay_legend(out, chart, width);
  fprintf(out, "</svg>\n");
}
