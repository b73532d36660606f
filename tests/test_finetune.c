/* Fine-tuning: gradients of the whole step against finite differences, scores against counting, and learning of a rule. */
#include "check.h"
#include "draws.h"

#include "data/rows.h"
#include "tasks/figures.h"
#include "tasks/finetune.h"
#include "tasks/further.h"
#include "tasks/scores.h"
#include "train/trainer.h"

static uint32_t draw(uint32_t below) {
  static uint64_t count;
  uint32_t word[4];
  fd_philox(word, drawn_key(21), 1, count++);
  return fd_below(word[0], below);
}

/* Sequences of different lengths; the label is whether there are more G than C, the value how many more. */
static fd_table make_table(int rows, int longest) {
  fd_table t = {.rows = rows, .classes = 2, .start = calloc((size_t)rows + 1, sizeof(int64_t))};
  t.symbols = malloc((size_t)rows * (size_t)longest);
  t.label = calloc((size_t)rows, sizeof *t.label);
  t.value = calloc((size_t)rows, sizeof *t.value);
  for (int i = 0; i < rows; i++) {
    int length = 5 + (int)draw((uint32_t)longest - 4), more = 0;
    uint32_t likely = draw(2) ? FD_G : FD_C;
    t.start[i + 1] = t.start[i] + length;
    for (int k = 0; k < length; k++) {
      uint8_t s = (uint8_t)(draw(3) ? draw(5) : likely);
      t.symbols[t.start[i] + k] = s;
      more += (s == FD_G) - (s == FD_C);
    }
    t.label[i] = more > 0;
    t.value[i] = (float)more / (float)length;
  }
  return t;
}

typedef struct tuning {
  fd_config config;
  fd_device *dev;
  fd_network *network;
  fd_state *state;
  fd_rows rows;
  fd_trainer *trainer;
} tuning;

static void open_tuning(tuning *t, fd_table *table, const float *class_weight) {
  fd_config *c = &t->config;
  int rows;
  c->model.channels = 12, c->model.hidden = 14, c->model.track = 3, c->model.networks = 1, c->model.cls = 3, c->model.blocks = 4;
  c->objective.mnm_weight = c->objective.cl_weight = 0;
  c->teacher.kind = FD_TEACHER_NONE;
  c->task.outputs = c->task.kind == FD_TASK_VALUES ? 1 : 2;
  c->device.threads = 2;
  assert_ok(fd_device_open(&t->dev, c, 0, 1));
  assert_ok(fd_network_create(&t->network, c, 40));
  assert_ok(fd_state_create(&t->state, c, t->network, t->dev));
  assert_ok(fd_trainer_rows(c, fd_rows_longest(table), &rows));
  if (c->task.kind == FD_TASK_CLASSES) free(table->value), table->value = NULL;
  t->rows = (fd_rows){.config = c, .table = table, .class_weight = class_weight};
  assert_ok(fd_trainer_create(&t->trainer, c, fd_comm_self(), t->dev, t->network, fd_rows_source(&t->rows), t->state,
                              c->train.steps, rows));
}

static void close_tuning(tuning *t, fd_table *table) {
  fd_trainer_destroy(&t->trainer);
  fd_state_destroy(&t->state);
  fd_network_destroy(&t->network);
  fd_device_close(&t->dev);
  fd_table_free(table);
}

static void keep_gradient(void *context, const float *gradient) {
  tuning *t = *(tuning **)context;
  memcpy(((tuning **)context)[1], gradient, t->network->params.size * sizeof *gradient);
}

static void no_outputs(void *context, const fd_outputs *outputs) { (void)context, (void)outputs; }

/* The loss of the same batch with one parameter changed: the learning rate is 0, so that a step changes no parameter. */
static double loss_with(tuning *t, size_t i, float value) {
  float *w = t->state->array[FD_STUDENT], old = w[i];
  fd_step step;
  w[i] = value;
  t->state->draws = 0, t->state->step = 0;
  assert_ok(fd_trainer_step(t->trainer, &step));
  w[i] = old;
  return step.loss;
}

