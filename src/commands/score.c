/* findna score CHECKPOINT INPUT: scores variants, or every nucleotide of sequences. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/gzip.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/output.h"
#include "base/path.h"
#include "base/version.h"
#include "commands/command.h"
#include "data/bed.h"
#include "data/sources.h"
#include "output/cell.h"
#include "tasks/pretrained.h"
#include "tasks/score.h"
#include "tasks/bedgraph.h"

typedef struct options {
  const char *words[2]; /* checkpoint, input */
  const char *output, *genome;
  int64_t window, every;
  int one_strand, scores, track, partial, spreadsheet;
  double mismatches;
  fd_use use;
} options;

enum { SCORES_BOTH, SCORES_LLR, SCORES_DISTANCE };

typedef struct scoring {
  fd_pretrained model;
  fd_encoder encoder;
  fd_sources sources;
  fd_genome genome;
  fd_variants variants;
  fd_variant_scores scores;
  fd_sequences *sequences;
  fd_output output;
} scoring;

/* Whether a path ends in `kind`, such as ".vcf", with or without .gz. */
static int is_kind(const char *path, const char *kind) {
  const char *at = fd_ending(path, kind);
  return at && (!at[strlen(kind)] || fd_gzip_is_name(path));
}

/* Checks, before anything is read, that the kinds of input and output match, and that the output can be written. */
static fd_status check_names(const options *o) {
  if (!is_kind(o->output, ".vcf") && !is_kind(o->output, ".tsv") && !is_kind(o->output, ".bedgraph"))
    return fd_fail(
        FD_USAGE,
        "findna score: --output %s: expected NAME.vcf or NAME.tsv (variants), or NAME.bedgraph (nucleotides), each with or "
        "without .gz",
        o->output);
  int of_variants = !is_kind(o->output, ".bedgraph"), of_intervals = fd_bed_is_name(o->words[1]),
      is_vcf = fd_ending(o->words[1], ".vcf") != NULL;
  if (of_variants && of_intervals)
    return fd_fail(FD_USAGE, "findna score: %s: intervals give a track: --output NAME.bedgraph", o->words[1]);
  if (!of_variants && is_vcf) return fd_fail(FD_USAGE, "findna score: %s: variants give NAME.vcf or NAME.tsv", o->words[1]);
  FD_TRY(fd_check_output_place(o->output));
  FD_TRY(fd_check_output(o->output, o->words[1]));
  return fd_check_output(o->output, o->genome);
}

/* Refuses options of the other kind of output, which would have no effect. */
static fd_status check_effect(const fd_args *args, int argc, char **argv, const options *o) {
  static const char *const of_nucleotides[] = {"track", "mask-every"}, *const of_variants[] = {"scores", "mismatches", "partial"};
  int track = is_kind(o->output, ".bedgraph");
  if (o->spreadsheet && !is_kind(o->output, ".tsv"))
    return fd_fail(FD_USAGE, "findna score: --spreadsheet has no effect on %s; it is for NAME.tsv", o->output);
  for (int i = 0; i < (track ? 3 : 2); i++) {
    const char *name = track ? of_variants[i] : of_nucleotides[i];
    if (fd_args_given(args, argc, argv, name))
      return fd_fail(FD_USAGE, "findna score: --%s is for %s; it has no effect with --output %s", name,
                     track ? "variants" : "nucleotides (--output NAME.bedgraph)", o->output);
  }
  return FD_OK;
}

