# launch.awk - a .cu file as C++: f<T><<<grid, block, ..>>>(args) becomes um_emu::launcher(..)(args)
#
# The kernel is wrapped into a lambda, so that the compiler deduces its template arguments from what it is called
# with, as nvcc does. Nothing is moved to another line: messages of the compiler fit the .cu file.
# SPDX-License-Identifier: Apache-2.0

# where the name before text[at] begins: NAME or NAME<..>
function name_begins(at,    depth) {
    while (substr(text, at - 1, 1) ~ /[ \t\n]/) at--
    if (substr(text, at - 1, 1) == ">")
        do {
            at--
            if (substr(text, at, 1) == ">") depth++
            if (substr(text, at, 1) == "<") depth--
        } while (depth > 0 && at > 1)
    while (substr(text, at - 1, 1) ~ /[A-Za-z0-9_:]/) at--
    return at
}

{ text = text $0 "\n" }

END {
    gsub(/extern __shared__/, "extern um_emu_dynamic", text)
    print "#line 1 \"" FILENAME "\""
    while ((at = index(text, "<<<")) > 0) {
        from = name_begins(at)
        rest = substr(text, at + 3)
        to = index(rest, ">>>")
        if (to == 0 || from == at) {
            print FILENAME ": a launch that is not understood" >"/dev/stderr"
            exit 1
        }
        printf "%sum_emu::launcher([=](auto... um_a) { %s(um_a...); }, %s)", substr(text, 1, from - 1),
            substr(text, from, at - from), substr(rest, 1, to - 1)
        text = substr(rest, to + 3)
    }
    printf "%s", text
}
