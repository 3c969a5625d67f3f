/* phantom.c - from a case's index to its volume, masks, X-ray and truth */
/* SPDX-License-Identifier: Apache-2.0 */
#include "phantom/phantom.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/philox.h"
#include "phantom/finding.h"
#include "phantom/thorax.h"
#include "phantom/wording.h"
#include "phantom/xray.h"

enum { BELL = 256, PHOTONS = 60000, THIN_MAX = 8 };

struct um_phantom {
    struct um_phantom_config cfg;
    struct um_phantom_case   c;
    struct um_grid           g;
    float                   *dome, *integral, *scratch, *image;
    int16_t                 *ct;
    uint8_t                 *mask, *xray, *mask2d;
    float                    bell[BELL]; /* quantiles of the standard normal */
};

const char *um_finding_name(int finding)
{
    static const char *const name[UM_FINDINGS] = { "nodule", "consolidation", "effusion",
                                                   "cardiomegaly", "pneumothorax" };

    return finding >= 0 && finding < UM_FINDINGS ? name[finding] : NULL;
}

int um_findings_parse(const char *list, uint32_t *bits)
{
    *bits = 0;
    while (*list) {
        const size_t n = strcspn(list, ",");
        int          f = 0;

        while (f < UM_FINDINGS &&
               (strlen(um_finding_name(f)) != n || strncmp(um_finding_name(f), list, n) != 0))
            f++;
        if (f == UM_FINDINGS)
            return um_fail(UM_ERANGE,
                           "\"%.*s\" is none of nodule, consolidation, effusion, "
                           "cardiomegaly, pneumothorax",
                           (int)n, list);
        *bits |= 1u << f;
        list += n + (list[n] == ',');
    }
    return UM_OK;
}

const char *um_split_name(int split)
{
    static const char *const name[UM_SPLITS] = { "train", "valid", "test" };

    return split >= 0 && split < UM_SPLITS ? name[split] : NULL;
}

int um_phantom_check(const struct um_phantom_config *cfg)
{
    const double sum     = cfg->split[0] + cfg->split[1] + cfg->split[2];
    const int    side[3] = { cfg->depth, cfg->height, cfg->width };

    for (int i = 0; i < 3; i++) {
        if (side[i] < 8 || side[i] > 1024)
            return um_fail(UM_ERANGE, "volume %dx%dx%d: each side must be 8 to 1024", side[0],
                           side[1], side[2]);
        if (!(cfg->split[i] >= 0))
            return um_fail(UM_ERANGE, "split: a share of %g", cfg->split[i]);
    }
    if ((int64_t)side[0] * side[1] * side[2] > (int64_t)1 << 27)
        return um_fail(UM_ERANGE, "volume %dx%dx%d: more than 134217728 voxels", side[0], side[1],
                       side[2]);
    if (!(fabs(sum - 1) <= 1e-6))
        return um_fail(UM_ERANGE, "split: the shares' sum is %g, not 1", sum);
    if (!(cfg->prevalence >= 0 && cfg->prevalence <= 1))
        return um_fail(UM_ERANGE, "prevalence %g: must be 0 to 1", cfg->prevalence);
    if (cfg->xray < 32 || cfg->xray > 4096)
        return um_fail(UM_ERANGE, "X-ray of %d pixels: must be 32 to 4096", cfg->xray);
    return UM_OK;
}

/* grid slices per CT slice: about as thick as a pixel is wide; of the configuration alone */
static int thin_of(const struct um_phantom_config *cfg)
{
    const double n = floor(320.0 / cfg->depth / (360.0 / cfg->width) + 0.5);

    return n < 1 ? 1 : n > THIN_MAX ? THIN_MAX : (int)n;
}

/* the values below which (i + 1/2)/256 of a normal's draws lie, by bisection of erfc */
static void fill_bell(float *bell)
{
    for (int i = 0; i < BELL; i++) {
        double lo = -5, hi = 5;

        for (int k = 0; k < 50; k++) {
            const double mid = 0.5 * (lo + hi);

            if (0.5 * erfc(-mid * 0.70710678118654752) < (i + 0.5) / BELL)
                lo = mid;
            else
                hi = mid;
        }
        bell[i] = (float)lo;
    }
}

