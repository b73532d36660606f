/* The safetensors reader and writer: round trips, known bytes, and inconsistent files. */
#include "check.h"
#include "scratch.h"

#include <unistd.h>

#include "output/safetensors.h"

/* A file in memory: the header's length, the header, `bytes` of data counting up from 0. */
static char *compose(const char *header, size_t bytes, size_t *size) {
  size_t length = strlen(header);
  char *file = malloc(8 + length + bytes + 1);
  for (int i = 0; i < 8; i++) file[i] = (char)((uint64_t)length >> (8 * i) & 255);
  memcpy(file + 8, header, length);
  for (size_t i = 0; i < bytes; i++) file[8 + length + i] = (char)i;
  *size = 8 + length + bytes;
  return file;
}

static fd_status parse(const char *header, size_t bytes) {
  fd_safetensors file;
  size_t size;
  char *text = compose(header, bytes, &size);
  fd_status status = fd_safetensors_parse(text, size, "test", &file);
  if (status == FD_OK) fd_safetensors_free(&file);
  else assert_null(file.buffer);
  return status;
}

static void write_read(void **state) {
  (void)state;
  char path[FD_PATH_MAX];
  float matrix[6] = {1, 2, 3, -4, 5.5f, NAN}, vector[2] = {7, 8};
  double scalar = 3.25;
  uint8_t bytes[8] = {1, 2, 3, 4, 5, 6, 7, 255};
  int64_t whole[1] = {-9};
  fd_tensor t[] = {fd_tensor_f32("encoder.0.fc1.weight", 2, 3, matrix),
                   fd_tensor_f32("µ \"quoted\"", 2, 0, vector),
                   {.name = "scalar", .dtype = "F64", .data = &scalar, .bytes = 8},
                   {.name = "whole", .dtype = "I64", .dims = 1, .shape = {1}, .data = whole, .bytes = 8},
                   {.name = "none", .dtype = "F32", .dims = 2, .shape = {0, 5}, .data = matrix, .bytes = 0},
                   {.name = "bytes", .dtype = "U8", .dims = 3, .shape = {2, 2, 2}, .data = bytes, .bytes = 8}};
  enum { COUNT = sizeof t / sizeof *t };
  fd_safetensors file;
  assert_ok(fd_path(path, folder, "a.safetensors", NULL));
  assert_ok(fd_safetensors_write(path, t, COUNT));
  assert_ok(fd_safetensors_read(path, &file));
  assert_int_equal(file.count, COUNT);
  for (int i = 0; i < COUNT; i++) {
    const fd_tensor *r = fd_safetensors_find(&file, t[i].name);
    assert_non_null(r);
    assert_string_equal(r->dtype, t[i].dtype);
    assert_int_equal(r->dims, t[i].dims);
    for (int d = 0; d < r->dims; d++) assert_int_equal(r->shape[d], t[i].shape[d]);
    assert_int_equal(r->bytes, t[i].bytes);
    if (r->bytes) assert_memory_equal(r->data, t[i].data, r->bytes);
    assert_int_equal((uintptr_t)r->data % 4, 0);
  }
  assert_null(fd_safetensors_find(&file, "absent"));
  fd_safetensors_free(&file);
}

static void header_bytes(void **state) {
  (void)state;
  float x[2] = {0, 0};
  fd_tensor t = fd_tensor_f32("w", 2, 0, x);
  const char expected[] = "{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
  char *header;
  size_t bytes;
  assert_ok(fd_safetensors_header(&t, 1, &header, &bytes));
  assert_int_equal(bytes % 8, 0);
  assert_int_equal((unsigned char)header[0], bytes - 8);
  assert_memory_equal(header + 1, "\0\0\0\0\0\0\0", 7);
  assert_memory_equal(header + 8, expected, strlen(expected));
  for (size_t i = 8 + strlen(expected); i < bytes; i++) assert_int_equal(header[i], ' ');
  free(header);
  fd_tensor twice[2] = {t, t};
  assert_int_equal(fd_safetensors_header(twice, 2, &header, &bytes), FD_BUG);
  t.bytes = 4;
  assert_int_equal(fd_safetensors_header(&t, 1, &header, &bytes), FD_BUG);
}

static void others_files(void **state) {
  (void)state;
  fd_safetensors file;
  size_t size;
  /* As other programs write it: metadata, a different order of keys, a header length that is not a multiple of 8. */
  char *text = compose(
      "{\"__metadata__\":{\"format\":\"pt\"}, \"b\":{\"data_offsets\":[8,10],\"shape\":[1],\"dtype\":\"F16\"},"
      "\"a\":{\"shape\":[1,2],\"data_offsets\":[0,8],\"dtype\":\"F32\"}} ",
      10, &size);
  assert_int_not_equal((size - 10) % 8, 0);
  assert_ok(fd_safetensors_parse(text, size, "test", &file));
  assert_int_equal(file.count, 2);
  assert_string_equal(file.tensor[0].name, "a");
  assert_int_equal((uintptr_t)file.tensor[0].data % 4, 0);
  assert_memory_equal(file.tensor[0].data, "\0\1\2\3\4\5\6\7", 8);
  assert_memory_equal(fd_safetensors_find(&file, "b")->data, "\10\11", 2);
  fd_safetensors_free(&file);
  assert_ok(parse("{}", 0));
}

