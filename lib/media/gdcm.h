/* gdcm.h - what um and its helper libexec/um/gdcm say to each other
 *
 * The helper is a process of its own that decodes compressed pictures of DICOM files with GDCM: on
 * damaged files GDCM's codecs print, leak, and end the process (their assertions are on in Debian's
 * build), and a program linked with it takes 33 ms more to start. It reads jobs from standard input
 * until that ends, and answers each on standard output.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_MEDIA_GDCM_H
#define UM_MEDIA_GDCM_H

#include <stdint.h>

/* one compressed picture, whose own header was held against these numbers; its bytes follow */
struct um_gdcm_job {
    uint32_t size;        /* of this struct: both sides mean the same by it */
    char     syntax[32];  /* UID of the transfer syntax */
    char     colours[16]; /* "MONOCHROME2", "RGB" or "YBR_FULL" */
    uint32_t rows, columns, samples;
    uint32_t allocated, stored, is_signed; /* allocated: 8 or 16 */
    uint32_t bytes;                        /* that follow */
    uint64_t out;                          /* that are to come back: [rows,columns,samples] */
};

/* values follow if done is 1, else `why` says what is wrong */
struct um_gdcm_answer {
    uint32_t done;
    char     why[124];
};

#endif
