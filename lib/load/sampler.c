/* sampler.c - the order of batches and of the records in them */
/* SPDX-License-Identifier: Apache-2.0 */
#include "load/sampler.h"

#include <stdlib.h>
#include <string.h>

#include "base/philox.h"

int um_modalities_parse(const char *text, bool use[UM_MODALITIES])
{
    const bool both = strcmp(text, "2d,3d") == 0 || strcmp(text, "3d,2d") == 0;

    use[UM_2D] = both || strcmp(text, "2d") == 0;
    use[UM_3D] = both || strcmp(text, "3d") == 0;
    return use[UM_2D] || use[UM_3D]
               ? UM_OK
               : um_fail(UM_EUSAGE, "--modalities %s: expected 2d, 3d or 2d,3d", text);
}

bool um_mix_is_3d(int64_t n2, int64_t n3, int64_t i)
{
    const int64_t n = n2 + n3;

    return (i + 1) * n3 / n > i * n3 / n;
}

/* batches of volumes among the first i of an epoch: the sum of um_mix_is_3d over them */
static int64_t volumes_before(int64_t n2, int64_t n3, int64_t i)
{
    return i * n3 / (n2 + n3);
}

int um_sampler_open(struct um_sampler *s, const int64_t count[UM_MODALITIES],
                    const int64_t size[UM_MODALITIES], enum um_mix mix, bool shuffle, uint64_t seed)
{
    *s = (struct um_sampler){ .mix = mix, .shuffle = shuffle, .seed = seed, .epoch = -1 };
    for (int m = 0; m < UM_MODALITIES; m++)
        if (size[m] < 1 || count[m] < 0)
            return um_fail(UM_ERANGE, "batches of %lld records out of %lld", (long long)size[m],
                           (long long)count[m]);
    int64_t most = 1;
    for (int m = 0; m < UM_MODALITIES; m++) {
        s->count[m] = count[m];
        s->size[m]  = size[m];
        most        = size[m] <= count[m] && size[m] > most ? size[m] : most;
    }
    s->batch = malloc((size_t)most * sizeof *s->batch);
    return s->batch ? UM_OK : um_fail(UM_ENOMEM, "out of memory");
}

void um_sampler_close(struct um_sampler *s)
{
    free(s->batch);
    s->batch = NULL;
}

void um_sampler_from(struct um_sampler *s, enum um_modality mod, int64_t first)
{
    s->first[mod] = first;
}

int64_t um_sampler_batches(const struct um_sampler *s, enum um_modality mod)
{
    return s->count[mod] / s->size[mod];
}

int64_t um_sampler_steps(const struct um_sampler *s)
{
    const int64_t n2 = um_sampler_batches(s, UM_2D), n3 = um_sampler_batches(s, UM_3D);

    if (s->mix == UM_MIX_JOINT)
        return n2 < n3 ? n2 : n3;
    return n2 + n3;
}

int um_sampler_per_step(const struct um_sampler *s)
{
    return s->mix == UM_MIX_JOINT ? 2 : 1;
}

static void begin_epoch(struct um_sampler *s, int64_t epoch)
{
    for (int m = 0; m < UM_MODALITIES && s->shuffle; m++) {
        struct um_rng r = um_rng_at(s->seed, UM_RNG_SHUFFLE, (uint64_t)m, (uint32_t)epoch);

        um_shuffle_begin(&s->order[m], &r, s->count[m]);
    }
    s->epoch = epoch;
}

void um_sampler_batch(struct um_sampler *s, int64_t step, int which, enum um_modality *mod,
                      const int64_t **record)
{
    const int64_t n2 = um_sampler_batches(s, UM_2D), n3 = um_sampler_batches(s, UM_3D);
    const int64_t epoch = step / um_sampler_steps(s), i = step % um_sampler_steps(s);
    int64_t       at = i; /* which of its modality's batches */

    if (epoch != s->epoch)
        begin_epoch(s, epoch);
    if (s->mix == UM_MIX_JOINT) {
        *mod = which == 0 ? UM_2D : UM_3D;
    } else {
        const int64_t before = volumes_before(n2, n3, i);

        *mod = um_mix_is_3d(n2, n3, i) ? UM_3D : UM_2D;
        at   = *mod == UM_3D ? before : i - before;
    }
    for (int64_t k = 0; k < s->size[*mod]; k++) {
        const int64_t place = at * s->size[*mod] + k;

        s->batch[k] = s->first[*mod] + (s->shuffle ? um_shuffle_at(&s->order[*mod], place) : place);
    }
    *record = s->batch;
}
