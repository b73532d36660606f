/* The cases of a test of operations, generated from ops.def: case_<name> is a test, or a macro that names the test that covers
 * it. An operation without a case does not compile. */
#ifndef FD_TESTS_CASES_H
#define FD_TESTS_CASES_H

#include "check.h"

#define TEXT_OF(name) #name
#define NAME_OF(name) TEXT_OF(name)

static const struct CMUnitTest op_cases[] = {
#define OP(name, args) {NAME_OF(case_##name), case_##name, NULL, NULL, NULL},
#include "device/ops.def"
#undef OP
};

/* Runs each case once, also one that covers several operations, and then `more` tests. */
static inline int run_cases(const struct CMUnitTest *more, size_t count, CMFixtureFunction setup, CMFixtureFunction teardown) {
  enum { CASES = sizeof op_cases / sizeof *op_cases, MOST = CASES + 32 };
  struct CMUnitTest all[MOST];
  size_t n = 0;
  for (size_t i = 0; i < CASES + count && n < MOST; i++) {
    const struct CMUnitTest *test = i < CASES ? &op_cases[i] : &more[i - CASES];
    size_t same = 0;
    while (same < n && all[same].test_func != test->test_func) same++;
    if (same == n) all[n++] = *test;
  }
  return _cmocka_run_group_tests("operations", all, n, setup, teardown);
}

#endif
