/* metrics.jsonl, and the reports made from it. */
#include "files.h"

#include <sys/stat.h>

#include "commands/command.h"
#include "output/json_file.h"
#include "output/metrics.h"
#include "output/report.h"
#include "output/svg.h"
#include "output/tensorboard.h"

static const char *const names[] = {"loss", "seconds"};

static void step(fd_metrics *m, int64_t number, double loss) {
  fd_metrics_step(m, "step", number, 2, names, (const double[]){loss, 0.25});
}

static void metrics_round_trip(void **state) {
  (void)state;
  const char *path = below("m.jsonl", NULL);
  fd_metrics *m;
  fd_metrics_log log;
  assert_ok(fd_metrics_open(path, -1, 1, &m));
  step(m, 0, 1.0 / 3);
  step(m, 1, NAN);
  step(m, 2, INFINITY);
  fd_metrics_step(m, "eval", 2, 1, (const char *const[]){"student_loss"}, (const double[]){1.25});
  fd_metrics_step(NULL, "step", 3, 0, NULL, NULL);
  fd_metrics_close(&m);
  assert_null(m);
  char *text = get(path);
  assert_non_null(strstr(text, "{\"kind\":\"step\",\"step\":0,\"loss\":0.333333333,\"seconds\":0.25}\n"));
  assert_non_null(strstr(text, "\"step\":1,\"loss\":null,"));
  free(text);
  assert_ok(fd_metrics_read(path, &log));
  assert_int_equal(log.tables, 2);
  const fd_metrics_table *t = fd_metrics_find(&log, "step");
  assert_int_equal(t->rows, 3);
  assert_near(fd_metrics_column(t, "loss")[0], 1.0 / 3, 1e-9);
  assert_true(isnan(fd_metrics_column(t, "loss")[1]) && isnan(fd_metrics_column(t, "loss")[2]));
  assert_true(fd_metrics_column(t, "step")[2] == 2);
  assert_null(fd_metrics_column(t, "absent"));
  assert_null(fd_metrics_find(&log, "absent"));
  assert_null(fd_metrics_column(NULL, "loss"));
  fd_metrics_log_free(&log);
}

/* After a resume the metrics equal those of an uninterrupted run: the line of the step, later lines, a partial line and damaged
 * lines are removed; an evaluation at the step is kept. */
static void metrics_are_cut_back(void **state) {
  (void)state;
  const char *path = below("cut.jsonl", NULL);
  fd_metrics *m;
  assert_ok(fd_metrics_open(path, -1, 1, &m));
  for (int i = 0; i < 5; i++) {
    step(m, i, i);
    if (i == 2) fd_metrics_step(m, "eval", 3, 0, NULL, NULL);
  }
  fd_metrics_close(&m);
  char *whole = get(path);
  assert_ok(fd_metrics_open(path, 3, 1, &m));
  for (int i = 3; i < 5; i++) step(m, i, i);
  fd_metrics_close(&m);
  char *resumed = get(path);
  assert_string_equal(whole, resumed);
  free(resumed);
  int fd = open(path, O_WRONLY | O_APPEND);
  assert_int_equal(write(fd, "garbage\n{\"kind\":\"step\"}\n{\"kind\":\"step\",\"step\":3,\"lo", 50), 50);
  close(fd);
  assert_ok(fd_metrics_open(path, 5, 1, &m));
  fd_metrics_close(&m);
  resumed = get(path);
  assert_string_equal(whole, resumed);
  free(resumed);
  assert_ok(fd_metrics_open(path, -1, 1, &m));
  fd_metrics_close(&m);
  resumed = get(path);
  assert_string_equal(resumed, "");
  free(resumed);
  free(whole);
  assert_ok(fd_metrics_open(below("new.jsonl", NULL), 7, 1, &m)); /* a resumed run that lost its metrics */
  fd_metrics_close(&m);
  assert_int_equal(fd_metrics_open(below("absent", "m.jsonl"), -1, 1, &m), FD_MISSING);
  assert_null(m);
}

static void metrics_survive_a_full_disk(void **state) {
  (void)state;
  fd_metrics *m;
  assert_ok(fd_metrics_open("/dev/full", -1, 1, &m));
  for (int i = 0; i < 3; i++) step(m, i, i);
  fd_metrics_close(&m);
}

