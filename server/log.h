/* The log: one JSON object a line on standard error, each written at once, or dropped where nobody reads. */
#ifndef SERVER_LOG_H
#define SERVER_LOG_H

#include "server/json_writer.h"

/* LOG_LEVEL(name): most severe first; what --log-level can be. */
#define LOG_LEVELS(LOG_LEVEL) \
    LOG_LEVEL(error)          \
    LOG_LEVEL(warning)        \
    LOG_LEVEL(info)           \
    LOG_LEVEL(debug)

enum log_level {
#define LOG_LEVEL(name) LOG_##name,
    LOG_LEVELS(LOG_LEVEL)
#undef LOG_LEVEL
};

/* Lines less severe than `level` are dropped from now on; call it before threads start. At first: info. */
void log_set_level(enum log_level level);

/* A line that is being made: its members are written to `json` between log_begin and log_end. */
struct log_line {
    struct buffer text;
    struct json_writer json;
};

/* Starts a line with its time, level and message. False where the level is off: then there is no line to end.
 */
bool log_begin(struct log_line *line, enum log_level level, const char *message);
/* Writes the line and releases it. */
void log_end(struct log_line *line);

/* A line with nothing but a message. */
void log_message(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
