/* Tokenizers: golden values, spans, and byte-pair encoding against a plain quadratic version. */
#include "tokens.h"
#include "draws.h"

#include "data/tokenizer_bpe.h"

enum { WORDS = 1024 };

static uint64_t drawn;

/* A random number below n, from a separate stream. */
static int below_number(int n) {
  uint32_t word[4];
  fd_philox(word, drawn_key(5), 0, drawn++);
  return (int)fd_below(word[0], (uint32_t)n);
}

/* Random letters: some strings contain N, some have few distinct letters, some are repeats. */
static int64_t random_symbols(uint8_t *symbols, int longest) {
  int64_t n = below_number(longest + 1);
  int kinds = 1 + below_number(4), with_n = below_number(3) == 0, period = below_number(4) ? 0 : 1 + below_number(6);
  for (int64_t i = 0; i < n; i++) {
    symbols[i] = (uint8_t)below_number(kinds);
    if (period && i >= period && below_number(30)) symbols[i] = symbols[i - period];
    if (with_n && !below_number(12)) symbols[i] = FD_N;
  }
  return n;
}

/* --- golden values --------------------------------------------------------------------------------------------------- */

/* The ids after the valid ones are padding of the batch. */
static void check_kmer(const fd_tokenizer *t, json_t *row, const uint8_t *symbols, int64_t length, const fd_tokens *tokens) {
  json_t *ids = json_object_get(row, "ids");
  int64_t offset = json_integer_value(json_object_get(row, "offset"));
  int64_t count = fd_tokenizer_encode(t, symbols, length, offset, tokens);
  assert_int_equal(count, json_integer_value(json_object_get(row, "valid")));
  same_ids(ids, tokens, count);
  for (size_t i = (size_t)count; i < json_array_size(ids); i++) assert_int_equal(json_integer_value(json_array_get(ids, i)), 1);
  if (count) check_spans(t, symbols, offset, offset + 6 * count, tokens, count);
}

static void golden(void **state) {
  (void)state;
  fd_tokenizer *nt6 = create((fd_tokenizer_settings){.kind = "nt6", .vocabulary = 4107});
  fd_tokenizer *kmer = create((fd_tokenizer_settings){.kind = "kmer", .k = 6, .stride = 6, .limit = 660, .vocabulary = 4098});
  fd_tokenizer *bpe = create((fd_tokenizer_settings){.kind = "bpe", .file = merges_file, .vocabulary = 521});
  each_golden("tests/golden/nt6.jsonl", nt6, check_whole);
  each_golden("tests/golden/kmer.jsonl", kmer, check_kmer);
  each_golden("tests/golden/bpe.jsonl", bpe, check_whole);
  fd_tokenizer_destroy(&nt6);
  fd_tokenizer_destroy(&kmer);
  fd_tokenizer_destroy(&bpe);
  fd_tokenizer_destroy(&bpe);
}

/* --- letters, k-mers and groups -------------------------------------------------------------------------------------- */

static void letters(void **state) {
  (void)state;
  fd_tokenizer *t = create((fd_tokenizer_settings){.kind = "letters", .limit = 4});
  ids_are(t, "acRTAA", 0, "0@0+1 1@1+1 4@2+1 3@3+1");
  ids_are(t, "acRTAA", 3, "3@3+1 0@4+1 0@5+1");
  ids_are(t, "ac", 9, "");
  ids_are(t, "", 0, "");
  assert_int_equal(fd_tokenizer_vocabulary(t)->mask, FD_ZERO);
  assert_int_equal(fd_tokenizer_most(t, 100), 4);
  fd_tokenizer_destroy(&t);
}

static void kmers(void **state) {
  (void)state;
  fd_tokenizer *t = create((fd_tokenizer_settings){.kind = "kmer", .k = 2, .stride = 1});
  ids_are(t, "ACGNTT", 0, "3@0+2 8@1+2 1@2+2 1@3+2 17@4+2");
  ids_are(t, "ACGT", 3, "");
  fd_tokenizer_destroy(&t);
  t = create((fd_tokenizer_settings){.kind = "kmer", .k = 3, .stride = 2, .limit = 6});
  ids_are(t, "AACAACAAA", 1, "6@1+3 3@3+3");
  assert_int_equal(fd_tokenizer_vocabulary(t)->size, 66);
  fd_tokenizer_destroy(&t);
  t = create((fd_tokenizer_settings){.kind = "kmer", .k = 12, .stride = 12});
  ids_are(t, "TTTTTTTTTTTT", 0, "16777217@0+12");
  fd_tokenizer_destroy(&t);
}

