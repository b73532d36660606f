/* Collects rows of a student's layers and of a teacher, and compares them by linear CKA. */
#include "train/alignment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct fd_alignment {
  int64_t windows;
  int each;      /* rows per window at most */
  int stride;    /* floats per row: 1 if the row is filled, the layers, the teacher's features */
  float *value;  /* [windows * each, stride]; zero for rows of other ranks and unused rows */
  size_t floats; /* even: gathered as 64-bit words */
};

static int width_of(const fd_trainer *t) { return t->frozen->network->out[FD_OUT_LATENT].width; }

fd_status fd_alignment_create(fd_alignment **alignment, const fd_trainer *t, int64_t windows) {
  FD_TRY(fd_alloc(alignment, 1, sizeof **alignment, "the alignment of layers"));
  fd_alignment *a = *alignment;
  a->windows = windows < FD_ALIGNMENT_ROWS ? windows : FD_ALIGNMENT_ROWS;
  a->each = a->windows ? (int)(FD_ALIGNMENT_ROWS / a->windows) : 0;
  a->stride = 1 + width_of(t);
  for (int i = 0; i < t->network->layers; i++) a->stride += t->network->layer[i].width;
  a->floats = ((size_t)a->windows * (size_t)a->each * (size_t)a->stride + 1) / 2 * 2;
  fd_status status = fd_alloc(&a->value, a->floats, sizeof *a->value, "the alignment of layers");
  if (status != FD_OK) fd_alignment_destroy(alignment);
  return status;
}

void fd_alignment_destroy(fd_alignment **alignment) {
  if (*alignment) free((*alignment)->value);
  free(*alignment);
  *alignment = NULL;
}

/* A visible group: index of its first letter in the sequence, and the teacher's row. */
typedef struct group {
  int letter, taught;
} group;

/* Finds the visible groups of a sequence, in order; returns their number. */
static int find_groups(const fd_trainer *t, int sequence, group *groups) {
  const fd_batch *b = t->held_out;
  int each = t->config->objective.distil_pool == FD_DISTIL_REPEAT ? FD_GROUP : 1, n = 0, start = b->seqs.start[sequence],
      letters = b->seqs.start[sequence + 1] - start;
  for (int at = 0; at < letters; at += FD_GROUP) {
    int taught = b->host_aligned[(start + at) / FD_GROUP * each];
    if (taught >= 0) groups[n++] = (group){at, taught};
  }
  return n;
}

/* The row of a letter of a sequence in a layer, which may have rows for the visible letters only. */
static int row_of(const fd_trainer *t, fd_space space, int sequence, int letter) {
  const fd_batch *b = t->held_out;
  int row = t->spaces.of[space]->start[sequence];
  if (space != FD_VISIBLE) return row + letter;
  for (int i = 0; i < letter; i++) row += !b->seqs.hidden[b->seqs.start[sequence] + i];
  return row;
}

/* Writes the mean over the letters of a group to to[width]. */
static fd_status take_layer(const fd_trainer *t, fd_value layer, int sequence, int letter, float *to) {
  float rows[FD_GROUP * layer.width];
  FD_TRY(fd_mat_read(t->dev, fd_pass_value(t->student, layer), row_of(t, layer.space, sequence, letter), FD_GROUP, layer.width,
                     rows));
  for (int c = 0; c < layer.width; c++) {
    double sum = 0;
    for (int r = 0; r < FD_GROUP; r++) sum += (double)rows[r * layer.width + c];
    to[c] = (float)(sum / FD_GROUP);
  }
  return FD_OK;
}

/* Reads a row of the teacher, normalized as in the loss (ops.def, align_loss). */
static fd_status take_teacher(const fd_trainer *t, int row, float *to) {
  int width = width_of(t);
  double mean = 0, squares = 0;
  FD_TRY(fd_mat_read(t->dev, fd_frozen_output(t->frozen, FD_OUT_LATENT), row, 1, width, to));
  if (t->config->objective.distil_norm != FD_DISTIL_LAYER) return FD_OK;
  for (int c = 0; c < width; c++) mean += (double)to[c] / width;
  for (int c = 0; c < width; c++) squares += ((double)to[c] - mean) * ((double)to[c] - mean);
  for (int c = 0; c < width; c++) to[c] = (float)(((double)to[c] - mean) / sqrt(squares / width + 1e-5));
  return FD_OK;
}

static fd_status take_group(const fd_trainer *t, int sequence, group g, float *to) {
  *to++ = 1;
  for (int i = 0; i < t->network->layers; to += t->network->layer[i++].width)
    FD_TRY(take_layer(t, t->network->layer[i], sequence, g.letter, to));
  return take_teacher(t, g.taught, to);
}

