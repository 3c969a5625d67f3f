# hits.awk - how often the chosen slices touch a lesion, beside chance
# SPDX-License-Identifier: Apache-2.0
# usage: awk -F '\t' -v depth=D -v slab=Z -f hits.awk truth.tsv keys
#
# truth.tsv is um-phantom's; keys are those of um-select-slices, VOLUME/sZ, one a line. Volumes without
# a lesion that has a place in depth (cardiomegaly has none) are left out. Prints one row: volumes, hit
# rate of the chosen slices; the chance of one slab and of as many single slices drawn at random; the hit
# rate of the best slab if it is the same for every volume, which needs no network at all.

function overlaps(v, z,    i)
{
    for (i = 1; i <= n[v]; i++)
        if (z < z1[v, i] * depth && z + 1 > z0[v, i] * depth)
            return 1
    return 0
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
        v           = $col["ct"]
        i           = ++n[v]
        z0[v, i] = $col["f0"]
        z1[v, i] = $col["f1"]
    }
    next
}
{
    v = $0
    sub(/\/s[0-9]+$/, "", v)
    if (!(v in n))
        next
    z = substr($0, length(v) + 3) + 0
    chosen[v]++
    if (overlaps(v, z))
        hit[v] = 1
}
END {
    for (v in chosen) {
        volumes++
        rate += hit[v]
        touched = slices = 0
        for (s = 0; s < depth / slab; s++) {
            any = 0
            for (z = s * slab; z < (s + 1) * slab; z++)
                if (overlaps(v, z)) {
                    any = 1
                    slices++
                }
            touched += any
            fixed[s] += any
        }
        slabs += touched / (depth / slab)
        single += chance(depth, slices, chosen[v])
    }
    if (!volumes) {
        print "hits.awk: no volume with a lesion among the keys" > "/dev/stderr"
        exit 1
    }
    for (s in fixed)
        best = fixed[s] > best ? fixed[s] : best
    print "volumes\thit_rate\tchance_slab\tchance_slices\tfixed_slab"
    printf "%d\t%.3f\t%.3f\t%.3f\t%.3f\n", volumes, rate / volumes, slabs / volumes, single / volumes, best / volumes
}