int um_phantom_new(struct um_phantom **out, const struct um_phantom_config *cfg)
{
    struct um_phantom *p;

    UM_TRY(um_phantom_check(cfg));
    p = calloc(1, sizeof *p);
    if (!p)
        return um_fail(UM_ENOMEM, "out of memory");
    const int     thin  = thin_of(cfg);
    const int64_t plane = (int64_t)cfg->height * cfg->width, n = plane * cfg->depth;
    const int64_t pix = (int64_t)cfg->xray * cfg->xray;
    const int64_t lines =
        (int64_t)cfg->depth * thin * (cfg->width > cfg->xray ? cfg->width : cfg->xray);

    p->cfg  = *cfg;
    p->g    = (struct um_grid){ .n = { cfg->width, cfg->height, cfg->depth * thin }, .thin = thin };
    p->g.hu = malloc((size_t)(n * thin) * sizeof *p->g.hu);
    p->g.tissue = malloc((size_t)(n * thin));
    p->g.mask   = malloc((size_t)(n * thin));
    p->dome     = malloc((size_t)plane * sizeof *p->dome);
    p->integral = malloc((size_t)lines * sizeof *p->integral);
    p->scratch  = malloc((size_t)(lines > 2 * pix ? lines : 2 * pix) * sizeof *p->scratch);
    p->image    = malloc((size_t)pix * sizeof *p->image);
    p->ct       = malloc((size_t)n * sizeof *p->ct);
    p->mask     = malloc((size_t)n);
    p->xray     = malloc((size_t)pix);
    p->mask2d   = malloc((size_t)pix);
    if (!p->g.hu || !p->g.tissue || !p->g.mask || !p->dome || !p->integral || !p->scratch ||
        !p->image || !p->ct || !p->mask || !p->xray || !p->mask2d) {
        um_phantom_free(p);
        return um_fail(UM_ENOMEM, "out of memory for a volume of %dx%dx%d", cfg->depth, cfg->height,
                       cfg->width);
    }
    fill_bell(p->bell);
    *out = p;
    return UM_OK;
}

void um_phantom_free(struct um_phantom *p)
{
    if (!p)
        return;
    free(p->g.hu);
    free(p->g.tissue);
    free(p->g.mask);
    free(p->dome);
    free(p->integral);
    free(p->scratch);
    free(p->image);
    free(p->ct);
    free(p->mask);
    free(p->xray);
    free(p->mask2d);
    free(p);
}

/* spacing, storage order, split and the detector's view of a case */
static void draw_scan(struct um_phantom *p, struct um_view *view)
{
    static const char *const axes[] = { "LPS", "LPS", "LPS", "RAS", "RAS",
                                        "RAS", "LAS", "LAS", "LPI", "PSR" };
    struct um_phantom_case  *c      = &p->c;
    struct um_grid          *g      = &p->g;
    struct um_rng            r      = um_rng_at(p->cfg.seed, UM_RNG_PHANTOM, (uint64_t)c->index, 4);
    const double             u = um_rng_uniform(&r), *share = p->cfg.split;

    c->split      = u < share[0] ? 0 : u < share[0] + share[1] || !(share[2] > 0) ? 1 : 2;
    c->depth      = p->cfg.depth;
    c->height     = p->cfg.height;
    c->width      = p->cfg.width;
    c->spacing[0] = 0.01 * floor(100 * um_rng_range(&r, 352, 376) / c->width + 0.5);
    c->spacing[1] = 0.01 * floor(100 * c->spacing[0] * c->width / c->height + 0.5);
    c->spacing[2] = 0.01 * floor(100 * um_rng_range(&r, 314, 334) / c->depth + 0.5);
    for (int a = 0; a < 3; a++) {
        g->h[a] = a == 2 ? c->spacing[2] / g->thin : c->spacing[a];
        c->origin[a] =
            floor(um_rng_range(&r, -40, 40)) - (a == 2 ? 700 : 0.5 * (g->n[a] - 1) * g->h[a]);
    }
    (void)snprintf(c->axes, sizeof c->axes, "%s", axes[um_rng_below(&r, 10)]);
    const double zoom = um_rng_range(&r, 0.90, 0.98); /* collimation */
    const double wide = zoom * g->n[0] * g->h[0],
                 tall = um_rng_range(&r, 0.92, 0.97) * g->n[2] * g->h[2];
    const double left = 0.5 * (g->n[0] * g->h[0] - wide) + um_rng_range(&r, -5, 5);
    const double base = um_rng_range(&r, 0.1, 0.6) * (g->n[2] * g->h[2] - tall);

    c->pixel = fmax(wide, tall) / p->cfg.xray;
    c->w     = (int)fmax(1, floor(wide / c->pixel + 0.5));
    c->h     = (int)fmax(1, floor(tall / c->pixel + 0.5));
    *view    = (struct um_view){ left / g->h[0],
                                 base / g->h[2],
                                 (left + c->w * c->pixel) / g->h[0],
                                 (base + c->h * c->pixel) / g->h[2],
                                 c->w,
                                 c->h };
}

