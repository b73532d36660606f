#!/usr/bin/env bash
# The CUDA compiler's report on the kernels, for each kind of GPU: no kernel spills registers, no kernel of matrix products has a stack
# frame, and no warpgroup products are serialized. (No other test detects these.)
source "$(dirname "$0")/lib.sh"

# Kernels that may have a stack frame: checks and oracles, and kernels that run once per step or (sines in double) once per pass. None may
# spill.
framed='^(fd_product_plain|fd_sum_terms|dropout|expand|rotary_table)$'
# Kernels that multiply on tensor cores; their registers are printed.
tensor='tensor|chain|group'

folder=$(make -s -C "$root" --no-print-directory plugin 2>make.log | tail -1)
[ -n "$folder" ] || { echo "skipped - registers of the kernels: no CUDA compiler here, or CUDA=0 (make CUDA=1 reports more)"; exit 0; }
logs=()
for source in "$root"/cuda/*.cu; do
  log=$root/$folder/$(basename "$source" .cu).log
  if [ -e "$log" ]; then logs+=("$log"); else not_ok "$log is missing: the compiler's report on $(basename "$source")"; fi
done

# table LOG...: "architecture stack-frame spilled-bytes registers kernel" of each kernel
table() {
  cat "$@" | c++filt | awk '
    /Compiling entry function/ {
      split($0, quoted, "\047"); name = quoted[2]; gpu = quoted[4]
      gsub(/\(anonymous namespace\)::/, "", name)
      sub(/^void /, "", name)
      sub(/\(.*/, "", name)
      gsub(/ /, "", name)
    }
    /bytes stack frame/ { frame = $1; spilled = $5 + $9 }
    /Used [0-9]+ registers/ { match($0, /Used [0-9]+/); print gpu, frame, spilled, substr($0, RSTART + 5, RLENGTH - 5), name }'
}
table "${logs[@]}" >kernels
for gpu in sm_80 sm_90a; do
  grep "^$gpu " kernels >of_gpu
  check "$gpu: kernels are reported ($(wc -l <of_gpu))" test "$(wc -l <of_gpu)" -gt 20
  for product in tensor chain group group_chain group_weights; do check "$gpu: matrix products are among them ($product)" grep -qE " fd_product_$product(<|\$)" of_gpu; done
  check "$gpu: attention on tensor cores is among them" test "$(grep -c ' attention_tensor_' of_gpu)" = 9
  if awk '$3 > 0' of_gpu | grep . >spilling; then not_ok "$gpu: a kernel spills (architecture, stack frame, bytes spilled, registers)"; sed 's/^/    /' spilling
  else ok "$gpu: no kernel spills"; fi
  if awk -v framed="$framed" '{ base = $5; sub(/<.*/, "", base) } $2 > 0 && base !~ framed' of_gpu | grep . >framing; then
    not_ok "$gpu: a kernel has a stack frame (architecture, stack frame, bytes spilled, registers); tests/test_spills.sh lists the kernels that may"
    sed 's/^/    /' framing
  else ok "$gpu: no unexpected stack frame"; fi
  awk -v tensor="$tensor" '$5 ~ tensor { print "    " $1 " " $4 " registers: " $5 }' of_gpu | sort -k2,2nr
done

# The registers that its warps release are those the compiler allocated: with fewer, the warps that request more would wait forever
# (FD_RING_START).
check "sm_90a: kernels with a producer warpgroup start with the registers that they redistribute" awk '$1 == "sm_90a" && $5 ~ /^fd_product_group_(chain<|weights)/ { n++; bad += $4 != 168 } END { exit bad || n < 3 }' kernels

if grep -h 'wgmma.*serialized' "${logs[@]}" >serialized; then not_ok "warpgroup products are serialized"; sed 's/^/    /' serialized
else ok "warpgroup products are asynchronous"; fi

# The parser: a report with a spill and a stack frame is recognized.
cat >planted.log <<'LOG'
ptxas info    : Compiling entry function '_Z17fd_product_tensorv' for 'sm_80'
ptxas info    : Function properties for _Z17fd_product_tensorv
    24 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers, 440 bytes cmem[0]
LOG
check "a planted spill is detected" test "$(table planted.log)" = "sm_80 24 20 255 fd_product_tensor"