/* A stride beyond k would leave letters out. */
static void strides_leave_no_letter_out(void **state) {
  (void)state;
  fd_tokenizer *t;
  for (int stride = -1; stride <= 5; stride++) {
    fd_status status = fd_tokenizer_create(&t, &(fd_tokenizer_settings){.kind = "kmer", .k = 4, .stride = stride});
    assert_int_equal(status, stride < 1 || stride > 4 ? FD_CONFIG : FD_OK);
    if (status == FD_OK) fd_tokenizer_destroy(&t);
  }
}

/* As many tokens as the model has positions, or pads to, are accepted, and one more is not; special tokens alone are no word. */
static void limits_of_lengths(void **state) {
  (void)state;
  fd_tokenizer *t = create((fd_tokenizer_settings){.kind = "kmer", .k = 2, .stride = 2});
  assert_ok(fd_tokenizer_check(t, 20, 10, 10, "here"));
  assert_int_equal(fd_tokenizer_check(t, 22, 11, 10, "here"), FD_DATA);
  assert_ok(fd_tokenizer_check(t, 22, 11, 0, "here"));
  assert_ok(fd_tokenizer_check(t, 2, 1, 10, "here"));
  assert_int_equal(fd_tokenizer_check(t, 1, 0, 10, "here"), FD_DATA);
  fd_tokenizer_destroy(&t);
  t = create((fd_tokenizer_settings){.kind = "bpe", .file = merges_file, .padding = 7}); /* [CLS] and [SEP] */
  assert_ok(fd_tokenizer_check(t, 5, 7, 10, "here"));
  assert_int_equal(fd_tokenizer_check(t, 6, 8, 10, "here"), FD_DATA);
  assert_int_equal(fd_tokenizer_check(t, 0, 2, 10, "here"), FD_DATA);
  fd_tokenizer_destroy(&t);
  t = create((fd_tokenizer_settings){.kind = "nt6"}); /* begins with <cls> */
  assert_int_equal(fd_tokenizer_check(t, 0, 1, 10, "here"), FD_DATA);
  assert_ok(fd_tokenizer_check(t, 1, 2, 10, "here"));
  fd_tokenizer_destroy(&t);
}

static void groups(void **state) {
  (void)state;
  fd_tokenizer *t = create((fd_tokenizer_settings){.kind = "nt6", .groups = 1});
  ids_are(t, "ACGTACACNTACTTTTTT", 0, "3@0+0 728@0+6 4106@6+6 1371@12+6");
  ids_are(t, "AAAAAAAN", 0, "3@0+0 6@0+6 4102@6+1 4106@7+1");
  ids_are(t, "", 0, "3@0+0");
  assert_int_equal(fd_tokenizer_most(t, 20), 6);
  fd_tokenizer_destroy(&t);
}

/* The vocabulary of Nucleotide Transformer v1 lacks <eos> and <bos>; its other tokens are those of v2 in the same order. */
static void first_version(void **state) {
  (void)state;
  fd_tokenizer *v1 = create((fd_tokenizer_settings){.kind = "nt6", .vocabulary = 4105}),
               *v2 = create((fd_tokenizer_settings){.kind = "nt6"});
  const fd_vocabulary *a = fd_tokenizer_vocabulary(v1), *b = fd_tokenizer_vocabulary(v2);
  char hex[2][FD_SHA256_HEX];
  assert_int_equal(a->size, b->size - 2);
  assert_int_equal(a->first, b->first - 2);
  assert_true(a->words == b->words && a->cls == b->cls && a->mask == b->mask && a->pad == b->pad && a->unk == b->unk);
  for (int32_t id = 0; id < a->size; id++) {
    char text[2][FD_TOKEN_TEXT];
    fd_tokenizer_text(v1, id, text[0]);
    fd_tokenizer_text(v2, id < a->first ? id : id + 2, text[1]);
    assert_string_equal(text[0], text[1]);
  }
  ids_are(v1, "ACGTACNT", 0, "3@0+0 726@0+6 4104@6+1 4101@7+1");
  assert_ok(fd_tokenizer_identity(v1, hex[0]));
  assert_ok(fd_tokenizer_identity(v2, hex[1]));
  assert_string_not_equal(hex[0], hex[1]);
  fd_tokenizer_destroy(&v1);
  fd_tokenizer_destroy(&v2);
}

