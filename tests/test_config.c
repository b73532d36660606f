/* Config files: every kind of error is reported with line, column and what would be right; good files are unchanged by printing
 * and parsing. */
#include "check.h"
#include "scratch.h"

#include <fcntl.h>
#include <unistd.h>

#include "config/config.h"
#include "config/options.h"

/* Captures what is written to standard error between the two calls. */
typedef struct ear {
  FILE *file;
  int old;
  char text[65536];
} ear;

static void listen_begin(ear *e) {
  e->file = tmpfile();
  fflush(stderr);
  e->old = dup(STDERR_FILENO);
  dup2(fileno(e->file), STDERR_FILENO);
}

static void listen_end(ear *e) {
  dup2(e->old, STDERR_FILENO);
  close(e->old);
  rewind(e->file);
  e->text[fread(e->text, 1, sizeof e->text - 1, e->file)] = '\0';
  fclose(e->file);
}

static fd_status parse(fd_config *config, const char *text, size_t bytes, char *const *overrides, int count, ear *e) {
  listen_begin(e);
  fd_status status = fd_config_parse(config, text, bytes, "f.yaml", overrides, count);
  listen_end(e);
  return status;
}

/* The text must be refused, and every part of `says` (separated by '|') must be in the message. */
static void refuse_bytes(const char *text, size_t bytes, const char *says) {
  fd_config config;
  ear e;
  char parts[512];
  fd_status status = parse(&config, text, bytes, NULL, 0, &e);
  if (status != FD_CONFIG) fail_msg("status %d for:\n%.200s", (int)status, text);
  snprintf(parts, sizeof parts, "%s", says);
  for (char *part = strtok(parts, "|"); part; part = strtok(NULL, "|"))
    if (!strstr(e.text, part)) fail_msg("'%s' is missing in the message of\n%.200s\n%s", part, text, e.text);
}

static void refuse(const char *text, const char *says) { refuse_bytes(text, strlen(text), says); }

/* Parses overrides that are separated by blanks. */
static fd_status parse_overrides(const char *override, ear *e) {
  enum { OVERRIDES = 16 };
  fd_config config;
  char text[1024], *rest = text, *overrides[OVERRIDES];
  int count = 0;
  snprintf(text, sizeof text, "%s", override);
  while (count < OVERRIDES && (overrides[count] = strsep(&rest, " "))) count++;
  return parse(&config, "", 0, overrides, count, e);
}

static void refuse_override(const char *override, const char *says) {
  ear e;
  fd_status status = parse_overrides(override, &e);
  if (status != FD_CONFIG || !strstr(e.text, says))
    fail_msg("%s: status %d, '%s' is missing in\n%s", override, (int)status, says, e.text);
}

static void accept_override(const char *override) {
  ear e;
  fd_status status = parse_overrides(override, &e);
  if (status != FD_OK) fail_msg("%s: status %d\n%s", override, (int)status, e.text);
}

static void unknown_names(void **state) {
  (void)state;
  refuse("run:\n  seed: 1\ntrian:\n  steps: 5\n", "f.yaml:3:1|trian|did you mean 'train'");
  refuse("train:\n  step: 5\n", "f.yaml:2:3|'step'|in section train|did you mean 'steps'|findna config");
  refuse("train:\n  zzzzzzzz: 5\n", "f.yaml:2:3|unknown key|findna config");
}

static void duplicates(void **state) {
  (void)state;
  refuse("train:\n  steps: 5\n  steps: 6\n", "f.yaml:3:10|train.steps is given twice");
  refuse("train:\n  steps: 5\nrun:\n  seed: 1\ntrain:\n  steps: 6\n", "f.yaml:6:10|twice");
}

