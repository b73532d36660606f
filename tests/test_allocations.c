/* The memory of training: a step allocates nothing, and what a run will take is known before it begins. */
#include "check.h"

#include "small_run.h"
#include "train/memory.h"

/* Counts the allocations of the program, and the bytes of those by fd_alloc. The sanitizers have their own allocator. */
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include <stdatomic.h>
#define COUNTS_ALLOCATIONS 1
static atomic_int allocations;
static atomic_size_t allocated;
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *block, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
void *malloc(size_t bytes) {
  allocations++;
  return __libc_malloc(bytes);
}
void *calloc(size_t count, size_t bytes) {
  allocations++;
  return __libc_calloc(count, bytes);
}
void *realloc(void *block, size_t bytes) {
  allocations++;
  return __libc_realloc(block, bytes);
}
void *aligned_alloc(size_t alignment, size_t bytes) {
  allocations++;
  allocated += bytes;
  return __libc_memalign(alignment, bytes);
}
#else
#define COUNTS_ALLOCATIONS 0
static int allocations;
static size_t allocated;
#endif

static void a_step_allocates_nothing(void **state) {
  (void)state;
  if (!COUNTS_ALLOCATIONS) {
    printf("skipped - allocations in a step: AddressSanitizer has its own allocator\n");
    skip();
  }
  fd_windows windows = many_windows(40, 50);
  small_run r = {.config = busy_config()};
  fd_step step;
  open_run(&r, &windows);
  for (int i = 0; i < 3; i++) assert_ok(fd_trainer_step(r.trainer, &step));
  int before = allocations;
  assert_true(before > 100); /* the counter works */
  for (int i = 0; i < 9; i++) assert_ok(fd_trainer_step(r.trainer, &step));
  assert_int_equal(allocations, before);
  close_run(&r);
  free(windows.symbols);
}

/* What doctor says before a run: what arrays and passes take, and the kernels' memory for rows, which the first step allocates.
 */
static void memory_is_foreseen(void **state) {
  (void)state;
  enum { THREADS_AND_WEIGHTS = 4 << 20 };
  if (!COUNTS_ALLOCATIONS) skip();
  fd_windows windows = many_windows(40, 2000);
  small_run r = {.config = busy_config()};
  r.config.train.virtual_ranks = 1;
  fd_step step;
  open_run(&r, &windows);
  size_t before = allocated;
  assert_ok(fd_trainer_step(r.trainer, &step));
  size_t used = allocated - before + r.trainer->student->plan.bytes + r.trainer->teacher->plan.bytes;
  for (int i = 0; i < FD_ARRAYS; i++) used += r.state->size[i] * sizeof(float);
  int rows = (int)r.config.train.batch * (windows.length + (int)r.config.model.cls);
  size_t foreseen = fd_trainer_memory(&r.config, r.network, r.dev->form, 0, 1, rows, 1);
  if (used > foreseen + THREADS_AND_WEIGHTS || foreseen > 2 * used)
    fail_msg("%zu bytes were foreseen, %zu are used", foreseen, used);
  close_run(&r);
  free(windows.symbols);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_step_allocates_nothing), cmocka_unit_test(memory_is_foreseen)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
