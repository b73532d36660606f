/* Writes TensorBoard's event files. */
#include "output/tensorboard.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/output.h"
#include "output/report_parts.h"

/* EVENT_MAX is the largest size of an event: all columns of a line with the longest names, and the framing. */
enum { TAG_MAX = 2 * FD_METRICS_NAME + 24, EVENT_MAX = FD_METRICS_COLUMNS * (TAG_MAX + 16) + 64, KINDS_MAX = 64 };

/* Field numbers of the messages Event, Summary and Summary.Value, and protobuf's wire types. */
enum { EVENT_WALL_TIME = 1, EVENT_STEP = 2, EVENT_FILE_VERSION = 3, EVENT_SUMMARY = 5 };
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_SIMPLE = 2 };
enum { WIRE_VARINT = 0, WIRE_8_BYTES = 1, WIRE_BYTES = 2, WIRE_4_BYTES = 5 };

typedef struct message {
  size_t bytes;
  unsigned char data[EVENT_MAX];
} message;

/* --- protobuf -------------------------------------------------------------------------------------------------------- */

static void put_little_endian(message *m, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) m->data[m->bytes++] = (unsigned char)(value >> 8 * i);
}

static void put_varint(message *m, uint64_t value) {
  for (; value >= 0x80; value >>= 7) m->data[m->bytes++] = (unsigned char)(value | 0x80);
  m->data[m->bytes++] = (unsigned char)value;
}

static void put_key(message *m, int field, int wire) { put_varint(m, (uint64_t)(field << 3 | wire)); }

static void put_double(message *m, int field, double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  put_key(m, field, WIRE_8_BYTES);
  put_little_endian(m, bits, 8);
}

static void put_float(message *m, int field, float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  put_key(m, field, WIRE_4_BYTES);
  put_little_endian(m, bits, 4);
}

static void put_bytes(message *m, int field, const void *data, size_t bytes) {
  put_key(m, field, WIRE_BYTES);
  put_varint(m, bytes);
  memcpy(m->data + m->bytes, data, bytes);
  m->bytes += bytes;
}

/* --- TFRecord -------------------------------------------------------------------------------------------------------- */

uint32_t fd_crc32c(const void *data, size_t bytes) {
  const unsigned char *at = data;
  uint32_t crc = 0xFFFFFFFFu;
  for (size_t i = 0; i < bytes; i++) {
    crc ^= at[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
  }
  return ~crc;
}

/* TFRecord masks its checksums, since a CRC over data that contain CRCs is weak. */
static uint32_t masked_crc(const void *data, size_t bytes) {
  uint32_t crc = fd_crc32c(data, bytes);
  return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

static void write_record(FILE *out, const message *record) {
  message head = {.bytes = 0}, tail = {.bytes = 0};
  put_little_endian(&head, record->bytes, 8);
  put_little_endian(&head, masked_crc(head.data, 8), 4);
  put_little_endian(&tail, masked_crc(record->data, record->bytes), 4);
  fwrite(head.data, 1, head.bytes, out);
  fwrite(record->data, 1, record->bytes, out);
  fwrite(tail.data, 1, tail.bytes, out);
}

/* --- events ---------------------------------------------------------------------------------------------------------- */

/* The first record states the format of the others. */
static void write_version(FILE *out, double wall_time) {
  static const char version[] = "brain.Event:2";
  message event = {.bytes = 0};
  put_double(&event, EVENT_WALL_TIME, wall_time);
  put_bytes(&event, EVENT_FILE_VERSION, version, strlen(version));
  write_record(out, &event);
}

/* KIND/COLUMN, or rank_N/COLUMN for lines of each rank. */
static int print_tag(char tag[TAG_MAX], const fd_metrics_table *t, const char *column, size_t row) {
  const double *rank = strcmp(t->kind, "rank") ? NULL : fd_metrics_column(t, "rank");
  if (rank) return snprintf(tag, TAG_MAX, "rank_%.0f/%s", fmin(fmax(rank[row], 0), 1e9), column);
  return snprintf(tag, TAG_MAX, "%s/%s", t->kind, column);
}

static void write_row(FILE *out, const fd_metrics_table *t, size_t row, double wall_time) {
  message event = {.bytes = 0}, summary = {.bytes = 0};
  for (int c = 1; c < t->columns; c++) { /* column 0 is the step */
    message value = {.bytes = 0};
    char tag[TAG_MAX];
    if (!isfinite(t->column[c].value[row])) continue;
    put_bytes(&value, VALUE_TAG, tag, (size_t)print_tag(tag, t, t->column[c].name, row));
    put_float(&value, VALUE_SIMPLE, (float)t->column[c].value[row]);
    put_bytes(&summary, SUMMARY_VALUE, value.data, value.bytes);
  }
  if (!summary.bytes) return;
  put_double(&event, EVENT_WALL_TIME, wall_time);
  put_key(&event, EVENT_STEP, WIRE_VARINT);
  put_varint(&event, (uint64_t)t->column[0].value[row]);
  put_bytes(&event, EVENT_SUMMARY, summary.data, summary.bytes);
  write_record(out, &event);
}

/* Start of the run in seconds since 1970, from a text such as "2026-11-21T14:46:29Z"; 0 if it is not known. */
static double start_of(const fd_report *r) {
  const char *text = fd_report_setting(r, "started");
  struct tm date = {0};
  return text && strptime(text, "%Y-%m-%dT%H:%M:%SZ", &date) ? (double)timegm(&date) : 0;
}

/* Writes the lines of all kinds in the order of their steps; lines of the same step in the order in which the kinds appear. */
static void write_events(FILE *out, const fd_report *r) {
  const fd_metrics_log *log = &r->log;
  size_t next[KINDS_MAX] = {0};
  double now = start_of(r);
  write_version(out, now);
  for (;;) {
    int first = -1;
    for (int i = 0; i < log->tables && i < KINDS_MAX; i++) {
      const fd_metrics_table *t = &log->table[i];
      if (next[i] == t->rows || !strcmp(t->kind, "context")) continue;
      if (first < 0 || t->column[0].value[next[i]] < log->table[first].column[0].value[next[first]]) first = i;
    }
    if (first < 0) return;
    const fd_metrics_table *t = &log->table[first];
    size_t row = next[first]++;
    double seconds = strcmp(t->kind, "step") ? 0 : fd_metrics_seconds(t, row);
    if (isfinite(seconds)) now += seconds;
    write_row(out, t, row, now);
  }
}

fd_status fd_tensorboard_write(const char *run_folder, const char *output) {
  fd_report *r;
  fd_output out = {0};
  FD_TRY(fd_alloc(&r, 1, sizeof *r, "TensorBoard's events"));
  fd_status status = fd_report_open(r, run_folder);
  if (status == FD_OK) status = fd_output_begin(&out, output);
  if (status == FD_OK) {
    write_events(out.stream, r);
    status = fd_output_commit(&out);
  }
  fd_report_close(r);
  free(r);
  return status;
}
