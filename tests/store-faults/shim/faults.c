/* Faults at the writes of one process, for the tests of the ledger. Loaded with LD_PRELOAD; the program under test knows nothing
 * of it.
 *
 * Every write, sync and change of length of a file under FAULT_FOLDER is counted from 1. At number FAULT_AT:
 *   FAULT_KIND=kill   the process is killed before the write
 *   FAULT_KIND=torn   half of the data is written, then the process is killed
 *   FAULT_KIND=eio    the call fails with EIO, once
 *   FAULT_KIND=full   half of the data is written, and this and all that follows fails with ENOSPC
 * FAULT_LOG is a file that gets "struck" when the fault strikes and the count when the process ends.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static long count;

static long strike_at(void)
{
    static long at = -1;
    if (at < 0) {
        const char *text = getenv("FAULT_AT");
        at = text ? atol(text) : 0;
    }
    return at;
}

static int is_kind(const char *kind)
{
    const char *given = getenv("FAULT_KIND");
    return given && strcmp(given, kind) == 0;
}

static void note(const char *text)
{
    static int (*real_open)(const char *, int, ...);
    static ssize_t (*real_write)(int, const void *, size_t);
    const char *log = getenv("FAULT_LOG");
    if (!log)
        return;
    real_open = dlsym(RTLD_NEXT, "open");
    real_write = dlsym(RTLD_NEXT, "write");
    int fd = real_open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd >= 0) {
        if (real_write(fd, text, strlen(text)) < 0)
            abort();
        close(fd);
    }
}

static int is_ours(int fd)
{
    const char *folder = getenv("FAULT_FOLDER");
    char link[64], path[4096];
    if (!folder)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return strncmp(path, folder, strlen(folder)) == 0;
}

/* What is to become of a call: 0 carry it out, else the errno it fails with; *half asks for half of the data first. */
static int fate(int fd, int *half)
{
    *half = 0;
    if (!is_ours(fd))
        return 0;
    long number = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    if (number == strike_at()) {
        note("struck\n");
        if (is_kind("kill"))
            kill(getpid(), SIGKILL);
        *half = is_kind("torn") || is_kind("full");
        return is_kind("full") ? ENOSPC : EIO;
    }
    return is_kind("full") && strike_at() && number > strike_at() ? ENOSPC : 0;
}

static void end_if_torn(void)
{
    if (is_kind("torn"))
        kill(getpid(), SIGKILL);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t size)
{
    int half, error = fate(fd, &half);
    if (half)
        (void)!REAL(write)(fd, data, size / 2);
    if (!error)
        return REAL(write)(fd, data, size);
    end_if_torn();
    errno = error;
    return -1;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    int half, error = fate(fd, &half);
    if (half)
        (void)!REAL(pwrite)(fd, data, size / 2, offset);
    if (!error)
        return REAL(pwrite)(fd, data, size, offset);
    end_if_torn();
    errno = error;
    return -1;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    int half, error = fate(fd, &half);
    if (half)
        (void)!REAL(pwrite64)(fd, data, size / 2, offset);
    if (!error)
        return REAL(pwrite64)(fd, data, size, offset);
    end_if_torn();
    errno = error;
    return -1;
}

#define WITHOUT_DATA(name, parameters, arguments) \
    int name parameters                           \
    {                                             \
        int half, error = fate(fd, &half);        \
        if (!error)                               \
            return REAL(name) arguments;          \
        end_if_torn();                            \
        errno = error;                            \
        return -1;                                \
    }

WITHOUT_DATA(fsync, (int fd), (fd))
WITHOUT_DATA(fdatasync, (int fd), (fd))
WITHOUT_DATA(ftruncate, (int fd, off_t length), (fd, length))
WITHOUT_DATA(ftruncate64, (int fd, off64_t length), (fd, length))

__attribute__((destructor)) static void tell(void)
{
    char text[32];
    snprintf(text, sizeof text, "%ld\n", count);
    note(text);
}
