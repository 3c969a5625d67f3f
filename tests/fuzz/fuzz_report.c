/* fuzz_report.c - libFuzzer target: any bytes as a report, cut by the rule its first byte says
 *
 * What comes out must be plain: ASCII, no capitals, no line ends, sentences that lie within it.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz.h"

#include "text/report.h"

static void look(const struct um_report *r)
{
    const int64_t n = (int64_t)strlen(r->text);

    for (int64_t i = 0; i < n; i++)
        if ((unsigned char)r->text[i] < ' ' || (unsigned char)r->text[i] > '~' ||
            (r->text[i] >= 'A' && r->text[i] <= 'Z'))
            fuzz_wrong("not plain text");
    for (int64_t i = 0, at = 0; i < r->sentences; i++) {
        if (r->sentence[i].at < at || r->sentence[i].n < 0 ||
            r->sentence[i].at + r->sentence[i].n > n)
            fuzz_wrong("a sentence outside the text");
        at = r->sentence[i].at + r->sentence[i].n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const struct um_report_opts opts = { .strict = n > 0 && data[0] % 2 };
    struct um_arena            *a    = fuzz_arena();
    struct um_report            r    = { 0 };
    char                       *body, *raw;
    int                         st;

    if (n == 0)
        return 0;
    raw = (char *)fuzz_copy(data + 1, n - 1);
    st  = um_report_check(raw, n - 1);
    fuzz_refused(st);
    if ((um_report_body(a, raw, n - 1, &body) < 0) != (st < 0))
        fuzz_wrong("checked and read do not agree");
    if ((um_report_clean(a, raw, n - 1, &opts, &r) < 0) != (st < 0))
        fuzz_wrong("checked and cleaned do not agree");
    if (st >= 0)
        look(&r);
    free(raw);
    return 0;
}
