#include "server/config.h"

#include "server/log.h"
#include "server/machine.h"
#include "server/nearest.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option_kind { KIND_TEXT, KIND_INTEGER, KIND_BYTES, KIND_SECONDS, KIND_FLAG, KIND_LEVEL };

/* One option. Its environment variable is STABILITYD_ and the name in capitals. */
struct option {
    const char *name;
    enum option_kind kind;
    unsigned commands; /* enum config_command, combined */
    size_t offset;     /* into struct config */
    const char *initial;
    double minimum;
    double maximum;
    const char *argument; /* as --help names it; NULL: the option is a flag */
    const char *documentation;
};

#define ADDRESSED (CONFIG_SERVE | CONFIG_HEALTHCHECK)

static const struct option options[] = {
    {"bind", KIND_TEXT, ADDRESSED, offsetof(struct config, bind), "127.0.0.1", 0, 0, "ADDRESS",
     "address to listen on; any but a loopback address needs --tokens or --insecure"},
    {"port", KIND_INTEGER, ADDRESSED, offsetof(struct config, port), "8080", 0, 65535, "NUMBER",
     "TCP port; 0 lets the kernel choose a free one"},
    {"threads", KIND_INTEGER, CONFIG_SERVE, offsetof(struct config, threads), NULL, 1, 1024, "NUMBER",
     "requests computed at once; default: the CPU quota"},
    {"memory", KIND_BYTES, CONFIG_SERVE, offsetof(struct config, memory), NULL, 0x1p20, 0x1p50, "BYTES",
     "memory for bodies and computations together; default: three quarters of what there is"},
    {"max-body", KIND_BYTES, CONFIG_SERVE, offsetof(struct config, max_body), "256M", 1, 0x1p40, "BYTES",
     "largest request body"},
    {"timeout", KIND_SECONDS, CONFIG_SERVE, offsetof(struct config, timeout), "60", 0.1, 86400, "SECONDS",
     "time for a body to arrive, and again for its computation"},
    {"grace", KIND_SECONDS, CONFIG_SERVE, offsetof(struct config, grace), "25", 0, 86400, "SECONDS",
     "time for work to finish after SIGTERM; what takes longer is stopped"},
    {"tokens", KIND_TEXT, CONFIG_SERVE, offsetof(struct config, tokens), NULL, 0, 0, "FILE",
     "let in only who has a token; a line each: name, SHA-256 in hexadecimal, requests a minute"},
    {"rate", KIND_INTEGER, CONFIG_SERVE, offsetof(struct config, rate), "0", 0, 1e9, "NUMBER",
     "requests a minute that one client address may send; 0: any number"},
    {"tls-cert", KIND_TEXT, ADDRESSED, offsetof(struct config, tls_cert), NULL, 0, 0, "FILE",
     "serve HTTPS with this certificate (PEM, its chain behind it)"},
    {"tls-key", KIND_TEXT, CONFIG_SERVE, offsetof(struct config, tls_key), NULL, 0, 0, "FILE",
     "the certificate's key (PEM)"},
    {"store", KIND_TEXT, CONFIG_SERVE, offsetof(struct config, store), "sqlite::memory:", 0, 0, "URL",
     "where jobs and saved reports are kept: sqlite:PATH, sqlite::memory: or postgresql://…"},
    {"job-queue", KIND_INTEGER, CONFIG_SERVE, offsetof(struct config, job_queue), "1000", 0, 1e9, "NUMBER",
     "jobs that may be queued, of all servers with the same store"},
    {"job-timeout", KIND_SECONDS, CONFIG_SERVE, offsetof(struct config, job_timeout), "3600", 0.1, 1e7,
     "SECONDS", "time for the work of a job"},
    {"job-lease", KIND_SECONDS, CONFIG_SERVE, offsetof(struct config, job_lease), "15", 0.3, 3600, "SECONDS",
     "time after which the jobs of a server that is silent are begun again by others"},
    {"job-keep", KIND_SECONDS, CONFIG_SERVE, offsetof(struct config, job_keep), "86400", 1, 1e9, "SECONDS",
     "time that a job and its result are kept after its end"},
    {"report-keep", KIND_SECONDS, CONFIG_SERVE, offsetof(struct config, report_keep), "7776000", 1, 1e9,
     "SECONDS", "time that a report is kept after it was saved, or last was a baseline"},
    {"report-limit", KIND_INTEGER, CONFIG_SERVE, offsetof(struct config, report_limit), "1000", 1, 1e9,
     "NUMBER", "saved reports of each token, or of all clients without tokens; the oldest make room"},
    {"insecure", KIND_FLAG, CONFIG_SERVE, offsetof(struct config, insecure), "false", 0, 0, NULL,
     "allow an address that is not loopback without tokens"},
    {"log-level", KIND_LEVEL, CONFIG_SERVE, offsetof(struct config, log_level), "info", 0, 0, "LEVEL",
     "least severe lines to log: error, warning, info or debug"},
    {"format", KIND_TEXT, CONFIG_CHECK, offsetof(struct config, format), "text", 0, 0, "FORMAT",
     "output format of the report: json, text, markdown, html, sarif, junit or gitlab"},
    {"fail-on", KIND_TEXT, CONFIG_CHECK, offsetof(struct config, fail_on), "error", 0, 0, "SEVERITY",
     "exit with 1 from findings of this severity on: error, warning or info"},
    {"baseline", KIND_TEXT, CONFIG_CHECK, offsetof(struct config, baseline), NULL, 0, 0, "FILE",
     "a report in format json: findings that it has do not count for the exit status"},
    {"weights", KIND_TEXT, CONFIG_CHECK, offsetof(struct config, weights), NULL, 0, 0, "FILE",
     "weights in a safetensors file, in place of those in the request"},
    {"model", KIND_TEXT, CONFIG_CHECK, offsetof(struct config, model), NULL, 0, 0, "FILE",
     "an ONNX file, in place of layers and weights in the request"},
    {"watch", KIND_FLAG, CONFIG_CHECK, offsetof(struct config, watch), "false", 0, 0, NULL,
     "stay, and check again whenever one of the files changes; Ctrl-C ends it"},
    {"help", KIND_FLAG, CONFIG_SERVE | CONFIG_CHECK | CONFIG_HEALTHCHECK, offsetof(struct config, help),
     "false", 0, 0, NULL, "show these options"},
};

