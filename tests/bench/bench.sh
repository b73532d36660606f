#!/usr/bin/env bash
# make bench: our block and linear layers against the processor's peak, our training step and inference against PyTorch's (fp32, same model, batch and cores),
# memory, threads against ranks, and the data path. The programs of a group (`turns`) stay alive and take turns, so that measurements to be compared
# are made under the same conditions; groups run one after another, so that only one of them needs memory.
#   TORCH=0 leaves PyTorch out, else it is installed in its own virtual environment; COMPILE=0 leaves torch.compile out (compiling takes
#   minutes). Optional: ROUNDS (9), THREADS (all cores), BATCH (4) and FULL=0 (leaves out one thread, memory and prepare);
#   ONLY='bert|dnabert' runs only the programs whose names match.
set -eu
export LC_ALL=C # numbers have a point, and names one order
cd "$(dirname "$0")/../.."
all=${THREADS:-$(nproc)} batch=${BATCH:-4} rounds=${ROUNDS:-9} torch=${TORCH:-1} compile=${COMPILE:-1} full=${FULL:-1}
work=$(mktemp -d)
declare -A to from pid dead
trap 'for p in "${pid[@]}"; do kill "$p" 2>/dev/null || true; done; wait; rm -rf "$work"' EXIT
trap '' PIPE # a program that died is left out, and its group continues
names=()
# start NAME COMMAND...: starts a program that measures once per line it reads; it is left out if it does not start
start() {
  [[ $1 =~ ${ONLY-} ]] || return 0
  local name=$1; shift
  mkfifo "$work/$name.in" "$work/$name.out"
  "$@" <"$work/$name.in" >"$work/$name.out" 2>"$work/$name.err" &
  pid[$name]=$!
  exec {to[$name]}>"$work/$name.in" {from[$name]}<"$work/$name.out"
  names+=("$name")
}
# ask NAME: makes and records one measurement
ask() {
  [ -n "${to[$1]-}" ] || return 0
  local line
  sleep 0.2 # PyTorch's threads spin for a while after their turn
  if echo 2>/dev/null >&"${to[$1]}" && read -r line <&"${from[$1]}"; then echo "$line" >>"$work/$1"
  else echo "$1 stopped: $(tail -1 "$work/$1.err")" >&2; dead[$1]=1; fi
}
# turns: lets the started programs measure in turns, then ends them. Round 0 is discarded, as some programs are still starting during it.
turns() {
  local round name
  for round in $(seq 0 "$rounds"); do
    for name in "${names[@]}"; do
      printf '\rround %d of %d: %-20s' "$round" "$rounds" "$name" >&2
      [ -z "${dead[$name]-}" ] || continue
      [ "$round" != 1 ] || rm -f "$work/$name"
      [ "$name" = two_ranks ] && pkill -CONT -P "${pid[two_ranks]}" # a rank that waits for another one spins on a core
      ask "$name"
      [ "$name" = two_ranks ] && pkill -STOP -P "${pid[two_ranks]}"
    done
  done
  for name in "${names[@]}"; do
    [ "$name" = two_ranks ] && pkill -CONT -P "${pid[two_ranks]}"
    kill "${pid[$name]}" 2>/dev/null || true # closing the pipe is not enough: programs started later also hold its write end
    wait "${pid[$name]}" 2>/dev/null || true
    exec {to[$name]}>&- {from[$name]}<&-
    unset "pid[$name]"
  done
  names=()
}
have() { [ -s "$work/$1" ]; }
# summary NAME COLUMN: median, minimum and maximum of a column, number of lines
summary() { awk -v c="$2" '{ print $c }' "$work/$1" | sort -g | awk '{ v[NR] = $1 } END { m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2; printf "%.4g %.4g %.4g %d\n", m, v[1], v[NR], NR }'; }
row() { if have "$2"; then printf '%-58s %9s %9s %9s %4s  %s\n' "$1" $(summary "$2" "${3:-1}") "$(sed -n 's/^kernels //p' "$work/$2.err" | head -1)"; fi; }
# ratio TEXT NAME NAME [COLUMN]: prints the ratio of the medians
ratio() { if have "$2" && have "$3"; then awk -v a="$(summary "$2" "${4:-1}" | cut -d' ' -f1)" -v b="$(summary "$3" "${4:-1}" | cut -d' ' -f1)" -v text="$1" 'BEGIN { printf "%-58s %9.2f\n", text, a / b }'; fi; }

