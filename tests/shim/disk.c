/*
 * A disk under a test's control. This library is preloaded into a node (LD_PRELOAD). It records the node's operations on the files below one
 * folder, and lets operations fail, hang, or kill the process.
 *
 *   SINERGI_DISK_ROOT     the folder; operations on other files are passed through unchanged
 *   SINERGI_DISK_LOG      the file to record operations in, in the order in which they took effect; if unset, nothing is recorded
 *   SINERGI_DISK_CONTROL  a mapped file of RULES rules, which the test changes while the node runs
 *
 * One lock is held for each change of a file, so the records have the order of the changes. It is not held during a sync: its begin and its end
 * are two records, and all changes that were recorded before the begin are on the disk at the end.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* The operations that are recorded and that rules apply to. The same numbers are in tests/src/disk.rs. */
enum op {
    CREATE, OPEN, WRITE, TRUNCATE, RENAME, UNLINK, MKDIR, RMDIR, SYNC_BEGIN, SYNC_END, RANGE_SYNC, START, READ
};

/* Record: this head, then the path (two paths with a zero byte between them for RENAME), then the data of a WRITE. */
struct head {
    uint32_t op;
    uint32_t path_length;
    uint64_t inode;
    uint64_t offset;  /* WRITE: where; TRUNCATE: the new length */
    uint64_t length;  /* of the data */
    int32_t error;    /* SYNC_END: errno or 0 */
    uint32_t process;
};

enum kind { FAIL, HANG, KILL, FULL };

struct rule {
    uint32_t active;
    uint32_t kind;
    uint32_t ops;    /* bits 1 << op */
    int32_t error;   /* FAIL, FULL: errno */
    uint64_t skip;   /* matching operations that are let through first */
    uint64_t times;  /* matching operations after that which the rule is applied to; 0: all */
    uint64_t space;  /* FULL: bytes that can still be written */
    uint64_t hits;   /* times that it was applied */
    char path[192];  /* what the path must contain */
};
enum { RULES = 16 };

static struct rule *rules;
static char root[PATH_MAX];
static size_t root_length;
static int log_file = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ({ static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name); real; })

static int is_watched(const char *path)
{
    return root_length > 0 && strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0);
}

