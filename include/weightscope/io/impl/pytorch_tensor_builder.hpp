#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/pickle.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/pytorch_tensor.hpp>
#include <weightscope/io/pytorch_tensor_builder.hpp>
#include <weightscope/io/pytorch_type.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE std::optional<torch_tensor> torch_tensor_builder::build(pickle_index i) const
{
    const pickle_value& value = pickle_[i];
    if (value.kind != pickle_kind::call || !pickle_.is(value.callable, pickle_kind::global))
        return std::nullopt;
    return build({pickle_[value.callable].text, items(value.arguments), value.position, 0});
}

WEIGHTSCOPE_INLINE std::optional<torch_storage_claim> torch_tensor_builder::storage(pickle_index i) const
{
    const pickle_value& value = pickle_[i];
    if (value.kind != pickle_kind::persistent)
        return std::nullopt;
    const std::span<const pickle_index> id = items(value.arguments);
    if (id.empty() || pickle_[id[0]].text != "storage")
        return std::nullopt;
    torch_storage_claim claim{.position = value.position};
    if (id.size() < 5 || !pickle_.is(id[1], pickle_kind::global) || !pickle_.is(id[2], pickle_kind::text))
        source_.fail(value.position, "the id of a storage is not: 'storage', its type, its key, its place, its length");
    claim.type = torch_type_of_storage(pickle_[id[1]].text);
    if (claim.type == nullptr)
        source_.fail(value.position, fmt::format("storages of type '{}' are unknown", printable(pickle_[id[1]].text)));
    claim.key = pickle_[id[2]].text;
    claim.count = count(id[4], value.position, "the length of a storage");
    if (id.size() > 5 && pickle_.is(id[5], pickle_kind::tuple)) {
        const auto& view = pickle_[id[5]].items;  // key, offset, length
        if (view.size() != 3)
            source_.fail(value.position, "the view of a storage is not: its key, its offset, its length");
        claim.first = count(view[1], value.position, "the offset of a storage's view");
    }
    return claim;
}

WEIGHTSCOPE_INLINE std::optional<torch_tensor> torch_tensor_builder::build(const call& c) const
{
    if (c.depth == deepest)
        source_.fail(c.position, fmt::format("tensors are made out of tensors more than {} times", deepest));
    const std::string_view f = c.function;
    if (f == "torch._utils._rebuild_tensor_v2" || f == "torch._utils._rebuild_tensor" || f == "torch._utils._rebuild_tensor_v3")
        return dense(c);
    if (f == "torch._utils._rebuild_qtensor")
        return quantized(c);
    if (f == "torch._utils._rebuild_sparse_tensor")
        return sparse(c);
    if (f == "torch._tensor._rebuild_from_type_v2" || f == "torch._tensor._rebuild_from_type" || f == "torch.tensor._rebuild_from_type")
        return from_type(c);
    if (f == "torch._utils._rebuild_parameter" || f == "torch._utils._rebuild_parameter_with_state"
        || f == "torch.nn.parameter.Parameter" || f == "torch.nn.parameter.Buffer" || f == "torch.autograd.variable.Variable")
        return argument(c, 0);
    return std::nullopt;
}

WEIGHTSCOPE_INLINE std::optional<torch_tensor> torch_tensor_builder::argument(const call& c, std::size_t i) const
{
    if (i >= c.arguments.size())
        return std::nullopt;
    const pickle_value& value = pickle_[c.arguments[i]];
    if (value.kind != pickle_kind::call || !pickle_.is(value.callable, pickle_kind::global))
        return std::nullopt;
    return build({pickle_[value.callable].text, items(value.arguments), value.position, c.depth + 1});
}

WEIGHTSCOPE_INLINE torch_tensor torch_tensor_builder::dense(const call& c) const
{
    const auto storage_claim = c.arguments.size() < 4 ? std::nullopt : storage(c.arguments[0]);
    if (!storage_claim)
        fail(c, "has not: a storage, an offset, a shape and strides");
    torch_tensor tensor{.storage = *storage_claim, .type = storage_claim->type};
    if (c.function.ends_with("_v3")) {
        tensor.type = c.arguments.size() > 6 ? torch_type_of_dtype(pickle_[c.arguments[6]].text) : nullptr;
        if (tensor.type == nullptr)
            fail(c, "has no dtype that is known here");
    } else if (c.arguments.size() > 6 && holds_true(c.arguments[6], "neg")) {
        tensor.unsupported = "negated view";
    }
    place(c, tensor);
    return tensor;
}

WEIGHTSCOPE_INLINE torch_tensor torch_tensor_builder::quantized(const call& c) const
{
    torch_tensor tensor = dense({c.function, c.arguments, c.position, c.depth});
    const std::span<const pickle_index> given = c.arguments.size() > 4 ? items(c.arguments[4]) : std::span<const pickle_index>();
    torch_quantizer quantizer;
    if (given.size() == 3 && pickle_.is(given[1], pickle_kind::real) && pickle_.is(given[2], pickle_kind::integer)) {
        quantizer.scale = pickle_[given[1]].real();
        quantizer.zero_point = pickle_[given[2]].integer();
    } else if (given.size() == 4) {
        const call parameters{c.function, given, c.position, c.depth};
        auto scales = argument(parameters, 1), zero_points = argument(parameters, 2);
        quantizer.axis = count(given[3], c.position, "the axis of a quantizer");
        if (!scales || !zero_points || !is_list_of_numbers(*scales) || !is_list_of_numbers(*zero_points)
            || *quantizer.axis >= tensor.shape.size() || scales->shape[0] != tensor.shape[*quantizer.axis]
            || zero_points->shape != scales->shape)
            fail(c, "has not one scale and one zero point for each index along an axis");
        quantizer.scales = std::move(*scales);
        quantizer.zero_points = std::move(*zero_points);
    } else {
        fail(c, "has no quantizer that is known here");
    }
    tensor.quantizer = std::make_shared<const torch_quantizer>(std::move(quantizer));
    return tensor;
}

