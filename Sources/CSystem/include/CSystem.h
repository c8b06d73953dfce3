/// What the runtime half needs of POSIX, for ordinary and Embedded Swift alike: Embedded Swift has no Glibc module.
/// The functions below stand for what Swift cannot import: variadic functions and macros.
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
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
