#define _GNU_SOURCE
#include "CSystem.h"

int lathe_open(const char *path, int flags, mode_t mode) { return open(path, flags, mode); }

int lathe_open_unnamed(const char *directory, mode_t mode) {
    return open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
}

int lathe_errno(void) { return errno; }

bool lathe_is_regular_file(mode_t mode) { return S_ISREG(mode); }

bool lathe_is_directory(mode_t mode) { return S_ISDIR(mode); }

const void *lathe_map(int descriptor, size_t size) {
    void *address = mmap(NULL, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    return address == MAP_FAILED ? NULL : address;
}