static void refuses_headers(void **state) {
  (void)state;
  static const char *const bad[] = {
      "[]",
      "1",
      "{",
      "{\"a\":1}",
      "{\"a\":{}}",
      "not json",
      "{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}",                                       /* no dtype */
      "{\"a\":{\"dtype\":\"F33\",\"shape\":[2],\"data_offsets\":[0,8]}}",                     /* unknown dtype */
      "{\"a\":{\"dtype\":4,\"shape\":[2],\"data_offsets\":[0,8]}}",                           /* dtype not text */
      "{\"a\":{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}}",                       /* shape not a list */
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}",                    /* negative */
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}",                   /* not an integer */
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,2],\"data_offsets\":[0,8]}}",             /* five dimensions */
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,8]}}", /* product overflows to 0 */
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}",
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", /* reversed */
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}",
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,16]}}", /* beyond the end */
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}",  /* span contradicts shape */
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",  /* trailing bytes */
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",  /* gap before the data */
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":["
      "4,8]}}", /* overlap */
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":["
      "0,8]}}", /* twice */
      "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[5,"
      "8]},"
      "\"c\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[1,5]}}", /* not aligned to its type */
      "{\"\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
      "{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "aaaaaaaaaaaaaaa\":"
      "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}"};
  assert_ok(parse("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8));
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (parse(bad[i], 8) != FD_DATA) fail_msg("accepted: %s", bad[i]);
}

static void refuses_lengths(void **state) {
  (void)state;
  static const uint64_t lengths[] = {UINT64_MAX, UINT64_MAX - 7, 1ull << 63, 100000001, 4096, 57};
  const char header[] = "{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}";
  fd_safetensors file;
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    size_t size;
    char *text = compose(header, 8, &size);
    if (lengths[i] == strlen(header)) continue;
    for (int k = 0; k < 8; k++) text[k] = (char)(lengths[i] >> (8 * k) & 255);
    assert_int_equal(fd_safetensors_parse(text, size, "test", &file), FD_DATA);
  }
}

/* Every truncation is refused; every flipped byte of the header is refused or read, without reading out of bounds. */
static void survives_damage(void **state) {
  (void)state;
  const char header[] =
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":["
      "8,9]}}";
  fd_safetensors file;
  size_t size, n = 8 + strlen(header) + 9;
  for (size_t keep = 0; keep < n; keep++) {
    char *whole = compose(header, 9, &size), *cut = malloc(keep + 1);
    memcpy(cut, whole, keep);
    free(whole);
    assert_int_equal(fd_safetensors_parse(cut, keep, "test", &file), FD_DATA);
  }
  for (size_t i = 0; i < 8 + strlen(header); i++)
    for (int bit = 0; bit < 8; bit++) {
      char *text = compose(header, 9, &size);
      text[i] = (char)(text[i] ^ 1 << bit);
      fd_status status = fd_safetensors_parse(text, size, "test", &file);
      assert_true(status == FD_OK || status == FD_DATA);
      if (status == FD_OK) fd_safetensors_free(&file);
    }
}

static void refuses_files(void **state) {
  (void)state;
  char path[FD_PATH_MAX];
  float x = 1;
  fd_tensor t = fd_tensor_f32("x", 1, 0, &x);
  fd_safetensors file;
  assert_ok(fd_path(path, folder, "absent.safetensors", NULL));
  assert_int_equal(fd_safetensors_read(path, &file), FD_MISSING);
  assert_int_equal(fd_safetensors_read(folder, &file), FD_DATA);
  assert_ok(fd_path(path, folder, "absent", "a.safetensors"));
  assert_int_equal(fd_safetensors_write(path, &t, 1), FD_MISSING);
  assert_int_equal(fd_safetensors_write("/dev/full/a", &t, 1), FD_MISSING);
}

/* Every fp16 and bf16 number: its value by definition. */
static void halves_are_widened_exactly(void **state) {
  (void)state;
  enum { ALL = 1 << 16 };
  static uint16_t bits[ALL];
  static float value[ALL];
  for (int i = 0; i < ALL; i++) bits[i] = (uint16_t)i;
  const fd_tensor half = {.dtype = "F16", .dims = 1, .shape = {ALL}, .data = bits, .bytes = sizeof bits};
  fd_tensor other = half;
  assert_int_equal(fd_tensor_floats(&half, value), 1);
  for (int i = 0; i < ALL; i++) {
    int exponent = i >> 10 & 31, mantissa = i & 1023;
    double want = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
    if (exponent == 31) want = mantissa ? NAN : INFINITY;
    assert_true(isnan(want) ? isnan(value[i]) : (double)value[i] == (i >> 15 ? -want : want));
    assert_int_equal(signbit(value[i]) != 0, i >> 15);
  }
  snprintf(other.dtype, sizeof other.dtype, "BF16");
  assert_int_equal(fd_tensor_floats(&other, value), 1);
  for (int i = 0; i < ALL; i++) {
    int exponent = i >> 7 & 255, mantissa = i & 127;
    double want = exponent ? ldexp(128 + mantissa, exponent - 134) : ldexp(mantissa, -133);
    if (exponent == 255) want = mantissa ? NAN : INFINITY;
    assert_true(isnan(want) ? isnan(value[i]) : (double)value[i] == (i >> 15 ? -want : want));
    assert_int_equal(signbit(value[i]) != 0, i >> 15);
  }
  for (const char *const *type = (const char *const[]){"F64", "I64", "U8", "I16", NULL}; *type; type++) {
    snprintf(other.dtype, sizeof other.dtype, "%s", *type);
    assert_int_equal(fd_tensor_floats(&other, value), 0);
  }
}

