/* um-phantom - made-up chest X-rays, CT volumes and reports with known truth
 *
 * writes  DIR/xray, DIR/ct, DIR/masks, the manifests DIR/xray.tsv and DIR/ct.tsv, DIR/truth.tsv
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "phantom/layout.h"
#include "phantom/phantom.h"
#include "phantom/save.h"

enum { CHUNK = 64, PATH_LEN = 4096 }; /* cases whose lines are held at a time */

struct config {
    struct um_common         common;
    int64_t                  n, start, xray;
    const char              *findings, *split, *volume, *pairs, *layout;
    const char              *xray_files, *ct_files;
    const struct um_layout  *as; /* NULL: the folder of save.h */
    struct um_phantom_config phantom;
    struct um_save           save;
};

struct run {
    const struct config     *cfg;
    struct um_phantom      **maker; /* one per worker */
    int64_t                  first; /* case of the chunk's task 0 */
    char                    *row[CHUNK][UM_TABLES], **line[CHUNK];
    struct um_outfile       *table[UM_TABLES];
    struct um_layout_tables *lines;
};

static bool wanted(const struct config *cfg, int table)
{
    return table == UM_TABLE_TRUTH ||
           (!cfg->as && (table == UM_TABLE_XRAY ? cfg->save.xray : cfg->save.ct));
}

static int parse(struct config *cfg)
{
    struct um_phantom_config *p = &cfg->phantom;
    char                      rest;

    if (um_findings_parse(cfg->findings, &p->findings) < 0)
        return um_usage("--findings: %s", um_errmsg());
    if (sscanf(cfg->split, "%lf,%lf,%lf%c", &p->split[0], &p->split[1], &p->split[2], &rest) != 3)
        return um_usage("--split: expected three numbers with commas, got \"%s\"", cfg->split);
    if (sscanf(cfg->volume, "%dx%dx%d%c", &p->depth, &p->height, &p->width, &rest) != 3)
        return um_usage("--volume: expected slices x rows x columns such as 64x128x128, got \"%s\"",
                        cfg->volume);
    p->xray = (int)cfg->xray;
    p->seed = (uint64_t)cfg->common.seed;
    if (!cfg->common.output)
        return um_usage("no folder to write to: -o DIR");
    cfg->save = (struct um_save){ .dir        = cfg->common.output,
                                  .xray       = strcmp(cfg->pairs, "ct") != 0,
                                  .ct         = strcmp(cfg->pairs, "xray") != 0,
                                  .xray_files = um_xray_files_find(cfg->xray_files),
                                  .ct_files   = um_ct_files_find(cfg->ct_files) };
    cfg->as   = um_layout_find(cfg->layout);
    if (cfg->as && (strcmp(cfg->xray_files, "jpeg") != 0 || strcmp(cfg->ct_files, "nifti") != 0))
        return um_usage("--layout %s has its own kinds of files: no --xray-files, no --ct-files",
                        cfg->layout);
    if (um_phantom_check(p) < 0)
        return um_usage("%s", um_errmsg());
    return UM_OK;
}

static int make_case(void *arg, int64_t task, int worker)
{
    struct run                   *r = arg;
    const struct um_phantom_case *c;

    if (!r->maker[worker])
        UM_TRY(um_phantom_new(&r->maker[worker], &r->cfg->phantom));
    c = um_phantom_make(r->maker[worker], r->first + task);
    if (r->cfg->as) {
        UM_TRY(r->cfg->as->files(r->cfg->save.dir, c));
        if (!(r->line[task] = um_layout_rows(r->cfg->as, c)))
            return um_fail(UM_ENOMEM, "out of memory");
    } else {
        UM_TRY(um_save_files(&r->cfg->save, c));
    }
    for (int t = 0; t < UM_TABLES; t++)
        if (!(r->row[task][t] = um_save_row(&r->cfg->save, c, (enum um_table)t)))
            return um_fail(UM_ENOMEM, "out of memory");
    return UM_OK;
}

static int write_rows(struct run *r, int64_t n, int st)
{
    for (int64_t i = 0; i < n; i++) {
        const int added = um_layout_add(r->lines, r->line[i]);

        st         = st < 0 ? st : added;
        r->line[i] = NULL;
        for (int t = 0; t < UM_TABLES; t++) {
            if (st >= 0 && r->table[t])
                st = um_outfile_write(r->table[t], r->row[i][t], strlen(r->row[i][t]));
            free(r->row[i][t]);
            r->row[i][t] = NULL;
        }
    }
    return st;
}

static int open_tables(struct run *r)
{
    char path[PATH_LEN];

    if (r->cfg->as) {
        UM_TRY(um_mkdirs(r->cfg->save.dir));
        UM_TRY(um_layout_begin(&r->lines, r->cfg->as));
    } else {
        UM_TRY(um_save_folders(&r->cfg->save));
        UM_TRY(um_save_readme(&r->cfg->save));
    }
    for (int t = 0; t < UM_TABLES; t++) {
        const char *head = um_save_head((enum um_table)t);

        if (!wanted(r->cfg, t))
            continue;
        if (snprintf(path, sizeof path, "%s/%s", r->cfg->save.dir,
                     um_save_file((enum um_table)t)) >= PATH_LEN)
            return um_fail(UM_ERANGE, "%s: the path is too long", r->cfg->save.dir);
        UM_TRY(um_outfile_open(&r->table[t], path));
        UM_TRY(um_outfile_write(r->table[t], head, strlen(head)));
    }
    return UM_OK;
}

