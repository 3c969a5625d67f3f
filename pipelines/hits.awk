# hits.awk - how often the chosen slices touch a lesion, beside chance
# SPDX-License-Identifier: Apache-2.0
# usage: awk -F '\t' -v depth=D -v slab=Z [-v name=NAME] -f hits.awk truth.tsv keys
#
# truth.tsv is um-phantom's; keys are those of um-select-slices, VOLUME/sZ, one a line. Volumes without
# a lesion that has a place in depth (cardiomegaly has none) are left out. Prints one row: volumes, hit
# rate of the chosen slices; the chance of one slab and of as many single slices drawn at random; the hit
# rate of the best slab if it is the same for every volume, which needs no network at all. With a name:
# rows of name, measure, value instead, for any lesion and for each finding.

# does slice z of volume v touch a lesion (of that finding, or of any)?
function overlaps(v, z, finding,    i)
{
    for (i = 1; i <= n[v]; i++)
        if (z < z1[v, i] * depth && z + 1 > z0[v, i] * depth && (finding == "any" || finding == what[v, i]))
            return 1
    return 0
}

# rates over the volumes that have that finding
function rate(finding,    v, s, z, any, slices, touched, hit, fixed)
{
    volumes = hits = slabs = single = best = 0
    for (v in chosen) {
        hit = touched = slices = 0
        for (s = 0; s < depth / slab; s++) {
            any = 0
            for (z = s * slab; z < (s + 1) * slab; z++)
                if (overlaps(v, z, finding)) {
                    any = 1
                    slices++
                    hit = hit || ((v, z) in taken)
                }
            touched += any
            fixed[s] += any
        }
        if (!touched)
            continue
        volumes++
        hits   += hit
        slabs  += touched / (depth / slab)
        single += chance(depth, slices, chosen[v])
    }
    for (s in fixed)
        best = fixed[s] > best ? fixed[s] : best
}

# 1 - C(m - h, k) / C(m, k)
function chance(m, h, k,    i, miss)
{
    miss = 1
    for (i = 0; i < k; i++)
        miss *= m - h - i > 0 ? (m - h - i) / (m - i) : 0
    return 1 - miss
}

FNR == 1 && NR == 1 {
    for (i = 1; i <= NF; i++)
        col[$i] = i
    next
}
NR == FNR {
    if ($col["finding"] != "none" && $col["finding"] != "cardiomegaly") {
        v          = $col["ct"]
        i          = ++n[v]
        z0[v, i]   = $col["f0"]
        z1[v, i]   = $col["f1"]
        what[v, i] = $col["finding"]
    }
    next
}
{
    v = $0
    sub(/\/s[0-9]+$/, "", v)
    if (!(v in n))
        next
    chosen[v]++
    taken[v, substr($0, length(v) + 3) + 0] = 1
}
END {
    rate("any")
    if (!volumes) {
        print "hits.awk: no volume with a lesion among the keys" > "/dev/stderr"
        exit 1
    }
    if (name == "") {
        print "volumes\thit_rate\tchance_slab\tchance_slices\tfixed_slab"
        printf "%d\t%.3f\t%.3f\t%.3f\t%.3f\n", volumes, hits / volumes, slabs / volumes, single / volumes, best / volumes
        exit
    }
    m = split("any nodule consolidation effusion pneumothorax", finding, " ")
    for (i = 1; i <= m; i++) {
        rate(finding[i])
        if (!volumes)
            continue
        row = name "\t%s_" finding[i] "\t%.6f\n"
        printf row, "volumes", volumes
        printf row, "hits", hits / volumes
        printf row, "slab", slabs / volumes
        printf row, "slices", single / volumes
        printf row, "fixed", best / volumes
    }
}
