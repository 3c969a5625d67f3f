/* graph.h - what is captured is a list of nodes, in the order of the calls
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_EMU_GRAPH_H
#define UM_EMU_GRAPH_H

#include "tests/emu/runtime.h"

namespace um_emu
{
void add_node(cudaGraph_t graph, std::function<void()> work, const node_kind &kind);
} // namespace um_emu

#endif