WEIGHTSCOPE_INLINE torch_tensor torch_tensor_builder::sparse(const call& c) const
{
    const call data{c.function, c.arguments.size() > 1 ? items(c.arguments[1]) : std::span<const pickle_index>(), c.position, c.depth};
    auto indices = argument(data, 0), values = argument(data, 1);
    if (!indices || !values || data.arguments.size() < 3)
        return {.unsupported = "sparse"};
    torch_tensor tensor{.type = values->type, .shape = extents(c, data.arguments[2]), .unsupported = "sparse"};
    tensor.parts.emplace_back("indices", std::move(*indices));
    tensor.parts.emplace_back("values", std::move(*values));
    return tensor;
}

WEIGHTSCOPE_INLINE std::optional<torch_tensor> torch_tensor_builder::from_type(const call& c) const
{
    if (c.arguments.size() < 3 || !pickle_.is(c.arguments[0], pickle_kind::global))
        return std::nullopt;
    return build({pickle_[c.arguments[0]].text, items(c.arguments[2]), c.position, c.depth + 1});
}

WEIGHTSCOPE_INLINE void torch_tensor_builder::place(const call& c, torch_tensor& tensor) const
{
    tensor.first = count(c.arguments[1], c.position, "the offset of a tensor");
    tensor.shape = extents(c, c.arguments[2]);
    for (const std::size_t stride : extents(c, c.arguments[3]))
        tensor.strides.push_back(stride);
    if (tensor.strides.size() != tensor.shape.size())
        fail(c, fmt::format("has {} strides for {} dimensions", tensor.strides.size(), tensor.shape.size()));
    std::uint64_t elements = 1, last = tensor.first;
    bool empty = false;
    for (std::size_t d = 0; d < tensor.shape.size(); ++d) {
        const std::uint64_t extent = tensor.shape[d], stride = tensor.strides[d];
        empty = empty || extent == 0;
        if (extent == 0)
            continue;
        if (elements > most_elements / extent || (stride > 0 && extent - 1 > (most_elements - last) / stride))
            fail(c, "describes more elements than can exist");
        elements *= extent;
        last += (extent - 1) * stride;
    }
    tensor.reach = empty ? 0 : last - tensor.first + 1;
}

WEIGHTSCOPE_INLINE std::vector<std::size_t> torch_tensor_builder::extents(const call& c, pickle_index i) const
{
    const std::span<const pickle_index> given = items(i);
    if (given.size() > most_dimensions)
        fail(c, fmt::format("has {} dimensions, expected at most {}", given.size(), most_dimensions));
    std::vector<std::size_t> result;
    for (const pickle_index extent : given)
        result.push_back(count(extent, c.position, "an extent or a stride of a tensor"));
    return result;
}

WEIGHTSCOPE_INLINE bool torch_tensor_builder::is_list_of_numbers(const torch_tensor& tensor)
{
    return tensor.shape.size() == 1 && is_numeric(tensor.type->type) && tensor.unsupported.empty() && !tensor.quantizer;
}

WEIGHTSCOPE_INLINE std::span<const pickle_index> torch_tensor_builder::items(pickle_index i) const
{
    for (std::size_t depth = 0; depth < 2; ++depth) {
        const pickle_value& value = pickle_[i];
        if (value.kind != pickle_kind::call || !pickle_.is(value.callable, pickle_kind::global)
            || pickle_[value.callable].text != "torch.Size" || pickle_[value.arguments].items.size() != 1)
            break;
        i = pickle_[value.arguments].items[0];
    }
    return pickle_.is_sequence(i) ? std::span<const pickle_index>(pickle_[i].items) : std::span<const pickle_index>();
}

WEIGHTSCOPE_INLINE bool torch_tensor_builder::holds_true(pickle_index dict, std::string_view key) const
{
    const pickle_value& value = pickle_[dict];
    for (std::size_t i = 0; value.keyed && i + 1 < std::min<std::size_t>(value.items.size(), 16); i += 2)
        if (pickle_[value.items[i]].text == key && pickle_[value.items[i + 1]].number != 0)
            return true;
    return false;
}

WEIGHTSCOPE_INLINE std::uint64_t torch_tensor_builder::count(pickle_index i, std::uint64_t position, std::string_view what) const
{
    const pickle_value& value = pickle_[i];
    if (value.kind != pickle_kind::integer || value.integer() < 0 || value.number > most_elements)
        source_.fail(position, fmt::format("{} is no whole number from 0 to 2^56", what));
    return value.number;
}

WEIGHTSCOPE_INLINE void torch_tensor_builder::fail(const call& c, std::string_view fault) const
{
    source_.fail(c.position, fmt::format("the call of {} {}", printable(c.function.substr(c.function.rfind('.') + 1)), fault));
}

}  // namespace weightscope::detail
