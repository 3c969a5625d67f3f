/* weights_pickle.c - pickles that lie, in both of PyTorch's files: nothing of them is run or
 * believed SPDX-License-Identifier: Apache-2.0
 */
#include "weights_test.h"

#define T(first, size, stride) PK_TENSOR("FloatStorage", "0", "K\6", first, size, stride)

#define DEEP "]]]]]]]]]]]]]]]]"
#define RISE "aaaaaaaaaaaaaaaa"

static const struct {
    const char *pickle;
    size_t      n;
    int         status;
    const char *says;
} lies[] = {
#define LIE(pickle, status, says)                                                                  \
    {                                                                                              \
        pickle, sizeof(pickle) - 1, status, says                                                   \
    }
    /* what would run something */
    LIE("\x80\2"
        "cos\nsystem\n(X\2\0\0\0lstR.",
        UM_EUNSUPPORTED,
        "pickle global os.system is none of a state dict's (nothing was run): save the state_dict "
        "alone (um-convert(1), CHECKPOINTS)"),
    LIE("\x80\4\x8c\5posix\x8c\6system\x93(X\2\0\0\0lstR.", UM_EUNSUPPORTED, "posix.system"),
    LIE("\x80\2"
        "cbuiltins\neval\n)R.",
        UM_EUNSUPPORTED, "builtins.eval"),
    LIE("\x80\2"
        "ctorch._utils\n_rebuild_qtensor\n)R.",
        UM_EUNSUPPORTED, "_rebuild_qtensor"),
    LIE("\x80\2"
        "ctorch\nfloat4_e2m1\n.",
        UM_EUNSUPPORTED, "torch.float4_e2m1"),
    LIE("\x80\2"
        "ctorch\nfloat6_e2m3\n.",
        UM_EUNSUPPORTED, "torch.float6_e2m3"),
    LIE("\x80\2"
        "ctorch\nload\n)R.",
        UM_EUNSUPPORTED, "torch.load"),
    LIE("\x80\2"
        "ca\33[31m\nb\n)R.",
        UM_EUNSUPPORTED, "global a\\x1b[31m.b"),
    LIE("\x80\2(ios\nsystem\n.", UM_EUNSUPPORTED, "pickle opcode 0x69 (INST) at byte 3"),
    LIE("\x80\2\x81.", UM_EUNSUPPORTED, "opcode 0x81 (NEWOBJ)"),
    LIE("\x80\2\xff.", UM_EUNSUPPORTED, "opcode 0xff (unknown)"),
    LIE("\x80\2"
        "ctorch\nFloatStorage\n)R.",
        UM_EFORMAT, "a call of a storage class"),
    LIE("\x80\2N)R.", UM_EFORMAT, "no global"),
    LIE("\x80\2"
        "ccollections\nOrderedDict\nNR.",
        UM_EFORMAT, "no global"),
    LIE("\x80\2"
        "ccollections\nOrderedDict\n(NtR.",
        UM_EFORMAT, "no list"),
    LIE("\x80\2"
        "ccollections\nOrderedDict\n(](Netb.",
        UM_EFORMAT, "attributes that are no dict"),
    LIE("\x80\2"
        "ccollections\nOrderedDict\n(](NetR.",
        UM_EFORMAT, "no pair"),
    LIE("\x80\2(X\6\0\0\0moduletQ.", UM_EUNSUPPORTED, "persistent id \"module\""),
    /* the machine's limits */
    LIE("\x80\x9N.", UM_EUNSUPPORTED, "protocol 9"),
    LIE("\x80\4\x95\0\1\0\0\0\0\0\0N.", UM_EFORMAT, "a frame of 256 bytes"),
    LIE("\x80\2X\xff\xff\xff\xffN.", UM_EFORMAT, "4294967295 bytes wanted"),
    LIE("\x80\2Nr\xff\xff\xff\xff.", UM_ERANGE, "memo 4294967295"),
    LIE("\x80\2h\0.", UM_EFORMAT, "memo 0 was never set"),
    LIE("\x80\2Nq\2h\1.", UM_EFORMAT, "memo 1 was never set"),
    LIE("\x80\2.", UM_EFORMAT, "too few values"),
    LIE("\x80\2(.", UM_EFORMAT, "too few values"),
    LIE("\x80\2(q\0.", UM_EFORMAT, "too few values"),
    LIE("\x80\2N\x86.", UM_EFORMAT, "too few values"),
    LIE("\x80\2NN.", UM_EFORMAT, "more than one value"),
    LIE("\x80\2Nt.", UM_EFORMAT, "no mark"),
    LIE("\x80\2}Na.", UM_EFORMAT, "no list"),
    LIE("\x80\2]NNs.", UM_EFORMAT, "no dict"),
    LIE("\x80\2}(Nu.", UM_EFORMAT, "a key without a value"),
    LIE("\x80\2"
        "cos",
        UM_EFORMAT, "a line without an end"),
    LIE("\x80\2(X\1\0\0\0aN\x86q\1](h\1h\1h\1h\1h\1h\1h\1h\1e\x85q\2"
        "ccollections\nOrderedDict\nq\3h\2Rh\3h\2Rh\3h\2Rh\3h\2Rh\3h\2Rh\3h\2Rt.",
        UM_ERANGE, "OrderedDicts of 96 values after 90 bytes"),
    /* what the values make */
    LIE("\x80\2N.", UM_EFORMAT, "something that is no dict"),
    LIE("\x80\2" PK_2X3 ".", UM_EFORMAT, "a tensor without a name"),
    LIE("\x80\2}N" PK_2X3 "s.", UM_EFORMAT, "neither text nor a number"),
    LIE("\x80\2}(X\1\0\0\0a" PK_2X3 "X\1\0\0\0a" PK_2X3 "u.", UM_EDUPLICATE, "tensor named a"),
    LIE("\x80\2}(X\1\0\0\0a}X\1\0\0\0b" PK_2X3 "sX\3\0\0\0a.b" PK_2X3 "u.", UM_EDUPLICATE, "a.b"),
    LIE("\x80\2}X\1\0\0\0\n" PK_2X3 "s.", UM_EFORMAT, "tensor \\x0a: a control character"),
    LIE("\x80\2}X\1\0\0\0\xff" PK_2X3 "s.", UM_EFORMAT, "tensor \\xff: the name is not UTF-8"),
    LIE("\x80\2}X\0\0\0\0" PK_2X3 "s.", UM_EFORMAT, "a name of 0 bytes"),
    LIE("\x80\2" DEEP DEEP DEEP DEEP DEEP RISE RISE RISE RISE "aaaaaaaaaaaaaaa.", UM_ERANGE,
        "nested more than 64 deep"),
    LIE("\x80\2]q\0h\0a.", UM_ERANGE, "or in themselves"),
    LIE("\x80\2]q\0(h\0h\0h\0h\0h\0h\0h\0h\0h\0e.", UM_ERANGE, "more than"),
    /* tensors */
    LIE(IN_DICT(PK_TENSOR("FloatStorage", "7", "K\6", "K\0", ")", ")")), UM_EMISSING,
        "tensor a: its storage 7 is not in the file"),
    LIE(IN_DICT(PK_TENSOR("FloatStorage", "0", "K\5", "K\0", ")", ")")), UM_EFORMAT,
        "tensor a: its storage 0 has 24 bytes, expected 5 elements of 4"),
    LIE(IN_DICT(PK_TENSOR("DoubleStorage", "0", "K\6", "K\0", ")", ")")), UM_EFORMAT,
        "expected 6 elements of 8"),
    LIE(IN_DICT(PK_TENSOR("FloatStorage", "0", "\x8a\x8\0\0\0\0\0\0\0\x40", "K\0", ")", ")")),
        UM_EFORMAT, "expected 4611686018427387904 elements of 4"),
    LIE(IN_DICT(PK_TENSOR("FloatStorage", "0", "J\xff\xff\xff\xff", "K\0", ")", ")")), UM_ERANGE,
        "a storage of -1 elements"),
    LIE(IN_DICT(PK_TENSOR("FloatStorage", "0", "\x8a\x9\0\0\0\0\0\0\0\0\1", "K\0", ")", ")")),
        UM_EFORMAT, "a class, a key and a size"),
    LIE(IN_DICT(T("K\6", ")", ")")), UM_ERANGE, "elements 6 to 6 of a storage of 6"),
    LIE(IN_DICT(T("K\7", "K\0\x85", "K\1\x85")), UM_ERANGE, "of a storage of 6"),
    LIE(IN_DICT(T("J\xff\xff\xff\xff", "K\2\x85", "K\1\x85")), UM_ERANGE, "elements -1 to 0"),
    LIE(IN_DICT(T("K\0", "K\7\x85", "K\1\x85")), UM_ERANGE, "elements 0 to 6"),
    LIE(IN_DICT(T("K\0", "K\2\x85", "K\6\x85")), UM_ERANGE, "elements 0 to 6"),
    LIE(IN_DICT(T("K\5", "K\2\x85", "J\xff\xff\xff\xff\x85")), UM_ERANGE, "with stride -1"),
    LIE(IN_DICT(T("K\0", "J\xff\xff\xff\xff\x85", "K\1\x85")), UM_ERANGE, "dimension 0 is -1"),
    LIE(IN_DICT(T("K\0", "\x8a\x8\0\0\0\0\0\0\0\x40\x85", "K\1\x85")), UM_ERANGE, "impossible"),
    LIE(IN_DICT(T("K\0", "\x8a\x8\0\0\0\0\0\0\0\x40\x85", "K\0\x85")), UM_ERANGE, "impossible"),
    LIE(IN_DICT(T("K\0", "\x8a\5\0\0\0\0\1\x8a\5\0\0\0\0\1K\0\x87", "K\0K\0K\0\x87")), UM_ERANGE,
        "impossible"),
    LIE(IN_DICT(T("K\0", "K\2K\2\x86",
                  "\x8a\x8\xff\xff\xff\xff\xff\xff\xff\x7f\x8a\x8\xff\xff\xff"
                  "\xff\xff\xff\xff\x7f\x86")),
        UM_ERANGE, "lead out"),
    LIE(IN_DICT(T("K\0", "\x8a\5\0\0\0\0\1\x85", "K\0\x85")), UM_ERANGE,
        "a view that would make 17179869184 bytes of a storage of 6 elements"),
    LIE(IN_DICT(T("K\0", "K\2K\3\x86", "K\1\x85")), UM_EFORMAT, "2 dimensions and 1 strides"),
    LIE(IN_DICT(T("K\0", "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t", "K\1\x85")), UM_ERANGE, "9 dimensions"),
    LIE(IN_DICT(T("K\0", "N\x85", "K\1\x85")), UM_EFORMAT, "no whole number"),
    LIE(IN_DICT(T("K\0", "N", "K\1\x85")), UM_EFORMAT, "no tuple"),
    LIE(IN_DICT(T("N", "K\2\x85", "K\1\x85")), UM_EFORMAT, "not made of a storage"),
    LIE(IN_DICT("ctorch._utils\n_rebuild_tensor_v2\n(N)tR"), UM_EFORMAT, "not made of a storage"),
    LIE(IN_DICT("ctorch._utils\n_rebuild_parameter\n(NNNtR"), UM_EFORMAT, "not made of a tensor"),
    LIE(IN_DICT("ctorch._utils\n_rebuild_tensor_v2\n(" PK_STORAGE(
            "torch.storage\nUntypedStorage", "0", "K\x18") "K\0K\6\x85K\1\x85\x89" PK_DICT "tR"),
        UM_EFORMAT, "untyped storage"),
    LIE(IN_DICT("ctorch._utils\n_rebuild_tensor_v3\n(" PK_STORAGE(
            "torch\nFloatStorage", "0", "K\6") "K\0K\6\x85K\1\x85\x89" PK_DICT
                                               "ctorch\nuint16\ntR"),
        UM_EFORMAT, "or with two"),
    LIE(IN_DICT("ctorch._utils\n_rebuild_tensor_v2\n(" PK_STORAGE(
            "torch\nFloatStorage", "0", "K\6") "K\0K\6\x85K\1\x85\x89" PK_DICT
                                               "}X\3\0\0\0neg\x88stR"),
        UM_EUNSUPPORTED, "negated or conjugated"),
#undef LIE
};

