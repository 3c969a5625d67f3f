/* fiber.cpp - stacks, switches, barriers; the order in which a block's threads run
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/emu/fiber.h"

#include <algorithm>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

uint3 threadIdx, blockIdx;
dim3  blockDim, gridDim;

namespace um_emu
{
void die(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fprintf(stderr, "emulator: block (%u,%u,%u), thread (%u,%u,%u): ", blockIdx.x, blockIdx.y,
            blockIdx.z, threadIdx.x, threadIdx.y, threadIdx.z);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    abort();
}

namespace
{
enum { STACK = 256 * 1024, WARP = 32, THREADS = 1024 };
enum state { READY, AT_WARP, AT_BLOCK, ENDED };

struct copy {
    void         *to;
    unsigned char value[16];
};

struct fiber {
    void    *sp;    /* where it stopped */
    char    *stack; /* its own from its first wait to its end */
    state    at;
    unsigned mask; /* of the barrier it waits at */
    uint3    index;
    /* cp.async: groups of copies, the last one open */
    std::vector<std::vector<copy>> groups;
};

/* what lanes give in an exchange, and what all of them gave in the last one */
struct warp {
    unsigned char given[WARP * SLOT], seen[WARP * SLOT];
};

/* the block that runs */
struct {
    std::vector<fiber>           threads;
    std::vector<warp>            warps;
    std::vector<int>             order;
    int                          n, now, count, counted;
    void                        *home; /* the scheduler */
    const std::function<void()> *thread;
} block;

std::vector<char *> stacks; /* free ones, the warm ones last */

/* ---- switching: what a call saves, and the stack ---- */

extern "C" void um_emu_switch(void **save, void *to);
#if defined(__x86_64__)
__asm__(".text\n"
        ".globl um_emu_switch\n"
        ".hidden um_emu_switch\n"
        ".type um_emu_switch, @function\n"
        "um_emu_switch:\n"
        "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
        "  movq %rsp, (%rdi)\n"
        "  movq %rsi, %rsp\n"
        "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n"
        "  ret\n"
        ".size um_emu_switch, .-um_emu_switch\n");

enum { SAVED = 6 };
#elif defined(__aarch64__)
__asm__(".text\n"
        ".globl um_emu_switch\n"
        ".hidden um_emu_switch\n"
        ".type um_emu_switch, %function\n"
        "um_emu_switch:\n"
        "  sub sp, sp, #160\n"
        "  stp x19, x20, [sp, #0]\n  stp x21, x22, [sp, #16]\n  stp x23, x24, [sp, #32]\n"
        "  stp x25, x26, [sp, #48]\n  stp x27, x28, [sp, #64]\n  stp x29, x30, [sp, #80]\n"
        "  stp d8, d9, [sp, #96]\n  stp d10, d11, [sp, #112]\n  stp d12, d13, [sp, #128]\n"
        "  stp d14, d15, [sp, #144]\n"
        "  mov x9, sp\n  str x9, [x0]\n  mov sp, x1\n"
        "  ldp x19, x20, [sp, #0]\n  ldp x21, x22, [sp, #16]\n  ldp x23, x24, [sp, #32]\n"
        "  ldp x25, x26, [sp, #48]\n  ldp x27, x28, [sp, #64]\n  ldp x29, x30, [sp, #80]\n"
        "  ldp d8, d9, [sp, #96]\n  ldp d10, d11, [sp, #112]\n  ldp d12, d13, [sp, #128]\n"
        "  ldp d14, d15, [sp, #144]\n"
        "  add sp, sp, #160\n  ret\n");
#else
#error "the emulator knows how to switch stacks on x86-64 and aarch64"
#endif

#if defined(__SANITIZE_ADDRESS__)
/* AddressSanitizer wants to know of each switch, and where the scheduler's own stack is */
struct {
    void       *fake;
    const void *bottom;
    size_t      size;
} scheduler;
#endif

void to_fiber(fiber &f)
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&scheduler.fake, f.stack, STACK);
#endif
    um_emu_switch(&block.home, f.sp);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(scheduler.fake, nullptr, nullptr);
#endif
}

void to_scheduler(bool ends)
{
    fiber &f = block.threads[(size_t)block.now];
#if defined(__SANITIZE_ADDRESS__)
    void *fake = nullptr;

    __sanitizer_start_switch_fiber(ends ? nullptr : &fake, scheduler.bottom, scheduler.size);
#endif
    um_emu_switch(&f.sp, block.home);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake, &scheduler.bottom, &scheduler.size);
