/* save_ct.c - a CT as the files it may come in: one line of the table each */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "media/nifti_write.h"
#include "media/nrrd_write.h"
#include "phantom/save_int.h"

enum { PATH_LEN = 4096, LEVEL = 1 };

/* um_meta_write's part for NIfTI, which has no voxels beside it here */
static int write_nifti(struct um_outfile *out, struct um_outfile *none, const struct um_meta_out *v)
{
    (void)none;
    return um_nifti_write(out, &(struct um_nifti_out){ .data        = v->data,
                                                       .dtype       = v->dtype,
                                                       .depth       = v->depth,
                                                       .height      = v->height,
                                                       .width       = v->width,
                                                       .affine      = v->affine,
                                                       .description = "um-phantom",
                                                       .gzip        = v->deflate,
                                                       .gzip_level  = v->level });
}

static const struct um_ct_files kinds[] = {
    { "nifti", ".nii.gz", NULL, ".nii.gz", true, write_nifti },
    { "nii", ".nii", NULL, ".nii", false, write_nifti },
    { "dicom", "", NULL, "/0001.dcm", false, NULL },
    { "mha", ".mha", NULL, ".mha", true, um_meta_write },
    { "mhd", ".mhd", ".raw", ".mhd .raw", false, um_meta_write },
    { "zraw", ".mhd", ".zraw", ".mhd .zraw", true, um_meta_write },
    { "nrrd", ".nrrd", NULL, ".nrrd", true, um_nrrd_write },
    { "nhdr", ".nhdr", ".raw", ".nhdr .raw", false, um_nrrd_write },
};

const struct um_ct_files *um_ct_files_find(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

static int path_of(char *path, const char *stem, const char *end)
{
    const int n = snprintf(path, PATH_LEN, "%s%s", stem, end);

    return n < PATH_LEN ? UM_OK : um_fail(UM_ERANGE, "%s: the path is too long", stem);
}

/* one file, or a header and its voxels, which stand first: no header names what is not there */
static int write_files(const char *stem, const struct um_ct_files *as, struct um_meta_out v)
{
    char               path[PATH_LEN], beside[PATH_LEN];
    struct um_outfile *head, *voxels = NULL;
    int                st = UM_OK;

    UM_TRY(path_of(path, stem, as->end));
    UM_TRY(path_of(beside, stem, as->voxels ? as->voxels : ""));
    UM_TRY(um_outfile_open(&head, path));
    v.deflate = as->packed;
    v.level   = LEVEL;
    if (as->voxels) {
        const char *slash = strrchr(beside, '/');

        v.data_file = slash ? slash + 1 : beside;
        st          = um_outfile_open(&voxels, beside);
    }
    if (st >= 0)
        st = as->write(head, voxels, &v);
    return um_outfile_close(head, um_outfile_close(voxels, st, 0), 0);
}

/* data of the case's grid in the order of its axes; the caller frees */
static void *store(const struct um_phantom_case *c, const void *data, enum um_dtype type,
                   double affine[12], struct um_meta_out *v)
{
    const int size = (int)um_dtype_size(type);
    void   *stored = malloc((size_t)c->depth * (size_t)c->height * (size_t)c->width * (size_t)size);
    int64_t dim[3];

    if (!stored) {
        (void)um_fail(UM_ENOMEM, "out of memory");
        return NULL;
    }
    um_save_stored(c, data, size, stored, dim, affine);
    *v = (struct um_meta_out){ .data   = stored,
                               .dtype  = type,
                               .depth  = dim[2],
                               .height = dim[1],
                               .width  = dim[0],
                               .affine = affine };
    return stored;
}

int um_save_ct(const char *stem, const struct um_ct_files *as, const struct um_phantom_case *c)
{
    struct um_meta_out v;
    double             affine[12];
    void              *stored = store(c, c->ct, UM_I16, affine, &v);
    int                st;

    if (!stored)
        return UM_ENOMEM;
    st = as->write ? write_files(stem, as, v) : um_save_series(stem, c->name, &v, stored);
    free(stored);
    return st;
}

int um_save_volume(const char *path, const struct um_phantom_case *c, const void *data,
                   enum um_dtype type)
{
    static const struct um_ct_files as = { .end = "", .packed = true, .write = write_nifti };
    struct um_meta_out              v;
    double                          affine[12];
    void                           *stored = store(c, data, type, affine, &v);
    int                             st;

    if (!stored)
        return UM_ENOMEM;
    st = write_files(path, &as, v);
    free(stored);
    return st;
}