static void pickles_that_lie_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++)
        refused(torch_zip(ZIP_TORCH, lies[i].pickle, lies[i].n, six, sizeof six), lies[i].status,
                lies[i].says);
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) /* storages are compared elsewhere */
        if (!strstr(lies[i].says, "storage 0 has") && !strstr(lies[i].says, "elements of"))
            refused(torch_legacy(lies[i].pickle, lies[i].n, 6, six, sizeof six), 0,
                    strstr(lies[i].says, "storage 7") ? "storage 0: no tensor has it"
                                                      : lies[i].says);
}

/* of 256 opcodes these run; the others are refused by number, whatever follows */
static void only_the_listed_opcodes_run(void **state)
{
    static const char known[] =
        "\x80\x95N\x88\x89JKM\x8aGX\x8cTU()]}\x85\x86\x87taesuqr\x94hjc\x93Rb"
        "Q.";

    (void)state;
    for (int code = 0; code < 256; code++) {
        const char pickle[] = { (char)0x80, 2, 'N', (char)code, 0, 0, 0, 0, 0, 0, 0, 0, '.' };
        char       says[32];

        (void)snprintf(says, sizeof says, "pickle opcode 0x%02x (", code);
        if (!memchr(known, code, sizeof known - 1))
            refused(torch_zip(ZIP_TORCH, pickle, sizeof pickle, six, 24), UM_EUNSUPPORTED, says);
    }
}

static void cut_pickles_are_refused(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof PK_GOOD - 1; n++)
        refused(torch_zip(ZIP_TORCH, PK_GOOD, n, six, sizeof six), 0, "");
    refused(torch_zip(ZIP_TORCH, PK_GOOD, sizeof PK_GOOD, six, sizeof six), UM_EFORMAT,
            "1 bytes after the end of the pickle");
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(pickles_that_lie_are_refused),
        cmocka_unit_test(only_the_listed_opcodes_run),
        cmocka_unit_test(cut_pickles_are_refused),
    };

    return cmocka_run_group_tests_name("weights_pickle", all, open_file, close_file);
}
