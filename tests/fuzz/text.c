/* Fuzz targets: configurations, command lines, suites and names of classes. */
#include "fuzz.h"

#include <string.h>

#include "base/args.h"
#include "config/config.h"
#include "data/class_names.h"
#include "tasks/suite.h"

static char *printed(const fd_config *config, size_t *bytes) {
  char *text = NULL;
  FILE *out = open_memstream(&text, bytes);
  EXPECT(out);
  fd_config_print(out, config, FD_CONFIG_YAML);
  EXPECT(!fclose(out));
  return text;
}

/* An accepted configuration is printed as a text that parses to the same. */
static void check_printed(const fd_config *config) {
  static fd_config again;
  size_t bytes, bytes_again;
  char *text = printed(config, &bytes);
  EXPECT(fd_config_parse(&again, text, bytes, "again", NULL, 0) == FD_OK);
  char *text_again = printed(&again, &bytes_again);
  EXPECT(bytes == bytes_again && !memcmp(text, text_again, bytes));
  free(text_again);
  free(text);
}

/* Splits a copy of the input into at most `room` lines. */
static char *lines_of(const uint8_t *data, size_t size, char **line, int room, int *count) {
  char *text = malloc(size + 1), *rest = text;
  EXPECT(text);
  memcpy(text, data, size);
  text[size] = '\0';
  for (*count = 0; rest && *count < room; ++*count) line[*count] = strsep(&rest, "\n");
  return text;
}

void fuzz_yaml(const uint8_t *data, size_t size) {
  static fd_config config;
  if (fd_config_parse(&config, (const char *)data, size, "fuzz.yaml", NULL, 0) == FD_OK) check_printed(&config);
}

void fuzz_settings(const uint8_t *data, size_t size) {
  static fd_config config;
  char *line[4];
  int count;
  char *text = lines_of(data, size, line, 4, &count);
  if (fd_config_parse(&config, "", 0, "fuzz.yaml", line, count) == FD_OK) check_printed(&config);
  for (int i = 0; i < count; i++) (void)fd_config_is_free(line[i]);
  free(text);
}

void fuzz_args(const uint8_t *data, size_t size) {
  int flag = 0, choice = -1, count, helped;
  int64_t whole = 3;
  double real = 0.5;
  const char *name = NULL, *positional[3];
  fd_list list = {0};
  const fd_arg table[] = {{"flag", FD_ARG_FLAG, &flag, 0, 0, NULL, "a flag"},
                          {"whole", FD_ARG_INT, &whole, -7, 1000, "N", "a whole number"},
                          {"real", FD_ARG_REAL, &real, 0, 1, "X", "a number"},
                          {"name", FD_ARG_TEXT, &name, 0, 0, "NAME", "a text"},
                          {"list", FD_ARG_LIST, &list, 0, 0, "A,B", "a list"},
                          {"choice", FD_ARG_CHOICE, &choice, 0, 0, "one|two|three", "a choice"},
                          {0}};
  const fd_args args = {"fuzz", "[options] A B C", "A command.", table};
  char *word[34] = {(char *)"fuzz"};
  char *text = lines_of(data, size, word + 1, 32, &count);
  int words = count + 1;
  if (fd_args_parse(&args, words, word, positional, 3, &count, &helped) == FD_OK && !helped) {
    EXPECT(count >= 0 && count <= 3 && whole >= -7 && whole <= 1000 && real >= 0 && real <= 1 && choice >= -1 && choice < 3);
    EXPECT(fd_args_given(&args, words, word, "list") == (list.count > 0) || !list.count);
  }
  free(text);
}

void fuzz_suite(const uint8_t *data, size_t size) {
  static fd_suite suite;
  memset(&suite, 0, sizeof suite);
  if (fd_suite_read(&suite, fuzz_file("suite.tsv", data, size), fd_comm_self()) == FD_OK) {
    EXPECT(suite.count > 0);
    for (const fd_suite_task *t = suite.task; t < suite.task + suite.count; t++) {
      EXPECT(t->name && t->rows && t->config && t->measure && t->paper_probe && t->paper_finetune && t->note && t->paper_others);
      EXPECT(*t->name && !strchr(t->name, '/') && t->paper_train >= 0 && t->paper_test >= 0);
      for (const fd_suite_task *o = suite.task; o < t; o++) EXPECT(strcmp(o->name, t->name));
    }
  }
  fd_suite_free(&suite);
}

/* Names that are read are written unchanged; a list of comma-separated names, of older versions, has one name more than commas,
 * not counting a comma at its end. */
void fuzz_classes(const uint8_t *data, size_t size) {
  fd_class_names names = {0};
  char text[1024], *again;
  size_t bytes;
  int commas = 0;
  memcpy(text, data, size);
  text[size] = '\0';
  if (fd_class_names_read(&names, text, size, "classes") == FD_OK) {
    EXPECT(fd_class_names_text(&names, &again, &bytes) == FD_OK);
    EXPECT(bytes == size && !memcmp(again, text, bytes));
    free(again);
  }
  fd_class_names_free(&names);
  for (const char *at = text; *at; at++) commas += *at == ',' && at[1];
  if (fd_class_names_split(&names, text) == FD_OK) EXPECT(names.count == (*text ? commas + 1 : 0));
  fd_class_names_free(&names);
}