static void compare_gradients(fd_config config) {
  tuning t = {.config = config};
  fd_table table = make_table(30, 40);
  const float weights[2] = {0.4f, 1.6f};
  fd_step step;
  t.config.optim.lr = 0, t.config.optim.schedule = FD_SCHEDULE_CONSTANT;
  t.config.train.batch = 8, t.config.train.virtual_ranks = 4, t.config.train.steps = 1000;
  open_tuning(&t, &table, config.task.kind == FD_TASK_CLASSES ? weights : NULL);
  size_t n = t.network->params.size;
  float *gradient = malloc(n * sizeof *gradient), *w = t.state->array[FD_STUDENT];
  void *context[2] = {&t, gradient};
  const fd_trace_points points = {context, no_outputs, keep_gradient};
  t.trainer->points = &points;
  assert_ok(fd_trainer_step(t.trainer, &step));
  t.trainer->points = NULL;
  double largest = 0;
  for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)gradient[i]));
  assert_true(largest > 1e-3);
  for (int k = 0; k < t.network->params.count; k++) { /* one element of each tensor, the head included */
    const fd_param *p = &t.network->params.item[k];
    if (!strncmp(p->name, "head", 4)) continue; /* the head of masked nucleotides: nothing is masked */
    size_t i = p->offset + draw((uint32_t)p->size);
    double slope[2];
    for (int wide = 0; wide < 2; wide++) {
      float h = wide ? 0.02f : 0.01f;
      slope[wide] = (loss_with(&t, i, w[i] + h) - loss_with(&t, i, w[i] - h)) / (2 * (double)h);
    }
    assert_near((double)gradient[i], (4 * slope[0] - slope[1]) / 3, 2e-3 * largest + 2e-5); /* extrapolated to a step of 0 */
  }
  free(gradient);
  close_tuning(&t, &table);
}

static void gradients_equal_finite_differences(void **state) {
  (void)state;
  fd_config c;
  fd_config_defaults(&c);
  c.model.layers = 2, c.model.heads = 3;
  for (int features = FD_FEATURES_TOKENS; features <= FD_FEATURES_BOTH; features++)
    for (int hidden = 0; hidden <= 9; hidden += 9)
      for (int kind = FD_TASK_CLASSES; kind <= FD_TASK_VALUES; kind++)
        for (int encoder = FD_ARCH_CHORDMIXER; encoder <= FD_ARCH_TRANSFORMER; encoder++) {
          c.model.encoder = encoder;
          c.task.features = features, c.task.hidden = hidden, c.task.kind = kind;
          /* The same draws drop the same values. */
          c.task.dropout = c.task.attention_dropout = c.task.head_dropout = features == FD_FEATURES_BOTH ? 0.3 : 0;
          compare_gradients(c);
        }
}

/* With a rate, dropout follows each part of a block that a residual connection adds, only in fine-tuning; the parameters are
 * the same. */
static void a_network_has_dropout_only_in_fine_tuning(void **state) {
  (void)state;
  size_t size = 0;
  for (int outputs = 0; outputs <= 2; outputs += 2)
    for (int thinned = 0; thinned <= 1; thinned++) {
      fd_config c;
      fd_network *network;
      int found = 0;
      fd_config_defaults(&c);
      c.model.encoder = FD_ARCH_TRANSFORMER, c.model.channels = 16, c.model.layers = 3;
      c.task.outputs = outputs, c.task.dropout = thinned ? 0.1 : 0;
      assert_ok(fd_network_create(&network, &c, 30));
      for (int i = 0; i < network->graph.nodes; i++) found += network->graph.node[i].kind == &fd_node_dropout;
      assert_int_equal(found, outputs && thinned ? 6 : 0);
      if (thinned) assert_int_equal(network->params.size, size);
      size = network->params.size;
      fd_network_destroy(&network);
    }
}

