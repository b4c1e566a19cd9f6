# SPDX-License-Identifier: Apache-2.0
# Sources and tests are found, never listed. A folder that needs more than "compile every .c and .S"
# has a rules.mk: it may set SRC_EXCLUDE, GEN_HDRS, GEN_SRC, target-specific CFLAGS, and rules of its own.
# Everything is built into $(O); see `make help`.

O ?= build
PLATFORMS ?= ptrace systrap
PYTHON ?= python3
.DEFAULT_GOAL := all

# All processors at the top, unless the caller gave a -j; below it the jobserver is inherited.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif
MAKEFLAGS += -rR --no-print-directory
.SECONDARY:
.DELETE_ON_ERROR:

ifneq ($(filter-out help clean distclean fmt fmt-check layering generate,$(or $(MAKECMDGOALS),all)),)
# Made by its rule below when it is missing.
-include $(O)/config.mk
endif

V ?= 0
ifeq ($(V),0)
Q := @
say = @printf '  %-7s %s\n' $(1) $(2);
else
say =
endif

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla \
	-Wundef -Wwrite-strings -Wno-unused-parameter -Werror
override CPPFLAGS := -D_GNU_SOURCE= -Iinclude -I. -I$(O)/gen $(CFG_CPPFLAGS)
override CFLAGS := -std=gnu11 $(CFG_OPT) $(WARN) -fPIE -fstack-protector-strong \
	-fno-strict-aliasing -fno-common \
	-fasynchronous-unwind-tables -ffile-prefix-map=$(CURDIR)=. $(CFG_CFLAGS)
override LDFLAGS := -Wl,-z,relro,-z,now,-z,noexecstack -pthread $(CFG_LDFLAGS)
LIBS := $(CFG_LIBS)

TOP := $(wildcard runsc sentry platform)
SRC := $(if $(TOP),$(sort $(shell find $(TOP) -name '*.c' -o -name '*.S')))
UNIT_SRC := $(sort $(shell find tests/unit -name '*.c' 2>/dev/null))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/*.c))
SRC_EXCLUDE :=
GEN_HDRS :=
GEN_SRC :=

include $(sort $(shell find $(TOP) tests -name rules.mk 2>/dev/null) $(wildcard tests/*/tests.mk))

# The syscall table is made from syscalls.tbl and from which handlers exist.
ifneq ($(wildcard sentry/syscalls/gen.sh),)
$(O)/gen/syscall_table.c: sentry/syscalls/gen.sh sentry/syscalls/syscalls.tbl \
		include/abi/linux/unistd.h sentry/syscalls/table.h $(filter sentry/%.c,$(SRC))
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)sentry/syscalls/gen.sh --strict --table --output $@ && touch $@
GEN_SRC += $(O)/gen/syscall_table.c
endif

SRC := $(filter-out $(SRC_EXCLUDE),$(SRC))
OBJ := $(patsubst %,$(O)/obj/%.o,$(SRC)) $(GEN_SRC:=.o)
LIB_OBJ := $(filter-out $(O)/obj/runsc/main.c.o,$(OBJ))
UNIT_BIN := $(patsubst tests/unit/%.c,$(O)/tests/unit/%,$(UNIT_SRC))
FUZZ_BIN := $(patsubst tests/fuzz/%.c,$(O)/tests/fuzz/%,$(FUZZ_SRC))

.PHONY: all demo check units unit syscalls e2e asan ubsan tsan lockdep fuzz bench fmt fmt-check \
	layering headers generate clean distclean install help deps

# Before there is a program the objects are all there is.
all: $(if $(wildcard runsc/main.c),$(O)/runsc,$(OBJ))

$(O)/config.mk: configure
	@tests/tools/deps.sh >&2 || echo "make: continuing without some packages" >&2
	@O=$(O) ./configure --builddir=$(O) \
		$(or $(CONFIGURE_FLAGS),$(filter-out --builddir=%,$(CONFIG_ARGS))) >&2

$(O)/obj/%.c.o: %.c $(O)/config.mk | $(GEN_HDRS)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(O)/gen/%.c.o: $(O)/gen/%.c $(O)/config.mk | $(GEN_HDRS)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(O)/obj/%.S.o: %.S $(O)/config.mk | $(GEN_HDRS)
	@mkdir -p $(@D)
	$(call say,AS,$<)
	$(Q)$(CC) $(CPPFLAGS) -g -fPIE $(CFG_ASFLAGS) -MMD -MP -c -o $@ $<

