# lesion.awk - the share of each token of a volume that is lesion
# SPDX-License-Identifier: Apache-2.0
# usage: um-show --dump -t mask … | awk -v slab=Z -v patch=N -f lesion.awk
#
# Masks are um-phantom's, sums of 1 nodule, 2 consolidation, 4 effusion, 8 cardiomegaly, 16 pneumothorax;
# an enlarged heart is no lesion here, as in hits.awk. Tokens are Z slices of N x N pixels. Prints key,
# token (counted from 0) and share, a line for each token that has any.

function flush(    t)
{
    for (t = 0; key != "" && t < tokens; t++)
        if (t in sum)
            printf "%s\t%d\t%.6f\n", key, t, sum[t] / (slab * patch * patch)
    delete sum
}

/^#/ {
    flush()
    key = $2
    split(substr($NF, 2, length($NF) - 2), n, ",")
    across = n[3] / patch
    plane  = n[2] / patch * across
    tokens = n[1] / slab * plane
    y = z = 0
    next
}
NF {
    if (/[1-9]/) {
        first = int(z / slab) * plane + int(y / patch) * across
        for (x = 1; x <= NF; x++)
            if ($x - 8 * (int($x / 8) % 2) > 0)
                sum[first + int((x - 1) / patch)]++
    }
    if (++y == n[2]) {
        y = 0
        z++
    }
}
END { flush() }