/* one CT slice: mean of the grid's slices, noise, whole HU; masks joined */
static void thicken(struct um_phantom *p, int z, float sigma)
{
    const struct um_grid *g     = &p->g;
    const int64_t         plane = (int64_t)g->n[0] * g->n[1], from = plane * z * g->thin;
    struct um_rng r = um_rng_at(p->cfg.seed, UM_RNG_NOISE, (uint64_t)p->c.index, 1 + (uint32_t)z);
    uint32_t      four = 0;

    for (int64_t i = 0; i < plane; i++) {
        float   sum  = 0;
        uint8_t bits = 0;

        for (int64_t v = from + i; v < from + g->thin * plane; v += plane) {
            sum += g->hu[v];
            bits |= g->mask[v];
        }
        four = i % 4 ? four >> 8 : um_rng_u32(&r);
        sum  = sum / (float)g->thin;
        sum += (sum > -980 ? sigma : 0.3f * sigma) *
               p->bell[four & 255]; /* few photons are lost in air */
        sum                    = sum < -1024 ? -1024 : sum > 3071 ? 3071 : sum;
        p->ct[z * plane + i]   = (int16_t)((int)(sum + 1024.5f) - 1024);
        p->mask[z * plane + i] = bits;
    }
}

static void measure(struct um_phantom *p, int f)
{
    struct um_lesion *l = &p->c.lesion[f];
    int64_t           i = 0;

    l->z0 = p->c.depth;
    l->z1 = -1;
    for (int z = 0; z < p->c.depth; z++)
        for (int y = 0; y < p->c.height; y++)
            for (int x = 0; x < p->c.width; x++) {
                if (!(p->mask[i++] >> f & 1))
                    continue;
                l->voxels++;
                l->z0 = z < l->z0 ? z : l->z0;
                l->z1 = z;
                l->at[0] += x;
                l->at[1] += y;
                l->at[2] += z;
            }
    for (int a = 0; a < 3 && l->voxels; a++)
        l->at[a] /= (double)l->voxels;
}

/* where finding f projects to: pixels whose ray meets a voxel of it; the box around them */
static void shadow(struct um_phantom *p, int f, const struct um_view *view)
{
    const struct um_grid *g  = &p->g;
    struct um_lesion     *l  = &p->c.lesion[f];
    int                   x0 = p->c.w, x1 = -1, y0 = p->c.h, y1 = -1;

    memset(p->integral, 0, (size_t)g->n[2] * (size_t)g->n[0] * sizeof *p->integral);
    for (int z = 0; z < g->n[2]; z++)
        for (int y = 0; y < g->n[1]; y++) {
            const uint8_t *bits = g->mask + um_grid_index(g, 0, y, z);
            float         *row  = p->integral + (int64_t)z * g->n[0];

            for (int x = 0; x < g->n[0]; x++)
                row[x] = bits[x] >> f & 1 ? 1 : row[x];
        }
    um_xray_resample(p->integral, g->n[0], g->n[2], view, p->scratch, p->image);
    for (int y = 0; y < p->c.h; y++)
        for (int x = 0; x < p->c.w; x++) {
            if (p->image[(int64_t)y * p->c.w + x] < 0.5f)
                continue;
            p->mask2d[(int64_t)y * p->c.w + x] |= (uint8_t)(1u << f);
            x0 = x < x0 ? x : x0;
            x1 = x > x1 ? x : x1;
            y0 = y < y0 ? y : y0;
            y1 = y;
        }
    for (int k = 0; k < 4 && x1 >= 0; k++)
        l->box[k] = (double[4]){ x0, y0, x1 + 1, y1 + 1 }[k];
}

