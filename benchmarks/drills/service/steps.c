/* Ends the process by SIGKILL at the so manieth step that it makes with files below $STEPS_IN: a write, a sync, a
   rename, a removal, a file that is made or cut. The counters are in the file $STEPS, which the drill maps as well. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct counters {
    int64_t steps;     /* made so far */
    int64_t left;      /* the process ends at the so manieth step from now on; 0: at none */
    int64_t is_torn;   /* only writes count, and of the last one half is written */
};
static struct counters *shared;
static const char *folder;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("STEPS");
    folder = getenv("STEPS_IN");
    int file = path && folder ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *memory = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    shared = memory == MAP_FAILED ? NULL : memory;
}

static int is_below(const char *path) { return path[0] != '/' || !strncmp(path, folder, strlen(folder)); }

static int is_ours(int file) {
    char link[40], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = shared && file > 2 ? readlink(link, path, sizeof path - 1) : -1;
    if (length < 0) return 0;
    path[length] = 0;
    return path[0] == '/' && is_below(path);
}

/* Whether this step is the last one. */
static int is_last(int is_write) {
    __atomic_add_fetch(&shared->steps, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&shared->left, __ATOMIC_SEQ_CST) <= 0 || (shared->is_torn && !is_write)) return 0;
    return __atomic_sub_fetch(&shared->left, 1, __ATOMIC_SEQ_CST) == 0;
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define ON_FILE(result, name, parameters, arguments) \
    result name parameters { \
        REAL(name); \
        if (is_ours(file) && is_last(0)) die(); \
        return real arguments; \
    }

#define ON_PATH(name, parameters, arguments) \
    int name parameters { \
        REAL(name); \
        if (shared && is_below(path) && is_last(0)) die(); \
        return real arguments; \
    }

#define WRITE(name, parameters, arguments) \
    ssize_t name parameters { \
        REAL(name); \
        if (is_ours(file) && is_last(1)) { \
            size /= 2; \
            if (shared->is_torn && size) real arguments; \
            die(); \
        } \
        return real arguments; \
    }

#define OPEN(name, parameters, arguments) \
    int name parameters { \
        REAL(name); \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        if (shared && flags & (O_CREAT | O_TRUNC) && is_below(path) && is_last(0)) die(); \
        return real arguments; \
    }

WRITE(write, (int file, const void *data, size_t size), (file, data, size))
WRITE(pwrite, (int file, const void *data, size_t size, off_t at), (file, data, size, at))
WRITE(pwrite64, (int file, const void *data, size_t size, off64_t at), (file, data, size, at))
ON_FILE(int, fsync, (int file), (file))
ON_FILE(int, fdatasync, (int file), (file))
ON_FILE(int, fchmod, (int file, mode_t mode), (file, mode))
ON_FILE(int, ftruncate, (int file, off_t size), (file, size))
ON_FILE(int, ftruncate64, (int file, off64_t size), (file, size))
ON_PATH(rename, (const char *path, const char *to), (path, to))
ON_PATH(renameat, (int from, const char *path, int at, const char *to), (from, path, at, to))
ON_PATH(link, (const char *path, const char *to), (path, to))
ON_PATH(unlink, (const char *path), (path))
ON_PATH(unlinkat, (int at, const char *path, int flags), (at, path, flags))
ON_PATH(chmod, (const char *path, mode_t mode), (path, mode))
ON_PATH(mkdir, (const char *path, mode_t mode), (path, mode))
OPEN(open, (const char *path, int flags, ...), (path, flags, mode))
OPEN(open64, (const char *path, int flags, ...), (path, flags, mode))
OPEN(openat, (int at, const char *path, int flags, ...), (at, path, flags, mode))
OPEN(openat64, (int at, const char *path, int flags, ...), (at, path, flags, mode))