static fd_status read_options(int argc, char **argv, options *o, int *helped) {
  const fd_arg table[] = {
      {"genome", FD_ARG_TEXT, &o->genome, 0, 0, "FILE", "FASTA or 2bit file of the genome of the variants or intervals"},
      {"output", FD_ARG_TEXT, &o->output, 0, 0, "FILE",
       "NAME.vcf or NAME.tsv for variants, NAME.bedgraph for nucleotides; NAME.vcf.gz, ... are compressed"},
      {"window", FD_ARG_INT, &o->window, 0, 1e8, "L", "nucleotides of the window around a position; 0: as in pretraining"},
      {"one-strand", FD_ARG_FLAG, &o->one_strand, 0, 0, NULL, "score the forward strand only, in half the time"},
      {"scores", FD_ARG_CHOICE, &o->scores, 0, 0, "both|llr|distance",
       "for variants: log-likelihood ratio of the masked nucleotides, distance between the embeddings"},
      {"mismatches", FD_ARG_REAL, &o->mismatches, 0, 1, "SHARE",
       "largest fraction of variants whose REF may differ from the genome"},
      {"partial", FD_ARG_FLAG, &o->partial, 0, 0, NULL,
       "accept variants on contigs that the genome lacks: they get no score and are counted"},
      {"track", FD_ARG_CHOICE, &o->track, 0, 0, "logp|entropy",
       "for nucleotides: log p of the nucleotide in the sequence, or the entropy of p, in nats"},
      {"mask-every", FD_ARG_INT, &o->every, 1, 1e6, "K", "for nucleotides: mask every K-th nucleotide at a time, in K passes"},
      {"spreadsheet", FD_ARG_FLAG, &o->spreadsheet, 0, 0, NULL,
       "for NAME.tsv: an apostrophe before names that a spreadsheet would evaluate as formulas (=, +, -, @)"},
      FD_USE_ENCODER_ARG(o->use),
      FD_USE_DEVICE_ARGS(o->use),
      {0},
  };
  const fd_args args = {
      "score", "CHECKPOINT INPUT --output FILE [--genome FILE] [options]",
      "Scores variants or nucleotides with a pretrained model. INPUT is NAME.vcf, or NAME.tsv or NAME.csv with the columns\n"
      "chrom, pos, ref, alt (plain, gzip or xz): each ALT gets the log-likelihood ratio of its nucleotides against REF's,\n"
      "masked in their window of the genome, and the distance between the embeddings of the two windows. Or INPUT is\n"
      "sequences (NAME.bed with --genome, FASTA, 2bit): each nucleotide gets its log-probability given all others around\n"
      "it. Scores are averaged over both strands.",
      table};
  int count;
  FD_TRY(fd_args_parse(&args, argc, argv, o->words, 2, &count, helped));
  if (*helped) return FD_OK;
  if (count < 2 || !o->output)
    return fd_fail(FD_USAGE, "findna score: give CHECKPOINT, INPUT and --output FILE; see findna score --help");
  FD_TRY(check_names(o));
  return check_effect(&args, argc, argv, o);
}

/* --- variants -------------------------------------------------------------------------------------------- */

static const char *const info_names[2] = {"FINDNA_LLR", "FINDNA_DIST"};

static void print_number(FILE *out, double value, const char *none) {
  if (isnan(value)) fputs(none, out);
  else fprintf(out, "%.6g", value);
}

static double part(const fd_allele_score *score, int which) { return which ? score->distance : score->llr; }

static int wanted(const options *o, int which) {
  return o->scores == SCORES_BOTH || o->scores == (which ? SCORES_DISTANCE : SCORES_LLR);
}

static void write_vcf_header(const options *o, const scoring *s, FILE *out) {
  const char *const texts[2] = {
      s->encoder.tokenizer ? "Masked-word log-likelihood ratio of ALT against REF (nats; above 0: ALT is likelier)"
                           : "Masked-nucleotide log-likelihood ratio of ALT against REF (nats; above 0: ALT is likelier)",
      "Euclidean distance between the mean embeddings of the windows with ALT and with REF"};
  for (int i = 0; i + 1 < s->variants.headers; i++) fprintf(out, "%s\n", s->variants.header[i]);
  for (int which = 0; which < 2; which++)
    if (wanted(o, which))
      fprintf(out, "##INFO=<ID=%s,Number=A,Type=Float,Description=\"%s\",Source=\"findna\",Version=\"%s\">\n", info_names[which],
              texts[which], fd_version());
  fprintf(out, "##findna_model=<state_id=%s,encoder=%s,window=%d,strands=%s>\n%s\n", s->model.info.state_id, s->encoder.name,
          (int)o->window, o->one_strand ? "forward" : "both", s->variants.header[s->variants.headers - 1]);
}

static void write_vcf_line(const options *o, const scoring *s, int64_t i, FILE *out) {
  const fd_variant *v = &s->variants.item[i];
  const int64_t *first = &s->scores.first[i];
  size_t info = strlen(v->rest[2]);
  while (info && v->rest[2][info - 1] == ';') info--; /* else an empty entry would follow */
  int shown = strcmp(v->rest[2], ".") && info;
  fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%.*s", v->contig, v->written, v->id, v->ref, v->alt, v->rest[0], v->rest[1],
          shown ? (int)info : 0, v->rest[2]);
  for (int which = 0; which < 2; which++) {
    if (!wanted(o, which)) continue;
    fprintf(out, "%s%s=", shown++ ? ";" : "", info_names[which]);
    for (int64_t a = first[0]; a < first[1]; a++) {
      if (a > first[0]) fputc(',', out);
      print_number(out, part(&s->scores.score[a], which), ".");
    }
  }
  fprintf(out, "%s%s\n", v->samples ? "\t" : "", v->samples ? v->samples : "");
}

