/* args.c - the option table put through getopt_long
 *
 * Options are collected first and applied afterwards, so that --help shows the true defaults
 * wherever it stands on the line.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli_int.h"

enum { HELP = 1, VERSION, DUMP, FIRST = 256 }; /* FIRST + 2 i: option i; + 1: its --no- form */

struct given { /* one option on the command line */
    const struct um_opt *opt;
    const char          *arg;
    bool                 no;
    char                 name[64]; /* as messages call it */
};

struct parser {
    const struct um_opt *opts;
    int                  n;
    struct option       *longs;
    char                *shorts;
    char                *no_names; /* "no-x" of all flags, one after the other */
    struct given        *given;
    int                  ngiven;
};

static int opt_count(const struct um_opt *opts)
{
    int n = 0;

    while (opts[n].type != UM_T_END)
        n++;
    return n;
}

static void fill_tables(struct parser *p)
{
    struct option *l  = p->longs;
    char          *s  = p->shorts;
    char          *no = p->no_names;

    *s++ = ':'; /* a missing argument is told apart from an unknown option */
    for (int i = 0; i < p->n; i++) {
        const struct um_opt *o    = &p->opts[i];
        const bool           flag = o->type == UM_T_FLAG;

        *l++ =
            (struct option){ o->name, flag ? no_argument : required_argument, NULL, FIRST + 2 * i };
        if (flag) {
            *l++ = (struct option){ no, no_argument, NULL, FIRST + 2 * i + 1 };
            no += sprintf(no, "no-%s", o->name) + 1;
        }
        if (o->letter) {
            *s++ = o->letter;
            if (!flag)
                *s++ = ':';
        }
    }
    *l++ = (struct option){ "help", no_argument, NULL, HELP };
    *l++ = (struct option){ "version", no_argument, NULL, VERSION };
    *l   = (struct option){ "dump-options", no_argument, NULL, DUMP };
}

static int parser_init(struct parser *p, const struct um_tool *tool, int argc)
{
    size_t names = 1;

    p->opts = tool->opts;
    p->n    = opt_count(tool->opts);
    for (int i = 0; i < p->n; i++)
        names += strlen(p->opts[i].name) + 4;
    p->longs    = calloc((size_t)(2 * p->n + 4), sizeof *p->longs);
    p->shorts   = calloc((size_t)(2 * p->n + 2), 1);
    p->no_names = calloc(names, 1);
    p->given    = calloc((size_t)argc + 1, sizeof *p->given);
    if (!p->longs || !p->shorts || !p->no_names || !p->given)
        return um_fail(UM_ENOMEM, "out of memory");
    fill_tables(p);
    return UM_OK;
}

static void parser_free(struct parser *p)
{
    free(p->longs);
    free(p->shorts);
    free(p->no_names);
    free(p->given);
}

static const struct um_opt *by_letter(const struct parser *p, int letter)
{
    for (int i = 0; i < p->n; i++)
        if (p->opts[i].letter && p->opts[i].letter == (char)letter)
            return &p->opts[i];
    return NULL;
}

/* getopt said '?' or ':'; word is the argument it stood in */
static int complain(const struct parser *p, int c, const char *word)
{
    const int n = (int)strcspn(word, "=");

    if (c == ':' && optopt < FIRST)
        return um_usage("option -%c needs a value", optopt);
    if (c == ':')
        return um_usage("option --%s needs a value", p->opts[(optopt - FIRST) / 2].name);
    if (optopt >= FIRST || (optopt && optopt <= DUMP))
        return um_usage("option %.*s takes no value", n, word);
    if (optopt)
        return um_usage("unknown option -%c", optopt);
    return um_usage("unknown option %.*s", n, word);
}

