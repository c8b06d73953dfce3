#pragma once
#include <stddef.h>
#include <stdint.h>

/// libFuzzer's driver, for programs that have a `main` of their own, as SwiftPM's executables do.
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*run)(const uint8_t *data, size_t size));
