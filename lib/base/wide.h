/* wide.h - loops that the compiler may make as wide as the machine is
 *
 *     UM_WIDE static void scale(float *x, int64_t n) { ... }
 *
 * is compiled for plain x86-64 and for AVX2, and the loader picks one. Contraction stays off in
 * both (the Makefile says so), so the bits are the same. Sanitizers and other C libraries get the
 * plain one: their start-up does not bear the choice. For kernels, which differ by more than width,
 * see kernels/. SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_BASE_WIDE_H
#define UM_BASE_WIDE_H

#include <stddef.h> /* __GLIBC__ */

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UM_NARROW
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__x86_64__) ||       \
    !defined(__GLIBC__)
#define UM_NARROW
#endif

#ifdef UM_NARROW
#define UM_WIDE
#else
#define UM_WIDE __attribute__((target_clones("avx2", "default")))
#endif

#endif
