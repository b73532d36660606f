/* The memory plan of a training. */
#include "train/memory.h"

#include <inttypes.h>
#include <limits.h>

#include "device/gpu_memory.h"
#include "train/gradients.h"
#include "train/trainer.h"

/* Bytes of the bf16 copies of both networks' weights, and of those of the biases of linear layers that cuBLASLt adds. */
static size_t copies(const fd_config *config, const fd_network *network, fd_form form) {
  size_t biases = 0;
  for (int i = 0; i < network->params.count && fd_gpu_by_library(); i++)
    if (network->params.item[i].dims == 1) biases += 2 * fd_form_row(form, network->params.item[i].shape[0]);
  if (config->model.encoder != FD_ARCH_CHORDMIXER) return biases + 2 * fd_params_copies(&network->params, NULL, form);
  size_t block = fd_gpu_block_weights(form, (int)config->model.channels, (int)config->model.hidden, config->model.recompute);
  return biases +
         2 * (fd_params_copies(&network->params, "projection", form) + fd_params_copies(&network->params, "task", form)) +
         (size_t)(config->model.networks * network->blocks) * block;
}

/* Floats of the largest weight, with its bias, of the head with this prefix. */
static size_t largest_of(const fd_network *network, const char *prefix) {
  size_t largest = 0;
  for (int i = 0; i < network->params.count; i++) {
    const fd_param *p = &network->params.item[i];
    size_t size = p->size + (size_t)p->shape[0];
    if (fd_param_is_of(p, prefix) && p->dims == 2 && size > largest) largest = size;
  }
  return largest;
}

/* Bytes of scratch memory of GPU kernels. */
static size_t kernels(const fd_config *config, const fd_network *network, fd_form form, int rows, int micro_batches) {
  int windows = (int)(config->train.batch / config->train.virtual_ranks);
  fd_gpu_pass pass = {form,
                      rows,
                      micro_batches,
                      (int)config->model.channels,
                      (int)config->model.hidden,
                      config->model.encoder != FD_ARCH_CHORDMIXER};
  return fd_gpu_scratch(&pass) + fd_gpu_head_sums(largest_of(network, "task"), windows, micro_batches) +
         fd_gpu_head_sums(largest_of(network, "projection"), windows * fd_objective_rows(config), micro_batches);
}

/* Bytes of the packed weights that a CPU caches in a step of several passes of so many rows, of blocks or of linear layers: two
 * copies of the student's, for the forward and the backward pass, and one of the teacher's. */
static size_t packed_weights(const fd_config *config, const fd_network *network, int rows) {
  size_t weights = 0;
  if (config->model.encoder == FD_ARCH_CHORDMIXER)
    weights =
        2 * (size_t)config->model.channels * (size_t)config->model.hidden * (size_t)(config->model.networks * network->blocks);
  else if (rows <= FD_CACHED_ROWS)
    for (int i = 0; i < network->params.count; i++)
      if (network->params.item[i].dims == 2) weights += network->params.item[i].size;
  return weights * sizeof(float) * (config->teacher.kind == FD_TEACHER_EMA ? 3 : 2);
}

/* Bytes of scratch memory of CPU kernels for rows: of a ChordMixer block the gradients of its channels and hidden units and two
 * packed operands, or the packed input of the widest linear layer. */
static size_t cpu_kernels(const fd_config *config, const fd_network *network, int rows) {
  enum { PANEL = 64 /* columns of a packed panel, at most */ };
  size_t channels = (size_t)config->model.channels, hidden = (size_t)config->model.hidden, widest = 0;
  if (config->model.encoder == FD_ARCH_CHORDMIXER) widest = channels + 2 * hidden + 2 * ((channels + PANEL - 1) / PANEL * PANEL);
  for (int i = 0; i < network->params.count; i++) {
    const fd_param *p = &network->params.item[i];
    if (p->dims == 2 && (size_t)p->shape[1] > widest) widest = (size_t)p->shape[1];
  }
  return (size_t)rows * widest * sizeof(float);
}

/* What carries gradients between `ranks` ranks: a buffer for those that a peer sends, and NCCL's own. */
static size_t link_memory(const fd_config *config, size_t params, int own_memory, int ranks) {
  int nccl = own_memory && !config->comm.share_gpu && config->comm.transport != FD_TRANSPORT_MPI;
  return ranks > 1 ? params / 2 * sizeof(float) + (nccl ? fd_gpu_nccl(ranks) : 0) : 0;
}

