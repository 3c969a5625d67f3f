/* gdcm.h - what the plug-in libum-gdcm.so gives to um: codecs of DICOM files, by GDCM
 *
 * A plug-in, because a program linked with GDCM takes 33 ms more to start (its dictionary), and
 * most files do not need it. It calls nothing of libum. No exception leaves it and nothing is
 * printed. SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_MEDIA_GDCM_H
#define UM_MEDIA_GDCM_H

#include <stddef.h>
#include <stdint.h>

/* one compressed picture. Its own header must have been held against these numbers. */
struct um_gdcm_job {
    size_t         size; /* of this struct: both sides mean the same by it */
    const uint8_t *bytes;
    size_t         n;
    const char    *syntax;  /* UID of the transfer syntax */
    const char    *colours; /* "MONOCHROME2", "RGB" or "YBR_FULL" */
    unsigned       rows, columns;
    unsigned       samples, allocated, stored, is_signed; /* allocated: 8 or 16 */
    uint8_t       *out;                                   /* [rows,columns,samples], out_n bytes */
    size_t         out_n;
    char           why[128]; /* a text when it fails */
};

/* um_gdcm_decode - what the plug-in exports; 0, or -1 and job->why */
typedef int um_gdcm_fn(struct um_gdcm_job *job);
#define UM_GDCM_SYMBOL "um_gdcm_decode"

#endif