python=build/bench-venv/bin/python
if [ "$torch" != 0 ] && ! $python -c 'import torch, transformers' 2>/dev/null; then
  echo "setting up PyTorch in build/bench-venv (TORCH=0 leaves it out)" >&2
  python3 -c 'import ensurepip' 2>/dev/null || launch/dependencies.sh python3-venv || true
  python3 -m venv build/bench-venv && build/bench-venv/bin/pip install -q torch numpy transformers >&2 || { echo "PyTorch cannot be installed here; its rows are left out" >&2; torch=0; }
fi
if [ "$torch" != 0 ] && [ "$compile" != 0 ] && ! command -v g++ >/dev/null; then launch/dependencies.sh g++ python3-dev || compile=0; fi
counts=$all layers=("768 -> 768" "768 -> 3,072" "3,072 -> 768") passes=(forward backward)
[ "$full" = 0 ] || [ "$all" = 1 ] || counts="1 $all"
mpi="mpirun -n 2 --bind-to none --oversubscribe"
[ "$(id -u)" = 0 ] && mpi="$mpi --allow-run-as-root"
for t in $counts; do
  start block$t "$BENCH" block device.threads=$t
  start bf16_$t "$BENCH" block device.threads=$t device.precision=bf16
  start linear$t "$BENCH" linear device.threads=$t
  [ "$torch" = 0 ] || start torch_linear$t $python -W ignore tests/bench/torch_step.py linear "$t" 1
  turns
  start infer$t "$BENCH" infer device.threads=$t train.batch=$batch
  [ "$torch" = 0 ] || start torch_infer$t $python -W ignore tests/bench/torch_step.py infer "$t" "$batch"
  start bf16_infer$t "$BENCH" infer device.threads=$t train.batch=$batch device.precision=bf16
  [ "$torch" = 0 ] || start torch_bf16_infer$t $python -W ignore tests/bench/torch_step.py infer "$t" "$batch" cpu bf16
  turns
done
for t in $counts; do
  start step$t "$BENCH" step device.threads=$t train.batch=$batch
  [ "$torch" = 0 ] || start torch_step$t $python -W ignore tests/bench/torch_step.py step "$t" "$batch"
done
[ "$torch" = 0 ] || [ "$compile" = 0 ] || start torch_compile$all $python -W ignore tests/bench/torch_step.py compile "$all" "$batch"
start bf16_step$all "$BENCH" step device.threads=$all train.batch=$batch device.precision=bf16
[ "$torch" = 0 ] || start torch_bf16_step$all $python -W ignore tests/bench/torch_step.py step "$all" "$batch" cpu bf16
turns
for kind in finetune embed; do
  start $kind$all "$BENCH" $kind device.threads=$all train.batch=$batch
  start bf16_$kind$all "$BENCH" $kind device.threads=$all train.batch=$batch device.precision=bf16
  [ "$torch" = 0 ] || start torch_$kind$all $python -W ignore tests/bench/torch_step.py $kind "$all" "$batch"
  [ "$torch" = 0 ] || start torch_bf16_$kind$all $python -W ignore tests/bench/torch_step.py $kind "$all" "$batch" cpu bf16
  turns
