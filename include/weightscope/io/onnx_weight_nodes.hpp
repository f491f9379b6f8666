#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/mapped_file.hpp>

namespace weightscope {

/// Which nodes of a graph take each tensor, by its name.
using weight_nodes = std::map<std::string, std::vector<std::string>>;

/// Which nodes of the graph of an ONNX file take which tensors: the names of nodes, in the order of the graph.
///
/// Nodes that only reshape, transpose, convert, quantize or dequantize pass a tensor on. Nodes without a name, and graphs within graphs,
/// are left out.
///
/// @param path  the file, or a folder that holds one
/// @throws io_error  the file cannot be read or is damaged
[[nodiscard]] WEIGHTSCOPE_INLINE weight_nodes onnx_weight_nodes(const std::filesystem::path& path);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/onnx_weight_nodes.hpp>
#endif
