#include "server/log.h"

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

void log_end(struct log_line *line)
{
    json_end_object(&line->json);
    buffer_append(&line->text, "\n", 1);
    /* A log that cannot be written must not stop the service. */
    if (!line->text.failed && write(STDERR_FILENO, line->text.data, line->text.length) < 0) {
        clearerr(stderr);
    }
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