/* The path of an open file, if it is watched. */
static int path_of(int fd, char path[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int saved = errno;
    ssize_t length = root_length > 0 ? readlink(link, path, PATH_MAX - 1) : -1;
    errno = saved;
    if (length <= 0)
        return 0;
    path[length] = 0;
    return is_watched(path);
}

/* The path that a call names, if it is watched. */
static int path_at(int directory, const char *name, char path[PATH_MAX])
{
    char base[PATH_MAX];
    if (root_length == 0)
        return 0;
    if (name[0] == '/')
        snprintf(path, PATH_MAX, "%s", name);
    else if (directory != AT_FDCWD && path_of(directory, base))
        snprintf(path, PATH_MAX, "%.*s/%s", PATH_MAX / 2, base, name);
    else if (directory == AT_FDCWD && getcwd(base, sizeof base))
        snprintf(path, PATH_MAX, "%.*s/%s", PATH_MAX / 2, base, name);
    else
        return 0;
    return is_watched(path);
}

static void record(enum op op, const char *path, size_t path_length, uint64_t inode, uint64_t offset, const void *data,
                   size_t length, int error)
{
    if (log_file < 0)
        return;
    int saved = errno;
    struct head head = { op, (uint32_t)path_length, inode, offset, length, error, (uint32_t)getpid() };
    struct iovec parts[] = { { &head, sizeof head }, { (void *)path, path_length }, { (void *)data, length } };
    size_t whole = sizeof head + path_length + length;
    if (REAL(writev)(log_file, parts, 3) != (ssize_t)whole) {
        static const char what[] = "disk.c: the record of file operations cannot be written\n";
        (void)!REAL(write)(2, what, sizeof what - 1);
        abort();
    }
    errno = saved;
}

static uint64_t inode_of(int fd)
{
    struct stat status;
    int saved = errno;
    uint64_t inode = fstat(fd, &status) == 0 ? status.st_ino : 0;
    errno = saved;
    return inode;
}

/* Applies the rules to an operation. Returns 0 if it may be done, -1 with errno if it fails. `grows`: by how many bytes a write makes
 * the file longer; less afterwards, if there is room for less. */
static int judge(enum op op, const char *path, size_t *grows)
{
    for (int nth = 0; rules && nth < RULES; nth++) {
        struct rule *rule = &rules[nth];
        if (!__atomic_load_n(&rule->active, __ATOMIC_ACQUIRE) || !(rule->ops & 1u << op) || !strstr(path, rule->path))
            continue;
        uint64_t skip = __atomic_load_n(&rule->skip, __ATOMIC_RELAXED);
        while (skip > 0 && !__atomic_compare_exchange_n(&rule->skip, &skip, skip - 1, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            ;
        if (skip > 0)
            continue;
        if (rule->kind == FULL && grows) {
            uint64_t space = __atomic_load_n(&rule->space, __ATOMIC_RELAXED);
            size_t fits = space < *grows ? space : *grows;
            __atomic_fetch_sub(&rule->space, fits, __ATOMIC_RELAXED);
            if (fits > 0 || *grows == 0) {
                *grows = fits;
                continue;
            }
        }
        uint64_t hit = __atomic_add_fetch(&rule->hits, 1, __ATOMIC_ACQ_REL);
        if (rule->times > 0 && hit > rule->times) {
            __atomic_fetch_sub(&rule->hits, 1, __ATOMIC_ACQ_REL);
            continue;
        }
        if (rule->kind == KILL) {
            /* Takes the lock if it is not held already, so that no operation is done and not recorded. */
            if (1u << op & (1u << WRITE | 1u << SYNC_BEGIN | 1u << RANGE_SYNC | 1u << READ))
                pthread_mutex_lock(&lock);
            kill(getpid(), SIGKILL);
        }
        while (rule->kind == HANG && __atomic_load_n(&rule->active, __ATOMIC_ACQUIRE))
            usleep(2000);
        if (rule->kind == FAIL || rule->kind == FULL) {
            errno = rule->error;
            return -1;
        }
    }
    return 0;
}

__attribute__((constructor)) static void start(void)
{
    const char *folder = getenv("SINERGI_DISK_ROOT"), *log = getenv("SINERGI_DISK_LOG");
    const char *control = getenv("SINERGI_DISK_CONTROL");
    if (!folder)
        return;
    if (log) {
        int fd = REAL(open)(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        /* A high number, so that the program's own file descriptors keep their numbers. */
        log_file = fcntl(fd, F_DUPFD_CLOEXEC, 1000);
        if (log_file < 0)
            abort();
        REAL(close)(fd);
    }
    if (control) {
        int fd = REAL(open)(control, O_RDWR | O_CLOEXEC);
        void *mapped = mmap(NULL, RULES * sizeof *rules, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (fd < 0 || mapped == MAP_FAILED)
            abort();
        rules = mapped;
        REAL(close)(fd);
    }
    snprintf(root, sizeof root, "%s", folder);
    root_length = strlen(root);
    record(START, root, root_length, 0, 0, NULL, 0, 0);
}

/* ---- opening ---- */

static int open_file(int directory, const char *name, int flags, mode_t mode)
{
    char path[PATH_MAX];
    int writes = (flags & O_ACCMODE) != O_RDONLY || flags & (O_CREAT | O_TRUNC);
    if (!path_at(directory, name, path) || !writes)
        return REAL(openat)(directory, name, flags, mode);
    pthread_mutex_lock(&lock);
    struct stat status;
    int saved = errno;
    int is_new = flags & O_CREAT && fstatat(directory, name, &status, 0) != 0;
    errno = saved;
    int fd = judge(is_new ? CREATE : OPEN, path, NULL);
    if (fd == 0)
        fd = REAL(openat)(directory, name, flags, mode);
    if (fd >= 0) {
        uint64_t inode = inode_of(fd);
        record(is_new ? CREATE : OPEN, path, strlen(path), inode, 0, NULL, 0, 0);
        if (!is_new && flags & O_TRUNC)
            record(TRUNCATE, path, strlen(path), inode, 0, NULL, 0, 0);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

static mode_t mode_of(int flags, va_list list)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
}

#define WITH_MODE(call) \
    va_list list; va_start(list, flags); mode_t mode = mode_of(flags, list); va_end(list); return call

int open(const char *name, int flags, ...) { WITH_MODE(open_file(AT_FDCWD, name, flags, mode)); }
int open64(const char *name, int flags, ...) { WITH_MODE(open_file(AT_FDCWD, name, flags | O_LARGEFILE, mode)); }
int openat(int directory, const char *name, int flags, ...) { WITH_MODE(open_file(directory, name, flags, mode)); }
int openat64(int directory, const char *name, int flags, ...) { WITH_MODE(open_file(directory, name, flags | O_LARGEFILE, mode)); }
int creat(const char *name, mode_t mode) { return open_file(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *name, mode_t mode) { return open_file(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode); }

/* ---- writing; `offset` < 0: at the file's own position ---- */

static ssize_t write_file(int fd, const void *data, size_t length, off64_t offset)
{
    char path[PATH_MAX];
    if (!path_of(fd, path))
        return offset < 0 ? REAL(write)(fd, data, length) : REAL(pwrite64)(fd, data, length, offset);
    struct stat64 status;
    off64_t at = offset;
    if (offset < 0)
        at = fcntl(fd, F_GETFL) & O_APPEND ? lseek64(fd, 0, SEEK_END) : lseek64(fd, 0, SEEK_CUR);
    size_t grows = length;
    if (fstat64(fd, &status) == 0 && at < status.st_size)
        grows = (size_t)(status.st_size - at) < length ? length - (size_t)(status.st_size - at) : 0;
    size_t room = grows;
    /* The lock is not held here, so that a disk that hangs delays only this write. */
    if (judge(WRITE, path, &room) != 0)
        return -1;
    length -= grows - room;
    pthread_mutex_lock(&lock);
    ssize_t written = offset < 0 ? REAL(write)(fd, data, length) : REAL(pwrite64)(fd, data, length, offset);
    if (written > 0)
        record(WRITE, path, strlen(path), inode_of(fd), (uint64_t)at, data, (size_t)written, 0);
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t write(int fd, const void *data, size_t length) { return write_file(fd, data, length, -1); }
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return write_file(fd, data, length, offset); }
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) { return write_file(fd, data, length, offset); }

/* Writes one part at a time. Every caller must expect a short write anyway. */
static ssize_t write_parts(int fd, const struct iovec *parts, int count, off64_t offset)
{
    ssize_t total = 0;
    for (int nth = 0; nth < count; nth++) {
        ssize_t written = write_file(fd, parts[nth].iov_base, parts[nth].iov_len, offset < 0 ? -1 : offset + total);
        if (written < 0)
            return total > 0 ? total : -1;
        total += written;
        if ((size_t)written < parts[nth].iov_len)
            break;
    }
    return total;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    char path[PATH_MAX];
    return path_of(fd, path) ? write_parts(fd, parts, count, -1) : REAL(writev)(fd, parts, count);
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    char path[PATH_MAX];
    return path_of(fd, path) ? write_parts(fd, parts, count, offset) : REAL(pwritev)(fd, parts, count, offset);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset)
{
    char path[PATH_MAX];
    return path_of(fd, path) ? write_parts(fd, parts, count, offset) : REAL(pwritev64)(fd, parts, count, offset);
}

/* A node uses none of these ways to write. They fail on watched files, so that no write is missed. */
#define REFUSED(fd, call) char path[PATH_MAX]; if (path_of(fd, path)) { errno = EOPNOTSUPP; return -1; } return call
ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t length, unsigned flags)
{
    REFUSED(to, REAL(copy_file_range)(from, from_at, to, to_at, length, flags));
}
ssize_t sendfile(int to, int from, off_t *offset, size_t length);
ssize_t sendfile(int to, int from, off_t *offset, size_t length) { REFUSED(to, REAL(sendfile)(to, from, offset, length)); }
ssize_t sendfile64(int to, int from, off64_t *offset, size_t length);
ssize_t sendfile64(int to, int from, off64_t *offset, size_t length) { REFUSED(to, REAL(sendfile64)(to, from, offset, length)); }
int fallocate(int fd, int mode, off_t offset, off_t length) { REFUSED(fd, REAL(fallocate)(fd, mode, offset, length)); }
int fallocate64(int fd, int mode, off64_t offset, off64_t length) { REFUSED(fd, REAL(fallocate64)(fd, mode, offset, length)); }
int posix_fallocate(int fd, off_t offset, off_t length)
{
    char path[PATH_MAX];
    return path_of(fd, path) ? EOPNOTSUPP : REAL(posix_fallocate)(fd, offset, length);
}
int posix_fallocate64(int fd, off64_t offset, off64_t length)
{
    char path[PATH_MAX];
    return path_of(fd, path) ? EOPNOTSUPP : REAL(posix_fallocate64)(fd, offset, length);
}
int truncate(const char *name, off_t length)
{
    char path[PATH_MAX];
    if (path_at(AT_FDCWD, name, path)) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return REAL(truncate)(name, length);
}

int ftruncate64(int fd, off64_t length)
{
    char path[PATH_MAX];
    if (!path_of(fd, path))
        return REAL(ftruncate64)(fd, length);
    pthread_mutex_lock(&lock);
    int result = judge(TRUNCATE, path, NULL);
    if (result == 0)
        result = REAL(ftruncate64)(fd, length);
    if (result == 0)
        record(TRUNCATE, path, strlen(path), inode_of(fd), (uint64_t)length, NULL, 0, 0);
    pthread_mutex_unlock(&lock);
    return result;
}
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

/* ---- reading: never recorded, but it may fail ---- */

ssize_t pread64(int fd, void *data, size_t length, off64_t offset)
{
    char path[PATH_MAX];
    if (path_of(fd, path) && judge(READ, path, NULL) != 0)
        return -1;
    return REAL(pread64)(fd, data, length, offset);
}
ssize_t pread(int fd, void *data, size_t length, off_t offset) { return pread64(fd, data, length, offset); }
ssize_t read(int fd, void *data, size_t length)
{
    char path[PATH_MAX];
    if (path_of(fd, path) && judge(READ, path, NULL) != 0)
        return -1;
    return REAL(read)(fd, data, length);
}

/* ---- syncing ---- */

static int sync_file(int fd, int (*real)(int))
{
    char path[PATH_MAX];
    if (!path_of(fd, path))
        return real(fd);
    uint64_t inode = inode_of(fd);
    pthread_mutex_lock(&lock);
    record(SYNC_BEGIN, path, strlen(path), inode, 0, NULL, 0, 0);
    pthread_mutex_unlock(&lock);
    int result = judge(SYNC_BEGIN, path, NULL);
    if (result == 0)
        result = real(fd);
    pthread_mutex_lock(&lock);
    record(SYNC_END, path, strlen(path), inode, 0, NULL, 0, result == 0 ? 0 : errno);
    pthread_mutex_unlock(&lock);
    return result;
}

int fsync(int fd) { return sync_file(fd, REAL(fsync)); }
int fdatasync(int fd) { return sync_file(fd, REAL(fdatasync)); }

/* Starts writing pages to the disk and may wait for them. It flushes neither the disk's cache nor metadata, so it makes nothing durable. */
int sync_file_range(int fd, off64_t offset, off64_t length, unsigned flags)
{
    char path[PATH_MAX];
    if (!path_of(fd, path))
        return REAL(sync_file_range)(fd, offset, length, flags);
    int result = judge(RANGE_SYNC, path, NULL);
    if (result == 0)
        result = REAL(sync_file_range)(fd, offset, length, flags);
    pthread_mutex_lock(&lock);
    record(RANGE_SYNC, path, strlen(path), inode_of(fd), (uint64_t)offset, NULL, 0, result == 0 ? 0 : errno);
    pthread_mutex_unlock(&lock);
    return result;
}

/* ---- names ---- */

static int change_name(enum op op, int directory, const char *name, int (*real)(int, const char *, unsigned), unsigned with)
{
    char path[PATH_MAX];
    if (!path_at(directory, name, path))
        return real(directory, name, with);
    pthread_mutex_lock(&lock);
    int result = judge(op, path, NULL);
    if (result == 0)
        result = real(directory, name, with);
    if (result == 0)
        record(op, path, strlen(path), 0, 0, NULL, 0, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

static int real_unlink(int directory, const char *name, unsigned with) { return REAL(unlinkat)(directory, name, (int)with); }
static int real_mkdir(int directory, const char *name, unsigned with) { return REAL(mkdirat)(directory, name, with); }

int unlinkat(int directory, const char *name, int flags)
{
    return change_name(flags & AT_REMOVEDIR ? RMDIR : UNLINK, directory, name, real_unlink, (unsigned)flags);
}
int unlink(const char *name) { return change_name(UNLINK, AT_FDCWD, name, real_unlink, 0); }
int rmdir(const char *name) { return change_name(RMDIR, AT_FDCWD, name, real_unlink, AT_REMOVEDIR); }
int mkdirat(int directory, const char *name, mode_t mode) { return change_name(MKDIR, directory, name, real_mkdir, mode); }
int mkdir(const char *name, mode_t mode) { return change_name(MKDIR, AT_FDCWD, name, real_mkdir, mode); }

int renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags)
{
    char both[2 * PATH_MAX], path[PATH_MAX];
    if (!path_at(from_directory, from, both) || !path_at(to_directory, to, path))
        return REAL(renameat2)(from_directory, from, to_directory, to, flags);
    size_t length = strlen(both) + 1;
    strcpy(both + length, path);
    length += strlen(path);
    pthread_mutex_lock(&lock);
    int result = judge(RENAME, both, NULL);
    if (result == 0)
        result = REAL(renameat2)(from_directory, from, to_directory, to, flags);
    if (result == 0)
        record(RENAME, both, length, 0, 0, NULL, 0, 0);
    pthread_mutex_unlock(&lock);
    return result;
}
int renameat(int from_directory, const char *from, int to_directory, const char *to)
{
    return renameat2(from_directory, from, to_directory, to, 0);
}
int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }

/* A node makes no hard links. */
int linkat(int from_directory, const char *from, int to_directory, const char *to, int flags)
{
    char path[PATH_MAX];
    if (path_at(to_directory, to, path)) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return REAL(linkat)(from_directory, from, to_directory, to, flags);
}
int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }
