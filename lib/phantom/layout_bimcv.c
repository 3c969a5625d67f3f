/* layout_bimcv.c - BIMCV-COVID19+: X-rays and CTs of a session share a report, in Spanish
 *
 * sub-S00001/ses-E00001/mod-rx/sub-S00001_ses-E00001_run-1_bp-chest_vp-pa_cr.png and the like;
 * every third session has a CT, every fourth a lateral view, every fifth one more whose name tells
 * no view. Sessions of cases 6, 17, 28, ... have no report. reports_en.tsv stands for a translation
 * that a lab had made; it lacks the sessions of 4, 13, 22, ...
 * SPDX-License-Identifier: Apache-2.0
 */
#include "phantom/layout_int.h"

enum { PARTICIPANTS, LABELS, ENGLISH };

static const struct {
    const char *label, *there, *not_there;
} spanish[UM_FINDINGS] = {
    { "nodule",
      "Se observa un n\xc3\xb3"
      "dulo pulmonar.",
      "Sin n\xc3\xb3"
      "dulos." },
    { "consolidation",
      "Consolidaci\xc3\xb3n en el l\xc3\xb3"
      "bulo inf. derecho.",
      "No hay consolidaciones." },
    { "pleural effusion", "Derrame pleural de 1.5 cm.", "No hay derrame pleural." },
    { "cardiomegaly",
      "\xc3\x8dndice cardiotor\xc3\xa1"
      "cico aumentado.",
      "Silueta card\xc3\xad"
      "aca normal." },
    { "pneumothorax", "Neumot\xc3\xb3rax.", "Sin neumot\xc3\xb3rax." },
};

static long long number(const struct um_phantom_case *c)
{
    return 3000 + c->index;
}

#define STEM "sub-S%05lld/ses-E%05lld/mod-rx/sub-S%05lld_ses-E%05lld_run-"

static int picture(const char *dir, const struct um_phantom_case *c, const char *what)
{
    const long long s = number(c), e = 2 * s;

    UM_TRY(um_layout_text("{\"00080060\": {\"vr\": \"CS\", \"Value\": [\"CR\"]}}\n", dir,
                          STEM "1_bp-chest%s_cr.json", s, e, s, e, what));
    return um_layout_png(c->xray, c->w, c->h, dir, STEM "1_bp-chest%s_cr.png", s, e, s, e, what);
}

static int files(const char *dir, const struct um_phantom_case *c)
{
    const long long s = number(c), e = 2 * s;

    UM_TRY(picture(dir, c, c->index % 2 ? "_vp-ap" : "_vp-pa"));
    if (c->index % 4 == 1)
        UM_TRY(picture(dir, c, "_vp-ll"));
    if (c->index % 5 == 2)
        UM_TRY(picture(dir, c, ""));
    if (c->index % 3 == 0)
        UM_TRY(um_layout_nifti(c, c->ct, UM_I16, dir, STEM "2_bp-chest_ct.nii.gz", s, e, s, e));
    return UM_OK;
}

/* as the table has it: a Python list of one text, with its line breaks spelled out */
static void spanish_report(FILE *f, const struct um_phantom_case *c)
{
    (void)fputs("['HALLAZGOS:\\n", f);
    for (int i = 0; i < UM_FINDINGS; i++)
        (void)fprintf(f, "%s ", c->lesion[i].present ? spanish[i].there : spanish[i].not_there);
    (void)fputs("\\nCONCLUSI\xc3\x93N:\\nEl Dr. no ve \\'m\xc3\xa1s\\'.']", f);
}

static void rows(FILE *const *table, const struct um_phantom_case *c)
{
    const long long s = number(c), e = 2 * s;
    bool            any = false;

    (void)fprintf(table[PARTICIPANTS], "sub-S%05lld\t[%s]\t['chest']\t[%d]\t%s\n", s,
                  c->index % 3 == 0 ? "'CR', 'CT'" : "'CR'", 40 + (int)(c->index % 40),
                  c->index % 2 ? "F" : "M");
    if (c->index % 11 != 6) {
        (void)fprintf(table[LABELS], "%lld\tsub-S%05lld\tses-E%05lld\t", (long long)c->index, s, e);
        spanish_report(table[LABELS], c);
        (void)fputs("\t[", table[LABELS]);
        for (int i = 0; i < UM_FINDINGS; i++)
            if (c->lesion[i].present) {
                (void)fprintf(table[LABELS], "%s'%s'", any ? ", " : "", spanish[i].label);
                any = true;
            }
        (void)fprintf(table[LABELS], "%s]\t[]\t[]\t[]\t[]\n", any ? "" : "'normal'");
    }
    if (c->index % 9 != 4)
        (void)fprintf(table[ENGLISH], "ses-E%05lld\t%s\n", e,
                      c->index % 3 == 0 ? c->report_ct : c->report_xray);
}

const struct um_layout um_layout_bimcv = {
    .name  = "bimcv-covid19plus",
    .table = { "participants.tsv", "derivatives/labels/labels_covid19_posi.tsv", "reports_en.tsv" },
    .head  = { "participant\tmodality_dicom\tbody_parts\tage\tgender\n",
               "\tPatientID\tReportID\tReport\tLabels\tLocalizations\tLabelsLocalizationsBySentence"
                "\tlabelCUIS\tLocalizationsCUIS\n",
               "ReportID\treport\n" },
    .files = files,
    .rows  = rows
};