static void texts(void **state) {
  (void)state;
  static const struct {
    fd_tokenizer_settings settings;
    int32_t id;
    const char *text;
  } cases[] = {{{.kind = "letters"}, 4, "N"},
               {{.kind = "letters"}, 6, "[CLS]"},
               {{.kind = "letters"}, 7, ""},
               {{.kind = "letters"}, -1, ""},
               {{.kind = "kmer", .k = 6, .stride = 6}, 0, "[MASK]"},
               {{.kind = "kmer", .k = 6, .stride = 6}, 1, "[UNK]"},
               {{.kind = "kmer", .k = 6, .stride = 6}, 2 + 27, "AAACGT"},
               {{.kind = "kmer", .k = 6, .stride = 6}, 4097, "TTTTTT"},
               {{.kind = "nt6"}, 3, "<cls>"},
               {{.kind = "nt6"}, 5, "<bos>"},
               {{.kind = "nt6"}, 728, "ACGTAC"},
               {{.kind = "nt6"}, 4103, "T"},
               {{.kind = "nt6"}, 4106, "N"},
               {{.kind = "bpe", .file = merges_file}, 4, "[MASK]"},
               {{.kind = "bpe", .file = merges_file}, 5, "A"},
               {{.kind = "bpe", .file = merges_file}, 9, "TA"},
               {{.kind = "bpe", .file = merges_file}, 521, ""}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[FD_TOKEN_TEXT];
    fd_tokenizer *t = create(cases[i].settings);
    fd_tokenizer_text(t, cases[i].id, text);
    assert_string_equal(text, cases[i].text);
    fd_tokenizer_destroy(&t);
  }
}

/* --- byte-pair encoding against its definition --------------------------------------------------------------------------- */

/* Merges as strings; ids in the order of DNABERT-2's vocabulary. */
typedef struct plain {
  int words, merges;
  char word[WORDS][FD_TOKEN_TEXT];
  int left[WORDS], right[WORDS], made[WORDS];
  int rank[WORDS][WORDS]; /* of a pair of words; -1: no merge */
} plain;

static int word_of(const plain *p, const char *text) {
  for (int i = 5; i < p->words; i++)
    if (!strcmp(p->word[i], text)) return i;
  return -1;
}