fd_status fd_alignment_add(fd_alignment *a, const fd_trainer *t, int64_t first, int count) {
  group *groups;
  fd_status status = FD_OK;
  if (first >= a->windows) return FD_OK;
  FD_TRY(fd_alloc(&groups, (size_t)t->held_out->rows / FD_GROUP + 1, sizeof *groups, "the alignment of layers"));
  for (int s = 0; s < count && first + s < a->windows; s++) {
    int n = find_groups(t, s, groups), rows = n < a->each ? n : a->each;
    for (int i = 0; i < rows; i++) /* the groups in the middle of `rows` equal parts */
      FD_GO(take_group(t, s, groups[(2 * i + 1) * n / (2 * rows)],
                       a->value + ((size_t)(first + s) * (size_t)a->each + (size_t)i) * (size_t)a->stride));
  }
done:
  free(groups);
  return status;
}

static void centre(int rows, fd_features_of f) {
  for (int c = 0; c < f.width; c++) {
    double mean = 0;
    for (int r = 0; r < rows; r++) mean += (double)f.at[(size_t)r * f.stride + (size_t)c] / rows;
    for (int r = 0; r < rows; r++) f.at[(size_t)r * f.stride + (size_t)c] -= (float)mean;
  }
}

/* A dot product in eight chains, which the compiler can vectorize. */
static double dot(int n, const float *a, const float *b) {
  double part[8] = {0}, sum = 0;
  int i = 0;
  for (; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; k++) part[k] += (double)a[i + k] * (double)b[i + k];
  for (; i < n; i++) sum += (double)a[i] * (double)b[i];
  for (int k = 0; k < 8; k++) sum += part[k];
  return sum;
}

/* The unbiased estimate of HSIC, up to a factor that cancels in CKA. */
static double hsic(int n, const double *k, const double *l) {
  double both = 0, all_k = 0, all_l = 0, sums = 0;
  for (int i = 0; i < n; i++) {
    double sum_k = 0, sum_l = 0;
    for (int j = 0; j < n; j++) {
      both += k[i * n + j] * l[i * n + j];
      sum_k += k[i * n + j], sum_l += l[i * n + j];
    }
    all_k += sum_k, all_l += sum_l, sums += sum_k * sum_l;
  }
  return both + all_k * all_l / ((double)(n - 1) * (n - 2)) - 2 * sums / (n - 2);
}

void fd_alignment_gram(int rows, fd_features_of f, double *gram) {
  centre(rows, f);
  for (int i = 0; i < rows; i++) {
    gram[i * rows + i] = 0;
    for (int j = 0; j < i; j++)
      gram[i * rows + j] = gram[j * rows + i] = dot(f.width, f.at + (size_t)i * f.stride, f.at + (size_t)j * f.stride);
  }
}

double fd_alignment_cka(int rows, const double *a, const double *b) {
  if (rows < 4) return NAN; /* fewer rows than the estimate needs */
  double aa = hsic(rows, a, a), bb = hsic(rows, b, b);
  return aa > 0 && bb > 0 ? hsic(rows, a, b) / (sqrt(aa) * sqrt(bb)) : NAN;
}

/* Moves the filled rows to the beginning; returns their number. */
static int compact_rows(fd_alignment *a) {
  size_t stride = (size_t)a->stride, n = 0;
  for (size_t i = 0; i < (size_t)a->windows * (size_t)a->each; i++)
    if (a->value[i * stride] > 0) memmove(a->value + stride * n++, a->value + i * stride, stride * sizeof(float));
  return (int)n;
}

fd_status fd_alignment_measure(fd_alignment *a, const fd_trainer *t, double *cka, int *rows) {
  size_t stride = (size_t)a->stride, column = 1;
  double *gram;
  /* Each row is zero on all other ranks, so adding the bits gathers them. */
  FD_TRY(t->comm->ops->sum_u64(t->comm, (uint64_t *)(void *)a->value, a->floats / 2));
  int n = *rows = compact_rows(a), width = width_of(t);
  FD_TRY(fd_alloc(&gram, 2 * (size_t)n * (size_t)n, sizeof *gram, "the alignment of layers"));
  double *taught = gram + (size_t)n * (size_t)n;
  fd_alignment_gram(n, (fd_features_of){a->value + stride - (size_t)width, stride, width}, taught);
  for (int i = 0; i < t->network->layers; i++) {
    fd_features_of layer = {a->value + column, stride, t->network->layer[i].width};
    fd_alignment_gram(n, layer, gram);
    cka[i] = n < FD_ALIGNMENT_LEAST ? NAN : fd_alignment_cka(n, gram, taught);
    column += (size_t)layer.width;
  }
  free(gram);
  return FD_OK;
}