static int make_all(struct run *r, struct um_pool *pool, struct um_progress *progress)
{
    const int64_t n = r->cfg->n;

    for (int64_t done = 0; done < n;) {
        const int64_t now = n - done < CHUNK ? n - done : CHUNK;

        r->first = r->cfg->start + done;
        UM_TRY(write_rows(r, now, um_pool_run(pool, now, make_case, r)));
        done += now;
        um_progress_set(progress, (double)done, (double)n, done, NULL);
    }
    return UM_OK;
}

static int run(const struct um_tool *tool, struct config *cfg)
{
    struct run          r        = { .cfg = cfg };
    struct um_pool     *pool     = NULL;
    struct um_progress *progress = NULL;
    const int           jobs     = um_jobs(&cfg->common);
    int                 st;

    UM_TRY(parse(cfg));
    r.maker = calloc((size_t)jobs, sizeof(struct um_phantom *));
    if (!r.maker)
        return um_fail(UM_ENOMEM, "out of memory");
    if ((st = open_tables(&r)) >= 0 && (st = um_pool_new(&pool, jobs)) >= 0 &&
        (st = um_progress_new(&progress, tool, "cases")) >= 0)
        st = make_all(&r, pool, progress);
    for (int t = 0; t < UM_TABLES && st >= 0; t++) /* all or none: a full disk shows here */
        st = r.table[t] ? um_outfile_flush(r.table[t]) : UM_OK;
    um_progress_free(progress);
    st = um_layout_end(r.lines, cfg->common.output, st);
    for (int t = 0; t < UM_TABLES; t++)
        st = um_outfile_close(r.table[t], st, 0);
    um_pool_free(pool);
    for (int i = 0; i < jobs; i++)
        um_phantom_free(r.maker[i]);
    free(r.maker);
    return st;
}

int main(int argc, char **argv)
{
    struct config       cfg    = { .common             = UM_COMMON_INIT,
                                   .n                  = 100,
                                   .xray               = 320,
                                   .volume             = "64x128x128",
                                   .split              = "0.7,0.1,0.2",
                                   .pairs              = "xray,ct",
                                   .layout             = "none",
                                   .xray_files         = "jpeg",
                                   .ct_files           = "nifti",
                                   .phantom.prevalence = 0.3,
                                   .findings = "nodule,consolidation,effusion,cardiomegaly,pneumothorax" };
    const struct um_opt opts[] = {
        UM_OPT_INT('n', "cases", "N", &cfg.n, 1, 1e12, true, "patients to make"),
        UM_OPT_STR('o', "output", "DIR", &cfg.common.output, false, "folder to write to"),
        UM_OPT_SEED(&cfg.common),
        UM_OPT_INT(0, "start", "N", &cfg.start, 0, 1e12, true, "number of the first patient"),
        UM_OPT_STR(0, "findings", "LIST", &cfg.findings, true, "findings that may occur"),
        UM_OPT_NUM(0, "prevalence", "P", &cfg.phantom.prevalence, 0, 1, true,
                   "probability of each"),
        UM_OPT_STR(0, "split", "T,V,S", &cfg.split, true, "shares of train, valid, test"),
        UM_OPT_STR(0, "volume", "ZxYxX", &cfg.volume, true,
                   "voxels of a CT: slices, rows, columns"),
        UM_OPT_INT(0, "xray-size", "N", &cfg.xray, 32, 4096, true,
                   "longer side of an X-ray, pixels"),
        UM_OPT_CHOICE(0, "pairs", "xray,ct|xray|ct", &cfg.pairs, true, "kinds to write"),
        UM_OPT_CHOICE(0, "xray-files", UM_XRAY_FILES, &cfg.xray_files, true, "what X-rays are"),
        UM_OPT_CHOICE(0, "ct-files", UM_CT_FILES, &cfg.ct_files, true, "what CTs are"),
        UM_OPT_CHOICE(0, "layout", UM_LAYOUT_NAMES, &cfg.layout, true,
                      "as the folder of that data set"),
        UM_OPT_JOBS(&cfg.common),
        UM_OPT_TALK(&cfg.common),
        UM_OPT_END
    };
    const struct um_tool tool = {
        "um-phantom",
        "made-up X-rays, CTs and reports with known truth",
        NULL,
        "  um-phantom -n 600 --seed 42 -o phantom   600 patients\n"
        "  um-phantom -n 9 --ct-files dicom -o d    nine, a folder of slices for each CT\n"
        "  um-phantom -n 40 --layout chexpert -o c  forty in the folders of CheXpert\n",
        opts,
        &cfg.common
    };

    um_args(&tool, argc, argv);
    return um_exit(&tool, run(&tool, &cfg));
}
