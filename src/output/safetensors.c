/* Reads and writes the safetensors format: 8 bytes of length, a JSON header, then the data. */
#include "output/safetensors.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/output.h"

/* HEADER_LIMIT in bytes: parsed JSON takes tens of times the memory of its text. */
enum { HEADER_LIMIT = 10 * 1000 * 1000, FILE_LIMIT_SHIFT = 40, LENGTH_BYTES = 8, ALIGNMENT = 8 };

/* Bytes of an element of a type; 0 for an unknown type. */
static size_t element_bytes(const char *dtype) {
  static const struct {
    const char *name;
    size_t bytes;
  } types[] = {{"F32", 4}, {"F64", 8}, {"U8", 1},  {"I64", 8}, {"U64", 8}, {"F16", 2}, {"BF16", 2},
               {"I32", 4}, {"U32", 4}, {"I16", 2}, {"U16", 2}, {"I8", 1},  {"BOOL", 1}};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (!strcmp(types[i].name, dtype)) return types[i].bytes;
  return 0;
}

static uint64_t read_length(const char *buffer) {
  uint64_t n = 0;
  for (int i = 0; i < LENGTH_BYTES; i++) n |= (uint64_t)(unsigned char)buffer[i] << (8 * i);
  return n;
}

/* Takes the shape and computes the bytes; returns 0 unless it is a list of up to FD_TENSOR_DIMS sizes whose product fits. */
static int take_shape(json_t *shape, size_t element, fd_tensor *t) {
  int64_t bytes = (int64_t)element;
  if (!json_is_array(shape) || json_array_size(shape) > FD_TENSOR_DIMS) return 0;
  t->dims = (int)json_array_size(shape);
  for (int i = 0; i < t->dims; i++) {
    json_t *size = json_array_get(shape, (size_t)i);
    t->shape[i] = json_integer_value(size);
    if (!json_is_integer(size) || !fd_multiply_size(&bytes, t->shape[i])) return 0;
  }
  t->bytes = (size_t)bytes;
  return 1;
}

/* The data of a file: `size` bytes from offset `begin`. */
typedef struct data_part {
  const char *at; /* NULL: not in memory */
  size_t begin, size;
} data_part;

/* Takes one entry of the header. */
static fd_status take_entry(const char *name, const char *key, json_t *entry, const data_part *data, fd_tensor *t) {
  const char *dtype = json_string_value(json_object_get(entry, "dtype"));
  json_t *span = json_object_get(entry, "data_offsets"), *begin = json_array_get(span, 0), *end = json_array_get(span, 1);
  if (!*key || strlen(key) >= FD_TENSOR_NAME)
    return fd_fail(FD_DATA, "%s: the tensor name '%.40s' is not of 1 to %d bytes", name, key, FD_TENSOR_NAME - 1);
  snprintf(t->name, sizeof t->name, "%s", key);
  if (!dtype || !element_bytes(dtype))
    return fd_fail(FD_DATA, "%s: tensor '%s': dtype is missing or unknown; expected F32, F64, ...", name, key);
  snprintf(t->dtype, sizeof t->dtype, "%s", dtype);
  if (!take_shape(json_object_get(entry, "shape"), element_bytes(dtype), t))
    return fd_fail(FD_DATA, "%s: tensor '%s': shape is not a list of up to %d sizes", name, key, FD_TENSOR_DIMS);
  if (json_array_size(span) != 2 || !json_is_integer(begin) || !json_is_integer(end))
    return fd_fail(FD_DATA, "%s: tensor '%s': data_offsets are not [begin, end]", name, key);
  int64_t from = json_integer_value(begin), to = json_integer_value(end);
  if (from < 0 || to < from || (uint64_t)to > data->size)
    return fd_fail(FD_DATA,
                   "%s: tensor '%s': data_offsets [%" PRId64 ", %" PRId64
                   "] are outside the %zu bytes of data; the file may be cut off",
                   name, key, from, to, data->size);
  if ((size_t)(to - from) != t->bytes)
    return fd_fail(FD_DATA, "%s: tensor '%s': %" PRId64 " bytes of data, but its shape needs %zu", name, key, to - from,
                   t->bytes);
  if ((size_t)from % element_bytes(dtype))
    return fd_fail(FD_DATA,
                   "%s: tensor '%s': its data are not aligned to its type; expected wider types first, as the safetensors "
                   "library writes them",
                   name, key);
  t->data = data->at ? data->at + from : NULL;
  t->place = data->begin + (size_t)from;
  return FD_OK;
}