static void a_rule_is_learnt(void **state) {
  (void)state;
  for (int kind = FD_TASK_CLASSES; kind <= FD_TASK_VALUES; kind++) {
    tuning t;
    fd_table table = make_table(400, 40), test = make_table(200, 60);
    fd_task_scores before, after;
    fd_step step;
    fd_config_defaults(&t.config);
    t.config.task.kind = kind;
    t.config.optim.lr = 3e-3, t.config.optim.weight_decay = 0, t.config.optim.warmup = 0.1;
    t.config.train.batch = 16, t.config.train.virtual_ranks = 2, t.config.train.steps = 150;
    open_tuning(&t, &table, NULL);
    fd_selection sel = {
        &t.config, &test, {"test", t.network, t.state->array[FD_STUDENT], t.dev, 3, NULL}, t.state->array[FD_STUDENT], 10, NULL};
    assert_ok(fd_selection_score(&sel, fd_comm_self(), &test, &before, NULL));
    for (int i = 0; i < 150; i++) assert_ok(fd_trainer_step(t.trainer, &step));
    assert_ok(fd_selection_score(&sel, fd_comm_self(), &test, &after, NULL));
    assert_true(after.loss < 0.7 * before.loss);
    if (kind == FD_TASK_CLASSES) assert_true(after.accuracy > 0.85 && after.auroc > 0.93 && isnan(after.r2));
    else assert_true(after.r2 > 0.7 && after.correlation > 0.85 && isnan(after.accuracy));
    close_tuning(&t, &table);
    fd_table_free(&test);
  }
}

/* The scores of rows against their definitions, from the outputs of the head. */
static void check_values(const fd_table *t, const double *z, const fd_task_scores *s) {
  double n = t->rows, mean = 0, square = 0, error = 0, sums[5] = {0};
  for (int i = 0; i < t->rows; i++) {
    double x = z[i], y = (double)t->value[i];
    mean += y / n, error += (x - y) * (x - y) / n;
    sums[0] += x, sums[1] += y, sums[2] += x * x, sums[3] += y * y, sums[4] += x * y;
  }
  for (int i = 0; i < t->rows; i++) square += pow((double)t->value[i] - mean, 2) / n;
  assert_near(s->loss, error, 1e-9);
  assert_near(s->r2, 1 - error / square, 1e-6);
  assert_near(s->correlation,
              (n * sums[4] - sums[0] * sums[1]) / sqrt((n * sums[2] - sums[0] * sums[0]) * (n * sums[3] - sums[1] * sums[1])),
              1e-6);
}

/* Of two classes; label 2 is one that the head does not know: such a row has no loss, and is wrong. */
static void check_classes(const fd_table *t, const double *z, const fd_task_scores *s) {
  double loss = 0, hits = 0, is[3] = {0}, said[2] = {0}, hit[2] = {0}, won = 0;
  for (int i = 0; i < t->rows; i++) {
    int label = t->label[i], answer = z[2 * i + 1] > z[2 * i];
    is[label]++, said[answer]++, hits += answer == label;
    if (label < 2) hit[label] += answer == label, loss += log(1 + exp(z[2 * i + 1 - label] - z[2 * i + label]));
    for (int k = 0; k < t->rows && label == 1; k++)
      if (t->label[k] == 0) won += z[2 * i + 1] - z[2 * i] > z[2 * k + 1] - z[2 * k];
  }
  int of = 2 + (is[2] > 0);
  assert_true(is[0] > 9 && is[1] > 9 && said[0] > 4 && said[1] > 4);
  assert_near(s->loss, loss / (is[0] + is[1]), 1e-6);
  assert_near(s->accuracy, hits / t->rows, 1e-12);
  assert_near(s->balanced, (hit[0] / is[0] + hit[1] / is[1]) / of, 1e-12);
  assert_near(s->f1, (2 * hit[0] / (is[0] + said[0]) + 2 * hit[1] / (is[1] + said[1])) / of, 1e-12);
  if (!isnan(s->auroc)) assert_near(s->auroc, won / (is[0] * is[1]), 1e-12);
}

