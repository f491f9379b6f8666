#pragma once

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/group_probe.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/safetensors.hpp>
#include <weightscope/scorers/apply_masks.hpp>
#include <weightscope/scorers/apply_slices.hpp>
#include <weightscope/scorers/group_family.hpp>
#include <weightscope/scorers/weight_mask.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE model_masks masks_of_groups(const grouped_model& groups, std::span<const group_place> removed)
{
    detail::require_places("masks_of_groups(groups, removed)", groups, removed);
    model_masks masks(groups.tensors.size());
    for (const auto& [place, marks] : detail::marks_of(groups, removed)) {
        const auto [tensor, axis] = place;
        const std::vector<std::size_t>& shape = groups.tensors[tensor].shape;
        std::size_t size = 1, inner = 1;
        for (std::size_t a = 0; a < shape.size(); ++a) {
            size *= shape[a];
            inner *= a > axis ? shape[a] : 1;
        }
        if (masks[tensor].size() == 0)
            masks[tensor] = weight_mask(size);
        for (std::size_t begin = 0; begin < size; begin += inner)
            if (marks[begin / inner % shape[axis]] != 0)
                for (std::size_t i = begin; i < begin + inner; ++i)
                    masks[tensor].remove(i);
    }
    return masks;
}

WEIGHTSCOPE_INLINE void write_masked(const std::filesystem::path& path, const model& m, const model_masks& masks)
{
    constexpr const char* caller = "write_masked(path, model, masks)";
    require(masks.size() == m.tensors.size(), "{}: masks of {} tensors, expected {}", caller, masks.size(), m.tensors.size());
    std::vector<tensor_to_write> tensors;
    for (std::size_t i = 0; i < m.tensors.size(); ++i) {
        const named_tensor& tensor = m.tensors[i];
        std::error_code error;
        require(!tensor.file || !std::filesystem::equivalent(tensor.file->path(), path, error),
                "{}: {} is a file of the model itself, expected another one", caller, path.string());
        if (!tensor.part_of.empty())
            continue;
        tensors.push_back({.name = tensor.name, .dtype = tensor.dtype, .shape = tensor.shape, .produce = [&tensor, &mask = masks[i]] {
                               std::vector<std::byte> bytes = detail::value_bytes_of(tensor);
                               if (mask.size() > 0)
                                   apply_mask_inplace(tensor.dtype, bytes, mask);
                               return bytes;
                           }});
    }
    write_safetensors(path, tensors);
}

WEIGHTSCOPE_INLINE weight_group gate_of(const grouped_model& groups, const group_place& place, std::span<const weight_info> weights)
{
    constexpr const char* caller = "gate_of(groups, place, weights)";
    detail::require_places(caller, groups, std::span(&place, 1));
    const group_family& family = groups.families[place.family];
    weight_group result{.name = family.name(place.unit), .slices = {}};
    for (const group_slice& slice : family.gates)
        for (std::size_t c = 0; c < slice.copies; ++c) {
            const group_region region = slice.region(place.unit, c);
            const grouped_tensor& tensor = groups.tensors[region.tensor];
            std::size_t number = 0, outer = 1, inner = 1;
            while (number < weights.size() && weights[number].name != tensor.name)
                ++number;
            require(number < weights.size() && weights[number].shape == tensor.shape, "{}: the evaluator has no tensor '{}' of that shape", caller,
                    printable(tensor.name));
            for (std::size_t a = 0; a < tensor.shape.size(); ++a)
                (a < region.axis ? outer : inner) *= a == region.axis ? 1 : tensor.shape[a];
            const std::size_t run = region.count * inner, stride = tensor.shape[region.axis] * inner;
            for (std::size_t o = 0; o < outer; ++o)
                result.slices.push_back({.tensor = number, .first = o * stride + region.first * inner, .count = run});
        }
    return result;
}

}  // namespace weightscope