static void wrong_types(void **state) {
  (void)state;
  refuse("train:\n  steps: many\n", "f.yaml:2:10|'many'|a whole number from 0 to");
  refuse("train:\n  steps: 1.5\n", "f.yaml:2:10|'1.5'|whole number");
  refuse("train:\n  steps: 10k\n", "f.yaml:2:10");
  refuse("train:\n  steps: 0x10\n", "f.yaml:2:10");
  refuse("train:\n  steps:\n", "f.yaml:2:9|whole number");
  refuse("optim:\n  lr: nan\n", "f.yaml:2:7|a number from 0 to 100");
  refuse("optim:\n  lr: 1e999\n", "f.yaml:2:7");
  refuse("optim:\n  lr: fast\n", "'fast'");
  refuse("aug:\n  mask_bert: yes\n", "f.yaml:2:14|false|true");
  refuse("objective:\n  mnm: mse\n", "f.yaml:2:8|'mse'|ce|bce");
  refuse("objective:\n  mnm: c\n", "f.yaml:2:8|'c'|ce|bce"); /* no abbreviations */
  refuse("aug:\n  student: [D, I]\n", "f.yaml:2:12|lists are not used");
  refuse("aug:\n  - student\n", "lists are not used");
  refuse("- run\n", "f.yaml:1:1|lists");
  refuse("run:\n  seed: {a: 1}\n", "f.yaml:2:9|nested too deep");
  refuse("just text\n", "f.yaml:1:1|sections");
  refuse("run: 5\n", "f.yaml:1:6|key: value");
}

static void out_of_range(void **state) {
  (void)state;
  refuse("aug:\n  mask_rate: 1.5\n", "f.yaml:2:14|'1.5'|from 0 to 1");
  refuse("aug:\n  mask_rate: -0.1\n", "f.yaml:2:14");
  refuse("train:\n  batch: 0\n", "f.yaml:2:10|from 1 to 1048576");
  refuse("train:\n  batch: 99999999999999999999999\n", "f.yaml:2:10");
  refuse("optim:\n  lr: 1e400\n", "f.yaml:2:7");
}

static void conditions_between_options(void **state) {
  (void)state;
  refuse("train:\n  virtual_ranks: 3\n  batch: 3\n", "train.virtual_ranks: 3 is not a power of two");
  refuse("device:\n  group: 3\n", "device.group: 3 is not a power of two");
  for (const char *const *list = (const char *const[]){"7", "-1", "0,,1", "1,", "4 5", "0,0,0,0,0,0,0,0", NULL}; *list; list++) {
    char text[64];
    snprintf(text, sizeof text, "eval:\n  contexts: \"%s\"\n", *list);
    refuse(text, "expected up to 7 numbers from 0 to 6 with commas between");
  }
  refuse("train:\n  batch: 65\n", "train.batch: 65 is not a multiple");
  refuse("aug:\n  student: DX\n", "aug.student|'X' is no operation");
  refuse("aug:\n  student: MM\n", "M occurs twice");
  refuse("aug:\n  teacher: MN\n", "aug.teacher");
  refuse("aug:\n  student: DIT\n", "nothing is masked");
  refuse("teacher:\n  kind: none\n", "needs a teacher");
  refuse("objective:\n  mnm_weight: 0\n  cl_weight: 0\n", "nothing to learn");
  refuse("objective:\n  cl_space: projection\n  projection_of: tokens\n", "a softmax over it is always 1; use D");
}

#define WORDS "objective.mnm_weight=0 objective.cl_weight=0 aug.student=M "
#define MAE WORDS "model.channels=64 teacher.kind=none model.encoder=mae model.tokenizer=kmer model.kmer=3 model.vocabulary=66 "
#define BERT WORDS "model.channels=64 teacher.kind=none model.encoder=bert model.tokenizer=kmer model.lm_head=own "
#define HAD WORDS "model.channels=64 model.encoder=had model.tokenizer=letters "
#define TUNED WORDS "task.outputs=2 "

/* Every condition of src/config/check.c that a config can violate: overrides, and the beginning of the option's name and of the
 * reason. */
