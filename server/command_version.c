#include "server/command.h"

#include <stability/stability.h>

#include <stdio.h>

int command_version(int count, char *const *arguments)
{
    (void)arguments;
    if (count > 0) {
        fputs("stabilityd: version takes no arguments\n", stderr);
        return COMMAND_USAGE;
    }
    puts("stabilityd " STABILITY_VERSION);
    return COMMAND_SUCCESS;
}
