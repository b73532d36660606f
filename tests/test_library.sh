#!/usr/bin/env bash
# libfindna: the bits of `findna embed` from C and from Python; errors as text, with nothing written to the terminal; threads; the files of `make install`
# and pkg-config; and the ABI: exported symbols, sizes of structs and soname as in tests/library/abi.txt.
source "$(dirname "$0")/lib.sh"
program=$(readlink -f "$FINDNA")
library=$(dirname "$program")/libfindna.so.1 cc=${CC:-cc} sanitize=""
[ "${SAN:-0}" = 0 ] || sanitize=-fsanitize=address,undefined
[ -e "$library" ] || { not_ok "the library exists: make builds $library"; exit 1; }
make -s -C "$root" --no-print-directory install B="$(dirname "$program")" PREFIX=/usr/local DESTDIR="$scratch/installed" CUDA=0 >make.log 2>&1 || { not_ok "make install"; tail -3 make.log; exit 1; }
flags="-I$scratch/installed/usr/local/include -L$scratch/installed/usr/local/lib -lfindna"
if command -v pkg-config >/dev/null; then
  flags=$(PKG_CONFIG_PATH=$scratch/installed/usr/local/lib/pkgconfig PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 pkg-config --cflags --libs findna)
else echo "skipped - findna.pc: no pkg-config here"; fi
$cc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Werror -pthread $sanitize -o host "$root/tests/library/host.c" $flags >cc.log 2>&1 || { not_ok "a program links with -lfindna"; cat cc.log; exit 1; }
ok "a program links with the flags of make install and findna.pc"
export LD_LIBRARY_PATH=$scratch/installed/usr/local/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
if command -v "${CXX:-g++}" >/dev/null; then check "findna.h is valid C++" "${CXX:-g++}" -std=c++11 -Wall -Wextra -Werror -fsyntax-only -x c++ "$root/src/library/findna.h"; else echo "skipped - findna.h as C++: no compiler here"; fi

# --- another place, and none
cp -a installed moved
if command -v pkg-config >/dev/null; then check "findna.pc names the folder that it is in" bash -c 'PKG_CONFIG_PATH=moved/usr/local/lib/pkgconfig pkg-config --cflags findna | grep -q "moved/usr/local/.*include"'; fi
touch moved/usr/local/lib/other
check "make uninstall" make -s -C "$root" --no-print-directory uninstall B="$(dirname "$program")" PREFIX=/usr/local DESTDIR="$scratch/moved" CUDA=0
check "or its folders" test ! -e moved/usr/local/share/findna
check "and fails if it cannot tell what that is" bash -c '! make -s -C "$0" --no-print-directory uninstall B=/proc/nowhere PREFIX=/usr/local DESTDIR="$1" CUDA=0 >/dev/null 2>&1' "$root" "$scratch/moved"
check "removes what make install installs, and nothing else" test "$(find moved ! -type d)" = moved/usr/local/lib/other

# --- ABI
abi() {
  readelf -d "$library" | sed -n 's/.*(SONAME).*\[\(.*\)\]/soname \1/p'
  nm -D --defined-only "$library" | awk '$2 != "A" { print "exports " $3 }' | sort
  ./host abi
}
if command -v readelf >/dev/null && command -v nm >/dev/null; then
  abi >abi.txt
  check "the ABI is tests/library/abi.txt (a change of it needs another FINDNA_ABI)" diff "$root/tests/library/abi.txt" abi.txt
  check "the library needs neither MPI nor Python, and does not call abort" bash -c '! readelf -d "$1" | grep -E "NEEDED.*(libmpi|python)" && { [ -n "$2" ] || ! nm -D --undefined-only "$1" | grep -E " (MPI_.*|abort|perror)(@|$)"; }' - "$library" "$sanitize"
  check "or replace the allocator of jansson, which the program may use, too" bash -c '! nm -D --undefined-only "$1" | grep json_set_alloc_funcs' - "$library"
else echo "skipped - ABI: no readelf and nm here"; fi