static const char *const violations[][2] = {
    {"model.heads=2", "model.heads has no effect with model.encoder: chordmixer"},
    {"objective.hidden_weight=0.5", "objective.hidden_weight is only for model.encoder: mae and had"},
    {"train.dropout=0.1", "train.dropout is only for model.encoder: mae and bert"},
    {"aug.offsets=true", "aug.offsets is only for"},
    {MAE "model.tokenizer=bpe", "model.tokenizer: model.encoder: mae needs kmer"},
    {MAE "model.lm_head=tied", "model.lm_head: model.encoder: mae has none"},
    {MAE "model.vocabulary=65", "model.vocabulary: 65; model.encoder: mae with model.kmer 3 has 66"},
    {MAE "model.layers=128 model.decoder_layers=127", "model.layers, model.decoder_layers: together 255; expected at most 254"},
    {BERT "model.layers=257 train.dropout=0.1", "train.dropout: the random numbers of attention suffice for 256 layers"},
    {BERT "model.layers=257 task.outputs=2 task.attention_dropout=0.1",
     "task.attention_dropout: the random numbers of attention suffice for 256 layers"},
    {HAD "model.layers=256 task.outputs=2 task.attention_dropout=0.1",
     "task.attention_dropout: the random numbers of attention suffice for 255 layers"},
    {"objective.distil_weight=1", "objective.distil_weight and aug.sees are only for model.encoder: had"},
    {"aug.sees=visible", "objective.distil_weight and aug.sees are only for model.encoder: had"},
    {HAD "model.tokenizer=kmer", "model.tokenizer: model.encoder: had reads letters"},
    {HAD "model.lm_head=own", "model.lm_head: model.encoder: had has none"},
    {HAD "objective.hidden_weight=0", "objective: hidden_weight and distil_weight are 0; nothing to learn"},
    {HAD "teacher.kind=none objective.distil_weight=0.5", "objective.distil_weight: 0.5 needs teacher.kind: frozen"},
    {HAD "teacher.kind=frozen objective.distil_weight=1 teacher.cache=true", "teacher.cache: features of a teacher that sees"},
    {HAD "teacher.kind=frozen objective.distil_weight=1 objective.distil_project=none teacher.width=100",
     "objective.distil_project: none, but the teacher has 100 channels and the student 64"},
    {TUNED "model.encoder=cnn model.kernels=9,8", "model.kernels: '9,8'; expected up to"},
    {TUNED "model.encoder=cnn model.lm_head=tied", "model.lm_head: encoders with convolutions have none"},
    {TUNED "model.encoder=hybrid model.channels=64 model.padding=513",
     "model.padding: 513; the model has learned positions of 512 tokens"},
    {"model.encoder=transformer model.channels=36 model.heads=4", "model.heads: 4 divide model.channels (36) into odd numbers"},
    {"model.encoder=transformer model.recompute=true", "model.recompute is only for model.encoder: chordmixer"},
    {MAE "task.outputs=2 task.features=cls", "task.features: the tokenizer kmer has no [CLS] token"},
    {MAE "task.outputs=2 task.features=both", "task.features: the tokenizer kmer has no [CLS] token"},
    {TUNED "task.activation=tanh", "task.activation has no effect without task.hidden"},
    {TUNED "task.augment=M", "task.augment: 'M': 'M' is no operation"},
    {TUNED "task.augment=R teacher.kind=logits", "task.augment: 'R', but stored logits are of the rows as they are"},
    {"objective.cl_weight=0 teacher.kind=best", "teacher.kind: best belongs to 'findna finetune'"},
    {"objective.cl_weight=0 teacher.kind=frozen", "teacher.kind: frozen and logits belong to 'findna finetune'"},
    {"objective.cl_weight=0 teacher.kind=logits", "teacher.kind: frozen and logits belong to 'findna finetune'"},
    {HAD "teacher.kind=logits", "teacher.kind: frozen and logits belong to 'findna finetune'"},
    {WORDS "task.outputs=1 task.kind=values teacher.kind=frozen", "teacher.kind: a teacher gives probabilities of classes"},
    {TUNED "teacher.kind=frozen objective.kd_alpha=1", "objective.kd_alpha: 1 leaves nothing to the teacher"},
    {WORDS "teacher.kind=none task.outputs=3 task.kind=values", "task.outputs: 3; values have 1"},
    {WORDS "teacher.kind=none task.outputs=1 task.kind=values task.select=f1", "task.select: values are selected by the loss"},
    {"aug.student=NM", "aug.student: 'NM': noise (N) comes after"},
    {"aug.teacher=ND", "aug.teacher: 'ND': noise (N) comes after"},
    {"aug.teacher=NI", "aug.teacher: 'NI': noise (N) comes after"},
    {"aug.teacher=DM", "aug.teacher: 'DM': masking belongs to the student's view"},
    {"objective.mask_layout=scrambled", "objective.mask_layout: scrambled needs objective.mnm: bce"},
    {"run.folder=", "run.folder: is empty"},
    {"comm.limit=1.9", "comm.limit: 1.9 s; expected 0 (none) or at least 2"},
};