done
encoder() { # NAME KIND FAMILY SEQUENCES TOKENS CHANNELS HIDDEN LAYERS HEADS VOCABULARY: runs findna and PyTorch
  local sizes=(device.threads="$all" model.encoder="$3" train.batch="$4" model.positions="$5" model.channels="$6" model.hidden="$7" model.layers="$8" model.heads="$9" model.vocabulary="${10}" model.epsilon=1e-12)
  start "$1" "$BENCH" "encoder_$2" "${sizes[@]}"
  start "bf16_$1" "$BENCH" "encoder_$2" "${sizes[@]}" device.precision=bf16
  [ "$torch" = 0 ] || start "torch_$1" $python -W ignore tests/bench/torch_encoder.py "$3" "$2" "$all" "${@:4}"
  [ "$torch" = 0 ] || start "torch_bf16_$1" $python -W ignore tests/bench/torch_encoder.py "$3" "$2" "$all" "${@:4}" bf16
  turns
}
encoder bert_step step bert 16 110 768 3072 6 12 4098
encoder dnabert infer dnabert_2 16 128 768 3072 12 12 4096
encoder nt infer nt_v2 16 171 1024 4096 4 16 4107
# BarcodeMAE of configs/mae.yaml: 16 barcodes of 660 nucleotides.
mae=(step device.threads="$all" train.batch=16 train.dropout=0.1 teacher.kind=none objective.mnm_weight=0 objective.cl_weight=0 objective.hidden_weight=1 aug.student=M aug.mask_rate=0.5
  optim.clip=0 model.encoder=mae model.tokenizer=kmer model.kmer=6 model.vocabulary=4098 model.positions=512 model.channels=768 model.hidden=3072 model.layers=6 model.heads=6
  model.epsilon=1e-12 model.decoder_layers=6)
start mae "$BENCH" "${mae[@]}"
start bf16_mae "$BENCH" "${mae[@]}" device.precision=bf16
[ "$torch" = 0 ] || start torch_mae $python -W ignore tests/bench/torch_mae.py "$all" 16 110 768 3072 6 6 6 4098
[ "$torch" = 0 ] || start torch_bf16_mae $python -W ignore tests/bench/torch_mae.py "$all" 16 110 768 3072 6 6 6 4098 bf16
turns
# The student of 4 x 768 at the lengths of its data: findna packed, PyTorch padded to 300 tokens, as it is usually run, and to the longest sequence.
student="model.encoder=bert train.batch=32 model.positions=72 model.channels=768 model.hidden=3072 model.layers=4 model.heads=12 model.vocabulary=4096 model.epsilon=1e-12"
start student "$BENCH" encoder_packed device.threads="$all" $student
start bf16_student "$BENCH" encoder_packed device.precision=bf16 device.threads="$all" $student
for tokens in 300 72; do
  [ "$torch" = 0 ] || start torch_student_$tokens $python -W ignore tests/bench/torch_encoder.py bert step "$all" 32 $tokens 768 3072 4 12 4096 packed
  [ "$torch" = 0 ] || start torch_bf16_student_$tokens $python -W ignore tests/bench/torch_encoder.py bert step "$all" 32 $tokens 768 3072 4 12 4096 packed bf16