/* Scores of values, and of classes by each way: in double precision, and as for more than FD_CLASSES_EXACT classes. */
static void scores_equal_their_definitions(void **state) {
  (void)state;
  for (int kind = FD_TASK_CLASSES; kind <= FD_TASK_VALUES; kind++)
    for (int unknown = 0; unknown <= (kind == FD_TASK_CLASSES); unknown++) {
      tuning t;
      fd_table table = make_table(20, 40), test = make_table(150, 40);
      fd_task_scores s, many;
      fd_prediction p;
      fd_config_defaults(&t.config);
      t.config.task.kind = kind, t.config.task.hidden = 5;
      t.config.train.batch = 4, t.config.train.virtual_ranks = 1, t.config.train.steps = 10;
      open_tuning(&t, &table, NULL);
      float *w = t.state->array[FD_STUDENT];
      fd_selection sel = {&t.config, &test, {"test", t.network, w, t.dev, 3, NULL}, w, 10, NULL};
      const fd_param *bias = t.network->task.out_bias, *weight = t.network->task.out_weight;
      for (size_t i = 0; i < weight->size; i++) w[weight->offset + i] *= 40; /* answers of both classes, and far from the means */
      assert_ok(fd_selection_score(&sel, fd_comm_self(), &test, &s, &p));
      double middle = 0; /* of the differences between the outputs, or of the outputs */
      for (int i = 0; i < 150; i++)
        middle += (kind == FD_TASK_CLASSES ? p.output[2 * i + 1] - p.output[2 * i] : p.output[i] - 0.5) / 150;
      w[bias->offset] += (float)(kind == FD_TASK_CLASSES ? middle : -middle);
      fd_prediction_free(&p);
      for (int i = 0; i < 150 && unknown; i += 7) test.label[i] = 2, test.classes = 3;
      assert_ok(fd_selection_score(&sel, fd_comm_self(), &test, &s, &p));
      if (kind == FD_TASK_VALUES) check_values(&test, p.output, &s);
      else check_classes(&test, p.output, &s);
      sel.cpu = t.dev;
      if (kind == FD_TASK_CLASSES) {
        assert_ok(fd_selection_score(&sel, fd_comm_self(), &test, &many, NULL));
        check_classes(&test, p.output, &many);
        assert_near(many.mcc, s.mcc, 1e-12);
        assert_true(isnan(many.auroc) && !isnan(s.auroc));
      }
      fd_prediction_free(&p);
      close_tuning(&t, &table);
      fd_table_free(&test);
    }
}

/* The loss that a step reports is the mean loss of its rows in the evaluation. */
static void training_and_evaluation_agree(void **state) {
  (void)state;
  tuning t;
  fd_table table = make_table(8, 40);
  fd_task_scores scores;
  fd_step step;
  fd_config_defaults(&t.config);
  t.config.task.features = FD_FEATURES_BOTH, t.config.task.hidden = 7;
  t.config.optim.lr = 0;
  t.config.train.batch = 8, t.config.train.virtual_ranks = 2, t.config.train.steps = 10; /* an epoch is one step */
  open_tuning(&t, &table, NULL);
  fd_selection sel = {
      &t.config, &table, {"test", t.network, t.state->array[FD_STUDENT], t.dev, 3, NULL}, t.state->array[FD_STUDENT], 1, NULL};
  assert_ok(fd_trainer_step(t.trainer, &step));
  assert_ok(fd_selection_score(&sel, fd_comm_self(), &table, &scores, NULL));
  assert_near(step.loss, scores.loss, 1e-6);
  close_tuning(&t, &table);
}

static void areas_equal_counted_pairs(void **state) {
  (void)state;
  enum { ROWS = 60, CLASSES = 3 };
  for (int classes = 2; classes <= CLASSES; classes++) {
    int label[ROWS];
    double score[ROWS * CLASSES], want = 0, precision = 0;
    fd_areas areas;
    for (int i = 0; i < ROWS; i++) label[i] = i < classes ? i : (int)draw((uint32_t)classes);
    for (int i = 0; i < ROWS * classes; i++) score[i] = draw(10); /* many ties */
    for (int c = classes == 2 ? 1 : 0; c < classes; c++) {
      double pairs = 0, won = 0, rows = 0, sum = 0;
      for (int i = 0; i < ROWS; i++) {
        double above = 0, hits = 0;
        for (int j = 0; j < ROWS && label[i] == c; j++) {
          double a = odds_of(score + i * classes, classes, c), b = odds_of(score + j * classes, classes, c);
          above += b >= a, hits += b >= a && label[j] == c;
          if (label[j] != c) pairs++, won += a > b ? 1 : a == b ? 0.5 : 0;
        }
        if (label[i] == c) rows++, sum += hits / above;
      }
      want += won / pairs / (classes == 2 ? 1 : classes);
      precision += sum / rows / (classes == 2 ? 1 : classes);
    }
    assert_ok(fd_areas_of(ROWS, label, score, classes, &areas));
    assert_near(areas.roc, want, 1e-12);
    assert_near(areas.precision, precision, 1e-12);
    /* Adding a number to all logits of a row changes no probability, and so no area. */
    for (int i = 0; i < ROWS * classes; i++) score[i] += 64 * (i / classes % 7);
    assert_ok(fd_areas_of(ROWS, label, score, classes, &areas));
    assert_near(areas.roc, want, 1e-12);
    assert_near(areas.precision, precision, 1e-12);
  }
}