size_t fd_trainer_memory(const fd_config *config, const fd_network *network, fd_form form, int own_memory, int ranks, int rows,
                         int micro_batches) {
  int own = (int)(config->train.virtual_ranks / ranks) / micro_batches; /* passes of a step */
  int buffers = own > 1 ? fd_gradients_needed(own) : 0;
  size_t own_kernels = own_memory ? kernels(config, network, form, rows, micro_batches) : cpu_kernels(config, network, rows);
  if (!own_memory && own > 1) own_kernels += packed_weights(config, network, rows);
  int windows = (int)(config->train.batch / config->train.virtual_ranks);
  rows *= micro_batches;
  const fd_extent extent = {rows, windows * micro_batches, fd_config_cls(config)};
  size_t params = network->params.size, size[FD_ARRAYS], bytes = (size_t)buffers * params * sizeof(float);
  fd_state_sizes(size, config, network);
  for (int i = 0; i < FD_ARRAYS; i++) bytes += size[i] * sizeof(float);
  bytes += fd_network_pass_size(network, form, fd_trainer_student(config, own), extent);
  if (config->teacher.kind == FD_TEACHER_EMA) bytes += fd_network_pass_size(network, form, fd_trainer_teacher(config), extent);
  bytes += (2 * (size_t)own + 1) * (size_t)rows * (2 * FD_SYMBOLS * sizeof(float) + 16); /* views */
  bytes += link_memory(config, params, own_memory, ranks);
  if (form.type == FD_BF16) bytes += copies(config, network, form);
  return bytes + own_kernels;
}

int fd_trainer_micro_batches(const fd_config *config, const fd_network *network, fd_form form, int fill, double room, int ranks,
                             int rows) {
  int64_t own = config->train.virtual_ranks / ranks, wanted = config->device.group;
  double most = wanted ? fd_gpu_room(room) : 0.9 * room;
  int micro_batches = 1;
  if (!fill || config->task.outputs || fd_config_hides(config))
    return 1;                        /* these micro-batches differ in their number of rows, those of a pass must not */
  if (network->graph.tied) return 1; /* gradients of a tied weight are added per micro-batch */
  while (2 * micro_batches <= own && 2 * micro_batches <= FD_MICRO_BATCHES_MAX &&
         (int64_t)rows * 2 * micro_batches <= INT_MAX / 16 &&
         (wanted ? 2 * micro_batches <= wanted : rows * 2 * micro_batches <= fill) &&
         (room <= 0 || (double)fd_trainer_memory(config, network, form, 1, ranks, rows, 2 * micro_batches) <= most))
    micro_batches *= 2;
  return micro_batches;
}

int64_t fd_trainer_largest(const fd_config *config, const fd_network *network, fd_form form, int own_memory, int ranks,
                           int tokens, double room, int64_t most) {
  int64_t low = 0;
  while (low < most) {
    int64_t middle = (low + most + 1) / 2;
    if ((double)fd_trainer_memory(config, network, form, own_memory, ranks, (int)(middle * tokens), 1) <= room) low = middle;
    else most = middle - 1;
  }
  return low;
}

fd_status fd_trainer_fits(const fd_config *config, const fd_network *network, fd_device *dev, int ranks, int rows) {
  double need = (double)fd_trainer_memory(config, network, dev->form, dev->own_memory, ranks, rows, 1),
         room = dev->own_memory ? fd_gpu_room((double)dev->free_memory) : (double)dev->free_memory;
  int64_t v = config->train.virtual_ranks, micro = config->train.batch / v;
  if (dev->begin) room -= (double)fd_gpu_graphs(network->blocks);
  if (!dev->free_memory || need <= room) return FD_OK;
  double gigabytes = 1e-9 * need, free_gigabytes = 1e-9 * room;
  int64_t fits = fd_trainer_largest(config, network, dev->form, dev->own_memory, ranks, (int)(rows / micro), room, micro);
  const char *other = config->model.recompute || config->model.encoder != FD_ARCH_CHORDMIXER ? "" : ", or model.recompute=true";
  if (fits)
    return fd_fail(FD_MEMORY,
                   "train.batch %" PRId64 " with train.virtual_ranks %" PRId64
                   " needs %.3g GB on %s, where %.3g GB are free: the "
                   "largest batch that fits is %" PRId64 " (or more train.virtual_ranks%s)",
                   config->train.batch, v, gigabytes, dev->simd, free_gigabytes, fits * v, other);
  return fd_fail(FD_MEMORY, "the model needs %.3g GB on %s, where %.3g GB are free: no batch fits; a smaller model%s", gigabytes,
                 dev->simd, free_gigabytes, other);
}
