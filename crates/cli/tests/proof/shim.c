/*
 * Stands between the platform and the machine (LD_PRELOAD): tells what was written, synced and sent in which order,
 * remembers what a power failure would take back, and plays full disks, wrong clocks and lying name servers.
 *
 * Only the files of the store are touched, `larkspur.db*` without the lock and the index in shared memory, which the
 * first to open the store rebuilds. Every part is off until its variable is set:
 *
 *   LARKSPUR_SHIM_TRACE     a file: what happened, in order (see `struct traced`)
 *   LARKSPUR_SHIM_UNDO      a folder: for each file what it held before each write that no sync has followed
 *   LARKSPUR_SHIM_LIE       set: syncing does nothing and says that it worked
 *   LARKSPUR_SHIM_CONTROL   a file of the size of `struct control`, which the test changes while the platform runs
 *   LARKSPUR_SHIM_NAMES     a file: a name and its address a line, read anew each time a name is resolved
 *   LARKSPUR_SHIM_STAND_IN  an IPv4 address: connections to it lead to 127.0.0.1
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* What the test changes while the platform runs. */
struct control {
    int32_t open_errno;  /* fails opening a file of the store for writing */
    int32_t write_errno; /* fails writing to one */
    int32_t sync_errno;  /* fails syncing one */
    int32_t unused;
    int64_t clock_ms; /* added to the time of day */
};

/* One line of the trace; `bytes` of content follow. */
struct traced {
    uint8_t kind; /* W wrote, b begins to sync, S synced, A is about to send */
    uint8_t file; /* 1 the database, 2 its write-ahead log, 3 another file of the store, 0 a socket */
    uint8_t unused[2];
    uint32_t bytes;
    uint64_t offset;
};

/* One write that a power failure may take back; `old_bytes` of content follow. */
struct undo {
    uint32_t truncates; /* 1: the file ended at `offset` afterwards */
    uint32_t unused;
    uint64_t offset;
    uint64_t bytes;
    uint64_t old_size;
    uint64_t old_bytes;
};

enum { FDS = 65536, FILES = 4, NONE = 0, SOCKET = 100, OTHER = 101 };

static uint8_t kinds[FDS]; /* 0 not looked at, 1 to 3 a file of the store, SOCKET, OTHER */
static volatile struct control *control;
static int trace_fd = -1;
static int undo_fds[FILES] = {-1, -1, -1, -1};
static const char *undo_dir, *names, *stand_in;
static int lies;
/* A write and its entry, and a sync and the end of its entries, are one step each. */
static pthread_mutex_t undoing = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) abort();
    return found;
}

static int plain_open(const char *path, int flags) {
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600);
}

__attribute__((constructor)) static void start(void) {
    const char *trace = getenv("LARKSPUR_SHIM_TRACE"), *path = getenv("LARKSPUR_SHIM_CONTROL");
    undo_dir = getenv("LARKSPUR_SHIM_UNDO");
    names = getenv("LARKSPUR_SHIM_NAMES");
    stand_in = getenv("LARKSPUR_SHIM_STAND_IN");
    lies = getenv("LARKSPUR_SHIM_LIE") != NULL;
    if (trace) trace_fd = plain_open(trace, O_WRONLY | O_CREAT | O_APPEND);
    if (path) {
        int fd = plain_open(path, O_RDONLY);
        void *shared = mmap(NULL, sizeof *control, PROT_READ, MAP_SHARED, fd, 0);
        if (shared == MAP_FAILED) abort();
        control = shared;
        syscall(SYS_close, fd);
    }
}

static int fails(int error) {
    errno = error;
    return -1;
}

/* Which file of the store a path names, or NONE. */
static int file_of(const char *path) {
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    if (strncmp(name, "larkspur.db", 11)) return NONE;
    if (!name[11]) return 1;
    if (!strcmp(name + 11, "-wal")) return 2;
    return strcmp(name + 11, "-shm") && strcmp(name + 11, ".lock") ? 3 : NONE;
}

static int kind_of(int fd) {
    if (fd < 0 || fd >= FDS) return OTHER;
    if (!kinds[fd]) {
        struct stat found;
        kinds[fd] = !fstat(fd, &found) && S_ISSOCK(found.st_mode) ? SOCKET : OTHER;
    }
    return kinds[fd];
}

