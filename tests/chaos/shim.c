/* Writes down what SQLite does to its file and its logs, so that a power loss can be made up from it;
 * and plays a full disk.
 *
 * cc -shared -fPIC -O2 -o shim.so shim.c -ldl
 * CHAOS_DB=/path/to/the.db CHAOS_LOG=/path/to/log LD_PRELOAD=./shim.so program
 * CHAOS_DB=/path/to/the.db CHAOS_FULL=/path/to/flag LD_PRELOAD=./shim.so program
 *
 * While the file CHAOS_FULL exists, there is no space for what is written to either.
 * A record is four numbers in the machine's order, then the data:
 *   kind (1 write, 2 truncate, 3 sync, 4 note, 5 unlink), 32 bits,
 *   file (0 database, 1 log, 2 journal, 3 their folder), 32 bits,
 *   offset and length, 64 bits each.
 * A write is recorded before it is done, a sync after it has succeeded: its offset is how long the
 * record was when the sync began, and what was written after that may not be on the disk.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE = 1, TRUNCATE = 2, SYNC = 3, UNLINK = 5 };

struct head {
    uint32_t kind, file;
    uint64_t offset, length;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int record = -1;
static char names[4][4096];
static const char *flag;

__attribute__((constructor)) static void begin(void) {
    const char *db = getenv("CHAOS_DB"), *log = getenv("CHAOS_LOG");
    if (!db) return;
    snprintf(names[0], sizeof names[0], "%s", db);
    snprintf(names[1], sizeof names[1], "%s-wal", db);
    snprintf(names[2], sizeof names[2], "%s-journal", db);
    snprintf(names[3], sizeof names[3], "%s", db);
    *strrchr(names[3], '/') = 0;
    flag = getenv("CHAOS_FULL");
    if (log) record = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* Which of the files is named so, or their folder; -1 for any other. */
static int named(const char *name) {
    for (int file = 0; file < 4; file++)
        if (!strcmp(name, names[file])) return file;
    return -1;
}

static int which(int fd) {
    char link[64], name[4096];
    if (!names[0][0]) return -1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, name, sizeof name - 1);
    if (length < 0) return -1;
    name[length] = 0;
    return named(name);
}

static void put(uint32_t kind, int file, uint64_t offset, uint64_t length, const void *data) {
    if (record < 0) return;
    struct head head = {kind, (uint32_t)file, offset, length};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)data, data ? length : 0}};
    pthread_mutex_lock(&lock);
    if (writev(record, parts, 2) < 0) abort();
    pthread_mutex_unlock(&lock);
}

/* Whether the disk is full for this file. */
static int full(int file) {
    return file >= 0 && flag && !access(flag, F_OK);
}

static uint64_t recorded(void) {
    struct stat found;
    if (record < 0) return 0;
    if (fstat(record, &found)) abort();
    return (uint64_t)found.st_size;
}

#define NEXT(name) __typeof__(name) *next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

#define PWRITE(name, type)                                                   \
    ssize_t name(int fd, const void *data, size_t length, type offset) {     \
        NEXT(name);                                                          \
        int file = which(fd);                                                \
        if (full(file)) {                                                    \
            errno = ENOSPC;                                                  \
            return -1;                                                       \
        }                                                                    \
        if (file >= 0) put(WRITE, file, (uint64_t)offset, length, data);     \
        return next(fd, data, length, offset);                               \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define FTRUNCATE(name, type)                                                \
    int name(int fd, type size) {                                            \
        NEXT(name);                                                          \
        int file = which(fd);                                                \
        if (file >= 0) put(TRUNCATE, file, (uint64_t)size, 0, NULL);         \
        return next(fd, size);                                               \
    }
FTRUNCATE(ftruncate, off_t)
FTRUNCATE(ftruncate64, off64_t)

int unlink(const char *name) {
    NEXT(unlink);
    int file = named(name);
    if (file >= 0) put(UNLINK, file, 0, 0, NULL);
    return next(name);
}

#define FSYNC(name)                                                          \
    int name(int fd) {                                                       \
        NEXT(name);                                                          \
        int file = which(fd);                                                \
        uint64_t upto = file >= 0 ? recorded() : 0;                          \
        int result = next(fd);                                               \
        if (file >= 0 && !result) put(SYNC, file, upto, 0, NULL);            \
        return result;                                                       \
    }
FSYNC(fsync)
FSYNC(fdatasync)
