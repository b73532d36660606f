/* A program that embeds with libfindna, for tests/test_library.sh: host abi | embed RUN FILE POOL WINDOW STRIDE BOTH OUT |
 * tokens RUN SEQUENCE | threads RUN FILE | refused RUN. FILE has one sequence per line. Exits with 0 and prints "end" last. */
#include <findna.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEQUENCES = 1000, LETTERS = 4096, THREADS = 4 };

#define FIELD(type, field) printf("%s.%s %zu\n", #type, #field, offsetof(type, field))
#define STRUCT(type) printf("struct %s %zu\n", #type, sizeof(type))

/* Prints the layout that programs compiled with findna.h rely on. */
static void abi(void) {
  printf("abi %d\n", FINDNA_ABI);
  printf("pools %d %d %d %d %d\n", FINDNA_TOKENS, FINDNA_CLS, FINDNA_BOTH, FINDNA_MAX, FINDNA_TASK);
  STRUCT(findna_options);
  FIELD(findna_options, threads), FIELD(findna_options, device), FIELD(findna_options, simd), FIELD(findna_options, precision);
  FIELD(findna_options, encoder);
  STRUCT(findna_pooling);
  FIELD(findna_pooling, window), FIELD(findna_pooling, stride), FIELD(findna_pooling, pool), FIELD(findna_pooling, both_strands);
  STRUCT(findna_description);
  FIELD(findna_description, window), FIELD(findna_description, channels), FIELD(findna_description, outputs);
  FIELD(findna_description, vocabulary), FIELD(findna_description, cls), FIELD(findna_description, encoder);
  FIELD(findna_description, state_id);
  STRUCT(findna_token);
  FIELD(findna_token, id), FIELD(findna_token, first), FIELD(findna_token, length);
}

static const char *sequences[SEQUENCES];

static int64_t read_sequences(const char *path) {
  static char line[LETTERS];
  int64_t count = 0;
  FILE *in = fopen(path, "r");
  if (!in) exit(2);
  while (count < SEQUENCES && fgets(line, sizeof line, in)) line[strcspn(line, "\n")] = 0, sequences[count++] = strdup(line);
  fclose(in);
  return count;
}

/* Exits if a call failed that must succeed. */
static void good(int code) {
  if (!code) return;
  printf("code %d: %s\n", code, findna_message());
  exit(1);
}

static findna_model *open_run(const char *run, int64_t threads) {
  findna_model *model;
  const findna_options options = {.size = sizeof options, .threads = threads};
  good(findna_open(&model, run, &options));
  if (*findna_message()) printf("%s\n", findna_message());
  return model;
}

static void embed(char **words) {
  findna_model *model = open_run(words[0], 2);
  findna_description d = {.size = sizeof d};
  const findna_pooling how = {sizeof how, atoll(words[3]), atoll(words[4]), atoi(words[2]), atoi(words[5])};
  int64_t count = read_sequences(words[1]);
  good(findna_describe(model, &d));
  size_t width = (size_t)(how.pool == FINDNA_TASK ? d.outputs : how.pool == FINDNA_BOTH ? 2 * d.channels : d.channels);
  float *out = calloc((size_t)count, width * sizeof *out);
  good(findna_embed(model, sequences, NULL, count, &how, out));
  FILE *file = fopen(words[6], "w");
  if (!file || fwrite(out, width * sizeof *out, (size_t)count, file) != (size_t)count || fclose(file)) exit(2);
  printf("%s of %s: window %d, channels %d, outputs %d, vocabulary %d, cls %d\n", d.encoder, d.state_id, (int)d.window,
         d.channels, d.outputs, d.vocabulary, d.cls);
  free(out);
  findna_close(model);
}

static void tokens(char **words) {
  findna_model *model = open_run(words[0], 1);
  findna_token token[LETTERS];
  char text[FINDNA_TOKEN_TEXT];
  int64_t count, again;
  good(findna_tokenize(model, words[1], -1, NULL, 0, &count));
  good(findna_tokenize(model, words[1], (int64_t)strlen(words[1]), token, LETTERS, &again));
  if (again != count) exit(1);
  for (int64_t i = 0; i < count; i++) {
    good(findna_token_text(model, token[i].id, text));
    printf("%s:%d:%d+%d ", text, token[i].id, token[i].first, token[i].length);
  }
  printf("\n");
  findna_close(model);
}

