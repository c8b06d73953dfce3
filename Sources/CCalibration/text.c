#include "CCalibration.h"

// The text reaches a program that is one file; SwiftPM's resources would be a folder beside it.
#pragma clang diagnostic ignored "-Wc23-extensions"
static const uint8_t text[] = {
#embed "default.txt"
};

struct lathe_text lathe_calibration_text(void) { return (struct lathe_text){text, sizeof text}; }
