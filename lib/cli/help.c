/* help.c - --help, --version and --dump-options, from the option table */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli_int.h"

enum { TEXT_AT = 30, WIDTH = 90 }; /* columns of the help text */

#ifndef UM_BUILD_FLAGS
#define UM_BUILD_FLAGS "unknown"
#endif

/* words of s from column `at` on, broken before WIDTH */
static void print_wrapped(const char *s, int at)
{
    int col = at;

    while (*s) {
        const int n = (int)strcspn(s, " ");

        if (col > at && col + n > WIDTH) {
            printf("\n%*s", at, "");
            col = at;
        }
        printf("%.*s", n, s);
        col += n;
        s += n;
        while (*s == ' ') {
            if (s[1] && s[1] != ' ') {
                putchar(' ');
                col++;
            }
            s++;
        }
    }
    putchar('\n');
}

/* " (default ...)", or "" where there is nothing to say */
static void default_text(const struct um_opt *o, char *buf, size_t n)
{
    buf[0] = 0;
    switch (o->type) {
    case UM_T_FLAG:
        if (*(const bool *)o->to)
            (void)snprintf(buf, n, " (default; --no-%s turns it off)", o->name);
        break;
    case UM_T_INT:
        (void)snprintf(buf, n, " (default %lld)", (long long)*(const int64_t *)o->to);
        break;
    case UM_T_NUM: (void)snprintf(buf, n, " (default %.12g)", *(const double *)o->to); break;
    case UM_T_STR:
    case UM_T_CHOICE:
        if (*(const char *const *)o->to)
            (void)snprintf(buf, n, " (default %s)", *(const char *const *)o->to);
        break;
    case UM_T_END: break;
    }
}

static void print_option(char letter, const char *name, const char *arg, const char *help)
{
    char head[128], key[8] = "    ";
    int  n;

    if (letter)
        (void)snprintf(key, sizeof key, "-%c, ", letter);
    n = snprintf(head, sizeof head, "  %s--%s%s%s", key, name, arg ? "=" : "", arg ? arg : "");
    if (n < TEXT_AT - 1)
        printf("%-*s", TEXT_AT, head);
    else
        printf("%s\n%*s", head, TEXT_AT, "");
    print_wrapped(help, TEXT_AT);
}

void um_cli_help(const struct um_tool *tool)
{
    printf("Usage: %s [options]%s%s\n%s\n\nOptions:\n", tool->name, tool->operands ? " " : "",
           tool->operands ? tool->operands : "", tool->summary);
    for (const struct um_opt *o = tool->opts; o->type != UM_T_END; o++) {
        char def[256], text[1024];

        default_text(o, def, sizeof def);
        (void)snprintf(text, sizeof text, "%s%s", o->help, def);
        print_option(o->letter, o->name, o->arg, text);
    }
    print_option(0, "help", NULL, "print this and exit");
    print_option(0, "version", NULL, "print version and build, and exit");
    if (tool->examples) {
        const size_t n = strlen(tool->examples);

        printf("\nExamples:\n%s%s", tool->examples, n && tool->examples[n - 1] != '\n' ? "\n" : "");
    }
    printf("\nThe manual: man %s\n", tool->name);
}

void um_cli_dump(const struct um_tool *tool)
{
    for (const struct um_opt *o = tool->opts; o->type != UM_T_END; o++)
        printf("%c\t%s\t%s\n", o->letter ? o->letter : '-', o->name, o->arg ? o->arg : "-");
    printf("-\thelp\t-\n-\tversion\t-\n");
}

static const char *compiler(void)
{
#if defined(__clang__)
    return __VERSION__;
#else
    return "gcc " __VERSION__;
#endif
}

void um_cli_version(const struct um_tool *tool)
{
    printf("%s (um) %s\n", tool->name, UM_VERSION);
    printf("compiler   %s\n", compiler());
    printf("flags      %s\n", UM_BUILD_FLAGS);
#if defined(__x86_64__)
    __builtin_cpu_init();
    printf("processor  x86-64%s%s%s, %d threads\n", __builtin_cpu_supports("avx2") ? " avx2" : "",
           __builtin_cpu_supports("fma") ? " fma" : "",
           __builtin_cpu_supports("avx512f") ? " avx512f" : "", um_cpu_count());
#else
    printf("processor  generic, %d threads\n", um_cpu_count());
#endif
    if (getenv("UM_ISA"))
        printf("UM_ISA     %s\n", getenv("UM_ISA"));
}