static void bad_metrics(void **state) {
  (void)state;
  static const char *const bad[] = {"x\n",
                                    "[]\n",
                                    "{}\n",
                                    "{\"kind\":1,\"step\":1}\n",
                                    "{\"kind\":\"step\"}\n",
                                    "{\"kind\":\"step\",\"step\":1.5}\n",
                                    "{\"kind\":\"step\",\"step\":-1}\n",
                                    "{\"kind\":\"step\",\"step\":1}\n\n",
                                    "\0\n"};
  const char *path = below("bad.jsonl", NULL);
  fd_metrics_log log;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    put(path, *bad[i] ? bad[i] : "\n");
    if (fd_metrics_read(path, &log) != FD_DATA) fail_msg("accepted: %s", bad[i]);
  }
  put(path, "");
  assert_ok(fd_metrics_read(path, &log));
  assert_int_equal(log.tables, 0);
  fd_metrics_log_free(&log);
  put(path, "{\"kind\":\"step\",\"step\":1}\n{\"kind\":\"st");
  assert_ok(fd_metrics_read(path, &log)); /* the last line is being written */
  assert_int_equal(fd_metrics_find(&log, "step")->rows, 1);
  fd_metrics_log_free(&log);
}

/* A column that appears late has no earlier values. */
static void ragged_metrics(void **state) {
  (void)state;
  const char *path = below("ragged.jsonl", NULL);
  fd_metrics_log log;
  fd_metrics *m;
  assert_ok(fd_metrics_open(path, -1, 1, &m));
  for (int i = 0; i < 1000; i++) fd_metrics_step(m, "step", i, i < 500 ? 1 : 2, names, (const double[]){i, -i});
  fd_metrics_close(&m);
  assert_ok(fd_metrics_read(path, &log));
  const fd_metrics_table *t = fd_metrics_find(&log, "step");
  for (int i = 0; i < 1000; i++) {
    assert_true(fd_metrics_column(t, "loss")[i] == i);
    assert_true(i < 500 ? isnan(fd_metrics_column(t, "seconds")[i]) : fd_metrics_column(t, "seconds")[i] == -i);
  }
  fd_metrics_log_free(&log);
}

static void ticks(void **state) {
  (void)state;
  double first, distance;
  char text[32];
  fd_svg_ticks(0, 1000, 6, &first, &distance);
  assert_true(first == 0 && distance == 200);
  fd_svg_ticks(1.29, 1.42, 5, &first, &distance);
  assert_near(first, 1.3, 1e-9);
  assert_near(distance, 0.05, 1e-9);
  static const struct {
    double value, step;
    const char *text;
  } known[] = {{0, 0.5, "0"},
               {1.5, 0.5, "1.5"},
               {2, 0.5, "2.0"},
               {-0.1, 0.1, "-0.1"},
               {20000, 5000, "20k"},
               {1500000, 500000, "1.5M"},
               {7.5e-4, 2.5e-4, "7.5e-4"},
               {0.9965, 0.0005, "0.9965"},
               {300, 100, "300"}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    fd_svg_tick_text(text, known[i].value, known[i].step);
    assert_string_equal(text, known[i].text);
  }
}

