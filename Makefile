# um - one Makefile, not recursive; everything built goes to $(BUILD)
# SPDX-License-Identifier: Apache-2.0
#
#   make            the library and the tools         make demo       install what is missing, run the demo
#   make check      the tests (three minutes)         make check-all  check + compilers, linters, valgrind, CUDA
#   make install    prefix=/usr/local DESTDIR=        make info       what was found
#   make static     tools that need no libum.so       make clean      remove $(BUILD)
#   make cuda       the plug-in for GPUs (part of all where nvcc is found)
#   make cuda-report  registers and spills of its kernels
#   make emu        the plug-in for an emulated GPU (tests/emu), to test it without one
#   make mpi        the plug-in for many processes (part of all and tools where mpicc is found)
#   make gdcm       the helper for compressed DICOM files (part of all and tools where GDCM is found)
#
# WITHOUT=cpu no cpu backend and no oneDNN; WITHOUT=libs kernels alone, which need no other library: tests/gpu.
# SAN=1 address and undefined sanitizers, SAN=thread the thread sanitizer; V=1 shows the commands.

VERSION := 0.1.0
SOMAJOR := 0
prefix  ?= /usr/local
SAN     ?=
WITHOUT ?=
BUILD   ?= build$(if $(SAN),-san-$(SAN))$(if $(WITHOUT),-without-$(WITHOUT))
CFLAGS  ?= -O2 -g
CXXFLAGS ?= $(CFLAGS)
# one name for one folder: objects made under another would not know their headers
override BUILD := $(patsubst $(CURDIR)/%,%,$(BUILD))
AR      ?= ar
PKG_CONFIG ?= pkg-config
V       ?=
Q       := $(if $(V),,@)
comma    := ,
say      = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2);)

MAKEFLAGS += --no-builtin-rules
SHELL     := /bin/sh
.DELETE_ON_ERROR:
.SECONDARY:

# ---- set-up: `make` itself never installs; `make demo` and `make check` do --------------------------

.DEFAULT_GOAL := all
ifneq ($(filter demo check check-all bench,$(MAKECMDGOALS)),)
  ifeq ($(UM_NO_SETUP),)
    SETUP := $(shell ./pipelines/setup.sh $(if $(filter check-all,$(MAKECMDGOALS)),all,$(if $(filter check bench,$(MAKECMDGOALS)),check,demo)) >&2 || echo failed)
    ifneq ($(SETUP),)
      $(error packages are missing: see the message above)
    endif
  endif
endif

# ---- what is here -----------------------------------------------------------------------------------

ARCH    := $(shell $(CC) -dumpmachine 2>/dev/null | sed 's/-.*//')
MSGPACK := $(shell $(PKG_CONFIG) --exists msgpack-c && echo msgpack-c || echo msgpack)
PKGS    := $(MSGPACK) libzstd libjpeg libpng libdeflate zlib jansson libutf8proc libxxhash
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PKGS)) -isystem /usr/include/nifti
PKG_LIBS   := $(shell $(PKG_CONFIG) --libs $(PKGS)) -lnifti2 -lznz $(if $(WITHOUT),,-ldnnl) -lpthread -lm -ldl
ifeq ($(WITHOUT),libs)
PKGS       :=
PKG_CFLAGS :=
PKG_LIBS   := -lpthread -lm -ldl
endif
NVCC    ?= $(firstword $(wildcard $(CUDA_HOME)/bin/nvcc /usr/local/cuda/bin/nvcc) $(shell command -v nvcc 2>/dev/null))
MPICC   ?= $(shell command -v mpicc 2>/dev/null)
# what its wrapper adds: Open MPI, MPICH and Intel MPI all know -show; their headers are not ours to warn about
MPI_SHOW   := $(if $(MPICC),$(shell $(MPICC) -show 2>/dev/null))
MPI_CFLAGS := $(patsubst -I%,-isystem %,$(filter -I%,$(MPI_SHOW)))
MPI_LIBS   := $(filter -L% -l% -Wl%,$(MPI_SHOW))
# codecs of DICOM files; its headers are not ours to warn about
GDCM    ?= $(if $(shell command -v $(firstword $(CXX)) 2>/dev/null),$(lastword $(sort $(patsubst %/gdcmBitmap.h,%,$(wildcard /usr/include/gdcm-*/gdcmBitmap.h /usr/local/include/gdcm-*/gdcmBitmap.h)))))
ISAS    := $(if $(filter x86_64,$(ARCH)),sse2 avx2 avx512 avx512bf16,generic)

