/* The options of the commands: one table, from which parsing, the environment, --help and messages come. */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include "server/buffer.h"

#include <stability/error.h>

#include <stdint.h>

/* Commands, as bits, so that a row of the table can say which ones it belongs to. */
enum config_command {
    CONFIG_SERVE = 1,
    CONFIG_CHECK = 2,
    CONFIG_HEALTHCHECK = 4,
};

/* What the options say. Texts are borrowed from the arguments, the environment or the table. */
struct config {
    const char *bind;
    int64_t port;
    int64_t threads;      /* 0 until config_finish: the CPU quota */
    int64_t memory;       /* bytes; 0 until config_finish: three quarters of the machine's */
    int64_t max_body;     /* bytes */
    double grace;         /* seconds that work may take to finish after SIGTERM */
    double timeout;       /* seconds, for the body to arrive, and again for the work */
    const char *store;    /* a URL */
    int64_t job_queue;    /* jobs that may be queued */
    double job_timeout;   /* seconds, for the work of a job */
    double job_lease;     /* seconds after which a job whose process is silent is begun again */
    double job_keep;      /* seconds that an ended job is kept */
    double report_keep;   /* seconds that a saved report is kept after it was saved, or was a baseline */
    int64_t report_limit; /* saved reports of one client */
    bool insecure;
    const char *tokens;   /* a file; NULL: everybody is let in */
    int64_t rate;         /* requests a minute of one address; 0: any number */
    const char *tls_cert; /* files; NULL: plain HTTP */
    const char *tls_key;
    int64_t log_level; /* enum log_level */
    const char *format;
    const char *fail_on;
    const char *weights;  /* a file; NULL: none */
    const char *model;    /* likewise */
    const char *baseline; /* a file with a report in format json; NULL: none */
    const char *file;     /* the argument of `check` */
    bool watch;           /* check again whenever a file changes */
    bool help;            /* --help was given */
};

/* Fills `config` from the defaults, the environment (serve and healthcheck only; an empty variable counts as
 * absent) and `count` arguments, the later of them winning. Knows nothing of what options mean together.
 * False with a message on an unknown option, a value that is missing or not valid, or a wrong number of
 * files. */
bool config_read(struct config *config, enum config_command command, int count, char *const *arguments,
                 struct stability_error *error);

/* Fills in what depends on the machine. */
void config_finish(struct config *config);

/* What completion needs of an option. */
struct config_option {
    const char *name;
    const char *argument; /* as --help names it; NULL: the option is a flag */
    const char *documentation;
};

/* The command's option of that index, in the order of --help. False where there are no more. */
bool config_option_at(enum config_command command, size_t index, struct config_option *option);

/* Appends the command's options for --help: a line each, with default and environment variable. */
void config_describe(enum config_command command, struct buffer *text);

#endif
