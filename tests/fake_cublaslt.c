/* Replaces libcublasLt for the emulated GPU: plain products in column order. The first algorithm proposed for a shape splits k,
 * and the element at which an algorithm begins to add depends on the sizes that it was chosen for, so that one chosen by the
 * number of rows shows; the second takes one product at a time only. An algorithm refuses operands and biases that are aligned to
 * fewer bytes than it was chosen for. */
#include <stdlib.h>
#include <string.h>

#include "cuda/emulate_blas.h"
#include "cuda/emulate_stream.h"

enum {
  MAGIC = 77,
  PROPOSALS = 3,
  PIECES = 2 /* of k */,
  OF_BIAS = 6 /* alignment */,
  BATCHES = 7 /* several products at once */
};

/* Bytes to which an address is aligned, up to 16; of NULL 16. */
static uint64_t alignment_of(const void *at) { return ((uintptr_t)at | 16) & -((uintptr_t)at | 16); }

struct cublasLtContext {
  int unused;
};
struct cublasLtDesc {
  cublasOperation_t a, b;
  cublasComputeType_t compute;
  uint32_t epilogue;
  const void *bias;
};
struct cublasLtLayout {
  cudaDataType type;
  int64_t rows, columns, ld, distance;
  int count;
};
struct cublasLtPreference {
  uint64_t workspace;
  uint32_t values[9];
};

