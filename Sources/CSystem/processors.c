#define _GNU_SOURCE
#include "CSystem.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

/// Quota and period of one cgroup as whole processors, rounded up; 0 where there is no quota.
static int whole_processors(long long quota, long long period) {
    if (quota <= 0 || period <= 0) return 0;
    const long long processors = quota / period + (quota % period != 0);
    return processors > INT_MAX ? INT_MAX : (int)processors;
}

/// The first numbers of a file: how many of the `most` there are.
static int read_numbers(const char *folder, const char *name, long long *numbers, int most) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) return 0;
    FILE *file = fopen(path, "re");
    if (file == NULL) return 0;
    int count = 0;
    while (count < most && fscanf(file, "%lld", &numbers[count]) == 1) count++;
    fclose(file);
    return count;
}

/// The quota of one folder of either version of cgroups; 0 where there is none ("max" is no number, -1 no quota).
static int folder_processors(const char *folder) {
    long long numbers[2] = {0, 0};
    if (read_numbers(folder, "cpu.max", numbers, 2) == 2) return whole_processors(numbers[0], numbers[1]);
    if (read_numbers(folder, "cpu.cfs_quota_us", &numbers[0], 1) == 1 &&
        read_numbers(folder, "cpu.cfs_period_us", &numbers[1], 1) == 1) {
        return whole_processors(numbers[0], numbers[1]);
    }
    return 0;
}

static int least(int a, int b) { return a == 0 || (b != 0 && b < a) ? b : a; }

/// The least quota from `path` below `mount` up to `mount` itself: inside a container the path that the process is told
/// may lie outside of what is mounted, and then the mount is its own group.
static int path_processors(const char *mount, const char *path) {
    char folder[PATH_MAX];
    if (snprintf(folder, sizeof folder, "%s%s", mount, path) >= (int)sizeof folder) return 0;
    const size_t shortest = strlen(mount);
    int processors = 0;
    for (size_t length = strlen(folder); length > shortest; length--) {
        if (folder[length - 1] == '/' || folder[length] == '/' || folder[length] == 0) {
            folder[length] = 0;
            processors = least(processors, folder_processors(folder));
        }
    }
    return least(processors, folder_processors(mount));
}

/// Whether a comma-separated list of controllers names `cpu`.
static bool names_cpu(const char *controllers, size_t length) {
    for (size_t start = 0; start < length;) {
        size_t end = start;
        while (end < length && controllers[end] != ',') end++;
        if (end - start == 3 && memcmp(controllers + start, "cpu", 3) == 0) return true;
        start = end + 1;
    }
    return false;
}

int lathe_quota_processors(const char *membership, const char *root) {
    FILE *file = fopen(membership, "re");
    if (file == NULL) return folder_processors(root);
    char line[PATH_MAX];
    int processors = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = 0;
        // number:controllers:path; version 2 has no controllers.
        const char *controllers = strchr(line, ':');
        const char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (path == NULL) continue;
        const size_t length = (size_t)(path - controllers - 1);
        if (length == 0) {
            processors = least(processors, path_processors(root, path + 1));
        } else if (names_cpu(controllers + 1, length)) {
            char mount[PATH_MAX];
            if (snprintf(mount, sizeof mount, "%s/%.*s", root, (int)length, controllers + 1) < (int)sizeof mount) {
                processors = least(processors, path_processors(mount, path + 1));
            }
        }
    }
    fclose(file);
    return processors;
}

int lathe_available_processors(void) {
    int count = 0;
    // The mask must be as long as the kernel's, which may know more processors than cpu_set_t.
    for (int processors = CPU_SETSIZE; count == 0 && processors <= 1 << 20; processors *= 2) {
        cpu_set_t *set = CPU_ALLOC(processors);
        if (set == NULL) break;
        const size_t bytes = CPU_ALLOC_SIZE(processors);
        if (sched_getaffinity(0, bytes, set) == 0) count = CPU_COUNT_S(bytes, set);
        CPU_FREE(set);
    }
    const int quota = lathe_quota_processors("/proc/self/cgroup", "/sys/fs/cgroup");
    if (quota > 0 && quota < count) count = quota;
    return count < 1 ? 1 : count;
}
