/* Warns about options without effect on a run. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "config/options.h"

static int tunes(const fd_config *c) { return c->task.outputs > 0; }
static int makes_views(const fd_config *c) { return !fd_config_hides(c); }
static int drops_of_head(const fd_config *c) { return tunes(c) && c->model.encoder != FD_ARCH_CNN; }
static int attends(const fd_config *c) { return tunes(c) && fd_config_attends(c); }
static int weighs_classes(const fd_config *c) { return !tunes(c) || c->task.kind == FD_TASK_CLASSES; }

/* Options with this beginning have an effect only on runs for which `on` holds. Others are left out, as the settings of a
 * teacher, which shared configs have for runs with one and without. */
static const struct {
  const char *beginning;
  int (*on)(const fd_config *);
} uses[] = {{"task.", tunes},
            {"task.attention_dropout", attends},
            {"task.head_dropout", drops_of_head},
            {"task.balance", weighs_classes},
            {"train.dropout", fd_config_hides},
            {"aug.noise", makes_views},
            {"aug.size", makes_views},
            {"aug.trans", makes_views},
            {"aug.mutation", tunes},
            {"objective.mnm", makes_views},
            {"objective.cl_", makes_views},
            {"objective.tau_", makes_views},
            {"objective.pro", makes_views},
            {"teacher.momentum", makes_views},
            {"teacher.centre_momentum", makes_views},
            {"teacher.order", makes_views}};

static int has_effect(const fd_config *c, const char *name) {
  for (size_t i = 0; i < sizeof uses / sizeof *uses; i++)
    if (!strncmp(name, uses[i].beginning, strlen(uses[i].beginning)) && !uses[i].on(c)) return 0;
  return 1;
}

void fd_config_warn_unused(const fd_config *c) {
  fd_config defaults;
  fd_config_defaults(&defaults);
  for (const fd_option *o = fd_options; o < fd_options + fd_option_count; o++) {
    char name[130];
    size_t n = strlen(o->name);
    snprintf(name, sizeof name, "%s.%s", o->section, o->name);
    int is_weight = n > 7 && !strcmp(o->name + n - 7, "_weight"); /* 0 is what such runs need, and no default */
    if (is_weight || has_effect(c, name)) continue;
    if (memcmp((const char *)c + o->offset, (const char *)&defaults + o->offset, fd_option_bytes(&defaults, o)) != 0)
      fd_warn("%s has no effect on this run", name);
  }
}