# --- bits
tiny_shards shards
"$FINDNA" prepare --window 60 --max-n 0 --count 64 --val-count 0 --bed "$root/datasets/human_chr20_slice.bed" sixes "$root/datasets/human_chr20_slice.2bit" >prepare.log 2>&1
"$FINDNA" pretrain "$root/tests/tiny.yaml" run.folder=run >/dev/null 2>&1 || { not_ok "a run finishes"; exit 1; }
"$FINDNA" pretrain nt-small data.shards=sixes run.folder=words model.channels=16 model.hidden=32 model.layers=1 model.heads=2 train.steps=2 train.batch=8 train.virtual_ranks=2 eval.every=0 device.threads=1 >words.log 2>&1 || { not_ok "a run over words finishes"; tail -3 words.log; exit 1; }
xz -dc "$root/datasets/prom_core_notata.train.tsv.xz" | head -81 >rows.tsv
"$FINDNA" finetune run --train rows.tsv --test rows.tsv run.folder=tuned train.steps=3 train.batch=16 train.virtual_ranks=4 device.threads=1 >tuned.log 2>&1 || { not_ok "a fine-tuning finishes"; tail -3 tuned.log; exit 1; }
awk 'BEGIN { srand(7 + ENVIRON["DRAWS"]); for (s = 0; s < 40; s++) { t = ""; for (i = 0; i < 20 + s * 7 % 150; i++) t = t substr("ACGTNacgr", 1 + int(rand() * 9), 1); print t } }' >x.txt
awk '{ print ">" NR "\n" $0 }' x.txt >x.fa
quiet=ok
# same NAME RUN POOL NUMBER WINDOW STRIDE BOTH: compares rows of the library with those of findna embed
same() {
  local name=$1 run=$2 pool=$3 number=$4 window=$5 stride=$6 both=$7
  "$FINDNA" embed "$run" x.fa --output x.npy --pool "$pool" --window "$window" ${stride:+--stride $stride} ${both:+--both-strands} >out.log 2>&1 || { not_ok "$name: embed"; tail -2 out.log; return; }
  ./host embed "$run" x.txt "$number" "$window" "${stride:-0}" "${both:-0}" x.f32 >host.log 2>host.err || { not_ok "$name"; cat host.log host.err; return; }
  [ ! -s host.err ] || quiet="no: $(head -1 host.err)"
  check "$name: the bits of findna embed" cmp x.f32 <(tail -c "$(stat -c %s x.f32)" x.npy)
  check "$name: the same number of values" test "$(stat -c %s x.f32)" -ge "$(($(stat -c %s x.npy) - 256))"
}
same "tokens" run tokens 0 -1 "" ""
check "findna_describe" grep -qE '^teacher of [0-9a-f]{64}: window 61, channels 18, outputs 0, vocabulary 5, cls -1$' host.log
mkdir -p runs && cp -r run runs/demo
awk '/^```c$/ { inside = 1; next } /^```/ { inside = 0 } inside' "$root/docs/library.md" >example.c
check "the example of docs/library.md compiles" $cc -std=c11 -Wall -Wextra -Werror $sanitize -o example example.c $flags
[ -n "$sanitize" ] || check "and prints the first value" test "$(./example)" = "18 values a sequence, the first $(printf '>a\nACGTTGCAACGT\n' >a.fa; "$FINDNA" embed run a.fa --output a.tsv >/dev/null 2>&1; printf %.6g "$(tail -1 a.tsv | cut -f2)")"
same "[CLS]" run cls 1 -1 "" ""
same "both, on both strands" run both 2 -1 "" 1
same "the maximum" run max 3 30 7 ""
same "never cut" run tokens 0 0 "" ""
same "a head's prediction" tuned task 5 -1 "" ""
same "words" words tokens 0 0 "" ""
check "which have a vocabulary" grep -q 'vocabulary 4107, cls 3$' host.log
check "nothing was written to standard error ($quiet)" test "$quiet" = ok
check "tokens of letters" test "$(./host tokens run ACGTn | head -1)" = "A:0:0+1 C:1:1+1 G:2:2+1 T:3:3+1 N:4:4+1 "
check "tokens of words: [CLS], a word, a rest of letters" test "$(./host tokens words ACGTTGCA | head -1 | sed 's/:[0-9]*:/:/g')" = "<cls>:0+0 ACGTTG:0+6 C:6+1 A:7+1 "
check "four threads, sharing a model and with models of their own, get the same result" test "$(./host threads run x.txt 2>&1)" = end

# --- errors
cp -r run damaged && newest=$(ls -d damaged/ckpt/step_* | sort | tail -1) && printf x >>"$newest/teacher-00.safetensors"
./host refused run >refused.log 2>refused.err
check "the program keeps running" test "$(tail -1 refused.log)" = end
check "and nothing was written to standard error" test ! -s refused.err
while IFS='|' read -r what text; do check "refused, with the reason: $what" grep -qE "^$what: $text" refused.log; done <<'L'
no path|64: findna_open: path is NULL
no run|66: absent: no such checkpoint or run folder
no device|64: findna embed: --device tpu: expected cpu or cuda$
no best|64: --encoder best: run/ckpt/.* has none; use --encoder teacher
another header|64: findna_options.size is 3; expected sizeof.findna_options.
nothing is wrong|0: $
a letter|65: sequence 2, letter 3: '-' .byte 0x2d. is not a nucleotide; expected A, C, G, T, N
no letters|65: sequence 1 is empty
no length|65: sequence 1 is empty
fewer than none|64: count is -1
a stride|64: --stride 5 is longer than the window .4.
no head|64: --pool task: run/ckpt/.* has no task's head
positions|64: findna_pooling.pool is 4; expected FINDNA_TOKENS
none at all|0: $
tokens of a letter|65: sequence 1, letter 3: '!'
no token|64: token 5: expected an id from 0 to 4
a description|64: findna_description.size is 8
room for two|0: $
L
./host embed damaged x.txt 0 -1 0 0 older.f32 >host.log 2>host.err
check "a damaged checkpoint is skipped, and findna_message has a warning" bash -c 'grep -q "^end" host.log && grep -q "^warning: damaged/ckpt/.* is damaged; looking for an older one" host.log && [ ! -s host.err ]'

# --- Python
python=${PYTHON:-python3}
if [ -n "$sanitize" ]; then echo "skipped - Python: the sanitizer has to be loaded first"; exit 0; fi
"$python" -c 'import numpy' 2>/dev/null || { echo "skipped - Python: no $python with NumPy here (PYTHON= names another)"; exit 0; }
emulated=$(dirname "$program")/libfindna_emulated.so
[ -e "$emulated" ] || echo "skipped - a model on a GPU: no emulated GPU (make emulated)"
cat >try.py <<'P'
import sys, threading
import numpy as np
import findna
lines = open("x.txt").read().split()
x = findna.embed(lines, model="run")
assert x.dtype == np.float32 and x.shape == (len(lines), 18)
x.tofile("python.f32")
with findna.Model("run", threads=2, encoder="student") as m:
    assert (m.channels, m.window, m.encoder, len(m.state_id)) == (18, 61, "student", 64)
    y = m.embed(lines, pool="both", both_strands=True, window=40, stride=10)
    assert y.shape == (len(lines), 36) and not np.array_equal(x, y[:, :18])
    assert findna.embed([], model=m).shape == (0, 18)
    found = [None] * 3
    def work(i): found[i] = m.embed(lines[i:])
    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for t in threads: t.start()
    for t in threads: t.join()
    assert all(np.array_equal(found[0][i:], found[i]) for i in range(3))
try: m.embed(lines)
except ValueError as e: assert "closed" in str(e)
else: sys.exit("a closed model embeds")
ids = findna.tokenize(["ACGTTGCA", b"ACGTTG"], model="words")
assert ids[0].dtype == np.int32 and len(ids[0]) == 4 and len(ids[1]) == 2 and ids[0][1] == ids[1][1]
w = findna.Model("words")
assert [w.text(i) for i in ids[0]] == ["<cls>", "ACGTTG", "C", "A"], [w.text(i) for i in ids[0]]
assert w.tokens("ACGTTGCA")["first"].tolist() == [0, 0, 6, 7]
for wrong, code, text in ((lambda: findna.embed(["AC-T"], model="run"), 65, "letter 3"), (lambda: findna.Model("absent"), 66, "no such"),
                          (lambda: findna.embed(["ACGT"], model="run", pool="task"), 64, "no task's head")):
    try: wrong()
    except findna.Error as e: assert e.code == code and text in str(e), e
    else: sys.exit(f"{text}: nothing was raised")
if len(sys.argv) > 1:
    near = findna.embed(lines[:3], model=findna.Model("run", device="cuda"))  # bf16
    assert 0 < np.abs(near - x[:3]).max() < 2e-2
try: findna.embed("ACGT", model="run")
except TypeError: print("end")
P
PYTHONPATH=$scratch/installed/usr/local/share/findna/python FINDNA_PLUGIN=$emulated "$python" try.py $([ ! -e "$emulated" ] || echo gpu) >python.log 2>&1
check "Python: embeddings, tokens, threads, errors" test "$(cat python.log)" = end
[ "$(cat python.log)" = end ] || tail -5 python.log
"$FINDNA" embed run x.fa --output x.npy >out.log 2>&1
check "Python: the bits of findna embed" cmp python.f32 <(tail -c "$(stat -c %s python.f32)" x.npy)
check "Python: also with the library of the build" test "$(cd "$scratch" && FINDNA_LIBRARY=$library PYTHONPATH=$root/launch/python "$python" -c 'import findna; print(findna.version())')" = "$("$FINDNA" --version | cut -d' ' -f2)"
