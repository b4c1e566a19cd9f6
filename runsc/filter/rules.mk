# SPDX-License-Identifier: Apache-2.0
# A program that runs here makes the seccomp filters; the lists are its sources and not runsc's.
FILTER_SRC := runsc/filter/gen.c runsc/gofer/filter.c runsc/sandbox/sentry_filter.c
FILTER_OBJ := $(patsubst %,$(O)/obj/%.o,$(FILTER_SRC))
SRC_EXCLUDE += $(FILTER_SRC)
GEN_SRC += $(O)/gen/filters.c
-include $(FILTER_OBJ:.o=.d)

$(O)/gen/filters: $(FILTER_OBJ)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(CFG_RUNSC_LDFLAGS) -o $@ $(FILTER_OBJ) $(LIBS)

$(O)/gen/filters.c: $(O)/gen/filters
	$(call say,GEN,$@)
	$(Q)$(O)/gen/filters >$@
