/* Charts as inline SVG for an HTML page: lines against steps, and bars with error bars. Colours are CSS classes of the page (see
 * report_style.c): c0 is grey, c1 to c3 are told apart by colour-blind readers too; c4 to c8 are further ones. */
#ifndef FD_OUTPUT_SVG_H
#define FD_OUTPUT_SVG_H

#include <stddef.h>
#include <stdio.h>

/* Text with everything escaped that HTML or SVG would read as markup; control characters become '?'. */
void fd_html_text(FILE *out, const char *text);

/* Whether a value can be drawn: it is finite, and so is what is calculated of it. */
int fd_svg_drawable(double value);

/* One line. Points that cannot be drawn are left out and break the line. */
typedef struct fd_series {
  const char *name;    /* in the legend; NULL: not listed */
  const double *x, *y; /* [count] */
  size_t count;
  int color;         /* 0 to 8 */
  int faint;         /* thin and pale, and its outliers may leave the chart: raw values behind smoothed ones */
  int dashed;        /* where there are more lines than colours */
  int dots;          /* a dot at every point */
  double range_from; /* steps before this one do not widen the value axis, and may leave the chart */
} fd_series;

/* A dashed horizontal line with its name at the right. */
typedef struct fd_reference {
  const char *name;
  double y;
} fd_reference;

typedef struct fd_chart {
  const char *title;             /* for readers who hear the page */
  const char *y_label, *x_label; /* x_label NULL: x is the step */
  int width, height;             /* in pixels of the picture's own; 0: as a figure of half a page */
  int diagonal;                  /* a dashed line where y equals x */
  int log_y;                     /* decades; values that are not positive are left out */
  int from_zero;                 /* the axis begins at 0 or below */
  int whole_x;                   /* x is whole numbers, and so are its ticks */
  int series_count, reference_count;
  const fd_series *series;
  const fd_reference *reference;
  const double *event; /* [event_count] steps of dotted vertical lines, such as resumes */
  size_t event_count;
} fd_chart;

/* Draws the chart; says "no data" where no series has a point. */
void fd_svg_chart(FILE *out, const fd_chart *chart);

/* One bar: mean with an error bar of one standard deviation, and a dot a seed. */
typedef struct fd_bar {
  const char *name;
  double mean, sd;
  const double *seed; /* [seeds] */
  size_t seeds;
  int color;
  int hollow; /* an outline: not a number of ours */
} fd_bar;

typedef struct fd_bars {
  const char *title, *x_label;
  double base; /* where the bars begin */
  int count;
  const fd_bar *bar;
} fd_bars;

/* Draws horizontal bars, one below the other, with their numbers. */
void fd_svg_bars(FILE *out, const fd_bars *bars);

/* Points in a plane, coloured by class. */
typedef struct fd_scatter {
  const char *title, *x_label, *y_label;
  size_t count;
  const double *x, *y; /* [count] */
  const int *class;    /* [count], from 0; NULL: all the same */
} fd_scatter;

/* Draws the points, and a legend of the classes that occur (of the first 8; further ones are grey). Points that
 * cannot be drawn are left out. */
void fd_svg_scatter(FILE *out, const fd_scatter *scatter);

/* A confusion matrix: rows are the true classes, columns the predicted ones; count: [classes, classes]. The deeper a cell's
 * colour, the larger its share of its row. */
typedef struct fd_matrix_figure {
  const char *title;
  int classes;
  const double *count;
} fd_matrix_figure;
void fd_svg_matrix(FILE *out, const fd_matrix_figure *matrix);

/* Colour of class or line i: 1 to 8, then again. */
int fd_svg_color(int i);

/* Ticks of a linear axis: the first one >= low, their distance; at most about `wanted` in [low, high]. NAN where it has no
 * length, or one that is not finite. */
void fd_svg_ticks(double low, double high, int wanted, double *first, double *step);

/* The text of a tick: as many digits as the distance between ticks needs, 20k, 3e-04. */
void fd_svg_tick_text(char out[32], double value, double step);

#endif