/* One of several threads, which embeds with a model shared by all and with a model of its own. */
typedef struct worker {
  const char *run;
  findna_model *shared;
  int64_t count;
  float *out;
  size_t values;
} worker;

static void *work(void *argument) {
  worker *w = argument;
  float *own = calloc(w->values, sizeof *own);
  findna_model *model = open_run(w->run, 1);
  good(findna_embed(model, sequences, NULL, w->count, NULL, own));
  good(findna_embed(w->shared, sequences, NULL, w->count, NULL, w->out));
  if (memcmp(own, w->out, w->values * sizeof *own)) exit(1);
  findna_close(model);
  free(own);
  return NULL;
}

static void threads(char **words) {
  pthread_t thread[THREADS];
  worker w[THREADS];
  findna_model *model = open_run(words[0], 2);
  findna_description d = {.size = sizeof d};
  int64_t count = read_sequences(words[1]);
  good(findna_describe(model, &d));
  for (int i = 0; i < THREADS; i++) {
    w[i] = (worker){words[0], model, count, NULL, (size_t)count * (size_t)d.channels};
    w[i].out = calloc(w[i].values, sizeof(float));
    if (pthread_create(&thread[i], NULL, work, &w[i])) exit(2);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
  for (int i = 1; i < THREADS; i++)
    if (memcmp(w[0].out, w[i].out, w[0].values * sizeof(float))) exit(1);
  for (int i = 0; i < THREADS; i++) free(w[i].out);
  findna_close(model);
}

static void said(const char *what, int code) { printf("%s: %d: %s\n", what, code, findna_message()); }

static void refused(char **words) {
  findna_model *model, *none;
  findna_token token[2];
  findna_description d = {.size = 8};
  float out[LETTERS];
  char text[FINDNA_TOKEN_TEXT];
  int64_t count, length = 0;
  const char *bad[] = {"ACGT", "AC-T"}, *empty[] = {""};
  findna_options options = {.size = sizeof options, .device = "tpu"};
  findna_pooling how = {sizeof how, 4, 5, FINDNA_TOKENS, 0};
  said("no path", findna_open(&none, NULL, NULL));
  said("no run", findna_open(&none, "absent", NULL));
  said("no device", findna_open(&none, words[0], &options));
  options = (findna_options){.size = sizeof options, .encoder = "best"};
  said("no best", findna_open(&none, words[0], &options));
  options = (findna_options){.size = 3};
  said("another header", findna_open(&none, words[0], &options));
  if (none) exit(1);
  findna_close(none);
  model = open_run(words[0], 1);
  said("nothing is wrong", 0);
  said("a letter", findna_embed(model, bad, NULL, 2, NULL, out));
  said("no letters", findna_embed(model, empty, NULL, 1, NULL, out));
  said("no length", findna_embed(model, bad, &length, 1, NULL, out));
  said("fewer than none", findna_embed(model, bad, NULL, -1, NULL, out));
  said("a stride", findna_embed(model, bad, NULL, 1, &how, out));
  how = (findna_pooling){sizeof how, -1, 0, FINDNA_TASK, 0};
  said("no head", findna_embed(model, bad, NULL, 1, &how, out));
  how.pool = 4;
  said("positions", findna_embed(model, bad, NULL, 1, &how, out));
  said("none at all", findna_embed(model, NULL, NULL, 0, NULL, NULL));
  said("tokens of a letter", findna_tokenize(model, "AC!", -1, token, 2, &count));
  said("no token", findna_token_text(model, 5, text));
  said("a description", findna_describe(model, &d));
  said("room for two", findna_tokenize(model, "ACGT", -1, token, 2, &count));
  if (count != 4 || token[1].id != 1) exit(1);
  findna_close(model);
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    int words;
    void (*run)(char **words);
  } modes[] = {{"embed", 7, embed}, {"tokens", 2, tokens}, {"threads", 2, threads}, {"refused", 1, refused}};
  if (argc == 2 && !strcmp(argv[1], "abi")) return abi(), 0;
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
    if (argc > 1 && !strcmp(argv[1], modes[i].name) && argc == modes[i].words + 2) modes[i].run(argv + 2), printf("end\n");
  return 0;
}
