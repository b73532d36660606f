/* findna embed CHECKPOINT SEQUENCES: writes the encoder's embeddings of sequences as HDF5, NumPy or text. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/version.h"
#include "commands/command.h"
#include "data/sources.h"
#include "output/matrix.h"
#include "tasks/embed.h"

typedef struct options {
  const char *words[2]; /* checkpoint, sequences */
  const char *output, *genome;
  fd_embed_choice choice;
  int spreadsheet;
  fd_use use;
} options;

typedef struct embedding {
  fd_pretrained model;
  fd_sources sources;
  fd_sequences *sequences;
  fd_matrix *matrix;
} embedding;

static fd_status check_output(const options *o) {
  FD_TRY(fd_matrix_check_name(o->output));
  if (o->spreadsheet && !fd_matrix_is_text(o->output))
    return fd_fail(FD_USAGE, "findna embed: --spreadsheet has no effect on %s; it is for NAME.tsv", o->output);
  if (o->choice.logits && (o->choice.pool != FD_POOL_TASK || !fd_matrix_is_text(o->output)))
    return fd_fail(FD_USAGE, "findna embed: --logits goes with --pool task and --output NAME.tsv or NAME.tsv.gz");
  FD_TRY(fd_check_output_place(o->output));
  FD_TRY(fd_matrix_check_output(o->output, o->words[1]));
  return o->genome ? fd_matrix_check_output(o->output, o->genome) : FD_OK;
}

static fd_status read_options(int argc, char **argv, options *o, int *helped) {
  const fd_arg table[] = {
      {"output", FD_ARG_TEXT, &o->output, 0, 0, "FILE",
       "NAME.h5 (HDF5), NAME.npy (NumPy, names in NAME.npy.ids.txt), NAME.tsv or NAME.tsv.gz"},
      {"genome", FD_ARG_TEXT, &o->genome, 0, 0, "FILE", "for NAME.bed: the FASTA or 2bit file of the intervals' genome"},
      {"pool", FD_ARG_CHOICE, &o->choice.pool, 0, 0, FD_POOL_WORDS,
       "mean over the nucleotides, over the [CLS] tokens, or both; maximum of each channel; one row per nucleotide or token; or "
       "the head's prediction"},
      {"logits", FD_ARG_FLAG, &o->choice.logits, 0, 0, NULL,
       "with --pool task, for NAME.tsv: logits in rows named by the SHA-256 of their sequences (finetune --teacher-logits)"},
      {"both-strands", FD_ARG_FLAG, &o->choice.both_strands, 0, 0, NULL, "average with the embedding of the reverse complement"},
      {"window", FD_ARG_INT, &o->choice.window, -1, 1e8, "L",
       "cut longer sequences into windows of L nucleotides; -1: as in pretraining, of byte pairs only what has more words than "
       "the model has positions; 0: never"},
      {"stride", FD_ARG_INT, &o->choice.stride, 0, 1e8, "S", "distance between the starts of windows; 0: half a window"},
      {"spreadsheet", FD_ARG_FLAG, &o->spreadsheet, 0, 0, NULL,
       "for NAME.tsv: an apostrophe before names that a spreadsheet would evaluate as formulas (=, +, -, @)"},
      FD_USE_ENCODER_ARG(o->use),
      FD_USE_DEVICE_ARGS(o->use),
      {0},
  };
  const fd_args args = {
      "embed", "CHECKPOINT SEQUENCES --output FILE [options]",
      "Computes embeddings of sequences with a pretrained encoder, without augmentation. There is one row per sequence, in\n"
      "the order of the input. CHECKPOINT is a run folder (its newest valid checkpoint) or a checkpoint folder. SEQUENCES\n"
      "is FASTA or 2bit (one row per record), NAME.csv or NAME.tsv with a column 'sequence' (and optionally 'id'), or\n"
      "NAME.bed with --genome. The embedding of a sequence longer than the window is the mean over overlapping windows.",
      table};
  int count;
  FD_TRY(fd_args_parse(&args, argc, argv, o->words, 2, &count, helped));
  if (*helped) return FD_OK;
  if (count < 2 || !o->output)
    return fd_fail(FD_USAGE, "findna embed: give CHECKPOINT, SEQUENCES and --output FILE; see findna embed --help");
  if (o->choice.window == 0 && fd_args_given(&args, argc, argv, "stride"))
    return fd_fail(FD_USAGE, "findna embed: --stride has no effect beside --window 0, which never cuts");
  return check_output(o);
}

/* Logs the input, the output's form and the memory before the work begins. */
static void announce(const fd_embed_options *e, const fd_encoder *encoder, const embedding *all, int width, const char *pooling) {
  const fd_sequences *s = all->sequences;
  char cut[80] = "";
  if (e->window && fd_sequences_longest(s) > e->window) {
    if (e->words)
      snprintf(cut, sizeof cut, "; those of more than %" PRId64 " words are cut into windows of %" PRId64, e->words, e->window);
    else snprintf(cut, sizeof cut, "; those longer than %" PRId64 " are cut into windows", e->window);
  }
  fd_info("%" PRId64 " sequences of %" PRId64 " nucleotides, the longest of %" PRId64 "; rows of %d values (%s)%s",
          fd_sequences_count(s), fd_sequences_bases(s), fd_sequences_longest(s), width, pooling, cut);
  fd_info("%s encoder of %s; about %.0f MB of memory a rank", encoder->name, all->model.info.folder,
          (fd_embed_memory(e, encoder, s) + fd_pretrained_memory(&all->model)) * 1e-6);
}