/* Values on the right side of the conditions. */
static const char *const accepted[] = {MAE "model.layers=127 model.decoder_layers=127",
                                       BERT "model.layers=256 train.dropout=0.1",
                                       BERT "model.layers=1000",
                                       HAD "teacher.kind=none objective.distil_weight=0",
                                       HAD "teacher.kind=frozen objective.distil_weight=1 teacher.cache=true teacher.sees=clean",
                                       TUNED "teacher.kind=none model.encoder=hybrid model.channels=64 model.padding=512",
                                       TUNED "teacher.kind=frozen objective.kd_alpha=0.9",
                                       TUNED "teacher.kind=none model.encoder=bert model.channels=45 model.heads=5",
                                       "objective.mask_layout=scrambled objective.mnm=bce",
                                       "aug.student=DTM aug.teacher=NTR",
                                       "comm.limit=2",
                                       "comm.limit=0"};
#undef WORDS
#undef MAE
#undef BERT
#undef HAD
#undef TUNED

static void conditions_of_encoders_tasks_and_teachers(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof violations / sizeof *violations; i++) refuse_override(violations[i][0], violations[i][1]);
  for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++) accept_override(accepted[i]);
}

static void yaml_tricks(void **state) {
  (void)state;
  refuse("run: &a\n  seed: 1\n", "f.yaml:1:6|anchors and tags");
  refuse("run:\n  seed: &a 1\n", "f.yaml:2:9|anchors and tags");
  refuse("run:\n  seed: *a\n", "f.yaml:2:9");
  refuse("run:\n  seed: !!int 1\n", "f.yaml:2:9|tags");
  refuse("run: !x\n  seed: 1\n", "tags");
  refuse("run:\n  seed: 1\n---\nrun:\n  seed: 2\n", "a second document");
  refuse("run:\n  seed: 1\n bad\n", "f.yaml:3|not YAML");
  refuse("run:\n\tseed: 1\n", "f.yaml:2|not YAML");
  refuse("\"run:\n  seed: 1\n", "not YAML");
  refuse("run:\n  folder: \"a\\0b\"\n", "f.yaml:2:11|NUL");
}

/* Billions of nodes by aliases, or very deep nesting: refused at the first level that configs do not have. */
static void nesting_bombs(void **state) {
  (void)state;
  enum { DEPTH = 30000 };
  char *deep = malloc(2 * DEPTH + 1);
  memset(deep, '[', DEPTH);
  deep[DEPTH] = '\0';
  refuse(deep, "f.yaml:1:1|lists");
  memset(deep, '{', DEPTH);
  refuse(deep, "f.yaml:1:");
  for (int i = 0; i < DEPTH; i++) memcpy(deep + 2 * i, "a:", 2);
  deep[2 * DEPTH] = '\0';
  refuse(deep, "f.yaml:1");
  free(deep);
  refuse("a: &a [x, x, x, x]\nb: &b [*a, *a, *a, *a]\nc: &c [*b, *b, *b, *b]\n", "f.yaml:1");
}

