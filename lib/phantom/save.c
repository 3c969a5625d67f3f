/* save.c - the files of a case, and a folder's README */
/* SPDX-License-Identifier: Apache-2.0 */
#include "phantom/save.h"

#include <stdio.h>
#include <string.h>

#include "media/png_write.h"

enum { PATH_LEN = 4096 };

static int path_of(char *path, const struct um_save *s, const char *folder, const char *name,
                   const char *end)
{
    const int n = snprintf(path, PATH_LEN, "%s/%s%s%s", s->dir, folder, name, end);

    return n < PATH_LEN ? UM_OK : um_fail(UM_ERANGE, "%s: the path is too long", s->dir);
}

/* somebody's own folder: nothing of it is written over */
static int check_readme(const struct um_save *s)
{
    static const char ours[] = "Made-up chest X-rays, CT volumes and reports";
    char              path[PATH_LEN], head[sizeof ours] = "";
    FILE             *f;

    UM_TRY(path_of(path, s, "README", "", ""));
    if (!(f = fopen(path, "re")))
        return UM_OK;
    (void)!fread(head, 1, sizeof head - 1, f);
    (void)fclose(f);
    return strcmp(head, ours) == 0
               ? UM_OK
               : um_fail(UM_EIO, "%s is there, and not um-phantom's: name a folder of its own",
                         path);
}

int um_save_folders(const struct um_save *s)
{
    char path[PATH_LEN];

    UM_TRY(check_readme(s));
    UM_TRY(path_of(path, s, "masks", "", ""));
    UM_TRY(um_mkdirs(path));
    if (s->xray) {
        UM_TRY(path_of(path, s, "xray", "", ""));
        UM_TRY(um_mkdirs(path));
    }
    if (!s->ct)
        return UM_OK;
    UM_TRY(path_of(path, s, "ct", "", ""));
    return um_mkdirs(path);
}

/* the canonical axis (0 x, 1 y, 2 z) that a letter runs along, and whether it runs backwards */
static int axis_of(char letter, int *backwards)
{
    *backwards = letter == 'R' || letter == 'A' || letter == 'I';
    return letter == 'L' || letter == 'R' ? 0 : letter == 'P' || letter == 'A' ? 1 : 2;
}

void um_save_stored(const struct um_phantom_case *c, const void *in, int size, void *out,
                    int64_t dim[3], double affine[12])
{
    const int64_t n[3]    = { c->width, c->height, c->depth };
    const int64_t step[3] = { 1, n[0], n[0] * n[1] };
    int64_t       start   = 0, by[3];
    char         *to      = out;

    memset(affine, 0, 12 * sizeof *affine);
    for (int a = 0; a < 3; a++)
        affine[4 * a + 3] = a < 2 ? -c->origin[a] : c->origin[a]; /* LPS+ to RAS+ */
    for (int i = 0; i < 3; i++) {
        int          back;
        const int    a    = axis_of(c->axes[i], &back);
        const double sign = a < 2 ? -1 : 1;

        dim[i]            = n[a];
        by[i]             = back ? -step[a] : step[a];
        affine[4 * a + i] = sign * (back ? -1 : 1) * c->spacing[a];
        if (back) {
            start += (n[a] - 1) * step[a];
            affine[4 * a + 3] += sign * (double)(n[a] - 1) * c->spacing[a];
        }
    }
    for (int64_t z = 0; z < dim[2]; z++)
        for (int64_t y = 0; y < dim[1]; y++) {
            const int64_t row = start + z * by[2] + y * by[1];

            for (int64_t x = 0; x < dim[0]; x++, to += size) {
                const char *from = (const char *)in + (row + x * by[0]) * size;

                to[0] = from[0];
                if (size == 2)
                    to[1] = from[1];
            }
        }
}

int um_save_files(const struct um_save *s, const struct um_phantom_case *c)
{
    struct um_outfile *f;
    char               path[PATH_LEN];

    if (s->xray) {
        UM_TRY(path_of(path, s, "xray/", c->name, s->xray_files->end));
        UM_TRY(um_save_xray(path, s->xray_files, c));
        UM_TRY(path_of(path, s, "masks/", c->name, ".png"));
        UM_TRY(um_outfile_open(&f, path));
        UM_TRY(um_outfile_close(f, um_png_write(f, c->mask2d, c->w, c->h, 1), 0));
    }
    if (!s->ct)
        return UM_OK;
    UM_TRY(path_of(path, s, "ct/", c->name, ""));
    UM_TRY(um_save_ct(path, s->ct_files, c));
    UM_TRY(path_of(path, s, "masks/", c->name, ".nii.gz"));
    return um_save_volume(path, c, c->mask, UM_U8);
}

static int file_names(struct um_outfile *f, const struct um_save *s)
{
    char xray[32], ct[32];

    (void)snprintf(xray, sizeof xray, "xray/NAME%s", s->xray_files->end);
    (void)snprintf(ct, sizeof ct, "ct/NAME%s", s->ct_files->shown);
    return um_outfile_printf(
        f,
        "%-17s X-ray: PA, projected from the CT of the same name; 8-bit gray\n"
        "%-17s CT in Hounsfield units; axis order and spacing vary from case to case\n",
        xray, ct);
}

int um_save_readme(const struct um_save *s)
{
    static const char *const text[] = {
        "Made-up chest X-rays, CT volumes and reports with known truth, by um-phantom. No patient "
        "is\n"
        "behind any of it.\n\n",
        "masks/NAME.png    findings on the X-ray's pixels\n"
        "masks/NAME.nii.gz findings on the CT's voxels\n"
        "                  values: sums of 1 nodule, 2 consolidation, 4 effusion, 8 cardiomegaly "
        "(the\n"
        "                  heart), 16 pneumothorax\n"
        "xray.tsv ct.tsv   manifests for um-preprocess; both kinds of a patient share the split\n"
        "truth.tsv         a row per finding of a case, or one row \"none\"\n\n",
        "truth.tsv: ct and xray are keys of the manifests (the pair of one patient). z0, z1: first "
        "and\n"
        "last CT slice with any of the finding, counted from the feet (slice 0) in the "
        "orientation\n"
        "um-preprocess gives; file0, file1: the same along the file's own slice axis. f0 = "
        "z0/depth and\n"
        "f1 = (z1+1)/depth hold for a resized volume too: its slice i of n covers i/n to (i+1)/n "
        "and\n"
        "touches the finding where i/n < f1 and (i+1)/n > f0. x, y, z: centre of mass in voxels of "
        "the\n"
        "CT (x to the patient's left, y to the back, z to the head). box_*: pixels of the X-ray, "
        "edges.\n"
        "size in mm: diameter of a nodule, extent of a consolidation, height of an effusion, width "
        "of\n"
        "an enlarged heart, widest rim of a pneumothorax. ctr: cardiothoracic ratio.\n"
    };
    struct um_outfile *f;
    char               path[PATH_LEN];
    int                st;

    UM_TRY(path_of(path, s, "README", "", ""));
    UM_TRY(um_outfile_open(&f, path));
    st = um_outfile_write(f, text[0], strlen(text[0]));
    if (st >= 0)
        st = file_names(f, s);
    for (int i = 1; i < 3 && st >= 0; i++)
        st = um_outfile_write(f, text[i], strlen(text[i]));
    return um_outfile_close(f, st, 0);
}
