#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/onnx_message.hpp>
#include <weightscope/io/onnx_node.hpp>

namespace weightscope {

/// Which nodes of the graph of an ONNX file take which tensors: the names of nodes by those of their inputs, in the order of the graph.
///
/// A Transpose, Identity or Cast passes a tensor on. Nodes without a name, and graphs within graphs, are left out.
///
/// @throws io_error  the file cannot be read or is damaged
[[nodiscard]] inline std::map<std::string, std::vector<std::string>> onnx_weight_nodes(const std::filesystem::path& path)
{
    const auto file = std::make_shared<const mapped_file>(path);
    return detail::read_verified(file.get(), [&] {
        std::map<std::string, std::vector<std::string>> result;
        std::map<std::string_view, std::string_view> passed_on;  // output: the tensor that it is
        const std::string_view text(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
        for (detail::onnx_cursor model(*file, text, "model"); model.next();) {
            if (model.field().number != 7)
                continue;
            for (detail::onnx_cursor graph(*file, model.bytes(), "graph"); graph.next();) {
                if (graph.field().number != 1)
                    continue;
                const detail::onnx_node node = detail::read_onnx_node(*file, graph.bytes());
                if (node.is("Transpose") || node.is("Identity") || node.is("Cast")) {
                    const auto found = passed_on.find(node.input(0));
                    passed_on[node.output()] = found == passed_on.end() ? node.input(0) : found->second;
                    continue;
                }
                for (const std::string_view input : node.inputs) {
                    const auto found = passed_on.find(input);
                    if (!node.name.empty() && !input.empty())
                        result[std::string(found == passed_on.end() ? input : found->second)].emplace_back(node.name);
                }
            }
        }
        return result;
    });
}

}  // namespace weightscope
