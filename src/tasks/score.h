/* Scores of variants by a pretrained model: log-likelihood ratios and distances of embeddings. */
#ifndef FD_TASKS_SCORE_H
#define FD_TASKS_SCORE_H

#include "comm/comm.h"
#include "data/genome.h"
#include "data/variants.h"
#include "tasks/encoder.h"

typedef struct fd_score_options {
  int window;        /* nucleotides of the window around a variant */
  int unit;          /* window lengths, also in shorter contigs, are multiples of this (fd_pretrained_unit); 0: any */
  int both_strands;  /* average with the reverse complement's scores */
  int llr, distance; /* what to compute */
  double mismatches; /* largest allowed share of variants whose REF differs from the genome */
  int partial;       /* allow variants on contigs that the genome lacks; they get no score */
  double tau;        /* temperature of the masked-nucleotide logits (objective.mnm_tau) */
  int bce;           /* the logits were trained with binary cross-entropy (objective.mnm: bce) */
} fd_score_options;

/* The logarithm, up to a constant, of the probability p of a logit z: z / tau, or with `bce` log sigmoid(z / tau). */
double fd_score_log_weight(double z, double tau, int bce);

/* Scores of one allele; NAN: not scored.
 *   llr       log-likelihood ratio: sum over REF's positions, all masked in the genome's window, of log p(alt) - log p(ref), for
 *             alleles of REF's length. With a model over words: log p(ALT's words) - log p(REF's words), summed over the words
 *             that differ (score_words.h), masked together in their allele's window, for alleles of any length whose word
 *             borders meet
 *   distance  Euclidean distance between the mean latents of the windows with ALT and with REF */
typedef struct fd_allele_score {
  double llr, distance;
} fd_allele_score;

/* Scores of the alleles, in the order of the variants and of the alleles in their ALT. */
typedef struct fd_variant_scores {
  int64_t alleles, scored, mismatches, absent; /* absent: variants on contigs that the genome lacks */
  int64_t *first;                              /* [variants + 1]: bounds of the variants' alleles */
  fd_allele_score *score;
} fd_variant_scores;

/* Scores all variants. `variants` and the indexed `genome` are needed on the root only (NULL elsewhere); `path` is the variants'
 * file, for messages. More mismatches of REF than allowed are FD_DATA before anything is computed. Collective; the same bits for
 * any number of ranks; `scores` is filled on the root. */
fd_status fd_score_variants(const fd_score_options *options, const fd_encoder *encoder, fd_comm *comm, const char *path,
                            const fd_variants *variants, const fd_genome *genome, fd_variant_scores *scores) FD_MUST_CHECK;
void fd_variant_scores_free(fd_variant_scores *scores);

#endif