#endif
    (void)ends;
}

void run_thread()
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &scheduler.bottom, &scheduler.size);
#endif
    (*block.thread)();
    block.threads[(size_t)block.now].at = ENDED;
    to_scheduler(true);
    abort(); /* nobody comes back to one that has ended */
}

void begin(fiber &f)
{
    if (stacks.empty()) {
        void *p = mmap(nullptr, STACK, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (p == MAP_FAILED)
            die("no memory for a stack");
        (void)mprotect(p, 4096, PROT_NONE);
        stacks.push_back((char *)p);
    }
    f.stack = stacks.back();
    stacks.pop_back();
#if defined(__SANITIZE_ADDRESS__)
    /* the last thread there left two frames for ever, run_thread's and to_scheduler's */
    ASAN_UNPOISON_MEMORY_REGION(f.stack + STACK - 4096, 4096);
#endif
#if defined(__x86_64__)
    void **top = (void **)(f.stack + STACK - 64);

    *--top = nullptr; /* where run_thread would return to: a call leaves rsp so */
    *--top = (void *)run_thread;
    for (int i = 0; i < SAVED; i++)
        *--top = nullptr;
    f.sp = top;
#else
    void **top = (void **)(f.stack + STACK - 64 - 160);

    memset((void *)top, 0, 160);
    top[11] = (void *)run_thread;
    f.sp    = top;
#endif
}

/* ---- barriers ---- */

bool whole_warp_waits(size_t first, size_t last)
{
    unsigned waits = 0, named = 0;

    for (size_t i = first; i < last; i++)
        if (block.threads[i].at == AT_WARP)
            waits |= 1u << (i - first), named |= block.threads[i].mask;
    if (waits == 0)
        return false;
    for (size_t i = first; i < last; i++)
        if (block.threads[i].at == AT_WARP && (block.threads[i].mask & ~waits) != 0) {
            block.now = (int)i;
            threadIdx = block.threads[i].index;
            die("waits for lanes %08x of its warp, of which %08x alone arrive",
                block.threads[i].mask, waits);
        }
    for (size_t i = first; i < last; i++)
        if (block.threads[i].at == AT_WARP)
            block.threads[i].at = READY;
    memcpy(block.warps[first / WARP].seen, block.warps[first / WARP].given,
           sizeof block.warps[0].seen);
    return true;
}

/* let the threads that can run do so; false: none could */
bool round_of(size_t first, size_t last)
{
    bool ran = false;

    for (size_t k = first; k < last; k++) {
        const size_t i = first + (size_t)block.order[k];
        fiber       &f = block.threads[i];

        if (f.at != READY)
            continue;
        ran       = true;
        block.now = (int)i;
        threadIdx = f.index;
        if (!f.stack)
            begin(f);
        to_fiber(f);
        if (f.at == ENDED) {
            stacks.push_back(f.stack);
            f.stack = nullptr;
        }
    }
    return ran;
}

/* a warp until all its threads wait for the block or have ended */
void run_warp(size_t w)
{
    const size_t first = w * WARP, last = std::min<size_t>(first + WARP, (size_t)block.n);

    do {
        while (round_of(first, last))
            ;
    } while (whole_warp_waits(first, last));
}

bool release_block()
{
    bool any = false;

    for (fiber &f : block.threads)
        if (f.at == AT_BLOCK) {
            f.at = READY;
            any  = true;
        }
    block.counted = block.count;
    block.count   = 0;
    return any;
}

void run_block()
{
    const size_t warps = block.warps.size();

    for (fiber &f : block.threads) {
        f.at = READY;
        f.groups.assign(1, {});
    }
    block.count = 0;
    do
        for (size_t w = 0; w < warps; w++)
            run_warp((size_t)block.order[(size_t)block.n + w]);
    while (release_block());
}

/* ---- the order ---- */

void shuffle(std::vector<int> &v, size_t from, size_t n, uint64_t &seed)
{
    for (size_t i = n; i > 1; i--) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        std::swap(v[from + i - 1], v[from + (size_t)(seed >> 33) % i]);
    }
}

