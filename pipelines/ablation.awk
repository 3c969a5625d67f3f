# ablation.awk - the tables of an ablation, from its numbers
# SPDX-License-Identifier: Apache-2.0
# usage: awk -F '\t' -v runs='RUN …' -f ablation.awk numbers.tsv
#
# A cell is the mean over seeds ± t s / sqrt n, the 95 % interval of Student's t with n - 1 degrees of
# freedom; with one seed the value alone.

# cell of one measure; against a run: of the differences to it, seed by seed
function cell(run, what, measure, digits, against,    i, n, m, s, v, d)
{
    n = m = s = 0
    for (i = 1; i <= seeds; i++) {
        v = value[run, seed[i], what, measure]
        if (v == "" || v == "nan")
            continue
        if (against != "") {
            d = value[against, seed[i], what, measure]
            if (d == "" || d == "nan")
                continue
            v -= d
        }
        x[++n] = v
        m += v
    }
    if (!n)
        return "–"
    m /= n
    for (i = 1; i <= n; i++)
        s += (x[i] - m) ^ 2
    v = sprintf((against != "" ? "%+." : "%.") digits "f", m)
    if (n > 1)
        v = v sprintf(" ± %." digits "f", student(n - 1) * sqrt(s / (n - 1) / n))
    return v
}

# 97.5 % point of t; above 30 degrees that of 30, which is a little wide
function student(df)
{
    return t[df > 30 ? 30 : df]
}

function line(list,    n, i, c, text)
{
    n = split(list, c, "|")
    text = "|"
    for (i = 1; i <= n; i++)
        text = text " " c[i] " |"
    print text
}

function head(list,    n, c)
{
    print ""
    line(list)
    n = split(list, c, "|")
    gsub(/[^|]+/, "---", list)
    line(list)
}

function auroc(run, against,    text, k, f)
{
    text = run (against != "" ? " - " against : "")
    for (k = 1; k <= 2; k++)
        for (f = 1; f <= fractions; f++)
            text = text "|" cell(run, kind[k], "auroc_" fraction[f], 3, against)
    line(text)
}

function auroc_head(first,    text, k, f)
{
    text = first
    for (k = 1; k <= 2; k++)
        for (f = 1; f <= fractions; f++)
            text = text "|" label[k] " " 100 * fraction[f] " %"
    head(text)
}

function table_a(    i)
{
    print "\n## A. What a linear probe reads from frozen features\n"
    print "Mean AUROC of five findings, test patients, at shares of the training labels (" train ")."
    auroc_head("run")
    for (i = 1; i <= nruns; i++)
        auroc(name[i], "")
    print "\nThe same, less that of `vl` with the same seed:"
    auroc_head("difference")
    for (i = 1; i <= nruns; i++)
        if (name[i] != "vl")
            auroc(name[i], "vl")
}

function table_b(    i, n, r)
{
    print "\n## B. One modality or both\n"
    print "As in A; `2d` and `3d` are `full` on one modality, and see the other here for the first time."
    auroc_head("run")
    n = split("2d 3d vl full", r, " ")
    for (i = 1; i <= n; i++)
        auroc(r[i], "")
    print "\nBoth less one, with the same seed:"
    auroc_head("difference")
    for (i = 1; i <= 2; i++)
        auroc("full", r[i])
}

function hits(title, run, what,    text, i)
{
    text = title
    for (i = 1; i <= nfindings; i++)
        text = text "|" cell(run, what, "hits_" finding[i], 3)
    line(text)
}

# of the volumes alone, not of a run
function chance(title, measure,    text, i, v)
{
    text = title
    for (i = 1; i <= nfindings; i++) {
        v = value["full", seed[1], "teacher", measure "_" finding[i]]
        text = text "|" (v == "" ? "–" : sprintf("%.3f", v))
    }
    line(text)
}