static plain *plain_create(void) {
  static const char *const first[] = {"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "A", "C", "G", "T"};
  plain *p = calloc(1, sizeof *p);
  memset(p->rank, -1, sizeof p->rank);
  for (; p->words < 9; p->words++) strcpy(p->word[p->words], first[p->words]);
  return p;
}

/* Adds the next merge, unless it exists already or the word would be too long. */
static int plain_add(plain *p, int left, int right) {
  char made[2 * FD_TOKEN_TEXT];
  sprintf(made, "%s%s", p->word[left], p->word[right]);
  if (p->rank[left][right] >= 0 || strlen(made) >= FD_TOKEN_TEXT) return 0;
  p->rank[left][right] = p->merges;
  p->left[p->merges] = left, p->right[p->merges] = right;
  if ((p->made[p->merges] = word_of(p, made)) < 0) {
    p->made[p->merges] = p->words;
    strcpy(p->word[p->words++], made);
  }
  p->merges++;
  return 1;
}

/* Repeatedly merges the leftmost pair of the lowest rank. */
static int64_t plain_encode(const plain *p, const uint8_t *symbols, int64_t length, int32_t *ids) {
  int64_t n = 0;
  for (int64_t i = 0; i < length; i++) ids[n++] = symbols[i] < 4 ? 5 + symbols[i] : 0;
  for (;;) {
    int64_t best = -1;
    for (int64_t i = 0; i + 1 < n; i++) {
      int rank = p->rank[ids[i]][ids[i + 1]];
      if (rank >= 0 && (best < 0 || rank < p->rank[ids[best]][ids[best + 1]])) best = i;
    }
    if (best < 0) return n;
    ids[best] = p->made[p->rank[ids[best]][ids[best + 1]]];
    memmove(ids + best + 1, ids + best + 2, (size_t)(n - best - 2) * sizeof *ids);
    n--;
  }
}

static plain *plain_read(const char *path) {
  plain *p = plain_create();
  char *text = get(path), *rest = text, *line;
  while ((line = strsep(&rest, "\n")) && *line) {
    const char *left = strsep(&line, " ");
    assert_true(plain_add(p, word_of(p, left), word_of(p, line)));
  }
  free(text);
  return p;
}

/* A merges file. */
static char *text_of(const plain *p) {
  char *text = calloc((size_t)p->merges + 1, 2 * FD_TOKEN_TEXT), *at = text;
  for (int i = 0; i < p->merges; i++) at += sprintf(at, "%s %s\n", p->word[p->left[i]], p->word[p->right[i]]);
  return text;
}

/* A tokenizer.json, with merges as pairs or as strings. */
static char *json_of(const plain *p, int pairs) {
  json_t *vocabulary = json_object(), *merges = json_array();
  for (int i = 0; i < p->words; i++) json_object_set_new(vocabulary, p->word[i], json_integer(i));
  for (int i = 0; i < p->merges; i++) {
    const char *left = p->word[p->left[i]], *right = p->word[p->right[i]];
    json_array_append_new(merges, pairs ? json_pack("[s, s]", left, right) : json_sprintf("%s %s", left, right));
  }
  json_t *root = json_pack(
      "{s:s, s:n, s:[{s:i, s:s, s:b}], s:n, s:{s:s}, s:{s:s, s:[{s:{s:s, s:i}}, {s:{s:s, s:i}}, {s:{s:s, s:i}}], s:{s:{s:[i]}, "
      "s:{s:[i]}}}, s:{s:s, s:n, s:s, s:b, s:o, s:o}}",
      "version", "1.0", "truncation", "added_tokens", "id", 1, "content", "[CLS]", "special", 1, "normalizer", "pre_tokenizer",
      "type", "Whitespace", "post_processor", "type", "TemplateProcessing", "single", "SpecialToken", "id", "[CLS]", "type_id", 0,
      "Sequence", "id", "A", "type_id", 0, "SpecialToken", "id", "[SEP]", "type_id", 0, "special_tokens", "[CLS]", "ids", 1,
      "[SEP]", "ids", 2, "model", "type", "BPE", "dropout", "unk_token", "[UNK]", "fuse_unk", 0, "vocab", vocabulary, "merges",
      merges);
  char *text = json_dumps(root, 0);
  assert_non_null(text);
  json_decref(root);
  return text;
}

/* Checks that both encoders match the definition; returns whether the left-to-right walk succeeded. */
static int compare(const plain *p, const fd_bpe *b, const uint8_t *symbols, int64_t length, const fd_tokens *tokens) {
  int32_t expected[ROOM];
  int64_t n = plain_encode(p, symbols, length, expected);
  assert_int_equal(fd_bpe_merge_all(b, symbols, length, tokens, 0), n);
  assert_memory_equal(tokens->ids, expected, (size_t)n * sizeof *expected);
  int64_t walked = fd_bpe_walk(b, symbols, length, tokens, 0, INT64_MAX);
  if (walked < 0) return 0;
  assert_int_equal(walked, n);
  assert_memory_equal(tokens->ids, expected, (size_t)n * sizeof *expected);
  return 1;
}

static fd_tokens room_for(void) { return (fd_tokens){calloc(ROOM, 4), NULL, calloc(fd_bpe_merge_bytes(ROOM), 1)}; }

static void ten_thousand(void **state) {
  (void)state;
  uint8_t symbols[ROOM];
  plain *p = plain_read(merges_file);
  fd_tokenizer *t = create((fd_tokenizer_settings){.kind = "bpe", .file = merges_file});
  fd_tokens tokens, work = room_for();
  fd_bpe b;
  assert_ok(fd_bpe_open(&b, merges_file));
  assert_ok(fd_tokens_create(&tokens, t, ROOM));
  for (int i = 0; i < 10000; i++) {
    int64_t length = random_symbols(symbols, i % 100 ? 120 : 1500);
    assert_true(compare(p, &b, symbols, length, &work));
    int64_t count = fd_tokenizer_encode(t, symbols, length, 0, &tokens);
    check_spans(t, symbols, 0, length, &tokens, count);
    assert_memory_equal(tokens.ids + 1, work.ids, (size_t)(count - 2) * sizeof *work.ids);
  }
  fd_bpe_close(&b);
  fd_tokens_free(&tokens);
  fd_tokens_free(&work);
  fd_tokenizer_destroy(&t);
  free(p);
}

/* Up to 60 random merges of up to `kinds` distinct letters; at least one merge. */
static plain *plain_random(int kinds) {
  plain *p = plain_create();
  int wanted = 1 + below_number(60);
  plain_add(p, 5, 5);
  for (int tries = 0; tries < 10 * wanted && p->merges < wanted; tries++) {
    int left = 5 + below_number(p->words - 5), right = 5 + below_number(p->words - 5);
    int taken = (left >= 9 || left < 5 + kinds) && (right >= 9 || right < 5 + kinds);
    if (taken && strlen(p->word[left]) + strlen(p->word[right]) <= 40) plain_add(p, left, right);
  }
  return p;
}

/* Swaps two merges. */
static void plain_swap(plain *p) {
  int a = below_number(p->merges), b = below_number(p->merges), *const lists[] = {p->left, p->right, p->made};
  for (int k = 0; k < 3; k++) {
    int kept = lists[k][a];
    lists[k][a] = lists[k][b], lists[k][b] = kept;
  }
  p->rank[p->left[a]][p->right[a]] = a, p->rank[p->left[b]][p->right[b]] = b;
}

/* Random merges: tokens that several merges yield, tokens that are never reached from their letters, and, in a tokenizer.json,
 * merges that precede those of their parts. */
static void random_merges(void **state) {
  (void)state;
  uint8_t symbols[ROOM];
  fd_tokens work = room_for();
  int walked = 0, not_walked = 0;
  for (int trial = 0; trial < 600; trial++) {
    plain *p = plain_random(1 + below_number(4));
    int is_json = trial % 3 == 0;
    for (int i = is_json ? below_number(p->merges) : 0; i > 0; i--) plain_swap(p);
    char *text = is_json ? json_of(p, trial % 2) : text_of(p);
    fd_bpe b;
    put(below("random", NULL), text);
    assert_ok(fd_bpe_open(&b, below("random", NULL)));
    assert_int_equal(b.vocabulary.size, p->words);
    for (int i = 0; i < 40; i++) {
      int64_t length = random_symbols(symbols, 90);
      int way = compare(p, &b, symbols, length, &work);
      if (length) walked += way, not_walked += !way;
    }
    fd_bpe_close(&b);
    free(text);
    free(p);
  }
  printf("# %d walks, %d merged one by one\n", walked, not_walked);
  assert_true(walked > 5000 && not_walked > 500);
  fd_tokens_free(&work);
}

/* The longest sequences, with as few distinct letters as possible: in one piece, and split into pieces by N. */
static void long_repeats(void **state) {
  (void)state;
  enum { LONG = 131072, PIECE = 2000 };
  static const char *const units[] = {"A", "T", "AT", "CA", "GGA", "CAG", "AAAT", "TTAGGG", "AAAAAAAAAAAAAAAAC"};
  static uint8_t symbols[LONG];
  fd_tokenizer *t = create((fd_tokenizer_settings){.kind = "bpe", .file = merges_file});
  plain *p = plain_read(merges_file);
  fd_tokens tokens;
  int32_t expected[ROOM];
  assert_ok(fd_tokens_create(&tokens, t, LONG));
  for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
    for (int i = 0; i < LONG; i++) symbols[i] = fd_symbol_of[(unsigned char)units[u][i % (int)strlen(units[u])]];
    check_spans(t, symbols, 0, LONG, &tokens, fd_tokenizer_encode(t, symbols, LONG, 0, &tokens));
    int64_t n = plain_encode(p, symbols, PIECE, expected);
    assert_int_equal(fd_tokenizer_encode(t, symbols, PIECE, 0, &tokens), n + 2);
    assert_memory_equal(tokens.ids + 1, expected, (size_t)n * sizeof *expected);
    for (int i = PIECE; i < LONG; i += PIECE + 1) symbols[i] = FD_N;
    check_spans(t, symbols, 0, LONG, &tokens, fd_tokenizer_encode(t, symbols, LONG, 0, &tokens));
    assert_memory_equal(tokens.ids + 1, expected, (size_t)n * sizeof *expected);
    assert_int_equal(tokens.ids[n + 1], 0);
  }
  fd_tokens_free(&tokens);
  fd_tokenizer_destroy(&t);
  free(p);
}

