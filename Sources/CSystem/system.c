#define _GNU_SOURCE
#include "CSystem.h"

#include <sys/resource.h>

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

void *lathe_map_zeroed(size_t size) {
    void *address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return address == MAP_FAILED ? NULL : address;
}

long lathe_peak_memory(void) {
    struct rusage usage = {0};
    return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss * 1024L : 0;
}

double lathe_seconds(void) {
    struct timespec time = {0};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}
