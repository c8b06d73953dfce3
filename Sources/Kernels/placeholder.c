#include "kernels.h"
typedef int lathe_placeholder;