function table_c1(    i, text)
{
    print "\n## C1. Do four chosen slices touch a lesion?\n"
    print "Share of test volumes with such a lesion that are hit (cardiomegaly has no place in depth). Attention picks"
    print "the four slices of one slab: its chance is a slab's, that of random slices is four slices'."
    text = "slices by"
    for (i = 1; i <= nfindings; i++)
        text = text "|" finding[i] sprintf(" (%d)", value["full", seed[1], "teacher", "volumes_" finding[i]])
    head(text)
    hits("attention of the teacher, full", "full", "teacher")
    hits("attention of the student, full", "full", "student")
    hits("attention of the student, vl", "vl", "student")
    hits("attention of random weights", "random", "student")
    hits("random slices", "random-slices", "rule")
    hits("middle slices", "middle-slices", "rule")
    hits("uniform slices", "uniform-slices", "rule")
    chance("chance: a slab at random", "slab")
    chance("chance: four slices at random", "slices")
    chance("the best slab, same for everyone", "fixed")
}

function inside(title, run, what)
{
    line(title "|" cell(run, what, "inside", 3) "|" cell(run, what, "inside_same", 3))
}

function table_c2()
{
    print "\n## C2. Attention inside the lesion over attention outside\n"
    print "Mean over test volumes with a lesion; even attention gives 1. `others`: the mean attention of all"
    print "other volumes on this one's lesion, which is what a place common to lesions gives."
    head("attention of|own|others")
    inside("teacher, full", "full", "teacher")
    inside("student, full", "full", "student")
    inside("student, vl", "vl", "student")
    inside("random weights", "random", "student")
}

function table_c3(    i, r)
{
    print "\n## C3, C4. The X-ray and the CT of one patient\n"
    printf "Test patients. R@1: X-rays whose nearest CT is that of their patient (chance %.3f). Distances are\n", \
        value["full", seed[1], "pairs", "r1_chance"]
    print "1 - cos of embeddings; centroids: between those of X-rays and CTs, over the mean distance to the own one."
    head("run|R@1|same patient|another|another - same|centroids")
    for (i = 1; i <= nruns; i++) {
        r = name[i]
        line(r "|" cell(r, "pairs", "cross_r1", 3) "|" cell(r, "pairs", "same", 3) "|" cell(r, "pairs", "other", 3) "|" \
             cell(r, "pairs", "margin", 3) "|" cell(r, "pairs", "centres", 2))
    }
}

function table_d(    i, r)
{
    print "\n## D. Held-out pairs at the last look of training\n"
    print "L_vl without masks, and how many images find their report first (equal reports are matches)."
    head("run|L_vl X-ray|L_vl CT|X-ray finds report|CT finds report|X-ray finds CT")
    for (i = 1; i <= nruns; i++) {
        r = name[i]
        line(r "|" cell(r, "2d", "loss", 3) "|" cell(r, "3d", "loss", 3) "|" cell(r, "2d", "i2t_r1", 3) "|" \
             cell(r, "3d", "i2t_r1", 3) "|" cell(r, "all", "cross_r1", 3))
    }
}

BEGIN {
    split("12.706 4.303 3.182 2.776 2.571 2.447 2.365 2.306 2.262 2.228 2.201 2.179 2.160 2.145 2.131 2.120 " \
          "2.110 2.101 2.093 2.086 2.080 2.074 2.069 2.064 2.060 2.056 2.052 2.048 2.045 2.042", t, " ")
    nruns     = split(runs, name, " ")
    nfindings = split("any nodule consolidation effusion pneumothorax", finding, " ")
    split("xray ct", kind, " ")
    split("X-ray,CT", label, ",")
}
FNR == 1 { next }
{
    value[$1, $2, $3, $4] = $5
    if (!($2 in known)) {
        known[$2]     = 1
        seed[++seeds] = $2
    }
    if ($4 == "other")
        value[$1, $2, $3, "margin"] = $5 - value[$1, $2, $3, "same"]
    if (sub(/^auroc_/, "", $4) && !($4 in share)) {
        share[$4]             = 1
        fraction[++fractions] = $4
    }
}
END {
    for (f = 1; f <= fractions; f++)
        train = train (f > 1 ? ", " : "") value["random", seed[1], "xray", "train_" fraction[f]]
    train = train " patients"
    print "# The phantom study"
    if (seeds > 1)
        printf "\nMean over %d seeds of weights, order and crops, on the same data; ± %.3f s / sqrt %d, the 95 %% interval of\n" \
               "Student's t with %d degrees of freedom.\n", seeds, student(seeds - 1), seeds, seeds - 1
    else
        print "\nOne seed of weights, order and crops: there is no interval."
    table_a()
    table_b()
    table_c1()
    table_c2()
    table_c3()
    table_d()
}
