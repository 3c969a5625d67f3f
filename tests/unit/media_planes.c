/* media_planes.c - slices with a place in the patient: order, steps, affine, and what is refused */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "media/planes.h"
#include "with_arena.h"

enum { N = 7 };

static struct um_plane_at        s[2 * N];
static char                      names[2 * N][8];
static int64_t                   n;
static struct um_scan            out;
static const struct um_scan_opts strict = { .max_voxels = 1000, .frame = -1 };

/* N planes, in an order that is none, `step` from one to the next; spacing 0.5 x 0.75 */
static void make(const double orientation[6], const double step[3])
{
    memset(s, 0, sizeof s);
    memset(&out, 0, sizeof out);
    n = N;
    for (int i = 0; i < N; i++) {
        struct um_plane_at    *p = &s[i * 3 % N];
        struct um_dicom_plane *d = &p->plane;

        (void)snprintf(names[i], sizeof names[i], "f%d", i);
        *p = (struct um_plane_at){
            .name = names[i], .file = i, .instance = 100 - i, .acquisition = INT64_MAX
        };
        d->has_position = d->has_orientation = d->has_spacing = true;
        memcpy(d->orientation, orientation, sizeof d->orientation);
        d->spacing[0] = 0.5;
        d->spacing[1] = 0.75;
        d->slope      = 2;
        d->inter      = -1024;
        for (int c = 0; c < 3; c++)
            d->position[c] = 10 * (c + 1) + i * step[c];
    }
}

static int arrange(const struct um_scan_opts *opts)
{
    return um_planes_arrange(arena, s, &n, opts, &out);
}

static struct um_plane_at *named(const char *name)
{
    for (int i = 0; i < N; i++)
        if (strcmp(s[i].name, name) == 0)
            return &s[i];
    fail();
    return NULL;
}

static void refused(int status, const char *says)
{
    const int st = arrange(&strict);

    if (st != status || !strstr(um_errmsg(), says))
        fail_msg("%d, %s: expected %d, %s", st, um_errmsg(), status, says);
}

static void affine_is(const double want[12])
{
    for (int i = 0; i < 12; i++)
        if (!(fabs(out.volume.affine[i] - want[i]) <= 1e-12))
            fail_msg("entry %d of the affine is %g, expected %g", i, out.volume.affine[i], want[i]);
}

static const double axial[6] = { 1, 0, 0, 0, 1, 0 }, coronal[6] = { 1, 0, 0, 0, 0, -1 };

static void sorted_along_the_normal(void **state)
{
    (void)state;
    make(axial, (const double[]){ 0, 0, 2 });
    assert_int_equal(arrange(&strict), UM_OK);
    for (int i = 0; i < N; i++)
        assert_int_equal(s[i].file, i);
    affine_is((const double[]){ -0.75, 0, 0, -10, 0, -0.5, 0, -20, 0, 0, 2, 30 });
    assert_int_equal(out.volume.dim[0], N);
    assert_true(out.volume.slope == 2 && out.volume.inter == -1024);
    assert_int_equal(out.notes, 0);
    make(axial, (const double[]){ 0, 0, -2 }); /* downwards: the last file comes first */
    assert_int_equal(arrange(&strict), UM_OK);
    for (int i = 0; i < N; i++)
        assert_int_equal(s[i].file, N - 1 - i);
    affine_is((const double[]){ -0.75, 0, 0, -10, 0, -0.5, 0, -20, 0, 0, 2, 18 });
    make(coronal, (const double[]){ 0, 3, 0 }); /* the normal of x and -z is y */
    assert_int_equal(arrange(&strict), UM_OK);
    affine_is((const double[]){ -0.75, 0, 0, -10, 0, 0, -3, -20, 0, -0.5, 0, 30 });
}

static void a_tilted_gantry_shears(void **state)
{
    (void)state;
    make(axial, (const double[]){ 0, 1, 2 });
    assert_int_equal(arrange(&strict), UM_OK);
    affine_is((const double[]){ -0.75, 0, 0, -10, 0, -0.5, -1, -20, 0, 0, 2, 30 });
    assert_int_equal(out.notes, 1);
    assert_non_null(strstr(out.note[0], "tilted by 26.6 degrees"));
    make(axial, (const double[]){ 0, 0.01, 2 }); /* 0.3 degrees are rounding */
    assert_int_equal(arrange(&strict), UM_OK);
    assert_int_equal(out.notes, 0);
}

