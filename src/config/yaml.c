/* Reads a config file: two levels of YAML mappings, every key known, each error with its line and column. */
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/args.h"
#include "base/memory.h"
#include "config/config.h"
#include "config/options.h"

enum { MAX_ERRORS = 20 };

typedef struct reader {
  fd_config *config;
  const char *name, *source; /* of the text, and of the overrides, for messages */
  int errors, lacking;       /* lacking: no memory for a value */
  char section[64], key[64];
  const yaml_event_t *event;
  unsigned char *seen;        /* per option: set in this file */
  unsigned char sections[64]; /* likewise, by the section's place in the schema */
} reader;

static void complain(reader *r, const char *message) {
  const yaml_mark_t *at = &r->event->start_mark;
  r->errors++;
  (void)fd_fail(FD_CONFIG, "%s:%zu:%zu: %s", r->name, at->line + 1, at->column + 1, message);
}

static void unknown_name(reader *r, const char *section, const char *name) {
  const char *names[256], *last = "";
  char message[512];
  int count = 0;
  for (const fd_option *o = fd_options; o < fd_options + fd_option_count && count < 256; o++) {
    if (!*section && strcmp(last, o->section)) names[count++] = last = o->section;
    if (*section && !strcmp(section, o->section)) names[count++] = o->name;
  }
  const char *near = fd_nearest(name, names, count);
  snprintf(message, sizeof message, "unknown %s '%.60s'%s%s%s%s%s; 'findna config' lists all", *section ? "key" : "section", name,
           *section ? " in section " : "", section, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
  complain(r, message);
}

/* Whether the section was read before; marks it as read. */
static int seen_section(reader *r) {
  int place = 0;
  for (int i = 1; i < fd_option_count && strcmp(fd_options[i - 1].section, r->section); i++)
    place += strcmp(fd_options[i].section, fd_options[i - 1].section) != 0;
  return r->sections[place & 63]++;
}

static int known_section(const char *section) {
  for (const fd_option *o = fd_options; o < fd_options + fd_option_count; o++)
    if (!strcmp(o->section, section)) return 1;
  return 0;
}

/* The text of a scalar, or NULL after an error message. */
static const char *scalar_text(reader *r, size_t room) {
  const yaml_event_t *e = r->event;
  if (e->data.scalar.anchor || e->data.scalar.tag) return complain(r, "anchors and tags are not used in config files"), NULL;
  if (e->data.scalar.length >= room) return complain(r, "text is too long here"), NULL;
  if (strlen((const char *)e->data.scalar.value) != e->data.scalar.length) return complain(r, "a NUL byte in a text"), NULL;
  return (const char *)e->data.scalar.value;
}

static void take_value(reader *r) {
  char why[512];
  const char *text = scalar_text(r, FD_TEXT_MAX);
  const fd_option *o = fd_option_find(r->section, r->key);
  if (!text || !o) return;
  if (r->seen[o - fd_options]++) {
    snprintf(why, sizeof why, "%s.%s is given twice; keep one", r->section, r->key);
    complain(r, why);
  } else {
    int set = fd_option_set(r->config, o, text, why, sizeof why);
    if (!set) complain(r, why);
    r->lacking |= set < 0;
  }
}

typedef enum place { AT_START, AT_SECTION_KEY, AT_SECTION_BODY, AT_KEY, AT_VALUE, AT_END } place;

/* Takes one event; returns the next place, or -1 when the rest of the file cannot be understood. */
static int take_event(reader *r, place at) {
  const char *text;
  switch (r->event->type) {
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT: return (int)at;
    case YAML_DOCUMENT_START_EVENT:
      if (at == AT_START) return AT_START;
      return complain(r, "a second document; a config file has one"), -1;
    case YAML_MAPPING_START_EVENT:
      if (r->event->data.mapping_start.anchor || r->event->data.mapping_start.tag)
        return complain(r, "anchors and tags are not used in config files"), -1;
      if (at == AT_START) return AT_SECTION_KEY;
      if (at == AT_SECTION_BODY) return AT_KEY;
      return complain(r, "nested too deep: a config file has sections, and 'key: value' in them"), -1;
    case YAML_MAPPING_END_EVENT: return at == AT_KEY ? AT_SECTION_KEY : AT_END;
    case YAML_SCALAR_EVENT: break;
    case YAML_ALIAS_EVENT: return complain(r, "aliases are not used in config files"), -1;
    default: return complain(r, "lists are not used in config files; expected 'key: value'"), -1;
  }
  if (at == AT_START) {
    if (r->event->data.scalar.length == 0) return AT_END; /* an empty file: all defaults */
    return complain(r, "expected sections such as 'train:' with 'key: value' lines below"), -1;
  }
  if (at == AT_SECTION_BODY) {
    if (r->event->data.scalar.length == 0) return AT_SECTION_KEY; /* an empty section */
    return complain(r, "expected 'key: value' lines in this section, indented"), -1;
  }
  if (at == AT_VALUE) return take_value(r), AT_KEY;
  if (!(text = scalar_text(r, sizeof r->key))) return -1;
  if (at == AT_SECTION_KEY) {
    snprintf(r->section, sizeof r->section, "%.63s", text);
    if (!known_section(r->section)) unknown_name(r, "", r->section);
    else if (seen_section(r)) complain(r, "the section is given twice; keep one");
    return AT_SECTION_BODY;
  }
  snprintf(r->key, sizeof r->key, "%.63s", text);
  if (known_section(r->section) && !fd_option_find(r->section, r->key)) unknown_name(r, r->section, r->key);
  return AT_VALUE;
}

/* FD_MEMORY, or FD_OK with the number of errors in r->errors. */
static fd_status read_events(reader *r, const char *text, size_t bytes) {
  yaml_parser_t parser;
  yaml_event_t event;
  int at = AT_START, finished = 0;
  if (!yaml_parser_initialize(&parser)) return fd_fail(FD_MEMORY, "%s: out of memory", r->name);
  yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string(&parser, (const unsigned char *)text, bytes);
  while (!finished && at >= 0 && r->errors < MAX_ERRORS) {
    if (!yaml_parser_parse(&parser, &event)) {
      if (parser.error == YAML_MEMORY_ERROR) {
        yaml_parser_delete(&parser);
        return fd_fail(FD_MEMORY, "%s: out of memory", r->name);
      }
      const yaml_mark_t *mark = &parser.problem_mark;
      (void)fd_fail(FD_CONFIG, "%s:%zu:%zu: not YAML: %s%s", r->name, mark->line + 1, mark->column + 1,
                    parser.problem ? parser.problem : "cannot be parsed",
                    parser.error == YAML_READER_ERROR ? " (the file must be UTF-8)" : "");
      r->errors++;
      break;
    }
    r->event = &event;
    at = take_event(r, (place)at);
    finished = event.type == YAML_STREAM_END_EVENT;
    yaml_event_delete(&event);
  }
  yaml_parser_delete(&parser);
  return FD_OK;
}

/* Reports an override of an unknown option, section.key, with the nearest known one. */
static fd_status unknown_option(reader *r, const char *section, const char *key) {
  char wanted[130], (*full)[130];
  const char **names = NULL;
  fd_status status = fd_alloc(&full, (size_t)fd_option_count, sizeof *full, "names of options");
  if (status == FD_OK) status = fd_alloc(&names, (size_t)fd_option_count, sizeof *names, "names of options");
  for (int i = 0; i < fd_option_count && status == FD_OK; i++) {
    snprintf(full[i], sizeof full[i], "%s.%s", fd_options[i].section, fd_options[i].name);
    names[i] = full[i];
  }
  snprintf(wanted, sizeof wanted, "%s.%s", section, key);
  const char *near = status == FD_OK ? fd_nearest(wanted, names, fd_option_count) : NULL;
  if (status == FD_OK)
    (void)fd_fail(FD_CONFIG, "%s: unknown option '%s'%s%s%s; 'findna config' lists all", r->source, wanted,
                  near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
  free(names);
  free(full);
  return status;
}

static void apply_override(reader *r, const char *override) {
  char section[64] = "", key[64] = "", why[512];
  const char *equals = strchr(override, '='), *dot = strchr(override, '.');
  if (!equals || !dot || dot > equals || sscanf(override, "%63[^.=].%63[^=]", section, key) != 2) {
    (void)fd_fail(FD_CONFIG, "%s: '%s': expected section.key=value", r->source, override);
    r->errors++;
    return;
  }
  const fd_option *o = fd_option_find(section, key);
  if (!o) {
    r->lacking |= unknown_option(r, section, key) != FD_OK;
    r->errors++;
  } else {
    int set = fd_option_set(r->config, o, equals + 1, why, sizeof why);
    if (!set) (void)fd_fail(FD_CONFIG, "%s: %s", r->source, why);
    r->errors += !set;
    r->lacking |= set < 0;
  }
}

/* Marks the options that the text names in named[fd_option_count], which is zeroed. `source`: of the overrides. */
static fd_status parse(fd_config *config, const char *text, size_t bytes, const char *name, const char *source,
                       char *const *overrides, int count, unsigned char *named) {
  reader r = {.config = config, .name = name, .source = source, .seen = named};
  fd_config_defaults(config);
  fd_status status = read_events(&r, text, bytes);
  for (int i = 0; i < count && r.errors < MAX_ERRORS; i++) apply_override(&r, overrides[i]);
  FD_TRY(status);
  if (r.lacking) return FD_MEMORY;
  if (r.errors) return FD_CONFIG;
  return fd_config_check(config, name);
}

/* Replaces values of older versions by today's, so that no other code handles them. */
static void renew(fd_config *config) {
  if (config->teacher.kind == FD_TEACHER_BEST) config->teacher.kind = FD_TEACHER_NONE;
}

static fd_status parse_new(fd_config *config, const char *text, size_t bytes, const char *name, const char *source,
                           char *const *overrides, int count) {
  unsigned char *named;
  FD_TRY(fd_alloc(&named, (size_t)fd_option_count, 1, "config"));
  fd_status status = parse(config, text, bytes, name, source, overrides, count, named);
  if (status == FD_OK) renew(config);
  free(named);
  return status;
}

fd_status fd_config_parse(fd_config *config, const char *text, size_t bytes, const char *name, char *const *overrides,
                          int count) {
  return parse_new(config, text, bytes, name, "command line", overrides, count);
}

fd_status fd_config_parse_settings(fd_config *config, const char *text, const char *name, char *const *settings, int count) {
  return parse_new(config, text, strlen(text), name, name, settings, count);
}

fd_status fd_config_parse_saved(fd_config *config, const char *text, size_t bytes, const char *name, char hex[FD_SHA256_HEX]) {
  unsigned char *named;
  FD_TRY(fd_alloc(&named, (size_t)fd_option_count, 1, "config"));
  fd_status status = parse(config, text, bytes, name, name, NULL, 0, named);
  if (status == FD_OK) status = fd_frozen_hash(config, named, hex); /* of the text's own values */
  if (status == FD_OK) renew(config);
  free(named);
  return status;
}