static int by_position(const void *a, const void *b) {
  const fd_tensor *x = a, *y = b;
  if (x->place != y->place) return x->place < y->place ? -1 : 1;
  return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* Checks that the tensors tile the data: in order of their offsets, each begins where the one before ends. */
static fd_status check_tiling(const char *name, const fd_safetensors *file, const data_part *data) {
  size_t at = data->begin, end = data->begin + data->size;
  for (int i = 0; i < file->count; i++) {
    if (file->tensor[i].place != at)
      return fd_fail(FD_DATA, "%s: tensor '%s': a hole or an overlap before its data", name, file->tensor[i].name);
    at += file->tensor[i].bytes;
  }
  if (at != end) return fd_fail(FD_DATA, "%s: %zu bytes after the last tensor", name, end - at);
  return FD_OK;
}

/* Moves the data after a header of odd length down to an aligned address, over the end of the header, which is parsed already. */
static char *align_data(char *buffer, size_t begin, size_t size) {
  size_t aligned = begin / ALIGNMENT * ALIGNMENT;
  if (aligned != begin) memmove(buffer + aligned, buffer + begin, size - begin);
  return buffer + aligned;
}

static fd_status take_header(const char *name, json_t *header, const data_part *data, fd_safetensors *file) {
  const char *key;
  json_t *entry;
  FD_TRY(fd_alloc(&file->tensor, json_object_size(header), sizeof *file->tensor, name));
  json_object_foreach(header, key, entry) {
    if (!strcmp(key, "__metadata__")) continue;
    if (!json_is_object(entry)) return fd_fail(FD_DATA, "%s: header entry '%.60s' is not an object", name, key);
    FD_TRY(take_entry(name, key, entry, data, &file->tensor[file->count]));
    file->count++;
  }
  qsort(file->tensor, (size_t)file->count, sizeof *file->tensor, by_position);
  return check_tiling(name, file, data);
}

/* Reads and checks the length of the header, from the first bytes of a file of `size` bytes. */
static fd_status check_length(const char *name, const char *bytes, uint64_t size, uint64_t *length) {
  if (size < LENGTH_BYTES + 2) return fd_fail(FD_DATA, "%s: not a safetensors file: it has only %" PRIu64 " bytes", name, size);
  *length = read_length(bytes);
  if (*length <= HEADER_LIMIT && *length <= size - LENGTH_BYTES) return FD_OK;
  return fd_fail(FD_DATA, "%s: not a safetensors file, or cut off: its header claims %" PRIu64 " bytes, %" PRIu64 " follow", name,
                 *length, size - LENGTH_BYTES);
}

static fd_status parse_header(json_t **header, const char *text, uint64_t length, const char *name) {
  FD_TRY(fd_json_parse(header, text, (size_t)length, name));
  return json_is_object(*header) ? FD_OK : fd_fail(FD_DATA, "%s: the header is not a JSON object", name);
}

fd_status fd_safetensors_parse(char *buffer, size_t size, const char *name, fd_safetensors *file) {
  json_t *header = NULL;
  uint64_t length = 0;
  *file = (fd_safetensors){.buffer = buffer};
  fd_status status = check_length(name, buffer, size, &length);
  if (status == FD_OK) status = parse_header(&header, buffer + LENGTH_BYTES, length, name);
  if (status == FD_OK) {
    size_t begin = LENGTH_BYTES + (size_t)length;
    status = take_header(name, header, &(data_part){align_data(buffer, begin, size), begin, size - begin}, file);
  }
  json_decref(header);
  if (status != FD_OK) fd_safetensors_free(file);
  return status;
}

/* Reads exactly `bytes` bytes from offset `place`. */
static fd_status read_at(int fd, const char *path, void *to, size_t bytes, uint64_t place) {
  for (char *at = to; bytes;) {
    ssize_t n = pread(fd, at, bytes, (off_t)place);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fd_fail_errno("cannot read", path);
    if (!n) return fd_fail(FD_IO, "%s: was truncated while it was read", path);
    at += n, bytes -= (size_t)n, place += (uint64_t)n;
  }
  return FD_OK;
}

static fd_status list(int fd, const char *path, uint64_t size, fd_safetensors *file) {
  fd_status status = FD_OK;
  json_t *header = NULL;
  char start[LENGTH_BYTES] = "", *text = NULL;
  uint64_t length = 0;
  FD_TRY(read_at(fd, path, start, size < LENGTH_BYTES ? (size_t)size : LENGTH_BYTES, 0));
  FD_TRY(check_length(path, start, size, &length));
  FD_GO(fd_alloc(&text, (size_t)length + 1, 1, path));
  FD_GO(read_at(fd, path, text, (size_t)length, LENGTH_BYTES));
  FD_GO(parse_header(&header, text, length, path));
  size_t begin = LENGTH_BYTES + (size_t)length;
  FD_GO(take_header(path, header, &(data_part){NULL, begin, (size_t)size - begin}, file));
done:
  json_decref(header);
  free(text);
  return status;
}

fd_status fd_safetensors_list(const char *path, fd_safetensors *file) {
  uint64_t size;
  int fd;
  *file = (fd_safetensors){0};
  FD_TRY(fd_open_input(path, &fd, &size));
  fd_status status = list(fd, path, size, file);
  close(fd);
  if (status != FD_OK) fd_safetensors_free(file);
  return status;
}

fd_status fd_safetensors_load(const char *path, const fd_tensor *t, void *to) {
  uint64_t size;
  int fd;
  FD_TRY(fd_open_input(path, &fd, &size));
  fd_status status = read_at(fd, path, to, t->bytes, t->place);
  close(fd);
  return status;
}

fd_status fd_safetensors_floats(const char *path, const fd_tensor *t, float *to) {
  fd_tensor whole = *t;
  char *raw;
  FD_TRY(fd_alloc(&raw, t->bytes, 1, t->name));
  fd_status status = fd_safetensors_load(path, t, raw);
  whole.data = raw;
  if (status == FD_OK && !fd_tensor_floats(&whole, to))
    status = fd_fail(FD_DATA, "%s: tensor '%s' is %s (expected F32, F16 or BF16)", path, t->name, t->dtype);
  free(raw);
  return status;
}

fd_status fd_safetensors_read(const char *path, fd_safetensors *file) {
  char *buffer;
  size_t size;
  *file = (fd_safetensors){0};
  FD_TRY(fd_read_file(path, (size_t)1 << FILE_LIMIT_SHIFT, &buffer, &size));
  return fd_safetensors_parse(buffer, size, path, file);
}

const fd_tensor *fd_safetensors_find(const fd_safetensors *file, const char *name) {
  for (int i = 0; i < file->count; i++)
    if (!strcmp(file->tensor[i].name, name)) return &file->tensor[i];
  return NULL;
}

void fd_safetensors_free(fd_safetensors *file) {
  free(file->tensor);
  free(file->buffer);
  *file = (fd_safetensors){0};
}

static fd_status describe(const fd_tensor *tensors, int count, const char *reader, json_t *header) {
  size_t at = 0;
  if (reader && json_object_set_new(header, "__metadata__", json_pack("{s:s}", "format", reader)))
    return fd_fail(FD_MEMORY, "out of memory: a safetensors header");
  for (int i = 0; i < count; i++) {
    const fd_tensor *t = &tensors[i];
    size_t elements = 1;
    json_t *shape = json_array();
    for (int d = 0; d < t->dims; d++) {
      elements *= (size_t)t->shape[d];
      fd_json_append(&shape, json_integer(t->shape[d]));
    }
    if (json_object_get(header, t->name) || elements * element_bytes(t->dtype) != t->bytes) {
      json_decref(shape);
      return fd_fail(FD_BUG, "safetensors: '%s' is there twice, or its size is not that of its shape", t->name);
    }
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", t->dtype, "shape", shape, "data_offsets", (json_int_t)at,
                              (json_int_t)(at + t->bytes));
    if (json_object_set_new(header, t->name, entry))
      return fd_fail(FD_MEMORY, "out of memory, or a name that is not UTF-8: '%s'", t->name);
    at += t->bytes;
  }
  return FD_OK;
}