static int is_stored(int kind) { return kind >= 1 && kind < FILES; }

static void trace(char kind, int file, uint64_t offset, const struct iovec *parts, int n_parts) {
    if (trace_fd < 0) return;
    int kept = errno;
    struct traced head = {(uint8_t)kind, (uint8_t)file, {0}, 0, offset};
    struct iovec all[1 + 64];
    if (n_parts > 64) n_parts = 64;
    for (int i = 0; i < n_parts; i++) head.bytes += (uint32_t)parts[i].iov_len;
    all[0] = (struct iovec){&head, sizeof head};
    if (n_parts) memcpy(all + 1, parts, (size_t)n_parts * sizeof *parts);
    /* One append is one step, so the lines are in the order in which things happened. */
    syscall(SYS_writev, trace_fd, all, 1 + n_parts);
    errno = kept;
}

/* Remembers what a write or a truncation is about to destroy. */
static void remember(int fd, int file, uint64_t offset, uint64_t bytes, int truncates) {
    struct stat now;
    if (undo_fds[file] < 0) {
        static const char *const files[FILES] = {"", "larkspur.db", "larkspur.db-wal", "larkspur.db-journal"};
        char path[4096];
        snprintf(path, sizeof path, "%s/%s.undo", undo_dir, files[file]);
        undo_fds[file] = plain_open(path, O_WRONLY | O_CREAT | O_APPEND);
    }
    if (fstat(fd, &now) || undo_fds[file] < 0) abort();
    uint64_t size = (uint64_t)now.st_size, end = truncates ? size : offset + bytes;
    struct undo entry = {(uint32_t)truncates, 0, offset, bytes, size, 0};
    if (end > size) end = size;
    if (end > offset) entry.old_bytes = end - offset;
    char *old = malloc(entry.old_bytes + 1);
    /* The platform may have it open for writing only, but SQLite does not. */
    if (!old || syscall(SYS_pread64, fd, old, entry.old_bytes, offset) != (long)entry.old_bytes) abort();
    struct iovec parts[] = {{&entry, sizeof entry}, {old, entry.old_bytes}};
    syscall(SYS_writev, undo_fds[file], parts, 2);
    free(old);
}

static ssize_t stored(int fd, int file, const void *from, size_t bytes, uint64_t offset, int positioned) {
    if (control && control->write_errno) return fails(control->write_errno);
    if (undo_dir) {
        pthread_mutex_lock(&undoing);
        remember(fd, file, offset, bytes, 0);
    }
    ssize_t wrote = positioned ? syscall(SYS_pwrite64, fd, from, bytes, offset) : syscall(SYS_write, fd, from, bytes);
    if (undo_dir) pthread_mutex_unlock(&undoing);
    if (wrote > 0) trace('W', file, offset, &(struct iovec){(void *)from, (size_t)wrote}, 1);
    return wrote;
}

static void sends(int fd, const struct iovec *parts, int n_parts) {
    if (trace_fd >= 0 && kind_of(fd) == SOCKET) trace('A', 0, 0, parts, n_parts);
}

ssize_t write(int fd, const void *from, size_t bytes) {
    int kind = kind_of(fd);
    if (is_stored(kind)) return stored(fd, kind, from, bytes, (uint64_t)lseek(fd, 0, SEEK_CUR), 0);
    sends(fd, &(struct iovec){(void *)from, bytes}, 1);
    return REAL(write)(fd, from, bytes);
}

ssize_t pwrite(int fd, const void *from, size_t bytes, off_t offset) {
    int kind = kind_of(fd);
    if (is_stored(kind)) return stored(fd, kind, from, bytes, (uint64_t)offset, 1);
    return syscall(SYS_pwrite64, fd, from, bytes, offset);
}

ssize_t pwrite64(int fd, const void *from, size_t bytes, off64_t offset) { return pwrite(fd, from, bytes, offset); }

ssize_t writev(int fd, const struct iovec *parts, int n_parts) {
    if (is_stored(kind_of(fd))) abort(); /* SQLite does not; if it ever does, this must learn it */
    sends(fd, parts, n_parts);
    return REAL(writev)(fd, parts, n_parts);
}

