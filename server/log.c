#include "server/log.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {
#define LOG_LEVEL(name) #name,
    LOG_LEVELS(LOG_LEVEL)
#undef LOG_LEVEL
};

static enum log_level threshold = LOG_info;

void log_set_level(enum log_level level)
{
    threshold = level;
}

static void write_time(struct json_writer *json)
{
    struct timespec now;
    struct tm utc;
    char text[64];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t length = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + length, sizeof(text) - length, ".%03dZ", (int)(now.tv_nsec / 1000000));
    json_member_text(json, "time", text);
}

bool log_begin(struct log_line *line, enum log_level level, const char *message)
{
    if (level > threshold) {
        return false;
    }
    *line = (struct log_line){.json.buffer = &line->text};
    json_begin_object(&line->json);
    write_time(&line->json);
    json_member_text(&line->json, "level", level_names[level]);
    json_member_text(&line->json, "message", message);
    return true;
}

/* Whether a short write to the log goes through at once. */
static bool is_writable(void)
{
    struct pollfd log = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&log, 1, 0) == 1 && (log.revents & POLLOUT);
}

/* A log that nobody reads must not stop the service: a line that would have to wait is dropped and counted.
 */
static void write_line(const struct buffer *text)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static long long dropped;
    pthread_mutex_lock(&mutex);
    if (text->failed || !is_writable()) {
        dropped++;
    } else {
        if (dropped > 0) {
            dprintf(STDERR_FILENO,
                    "{\"level\":\"warning\",\"message\":\"%lld lines of the log were dropped\"}\n", dropped);
        }
        dropped = write(STDERR_FILENO, text->data, text->length) < 0;
    }
    pthread_mutex_unlock(&mutex);
}

void log_end(struct log_line *line)
{
    json_end_object(&line->json);
    buffer_append(&line->text, "\n", 1);
    write_line(&line->text);
    buffer_free(&line->text);
}

void log_message(enum log_level level, const char *format, ...)
{
    struct buffer text = {0};
    struct log_line line;
    va_list arguments;
    va_start(arguments, format);
    buffer_format_v(&text, format, arguments);
    va_end(arguments);
    if (!text.failed && log_begin(&line, level, text.data)) {
        log_end(&line);
    }
    buffer_free(&text);
}
