# before-after.awk - what a run's tables say of its beginning and of its end
# SPDX-License-Identifier: Apache-2.0
# usage: awk -F '\t' [-v steps=N] -f before-after.awk RUN/log.tsv RUN/valid.tsv
#
# Parts of the loss: means over the first and the last N steps (20) of each modality, or over its halves
# if it has fewer than twice as many. Held-out records: the first look and the last one; beside
# retrieval, in brackets, what chance would find if all reports were different: k of n pairs.

function mean(k, part, from, to,    i, sum) {
    for (i = from; i <= to; i++)
        sum += value[k, part, i]
    return sum / (to - from + 1)
}
function pair(x, y) {
    return sprintf("%.3f -> %.3f", x, y)
}
function share(k, name,    n) {
    n = first[k, "pairs"]
    return sprintf("%s (%.3f)", pair(first[k, name], last[k, name]), (name ~ /r5$/ ? (n < 5 ? n : 5) : 1) / n)
}
BEGIN {
    if (!steps)
        steps = 20
    split("loss vl icl pcl", part, " ")
}
FNR == 1 {
    file++
    delete col
    for (i = 1; i <= NF; i++)
        col[$i] = i
    next
}
file == 1 {
    k = $col["modality"]
    if (!(k in n))
        order[++kinds] = k
    n[k]++
    for (i = 1; i <= 4; i++)
        value[k, part[i], n[k]] = $col[part[i]]
    next
}
{
    k = $col["set"]
    if (k == "all")
        next
    if (!(k in seen))
        sets[++held] = k
    seen[k] = 1
    for (name in col) {
        if (!((k, name) in first))
            first[k, name] = $col[name]
        last[k, name] = $col[name]
    }
}
END {
    printf "loss, mean of the first and of the last steps of each modality\n"
    printf "  %-4s %6s %5s  %-18s %-18s %-18s %s\n", "", "steps", "mean", "all", "vl", "icl", "pcl"
    for (i = 1; i <= kinds; i++) {
        k = order[i]
        w = n[k] >= 2 * steps ? steps : n[k] > 1 ? int(n[k] / 2) : 1
        printf "  %-4s %6d %5d ", k, n[k], w
        for (j = 1; j <= 4; j++)
            printf j < 4 ? " %-18s" : " %s", pair(mean(k, part[j], 1, w), mean(k, part[j], n[k] - w + 1, n[k]))
        printf "\n"
    }
    if (!held) {
        print "no held-out records"
        exit
    }
    printf "held out, before the first step and after the last (chance in brackets)\n"
    printf "  %-4s %6s  %-18s %-26s %-26s %s\n", "", "pairs", "loss vl", "image finds report, R@1", "R@5", "report finds image, R@1"
    for (i = 1; i <= held; i++) {
        k = sets[i]
        printf "  %-4s %6d  %-18s %-26s %-26s %s\n", k, first[k, "pairs"], pair(first[k, "loss"], last[k, "loss"]),
            share(k, "i2t_r1"), share(k, "i2t_r5"), share(k, "t2i_r1")
    }
}