/* Makes a run folder like that of a short run. */
static void make_run(const char *name, int steps) {
  fd_metrics *m;
  char text[2048];
  assert_ok(fd_make_folder(below(name, NULL)));
  assert_ok(fd_metrics_open(below(name, "metrics.jsonl"), -1, 1, &m));
  fd_metrics_step(m, "context", 0, 3, (const char *const[]){"reach", "loss", "accuracy"}, (const double[]){0, 1.3796, 0.2878});
  fd_metrics_step(m, "context", 0, 3, (const char *const[]){"reach", "loss", "accuracy"}, (const double[]){1, 1.3275, 0.3162});
  for (int i = 0; i < steps; i++) {
    if (i % (steps / 4 + 1) == 0) {
      fd_metrics_step(m, "eval", i, 4,
                      (const char *const[]){"student_loss", "student_accuracy", "teacher_loss", "teacher_accuracy"},
                      (const double[]){1.36 - 0.01 * i / steps, 0.33, 1.37, 0.32});
      fd_metrics_step(m, "monitor", i, 8,
                      (const char *const[]){"teacher_entropy", "entropy_limit", "mutual_information", "cross_entropy", "gain",
                                            "correlation", "centre_norm", "warning"},
                      (const double[]){2.2, log(10), 0.05, 2.3, -0.1, 0.01, 1, 1});
    }
    fd_metrics_step(m, "step", i, 10,
                    (const char *const[]){"loss", "mnm", "cl", "surprise", "lr", "lambda", "grad_norm", "clip", "seconds",
                                          "sequences_per_second"},
                    (const double[]){50 + sin(i), i == 3 ? NAN : 100, 11, 12, 1e-3, 0.996, 10 + i % 7, 0.1, 0.1, 160});
  }
  fd_metrics_close(&m);
  put(below(name, "config.used.yaml"), "optim:\n  lr: 0.00123\nrun:\n  folder: \"<script>alert(1)</script>\"\n");
  put(below(name, "environment.json"),
      "{\"host\": \"<b>&\\\"'\", \"ranks\": 2, \"threads_per_rank\": 1, \"steps\": 100, \"nested\": {\"a\": [1, null]}, "
      "\"terms\": [\"mnm\", \"cl\", \"surprise\", \"<script>\", 1]}");
  snprintf(text, sizeof text, "{\"train\": \"tr\", \"test\": \"te<i>st\", \"classes\": 2, \"results\": [%s, %s, %s]}",
           "{\"name\": \"teacher\", \"features\": \"tokens\", \"accuracy\": {\"mean\": 0.8077, \"sd\": 0.003, \"seeds\": [0.80, "
           "0.81, 0.813]}, \"f1\": {\"mean\": 0.8}, \"mcc\": {\"mean\": 0.6, \"sd\": 0.01}}",
           "{\"name\": \"untrained<>\", \"accuracy\": {\"mean\": 0.78, \"sd\": 0.01, \"seeds\": []}}",
           "{\"name\": \"a name that is much longer than its column é é é é\"}");
  put(below(name, "probe.json"), text);
}

/* Checks that elements are closed in order and attributes are quoted: parser enough for our own pages. */
static void check_markup(const char *page) {
  char open[64][16];
  int depth = 0;
  for (const char *at = page; (at = strchr(at, '<')); at++) {
    char name[16];
    if (at[1] == '!') continue;
    int closing = at[1] == '/';
    assert_int_equal(sscanf(at + 1 + closing, "%15[a-z0-9]", name), 1);
    const char *end = strchr(at, '>');
    assert_non_null(end);
    if (closing) {
      if (!depth || strcmp(open[depth - 1], name)) fail_msg("</%s> closes <%s>: %.60s", name, depth ? open[depth - 1] : "", at);
      depth--;
    } else if (end[-1] != '/' && strcmp(name, "meta")) {
      assert_true(depth < 64);
      snprintf(open[depth++], sizeof open[0], "%s", name);
    }
  }
  assert_int_equal(depth, 0);
}

/* The page loads nothing, runs nothing, and has no invalid coordinate. */
static void check_page(const char *page) {
  check_markup(page);
  assert_null(strstr(page, "<script"));
  assert_null(strstr(page, "http"));
  assert_null(strstr(page, "src="));
  static const char *const lost[] = {"\"nan", "\"-nan", "Mnan", "Lnan", " nan", "\"inf", "\"-inf", " inf\""};
  for (size_t i = 0; i < sizeof lost / sizeof *lost; i++)
    if (strstr(page, lost[i])) fail_msg("%s: %.80s", lost[i], strstr(page, lost[i]));
}

