/* Stands between a process and its disk (LD_PRELOAD): counts, logs, fails or kills at the k-th call.
 *
 * Only calls on files below one folder count. The process arms it for itself, after it was forked:
 * every write, sync, rename, removal and creation, those of SQLite's own C code included.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum { COUNT, KILL, FAIL_ONCE, FAIL_EVER };

static char root[PATH_MAX];
static size_t root_length;
static int mode, error_number, log_fd = -1, with_reads;
static long calls, at;

void disk_arm(const char *folder, int how, long call, int error, int log, int reads) {
    snprintf(root, sizeof root, "%s", folder);
    root_length = strlen(root);
    mode = how, at = call, error_number = error, log_fd = log, with_reads = reads, calls = 0;
}
void disk_disarm(void) { root_length = 0; }
long disk_calls(void) { return calls; }

static void put(const void *data, size_t size) {
    const char *from = data;
    while (size) {
        long done = syscall(SYS_write, log_fd, from, size);
        if (done <= 0) return;
        from += done, size -= (size_t)done;
    }
}
/* One record: kind, two paths, offset, length, bytes. */
static void record(char kind, const char *path, const char *other, long offset, const void *data, size_t size) {
    if (log_fd < 0) return;
    unsigned int lengths[2] = {(unsigned)strlen(path), (unsigned)strlen(other)};
    long numbers[2] = {offset, (long)size};
    put(&kind, 1), put(lengths, sizeof lengths), put(numbers, sizeof numbers);
    put(path, lengths[0]), put(other, lengths[1]);
    if (data) put(data, size);
}
void disk_mark(const char *text) {
    if (root_length) record('M', text, "", 0, NULL, 0);
}
static int inside(const char *path) {
    return root_length && !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}
static int of_descriptor(int fd, char *path) {
    if (!root_length) return 0;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return inside(path);
}
static int of_entry(int folder, const char *name, char *path) {
    if (!root_length) return 0;
    if (name[0] == '/' || folder == AT_FDCWD) snprintf(path, PATH_MAX, "%s", name);
    else {
        if (!of_descriptor(folder, path)) return 0;
        size_t length = strlen(path);
        snprintf(path + length, PATH_MAX - length, "/%s", name);
    }
    return inside(path);
}
/* Count one call; return whether it has to fail. */
static int step(void) {
    calls++;
    if (mode == KILL && calls == at) kill(getpid(), SIGKILL);
    if ((mode == FAIL_ONCE && calls == at) || (mode == FAIL_EVER && calls >= at)) {
        errno = error_number;
        return 1;
    }
    return 0;
}

static int open_entry(int folder, const char *name, int flags, mode_t rights) {
    char path[PATH_MAX];
    if ((flags & (O_CREAT | O_TRUNC)) && of_entry(folder, name, path)) {
        int is_new = syscall(SYS_faccessat, AT_FDCWD, path, F_OK) != 0;
        if (is_new || (flags & O_TRUNC)) {
            if (step()) return -1;
            int fd = (int)syscall(SYS_openat, folder, name, flags, rights);
            if (fd >= 0) record(is_new ? 'C' : 'T', path, "", 0, NULL, 0);
            return fd;
        }
    }
    return (int)syscall(SYS_openat, folder, name, flags, rights);
}
#define RIGHTS \
    mode_t rights = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); rights = va_arg(rest, mode_t); va_end(rest); }
int open(const char *name, int flags, ...) { RIGHTS return open_entry(AT_FDCWD, name, flags, rights); }
int open64(const char *name, int flags, ...) { RIGHTS return open_entry(AT_FDCWD, name, flags, rights); }
int openat(int folder, const char *name, int flags, ...) { RIGHTS return open_entry(folder, name, flags, rights); }
int openat64(int folder, const char *name, int flags, ...) { RIGHTS return open_entry(folder, name, flags, rights); }

ssize_t write(int fd, const void *data, size_t size) {
    char path[PATH_MAX];
    if (!of_descriptor(fd, path)) return syscall(SYS_write, fd, data, size);
    if (step()) return -1;
    long offset = syscall(SYS_lseek, fd, 0L, SEEK_CUR);
    ssize_t done = syscall(SYS_write, fd, data, size);
    if (done > 0) record('W', path, "", offset, data, (size_t)done);
    return done;
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    char path[PATH_MAX];
    int counts = of_descriptor(fd, path);
    if (counts && step()) return -1;
    ssize_t done = syscall(SYS_pwrite64, fd, data, size, offset);
    if (counts && done > 0) record('W', path, "", offset, data, (size_t)done);
    return done;
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return pwrite64(fd, data, size, offset); }
ssize_t read(int fd, void *data, size_t size) {
    char path[PATH_MAX];
    if (with_reads && of_descriptor(fd, path) && step()) return -1;
    return syscall(SYS_read, fd, data, size);
}
ssize_t pread64(int fd, void *data, size_t size, off64_t offset) {
    char path[PATH_MAX];
    if (with_reads && of_descriptor(fd, path) && step()) return -1;
    return syscall(SYS_pread64, fd, data, size, offset);
}
ssize_t pread(int fd, void *data, size_t size, off_t offset) { return pread64(fd, data, size, offset); }
static int synced(int fd, long number) {
    char path[PATH_MAX];
    int counts = of_descriptor(fd, path);
    if (counts && step()) return -1;
    int answer = (int)syscall(number, fd);
    if (counts && !answer) record('S', path, "", 0, NULL, 0);
    return answer;
}
int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }
int ftruncate64(int fd, off64_t size) {
    char path[PATH_MAX];
    int counts = of_descriptor(fd, path);
    if (counts && step()) return -1;
    int answer = (int)syscall(SYS_ftruncate, fd, size);
    if (counts && !answer) record('L', path, "", size, NULL, 0);
    return answer;
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }
int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    char old[PATH_MAX], new[PATH_MAX];
    int counts = of_entry(from_folder, from, old) && of_entry(to_folder, to, new);
    if (counts && step()) return -1;
    int answer = (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, 0);
    if (counts && !answer) record('R', old, new, 0, NULL, 0);
    return answer;
}
int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }
int unlinkat(int folder, const char *name, int flags) {
    char path[PATH_MAX];
    int counts = of_entry(folder, name, path);
    if (counts && step()) return -1;
    int answer = (int)syscall(SYS_unlinkat, folder, name, flags);
    if (counts && !answer) record('U', path, "", 0, NULL, 0);
    return answer;
}
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }
int mkdir(const char *name, mode_t rights) {
    char path[PATH_MAX];
    int counts = of_entry(AT_FDCWD, name, path);
    if (counts && step()) return -1;
    int answer = (int)syscall(SYS_mkdirat, AT_FDCWD, name, rights);
    if (counts && !answer) record('D', path, "", 0, NULL, 0);
    return answer;
}