static void not_utf8(void **state) {
  (void)state;
  refuse("run:\n  folder: caf\xe9\n", "UTF-8|not YAML");
  refuse("\xff\xfer\0u\0n\0:\0", "not YAML");
  refuse_bytes("run:\n  seed: \0001\n", 15, "not YAML");
}

/* A huge file is refused by its size, before it is read; so are devices. */
static void huge_files(void **state) {
  (void)state;
  char path[FD_PATH_MAX], found[FD_PATH_MAX], *text;
  size_t bytes;
  ear e;
  assert_ok(fd_path(path, folder, "huge.yaml", NULL));
  int fd = open(path, O_WRONLY | O_CREAT, 0600);
  assert_true(fd >= 0);
  assert_int_equal(ftruncate(fd, 100 << 20), 0);
  close(fd);
  listen_begin(&e);
  fd_status status = fd_config_read(path, found, &text, &bytes);
  listen_end(&e);
  assert_int_equal(status, FD_DATA);
  assert_null(text);
  assert_non_null(strstr(e.text, "104857600 bytes"));
  assert_non_null(strstr(e.text, "65536"));
  assert_int_equal(fd_config_read("/dev/zero", found, &text, &bytes), FD_DATA);
  listen_begin(&e);
  status = fd_config_read("no-such-config", found, &text, &bytes);
  listen_end(&e);
  assert_int_equal(status, FD_MISSING);
  assert_non_null(strstr(e.text, "configs/no-such-config.yaml"));
}

static void long_texts(void **state) {
  (void)state;
  char *text = malloc(FD_TEXT_MAX + 64);
  int n = sprintf(text, "run:\n  folder: ");
  memset(text + n, 'a', FD_TEXT_MAX);
  text[n + FD_TEXT_MAX] = '\0';
  refuse(text, "f.yaml:2:11|too long");
  free(text);
}

static void bad_overrides(void **state) {
  (void)state;
  refuse_override("train.steps", "expected section.key=value");
  refuse_override("steps=5", "expected section.key=value");
  refuse_override("=", "expected section.key=value");
  refuse_override(".=", "expected section.key=value");
  refuse_override("train.step=5", "did you mean 'train.steps'");
  refuse_override("train.steps=many", "command line: train.steps: 'many' is not a whole number");
  refuse_override("train.batch=0", "from 1 to 1048576");
  refuse_override("run.folder=caf\xe9", "run.folder: is not UTF-8"); /* could not be read back from the run's config file */
  refuse_override("run.folder=\xed\xa0\x80", "is not UTF-8");
  refuse_override("run.folder=\xe2\x82", "is not UTF-8");
  refuse_override("run.folder=\xc0\xaf", "is not UTF-8");
}

static void all_errors_are_reported(void **state) {
  (void)state;
  refuse("train:\n  step: 5\n  batch: 0\noptim:\n  lr: fast\n", "f.yaml:2:3|f.yaml:3:10|f.yaml:5:7");
}

static void good_files(void **state) {
  (void)state;
  fd_config config, defaults;
  ear e;
  fd_config_defaults(&defaults);
  assert_ok(parse(&config, "", 0, NULL, 0, &e));
  assert_memory_equal(&config, &defaults, sizeof config);
  const char text[] =
      "# a comment\ntrain:\n  batch: 128   # more\n  virtual_ranks: 8\nrun:\n  folder: \"runs/a b: c\"\noptim:\n  lr: "
      "1e-3\naug:\n  mask_bert: true\nobjective:\n  cl_axis: D\nlog:\n";
  char *const overrides[] = {(char *)"train.batch=256", (char *)"run.folder=x=y", (char *)"aug.teacher="};
  assert_ok(parse(&config, text, strlen(text), overrides, 3, &e));
  assert_string_equal(e.text, "");
  assert_int_equal(config.train.batch, 256);
  assert_int_equal(config.train.virtual_ranks, 8);
  assert_string_equal(config.run.folder, "x=y");
  assert_string_equal(config.aug.teacher, "");
  assert_true(config.optim.lr == 1e-3);
  assert_true(config.aug.mask_bert);
  assert_int_equal(config.objective.cl_axis, FD_AXIS_D);
}

#define WINDOWS "model.encoder=chordmixer "
#define HIDDEN                                                                                                         \
  "model.encoder=bert model.channels=64 model.heads=2 model.lm_head=own objective.mnm_weight=0 objective.cl_weight=0 " \
  "teacher.kind=none "
#define TASK "objective.mnm_weight=0 objective.cl_weight=0 teacher.kind=none task.outputs=2 "
/* Overrides, and the options of which a warning says that they have no effect. */
static const char *const without_effect[][2] = {
    {WINDOWS "aug.noise=0.1 aug.size=3 aug.trans=shift objective.mnm_tau=2 objective.cl_axis=D objective.tau_student=0.2 "
             "objective.prototypes=9 teacher.momentum=0.9 teacher.centre_momentum=0.9 teacher.order=before",
     ""},
    {WINDOWS "task.dropout=0.1 task.hidden=4 aug.mutation=0.2", "aug.mutation task.hidden task.dropout"},
    {HIDDEN "aug.mask_rate=0.2 train.dropout=0.2", ""},
    {HIDDEN "aug.noise=0.1 aug.size=3 aug.trans=shift objective.mnm_tau=2 objective.cl_axis=D objective.tau_student=0.2 "
            "objective.prototypes=9 teacher.momentum=0.9 teacher.centre_momentum=0.9 teacher.order=before",
     "aug.noise aug.size aug.trans objective.mnm_tau objective.cl_axis objective.prototypes objective.tau_student "
     "teacher.momentum teacher.order teacher.centre_momentum"},
    {TASK "task.dropout=0.1 task.head_dropout=0.1 task.balance=true aug.mutation=0.2", ""},
    {TASK "task.attention_dropout=0.1", "task.attention_dropout"},
    {TASK "model.encoder=transformer model.channels=64 task.attention_dropout=0.1", ""},
    {TASK "model.encoder=cnn task.dropout=0.1 task.head_dropout=0.2", "task.head_dropout"},
    {TASK "model.encoder=bert model.channels=64 model.heads=2 train.dropout=0.1", "train.dropout"},
    {"objective.mnm_weight=0 objective.cl_weight=0 teacher.kind=none task.kind=values task.outputs=1 task.balance=true",
     "task.balance"}};
#undef WINDOWS
#undef HIDDEN
#undef TASK

/* Options that a run does not use are named, and no others: neither those of its kind, nor weights, nor defaults. */
static void unused_options_are_named(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof without_effect / sizeof *without_effect; i++) {
    enum { OVERRIDES = 20 };
    fd_config config;
    ear e;
    char text[1024], *rest = text, *overrides[OVERRIDES], said[2048] = "";
    int count = 0;
    snprintf(text, sizeof text, "%s", without_effect[i][0]);
    while (count < OVERRIDES && (overrides[count] = strsep(&rest, " "))) count++;
    assert_ok(parse(&config, "", 0, overrides, count, &e));
    listen_begin(&e);
    fd_config_warn_unused(&config);
    listen_end(&e);
    for (char *line = strtok(e.text, "\n"); line; line = strtok(NULL, "\n")) {
      char name[64];
      assert_int_equal(sscanf(line, "findna: warning: %63s has no effect on this run", name), 1);
      snprintf(said + strlen(said), sizeof said - strlen(said), "%s%s", *said ? " " : "", name);
    }
    assert_string_equal(said, without_effect[i][1]);
  }
}

