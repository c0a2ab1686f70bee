/* Waits until files change. */
#ifndef SERVER_FILE_WATCH_H
#define SERVER_FILE_WATCH_H

#include <stability/error.h>

#include <stddef.h>

struct file_watch;

/* Watches files from now on: those of `names` that are not NULL; the texts are borrowed. What counts is that
 * a file of that name was written and closed, or put in its place, since editors replace files. NULL with
 * `error` filled in. */
struct file_watch *file_watch_new(const char *const *names, size_t count, struct stability_error *error);

/* Waits until one of them changed since the last call, and then until nothing changes for a moment. False
 * with `error` filled in where that can't be told any more. */
bool file_watch_wait(struct file_watch *watch, struct stability_error *error);

void file_watch_free(struct file_watch *watch);

#endif
