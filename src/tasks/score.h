/* What a pretrained model thinks of variants and of single nucleotides of a genome. */
#ifndef FD_TASKS_SCORE_H
#define FD_TASKS_SCORE_H

#include "comm/comm.h"
#include "data/genome.h"
#include "data/variants.h"
#include "tasks/encoder.h"

typedef struct fd_score_options {
  int window;        /* nucleotides around the place that is scored */
  int unit;          /* of which a window has a multiple, in a shorter contig, too (fd_pretrained_unit); 0: any */
  int both_strands;  /* the mean with the reverse complement's */
  int llr, distance; /* what to compute */
  double mismatches; /* share of variants whose REF is not the genome's beyond which all are refused */
  int partial;       /* variants on contigs that the genome lacks are allowed, and get no score */
  double tau;        /* temperature of the masked-nucleotide logits (objective.mnm_tau) */
  int bce;           /* they were trained as separate yes-or-no answers (objective.mnm: bce) */
} fd_score_options;

/* The logarithm of what p is proportional to: z / tau, or with `bce` log sigmoid(z / tau). */
double fd_score_log_weight(double z, double tau, int bce);

/* Of one allele; NAN: not scored.
 *   llr       sum over REF's positions, all of them masked in the genome's window, of log p(alt) - log p(ref); alleles of REF's
 *             length. Of a model over words log p(ALT's words) - log p(REF's words), the sums over the words that differ
 *             (score_words.h), masked together in the window of their allele; alleles of any length whose borders meet
 *   distance  Euclidean distance between the mean latents of the windows with ALT and with REF */
typedef struct fd_allele_score {
  double llr, distance;
} fd_allele_score;

/* Scores of the alleles in the order of the variants and of each one's ALT. */
typedef struct fd_variant_scores {
  int64_t alleles, scored, mismatches, absent; /* absent: variants on contigs that the genome lacks */
  int64_t *first;                              /* [variants + 1]: alleles of a variant */
  fd_allele_score *score;
} fd_variant_scores;

/* Scores all variants. `variants` and `genome`, which is indexed, are the root's (NULL elsewhere), `path` is their file's name
 * for messages. More than the allowed share of REFs that are not the genome's is FD_DATA before anything is computed. Collective;
 * the same bits for any number of ranks; `scores` is filled on the root. */
fd_status fd_score_variants(const fd_score_options *options, const fd_encoder *encoder, fd_comm *comm, const char *path,
                            const fd_variants *variants, const fd_genome *genome, fd_variant_scores *scores) FD_MUST_CHECK;
void fd_variant_scores_free(fd_variant_scores *scores);

#endif
