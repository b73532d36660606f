# make: builds build/<hash of the flags>/findna and links it as ./findna.   make help: the other targets.
MAKEFLAGS += --no-builtin-rules
ifeq ($(origin CC),default)
CC = gcc
endif
ifeq ($(origin CXX),default)
CXX = g++
endif
# MPI=mpich (or openmpi) takes that one where several are installed.
MPI ?=
MPICC ?= mpicc$(if $(MPI),.$(MPI))
CFLAGS ?= -O3 -g
PREFIX ?= /usr/local
SAN ?= 0
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
comma := ,
# Where the libraries are (launch/libraries). On Debian and Ubuntu what is missing is installed for the goals of the front door; `make` installs nothing.
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

# The CPU kernels are compiled once for each set of instructions and chosen at run time.
ISA_generic =
ISA_avx2 = -mavx2 -mfma -mprefer-vector-width=256
ISA_avx512 = -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma -mprefer-vector-width=512
ISA_avx512bf16 = $(ISA_avx512) -mavx512bf16
ISA_amx = $(ISA_avx512bf16) -mamx-tile -mamx-bf16 -DFD_AMX
# The bits of amx on any processor: vectors of 64 bytes stay inside functions.
ISA_amx_model = -DFD_AMX_MODEL -Wno-psabi
ISA_neon = -DFD_NEON
# A family whose flags the compiler refuses, or whose instructions its assembler does, is left out; `findna doctor` names it.
TRY_avx2 = vpbroadcastb %xmm0, %ymm0
TRY_avx512 = vpmovm2b %k0, %zmm0
TRY_avx512bf16 = vdpbf16ps %zmm0, %zmm0, %zmm0
TRY_amx = tdpbf16ps %tmm0, %tmm1, %tmm2
can_compile = $(shell echo '__asm__("$(TRY_$1)");' | $(CC) $(ISA_$1) -x c -c -o /dev/null - 2>/dev/null && echo $1)
# ISAS=generic leaves out what is not portable C, as on a processor that has none of it.
ARCH := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
FAMILIES := $(if $(filter x86_64,$(ARCH)),avx2 avx512 avx512bf16 amx) $(if $(filter aarch64,$(ARCH)),neon)
ISAS ?= $(foreach i,$(FAMILIES),$(call can_compile,$i))
override ISAS := generic amx_model $(filter-out generic amx_model,$(ISAS))
LEFT_OUT := $(filter-out $(ISAS),$(FAMILIES))
override CPPFLAGS += $(ISAS:%=-DFD_WITH_%) $(if $(LEFT_OUT),-DFD_WITHOUT='"$(LEFT_OUT)"')

# Objects serve the program and libfindna.so alike.
PIC = -fPIC -fvisibility=hidden
B := build/$(shell echo '$(CC) $(MPICC) $(CFLAGS) $(CPPFLAGS) $(LDFLAGS) $(PIC)' | sha256sum | cut -c1-12)

