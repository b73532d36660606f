/* libFuzzer's entry: TARGET in the environment names the target. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *target;
  if (!target) EXPECT(target = getenv("TARGET"));
  EXPECT(fuzz_run(target, data, size));
  return 0;
}
