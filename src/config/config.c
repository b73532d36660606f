/* The option table, value checks and printing. */
#include "config/config.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/help.h"
#include "base/json.h"
#include "base/path.h"
#include "base/text.h"
#include "config/options.h"

/* The choices of model.encoder and model.tokenizer, from their tables: "|a|b|c". */
static const char encoders[] =
#define ARCH(NAME, name, has) "|" #name
#include "config/archs.def"
#undef ARCH
    ;
static const char tokenizers[] =
#define TOKENIZER(NAME, name) "|" #name
#include "config/tokenizers.def"
#undef TOKENIZER
    ;

const fd_option fd_options[] = {
#define SECTION(section)
#define END(section)
#define AT(section, name) offsetof(fd_config, section.name)
#define INT(section, name, value, min, max, change, help) \
  {#section, #name, FD_OPTION_INT, AT(section, name), value, NULL, min, max, NULL, FD_CHANGE_##change, help},
#define REAL(section, name, value, min, max, change, help) \
  {#section, #name, FD_OPTION_REAL, AT(section, name), value, NULL, min, max, NULL, FD_CHANGE_##change, help},
#define BOOL(section, name, value, change, help) \
  {#section, #name, FD_OPTION_BOOL, AT(section, name), value, NULL, 0, 1, "false|true", FD_CHANGE_##change, help},
#define TEXT(section, name, value, change, help) \
  {#section, #name, FD_OPTION_TEXT, AT(section, name), 0, value, 0, 0, NULL, FD_CHANGE_##change, help},
#define PATH(section, name, value, change, help) \
  {#section, #name, FD_OPTION_TEXT, AT(section, name), 0, value, 0, 1, NULL, FD_CHANGE_##change, help},
#define CHOICE(section, name, value, choices, change, help) \
  {#section, #name, FD_OPTION_CHOICE, AT(section, name), value, NULL, 0, 0, choices, FD_CHANGE_##change, help},
#include "config/schema.def"
};

const int fd_option_count = sizeof fd_options / sizeof *fd_options;

static void store_number(fd_config *config, const fd_option *o, double number, int64_t whole) {
  char *at = (char *)config + o->offset;
  if (o->kind == FD_OPTION_INT) memcpy(at, &whole, sizeof whole);
  else if (o->kind == FD_OPTION_REAL) memcpy(at, &number, sizeof number);
  else memcpy(at, &(int){(int)whole}, sizeof(int));
}

void fd_config_defaults(fd_config *config) {
  memset(config, 0, sizeof *config);
  for (const fd_option *o = fd_options; o < fd_options + fd_option_count; o++) {
    if (o->kind == FD_OPTION_TEXT) snprintf((char *)config + o->offset, FD_TEXT_MAX, "%s", o->text);
    else store_number(config, o, o->number, (int64_t)o->number);
  }
}

int fd_config_is_free(const char *override) {
  char section[64], name[64];
  const fd_option *option = sscanf(override, "%63[^.=].%63[^=]", section, name) == 2 ? fd_option_find(section, name) : NULL;
  return option && !fd_option_frozen(option);
}

int fd_config_cls(const fd_config *c) {
  int of_tokens = c->task.features == FD_FEATURES_TOKENS || c->task.features == FD_FEATURES_MAX;
  return fd_config_reads_ids(c) || (c->task.outputs && of_tokens) ? 0 : (int)c->model.cls;
}

int fd_config_encoder_has(int encoder, int what) {
  static const int all[] = {
#define ARCH(NAME, name, has) has,
#include "config/archs.def"
#undef ARCH
  };
  return (all[encoder] & what) != 0;
}

int fd_config_reads_ids(const fd_config *c) { return fd_config_encoder_has(c->model.encoder, FD_HAS_IDS); }

int fd_config_hides(const fd_config *c) {
  return !c->task.outputs &&
         (c->model.encoder == FD_ARCH_MAE || c->model.encoder == FD_ARCH_HAD || fd_config_lm_head(c) != FD_LM_HEAD_NONE);
}

int fd_config_tokens(const fd_config *c, int window) {
  if (!fd_config_hides(c) || c->model.tokenizer == FD_TOKENIZER_LETTERS) return window;
  if (c->model.tokenizer == FD_TOKENIZER_BPE) return window + 2; /* at most: a token per letter, [CLS] and [SEP] */
  return c->model.tokenizer == FD_TOKENIZER_NT6 ? 1 + window / FD_GROUP + window % FD_GROUP : window / (int)c->model.kmer;
}

int fd_config_aligns(const fd_config *c) { return c->objective.distil_weight > 0 && !c->task.outputs; }

int fd_config_attends(const fd_config *c) { return fd_config_encoder_has(c->model.encoder, FD_HAS_ATTENTION); }

int fd_config_convolves(const fd_config *c) { return fd_config_encoder_has(c->model.encoder, FD_HAS_CONVOLUTIONS); }

/* Reads "a,b,c", numbers from `low` to `high`: returns how many there are, -1 for another text or more than `most`. */
static int numbers(const char *at, long low, long high, int *out, int most) {
  for (int n = 0; n < most; n++) {
    char *end;
    long number = strtol(at, &end, 10);
    if (end == at || number < low || number > high || (*end && *end != ',')) return -1;
    out[n] = (int)number;
    if (!*end) return n + 1;
    at = end + 1;
  }
  return -1;
}

int fd_config_kernels(const fd_config *c, int taps[FD_KERNELS_MAX]) {
  int count = numbers(c->model.kernels, 1, 255, taps, FD_KERNELS_MAX);
  for (int i = 0; i < count; i++)
    if (taps[i] % 2 == 0) return -1;
  return count;
}

int fd_config_contexts(const fd_config *c, int reach[FD_CONTEXTS_MAX]) {
  return *c->eval.contexts ? numbers(c->eval.contexts, 0, FD_CONTEXTS_MAX - 1, reach, FD_CONTEXTS_MAX) : 0;
}

int fd_config_distils(const fd_config *c) { return c->task.outputs && c->teacher.kind >= FD_TEACHER_FROZEN; }

double fd_config_dropout(const fd_config *c) { return c->task.outputs ? c->task.dropout : c->train.dropout; }

double fd_config_attention_dropout(const fd_config *c) { return c->task.outputs ? c->task.attention_dropout : c->train.dropout; }

double fd_config_head_dropout(const fd_config *c) {
  return c->model.encoder == FD_ARCH_CNN ? c->task.dropout : c->task.head_dropout;
}

int fd_config_lm_head(const fd_config *c) {
  if (!fd_config_reads_ids(c)) return FD_LM_HEAD_NONE;
  if (c->model.lm_head != FD_LM_HEAD_AUTO) return c->model.lm_head;
  return c->model.encoder == FD_ARCH_NT_V1 || c->model.encoder == FD_ARCH_NT_V2 ? FD_LM_HEAD_OWN : FD_LM_HEAD_NONE;
}

int fd_config_projects(const fd_config *c) { return c->objective.cl_space == FD_SPACE_PROJECTION && c->objective.cl_weight > 0; }

/* The index of `text` in "a|b|c", or -1. */
static int choice_index(const char *choices, const char *text) {
  size_t length = strlen(text);
  int index = 0;
  for (const char *at = choices; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL, index++)
    if (length == strcspn(at, "|") && !strncmp(at, text, length)) return index;
  return -1;
}

/* The text of choice `index`, with its length. */
const char *fd_choice_text(const char *choices, int index, int *length) {
  while (index-- > 0) choices = strchr(choices, '|') + 1;
  *length = (int)strcspn(choices, "|");
  return choices;
}

static int bad_value(char *why, size_t room, const fd_option *o, const char *text) {
  if (o->kind == FD_OPTION_CHOICE || o->kind == FD_OPTION_BOOL)
    snprintf(why, room, "%s.%s: '%.80s' is not one of %s", o->section, o->name, text, o->choices);
  else
    snprintf(why, room, "%s.%s: '%.80s' is not %s from %.15g to %.15g", o->section, o->name, text,
             o->kind == FD_OPTION_INT ? "a whole number" : "a number", o->min, o->max);
  return 0;
}

int fd_option_set(fd_config *config, const fd_option *o, const char *text, char *why, size_t room) {
  char *end, path[FD_PATH_MAX];
  errno = 0;
  if (o->kind == FD_OPTION_TEXT) {
    if (o->max > 0 && fd_path_is_home(text)) { /* shells and YAML do not expand it */
      if (fd_path_expand(path, text) != FD_OK) return snprintf(why, room, "%s.%s: no such path", o->section, o->name), 0;
      text = path;
    }
    if (strlen(text) >= FD_TEXT_MAX)
      return snprintf(why, room, "%s.%s: longer than %d bytes", o->section, o->name, FD_TEXT_MAX - 1), 0;
    int utf8;
    if (fd_json_is_utf8(text, &utf8) != FD_OK) return -1;
    if (!utf8) /* could not be read back from the run's config file */
      return snprintf(why, room, "%s.%s: is not UTF-8", o->section, o->name), 0;
    snprintf((char *)config + o->offset, FD_TEXT_MAX, "%s", text);
    return 1;
  }
  if (o->kind == FD_OPTION_CHOICE || o->kind == FD_OPTION_BOOL) {
    int index = choice_index(o->choices, text);
    if (index < 0) return bad_value(why, room, o, text);
    store_number(config, o, 0, index);
    return 1;
  }
  if (!*text || text[strspn(text, "+-.0123456789eE")]) return bad_value(why, room, o, text); /* no hex, nan, inf or spaces */
  int64_t whole = o->kind == FD_OPTION_INT ? strtoll(text, &end, 10) : 0;
  double number = o->kind == FD_OPTION_INT ? (double)whole : strtod(text, &end);
  if (*end || errno || !isfinite(number) || number < o->min || number > o->max) return bad_value(why, room, o, text);
  store_number(config, o, number, whole);
  return 1;
}

const fd_option *fd_option_find(const char *section, const char *name) {
  for (const fd_option *o = fd_options; o < fd_options + fd_option_count; o++)
    if (!strcmp(o->section, section) && !strcmp(o->name, name)) return o;
  return NULL;
}

/* The code point of the UTF-8 text at `at`, and its length in bytes. */
static unsigned code_point(const char *at, int *bytes) {
  const unsigned char *c = (const unsigned char *)at;
  *bytes = c[0] < 0x80 ? 1 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;
  unsigned code = *bytes == 1 ? c[0] : c[0] & (0x7fu >> *bytes);
  for (int i = 1; i < *bytes; i++) code = code << 6 | (c[i] & 0x3fu);
  return code;
}

/* Control characters, Unicode line separators and noncharacters, which YAML rejects or changes unless they are escaped. */
static int is_escaped(unsigned code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 || code == 0xfeff || code == 0xfffe ||
         code == 0xffff;
}

/* Prints a text, quoted unless it consists of characters without a meaning in YAML. */
static void print_text(FILE *out, const char *text) {
  static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-";
  if (*text && *text != '-' && !text[strspn(text, safe)]) {
    fprintf(out, "%s", text);
    return;
  }
  fputc('"', out);
  for (int bytes; *text; text += bytes) {
    unsigned code = code_point(text, &bytes);
    if (code == '"' || code == '\\') fprintf(out, "\\%c", (int)code);
    else if (is_escaped(code)) fprintf(out, code < 0x100 ? "\\x%02x" : "\\u%04x", code);
    else fwrite(text, 1, (size_t)bytes, out);
  }
  fputc('"', out);
}

void fd_option_print(FILE *out, const fd_config *config, const fd_option *o) {
  const char *at = (const char *)config + o->offset;
  int index, length;
  int64_t whole;
  double number;
  switch (o->kind) {
    case FD_OPTION_INT:
      memcpy(&whole, at, sizeof whole);
      fprintf(out, "%lld", (long long)whole);
      break;
    case FD_OPTION_REAL: {
      char text[40];
      memcpy(&number, at, sizeof number);
      for (int digits = 6; digits <= 17; digits++) { /* the shortest text that reads back as the same number */
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number) break;
      }
      fprintf(out, "%s", text);
      break;
    }
    case FD_OPTION_TEXT: print_text(out, at); break;
    case FD_OPTION_BOOL:
    case FD_OPTION_CHOICE:
      memcpy(&index, at, sizeof index);
      at = fd_choice_text(o->choices, index, &length);
      fprintf(out, "%.*s", length, at);
      break;
  }
}

/* Whether an option may change, and which models have it. */
static const char *who_has(fd_change change) {
  switch (change) {
    case FD_CHANGE_FREE: return "free";
    case FD_CHANGE_FROZEN: break;
    case FD_CHANGE_SHAPE: return "frozen; model";
    case FD_CHANGE_CHORDMIXER: return "frozen; encoder `chordmixer`";
    case FD_CHANGE_TRANSFORMER: return "frozen; encoders with attention";
    case FD_CHANGE_BLOCKS: return "frozen; encoder `transformer`";
    case FD_CHANGE_WORDS: return "frozen; encoders over token ids";
    case FD_CHANGE_AUTOENCODER: return "frozen; encoder `mae`";
    case FD_CHANGE_DELTA: return "frozen; encoder `had`";
    case FD_CHANGE_CONVOLUTION: return "frozen; encoders `hybrid` and `cnn`";
  }
  return "frozen";
}

/* The values that an option may have. */
static void print_values(FILE *out, const fd_option *o) {
  if (o->choices) {
    for (const char *c = o->choices; *c; c++) fprintf(out, *c == '|' ? ", " : "%c", *c);
  } else if (o->kind == FD_OPTION_TEXT) {
    fprintf(out, "text");
  } else {
    fprintf(out, "%.15g to %.15g", o->min, o->max);
  }
}

static void print_markdown_row(FILE *out, const fd_config *config, const fd_option *o) {
  fprintf(out, "| `%s.%s` | `", o->section, o->name);
  fd_option_print(out, config, o);
  fprintf(out, "` | ");
  print_values(out, o);
  fprintf(out, " | %s | %s |\n", who_has(o->change), o->help);
}

static void print_man_entry(FILE *out, const fd_config *config, const fd_option *o) {
  fprintf(out, ".TP\n.B %s.%s\n(", o->section, o->name);
  print_values(out, o);
  fprintf(out, "; default ");
  fd_option_print(out, config, o);
  fprintf(out, o->change == FD_CHANGE_FREE ? "; free) " : "; frozen) ");
  fd_help_roff(out, o->help, " ");
  fprintf(out, "\n");
}

static void print_words(FILE *out, const fd_option *o) {
  const char *value = o->choices ? o->choices : o->kind != FD_OPTION_TEXT ? "N" : o->max == 1 ? "FOLDER" : "TEXT";
  fprintf(out, "%s.%s=\t%s\t%s\n", o->section, o->name, value, o->help);
}

static void print_frozen(FILE *out, const fd_config *config, const unsigned char *named) {
  for (const fd_option *o = fd_options; o < fd_options + fd_option_count; o++) {
    if (!fd_option_frozen(o) || (named && !named[o - fd_options])) continue;
    fprintf(out, "%s.%s=", o->section, o->name);
    fd_option_print(out, config, o);
    fprintf(out, "\n");
  }
}

void fd_config_print(FILE *out, const fd_config *config, fd_config_style style) {
  const char *section = "";
  if (style == FD_CONFIG_FROZEN) {
    print_frozen(out, config, NULL);
    return;
  }
  for (const fd_option *o = fd_options; o < fd_options + fd_option_count; o++) {
    int fresh = strcmp(section, o->section) != 0;
    section = o->section;
    if (style == FD_CONFIG_MARKDOWN) {
      if (fresh) fprintf(out, "\n## %s\n\n| option | default | values | at resume | meaning |\n|---|---|---|---|---|\n", section);
      print_markdown_row(out, config, o);
    } else if (style == FD_CONFIG_MAN) {
      if (fresh) fprintf(out, ".SS %s\n", section);
      print_man_entry(out, config, o);
    } else if (style == FD_CONFIG_WORDS) {
      print_words(out, o);
    } else {
      if (fresh) fprintf(out, "%s%s:\n", o == fd_options ? "" : "\n", section);
      if (style == FD_CONFIG_YAML_HELP) fprintf(out, "  # %s\n", o->help);
      fprintf(out, "  %s: ", o->name);
      fd_option_print(out, config, o);
      if (style == FD_CONFIG_YAML_HELP && o->kind == FD_OPTION_CHOICE) fprintf(out, "  # %s", o->choices);
      fprintf(out, "\n");
    }
  }
}

fd_status fd_frozen_hash(const fd_config *config, const unsigned char *named, char hex[FD_SHA256_HEX]) {
  char *text = NULL;
  size_t bytes = 0;
  unsigned char digest[FD_SHA256_BYTES];
  FILE *out;
  FD_TRY(fd_text_open(&out, &text, &bytes));
  print_frozen(out, config, named);
  FD_TRY(fd_text_close(out, &text));
  fd_status status = fd_sha256_of(text, bytes, digest);
  fd_hex(hex, digest);
  free(text);
  return status;
}

fd_status fd_config_hash(const fd_config *config, char hex[FD_SHA256_HEX]) { return fd_frozen_hash(config, NULL, hex); }

size_t fd_option_bytes(const fd_config *config, const fd_option *o) {
  if (o->kind == FD_OPTION_TEXT) return strlen((const char *)config + o->offset) + 1;
  return o->kind <= FD_OPTION_REAL ? sizeof(int64_t) : sizeof(int);
}

fd_status fd_config_compare_frozen(const fd_config *saved, const fd_config *now) {
  fd_status status = FD_OK;
  for (const fd_option *o = fd_options; o < fd_options + fd_option_count; o++) {
    size_t bytes = fd_option_bytes(saved, o);
    if (!fd_option_frozen(o) || !memcmp((const char *)saved + o->offset, (const char *)now + o->offset, bytes)) continue;
    char *text = NULL;
    size_t length = 0;
    FILE *out;
    FD_TRY(fd_text_open(&out, &text, &length));
    fd_option_print(out, saved, o);
    fprintf(out, " (checkpoint) -> ");
    fd_option_print(out, now, o);
    FD_TRY(fd_text_close(out, &text));
    status = fd_fail(FD_CONFIG, "%s.%s: %s (now); this key is frozen: a resumed run must keep it", o->section, o->name, text);
    free(text);
  }
  return status;
}

/* The folder of the running program, so that its files are found wherever it was moved. */
static int program_folder(char folder[FD_PATH_MAX]) {
  ssize_t n = readlink("/proc/self/exe", folder, FD_PATH_MAX - 1);
  if (n <= 0) return 0;
  folder[n] = '\0';
  *strrchr(folder, '/') = '\0';
  return 1;
}

int fd_config_folder(int i, char folder[]) {
  /* relative to the program: of a build in the source folder; installed */
  static const char *const relative[] = {"../../configs", "../share/findna/configs"};
  char program[FD_PATH_MAX];
  *folder = '\0';
  if (i > 2) return 0;
  fd_status status = i == 0 ? fd_path(folder, "configs", NULL, NULL) : FD_OK;
  if (i > 0 && program_folder(program)) status = fd_path(folder, program, relative[i - 1], NULL);
  if (status != FD_OK) *folder = '\0';
  return 1;
}

fd_status fd_config_read(const char *name, char path[], char **text, size_t *bytes) {
  char folder[FD_PATH_MAX], file[FD_PATH_MAX];
  if (!*name || strpbrk(name, "/.")) {
    FD_TRY(fd_path(path, name, NULL, NULL));
    return fd_read_file(path, FD_CONFIG_FILE_MAX, text, bytes);
  }
  snprintf(file, sizeof file, "%.255s.yaml", name);
  for (int i = 0; fd_config_folder(i, folder); i++) {
    if (!*folder) continue;
    FD_TRY(fd_path(path, folder, file, NULL));
    if (!fd_is_absent(path)) return fd_read_file(path, FD_CONFIG_FILE_MAX, text, bytes);
  }
  return fd_fail(FD_MISSING, "no config '%s': neither configs/%s nor %s exists; give a file by its path, such as ./%s", name,
                 file, path, file);
}

fd_status fd_config_load(fd_config *config, const char *name, char *const *overrides, int count) {
  char path[FD_PATH_MAX] = "command line", *text = NULL;
  size_t bytes = 0;
  if (name) FD_TRY(fd_config_read(name, path, &text, &bytes));
  fd_status status = fd_config_parse(config, text ? text : "", bytes, path, overrides, count);
  free(text);
  return status;
}