static void steps(void **state)
{
    const struct um_scan_opts gaps = { .max_voxels = 1000, .frame = -1, .allow_gaps = true };

    (void)state;
    make(axial, (const double[]){ 0, 0, 2 });
    named("f3")->plane.position[2] += 0.019; /* within 1 % of 2 */
    assert_int_equal(arrange(&strict), UM_OK);
    make(axial, (const double[]){ 0, 0, 2 });
    named("f3")->plane.position[2] += 0.021;
    refused(UM_EMISSING, "a gap: f2 and f3 are 2.021 mm apart, the median step is 2");
    assert_int_equal(arrange(&gaps), UM_OK);
    assert_non_null(strstr(out.note[0], "2 of 6 steps between slices are not the median 2 mm: all "
                                        "are taken as 2 mm"));
    make(axial, (const double[]){ 0, 0, 2 });
    named("f6")->plane.position[2] += 4;
    assert_int_equal(arrange(&gaps), UM_OK); /* 16 mm in six steps */
    affine_is((const double[]){ -0.75, 0, 0, -10, 0, -0.5, 0, -20, 0, 0, 16.0 / 6, 30 });
}

static void two_at_one_place(void **state)
{
    const struct um_scan_opts both = { .max_voxels = 1000, .frame = -1, .allow_duplicates = true };

    (void)state;
    make(axial, (const double[]){ 0, 0, 2 });
    named("f6")->plane.position[2] = 34 + 0.0009; /* f2's place */
    refused(UM_EDUPLICATE, "f2 and f6 lie at the same place");
    assert_int_equal(arrange(&both), UM_OK);
    assert_int_equal(n, N - 1);
    assert_string_equal(s[2].name, "f6"); /* instance 94, before 98 */
    assert_non_null(strstr(out.note[0], "1 slices at a place"));
    make(axial, (const double[]){ 0, 0, 0 });
    refused(UM_EDUPLICATE, "lie at the same place");
    assert_int_equal(arrange(&both), UM_ESHAPE); /* all at one place: one slice */
}

/* the slices once more, as a second scan */
static void scan_twice(void)
{
    make(axial, (const double[]){ 0, 0, 2 });
    for (int i = 0; i < N; i++) {
        s[N + i]      = s[i];
        s[N + i].name = names[N + i];
        s[N + i].file += N;
        (void)snprintf(names[N + i], sizeof names[N + i], "g%d", (int)s[i].file);
    }
    n = 2 * N;
}

/* all slices are of the first scan ('f') or of the second ('g') */
static void kept(char which, const char *says)
{
    const struct um_scan_opts both = { .max_voxels = 1000, .frame = -1, .allow_duplicates = true };

    if (arrange(&both) < 0)
        fail_msg("%s", um_errmsg());
    assert_int_equal(n, N);
    for (int i = 0; i < N; i++)
        if (s[i].name[0] != which || s[i].along < 30 + 2 * i - 1e-9)
            fail_msg("slice %d is %s at %g", i, s[i].name, s[i].along);
    if (!strstr(out.note[0], says))
        fail_msg("%s", out.note[0]);
}

static void mixed(const char *says)
{
    const struct um_scan_opts both = { .max_voxels = 1000, .frame = -1, .allow_duplicates = true };

    assert_int_equal(arrange(&both), UM_EDUPLICATE);
    if (!strstr(um_errmsg(), says))
        fail_msg("%s", um_errmsg());
}

static void two_scans_are_not_mixed(void **state)
{
    (void)state;
    scan_twice(); /* the second scan's numbers run the other way: each has some of the lower ones */
    for (int i = 0; i < N; i++) {
        s[i].instance     = 2 * s[i].file;
        s[N + i].instance = 2 * (N - s[i].file) + 1;
    }
    mixed("two scans or more at the same places");
    scan_twice();
    for (int i = 0; i < N; i++) {
        s[i].instance        = 2 * s[i].file;
        s[N + i].instance    = 2 * (N - s[i].file) + 1;
        s[i].acquisition     = 4;
        s[N + i].acquisition = 3;
    }
    kept('g', "7 slices at a place where there is one already are left out: acquisition number 3");
    scan_twice(); /* only one of the numbers is whole */
    for (int i = 0; i < 2 * N; i++)
        s[i].acquisition = i == N ? 1 : i < N ? 5 : 7;
    kept('f', "acquisition number 5");
    scan_twice();
    mixed("and have the same instance number");
    scan_twice();
    for (int i = 0; i < 2 * N; i++)
        s[i].uid = i % N == 3 ? "1.2.3" : "";
    mixed("and have the same instance number");
    scan_twice();
    for (int i = 0; i < 2 * N; i++)
        s[i].uid = s[i % N].name;
    kept('f', "7 slices");
    scan_twice(); /* numbers that run on */
    for (int i = 0; i < N; i++)
        s[i].instance += 50;
    kept('g', "7 slices at a place where there is one already are left out");
    scan_twice(); /* numbers that alternate */
    for (int i = 0; i < N; i++) {
        s[i].instance     = 2 * s[i].file;
        s[N + i].instance = 2 * s[i].file + 1;
    }
    kept('f', "7 slices");
}

static void padding(void **state)
{
    struct um_dicom_plane p = { .padding = { 63535, 63535 }, .slope = 1, .inter = -1024 };

    (void)state;
    assert_true(um_planes_padding(&p, 63535));
    assert_false(um_planes_padding(&p, 63534));
    p.padding[0] = 0; /* below air, tissue, and both ends of what is made air */
    assert_false(um_planes_padding(&p, 0));
    assert_false(um_planes_padding(&p, 4095));
    assert_true(um_planes_padding(&p, 4096));
    p.padding[0] = 63536; /* none */
    assert_false(um_planes_padding(&p, 63536));
}

static void others(void **state)
{
    (void)state;
    make(axial, (const double[]){ 0, 0, 2 });
    named("f4")->plane.has_position = false;
    refused(UM_EMISSING, "f4: DICOM: no image position");
    make(axial, (const double[]){ 0, 0, 2 });
    named("f4")->plane.has_spacing = false;
    refused(UM_EMISSING, "f4: DICOM: no pixel spacing");
    make(axial, (const double[]){ 0, 0, 2 });
    named("f4")->plane.spacing[0] = 0.51;
    refused(UM_EMISMATCH, "f4: DICOM: pixel spacing 0.51 x 0.75 mm");
    make(axial, (const double[]){ 0, 0, 2 });
    named("f4")->plane.spacing[1] = -1;
    refused(UM_EFORMAT, "f4: DICOM: pixel spacing 0.5 x -1 mm");
    make(axial, (const double[]){ 0, 0, 2 });
    memcpy(named("f4")->plane.orientation, (const double[]){ 1, 0, 0, 0, 0.98, 0.199 }, 48);
    refused(UM_EMISMATCH, "f4: DICOM: another orientation than ");
    make((const double[]){ 1, 0, 0, 1, 0, 0 }, (const double[]){ 0, 0, 2 });
    refused(UM_EFORMAT, "not two directions at a right angle");
    make(axial, (const double[]){ 0, 0, 2 });
    named("f4")->plane.position[0] = 1e300;
    refused(UM_EFORMAT, "f4: DICOM: position 1e+300 mm");
    make(axial, (const double[]){ 0, 0, 2 });
    named("f4")->plane.slope = 0;
    refused(UM_EFORMAT, "f4: DICOM: rescale slope 0");
    make(axial, (const double[]){ 0, 0, 2 });
    named("f4")->plane.has_inter = true;
    refused(UM_EMISMATCH, "DICOM: no rescale intercept, f4 has one");
    for (int i = 0; i < N; i++)
        s[i].plane.has_slope = s[i].plane.has_inter = true;
    named("f4")->plane.has_inter = false;
    refused(UM_EMISMATCH, "f4: DICOM: no rescale intercept, ");
    named("f4")->plane.has_inter = true;
    named("f0")->plane.has_slope = false;
    refused(UM_EMISMATCH, "f0: DICOM: no rescale slope, ");
    make(axial, (const double[]){ 0, 0, 2 });
    named("f4")->plane.position[0] += 0.26; /* half a pixel is 0.25 */
    refused(UM_EMISMATCH, "f4: DICOM: lies 0.26 mm beside the line");
    make(axial, (const double[]){ 0, 0, 2 });
    n = 1;
    refused(UM_ESHAPE, "one slice alone");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorted_along_the_normal),
        cmocka_unit_test(a_tilted_gantry_shears),
        cmocka_unit_test(steps),
        cmocka_unit_test(two_at_one_place),
        cmocka_unit_test(two_scans_are_not_mixed),
        cmocka_unit_test(padding),
        cmocka_unit_test(others),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