ssize_t send(int fd, const void *from, size_t bytes, int flags) {
    sends(fd, &(struct iovec){(void *)from, bytes}, 1);
    return REAL(send)(fd, from, bytes, flags);
}

ssize_t sendto(int fd, const void *from, size_t bytes, int flags, __CONST_SOCKADDR_ARG to, socklen_t to_bytes) {
    sends(fd, &(struct iovec){(void *)from, bytes}, 1);
    return REAL(sendto)(fd, from, bytes, flags, to, to_bytes);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    sends(fd, message->msg_iov, (int)message->msg_iovlen);
    return REAL(sendmsg)(fd, message, flags);
}

static int truncated(int fd, off_t size) {
    int kind = kind_of(fd);
    if (!is_stored(kind)) return (int)syscall(SYS_ftruncate, fd, size);
    if (control && control->write_errno) return fails(control->write_errno);
    if (undo_dir) {
        pthread_mutex_lock(&undoing);
        remember(fd, kind, (uint64_t)size, 0, 1);
    }
    int done = (int)syscall(SYS_ftruncate, fd, size);
    if (undo_dir) pthread_mutex_unlock(&undoing);
    return done;
}

int ftruncate(int fd, off_t size) { return truncated(fd, size); }
int ftruncate64(int fd, off64_t size) { return truncated(fd, size); }

static int synced(int fd, long number) {
    int kind = kind_of(fd);
    if (!is_stored(kind)) return (int)syscall(number, fd);
    if (control && control->sync_errno) return fails(control->sync_errno);
    if (lies) return 0;
    trace('b', kind, 0, NULL, 0);
    if (undo_dir) pthread_mutex_lock(&undoing);
    int done = (int)syscall(number, fd);
    if (undo_dir) {
        if (!done && undo_fds[kind] >= 0) syscall(SYS_ftruncate, undo_fds[kind], 0);
        pthread_mutex_unlock(&undoing);
    }
    if (!done) trace('S', kind, 0, NULL, 0);
    return done;
}

int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

static int opened(int dir, const char *path, int flags, mode_t mode) {
    int file = file_of(path);
    if (file && control && control->open_errno && (flags & O_ACCMODE) != O_RDONLY) return fails(control->open_errno);
    int fd = (int)syscall(SYS_openat, dir, path, flags, mode);
    if (fd >= 0 && fd < FDS) kinds[fd] = (uint8_t)file;
    return fd;
}

#define MODE(flags)                                         \
    mode_t mode = 0;                                        \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {                \
        va_list rest;                                       \
        va_start(rest, flags);                              \
        mode = (mode_t)va_arg(rest, int);                   \
        va_end(rest);                                       \
    }

int open(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int openat(int dir, const char *path, int flags, ...) { MODE(flags) return opened(dir, path, flags, mode); }
int openat64(int dir, const char *path, int flags, ...) { MODE(flags) return opened(dir, path, flags, mode); }

int close(int fd) {
    if (fd >= 0 && fd < FDS) kinds[fd] = 0;
    return REAL(close)(fd);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int done = REAL(clock_gettime)(clock, now);
    if (!done && clock == CLOCK_REALTIME && control) now->tv_sec += control->clock_ms / 1000;
    return done;
}

int connect(int fd, __CONST_SOCKADDR_ARG to, socklen_t bytes) {
    const struct sockaddr *address = to.__sockaddr__;
    struct in_addr public;
    if (stand_in && address->sa_family == AF_INET && inet_pton(AF_INET, stand_in, &public) == 1) {
        struct sockaddr_in there = *(const struct sockaddr_in *)address;
        if (there.sin_addr.s_addr == public.s_addr) {
            there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            return REAL(connect)(fd, (const struct sockaddr *)&there, sizeof there);
        }
    }
    return REAL(connect)(fd, address, bytes);
}

int getaddrinfo(const char *restrict name, const char *restrict service, const struct addrinfo *restrict hints,
                struct addrinfo **restrict found) {
    char known[256], address[64];
    FILE *file = names && name ? fopen(names, "r") : NULL;
    int matches = 0;
    while (file && !matches && fscanf(file, "%255s %63s", known, address) == 2) matches = !strcmp(known, name);
    if (file) fclose(file);
    return REAL(getaddrinfo)(matches ? address : name, service, hints, found);
}
