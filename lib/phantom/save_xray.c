/* save_xray.c - an X-ray as the file it may come in */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "media/dicom_write.h"
#include "media/jpeg_write.h"
#include "media/png_write.h"
#include "phantom/save.h"

enum { QUALITY = 92 };

static int write_jpeg(struct um_outfile *f, const struct um_phantom_case *c)
{
    return um_jpeg_write(f, c->xray, c->w, c->h, QUALITY);
}

static int write_png(struct um_outfile *f, const struct um_phantom_case *c)
{
    return um_png_write(f, c->xray, c->w, c->h, 1);
}

static int write_dicom(struct um_outfile *f, const struct um_phantom_case *c)
{
    return um_save_xray_dicom(f, c, c->name, false);
}

static const struct um_xray_files kinds[] = {
    { "jpeg", ".jpg", write_jpeg },
    { "png", ".png", write_png },
    { "dicom", ".dcm", write_dicom },
};

const struct um_xray_files *um_xray_files_find(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

int um_save_xray(const char *path, const struct um_xray_files *as, const struct um_phantom_case *c)
{
    struct um_outfile *f;

    UM_TRY(um_outfile_open(&f, path));
    return um_outfile_close(f, as->write(f, c), 0);
}

int um_save_xray_dicom(struct um_outfile *f, const struct um_phantom_case *c, const char *patient,
                       bool inverted)
{
    const int64_t       n  = (int64_t)c->w * c->h;
    uint8_t            *px = malloc((size_t)n);
    struct um_dicom_out o  = { .pixels      = px,
                               .rows        = c->h,
                               .columns     = c->w,
                               .bits        = 8,
                               .monochrome1 = inverted,
                               .modality    = "CR", /* DX asks for more than is known here */
                               .patient     = patient,
                               .view        = "PA",
                               .spacing     = { c->pixel, c->pixel } };
    int                 st;

    if (!px)
        return um_fail(UM_ENOMEM, "out of memory");
    for (int64_t i = 0; i < n; i++)
        px[i] = inverted ? (uint8_t)(255 - c->xray[i]) : c->xray[i];
    st = um_dicom_write(f, &o);
    free(px);
    return st;
}
