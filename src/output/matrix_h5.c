/* Writes a matrix as HDF5. */
#include <errno.h>
#include <string.h>

#include "base/h5.h"
#include "base/memory.h"
#include "output/matrix_formats.h"

enum { CHUNK_BYTES = 1 << 18, ID_CHUNK = 1024 };

typedef struct file {
  fd_output output; /* HDF5 opens its temporary file */
  hid_t file, values, ids, start, spans, text;
} file;

static fd_status no(const fd_matrix *m, const char *what) { return fd_h5_fail(FD_IO, m->path, what); }

/* Creates a dataset of this type; it can grow if the number of rows is not known (-1). */
static hid_t make(hid_t where, const char *name, hid_t type, int dims, int64_t rows, hsize_t width, hsize_t chunk_rows) {
  const hsize_t now = rows < 0 ? 0 : (hsize_t)rows, most[2] = {H5S_UNLIMITED, width};
  const hsize_t shape[2] = {now, width}, chunk[2] = {rows < 0 || chunk_rows < now ? chunk_rows : now, width};
  hid_t space = H5Screate_simple(dims, shape, rows < 0 ? most : NULL), how = H5Pcreate(H5P_DATASET_CREATE), set = -1;
  if (space >= 0 && how >= 0 && H5Pset_chunk(how, dims, chunk) >= 0 &&
      H5Pset_obj_track_times(how, 0) >= 0) /* no timestamps: the same content gives the same bytes */
    set = H5Dcreate2(where, name, type, space, H5P_DEFAULT, how, H5P_DEFAULT);
  if (how >= 0) H5Pclose(how);
  if (space >= 0) H5Sclose(space);
  return set;
}

static int note(hid_t file, const char *name, const char *text) {
  hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR), attribute = -1;
  if (type >= 0 && space >= 0 && H5Tset_size(type, *text ? strlen(text) : 1) >= 0)
    attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  int good = attribute >= 0 && H5Awrite(attribute, type, text) >= 0;
  if (attribute >= 0) good = H5Aclose(attribute) >= 0 && good;
  if (space >= 0) H5Sclose(space);
  if (type >= 0) H5Tclose(type);
  return good;
}

/* Extends a dataset to `first` + `count` rows, if the number of rows was not known in advance. */
static int grow(const fd_matrix *m, hid_t set, int64_t first, int64_t count, hsize_t width) {
  const hsize_t shape[2] = {(hsize_t)(first + count), width};
  return m->info.rows >= 0 || H5Dset_extent(set, shape) >= 0;
}

/* Writes `count` elements or rows from `first` on. */
static int put(hid_t set, hid_t type, int dims, hsize_t first, hsize_t count, hsize_t width, const void *values) {
  const hsize_t from[2] = {first, 0}, size[2] = {count, width};
  hid_t there = H5Dget_space(set), here = H5Screate_simple(dims, size, NULL);
  int good = there >= 0 && here >= 0 && H5Sselect_hyperslab(there, H5S_SELECT_SET, from, NULL, size, NULL) >= 0 &&
             H5Dwrite(set, type, here, there, H5P_DEFAULT, values) >= 0;
  if (here >= 0) H5Sclose(here);
  if (there >= 0) H5Sclose(there);
  return good;
}

/* Closes all handles, which flushes buffered data; returns 1 if all could be closed. */
static int close_all(file *f) {
  int good = 1;
  if (f->values >= 0) good &= H5Dclose(f->values) >= 0;
  if (f->ids >= 0) good &= H5Dclose(f->ids) >= 0;
  if (f->start >= 0) good &= H5Dclose(f->start) >= 0;
  if (f->spans >= 0) good &= H5Dclose(f->spans) >= 0;
  if (f->text >= 0) H5Tclose(f->text);
  if (f->file >= 0) good &= H5Fclose(f->file) >= 0;
  f->values = f->ids = f->start = f->spans = f->text = f->file = -1;
  return good;
}

