# SPDX-License-Identifier: Apache-2.0
# What follows from syscalls.tbl and lives in the tree. (The table itself: the top Makefile.)
GEN_HDRS += sentry/syscalls/handlers.h

sentry/syscalls/handlers.h: sentry/syscalls/syscalls.tbl sentry/syscalls/gen.sh
	$(Q)sentry/syscalls/gen.sh --strict --handlers --output $@ && touch $@

.PHONY: compatibility
compatibility:
	$(Q)sentry/syscalls/gen.sh --strict --markdown --output docs/compatibility.md