static void collect(struct parser *p, int c)
{
    struct given *g = &p->given[p->ngiven++];

    if (c >= FIRST) {
        g->opt = &p->opts[(c - FIRST) / 2];
        g->no  = (c - FIRST) % 2;
        (void)snprintf(g->name, sizeof g->name, "--%s", g->opt->name);
    } else {
        g->opt = by_letter(p, c);
        (void)snprintf(g->name, sizeof g->name, "-%c", c);
    }
    g->arg = optarg;
}

/* 0 go on, 1 the tool's own text was printed (--help and the like), <0 an error */
static int parse(struct parser *p, const struct um_tool *tool, int argc, char **argv)
{
    int c;

    opterr = 0;
    optind = 1;
    while ((c = getopt_long(argc, argv, p->shorts, p->longs, NULL)) != -1) {
        switch (c) {
        case '?':
        case ':': return complain(p, c, argv[optind - 1]);
        case HELP: um_cli_help(tool); return 1;
        case VERSION: um_cli_version(tool); return 1;
        case DUMP: um_cli_dump(tool); return 1;
        default: collect(p, c);
        }
    }
    return 0;
}

static int set_int(const struct given *g)
{
    const struct um_opt *o     = g->opt;
    int64_t              scale = 1, x;
    char                *end;

    errno             = 0;
    const long long v = strtoll(g->arg, &end, 10);
    if (*end && end != g->arg)
        switch (*end++) {
        case 'k': scale = 1000; break;
        case 'M': scale = 1000000; break;
        case 'G': scale = 1000000000; break;
        default: end--;
        }
    if (end == g->arg || *end)
        return um_usage("%s %s: a whole number expected", g->name, g->arg);
    if (errno || __builtin_mul_overflow((int64_t)v, scale, &x) || !((double)x >= o->lo) ||
        !((double)x <= o->hi))
        return um_usage("%s %s: %.0f to %.0f allowed", g->name, g->arg, o->lo, o->hi);
    *(int64_t *)o->to = x;
    return UM_OK;
}

static int set_num(const struct given *g)
{
    const struct um_opt *o = g->opt;
    char                *end;
    const double         x = strtod(g->arg, &end);

    if (end == g->arg || *end || !isfinite(x))
        return um_usage("%s %s: a number expected", g->name, g->arg);
    if (!(x >= o->lo) || !(x <= o->hi))
        return um_usage("%s %s: %g to %g allowed", g->name, g->arg, o->lo, o->hi);
    *(double *)o->to = x;
    return UM_OK;
}

static int set_choice(const struct given *g)
{
    const size_t n = strlen(g->arg);

    for (const char *s = g->opt->arg; n; s++) {
        const size_t k = strcspn(s, "|");

        if (k == n && memcmp(s, g->arg, n) == 0) {
            *(const char **)g->opt->to = g->arg;
            return UM_OK;
        }
        s += k;
        if (!*s)
            break;
    }
    return um_usage("%s %s: one of %s expected", g->name, g->arg, g->opt->arg);
}

static int apply(const struct given *g)
{
    switch (g->opt->type) {
    case UM_T_FLAG: *(bool *)g->opt->to = !g->no; return UM_OK;
    case UM_T_INT: return set_int(g);
    case UM_T_NUM: return set_num(g);
    case UM_T_STR: *(const char **)g->opt->to = g->arg; return UM_OK;
    case UM_T_CHOICE: return set_choice(g);
    case UM_T_END: break;
    }
    return um_usage("option %s: not in the table", g->name);
}

char **um_args(const struct um_tool *tool, int argc, char **argv)
{
    struct parser p = { 0 };
    int           st;

    um_cli_signals();
    st = parser_init(&p, tool, argc);
    if (st == UM_OK)
        st = parse(&p, tool, argc, argv);
    for (int i = 0; st == UM_OK && i < p.ngiven; i++)
        st = apply(&p.given[i]);
    if (st == UM_OK && !tool->operands && argv[optind])
        st = um_usage("unexpected operand %s", argv[optind]);
    parser_free(&p);
    if (st != UM_OK)
        exit(um_exit(tool, st));
    return argv + optind;
}
