# SPDX-License-Identifier: Apache-2.0
# Rules of the syscall conformance programs. Included by the top Makefile; O is the output folder.
# Guest programs are built against the host libc, not against the headers of this project.

SYSCALLS_SRC := $(wildcard tests/syscalls/*.c)
SYSCALLS_BIN := $(patsubst tests/syscalls/%.c,$(O)/tests/syscalls/%,$(SYSCALLS_SRC))
# Static programs start faster in a sandbox; SYSCALLS_LDFLAGS= builds dynamic ones.
SYSCALLS_LDFLAGS ?= -static
# Bad pointers and sizes are passed on purpose.
SYSCALLS_WNO := -Wno-unknown-warning-option -Wno-stringop-overflow -Wno-stringop-overread \
	-Wno-nonnull -Wno-array-bounds
SYSCALLS_CFLAGS ?= -std=gnu11 -O1 -g -Wall -Wextra -Wshadow -Wstrict-prototypes -Werror \
	-fno-strict-aliasing $(SYSCALLS_WNO)

$(O)/tests/syscalls/%: tests/syscalls/%.c $(wildcard tests/syscalls/*.h)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(SYSCALLS_CFLAGS) -o $@ $< $(SYSCALLS_LDFLAGS) -pthread -lrt

.PHONY: syscalls-build syscalls-native
syscalls-build: $(SYSCALLS_BIN)

syscalls-native: syscalls-build
	tests/syscalls/run.sh --bin $(O)/tests/syscalls