/* Tokens of the maximum length, each containing all shorter ones; and a walk that takes too long stops at its limit. */
static void long_tokens(void **state) {
  (void)state;
  enum { LONG = 131072, TOKENS = 250 };
  static uint8_t symbols[LONG];
  plain *p = plain_create();
  fd_tokens tokens;
  char a[FD_TOKEN_TEXT] = "A";
  for (int i = 1; i < TOKENS; i++) { /* AA, AAA, ... one letter more each, merged from the left and from the right */
    assert_true(plain_add(p, word_of(p, a), 5));
    if (i % 3 == 0) plain_add(p, 5, word_of(p, a));
    strcat(a, "A");
  }
  char *text = text_of(p);
  put(below("hard", NULL), text);
  fd_tokenizer *t = create((fd_tokenizer_settings){.kind = "bpe", .file = below("hard", NULL)});
  assert_ok(fd_tokens_create(&tokens, t, LONG));
  for (int i = 0; i < LONG; i++) symbols[i] = i % 1000 == 999;
  check_spans(t, symbols, 0, LONG, &tokens, fd_tokenizer_encode(t, symbols, LONG, 0, &tokens));
  int32_t expected[ROOM];
  int64_t n = plain_encode(p, symbols, 3000, expected);
  assert_int_equal(fd_tokenizer_encode(t, symbols, 3000, 0, &tokens), n + 2);
  assert_memory_equal(tokens.ids + 1, expected, (size_t)n * sizeof *expected);
  fd_bpe b;
  assert_ok(fd_bpe_open(&b, below("hard", NULL)));
  assert_int_equal(fd_bpe_walk(&b, symbols, 3000, &tokens, 0, 100), -1);
  assert_int_equal(fd_bpe_walk(&b, symbols, 3000, &tokens, 0, 64 * 3000), n);
  fd_bpe_close(&b);
  fd_tokens_free(&tokens);
  fd_tokenizer_destroy(&t);
  free(text);
  free(p);
}

