/* Preloaded into a process, lets its N-th call of some kinds fail, or sends a signal at it.
 *
 * Only calls on files whose path contains `under` count. A call that fails with no space left has written half of
 * its bytes, and so has one that is killed: an unlucky disk does the same. `state` is shared with the process that
 * forked this one, so it can be read when this one is dead.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct state {
    long seen, fired;
};

static struct state *state;
static char under[4096], calls[256];
static long first;
static int error, forever, number;

__attribute__((constructor)) static void share(void) {
    state = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

void fault_arm(const char *under_, const char *calls_, long first_, int error_, int forever_, int number_) {
    snprintf(under, sizeof under, "%s", under_);
    snprintf(calls, sizeof calls, "%s", calls_);
    first = first_, error = error_, forever = forever_, number = number_;
    state->seen = state->fired = 0;
}

long fault_seen(void) { return state->seen; }
long fault_fired(void) { return state->fired; }

/* Whether this call is to go wrong. */
static int due(const char *call, const char *path) {
    if (!*under || !strstr(calls, call) || !path || !strstr(path, under)) return 0;
    state->seen++;
    if (state->seen != first && !(forever && state->seen > first)) return 0;
    state->fired++;
    return 1;
}

static int due_fd(const char *call, int fd) {
    char link[64], path[4096];
    if (!*under) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return due(call, path);
}

/* Send the signal and let the call go on (0), or set errno (-1). */
static int strike(void) {
    if (number) {
        kill(getpid(), number);
        return 0;
    }
    errno = error;
    return -1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define OPEN(name)                                                                        \
    int name(const char *path, int flags, ...) {                                          \
        va_list rest;                                                                     \
        va_start(rest, flags);                                                            \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;         \
        va_end(rest);                                                                     \
        if (due("open", path) && strike()) return -1;                                     \
        return REAL(name)(path, flags, mode);                                             \
    }
OPEN(open)
OPEN(open64)

ssize_t write(int fd, const void *data, size_t size) {
    if (due_fd("write", fd)) {
        if (number == SIGKILL || error == ENOSPC || error == EDQUOT) REAL(write)(fd, data, size / 2);
        if (strike()) return -1;
    }
    return REAL(write)(fd, data, size);
}

int fsync(int fd) { return due_fd("fsync", fd) && strike() ? -1 : REAL(fsync)(fd); }
int flock(int fd, int operation) { return due_fd("flock", fd) && strike() ? -1 : REAL(flock)(fd, operation); }
int rename(const char *from, const char *to) { return due("rename", to) && strike() ? -1 : REAL(rename)(from, to); }
int mkdir(const char *path, mode_t mode) { return due("mkdir", path) && strike() ? -1 : REAL(mkdir)(path, mode); }
