/* The index arithmetic of the kernels of the CUDA back end, exhaustively, against the tables of the PTX ISA. */
#include "check.h"

#include "cuda/fragment.h"
#include "cuda/gelu.h"

/* Compares with the tables of the PTX ISA (m16n8k16, .bf16), written out as there. */
static void fragments_are_those_of_the_instruction(void **state) {
  (void)state;
  for (int lane = 0; lane < 32; lane++) {
    int group = lane >> 2, in_group = lane % 4;
    for (int i = 0; i < 8; i++) {
      assert_int_equal(fd_a_row(lane, i), (0 <= i && i < 2) || (4 <= i && i < 6) ? group : group + 8);
      assert_int_equal(fd_a_k(lane, i), i < 4 ? in_group * 2 + (i & 1) : in_group * 2 + (i & 1) + 8);
      assert_int_equal(fd_a_row(lane, i), fd_c_row(lane, i % 4)); /* sums of 16 columns become A without a permutation */
      assert_int_equal(fd_a_k(lane, i), fd_c_column(lane, i % 4) + i / 4 * 8);
    }
    for (int i = 0; i < 4; i++) {
      assert_int_equal(fd_b_k(lane, i), i < 2 ? in_group * 2 + (i & 1) : in_group * 2 + (i & 1) + 8);
      assert_int_equal(fd_b_column(lane), group);
      assert_int_equal(fd_c_row(lane, i), i < 2 ? group : group + 8);
      assert_int_equal(fd_c_column(lane, i), in_group * 2 + (i & 1));
    }
  }
}

/* Every piece has a position of its own, and the eight that one matrix load reads at a time are in different banks. */
static void tiles_have_no_bank_conflicts(void **state) {
  (void)state;
  const int all_units[] = {4, 8, 16, 20, 40};
  for (int n = 0; n < 5; n++) {
    enum { ROWS = 128 };
    int units = all_units[n];
    char taken[ROWS * 40] = {0};
    for (int row = 0; row < ROWS; row++)
      for (int unit = 0; unit < units; unit++) {
        int at = fd_swizzle(row, unit, units);
        assert_true(at >= 0 && at < ROWS * units && !taken[at]++);
      }
    for (int row = 0; row < ROWS; row += 8)
      for (int unit = 0; unit < units; unit++) {
        int banks = 0;
        for (int i = 0; i < 8; i++) banks |= 1 << fd_swizzle(row + i, unit, units) % 8;
        assert_int_equal(banks, 0xff);
      }
  }
  for (int lane = 0; lane < 32; lane++) assert_int_equal(fd_load_unit(lane) * 16 + fd_load_row(lane), lane);
}

/* Sums on their way out: every column has a place of its own in its row; the pairs that half a warp stores of a fragment, and the
 * fours that eight lanes load of a row (of four columns each, or of eight in two loads), are in different banks. */
static void lines_of_sums_have_no_bank_conflicts(void **state) {
  (void)state;
  enum { COLUMNS = 320, LINE = COLUMNS + 8, BANKS = 32 };
  char taken[COLUMNS] = {0};
  for (int c = 0; c < COLUMNS; c++) {
    assert_true(fd_line_at(c) >= 0 && fd_line_at(c) < COLUMNS && !taken[fd_line_at(c)]++);
    if (c % 4) assert_int_equal(fd_line_at(c), fd_line_at(c - 1) + 1);
  }
  for (int column = 0; column < COLUMNS; column += 8)
    for (int half = 0; half < 2; half++) {
      int banks[BANKS] = {0};
      for (int lane = 16 * half; lane < 16 * half + 16; lane++)
        for (int e = 0; e < 2; e++)
          assert_int_equal(banks[(fd_c_row(lane, 0) * LINE + fd_line_at(column + fd_c_column(lane, 0)) + e) % BANKS]++, 0);
    }
  for (int each = 4; each <= 8; each += 4)
    for (int first = 0; first + 8 * each <= COLUMNS; first += 8 * each)
      for (int load = 0; load < each; load += 4) {
        int banks[BANKS] = {0};
        for (int lane = 0; lane < 8; lane++)
          for (int i = 0; i < 4; i++) assert_int_equal(banks[(fd_line_at(first + lane * each + load) + i) % BANKS]++, 0);
      }
}

