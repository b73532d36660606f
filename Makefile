# make: builds build/<hash of the flags>/findna and links it as ./findna.   make help: the other targets.
MAKEFLAGS += --no-builtin-rules
ifeq ($(origin CC),default)
CC = gcc
endif
ifeq ($(origin CXX),default)
CXX = g++
endif
# MPI=mpich (or openmpi) selects one if several are installed.
MPI ?=
MPICC ?= mpicc$(if $(MPI),.$(MPI))
CFLAGS ?= -O3 -g
PREFIX ?= /usr/local
SAN ?= 0
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
comma := ,
# Where the libraries are (launch/libraries). Only demo, test and deps install missing packages, on Debian and Ubuntu; `make` installs nothing.
SITE = HDF5_ROOT HDF5_DIR HDF5_HOME LIBYAML_ROOT YAML_ROOT ZLIB_ROOT XZ_ROOT LIBLZMA_ROOT JANSSON_ROOT OPENSSL_ROOT OPENSSL_ROOT_DIR CONDA_PREFIX
FIND_LIBRARIES = $(foreach v,$(SITE),$(if $($(v)),$(v)='$($(v))')) launch/libraries '$(MPICC)' '$(LDFLAGS)'
ifneq ($(filter demo test deps,$(MAKECMDGOALS)),)
$(if $(filter 0,$(lastword $(shell launch/dependencies.sh >&2; echo $$?))),,$(if $(shell $(FIND_LIBRARIES) 2>/dev/null),,$(error packages are missing: see the lines above)))
endif
ifneq ($(filter-out clean help format deps dist test-arm,$(or $(MAKECMDGOALS),all)),)
LIBRARIES := $(shell $(FIND_LIBRARIES))
$(if $(LIBRARIES),,$(error libraries are missing: see the lines above))
include $(LIBRARIES)
endif
override CFLAGS += -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -pthread -fno-math-errno -ffp-contract=off
override CPPFLAGS += -Isrc -I. $(LIBRARY_CFLAGS)
override LDLIBS += $(LIBRARY_LIBS) -lm -ldl
ifeq ($(SAN),1)
override CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
override LDFLAGS += -fsanitize=address,undefined
endif

# The CPU kernels are compiled once per instruction set and selected at run time.
ISA_generic =
ISA_avx2 = -mavx2 -mfma -mprefer-vector-width=256
ISA_avx512 = -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma -mprefer-vector-width=512
ISA_avx512bf16 = $(ISA_avx512) -mavx512bf16
ISA_amx = $(ISA_avx512bf16) -mamx-tile -mamx-bf16 -DFD_AMX
# Computes the bits of amx on any processor. -Wno-psabi: 64-byte vectors are used inside functions only, never passed.
ISA_amx_model = -DFD_AMX_MODEL -Wno-psabi
ISA_neon = -DFD_NEON
# An instruction set is left out if the compiler rejects its flags or the assembler its instructions; `findna doctor` lists it.
TRY_avx2 = vpbroadcastb %xmm0, %ymm0
TRY_avx512 = vpmovm2b %k0, %zmm0
TRY_avx512bf16 = vdpbf16ps %zmm0, %zmm0, %zmm0
TRY_amx = tdpbf16ps %tmm0, %tmm1, %tmm2
can_compile = $(shell echo '__asm__("$(TRY_$1)");' | $(CC) $(ISA_$1) -x c -c -o /dev/null - 2>/dev/null && echo $1)
# ISAS=generic builds the portable C kernels only, as for a processor without the other instruction sets.
ARCH := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
FAMILIES := $(if $(filter x86_64,$(ARCH)),avx2 avx512 avx512bf16 amx) $(if $(filter aarch64,$(ARCH)),neon)
ISAS ?= $(foreach i,$(FAMILIES),$(call can_compile,$i))
override ISAS := generic amx_model $(filter-out generic amx_model,$(ISAS))
LEFT_OUT := $(filter-out $(ISAS),$(FAMILIES))
override CPPFLAGS += $(ISAS:%=-DFD_WITH_%) $(if $(LEFT_OUT),-DFD_WITHOUT='"$(LEFT_OUT)"')

