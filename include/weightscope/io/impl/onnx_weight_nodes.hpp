#pragma once

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/onnx_message.hpp>
#include <weightscope/io/onnx_node.hpp>
#include <weightscope/io/onnx_weight_nodes.hpp>

namespace weightscope {

namespace detail {

// Whether what a node gives is what it takes, in another shape, order or type.
inline bool passes_weight_on(const onnx_node& node)
{
    constexpr std::array<const char*, 9> kinds = {"Transpose", "Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "QuantizeLinear", "DequantizeLinear"};
    return std::any_of(kinds.begin(), kinds.end(), [&](const char* kind) { return node.is(kind); });
}

// The file of the graph: the opened one, or the only one of the opened folder.
inline std::filesystem::path onnx_graph_file(const std::filesystem::path& opened)
{
    if (!std::filesystem::is_directory(opened))
        return opened;
    for (const auto& entry : std::filesystem::directory_iterator(opened))
        if (entry.path().extension() == ".onnx")
            return entry.path();
    throw io_error(opened, std::nullopt, {}, "it holds no file *.onnx");
}

}  // namespace detail

WEIGHTSCOPE_INLINE weight_nodes onnx_weight_nodes(const std::filesystem::path& path)
{
    const auto file = std::make_shared<const mapped_file>(detail::onnx_graph_file(path));
    return detail::read_verified(file.get(), [&] {
        weight_nodes result;
        std::map<std::string_view, std::string_view> passed_on;  // output: the tensor that it is
        const std::string_view text(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
        for (detail::onnx_cursor model(*file, text, "model"); model.next();) {
            if (model.field().number != 7)
                continue;
            for (detail::onnx_cursor graph(*file, model.bytes(), "graph"); graph.next();) {
                if (graph.field().number != 1)
                    continue;
                const detail::onnx_node node = detail::read_onnx_node(*file, graph.bytes());
                const auto tensor = [&](std::string_view input) {
                    const auto found = passed_on.find(input);
                    return found == passed_on.end() ? input : found->second;
                };
                if (detail::passes_weight_on(node)) {
                    passed_on[node.output()] = tensor(node.input(0));
                    continue;
                }
                for (const std::string_view input : node.inputs)
                    if (!node.name.empty() && !input.empty())
                        result[std::string(tensor(input))].emplace_back(node.name);
            }
        }
        return result;
    });
}

}  // namespace weightscope
