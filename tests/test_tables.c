/* Tables of labelled sequences in every form, names of classes, and the parts of rows: which leak, and which are held out. */
#include "check.h"
#include "draws.h"

#include <lzma.h>
#include <unistd.h>
#include <zlib.h>

#include "data/alphabet.h"
#include "data/table.h"
#include "data/unsplit.h"
#include "tasks/task_input.h"

static uint64_t counter;

static uint32_t draw(uint32_t n) {
  uint32_t word[4];
  fd_philox(word, drawn_key(17), 0, counter++);
  return fd_below(word[0], n);
}

static char path[] = "/tmp/findna-table-XXXXXX";

static void write_table(const void *data, size_t bytes) {
  FILE *out = fopen(path, "wb");
  assert_non_null(out);
  assert_int_equal(fwrite(data, 1, bytes, out), bytes);
  assert_int_equal(fclose(out), 0);
}

/* Reads the table, whose labels are numbers. */
static fd_status read_numbers(fd_table *t) {
  fd_class_names none = {0};
  return fd_table_read_classes(path, &none, 0, t);
}

/* Reads `text` and checks two rows: ACGTNN 1, then ttg 0. */
static void check_table(const char *text) {
  static const uint8_t symbols[] = {FD_A, FD_C, FD_G, FD_T, FD_N, FD_N, FD_T, FD_T, FD_G};
  fd_table t;
  write_table(text, strlen(text));
  assert_ok(read_numbers(&t));
  assert_int_equal(t.rows, 2);
  assert_int_equal(t.classes, 2);
  assert_int_equal(t.start[1], 6);
  assert_int_equal(t.start[2], 9);
  assert_memory_equal(t.symbols, symbols, sizeof symbols);
  assert_true(t.label[0] == 1 && t.label[1] == 0);
  fd_table_free(&t);
}

static void tables_in_every_form(void **state) {
  (void)state;
  check_table("sequence,label\nACGTNR,1\nttg,0\n");
  check_table("sequence\tlabel\r\nACGTNR\t1\r\nttg\t0");
  check_table("label,id,seq\n1,\"a, \"\"b\"\"\",ACGTNN\n0,,ttg\n");
  check_table("sequence;label\r\nACGTNN;1\r\nttg;0\r\n");
  check_table("id, sequence , label\na, \"ACGTNN\" , 1\nb,ttg , 0\n");
  check_table("name,id,seq,sequence,label\na,b,x,ACGTNN,1\na,b,y,ttg,0\n");
  check_table("#sequence\tlabel\nACGTNN\t1.0\nttg\t0.0\n");
  check_table("\xef\xbb\xbfSequence,Label\n\"ACGUNN\",\"1\"\nttg,0\n\n");
}

/* The maximum number of columns, with long names. */
static void many_columns(void **state) {
  (void)state;
  enum { COLUMNS = 3000 };
  static char text[3 * COLUMNS * 20];
  size_t n = 0;
  for (int row = 0; row < 3; row++) {
    for (int i = 0; i < COLUMNS; i++) n += (size_t)sprintf(text + n, row ? "0.25," : "feature_%d,", i);
    n += (size_t)sprintf(text + n, "%s\n", row == 0 ? "sequence,label" : row == 1 ? "ACGTNN,1" : "ttg,0");
  }
  check_table(text);
}

static void refuse_table(const void *text, size_t bytes) {
  fd_table t;
  write_table(text, bytes);
  assert_int_equal(read_numbers(&t), FD_DATA);
  assert_null(t.symbols);
}

static void bad_tables(void **state) {
  (void)state;
  static const char *const bad[] = {"",
                                    "sequence,label\n",
                                    "seq,lab\nACGT,1\n",
                                    "sequence,label\nACGT\n",
                                    "sequence,label\nACGT,1,2\n",
                                    "sequence,label\nACGT,one\n",
                                    "sequence,label\nACGT,-1\n",
                                    "sequence,label\n,1\n",
                                    "sequence,label\nAC!T,1\n",
                                    "sequence,label\n\"ACGT,1\n",
                                    "sequence,label\n\"ACGT\"x,1\n",
                                    "sequence,sequence,label\nACGT,ACGT,1\n",
                                    "sequence,label\n1,ACGT,1\n",
                                    "sequence,label,id,id\nACGT,1,a,b\n",
                                    "sequence;label\nACGT,1\n",
                                    "sequence,label\nACGT,99999999999999999999\n"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) refuse_table(bad[i], strlen(bad[i]));
  fd_table t;
  write_table("sequence,label\nACGT,1\nACGT,3\n", strlen("sequence,label\nACGT,1\nACGT,3\n"));
  assert_ok(read_numbers(&t)); /* rows to be scored may lack a class of the training rows */
  assert_int_equal(fd_table_check_classes(&t, "the training rows"), FD_DATA);
  fd_table_free(&t);
}