static char *print(const fd_config *config, fd_config_style style, size_t *bytes) {
  char *text = NULL;
  FILE *out = open_memstream(&text, bytes);
  fd_config_print(out, config, style);
  fclose(out);
  return text;
}

/* `~/` of a path is expanded, from a file and from the command line; other texts with it are unchanged. */
static void home(void **state) {
  (void)state;
  static const char yaml[] = "run:\n  folder: ~/runs/x\ntask:\n  names: ~/a,~/b\n";
  char *overrides[] = {"data.shards=~/shards"}, *odd[] = {"data.shards=./~/shards", "run.folder=a/~/b"};
  fd_config config;
  ear e;
  assert_int_equal(setenv("HOME", "/home/ada", 1), 0);
  assert_ok(parse(&config, yaml, strlen(yaml), overrides, 1, &e));
  assert_string_equal(config.run.folder, "/home/ada/runs/x");
  assert_string_equal(config.data.shards, "/home/ada/shards");
  assert_string_equal(config.task.names, "~/a,~/b"); /* not a path */
  assert_ok(parse(&config, yaml, strlen(yaml), odd, 2, &e));
  assert_string_equal(config.data.shards, "./~/shards");
  assert_string_equal(config.run.folder, "a/~/b");
}

static const char *const odd_texts[] = {"runs/a",       "a: b",          "#x",          "- a",
                                        "true",         "'q'",           "\"q\"",       "a\\b",
                                        "a #b",         " lead",         "trail ",      "é",
                                        "./~",          "null",          "[a]",         "%x",
                                        "a\tb",         "1e3",           "*a",          "a\nb",
                                        "? a",          "a\rb",          "a\x01\x7fz",  "\\",
                                        "日本 😀",       "a\xc2\x96z",    "a\xc2\x85 z", "\xe2\x80\xa8 z",
                                        "\xe2\x80\xa9", "\xef\xbb\xbfz", "\xef\xbf\xbe"};

/* Texts that YAML would read as something else are printed and parsed unchanged. */
static void print_and_parse(void **state) {
  (void)state;
  fd_config config, back;
  ear e;
  for (size_t i = 0; i < sizeof odd_texts / sizeof *odd_texts; i++)
    for (int style = FD_CONFIG_YAML; style <= FD_CONFIG_YAML_HELP; style++) {
      size_t bytes;
      fd_config_defaults(&config);
      memset(config.run.folder, 0, sizeof config.run.folder);
      snprintf(config.run.folder, sizeof config.run.folder, "%s", odd_texts[i]);
      config.optim.lr = 0.1 + 0.2;
      config.run.seed = 9007199254740992;
      config.objective.mnm = FD_MNM_BCE;
      config.aug.mask_bert = 1;
      char *text = print(&config, (fd_config_style)style, &bytes);
      if (parse(&back, text, bytes, NULL, 0, &e) != FD_OK) fail_msg("'%s' is not read back: %s", odd_texts[i], e.text);
      if (strcmp(back.run.folder, odd_texts[i])) fail_msg("'%s' comes back as '%s'", odd_texts[i], back.run.folder);
      assert_true(back.optim.lr == 0.1 + 0.2);
      assert_int_equal(back.run.seed, 9007199254740992);
      assert_int_equal(back.objective.mnm, FD_MNM_BCE);
      assert_true(back.aug.mask_bert);
      free(text);
    }
}

