/* flow.c - streams in, a stream out: parts in turn, records over the belt */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sys/stat.h>

#include "cli/belt.h"

struct flow {
    const struct um_flow *f;
    struct belt           belt;
    struct um_arena      *run, *part; /* for the whole run; for one part's header */
    struct um_value       options;
    struct um_flow_item  *items; /* of a group */
    struct um_reader     *reader;
    double                before, total; /* bytes of the inputs read, of all inputs; 0: unknown */
};

static int work(const void *owner, int w, struct slot *s)
{
    const struct um_flow *f = ((const struct flow *)owner)->f;

    return f->map(f->user, w, s->arena, s->item, &s->emit);
}

void um_flow_fail(struct um_flow_item *it, int st)
{
    it->st = st;
    (void)memcpy(it->msg, um_errmsg(), strlen(um_errmsg()) + 1);
}

static int work_group(const void *owner, struct slot *const *s, int n)
{
    const struct flow   *x  = owner;
    struct um_flow_item *it = x->items;
    int                  st;

    for (int i = 0; i < n; i++) {
        it[i].arena = s[i]->arena;
        it[i].rec   = s[i]->item;
        it[i].emit  = &s[i]->emit;
        it[i].st    = UM_OK;
    }
    st = x->f->group(x->f->user, it, n);
    for (int i = 0; i < n; i++) {
        s[i]->st = it[i].st;
        if (it[i].st < 0)
            (void)memcpy(s[i]->msg, it[i].msg, strlen(it[i].msg) + 1);
    }
    return st;
}

static double progress(const void *owner, int64_t count, double *total)
{
    const struct flow *x = owner;

    (void)count;
    *total = x->total;
    return x->before + (x->reader ? (double)um_reader_bytes(x->reader) : 0);
}

/* bytes of all inputs, if each is a regular file */
static double input_bytes(char **files)
{
    struct stat sb;
    double      total = 0;

    if (!files || !*files)
        return fstat(0, &sb) == 0 && S_ISREG(sb.st_mode) ? (double)sb.st_size : 0;
    for (; *files; files++) {
        if (stat(*files, &sb) != 0 || !S_ISREG(sb.st_mode))
            return 0;
        total += (double)sb.st_size;
    }
    return total;
}

static int begin_part(struct flow *x)
{
    const struct um_flow  *f  = x->f;
    const struct um_value *in = um_reader_header(x->reader);
    struct um_value        out;

    UM_TRY(belt_drain(&x->belt));
    um_arena_reset(x->part);
    UM_TRY(um_header_new(x->part, in, f->tool->name, &x->options, &out));
    if (f->part) {
        const int st = f->part(f->user, x->part, in, &out);

        if (st < 0)
            return um_context(st, "%s", um_reader_name(x->reader));
    }
    return um_writer_part(x->belt.writer, &out);
}

static int read_all(struct flow *x)
{
    for (;;) {
        struct slot      *s;
        struct um_record *rec = NULL;
        int               st;

        UM_TRY(belt_slot(&x->belt, &s));
        st = um_reader_next(x->reader, s->arena, &rec);
        if (st == UM_NEXT_RECORD) {
            s->item = rec;
            s->key  = rec->key;
            st      = belt_push(&x->belt);
        } else if (st == UM_NEXT_PART) {
            st = begin_part(x);
        } else if (st == UM_NEXT_END) {
            return UM_OK;
        }
        UM_TRY(st);
    }
}

static int read_file(struct flow *x, const char *path)
{
    int st = um_reader_open(&x->reader, path);

    if (st < 0)
        return st;
    st = belt_settle(&x->belt, read_all(x));
    x->before += (double)um_reader_bytes(x->reader);
    um_reader_close(x->reader);
    x->reader = NULL;
    return st;
}

static int run(struct flow *x)
{
    UM_TRY(um_arena_new(&x->run));
    UM_TRY(um_arena_new(&x->part));
    UM_TRY(um_opts_value(x->run, x->f->tool->opts, &x->options));
    if (x->f->group && !(x->items = um_calloc_array(x->run, x->f->group_size, sizeof *x->items)))
        return UM_ENOMEM;
    UM_TRY(belt_open(&x->belt, "records"));
    x->total = input_bytes(x->f->files);
    for (char **f = um_inputs(x->f->files); *f; f++)
        UM_TRY(read_file(x, *f));
    return UM_OK;
}

int um_flow_run(const struct um_flow *f)
{
    struct flow x = { .f = f };
    int         st;

    x.belt = (struct belt){
        .tool = f->tool, .common = f->common, .owner = &x, .work = work, .progress = progress
    };
    if (f->group) {
        x.belt.work_group = work_group;
        x.belt.group_size = f->group_size;
    }
    st = belt_close(&x.belt, run(&x));
    um_reader_close(x.reader);
    um_arena_free(x.run);
    um_arena_free(x.part);
    return st;
}
