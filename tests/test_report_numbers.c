/* The numbers on report pages: each is in the place of its name, and is the one that the run's files have. */
#include "files.h"

#include <string.h>

#include "output/metrics.h"
#include "output/report.h"

/* Writes lines of metrics.jsonl of a run `name`. */
static void put_run(const char *name, const char *lines) {
  assert_ok(fd_make_folder(below(name, NULL)));
  put(below(name, "metrics.jsonl"), lines);
}

static void check_texts(const char *page, const char *const *of_a_run, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (!strstr(page, of_a_run[i])) fail_msg("missing: %s", of_a_run[i]);
}

static const char *const of_a_run[] = {
    "25.0 sequences/s",
    "<b>8 of 100</b><span>0:00:02 h in training steps",
    "1.3500 nats</b><span>student; teacher 1.4500</span><span>counting only: composition 1.5000, ±1 neighbours 1.4000, ±4 "
    "neighbours 1.3000, ±6 neighbours 1.2000</span>",
    "31.00 %</b><span>student; teacher 32.00 %</span><span>counting only: composition 25.00, ±1 neighbours 26.00, ±4 "
    "neighbours 27.00, ±6 neighbours 28.00</span>",
    "better than counts given ±1 neighbours (1.3500 against 1.4000 nats); counts given ±4 neighbours are still ahead (1.3000)",
    "is quiet at the end (it warned in 1 of 2 evaluations)",
    "student 1.3500",
    "teacher 1.4500",
    "student 31.00 %",
    "teacher 32.00 %",
    "teacher 2.100",
    "mutual information 0.510",
    "gain 0.520",
    "[CLS] outputs 0.530",
    "cancels 0.540",
    "KL(teacher ‖ student) 0.300",
    "bars begin at 25, chance for 4 classes",
    ">teacher, tokens</text><rect class=\"b c2\"", /* the networks have the colours of their curves, and baselines are grey */
    ">student, cls</text><rect class=\"b c1\"",
    ">untrained, cls</text><rect class=\"b c0\"",
    "<td>teacher</td><td>tokens</td><td class=\"n\">81.00 ± 1.00</td><td class=\"n\">82.00</td><td class=\"n\">83.00</td><td "
    "class=\"n\">84.00</td><td class=\"n\">85.00</td><td class=\"n\">12</td><td class=\"n\">2</td>"};

/* Each number of a page is the last value of its column, in the place of its name; rates are a median, and times those of all
 * steps, of which every second one has a line. */
static void numbers_of_a_run(void **state) {
  (void)state;
  put_run("known",
          "{\"kind\":\"context\",\"step\":0,\"reach\":0,\"loss\":1.5,\"accuracy\":0.25}\n"
          "{\"kind\":\"context\",\"step\":0,\"reach\":1,\"loss\":1.4,\"accuracy\":0.26}\n"
          "{\"kind\":\"context\",\"step\":0,\"reach\":4,\"loss\":1.3,\"accuracy\":0.27}\n"
          "{\"kind\":\"context\",\"step\":0,\"reach\":6,\"loss\":1.2,\"accuracy\":0.28}\n"
          "{\"kind\":\"eval\",\"step\":0,\"student_loss\":1.6,\"student_accuracy\":0.21,\"teacher_loss\":1.7,"
          "\"teacher_accuracy\":0.22}\n"
          "{\"kind\":\"monitor\",\"step\":0,\"teacher_entropy\":1,\"windows\":600,\"warning\":1}\n"
          "{\"kind\":\"step\",\"step\":1,\"loss\":9,\"seconds\":0.25,\"sequences_per_second\":10}\n"
          "{\"kind\":\"step\",\"step\":3,\"loss\":8,\"seconds\":0.25,\"sequences_per_second\":40}\n"
          "{\"kind\":\"step\",\"step\":5,\"loss\":7,\"seconds\":0.25,\"sequences_per_second\":30}\n"
          "{\"kind\":\"step\",\"step\":7,\"loss\":6,\"seconds\":0.25,\"sequences_per_second\":20}\n"
          "{\"kind\":\"eval\",\"step\":8,\"student_loss\":1.35,\"student_accuracy\":0.31,\"teacher_loss\":1.45,"
          "\"teacher_accuracy\":0.32}\n"
          "{\"kind\":\"monitor\",\"step\":8,\"teacher_entropy\":2.1,\"entropy_limit\":2.3026,\"mutual_information\":0.51,"
          "\"cross_entropy\":2.4,\"gain\":0.52,\"correlation\":0.53,\"centre_norm\":0.54,\"windows\":600,\"warning\":0}\n");
  put(below("known", "environment.json"), "{\"steps\": 100}");
  put(below("known", "probe.json"),
      "{\"test\": \"t\", \"classes\": 4, \"results\": [{\"name\": \"teacher\", \"features\": \"tokens\", \"accuracy\": "
      "{\"mean\": "
      "0.81, \"sd\": 0.01, \"seeds\": [0.8, 0.82]}, \"f1\": {\"mean\": 0.82}, \"mcc\": {\"mean\": 0.83}, \"auroc\": {\"mean\": "
      "0.84}, \"auprc\": {\"mean\": 0.85}, \"dims\": [12, 12]}, {\"name\": \"student\", \"features\": \"cls\", \"accuracy\": "
      "{\"mean\": 0.7}}, {\"name\": "
      "\"untrained\", \"features\": \"cls\", \"accuracy\": {\"mean\": 0.6}}]}");
  assert_ok(fd_report_write(below("known", NULL), below("known.html", NULL)));
  char *page = get(below("known.html", NULL));
  check_texts(page, of_a_run, sizeof of_a_run / sizeof *of_a_run);
  free(page);
}

