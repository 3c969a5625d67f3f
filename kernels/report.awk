# report.awk - registers, memory and spills of every CUDA kernel, from what ptxas -v said
# SPDX-License-Identifier: Apache-2.0
# usage: awk -f report.awk FILE.cu.o.log… | c++filt
#
# A line for each kernel: registers a thread for each architecture, bytes of shared memory a block, of stack
# and of spills a thread (the most of all architectures). Ends with 1 if any spills.

/Compiling entry function/ {
    split($0, quoted, "'")
    arch = quoted[4]
    file = FILENAME
    sub(/\/[^\/]*$/, "", file) # kernels/FAMILY/cuda.cu, and what else is there
    sub(/.*\//, "", file)
    kernel = sprintf("%-12s %s", file, quoted[2]) # two families may use a name
    if (!(kernel in known)) {
        known[kernel] = 1
        name[++n]     = kernel
    }
    if (!(arch in seen)) {
        seen[arch]   = 1
        arches[++na] = arch
    }
}
/bytes stack frame/ {
    # a function that was not inlined counts for the kernel before it
    most(stack, $1)
    most(spill, $5 + $9)
}
/Used [0-9]+ registers/ {
    match($0, /Used [0-9]+/)
    registers[kernel, arch] = substr($0, RSTART + 5, RLENGTH - 5)
    if (match($0, /[0-9]+ bytes smem/))
        most(shared, substr($0, RSTART, RLENGTH - 11))
}

function most(what, value)
{
    if (value + 0 > what[kernel] + 0)
        what[kernel] = value + 0
}

END {
    for (a = 1; a <= na; a++)
        printf "%6s ", arches[a]
    printf "%7s %6s %6s  %-12s %s\n", "shared", "stack", "spills", "family", "kernel"
    for (i = 1; i <= n; i++) {
        k = name[i]
        for (a = 1; a <= na; a++)
            printf "%6d ", registers[k, arches[a]]
        printf "%7d %6d %6d  %s\n", shared[k], stack[k], spill[k], k
        spilling += spill[k] > 0
    }
    printf "%d kernels, %d with spills\n", n, spilling
    exit !n || spilling > 0
}
