/* Shows and checks a matrix in HDF5. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/h5.h"
#include "base/memory.h"
#include "output/matrix_show.h"

/* Reads an attribute that is a text of fixed length; returns 0 for any other attribute. */
static int read_text(hid_t file, const char *name, char text[FD_SHOWN_TEXT]) {
  hid_t attribute = H5Aopen(file, name, H5P_DEFAULT), type = attribute >= 0 ? H5Aget_type(attribute) : -1;
  size_t bytes = type >= 0 && H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0 ? H5Tget_size(type) : 0;
  int good = bytes > 0 && bytes < FD_SHOWN_TEXT && H5Aget_storage_size(attribute) == bytes && H5Aread(attribute, type, text) >= 0;
  text[good ? bytes : 0] = '\0';
  if (type >= 0) H5Tclose(type);
  if (attribute >= 0) H5Aclose(attribute);
  return good;
}

static hid_t open_file(const char *path) {
  if (fd_h5_start() != FD_OK) return -1;
  hid_t access = fd_h5_access(), file = access >= 0 ? H5Fopen(path, H5F_ACC_RDONLY, access) : -1;
  if (access >= 0) H5Pclose(access);
  return file;
}

fd_status fd_matrix_is_h5(const char *path, int *is) {
  char text[FD_SHOWN_TEXT] = "";
  FD_TRY(fd_begins_with(path, "\x89HDF\r\n\x1a\n", 8, is));
  hid_t file = *is ? open_file(path) : -1;
  *is = file >= 0 && read_text(file, "format", text) && !strncmp(text, "findna-embedding", 16);
  if (file >= 0) H5Fclose(file);
  return FD_OK;
}

static herr_t show_note(hid_t file, const char *name, const H5A_info_t *info, void *context) {
  char text[FD_SHOWN_TEXT];
  (void)info, (void)context;
  if (read_text(file, name, text)) fd_shown_line(name, text);
  return 0;
}

/* Whether all values of a dataset are stored in this file: neither compressed, nor external or virtual, nor never written, of
 * which a file of a few bytes could claim any number; and no chunk is larger than all the stored data. */
static int is_stored(hid_t file, hid_t set, hid_t type, int dims, const hsize_t shape[2]) {
  hid_t how = H5Dget_create_plist(set);
  hsize_t chunk[2] = {1, 1}, whole = 0;
  int64_t bytes = (int64_t)H5Tget_size(type), in_chunk = bytes, stored = (int64_t)H5Dget_storage_size(set);
  H5D_layout_t layout = H5Pget_layout(how);
  int good = layout != H5D_VIRTUAL && H5Pget_nfilters(how) == 0 && H5Pget_external_count(how) == 0;
  if (good && layout == H5D_CHUNKED) good = H5Pget_chunk(how, dims, chunk) == dims;
  for (int i = 0; i < dims && good; i++)
    good = shape[i] <= INT64_MAX && fd_multiply_size(&bytes, (int64_t)shape[i]) && fd_multiply_size(&in_chunk, (int64_t)chunk[i]);
  H5Pclose(how);
  return good && H5Fget_filesize(file, &whole) >= 0 && bytes <= stored && in_chunk <= stored && (hsize_t)stored <= whole;
}

/* Opens a dataset with this number of dimensions and this class of values, and reads its shape; -1 if there is none. Soft and
 * external links are not followed, since they could lead anywhere. */