/* Writes the names of the columns as a dataset: a list of thousands is too long for an attribute. */
static int put_columns(const fd_matrix *m, const file *f) {
  hsize_t width = (hsize_t)m->info.width;
  hid_t set = make(f->file, "classes", f->text, 1, m->info.width, 1, ID_CHUNK);
  int good = set >= 0 && put(set, f->text, 1, 0, width, 1, m->info.column);
  if (set >= 0) good = H5Dclose(set) >= 0 && good;
  return good;
}

static fd_status begin(fd_matrix *m) {
  const fd_matrix_info *info = &m->info;
  FD_TRY(fd_alloc(&m->own, 1, sizeof(file), "a matrix"));
  file *f = m->own;
  hsize_t width = (hsize_t)info->width, chunk = CHUNK_BYTES / (width * sizeof(float));
  *f = (file){.file = -1, .values = -1, .ids = -1, .start = -1, .spans = -1, .text = -1};
  FD_TRY(fd_output_create(&f->output, m->path));
  FD_TRY(fd_h5_start());
  f->text = H5Tcopy(H5T_C_S1);
  if (f->text < 0 || H5Tset_size(f->text, H5T_VARIABLE) < 0 || H5Tset_cset(f->text, H5T_CSET_UTF8) < 0) return no(m, "begin");
  hid_t access = fd_h5_access();
  f->file = access >= 0 ? H5Fcreate(f->output.temporary, H5F_ACC_TRUNC, H5P_DEFAULT, access) : -1;
  if (access >= 0) H5Pclose(access);
  if (f->file < 0) return no(m, "create it");
  f->values = make(f->file, "embedding", H5T_IEEE_F32LE, 2, info->rows, width, chunk ? chunk : 1);
  f->ids = make(f->file, "id", f->text, 1, info->items, 1, ID_CHUNK);
  if (info->many) f->start = make(f->file, "start", H5T_STD_I64LE, 1, info->items + 1, 1, ID_CHUNK);
  if (info->spans) f->spans = make(f->file, "span", H5T_STD_I64LE, 2, info->rows, 2, ID_CHUNK);
  if (f->values < 0 || f->ids < 0 || (info->many && f->start < 0) || (info->spans && f->spans < 0))
    return no(m, "make the datasets");
  if (info->column && !put_columns(m, f)) return no(m, "write the names of its columns");
  for (int i = 0; i < info->notes; i++)
    if (!note(f->file, info->note[i].name, info->note[i].text)) return no(m, "write an attribute");
  return FD_OK;
}

static fd_status append(fd_matrix *m, const char *id, int64_t rows, const float *values, const int64_t *spans) {
  file *f = m->own;
  const int64_t bounds[2] = {m->rows, m->rows + rows};
  errno = 0;
  if (!grow(m, f->values, m->rows, rows, (hsize_t)m->info.width) || (m->info.spans && !grow(m, f->spans, m->rows, rows, 2)))
    return no(m, "make room for rows");
  if (m->info.spans && !put(f->spans, H5T_NATIVE_INT64, 2, (hsize_t)m->rows, (hsize_t)rows, 2, spans)) return no(m, "write it");
  if (!put(f->values, H5T_NATIVE_FLOAT, 2, (hsize_t)m->rows, (hsize_t)rows, (hsize_t)m->info.width, values) ||
      !put(f->ids, f->text, 1, (hsize_t)m->items, 1, 1, &id) ||
      (m->info.many && !put(f->start, H5T_NATIVE_INT64, 1, (hsize_t)m->items, 2, 1, bounds)))
    return no(m, "write it");
  return FD_OK;
}

static fd_status commit(fd_matrix *m) {
  file *f = m->own;
  errno = 0;
  if (!close_all(f)) return no(m, "write the rest of it");
  return fd_output_commit(&f->output);
}

static void end(fd_matrix *m) {
  file *f = m->own;
  if (!f) return;
  close_all(f);
  fd_output_abandon(&f->output);
}

const fd_matrix_format fd_matrix_h5 = {".h5", begin, append, commit, end};
