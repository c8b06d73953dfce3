/// The calibration text that is part of the program.
#pragma once
#include <stddef.h>
#include <stdint.h>

struct lathe_text {
    const uint8_t *bytes;
    size_t count;
};

/// The bytes of default.txt, UTF-8; they live as long as the process.
struct lathe_text lathe_calibration_text(void);