# The list of objects, so that the link is redone when a source file goes away.
$(O)/objects: FORCE
	@mkdir -p $(@D)
	@echo $(OBJ) | cmp -s - $@ || echo $(OBJ) >$@

$(O)/runsc: $(OBJ) $(O)/objects
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(CFG_RUNSC_LDFLAGS) -o $@ $(OBJ) $(LIBS)

$(O)/libcvisor.a: $(LIB_OBJ) $(O)/objects
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcsT $@ $(LIB_OBJ)

# Criterion does not run under TSan: see the header there.
ifneq ($(filter thread,$(CFG_SAN)),)
UNIT_CPPFLAGS := -Itests/tools/tsan -Wno-format-zero-length -Wno-unused-function
else
UNIT_LIBS := -lcriterion
endif

# Unit tests: one Criterion program for each file, linked with everything but runsc's main().
$(O)/tests/unit/%: tests/unit/%.c $(O)/libcvisor.a $(O)/config.mk | $(GEN_HDRS)
	@mkdir -p $(@D)
	$(call say,UNIT,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -Wno-missing-prototypes -MMD -MP -MF $@.d -MT $@ $(LDFLAGS) \
		$(UNIT_CPPFLAGS) -pie -o $@ $< $(O)/libcvisor.a $(LIBS) $(UNIT_LIBS)

# Fuzz targets: int LLVMFuzzerTestOneInput(...); corpora in tests/fuzz/corpus/<name>/.
$(O)/tests/fuzz/%: tests/fuzz/%.c $(O)/libcvisor.a
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -Wno-missing-prototypes -MMD -MP -MF $@.d -MT $@ $(LDFLAGS) \
		-fsanitize=fuzzer -pie -o $@ $< $(O)/libcvisor.a $(LIBS)

units: $(if $(CFG_CRITERION),$(UNIT_BIN))

demo: all
	@tests/tools/demo.sh $(O)

check: $(O)/config.mk
	+@O=$(O) PLATFORMS="$(PLATFORMS)" MAKE="$(MAKE)" tests/tools/check.sh

unit: units
	@tests/tools/unit.sh $(O) $(UNIT)

syscalls: all syscalls-native
	+@O=$(O) PLATFORMS="$(PLATFORMS)" MAKE="$(MAKE)" tests/tools/check.sh syscalls-platforms

e2e: all
	+@O=$(O) PLATFORMS="$(PLATFORMS)" MAKE="$(MAKE)" tests/tools/check.sh e2e

# Each builds into a folder of its own and runs the tests there.
asan ubsan tsan lockdep:
	+@O=$(O) PLATFORMS="$(PLATFORMS)" MAKE="$(MAKE)" tests/tools/check.sh $@

fuzz:
	+@O=$(O) MAKE="$(MAKE)" tests/tools/fuzz.sh

fuzz-build: $(if $(CFG_FUZZ),$(FUZZ_BIN))

FMT_FILES = $(shell find include runsc sentry platform tests -name '*.[ch]' 2>/dev/null)
fmt:
	$(Q)clang-format -i $(FMT_FILES)

fmt-check:
	@tests/tools/format.sh

generate:
	@tests/tools/generated.sh --write

layering:
	@tests/tools/layering.sh

headers: $(O)/config.mk $(GEN_HDRS)
	@CC="$(CC)" CPPFLAGS="$(CPPFLAGS)" CFLAGS="$(CFLAGS)" tests/tools/headers.sh

deps:
	@tests/tools/deps.sh

install: all
	install -D -m 0755 $(O)/runsc $(DESTDIR)$(PREFIX)/bin/runsc

clean:
	rm -rf $(O)/obj $(O)/gen $(O)/tests $(O)/runsc $(O)/libcvisor.a $(O)/objects $(O)/check $(O)/bench

distclean:
	rm -rf $(O) $(O)-asan $(O)-ubsan $(O)-tsan $(O)-lockdep $(O)-fuzz

help:
	@cat tests/tools/make-help.txt

FORCE:
.PHONY: FORCE fuzz-build

-include $(OBJ:.o=.d) $(UNIT_BIN:=.d) $(FUZZ_BIN:=.d)
