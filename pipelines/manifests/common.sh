# common.sh - what the adapters share; each reads it first
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2016,SC2034,SC2154 # awk has the $, the adapters the rest
#
# An adapter writes $tmp/manifest, and $tmp/missing (files that tables name and that are not there, one
# a line); `finish` prints the manifest and says in one line what is in it. Whatever goes wrong before
# is one line and exit status 1, and nothing is printed.

set -u
export LC_ALL=C # bytes: names and tables need not be UTF-8 to be found
name=${0##*/}
PATH=${BUILD:-$here/../../build}:$PATH # um-split, which those that draw need
tab=$(printf '\t')
missing_list='' # -m FILE

die() {
    printf '%s: %s\n' "$name" "$*" >&2
    exit 1
}

# the comment at the top of the adapter is its manual
help() {
    sed -n '1,3d; /^#/!q; s/^# \{0,1\}//p' "$0"
    exit 0
}
usage() { # [WHY]
    [ $# = 0 ] || printf '%s: %s\n' "$name" "$1" >&2
    sed -n 's/^# usage: /usage: /p' "$0" >&2
    exit 2
}

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
: >"$tmp/missing"
: >"$tmp/notes"

# from -m FILE and the like to one that holds after `cd`
absolute() {
    case $1 in
    /*) printf '%s\n' "$1" ;;
    *) printf '%s/%s\n' "$PWD" "$1" ;;
    esac
}

# options OWN "$@": the folder's name into $folder, and what the options say. All adapters have -h, which
# is --help too, and -m FILE; OWN lists those of this one: t=how sets how to what follows -t, t@list the
# same for the name of a file, t!all sets all to 1.
options() {
    own=$1 letters=hm:
    shift
    for each_own in "$@"; do
        [ "$each_own" != -- ] || break
        [ "$each_own" != --help ] || help # getopts has no long ones
    done
    for each_own in $own; do
        case $each_own in
        ?!*) letters=$letters${each_own%%!*} ;;
        *) letters=$letters${each_own%%[=@]*}: ;;
        esac
    done
    while getopts "$letters" opt; do
        case $opt in
        h) help ;;
        m) missing_list=$(absolute "$OPTARG") ;;
        \?) usage ;;
        *) own_option ;;
        esac
    done
    shift $((OPTIND - 1))
    [ $# = 1 ] || usage
    folder=$1
}
own_option() {
    for each_own in $own; do
        case $each_own in
        "$opt="*) eval "${each_own#??}=\$OPTARG" ;;
        "$opt@"*) eval "${each_own#??}=\$(absolute \"\$OPTARG\")" ;;
        "$opt!"*) eval "${each_own#??}=1" ;;
        esac
    done
}

# enter: all paths are relative to the folder from here on
enter() {
    if [ ! -d "$folder" ] && [ -e "$folder" ]; then die "$folder: not a folder"; fi
    [ -d "$folder" ] || die "$folder: no such folder"
    CDPATH='' cd -- "$folder" || exit 1
}

# need FILE WHAT [HINT]: a file of the folder without which this is not the data set
need() { [ -f "$1" ] || die "$folder: no $1 here: $2 is expected${3:-}"; }
need_folder() { [ -d "$1" ] || die "$folder: no folder $1 here: $2 is expected${3:-}"; }

# number LETTER TEXT: what an option takes, from 1 on
number() {
    case $2 in '' | 0* | *[!0-9]*) usage "-$1 $2: a whole number from 1 on is expected" ;; esac
}

# names ./PATH... TESTS: what find finds, one path a line, sorted, into $tmp/files
# list WHAT ./PATH... TESTS: the same, and there must be some
# unread: find could not read something; folder.sh, to which nothing in particular is needed, goes on
unread() { die "$folder: $(sed -n '1s/^find: //p' "$tmp/why")"; }
names() {
    find -L "$@" >"$tmp/found" 2>"$tmp/why" || unread
    awk -v name="$name" '
        !/^\.\// { bad = "a line break" }
        /[\t\r]/ { bad = "a tab or a carriage return" }
        bad { print name ": a file name holds " bad ", which no manifest can: " $0 > "/dev/stderr"; exit 1 }
        { print substr($0, 3) }
    ' "$tmp/found" >"$tmp/unsorted" || exit 1
    sort "$tmp/unsorted" >"$tmp/files"
}
list() {
    what=$1
    shift
    names "$@"
    [ -s "$tmp/files" ] || die "$folder: no $what here"
}

# csv FILE [-v ASSIGNMENT ...]: a table, compressed or not, with tabs between its columns
csv() {
    file=$1
    shift
    case $file in
    *.gz) gzip -dc -- "$file" 2>"$tmp/gzip" || : >"$tmp/cut" ;;
    *) cat -- "$file" || : >"$tmp/cut" ;;
    esac | awk -v name="$name: $file" "$@" -f "$here/csv.awk" 2>"$tmp/said"
    status=$?
    [ ! -e "$tmp/cut" ] || die "$file: cannot be read to its end"
    if [ "$status" != 0 ]; then
        cat "$tmp/said" >&2
        exit 1
    fi
}

# filled FILE WHAT: lists that are no tables, and hold something
filled() { [ -s "$1" ] || die "$1: empty: $2 are expected"; }

# either FILE: its name, or that of the compressed one that is there in its place
either() {
    if [ ! -f "$1" ] && [ -f "$1.gz" ]; then echo "$1.gz"; else echo "$1"; fi
}

# functions for the adapters' awk programs
lib='
function die(text) {
    print name ": " text > "/dev/stderr"
    bad = 1
    exit 1
}
# names of the columns of this line, without blanks around
function head(    i, x) {
    split("", at)
    for (i = 1; i <= NF; i++) {
        x = $i
        gsub(/^[ \r]+|[ \r]+$/, "", x)
        $i = x
        at[x] = i
    }
}
function column(x) {
    if (!(x in at)) die(table ": no column " x)
    return at[x]
}
# 1.0 -> 1, -1.0 -> -1
function plain(x) {
    sub(/\.0*$/, "", x)
    return x
}
# the name of a label in one word
function word(x) {
    x = tolower(x)
    gsub(/[^a-z0-9]+/, "_", x)
    return x
}
# is the file there? those that are not are listed
function there(path) {
    if (path in have) return 1
    print path > missing
    return 0
}
'
tabs() { # AWK ARGUMENT ..., the program among them
    awk -F '\t' -v OFS='\t' -v name="$name" -v missing="$tmp/missing" -v notes="$tmp/notes" "$@" || exit 1
}

# need_split: for those that draw; it would be missed late
need_split() {
    command -v um-split >/dev/null ||
        die "um-split is needed for it and not found: build it (make tools); BUILD=FOLDER names where it is"
}

# parted OPTION MANIFEST OUT ARGUMENT...: um-split; OPTION is the one that the user can change
parted() {
    option=$1 from=$2 to=$3
    shift 3
    case " $* " in *' --by row '*) who=rows ;; *) who=patients ;; esac
    um-split -q "$@" -o "$to" <"$from" 2>"$tmp/said" && return
    die "$folder: $(sed "s/^um-split: //; s/; see um-split --help$//; s/^standard input: //
        s/^line /the manifest's &/; s/ of 1 groups/ of 1 ${who%s}/; s/ groups/ $who/
        s/ (--by row: .*//; 1q" "$tmp/said") (see $option)"
}

# print the manifest, and say what is in it
noted() { sed 's/^/; /' "$tmp/notes" | tr -d '\n'; }
nothing() {
    gone=$(wc -l <"$tmp/missing" | tr -d ' ')
    case $gone in
    0) die "$folder: no row comes of it$(noted)" ;;
    1) die "$folder: the one file that is named is not there: $(cat "$tmp/missing")" ;;
    *) die "$folder: none of $gone files is there, such as $(sed 1q "$tmp/missing")" ;;
    esac
}
finish() {
    [ "$(wc -l <"$tmp/manifest")" -gt 1 ] || nothing
    if [ -n "$missing_list" ]; then cp "$tmp/missing" "$missing_list" || exit 1; fi
    awk -F '\t' -v name="$name" -v missing="$tmp/missing" -v notes="$tmp/notes" '
        NR == 1 {
            for (i = 1; i <= NF; i++) at[$i] = i
            next
        }
        {
            if ("patient" in at && !($at["patient"] in seen)) {
                seen[$at["patient"]]
                patients++
            }
            if ("split" in at) {
                part[$at["split"]]++
                mine = $at["split"] == "" ? "train" : $at["split"]
                if ("patient" in at && $at["patient"] != "") {
                    if (!($at["patient"] in of)) of[$at["patient"]] = mine
                    else if (of[$at["patient"]] != mine && !($at["patient"] in shared)) {
                        shared[$at["patient"]]
                        if (!leaks++) leak = $at["patient"]
                    }
                }
            }
        }
        END {
            text = name ": " NR - 1 (NR == 2 ? " row" : " rows")
            if (patients) text = text ", " patients (patients == 1 ? " patient" : " patients")
            n = split("train valid test", order, " ")
            for (i = 1; i <= n; i++) if (order[i] in part) text = text ", " part[order[i]] " " order[i]
            if (leaks == 1) text = text "; 1 patient is in more than one part: " leak
            if (leaks > 1) text = text "; " leaks " patients are in more than one part, such as " leak
            while ((getline line < notes) > 0) text = text "; " line
            for (gone = 0; (getline line < missing) > 0; gone++)
                if (gone < 3) some = some (gone ? ", " : "") line
            if (gone) text = text "; " gone " missing: " some (gone > 3 ? ", ..." : "")
            print text > "/dev/stderr"
        }
    ' "$tmp/manifest"
    cat "$tmp/manifest"
}
