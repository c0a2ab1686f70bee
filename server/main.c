#include "server/command.h"
#include "server/nearest.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

/* Blocks from MAPPED_SIZE on are mapped on their own, and given back when freed; up to it the heap keeps what
 * was freed, so that requests do not pay for fresh pages: of a request whose blocks are just below, all.
 * server/jobs/heap.h gives it back where others need it. Left to itself, glibc raises both bounds with every
 * larger block. */
#define MAPPED_SIZE (32 << 20)
#define KEPT_SIZE (4 * MAPPED_SIZE)

static int command_help(int count, char *const *arguments);

static const struct {
    const char *name;
    int (*run)(int count, char *const *arguments);
    const char *documentation;
} commands[] = {
    {"serve", command_serve, "serve HTTP"},
    {"check", command_check, "diagnose a request in a file"},
    {"healthcheck", command_healthcheck, "ask whether a server is up"},
    {"completion", command_completion, "print a script that completes commands in bash, zsh or fish"},
    {"version", command_version, "print the version"},
    {"help", command_help, "print this"},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static int unknown_command(const char *name)
{
    char hint[NEAREST_HINT];
    struct nearest nearest = {0};
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        nearest_offer(&nearest, commands[i].name);
    }
    fprintf(stderr, "stabilityd: there is no command '%s'%s\n", name, nearest_hint(&nearest, name, hint));
    return COMMAND_USAGE;
}

/* `stabilityd help check` is `stabilityd check --help`. */
static int help_of(const char *name)
{
    static char option[] = "--help";
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return commands[i].run(1, (char *const[]){option, NULL});
        }
    }
    return unknown_command(name);
}

static int command_help(int count, char *const *arguments)
{
    if (count > 0 && strcmp(arguments[0], "--help") != 0) {
        return help_of(arguments[0]);
    }
    puts("Usage: stabilityd COMMAND [OPTION...]\n\nDiagnoses the numerical stability of neural networks.\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        printf("  %-12s %s\n", commands[i].name, commands[i].documentation);
    }
    puts("\nstabilityd COMMAND --help shows a command's options, with examples.\n\nExamples:\n"
         "  stabilityd check request.json              what is wrong with this network?\n"
         "  stabilityd serve                           the same, and a page, on http://127.0.0.1:8080\n"
         "  curl -s --data-binary @request.json 'http://127.0.0.1:8080/v1/diagnose?format=text'");
    return COMMAND_SUCCESS;
}

int main(int argc, char *argv[])
{
    mallopt(M_MMAP_THRESHOLD, MAPPED_SIZE);
    mallopt(M_TRIM_THRESHOLD, KEPT_SIZE);
    const char *name = argc < 2 ? "help" : argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "--version") == 0) {
        name += 2;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            int status = commands[i].run(argc < 2 ? 0 : argc - 2, argv + 2);
            return argc < 2 ? COMMAND_USAGE : status;
        }
    }
    return unknown_command(name);
}
