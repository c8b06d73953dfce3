/// The few Linux calls that Swift cannot make itself: futexes (a variadic system call) and the processor set (macros).
#pragma once
#define _GNU_SOURCE
#include <stdint.h>

/// Sleeps while `*word == expected`; returns at a wake-up, a signal or at once when it differs.
void system_futex_wait(const uint32_t *word, uint32_t expected);

/// Wakes every thread that sleeps on `word`.
void system_futex_wake(const uint32_t *word);

/// Processors that this process may use: its affinity mask, bounded by the cgroup's CPU quota; at least 1.
int system_available_processors(void);

/// One pause inside a spin loop.
static inline void system_spin_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}
