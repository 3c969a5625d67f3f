# attention.awk - attention on the lesion over attention beside it
# SPDX-License-Identifier: Apache-2.0
# usage: um-show --dump -t attention … | awk -v name=NAME -f attention.awk lesion.tsv -
#
# For each volume with a lesion: the mean attention of a voxel inside over that of a voxel outside, where a
# voxel has the attention of its token; then the mean over volumes. 1 is what even attention gives. Beside
# it the same with the mean attention of all other volumes in the place of the volume's own: what is gained
# by looking where lesions tend to be, without looking at this one. Rows: name, measure, value.

function ratio(map,    t, in_, out, win)
{
    in_ = out = win = 0
    for (t = 0; t < tokens; t++) {
        in_ += share[key, t] * map[t]
        out += (1 - share[key, t]) * map[t]
        win += share[key, t]
    }
    return in_ / win / (out / (tokens - win))
}

FNR == 1 { file++ }
file == 1 {
    share[$1, $2] = $3
    has[$1]       = 1
    next
}
/^#/ {
    key = $2
    order[++volumes] = key
    t = 0
    next
}
{
    for (i = 1; i <= NF; i++) {
        a[key, t]  = $i
        total[t]  += $i
        t++
    }
    if (t > tokens)
        tokens = t
}
END {
    for (v = 1; v <= volumes; v++) {
        key = order[v]
        if (!(key in has))
            continue
        for (t = 0; t < tokens; t++) {
            own[t]    = a[key, t]
            others[t] = total[t] - a[key, t]
        }
        n++
        sum_own += ratio(own)
        if (volumes > 1)
            sum_others += ratio(others)
    }
    if (!n) {
        print "attention.awk: no volume with a lesion" > "/dev/stderr"
        exit 1
    }
    printf "%s\tinside\t%.6f\n%s\tinside_same\t%.6f\n", name, sum_own / n, name, sum_others / n
}
