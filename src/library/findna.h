/* libfindna: embeddings and tokens of DNA sequences with a pretrained model, from C or C++. Pretraining, fine-tuning, scores and
 * embeddings of single nucleotides (findna embed --pool positions) need the program. Link with `pkg-config --cflags --libs
 * findna`.
 *
 * Results: rows are bit-identical to those of `findna embed` with the same options on the same machine, for any number of threads
 * and independently of the other sequences of a call.
 *
 * Errors: functions that return int return 0 on success, else the exit code of `findna embed` for the same error: 64 invalid
 * argument, 65 bad data, 66 missing file, 69 GPU, 71 out of memory, 74 read error, 77 no permission, 78 bad configuration, 79
 * numbers that are not finite. findna_message() then returns what is wrong and what would be right. The library writes nothing to
 * standard output or standard error, never ends the process, installs no signal handlers, does not use MPI, changes no files, and
 * leaves jansson's allocator to the program: lack of memory while findna_open reads JSON may therefore be reported as 65.
 *
 * Threads: all functions may be called from any thread. Calls on the same model are serialised, and each uses all threads of the
 * model; calls on different models run concurrently. A model must not be used in the child of a fork(): open it there.
 *
 * Ownership: the caller owns all memory that it passes; the library borrows it for the duration of the call. Only the model of
 * findna_open must be released, with findna_close. */
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

/* Options of findna_open; 0 and NULL are the defaults. The words are those of `findna embed --help`. */
typedef struct findna_options {
  size_t size;           /* sizeof(findna_options) */
  int64_t threads;       /* 0: one per core */
  const char *device;    /* "cpu" or "cuda" */
  const char *simd;      /* instructions of the CPU kernels: "auto", "avx512", "avx2", "generic", ... */
  const char *precision; /* operands of matrix products: "auto", "fp32" or "bf16" */
  const char *encoder;   /* "student", "teacher" or "best"; default: best if fine-tuned, else the teacher if there is one */
} findna_options;

/* Kinds of rows: the mean of the latents over the nucleotides (or tokens), over [CLS] tokens, both means concatenated, the
 * maximum of each channel, or the prediction of a fine-tuned head (probabilities of the classes, or the value). */
enum { FINDNA_TOKENS = 0, FINDNA_CLS = 1, FINDNA_BOTH = 2, FINDNA_MAX = 3, FINDNA_TASK = 5 };

/* How sequences become rows. NULL instead: the mean over the tokens, with windows by default: as in pretraining, and of models
 * over byte pairs only for sequences of more words than the model has positions. The row of a sequence that is cut is the mean
 * over its windows. */
typedef struct findna_pooling {
  size_t size;          /* sizeof(findna_pooling) */
  int64_t window;       /* cut longer sequences into windows of this many nucleotides; -1: by default; 0: never */
  int64_t stride;       /* nucleotides between the starts of windows; 0: half a window */
  int32_t pool;         /* FINDNA_TOKENS, ... */
  int32_t both_strands; /* 1: average with the row of the reverse complement */
} findna_pooling;

/* Description of an open model. */
typedef struct findna_description {
  size_t size;        /* sizeof(findna_description), set by the caller */
  int64_t window;     /* nucleotides of a window in pretraining */
  int32_t channels;   /* width of a row with FINDNA_TOKENS, FINDNA_CLS and FINDNA_MAX; twice that with FINDNA_BOTH */
  int32_t outputs;    /* width of a row with FINDNA_TASK; 0: the model has no head */
  int32_t vocabulary; /* token ids are 0 .. vocabulary - 1 */
  int32_t cls;        /* id of the [CLS] token at the beginning; -1: none */
  char encoder[16];   /* the network in use: student, teacher or best */
  char state_id[72];  /* SHA-256 of the checkpoint's state, in hexadecimal */
} findna_description;

/* A token: nucleotides first .. first + length - 1 of its sequence, from 0; special tokens have first 0 and length 0. */
typedef struct findna_token {
  int32_t id, first, length;
} findna_token;

/* Opens a run folder (its newest valid checkpoint; a damaged newer one is skipped, and findna_message returns a warning) or a
 * checkpoint folder; exported and published models must be imported by `findna import` first. options NULL: the defaults. *model
 * is NULL on failure. */
int findna_open(findna_model **model, const char *path, const findna_options *options);
void findna_close(findna_model *model); /* NULL is allowed; no other call on this model may be in progress */
int findna_describe(const findna_model *model, findna_description *out);

/* Fills out[count][width], width as in findna_description: one row per sequence, in order. Sequences consist of IUPAC letters in
 * either case, of which all but A, C, G, T (U) are read as N; any other character, and an empty sequence, is error 65. lengths
 * NULL: the sequences are NUL-terminated. On failure the contents of out are undefined. */
int findna_embed(findna_model *model, const char *const *sequences, const int64_t *lengths, int64_t count,
                 const findna_pooling *pooling, float *out);

/* Writes the model's tokens of a sequence, at most `room`, into tokens. *count is set to the number of all tokens; if it is
 * larger than room, call again with that room. tokens NULL with room 0: only count. A model over letters has one token per
 * nucleotide: A, C, G, T, N are 0 .. 4. length -1: the sequence is NUL-terminated. */
int findna_tokenize(const findna_model *model, const char *sequence, int64_t length, findna_token *tokens, int64_t room,
                    int64_t *count);
int findna_token_text(const findna_model *model, int32_t id, char text[FINDNA_TOKEN_TEXT]); /* letters, or a name such as [CLS] */

/* Errors and warnings of the calling thread's last call, a line each, or ""; valid until the thread's next call. */
const char *findna_message(void);
const char *findna_version(void); /* of the library; a static string */

#ifdef __cplusplus
}
#endif
#endif
