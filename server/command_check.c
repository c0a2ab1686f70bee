#include "server/command.h"
#include "server/diagnosis.h"
#include "server/usage.h"

#include <stability/stability.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PIECE 65536

static bool read_stream(FILE *stream, const char *name, struct buffer *body, struct stability_error *error)
{
    size_t count = 1;
    while (count > 0 && buffer_reserve(body, PIECE)) {
        count = fread(body->data + body->length, 1, PIECE, stream);
        body->length += count;
    }
    if (ferror(stream)) {
        return stability_fail(error, STABILITY_ERROR_PARAMETER, NULL, "%s cannot be read: %s", name,
                              strerror(errno));
    }
    return !body->failed ||
           stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "there is no memory to read %s", name);
}

static bool read_file(const char *name, struct buffer *body, struct stability_error *error)
{
    if (strcmp(name, "-") == 0) {
        return read_stream(stdin, "standard input", body, error);
    }
    FILE *file = fopen(name, "re");
    if (file == NULL) {
        return stability_fail(error, STABILITY_ERROR_PARAMETER, NULL, "%s cannot be opened: %s", name,
                              strerror(errno));
    }
    bool done = read_stream(file, name, body, error);
    fclose(file);
    return done;
}

static int print(const struct diagnosis *diagnosis)
{
    fwrite(diagnosis->body.data, 1, diagnosis->body.length, stdout);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "stabilityd: the report cannot be written: %s\n", strerror(errno));
        return COMMAND_USAGE;
    }
    return diagnosis->fails ? COMMAND_FINDINGS : COMMAND_SUCCESS;
}

/* Diagnoses the request that `body` holds, with the weights in a file of their own if there are any, and
 * prints its report. */
static int check(const char *file, const struct input_body *body, const struct report_choice *choice)
{
    const struct diagnosis_call call = {.body = *body, .choice = *choice, .limits = stability_default_limits};
    struct diagnosis diagnosis = {0};
    int status;
    if (diagnosis_run(&call, &diagnosis)) {
        status = print(&diagnosis);
    } else {
        status = usage_fail(file, &diagnosis.error);
    }
    diagnosis_free(&diagnosis);
    return status;
}

/* Reads the report whose findings do not count. */
static bool read_baseline(const char *name, struct report_findings *findings, struct report_choice *choice,
                          struct stability_error *error)
{
    struct buffer json = {0};
    struct stability_error failure = {0};
    if (name == NULL) {
        return true;
    }
    bool done = read_file(name, &json, error);
    if (done && !report_findings_read(findings, json.data, json.length, &failure)) {
        done =
            stability_fail(error, failure.code, NULL, "%s cannot be a baseline: %s", name, failure.message);
    }
    if (done && findings->gradcheck) {
        done = stability_fail(error, STABILITY_ERROR_INVALID_VALUE, NULL,
                              "%s cannot be a baseline: a gradient check has no findings", name);
    }
    choice->baseline = findings;
    buffer_free(&json);
    return done;
}

int command_check(int count, char *const *arguments)
{
    struct config config;
    struct stability_error error = {0};
    struct report_choice choice = {0};
    struct report_findings baseline = {0};
    struct buffer body = {0};
    struct buffer weights = {0};
    int status;
    if (!usage_read(&config, CONFIG_CHECK, count, arguments, &status)) {
        return status;
    }
    input_initialize();
    bool ready = report_choose_format(&choice, config.format, &error) &&
                 report_choose_fail_on(&choice, config.fail_on, &error) &&
                 read_baseline(config.baseline, &baseline, &choice, &error) && stability_initialize(&error) &&
                 read_file(config.file, &body, &error) &&
                 (config.weights == NULL || read_file(config.weights, &weights, &error));
    const struct input_body input = {
        .json = body.data, .length = body.length, .weights = weights.data, .weights_length = weights.length};
    status = ready ? check(config.file, &input, &choice) : usage_fail(NULL, &error);
    report_findings_free(&baseline);
    buffer_free(&weights);
    buffer_free(&body);
    return status;
}