static void write_table(const options *o, const scoring *s, FILE *out) {
  fprintf(out, "chrom\tpos\tid\tref\talt%s%s\n", wanted(o, 0) ? "\tllr" : "", wanted(o, 1) ? "\tdistance" : "");
  for (int64_t i = 0; i < s->variants.count; i++) {
    const fd_variant *v = &s->variants.item[i];
    const char *alt = v->alt;
    for (int64_t a = s->scores.first[i]; a < s->scores.first[i + 1]; a++) {
      int length = (int)strcspn(alt, ",");
      fd_cell(out, v->contig, strlen(v->contig), o->spreadsheet);
      fprintf(out, "\t%" PRId64 "\t", v->position + 1);
      fd_cell(out, v->id, strlen(v->id), o->spreadsheet);
      fprintf(out, "\t%s\t", v->ref);
      fd_cell(out, alt, (size_t)length, o->spreadsheet);
      for (int which = 0; which < 2; which++)
        if (wanted(o, which)) fputc('\t', out), print_number(out, part(&s->scores.score[a], which), "");
      fputc('\n', out);
      alt += length + 1;
    }
  }
}

static fd_status refuse_scored(const char *path, const fd_variants *all) {
  for (int i = 0; i < all->headers; i++)
    for (int which = 0; which < 2; which++)
      if (strstr(all->header[i], info_names[which]))
        return fd_fail(FD_DATA, "%s:%d: has %s already; score the original file", path, i + 1, info_names[which]);
  for (int64_t i = 0; i < all->count && all->vcf; i++)
    for (int which = 0; which < 2; which++) {
      const char *found = strstr(all->item[i].rest[2], info_names[which]);
      if (found && found[strlen(info_names[which])] == '=')
        return fd_fail(FD_DATA, "%s:%" PRId64 ": has %s already; score the original file", path, all->item[i].line,
                       info_names[which]);
    }
  return FD_OK;
}

/* Root only, before anything is read: records the input files, to detect changes while they are used. */
static fd_status note_input(const options *o, scoring *s) {
  const fd_list files = {.count = 1, .item = {o->words[1]}};
  return fd_sources_begin(&s->sources, &files, (const char *const[FD_SOURCES_MORE]){o->genome}, fd_comm_self());
}

static fd_status open_sequences(const options *o, scoring *s) {
  FD_TRY(note_input(o, s));
  return fd_sequences_open(&s->sequences, o->words[1], o->genome);
}

static fd_status load_variants(const options *o, scoring *s) {
  int vcf = is_kind(o->output, ".vcf");
  if (!o->genome) return fd_fail(FD_USAGE, "findna score: variants need their genome: give --genome FILE (FASTA or 2bit)");
  FD_TRY(note_input(o, s));
  FD_TRY(fd_variants_read(o->words[1], &s->variants));
  if (vcf && !s->variants.vcf)
    return fd_fail(
        FD_USAGE,
        "findna score: %s is no VCF file, which begins with ##fileformat=VCF, so the output is a table: --output NAME.tsv",
        o->words[1]);
  if (vcf) FD_TRY(refuse_scored(o->words[1], &s->variants));
  FD_TRY(fd_output_begin(&s->output, o->output));
  FD_TRY(fd_genome_scan(&s->genome, o->genome));
  return fd_genome_index(&s->genome);
}

static fd_status score_variants(fd_comm *comm, const options *o, scoring *s) {
  const fd_score_options how = {.window = (int)o->window,
                                .unit = fd_pretrained_unit(&s->model),
                                .both_strands = !o->one_strand,
                                .llr = wanted(o, 0),
                                .distance = wanted(o, 1),
                                .mismatches = o->mismatches,
                                .partial = o->partial,
                                .tau = s->model.config.objective.mnm_tau,
                                .bce = s->model.config.objective.mnm == FD_MNM_BCE};
  int root = comm->rank == 0;
  FD_TRY(fd_comm_agree(comm, root ? load_variants(o, s) : FD_OK));
  FD_TRY(
      fd_score_variants(&how, &s->encoder, comm, o->words[1], root ? &s->variants : NULL, root ? &s->genome : NULL, &s->scores));
  if (!root) return FD_OK;
  if (s->scores.absent)
    fd_info("%" PRId64 " of %" PRId64 " variants lie on contigs that the genome lacks (--partial)", s->scores.absent,
            s->variants.count);
  if (s->scores.scored < s->scores.alleles)
    fd_info("%" PRId64 " of %" PRId64
            " alleles scored; the others are symbolic, contain N, are longer than half the window, or are on missing contigs",
            s->scores.scored, s->scores.alleles);
  if (is_kind(o->output, ".tsv")) {
    write_table(o, s, s->output.stream);
    return FD_OK;
  }
  write_vcf_header(o, s, s->output.stream);
  for (int64_t i = 0; i < s->variants.count; i++) write_vcf_line(o, s, i, s->output.stream);
  return FD_OK;
}

/* --- nucleotides ----------------------------------------------------------------------------------------- */

static fd_status score_nucleotides(fd_comm *comm, const options *o, scoring *s) {
  const fd_bedgraph_options how = {.window = (int)o->window,
                                   .every = (int)o->every,
                                   .both_strands = !o->one_strand,
                                   .kind = o->track,
                                   .tau = s->model.config.objective.mnm_tau,
                                   .bce = s->model.config.objective.mnm == FD_MNM_BCE};
  FD_TRY(fd_comm_agree(comm, comm->rank ? FD_OK : open_sequences(o, s)));
  if (comm->rank == 0) {
    FD_TRY(fd_output_begin(&s->output, o->output));
    fd_info("%" PRId64 " nucleotides in %" PRId64 " sequences; about %.0f MB of memory a rank", fd_sequences_bases(s->sequences),
            fd_sequences_count(s->sequences),
            1e-6 * ((double)fd_encoding_memory(&s->encoder, 0, o->window, FD_WANT_LOGITS) + fd_pretrained_memory(&s->model) +
                    17 * (double)fd_sequences_longest(s->sequences)));
    fprintf(s->output.stream, "track type=bedGraph name=\"findna %s\" description=\"state_id %.16s, %s encoder\"\n",
            o->track == FD_BEDGRAPH_LOGP ? "log p" : "entropy", s->model.info.state_id, s->encoder.name);
  }
  return fd_bedgraph_run(&how, &s->encoder, comm, s->sequences, s->output.stream);
}

/* Refuses outputs that a model over tokens of several nucleotides cannot have. */
static fd_status check_words(const options *o, const fd_pretrained *m) {
  if (is_kind(o->output, ".bedgraph"))
    return fd_fail(
        FD_USAGE,
        "findna score: --output %s: %s reads words of several nucleotides, and tracks are of models over nucleotides; it "
        "scores variants: --output NAME.vcf or NAME.tsv",
        o->output, m->info.folder);
  if (m->network->out[FD_OUT_LOGITS].id != FD_NO_VALUE || !wanted(o, 0)) return FD_OK;
  return fd_fail(
      FD_USAGE,
      "findna score: %s has no head for masked words: there is no likelihood ratio; it has distances: --scores distance",
      m->info.folder);
}

static fd_status score(fd_comm *comm, options *o, scoring *s) {
  double start = fd_seconds();
  FD_TRY(fd_pretrained_open(&s->model, o->words[0], &o->use, comm));
  if (s->model.network->ids) FD_TRY(check_words(o, &s->model));
  FD_TRY(fd_pretrained_encoder(&s->model, o->use.encoder, &s->encoder));
  if (!o->window) o->window = fd_pretrained_window(&s->model);
  FD_TRY(fd_pretrained_check_window(&s->model, o->window));
  FD_TRY(is_kind(o->output, ".bedgraph") ? score_nucleotides(comm, o, s) : score_variants(comm, o, s));
  if (comm->rank) return FD_OK;
  FD_TRY(fd_sources_unchanged(&s->sources));
  FD_TRY(fd_output_commit(&s->output));
  fd_info("wrote %s in %.1f s", o->output, fd_seconds() - start);
  return FD_OK;
}

fd_status fd_command_score(fd_comm *comm, int argc, char **argv) {
  options o = {.every = 8, .mismatches = 0.01, .use.encoder = -1};
  int helped;
  FD_TRY(read_options(argc, argv, &o, &helped));
  if (helped) return FD_OK;
  scoring *s;
  FD_TRY(fd_alloc(&s, 1, sizeof *s, "scores"));
  fd_status status = score(comm, &o, s);
  if (status == FD_RETRY) fd_info("stopped by a signal: %s was not written", o.output);
  fd_output_abandon(&s->output);
  fd_sequences_close(&s->sequences);
  fd_variant_scores_free(&s->scores);
  fd_variants_free(&s->variants);
  fd_genome_free(&s->genome);
  fd_pretrained_close(&s->model);
  free(s);
  return status;
}
