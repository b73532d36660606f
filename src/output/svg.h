/* Charts as inline SVG for an HTML page: lines against steps, bars with error bars, scatter plots and confusion matrices. Colours
 * are CSS classes of the page (report_style.c): c0 is grey, c1 to c3 are safe for colour-blind readers, c4 to c8 are further
 * colours. */
#ifndef FD_OUTPUT_SVG_H
#define FD_OUTPUT_SVG_H

#include <stddef.h>
#include <stdio.h>

/* Prints text with HTML and SVG markup escaped and control characters replaced by '?'. */
void fd_html_text(FILE *out, const char *text);

/* Whether a value can be drawn: it and the coordinates computed from it are finite. */
int fd_svg_drawable(double value);

/* One line. Points that cannot be drawn are left out and break the line. */
typedef struct fd_series {
  const char *name;    /* in the legend; NULL: not listed */
  const double *x, *y; /* [count] */
  size_t count;
  int color;  /* 0 to 8 */
  int faint;  /* thin and pale, for raw values behind smoothed ones; outliers may leave the chart */
  int dashed; /* for more lines than colours */
  enum { FD_NO_DOTS, FD_DOTS, FD_DOTS_ONLY } dots; /* a dot at every point, with or without the line */
  double range_from;                               /* earlier steps do not widen the value axis, and may leave the chart */
} fd_series;

/* A dashed horizontal line with its name at the right. */
typedef struct fd_reference {
  const char *name;
  double y;
} fd_reference;

typedef struct fd_chart {
  const char *title;             /* for screen readers */
  const char *y_label, *x_label; /* x_label NULL: "step" */
  int width, height;             /* in user units of the SVG; 0: default size, half the page's width */
  int diagonal;                  /* a dashed line where y equals x */
  int log_y;                     /* logarithmic value axis; values <= 0 are left out */
  int from_zero;                 /* the value axis begins at 0 or below */
  int whole_x;                   /* x values and ticks are whole numbers */
  int x_from_zero;               /* the x axis begins at 0 or below, and ends beyond the last point */
  int series_count, reference_count;
  const fd_series *series;
  const fd_reference *reference;
  const double *event; /* [event_count] steps marked by dotted vertical lines, such as resumes */
  size_t event_count;
} fd_chart;

/* Draws the chart, or prints "no data" if no series has a point. */
void fd_svg_chart(FILE *out, const fd_chart *chart);

/* One bar: mean with an error bar of one standard deviation, and a dot per seed. */
typedef struct fd_bar {
  const char *name;
  double mean, sd;    /* NAN: no deviation */
  int interval;       /* `sd` is half of a confidence interval, whose ends are written instead of ± */
  const double *seed; /* [seeds] */
  size_t seeds;
  int color;
  int hollow; /* drawn as an outline, for published numbers */
} fd_bar;

typedef struct fd_bars {
  const char *title, *x_label;
  double base; /* value at which the bars begin */
  int count;
  const fd_bar *bar;
} fd_bars;

/* Draws horizontal bars with their numbers. */
void fd_svg_bars(FILE *out, const fd_bars *bars);

/* Points in a plane, coloured by class. */
typedef struct fd_scatter {
  const char *title, *x_label, *y_label;
  size_t count;
  const double *x, *y; /* [count] */
  const int *class;    /* [count], from 0; NULL: a single class */
} fd_scatter;

/* Draws the points and a legend of the classes that occur: the first 8 are coloured, further classes are grey. Points that cannot
 * be drawn are left out. */
void fd_svg_scatter(FILE *out, const fd_scatter *scatter);

/* A confusion matrix: rows are the true classes, columns the predicted ones; count: [classes, classes], row-major. The opacity of
 * a cell is its fraction of the row. */
typedef struct fd_confusion_figure {
  const char *title;
  int classes;
  const double *count;
} fd_confusion_figure;
void fd_svg_matrix(FILE *out, const fd_confusion_figure *matrix);

/* Colour of class or line i: 1 to 8, repeating. */
int fd_svg_color(int i);

/* Ticks of a linear axis: the first one >= low, and their distance; at most about `wanted` in [low, high]. Both are NAN if the
 * range is empty or not finite. */
void fd_svg_ticks(double low, double high, int wanted, double *first, double *step);

/* The text of a tick, with as many digits as the distance between ticks requires; large values as 20k, small ones as 3e-4. */
void fd_svg_tick_text(char out[32], double value, double step);

#endif
