#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/io/damaged_file.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/onnx_constants.hpp>
#include <weightscope/io/onnx_external.hpp>
#include <weightscope/io/onnx_message.hpp>
#include <weightscope/io/onnx_node.hpp>
#include <weightscope/io/onnx_operands.hpp>
#include <weightscope/io/onnx_quantization.hpp>
#include <weightscope/io/onnx_scope.hpp>
#include <weightscope/io/onnx_tensor.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope::detail {

// Collects the tensors of a graph, of the graphs in it, and of functions.
class onnx_graph_reader
{
public:
    std::deque<onnx_entry> entries = {};
    std::vector<std::string> notes = {};

    explicit onnx_graph_reader(const std::shared_ptr<const mapped_file>& file) : file_(file), external_(*file) {}

    // Returns the name of the graph.
    std::string_view read_graph(std::string_view message) { return read_graph(message, nullptr, "", 0); }

    void read_function(std::string_view message)
    {
        std::deque<onnx_node> nodes;
        std::string_view name;
        for (onnx_cursor cursor(*file_, message, "function"); cursor.next();) {
            if (cursor.field().number == 1)
                name = cursor.bytes();
            else if (cursor.field().number == 7)
                nodes.push_back(read_onnx_node(*file_, cursor.bytes()));
        }
        onnx_scope names{.path = fmt::format("{}/", name.substr(0, longest_onnx_name))};
        read_nodes(nodes, names, 0);
    }

private:
    std::string_view read_graph(std::string_view message, const onnx_scope* outer, std::string path, std::size_t depth)
    {
        constexpr std::size_t deepest = 32;
        if (depth > deepest)
            refuse(message.data(), "graph", fmt::format("graphs are nested deeper than {} levels", deepest));
        onnx_scope names{.outer = outer, .path = std::move(path)};
        std::deque<onnx_node> nodes;
        std::string_view name;
        for (onnx_cursor cursor(*file_, message, "graph"); cursor.next();) {
            switch (cursor.field().number) {
                case 1:
                    nodes.push_back(read_onnx_node(*file_, cursor.bytes()));
                    break;
                case 2:
                    name = cursor.bytes();
                    break;
                case 5: {
                    const std::string_view tensor = onnx_tensor_name(*file_, cursor.bytes());
                    add(read_onnx_tensor(file_, external_, cursor.bytes(), tensor), tensor, cursor.field().at, names);
                    break;
                }
                case 15: {
                    const std::string_view tensor = onnx_sparse_name(*file_, cursor.bytes());
                    add(read_onnx_sparse(file_, external_, cursor.bytes(), tensor), tensor, cursor.field().at, names);
                    break;
                }
                default:
                    break;
            }
        }
        read_nodes(nodes, names, depth);
        return name;
    }

