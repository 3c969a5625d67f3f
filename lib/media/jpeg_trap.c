/* jpeg_trap.c - which of libjpeg's messages end the work */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/jpeg_trap.h"

#include <jerror.h>

static void leave(j_common_ptr cinfo)
{
    struct um_jpeg_trap *trap = (struct um_jpeg_trap *)cinfo->err;

    cinfo->err->format_message(cinfo, trap->text);
    longjmp(trap->jump, 1);
}

static void say_nothing(j_common_ptr cinfo)
{
    (void)cinfo;
}

/* level < 0 is a warning: libjpeg has met damage and is about to guess */
static void judge(j_common_ptr cinfo, int level)
{
    if (level >= 0)
        return;
    switch (cinfo->err->msg_code) {
    case JWRN_JPEG_EOF:       /* the file ends inside the image */
    case JWRN_HIT_MARKER:     /* entropy-coded data ends too early */
    case JWRN_HUFF_BAD_CODE:  /* bits that are no code */
    case JWRN_MUST_RESYNC:    /* a restart marker is not where it must be */
    case JWRN_NOT_SEQUENTIAL: /* progressive scans out of order */
    case JWRN_ARITH_BAD_CODE:
    case JWRN_BOGUS_PROGRESSION: leave(cinfo); break;
    default: break; /* stray bytes between markers, unknown versions of metadata */
    }
}

struct jpeg_error_mgr *um_jpeg_trap_set(struct um_jpeg_trap *trap, int strict)
{
    struct jpeg_error_mgr *err = jpeg_std_error(&trap->pub);

    err->error_exit     = leave;
    err->output_message = say_nothing;
    if (strict)
        err->emit_message = judge;
    trap->text[0] = 0;
    return err;
}
