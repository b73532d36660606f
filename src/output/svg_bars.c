/* Horizontal bars with error bars as inline SVG. */
#include <math.h>
#include <string.h>

#include "output/svg.h"

enum {
  WIDTH = 860,
  LEFT = 210,
  RIGHT = 130,
  RIGHT_OF_INTERVAL = 185,
  ROW = 28,
  TOP = 8,
  BOTTOM = 40,
  BAR = 16,
  NAME_MAX_BYTES = 34
};

/* Draws a name, truncated at a character boundary if it is longer than its column. */
static void draw_name(FILE *out, const char *name, double y) {
  char cut[NAME_MAX_BYTES + 4];
  size_t n = strlen(name);
  if (n > NAME_MAX_BYTES) {
    n = NAME_MAX_BYTES - 3;
    while (n && ((unsigned char)name[n] & 0xC0) == 0x80) n--;
    snprintf(cut, sizeof cut, "%.*s…", (int)n, name);
    name = cut;
  }
  fprintf(out, "<text class=\"t e\" x=\"%d\" y=\"%.1f\">", LEFT - 8, y);
  fd_html_text(out, name);
  fprintf(out, "</text>");
}

static void find_range(const fd_bars *bars, double *low, double *high) {
  *low = *high = bars->base;
  for (int i = 0; i < bars->count; i++) {
    const fd_bar *b = &bars->bar[i];
    double sd = fd_svg_drawable(b->sd) ? b->sd : 0;
    if (!fd_svg_drawable(b->mean)) continue;
    *low = fmin(*low, b->mean - sd);
    *high = fmax(*high, b->mean + sd);
    for (size_t k = 0; k < b->seeds; k++)
      if (fd_svg_drawable(b->seed[k])) *low = fmin(*low, b->seed[k]), *high = fmax(*high, b->seed[k]);
  }
  if (*high <= *low) *high = *low + fmax(1, 1e-9 * fabs(*low));
  *high += 0.03 * (*high - *low);
}

/* The width of the column of numbers. */
static int right_of(const fd_bars *bars) {
  for (int i = 0; i < bars->count; i++)
    if (bars->bar[i].interval && fd_svg_drawable(bars->bar[i].sd)) return RIGHT_OF_INTERVAL;
  return RIGHT;
}

static void draw_bar(FILE *out, const fd_bars *bars, int i, double low, double scale) {
  const fd_bar *b = &bars->bar[i];
  double middle = TOP + ROW * (i + 0.5), base = LEFT + (bars->base - low) * scale, end = LEFT + (b->mean - low) * scale;
  draw_name(out, b->name, middle + 4);
  if (!fd_svg_drawable(b->mean)) {
    fprintf(out, "<text class=\"t\" x=\"%d\" y=\"%.1f\">absent</text>\n", LEFT + 6, middle + 4);
    return;
  }
  fprintf(out, "<rect class=\"b c%d%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"2\"/>", b->color,
          b->hollow ? " hollow" : "", fmin(base, end), middle - BAR / 2, fmax(fabs(end - base), 0.5), BAR);
  if (fd_svg_drawable(b->sd) && b->sd > 0) {
    double from = end - b->sd * scale, to = end + b->sd * scale;
    fprintf(out, "<path class=\"whisker\" d=\"M%.1f %.1fL%.1f %.1fM%.1f %.1fl0 8M%.1f %.1fl0 8\"/>", from, middle, to, middle,
            from, middle - 4, to, middle - 4);
  }
  for (size_t k = 0; k < b->seeds; k++)
    if (fd_svg_drawable(b->seed[k]))
      fprintf(out, "<circle class=\"seed\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.2\"/>", LEFT + (b->seed[k] - low) * scale, middle);
  fprintf(out, "<text class=\"t v\" x=\"%d\" y=\"%.1f\">%.2f", WIDTH - right_of(bars) + 10, middle + 4, b->mean);
  if (fd_svg_drawable(b->sd)) {
    if (b->interval) fprintf(out, " (%.2f to %.2f)", b->mean - b->sd, b->mean + b->sd);
    else fprintf(out, " ± %.2f", b->sd);
  }
  fprintf(out, "</text>\n");
}

void fd_svg_bars(FILE *out, const fd_bars *bars) {
  double low, high, first, step;
  char text[32];
  find_range(bars, &low, &high);
  double scale = (WIDTH - LEFT - right_of(bars)) / (high - low), bottom = TOP + ROW * bars->count;
  fprintf(out, "<svg viewBox=\"0 0 %d %.0f\" role=\"img\"><title>", WIDTH, bottom + BOTTOM);
  fd_html_text(out, bars->title);
  fprintf(out, "</title>\n");
  fd_svg_ticks(low, high, 7, &first, &step);
  for (int i = 0; first + i * step <= high; i++) {
    double x = LEFT + (first + i * step - low) * scale;
    fd_svg_tick_text(text, first + i * step, step);
    fprintf(out,
            "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%.1f\"/><text class=\"t m\" x=\"%.1f\" "
            "y=\"%.1f\">%s</text>\n",
            x, x, TOP, bottom, x, bottom + 15, text);
  }
  for (int i = 0; i < bars->count; i++) draw_bar(out, bars, i, low, scale);
  fprintf(out, "<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%.1f\"/>", LEFT + (bars->base - low) * scale,
          LEFT + (bars->base - low) * scale, TOP, bottom);
  fprintf(out, "<text class=\"t m\" x=\"%d\" y=\"%.1f\">", LEFT + (WIDTH - LEFT - right_of(bars)) / 2, bottom + 32);
  fd_html_text(out, bars->x_label);
  fprintf(out, "</text>\n</svg>\n");
}