static const char *pooling_of(const options *o, const fd_embed_options *e, int words) {
  static const char *const pools[] = {"mean over the nucleotides",
                                      "mean over the [CLS] tokens",
                                      "means over the nucleotides and over the [CLS] tokens",
                                      "largest values over the nucleotides",
                                      "none: a row a nucleotide",
                                      "the head's prediction: probabilities of the classes, or the value"};
  if (e->logits) return "the head's logits of the classes";
  return words ? "none: one row per word, with its span" : pools[o->choice.pool];
}

/* Begins the output file with its metadata. */
static fd_status begin_output(const options *o, const fd_embed_options *e, const fd_encoder *encoder, embedding *all) {
  const fd_sequences *s = all->sequences;
  int words = fd_embed_rows_are_words(e, encoder);
  const char *pooling = pooling_of(o, e, words);
  char window[32], stride[32];
  const fd_class_names *classes = &all->model.weights.classes;
  int named = e->task && classes->count == fd_embed_width(e, encoder->network);
  char shown[1024];
  snprintf(window, sizeof window, "%" PRId64, e->window);
  snprintf(stride, sizeof stride, "%" PRId64, e->stride);
  const fd_note notes[] = {{"format", "findna-embedding 1"},
                           {"findna", fd_version()},
                           {"checkpoint", all->model.info.folder},
                           {"state_id", all->model.info.state_id},
                           {"encoder", encoder->name},
                           {"pooling", pooling},
                           {"strands", e->both_strands ? "mean of both" : "as given"},
                           {"window", window},
                           {"stride", stride},
                           {"sequences", o->words[1]}};
  const fd_matrix_info info = {.spreadsheet = o->spreadsheet,
                               .items = fd_sequences_count(s),
                               .rows = words          ? -1
                                       : e->positions ? fd_sequences_bases(s)
                                                      : fd_sequences_count(s),
                               .width = fd_embed_width(e, encoder->network),
                               .many = e->positions,
                               .spans = words,
                               .notes = (int)(sizeof notes / sizeof *notes),
                               .note = notes,
                               .column = named ? classes->name : NULL};
  fd_class_names_show(classes, shown, sizeof shown);
  if (named) fd_info("columns: %s", shown);
  announce(e, encoder, all, info.width, pooling);
  return fd_matrix_begin(&all->matrix, o->output, &info);
}

/* Root only. */
static fd_status open_input(const options *o, embedding *all) {
  const fd_list files = {.count = 1, .item = {o->words[1]}};
  FD_TRY(fd_sources_begin(&all->sources, &files, (const char *const[FD_SOURCES_MORE]){o->genome}, fd_comm_self()));
  return fd_sequences_open(&all->sequences, o->words[1], o->genome);
}

static fd_status append(void *matrix, const char *id, int64_t rows, const float *values, const int64_t *spans) {
  return fd_matrix_append(matrix, id, rows, values, spans);
}

static fd_status embed(fd_comm *comm, const options *o, embedding *all) {
  fd_embed_options e;
  fd_encoder encoder;
  double start = fd_seconds();
  FD_TRY(fd_pretrained_open(&all->model, o->words[0], &o->use, comm));
  FD_TRY(fd_pretrained_encoder(&all->model, o->use.encoder, &encoder));
  FD_TRY(fd_embed_choose(&o->choice, &all->model, &encoder, o->words[1], &e));
  FD_TRY(fd_comm_agree(comm, comm->rank ? FD_OK : open_input(o, all)));
  if (comm->rank == 0) FD_TRY(begin_output(o, &e, &encoder, all));
  FD_TRY(fd_embed_run(&e, &encoder, comm, all->sequences, append, all->matrix));
  if (comm->rank) return FD_OK;
  FD_TRY(fd_sources_unchanged(&all->sources));
  FD_TRY(fd_matrix_commit(all->matrix));
  fd_info("wrote %s in %.1f s", o->output, fd_seconds() - start);
  return FD_OK;
}

fd_status fd_command_embed(fd_comm *comm, int argc, char **argv) {
  options o = {.choice.window = -1, .use.encoder = -1};
  int helped;
  FD_TRY(read_options(argc, argv, &o, &helped));
  if (helped) return FD_OK;
  embedding *all;
  FD_TRY(fd_alloc(&all, 1, sizeof *all, "embeddings"));
  fd_status status = embed(comm, &o, all);
  if (status == FD_RETRY) fd_info("stopped by a signal: %s was not written", o.output);
  fd_matrix_end(&all->matrix);
  fd_sequences_close(&all->sequences);
  fd_pretrained_close(&all->model);
  free(all);
  return status;
}