/* All values in bf16 against the exact function: the errors that gelu.h states. */
static void short_gelu_is_good_enough_for_bf16(void **state) {
  (void)state;
  double worst = 0, worst_slope = 0, worst_part = 0;
  for (uint32_t bits = 0; bits < 1 << 16; bits++) {
    uint32_t word = bits << 16;
    float x, slope;
    memcpy(&x, &word, sizeof x);
    if (!isfinite(x)) continue;
    double cdf = 0.5 * erfc(-(double)x / sqrt(2)), density = exp(-0.5 * (double)x * (double)x) / sqrt(2 * 3.14159265358979323846),
           exact = (double)x * cdf, error = fabs((double)fd_short_gelu(x) - exact);
    assert_true(fd_short_gelu_slope(x, &slope) == fd_short_gelu(x));
    worst = fmax(worst, error), worst_slope = fmax(worst_slope, fabs((double)slope - (cdf + (double)x * density)));
    if (fabsf(x) < 0.5f && fabsf(x) > 1e-30f) worst_part = fmax(worst_part, error / fabs(exact));
    if (x > 5) assert_true(fd_short_gelu(x) == x && fabs((double)slope - 1) < 1e-4);
    if (x < -5) assert_true(fd_short_gelu(x) == 0);
  }
  printf("GELU in bf16: error %.2g, of the slope %.2g, of values below 1/2 %.2g of them\n", worst, worst_slope, worst_part);
  assert_true(worst < 5e-5 && worst_slope < 5e-5 && worst_part < 1.2e-4);
  assert_true(fd_short_gelu(0) == 0 && isnan(fd_short_gelu(NAN)));
}

/* Every weight has a position of its own, in the chunk of its hidden unit, where a descriptor of its 64 x 64 block finds it:
 * rows of 128 bytes, whose pieces of 16 bytes are permuted by the row's number (PTX ISA, "Swizzling modes"). */
static void tile_order_is_what_descriptors_read(void **state) {
  (void)state;
  enum { UNITS = 3 * FD_ORDER_UNITS, ALL = UNITS * FD_ORDER_CHANNELS };
  for (int units_are_rows = 0; units_are_rows < 2; units_are_rows++) {
    char *taken = calloc(ALL, 1);
    for (int unit = 0; unit < UNITS; unit++)
      for (int channel = 0; channel < FD_ORDER_CHANNELS; channel++) {
        int row = units_are_rows ? unit : channel, column = units_are_rows ? channel : unit;
        size_t at = fd_tile_order(row, column, units_are_rows), byte = (size_t)(row % 64 * 128 + column % 64 * 2);
        assert_true(at < ALL && !taken[at]++);
        assert_int_equal(at * 2, (size_t)(unit / 64) * 40960 + (size_t)(channel / 64) * 8192 + (byte ^ (byte / 128 % 8) * 16));
      }
    free(taken);
  }
  for (int block = 0; block < 227; block++)
    for (int k = 0; k < 64; k += 16)
      for (int t = 0; t < 2; t++)
        for (int on = 0; block + on < 227; on += 8)
          assert_true(fd_descriptor_on(fd_descriptor((uint32_t)block * 1024, 0, t), on * 1024 + k * (t ? 128 : 2)) ==
                      fd_descriptor((uint32_t)(block + on) * 1024, k, t));
}

/* A slot's phase alternates with each use, and the first parity is 0. */
static void ring_takes_turns(void **state) {
  (void)state;
  int uses[FD_RING_SLOTS] = {0};
  for (int step = 0; step < 100; step++) {
    int slot = fd_ring_slot(step);
    assert_true(slot >= 0 && slot < FD_RING_SLOTS);
    assert_int_equal(fd_ring_parity(step), uses[slot]++ % 2);
    for (int before = 1; before < FD_RING_SLOTS && before <= step; before++) assert_true(fd_ring_slot(step - before) != slot);
  }
}

static void chunks_cover_all_tokens(void **state) {
  (void)state;
  for (int rows = 1; rows < 300000; rows += 1 + rows / 50) {
    int chunk = fd_chunk_rows(rows), micro_batches = 1 << rows % 4;
    fd_chunking c = fd_chunking_of(micro_batches * rows, micro_batches, chunk);
    assert_true(chunk % FD_CHUNK_UNIT == 0 && chunk >= FD_CHUNK_MIN && c.count <= FD_CHUNKS_MAX);
    /* Chunks are consecutive, within one micro-batch, and full except for the last one of a micro-batch. */
    for (int i = 0; i < micro_batches * c.count; i++) {
      int begin = fd_chunk_begin(c, i), end = fd_chunk_end(c, i);
      assert_int_equal(begin, i ? fd_chunk_end(c, i - 1) : 0);
      assert_true(begin < end && begin / rows == (end - 1) / rows && (end - begin == chunk || end % rows == 0));
    }
    assert_int_equal(fd_chunk_end(c, micro_batches * c.count - 1), micro_batches * rows);
  }
  assert_int_equal(fd_chunk_rows(16160), 1024);
  assert_int_equal(fd_chunk_rows(129280), 4096);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fragments_are_those_of_the_instruction),
      cmocka_unit_test(tiles_have_no_bank_conflicts),
      cmocka_unit_test(lines_of_sums_have_no_bank_conflicts),
      cmocka_unit_test(short_gelu_is_good_enough_for_bf16),
      cmocka_unit_test(tile_order_is_what_descriptors_read),
      cmocka_unit_test(ring_takes_turns),
      cmocka_unit_test(chunks_cover_all_tokens),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