static const char *const of_a_comparison[] = {"parameters</td><td>11",
                                              "training windows or rows</td><td>12",
                                              "steps planned</td><td>13",
                                              "last step</td><td>14",
                                              "training loss, last</td><td>0.15",
                                              "held-out loss, student</td><td>0.1600",
                                              "held-out loss, teacher</td><td>0.1700",
                                              "held-out accuracy, student, %</td><td>18.00",
                                              "held-out accuracy, teacher, %</td><td>19.00",
                                              "cosine of student and teacher features</td><td>0.2000",
                                              "mutual information of the teacher, nats</td><td>0.210",
                                              "gain, nats</td><td>0.220",
                                              "validation: accuracy, %</td><td>23.00",
                                              "validation: MCC</td><td>0.2400",
                                              "validation: R²</td><td>0.2500",
                                              "test: accuracy, %</td><td>26.00",
                                              "test: macro F1, %</td><td>27.00",
                                              "test: MCC</td><td>0.2800",
                                              "test: AUROC</td><td>0.2900",
                                              "test: AUPRC</td><td>0.3100",
                                              "test: R²</td><td>0.3000"};

/* The table of a comparison has each number beside its name, and none for a run without it. */
static void numbers_of_a_comparison(void **state) {
  (void)state;
  put_run("full",
          "{\"kind\":\"step\",\"step\":12,\"loss\":3,\"sequences_per_second\":7}\n"
          "{\"kind\":\"step\",\"step\":13,\"loss\":2,\"sequences_per_second\":50}\n"
          "{\"kind\":\"step\",\"step\":14,\"loss\":0.15,\"sequences_per_second\":9}\n"
          "{\"kind\":\"eval\",\"step\":14,\"student_loss\":0.16,\"teacher_loss\":0.17,\"student_accuracy\":0.18,"
          "\"teacher_accuracy\":0.19,\"cosine\":0.2}\n"
          "{\"kind\":\"monitor\",\"step\":14,\"mutual_information\":0.21,\"gain\":0.22}\n");
  put(below("full", "environment.json"), "{\"parameters\": 11, \"training_windows\": 12, \"steps\": 13}");
  put(below("full", "finetune.json"),
      "{\"valid_scores\": {\"accuracy\": 0.23, \"mcc\": 0.24, \"r2\": 0.25}, \"test_scores\": {\"accuracy\": 0.26, \"f1\": 0.27, "
      "\"mcc\": 0.28, \"auroc\": 0.29, \"auprc\": 0.31, \"r2\": 0.3}}");
  put_run("none", "");
  assert_ok(fd_report_write_comparison((const char *const[]){below("full", NULL), below("none", NULL)}, 2,
                                       below("numbers.html", NULL)));
  char *page = get(below("numbers.html", NULL)), row[128];
  for (size_t i = 0; i < sizeof of_a_comparison / sizeof *of_a_comparison; i++) {
    snprintf(row, sizeof row, "<tr><td>%s</td><td>–</td></tr>", of_a_comparison[i]);
    check_texts(page, &(const char *){row}, 1);
  }
  free(page);
  assert_ok(fd_report_write(below("full", NULL), below("full.html", NULL)));
  page = get(below("full.html", NULL));
  assert_non_null(strstr(page, "9.0 sequences/s")); /* the median of three */
  free(page);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(numbers_of_a_run), cmocka_unit_test(numbers_of_a_comparison)};
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
