/* golden.c - the student's models, losses and training against timm, transformers, MONAI and
 * PyTorch, the whole method against tests/oracle/unimedi.py: tests/golden, on ref and on cpu for
 * every instruction set this processor has
 *
 * The golden table is in the comments: for each model and group of tensors our error, PyTorch's own
 * at that precision, and what is allowed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/golden/golden.h"

static const char *const             isas[] = { "generic", "sse2", "avx2", "avx512", "avx512bf16" };
static const struct gold_case *const all[]  = { gold_encoders, gold_losses, gold_training,
                                                gold_method };

enum { NISA = sizeof isas / sizeof isas[0], NALL = sizeof all / sizeof all[0], CASES = 16 };

struct tally {
    int nr, failed;
};

static void verdict(struct tally *t, bool good, const char *device, const char *what,
                    const char *precision)
{
    t->failed += !good;
    printf("%sok %d - %s: %s, %s\n", good ? "" : "not ", ++t->nr, device, what, precision);
}

/* every case in both precisions; then the table */
static void run_all(struct tally *t, struct um_dev *dev)
{
    static struct gold f32[CASES], bf16[CASES];
    const char        *name = um_dev_name(dev);
    int                n    = 0;

    for (int k = 0; k < NALL; k++)
        for (const struct gold_case *c = all[k]; c->name; c++, n++) {
            verdict(t, gold_run(&f32[n], c, dev, UM_F32) == 0, name, c->name, "float32");
            if (c->half)
                verdict(t, gold_run(&bf16[n], c, dev, UM_BF16) == 0, name, c->name, "bfloat16");
        }
    printf("# %-33s  %-26s  %s\n# %-21s %-11s", name, "float32", "bfloat16", "model", "tensors");
    printf("  %-7s %8s %8s  %-7s %8s %8s\n", "error", "PyTorch", "allowed", "error", "PyTorch",
           "allowed");
    for (int i = 0; i < n; i++)
        gold_table(&f32[i], f32[i].of->half ? &bf16[i] : NULL);
}

/* a single value that is wrong, or not a number, is found out, whichever side has it */
static void spoilt(struct tally *t, struct um_dev *dev)
{
    static const struct {
        const struct gold_case *of;
        enum um_dtype           dt;
        enum gold_spoil         spoil;
        const char             *victim, *what;
    } list[] = {
        { &gold_encoders[0], UM_F32, GOLD_WANT_VALUE, "tokens/y", "an output is off by 0.01" },
        { &gold_encoders[0], UM_F32, GOLD_GOT_NAN, "tokens/y", "an output is NaN" },
        { &gold_encoders[0], UM_BF16, GOLD_GOT_NAN, "tokens/y", "an output is NaN" },
        { &gold_encoders[1], UM_F32, GOLD_WANT_NAN, "scores/eq2", "the golden value is NaN" },
        { &gold_encoders[2], UM_F32, GOLD_GOT_ZERO, "gradient/vision.blocks.1.mlp.fc1.weight",
          "a value of a gradient is 0" },
        { &gold_encoders[3], UM_BF16, GOLD_GOT_NAN, "gradient/text.embeddings.LayerNorm.bias",
          "a gradient is NaN" },
        { &gold_losses[0], UM_F32, GOLD_WANT_VALUE, "statistics/proj.text.4.running_var_3d",
          "a statistic is off by 0.01" },
        { &gold_losses[0], UM_BF16, GOLD_GOT_NAN, "loss/vl", "a loss nobody judges is NaN" },
        { &gold_losses[1], UM_F32, GOLD_GOT_ZERO, "centres/centre.patch",
          "a value of a centre is 0" },
        { &gold_training[0], UM_F32, GOLD_WANT_VALUE, "parameters/pos", "an update is off" },
        { &gold_training[1], UM_F32, GOLD_WANT_VALUE, "curve/icl", "a step's loss is off by 0.01" },
        { &gold_training[1], UM_F32, GOLD_GOT_NAN, "curve/vl", "a step's loss is NaN" },
        { &gold_method[0], UM_F32, GOLD_WANT_VALUE, "chosen/z", "a slice is another" },
        { &gold_method[3], UM_F32, GOLD_GOT_NAN, "chosen/kept3d", "a mask is NaN" },
    };

    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        struct gold g = { .spoil = list[i].spoil, .victim = list[i].victim, .quiet = true };

        verdict(t, gold_run(&g, list[i].of, dev, list[i].dt) == 1, "seen", list[i].of->name,
                list[i].what);
    }
}

/* isa NULL: ref, and what must fail */
static void run_device(struct tally *t, const char *isa)
{
    struct um_dev *dev;

    if (isa && setenv("UM_ISA", isa, 1) != 0)
        return;
    if (um_dev_open(&dev, isa ? "cpu" : "ref", NULL) < 0)
        return;
    run_all(t, dev);
    if (!isa)
        spoilt(t, dev);
    um_dev_close(dev);
}

/* `golden DEVICE [N]`: case N of those, or how many there are */
static int on_device(const char *device, const char *number)
{
    struct um_dev *dev;
    struct tally   t  = { 0, 0 };
    int            nr = 0;

    for (int k = 0; k < NALL; k++)
        for (const struct gold_case *c = all[k]; c->name; c++, nr++) {
            static struct gold f32, bf16;

            if (!number || nr != atoi(number))
                continue;
            if (um_dev_open(&dev, device, NULL) < 0) {
                printf("Bail out! %s: %s\n", device, um_errmsg());
                return 2;
            }
            verdict(&t, gold_run(&f32, c, dev, UM_F32) == 0, um_dev_kind(dev), c->name, "float32");
            if (c->half)
                verdict(&t, gold_run(&bf16, c, dev, UM_BF16) == 0, um_dev_kind(dev), c->name,
                        "bfloat16");
            gold_table(&f32, c->half ? &bf16 : NULL);
            um_dev_close(dev);
        }
    if (!number)
        printf("%d\n", nr);
    return t.failed != 0;
}

/* each instruction set is a process of its own, because oneDNN is pinned to one for good */
static void run_child(struct tally *t, const char *isa)
{
    int   fd[2], status = 0;
    pid_t child;

    (void)fflush(stdout);
    if (pipe(fd) != 0 || (child = fork()) < 0) {
        t->failed++;
        return;
    }
    if (child == 0) {
        run_device(t, isa);
        (void)fflush(stdout);
        _exit(write(fd[1], t, sizeof *t) == (ssize_t)sizeof *t ? 0 : 1);
    }
    (void)close(fd[1]);
    if (read(fd[0], t, sizeof *t) != (ssize_t)sizeof *t)
        verdict(t, false, isa ? isa : "ref", "the process", "died");
    (void)close(fd[0]);
    (void)waitpid(child, &status, 0);
    t->failed += status != 0;
}

int main(int argc, char **argv)
{
    struct tally t = { 0, 0 };

    if (argc > 1)
        return on_device(argv[1], argv[2]);
    run_child(&t, NULL);
    for (int i = 0; i < NISA; i++)
        run_child(&t, isas[i]);
    printf("1..%d\n", t.nr);
    return t.failed != 0;
}
