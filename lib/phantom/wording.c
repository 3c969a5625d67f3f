/* wording.c - sentences from templates
 *
 * In a template, %s is replaced by the side ("right"), %z by the zone ("lower"), %g by a word for
 * severity, %d by the size in millimetres. A full stop ends a sentence and stands nowhere else, so
 * sizes are whole numbers: the cleaning of reports cuts at every full stop.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "phantom/wording.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/philox.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

struct text {
    char  *at;
    size_t left;
    int    sentences;
};

static void put(struct text *t, const char *s, size_t n)
{
    if (n >= t->left)
        n = t->left - 1;
    memcpy(t->at, s, n);
    t->at += n;
    t->left -= n;
    *t->at = 0;
}

static void put_text(struct text *t, const char *s)
{
    put(t, s, strlen(s));
}

static const char *pick(struct um_rng *r, const char *const *from, size_t n)
{
    return from[um_rng_below(r, n)];
}
#define PICK(r, list) pick(r, list, COUNT(list))

/* one sentence from a template, about lesion l (NULL: nothing to fill in) */
static void sentence(struct text *t, const char *template, int finding, const struct um_lesion *l,
                     struct um_rng *r)
{
    static const char *const zone[3][3]  = { { "lower", "basal", "lower" },
                                             { "mid", "middle", "central" },
                                             { "upper", "apical", "upper" } };
    static const char *const plain[3][2] = { { "small", "minor" },
                                             { "moderate", "medium-sized" },
                                             { "large", "extensive" } };
    static const char *const heart[3][2] = { { "mild", "slight" },
                                             { "moderate", "moderate" },
                                             { "marked", "severe" } };
    char                     number[16];

    t->sentences++;
    put_text(t, " "); /* articles() looks for it; the first is skipped in the end */
    for (const char *s = template; *s; s++) {
        if (*s != '%' || !l) {
            put(t, s, 1);
            continue;
        }
        s++;
        (void)snprintf(number, sizeof number, "%.0f", l->size);
        if (*s == 's')
            put_text(t, l->side == 'R' ? "right" : "left");
        else if (*s == 'z')
            put_text(t, zone[l->zone][um_rng_below(r, 3)]);
        else if (*s == 'g' && finding == UM_CARDIOMEGALY)
            put_text(t, heart[l->severity][um_rng_below(r, 2)]);
        else if (*s == 'g')
            put_text(t, plain[l->severity][um_rng_below(r, 2)]);
        else
            put_text(t, number);
    }
}

static const char *const nodule[] = {
    "There is a %g nodule in the %s %z lung with smooth margins.",
    "a well defined nodule of about %d mm is seen in the %s %z zone.",
    "a %g round nodule projects over the %s %z lung field, measuring %d mm.",
    "Solitary pulmonary nodule in the %s %z lung, approximately %d mm in diameter.",
    "a %d mm pulmonary nodule is present on the %s, in the %z zone.",
    "In the %s %z lung there is a rounded nodule measuring %d mm.",
};
static const char *const consolidation[] = {
    "There is a %g area of consolidation in the %s %z lung.",
    "Air space consolidation is seen in the %s %z zone, %g in extent.",
    "%g consolidation in the %s %z lung field, suspicious for pneumonia.",
    "Patchy confluent consolidation involves the %s %z lung.",
    "a %g focus of consolidation occupies the %z zone of the %s lung.",
    "The %s %z lung shows dense consolidation with ill defined margins.",
};
static const char *const effusion[] = {
    "There is a %g %s pleural effusion with adjacent volume loss.",
    "%g pleural effusion on the %s with blunting of the costophrenic angle.",
    "a %g amount of %s sided pleural effusion layers at the base.",
    "%s pleural effusion is present, %g in size.",
    "Fluid in the %s pleural space is consistent with a %g pleural effusion.",
    "The %s costophrenic angle is obscured by a %g pleural effusion.",
};
static const char *const cardiomegaly[] = {
    "There is %g cardiomegaly with prominence of the left ventricle.",
    "The heart is enlarged, in keeping with %g cardiomegaly.",
    "%g cardiomegaly is noted, with a widened cardiac silhouette.",
    "Cardiomegaly of %g degree is present.",
    "The cardiac silhouette is enlarged, indicating %g cardiomegaly.",
    "The cardiothoracic ratio is increased, consistent with %g cardiomegaly.",
};
static const char *const pneumothorax[] = {
    "There is a %g %s pneumothorax without mediastinal shift.",
    "a %g pneumothorax is seen on the %s with a visible pleural line.",
    "%g %s sided pneumothorax, with partial collapse of the lung.",
    "%s pneumothorax is present, %g in size, most evident at the apex.",
    "Air in the %s pleural space represents a %g pneumothorax.",
    "a visible visceral pleural edge on the %s indicates a %g pneumothorax.",
};
static const char *const *const present[UM_FINDINGS] = { nodule, consolidation, effusion,
                                                         cardiomegaly, pneumothorax };
