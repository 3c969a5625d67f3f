/* layout_bimcv.c - BIMCV-COVID19+: X-rays and CTs of a session share a report, in Spanish
 *
 * sub-S00001/ses-E00001/mod-rx/sub-S00001_ses-E00001_run-1_bp-chest_vp-pa_cr.png and the like;
 * every third session has a CT, every fourth a lateral view, every fifth one more whose name tells
 * no view. Sessions of cases 6, 17, 28, ... have no report. reports_en.tsv stands for a translation
 * that a lab had made; it lacks the sessions of 4, 13, 22, ...
 *
 * PNGs hold 12 bits in 16, a third of them with bones dark; the json beside says how: by the bits
 * alone, by one of two kinds of window, or by a lookup table. That of 14, 30, 46, ... is not there.
 * The laterals of 5, 13, 21, ... are named PA, and their json says better; of the views whose names
 * tell none, it says half.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <stdlib.h>

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

/* ---- pictures ---- */

enum how { BITS, WINDOW, EXACT, TABLE };

/* the stored values that are black and white; 0 and 4095 occur as well */
static const struct {
    int lo, hi;
} range[] = { { 0, 4095 }, { 200, 3800 }, { 548, 3548 }, { 100, 3900 } };

struct shot {
    const char *name, *series, *procedure, *position; /* NULL: the json does not say */
    enum how    how;
    bool        inverted, json;
};

static int shots(const struct um_phantom_case *c, struct shot s[3])
{
    const bool ap = c->index % 2, named = c->index % 8 == 1, told = c->index % 16 == 5;
    int        n = 0;

    s[n++] = (struct shot){ .name   = !ap                 ? "_run-1_bp-chest_vp-pa"
                                      : c->index % 8 == 3 ? "_run-1_bp-chest_vp-AP"
                                                          : "_run-1_bp-chest_vp-ap",
                            .series = ap ? "TORAX PORTATIL" : "T\\u00d3RAX PA" };
    if (c->index % 4 == 1)
        s[n++] = (struct shot){ .name     = named ? "_acq-2_run-1_bp-chest_vp-ll"
                                                  : "_acq-2_run-1_bp-chest_vp-pa",
                                .series   = named || told ? "T\\u00d3RAX LAT." : "T\\u00d3RAX",
                                .position = told ? NULL : "LL" };
    if (c->index % 5 == 2)
        s[n++] = (struct shot){ .name      = "_acq-3_run-1_bp-chest",
                                .series    = c->index % 20 == 12  ? NULL
                                             : c->index % 10 == 2 ? "TORAX ERECT PA"
                                                                  : "RX TORAX, PA O AP",
                                .procedure = "RX TORAX PA" };
    for (int i = 0; i < n; i++) {
        s[i].how      = (enum how)((c->index + i) % 4);
        s[i].inverted = (c->index / 2 + i) % 3 == 0;
        s[i].json     = i > 0 || c->index % 16 != 14;
    }
    return n;
}

static void table_json(FILE *f)
{
    const int first = range[TABLE].lo - 4, last = range[TABLE].hi + 3,
              span = range[TABLE].hi - range[TABLE].lo;

    (void)fprintf(f,
                  ", \"00283010\": {\"vr\": \"SQ\", \"Value\": [{\"00283002\": {\"vr\": \"US\", "
                  "\"Value\": [%d, %d, 12]}, \"00283006\": {\"vr\": \"US\", \"Value\": [",
                  last - first + 1, first);
    for (int v = first; v <= last; v++) {
        const int at = v - range[TABLE].lo;

        (void)fprintf(f, "%s%d", v > first ? ", " : "",
                      at < 0      ? 0
                      : at > span ? 4095
                                  : at * 4095 / span);
    }
    (void)fputs("]}}]}", f);
}

static void tag(FILE *f, const char *name, const char *vr, const char *value)
{
    if (value)
        (void)fprintf(f, ", \"%s\": {\"vr\": \"%s\", \"Value\": [%s%s%s]}", name, vr,
                      *vr == 'C' || *vr == 'L' ? "\"" : "", value,
                      *vr == 'C' || *vr == 'L' ? "\"" : "");
}

/* DICOM's JSON model, as pydicom prints it: in the order of the tags, on one line */
static void print_json(FILE *f, const struct shot *s)
{
    (void)fputs("{\"00080060\": {\"vr\": \"CS\", \"Value\": [\"CR\"]}", f);
    if (s->procedure)
        (void)fprintf(
            f,
            ", \"00081032\": {\"vr\": \"SQ\", \"Value\": [{\"00080100\": {\"vr\": \"SH\", "
            "\"Value\": [\"70010\"]}, \"00080104\": {\"vr\": \"LO\", \"Value\": "
            "[\"%s\"]}}]}",
            s->procedure);
    tag(f, "0008103E", "LO", s->series);
    (void)fputs(", \"00100010\": {\"vr\": \"PN\"}", f);
    tag(f, "00185101", "CS", s->position);
    tag(f, "00280004", "CS", s->inverted ? "MONOCHROME1" : "MONOCHROME2");
    tag(f, "00280100", "US", "16");
    tag(f, "00280101", "US", "12");
    tag(f, "00281050", "DS", s->how == WINDOW ? "2000.5, 2047.5" : s->how == EXACT ? "2048" : NULL);
    tag(f, "00281051", "DS", s->how == WINDOW ? "3601.0, 4095.0" : s->how == EXACT ? "3000" : NULL);
    tag(f, "00281052", "DS", s->how == TABLE ? "0.0" : NULL);
    tag(f, "00281053", "DS", s->how == TABLE ? "1.0" : NULL);
    tag(f, "00281056", "CS", s->how == EXACT ? "LINEAR_EXACT" : NULL);
    if (s->how == TABLE)
        table_json(f);
    (void)fputs("}\n", f);
}

#define STEM "sub-S%05lld/ses-E%05lld/mod-rx/sub-S%05lld_ses-E%05lld"

static int tags(const char *dir, const struct um_phantom_case *c, const struct shot *shot)
{
    const long long s = number(c), e = 2 * s;
    char           *text = NULL;
    size_t          n;
    FILE           *f  = open_memstream(&text, &n);
    int             st = UM_ENOMEM;

    if (f)
        print_json(f, shot);
    if (f && fclose(f) == 0)
        st = um_layout_text(text, dir, STEM "%s_cr.json", s, e, s, e, shot->name);
    else
        um_fail(UM_ENOMEM, "out of memory");
    free(text);
    return st;
}

/* gray y of the phantom as a stored value that its json makes y again */
static uint16_t stored(const struct shot *s, uint8_t y)
{
    const int at = s->inverted ? 255 - y : y, lo = range[s->how].lo, hi = range[s->how].hi;

    return (uint16_t)(at == 0 ? 0 : at == 255 ? 4095 : lo + (2 * at * (hi - lo) + 255) / 510);
}

static int picture(const char *dir, const struct um_phantom_case *c, const struct shot *shot)
{
    const long long s = number(c), e = 2 * s;
    uint16_t       *px = malloc((size_t)(c->w * c->h) * sizeof *px);
    int             st;

    if (!px)
        return um_fail(UM_ENOMEM, "out of memory");
    for (int i = 0; i < c->w * c->h; i++)
        px[i] = stored(shot, c->xray[i]);
    st = um_layout_png16(px, c->w, c->h, dir, STEM "%s_cr.png", s, e, s, e, shot->name);
    free(px);
    return st < 0 || !shot->json ? st : tags(dir, c, shot);
}

static int files(const char *dir, const struct um_phantom_case *c)
{
    const long long s = number(c), e = 2 * s;
    struct shot     shot[3];
    const int       n = shots(c, shot);

    for (int i = 0; i < n; i++)
        UM_TRY(picture(dir, c, &shot[i]));
    if (c->index % 3 == 0)
        UM_TRY(
            um_layout_nifti(c, c->ct, UM_I16, dir, STEM "_run-2_bp-chest_ct.nii.gz", s, e, s, e));
    return UM_OK;
}

/* ---- tables ---- */

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