/* Class names as a file: written names read back, with the same hash; anything else is refused. */
static void names_in_a_file(void **state) {
  (void)state;
  static const char *const bad[] = {"", "fly", "fly\n\nworm\n", "fly\nwo,rm\n", "fly\nworm\r\n", "\377\n", "\n", "f\x7fly\n"};
  const char *const given[] = {"worm", "fly", "yeast"};
  fd_class_names names, again;
  char hex[FD_SHA256_HEX], other[FD_SHA256_HEX], what[128], shown[64], *text;
  size_t bytes;
  assert_ok(fd_class_names_of(&names, "here", given, 3));
  assert_ok(fd_class_names_text(&names, &text, &bytes));
  assert_string_equal(text, "fly\nworm\nyeast\n");
  assert_ok(fd_class_names_read(&again, text, bytes, "there"));
  free(text);
  assert_int_equal(fd_class_names_differ(&names, &again, what, sizeof what), 0);
  assert_ok(fd_class_names_hash(&names, hex));
  assert_ok(fd_class_names_hash(&again, other));
  assert_string_equal(hex, other);
  fd_class_names_show(&names, shown, sizeof shown);
  assert_string_equal(shown, "fly,worm,yeast");
  fd_class_names_show(&names, shown, 36);
  assert_string_equal(shown, "fly,... (3)");
  assert_ok(fd_class_names_add(&again, "there", "zebra"));
  assert_int_equal(fd_class_names_differ(&names, &again, what, sizeof what), 1);
  assert_string_equal(what, "there are 4 classes, not 3");
  fd_class_names_free(&again);
  assert_ok(fd_class_names_split(&again, "fly,wasp,yeast"));
  assert_int_equal(fd_class_names_differ(&names, &again, what, sizeof what), 1);
  assert_string_equal(what, "class 1 is 'wasp', not 'worm'");
  fd_class_names_free(&again);
  fd_class_names_free(&names);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_int_equal(fd_class_names_read(&again, bad[i], strlen(bad[i]), "there"), FD_DATA);
  assert_int_equal(fd_class_names_read(&again, "fly\0worm\n", 9, "there"), FD_DATA);
}

/* As many names as there may be, and as many bytes of them; one more is refused. */
static void most_names(void **state) {
  (void)state;
  enum { LONG = (1 << 20) - 1 };
  fd_class_names names = {0};
  char text[16], *name = malloc(LONG + 1);
  for (int i = 0; i <= FD_CLASS_NAMES_MAX; i++) {
    snprintf(text, sizeof text, "c%d", i);
    assert_int_equal(fd_class_names_add(&names, "here", text), i < FD_CLASS_NAMES_MAX ? FD_OK : FD_DATA);
  }
  fd_class_names_free(&names);
  memset(name, 'c', LONG), name[LONG] = '\0';
  for (int i = 0; i < FD_CLASS_NAMES_BYTES / (LONG + 1); i++) assert_ok(fd_class_names_add(&names, "here", name));
  assert_int_equal(fd_class_names_add(&names, "here", "c"), FD_DATA);
  fd_class_names_free(&names);
  free(name);
}

/* Numbers and words for missing values are no names: labels of the former are classes by themselves, the latter are refused. */
static void what_is_a_name(void **state) {
  (void)state;
  static const char *const none[] = {"", "0", "12", "-1", "1.0", "1e3", "5 ", "inf", "NA", "N/A", "nan", "NaN", "NULL", "null"},
                           *const name[] = {"a", "5a", "1.0.1", "nano", "info", "NAD", "none", "5 and more"};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++)
    if (fd_class_names_is_name(none[i])) fail_msg("a name: '%s'", none[i]);
  for (size_t i = 0; i < sizeof name / sizeof *name; i++)
    if (!fd_class_names_is_name(name[i])) fail_msg("no name: '%s'", name[i]);
}

/* Classes are numbered alphabetically; rows to be scored use the classes of the training rows. */
static void names_of_classes(void **state) {
  (void)state;
  static const char train[] = "label,sequence\nworm,ACGT\n\"fly\",AC\nworm,A\nyeast,C\n",
                    test[] = "label,sequence\nyeast,ACGT\nfly,AC\n", other[] = "label,sequence\nyeast,ACGT\nape,AC\n",
                    numbers[] = "label,sequence\n1,ACGT\n0,AC\n";
  static const int expected[] = {1, 0, 1, 2};
  fd_class_names names, none;
  fd_table t;
  char text[64];
  write_table(train, strlen(train));
  assert_ok(fd_table_read_classes(path, &names, 1, &t));
  assert_int_equal(names.count, 3);
  assert_int_equal(t.classes, 3);
  assert_memory_equal(t.label, expected, sizeof expected);
  fd_table_free(&t);
  fd_class_names_show(&names, text, sizeof text);
  assert_string_equal(text, "fly,worm,yeast");
  write_table(test, strlen(test));
  assert_ok(fd_table_read_classes(path, &names, 0, &t));
  assert_true(t.label[0] == 2 && t.label[1] == 0);
  fd_table_free(&t);
  write_table(other, strlen(other));
  assert_int_equal(fd_table_read_classes(path, &names, 0, &t), FD_DATA);
  write_table(numbers, strlen(numbers));
  assert_int_equal(fd_table_read_classes(path, &names, 0, &t), FD_DATA);
  fd_class_names_free(&names);
  assert_ok(fd_table_read_classes(path, &none, 1, &t));
  assert_int_equal(none.count, 0);
  assert_int_equal(t.classes, 2);
  fd_table_free(&t);
  assert_ok(fd_class_names_split(&names, "fly,worm,yeast"));
  assert_int_equal(fd_class_names_find(&names, "yeast"), 2);
  assert_int_equal(fd_class_names_find(&names, "ape"), -1);
  fd_class_names_free(&names);
}

