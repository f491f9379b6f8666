#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include <fmt/format.h>

#include <weightscope/io/model.hpp>
#include <weightscope/io/onnx_node.hpp>
#include <weightscope/io/onnx_tensor.hpp>

namespace weightscope::detail {

// A tensor of the file, and the weight that it and its scales stand for, if it is one of codes.
struct onnx_entry
{
    onnx_tensor stored = {};
    std::optional<named_tensor> weight = {};
    std::string path = {};  // of the graph it stands in: "If_3.then_branch/"
    std::size_t uses_in_out = 0, uses_out_in = 0;
};

// What a value in a graph is: a tensor as it is stored or as the weight it stands for, maybe with its axes exchanged.
struct onnx_value
{
    std::size_t entry = 0;
    bool is_weight = false;
    bool turned = false;
};

// The names of a graph; what is not among them is one of the graph around it.
struct onnx_scope
{
    const onnx_scope* outer = nullptr;
    std::string path = {};
    std::unordered_map<std::string_view, onnx_value> values = {};

    const onnx_value* find(std::string_view name) const
    {
        if (name.empty())
            return nullptr;
        const auto found = values.find(name);
        return found != values.end() ? &found->second : outer == nullptr ? nullptr : outer->find(name);
    }
};

inline constexpr std::size_t longest_onnx_name = 60, longest_onnx_path = 240;  // a path stands before many names

// The path of a graph in a node, the `index`-th of its own graph: "If_3.then_branch/".
inline std::string onnx_path(const std::string& outer, const onnx_node& node, std::size_t index, std::string_view attribute)
{
    const auto cut = [](std::string_view text) { return text.substr(0, longest_onnx_name); };
    const std::string name = node.name.empty() ? fmt::format("{}_{}", cut(node.op), index) : std::string(cut(node.name));
    const std::string inner = fmt::format("{}.{}/", name, cut(attribute));
    return outer.size() + inner.size() > longest_onnx_path ? outer : outer + inner;
}

// The name of a weight, without what quantizers append to it when they store its codes.
inline std::string onnx_weight_name(const std::string& codes)
{
    for (const std::string_view ending : {"_quantized", "_quant", "_Q4", "_Q8", "_Q2"})
        if (codes.ends_with(ending) && codes.size() > ending.size())
            return codes.substr(0, codes.size() - ending.size());
    return codes + " (dequantized)";
}

}  // namespace weightscope::detail
