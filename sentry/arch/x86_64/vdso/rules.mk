# SPDX-License-Identifier: Apache-2.0
# The vDSO is a shared object of its own; image.S takes it into the sentry.
VDSO_DIR := sentry/arch/x86_64/vdso
SRC_EXCLUDE += $(VDSO_DIR)/vdso.c $(VDSO_DIR)/note.S

VDSO_CFLAGS := -std=gnu11 -O2 -g0 -fPIC -fno-stack-protector -fno-asynchronous-unwind-tables \
	-fasynchronous-unwind-tables -ffreestanding -fno-builtin -fcf-protection=none -fno-common \
	-fvisibility=hidden -mno-sse -Wall -Wextra -Werror -Iinclude -I.
VDSO_LDFLAGS := -nostdlib -shared -Wl,-soname=linux-vdso.so.1 -Wl,--hash-style=both \
	-Wl,-Bsymbolic -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,max-page-size=4096 \
	-Wl,--eh-frame-hdr -Wl,--no-undefined -Wl,-s

$(O)/gen/vdso.so: $(VDSO_DIR)/vdso.c $(VDSO_DIR)/note.S $(VDSO_DIR)/vdso.lds \
		$(VDSO_DIR)/vdso_params.h include/abi/linux/time.h
	@mkdir -p $(@D)
	$(call say,VDSO,$@)
	$(Q)$(CC) $(VDSO_CFLAGS) $(VDSO_LDFLAGS) -Wl,-T,$(VDSO_DIR)/vdso.lds -o $@ \
		$(VDSO_DIR)/vdso.c $(VDSO_DIR)/note.S

$(O)/obj/$(VDSO_DIR)/image.S.o: $(O)/gen/vdso.so
