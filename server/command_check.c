#include "server/command.h"
#include "server/diagnosis.h"
#include "server/file_watch.h"
#include "server/output/terminal.h"
#include "server/paint.h"
#include "server/progress_line.h"
#include "server/usage.h"

#include <stability/stability.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PIECE 65536
#define CLEAR_SCREEN "\x1b[H\x1b[2J\x1b[3J"

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

/* What has scrolled away is said again: the first line, where the text has more lines than the terminal. */
static void repeat_verdict(struct buffer *out, const struct buffer *text)
{
    struct winsize size = {0};
    size_t lines = 0;
    for (size_t i = 0; i < text->length; i++) {
        lines += text->data[i] == '\n';
    }
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && lines >= size.ws_row) {
        buffer_append(out, "\n", 1);
        buffer_append(out, text->data, strcspn(text->data, "\n") + 1);
    }
}

/* Appends the report in text as a person at a terminal reads it. */
static void prepare_text(struct buffer *out, const struct buffer *report)
{
    struct buffer text = {0};
    buffer_append(&text, report->data, report->length);
    repeat_verdict(&text, report);
    if (paint_wanted(stdout)) {
        paint_report(out, text.data, text.length);
    } else {
        buffer_append(out, text.data, text.length);
    }
    out->failed = out->failed || text.failed;
    buffer_free(&text);
}

/* Writes the report to standard output; `text`: it is in format text. */
static bool write_report(const struct buffer *report, bool text)
{
    struct buffer shown = {0};
    if (text && isatty(STDOUT_FILENO) == 1) {
        prepare_text(&shown, report);
    }
    const struct buffer *written = shown.length == 0 || shown.failed ? report : &shown;
    fwrite(written->data, 1, written->length, stdout);
    buffer_free(&shown);
    return fflush(stdout) == 0 && !ferror(stdout);
}

static int print(const struct diagnosis *diagnosis, bool text)
{
    if (!write_report(&diagnosis->body, text)) {
        fprintf(stderr, "stabilityd: the report cannot be written: %s\n", strerror(errno));
        return COMMAND_USAGE;
    }
    return diagnosis->fails ? COMMAND_FINDINGS : COMMAND_SUCCESS;
}

/* Reports are written for the terminal that standard output is. */
static void fit_terminal(void)
{
    struct winsize size = {0};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        terminal_use_width(size.ws_col);
    }
}

/* Diagnoses the request that `body` holds, with the weights in a file of their own if there are any, and
 * prints its report. */
static int check(const char *file, const struct input_body *body, const struct report_choice *choice)
{
    struct progress_line line = {.enabled = paint_possible(stderr)};
    fit_terminal();
    const struct diagnosis_call call = {.body = *body,
                                        .choice = *choice,
                                        .limits = stability_default_limits,
                                        .progress = progress_line_show,
                                        .context = &line};
    struct diagnosis diagnosis = {0};
    bool done = diagnosis_run(&call, &diagnosis);
    progress_line_clear(&line);
    int status =
        done ? print(&diagnosis, choice->format == format_find("text")) : usage_fail(file, &diagnosis.error);
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

/* Reads the files that `config` names and checks the request once. */
static int check_files(const struct config *config, struct report_choice choice)
{
    struct stability_error error = {0};
    struct report_findings baseline = {0};
    struct buffer body = {0};
    struct buffer weights = {0};
    struct buffer model = {0};
    bool ready = read_baseline(config->baseline, &baseline, &choice, &error) &&
                 read_file(config->file, &body, &error) &&
                 (config->weights == NULL || read_file(config->weights, &weights, &error)) &&
                 (config->model == NULL || read_file(config->model, &model, &error));
    const struct input_body input = {.json = body.data,
                                     .length = body.length,
                                     .weights = weights.data,
                                     .weights_length = weights.length,
                                     .model = model.data,
                                     .model_length = model.length};
    int status = ready ? check(config->file, &input, &choice) : usage_fail(NULL, &error);
    report_findings_free(&baseline);
    buffer_free(&model);
    buffer_free(&weights);
    buffer_free(&body);
    return status;
}

/* Checks again whenever a file changes; what is wrong with a request is told, and the next one waited for.
 * Returns only where files cannot be watched. */
static int check_changes(const struct config *config, const struct report_choice *choice)
{
    const char *const names[] = {config->file, config->weights, config->model, config->baseline};
    struct stability_error error = {0};
    if (strcmp(config->file, "-") == 0) {
        stability_fail(&error, STABILITY_ERROR_PARAMETER, NULL, "--watch needs a FILE, not standard input");
        return usage_fail(NULL, &error);
    }
    struct file_watch *watch = file_watch_new(names, sizeof(names) / sizeof(names[0]), &error);
    bool watched = watch != NULL;
    while (watched) {
        fputs(paint_possible(stdout) ? CLEAR_SCREEN : "", stdout);
        check_files(config, *choice);
        fprintf(stderr, "stabilityd: waiting until %s changes; Ctrl-C ends\n", config->file);
        watched = file_watch_wait(watch, &error);
    }
    file_watch_free(watch);
    return usage_fail(NULL, &error);
}

int command_check(int count, char *const *arguments)
{
    struct config config;
    struct stability_error error = {0};
    struct report_choice choice = {0};
    int status;
    if (!usage_read(&config, CONFIG_CHECK, count, arguments, &status)) {
        return status;
    }
    input_initialize();
    if (!report_choose_format(&choice, config.format, &error) ||
        !report_choose_fail_on(&choice, config.fail_on, &error) || !stability_initialize(&error)) {
        return usage_fail(NULL, &error);
    }
    return config.watch ? check_changes(&config, &choice) : check_files(&config, choice);
}
