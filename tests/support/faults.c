/* Loaded before libc (LD_PRELOAD): counts the calls that write below one folder, and makes one of them fail.

   fault_arm(folder, at, error): the at-th call from now fails with `error`; -1 kills the process there, after half of
   what it was to write. fault_count(), fault_what(): how many calls were made, and the name of the one that failed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static char root[PATH_MAX];
static const char *failed = "";
static long count, target;
static int fault;

void fault_arm(const char *folder, long at, int error)
{
    snprintf(root, sizeof root, "%s", folder);
    count = 0, target = at, fault = error, failed = "";
}

long fault_count(void) { return count; }
const char *fault_what(void) { return failed; }

static int below(const char *path)
{
    size_t length = strlen(root);
    return length && !strncmp(path, root, length) && (path[length] == '/' || !path[length]);
}

static int below_at(int folder, const char *path)
{
    char link[64], full[2 * PATH_MAX];
    if (!*root || !path)
        return 0;
    if (*path == '/')
        return below(path);
    if (folder == AT_FDCWD)
        strcpy(link, "/proc/self/cwd");
    else
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t size = readlink(link, full, PATH_MAX);
    if (size < 0)
        return 0;
    snprintf(full + size, sizeof full - size, "/%s", path);
    return below(full);
}

static int below_fd(int file)
{
    char link[64], full[PATH_MAX];
    if (!*root)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, full, sizeof full - 1);
    full[size < 0 ? 0 : size] = 0;
    return below(full);
}

static int now(const char *name)
{
    if (++count != target)
        return 0;
    failed = name;
    return 1;
}

static int fails(const char *name)
{
    if (!now(name))
        return 0;
    if (fault < 0)
        kill(getpid(), SIGKILL), pause();
    errno = fault;
    return 1;
}

#define REAL(type, name, ...) static type (*real)(__VA_ARGS__); if (!real) real = dlsym(RTLD_NEXT, #name)

#define OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        REAL(int, name, const char *, int, ...); \
        va_list rest; \
        va_start(rest, flags); \
        int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0; \
        va_end(rest); \
        if (flags & (O_WRONLY | O_RDWR | O_CREAT) && below_at(AT_FDCWD, path) && fails(#name)) \
            return -1; \
        return real(path, flags, mode); \
    }
#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) \
    { \
        REAL(int, name, int, const char *, int, ...); \
        va_list rest; \
        va_start(rest, flags); \
        int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0; \
        va_end(rest); \
        if (flags & (O_WRONLY | O_RDWR | O_CREAT) && below_at(folder, path) && fails(#name)) \
            return -1; \
        return real(folder, path, flags, mode); \
    }
#define FOPEN(name) \
    FILE *name(const char *path, const char *mode) \
    { \
        REAL(FILE *, name, const char *, const char *); \
        if (strpbrk(mode, "wa+") && below_at(AT_FDCWD, path) && fails(#name)) \
            return NULL; \
        return real(path, mode); \
    }
OPEN(open) OPEN(open64) OPENAT(openat) OPENAT(openat64) FOPEN(fopen) FOPEN(fopen64)

ssize_t write(int file, const void *from, size_t size)
{
    REAL(ssize_t, write, int, const void *, size_t);
    if (below_fd(file) && now("write")) {
        if (fault < 0 && size > 1)
            real(file, from, size / 2);
        if (fault < 0)
            kill(getpid(), SIGKILL), pause();
        errno = fault;
        return -1;
    }
    return real(file, from, size);
}

#define FILE_CALL(type, name, parameters, arguments) \
    type name parameters \
    { \
        static type (*real) parameters; \
        if (!real) \
            real = dlsym(RTLD_NEXT, #name); \
        return below_fd(file) && fails(#name) ? -1 : real arguments; \
    }
#define PATH_CALL(name, parameters, arguments, folder, path) \
    int name parameters \
    { \
        static int (*real) parameters; \
        if (!real) \
            real = dlsym(RTLD_NEXT, #name); \
        return below_at(folder, path) && fails(#name) ? -1 : real arguments; \
    }
FILE_CALL(ssize_t, pwrite, (int file, const void *from, size_t size, off_t at), (file, from, size, at))
FILE_CALL(ssize_t, pwrite64, (int file, const void *from, size_t size, off64_t at), (file, from, size, at))
FILE_CALL(ssize_t, writev, (int file, const struct iovec *parts, int number), (file, parts, number))
FILE_CALL(int, fsync, (int file), (file))
FILE_CALL(int, fdatasync, (int file), (file))
FILE_CALL(int, ftruncate, (int file, off_t size), (file, size))
FILE_CALL(int, ftruncate64, (int file, off64_t size), (file, size))
FILE_CALL(ssize_t, sendfile, (int file, int from, off_t *at, size_t size), (file, from, at, size))
FILE_CALL(ssize_t, sendfile64, (int file, int from, off64_t *at, size_t size), (file, from, at, size))
PATH_CALL(rename, (const char *old, const char *new), (old, new), AT_FDCWD, new)
PATH_CALL(renameat, (int f, const char *old, int g, const char *new), (f, old, g, new), g, new)
PATH_CALL(link, (const char *old, const char *new), (old, new), AT_FDCWD, new)
PATH_CALL(linkat, (int f, const char *old, int g, const char *new, int flags), (f, old, g, new, flags), g, new)
PATH_CALL(unlink, (const char *path), (path), AT_FDCWD, path)
PATH_CALL(unlinkat, (int folder, const char *path, int flags), (folder, path, flags), folder, path)
PATH_CALL(rmdir, (const char *path), (path), AT_FDCWD, path)
PATH_CALL(mkdir, (const char *path, mode_t mode), (path, mode), AT_FDCWD, path)
PATH_CALL(mkdirat, (int folder, const char *path, mode_t mode), (folder, path, mode), folder, path)