/* Every value of a 16-bit type converts to fp32 and back to the same bits; values that it cannot represent are reported. */
static void halves_are_narrowed_exactly(void **state) {
  (void)state;
  const char *const types[] = {"F16", "BF16"};
  for (int type = 0; type < 2; type++)
    for (int i = 0; i < 1 << 16; i++) {
      uint16_t bits = (uint16_t)i, again;
      float value, between;
      fd_tensor t = {.dims = 1, .shape = {1}, .data = &bits, .bytes = sizeof bits};
      snprintf(t.dtype, sizeof t.dtype, "%s", types[type]);
      assert_int_equal(fd_tensor_floats(&t, &value), 1);
      if (!isfinite(value)) continue;
      assert_int_equal(fd_tensor_halves(types[type], 1, &value, &again), 1);
      assert_int_equal(again, bits);
      between = nextafterf(value, i & 1 ? INFINITY : -INFINITY);
      assert_int_equal(fd_tensor_halves(types[type], 1, &between, &again), 0);
    }
  const float large[] = {65504, 65536, 1e30f, INFINITY, NAN}, exact = 1;
  uint16_t half;
  for (int i = 0; i < 5; i++) assert_int_equal(fd_tensor_halves("F16", 1, &large[i], &half), i == 0);
  assert_int_equal(fd_tensor_halves("F16", 1, &exact, &half), 1);
  assert_int_equal(half, 0x3c00);
}

/* A listing has everything except the data, which are read tensor by tensor. */
static void lists_without_data(void **state) {
  (void)state;
  char path[FD_PATH_MAX];
  float matrix[6] = {1, 2, 3, -4, 5.5f, 6}, vector[2] = {7, 8}, read[6];
  uint16_t half[2] = {0x3c00, 0xc000};
  int64_t whole[1] = {-9};
  fd_tensor t[] = {{.name = "whole", .dtype = "I64", .dims = 1, .shape = {1}, .data = whole, .bytes = 8},
                   fd_tensor_f32("matrix", 2, 3, matrix),
                   fd_tensor_f32("vector", 2, 0, vector),
                   {.name = "half", .dtype = "F16", .dims = 1, .shape = {2}, .data = half, .bytes = 4}};
  fd_safetensors file, all;
  assert_ok(fd_path(path, folder, "list.safetensors", NULL));
  assert_ok(fd_safetensors_write_for(path, t, 4, "pt"));
  assert_ok(fd_safetensors_list(path, &file));
  assert_ok(fd_safetensors_read(path, &all));
  assert_int_equal(file.count, 4);
  for (int i = 0; i < 4; i++) {
    assert_string_equal(file.tensor[i].name, t[i].name);
    assert_null(file.tensor[i].data);
    assert_int_equal(file.tensor[i].place, all.tensor[i].place);
  }
  assert_ok(fd_safetensors_floats(path, &file.tensor[1], read));
  assert_memory_equal(read, matrix, sizeof matrix);
  assert_ok(fd_safetensors_floats(path, &file.tensor[3], read));
  assert_true(read[0] > 0.99f && read[0] < 1.01f && read[1] < -1.99f && read[1] > -2.01f);
  assert_int_equal(fd_safetensors_floats(path, &file.tensor[0], read), FD_DATA);
  assert_int_equal(truncate(path, (off_t)file.tensor[3].place + 2), 0);
  assert_int_equal(fd_safetensors_floats(path, &file.tensor[3], read), FD_IO);
  fd_safetensors_free(&file);
  assert_int_equal(fd_safetensors_list(path, &file), FD_DATA);
  assert_int_equal(truncate(path, 5), 0);
  assert_int_equal(fd_safetensors_list(path, &file), FD_DATA);
  assert_int_equal(fd_safetensors_list("/absent", &file), FD_MISSING);
  fd_safetensors_free(&all);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(write_read),
      cmocka_unit_test(header_bytes),
      cmocka_unit_test(others_files),
      cmocka_unit_test(refuses_headers),
      cmocka_unit_test(refuses_lengths),
      cmocka_unit_test(survives_damage),
      cmocka_unit_test(refuses_files),
      cmocka_unit_test(halves_are_widened_exactly),
      cmocka_unit_test(halves_are_narrowed_exactly),
      cmocka_unit_test(lists_without_data),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