/* Average precision of scikit-learn 1.9 (average_precision_score) for logits of class 1 with ties; one class only has none. */
static void precision_is_that_of_a_reference(void **state) {
  (void)state;
  const int label[] = {0, 1, 1, 0, 1, 0, 0, 1}, all[] = {1, 1, 1, 1, 1, 1, 1, 1};
  const double score[] = {0, 0.1, 0, 0.4, 0, 0.35, 0, 0.8, 0, 0.8, 0, 0.2, 0, 0.9, 0, 0.35};
  fd_areas areas;
  assert_ok(fd_areas_of(8, label, score, 2, &areas));
  assert_near(areas.precision, 0.5416666666666666, 1e-12);
  assert_ok(fd_areas_of(8, all, score, 2, &areas));
  assert_true(isnan(areas.roc) && isnan(areas.precision));
}

/* Rows of a class that the classifier does not know change no area, whatever the order of its classes; no answer is that class.
 */
static void unknown_rows_change_no_area(void **state) {
  (void)state;
  enum { ROWS = 50, CLASSES = 2 };
  for (int trial = 0; trial < 50; trial++) {
    int label[ROWS], turned[ROWS], known[ROWS], count[CLASSES + 1] = {0}, rows = 0;
    double score[ROWS * CLASSES], mirror[ROWS * CLASSES], of_known[ROWS * CLASSES];
    fd_areas areas, other, want;
    for (int i = 0; i < ROWS; i++) {
      label[i] = i < CLASSES ? i : (int)draw(4) < 3 ? CLASSES : (int)draw(CLASSES);
      turned[i] = label[i] < CLASSES ? CLASSES - 1 - label[i] : label[i];
      count[label[i]]++;
      for (int c = 0; c < CLASSES; c++) score[i * CLASSES + c] = mirror[i * CLASSES + CLASSES - 1 - c] = draw(10);
      if (label[i] == CLASSES) continue;
      memcpy(of_known + rows * CLASSES, score + i * CLASSES, CLASSES * sizeof *score);
      known[rows++] = label[i];
    }
    assert_ok(fd_areas_of(ROWS, label, score, CLASSES, &areas));
    assert_ok(fd_areas_of(ROWS, turned, mirror, CLASSES, &other));
    assert_ok(fd_areas_of(rows, known, of_known, CLASSES, &want));
    assert_near(areas.roc, want.roc, 1e-12);
    assert_near(other.roc, want.roc, 1e-12);
    assert_near(areas.precision, want.precision, 1e-12);
    fd_table table = {.rows = ROWS, .classes = CLASSES + 1, .label = label};
    json_t *constant;
    assert_ok(fd_constant_answer(&table, CLASSES, &constant));
    int most = count[1] > count[0];
    assert_int_equal(json_integer_value(json_object_get(constant, "class")), most);
    assert_near(json_number_value(json_object_get(constant, "accuracy")), (double)count[most] / ROWS, 1e-12);
    memset(score, 0, sizeof score);
    assert_ok(fd_areas_of(ROWS, label, score, CLASSES, &want));
    assert_near(json_number_value(json_object_get(constant, "auprc")), want.precision, 1e-12);
    json_decref(constant);
    assert_ok(fd_constant_answer(&(fd_table){.rows = ROWS}, CLASSES, &constant)); /* values have none */
    assert_null(constant);
  }
}

/* Every point of a curve agrees with its definition; the area below the curve is that found by counting; long curves stay
 * within their maximum number of points. */
