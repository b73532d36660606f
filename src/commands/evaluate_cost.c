/* Reads the cost of a checkpoint's pretraining from the files of its run. */
#include "commands/evaluate_cost.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "output/json_file.h"
#include "output/metrics.h"

/* Hours from seconds, times what the run occupied. */
static fd_cost cost_of(const json_t *environment, double seconds) {
  const char *device = json_string_value(json_object_get(environment, "device"));
  double ranks = json_number_value(json_object_get(environment, "ranks"));
  double threads = json_number_value(json_object_get(environment, "threads_per_rank"));
  int gpu = device && strcmp(device, "cpu") != 0;
  double each = gpu ? ranks : ranks * threads;
  return (fd_cost){each > 0 ? seconds * each / 3600 : NAN, gpu};
}

fd_status fd_evaluation_cost(const char *path, fd_cost *cost) {
  fd_metrics_log log = {0};
  json_t *environment = NULL;
  char metrics[FD_PATH_MAX], start[FD_PATH_MAX];
  fd_status status = FD_OK;
  *cost = (fd_cost){NAN, 0};
  FD_TRY(fd_path(metrics, path, "metrics.jsonl", NULL));
  FD_TRY(fd_path(start, path, "environment.json", NULL));
  if (fd_is_absent(metrics)) return FD_OK;
  FD_GO(fd_metrics_read(metrics, &log));
  FD_GO(fd_json_read(start, &environment));
  if (environment) *cost = cost_of(environment, fd_metrics_total_seconds(fd_metrics_find(&log, "step")));
done:
  fd_metrics_log_free(&log);
  json_decref(environment);
  return status;
}
