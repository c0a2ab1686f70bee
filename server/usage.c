#include "server/usage.h"

#include "server/command.h"

#include <stdio.h>

static const struct {
    enum config_command command;
    const char *usage;
} usages[] = {
    {CONFIG_SERVE,
     "stabilityd serve [OPTION...]\nServes HTTP until SIGTERM or SIGINT; then finishes what it accepted."},
    {CONFIG_CHECK,
     "stabilityd check [OPTION...] FILE\nDiagnoses the request in FILE (- is standard input) without a "
     "server. Exits with 0,\nwith 1 where there are findings to fail on, with 2 where the request or "
     "the usage is wrong."},
    {CONFIG_HEALTHCHECK,
     "stabilityd healthcheck [OPTION...]\nExits with 0 where a server answers at the address, "
     "else with 1."},
};

static int print_help(enum config_command command)
{
    struct buffer text = {0};
    for (size_t i = 0; i < sizeof(usages) / sizeof(usages[0]); i++) {
        if (usages[i].command == command) {
            buffer_format(&text, "Usage: %s\n\n", usages[i].usage);
        }
    }
    config_describe(command, &text);
    fputs(text.failed ? "" : text.data, stdout);
    buffer_free(&text);
    return COMMAND_SUCCESS;
}

int usage_fail(const char *file, const struct stability_error *error)
{
    fprintf(stderr, "stabilityd: %s%s%s", file == NULL ? "" : file, file == NULL ? "" : ": ", error->message);
    if (error->pointer[0] != '\0') {
        fprintf(stderr, " (at %s)", error->pointer);
    }
    fputc('\n', stderr);
    return COMMAND_USAGE;
}

bool usage_read(struct config *config, enum config_command command, int count, char *const *arguments,
                int *status)
{
    struct stability_error error = {0};
    if (!config_read(config, command, count, arguments, &error)) {
        *status = usage_fail(NULL, &error);
        return false;
    }
    if (config->help) {
        *status = print_help(command);
        return false;
    }
    return true;
}