# The program and libfindna.so share their objects.
PIC = -fPIC -fvisibility=hidden
B := build/$(shell echo '$(CC) $(MPICC) $(CFLAGS) $(CPPFLAGS) $(LDFLAGS) $(PIC)' | sha256sum | cut -c1-12)

# The CUDA plugin, a library of its own. CUDA=auto: build it if nvcc can; 1: fail if it cannot; 0: leave it out.
CUDA ?= auto
NVCC ?= $(firstword $(shell command -v nvcc 2>/dev/null) $(wildcard /usr/local/cuda/bin/nvcc) nvcc)
NVCCFLAGS ?= -O3 -lineinfo
GPUS = -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90a,code=sm_90a -gencode arch=compute_80,code=compute_80
HAVE_CUDA := $(if $(filter 1,$(CUDA)),1,$(if $(filter auto,$(CUDA)),$(shell launch/try_cuda.sh '$(NVCC)' '$(CXX)')))
PLUGIN = $(B)/libfindna_cuda.so
KERNEL_SOURCES = $(wildcard cuda/*.cu)
# Hash of the headers that program and plugin share: a plugin with another hash is refused (src/device/plugin.c).
INTERFACE := $(shell cat src/device/*.h src/device/ops.def src/base/*.h src/base/status.def src/config/*.h src/config/*.def | sha256sum | cut -c1-12)
# The plugin's objects do not depend on the program's flags, so all builds share them.
GPU_OBJECTS := build/cuda-objects-$(shell echo '$(NVCC) $(NVCCFLAGS) $(CXX) $(GPUS) $(INTERFACE)' | sha256sum | cut -c1-12)
# Nor do those of the emulated GPU, for tests. -mfma: fmaf is an instruction instead of a call, which takes a fifth of the time in fp32.
EMULATED_FLAGS := -x c++ -std=c++17 -O2 -g -Wall -Wextra -Wno-unknown-pragmas -ffp-contract=off -fPIC -fvisibility=hidden -fsanitize=alignment -fsanitize-undefined-trap-on-error $(shell grep -qsw fma /proc/cpuinfo && echo -mfma)
EMULATED_OBJECTS := build/emulated-objects-$(shell echo '$(CXX) $(EMULATED_FLAGS) $(INTERFACE)' | sha256sum | cut -c1-12)
SOURCES = $(filter-out src/main.c src/cpu/kernels.c,$(wildcard src/*/*.c)) $(wildcard mpi/*.c)
KERNELS = $(ISAS:%=$(B)/src/cpu/kernels_%.o)
OBJECTS = $(SOURCES:%.c=$(B)/%.o) $(KERNELS)
TESTS = $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/test_*.c))

# libfindna, for use from other programs in C or Python (src/library/findna.h, launch/python/findna.py).
ABI := $(shell sed -n 's/^.define FINDNA_ABI \([0-9]*\).*/\1/p' src/library/findna.h)
LIBRARY = $(B)/libfindna.so.$(ABI)

all: findna $(LIBRARY)
findna: $(B)/findna $(if $(HAVE_CUDA),$(PLUGIN))
	$(Q)$(if $(HAVE_CUDA),,rm -f $(PLUGIN)) # an older plugin would still be loaded
	$(Q)ln -sfn $< $@
$(B)/findna: $(B)/src/main.o $(B)/libfindna.a
	@echo "  link $@"
	$(Q)OMPI_CC="$(CC)" MPICH_CC="$(CC)" $(MPICC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)
VERSION := $(shell launch/version)
RELEASE := $(shell cat VERSION)
$(B)/build_version.h: FORCE
	@mkdir -p $(@D)
	@echo '#define FD_VERSION "$(VERSION)"' | cmp -s - $@ || echo '#define FD_VERSION "$(VERSION)"' > $@
$(B)/src/base/version.o: $(B)/build_version.h
$(B)/src/base/version.o: override CPPFLAGS += -I$(B)
$(B)/build_interface.h $(GPU_OBJECTS)/build_interface.h $(EMULATED_OBJECTS)/build_interface.h: FORCE
	@mkdir -p $(@D)
	@echo '#define FD_INTERFACE "$(INTERFACE)"' | cmp -s - $@ || echo '#define FD_INTERFACE "$(INTERFACE)"' > $@
$(B)/src/device/plugin.o: $(B)/build_interface.h
$(B)/src/device/plugin.o: override CPPFLAGS += -I$(B)
$(GPU_OBJECTS)/cuda_device.o: $(GPU_OBJECTS)/build_interface.h
$(EMULATED_OBJECTS)/cuda_device.cu.o: $(EMULATED_OBJECTS)/build_interface.h
$(GPU_OBJECTS)/%.o: cuda/%.cu
	@mkdir -p $(@D)
	@echo "  nvcc $<"
	$(Q)$(NVCC) $(NVCCFLAGS) -std=c++17 -ccbin $(CXX) -Isrc -I. -I$(GPU_OBJECTS) $(GPUS) -fmad=false -Xcompiler -fPIC,-fvisibility=hidden -Xptxas -v -MD -MP -MF $(@:.o=.d) -c -o $@ $< >$(@:.o=.log) 2>&1 || { cat $(@:.o=.log) >&2; exit 1; }
$(GPU_OBJECTS)/$(notdir $(PLUGIN)): $(KERNEL_SOURCES:cuda/%.cu=$(GPU_OBJECTS)/%.o)
	@echo "  link $@"
	$(Q)$(NVCC) -ccbin $(CXX) -shared -cudart static -o $@ $^ -Xlinker -z,now
$(PLUGIN): $(GPU_OBJECTS)/$(notdir $(PLUGIN)) FORCE
	$(Q)mkdir -p $(@D); cmp -s $< $@ || cp $< $@
# Builds only the plugin; prints the folder of its objects and their compiler logs, or nothing if it cannot be built.
plugin: $(if $(HAVE_CUDA),$(PLUGIN))
	@echo $(if $(HAVE_CUDA),$(GPU_OBJECTS))
# The plugin's sources compiled as C++ for an emulated GPU, for tests.
EMULATED = $(B)/libfindna_emulated.so
$(EMULATED_OBJECTS)/%.o: cuda/%
	@mkdir -p $(@D)
	@echo "  c++ $< (emulated)"
	$(Q)$(CXX) $(EMULATED_FLAGS) -Isrc -I. -I$(EMULATED_OBJECTS) -MMD -MP -c -o $@ $<
$(EMULATED_OBJECTS)/$(notdir $(EMULATED)): $(KERNEL_SOURCES:cuda/%=$(EMULATED_OBJECTS)/%.o) $(patsubst cuda/%,$(EMULATED_OBJECTS)/%.o,$(wildcard cuda/*.cc))
	$(Q)$(CXX) -shared -o $@ $^
$(EMULATED): $(EMULATED_OBJECTS)/$(notdir $(EMULATED)) FORCE
	$(Q)mkdir -p $(@D); cmp -s $< $@ || cp $< $@
# A substitute for libnccl.so.2 on the emulated GPU.
FAKE_NCCL = $(B)/fake_nccl/libfake_nccl.so.2
$(FAKE_NCCL): tests/fake_nccl.c cuda/emulate_nccl.h cuda/emulate_stream.h
	@mkdir -p $(@D)
	$(Q)OMPI_CC="$(CC)" MPICH_CC="$(CC)" $(MPICC) $(CFLAGS) -I. -fPIC -shared $(LDFLAGS) -Wl,-soname,$(notdir $@) -o $@ $<
# A substitute for libcublasLt.
FAKE_BLAS = $(B)/fake_blas/libfake_cublasLt.so
$(FAKE_BLAS): tests/fake_cublaslt.c cuda/emulate_blas.h cuda/emulate_stream.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -I. -fPIC -shared $(LDFLAGS) -Wl,-soname,$(notdir $@) -o $@ $<
emulated: $(EMULATED) $(FAKE_NCCL) $(FAKE_BLAS)
$(B)/libfindna.a: $(OBJECTS)
	$(Q)rm -f $@ && ar rcs $@ $^
$(LIBRARY): src/library/findna.map $(B)/src/library/findna.o $(B)/libfindna.a
	@echo "  link $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,$(@F) -Wl,--version-script=$< -Wl,--as-needed $(if $(filter 0,$(SAN)),-Wl$(comma)-z$(comma)defs) -o $@ $(filter-out $<,$^) $(LDLIBS)
$(B)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  cc $<"
	$(Q)$(if $(filter mpi/%,$<),OMPI_CC="$(CC)" MPICH_CC="$(CC)" $(MPICC),$(CC)) $(CPPFLAGS) $(CFLAGS) $(PIC) -MMD -MP -c -o $@ $<
$(B)/src/cpu/kernels_%.o: src/cpu/kernels.c
	@mkdir -p $(@D)
	@echo "  cc $< ($*)"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(PIC) $(ISA_$*) -DFD_ISA=$* -MMD -MP -c -o $@ $<
$(B)/tests/%: tests/%.c $(B)/libfindna.a
	@mkdir -p $(@D)
	@echo "  test $<"
	$(Q)OMPI_CC="$(CC)" MPICH_CC="$(CC)" $(MPICC) $(CPPFLAGS) -Itests $(CFLAGS) -MMD -MP -o $@ $< $(filter %.o,$^) $(B)/libfindna.a $(LDFLAGS) $(LDLIBS) -lcmocka

$(B)/tests/chaos/power: $(patsubst %,$(B)/tests/chaos/power_%.o,log model judge run)

# Prints the path of the program, for a test that builds one with other flags.
program: $(B)/findna
	@echo $<
# Builds only the objects of the CPU kernels and prints their names (tests/test_registers.sh inspects their machine code).
kernels: $(KERNELS)
	@echo $^
BENCH = $(patsubst %.c,$(B)/%.o,$(filter-out tests/bench/peak.c,$(wildcard tests/bench/*.c))) $(ISAS:%=$(B)/tests/bench/peak_%.o)
$(BENCH): override CPPFLAGS += -Itests/bench
$(B)/tests/bench/peak_%.o: tests/bench/peak.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(ISA_$*) -DFD_ISA=$* -MMD -MP -c -o $@ $<
$(B)/bench: $(BENCH) $(B)/libfindna.a
	@echo "  link $@"
	$(Q)OMPI_CC="$(CC)" MPICH_CC="$(CC)" $(MPICC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# Fuzz targets (tests/fuzz): `make fuzz CC=clang` runs them under libFuzzer, MINUTES (1) each; TARGETS="yaml table" selects some.
FUZZ = $(patsubst %.c,$(B)/%.o,$(wildcard tests/fuzz/*.c))
FUZZ_FLAGS = -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
$(B)/fuzz/replay: $(filter-out %/libfuzzer.o,$(FUZZ)) $(B)/libfindna.a
$(B)/fuzz/fuzz: $(filter-out %/replay.o,$(FUZZ)) $(B)/libfindna.a
$(B)/fuzz/fuzz: override LDFLAGS += -fsanitize=fuzzer
$(B)/fuzz/%:
	@mkdir -p $(@D)
	@echo "  link $@"
	$(Q)OMPI_CC="$(CC)" MPICH_CC="$(CC)" $(MPICC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)
fuzz-program: $(B)/fuzz/fuzz
	@echo $<
# A separate build, with coverage instrumentation in every file.
fuzz:
	$(Q)printf 'int LLVMFuzzerTestOneInput(const void *d, long n) { return !d + !n & 0; }' | $(CC) -x c -fsanitize=fuzzer,address - -o /dev/null 2>/dev/null || \
	  { echo "make fuzz needs clang with libFuzzer: make fuzz CC=clang" >&2; exit 1; }
	$(Q)mkdir -p build
	$(Q)$(MAKE) --no-print-directory fuzz-program CC="$(CC)" CUDA=0 SAN=0 ISAS=generic CFLAGS="-O1 -g $(FUZZ_FLAGS)" LDFLAGS="-fsanitize=address,undefined" | tee /dev/stderr | tail -1 >build/fuzz-program
	$(Q)tests/fuzz/run.sh "$$(cat build/fuzz-program)" $(or $(MINUTES),1) $(TARGETS)
test: findna $(LIBRARY) $(TESTS) $(B)/bench $(B)/fuzz/replay $(B)/tests/chaos/flip $(B)/tests/chaos/power emulated
	$(Q)FINDNA=$(CURDIR)/$(B)/findna TESTS=$(CURDIR)/$(B)/tests CC="$(CC)" SAN=$(SAN) SEED=$(or $(SEED),1) tests/run.sh $(ONLY)
# Builds the program for AArch64 with a cross compiler and runs the tests of its kernels under user-mode emulation; skipped, with the
# reason, if the packages for this cannot be installed.
ARM_ROOT = $(CURDIR)/build/arm-root
ARM_LIB = $(ARM_ROOT)/usr/lib/aarch64-linux-gnu
ARM_CC = aarch64-linux-gnu-gcc --sysroot=$(ARM_ROOT)
ARM_TESTS = $(ARM:%=build/arm/tests/test_%)
ARM ?= amx linear ops
test-arm:
	$(Q)launch/arm_root.sh $(ARM_ROOT) || { echo "skipped - AArch64: see the line above"; exit 0; }; \
	export PKG_CONFIG_SYSROOT_DIR=$(ARM_ROOT) PKG_CONFIG_LIBDIR=$(ARM_LIB)/pkgconfig && \
	$(MAKE) --no-print-directory CUDA=0 SAN=0 B=build/arm CC="$(ARM_CC)" MPICC="$(ARM_CC) -I$(ARM_LIB)/openmpi/include" LDLIBS=-lmpi \
	  LDFLAGS="-L$(ARM_LIB) -L$(ARM_LIB)/openmpi/lib -Wl$(comma)-rpath-link$(comma)$(ARM_LIB)" build/arm/findna $(ARM_TESTS) && \
	for test in $(ARM_TESTS); do echo "$$test"; qemu-aarch64 -L $(ARM_ROOT) $$test || exit 1; done
# Checks the CUDA back end on this machine's GPU (docs/gpu.md).
check-gpu:
	$(Q)tests/gpu/check.sh
check-programs: findna $(B)/tests/test_cuda $(B)/tests/test_micro_batches $(B)/tests/test_golden
	@echo $(B)
test-cluster: findna
	$(Q)FINDNA=$(CURDIR)/$(B)/findna tests/cluster/scenarios all
# Kills, flipped bits, failing calls and allocations, power loss: one to two hours on two cores. Variables, explained in the scripts: KILLS, FLIPS,
# STRIDE, MAX, STATES, AGAIN, TRIALS, COMMANDS, CALLS, JOBS and SEED.
test-chaos: findna $(B)/tests/chaos/writer $(B)/tests/chaos/flip $(B)/tests/chaos/power
	$(Q)d=$$(mktemp -d) && $(B)/tests/chaos/writer $$d/run $(or $(KILLS),20000) $(or $(SEED),1); code=$$?; rm -rf $$d; exit $$code
	$(Q)FINDNA=$(CURDIR)/$(B)/findna FLIPS=$(or $(FLIPS),20000) SEED=$(or $(SEED),1) bash tests/test_flips.sh
	$(Q)for part in calls syscalls memory power jobs orphans; do FINDNA=$(CURDIR)/$(B)/findna CC="$(CC)" bash tests/chaos/$$part.sh || exit 1; done
deps:
	@$(FIND_LIBRARIES) >/dev/null && echo "nothing is missing"
demo: findna
	$(Q)launch/demo.sh
bench: findna $(B)/bench
	$(Q)BENCH=$(B)/bench tests/bench/bench.sh
install: $(B)/findna $(LIBRARY) $(if $(HAVE_CUDA),$(PLUGIN)) # does not change ./findna
	install -D -m 755 $(B)/findna $(DESTDIR)$(PREFIX)/bin/findna
	$(if $(HAVE_CUDA),install -D -m 755 $(PLUGIN) $(DESTDIR)$(PREFIX)/lib/findna/$(notdir $(PLUGIN)))
	install -D -m 755 $(LIBRARY) $(DESTDIR)$(PREFIX)/lib/$(notdir $(LIBRARY)) && ln -sfn $(notdir $(LIBRARY)) $(DESTDIR)$(PREFIX)/lib/libfindna.so
	install -D -m 644 src/library/findna.h $(DESTDIR)$(PREFIX)/include/findna.h
	install -D -m 644 launch/python/findna.py $(DESTDIR)$(PREFIX)/share/findna/python/findna.py
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig
	printf '%s\n' 'prefix=$${pcfiledir}/../..' 'Name: findna' 'Description: embeddings of DNA sequences by a pretrained model' 'Version: $(RELEASE)' \
	  'Cflags: -I$${prefix}/include' 'Libs: -L$${prefix}/lib -lfindna' >$(DESTDIR)$(PREFIX)/lib/pkgconfig/findna.pc
	install -d $(DESTDIR)$(PREFIX)/share/findna/configs && install -m 644 configs/*.yaml $(DESTDIR)$(PREFIX)/share/findna/configs
	install -d $(DESTDIR)$(PREFIX)/share/findna/configs/suites && install -m 644 configs/suites/* $(DESTDIR)$(PREFIX)/share/findna/configs/suites
	$(Q)launch/manual $(B)/findna $(DESTDIR)$(PREFIX)/share/man
	install -D -m 644 launch/completion/findna.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/findna
	install -D -m 644 launch/completion/_findna $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_findna
	install -D -m 644 launch/completion/findna.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/findna.fish
	install -d $(DESTDIR)$(PREFIX)/share/modulefiles/findna
	$(Q)for end in "" .lua; do sed 's|@PREFIX@|$(PREFIX)|g; s|@VERSION@|$(RELEASE)|g' launch/packages/modulefile$$end > $(DESTDIR)$(PREFIX)/share/modulefiles/findna/$(RELEASE)$$end; done
# Removes what make install with the same PREFIX, DESTDIR and CUDA installs.
uninstall:
	$(Q)at=$$(mktemp -d) && $(MAKE) -s --no-print-directory install DESTDIR=$$at >/dev/null && \
	  (cd $$at && find . ! -type d) | (code=0; while read -r name; do rm -f "$(DESTDIR)/$$name" || code=1; done; exit $$code); \
	  code=$$?; for place in share/findna share/modulefiles/findna lib/findna; do \
	  [ ! -d "$(DESTDIR)$(PREFIX)/$$place" ] || find "$(DESTDIR)$(PREFIX)/$$place" -depth -type d -empty -delete; done; rm -rf $$at; exit $$code
# The release in build/dist: an archive of this commit, and package-manager recipes that download it (URL: its future address).
dist:
	$(Q)launch/packages/dist $(or $(DIST),build/dist) $(URL)
# Packages for this release of Debian or Ubuntu, in build/deb: findna, and findna-cuda if the CUDA plugin is built.
deb: $(B)/findna
	$(Q)rm -rf $(B)/deb && $(MAKE) -s --no-print-directory install DESTDIR=$(CURDIR)/$(B)/deb PREFIX=/usr >/dev/null
	$(Q)launch/packages/deb $(B)/deb $(or $(DEB),build/deb) $(INTERFACE)
	$(Q)rm -rf $(B)/deb
# A relocatable folder (and .tar.gz) for machines without the libraries. MPI_TOO=1 includes Open MPI, TESTS_TOO=1 what tests/gpu/check.sh
# needs; BUNDLE names another folder.
BUNDLED = findna $(if $(filter 1,$(TESTS_TOO)),test_cuda test_micro_batches test_golden)
RELOCATABLE = $(B)/relocatable$(if $(filter 1,$(MPI_TOO)),_mpi)
LINKED = $(BUNDLED:%=$(RELOCATABLE)/%)
$(RELOCATABLE)/findna: $(B)/src/main.o
$(RELOCATABLE)/test_cuda: $(B)/tests/test_cuda.o
$(RELOCATABLE)/test_micro_batches: $(B)/tests/test_micro_batches.o
$(RELOCATABLE)/test_golden: $(B)/tests/test_golden.o
# Open MPI's libraries have run paths of their own. The programs are therefore linked with all of them, so that they are loaded from the bundle.
$(LINKED): $(B)/libfindna.a $(B)/findna
	@mkdir -p $(@D)
	@echo "  link $@"
	$(Q)OMPI_CC="$(CC)" MPICH_CC="$(CC)" $(MPICC) $(CFLAGS) $(LDFLAGS) -Wl,-rpath,'$$ORIGIN/../lib' -Wl,--disable-new-dtags -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LDLIBS) $(if $(filter test_%,$(@F)),-lcmocka) $(if $(filter 1,$(MPI_TOO)),-Wl$(comma)--no-as-needed $$(ldd $(B)/findna | awk '$$3 ~ /^\// && $$1 !~ /^libc\./ { print $$3 }'))
$(B)/tests/%.o: override CPPFLAGS += -Itests
# The check of a GPU as one file, with all that it needs built: unpacked anywhere, tests/gpu/check.sh runs.
check-bundle:
	$(Q)$(MAKE) --no-print-directory bundle CUDA=1 MPI_TOO=1 TESTS_TOO=1 BUNDLE=build/bundle/findna-check
bundle: $(LINKED) $(if $(HAVE_CUDA),$(PLUGIN))
	$(Q)launch/bundle $(or $(BUNDLE),build/bundle/findna-$(VERSION)) '$(LINKED)' '$(if $(HAVE_CUDA),$(PLUGIN))' '$(MPI_TOO)' '$(TESTS_TOO)'
format:
	clang-format -i $$(git ls-files '*.c' '*.h' '*.cu' '*.cc')
docs: findna
	./findna config --as markdown > docs/options.md
clean:
	rm -rf build findna
help:
	@echo "make builds the program. Targets:"
	@echo "  demo              builds, pretrains a small model, probes it, draws a report"
	@echo "  deps              installs missing packages on Debian and Ubuntu"
	@echo "  test              all tests; ONLY='test_x.c test_y.sh' selects some"
	@echo "  test-arm, test-cluster, test-chaos, fuzz, check-gpu, check-bundle, bench    further tests and measurements (CONTRIBUTING.md)"
	@echo "  install, uninstall  into PREFIX (/usr/local), below DESTDIR"
	@echo "  bundle, dist, deb folder with libraries, release archive, Debian packages (docs/install.md)"
	@echo "  docs, format, clean"
	@echo "Variables: CUDA=0|1, SAN=1 sanitizers, ISAS=generic plain C kernels, MPI=mpich, CC=clang, V=1 full command lines"
.PHONY: FORCE all deps findna plugin emulated program kernels test test-arm check-gpu check-bundle check-programs test-cluster test-chaos fuzz fuzz-program demo bench install uninstall bundle dist deb docs format clean help
.SECONDARY:
-include $(wildcard $(OBJECTS:.o=.d) $(GPU_OBJECTS)/*.d $(EMULATED_OBJECTS)/*.d $(B)/src/main.d $(TESTS:=.d) $(BENCH:.o=.d) $(FUZZ:.o=.d))
FORCE:
