#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>
#include <unordered_map>

#include <weightscope/io/onnx_node.hpp>

namespace weightscope::detail {

// The inputs of a node that are the codes of a weight, their scales and their zero points (empty where there are none).
struct onnx_operands
{
    std::string_view codes = {}, scales = {}, zero_points = {};
    std::int64_t axis = 0;         // that scales of rank 1 go along; negative ones count from the last
    std::int64_t block = 0;        // indices of the axis per scale, where the scales have the codes' rank
    std::string_view word = {};    // "QDQ"
    std::int64_t output_type = 0;  // number of the values' type; 0: that of the scales
};

// Who makes and who takes the values in the body of a graph.
class onnx_wiring
{
public:
    explicit onnx_wiring(const std::deque<onnx_node>& nodes)
    {
        for (const onnx_node& node : nodes) {
            for (const std::string_view output : node.outputs)
                makers_.emplace(output, &node);
            for (const std::string_view input : node.inputs) {
                const auto [taker, first] = takers_.emplace(input, &node);
                if (!first)
                    taker->second = nullptr;  // several
            }
        }
    }

    const onnx_node* maker(std::string_view value) const { return find(makers_, value); }
    const onnx_node* only_taker(std::string_view value) const { return find(takers_, value); }

    // The scale of the weight of an integer product: the product is cast and multiplied by (scale of the activations * scale of the
    // weight), of which the first is computed and the second, for which `is_weight` is asked, is not.
    template <class F>
    std::string_view weight_scale(const onnx_node& product, F&& is_weight) const
    {
        const onnx_node* cast = only_taker(product.output());
        const onnx_node* multiplied = cast != nullptr && cast->is("Cast") ? only_taker(cast->output()) : nullptr;
        if (multiplied == nullptr || !multiplied->is("Mul") || multiplied->inputs.size() != 2)
            return {};
        const bool first = multiplied->inputs[0] == cast->output();
        const onnx_node* scales = maker(multiplied->inputs[first ? 1 : 0]);
        if (scales == nullptr || !scales->is("Mul") || scales->inputs.size() != 2 || is_weight(scales->inputs[0]) == is_weight(scales->inputs[1]))
            return {};
        return scales->inputs[is_weight(scales->inputs[0]) ? 0 : 1];
    }

private:
    using node_by_value = std::unordered_map<std::string_view, const onnx_node*>;

    static const onnx_node* find(const node_by_value& nodes, std::string_view value)
    {
        const auto found = nodes.find(value);
        return found == nodes.end() ? nullptr : found->second;
    }

    node_by_value makers_ = {}, takers_ = {};
};

// What a node says about the codes of a weight, if it is of a kind that does.
template <class F>
std::optional<onnx_operands> onnx_operands_of(const onnx_node& node, const onnx_wiring& wiring, F&& is_weight)
{
    const auto at = [&](std::size_t codes, std::size_t scales, std::size_t zero_points, std::int64_t axis) {
        return onnx_operands{.codes = node.input(codes), .scales = node.input(scales), .zero_points = node.input(zero_points),
                             .axis = axis, .word = node.op};
    };
    if (node.op == "DequantizeLinear") {
        onnx_operands operands = at(0, 1, 2, node.number("axis", 1));
        operands.block = node.number("block_size", 0);
        operands.word = "QDQ";
        operands.output_type = node.number("output_dtype", 0);
        return operands;
    }
    if (node.is("QLinearConv"))
        return at(3, 4, 5, 0);
    if (node.is("QLinearMatMul"))
        return at(3, 4, 5, -1);
    if (node.is_microsoft("QGemm"))
        return at(3, 4, 5, node.number("transB", 0) != 0 ? 0 : -1);
    if (node.is_microsoft("DynamicQuantizeMatMul"))
        return at(1, 2, 3, -1);
    if (node.is_microsoft("MatMulIntegerToFloat"))
        return at(1, 3, 5, -1);
    if (node.is("MatMulInteger") || node.is("ConvInteger")) {
        onnx_operands operands = at(1, 1, 3, node.op == "ConvInteger" ? 0 : -1);
        operands.scales = wiring.weight_scale(node, is_weight);
        if (!operands.scales.empty())
            return operands;
    }
    return std::nullopt;
}

// Where a node takes a matrix of weights, and whether it wants it as [in, out].
struct onnx_matrix_operand
{
    std::size_t input = 0;
    bool in_out = true;
};

inline std::optional<onnx_matrix_operand> onnx_matrix_operand_of(const onnx_node& node)
{
    const bool turned = node.number("transB", 0) != 0;
    if (node.is("MatMul") || node.is("MatMulInteger") || node.is_microsoft("DynamicQuantizeMatMul") || node.is_microsoft("MatMulIntegerToFloat"))
        return onnx_matrix_operand{1, true};
    if (node.is("Gemm") || node.is_microsoft("FusedGemm") || node.is_microsoft("FusedMatMul"))
        return onnx_matrix_operand{1, !turned};
    if (node.is("QLinearMatMul"))
        return onnx_matrix_operand{3, true};
    if (node.is_microsoft("QGemm"))
        return onnx_matrix_operand{3, !turned};
    return std::nullopt;
}

}  // namespace weightscope::detail
