/* jpeg_trap.h - libjpeg's errors as a return to the caller instead of the end of the process
 *
 * Internal to the two JPEG files. libjpeg reports a fatal error by a call that must not come back;
 * here that call jumps to the setjmp() of the function that began, with the text in `text`.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_MEDIA_JPEG_TRAP_H
#define UM_MEDIA_JPEG_TRAP_H

#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>

#include <jpeglib.h>

struct um_jpeg_trap {
    struct jpeg_error_mgr pub; /* first: libjpeg hands this address back */
    jmp_buf               jump;
    char                  text[JMSG_LENGTH_MAX];
};

/* um_jpeg_trap_set - returns what cinfo->err must be. strict: a warning that means damaged or
 * missing image data jumps too; harmless ones are dropped. Nothing is ever printed. */
struct jpeg_error_mgr *um_jpeg_trap_set(struct um_jpeg_trap *trap, int strict);

#endif
