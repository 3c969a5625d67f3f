# beside.awk - two tables of um-probe side by side
# SPDX-License-Identifier: Apache-2.0
# usage: awk -F '\t' -v kind=NAME -f beside.awk FIRST.tsv SECOND.tsv
#
# Rows are matched by label and fraction; each value stands with its 95 % interval.

FNR == 1 {
    if (NR == 1)
        for (i = 1; i <= NF; i++)
            col[$i] = i
    file++
    next
}
{
    row = $col["label"]
    if (file == 1)
        order[++n] = row
    name[file]       = $col["name"]
    tested           = $col["n_test"]
    metric           = $col["metric"]
    cell[file, row] = sprintf("%.3f (%.3f-%.3f)", $col["value"], $col["lo"], $col["hi"])
}
END {
    printf "\nlinear probe on %s, %d test records: %s\n", kind, tested, metric
    printf "  %-16s %-22s %-22s\n", "", name[1] == "random" ? "random weights" : name[1], name[2] == "run" ? "pre-trained" : name[2]
    for (i = 1; i <= n; i++)
        printf "  %-16s %-22s %-22s\n", order[i], cell[1, order[i]], cell[2, order[i]]
}