#define OPTION_COUNT (sizeof(options) / sizeof(options[0]))

/* A value that is being read: `source` says where it stands, for messages ("--port", "STABILITYD_PORT"). */
struct setting {
    const struct option *option;
    const char *source;
    const char *text;
};

static bool refuse(const struct setting *setting, struct stability_error *error, const char *expected)
{
    return stability_fail(error, STABILITY_ERROR_PARAMETER, NULL, "%s must be %s, not '%s'", setting->source,
                          expected, setting->text);
}

static bool refuse_range(const struct setting *setting, struct stability_error *error, const char *kind)
{
    char expected[128];
    snprintf(expected, sizeof(expected), "%s from %.15g to %.15g", kind, setting->option->minimum,
             setting->option->maximum);
    return refuse(setting, error, expected);
}

static bool read_text(const struct setting *setting, void *target, struct stability_error *error)
{
    if (setting->text[0] == '\0') {
        return refuse(setting, error, "a text");
    }
    *(const char **)target = setting->text;
    return true;
}

static bool within(const struct option *option, double number)
{
    return number >= option->minimum && number <= option->maximum;
}

static bool read_integer(const struct setting *setting, void *target, struct stability_error *error)
{
    char *end;
    errno = 0;
    long long number = strtoll(setting->text, &end, 10);
    if (errno != 0 || end == setting->text || *end != '\0' || !within(setting->option, (double)number)) {
        return refuse_range(setting, error, "an integer");
    }
    *(int64_t *)target = number;
    return true;
}

/* "512M": K, M, G and T are powers of 1024. */
static bool read_bytes(const struct setting *setting, void *target, struct stability_error *error)
{
    static const char units[] = "KMGT";
    char *end;
    errno = 0;
    long long number = strtoll(setting->text, &end, 10);
    const char *unit = *end == '\0' ? NULL : strchr(units, toupper((unsigned char)*end));
    double bytes = ldexp((double)number, unit == NULL ? 0 : 10 * (int)(unit - units + 1));
    if (errno != 0 || end == setting->text || end[unit == NULL ? 0 : 1] != '\0' ||
        !within(setting->option, bytes)) {
        return refuse_range(setting, error, "a number of bytes (or like 512M)");
    }
    *(int64_t *)target = (int64_t)bytes;
    return true;
}

static bool read_seconds(const struct setting *setting, void *target, struct stability_error *error)
{
    char *end;
    double number = strtod(setting->text, &end);
    if (end == setting->text || *end != '\0' || !within(setting->option, number)) {
        return refuse_range(setting, error, "a number of seconds");
    }
    *(double *)target = number;
    return true;
}

static bool read_flag(const struct setting *setting, void *target, struct stability_error *error)
{
    static const struct {
        const char *text;
        bool value;
    } words[] = {{"true", true}, {"false", false}, {"1", true}, {"0", false}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(setting->text, words[i].text) == 0) {
            *(bool *)target = words[i].value;
            return true;
        }
    }
    return refuse(setting, error, "true or false");
}

static bool read_level(const struct setting *setting, void *target, struct stability_error *error)
{
    static const char *const names[] = {
#define LOG_LEVEL(name) #name,
        LOG_LEVELS(LOG_LEVEL)
#undef LOG_LEVEL
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(setting->text, names[i]) == 0) {
            *(int64_t *)target = (int64_t)i;
            return true;
        }
    }
    return refuse(setting, error, "error, warning, info or debug");
}

static bool (*const readers[])(const struct setting *, void *, struct stability_error *) = {
    [KIND_TEXT] = read_text,       [KIND_INTEGER] = read_integer, [KIND_BYTES] = read_bytes,
    [KIND_SECONDS] = read_seconds, [KIND_FLAG] = read_flag,       [KIND_LEVEL] = read_level,
};

