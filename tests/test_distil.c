/* Distillation: the loss of a classifier with a teacher against golden5's values of independent implementations (kd_loss_*). */
#include "golden5.h"

#include "device/device.h"

enum { ALPHAS = 3, TEMPERATURES = 3 };

/* alpha CE + (1 - alpha) T^2 KL, both as means, at the README's bounds. */
static void check_losses(const char *name) {
  golden5 g;
  fd_config config;
  fd_device *dev;
  if (!golden5_open(&g, name)) return;
  fd_config_defaults(&config);
  assert_ok(fd_device_open(&dev, &config, 0, 1));
  const fd_tensor *z = fd_safetensors_find(&g.theirs, "student_logits"), *t = fd_safetensors_find(&g.theirs, "teacher_logits"),
                  *y = fd_safetensors_find(&g.theirs, "labels");
  int count = (int)z->shape[0], classes = (int)z->shape[1];
  float label[count], weight[count], dz[count * classes];
  for (int i = 0; i < count; i++) label[i] = (float)((const int *)y->data)[i], weight[i] = 1;
  json_t *losses = json_object_get(g.root, "losses");
  assert_int_equal(json_array_size(losses), ALPHAS * TEMPERATURES);
  for (size_t k = 0; k < ALPHAS * TEMPERATURES; k++) {
    json_t *expected = json_array_get(losses, k);
    double alpha = json_number_value(json_object_get(expected, "alpha")), T = json_number_value(json_object_get(expected, "T")),
           hard, soft, loss = json_number_value(json_object_get(expected, "loss"));
    char gradient[32];
    dev->ops.class_loss(dev, count, classes, z->data, label, weight, (float)(alpha / count), dz, &hard);
    dev->ops.soft_loss(dev, count, classes, z->data, t->data, (float)T, (float)((1 - alpha) / count), dz, &soft);
    assert_near(hard / count, json_number_value(json_object_get(expected, "hard")), 1e-5 * hard / count);
    assert_near(soft / count, json_number_value(json_object_get(expected, "soft")), 1e-5 * soft / count);
    assert_near((alpha * hard + (1 - alpha) * soft) / count, loss, 1e-5 * loss);
    snprintf(gradient, sizeof gradient, "grad.%.1f.%.0f", alpha, T);
    golden5_compare(&g, fd_safetensors_find(&g.theirs, gradient), dz);
  }
  fd_device_close(&dev);
  golden5_close(&g);
}

static void two_classes(void **state) { (void)state, check_losses("kd_loss_c2"); }
static void five_classes(void **state) { (void)state, check_losses("kd_loss_c5"); }

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(two_classes), cmocka_unit_test(five_classes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
