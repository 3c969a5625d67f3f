/* status.h - how the library reports failure: a code up the stack, one message per thread
 *
 * Every function that can fail returns UM_OK (0) or a negative enum um_status; some return a
 * positive count or flag on success. The first function that notices a failure calls um_fail() with
 * the whole story; callers that know more (a record's key, a file's name) put it in front with
 * um_context(). The library never prints, never exits, never aborts on input.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_BASE_STATUS_H
#define UM_BASE_STATUS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum um_status {
    UM_OK           = 0,
    UM_ENOMEM       = -1,  /* memory ran out, or a size does not fit */
    UM_EIO          = -2,  /* the operating system refused: errno is in the message */
    UM_EFORMAT      = -3,  /* bytes that are not what they claim to be: cut, damaged, wrong kind */
    UM_ESHAPE       = -4,  /* a tensor's shape is not what the operation takes */
    UM_EDTYPE       = -5,  /* a tensor's dtype is not what the operation takes */
    UM_EMISSING     = -6,  /* a tensor, column, key or file that is needed is not there */
    UM_EDUPLICATE   = -7,  /* a key that must be unique is not */
    UM_ERANGE       = -8,  /* a number outside what is allowed */
    UM_ENONFINITE   = -9,  /* NaN or infinity where numbers must be finite */
    UM_EUNSUPPORTED = -10, /* understood, but this build or backend cannot do it */
    UM_EMISMATCH    = -11, /* two inputs that must agree do not (model and stream, window, sizes) */
    UM_EUSAGE       = -12, /* the command line is wrong: tools exit 2 */
    UM_ESTOPPED     = -13, /* stopped early on request, state saved: tools exit 75 */
    UM_EPIPE        = -14  /* the reader of our output went away: tools end quietly */
};

#define UM_API __attribute__((visibility("default")))
#define UM_RESULT_USED __attribute__((warn_unused_result))
#define UM_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* UM_TRY - evaluate once; return the status from the enclosing function if it is negative */
#define UM_TRY(expr)                                                                               \
    do {                                                                                           \
        int um_try_ = (expr);                                                                      \
        if (um_try_ < 0)                                                                           \
            return um_try_;                                                                        \
    } while (0)

/* um_fail - set this thread's message and return `status`, so that `return um_fail(...)` reads
 * well. The message is one line of UTF-8, whatever it quotes: control characters and other
 * bytes become question marks; it is cut at UM_ERRMSG_MAX - 1 bytes. `status` is negative. */
#define UM_ERRMSG_MAX 2048
UM_API UM_PRINTF(2, 3) int um_fail(int status, const char *fmt, ...);

/* um_fail_errno - as um_fail(UM_EIO, ...) with ": strerror(errno)" at the end (EPIPE: UM_EPIPE) */
UM_API UM_PRINTF(1, 2) int um_fail_errno(const char *fmt, ...);

/* um_context - put "fmt: " in front of this thread's message; returns `status` unchanged */
UM_API UM_PRINTF(2, 3) int um_context(int status, const char *fmt, ...);

#ifdef __clang_analyzer__ /* tell it that what comes back is what went in */
#define um_fail(status, ...) ((void)(um_fail)(status, __VA_ARGS__), (status))
#define um_context(status, ...) ((void)(um_context)(status, __VA_ARGS__), (status))
#define um_fail_errno(...) ((void)(um_fail_errno)(__VA_ARGS__), UM_EIO)
#endif

/* um_errmsg - this thread's message, "" before any failure; valid until the next
 * um_fail/um_context. um_seterrmsg - replace it whole (to carry a message from a worker thread to
 * the caller's). */
UM_API const char *um_errmsg(void);
UM_API void        um_seterrmsg(const char *msg);

/* um_status_name - "format", "shape", ...: a short lower-case word for tables of rejects */
UM_API const char *um_status_name(int status);

#ifdef __cplusplus
}
#endif
#endif