static void curves_are_counted_shares(void **state) {
  (void)state;
  enum { ROWS = 4000, CLASSES = 3 };
  static int label[ROWS], predicted[ROWS];
  static double score[ROWS * CLASSES];
  for (int rows = 40; rows <= ROWS; rows *= 100) {
    for (int classes = 2; classes <= CLASSES; classes++) {
      int confusion[CLASSES * CLASSES], points;
      fd_roc_point curve[FD_ROC_POINTS];
      for (int i = 0; i < rows; i++) label[i] = i < classes ? i : (int)draw((uint32_t)classes);
      for (int i = 0; i < rows * classes; i++) score[i] = rows == 40 ? draw(10) : draw(1u << 30) / 1e6;
      fd_likeliest(rows, score, classes, predicted);
      fd_confusion(rows, label, predicted, classes, confusion);
      for (int i = 0; i < rows; i++) {
        int best = classes - 1;
        for (int c = classes - 1; c >= 0; c--)
          if (score[i * classes + c] >= score[i * classes + best]) best = c;
        assert_int_equal(predicted[i], best);
        confusion[label[i] * classes + best]--;
      }
      for (int i = 0; i < classes * classes; i++) assert_int_equal(confusion[i], 0);
      for (int c = 0; c < classes; c++) {
        double area, polygon = 0, positives = 0;
        assert_ok(fd_roc(rows, label, score, classes, c, curve, &points, &area));
        assert_true(points >= 2 && points <= FD_ROC_POINTS);
        assert_true(curve[0].false_positive == 0 && curve[0].true_positive == 0);
        assert_true(curve[points - 1].false_positive == 1 && curve[points - 1].true_positive == 1);
        for (int i = 0; i < rows; i++) positives += label[i] == c;
        for (int k = 1; k < points; k++) {
          polygon +=
              (curve[k].false_positive - curve[k - 1].false_positive) * (curve[k].true_positive + curve[k - 1].true_positive) / 2;
          int found = 0; /* a threshold that yields the point */
          for (int t = 0; t < rows && !found && rows == 40; t++) {
            double right = 0, wrong = 0;
            for (int i = 0; i < rows; i++)
              if (odds_of(score + i * classes, classes, c) >= odds_of(score + t * classes, classes, c))
                *(label[i] == c ? &right : &wrong) += 1;
            found = fabs(right / positives - curve[k].true_positive) < 1e-12 &&
                    fabs(wrong / (rows - positives) - curve[k].false_positive) < 1e-12;
          }
          if (rows == 40) assert_true(found);
        }
        assert_near(polygon, area, rows == 40 ? 1e-12 : 5e-3);
      }
    }
  }
  int same[3] = {1, 1, 1}, points;
  double area;
  fd_roc_point curve[FD_ROC_POINTS];
  assert_ok(fd_roc(3, same, score, 2, 1, curve, &points, &area));
  assert_true(points == 0 && isnan(area));
}

/* The figures of the report: of many rows every n-th, numbers that parse to the same, and only finite ones. */
static void figures_are_drawn_from_the_rows(void **state) {
  (void)state;
  enum { ROWS = 4001, CLASSES = 3 };
  static int label[ROWS];
  static float value[ROWS];
  static double score[ROWS * CLASSES], plane[ROWS * 2], share[2] = {0.75, 0.125};
  for (int i = 0; i < ROWS; i++) label[i] = i % CLASSES, value[i] = (float)i, plane[2 * i] = i, plane[2 * i + 1] = -i;
  for (int i = 0; i < ROWS * CLASSES; i++) score[i] = i % CLASSES == label[i / CLASSES] || draw(4) == 0;
  fd_table test = {.rows = ROWS, .classes = CLASSES, .label = label};
  json_t *json;
  assert_ok(fd_figures_json(&(fd_figures){"a", 7, &test, CLASSES, score, plane, share, "rows"}, &json));
  int total = 0;
  for (size_t i = 0; i < CLASSES * CLASSES; i++)
    total +=
        (int)json_integer_value(json_array_get(json_array_get(json_object_get(json, "confusion"), i / CLASSES), i % CLASSES));
  assert_int_equal(total, ROWS);
  assert_int_equal(json_array_size(json_object_get(json, "roc")), CLASSES);
  const json_t *pca = json_object_get(json, "pca"), *x = json_object_get(pca, "x"), *labels = json_object_get(pca, "label");
  assert_int_equal(json_array_size(x), 1334); /* every third */
  assert_int_equal(json_array_size(labels), 1334);
  assert_true(json_real_value(json_array_get(x, 2)) == 6 && json_real_value(json_array_get(json_object_get(pca, "y"), 2)) == -6);
  json_decref(json);
  test = (fd_table){.rows = 2, .value = value};
  plane[0] = NAN;
  assert_ok(fd_figures_json(&(fd_figures){"a", 7, &test, 0, plane, NULL, NULL, NULL}, &json));
  const json_t *y = json_object_get(json_object_get(json, "scatter"), "y");
  assert_true(json_is_null(json_array_get(y, 0)) && json_is_number(json_array_get(y, 1)));
  json_decref(json);
}

/* Rows of three classes 0 and one class 1: a class's weight is rows / (classes * rows of the class), and a micro-batch gives each
 * row the weight of its class. */
static void class_weights_reach_their_rows(void **state) {
  (void)state;
  tuning t;
  fd_batch *batch;
  fd_table table = make_table(4, 20);
  float weights[2];
  int rare = 0;
  fd_config_defaults(&t.config);
  t.config.train.batch = 4, t.config.train.virtual_ranks = 1, t.config.train.steps = 10;
  for (int i = 0; i < 4; i++) table.label[i] = i == 3;
  fd_selection_class_weights(&table, weights);
  assert_near((double)weights[0], 2.0 / 3, 1e-6);
  assert_near((double)weights[1], 2, 1e-6);
  open_tuning(&t, &table, weights);
  const fd_source source = fd_rows_source(&t.rows);
  assert_ok(fd_batch_create(&batch, t.dev, 4, 4 * 23, 3));
  source.make(source.context, 0, 4, batch);
  for (int i = 0; i < 4; i++) {
    int label = table.label[batch->windows[i]];
    rare += label;
    assert_true(batch->host_target[i] == (float)label && batch->host_target[4 + i] == weights[label]);
  }
  assert_int_equal(rare, 1);
  fd_batch_destroy(&batch);
  close_tuning(&t, &table);
}

/* Each epoch has every row once, in another order, and augments it anew. */
static void epochs_differ(void **state) {
  (void)state;
  enum { ROWS = 12, LONGEST = 40 };
  tuning t;
  fd_batch *batch;
  fd_table table = make_table(ROWS, LONGEST);
  uint8_t scratch[4 * (LONGEST + 8)], seen[2][ROWS][LONGEST] = {0};
  uint64_t order[2][ROWS];
  int changed = 0;
  fd_config_defaults(&t.config);
  t.config.train.batch = ROWS, t.config.train.virtual_ranks = 1, t.config.train.steps = 10;
  t.config.aug.size = 4, t.config.aug.mutation = 0.3;
  strcpy(t.config.task.augment, "S");
  open_tuning(&t, &table, NULL);
  t.rows.augment = fd_rng_key_of(drawn_seed(3), FD_RNG_AUGMENT), t.rows.augmented = scratch;
  const fd_source source = fd_rows_source(&t.rows);
  assert_ok(fd_batch_create(&batch, t.dev, ROWS, ROWS * (LONGEST + 3), 3));
  for (int epoch = 0; epoch < 2; epoch++) {
    int times[ROWS] = {0};
    source.make(source.context, (uint64_t)epoch * ROWS, ROWS, batch);
    for (int i = 0; i < ROWS; i++) {
      uint64_t row = order[epoch][i] = batch->windows[i];
      memcpy(seen[epoch][row], batch->tokens + batch->seqs.start[i], (size_t)(table.start[row + 1] - table.start[row]));
      times[row]++;
    }
    for (int i = 0; i < ROWS; i++) assert_int_equal(times[i], 1);
  }
  assert_memory_not_equal(order[0], order[1], sizeof order[0]);
  for (int i = 0; i < ROWS; i++) changed += memcmp(seen[0][i], seen[1][i], LONGEST) != 0;
  assert_true(changed > ROWS / 2);
  fd_batch_destroy(&batch);
  close_tuning(&t, &table);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(class_weights_reach_their_rows),     cmocka_unit_test(epochs_differ),
      cmocka_unit_test(gradients_equal_finite_differences), cmocka_unit_test(a_rule_is_learnt),
      cmocka_unit_test(training_and_evaluation_agree),      cmocka_unit_test(scores_equal_their_definitions),
      cmocka_unit_test(areas_equal_counted_pairs),          cmocka_unit_test(precision_is_that_of_a_reference),
      cmocka_unit_test(unknown_rows_change_no_area),        cmocka_unit_test(curves_are_counted_shares),
      cmocka_unit_test(figures_are_drawn_from_the_rows),    cmocka_unit_test(a_network_has_dropout_only_in_fine_tuning),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