# The CUDA plugin, a library of its own. CUDA=auto builds it where nvcc can; 1: fail where it cannot; 0: leave it out.
CUDA ?= auto
NVCC ?= $(firstword $(shell command -v nvcc 2>/dev/null) $(wildcard /usr/local/cuda/bin/nvcc) nvcc)
NVCCFLAGS ?= -O3 -lineinfo
GPUS = -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90a,code=sm_90a -gencode arch=compute_80,code=compute_80
HAVE_CUDA := $(if $(filter 1,$(CUDA)),1,$(if $(filter auto,$(CUDA)),$(shell launch/try_cuda.sh '$(NVCC)' '$(CXX)')))
PLUGIN = $(B)/libfindna_cuda.so
KERNEL_SOURCES = $(wildcard cuda/*.cu)
# Program and plugin share headers: a plugin of others is refused (src/device/plugin.c).
INTERFACE := $(shell cat src/device/*.h src/device/ops.def src/base/*.h src/base/status.def src/config/*.h src/config/schema.def | sha256sum | cut -c1-12)
# Its objects do not depend on the flags of the program: builds share them.
GPU_OBJECTS := build/cuda-objects-$(shell echo '$(NVCC) $(NVCCFLAGS) $(CXX) $(GPUS) $(INTERFACE)' | sha256sum | cut -c1-12)
SOURCES = $(filter-out src/main.c src/cpu/kernels.c,$(wildcard src/*/*.c)) $(wildcard mpi/*.c)
KERNELS = $(ISAS:%=$(B)/src/cpu/kernels_%.o)
OBJECTS = $(SOURCES:%.c=$(B)/%.o) $(KERNELS)
TESTS = $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/test_*.c))

# For embedding, from C or Python (src/library/findna.h, launch/python/findna.py).
ABI := $(shell sed -n 's/^.define FINDNA_ABI \([0-9]*\).*/\1/p' src/library/findna.h)
LIBRARY = $(B)/libfindna.so.$(ABI)

all: findna $(LIBRARY)
findna: $(B)/findna $(if $(HAVE_CUDA),$(PLUGIN))
	$(Q)$(if $(HAVE_CUDA),,rm -f $(PLUGIN)) # an older one would still be loaded
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
$(B)/build_interface.h $(GPU_OBJECTS)/build_interface.h: FORCE
	@mkdir -p $(@D)
	@echo '#define FD_INTERFACE "$(INTERFACE)"' | cmp -s - $@ || echo '#define FD_INTERFACE "$(INTERFACE)"' > $@
$(B)/src/device/plugin.o $(B)/emulated/cuda_device.cu.o: $(B)/build_interface.h
$(B)/src/device/plugin.o: override CPPFLAGS += -I$(B)
$(GPU_OBJECTS)/cuda_device.o: $(GPU_OBJECTS)/build_interface.h
$(GPU_OBJECTS)/%.o: cuda/%.cu
	@mkdir -p $(@D)
	@echo "  nvcc $<"
	$(Q)$(NVCC) $(NVCCFLAGS) -std=c++17 -ccbin $(CXX) -Isrc -I. -I$(GPU_OBJECTS) $(GPUS) -fmad=false -Xcompiler -fPIC,-fvisibility=hidden -Xptxas -v -MD -MP -MF $(@:.o=.d) -c -o $@ $< >$(@:.o=.log) 2>&1 || { cat $(@:.o=.log) >&2; exit 1; }
$(GPU_OBJECTS)/$(notdir $(PLUGIN)): $(KERNEL_SOURCES:cuda/%.cu=$(GPU_OBJECTS)/%.o)
	@echo "  link $@"
	$(Q)$(NVCC) -ccbin $(CXX) -shared -cudart static -o $@ $^ -Xlinker -z,now
$(PLUGIN): $(GPU_OBJECTS)/$(notdir $(PLUGIN)) FORCE
	$(Q)mkdir -p $(@D); cmp -s $< $@ || cp $< $@
# The plugin alone; prints the folder of its objects and of what the compiler said of them, or nothing where it cannot be built.
plugin: $(if $(HAVE_CUDA),$(PLUGIN))
	@echo $(if $(HAVE_CUDA),$(GPU_OBJECTS))
# The same sources as C++ on an emulated GPU, for tests.
EMULATED = $(B)/libfindna_emulated.so
$(B)/emulated/%.o: cuda/%
	@mkdir -p $(@D)
	@echo "  c++ $< (emulated)"
	$(Q)$(CXX) -x c++ -std=c++17 -O2 -g -Wall -Wextra -Wno-unknown-pragmas -ffp-contract=off -fPIC -fvisibility=hidden -Isrc -I. -I$(B) -MMD -MP -c -o $@ $<
$(EMULATED): $(KERNEL_SOURCES:cuda/%=$(B)/emulated/%.o) $(patsubst cuda/%,$(B)/emulated/%.o,$(wildcard cuda/*.cc))
	$(Q)$(CXX) -shared -o $@ $^
# What it has for libnccl.so.2.
FAKE_NCCL = $(B)/fake_nccl/libfake_nccl.so.2
$(FAKE_NCCL): tests/fake_nccl.c cuda/emulate_nccl.h
	@mkdir -p $(@D)
	$(Q)OMPI_CC="$(CC)" MPICH_CC="$(CC)" $(MPICC) $(CFLAGS) -I. -fPIC -shared $(LDFLAGS) -o $@ $<
# And for libcublasLt.
FAKE_BLAS = $(B)/fake_blas/libfake_cublasLt.so
$(FAKE_BLAS): tests/fake_cublaslt.c cuda/emulate_blas.h
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

# The program under its full name, for a test that builds one with other flags.
program: $(B)/findna
	@echo $<
# The objects of the CPU kernels alone; prints their names (tests/test_registers.sh looks at their code).
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

# Fuzz targets (tests/fuzz): `make fuzz CC=clang` runs them under libFuzzer, MINUTES (1) each; TARGETS="yaml table" only those.
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
# In a build of its own, with the compiler's coverage in every file.
fuzz:
	$(Q)printf 'int LLVMFuzzerTestOneInput(const void *d, long n) { return !d + !n & 0; }' | $(CC) -x c -fsanitize=fuzzer,address - -o /dev/null 2>/dev/null || \
	  { echo "make fuzz needs clang with libFuzzer: make fuzz CC=clang" >&2; exit 1; }
	$(Q)mkdir -p build
	$(Q)$(MAKE) --no-print-directory fuzz-program CC="$(CC)" CUDA=0 SAN=0 ISAS=generic CFLAGS="-O1 -g $(FUZZ_FLAGS)" LDFLAGS="-fsanitize=address,undefined" | tee /dev/stderr | tail -1 >build/fuzz-program
	$(Q)tests/fuzz/run.sh "$$(cat build/fuzz-program)" $(or $(MINUTES),1) $(TARGETS)
test: findna $(LIBRARY) $(TESTS) $(B)/fuzz/replay $(B)/tests/chaos/flip $(B)/tests/chaos/power emulated
	$(Q)FINDNA=$(CURDIR)/$(B)/findna TESTS=$(CURDIR)/$(B)/tests CC="$(CC)" SAN=$(SAN) tests/run.sh $(ONLY)
# The program for AArch64 with a cross compiler, and the tests of its kernels under user-mode emulation; skipped, with the reason, where
# those cannot be installed.
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
# The CUDA back end on this machine's GPU (docs/gpu.md).
check-gpu:
	$(Q)tests/gpu/check.sh
check-programs: findna $(B)/tests/test_cuda $(B)/tests/test_micro_batches $(B)/tests/test_golden
	@echo $(B)
test-cluster: findna
	$(Q)FINDNA=$(CURDIR)/$(B)/findna tests/cluster/scenarios all
# Kills, flipped bits, failing calls and allocations, power loss: an hour and more on two cores. KILLS, FLIPS, STRIDE, MAX, STATES, AGAIN,
# TRIALS, COMMANDS, CALLS, JOBS and SEED may be given; the scripts say what of.
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
install: $(B)/findna $(LIBRARY) $(if $(HAVE_CUDA),$(PLUGIN)) # ./findna stays what it was
	install -D -m 755 $(B)/findna $(DESTDIR)$(PREFIX)/bin/findna
	$(if $(HAVE_CUDA),install -D -m 755 $(PLUGIN) $(DESTDIR)$(PREFIX)/lib/findna/$(notdir $(PLUGIN)))
	install -D -m 755 $(LIBRARY) $(DESTDIR)$(PREFIX)/lib/$(notdir $(LIBRARY)) && ln -sfn $(notdir $(LIBRARY)) $(DESTDIR)$(PREFIX)/lib/libfindna.so
	install -D -m 644 src/library/findna.h $(DESTDIR)$(PREFIX)/include/findna.h
	install -D -m 644 launch/python/findna.py $(DESTDIR)$(PREFIX)/share/findna/python/findna.py
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig
	printf 'Name: findna\nDescription: embeddings of DNA sequences by a pretrained model\nVersion: %s\nCflags: -I%s/include\nLibs: -L%s/lib -lfindna\n' \
	  '$(RELEASE)' '$(PREFIX)' '$(PREFIX)' >$(DESTDIR)$(PREFIX)/lib/pkgconfig/findna.pc
	install -d $(DESTDIR)$(PREFIX)/share/findna/configs && install -m 644 configs/*.yaml $(DESTDIR)$(PREFIX)/share/findna/configs
	install -d $(DESTDIR)$(PREFIX)/share/findna/configs/suites && install -m 644 configs/suites/* $(DESTDIR)$(PREFIX)/share/findna/configs/suites
	$(Q)launch/manual $(B)/findna $(DESTDIR)$(PREFIX)/share/man
	install -D -m 644 launch/completion/findna.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/findna
	install -D -m 644 launch/completion/_findna $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_findna
	install -D -m 644 launch/completion/findna.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/findna.fish
	install -d $(DESTDIR)$(PREFIX)/share/modulefiles/findna
	$(Q)for end in "" .lua; do sed 's|@PREFIX@|$(PREFIX)|g; s|@VERSION@|$(RELEASE)|g' launch/packages/modulefile$$end > $(DESTDIR)$(PREFIX)/share/modulefiles/findna/$(RELEASE)$$end; done
# The release: an archive of this commit and recipes of package managers that take it (URL: where it will be had), in build/dist.
dist:
	$(Q)launch/packages/dist $(or $(DIST),build/dist) $(URL)
# Packages for this Debian or Ubuntu: findna, and findna-cuda where the CUDA plugin is built, in build/deb.
deb: $(B)/findna
	$(Q)rm -rf $(B)/deb && $(MAKE) -s --no-print-directory install DESTDIR=$(CURDIR)/$(B)/deb PREFIX=/usr >/dev/null
	$(Q)launch/packages/deb $(B)/deb $(or $(DEB),build/deb) $(INTERFACE)
	$(Q)rm -rf $(B)/deb
# A folder (and .tar.gz) that runs on machines without the libraries, wherever it lies. MPI_TOO=1 takes Open MPI along, TESTS_TOO=1 what
# tests/gpu/check.sh needs; BUNDLE names another folder.
BUNDLED = findna $(if $(filter 1,$(TESTS_TOO)),test_cuda test_micro_batches test_golden)
RELOCATABLE = $(B)/relocatable$(if $(filter 1,$(MPI_TOO)),_mpi)
LINKED = $(BUNDLED:%=$(RELOCATABLE)/%)
$(RELOCATABLE)/findna: $(B)/src/main.o
$(RELOCATABLE)/test_cuda: $(B)/tests/test_cuda.o
$(RELOCATABLE)/test_micro_batches: $(B)/tests/test_micro_batches.o
$(RELOCATABLE)/test_golden: $(B)/tests/test_golden.o
# Open MPI's libraries look for one another in a place of their own: the programs name them all, so that they come from theirs.
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
	@echo "all deps demo test test-arm check-gpu test-cluster test-chaos fuzz bench install bundle check-bundle dist deb docs format clean; CUDA=0|1, SAN=1 sanitizers, ISAS=generic plain C kernels, MPI=mpich, CC=clang,"
	@echo "V=1 full command lines, PREFIX, DESTDIR;"
	@echo "make test ONLY='test_x.c test_y.sh' runs only these"
.PHONY: FORCE all deps findna plugin emulated program kernels test test-arm check-gpu check-bundle check-programs test-cluster test-chaos fuzz fuzz-program demo bench install bundle dist deb docs format clean help
.SECONDARY:
-include $(wildcard $(OBJECTS:.o=.d) $(GPU_OBJECTS)/*.d $(B)/emulated/*.d $(B)/src/main.d $(TESTS:=.d) $(BENCH:.o=.d) $(FUZZ:.o=.d))
FORCE:
