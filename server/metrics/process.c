#include "server/metrics/process.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static void write_number(struct buffer *text, const char *name, const char *type, const char *documentation,
                         double number)
{
    long long thousandths = (long long)(number * 1000);
    buffer_format(text, "# HELP %s %s\n# TYPE %s %s\n%s %lld.%03lld\n", name, documentation, name, type, name,
                  thousandths / 1000, thousandths % 1000);
}

static void write_memory(struct buffer *text)
{
    char line[256];
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) {
        return;
    }
    if (fgets(line, sizeof(line), file) != NULL) {
        char *rest;
        double size = (double)sysconf(_SC_PAGESIZE);
        write_number(text, "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.",
                     strtod(line, &rest) * size);
        write_number(text, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
                     strtod(rest, NULL) * size);
    }
    fclose(file);
}

static void write_descriptors(struct buffer *text)
{
    struct rlimit limit;
    DIR *directory = opendir("/proc/self/fd");
    int count = -3; /* ".", ".." and the directory's own */
    if (directory != NULL) {
        while (readdir(directory) != NULL) {
            count++;
        }
        closedir(directory);
        write_number(text, "process_open_fds", "gauge", "Number of open file descriptors.", count);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        write_number(text, "process_max_fds", "gauge", "Maximum number of open file descriptors.",
                     (double)limit.rlim_cur);
    }
}

/* Seconds since the epoch: the start is told in clock ticks since the machine's. */
static void write_start(struct buffer *text)
{
    char line[1024];
    struct timespec now;
    struct timespec up;
    FILE *file = fopen("/proc/self/stat", "re");
    if (file == NULL) {
        return;
    }
    /* The name in brackets may hold blanks; the start is the 20th field behind it. */
    const char *field = fgets(line, sizeof(line), file) == NULL ? NULL : strrchr(line, ')');
    for (int i = 0; field != NULL && i < 20; i++) {
        field = strchr(field + 1, ' ');
    }
    if (field != NULL) {
        double ticks = strtod(field, NULL);
        clock_gettime(CLOCK_REALTIME, &now);
        clock_gettime(CLOCK_BOOTTIME, &up);
        double boot = (double)(now.tv_sec - up.tv_sec) + (double)(now.tv_nsec - up.tv_nsec) * 1e-9;
        write_number(text, "process_start_time_seconds", "gauge",
                     "Start time of the process since unix epoch in seconds.",
                     boot + ticks / (double)sysconf(_SC_CLK_TCK));
    }
    fclose(file);
}

void process_write(struct buffer *text)
{
    struct timespec used;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0) {
        write_number(text, "process_cpu_seconds_total", "counter",
                     "Total user and system CPU time spent in seconds.",
                     (double)used.tv_sec + (double)used.tv_nsec * 1e-9);
    }
    write_memory(text);
    write_descriptors(text);
    write_start(text);
}
