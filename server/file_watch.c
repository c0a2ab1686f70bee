#include "server/file_watch.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define EVENTS (IN_CLOSE_WRITE | IN_MOVED_TO)
#define CALM_MILLISECONDS 50
#define MAX_FILES 4

struct file_watch {
    int descriptor; /* of inotify */
    size_t count;
    struct {
        int directory; /* inotify's number of the directory that the file is in */
        const char *name;
    } files[MAX_FILES];
};

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static bool add_file(struct file_watch *watch, const char *path, struct stability_error *error)
{
    char directory[PATH_MAX];
    const char *name = last_part(path);
    int written = snprintf(directory, sizeof(directory), "%.*s", (int)(name - path), path);
    int number = -1;
    if (watch->count < MAX_FILES && written >= 0 && written < (int)sizeof(directory)) {
        number = inotify_add_watch(watch->descriptor, written == 0 ? "." : directory, EVENTS);
    }
    if (number < 0) {
        return stability_fail(error, STABILITY_ERROR_PARAMETER, NULL, "%s cannot be watched: %s", path,
                              strerror(errno));
    }
    watch->files[watch->count].directory = number;
    watch->files[watch->count++].name = name;
    return true;
}

struct file_watch *file_watch_new(const char *const *names, size_t count, struct stability_error *error)
{
    struct file_watch *watch = calloc(1, sizeof(*watch));
    if (watch == NULL) {
        stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "there is no memory to watch files");
        return NULL;
    }
    watch->descriptor = inotify_init1(IN_CLOEXEC);
    bool done = watch->descriptor >= 0 || stability_fail(error, STABILITY_ERROR_PARAMETER, NULL,
                                                         "files cannot be watched: %s", strerror(errno));
    for (size_t i = 0; done && i < count; i++) {
        done = names[i] == NULL || add_file(watch, names[i], error);
    }
    if (!done) {
        file_watch_free(watch);
        return NULL;
    }
    return watch;
}

static bool concerns(const struct file_watch *watch, const struct inotify_event *event)
{
    bool found = (event->mask & IN_Q_OVERFLOW) != 0;
    for (size_t i = 0; i < watch->count; i++) {
        found = found || (event->len > 0 && event->wd == watch->files[i].directory &&
                          strcmp(event->name, watch->files[i].name) == 0);
    }
    return found;
}

/* Reads the events that there are, waiting for some. 1 where one is about a file that is watched, 0 where
 * none is, -1 on failure. */
static int read_events(const struct file_watch *watch)
{
    _Alignas(struct inotify_event) char events[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)];
    ssize_t length = read(watch->descriptor, events, sizeof(events));
    if (length < 0) {
        return errno == EINTR ? 0 : -1;
    }
    int found = 0;
    for (size_t i = 0; i < (size_t)length;) {
        const struct inotify_event *event = (const struct inotify_event *)(const void *)(events + i);
        found = found || concerns(watch, event);
        i += sizeof(*event) + event->len;
    }
    return found;
}

bool file_watch_wait(struct file_watch *watch, struct stability_error *error)
{
    struct pollfd pending = {.fd = watch->descriptor, .events = POLLIN};
    int found = 0;
    while (found == 0) {
        found = read_events(watch);
    }
    while (found > 0 && poll(&pending, 1, CALM_MILLISECONDS) > 0) {
        found = read_events(watch) < 0 ? -1 : found;
    }
    return found > 0 || stability_fail(error, STABILITY_ERROR_PARAMETER, NULL,
                                       "files cannot be watched any more: %s", strerror(errno));
}

void file_watch_free(struct file_watch *watch)
{
    if (watch != NULL && watch->descriptor >= 0) {
        close(watch->descriptor);
    }
    free(watch);
}