static void options_are_documented(void **state) {
  (void)state;
  fd_config config;
  size_t bytes;
  char row[160];
  fd_config_defaults(&config);
  char *text = print(&config, FD_CONFIG_MARKDOWN, &bytes);
  for (int i = 0; i < fd_option_count; i++) {
    const fd_option *o = &fd_options[i];
    snprintf(row, sizeof row, "| `%s.%s` | `", o->section, o->name);
    assert_non_null(strstr(text, row));
    assert_true(strlen(o->help) > 5);
    assert_null(strchr(o->help, '|')); /* would break the table */
    if (o->kind == FD_OPTION_INT || o->kind == FD_OPTION_REAL) assert_true(o->number >= o->min && o->number <= o->max);
  }
  assert_null(strstr(text, "(null)"));
  free(text);
}

static void frozen_keys(void **state) {
  (void)state;
  fd_config saved, now;
  char before[FD_SHA256_HEX], after[FD_SHA256_HEX];
  ear e;
  fd_config_defaults(&saved);
  now = saved;
  now.eval.every = 7; /* free */
  snprintf(now.run.folder, sizeof now.run.folder, "elsewhere");
  assert_ok(fd_config_compare_frozen(&saved, &now));
  assert_ok(fd_config_hash(&saved, before));
  assert_ok(fd_config_hash(&now, after));
  assert_string_equal(before, after);
  now.optim.lr = 0.002;
  snprintf(now.aug.student, sizeof now.aug.student, "DM");
  now.objective.mnm = FD_MNM_BCE;
  listen_begin(&e);
  fd_status status = fd_config_compare_frozen(&saved, &now);
  listen_end(&e);
  assert_int_equal(status, FD_CONFIG);
  assert_non_null(strstr(e.text, "optim.lr: 0.0003 (checkpoint) -> 0.002 (now)"));
  assert_non_null(strstr(e.text, "aug.student: DITM (checkpoint) -> DM (now)"));
  assert_non_null(strstr(e.text, "objective.mnm: ce (checkpoint) -> bce (now)"));
  assert_null(strstr(e.text, "eval.every"));
  assert_ok(fd_config_hash(&now, after));
  assert_string_not_equal(before, after);
}

/* Truncated files, and files with a flipped byte, are at worst refused. */
static void survives_damage(void **state) {
  (void)state;
  fd_config config;
  size_t bytes;
  ear e;
  fd_config_defaults(&config);
  char *text = print(&config, FD_CONFIG_YAML, &bytes), *copy = malloc(bytes);
  for (size_t keep = 0; keep <= bytes; keep++) {
    char *part = malloc(keep + 1); /* exact, so that reading past its end is detected */
    memcpy(part, text, keep);
    fd_status status = parse(&config, part, keep, NULL, 0, &e);
    assert_true(status == FD_OK || status == FD_CONFIG);
    assert_true((status == FD_OK) == (*e.text == '\0'));
    free(part);
  }
  for (size_t i = 0; i < bytes; i++) {
    memcpy(copy, text, bytes);
    copy[i] = (char)(copy[i] ^ 1 << i % 8);
    fd_status status = parse(&config, copy, bytes, NULL, 0, &e);
    assert_true(status == FD_OK || status == FD_CONFIG);
  }
  free(copy);
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(unknown_names),
      cmocka_unit_test(duplicates),
      cmocka_unit_test(wrong_types),
      cmocka_unit_test(out_of_range),
      cmocka_unit_test(conditions_between_options),
      cmocka_unit_test(conditions_of_encoders_tasks_and_teachers),
      cmocka_unit_test(yaml_tricks),
      cmocka_unit_test(nesting_bombs),
      cmocka_unit_test(not_utf8),
      cmocka_unit_test(huge_files),
      cmocka_unit_test(long_texts),
      cmocka_unit_test(bad_overrides),
      cmocka_unit_test(all_errors_are_reported),
      cmocka_unit_test(good_files),
      cmocka_unit_test(unused_options_are_named),
      cmocka_unit_test(home),
      cmocka_unit_test(print_and_parse),
      cmocka_unit_test(options_are_documented),
      cmocka_unit_test(frozen_keys),
      cmocka_unit_test(survives_damage),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