static hid_t open_set(hid_t file, const char *name, H5T_class_t kind, int dims, hsize_t shape[2]) {
  H5L_info_t link;
  if (H5Lexists(file, name, H5P_DEFAULT) <= 0 || H5Lget_info(file, name, &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD)
    return -1;
  hid_t set = H5Dopen2(file, name, H5P_DEFAULT), space = set >= 0 ? H5Dget_space(set) : -1,
        type = set >= 0 ? H5Dget_type(set) : -1;
  int good = space >= 0 && type >= 0 && H5Sget_simple_extent_ndims(space) == dims && H5Tget_class(type) == kind &&
             (kind != H5T_STRING || H5Tis_variable_str(type) > 0);
  good = good && H5Sget_simple_extent_dims(space, shape, NULL) == dims && is_stored(file, set, type, dims, shape);
  if (space >= 0) H5Sclose(space);
  if (type >= 0) H5Tclose(type);
  if (good || set < 0) return good ? set : -1;
  H5Dclose(set);
  return -1;
}

static int get(hid_t set, hid_t type, int dims, hsize_t first, hsize_t count, hsize_t width, void *values) {
  const hsize_t from[2] = {first, 0}, size[2] = {count, width};
  errno = 0;
  hid_t there = H5Dget_space(set), here = H5Screate_simple(dims, size, NULL);
  int good = there >= 0 && here >= 0 && H5Sselect_hyperslab(there, H5S_SELECT_SET, from, NULL, size, NULL) >= 0 &&
             H5Dread(set, type, here, there, H5P_DEFAULT, values) >= 0;
  if (here >= 0) H5Sclose(here);
  if (there >= 0) H5Sclose(there);
  return good;
}

static fd_status show_values(const char *path, hid_t set, const hsize_t shape[2]) {
  fd_value_range range;
  float *values;
  hsize_t most = (hsize_t)fd_shown_rows((int64_t)shape[1]);
  if (!most) return fd_fail(FD_DATA, "%s: rows of %" PRIu64 " values", path, (uint64_t)shape[1]);
  FD_TRY(fd_alloc(&values, (size_t)(most * shape[1]), sizeof *values, "values"));
  fd_status status = FD_OK;
  fd_value_range_begin(&range);
  for (hsize_t row = 0; row < shape[0] && status == FD_OK; row += most) {
    hsize_t count = shape[0] - row < most ? shape[0] - row : most;
    if (!get(set, H5T_NATIVE_FLOAT, 2, row, count, shape[1], values)) status = fd_h5_damaged(path, "read its values: damaged");
    else fd_value_range_add(&range, values, (int64_t)(count * shape[1]));
  }
  free(values);
  if (status == FD_OK) fd_value_range_print(&range);
  return status;
}

static fd_status show_ids(const char *path, hid_t set, hsize_t items) {
  char *id[FD_SHOWN_IDS] = {NULL}, shown[FD_SHOWN_TEXT] = "";
  size_t used = 0;
  hsize_t count = items < FD_SHOWN_IDS ? items : FD_SHOWN_IDS;
  hid_t type = H5Dget_type(set), space = H5Screate_simple(1, &count, NULL);
  int good = !count || get(set, type, 1, 0, count, 1, id);
  for (hsize_t i = 0; i < count && good && used < sizeof shown; i++)
    used += (size_t)snprintf(shown + used, sizeof shown - used, "%s%.200s", i ? ", " : "", id[i] ? id[i] : "");
  if (good && count) H5Dvlen_reclaim(type, space, H5P_DEFAULT, id);
  H5Sclose(space);
  H5Tclose(type);
  if (!good) return fd_h5_damaged(path, "read its names: damaged");
  if (used < sizeof shown && items > count) snprintf(shown + used, sizeof shown - used, ", ...");
  fd_shown_line("ids", shown);
  return FD_OK;
}

/* The bounds of the items' rows must not decrease, from 0 to the number of rows. */
static fd_status check_start(const char *path, hid_t set, hsize_t count, hsize_t rows) {
  int64_t *start;
  FD_TRY(fd_alloc(&start, (size_t)count, sizeof *start, "rows of items"));
  int good = get(set, H5T_NATIVE_INT64, 1, 0, count, 1, start) && start[0] == 0 && start[count - 1] == (int64_t)rows;
  for (hsize_t i = 1; i < count && good; i++) good = start[i] >= start[i - 1];
  free(start);
  return good ? FD_OK : fd_fail(FD_DATA, "%s: 'start' does not divide its %" PRIu64 " rows: damaged", path, (uint64_t)rows);
}

/* Checks that there is a span for each row, without negative numbers. */
static fd_status check_spans(const char *path, hid_t set, const hsize_t shape[2], hsize_t rows) {
  int64_t *span;
  hsize_t most = (hsize_t)fd_shown_rows(2);
  if (shape[0] != rows || shape[1] != 2)
    return fd_fail(FD_DATA, "%s: 'span' has %" PRIu64 " rows of %" PRIu64 " (expected %" PRIu64 " of 2)", path,
                   (uint64_t)shape[0], (uint64_t)shape[1], (uint64_t)rows);
  FD_TRY(fd_alloc(&span, (size_t)most, 2 * sizeof *span, "spans"));
  int good = 1;
  for (hsize_t row = 0; row < rows && good; row += most) {
    hsize_t count = rows - row < most ? rows - row : most;
    good = get(set, H5T_NATIVE_INT64, 2, row, count, 2, span);
    for (hsize_t i = 0; i < 2 * count && good; i++) good = span[i] >= 0;
  }
  free(span);
  return good ? FD_OK : fd_fail(FD_DATA, "%s: 'span' has values that are no part of a sequence: damaged", path);
}

static fd_status show(const char *path, hid_t file) {
  hsize_t shape[2] = {0, 0}, items[2] = {0, 0}, starts[2] = {0, 0}, spanned[2] = {0, 0};
  hid_t values = open_set(file, "embedding", H5T_FLOAT, 2, shape), ids = open_set(file, "id", H5T_STRING, 1, items),
        start = open_set(file, "start", H5T_INTEGER, 1, starts), spans = open_set(file, "span", H5T_INTEGER, 2, spanned);
  fd_status status = FD_OK;
  H5Aiterate2(file, H5_INDEX_CRT_ORDER, H5_ITER_INC, NULL, show_note, NULL);
  if (values < 0 || ids < 0)
    FD_GO(fd_fail(FD_DATA, "%s: has no datasets 'embedding' [rows, width] and 'id' [items] whose values are all in the file",
                  path));
  printf("  %-14s %" PRIu64 "%s\n", "items", (uint64_t)items[0], start >= 0 ? ", each with many rows (start)" : "");
  printf("  %-14s %" PRIu64 " of %" PRIu64 " values, float32%s\n", "rows", (uint64_t)shape[0], (uint64_t)shape[1],
         spans >= 0 ? ", of parts of the items (span)" : "");
  if (start < 0 && items[0] != shape[0])
    FD_GO(fd_fail(FD_DATA, "%s: %" PRIu64 " names for %" PRIu64 " rows", path, (uint64_t)items[0], (uint64_t)shape[0]));
  if (start >= 0 && starts[0] != items[0] + 1)
    FD_GO(fd_fail(FD_DATA, "%s: 'start' has %" PRIu64 " bounds for %" PRIu64 " items", path, (uint64_t)starts[0],
                  (uint64_t)items[0]));
  if (start >= 0) FD_GO(check_start(path, start, starts[0], shape[0]));
  if (spans >= 0) FD_GO(check_spans(path, spans, spanned, shape[0]));
  FD_GO(show_values(path, values, shape));
  FD_GO(show_ids(path, ids, items[0]));
done:
  if (values >= 0) H5Dclose(values);
  if (ids >= 0) H5Dclose(ids);
  if (start >= 0) H5Dclose(start);
  if (spans >= 0) H5Dclose(spans);
  return status;
}

fd_status fd_matrix_show_h5(const char *path) {
  hid_t file = open_file(path);
  if (file < 0) return fd_h5_damaged(path, "open it: not an HDF5 file, or a damaged one");
  fd_status status = show(path, file);
  H5Fclose(file);
  return status;
}
