#!/usr/bin/env bash
# Prints 1 if the CUDA compiler $1 can build a plugin with the C++ compiler $2. The result is cached in build/ until the compiler changes.
set -u
export LC_ALL=C # numbers have a point, and names one order
nvcc=$(command -v "$1") || exit 0
answer="build/cuda-$(echo "$nvcc $(stat -Lc %Y "$nvcc") $2" | cksum | cut -d' ' -f1)"
if [ ! -e "$answer" ]; then
  mkdir -p build
  d=$(mktemp -d)
  trap 'rm -rf "$d"' EXIT
  echo '#include <cuda_runtime.h>
__global__ void kernel(float *x) { x[threadIdx.x] += 1; }
extern "C" int start(float *x) { kernel<<<1, 32>>>(x); return (int)cudaGetLastError(); }' >"$d/try.cu"
  if "$nvcc" -std=c++17 -ccbin "$2" -shared -cudart static -Xcompiler -fPIC -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90a,code=sm_90a -gencode arch=compute_80,code=compute_80 \
    -o "$d/try.so" "$d/try.cu" >/dev/null 2>&1; then echo 1 >"$answer"; else : >"$answer"; fi
fi
cat "$answer"
