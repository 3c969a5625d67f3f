#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# man.sh - the manual against the tools: each tool has a page, each option of its table is in the page
# (or in um(7), for those that all share), the page names no other option, its examples use none that
# their tools lack, and mandoc has nothing to say. TAP; wants the tools of $BUILD on PATH.
set -uo pipefail

cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-build}
n=0

# report STATUS NAME: one line of TAP; what is on standard input explains a failure
report() {
    n=$((n + 1))
    if [ "$1" = 0 ]; then
        echo "ok $n - $2"
        cat >/dev/null
    else
        echo "not ok $n - $2"
        sed 's/^/# /'
    fi
}

# options a page describes, one a line: "k" or "slices"
of_page() {
    sed -n 's/^\.It //p' "$1" | awk '{ for (i = 1; i < NF; i++) if ($i == "Fl") { x = $(i + 1);
        sub(/^-/, "", x); print x } }' | sort -u
}

# options of a tool's table
of_table() {
    "$1" --dump-options | awk -F '\t' '{ if ($1 != "-") print $1; print $2 }' | sort -u
}

agrees() { # TOOL PAGE
    local shared=/dev/null said
    [ ! -e man/um.7 ] || shared=man/um.7
    said=$({
        comm -23 <(of_table "$1") <(cat <(of_page "$2") <(of_page $shared) <(printf 'help\nversion\n') |
            sort -u) | sed 's/^/not in the page: /'
        comm -13 <(of_table "$1") <(of_page "$2" | sed '/^no-/d') | sed 's/^/not in the table: /'
    })
    [ -z "$said" ] || echo "$said"
    [ -z "$said" ]
}

# every long option that an example gives to a tool we have is in that tool's table
examples_hold() { # PAGE
    local bad=0 command tool word
    while IFS= read -r command; do
        read -r tool _ <<<"$command"
        [ -x "$BUILD/$tool" ] || continue
        while read -r word; do
            case $word in
            --no-*) word=--${word#--no-} ;;
            --*) ;;
            *) word=${word:0:2} ;; # -n5
            esac
            of_table "$tool" | grep -qx -- "${word#"${word%%[!-]*}"}" && continue
            echo "$tool has no option $word: $command"
            bad=1
        done < <(grep -oE -- ' --?[A-Za-z][-A-Za-z0-9]*' <<<"$command")
    done < <(sed -n 's/^\.Dl //p' "$1" | tr '|;' '\n' | grep -oE '(^|[^-a-z/.])um-[a-z-]+( .*)?$' |
        sed 's/^[^u]*//')
    return $bad
}

for page in man/*.[1-9]; do
    [ -e "$page" ] || continue
    if command -v mandoc >/dev/null; then
        out=$(mandoc -Tlint -W warning "$page" 2>&1)
        report $? "$page: lint" <<<"$out"
    else
        n=$((n + 1))
        echo "ok $n - $page: lint # skip no mandoc"
    fi
    out=$(examples_hold "$page")
    report $? "$page: examples" <<<"$out"
done
for path in "$BUILD"/um-*; do
    if [ ! -f "$path" ] || [ ! -x "$path" ]; then continue; fi
    tool=${path##*/}
    if [ ! -e "man/$tool.1" ]; then
        report 1 "$tool: has a page" <<<"man/$tool.1 is missing"
        continue
    fi
    out=$(agrees "$tool" "man/$tool.1")
    report $? "$tool: options" <<<"$out"
done
echo "1..$n"
