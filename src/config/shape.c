/* Prints the options that define a model. */
#include "config/shape.h"

#include "config/options.h"

static fd_status print_item(fd_shape_item *item, const fd_config *config, const fd_option *o) {
  int n = snprintf(item->setting, sizeof item->setting, "%s.%s=", o->section, o->name);
  FILE *out = fmemopen(item->setting + n, sizeof item->setting - (size_t)n, "w");
  if (!out) return fd_fail(FD_MEMORY, "out of memory: the shape of a model");
  if (o->kind == FD_OPTION_TEXT) fprintf(out, "%s", (const char *)config + o->offset); /* as on a command line */
  else fd_option_print(out, config, o);
  item->name = o->name;
  item->word = o->kind == FD_OPTION_CHOICE || o->kind == FD_OPTION_TEXT;
  item->real = o->kind == FD_OPTION_REAL;
  return fclose(out) ? fd_fail(FD_MEMORY, "%s.%s: longer than %d bytes", o->section, o->name, FD_SETTING_MAX) : FD_OK;
}

fd_status fd_shape_of(fd_shape *shape, const fd_config *config) {
  memset(shape, 0, sizeof *shape);
  for (const fd_option *o = fd_options; o < fd_options + fd_option_count && shape->count < FD_SHAPE_MAX; o++)
    if (fd_option_shapes(o, config->model.encoder)) FD_TRY(print_item(&shape->item[shape->count++], config, o));
  return FD_OK;
}

fd_status fd_shape_defaults(fd_shape *shape, const char *encoder, const char *place) {
  fd_config config;
  char why[512];
  fd_config_defaults(&config);
  int set = fd_option_set(&config, fd_option_find("model", "encoder"), encoder, why, sizeof why);
  if (set < 0) return FD_MEMORY;
  if (!set) return fd_fail(FD_CONFIG, "%s: %s", place, why);
  return fd_shape_of(shape, &config);
}

static const char *setting_of(const fd_shape *shape, const char *name) {
  for (int i = 0; i < shape->count; i++)
    if (!strcmp(shape->item[i].name, name)) return shape->item[i].setting;
  return "";
}

/* The length of k-mers says nothing about a model with another tokenizer. */
int fd_shape_agrees(const fd_shape *a, const fd_shape *b, const char *name) {
  static const char kmers[] = "model.tokenizer=kmer";
  if (!strcmp(name, "kmer") && strcmp(setting_of(a, "tokenizer"), kmers) && strcmp(setting_of(b, "tokenizer"), kmers)) return 1;
  return !strcmp(setting_of(a, name), setting_of(b, name));
}

int fd_shape_equal(const fd_shape *a, const fd_shape *b) {
  int equal = a->count == b->count;
  for (int i = 0; equal && i < a->count; i++) equal = !strcmp(a->item[i].setting, b->item[i].setting);
  return equal;
}