/* Compressed tables read like plain ones; every truncation is refused. */
static void packed_tables(void **state) {
  (void)state;
  char *text;
  size_t bytes, used = 0;
  FILE *out = open_memstream(&text, &bytes);
  fprintf(out, "sequence,label\n");
  for (int i = 0; i < 400; i++) {
    for (int k = 0; k < 30; k++) fputc("ACGT"[draw(4)], out);
    fprintf(out, ",%d\n", i % 3);
  }
  fclose(out);
  unsigned char *packed = malloc(bytes + 4096);
  for (int kind = 0; kind < 2; kind++) {
    used = 0;
    if (kind == 0) {
      assert_int_equal(
          lzma_easy_buffer_encode(6, LZMA_CHECK_CRC64, NULL, (const uint8_t *)text, bytes, packed, &used, bytes + 4096), LZMA_OK);
    } else {
      z_stream z = {
          .next_in = (unsigned char *)text, .avail_in = (uInt)bytes, .next_out = packed, .avail_out = (uInt)bytes + 4096};
      assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
      assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
      used = z.total_out;
      deflateEnd(&z);
    }
    fd_table t;
    write_table(packed, used);
    assert_ok(read_numbers(&t));
    assert_int_equal(t.rows, 400);
    assert_int_equal(t.classes, 3);
    fd_table_free(&t);
    for (int k = 0; k < 20; k++) refuse_table(packed, 20 + draw((uint32_t)used - 20));
  }
  free(packed);
  free(text);
}

/* Test sequences that are training sequences, and those whose reverse complements are; a palindrome is both, and counts once. */
static void leakage_is_counted(void **state) {
  (void)state;
  fd_table train, test;
  int same, turned;
  write_table("sequence,label\nACGTT,0\nGGACA,1\nGAATTC,0\n", strlen("sequence,label\nACGTT,0\nGGACA,1\nGAATTC,0\n"));
  assert_ok(read_numbers(&train));
  write_table("sequence,label\nACGTT,0\nTGTCC,1\nGAATTC,0\nCCCC,1\n",
              strlen("sequence,label\nACGTT,0\nTGTCC,1\nGAATTC,0\nCCCC,1\n"));
  assert_ok(read_numbers(&test));
  assert_ok(fd_task_leakage(&train, &test, &same, &turned));
  assert_int_equal(same, 2);
  assert_int_equal(turned, 1);
  fd_table_free(&train);
  fd_table_free(&test);
}

/* The parts of sequences whose SHA-256 is known: its first 8 bytes, little-endian, modulo 10; only the first 1,024 nucleotides
 * count. */
static void parts_follow_from_the_first_bases(void **state) {
  (void)state;
  static const uint8_t ct[] = {FD_C, FD_T}, gt[] = {FD_G, FD_T}, acgt[] = {FD_A, FD_C, FD_G, FD_T};
  uint8_t far[FD_SPLIT_BASES + 6];
  int part;
  assert_ok(fd_split_part(gt, 2, &part));
  assert_int_equal(part, FD_TEST);
  assert_ok(fd_split_part(ct, 2, &part));
  assert_int_equal(part, FD_VAL);
  assert_ok(fd_split_part(acgt, 4, &part));
  assert_int_equal(part, FD_TRAIN);
  for (int i = 0; i < FD_SPLIT_BASES + 6; i++) far[i] = i < 1000 ? FD_A : FD_T;
  for (int more = 0; more <= 6; more += 6) {
    assert_ok(fd_split_part(far, FD_SPLIT_BASES + more, &part));
    assert_int_equal(part, FD_TEST);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tables_in_every_form), cmocka_unit_test(many_columns),
      cmocka_unit_test(bad_tables),           cmocka_unit_test(names_of_classes),
      cmocka_unit_test(names_in_a_file),      cmocka_unit_test(most_names),
      cmocka_unit_test(what_is_a_name),       cmocka_unit_test(packed_tables),
      cmocka_unit_test(leakage_is_counted),   cmocka_unit_test(parts_follow_from_the_first_bases),
  };
  close(mkstemp(path));
  int code = cmocka_run_group_tests(tests, NULL, NULL);
  unlink(path);
  return code;
}
