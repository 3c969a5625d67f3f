/* scan.c - what readers of volumes check and do alike */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/scan.h"

#include <string.h>

static int check_frame(int64_t frames, const struct um_scan_opts *opts)
{
    if (opts->frame < 0 && frames > 1)
        return um_fail(UM_ESHAPE, "%lld time frames: --frame N picks one", (long long)frames);
    if (opts->frame >= frames)
        return um_fail(UM_ERANGE, "frame %lld asked for, there are %lld (0 to %lld)",
                       (long long)opts->frame, (long long)frames, (long long)frames - 1);
    return UM_OK;
}

int um_scan_sizes(const int64_t dim[4], const struct um_scan_opts *opts, struct um_scan *out)
{
    int64_t voxels = 1;

    for (int i = 0; i < 4; i++)
        if (dim[i] < 1)
            return um_fail(UM_EFORMAT, "dimension %d is %lld, must be at least 1", i + 1,
                           (long long)dim[i]);
    for (int i = 0; i < 3; i++) {
        if (dim[i] > opts->max_voxels / voxels)
            return um_fail(UM_ERANGE,
                           "%lld x %lld x %lld voxels, at most %lld allowed (--max-pixels)",
                           (long long)dim[0], (long long)dim[1], (long long)dim[2],
                           (long long)opts->max_voxels);
        out->volume.dim[2 - i]  = dim[i];
        out->volume.step[2 - i] = voxels;
        voxels *= dim[i];
    }
    out->frames = dim[3];
    return check_frame(dim[3], opts);
}

int um_scan_all(const struct um_scan_opts *opts, const struct um_scan *s, int64_t *n)
{
    const int64_t frame = s->volume.dim[0] * s->volume.step[0];
    const int64_t most  = opts->max_voxels * 8 / (int64_t)um_voxel_size(s->volume.type);

    if (s->frames > most / frame)
        return um_fail(UM_ERANGE, "%lld frames of %lld voxels, at most %lld in all (--max-pixels)",
                       (long long)s->frames, (long long)frame, (long long)most);
    *n = s->frames * frame;
    return UM_OK;
}

void *um_scan_frame(const struct um_scan_opts *opts, const struct um_scan *s, void *voxels)
{
    const int64_t frame = s->volume.dim[0] * s->volume.step[0];

    return (char *)voxels +
           (opts->frame > 0 ? opts->frame : 0) * frame * (int64_t)um_voxel_size(s->volume.type);
}

int um_scan_over(struct um_arena *a, struct um_scan *s, size_t bytes)
{
    const char *text;

    if (bytes == 0)
        return UM_OK;
    text = um_sprintf(a, "%zu bytes behind the voxels: are the sizes right?", bytes);
    if (!text)
        return UM_ENOMEM;
    um_scan_note(s, text);
    return UM_OK;
}

#define SWAP(T, SWAPPED)                                                                           \
    for (size_t i = 0; i < bytes / sizeof(T); i++)                                                 \
    ((T *)p)[i] = SWAPPED(((T *)p)[i])

void *um_scan_settle(uint8_t *at, size_t bytes, size_t size, bool swapped)
{
    void *p = at - (uintptr_t)at % size;

    if (p != at)
        memmove(p, at, bytes);
    if (swapped && size == 2)
        SWAP(uint16_t, __builtin_bswap16);
    else if (swapped && size == 4)
        SWAP(uint32_t, __builtin_bswap32);
    else if (swapped && size == 8)
        SWAP(uint64_t, __builtin_bswap64);
    return p;
}