static void report_of_a_run(void **state) {
  (void)state;
  make_run("run", 100);
  char *argv[] = {(char *)"report", (char *)below("run", NULL)};
  assert_ok(fd_command_report(fd_comm_self(), 2, argv));
  char *page = get(below("run", "report.html"));
  check_page(page);
  static const char *const expected[] = {"better than base composition only",
                                         "<h3>surprise</h3>",
                                         "counts given ±1 neighbours are still ahead",
                                         "carries almost no signal",
                                         "1.3796",
                                         "&lt;script&gt;alert(1)",
                                         "&lt;b&gt;&amp;&quot;&#39;",
                                         "te&lt;i&gt;st",
                                         "untrained&lt;&gt;",
                                         "80.77 ± 0.30",
                                         "<code>optim.lr</code></td><td class=\"changed\">0.00123</td><td>0.0003</td>",
                                         "160 sequences/s",
                                         "100 of 100",
                                         "{&quot;a&quot;:[1,null]}",
                                         "0.97 ln n",
                                         "prefers-color-scheme: dark",
                                         "@media print"};
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
    if (!strstr(page, expected[i])) fail_msg("missing: %s", expected[i]);
  assert_int_equal(count_of(page, "role=\"img\""), 17); /* 14 curves, one for a term that only this run has, 2 groups of bars */
  assert_null(strstr(page, "<p class=\"absent\">"));
  free(page);
}

static void report_says_what_is_absent(void **state) {
  (void)state;
  assert_ok(fd_make_folder(below("bare", NULL)));
  put(below("bare", "metrics.jsonl"), "{\"kind\":\"step\",\"step\":0,\"loss\":1}\n");
  assert_ok(fd_report_write(below("bare", NULL), below("bare.html", NULL)));
  char *page = get(below("bare.html", NULL));
  check_page(page);
  assert_non_null(strstr(page, "no evaluation on held-out windows"));
  assert_non_null(strstr(page, "absent: no probe*.json"));
  assert_non_null(strstr(page, "absent: no environment.json"));
  assert_non_null(strstr(page, "absent: no config.used.yaml"));
  free(page);
  put(below("bare", "metrics.jsonl"), "");
  put(below("bare", "config.used.yaml"), "future:\n  option: <1>\n");
  put(below("bare", "probe-a.json"), "{\"results\": []}");
  assert_ok(fd_report_write(below("bare", NULL), below("bare.html", NULL)));
  page = get(below("bare.html", NULL));
  check_page(page);
  assert_non_null(strstr(page, "option: &lt;1&gt;"));
  assert_non_null(strstr(page, "no results"));
  free(page);
}

/* One line per layer, with a missing number among them; runs without layers have no such figures. */
static void report_of_layers(void **state) {
  (void)state;
  assert_ok(fd_make_folder(below("layers", NULL)));
  put(below("layers", "metrics.jsonl"),
      "{\"kind\":\"step\",\"step\":0,\"loss\":1}\n"
      "{\"kind\":\"layers\",\"step\":0,\"rows\":512,\"layer_1\":-0.01,\"layer_2\":null,\"layer_3\":0.125}\n"
      "{\"kind\":\"layers\",\"step\":40,\"rows\":512,\"layer_1\":0.5,\"layer_2\":0.25,\"layer_3\":0.75}\n");
  assert_ok(fd_report_write(below("layers", NULL), below("layers.html", NULL)));
  char *page = get(below("layers.html", NULL));
  check_page(page);
  static const char *const expected[] = {"Alignment of each layer with the teacher", "step 40", "layer 2: 0.250",
                                         "layer 3: 0.750"};
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
    if (!strstr(page, expected[i])) fail_msg("missing: %s", expected[i]);
  assert_null(strstr(page, "layer 4"));
  free(page);
  page = get(below("bare.html", NULL));
  assert_null(strstr(page, "Alignment of each layer"));
  free(page);
}

static int has(const char *path, const char *kind, int64_t at) {
  int there;
  assert_ok(fd_metrics_has(path, kind, at, &there));
  return there;
}

