// What a compiler of Python apps may not notice of the machine and the hour it runs at: preloaded (LD_PRELOAD) into
// componentize-py's process, whose result is an interpreter's memory. Random numbers follow from WHERRY_STILL, the clock stands
// still but for waits, files have no age and folders are in alphabetical order.
//
// Of the compiler's calls of the kernel some are its own instructions, so those are caught there (seccomp): the kernel sends
// SIGSYS instead, and what answers is here. The other functions never reach the kernel, or need not be caught there.
//
// `make still` compiles it to still-x86_64.so and still-aarch64.so; tests/appbuild/test_still.py compares.

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define MILLION 1000000ll

// kernel(number, five arguments): the one place from where the kernel is asked what is caught elsewhere.
long kernel(long number, ...) __attribute__((visibility("hidden")));
extern const char kernel_answers[] __attribute__((visibility("hidden")));
#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#define ARGUMENT(context, n) (context)->uc_mcontext.gregs[(const int[]){REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8}[n]]
#define RESULT(context) (context)->uc_mcontext.gregs[REG_RAX]
__asm__(".text\n.hidden kernel, kernel_answers\n.globl kernel, kernel_answers\n.type kernel, @function\n"
        "kernel: mov %rdi, %rax\n mov %rsi, %rdi\n mov %rdx, %rsi\n mov %rcx, %rdx\n mov %r8, %r10\n mov %r9, %r8\n syscall\n"
        "kernel_answers: ret\n");
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#define ARGUMENT(context, n) (context)->uc_mcontext.regs[n]
#define RESULT(context) (context)->uc_mcontext.regs[0]
__asm__(".text\n.hidden kernel, kernel_answers\n.globl kernel, kernel_answers\n.type kernel, @function\n"
        "kernel: mov x8, x0\n mov x0, x1\n mov x1, x2\n mov x2, x3\n mov x3, x4\n mov x4, x5\n svc #0\n"
        "kernel_answers: ret\n");
#endif

static const long long HOUR = 315532800000000000ll; // nanoseconds: 1980, the first year that zip archives know
static _Atomic long long began, waited;             // nanoseconds
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static char seed[64];

int wherry_still; // whether all of this holds

ssize_t getrandom(void *buffer, size_t size, unsigned flags) {
    for (size_t i = 0; i < size; i++)
        ((char *)buffer)[i] = seed[i % sizeof seed];
    return (ssize_t)size;
}

// The monotonic clock begins with the machine's own: the kernel waits until absolute times.
int clock_gettime(clockid_t clock, struct timespec *time) {
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)
        return REAL(clock_gettime)(clock, time);
    if (clock == CLOCK_MONOTONIC && began == 0) {
        struct timespec now;
        if (REAL(clock_gettime)(clock, &now))
            return -1;
        long long none = 0;
        __atomic_compare_exchange_n((long long *)&began, &none, now.tv_sec * 1000 * MILLION + now.tv_nsec, 0, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST);
    }
    long long now = (clock == CLOCK_REALTIME ? HOUR : began) + waited;
    time->tv_sec = now / (1000 * MILLION);
    time->tv_nsec = now % (1000 * MILLION);
    return 0;
}

// An app that sleeps while it is imported wakes.
int epoll_wait(int epoll, struct epoll_event *events, int most, int milliseconds) {
    int found = REAL(epoll_wait)(epoll, events, most, milliseconds);
    if (found == 0 && milliseconds > 0)
        waited += milliseconds * MILLION;
    return found;
}

// A file's number: how many were asked for before it.
static unsigned long long number_of(const struct statx *file) {
    static struct known {
        unsigned long long inode;
        unsigned major, minor;
    } *known;
    static size_t count;
    pthread_mutex_lock(&lock);
    size_t i = 0;
    while (i < count &&
           (known[i].inode != file->stx_ino || known[i].major != file->stx_dev_major || known[i].minor != file->stx_dev_minor))
        i++;
    if (i == count) {
        if (!(known = realloc(known, ++count * sizeof *known)))
            abort();
        known[i] = (struct known){file->stx_ino, file->stx_dev_major, file->stx_dev_minor};
    }
    pthread_mutex_unlock(&lock);
    return i + 1;
}

// Files that tell how many processors there are: not on each machine the same ones.
static int of_the_kernel(int folder, const char *path) {
    struct statfs found;
    if (path && strncmp(path, "/sys/", 5) == 0)
        return 1;
    if (path && *path ? statfs(path, &found) : fstatfs(folder, &found))
        return 0;
    return found.f_type == PROC_SUPER_MAGIC || found.f_type == SYSFS_MAGIC || found.f_type == CGROUP_SUPER_MAGIC ||
           found.f_type == CGROUP2_SUPER_MAGIC;
}

