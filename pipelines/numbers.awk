# numbers.awk - the numbers of an ablation's steps in one table
# SPDX-License-Identifier: Apache-2.0
# usage: awk -F '\t' -f numbers.awk FILE…
#
# Files are known by their first line: tables of um-probe (name RUN.SEED.KIND; the mean over labels is
# taken), valid.tsv of a folder RUN.SEED (the last look), and rows of name RUN.SEED.WHAT, measure, value.
# Prints run, seed, what, measure, value.

function put(name, measure, value,    part)
{
    split(name, part, ".")
    print part[1], part[2], part[3], measure, value
}

BEGIN {
    OFS = "\t"
    print "run", "seed", "what", "measure", "value"
    split("loss i2t_r1 t2i_r1 true_distance random_distance cross_r1 pairs", want, " ")
}
FNR == 1 {
    kind = $1 == "name" || $1 == "step" ? $1 : "row"
    for (i = 1; i <= NF; i++)
        col[$i] = i
    if (kind == "step") {
        m = split(FILENAME, path, "/")
        run = path[m - 1]
    }
    if (kind != "row")
        next
}
kind == "name" && $col["label"] == "mean" {
    put($col["name"], "auroc_" $col["fraction"], $col["value"])
    put($col["name"], "train_" $col["fraction"], $col["n_train"])
}
kind == "step" {
    for (i in want)
        valid[run, $col["set"], want[i]] = $col[want[i]]
    seen[run "." $col["set"]] = 1
}
kind == "row" { put($1, $2, $3) }
END {
    for (name in seen)
        for (i = 1; i in want; i++) {
            split(name, part, ".")
            put(name, want[i], valid[part[1] "." part[2], part[3], want[i]])
        }
}
