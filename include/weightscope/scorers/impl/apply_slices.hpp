#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/scorers/apply_slices.hpp>
#include <weightscope/scorers/group_family.hpp>
#include <weightscope/scorers/group_names.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE void require_same_model(const char* caller, const model& m, const grouped_model& groups)
{
    bool same = m.tensors.size() == groups.tensors.size();
    for (std::size_t i = 0; same && i < m.tensors.size(); ++i)
        same = m.tensors[i].name == groups.tensors[i].name && m.tensors[i].shape == groups.tensors[i].shape;
    require(same, "{}: the groups are of another model than {}", caller, printable(m.path.string()));
}

WEIGHTSCOPE_INLINE void require_places(const char* caller, const grouped_model& groups, std::span<const group_place> removed)
{
    for (const group_place& place : removed)
        require(place.family < groups.families.size() && place.unit < groups.families[place.family].unit_count,
                "{}: group {} of family {} does not exist", caller, place.unit, place.family);
}

WEIGHTSCOPE_INLINE axis_marks marks_of(const grouped_model& groups, std::span<const group_place> removed)
{
    axis_marks marks;
    for (const group_place& place : removed)
        for (const group_region& region : groups.families[place.family].regions(place.unit)) {
            std::vector<std::uint8_t>& axis = marks[{region.tensor, region.axis}];
            axis.resize(groups.tensors[region.tensor].shape[region.axis]);
            std::fill_n(axis.begin() + static_cast<std::ptrdiff_t>(region.first), region.count, std::uint8_t{1});
        }
    return marks;
}

WEIGHTSCOPE_INLINE std::vector<std::byte> kept_bytes(std::span<const std::byte> bytes, const std::vector<std::size_t>& shape, std::size_t element,
                                                     const std::vector<std::vector<std::size_t>>& kept)
{
    std::vector<std::byte> result;
    std::size_t rest = element;
    for (std::size_t axis = 1; axis < shape.size(); ++axis)
        rest *= shape[axis];
    const auto copy_row = [&](std::size_t row) {
        const std::span<const std::byte> source = bytes.subspan(row * rest, rest);
        if (kept.size() < 2 || kept[1].empty()) {
            result.insert(result.end(), source.begin(), source.end());
            return;
        }
        const std::size_t part = rest / shape[1];
        for (const std::size_t col : kept[1])
            result.insert(result.end(), source.begin() + static_cast<std::ptrdiff_t>(col * part),
                          source.begin() + static_cast<std::ptrdiff_t>((col + 1) * part));
    };
    if (kept[0].empty())
        for (std::size_t row = 0; row < shape[0]; ++row)
            copy_row(row);
    else
        for (const std::size_t row : kept[0])
            copy_row(row);
    return result;
}

WEIGHTSCOPE_INLINE std::set<std::size_t> removed_layers(const grouped_model& groups, std::span<const group_place> removed)
{
    std::set<std::size_t> layers;
    for (const group_place& place : removed)
        if (groups.families[place.family].kind == group_kind::block)
            layers.insert(groups.families[place.family].layer);
    return layers;
}

// Numbers of the experts that go, layer by layer.
inline std::map<std::size_t, std::set<std::size_t>> removed_experts(const grouped_model& groups, std::span<const group_place> removed)
{
    std::map<std::size_t, std::set<std::size_t>> experts;
    for (const group_place& place : removed)
        if (const group_family& family = groups.families[place.family]; family.kind == group_kind::expert)
            for (const group_region& region : family.regions(place.unit))
                if (const auto name = parse_block_name(groups.tensors[region.tensor].name); name && name->expert)
                    experts[family.layer].insert(*name->expert);
    return experts;
}

// The name that a tensor has once the layers and experts before it are gone.
inline std::string renumbered_name(std::string text, const std::set<std::size_t>& layers, const std::map<std::size_t, std::set<std::size_t>>& experts)
{
    const auto name = parse_block_name(text);
    if (!name)
        return text;
    const auto lowered = [](std::size_t number, const std::set<std::size_t>& gone) {
        return fmt::format("{}", number - static_cast<std::size_t>(std::distance(gone.begin(), gone.lower_bound(number))));
    };
    if (const auto gone = experts.find(name->layer); name->expert && gone != experts.end())  // it stands behind the layer's number
        text.replace(name->expert_at, name->expert_length, lowered(*name->expert, gone->second));
    if (!layers.empty())
        text.replace(name->number_at, name->number_length, lowered(name->layer, layers));
    return text;
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::vector<sliced_tensor> slice_shapes(const grouped_model& groups, std::span<const group_place> removed)
{
    detail::require_places("slice_shapes(groups, removed)", groups, removed);
    const detail::axis_marks marks = detail::marks_of(groups, removed);
    const std::set<std::size_t> gone = detail::removed_layers(groups, removed);
    const std::map<std::size_t, std::set<std::size_t>> experts = detail::removed_experts(groups, removed);
    std::vector<sliced_tensor> result;
    for (std::size_t i = 0; i < groups.tensors.size(); ++i) {
        const grouped_tensor& tensor = groups.tensors[i];
        if (tensor.parameters == 0 && !tensor.shape.empty())  // tables and parts of other tensors
            if (const auto name = detail::parse_block_name(tensor.name); name && gone.contains(name->layer))
                continue;
        sliced_tensor sliced{.source = i, .name = tensor.name, .shape = tensor.shape, .kept = std::vector<std::vector<std::size_t>>(tensor.shape.size())};
        bool whole = true;
        for (std::size_t axis = 0; axis < tensor.shape.size(); ++axis) {
            const auto at = marks.find({i, axis});
            if (at == marks.end())
                continue;
            for (std::size_t p = 0; p < at->second.size(); ++p)
                if (at->second[p] == 0)
                    sliced.kept[axis].push_back(p);
            sliced.shape[axis] = sliced.kept[axis].size();
            whole = whole && sliced.shape[axis] > 0;
        }
        if (!whole)
            continue;
        sliced.name = detail::renumbered_name(tensor.name, gone, experts);
        result.push_back(std::move(sliced));
    }
    return result;
}

WEIGHTSCOPE_INLINE std::vector<std::byte> slice_tensor(const model& m, const sliced_tensor& sliced)
{
    const named_tensor& tensor = m.tensors[sliced.source];
    std::vector<std::byte> bytes = detail::value_bytes_of(tensor);
    const bool same = std::all_of(sliced.kept.begin(), sliced.kept.end(), [](const auto& kept) { return kept.empty(); });
    return same ? bytes : detail::kept_bytes(bytes, tensor.shape, bits_of(tensor.dtype) / 8, sliced.kept);
}

WEIGHTSCOPE_INLINE sliced_model slice_model(const model& m, const grouped_model& groups, std::span<const group_place> removed)
{
    detail::require_same_model("slice_model(model, groups, removed)", m, groups);
    sliced_model result{.smaller = {.path = m.path, .format = m.format, .tensors = {}, .metadata = m.metadata, .architecture = m.architecture}};
    for (const sliced_tensor& sliced : slice_shapes(groups, removed)) {
        const named_tensor& source = m.tensors[sliced.source];
        if (!source.part_of.empty())
            continue;
        const std::vector<std::byte>& bytes = result.bytes.emplace_back(slice_tensor(m, sliced));
        result.smaller.tensors.push_back(
            {.name = sliced.name, .shape = sliced.shape, .dtype = source.dtype, .bytes = bytes, .tied_to = source.tied_to});
    }
    return result;
}

}  // namespace weightscope
