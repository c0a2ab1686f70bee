#include "server/usage.h"

#include "server/command.h"

#include <stdio.h>

static const struct {
    enum config_command command;
    const char *usage;
    const char *examples;
} usages[] = {
    {CONFIG_SERVE,
     "stabilityd serve [OPTION...]\nServes HTTP until SIGTERM or SIGINT; then finishes what it accepted.",
     "  stabilityd serve                                     on http://127.0.0.1:8080\n"
     "  stabilityd serve --port 0 --threads 2                on a free port, two requests at once\n"
     "  stabilityd serve --store sqlite:reports.db           reports outlive the process\n"
     "  stabilityd serve --bind 0.0.0.0 --tokens tokens --tls-cert cert.pem --tls-key key.pem\n"},
    {CONFIG_CHECK,
     "stabilityd check [OPTION...] FILE\nDiagnoses the request in FILE (- is standard input) without a "
     "server. Exits with 0,\nwith 1 where there are findings to fail on, with 2 where the request or "
     "the usage is wrong.\nA terminal gets colours in format text, unless NO_COLOR is set.",
     "  stabilityd check request.json                        a table to read\n"
     "  stabilityd check --watch request.json                again whenever the file is saved\n"
     "  stabilityd check --weights model.safetensors request.json\n"
     "  stabilityd check --model model.onnx request.json     data and loss in request.json\n"
     "  stabilityd check --format html request.json >report.html\n"
     "  stabilityd check --fail-on warning --format junit request.json >report.xml\n"
     "  stabilityd check --format json request.json >baseline.json\n"
     "  stabilityd check --baseline baseline.json request.json    fails on new findings only\n"
     "  jq '.model.layers[0].init = {weight: \"orthogonal_\"}' request.json | stabilityd check -\n"},
    {CONFIG_HEALTHCHECK,
     "stabilityd healthcheck [OPTION...]\nExits with 0 where a server answers at the address, "
     "else with 1.",
     "  stabilityd healthcheck --port 9000\n"},
};

static int print_help(enum config_command command)
{
    struct buffer text = {0};
    const char *examples = "";
    for (size_t i = 0; i < sizeof(usages) / sizeof(usages[0]); i++) {
        if (usages[i].command == command) {
            buffer_format(&text, "Usage: %s\n\n", usages[i].usage);
            examples = usages[i].examples;
        }
    }
    config_describe(command, &text);
    buffer_format(&text, "\nExamples:\n%s", examples);
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
