/* method.c - what follows from the decisions, and how they are read */
/* SPDX-License-Identifier: Apache-2.0 */
#include "train/method.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/sequence.h"
#include "train/schedule.h"

/* ---- what follows ---- */

bool um_method_patches(const struct um_method *m)
{
    return m->lambda_pcl > 0 && m->patches != UM_PATCH_NONE;
}

bool um_method_distils(const struct um_method *m)
{
    return m->lambda_icl > 0 || um_method_patches(m);
}

bool um_method_teaches(const struct um_method *m)
{
    return um_method_distils(m) || (m->select == UM_SELECT_ATTENTION && !m->attn_student);
}

bool um_method_masks(const struct um_method *m)
{
    return um_method_distils(m) && m->keep.share < 1;
}

bool um_method_pairs(const struct um_method *m, enum um_modality mod)
{
    return mod == UM_3D && m->select != UM_SELECT_NONE;
}

double um_method_tau(const struct um_method *m, int64_t epoch)
{
    return um_schedule_ramp(m->tau_t, m->tau_to, m->tau_epochs, epoch);
}

/* ---- options ---- */

/* a number from `lo` on at *at, which moves behind it */
static bool number(const char **at, double lo, double *x)
{
    char *end;

    *x = strtod(*at, &end);
    if (end == *at || !isfinite(*x) || !(*x >= lo))
        return false;
    *at = end;
    return true;
}

int um_temperature_parse(const char *text, struct um_method *m)
{
    const char *at = text;

    m->temperature = 0;
    if (strcmp(text, "learned") == 0 ||
        (number(&at, 0.01, &m->temperature) && !*at && m->temperature <= 1e6))
        return UM_OK;
    return um_fail(UM_EUSAGE, "--temperature %s: expected learned, or a number from 0.01", text);
}

int um_tau_parse(const char *text, struct um_method *m)
{
    const char *at     = text;
    double      epochs = 0;
    bool        good   = number(&at, 1e-4, &m->tau_t);

    m->tau_to = m->tau_t;
    if (good && *at == ':') {
        at++;
        good = number(&at, 1e-4, &m->tau_to) && *at == ':';
        at += good;
        good = good && number(&at, 1, &epochs) && epochs <= 1e6 && epochs == floor(epochs);
    }
    m->tau_epochs = (int64_t)epochs;
    if (good && !*at)
        return UM_OK;
    return um_fail(UM_EUSAGE, "--tau-t %s: expected FROM or FROM:TO:EPOCHS, as 0.04:0.07:30", text);
}

static const char *const patch_name[] = { "all", "masked", "none" };

int um_patches_parse(const char *text, enum um_patch_loss *patches)
{
    for (int i = 0; i < 3; i++)
        if (strcmp(text, patch_name[i]) == 0) {
            *patches = (enum um_patch_loss)i;
            return UM_OK;
        }
    return um_fail(UM_EUSAGE, "--patch-loss %s: expected all, masked or none", text);
}

const char *um_patches_name(enum um_patch_loss patches)
{
    return patch_name[patches];
}

/* ---- checks ---- */

static int check_slices(const struct um_method *m, const struct um_model_config *c)
{
    const bool    slabs = m->spread && m->select == UM_SELECT_ATTENTION;
    const int64_t most  = slabs ? um_model_slabs(c) : c->volume[0];

    if (m->slices > most || m->slices > UM_SLICE_MAX)
        return um_fail(UM_ERANGE, "--slices %lld: a volume of this model has %lld %s",
                       (long long)m->slices, (long long)most, slabs ? "slabs" : "slices");
    return UM_OK;
}

/* groups of one modality, of which a pair's slices are all alike; does the mask leave any token
 * out? */
static int check_masks(const struct um_method *m, const struct um_model_config *cfg,
                       enum um_modality mod)
{
    struct um_keep_group g[2];
    const int64_t        K = um_method_pairs(m, mod);
    int                  n;

    const int st = um_keep_groups(cfg, mod, K, &m->keep, g, &n);
    if (st < 0)
        return um_context(st, "--mask-block %lld", (long long)m->keep.block);
    if (m->patches == UM_PATCH_MASKED && um_method_patches(m) &&
        um_keep_count(g, n, &m->keep) == um_sequence_tokens(cfg, mod, K))
        return um_fail(UM_ERANGE, "--patch-loss masked: --keep %g masks no token", m->keep.share);
    return UM_OK;
}

int um_method_check(const struct um_method *m, const struct um_model_config *cfg, const bool use[2])
{
    if (use[UM_3D] && m->select != UM_SELECT_NONE) {
        UM_TRY(check_slices(m, cfg));
        if (um_model_slice_side(cfg) > cfg->image)
            return um_fail(UM_ERANGE, "--slice-size %lld: larger than the model's X-rays of %lld",
                           (long long)um_model_slice_side(cfg), (long long)cfg->image);
    }
    for (int mod = UM_2D; mod <= UM_3D; mod++)
        if (use[mod] && um_method_masks(m))
            UM_TRY(check_masks(m, cfg, (enum um_modality)mod));
    if (um_method_patches(m) && m->patches == UM_PATCH_MASKED && (m->drop || !um_method_masks(m)))
        return um_fail(UM_ERANGE, "--patch-loss masked: %s",
                       m->drop ? "with --mask-as drop no masked token is left"
                               : "with --keep 1 no token is masked");
    return UM_OK;
}