/* widest part of the heart over the widest part of the lungs and what lies between them */
static double heart_ratio(const struct um_grid *g, double *wide)
{
    int lo[2] = { g->n[0], g->n[0] }, hi[2] = { -1, -1 };

    for (int64_t row = 0; row < (int64_t)g->n[2] * g->n[1]; row++)
        for (int x = 0; x < g->n[0]; x++) {
            const int t = g->tissue[row * g->n[0] + x];

            if (t != UM_HEART && t != UM_LUNG_L && t != UM_LUNG_R && t != UM_PLEURA)
                continue;
            for (int k = t == UM_HEART ? 0 : 1; k < 2; k++) {
                lo[k] = x < lo[k] ? x : lo[k];
                hi[k] = x > hi[k] ? x : hi[k];
            }
        }
    *wide = (hi[0] - lo[0] + 1) * g->h[0];
    return hi[1] < lo[1] ? 0 : (double)(hi[0] - lo[0] + 1) / (hi[1] - lo[1] + 1);
}

static int grade(double x, double one, double two)
{
    return x < one ? 0 : x < two ? 1 : 2;
}

static void tell_truth(struct um_phantom *p, const struct um_body *b, const struct um_plan *plan,
                       const struct um_view *view)
{
    static const double step[UM_FINDINGS][2] = {
        { 12, 20 }, { 62, 90 }, { 52, 76 }, { 0.57, 0.62 }, { 24, 36 }
    };

    memset(p->mask2d, 0, (size_t)p->c.w * (size_t)p->c.h);
    for (int f = 0; f < UM_FINDINGS; f++) {
        struct um_lesion *l = &p->c.lesion[f];

        *l = (struct um_lesion){ .present = plan->present[f] };
        if (!l->present)
            continue;
        measure(p, f);
        l->present = l->voxels > 0; /* voxels of centimetres may miss it */
        if (!l->present)
            continue;
        shadow(p, f, view);
        const double z = (l->at[2] + 0.5) * p->c.spacing[2];

        l->side     = f == UM_CARDIOMEGALY ? 'M' : plan->side[f] < 0 ? 'R' : 'L';
        l->size     = plan->size[f];
        l->zone     = grade(um_body_rise(b, z), 0.36, 0.64);
        l->severity = grade(f == UM_CARDIOMEGALY ? p->c.ctr : l->size, step[f][0], step[f][1]);
    }
}

static void expose(struct um_phantom *p, const struct um_view *view)
{
    struct um_rng r = um_rng_at(p->cfg.seed, UM_RNG_NOISE, (uint64_t)p->c.index, 0);

    um_xray_project(p->g.hu, p->g.n, p->g.h[1], p->integral);
    um_xray_resample(p->integral, p->g.n[0], p->g.n[2], view, p->scratch, p->image);
    um_xray_expose(p->image, (int64_t)p->c.w * p->c.h, PHOTONS * um_rng_range(&r, 0.6, 1.6), &r);
    const struct um_develop how = { um_rng_range(&r, 0.5, 0.65), um_rng_range(&r, 0.35, 0.5) };
    um_xray_develop(p->image, p->c.w, p->c.h, &how, p->scratch, p->xray);
}

const struct um_phantom_case *um_phantom_make(struct um_phantom *p, int64_t index)
{
    struct um_phantom_case *c = &p->c;
    struct um_plan          plan;
    struct um_view          view;

    *c = (struct um_phantom_case){ .index = index };
    (void)snprintf(c->name, sizeof c->name, "p%06lld", (long long)index);
    draw_scan(p, &view);
    plan                   = um_finding_draw(&p->cfg, index);
    const struct um_body b = um_body_draw(p->cfg.seed, index, plan.present[UM_CARDIOMEGALY]);

    memset(p->g.mask, 0, (size_t)p->g.n[0] * (size_t)p->g.n[1] * (size_t)p->g.n[2]);
    um_thorax_soft(&p->g, &b, p->dome);
    um_finding_paint(&p->g, &b, &plan, p->cfg.seed, index);
    um_thorax_vessels(&p->g, &b, p->cfg.seed, index);
    um_thorax_bones(&p->g, &b);
    c->ctr              = heart_ratio(&p->g, &plan.size[UM_CARDIOMEGALY]);
    struct um_rng r     = um_rng_at(p->cfg.seed, UM_RNG_PHANTOM, (uint64_t)index, 5);
    const float   sigma = (float)um_rng_range(&r, 8, 18);
    for (int z = 0; z < c->depth; z++)
        thicken(p, z, sigma);
    expose(p, &view);
    tell_truth(p, &b, &plan, &view);
    c->ct     = p->ct;
    c->mask   = p->mask;
    c->xray   = p->xray;
    c->mask2d = p->mask2d;
    um_wording_write(c, p->cfg.seed, false, c->report_ct);
    um_wording_write(c, p->cfg.seed, true, c->report_xray);
    return c;
}
