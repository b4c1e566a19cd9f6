# SPDX-License-Identifier: Apache-2.0
# Rules of the stress programs. Included by the top Makefile; O is the output folder.
# Guest programs as those of tests/syscalls, whose flags they share.

STRESS_BIN := $(patsubst tests/stress/%.c,$(O)/tests/stress/%,$(wildcard tests/stress/*.c))

$(O)/tests/stress/%: tests/stress/%.c $(wildcard tests/stress/*.h)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) -std=gnu11 -O1 -g -Wall -Wextra -Wno-unused-result -Wno-unused-parameter \
		$(SYSCALLS_WNO) -static -pthread -o $@ $<

.PHONY: stress-build soak
stress-build: $(STRESS_BIN)

soak: all stress-build
	@O=$(O) PLATFORM=$(firstword $(SOAK_PLATFORM) systrap) tests/stress/soak.sh $(MINUTES)