static void metrics_know_what_they_have(void **state) {
  (void)state;
  const char *path = below("has.jsonl", NULL);
  put(path, "{\"kind\":\"step\",\"step\":3,\"loss\":1}\n{\"kind\":\"eval\",\"step\":2}\n{\"kind\":\"eval\",\"step\":5}");
  assert_true(has(path, "eval", 2) && has(path, "step", 3));
  assert_false(has(path, "eval", 3) || has(path, "eval", 5)); /* an incomplete line does not count */
  assert_true(has(below("has-not.jsonl", NULL), "eval", 2));
  assert_int_equal(mkfifo(below("pipe.jsonl", NULL), 0600), 0);
  fd_metrics *m;
  int unused;
  assert_int_equal(fd_metrics_has(below("pipe.jsonl", NULL), "eval", 2, &unused), FD_DATA);
  assert_int_equal(fd_metrics_open(below("pipe.jsonl", NULL), 2, 1, &m), FD_DATA);
  assert_int_equal(fd_metrics_open(below("pipe.jsonl", NULL), -1, 1, &m), FD_DATA);
}

static void report_refuses(void **state) {
  (void)state;
  make_run("broken", 10);
  const char *output = below("kept.html", NULL);
  put(output, "old");
  put(below("broken", "probe2.json"), "{\"results\": [");
  assert_int_equal(fd_report_write(below("broken", NULL), output), FD_DATA);
  put(below("broken", "probe2.json"), "[]");
  assert_int_equal(fd_report_write(below("broken", NULL), output), FD_DATA);
  assert_ok(fd_remove_folder(below("empty", NULL)));
  assert_ok(fd_make_folder(below("empty", NULL)));
  assert_int_equal(fd_report_write(below("empty", NULL), output), FD_MISSING);
  assert_int_equal(fd_report_write(below("absent", NULL), output), FD_MISSING);
  char *text = get(output);
  assert_string_equal(text, "old");
  free(text);
  char *none[] = {(char *)"report"};
  assert_int_equal(fd_command_report(fd_comm_self(), 1, none), FD_USAGE);
}

/* With two classes the curves share one chart, with three each method has its own; damaged results leave gaps, not a broken
 * page. */
static void report_of_figures(void **state) {
  (void)state;
  static const char binary[] =
      "{\"name\": \"%s\", \"confusion\": [[5, 1], [0, 7]], \"roc\": [{\"class\": 1, \"area\": 0.9371, \"x\": [0, 0.5, 1], \"y\": "
      "[0, "
      "0.75, 1]}], \"pca\": {\"share\": [0.5, 0.25], \"x\": [1, null, 3], \"y\": [4, 5, 6], \"label\": [0, 1, 12]}}";
  char one[512], two[512], text[4096];
  make_run("tuned", 20);
  snprintf(one, sizeof one, binary, "teacher");
  snprintf(two, sizeof two, binary, "<new>");
  snprintf(text, sizeof text,
           "{\"test\": \"t\", \"classes\": 2, \"labels\": [\"other\", \"<promoter>\"], \"results\": [{\"name\": \"teacher\", "
           "\"accuracy\": {\"mean\": 0.8077, "
           "\"sd\": 0.003}}], \"figures\": [%s, %s]}",
           one, two);
  put(below("tuned", "probe.json"), text);
  put(below("tuned", "finetune.json"),
      "{\"test_scores\": {\"accuracy\": 0.5}, \"figures\": [{\"name\": \"fine-tuned\", \"confusion\": [[1, 0, 0], [0, 2, 0], [0, "
      "0, "
      "9999999]], \"roc\": [{\"class\": 0, \"x\": [0, 1], \"y\": [0]}, {\"class\": 1}, 3], \"pca\": 3}, {}, 4, {\"name\": \"b\", "
      "\"confusion\": [], \"scatter\": {\"x\": [1, 2], \"y\": [2, 3]}}]}");
  assert_ok(fd_report_write(below("tuned", NULL), below("tuned.html", NULL)));
  char *page = get(below("tuned.html", NULL));
  check_page(page);
  static const char *const expected[] = {"probe, teacher 0.9371",
                                         "&lt;new&gt; 0.9371",
                                         "Classes: <b>0</b> other · <b>1</b> &lt;promoter&gt;",
                                         "Accuracy of the probe: 80.77 ± 0.30",
                                         "83.3 %",
                                         "9999999",
                                         "component 1 (50 % of the variance)",
                                         "true value",
                                         "<h2>Test rows</h2>",
                                         "…"};
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
    if (!strstr(page, expected[i])) fail_msg("missing: %s", expected[i]);
  assert_int_equal(count_of(page, "class=\"cell framed\""), 2 * 4 + 9);
  assert_int_equal(count_of(page, "class=\"point"), 2 * 2 + 2);
  free(page);
}