enum { TEMPLATES = 6, MOST = 6 }; /* of a finding; sentences of a report */

static const char *const brief[UM_FINDINGS][3] = {
    { "%s %z lung nodule.", "Pulmonary nodule in the %s %z zone.", "Nodule of the %s lung." },
    { "%s %z lung consolidation.", "Consolidation on the %s.", "%s %z zone consolidation." },
    { "%g %s pleural effusion.", "Pleural effusion on the %s.", "%s sided pleural effusion." },
    { "%g cardiomegaly.", "Enlarged heart, %g cardiomegaly.", "Cardiomegaly is %g." },
    { "%g %s pneumothorax.", "Pneumothorax on the %s.", "%s sided pneumothorax." }
};

/* how a thing is called when it is denied */
static const char *const thing[UM_FINDINGS][2] = { { "pulmonary nodule", "suspicious nodule" },
                                                   { "focal consolidation",
                                                     "air space consolidation" },
                                                   { "pleural effusion", "pleural effusion" },
                                                   { "cardiomegaly", "cardiomegaly" },
                                                   { "pneumothorax", "pneumothorax" } };
static const char *const denial[][3]           = { /* before, between, after */
                                         { "There is no ", " or ", "." },
                                         { "No ", " or ", " is seen." },
                                         { "No evidence of ", " or ", "." },
                                         { "No ", " and no ", " identified." },
                                         { "The study is without evidence of ", " or ", "." },
                                         { "Negative for ", " or ", "." },
                                         { "Without ", " or ", " on this examination." }
};

static const char *const clear_lungs[] = {
    "The lungs are clear and well expanded without focal abnormality.",
    "Both lungs are normally aerated with sharp bronchovascular markings.",
    "The lung fields are clear bilaterally.",
    "Lung volumes are normal with clear parenchyma.",
};
static const char *const normal_heart[] = {
    "The cardiomediastinal silhouette is within normal limits.",
    "Heart size is normal and the mediastinum is not widened.",
    "The heart and mediastinum are unremarkable.",
    "Normal heart size and mediastinal contours.",
    "The cardiac silhouette is not enlarged.",
};
static const char *const bones[] = {
    "The visualized bony structures of the thorax are intact.",
    "No acute osseous abnormality is seen.",
    "The ribs, clavicles and thoracic spine are unremarkable for age.",
    "The osseous structures show no acute fracture or destructive lesion.",
};
static const char *const airway_ct[] = {
    "The trachea and main bronchi are patent.",
    "The trachea and central airways are clear of filling defects.",
    "The airway is patent and midline.",
};
static const char *const airway_xray[] = {
    "The trachea is midline and the hila are symmetric.",
    "The hilar contours are normal on both sides.",
    "Pulmonary vasculature is within normal limits.",
};
static const char *const belly_ct[] = {
    "The included upper abdomen is unremarkable.",
    "Limited views of the liver show normal attenuation.",
    "The aorta and the great vessels are of normal calibre throughout.",
};
static const char *const belly_xray[] = {
    "Both domes of the diaphragm are smooth and well defined.",
    "The visualized upper abdomen is unremarkable with a gastric bubble on the left.",
    "The aortic contour is normal without tortuosity.",
};
static const char *const healthy[] = {
    "No acute cardiopulmonary abnormality.",
    "Normal study of the chest.",
    "No acute cardiopulmonary process.",
    "Unremarkable examination.",
};
static const char *const frame_xray[] = {
    "Frontal view of the chest was obtained.",
    "PA view of the chest.",
    "Single frontal radiograph of the chest.",
};
static const char *const frame_ct[] = {
    "Axial CT of the chest was obtained.",
    "CT of the thorax without intravenous contrast.",
    "Unenhanced CT images of the chest were reviewed.",
};

/* deny one or two findings of the list; returns how many */
static int deny(struct text *t, const int *absent, int n, struct um_rng *r)
{
    const char *const *d   = denial[um_rng_below(r, COUNT(denial))];
    const int          two = n > 1 && um_rng_uniform(r) < 0.65 ? 2 : 1;
    char               line[256];
    const char        *a = thing[absent[0]][um_rng_below(r, 2)];
    const char        *b = two == 2 ? thing[absent[1]][um_rng_below(r, 2)] : "";

    (void)snprintf(line, sizeof line, "%s%s%s%s%s", d[0], a, two == 2 ? d[1] : "", b, d[2]);
    sentence(t, line, 0, NULL, r);
    return two;
}