    void read_nodes(const std::deque<onnx_node>& nodes, onnx_scope& names, std::size_t depth)
    {
        for (const onnx_node& node : nodes)
            if (node.is("Constant"))
                add_constant(node, names);
        const onnx_wiring wiring(nodes);
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            const onnx_node& node = nodes[i];
            find_weight(node, wiring, names);
            follow(node, names);
            for (const onnx_attribute& attribute : node.attributes)
                for (const std::string_view graph : attribute.graphs)
                    (void)read_graph(graph, &names, onnx_path(names.path, node, i, attribute.name), depth + 1);
        }
    }

    void add(onnx_tensor tensor, std::string_view name, const char* at, onnx_scope& names)
    {
        if (!names.values.emplace(name, onnx_value{.entry = entries.size()}).second)
            refuse(at, fmt::format("tensor '{}'", printable(name)), "the name stands twice in one graph");
        entries.push_back({.stored = std::move(tensor), .path = names.path});
    }

    // A Constant node is a tensor under the name of its output.
    void add_constant(const onnx_node& node, onnx_scope& names)
    {
        if (node.outputs.size() != 1)
            refuse(node.message.data(), "node", fmt::format("a Constant has {} outputs, expected one", node.outputs.size()));
        if (std::optional<onnx_tensor> tensor = read_onnx_constant(file_, external_, node))
            add(*std::move(tensor), node.output(), node.message.data(), names);
    }

    // The entry of a tensor that is used as it is stored.
    const onnx_tensor* stored(const onnx_scope& names, std::string_view name) const
    {
        const onnx_value* found = names.find(name);
        return found == nullptr || found->is_weight || found->turned ? nullptr : &entries[found->entry].stored;
    }

    void find_weight(const onnx_node& node, const onnx_wiring& wiring, onnx_scope& names)
    {
        const bool nbits = node.is_microsoft("MatMulNBits");
        const auto is_weight = [&](std::string_view name) { return stored(names, name) != nullptr; };
        const auto operands = nbits ? onnx_operands{.codes = node.input(1), .scales = node.input(2), .zero_points = node.input(3)}
                                    : onnx_operands_of(node, wiring, is_weight);
        if (!operands || (nbits && !node.input(4).empty()))  // rows in another order
            return;
        const onnx_tensor *codes = stored(names, operands->codes), *scales = stored(names, operands->scales),
                          *zero_points = stored(names, operands->zero_points);
        if (codes == nullptr || scales == nullptr || (zero_points == nullptr && !operands->zero_points.empty()))
            return;
        const bool dequantizes = operands->word == "QDQ";
        const std::size_t entry = names.find(operands->codes)->entry;
        if (dequantizes && is_onnx_float(*codes->storage.type))  // rounds what is stored in full
            return;
        if (!entries[entry].weight) {
            std::string name = dequantizes ? std::string(node.output()) : onnx_weight_name(codes->tensor.name);
            onnx_weight_or_reason made = nbits ? dequantize_onnx_matmul_nbits(node, *codes, *scales, zero_points, name)
                                               : dequantize_onnx(*operands, *codes, *scales, zero_points, name);
            if (!made.weight) {
                note(fmt::format("'{}' is shown as it is stored: {}", printable(codes->tensor.name), made.reason));
                return;
            }
            for (const std::string_view part : {operands->codes, operands->scales, operands->zero_points})
                if (const onnx_value* found = names.find(part); found != nullptr && entries[found->entry].stored.tensor.part_of.empty())
                    entries[found->entry].stored.tensor.part_of = name;
            entries[entry].weight = std::move(made.weight);
        }
        if (dequantizes)
            names.values.emplace(node.output(), onnx_value{.entry = entry, .is_weight = true});
    }

    // Passes tensors on through nodes that keep their elements, and counts how matrices are used.
    void follow(const onnx_node& node, onnx_scope& names)
    {
        if (const auto operand = onnx_matrix_operand_of(node))
            if (const onnx_value* found = names.find(node.input(operand->input))) {
                onnx_entry& entry = entries[found->entry];
                ++(operand->in_out != found->turned ? entry.uses_in_out : entry.uses_out_in);
            }
        const bool transpose = node.is("Transpose");
        if (!transpose && !node.is("Identity") && !node.is("Cast") && !node.is("QuantizeLinear") && !node.is("DequantizeLinear"))
            return;
        const onnx_value* found = names.find(node.input(0));
        if (found == nullptr || node.outputs.empty())
            return;
        onnx_value passed = *found;
        if (transpose) {
            const onnx_attribute* order = node.attribute("perm");
            if (entries[found->entry].stored.tensor.shape.size() != 2 || (order != nullptr && order->ints != std::vector<std::int64_t>{1, 0}))
                return;
            passed.turned = !passed.turned;
        }
        names.values.emplace(node.output(), passed);
    }

    void note(std::string text)
    {
        constexpr std::size_t most = 100;
        if (notes.size() < most)
            notes.push_back(std::move(text));
    }

    std::uint64_t offset(const char* at) const
    {
        return static_cast<std::uint64_t>(at - reinterpret_cast<const char*>(file_->bytes().data()));
    }
    [[noreturn]] void refuse(const char* at, std::string field, std::string_view fault) const
    {
        refuse_damaged(file_->path(), offset(at), std::move(field), fault);
    }

    const std::shared_ptr<const mapped_file>& file_;
    onnx_external_files external_;
};

}  // namespace weightscope::detail