ISA_sse2    := -DUM_ISA=sse2
ISA_avx2    := -DUM_ISA=avx2 -mavx2 -mfma -mf16c
ISA_avx512  := -DUM_ISA=avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c
ISA_avx512bf16 := $(subst UM_ISA=avx512,UM_ISA=avx512bf16,$(ISA_avx512)) -mavx512bf16
ISA_generic := -DUM_ISA=generic

# what the library and its plug-ins must agree on, as one number (kernels/plugin.h)
ABI_H    := $(addprefix kernels/,kernels.h backend.h plugin.h) $(addprefix lib/base/,dtype.h pool.h status.h) lib/ranks/plugin.h
ABI      := $(shell cat $(ABI_H) | cksum | cut -d ' ' -f 1)
WERROR   ?= -Werror
WARN     := -Wall -Wextra -Wshadow -Wconversion $(WERROR)
SANFLAGS := $(if $(filter 1,$(SAN)),-fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -DUM_POISON,$(if $(filter thread,$(SAN)),-fsanitize=thread -DUM_POISON))
OURS     := -Ilib -I. -I$(BUILD) -D_POSIX_C_SOURCE=200809L -DUM_VERSION='"$(VERSION)"' -DUM_PLUGIN_ABI=$(ABI)u -fPIC -fvisibility=hidden \
            -ffp-contract=off $(if $(WITHOUT),-DUM_NO_CPU) $(PKG_CFLAGS) $(SANFLAGS)
CSTD     := -std=c11 $(WARN)
LINK     := $(SANFLAGS) $(LDFLAGS)

# ---- what is built: found, never listed -------------------------------------------------------------

