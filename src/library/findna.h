/* libfindna: embeddings and tokens of DNA sequences by a pretrained model, from C or C++. All else is the program's: pretraining,
 * fine-tuning, scores, and a row a nucleotide (findna embed --pool positions). Link with `pkg-config --cflags --libs findna`.
 *
 * Results: rows have the same bits as those of `findna embed` with the same options on the same machine, whatever the number of
 * threads and the sequences beside.
 *
 * Errors: calls that return int return 0, or the exit code that `findna embed` has for the same cause: 64 a wrong argument, 65
 * bad data, 66 a missing file, 69 a GPU, 71 out of memory, 74 reading, 77 no permission, 78 a bad configuration, 79 numbers that
 * are not finite. findna_message() then says what is wrong and what would be right. The library writes nothing to standard output
 * or error, does not end the process, installs no signal handlers, does not use MPI, and changes no files.
 *
 * Threads: any thread may call. Calls on one model take turns, and its threads share their work; calls on different models run
 * side by side. A model must not be used in the child of a fork(): open it there.
 *
 * Ownership: the caller owns all memory that it passes; the library borrows it for the call. Only findna_open gives something
 * that is to be released, by findna_close. */
#ifndef FINDNA_H
#define FINDNA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FINDNA_ABI 1          /* the number in libfindna.so.1 */
#define FINDNA_TOKEN_TEXT 256 /* bytes of a token's text with its NUL */

typedef struct findna_model findna_model;

/* How a model is opened; 0 and NULL are the defaults. The words are those of `findna embed --help`. */
typedef struct findna_options {
  size_t size;           /* sizeof(findna_options) */
  int64_t threads;       /* 0: one a core */
  const char *device;    /* "cpu" or "cuda" */
  const char *simd;      /* instructions of the CPU kernels: "auto", "avx512", "avx2", "generic", ... */
  const char *precision; /* operands of matrix products: "auto", "fp32" or "bf16" */
  const char *encoder;   /* "student", "teacher" or "best"; default: best of a fine-tuning, else the teacher if there is one */
} findna_options;

/* What a row is: the mean of the latents over the nucleotides (or tokens), over [CLS] tokens, both means side by side, the
 * largest value of each channel, or what a fine-tuned head predicts (probabilities of the classes, or the value). */
enum { FINDNA_TOKENS = 0, FINDNA_CLS = 1, FINDNA_BOTH = 2, FINDNA_MAX = 3, FINDNA_TASK = 5 };

/* How sequences become rows; NULL in its place: the mean over the tokens, windows as in pretraining. The row of a
 * sequence that is cut is the mean over its windows. */
typedef struct findna_pooling {
  size_t size;          /* sizeof(findna_pooling) */
  int64_t window;       /* nucleotides of the windows that longer sequences are cut into; -1: as in pretraining; 0: never */
  int64_t stride;       /* nucleotides from window to window; 0: half a window */
  int32_t pool;         /* FINDNA_TOKENS, ... */
  int32_t both_strands; /* 1: the mean with the reverse complement's */
} findna_pooling;

/* What a model is. */
typedef struct findna_description {
  size_t size;        /* sizeof(findna_description), set by the caller */
  int64_t window;     /* nucleotides of a window of the pretraining */
  int32_t channels;   /* width of a row of FINDNA_TOKENS, FINDNA_CLS and FINDNA_MAX; of FINDNA_BOTH twice that */
  int32_t outputs;    /* width of a row of FINDNA_TASK; 0: the model has no head */
  int32_t vocabulary; /* ids of tokens are 0 .. vocabulary - 1 */
  int32_t cls;        /* id of the [CLS] token that stands first; -1: there is none */
  char encoder[16];   /* the network that was taken: student, teacher or best */
  char state_id[72];  /* SHA-256 of the checkpoint's state, in hexadecimal */
} findna_description;

/* A token: nucleotides first .. first + length - 1 of its sequence, counted from 0; special tokens have none (0, 0). */
typedef struct findna_token {
  int32_t id, first, length;
} findna_token;

/* Opens a run folder (its newest valid checkpoint; a damaged newer one is passed over, and findna_message says so) or a
 * checkpoint folder; of an exported or a published model what `findna import` made of it. options NULL: the defaults. *model is
 * NULL where it fails. */
int findna_open(findna_model **model, const char *path, const findna_options *options);
void findna_close(findna_model *model); /* NULL is no error; no other call on this model may be under way */
int findna_describe(const findna_model *model, findna_description *out);

/* out[count][width], width as in findna_description: a row a sequence, in their order. Letters are IUPAC's in either case, all
 * but A, C, G, T (U) are N; anything else, and a sequence without letters, is 65. lengths NULL: each sequence ends with a NUL.
 * Where it fails out holds no result. */
int findna_embed(findna_model *model, const char *const *sequences, const int64_t *lengths, int64_t count,
                 const findna_pooling *pooling, float *out);

/* The tokens that the model reads of a sequence, at most `room` of them into tokens; *count says how many there are, which may be
 * more: call again with that room. tokens NULL with room 0: only count. A model over letters has one token a nucleotide: A, C, G,
 * T, N as 0 .. 4. length -1: the sequence ends with a NUL. */
int findna_tokenize(const findna_model *model, const char *sequence, int64_t length, findna_token *tokens, int64_t room,
                    int64_t *count);
int findna_token_text(const findna_model *model, int32_t id,
                      char text[FINDNA_TOKEN_TEXT]); /* its letters, or [CLS] and the like */

/* What the calling thread's last call had to say: errors and warnings, a line each, "" if none; valid until its next call. */
const char *findna_message(void);
const char *findna_version(void); /* of the library; lives as long as it */

#ifdef __cplusplus
}
#endif
#endif