/* of the lanes of each warp, then, behind the threads, of the warps */
void choose_order(size_t warps)
{
    const char *how  = getenv("UM_EMU_ORDER");
    uint64_t    seed = 0;

    block.order.resize((size_t)block.n + warps);
    for (int i = 0; i < block.n; i++)
        block.order[(size_t)i] = i % WARP;
    for (size_t w = 0; w < warps; w++)
        block.order[(size_t)block.n + w] = (int)w;
    if (!how || strcmp(how, "forward") == 0)
        return;
    if (strcmp(how, "reverse") == 0) {
        for (size_t w = 0; w < warps; w++)
            std::reverse(block.order.begin() + (long)(w * WARP),
                         block.order.begin() +
                             (long)std::min<size_t>((w + 1) * WARP, (size_t)block.n));
        std::reverse(block.order.begin() + block.n, block.order.end());
        return;
    }
    seed = strtoull(how, nullptr, 10);
    for (size_t w = 0; w < warps; w++)
        shuffle(block.order, w * WARP, std::min<size_t>(WARP, (size_t)block.n - w * WARP), seed);
    shuffle(block.order, (size_t)block.n, warps, seed);
}

enum : unsigned char { POISON = 0xff }; /* a NaN in every type */
} // namespace

} // namespace um_emu

alignas(128) unsigned char um_shared[um_emu::SHARED + 4096];

namespace um_emu
{
namespace
{
void poison_shared(size_t shared)
{
    memset(um_shared, POISON, shared + 4096);
}

void check_shared(size_t shared)
{
    for (size_t i = shared; i < shared + 4096; i++)
        if (um_shared[i] != POISON)
            die("writes %zu bytes into shared memory, %zu were asked for", i + 1, shared);
}
} // namespace

void run_grid(dim3 grid, dim3 size, size_t shared, const std::function<void()> &thread)
{
    const size_t n = (size_t)size.x * size.y * size.z, warps = (n + WARP - 1) / WARP;

    blockDim     = size;
    gridDim      = grid;
    block.n      = (int)n;
    block.thread = &thread;
    block.threads.resize(n);
    block.warps.resize(warps);
    choose_order(warps);
    for (size_t i = 0; i < n; i++)
        block.threads[i].index = { (unsigned)(i % size.x), (unsigned)(i / size.x % size.y),
                                   (unsigned)(i / size.x / size.y) };
    for (unsigned z = 0; z < grid.z; z++)
        for (unsigned y = 0; y < grid.y; y++)
            for (unsigned x = 0; x < grid.x; x++) {
                blockIdx = { x, y, z };
                if (shared > 0)
                    poison_shared(shared);
                run_block();
                if (shared > 0)
                    check_shared(shared);
            }
}

/* ---- for the thread that runs ---- */

int lane()
{
    return block.now % WARP;
}

void block_barrier()
{
    block.threads[(size_t)block.now].at = AT_BLOCK;
    to_scheduler(false);
}

int block_count(int v)
{
    block.count += v;
    block_barrier();
    return block.counted;
}

void warp_barrier(unsigned mask)
{
    fiber         &f    = block.threads[(size_t)block.now];
    const size_t   base = (size_t)block.now / WARP * WARP;
    const unsigned have =
        block.n - (int)base >= WARP ? 0xffffffffu : (1u << (block.n - (int)base)) - 1;

    if (!(mask >> lane() & 1))
        die("is not in the mask %08x it waits with", mask);
    f.at   = AT_WARP;
    f.mask = mask & have;
    if ((mask & ~have) != 0 && mask != 0xffffffffu)
        die("waits for lanes %08x, its warp has %08x", mask, have);
    to_scheduler(false);
}

const unsigned char *exchange(unsigned mask, const void *mine, size_t n)
{
    warp &w = block.warps[(size_t)block.now / WARP];

    memcpy(w.given + (size_t)lane() * SLOT, mine, n);
    warp_barrier(mask);
    return w.seen;
}

void async_copy(void *to, const void *from, size_t n, bool valid)
{
    copy c = { to, {} };

    if (n != sizeof c.value || (uintptr_t)to % n != 0 || (uintptr_t)from % n != 0)
        die("cp.async of %zu bytes from %p to %p", n, from, to);
    if (valid)
        memcpy(c.value, from, n);
    memset(to, POISON, n);
    block.threads[(size_t)block.now].groups.back().push_back(c);
}

void async_commit()
{
    block.threads[(size_t)block.now].groups.emplace_back();
}

/* all but the last `groups` that were committed have arrived */
void async_wait(int groups)
{
    auto &g = block.threads[(size_t)block.now].groups;

    while (g.size() > (size_t)groups + 1) {
        for (const copy &c : g.front())
            memcpy(c.to, c.value, sizeof c.value);
        g.erase(g.begin());
    }
}
} // namespace um_emu
