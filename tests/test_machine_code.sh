#!/usr/bin/env bash
# The machine code of the tensor-core kernels, for each GPU architecture: the number of tensor-core instructions in a product's loop, no branch
# inside the loops of a chain, no local memory, no device-wide memory fence after a kernel's stores, and gradients stored 16 bytes at a time.
# Needs cuobjdump and nvdisasm: uses the cuobjdump that CUOBJDUMP names, or the one in PATH, next to nvcc, or in build/disassembler.
source "$(dirname "$0")/lib.sh"

# summary: prints a line for each kernel of a disassembly: "KERNEL mma=N loops=N/BRANCHES,... local=N fences=N stores=BYTES:N,...". Loops are the
# innermost loops with tensor-core instructions, each with the number of these and of branches other than its own; fences are device-wide. A
# kernel with a producer warpgroup, which releases registers, also has "producer=N": one more than the highest that it uses afterwards.
summary() {
  c++filt | sed 's/(anonymous namespace):://g; /Function :/{s/void //; s/\(Function : [^(]*\)(.*/\1/; s/, /,/g; s/> >/>>/g}' | awk '
    function address(hex) { return "x" substr("00000000", 1, 8 - length(hex)) hex } # compared as text
    function is_product(i) { return op[i] ~ /^HG?MMA/ }
    function within(i, loop) { return at[i] >= first[loop] && at[i] <= last[loop] }
    function innermost(loop,   other, i) {
      for (other = 1; other <= loops; other++)
        if (other != loop && first[other] >= first[loop] && last[other] <= last[loop])
          for (i = 1; i <= count; i++) if (is_product(i) && within(i, other)) return 0
      return 1
    }
    function say(   i, loop, n, branches, all, list, local, fences, s16, s8, s4, producer) {
      if (name == "") return
      for (i = 1; i <= count && op[i] !~ /^USETMAXREG\.DEALLOC/; i++);
      for (; i <= count && op[i] !~ /^EXIT/; i++) if (used[i] > producer) producer = used[i]
      for (loop = 1; loop <= loops; loop++) {
        n = branches = 0
        for (i = 1; i <= count; i++) if (within(i, loop)) { n += is_product(i); branches += op[i] ~ /^(BR|CALL|RET|JMP|BSSY|BSYNC|EXIT)/ && at[i] != last[loop] }
        if (n && innermost(loop)) list = list (list ? "," : "") n "/" branches
      }
      for (i = 1; i <= count; i++) {
        all += is_product(i); local += op[i] ~ /^(LDL|STL)/; fences += op[i] ~ /^MEMBAR\..*(GPU|SYS)/
        if (op[i] ~ /^STG?\./) { if (op[i] ~ /\.128/) s16++; else if (op[i] ~ /\.64/) s8++; else s4++ }
      }
      printf "%s%s mma=%d loops=%s local=%d fences=%d stores=16:%d,8:%d,4:%d\n", name, producer ? " producer=" producer : "", all, list, local, fences, s16, s8, s4
    }
    /Function :/ { say(); name = $3; count = loops = 0 }
    /^ *\/\*[0-9a-f]+\*\/ +[^\/ ]/ {
      here = $1; gsub(/[\/*]/, "", here)
      field = $2 ~ /^@/ ? 3 : 2
      at[++count] = address(here); op[count] = $field; sub(/;$/, "", op[count])
      used[count] = 0
      for (rest = $0; match(rest, /[^UA-Z0-9]R[0-9]+/); rest = substr(rest, RSTART + RLENGTH))
        if (substr(rest, RSTART + 2, RLENGTH - 2) + 1 > used[count]) used[count] = substr(rest, RSTART + 2, RLENGTH - 2) + 1
      if (op[count] ~ /^BRA/)
        for (field++; field <= NF && $field !~ /^\/\*/; field++)
          if ($field ~ /^0x/) { to = $field; sub(/^0x/, "", to); sub(/;$/, "", to); to = address(to); if (to < at[count]) { first[++loops] = to; last[loops] = at[count] } }
    }
    END { say() }'
}

# A test of summary itself: it must find a loop with a branch inside, a fence and a store to local memory.
cat >planted.sass <<'SASS'
		Function : _Z7plantedv
        /*0000*/                   MOV R1, c[0x0][0x28] ;       /* 0x00000a00ff017624 */
        /*0010*/                   HMMA.16816.F32.BF16 R4, R8, R12, R4 ; /* 0x0000000c0804723c */
        /*0020*/              @!P0 BRA 0x40 ;                   /* 0x0000000000188947 */
        /*0030*/                   STL [R1], R4 ;               /* 0x0000000401007387 */
        /*0040*/               @P1 BRA 0x10 ;                   /* 0xffffffffffc01947 */
        /*0050*/                   STG.E.128 [R2.64], R4 ;      /* 0x0000000402007986 */
        /*0060*/                   MEMBAR.SC.GPU ;              /* 0x0000000000007992 */
        /*0070*/                   USETMAXREG.DEALLOC.CTAPOOL 0x18 ; /* 0x00000018000079c8 */
        /*0080*/                   IMAD R3, R17.reuse, R2, RZ ; /* 0x0000000211037224 */
        /*0090*/                   EXIT ;                       /* 0x000000000000794d */
        /*00a0*/                   MOV R99, R2 ;                /* 0x0000000200637202 */
        /*00b0*/                   BRA 0xb0;                    /* 0xfffffff000007947 */
SASS
check "planted faults are seen" test "$(summary <planted.sass)" = "planted() producer=18 mma=1 loops=1/1 local=1 fences=1 stores=16:1,8:0,4:0" -o "$(summary <planted.sass)" = "planted producer=18 mma=1 loops=1/1 local=1 fences=1 stores=16:1,8:0,4:0"

folder=$(make -s -C "$root" --no-print-directory plugin 2>make.log | tail -1)
[ -n "$folder" ] || { echo "skipped - machine code of the kernels: no CUDA compiler here, or CUDA=0 (make CUDA=1 says more)"; exit 0; }
for dump in "${CUOBJDUMP-}" cuobjdump "$(dirname "$(readlink -f "$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)")")/cuobjdump" "$root"/build/disassembler/lib/python3*/site-packages/nvidia/cu*/bin/cuobjdump ""; do
  [ -z "$dump" ] || ! command -v "$dump" >/dev/null || break
done
[ -n "$dump" ] || { echo "skipped - machine code of the kernels: no cuobjdump (of the CUDA toolkit; python3 -m venv build/disassembler and its pip install nvidia-cuda-cuobjdump nvidia-cuda-nvdisasm will do)"; exit 0; }
dump=$(command -v "$dump")
export PATH=$(dirname "$dump"):$PATH # nvdisasm is next to it

for gpu in sm_80 sm_90a; do
  for source in mixer linear gradients attention_tensor; do "$dump" -sass -arch $gpu "$root/$folder/$source.o"; done 2>&1 | summary | sed -n '/ mma=0 /!p' >kernels
  # every TITLE KERNELS PATTERN: passes if kernels match KERNELS and all their lines match PATTERN
  every() {
    if ! grep -qE "^($2)" kernels; then not_ok "$gpu: $1: there is no such kernel"
    elif grep -E "^($2)" kernels | grep -vE "$3" >unlike; then not_ok "$gpu: $1"; sed 's/^/    /' unlike
    else ok "$gpu: $1"; fi
  }
  every "no kernel on tensor cores uses local memory" "" " local=0 "
  every "a product's loop has 32 multiplications of a warp" "fd_product_tensor<(true,false|false)," " mma=32 loops=32/[0-9]+ "
  every "and 2 more where it also sums rows" "fd_product_tensor<true,true," " mma=34 loops=34/[0-9]+ "
  every "a chain's four loops have 8, 8, 40 and 40, and no branch" "fd_product_chain<" " mma=96 loops=8/0,8/0,40/0,40/0 "
  every "the kernels of one warp's instructions have no fence of the whole device" "fd_product_tensor<|fd_product_chain<|attention_tensor_" " fences=0 "
  every "sums of gradients are stored 16 bytes at a time, except the two rows' sums" "fd_product_[a-z]+<true,true,.*partial_epilogue" " stores=16:[1-9][0-9]*,8:0,4:2$"
done
every "a product's loop by warpgroups has 4 multiplications of a warpgroup" "fd_product_group<(true,false|false,[a-z]+),128," " mma=4 loops=4/[0-9]+ .* fences=0 "
every "and 4 more where it also sums rows" "fd_product_group<true,true,128," " mma=8 loops=8/[0-9]+ .* fences=0 "
every "and 8 where it uses the chain's shape of the instruction, of 64 columns" "fd_product_group<[a-z]+,[a-z]+,64," " mma=8 loops=8/[0-9]+ .* fences=0 "
every "a chain by warpgroups has 60, and fences only where its warps arrive at the cluster's barrier: first, and before the end" "fd_product_group_chain<" " mma=60 .* fences=3 "
every "gradients of a block by warpgroups: 8 a step, or 12 with the bias, sums stored 16 bytes at a time" "fd_product_group_weights" " mma=20 .* fences=2 stores=16:40,8:0,4:2$"
every "producers use only the 24 registers that they keep" "fd_product_group_(chain|weights)" " producer=(1?[0-9]|2[0-4]) "
