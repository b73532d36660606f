/* Products by cuBLASLt. One algorithm serves a shape whatever the number of rows, does not split the sum over k and uses no
 * workspace, so that a row's bits depend on no other row. */
#include "cuda/blas.h"

#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <new>

#include "cuda/matrix.h"

#ifndef __CUDACC__
#define FD_HAVE_BLAS 1
#define FD_BLAS "libfake_cublasLt.so" /* the real one needs a GPU */
#include "cuda/emulate_blas.h"
#elif __has_include(<cublasLt.h>)
#include <cublasLt.h>
#define FD_HAVE_BLAS 1
#define FD_TEXT_OF(x) #x
#define FD_VERSIONED(x) "libcublasLt.so." FD_TEXT_OF(x)
#define FD_BLAS FD_VERSIONED(CUBLAS_VER_MAJOR)
#endif

#ifdef FD_HAVE_BLAS

/* The library's functions, by name. */
#define FUNCTIONS(X)                      \
  X(cublasLtGetVersion)                   \
  X(cublasLtGetStatusString)              \
  X(cublasLtCreate)                       \
  X(cublasLtDestroy)                      \
  X(cublasLtMatmulDescCreate)             \
  X(cublasLtMatmulDescDestroy)            \
  X(cublasLtMatmulDescSetAttribute)       \
  X(cublasLtMatrixLayoutCreate)           \
  X(cublasLtMatrixLayoutDestroy)          \
  X(cublasLtMatrixLayoutSetAttribute)     \
  X(cublasLtMatmulPreferenceCreate)       \
  X(cublasLtMatmulPreferenceDestroy)      \
  X(cublasLtMatmulPreferenceSetAttribute) \
  X(cublasLtMatmulAlgoGetHeuristic)       \
  X(cublasLtMatmulAlgoConfigGetAttribute) \
  X(cublasLtMatmulAlgoCapGetAttribute)    \
  X(cublasLtMatmul)

/* What an algorithm is chosen for: the columns, whichever of rows and k does not vary with the number of rows in a pass, types,
 * and the alignment of rows and of the bias (0: none), which doesn't vary either. */
struct form_of_product {
  int columns, other, a_t, b_t;
  fd_type type_a, type_b, type_c;
  uint32_t aligned_a, aligned_b, aligned_c, aligned_bias;
};

struct chosen {
  form_of_product form;
  cublasLtMatmulAlgo_t algorithm;
};

struct fd_blas {
#define POINTER(name) decltype(&::name) name;
  FUNCTIONS(POINTER)
#undef POINTER
  void *library;
  cublasLtHandle_t handle;
  std::vector<chosen> algorithms;
};

