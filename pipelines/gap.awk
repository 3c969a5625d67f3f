# gap.awk - how far the X-ray and the CT of a patient lie apart, beside those of other patients
# SPDX-License-Identifier: Apache-2.0
# usage: awk -v name=NAME -f gap.awk xray.tsv ct.tsv <(um-show --dump -t embedding XRAY) <(… CT)
#
# The manifests are um-phantom's, with patient and class of each key. Vectors have length 1. same and other:
# mean 1 - cos of an X-ray and a CT of one patient, of two; cross_r1: X-rays whose nearest CT is that of
# their patient; r1_chance; centres: the distance between the centroids of both kinds over the mean distance
# to the own centroid, class by class, of classes that both have two of. Rows: name, measure, value.

function dot(i, j,    k, s)
{
    for (k = 1; k <= dim; k++)
        s += x[1, i, k] * x[2, j, k]
    return s
}

# mean distance of kind f's vectors of class c to their centroid, which goes to centre[f, .]
function within(f, c,    i, k, m, d, s)
{
    for (k = 1; k <= dim; k++)
        centre[f, k] = 0
    for (i = 1; i <= n[f]; i++)
        if (kind[f, i] == c) {
            m++
            for (k = 1; k <= dim; k++)
                centre[f, k] += x[f, i, k]
        }
    for (k = 1; k <= dim; k++)
        centre[f, k] /= m
    for (i = 1; i <= n[f]; i++)
        if (kind[f, i] == c) {
            d = 0
            for (k = 1; k <= dim; k++)
                d += (x[f, i, k] - centre[f, k]) ^ 2
            s += sqrt(d)
        }
    return s / m
}

function between(    k, d)
{
    for (k = 1; k <= dim; k++)
        d += (centre[1, k] - centre[2, k]) ^ 2
    return sqrt(d)
}

function pairs(    i, j, s, best, own)
{
    for (i = 1; i <= n[1]; i++) {
        best = own = -2
        for (j = 1; j <= n[2]; j++) {
            s = dot(i, j)
            if (who[1, i] == who[2, j]) {
                same += 1 - s
                nsame++
                own = s > own ? s : own
            } else {
                other += 1 - s
                nother++
                best = s > best ? s : best
            }
        }
        if (own > -2) {
            queries++
            found += own > best
        }
    }
}

BEGIN { tab = "\t" }
FNR == 1 { file++ }
file <= 2 {
    m = split($0, f, tab)
    if (FNR == 1)
        for (i = 1; i <= m; i++)
            col[file, f[i]] = i
    patient[f[col[file, "key"]]] = f[col[file, "patient"]]
    class[f[col[file, "key"]]]   = f[col[file, "class"]]
    next
}
/^#/ {
    n[file - 2]++
    who[file - 2, n[file - 2]]  = patient[$2]
    kind[file - 2, n[file - 2]] = class[$2]
    count[file - 2, class[$2]]++
    classes[class[$2]] = 1
    next
}
NF {
    dim = NF
    for (k = 1; k <= NF; k++)
        x[file - 2, n[file - 2], k] = $k
}
END {
    pairs()
    if (!nsame || !nother) {
        print "gap.awk: no two patients with an X-ray and a CT each" > "/dev/stderr"
        exit 1
    }
    for (c in classes)
        if (count[1, c] > 1 && count[2, c] > 1) {
            w += (within(1, c) + within(2, c)) / 2
            b += between()
        }
    printf "%s\tsame\t%.6f\n%s\tother\t%.6f\n", name, same / nsame, name, other / nother
    printf "%s\tcross_r1\t%.6f\n%s\tr1_chance\t%.6f\n", name, found / queries, name, 1 / n[2]
    printf "%s\tcentres\t%s\n", name, (w > 0 ? sprintf("%.6f", b / w) : "nan")
}