size_t cublasLtGetVersion(void) { return 130000; }
const char *cublasLtGetStatusString(cublasStatus_t status) {
  return status == CUBLAS_STATUS_NOT_SUPPORTED ? "not supported" : "not valid";
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle) { return *handle = calloc(1, sizeof **handle), CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) { return free(handle), CUBLAS_STATUS_SUCCESS; }

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *desc, cublasComputeType_t compute, cudaDataType_t scale) {
  *desc = calloc(1, sizeof **desc);
  (*desc)->compute = compute;
  return scale == CUDA_R_32F ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) { return free(desc), CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t attribute,
                                              const void *from, size_t bytes) {
  if (bytes != (attribute == CUBLASLT_MATMUL_DESC_BIAS_POINTER ? sizeof(void *) : 4)) return CUBLAS_STATUS_INVALID_VALUE;
  memcpy(attribute == CUBLASLT_MATMUL_DESC_TRANSA     ? (void *)&desc->a
         : attribute == CUBLASLT_MATMUL_DESC_TRANSB   ? (void *)&desc->b
         : attribute == CUBLASLT_MATMUL_DESC_EPILOGUE ? (void *)&desc->epilogue
                                                      : (void *)&desc->bias,
         from, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *layout, cudaDataType type, uint64_t rows, uint64_t columns,
                                          int64_t ld) {
  *layout = calloc(1, sizeof **layout);
  **layout = (struct cublasLtLayout){type, (int64_t)rows, (int64_t)columns, ld, 0, 1};
  return ld >= (int64_t)rows ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) { return free(layout), CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t attribute,
                                                const void *from, size_t bytes) {
  int distance = attribute == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET;
  if (bytes != (distance ? sizeof layout->distance : sizeof layout->count)) return CUBLAS_STATUS_INVALID_VALUE;
  memcpy(distance ? (void *)&layout->distance : (void *)&layout->count, from, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference) {
  *preference = calloc(1, sizeof **preference);
  (*preference)->workspace = 1, (*preference)->values[CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK] = 7;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  return free(preference), CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute, const void *from,
                                                    size_t bytes) {
  int workspace = attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
  if (bytes != (workspace ? 8 : 4)) return CUBLAS_STATUS_INVALID_VALUE;
  memcpy(workspace ? (void *)&preference->workspace : (void *)&preference->values[attribute], from, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
                                              cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int most,
                                              cublasLtMatmulHeuristicResult_t found[], int *count) {
  (void)handle, (void)c, (void)d;
  int strict = preference->workspace == 0 && preference->values[CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK] == 0;
  const uint32_t *aligned = preference->values + CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES;
  for (int i = 0; i < 4; i++) strict &= aligned[i] >= 2 && aligned[i] <= 16;
  if (!strict || most < PROPOSALS) return CUBLAS_STATUS_INVALID_VALUE;
  memset(found, 0, PROPOSALS * sizeof *found);
  uint64_t sizes = (uint64_t)(a->rows + 3 * a->columns + 5 * b->rows + 7 * b->columns);
  for (int i = 0; i < PROPOSALS; i++) {
    uint64_t *data = found[i].algo.data;
    data[0] = MAGIC, data[1] = sizes, data[PIECES] = i ? 1 : 2;
    data[3] = aligned[0], data[4] = aligned[1], data[5] = aligned[3];
    data[OF_BIAS] = alignment_of(desc->bias), data[BATCHES] = i == PROPOSALS - 1;
  }
  *count = PROPOSALS;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t *algo,
                                                    cublasLtMatmulAlgoConfigAttributes_t attribute, void *to, size_t bytes,
                                                    size_t *written) {
  (void)attribute, (void)written;
  int32_t pieces = (int32_t)algo->data[PIECES];
  return bytes == sizeof pieces ? memcpy(to, &pieces, bytes), CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulAlgoCapGetAttribute(const cublasLtMatmulAlgo_t *algo, cublasLtMatmulAlgoCapAttributes_t attribute,
                                                 void *to, size_t bytes, size_t *written) {
  (void)attribute, (void)written;
  int32_t batches = (int32_t)algo->data[BATCHES];
  return bytes == sizeof batches ? memcpy(to, &batches, bytes), CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

static float get(const void *m, const struct cublasLtLayout *l, int64_t at) {
  if (l->type == CUDA_R_32F) return ((const float *)m)[at];
  uint32_t bits = (uint32_t)((const uint16_t *)m)[at] << 16;
  float x;
  return memcpy(&x, &bits, sizeof x), x;
}

static void set(void *m, const struct cublasLtLayout *l, int64_t at, float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  if (l->type == CUDA_R_32F) ((float *)m)[at] = x;
  else ((uint16_t *)m)[at] = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* Whether a column begins where the alignment does not allow it. */
static int is_odd(const void *m, const struct cublasLtLayout *l, uint64_t alignment) {
  return ((uintptr_t)m | (uintptr_t)l->ld * (l->type == CUDA_R_32F ? 4 : 2)) % alignment != 0;
}

/* A product that has been asked for; its descriptors may be destroyed before it is computed. */
struct product {
  struct cublasLtDesc desc;
  struct cublasLtLayout a_layout, b_layout, d_layout;
  const void *a, *b;
  void *d;
  int64_t m, n, k, first; /* first: where the sum over k begins */
};

static void multiply(const void *with) {
  const struct product *p = with;
  const struct cublasLtLayout *a = &p->a_layout, *b = &p->b_layout;
  int a_t = p->desc.a == CUBLAS_OP_T, b_t = p->desc.b == CUBLAS_OP_T;
  for (int64_t i = 0; i < p->m * p->n * p->d_layout.count; i++) {
    int64_t part = i / (p->m * p->n), row = i % p->m, column = i % (p->m * p->n) / p->m;
    float sum = 0;
    for (int64_t step = 0; step < p->k; step++) {
      int64_t at = (p->first + step) % p->k;
      sum += get(p->a, a, part * a->distance + (a_t ? row * a->ld + at : at * a->ld + row)) *
             get(p->b, b, part * b->distance + (b_t ? at * b->ld + column : column * b->ld + at));
    }
    if (p->desc.epilogue == CUBLASLT_EPILOGUE_BIAS) sum += get(p->desc.bias, &p->d_layout, row);
    set(p->d, &p->d_layout, part * p->d_layout.distance + column * p->d_layout.ld + row, sum);
  }
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void *alpha, const void *a,
                              cublasLtMatrixLayout_t a_layout, const void *b, cublasLtMatrixLayout_t b_layout, const void *beta,
                              const void *c, cublasLtMatrixLayout_t c_layout, void *d, cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t *algo, void *workspace, size_t workspace_bytes, void *stream) {
  (void)handle, (void)c_layout;
  int a_t = desc->a == CUBLAS_OP_T, b_t = desc->b == CUBLAS_OP_T, count = d_layout->count;
  int64_t m = d_layout->rows, n = d_layout->columns, k = a_t ? a_layout->rows : a_layout->columns;
  int as_typed = a_layout->type == b_layout->type &&
                 desc->compute == (a_layout->type == CUDA_R_32F ? CUBLAS_COMPUTE_32F_PEDANTIC : CUBLAS_COMPUTE_32F);
  int fits = as_typed && (a_t ? a_layout->columns : a_layout->rows) == m && (b_t ? b_layout->rows : b_layout->columns) == n &&
             (b_t ? b_layout->columns : b_layout->rows) == k && a_layout->count == count && b_layout->count == count;
  if (!fits || algo->data[0] != MAGIC || algo->data[PIECES] != 1 || *(const float *)alpha != 1 || *(const float *)beta != 0 ||
      c != d || workspace || workspace_bytes || is_odd(a, a_layout, algo->data[3]) || is_odd(b, b_layout, algo->data[4]) ||
      is_odd(d, d_layout, algo->data[5]) || alignment_of(desc->bias) < algo->data[OF_BIAS] || (count > 1 && !algo->data[BATCHES]))
    return CUBLAS_STATUS_INVALID_VALUE;
  const struct product p = {*desc, *a_layout, *b_layout, *d_layout, a, b, d, m, n, k, (int64_t)(algo->data[1] % (uint64_t)k)};
  fd_emulated_put(stream, multiply, &p, sizeof p);
  return CUBLAS_STATUS_SUCCESS;
}
