#include "server/command.h"
#include "server/config.h"
#include "server/output/format.h"

#include <stdio.h>
#include <string.h>

#define OTHER_COMMANDS "version completion help"

static const struct {
    const char *name;
    enum config_command command;
} commands[] = {
    {"serve", CONFIG_SERVE},
    {"check", CONFIG_CHECK},
    {"healthcheck", CONFIG_HEALTHCHECK},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

/* The words that an option takes, by the name of its argument. */
static const struct {
    const char *argument;
    const char *words; /* NULL: the names of the formats */
} choices[] = {
    {"FORMAT", NULL},
    {"SEVERITY", "error warning info"},
    {"LEVEL", "error warning info debug"},
};

static void print_formats(void)
{
    for (size_t i = 0; i < format_count(); i++) {
        printf("%s%s", i > 0 ? " " : "", format_at(i)->name);
    }
}

static void print_choice(size_t index)
{
    if (choices[index].words != NULL) {
        fputs(choices[index].words, stdout);
    } else {
        print_formats();
    }
}

static void print_commands(void)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        printf("%s ", commands[i].name);
    }
    fputs(OTHER_COMMANDS, stdout);
}

static void print_options(enum config_command command)
{
    struct config_option option;
    for (size_t i = 0; config_option_at(command, i, &option); i++) {
        printf("%s--%s", i > 0 ? " " : "", option.name);
    }
}

/* The patterns of a case for all options of any command whose argument is called `argument`. */
static bool print_patterns(const char *argument)
{
    size_t count = 0;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        struct config_option option;
        for (size_t j = 0; config_option_at(commands[i].command, j, &option); j++) {
            if (option.argument != NULL && strcmp(option.argument, argument) == 0) {
                printf("%s'%s --%s'", count++ > 0 ? " | " : "        ", commands[i].name, option.name);
            }
        }
    }
    return count > 0;
}

/* How bash or zsh is told words, with text before and behind them, and files. */
struct dialect {
    const char *before;
    const char *after;
    const char *files;
};

/* A case on "COMMAND PREVIOUS-WORD", then one on the command: what bash and zsh have in common. */
static void print_cases(const struct dialect *dialect, const char *subject)
{
    printf("    case \"%s\" in\n", subject);
    for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
        if (print_patterns(choices[i].argument)) {
            printf(") %s", dialect->before);
            print_choice(i);
            printf("%s ;;\n", dialect->after);
        }
    }
    if (print_patterns("FILE")) {
        printf(") %s ;;\n", dialect->files);
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        printf("        '%s '*) %s", commands[i].name, dialect->before);
        print_options(commands[i].command);
        printf("%s%s%s ;;\n", dialect->after, commands[i].command == CONFIG_CHECK ? "; " : "",
               commands[i].command == CONFIG_CHECK ? dialect->files : "");
    }
    printf("        'completion '*) %sbash zsh fish%s ;;\n        'help '*) %s", dialect->before,
           dialect->after, dialect->before);
    print_commands();
    printf("%s ;;\n    esac\n}\n", dialect->after);
}

static void print_bash(void)
{
    static const struct dialect bash = {"COMPREPLY+=($(compgen -W '", "' -- \"$word\"))",
                                        "COMPREPLY+=($(compgen -f -- \"$word\"))"};
    fputs("_stabilityd() {\n    local word=${COMP_WORDS[COMP_CWORD]}\n    COMPREPLY=()\n"
          "    if ((COMP_CWORD == 1)); then\n        COMPREPLY=($(compgen -W '",
          stdout);
    print_commands();
    fputs("' -- \"$word\"))\n        return\n    fi\n", stdout);
    print_cases(&bash, "${COMP_WORDS[1]} ${COMP_WORDS[COMP_CWORD - 1]}");
    fputs("complete -o filenames -F _stabilityd stabilityd\n", stdout);
}

static void print_zsh(void)
{
    static const struct dialect zsh = {"compadd -- ", "", "_files"};
    fputs("#compdef stabilityd\n_stabilityd() {\n    if ((CURRENT == 2)); then\n        compadd -- ", stdout);
    print_commands();
    fputs("\n        return\n    fi\n", stdout);
    print_cases(&zsh, "$words[2] $words[CURRENT-1]");
    fputs("compdef _stabilityd stabilityd\n", stdout);
}

/* In single quotes, as fish reads them. */
static void print_quoted(const char *text)
{
    putchar('\'');
    for (; *text != '\0'; text++) {
        printf(strchr("'\\", *text) != NULL ? "\\%c" : "%c", *text);
    }
    putchar('\'');
}

static void print_fish_argument(const char *argument)
{
    if (argument == NULL) {
        return;
    }
    fputs(strcmp(argument, "FILE") == 0 ? " -rF" : " -x", stdout);
    for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
        if (strcmp(choices[i].argument, argument) == 0) {
            fputs(" -a '", stdout);
            print_choice(i);
            putchar('\'');
        }
    }
}

static void print_fish(void)
{
    fputs("complete -c stabilityd -n __fish_use_subcommand -f -a '", stdout);
    print_commands();
    fputs("'\ncomplete -c stabilityd -n '__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'\n",
          stdout);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        struct config_option option;
        for (size_t j = 0; config_option_at(commands[i].command, j, &option); j++) {
            printf("complete -c stabilityd -n '__fish_seen_subcommand_from %s' -l %s", commands[i].name,
                   option.name);
            print_fish_argument(option.argument);
            fputs(" -d ", stdout);
            print_quoted(option.documentation);
            putchar('\n');
        }
    }
}

int command_completion(int count, char *const *arguments)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
    for (size_t i = 0; count == 1 && i < sizeof(shells) / sizeof(shells[0]); i++) {
        if (strcmp(shells[i].name, arguments[0]) == 0) {
            shells[i].print();
            return COMMAND_SUCCESS;
        }
    }
    bool help = count == 1 && strcmp(arguments[0], "--help") == 0;
    fputs(
        "Usage: stabilityd completion bash|zsh|fish\n\nPrints a script that completes commands, options and "
        "their values.\n\nExamples:\n"
        "  source <(stabilityd completion bash)       in ~/.bashrc\n"
        "  source <(stabilityd completion zsh)        in ~/.zshrc, after compinit\n"
        "  stabilityd completion fish | source        in ~/.config/fish/config.fish\n",
        help ? stdout : stderr);
    return help ? COMMAND_SUCCESS : COMMAND_USAGE;
}
