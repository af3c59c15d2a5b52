# SPDX-License-Identifier: LGPL-2.1-or-later
# Thin: meson builds, scripts/ does. Everything below works on a fresh Debian 12 that has git and make.

BUILD ?= build

.PHONY: all setup demo check bench fuzz install clean

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@scripts/setup build
	@meson setup $(BUILD) -Dtests=false >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@mv $(BUILD).log $(BUILD)/setup.log

setup:
	@scripts/setup check

demo:
	@scripts/setup demo
	@$(MAKE) --no-print-directory all
	@scripts/demo

check:
	@scripts/setup check
	@scripts/check

# On an otherwise idle machine; SCENES, SIZE and FRAMES choose, and SECONDS for the GStreamer elements. It reads what it
# recorded with a tool of the tests'.
bench:
	@scripts/setup check
	@$(MAKE) --no-print-directory $(BUILD)/build.ninja
	@meson configure $(BUILD) -Dtests=true
	@$(MAKE) --no-print-directory all
	@node bench/stream.mjs
	@node bench/gst.mjs
	@node bench/guest.mjs
	@node bench/latency.mjs

# Every target for SECONDS each, with clang's libFuzzer.
SECONDS ?= 60
fuzz:
	@scripts/setup check
	@scripts/fuzz $(SECONDS)

install: all
	@ninja -C $(BUILD) install

clean:
	rm -rf $(BUILD) build-aarch64 build-asan build-fuzz