/* Each chart has the curves of both runs; the table lists exactly the differences. */
static void comparison_of_runs(void **state) {
  (void)state;
  make_run("a", 100);
  make_run("b", 60);
  put(below("b", "config.used.yaml"), "optim:\n  lr: 0.5\nrun:\n  folder: other\n");
  put(below("b", "environment.json"), "{\"host\": \"b&b\", \"ranks\": 2, \"threads_per_rank\": 1}");
  put(below("b", "finetune.json"), "{\"untrained\": true, \"test_scores\": {\"mcc\": 0.4321}}");
  assert_ok(fd_report_write_comparison((const char *const[]){below("a", NULL), below("b", NULL)}, 2, below("cmp.html", NULL)));
  char *page = get(below("cmp.html", NULL));
  check_page(page);
  static const char *const expected[] = {"<code>optim.lr</code></td><td>0.00123</td><td>0.5</td>",
                                         "b&amp;b",
                                         "0.4321",
                                         "Held-out loss: student",
                                         "<code>untrained</code></td><td>–</td><td>true</td>",
                                         "<code>steps</code></td><td>100</td><td>–</td>"};
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
    if (!strstr(page, expected[i])) fail_msg("missing: %s", expected[i]);
  static const char *const same[] = {"<code>ranks", "<code>run.folder", "<code>run.seed", "<code>optim.clip",
                                     "<p class=\"absent"};
  for (size_t i = 0; i < sizeof same / sizeof *same; i++)
    if (strstr(page, same[i])) fail_msg("does not differ: %s", same[i]);
  assert_int_equal(count_of(page, "role=\"img\""),
                   14 + 3); /* those of one run, with separate charts for student and teacher, information and gain */
  assert_int_equal(count_of(page, "class=\"s c2\" d="), 17);
  free(page);
  /* Runs with the same folder name are labelled by their full paths. A missing config is reported. */
  assert_ok(fd_make_folder(below("c", "a")));
  put(below("c", "a/metrics.jsonl"), "{\"kind\":\"step\",\"step\":0,\"loss\":1}\n");
  assert_ok(fd_report_write_comparison((const char *const[]){below("a", NULL), below("c", "a")}, 2, below("cmp.html", NULL)));
  page = get(below("cmp.html", NULL));
  check_page(page);
  assert_non_null(strstr(page, below("c", "a")));
  assert_non_null(strstr(page, "A run without a config"));
  free(page);
  const char *many[FD_REPORT_COMPARED + 1];
  for (int i = 0; i <= FD_REPORT_COMPARED; i++) many[i] = below("b", NULL);
  assert_ok(fd_report_write_comparison(many, FD_REPORT_COMPARED, below("cmp.html", NULL)));
  assert_int_equal(fd_report_write_comparison(many, FD_REPORT_COMPARED + 1, below("cmp.html", NULL)), FD_USAGE);
  many[1] = below("absent", NULL);
  assert_int_equal(fd_report_write_comparison(many, 2, below("cmp.html", NULL)), FD_MISSING);
}

static void crc_known_answers(void **state) {
  (void)state;
  unsigned char bytes[32] = {0};
  assert_int_equal(fd_crc32c("", 0), 0);
  assert_int_equal(fd_crc32c("123456789", 9), 0xE3069283u);
  assert_int_equal(fd_crc32c(bytes, 32), 0x8A9136AAu); /* RFC 3720, B.4 */
  memset(bytes, 0xFF, 32);
  assert_int_equal(fd_crc32c(bytes, 32), 0x62A8AB43u);
  for (int i = 0; i < 32; i++) bytes[i] = (unsigned char)i;
  assert_int_equal(fd_crc32c(bytes, 32), 0x46DD794Eu);
}

/* The records are contiguous up to the end of the file, and writing it again yields the same file. tests/test_tensorboard.sh
 * reads their content. */
