/* CPU quotas and memory limits of control groups, read from a directory made for the test. */
#include "server/machine.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64];

static int make_root(void **unused)
{
    (void)unused;
    strcpy(root, "/tmp/test_machine_XXXXXX");
    return mkdtemp(root) == NULL;
}

static int remove_root(void **unused)
{
    char command[128];
    (void)unused;
    snprintf(command, sizeof(command), "rm -rf '%s'", root);
    return system(command);
}

/* Writes a file under the root, and its directories. */
static void put(const char *path, const char *text)
{
    char full[PATH_MAX];
    snprintf(full, sizeof(full), "%s/%s", root, path);
    for (char *slash = strchr(full + strlen(root) + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void without_groups_the_machine_counts(void **unused)
{
    (void)unused;
    assert_in_range(machine_threads(root), 1, 4096);
    assert_int_equal(machine_memory(root), (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE));
}

static void reads_version_2(void **unused)
{
    (void)unused;
    int64_t physical = machine_memory(root);
    put("proc/self/cgroup", "0::/\n");
    put("sys/fs/cgroup/cpu.max", "50000 100000\n");
    put("sys/fs/cgroup/memory.max", "1000000\n");
    assert_int_equal(machine_threads(root), 1);
    assert_int_equal(machine_memory(root), 1000000);
    put("sys/fs/cgroup/cpu.max", "max 100000\n");
    put("sys/fs/cgroup/memory.max", "max\n");
    assert_in_range(machine_threads(root), 1, 4096);
    assert_int_equal(machine_memory(root), physical);
}

static void reads_ancestors(void **unused)
{
    (void)unused;
    put("proc/self/cgroup", "0::/system.slice/stabilityd.service\n");
    put("sys/fs/cgroup/system.slice/memory.max", "2000000\n");
    put("sys/fs/cgroup/system.slice/stabilityd.service/memory.max", "max\n");
    assert_int_equal(machine_memory(root), 2000000);
    put("sys/fs/cgroup/system.slice/stabilityd.service/memory.max", "1500000\n");
    assert_int_equal(machine_memory(root), 1500000);
}

static void reads_version_1(void **unused)
{
    (void)unused;
    put("proc/self/cgroup", "5:cpuacct,cpu:/a\n4:memory:/b\n1:name=systemd:/c\n0::/c\n");
    put("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "100000\n");
    put("sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
    put("sys/fs/cgroup/memory/b/memory.limit_in_bytes", "3000000\n");
    assert_int_equal(machine_threads(root), 1);
    assert_int_equal(machine_memory(root), 3000000);
    put("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "-1\n");
    put("sys/fs/cgroup/memory/b/memory.limit_in_bytes", "9223372036854771712\n");
    assert_in_range(machine_threads(root), 1, 4096);
    assert_true(machine_memory(root) > 3000000);
}

static void a_quota_is_rounded_up_and_only_lowers(void **unused)
{
    (void)unused;
    int available = machine_threads(root);
    put("proc/self/cgroup", "0::/\n");
    put("sys/fs/cgroup/cpu.max", "10000000 1000\n");
    assert_int_equal(machine_threads(root), available);
    put("sys/fs/cgroup/cpu.max", "100 100000\n");
    assert_int_equal(machine_threads(root), 1);
    put("sys/fs/cgroup/cpu.max", "150000 100000\n");
    assert_int_equal(machine_threads(root), available < 2 ? available : 2);
}

static void nonsense_is_no_limit(void **unused)
{
    (void)unused;
    int available = machine_threads(root);
    put("proc/self/cgroup", "\n:\n0\nx:y\n");
    put("sys/fs/cgroup/cpu.max", "\n");
    put("sys/fs/cgroup/memory.max", "many\n");
    assert_int_equal(machine_threads(root), available);
    assert_true(machine_memory(root) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_groups_the_machine_counts, make_root, remove_root),
        cmocka_unit_test_setup_teardown(reads_version_2, make_root, remove_root),
        cmocka_unit_test_setup_teardown(reads_ancestors, make_root, remove_root),
        cmocka_unit_test_setup_teardown(reads_version_1, make_root, remove_root),
        cmocka_unit_test_setup_teardown(a_quota_is_rounded_up_and_only_lowers, make_root, remove_root),
        cmocka_unit_test_setup_teardown(nonsense_is_no_limit, make_root, remove_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