MPI_C    := lib/ranks/mpi.c
LIB_C    := $(filter-out $(MPI_C),$(wildcard lib/*/*.c)) $(wildcard kernels/*.c) $(filter-out %/cpu.c,$(wildcard kernels/*/*.c))
GDCM_CXX := lib/media/gdcm.cpp
LIB_CXX  := $(filter-out $(GDCM_CXX),$(wildcard lib/*/*.cpp))
CPU_C    := $(wildcard kernels/*/cpu.c)
ifneq ($(WITHOUT),)
LIB_C    := $(filter-out %/onednn.c,$(LIB_C))
CPU_C    :=
endif
ifeq ($(WITHOUT),libs)
LIB_C    := $(filter-out lib/base/hash.c lib/base/keys.c,$(filter lib/base/% kernels/%,$(LIB_C)))
endif
TOOL_C   := $(wildcard tools/um-*.c)
UNIT_C   := $(wildcard tests/unit/*.c)
OPS_C    := $(wildcard tests/ops/*.c)
GOLDEN_C := $(wildcard tests/golden/*.c)
STEPS_C  := $(wildcard tests/bench/steps/*.c)
BENCH    := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/*.c))
RANKS_C  := $(wildcard tests/ranks/*.c)
GPU_C    := $(wildcard tests/gpu/*.c)
CUDA_CU  := $(wildcard kernels/*.cu kernels/*/*.cu)
MAN      := $(wildcard man/*.[1-9])

LIB_O    := $(LIB_C:%.c=$(BUILD)/%.o) $(LIB_CXX:%.cpp=$(BUILD)/%.o) $(foreach i,$(ISAS),$(CPU_C:%.c=$(BUILD)/%.$(i).o))
TOOLS    := $(TOOL_C:tools/%.c=$(BUILD)/%)
STATIC   := $(TOOL_C:tools/%.c=$(BUILD)/static/%)
UNITS    := $(UNIT_C:tests/unit/%.c=$(BUILD)/unit/%)
SONAME   := libum.so.$(SOMAJOR)

.PHONY: all lib tools static nvcc cuda emu cuda-report mpi gdcm gpu gpu-ops check units check-all tidy demo bench install uninstall info clean
all: tools $(BUILD)/um.pc $(if $(filter demo check bench,$(MAKECMDGOALS)),,cuda)
lib: $(BUILD)/libum.so $(BUILD)/libum.a
tools: $(TOOLS) mpi gdcm
static: $(STATIC)
nvcc:
	@echo $(NVCC)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CSTD) $(OURS) $(CFLAGS) $(HOT) -MMD -MP -c -o $@ $<

# loops over every voxel of a file: gcc makes them wide at -O3 alone
$(BUILD)/lib/media/%.o $(BUILD)/lib/grid/%.o: HOT = $(if $(filter -O2,$(CFLAGS)),-O3)

$(BUILD)/%.o: %.cpp
	@mkdir -p $(@D)
	$(call say,CXX,$<)$(CXX) -std=c++17 -Wall -Wextra -Wshadow -Werror $(OURS) $(CXXFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/lib/cli/help.o: OURS += -DUM_BUILD_FLAGS='"$(CFLAGS)$(if $(SAN), SAN=$(SAN))"'

define isa_rule
$(BUILD)/%.$(1).o: %.c
	@mkdir -p $$(@D)
	$$(call say,CC,'$$< ($(1))')$$(CC) $$(CSTD) $$(OURS) -ffp-contract=fast -fno-math-errno -fno-trapping-math $$(ISA_$(1)) $$(CFLAGS) -O3 -MMD -MP -c -o $$@ $$<
endef
$(foreach i,$(ISAS),$(eval $(call isa_rule,$(i))))

$(BUILD)/$(SONAME): $(LIB_O)
	$(call say,LINK,$@)$(if $(LIB_CXX),$(CXX),$(CC)) $(LINK) -shared -Wl,-soname,$(SONAME) -Wl,-z,defs -Wl,-rpath,'$$ORIGIN' -o $@ $(LIB_O) $(PKG_LIBS)
$(BUILD)/libum.so: $(BUILD)/$(SONAME)
	$(Q)ln -sf $(SONAME) $@
$(BUILD)/libum.a: $(LIB_O)
	$(call say,AR,$@)rm -f $@ && $(AR) rcs $@ $(LIB_O)

$(BUILD)/kernels/plugin.o $(BUILD)/kernels/cuda.cu.o $(BUILD)/lib/ranks/ranks.o $(BUILD)/lib/ranks/mpi.o: $(ABI_H)

# the CUDA plug-in: built when nvcc is there; programs open it only when they find a GPU
CUDA_ARCHS ?= 80 90 100
CUDA_O     := $(CUDA_CU:%.cu=$(BUILD)/%.cu.o)
# cuBLASLt's include/ and lib/ where they are not the toolkit's own (pip's nvidia-cublas)
CUBLAS     ?=
CUBLAS_SO  := $(if $(CUBLAS),-Xlinker $(firstword $(wildcard $(CUBLAS)/lib/libcublasLt.so*)),-lcublasLt)
no_nvcc    := @echo 'no nvcc in CUDA_HOME, /usr/local/cuda or PATH: left out:'
cuda: $(if $(NVCC),$(BUILD)/libum-cuda.so)
	$(if $(NVCC),,$(no_nvcc) $@)
$(BUILD)/%.cu.o: %.cu
	@mkdir -p $(@D)
	$(call say,NVCC,$<)$(NVCC) -std=c++17 -O2 -Ilib -I. $(if $(CUBLAS),-isystem $(CUBLAS)/include) -DUM_VERSION='"$(VERSION)"' -DUM_PLUGIN_ABI=$(ABI)u $(if $(WERROR),-Werror all-warnings) \
	  -Xcompiler -fPIC,-fvisibility=hidden,-Wall,-Wextra$(if $(WERROR),$(comma)-Werror) $(foreach a,$(CUDA_ARCHS),-gencode arch=compute_$(a),code=sm_$(a)) \
	  -gencode arch=compute_$(lastword $(CUDA_ARCHS)),code=compute_$(lastword $(CUDA_ARCHS)) -Xptxas -v -MMD -MP -c -o $@ $< 2>$@.log \
	  || { cat $@.log >&2; exit 1; }; grep -i warning $@.log >&2 || true
$(BUILD)/libum-cuda.so: $(CUDA_O) $(BUILD)/libum.so
	$(call say,LINK,$@)$(NVCC) -shared -o $@ $(CUDA_O) -L$(BUILD) -lum -ldl $(CUBLAS_SO) -Xlinker -z,defs,-rpath,'$$ORIGIN',-rpath,$(if $(CUBLAS),$(CUBLAS)/lib,$(dir $(NVCC))../lib64)

# the plug-in for the emulator of tests/emu: the same sources as C++, every kernel on the CPU (LD_LIBRARY_PATH=$(BUILD)/emu)
EMU_CPP  := $(wildcard tests/emu/*.cpp)
EMU_O    := $(EMU_CPP:%.cpp=$(BUILD)/%.o)
EMU_CU_O := $(CUDA_CU:%.cu=$(BUILD)/emu/%.o)
EMU_CXX   = $(CXX) -std=c++17 -O2 -fPIC -ffp-contract=fast -Wall -Wextra -Wno-attributes $(if $(WERROR),-Werror) $(if $(SAN),$(SANFLAGS),-fsanitize=alignment -fno-sanitize-recover=alignment) \
  -Ilib -I. -isystem $(dir $(NVCC))../include -DUM_VERSION='"$(VERSION)"' -DUM_PLUGIN_ABI=$(ABI)u -MMD -MP
emu: $(if $(NVCC),$(BUILD)/emu/libum-cuda.so $(BUILD)/emu/libnccl.so.2 $(BUILD)/emu/plans $(BUILD)/emu/driver/libcuda.so.1)
	$(if $(NVCC),,$(no_nvcc) $@)
$(BUILD)/tests/emu/%.o: tests/emu/%.cpp
	@mkdir -p $(@D)
	$(call say,EMU,$<)$(EMU_CXX) -c -o $@ $<
$(BUILD)/emu/%.o: %.cu $(ABI_H)
	@mkdir -p $(@D)
	$(Q){ echo '#line 1 "$<"'; sed 's/extern __shared__/extern um_emu_dynamic/' $<; } >$(@:.o=.cpp)
	$(call say,EMU,$<)$(EMU_CXX) -iquote tests/emu -include tests/emu/device.h -Wno-unknown-pragmas -Wno-sign-compare -fvisibility=hidden -c -o $@ $(@:.o=.cpp)
$(BUILD)/emu/libcudart.so: $(EMU_O)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CXX) $(LINK) -shared -Wl,-soname,$(@F) -o $@ $^
$(BUILD)/emu/libnccl.so.2: $(BUILD)/tests/emu/nccl/nccl.o $(BUILD)/emu/libcudart.so
	$(call say,LINK,$@)$(CXX) $(LINK) -shared -Wl,-z,defs,-rpath,'$$ORIGIN' -o $@ $^ -lrt -fsanitize=alignment
$(BUILD)/emu/plans: $(BUILD)/tests/emu/plans/plans.o
	$(call say,LINK,$@)$(CXX) $(LINK) -o $@ $< -ldl -fsanitize=alignment
$(BUILD)/emu/driver/libcuda.so.1: tests/emu/plans/driver.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(CSTD) $(WARN) -O2 -fPIC -fvisibility=hidden -shared -Wl,-soname,$(@F) -o $@ $<
$(BUILD)/emu/libum-cuda.so: $(EMU_CU_O) $(BUILD)/emu/libcudart.so $(BUILD)/libum.so
	$(call say,LINK,$@)$(CXX) $(LINK) -shared -Wl,-z,defs,-rpath,'$$ORIGIN' -o $@ $(EMU_CU_O) $(BUILD)/emu/libcudart.so -L$(BUILD) -lum -fsanitize=alignment

# registers, shared memory, stack and spills of every kernel; fails if one spills
cuda-report: $(if $(NVCC),$(CUDA_O))
	$(if $(NVCC),$(Q)awk -f kernels/report.awk $(CUDA_O:%=%.log) >$(BUILD)/cuda-report; st=$$?; c++filt <$(BUILD)/cuda-report; exit $$st,$(no_nvcc) $@)

# the MPI plug-in: built when mpicc is there; programs open it only when more than one process was started
mpi: $(if $(MPI_SHOW),$(BUILD)/libum-mpi.so)
$(BUILD)/lib/ranks/mpi.o: OURS += $(MPI_CFLAGS)
$(BUILD)/libum-mpi.so: $(MPI_C:%.c=$(BUILD)/%.o)
	$(call say,LINK,$@)$(CC) $(LINK) -shared -Wl,-z,defs -o $@ $< $(MPI_LIBS)

# the helper for compressed DICOM files: built when GDCM is there; started at the first such file
gdcm: $(if $(GDCM),$(BUILD)/libexec/um/gdcm)
$(BUILD)/lib/media/gdcm.o: OURS += -isystem $(GDCM)
$(BUILD)/libexec/um/gdcm: $(GDCM_CXX:%.cpp=$(BUILD)/%.o)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CXX) $(LINK) -o $@ $< -lgdcmMSFF -lgdcmDSED -lgdcmCommon

$(BUILD)/um-%: $(BUILD)/tools/um-%.o $(BUILD)/libum.so
	$(call say,LINK,$@)$(CC) $(LINK) -Wl,-rpath,'$$ORIGIN:$$ORIGIN/../lib' -o $@ $< -L$(BUILD) -lum -lm
$(BUILD)/static/um-%: $(BUILD)/tools/um-%.o $(BUILD)/libum.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(if $(LIB_CXX),$(CXX),$(CC)) $(LINK) -o $@ $< $(BUILD)/libum.a $(PKG_LIBS)
$(BUILD)/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libum.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(if $(LIB_CXX),$(CXX),$(CC)) $(LINK) -o $@ $(filter %.o,$^) $(BUILD)/libum.a $(PKG_LIBS) -lcmocka
# started by mpirun, so with the shared library, which finds its plug-in
$(BUILD)/ranks/%: $(BUILD)/tests/ranks/%.o $(BUILD)/libum.so
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(LINK) -Wl,-rpath,'$$ORIGIN/..' -o $@ $< -L$(BUILD) -lum -lm
# what tests/gpu/run.sh runs (gpu-ops: what WITHOUT=libs has of it): with the shared library too, which the CUDA plug-in shares with them
gpu: gpu-ops $(BUILD)/gpu/golden $(BUILD)/gpu/steps
gpu-ops: $(BUILD)/gpu/ops $(BUILD)/gpu/kernels cuda
$(BUILD)/gpu/ops: $(GPU_C:%.c=$(BUILD)/%.o) $(OPS_C:%.c=$(BUILD)/%.o) $(BUILD)/libum.so
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(LINK) -Wl,-rpath,'$$ORIGIN/..' -o $@ $(filter %.o,$^) -L$(BUILD) -lum -lm
$(BUILD)/gpu/golden: $(BUILD)/tests/unit/golden.o $(GOLDEN_C:%.c=$(BUILD)/%.o) $(BUILD)/libum.so
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(LINK) -Wl,-rpath,'$$ORIGIN/..' -o $@ $(filter %.o,$^) -L$(BUILD) -lum -lm
$(BUILD)/gpu/%: $(BUILD)/tests/gpu/bench/%.o $(BUILD)/tests/gpu/bench/card.o $(BUILD)/libum.so
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(LINK) -Wl,-rpath,'$$ORIGIN/..' -o $@ $(filter %.o,$^) -L$(BUILD) -lum -lm -ldl
$(BUILD)/bench/%: $(BUILD)/tests/bench/%.o $(BUILD)/libum.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(if $(LIB_CXX),$(CXX),$(CC)) $(LINK) -o $@ $(filter %.o,$^) $(BUILD)/libum.a $(PKG_LIBS)
$(BUILD)/bench/steps: $(STEPS_C:%.c=$(BUILD)/%.o)
$(BUILD)/gpu/steps: $(BUILD)/tests/gpu/bench/profile.o $(patsubst %.c,$(BUILD)/%.o,$(filter-out %/limit.c,$(STEPS_C)))
$(BUILD)/unit/ops: $(OPS_C:%.c=$(BUILD)/%.o)
$(BUILD)/unit/golden: $(GOLDEN_C:%.c=$(BUILD)/%.o)

$(BUILD)/um.pc: Makefile
	@mkdir -p $(@D)
	$(Q)printf '%s\n' 'prefix=$(prefix)' 'libdir=$${prefix}/lib' 'plugindir=$${libdir}' 'includedir=$${prefix}/include' '' \
	  'Name: um' 'Description: vision-language pre-training on X-rays and CT, as Unix tools' 'Version: $(VERSION)' \
	  'Requires.private: $(PKGS)' 'Libs: -L$${libdir} -lum' 'Cflags: -I$${includedir}/um' > $@

# ---- install ----------------------------------------------------------------------------------------

D := $(DESTDIR)$(prefix)
HEADERS := $(wildcard lib/*/*.h kernels/*.h kernels/*/*.h)
install: all
	install -d $(D)/bin $(D)/lib/pkgconfig $(D)/include/um
	install -m 755 $(TOOLS) $(D)/bin/
	install -m 755 $(BUILD)/$(SONAME) $(wildcard $(BUILD)/libum-cuda.so $(BUILD)/libum-mpi.so) $(D)/lib/
	ln -sf $(SONAME) $(D)/lib/libum.so
	install -m 644 $(BUILD)/um.pc $(D)/lib/pkgconfig/
	$(if $(GDCM),install -d $(D)/libexec/um && install -m 755 $(BUILD)/libexec/um/gdcm $(D)/libexec/um/)
	for h in $(HEADERS); do t=$${h#lib/}; install -d $(D)/include/um/$${t%/*} && install -m 644 $$h $(D)/include/um/$$t || exit 1; done
	for m in $(MAN); do s=$${m##*.}; install -d $(D)/share/man/man$$s && install -m 644 $$m $(D)/share/man/man$$s/ || exit 1; done
uninstall:
	rm -f $(TOOLS:$(BUILD)/%=$(D)/bin/%) $(D)/lib/$(SONAME) $(D)/lib/libum.so $(D)/lib/libum-cuda.so $(D)/lib/libum-mpi.so $(D)/libexec/um/gdcm $(D)/lib/pkgconfig/um.pc $(foreach m,$(notdir $(MAN)),$(D)/share/man/man$(lastword $(subst ., ,$(m)))/$(m))
	rm -rf $(D)/include/um

info:
	@echo 'um $(VERSION), $(ARCH), ISAs: $(ISAS)'
	@echo 'compiler   $(shell $(CC) --version | head -n 1)'
	@for p in $(PKGS); do printf '%-10s %s\n' $$p "$$($(PKG_CONFIG) --modversion $$p 2>/dev/null || echo missing)"; done
	@echo 'CUDA       $(if $(NVCC),$(NVCC): $(shell $(NVCC) --version 2>/dev/null | sed -n 's/.*release //p'),not found: the CPU alone)'
	@echo 'MPI        $(if $(MPI_SHOW),$(MPICC): $(MPI_LIBS),not found: one process)'
	@echo 'GDCM       $(if $(GDCM),$(GDCM),not found: no DICOM files in lossless JPEG$(comma) JPEG-LS and JPEG 2000)'
	@echo 'tools      $(notdir $(TOOLS))'

clean:
	rm -rf $(BUILD)

# ---- tests ------------------------------------------------------------------------------------------

demo: tools
	$(Q)BUILD=$(abspath $(BUILD)) pipelines/demo.sh

# see tests/bench/run.sh; BENCH_ONLY=pattern: works whose name holds it
PYTHON ?= python3
bench: tools $(BENCH)
	$(Q)BUILD=$(BUILD) PYTHON=$(PYTHON) tests/bench/run.sh "$(BENCH_ONLY)"

units: $(UNITS) $(BENCH) mpi gdcm $(RANKS_C:tests/ranks/%.c=$(BUILD)/ranks/%)

check: tools units
	$(Q)BUILD=$(BUILD) SAN=$(SAN) tests/run.sh

# everything: see tests/check-all.sh; UM_CHECKED=1 takes over the result of a `make check` just run
check-all:
	$(Q)MAKE='$(MAKE)' BUILD=$(BUILD) tests/check-all.sh

# clang-tidy, a stamp per file, so that only what changed is read again
TIDY := $(addprefix $(BUILD)/tidy/,$(LIB_C) $(CPU_C) $(TOOL_C) $(UNIT_C) $(RANKS_C) $(if $(MPI_SHOW),$(MPI_C)))
tidy: $(TIDY:%=%.ok)
$(BUILD)/tidy/%.ok: % .clang-tidy
	@mkdir -p $(@D)
	$(call say,TIDY,$<)clang-tidy --quiet $< -- -std=c11 $(OURS) $(if $(filter $(MPI_C),$<),$(MPI_CFLAGS)) $(if $(filter %/cpu.c,$<),$(ISA_$(lastword $(filter-out avx512%,$(ISAS))))) 2>/dev/null && touch $@

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
