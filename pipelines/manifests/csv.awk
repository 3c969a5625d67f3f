# csv.awk - a table with quotes (RFC 4180) to plain columns with tabs between
# SPDX-License-Identifier: Apache-2.0
# usage: awk -v name=FILE [-v sep='\t'] [-v newline=TEXT] -f csv.awk
#
# A byte order mark and CRs at line ends go; "" in a quoted field is a quote; a tab in a field becomes
# a space, a line break TEXT (a space). A quote that does not begin a field is a character like any
# other. Empty lines are left out. A table without a line, and a row whose fields are more or fewer than
# the header's, are refused; what is left is read to its end, for whoever writes it.

BEGIN {
    if (sep == "") sep = ","
    if (newline == "") newline = " "
    begins = "(^|" sep ")\""
}

bad { next }
NR == 1 { sub(/^\357\273\277/, "") }
{ sub(/\r$/, "") }

# nearly all lines of large tables: no field begins with a quote
!open && (!index($0, "\"") || $0 !~ begins) {
    if ($0 == "") next
    if (sep == ",") {
        gsub(/\t/, " ")
        n = gsub(/,/, "\t") + 1
    } else n = gsub(/\t/, "\t") + 1
    row($0, n, NR)
    next
}

{
    if (!open) first = NR
    line = open ? line newline $0 : $0
    open = !fields(line)
    if (!open) row(out, n, first)
}

END {
    if (open) refuse("the quoted field that begins on line " first " does not end")
    else if (!bad && !width) refuse("empty: a line with the columns' names is expected")
    if (bad) exit 1
}

function refuse(text) {
    print name ": " text > "/dev/stderr"
    bad = 1
}

function row(text, n, line) {
    if (!width) width = n
    if (n != width) refuse("line " line ": " n (n == 1 ? " field" : " fields") ", the header has " width)
    else print text
}

# out: the n fields of text; 0 if a quoted one has not ended
function fields(text,    field, at) {
    n = 0
    for (out = "";; out = out "\t") {
        n++
        field = ""
        if (substr(text, 1, 1) == "\"") {
            for (text = substr(text, 2);; text = substr(text, at + 2)) {
                at = index(text, "\"")
                if (!at) return 0
                field = field substr(text, 1, at - 1)
                if (substr(text, at + 1, 1) != "\"") break
                field = field "\""
            }
            text = substr(text, at + 1)
        }
        at = index(text, sep)
        field = field (at ? substr(text, 1, at - 1) : text)
        gsub(/\t/, " ", field)
        out = out field
        if (!at) return 1
        text = substr(text, at + 1)
    }
}