/* --- files of merges ------------------------------------------------------------------------------------------------- */

/* A file of either kind, in any formatting, yields the same tokenizer. */
static void same_tokenizer(void **state) {
  (void)state;
  char expected[FD_SHA256_HEX], found[FD_SHA256_HEX], command[FD_PATH_MAX + 64];
  plain *p = plain_read(merges_file);
  char *strings = json_of(p, 0), *pairs = json_of(p, 1), *text = text_of(p), *marked = calloc(1, strlen(text) * 2 + 64),
       *at = marked;
  at += sprintf(at, "\xef\xbb\xbf#version: 0.2\r\n");
  for (const char *c = text; *c; c++) at += sprintf(at, *c == '\n' ? "\r\n" : *c == ' ' ? "  " : "%c", *c);
  sprintf(at, "\r\n\r\n");
  put(below("strings", NULL), strings), put(below("pairs", NULL), pairs), put(below("marked", NULL), marked),
      put(below("packed", NULL), text);
  snprintf(command, sizeof command, "gzip -f %s", below("packed", NULL));
  assert_int_equal(system(command), 0);
  fd_tokenizer *t = create((fd_tokenizer_settings){.kind = "bpe", .file = merges_file});
  assert_ok(fd_tokenizer_identity(t, expected));
  fd_tokenizer_destroy(&t);
  static const char *const names[] = {"strings", "pairs", "marked", "packed.gz"};
  for (int i = 0; i < 4; i++) {
    t = create((fd_tokenizer_settings){.kind = "bpe", .file = below(names[i], NULL), .vocabulary = 521});
    assert_ok(fd_tokenizer_identity(t, found));
    assert_string_equal(found, expected);
    each_golden("tests/golden/bpe.jsonl", t, check_whole);
    fd_tokenizer_destroy(&t);
  }
  t = create((fd_tokenizer_settings){.kind = "nt6"});
  assert_ok(fd_tokenizer_identity(t, expected));
  fd_tokenizer_destroy(&t);
  t = create((fd_tokenizer_settings){.kind = "nt6", .groups = 1});
  assert_ok(fd_tokenizer_identity(t, found));
  assert_string_not_equal(found, expected);
  fd_tokenizer_destroy(&t);
  free(strings), free(pairs), free(text), free(marked), free(p);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(golden),
                                     cmocka_unit_test(letters),
                                     cmocka_unit_test(strides_leave_no_letter_out),
                                     cmocka_unit_test(limits_of_lengths),
                                     cmocka_unit_test(kmers),
                                     cmocka_unit_test(groups),
                                     cmocka_unit_test(first_version),
                                     cmocka_unit_test(texts),
                                     cmocka_unit_test(ten_thousand),
                                     cmocka_unit_test(random_merges),
                                     cmocka_unit_test(long_repeats),
                                     cmocka_unit_test(long_tokens),
                                     cmocka_unit_test(same_tokenizer)};
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