static fd_status make_header(const fd_tensor *tensors, int count, const char *reader, char **header, size_t *bytes) {
  char *text = NULL;
  json_t *object = json_object();
  *header = NULL;
  fd_status status = describe(tensors, count, reader, object);
  if (status == FD_OK) status = fd_json_text(&text, object, JSON_COMPACT, "a safetensors header");
  if (status == FD_OK) {
    size_t length = strlen(text), padded = (length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    *bytes = LENGTH_BYTES + padded;
    status = fd_alloc(header, *bytes, 1, "a safetensors header");
    for (int i = 0; i < LENGTH_BYTES && *header; i++) (*header)[i] = (char)((uint64_t)padded >> (8 * i) & 255);
    if (*header) memcpy(memset(*header + LENGTH_BYTES, ' ', padded), text, length);
  }
  free(text);
  json_decref(object);
  return status;
}

fd_status fd_safetensors_header(const fd_tensor *tensors, int count, char **header, size_t *bytes) {
  return make_header(tensors, count, NULL, header, bytes);
}

fd_status fd_safetensors_write(const char *path, const fd_tensor *tensors, int count) {
  return fd_safetensors_write_for(path, tensors, count, NULL);
}

fd_status fd_safetensors_write_for(const char *path, const fd_tensor *tensors, int count, const char *reader) {
  char *header;
  size_t bytes;
  fd_output o = {0};
  FD_TRY(make_header(tensors, count, reader, &header, &bytes));
  fd_status status = fd_output_create(&o, path);
  if (status == FD_OK) status = fd_write_all(o.fd, header, bytes, o.path);
  for (int i = 0; i < count && status == FD_OK; i++) status = fd_write_all(o.fd, tensors[i].data, tensors[i].bytes, o.path);
  if (status == FD_OK) status = fd_output_commit(&o);
  fd_output_abandon(&o);
  free(header);
  return status;
}

/* IEEE 754 half precision: 1 sign bit, 5 exponent bits, 10 mantissa bits; subnormals are multiples of 2^-24. */
static float float_of_half(uint16_t half) {
  uint32_t sign = (uint32_t)(half >> 15) << 31, exponent = half >> 10 & 31u, mantissa = half & 1023u, bits;
  float value = (float)mantissa / 16777216.0f;
  if (exponent) {
    bits = (exponent == 31 ? 255u : exponent + 112u) << 23 | mantissa << 13;
    memcpy(&value, &bits, sizeof value);
  }
  memcpy(&bits, &value, sizeof bits);
  bits |= sign;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* bfloat16 is the upper half of a float. */
static float float_of_bfloat(uint16_t half) {
  uint32_t bits = (uint32_t)half << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

int fd_tensor_floats(const fd_tensor *t, float *to) {
  int half = !strcmp(t->dtype, "F16");
  if (!strcmp(t->dtype, "F32")) memcpy(to, t->data, t->bytes);
  else if (half || !strcmp(t->dtype, "BF16"))
    for (size_t i = 0; i < t->bytes / sizeof(uint16_t); i++) {
      uint16_t bits;
      memcpy(&bits, (const char *)t->data + i * sizeof bits, sizeof bits);
      to[i] = half ? float_of_half(bits) : float_of_bfloat(bits);
    }
  else return 0;
  return 1;
}

/* The upper half of a float; returns 0 unless the lower half is 0. */
static int bfloat_of(uint32_t bits, uint16_t *half) {
  *half = (uint16_t)(bits >> 16);
  return !(bits & 0xffffu);
}

/* Normal numbers from exponent -14, below it a multiple of 2^-24; returns 0 unless the conversion is exact. */
static int half_of(uint32_t bits, uint16_t *half) {
  uint32_t sign = bits >> 16 & 0x8000u, exponent = bits >> 23 & 255u, mantissa = bits & 0x7fffffu;
  float value, again;
  memcpy(&value, &bits, sizeof value);
  if (exponent >= 113 && exponent < 143) *half = (uint16_t)(sign | (exponent - 112) << 10 | mantissa >> 13);
  else if (exponent < 113) *half = (uint16_t)(sign | (uint32_t)((sign ? -value : value) * 16777216.0f));
  else return 0;
  again = float_of_half(*half);
  return !memcmp(&again, &bits, sizeof again);
}

int fd_tensor_halves(const char *dtype, size_t n, const float *from, uint16_t *to) {
  int is_half = !strcmp(dtype, "F16");
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, from + i, sizeof bits);
    if (is_half ? !half_of(bits, to + i) : !bfloat_of(bits, to + i)) return 0;
  }
  return 1;
}

int fd_tensor_wide_first(const void *a, const void *b) {
  const fd_tensor *x = a, *y = b;
  size_t p = element_bytes(x->dtype), q = element_bytes(y->dtype);
  return p != q ? (p < q ? 1 : -1) : strcmp(x->name, y->name);
}

fd_tensor fd_tensor_f32(const char *name, int64_t rows, int64_t columns, const float *data) {
  fd_tensor t = {.dtype = "F32", .dims = columns ? 2 : 1, .shape = {rows, columns}, .data = data};
  snprintf(t.name, sizeof t.name, "%s", name);
  t.bytes = (size_t)rows * (size_t)(columns ? columns : 1) * sizeof(float);
  return t;
}
