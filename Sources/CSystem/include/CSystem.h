/// What the runtime half needs of POSIX, for ordinary and Embedded Swift alike: Embedded Swift has no Glibc module.
/// The functions below stand for what Swift cannot import: variadic functions and macros.
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

/// open(2); `mode` counts where a file is made.
int lathe_open(const char *path, int flags, mode_t mode);

/// An unnamed file in a folder, open for reading and writing (`O_TMPFILE`), or -1.
int lathe_open_unnamed(const char *directory, mode_t mode);

/// errno of the calling thread.
int lathe_errno(void);

bool lathe_is_regular_file(mode_t mode);
bool lathe_is_directory(mode_t mode);

/// Maps a whole file, read-only and private, or returns NULL.
const void *lathe_map(int descriptor, size_t size);

/// Zeroed pages for reading and writing, untouched ones costing nothing, or NULL; `munmap` gives them back.
void *lathe_map_zeroed(size_t size);

/// The process's largest resident set so far, in bytes.
long lathe_peak_memory(void);

/// Seconds on a clock that only runs forward.
double lathe_seconds(void);

/// Sleeps while `*word == expected`; returns at a wake-up, a signal, or at once when it differs.
void lathe_futex_wait(const uint32_t *word, uint32_t expected);

/// Wakes every thread that sleeps on `word`.
void lathe_futex_wake(const uint32_t *word);

/// Seconds that the calling thread has spent on a processor.
double lathe_thread_seconds(void);

/// Processors that this process may use: its affinity mask, bounded by the cgroups' CPU quota; at least 1.
int lathe_available_processors(void);

/// The least CPU quota in whole processors, rounded up, of the cgroups that `membership` (as /proc/self/cgroup) names
/// below `root` (as /sys/fs/cgroup), and of those around them; 0 where there is none.
int lathe_quota_processors(const char *membership, const char *root);

/// One pause inside a spin loop.
static inline void lathe_spin_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}
