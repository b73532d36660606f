/* Included by all test programs: cmocka and helpers. */
#ifndef FD_TESTS_CHECK_H
#define FD_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>

/* Fails the test unless the call returns FD_OK. */
#define assert_ok(call) assert_int_equal((call), 0)

/* Fails unless |a - b| <= bound. */
#define assert_near(a, b, bound)                                                               \
  do {                                                                                         \
    double near_a_ = (a), near_b_ = (b);                                                       \
    if (!(fabs(near_a_ - near_b_) <= (bound)))                                                 \
      fail_msg("%s = %.9g, expected %.9g within %.3g", #a, near_a_, near_b_, (double)(bound)); \
  } while (0)

#define RUN_TESTS(tests) \
  int main(void) { return cmocka_run_group_tests(tests, NULL, NULL); }

/* The log of the odds of a class against the others, from logits, whose order is that of the class's probability. Among infinite
 * logits, equal ones leave even odds. */
static inline double odds_of(const double *z, int classes, int class) {
  double most = -INFINITY, rest = 0;
  for (int c = 0; c < classes; c++)
    if (c != class && z[c] > most) most = z[c];
  if (isinf(most)) return z[class] > most ? INFINITY : z[class] < most ? -INFINITY : 0;
  for (int c = 0; c < classes; c++)
    if (c != class) rest += exp(z[c] - most);
  return z[class] - most - log(rest);
}

#endif