static void tensorboard_records(void **state) {
  (void)state;
  size_t bytes, again, at = 0;
  int records = 0;
  make_run("events", 40);
  char *argv[] = {(char *)"report", (char *)below("events", NULL), (char *)"--tensorboard"};
  assert_ok(fd_command_report(fd_comm_self(), 3, argv));
  const char *path = below("events", "tensorboard/events.out.tfevents.0.findna");
  char *text, *same;
  assert_ok(fd_read_file(path, 1 << 20, &text, &bytes));
  for (; at + 16 <= bytes; records++) {
    uint64_t length;
    memcpy(&length, text + at, sizeof length);
    assert_true(length < 4096);
    at += 16 + (size_t)length;
  }
  assert_int_equal(at, bytes);
  assert_int_equal(records, 1 + 40 + 4 + 4); /* version, steps, evaluations, monitor */
  assert_memory_equal(text + 12 + 9,
                      "\x1a\x0d"
                      "brain.Event:2",
                      15);
  assert_ok(fd_tensorboard_write(below("events", NULL), path));
  assert_ok(fd_read_file(path, 1 << 20, &same, &again));
  assert_int_equal(again, bytes);
  assert_memory_equal(text, same, bytes);
  free(text);
  free(same);
  assert_ok(fd_make_folder(below("no-run", NULL)));
  char *none[] = {(char *)"report", (char *)below("no-run", NULL), (char *)"--tensorboard"};
  assert_int_equal(fd_command_report(fd_comm_self(), 3, none), FD_MISSING);
  assert_false(fd_exists(below("no-run", "tensorboard")));
}

/* The page of a long run is not large. */
static void report_of_a_long_run(void **state) {
  (void)state;
  make_run("long", 50000);
  assert_ok(fd_report_write(below("long", NULL), below("long.html", NULL)));
  char *page = get(below("long.html", NULL));
  check_page(page);
  assert_true(strlen(page) < 600000);
  free(page);
}

/* Lists of numbers are on one line, everything else as jansson formats it; brackets and commas in strings are unchanged. */
static void json_files(void **state) {
  (void)state;
  const char *path = below("a.json", NULL);
  json_t *root = json_pack("{s:s, s:[f,f,i], s:[[i,i],[i]], s:[], s:[s,s], s:{s:[{s:n}]}}", "text", "[\\1,\n \"2]", "list", 0.5,
                           1.25, 3, "nested", 1, 2, 3, "none", "texts", "a", "]", "object", "list", "null");
  assert_non_null(root);
  assert_ok(fd_json_write(path, root));
  char *text = get(path);
  assert_non_null(strstr(text, "\"list\": [0.5, 1.25, 3],\n"));
  assert_non_null(strstr(text, "\"nested\": [\n    [1, 2],\n    [3]\n  ],\n"));
  assert_non_null(strstr(text, "\"texts\": [\n    \"a\",\n    \"]\"\n  ],\n"));
  free(text);
  json_t *again;
  assert_ok(fd_json_read(path, &again));
  assert_true(json_equal(root, again));
  json_decref(again);
  json_decref(root);
  assert_int_equal(fd_json_write(path, NULL), FD_DATA);
  assert_ok(fd_json_read(below("none.json", NULL), &again));
  assert_null(again);
  put(path, "[1]");
  assert_int_equal(fd_json_read(path, &again), FD_DATA);
  put(path, "{\"a\": 1, \"a\": 2}");
  assert_int_equal(fd_json_read(path, &again), FD_DATA);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(metrics_round_trip),
      cmocka_unit_test(metrics_are_cut_back),
      cmocka_unit_test(metrics_survive_a_full_disk),
      cmocka_unit_test(bad_metrics),
      cmocka_unit_test(ragged_metrics),
      cmocka_unit_test(ticks),
      cmocka_unit_test(report_of_a_run),
      cmocka_unit_test(report_refuses),
      cmocka_unit_test(report_says_what_is_absent),
      cmocka_unit_test(report_of_layers),
      cmocka_unit_test(metrics_know_what_they_have),
      cmocka_unit_test(report_of_figures),
      cmocka_unit_test(comparison_of_runs),
      cmocka_unit_test(report_of_a_long_run),
      cmocka_unit_test(json_files),
      cmocka_unit_test(crc_known_answers),
      cmocka_unit_test(tensorboard_records),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
