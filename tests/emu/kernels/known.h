/* known.h - the emulator's own kernels/known.h: a kernel's parameter types, by its address
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_KNOWN_H
#define UM_KERNELS_KNOWN_H

#include <utility>

#include "tests/emu/device.h"

namespace um_emu
{
template <typename... P> struct thread_of {
    void (*kernel)(P...);

    template <size_t... I> std::function<void()> bound(void **arg, std::index_sequence<I...>) const
    {
        auto k = kernel;

        return [k, a = std::tuple<P...>(*(P *)arg[I]...)] { std::apply(k, a); };
    }
    std::function<void()> operator()(void **arg) const
    {
        return bound(arg, std::index_sequence_for<P...>());
    }
};
} // namespace um_emu

/* arguments are copied when the kernel is launched, as by the runtime */
template <typename... P> static inline void um_known(void (*kernel)(P...))
{
    um_emu::know((const void *)kernel, um_emu::thread_of<P...>{ kernel });
}

#endif
