/* Preloaded into a process: every fsync and fdatasync takes SLOW_FSYNC_US longer, and names that end in ".slow.test"
 * are 127.0.0.1, or hang for twenty seconds while the file SLOW_HANG_FILE exists. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void wait_us(long us) {
    if (us <= 0) return;
    struct timespec t = {us / 1000000, (us % 1000000) * 1000};
    while (nanosleep(&t, &t) != 0) {
    }
}

static long fsync_us(void) {
    static long us = -1;
    if (us < 0) {
        const char *text = getenv("SLOW_FSYNC_US");
        us = text ? atol(text) : 0;
    }
    return us;
}

int fsync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    wait_us(fsync_us());
    return real(fd);
}

int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    wait_us(fsync_us());
    return real(fd);
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (!real) {
        real = (int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))dlsym(RTLD_NEXT,
                                                                                                       "getaddrinfo");
    }
    const char *end = ".slow.test";
    size_t length = node ? strlen(node) : 0;
    if (length > strlen(end) && strcmp(node + length - strlen(end), end) == 0) {
        const char *file = getenv("SLOW_HANG_FILE");
        for (int n = 0; n < 200 && file && access(file, F_OK) == 0; n++) wait_us(100000);
        node = "127.0.0.1";
    }
    return real(node, service, hints, found);
}