done
turns
start had_step "$BENCH" encoder_step device.threads="$all" model.encoder=had model.tokenizer=letters model.vocabulary=7 train.batch=16 model.positions=1020 model.channels=128 model.hidden=512 model.layers=4 model.heads=4
[ "$torch" = 0 ] || start torch_had_step $python -W ignore tests/bench/torch_had.py "$all" 16 1020
turns
start data "$BENCH" data
start tokens "$BENCH" tokens
[ "$full" = 0 ] || start stages "$BENCH" stages
[ "$full" = 0 ] || start prepare "$BENCH" prepare run.folder="$work"
turns
if [ "$full" != 0 ]; then
  start one_rank "$BENCH" step device.threads=2 train.batch=4 train.virtual_ranks=2
  start two_ranks $mpi "$BENCH" step device.threads=1 train.batch=4 train.virtual_ranks=2
  turns
  for name in "memory device.threads=$all" "recompute device.threads=$all model.recompute=true"; do # after one step
    start ${name%% *} "$BENCH" step train.batch=8 ${name#* }
    ask ${name%% *}
  done
  [ "$torch" = 0 ] || { start torch_memory $python -W ignore tests/bench/torch_step.py step "$all" 8; ask torch_memory; }
fi
echo >&2
echo "machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores; $(./findna doctor | sed -n 's/^ *instructions *//p'); $(date -u +%F); $(./findna --version); batch $batch"
[ "$torch" = 0 ] || echo "PyTorch $($python -c 'import torch; print(torch.__version__)')"
printf '%-58s %9s %9s %9s %4s  %s\n' measurement median smallest largest n kernels
for t in $counts; do
  row "peak of multiply-adds on registers, threads: $t (GFLOP/s)" block$t 1
  row "block forward, threads: $t (% of that peak)" block$t 4
  row "block backward, threads: $t (% of that peak)" block$t 5
  row "peak with bf16 operands, threads: $t (GFLOP/s)" bf16_$t 1
  row "block forward with bf16 operands, threads: $t (GFLOP/s)" bf16_$t 2
  row "  % of that peak" bf16_$t 4
  row "block backward with bf16 operands, threads: $t (GFLOP/s)" bf16_$t 3
  row "  % of that peak" bf16_$t 5
  for i in 0 1 2 3 4 5; do row "linear ${layers[i / 2]} ${passes[i % 2]}, threads: $t (% of that peak)" linear$t $((i + 7)); done
  row "training step, threads: $t (s)" step$t
  row "training step, PyTorch eager, threads: $t (s)" torch_step$t
  row "inference, threads: $t (s)" infer$t
  row "inference, PyTorch eager, threads: $t (s)" torch_infer$t
  row "inference with bf16 operands, threads: $t (s)" bf16_infer$t
  row "inference, PyTorch bf16 autocast, threads: $t (s)" torch_bf16_infer$t
done
row "fine-tuning step, 500 nucleotides, threads: $all (s)" finetune$all
row "fine-tuning step, PyTorch eager, threads: $all (s)" torch_finetune$all
row "  with bf16 operands (s)" bf16_finetune$all
row "  PyTorch bf16 autocast (s)" torch_bf16_finetune$all
row "embeddings, 1,000 nucleotides, threads: $all (s)" embed$all
row "embeddings, PyTorch eager, threads: $all (s)" torch_embed$all
row "  with bf16 operands (s)" bf16_embed$all
row "  PyTorch bf16 autocast (s)" torch_bf16_embed$all
row "training step, PyTorch torch.compile, threads: $all (s)" torch_compile$all
row "training step with bf16 operands, threads: $all (s)" bf16_step$all
row "training step, PyTorch bf16 autocast, threads: $all (s)" torch_bf16_step$all
row "training step, 1 rank of 2 threads (s)" one_rank
row "training step, 2 ranks of 1 thread (s)" two_ranks
row "memory of a training step, batch 8 (MB)" memory 2
row "memory of a training step, batch 8, model.recompute (MB)" recompute 2
row "memory of a training step, batch 8, PyTorch eager (MB)" torch_memory 2
for name in bert_step mae dnabert nt; do
  case $name in bert_step) what="training step, BERT 6 x 768, 16 x 110 tokens" ;; mae) what="training step, BarcodeMAE 6 + 6 x 768, 16 x 110 words" ;; dnabert) what="inference, DNABERT-2 12 x 768, 16 x 128" ;; nt) what="inference, NTv2 4 x 1,024, 16 x 171" ;; esac
  row "$what (s)" $name; row "  PyTorch eager (s)" torch_$name; row "  bf16 operands (s)" bf16_$name; row "  PyTorch bf16 autocast (s)" torch_bf16_$name; row "  memory (MB)" $name 2; row "  memory, PyTorch (MB)" torch_$name 2
done
row "training step, student 4 x 768, 32 packed of 61 to 72 (s)" student; row "  bf16 operands (s)" bf16_student; row "  memory (MB)" student 2
for tokens in 300 72; do
  row "  PyTorch eager, padded to $tokens tokens (s)" torch_student_$tokens; row "  PyTorch bf16 autocast, padded to $tokens (s)" torch_bf16_student_$tokens; row "  memory, PyTorch, padded to $tokens (MB)" torch_student_$tokens 2
done
row "training step, HAD's student, 16 x 1,020 letters (s)" had_step; row "  PyTorch eager, the delta rule of transformers (s)" torch_had_step; row "  memory (MB)" had_step 2; row "  memory, PyTorch (MB)" torch_had_step 2
row "data path, one core (windows/s)" data
for i in 1 2 3 4; do row "tokenizer $(cut -d' ' -f$i <<<'letters 6-mers nt6 bpe'), one core (MB of DNA/s)" tokens $i; done
row "prepare, one core (MB of FASTA/s)" prepare 1
row "prepare, memory (bytes/base)" prepare 2
if have stages; then
  echo "one block, 1 thread, batch 4: thread CPU time of its passes, and of their stages with nothing left out"
  row "  operations of the forward pass at the peak (ms)" stages 1
  for i in 0 1; do
    row "  ${passes[i]} (ms)" stages $((7 * i + 2))
    row "    first touches of pages" stages $((7 * i + 3))
    row "    bytes to be moved at least (MB)" stages $((7 * i + 4))
    for stage in 0 1 2 3; do
      row "    $(sed -n $((stage + 1))p <<<$'products\npacking and transposing\nGELU\nrotation, residual, the rest') (ms)" stages $((7 * i + stage + 5))
    done
  done
fi
echo "ratios of the medians"
for t in $counts; do
  for i in 0 1 2 3 4 5; do ratio "  linear ${layers[i / 2]} ${passes[i % 2]}, PyTorch / findna, threads: $t" torch_linear$t linear$t $((i + 1)); done
  ratio "  training step, PyTorch eager / findna, threads: $t" torch_step$t step$t
  ratio "  inference, PyTorch eager / findna, threads: $t" torch_infer$t infer$t
  ratio "  inference, PyTorch bf16 autocast / findna bf16, threads: $t" torch_bf16_infer$t bf16_infer$t
done
ratio "  fine-tuning step, PyTorch eager / findna, threads: $all" torch_finetune$all finetune$all
ratio "  embeddings, PyTorch eager / findna, threads: $all" torch_embed$all embed$all
for kind in fine-tuning:finetune embeddings:embed; do ratio "  ${kind%:*}, PyTorch bf16 autocast / findna bf16, threads: $all" "torch_bf16_${kind#*:}$all" "bf16_${kind#*:}$all"; done
ratio "  training step, torch.compile / findna, threads: $all" torch_compile$all step$all
ratio "  training step, fp32 / bf16 operands, threads: $all" step$all bf16_step$all
ratio "  training step, PyTorch bf16 autocast / findna bf16, threads: $all" torch_bf16_step$all bf16_step$all
[ "$all" = 1 ] || ratio "  training step, 1 thread / $all threads" step1 step$all
ratio "  training step, 1 rank of 2 threads / 2 ranks of 1" one_rank two_ranks
ratio "  BERT training step, PyTorch eager / findna" torch_bert_step bert_step
ratio "  BERT training step, PyTorch bf16 autocast / findna bf16" torch_bf16_bert_step bf16_bert_step
ratio "  BarcodeMAE training step, PyTorch eager / findna" torch_mae mae
ratio "  BarcodeMAE training step, PyTorch bf16 autocast / findna bf16" torch_bf16_mae bf16_mae
for tokens in 300 72; do
  ratio "  student's training step, PyTorch padded to $tokens / findna" torch_student_$tokens student
  ratio "  student's training step in bf16, padded to $tokens / findna" torch_bf16_student_$tokens bf16_student
done
ratio "  DNABERT-2 inference, PyTorch eager / findna" torch_dnabert dnabert
ratio "  DNABERT-2 inference, PyTorch bf16 autocast / findna bf16" torch_bf16_dnabert bf16_dnabert
ratio "  NTv2 inference, PyTorch eager / findna" torch_nt nt
ratio "  NTv2 inference, PyTorch bf16 autocast / findna bf16" torch_bf16_nt bf16_nt
ratio "  HAD student's training step, PyTorch eager / findna" torch_had_step had_step
ratio "  memory of a HAD student's training step, findna / PyTorch" had_step torch_had_step 2
ratio "  memory of a BERT training step, findna / PyTorch" bert_step torch_bert_step 2
ratio "  memory of a BarcodeMAE training step, findna / PyTorch" mae torch_mae 2
ratio "  memory, findna / PyTorch" memory torch_memory 2
ratio "  memory, findna with model.recompute / PyTorch" recompute torch_memory 2
