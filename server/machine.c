#define _GNU_SOURCE /* sched_getaffinity */

#include "server/machine.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Reads up to two numbers from the first line of a file; "max" is -1. Returns how many there are. */
static int read_numbers(const char *path, long long numbers[2])
{
    FILE *file = fopen(path, "re");
    char line[128];
    int count = 0;
    if (file == NULL) {
        return 0;
    }
    if (fgets(line, sizeof(line), file) != NULL) {
        char *rest = NULL;
        for (char *word = strtok_r(line, " \n", &rest); word != NULL && count < 2;
             word = strtok_r(NULL, " \n", &rest)) {
            char *end;
            errno = 0;
            long long number = strcmp(word, "max") == 0 ? -1 : strtoll(word, &end, 10);
            if (errno != 0) {
                break;
            }
            numbers[count++] = number;
        }
    }
    fclose(file);
    return count;
}

/* The control group of this process in the hierarchy of `controller` ("" for version 2), as /proc/self/cgroup
 * has it. False where there is none. */
static bool find_group(const char *root, const char *controller, char *group, size_t size)
{
    char path[PATH_MAX];
    char line[PATH_MAX];
    bool found = false;
    snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    while (!found && fgets(line, sizeof(line), file) != NULL) {
        char *names = strchr(line, ':');
        char *name = names == NULL ? NULL : strchr(names + 1, ':');
        if (name == NULL) {
            continue;
        }
        *name++ = '\0';
        name[strcspn(name, "\n")] = '\0';
        char *rest = NULL;
        char *listed = strtok_r(names + 1, ",", &rest);
        while (listed != NULL && strcmp(listed, controller) != 0) {
            listed = strtok_r(NULL, ",", &rest);
        }
        found = listed != NULL || (controller[0] == '\0' && names[1] == '\0');
        if (found) {
            snprintf(group, size, "%s", strcmp(name, "/") == 0 ? "" : name);
        }
    }
    fclose(file);
    return found;
}

/* Calls `read` on the directory of the group and of each ancestor, and returns the least result, or -1 where
 * none sets a limit. A container sees its own group as the root, whatever /proc/self/cgroup calls it. */
static double least_over_groups(const char *root, const char *controller,
                                double (*read)(const char *directory))
{
    char group[PATH_MAX] = "";
    double least = -1;
    find_group(root, controller, group, sizeof(group));
    for (;;) {
        char directory[2 * PATH_MAX];
        snprintf(directory, sizeof(directory), "%s/sys/fs/cgroup%s%s%s", root, controller[0] ? "/" : "",
                 controller, group);
        double limit = read(directory);
        if (limit > 0 && (least < 0 || limit < least)) {
            least = limit;
        }
        char *slash = strrchr(group, '/');
        if (slash == NULL) {
            return least;
        }
        *slash = '\0';
    }
}

static double read_first(const char *directory, const char *file)
{
    char path[3 * PATH_MAX];
    long long numbers[2];
    snprintf(path, sizeof(path), "%s/%s", directory, file);
    return read_numbers(path, numbers) >= 1 ? (double)numbers[0] : -1;
}

static double quota_version2(const char *directory)
{
    char path[3 * PATH_MAX];
    long long numbers[2];
    snprintf(path, sizeof(path), "%s/cpu.max", directory);
    bool limited = read_numbers(path, numbers) == 2 && numbers[0] > 0 && numbers[1] > 0;
    return limited ? (double)numbers[0] / (double)numbers[1] : -1;
}

static double quota_version1(const char *directory)
{
    double quota = read_first(directory, "cpu.cfs_quota_us");
    double period = read_first(directory, "cpu.cfs_period_us");
    return quota > 0 && period > 0 ? quota / period : -1;
}

static double memory_version2(const char *directory)
{
    return read_first(directory, "memory.max");
}

static double memory_version1(const char *directory)
{
    return read_first(directory, "memory.limit_in_bytes");
}

int machine_threads(const char *root)
{
    cpu_set_t set;
    int available = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    const double quotas[] = {least_over_groups(root, "", quota_version2),
                             least_over_groups(root, "cpu", quota_version1)};
    for (size_t i = 0; i < sizeof(quotas) / sizeof(quotas[0]); i++) {
        if (quotas[i] > 0 && quotas[i] < available) {
            available = (int)quotas[i] + ((int)quotas[i] < quotas[i]);
        }
    }
    return available < 1 ? 1 : available;
}

int64_t machine_memory(const char *root)
{
    int64_t available = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    const double limits[] = {least_over_groups(root, "", memory_version2),
                             least_over_groups(root, "memory", memory_version1)};
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        if (limits[i] > 0 && limits[i] < (double)available) {
            available = (int64_t)limits[i];
        }
    }
    return available;
}

int64_t machine_resident(void)
{
    long long numbers[2];
    bool known = read_numbers("/proc/self/statm", numbers) == 2;
    return known ? (int64_t)numbers[1] * sysconf(_SC_PAGESIZE) : 0;
}
