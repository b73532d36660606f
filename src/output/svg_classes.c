/* Figures of classes as inline SVG: scatter plots and confusion matrices. */
#include <math.h>

#include "output/svg.h"

enum { SIZE = 300, LEFT = 46, RIGHT = 10, TOP = 28, BOTTOM = 36, COLORS = 8, CLASSES_NAMED = 12 };

int fd_svg_color(int i) { return 1 + i % COLORS; }

static void open_svg(FILE *out, const char *title, int height) {
  fprintf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\"><title>", SIZE, height);
  fd_html_text(out, title);
  fprintf(out, "</title>\n");
}

static void label(FILE *out, const char *class, double x, double y, int turned, const char *text) {
  fprintf(
      out,
      turned ? "<text class=\"%s\" transform=\"translate(%.1f %.1f) rotate(-90)\">" : "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">",
      class, x, y);
  fd_html_text(out, text);
  fprintf(out, "</text>\n");
}

/* --- points ---------------------------------------------------------------------------------------------------------- */

typedef struct axis {
  double low, high;
} axis;

static int usable(const fd_scatter *s, size_t i) { return fd_svg_drawable(s->x[i]) && fd_svg_drawable(s->y[i]); }

static axis range_of(const fd_scatter *s, const double *value) {
  axis a = {INFINITY, -INFINITY};
  for (size_t i = 0; i < s->count; i++)
    if (usable(s, i)) a = (axis){fmin(a.low, value[i]), fmax(a.high, value[i])};
  double margin = a.high > a.low ? 0.04 * (a.high - a.low) : fmax(0.5, 1e-9 * fabs(a.high));
  return (axis){a.low - margin, a.high + margin};
}

static double at(axis a, double value, double from, double to) { return from + (value - a.low) / (a.high - a.low) * (to - from); }

static void draw_frame(FILE *out, const fd_scatter *s, axis x, axis y) {
  double first, step, right = SIZE - RIGHT, bottom = SIZE - BOTTOM;
  char text[32];
  fd_svg_ticks(x.low, x.high, 4, &first, &step);
  for (int i = 0; first + i * step <= x.high; i++) {
    double px = at(x, first + i * step, LEFT, right);
    fd_svg_tick_text(text, first + i * step, step);
    fprintf(out, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%.1f\"/>", px, px, TOP, bottom);
    label(out, "t m", px, bottom + 14, 0, text);
  }
  fd_svg_ticks(y.low, y.high, 4, &first, &step);
  for (int i = 0; first + i * step <= y.high; i++) {
    double py = at(y, first + i * step, bottom, TOP);
    fd_svg_tick_text(text, first + i * step, step);
    fprintf(out, "<line class=\"grid\" x1=\"%d\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT, right, py, py);
    label(out, "t e", LEFT - 5, py + 4, 0, text);
  }
  label(out, "t m", (LEFT + right) / 2, SIZE - 6, 0, s->x_label);
  label(out, "t m", 11, (TOP + bottom) / 2, 1, s->y_label);
}

static void draw_classes(FILE *out, const fd_scatter *s) {
  int seen[COLORS] = {0}, further = 0;
  char text[32];
  double x = LEFT;
  for (size_t i = 0; i < s->count; i++) {
    if (s->class[i] < COLORS) seen[s->class[i]] = 1;
    else further = 1;
  }
  for (int c = 0; c < COLORS; c++) {
    if (!seen[c]) continue;
    snprintf(text, sizeof text, "%d", c);
    fprintf(out, "<circle class=\"d c%d\" cx=\"%.1f\" cy=\"13\" r=\"4\"/>", fd_svg_color(c), x + 4);
    label(out, "t", x + 11, 17, 0, text);
    x += 28;
  }
  if (further) label(out, "t", x, 17, 0, "…");
}

void fd_svg_scatter(FILE *out, const fd_scatter *s) {
  axis x = range_of(s, s->x), y = range_of(s, s->y);
  if (!(x.low < x.high) || !(y.low < y.high)) {
    fprintf(out, "<p class=\"absent\">no data</p>\n");
    return;
  }
  open_svg(out, s->title, SIZE);
  draw_frame(out, s, x, y);
  for (size_t i = 0; i < s->count; i++) {
    if (!usable(s, i)) continue;
    int color = !s->class ? 1 : s->class[i] < COLORS ? fd_svg_color(s->class[i]) : 0;
    fprintf(out, "<circle class=\"point c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"1.7\"/>", color, at(x, s->x[i], LEFT, SIZE - RIGHT),
            at(y, s->y[i], SIZE - BOTTOM, TOP));
  }
  fprintf(out, "\n");
  if (s->class) draw_classes(out, s);
  fprintf(out, "</svg>\n");
}

/* --- confusion ------------------------------------------------------------------------------------------------------- */

/* Draws a cell with its count and percentage; small cells have the percentage only, the smallest no text. */
static void draw_cell(FILE *out, double x, double y, double side, double count, double share) {
  char text[32];
  const char *class = share > 0.7 ? "t m on" : "t m v";
  double middle = x + side / 2, line = y + side / 2;
  fprintf(out, "<rect class=\"cell%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill-opacity=\"%.3f\"/>",
          side > 16 ? " framed" : "", x, y, side - 1, side - 1, share);
  if (side < 20) return;
  snprintf(text, sizeof text, side < 44 ? "%.0f" : "%.1f %%", 100 * share);
  label(out, class, middle, side < 44 ? line + 4 : line + 13, 0, text);
  if (side < 44) return;
  snprintf(text, sizeof text, "%.0f", count);
  label(out, class, middle, line - 2, 0, text);
}

void fd_svg_matrix(FILE *out, const fd_confusion_figure *m) {
  const double edge = SIZE - LEFT - RIGHT, side = edge / m->classes;
  char text[32];
  int every = 1 + m->classes / (CLASSES_NAMED + 1); /* so that the class numbers do not overlap */
  open_svg(out, m->title, (int)edge + 40);
  for (int r = 0; r < m->classes; r++) {
    double total = 0, y = 4 + r * side;
    for (int c = 0; c < m->classes; c++) total += m->count[r * m->classes + c];
    for (int c = 0; c < m->classes; c++) {
      double count = m->count[r * m->classes + c];
      draw_cell(out, LEFT + c * side, y, side, count, total > 0 && fd_svg_drawable(total) ? count / total : 0);
    }
    if (r % every) continue;
    snprintf(text, sizeof text, "%d", r);
    label(out, "t e", LEFT - 5, y + side / 2 + 4, 0, text);
    label(out, "t m", LEFT + (r + 0.5) * side, edge + 18, 0, text);
  }
  label(out, "t m", LEFT + edge / 2, edge + 34, 0, "predicted class");
  label(out, "t m", 13, 4 + edge / 2, 1, "true class");
  fprintf(out, "</svg>\n");
}
