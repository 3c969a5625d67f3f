/* levels.h - which stored values of a gray picture become black and white
 *
 *     y = 255 (v - LO) / (HI - LO), clipped to 0..255, rounded half up; LO > HI inverts
 *
 * Both are held in ten-thousandths: windows have decimals, and so all of it stays exact in integers
 * and is rounded once, as grey.h has it.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_GRID_LEVELS_H
#define UM_GRID_LEVELS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "grid/grey.h"

enum { UM_LEVELS_UNIT = 10000 };

/* um_levels_parse - "LO,HI", other than each other, both within +-1e6, with up to four decimals and
 * no exponent. UM_EFORMAT otherwise, with *l as it was. */
UM_API UM_RESULT_USED int um_levels_parse(const char *text, struct um_levels *l);

static inline bool um_levels_given(const struct um_levels *l)
{
    return l->lo != l->hi;
}

/* um_level - y of a value v up to 65535, under alpha of at most full (65535) over black. Nothing
 * overflows as long as lo and hi are within 255 times what um_levels_parse takes (full 255: values
 * of fewer bits than 8 that were spread over 8), or once that (full 65535). */
static inline uint8_t um_level(const struct um_levels *l, uint64_t v, uint64_t alpha, uint64_t full)
{
    int64_t at = (int64_t)v * UM_LEVELS_UNIT - l->lo, span = l->hi - l->lo;

    if (span < 0) {
        at   = -at;
        span = -span;
    }
    at = at < 0 ? 0 : at < span ? at : span;
    return (uint8_t)um_div_round((uint64_t)at * 255 * alpha, (uint64_t)span * full);
}

#endif
