/* known.h - a kernel that is launched by its address alone
 *
 * The runtime knows the parameters of each kernel of its program. Where kernels are no more than
 * functions (tests/emu has a known.h of its own), the types are noted here.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_KNOWN_H
#define UM_KERNELS_KNOWN_H

template <typename... P> static inline void um_known(void (*kernel)(P...))
{
    (void)kernel;
}

#endif