static bool apply(struct config *config, const struct setting *setting, struct stability_error *error)
{
    return readers[setting->option->kind](setting, (char *)config + setting->option->offset, error);
}

static void environment_name(const struct option *option, char *name, size_t size)
{
    int length = snprintf(name, size, "STABILITYD_%s", option->name);
    for (int i = 0; i < length; i++) {
        name[i] = name[i] == '-' ? '_' : (char)toupper((unsigned char)name[i]);
    }
}

/* `check` is a tool like any other: the service's environment does not reach into it. */
static bool has_environment(const struct option *option)
{
    return (option->commands & CONFIG_SERVE) && option->offset != offsetof(struct config, help);
}

static bool read_defaults(struct config *config, enum config_command command, struct stability_error *error)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *option = &options[i];
        char name[64];
        environment_name(option, name, sizeof(name));
        const char *value = has_environment(option) && (option->commands & command) ? getenv(name) : NULL;
        if (option->initial != NULL &&
            !apply(config, &(struct setting){option, option->name, option->initial}, error)) {
            return false;
        }
        if (value != NULL && *value != '\0' &&
            !apply(config, &(struct setting){option, name, value}, error)) {
            return false;
        }
    }
    return true;
}

static const struct option *find_option(enum config_command command, const char *name, size_t length)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        bool known = (options[i].commands & command) && strlen(options[i].name) == length;
        if (known && memcmp(options[i].name, name, length) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

static bool unknown_option(enum config_command command, const char *given, size_t length,
                           struct stability_error *error)
{
    char name[64];
    char hint[NEAREST_HINT];
    struct nearest nearest = {0};
    snprintf(name, sizeof(name), "%.*s", (int)length, given);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (options[i].commands & command) {
            nearest_offer(&nearest, options[i].name);
        }
    }
    return stability_fail(error, STABILITY_ERROR_PARAMETER, NULL, "there is no option '--%s'%s", name,
                          nearest_hint(&nearest, name, hint));
}

/* Reads the option at arguments[0] ("--name value", "--name=value" or "--flag"). Returns how many arguments
 * it took, 0 on error. */
static int read_option(struct config *config, enum config_command command, int count, char *const *arguments,
                       struct stability_error *error)
{
    char source[64];
    const char *name = arguments[0] + 2;
    size_t length = strcspn(name, "=");
    const struct option *option = find_option(command, name, length);
    if (option == NULL) {
        unknown_option(command, name, length, error);
        return 0;
    }
    snprintf(source, sizeof(source), "--%s", option->name);
    struct setting setting = {option, source, NULL};
    int taken = 1;
    if (name[length] == '=') {
        setting.text = name + length + 1;
    } else if (option->kind == KIND_FLAG) {
        setting.text = "true";
    } else if (count > 1) {
        setting.text = arguments[1];
        taken = 2;
    } else {
        stability_fail(error, STABILITY_ERROR_PARAMETER, NULL, "%s needs a value: %s %s", source, source,
                       option->argument);
        return 0;
    }
    return apply(config, &setting, error) ? taken : 0;
}

bool config_read(struct config *config, enum config_command command, int count, char *const *arguments,
                 struct stability_error *error)
{
    *config = (struct config){0};
    if (!read_defaults(config, command, error)) {
        return false;
    }
    for (int i = 0; i < count;) {
        const char *argument = arguments[i];
        int taken = 1;
        if (strncmp(argument, "--", 2) == 0) {
            taken = read_option(config, command, count - i, arguments + i, error);
        } else if (command == CONFIG_CHECK && config->file == NULL) {
            config->file = argument;
        } else {
            taken = 0;
            stability_fail(error, STABILITY_ERROR_PARAMETER, NULL, "the argument '%s' is one too many",
                           argument);
        }
        if (taken == 0) {
            return false;
        }
        i += taken;
    }
    return config->help || command != CONFIG_CHECK || config->file != NULL ||
           stability_fail(error, STABILITY_ERROR_PARAMETER, NULL,
                          "check needs a FILE, or - for standard input");
}

void config_finish(struct config *config)
{
    if (config->threads == 0) {
        config->threads = machine_threads("");
    }
    if (config->memory == 0) {
        config->memory = machine_memory("") / 4 * 3;
    }
}

bool config_option_at(enum config_command command, size_t index, struct config_option *option)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if ((options[i].commands & command) && index-- == 0) {
            *option = (struct config_option){options[i].name, options[i].argument, options[i].documentation};
            return true;
        }
    }
    return false;
}

void config_describe(enum config_command command, struct buffer *text)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *option = &options[i];
        char heading[64];
        char name[64];
        if (!(option->commands & command)) {
            continue;
        }
        snprintf(heading, sizeof(heading), "--%s%s%s", option->name, option->argument ? " " : "",
                 option->argument ? option->argument : "");
        buffer_format(text, "  %-22s %s\n", heading, option->documentation);
        if (option->argument != NULL && option->initial != NULL) {
            buffer_format(text, "  %-22s default: %s\n", "", option->initial);
        }
        if (has_environment(option)) {
            environment_name(option, name, sizeof(name));
            buffer_format(text, "  %-22s environment: %s\n", "", name);
        }
    }
}
