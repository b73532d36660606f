/* Invalid tokenizer settings and merges files, one by one, with the message for each. */
#include "tokens.h"

/* Checks the status of a file, and that the error contains `message`. */
static void refused(const fd_tokenizer_settings *settings, fd_status expected, const char *message) {
  fd_tokenizer *t;
  fflush(stderr);
  int old = dup(STDERR_FILENO), fd = open(below("stderr", NULL), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  dup2(fd, STDERR_FILENO);
  fd_status status = fd_tokenizer_create(&t, settings);
  fflush(stderr);
  dup2(old, STDERR_FILENO);
  close(old), close(fd);
  char *said = get(below("stderr", NULL));
  assert_null(t);
  if (status != expected || !strstr(said, message) || count_of(said, "\n") != 1)
    fail_msg("status %d, expected %d with '%s': %s", status, expected, message, said);
  free(said);
}

static void bad_settings(void **state) {
  (void)state;
  static const struct {
    fd_tokenizer_settings settings;
    const char *message;
  } bad[] = {{{.kind = "words"}, "'words' is no tokenizer; expected one of: nt6, kmer, bpe, letters"},
             {{.kind = "kmer", .k = 0, .stride = 1}, "k is 0; expected 1 to 12"},
             {{.kind = "kmer", .k = 13, .stride = 1}, "k is 13; expected 1 to 12"},
             {{.kind = "kmer", .k = 6, .stride = 0}, "a stride of 0; expected 1 to k (6)"},
             {{.kind = "kmer", .k = 6, .stride = 7}, "a stride of 7; expected 1 to k (6)"},
             {{.kind = "kmer", .k = 6, .stride = 6, .vocabulary = 4107}, "has a vocabulary of 4098 tokens; the model has 4107"},
             {{.kind = "letters", .limit = -1}, "a limit of -1 letters; expected 0 or more"},
             {{.kind = "bpe"}, "no file; expected one of merges, or a tokenizer.json"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) refused(&bad[i].settings, FD_CONFIG, bad[i].message);
  refused(&(fd_tokenizer_settings){.kind = "bpe", .file = below("absent", NULL)}, FD_MISSING, "absent: No such file");
  refused(&(fd_tokenizer_settings){.kind = "bpe", .file = folder}, FD_DATA, folder);
  refused(&(fd_tokenizer_settings){.kind = "bpe", .file = merges_file, .vocabulary = 4096}, FD_DATA,
          "bpe_merges.txt: makes a vocabulary of 521 tokens; the model has 4096");
  fd_tokenizer *t = create((fd_tokenizer_settings){.kind = "letters"});
  fd_tokens tokens;
  assert_int_equal(fd_tokens_create(&tokens, t, -1), FD_DATA);
  assert_int_equal(fd_tokens_create(&tokens, t, (int64_t)1 << 40), FD_DATA);
  fd_tokenizer_destroy(&t);
}

static void bad_merges(void **state) {
  (void)state;
  static const struct {
    const char *text, *message;
  } bad[] = {{"", "bad: has no merges"},
             {"\n \n", "bad: has no merges"},
             {"#version: 0.2\n", "bad: has no merges"},
             {"A C\n\nG T\n", "bad:2: an empty line"},
             {"A C\nG T A\n", "bad:2: has 3 words"},
             {"A C\nGT\n", "bad:2: has 1 word;"},
             {"A C\nA N\n", "bad:2: 'N' has another letter"},
             {"a c\n", "bad:1: 'a' has another letter"},
             {"A C\nAC GT\n", "bad:2: 'GT' is no token: expected a letter or what a line above makes"},
             {"AC G\nA C\n", "bad:1: 'AC' is no token"},
             {"[UNK] A\n", "bad:1: '[UNK]' has another letter"},
             {"A C\nC G\nA C\n", "bad:3: the merge 'A C' is there twice; the first is "},
             {"#version: 0.2\nA C\nA C\n", "bad:3: the merge 'A C' is there twice"},
             {"A C\n\xef\xbb\xbfG T\n", "bad:2: begins with a byte order mark"},
             {"A C\nG\xc3\xa4 T\n", "bad:2: 'G"},
             {"A,C\n", "bad:1: has 1 word;"},
             {"\xff\xfe"
              "A",
              "UTF-16"},
             {"A A\nAA AA\nAAAA AAAA\nAAAAAAAA AAAAAAAA\nAAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAA\n"
              "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
              "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA "
              "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
              "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
              "AAAAAAAAAAAAAA "
              "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
              "AAAAAAAAAAAAAA\n",
              "bad:8: makes a token of 256 letters; expected at most 255"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    put(below("bad", NULL), bad[i].text);
    refused(&(fd_tokenizer_settings){.kind = "bpe", .file = below("bad", NULL)}, FD_DATA, bad[i].message);
  }
}

/* `text` with `from` replaced once by `to`. */
static char *replaced(const char *text, const char *from, const char *to) {
  const char *at = strstr(text, from);
  char *out = malloc(strlen(text) + strlen(to) + 1);
  if (!at) fail_msg("nothing to replace: %s", from);
  sprintf(out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
  return out;
}

static const char good_json[] =
    "{\"version\": \"1.0\", \"truncation\": null, \"padding\": null, \"added_tokens\": [{\"id\": 0, \"content\": \"[UNK]\"}, "
    "{\"id\": 2, "
    "\"content\": \"[SEP]\"}], \"normalizer\": null, \"pre_tokenizer\": {\"type\": \"Whitespace\"}, \"post_processor\": "
    "{\"type\": "
    "\"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"[CLS]\", \"type_id\": 0}}, {\"Sequence\": {\"id\": "
    "\"A\", "
    "\"type_id\": 0}}, {\"SpecialToken\": {\"id\": \"[SEP]\", \"type_id\": 0}}], \"special_tokens\": {\"[CLS]\": {\"ids\": [1]}, "
    "\"[SEP]\": {\"ids\": [2]}}}, \"decoder\": null, \"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": \"[UNK]\", "
    "\"continuing_subword_prefix\": null, \"end_of_word_suffix\": null, \"fuse_unk\": false, \"byte_fallback\": false, "
    "\"vocab\": "
    "{\"[UNK]\": 0, \"[CLS]\": 1, \"[SEP]\": 2, \"[PAD]\": 3, \"[MASK]\": 4, \"A\": 5, \"C\": 6, \"G\": 7, \"T\": 8, \"AC\": 9, "
    "\"ACG\": 10}, \"merges\": [\"A C\", \"AC G\"]}}";

/* The valid file with another post-processor. */
static char *with_processor(const char *processor) {
  static const char key[] = "\"post_processor\": ", next[] = ", \"decoder\"";
  const char *from = strstr(good_json, key) + strlen(key), *to = strstr(good_json, next);
  char *out = malloc(strlen(good_json) + strlen(processor) + 1);
  sprintf(out, "%.*s%s%s", (int)(from - good_json), good_json, processor, to);
  return out;
}

static void good_files(void **state) {
  (void)state;
  static const char *const changes[][2] = {
      {"null", "null"},
      {"{\"type\": \"Whitespace\"}", "null"},
      {"\"normalizer\": null, ", ""},
      {"\"dropout\": null", "\"dropout\": 0.0"},
      {"_prefix\": null", "_prefix\": \"\""},
      {"\"truncation\": null", "\"truncation\": {\"max_length\": 2}"},
      {"[\"A C\", \"AC G\"]", "[[\"A\", \"C\"], [\"AC\", \"G\"]]"},
      {"\"AC\": 9, \"ACG\": 10", "\"AC\": 10, \"ACG\": 9"},
      /* an empty token at the end, and merges of it, as in GROVER's file */
      {"\"ACG\": 10}, \"merges\": [", "\"ACG\": 10, \"\": 11}, \"merges\": [\"A \", [\"C\", \"\"], "},
      {"\"ACG\": 10", "\"ACG\": 10, \"\": 11"}};
  put(below("order", NULL), "A C\nC G\nAC G\nA CG\nT A\n"); /* the fourth merge yields the same token as the third */
  fd_tokenizer *t = create((fd_tokenizer_settings){.kind = "bpe", .file = below("order", NULL), .vocabulary = 13});
  ids_are(t, "ACGTCGTAC", 0, "1@0+0 11@0+3 8@3+1 10@4+2 8@6+1 9@7+2 2@9+0");
  fd_tokenizer_destroy(&t);
  for (size_t i = 0; i <= sizeof changes / sizeof *changes; i++) {
    int bert = i == sizeof changes / sizeof *changes;
    char *text = bert ? with_processor("{\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", 2], \"cls\": [\"[CLS]\", 1]}")
                      : replaced(good_json, changes[i][0], changes[i][1]);
    put(below("good", NULL), text);
    t = create((fd_tokenizer_settings){.kind = "bpe", .file = below("good", NULL), .vocabulary = 11});
    ids_are(t, "NACGAC", 0, i == 7 ? "1@0+0 0@0+1 9@1+3 10@4+2 2@6+0" : "1@0+0 0@0+1 10@1+3 9@4+2 2@6+0");
    const fd_vocabulary *v = fd_tokenizer_vocabulary(t);
    assert_true(v->unk == 0 && v->cls == 1 && v->sep == 2 && v->pad == 3 && v->mask == 4);
    fd_tokenizer_destroy(&t);
    free(text);
  }
}

/* What is replaced in the valid file, by what, and the message. */
static const char *const bad_changes[][3] = {
    {"\"merges\"", "merges", "bad.json:1:"},
    {"\"BPE\"", "\"WordPiece\"", "bad.json: model is WordPiece; expected BPE"},
    {"\"type\": \"BPE\", ", "", "model is of no type"},
    {"\"model\"", "\"module\"", "model is null; expected BPE"},
    {"\"normalizer\": null", "\"normalizer\": {\"type\": \"Lowercase\"}", "normalizer is Lowercase; expected null"},
    {"\"normalizer\": null", "\"normalizer\": 1", "normalizer is of no type; expected null"},
    {"Whitespace", "ByteLevel", "pre_tokenizer is ByteLevel; expected Whitespace or null"},
    {"TemplateProcessing", "ByteLevel", "post_processor is ByteLevel; expected TemplateProcessing"},
    {"\"post_processor\"", "\"processor\"", "post_processor is null; expected TemplateProcessing"},
    {"\"id\": \"[SEP]\"", "\"id\": \"[CLS]\"", "post_processor.single is not [CLS], the sequence A, [SEP]"},
    {"{\"SpecialToken\": {\"id\": \"[CLS]\", \"type_id\": 0}}, ", "", "post_processor.single is not [CLS]"},
    {"\"id\": \"A\"", "\"id\": \"B\"", "post_processor.single is not [CLS]"},
    {"\"ids\": [2]", "\"ids\": [3]", "post_processor.special_tokens: the id of [SEP] is not that of model.vocab"},
    {"\"dropout\": null", "\"dropout\": 0.1", "model.dropout is set"},
    {"_prefix\": null", "_prefix\": \"##\"", "model.continuing_subword_prefix is set"},
    {"_suffix\": null", "_suffix\": \"</w>\"", "model.end_of_word_suffix is set"},
    {"\"fuse_unk\": false", "\"fuse_unk\": true", "model.fuse_unk is set"},
    {"\"byte_fallback\": false", "\"byte_fallback\": true", "model.byte_fallback is set"},
    {"\"byte_fallback\": false", "\"ignore_merges\": true", "model.ignore_merges is set"},
    {"\"unk_token\": \"[UNK]\"", "\"unk_token\": null", "model.unk_token is none; expected \"[UNK]\""},
    {"\"unk_token\": \"[UNK]\"", "\"unk_token\": \"A\"", "model.unk_token is another one"},
    {"\"vocab\"", "\"words\"", "model.vocab is missing"},
    {"\"vocab\": {", "\"vocab\": [", "bad.json:1:"},
    {"\"ACG\": 10", "\"ACG\": 11", "the id of 'ACG' is none of the 11 ids from 0"},
    {"\"ACG\": 10", "\"ACG\": -1", "the id of 'ACG' is none of the 11 ids"},
    {"\"ACG\": 10", "\"ACG\": 10.0", "the id of 'ACG' is none of the 11 ids"},
    {"\"ACG\": 10", "\"ACG\": 99999999999", "the id of 'ACG' is none of the 11 ids"},
    {"\"ACG\": 10", "\"ACG\": 9", "the id 9 is there twice"},
    {"\"ACG\": 10", "\"AC\": 10", "duplicate object key"},
    {"\"ACG\": 10", "\"ACN\": 10", "'ACN' is no token of A, C, G and T"},
    {"\"AC\": 9", "\"\": 9", "'' is no token of A, C, G and T"},
    {"\"ACG\": 10", "\"ACG\": 10, \"\": 12", "'' is no token of A, C, G and T"},
    {"\"A C\", \"AC G\"", "\"A C\", \"A \"", "model.merges[1]: '' has another letter"},
    {"\"ACG\": 10}, \"merges\": [\"A C\"", "\"ACG\": 10, \"\": 11}, \"merges\": [\"A \", \"A C\", \"A \"",
     "model.merges[2]: '' has another letter"},
    {"\"ACG\": 10}, \"merges\": [\"A C\"", "\"ACG\": 10, \"\": 11}, \"merges\": [\"A \", \"T \", \"TT C\"",
     "model.merges[2]: 'TT' is no token"},
    {"\"[PAD]\": 3", "\"TT\": 3", "model.vocab has no [PAD]"},
    {"\"G\": 7", "\"GG\": 7", "model.vocab has no token G"},
    {"\"content\": \"[SEP]\"", "\"content\": \"AC\"", "added_tokens[1] is 'AC'"},
    {"\"id\": 2, \"content\"", "\"id\": 3, \"content\"", "added_tokens[1]: the id of [SEP] is not that of model.vocab"},
    {"\"merges\"", "\"pairs\"", "model.merges is missing"},
    {"\"AC G\"", "\"ACG\"", "model.merges[1]: is no merge"},
    {"\"AC G\"", "7", "model.merges[1]: is no merge"},
    {"\"AC G\"", "[\"AC\"]", "model.merges[1]: is no merge"},
    {"\"AC G\"", "[\"AC\", \"G\", \"T\"]", "model.merges[1]: is no merge"},
    {"\"AC G\"", "[\"AC\", 7]", "model.merges[1]: is no merge"},
    {"\"AC G\"", "\"AC  G\"", "model.merges[1]: ' G' has another letter"},
    {"\"AC G\"", "\"AC G T\"", "model.merges[1]: 'G T' has another letter"},
    {"\"AC G\"", "\"AC TT\"", "model.merges[1]: 'TT' is no token: expected a letter or a token of model.vocab"},
    {"\"AC G\"", "\"AC T\"", "model.merges[1]: makes 'ACT', which is no token of model.vocab"},
    {"\"AC G\"", "\"A C\"", "model.merges[1]: the merge 'A C' is there twice; the first is "}};

static void bad_json(void **state) {
  (void)state;
  char path[FD_PATH_MAX];
  assert_ok(fd_path(path, folder, "bad.json", NULL));
  for (size_t i = 0; i < sizeof bad_changes / sizeof *bad_changes; i++) {
    char *text = replaced(good_json, bad_changes[i][0], bad_changes[i][1]);
    put(path, text);
    refused(&(fd_tokenizer_settings){.kind = "bpe", .file = path}, FD_DATA, bad_changes[i][2]);
    free(text);
  }
  static const char *const processors[][2] = {{"{\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", 3], \"cls\": [\"[CLS]\", 1]}",
                                               "post_processor.sep is not [SEP] with its id"},
                                              {"{\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", 2], \"cls\": [\"<s>\", 1]}",
                                               "post_processor.cls is not [CLS] with its id"},
                                              {"{\"type\": \"BertProcessing\"}", "post_processor.cls is not [CLS]"}};
  for (size_t i = 0; i < sizeof processors / sizeof *processors; i++) {
    char *text = with_processor(processors[i][0]);
    put(path, text);
    refused(&(fd_tokenizer_settings){.kind = "bpe", .file = path}, FD_DATA, processors[i][1]);
    free(text);
  }
  for (size_t length = 1; length < sizeof good_json - 1; length += 7) { /* cut off */
    char *text = strndup(good_json, length);
    put(path, text);
    refused(&(fd_tokenizer_settings){.kind = "bpe", .file = path}, FD_DATA, "bad.json:1:");
    free(text);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(bad_settings), cmocka_unit_test(bad_merges), cmocka_unit_test(good_files),
                                     cmocka_unit_test(bad_json)};
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