// What file systems say in ways of their own is left out.
static long about_a_file(int folder, const char *path, long flags, long mask, struct statx *found) {
    long failed = kernel(SYS_statx, folder, path, flags, mask, found);
    if (failed)
        return failed;
    const struct statx_timestamp never = {0};
    found->stx_atime = found->stx_btime = found->stx_ctime = found->stx_mtime = never;
    found->stx_ino = of_the_kernel(folder, path) ? 0 : number_of(found);
    found->stx_dev_major = found->stx_dev_minor = 0;
    found->stx_blocks = found->stx_attributes = found->stx_attributes_mask = 0;
    found->stx_mask = STATX_BASIC_STATS;
    found->stx_nlink = 1;
    found->stx_blksize = 4096;
    if (S_ISDIR(found->stx_mode))
        found->stx_size = 0;
    return 0;
}

// An open folder's entries, by name.
struct reading {
    struct dirent64 **entries;
    size_t count, position;
};

static int by_name(const void *a, const void *b) {
    return strcmp((*(struct dirent64 *const *)a)->d_name, (*(struct dirent64 *const *)b)->d_name);
}

static long read_all(struct reading *reading, int file) {
    static _Alignas(struct dirent64) char buffer[1 << 15];
    long size;
    while ((size = kernel(SYS_getdents64, file, buffer, sizeof buffer)) > 0)
        for (long at = 0; at < size;) {
            const struct dirent64 *entry = (const struct dirent64 *)(buffer + at);
            struct dirent64 *copy = malloc(entry->d_reclen);
            reading->entries = realloc(reading->entries, (reading->count + 1) * sizeof entry);
            if (!copy || !reading->entries)
                abort();
            reading->entries[reading->count++] = memcpy(copy, entry, entry->d_reclen);
            at += entry->d_reclen;
        }
    if (reading->count)
        qsort(reading->entries, reading->count, sizeof *reading->entries, by_name);
    return size;
}

// A folder that stands at its beginning is new, or read anew. One that was read has been read to its end.
static long entries_of(int file, char *buffer, size_t size) {
    static struct reading *all;
    static int count;
    off_t stands = lseek(file, 0, SEEK_CUR);
    if (stands < 0)
        return kernel(SYS_getdents64, file, buffer, size); // which says what is wrong
    pthread_mutex_lock(&lock);
    if (file >= count) {
        if (!(all = realloc(all, (size_t)(file + 1) * sizeof *all)))
            abort();
        memset(all + count, 0, (size_t)(file + 1 - count) * sizeof *all);
        count = file + 1;
    }
    struct reading *reading = all + file;
    long failed = 0;
    if (stands == 0) {
        while (reading->count)
            free(reading->entries[--reading->count]);
        free(reading->entries);
        *reading = (struct reading){0};
        failed = read_all(reading, file);
    }
    size_t used = 0;
    for (; !failed && reading->position < reading->count; reading->position++) {
        struct dirent64 *entry = reading->entries[reading->position];
        if (used + entry->d_reclen > size) {
            failed = used ? 0 : -EINVAL;
            break;
        }
        memcpy(buffer + used, entry, entry->d_reclen);
        used += entry->d_reclen;
    }
    pthread_mutex_unlock(&lock);
    return failed ? failed : (long)used;
}

static void answer(int signal, siginfo_t *asked, void *state) {
    ucontext_t *context = state;
    long a = (long)ARGUMENT(context, 0), b = (long)ARGUMENT(context, 1), c = (long)ARGUMENT(context, 2);
    long d = (long)ARGUMENT(context, 3), e = (long)ARGUMENT(context, 4), result = -ENOSYS;
    int error = errno;
    if (asked->si_syscall == SYS_getrandom)
        result = getrandom((void *)a, (size_t)b, 0);
    else if (asked->si_syscall == SYS_statx)
        result = about_a_file((int)a, (const char *)b, c, d, (struct statx *)e);
    else if (asked->si_syscall == SYS_getdents64)
        result = entries_of((int)a, (char *)b, (size_t)c);
    errno = error;
    RESULT(context) = result;
}

__attribute__((constructor)) static void begin(void) {
    const unsigned long here = (unsigned long)kernel_answers;
#define FIELD(name) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, name))
#define IF(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
    struct sock_filter steps[] = {
        FIELD(arch), IF(ARCHITECTURE, 0, 8),
        FIELD(nr), IF(SYS_getrandom, 2, 0), IF(SYS_statx, 1, 0), IF(SYS_getdents64, 0, 5),
        FIELD(instruction_pointer), IF((unsigned)here, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4), IF((unsigned)(here >> 32), 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof steps / sizeof *steps, steps};
    struct sigaction action = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO};
    const char *given = getenv("WHERRY_STILL");
    if (given)
        memcpy(seed, given, strnlen(given, sizeof seed));
    unsetenv("LD_PRELOAD");
    wherry_still = !sigaction(SIGSYS, &action, NULL) && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
                   !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}