static void state_findings(struct text *t, const struct um_phantom_case *c, struct um_rng *r)
{
    int64_t order[UM_FINDINGS];

    um_rng_permute(r, order, UM_FINDINGS);
    for (int i = 0; i < UM_FINDINGS; i++) {
        const int f = (int)order[i];

        if (c->lesion[f].present)
            sentence(t, pick(r, present[f], TEMPLATES), f, &c->lesion[f], r);
    }
}

/* normal statements that do not contradict what is there, until there are `want` sentences */
static void state_normal(struct text *t, const struct um_phantom_case *c, bool xray, int want,
                         struct um_rng *r)
{
    const struct um_lesion *l     = c->lesion;
    const bool              clear = !l[UM_NODULE].present && !l[UM_CONSOLIDATION].present &&
                       !l[UM_EFFUSION].present && !l[UM_PNEUMOTHORAX].present;
    int64_t order[4];

    if (clear && t->sentences < want)
        sentence(t, PICK(r, clear_lungs), 0, NULL, r);
    if (!l[UM_CARDIOMEGALY].present && t->sentences < want && um_rng_uniform(r) < 0.75)
        sentence(t, PICK(r, normal_heart), 0, NULL, r);
    um_rng_permute(r, order, 3);
    for (int i = 0; i < 3 && t->sentences < want; i++) {
        const char *s = order[i] == 0   ? PICK(r, bones)
                        : order[i] == 1 ? (xray ? PICK(r, airway_xray) : PICK(r, airway_ct))
                                        : (xray ? PICK(r, belly_xray) : PICK(r, belly_ct));
        sentence(t, s, 0, NULL, r);
    }
}

static void state_absent(struct text *t, const struct um_phantom_case *c, struct um_rng *r)
{
    int64_t order[UM_FINDINGS];
    int     absent[UM_FINDINGS], n = 0, said;

    um_rng_permute(r, order, UM_FINDINGS);
    for (int i = 0; i < UM_FINDINGS; i++)
        if (!c->lesion[order[i]].present)
            absent[n++] = (int)order[i];
    if (n == 0)
        return;
    said = deny(t, absent, n, r);
    if (n > said && t->sentences < 4 && um_rng_uniform(r) < 0.6)
        (void)deny(t, absent + said, n - said, r);
}

static void impression(struct text *t, const struct um_phantom_case *c, struct um_rng *r)
{
    int any = 0;

    for (int f = 0; f < UM_FINDINGS; f++)
        if (c->lesion[f].present && (!any || t->sentences < MOST)) {
            sentence(t, pick(r, brief[f], 3), f, &c->lesion[f], r);
            any++;
        }
    if (!any)
        sentence(t, PICK(r, healthy), 0, NULL, r);
}

/* does a word sound as if it began with a vowel: 8, 11 and 18 do */
static bool vowel(const char *s)
{
    return (*s && strchr("aeiou8", *s)) || strncmp(s, "11 ", 3) == 0 || strncmp(s, "18 ", 3) == 0;
}

/* a -> an before a vowel, in place: the text has room for UM_PHANTOM_REPORT bytes */
static void articles(char *s)
{
    for (; (s = strstr(s, " a ")) != NULL; s += 3)
        if (vowel(s + 3)) {
            memmove(s + 3, s + 2, strlen(s + 2) + 1);
            s[2] = 'n';
        }
}

/* sentences begin with a capital whatever a template began with */
static void capitals(char *s)
{
    bool first = true;

    for (; *s; s++) {
        if (first && *s >= 'a' && *s <= 'z')
            *s = (char)(*s - 'a' + 'A');
        if (*s == '.' || *s == ':')
            first = true;
        else if (*s != ' ')
            first = false;
    }
}

void um_wording_write(const struct um_phantom_case *c, uint64_t seed, bool xray, char *text)
{
    struct um_rng r        = um_rng_at(seed, UM_RNG_REPORT, (uint64_t)c->index, xray);
    struct text   t        = { text, UM_PHANTOM_REPORT, 0 };
    const bool    headings = um_rng_uniform(&r) < 0.5;
    const int     want     = headings ? 5 : 5 + (int)um_rng_below(&r, 2);

    *text = 0;
    if (headings)
        put_text(&t, "FINDINGS:");
    else if (um_rng_uniform(&r) < 0.6)
        sentence(&t, xray ? PICK(&r, frame_xray) : PICK(&r, frame_ct), 0, NULL, &r);
    const bool sick_first = um_rng_uniform(&r) < 0.7;
    if (sick_first)
        state_findings(&t, c, &r);
    state_absent(&t, c, &r);
    if (!sick_first)
        state_findings(&t, c, &r);
    state_normal(&t, c, xray, want, &r);
    if (headings) {
        put_text(&t, " IMPRESSION:"); /* one line: it goes into a manifest */
        impression(&t, c, &r);
    }
    articles(text);
    capitals(text);
    if (*text == ' ')
        memmove(text, text + 1, strlen(text));
}
