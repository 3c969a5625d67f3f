# tags.awk - DICOM tags from the json beside each picture (DICOM's JSON model, or plain values)
# SPDX-License-Identifier: Apache-2.0
# usage: awk -v want='00280101 00283010.00283002 ...' -f tags.awk pictures
#
# Of each line, the path of a picture, prints: the path; "none" where there is no json of that name,
# "damaged" where it is cut or empty, "read"; and a column for each tag, all its values with blanks
# between, a blank in one being \037. TAG.TAG is one in the first item of a sequence. Tags may be
# written 0018 5101 or (0018,5101) too, in {"vr": ..., "Value": [...]}, in a list, or as they are.
#
# A record is what stands between two quotes, so that no line is too long: by turns text outside of
# strings (brackets, colons, commas, numbers) and a string. Lists of numbers are taken whole.

BEGIN {
    columns = split(want, wanted, " ")
    for (i = 1; i <= columns; i++) ask[wanted[i]]
}
{ picture[NR] = $0 }
END {
    RS = "\""
    for (p = 1; p <= NR; p++) {
        file = picture[p]
        sub(/\.[^.\/]*$/, ".json", file)
        state = json(file)
        out = picture[p] "\t" state
        for (i = 1; i <= columns; i++) out = out "\t" (state == "read" && wanted[i] in value ? value[wanted[i]] : "")
        print out
    }
}

# depth containers are open: type[] is { or [; in an object name[] is the last key, and colon[] tells
# whether its value is due; in a list at[] counts from 0. opened and bad tell a whole file from another.
function json(file,    got, inside, held, x) {
    split("", value)
    depth = opened = bad = inside = 0
    held = ""
    while ((got = (getline x < file)) > 0) {
        if (!inside) outside(x)
        else {
            held = held x
            match(x, /\\*$/)
            if (RLENGTH % 2) { # the quote was escaped
                held = held "\""
                continue
            }
            string(held)
            held = ""
        }
        inside = !inside
    }
    if (got < 0) return "none"
    close(file)
    # inside: the number of quotes is even, and one record more than there are quotes
    return inside && held == "" && opened && !depth && !bad ? "read" : "damaged"
}

function outside(x,    c) {
    while (match(x, /[][{}]/)) {
        c = substr(x, RSTART, 1)
        between(substr(x, 1, RSTART - 1))
        x = substr(x, RSTART + 1)
        if (c == "{" || c == "[") {
            type[++depth] = c
            colon[depth] = at[depth] = 0
            name[depth] = ""
            opened = 1
        } else if (!depth || type[depth] != (c == "}" ? "{" : "[")) bad = 1
        else depth--
    }
    between(x)
}

# no brackets and no strings
function between(x,    n, path) {
    gsub(/[ \t\r\n]+/, "", x)
    if (x == "" || !depth) return
    if (type[depth] == "{") {
        if (sub(/^[^:]*:/, "", x)) colon[depth] = 1
        n = sub(/,.*/, "", x)
        if (x != "" && (path = asked()) != "") keep(path, x)
        if (n) colon[depth] = 0
        return
    }
    path = asked()
    n = gsub(/,/, " ", x)
    sub(/^ +/, "", x)
    sub(/ +$/, "", x)
    if (x != "" && path != "") keep(path, x)
    at[depth] += n
}

function string(x,    path) {
    if (!depth) bad = 1
    else if (type[depth] == "{" && !colon[depth]) name[depth] = x
    else if ((path = asked()) != "") {
        gsub(/[ \t\r\n]/, "\037", x)
        keep(path, x)
    }
}

function keep(path, x) {
    if (x == "null") return
    if (path in value) x = value[path] " " x
    value[path] = x
}

# the tag whose value this place is, if it is wanted and not in a second item
function asked(    i, k, path) {
    for (i = 1; i <= depth; i++) {
        if (type[i] == "[") {
            if (at[i] && i < depth) return ""
            continue
        }
        k = name[i]
        if (k == "Value") continue
        gsub(/[ ,()]/, "", k)
        path = path (path == "" ? "" : ".") toupper(k)
    }
    return path in ask ? path : ""
}