namespace {

enum {
  MULTIPLE = 16 /* of columns */,
  CANDIDATES = 16,
  REFERENCE = 8192 /* rows for which algorithms are chosen */
};

/* The descriptors of a call. The library's matrices are column-major, ours row-major: its first operand is b, its second a. */
struct description {
  cublasLtMatmulDesc_t product;
  cublasLtMatrixLayout_t b, a, c;
};

cudaDataType type_of(fd_type type) { return type == FD_BF16 ? CUDA_R_16BF : CUDA_R_32F; }

cublasStatus_t describe_matrix(const fd_blas *blas, fd_mat m, int rows, int columns, int count, cublasLtMatrixLayout_t *layout) {
  int64_t distance = (int64_t)rows * m.stride;
  cublasStatus_t status =
      blas->cublasLtMatrixLayoutCreate(layout, type_of(m.type), (uint64_t)columns, (uint64_t)rows, (int64_t)m.stride);
  if (status == CUBLAS_STATUS_SUCCESS && count > 1)
    status = blas->cublasLtMatrixLayoutSetAttribute(*layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count);
  if (status == CUBLAS_STATUS_SUCCESS && count > 1)
    status =
        blas->cublasLtMatrixLayoutSetAttribute(*layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &distance, sizeof distance);
  return status;
}

cublasStatus_t describe(const fd_blas *blas, const fd_blas_product &p, description *d) {
  cublasOperation_t a = p.a_t ? CUBLAS_OP_T : CUBLAS_OP_N, b = p.b_t ? CUBLAS_OP_N : CUBLAS_OP_T;
  uint32_t epilogue = CUBLASLT_EPILOGUE_BIAS;
  /* for fp32 neither TF32 nor other shortcuts */
  cublasComputeType_t compute = p.a.type == FD_FP32 ? CUBLAS_COMPUTE_32F_PEDANTIC : CUBLAS_COMPUTE_32F;
  cublasStatus_t status = blas->cublasLtMatmulDescCreate(&d->product, compute, CUDA_R_32F);
  if (status == CUBLAS_STATUS_SUCCESS)
    status = blas->cublasLtMatmulDescSetAttribute(d->product, CUBLASLT_MATMUL_DESC_TRANSA, &b, sizeof b);
  if (status == CUBLAS_STATUS_SUCCESS)
    status = blas->cublasLtMatmulDescSetAttribute(d->product, CUBLASLT_MATMUL_DESC_TRANSB, &a, sizeof a);
  if (status == CUBLAS_STATUS_SUCCESS && p.bias)
    status = blas->cublasLtMatmulDescSetAttribute(d->product, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue);
  if (status == CUBLAS_STATUS_SUCCESS && p.bias)
    status = blas->cublasLtMatmulDescSetAttribute(d->product, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &p.bias, sizeof p.bias);
  if (status == CUBLAS_STATUS_SUCCESS)
    status = describe_matrix(blas, p.b, p.b_t ? p.depth : p.columns, p.b_t ? p.columns : p.depth, p.count, &d->b);
  if (status == CUBLAS_STATUS_SUCCESS)
    status = describe_matrix(blas, p.a, p.a_t ? p.depth : p.rows, p.a_t ? p.rows : p.depth, p.count, &d->a);
  return status == CUBLAS_STATUS_SUCCESS ? describe_matrix(blas, p.c, p.rows, p.columns, p.count, &d->c) : status;
}

void forget(const fd_blas *blas, description *d) {
  if (d->product) blas->cublasLtMatmulDescDestroy(d->product);
  for (cublasLtMatrixLayout_t layout : {d->a, d->b, d->c})
    if (layout) blas->cublasLtMatrixLayoutDestroy(layout);
}

/* Bytes to which an address and a distance are aligned, up to 16: parameters in fp32 may begin anywhere. */
uint32_t alignment_of(const void *at, size_t distance) {
  uintptr_t bits = (uintptr_t)at | (uintptr_t)distance | 16;
  return (uint32_t)(bits & -bits);
}

uint32_t alignment_of(fd_mat m) { return alignment_of(m.at, (size_t)m.stride * (m.type == FD_BF16 ? 2 : 4)); }

/* No workspace, no sum in several pieces, operands aligned as those of the product. */
cublasStatus_t prefer(const fd_blas *blas, const form_of_product &wanted, cublasLtMatmulPreference_t *preference) {
  uint64_t workspace = 0;
  uint32_t reduction = CUBLASLT_REDUCTION_SCHEME_NONE;
  const struct {
    cublasLtMatmulPreferenceAttributes_t which;
    uint32_t bytes;
  } aligned[] = {{CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, wanted.aligned_b}, /* the library's first operand is b */
                 {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, wanted.aligned_a},
                 {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, wanted.aligned_c},
                 {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, wanted.aligned_c}};
  cublasStatus_t status = blas->cublasLtMatmulPreferenceCreate(preference);
  if (status == CUBLAS_STATUS_SUCCESS)
    status = blas->cublasLtMatmulPreferenceSetAttribute(*preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace,
                                                        sizeof workspace);
  if (status == CUBLAS_STATUS_SUCCESS)
    status = blas->cublasLtMatmulPreferenceSetAttribute(*preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reduction,
                                                        sizeof reduction);
  for (const auto &operand : aligned)
    if (status == CUBLAS_STATUS_SUCCESS)
      status = blas->cublasLtMatmulPreferenceSetAttribute(*preference, operand.which, &operand.bytes, sizeof operand.bytes);
  return status;
}

/* The library's first proposal that sums over k in one piece (no split-K), needs no workspace and takes several products at once:
 * it is chosen for one of them. */
cublasStatus_t first_whole(const fd_blas *blas, const description &d, cublasLtMatmulPreference_t preference,
                           cublasLtMatmulAlgo_t *algorithm) {
  cublasLtMatmulHeuristicResult_t found[CANDIDATES];
  int count = 0;
  cublasStatus_t status =
      blas->cublasLtMatmulAlgoGetHeuristic(blas->handle, d.product, d.b, d.a, d.c, d.c, preference, CANDIDATES, found, &count);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  for (int i = 0; i < count; i++) {
    int32_t pieces = 0, batches = 0;
    status =
        blas->cublasLtMatmulAlgoConfigGetAttribute(&found[i].algo, CUBLASLT_ALGO_CONFIG_SPLITK_NUM, &pieces, sizeof pieces, NULL);
    if (status == CUBLAS_STATUS_SUCCESS)
      status = blas->cublasLtMatmulAlgoCapGetAttribute(&found[i].algo, CUBLASLT_ALGO_CAP_STRIDED_BATCH_SUPPORT, &batches,
                                                       sizeof batches, NULL);
    if (status != CUBLAS_STATUS_SUCCESS) return status;
    if (found[i].state != CUBLAS_STATUS_SUCCESS || pieces > 1 || !batches || found[i].workspaceSize) continue;
    *algorithm = found[i].algo;
    return CUBLAS_STATUS_SUCCESS;
  }
  return CUBLAS_STATUS_NOT_SUPPORTED;
}

/* The one algorithm of a shape, chosen for REFERENCE rows of one micro-batch; if both operands are transposed, k is the number of
 * rows. The library takes the alignment of the bias from its address, so that an algorithm serves only biases aligned alike. */
cublasStatus_t choose(fd_blas *blas, const fd_blas_product &p, cublasLtMatmulAlgo_t *algorithm) {
  int rows_are_k = p.a_t && p.b_t;
  const form_of_product wanted = {p.columns,
                                  rows_are_k ? p.rows : p.depth,
                                  p.a_t,
                                  p.b_t,
                                  p.a.type,
                                  p.b.type,
                                  p.c.type,
                                  alignment_of(p.a),
                                  alignment_of(p.b),
                                  alignment_of(p.c),
                                  p.bias ? alignment_of(p.bias, 0) : 0};
  static_assert(sizeof wanted == 11 * sizeof(int), "memcmp compares padding otherwise");
  for (const chosen &c : blas->algorithms)
    if (!memcmp(&c.form, &wanted, sizeof wanted)) return *algorithm = c.algorithm, CUBLAS_STATUS_SUCCESS;
  fd_blas_product reference = p;
  (rows_are_k ? reference.depth : reference.rows) = REFERENCE, reference.count = 1;
  description d = {};
  cublasLtMatmulPreference_t preference = NULL;
  cublasStatus_t status = describe(blas, reference, &d);
  if (status == CUBLAS_STATUS_SUCCESS) status = prefer(blas, wanted, &preference);
  if (status == CUBLAS_STATUS_SUCCESS) status = first_whole(blas, d, preference, algorithm);
  if (preference) blas->cublasLtMatmulPreferenceDestroy(preference);
  forget(blas, &d);
  if (status == CUBLAS_STATUS_SUCCESS) blas->algorithms.push_back({wanted, *algorithm});
  return status;
}

/* Returns NULL, and the reason in *why, if the library cannot be used. */
fd_blas *load(const char **why) {
  fd_blas *blas = new (std::nothrow) fd_blas();
  *why = "out of memory";
  if (!blas) return NULL;
  blas->library = dlopen(FD_BLAS, RTLD_NOW | RTLD_LOCAL);
  *why = blas->library ? NULL : FD_BLAS " cannot be loaded";
#define FIND(name)                                                                     \
  if (blas->library && !(blas->name = (decltype(&::name))dlsym(blas->library, #name))) \
    *why = FD_BLAS " is too old: it lacks " #name;
  FUNCTIONS(FIND)
#undef FIND
  if (!*why && blas->cublasLtCreate(&blas->handle) != CUBLAS_STATUS_SUCCESS) *why = FD_BLAS " cannot be initialized";
  if (!*why) return blas;
  if (blas->library) dlclose(blas->library);
  delete blas;
  return NULL;
}

}  // namespace

fd_status fd_blas_open(fd_cuda *cuda) {
  const char *why;
  cuda->blas = load(&why);
  if (!cuda->blas) return cuda->host->fail(FD_GPU, "FINDNA_PRODUCTS=library: %s", why);
  size_t used = strlen(cuda->kernels);
  snprintf(cuda->kernels + used, sizeof cuda->kernels - used, ", cuBLASLt %zu", cuda->blas->cublasLtGetVersion());
  return FD_OK;
}

void fd_blas_close(fd_cuda *cuda) {
  if (!cuda->blas) return;
  cuda->blas->cublasLtDestroy(cuda->blas->handle);
  dlclose(cuda->blas->library);
  delete cuda->blas;
  cuda->blas = NULL;
}

int fd_blas_takes(const fd_cuda *cuda, int in, int out, fd_mat x) {
  return cuda->blas && x.type == cuda->device.form.type && in % MULTIPLE == 0 && out % MULTIPLE == 0;
}

void fd_blas_multiply(fd_cuda *cuda, const fd_blas_product &p) {
  const float one = 1, zero = 0;
  fd_blas *blas = cuda->blas;
  description d = {};
  cublasLtMatmulAlgo_t algorithm;
  if (cuda->failed != FD_OK || !p.rows || !p.depth) return;
  if (cuda->times) fd_times_begin(cuda, cuda->stream, NULL, "cublasLtMatmul");
  cublasStatus_t status = choose(blas, p, &algorithm);
  if (status == CUBLAS_STATUS_SUCCESS) status = describe(blas, p, &d);
  if (status == CUBLAS_STATUS_SUCCESS)
    status = blas->cublasLtMatmul(blas->handle, d.product, &one, p.b.at, d.b, p.a.at, d.a, &zero, p.c.at, d.c, p.c.at, d.c,
                                  &algorithm, NULL, 0, cuda->stream);
  forget(blas, &d);
  if (cuda->times) fd_times_end(cuda, cuda->stream);
  if (status == CUBLAS_STATUS_SUCCESS) return;
  cuda->failed =
      cuda->host->fail(FD_GPU,
                       "%s: cuBLASLt has no algorithm for %d rows, %d columns and %d terms in which a row's bits depend on "
                       "no other row: %s (set another FINDNA_PRODUCTS)",
                       cuda->name, p.rows, p.columns, p.depth, blas->cublasLtGetStatusString(status));
}

#else

fd_status fd_blas_open(fd_cuda *cuda) {
  return cuda->host->fail(FD_GPU, "FINDNA_PRODUCTS=library: this plugin was built without cublasLt.h");
}
void fd_blas_close(fd_cuda *) {}
int fd_blas_takes(const fd_cuda *, int, int, fd_mat) { return 0; }
void fd_blas_multiply(fd_cuda *, const fd_blas_product &) {}

#endif
