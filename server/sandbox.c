#define _GNU_SOURCE /* O_PATH, syscall */

#include "server/sandbox.h"

#include "server/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_POSSIBLE false
#else
#define SANDBOX_POSSIBLE true
#endif

#if defined(__x86_64__)
#define THIS_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

/* What no request, reload or store needs: a program started, another process looked into, the system changed.
 */
static const int forbidden_calls[] = {
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_unshare,
    SYS_setns,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_settimeofday,
    SYS_setuid,
    SYS_setgid,
    SYS_setreuid,
    SYS_setregid,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setgroups,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_quotactl,
    SYS_acct,
    SYS_clock_settime,
    SYS_open_by_handle_at,
    SYS_io_uring_setup,
    SYS_personality,
    SYS_listen,
    SYS_mknodat,
    SYS_fchmodat,
    SYS_fchownat,
    SYS_linkat,
    SYS_symlinkat,
    SYS_syslog,
    SYS_pidfd_getfd,
};

#define FORBIDDEN_COUNT (sizeof(forbidden_calls) / sizeof(forbidden_calls[0]))

#define READING (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITING (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG)
#define EVERYTHING                                                                               \
    (READING | WRITING | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_REMOVE_DIR |            \
     LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_SOCK | \
     LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)

/* What libraries read as they go: their own code, the resolver's files, certificates, the system's state. */
static const char *const read_by_libraries[] = {"/usr",  "/lib", "/lib64", "/etc",
                                                "/proc", "/sys", "/dev",   "/run"};

static bool allow(int rules, const char *path, uint64_t access)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = access,
                                              .parent_fd = open(path, O_PATH | O_CLOEXEC)};
    if (rule.parent_fd < 0) {
        return errno == ENOENT;
    }
    bool added = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
    close(rule.parent_fd);
    return added;
}

/* The directory that a file is in: where the file is replaced, the new one is there too. */
static bool allow_around(int rules, const char *path, uint64_t access)
{
    char directory[PATH_MAX] = ".";
    const char *slash = path == NULL ? NULL : strrchr(path, '/');
    if (path == NULL) {
        return true;
    }
    if (slash != NULL && (size_t)(slash - path) < sizeof(directory)) {
        size_t length = slash == path ? 1 : (size_t)(slash - path);
        memcpy(directory, path, length);
        directory[length] = '\0';
    }
    return allow(rules, directory, access);
}

static bool allow_store(int rules, const char *store)
{
    static const char sqlite[] = "sqlite:";
    const char *home = getenv("HOME");
    if (store == NULL || strncmp(store, sqlite, sizeof(sqlite) - 1) != 0) {
        return home == NULL || allow(rules, home, READING); /* libpq's certificates and passwords */
    }
    const char *path = store + sizeof(sqlite) - 1;
    return path[0] == ':' || allow_around(rules, path, READING | WRITING);
}

static bool allow_needed(int rules, const struct config *config)
{
    bool allowed = true;
    for (size_t i = 0; i < sizeof(read_by_libraries) / sizeof(read_by_libraries[0]); i++) {
        allowed = allowed && allow(rules, read_by_libraries[i], READING);
    }
    return allowed &&
           allow(rules, "/dev/null", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE) &&
           allow_around(rules, config->tokens, READING) && allow_around(rules, config->tls_cert, READING) &&
           allow_around(rules, config->tls_key, READING) && allow_store(rules, config->store);
}

static bool restrict_files(const struct config *config)
{
    const struct landlock_ruleset_attr attributes = {.handled_access_fs = EVERYTHING};
    int rules = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
    if (rules < 0) {
        return false;
    }
    bool restricted = allow_needed(rules, config) && syscall(SYS_landlock_restrict_self, rules, 0) == 0;
    close(rules);
    return restricted;
}

#ifdef THIS_ARCHITECTURE
static bool restrict_calls(void)
{
    struct sock_filter filter[FORBIDDEN_COUNT + 6] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCHITECTURE, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    size_t count = 4;
    for (size_t i = 0; i < FORBIDDEN_COUNT; i++) {
        uint8_t to_refusal = (uint8_t)(FORBIDDEN_COUNT - i);
        filter[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                       (uint32_t)forbidden_calls[i], to_refusal, 0);
    }
    filter[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    const struct sock_fprog program = {.len = (unsigned short)count, .filter = filter};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}
#else
static bool restrict_calls(void)
{
    errno = ENOSYS;
    return false;
}
#endif

/* Both need it: else a program that is started with more rights would be bound too. */
static bool give_up_privileges(void)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

void sandbox_files(const struct config *config)
{
    if (SANDBOX_POSSIBLE && (!give_up_privileges() || !restrict_files(config))) {
        log_message(LOG_info, "files are not out of reach: Landlock: %s", strerror(errno));
    }
}

void sandbox_calls(void)
{
    if (SANDBOX_POSSIBLE && (!give_up_privileges() || !restrict_calls())) {
        log_message(LOG_info, "system calls are not restricted: seccomp: %s", strerror(errno));
    }
}
