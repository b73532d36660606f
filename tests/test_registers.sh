#!/usr/bin/env bash
# The inner loops of the matrix products keep their accumulators in registers: with every compiler installed here, they store no vector,
# read none from the stack, and move no offset between vector and general registers. (A spilled accumulator costs tens of percent, such a
# move an execution port of the multiply-adds, and no other test detects either.)
. "$(dirname "$0")/lib.sh"

# inner_loops OBJECT: for each tile_<rows> a line "function multiplications stores stack-reads moves" of its innermost loop
inner_loops() {
  objdump -d --no-show-raw-insn "$1" | awk '
    function number(hex,   i, n) { for (i = 1; i <= length(hex); i++) n = n * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1; return n }
    function report(   i, j, best, fma, store, stack) {
      for (i = 1; i <= n; i++) {
        if (text[i] !~ /^j/) continue
        split(text[i], word, " ")
        for (j = i; j >= 1 && address[j] > number(word[2]); j--);
        if (j < 1 || address[j] != number(word[2])) continue
        fma = store = stack = move = 0
        for (; j <= i; j++) {
          if (text[j] ~ /^(vfmadd|vdpbf16|mulps|vmulps|fmla|fmul)/) fma++
          if (text[j] ~ /^v?mov[au]p?[sdq]?.* %[xyz]mm[0-9]+,[^%]*\(/) store++
          if (text[j] ~ /\(%rsp.*[xyz]mm/) stack++
          if (text[j] ~ /^v?(mov[dq]|pextr[dq]|pinsr[dq]) .*%[re]?[a-ds0-9][a-z0-9]*$/ || text[j] ~ /^v?(mov[dq]|pinsr[dq]) +%r/) move++
        }
        if (fma && (!best || i < best)) { best = i; line = name " " fma " " store " " stack " " move }
      }
      if (best) print line
    }
    /^[0-9a-f]+ <.*>:$/ { if (name ~ /^tile_/) report(); name = $2; gsub(/[<>:]/, "", name); n = 0; next }
    /^ *[0-9a-f]+:\t/ { n++; a = $1; sub(":", "", a); address[n] = number(a); $1 = ""; sub(/^ +/, ""); text[n] = $0 }
    END { if (name ~ /^tile_/) report() }'
}

if [ "$(uname -m)" != x86_64 ]; then echo "skipped - registers of inner loops: this test reads x86-64 code"; exit 0; fi
for cc in gcc clang; do
  command -v $cc >/dev/null || { echo "skipped - inner loops by $cc: not installed"; continue; }
  objects=$(cd "$root" && make -s --no-print-directory CC=$cc SAN=0 kernels 2>/dev/null | tail -1)
  for object in $objects; do
    isa=$(basename "$object" .o); isa=${isa#kernels_}
    case $isa in
      amx_model) continue ;; # emulates tiles in memory, for tests
      amx) # the code names the tile registers explicitly: no compiler spills them
        check "amx by $cc multiplies tiles" test "$(objdump -d "$root/$object" | grep -c tdpbf16ps)" -ge 4
        continue ;;
    esac
    inner_loops "$root/$object" >loops
    if ! awk '{ rows = substr($1, 6) + 0; if ($2 < rows || $2 % rows || $3 || $4 || $5) bad = 1 } END { exit bad || NR < 6 }' loops; then
      not_ok "inner loops of $isa by $cc (function, multiplications, stores, stack reads, moves):"
      sed 's/^/    /' loops
    else ok "inner loops of $isa by $cc: $(wc -l <loops) tiles, all in registers"; fi
  done
done
