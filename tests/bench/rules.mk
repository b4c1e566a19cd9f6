# SPDX-License-Identifier: Apache-2.0
# The benchmarks' programs, in $(O)/bench: micro is a guest program; kernel is linked as the unit tests are.

BENCH_KERNEL_SRC := $(sort $(wildcard tests/bench/kernel/*.c))
BENCH_KERNEL_OBJ := $(patsubst %,$(O)/obj/%.o,$(BENCH_KERNEL_SRC))
-include $(BENCH_KERNEL_OBJ:.o=.d)

$(O)/bench/micro: tests/bench/micro.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) -O2 -static -pthread -o $@ $<

$(O)/bench/kernel: $(BENCH_KERNEL_OBJ) $(O)/libcvisor.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pie -o $@ $(BENCH_KERNEL_OBJ) $(O)/libcvisor.a $(LIBS)

.PHONY: bench-build bench-quick
bench-build: $(O)/bench/micro $(O)/bench/kernel

bench: all bench-build
	@O=$(O) PLATFORMS="$(PLATFORMS)" tests/bench/run.sh

# All groups, little time for each: to see that it works.
bench-quick: all bench-build
	@O=$(O) PLATFORMS="$(PLATFORMS)" tests/bench/run.sh --quick
