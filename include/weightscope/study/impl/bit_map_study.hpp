#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/analyzers/bit_map.hpp>
#include <weightscope/analyzers/bit_map_codes.hpp>
#include <weightscope/analyzers/bit_map_result.hpp>
#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/bit_set.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/work_list.hpp>
#include <weightscope/io/bit_location.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/name_filter.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/report/bit_map_study_result.hpp>
#include <weightscope/report/current_environment.hpp>
#include <weightscope/study/bit_map_study.hpp>
#include <weightscope/study/block_bit_map.hpp>
#include <weightscope/study/described_model.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE bit_map_result map_bits(const named_tensor& tensor, const bit_map_options& options)
{
    require(options.rms_factor > 0, "map_bits(tensor, options): rms_factor is {}, expected above 0", options.rms_factor);
    const std::vector<bit_part> parts = bit_parts(tensor);
    require(!parts.empty(), "map_bits(tensor '{}'): elements stored as {} have no bits of their own that are known here",
            printable(tensor.name), tensor.storage());
    return detail::read_verified(tensor.file.get(), [&] {
        if (const ggml_type* type = detail::ggml_bit_type(tensor))
            return detail::map_bits_of_blocks(tensor, *type, options);
        const bit_layout& layout = parts.front().layout;
        const std::size_t alignment = layout.bits % 8 == 0 ? layout.bits / 8 : 1;
        const std::byte* data = tensor.bytes.data();
        std::vector<std::byte> copy;
        if (reinterpret_cast<std::uintptr_t>(data) % alignment != 0) {
            copy.assign(tensor.bytes.begin(), tensor.bytes.end());
            data = copy.data();
        }
        return detail::map_bits({.data = data, .size = tensor.size(), .layout = layout}, options);
    });
}

namespace detail {

inline std::string why_no_bits(const named_tensor& tensor, const model& m)
{
    const auto is_part = [&](const named_tensor& other) { return other.part_of == tensor.name; };
    return std::any_of(m.tensors.begin(), m.tensors.end(), is_part)
               ? fmt::format("stored as {}: the bits are those of its codes and scales, which are listed by themselves", tensor.storage())
               : fmt::format("stored as {}: no bits of its own that are known here", tensor.storage());
}

// Leaves only the positions whose bits are wanted.
inline void keep_bits(bit_map_result& map, const named_tensor& tensor, const bit_set& wanted)
{
    for (const bit_part& part : bit_parts(tensor)) {
        const std::vector<unsigned> bits = bits_in(wanted, part.layout);
        std::erase_if(map.positions,
                      [&](const bit_position& p) { return p.part == part.name && !std::binary_search(bits.begin(), bits.end(), p.bit); });
    }
}

}  // namespace detail

WEIGHTSCOPE_INLINE bit_map_study_result map_bits(const model& m, const bit_map_study_options& options, const progress_callback& progress)
{
    require(options.rms_factor > 0, "map_bits(model, options): rms_factor is {}, expected above 0", options.rms_factor);
    const auto start = std::chrono::steady_clock::now();
    const name_filter filter({.include = options.include, .exclude = options.exclude, .restrict_to = options.restrict_to});
    const bit_set wanted = parse_bit_set(options.bitset);
    bit_map_study_result study{.settings = options};
    study.settings.bitset = wanted.name;
    study.model = detail::describe(m);
    detail::work_list work;
    std::vector<const named_tensor*> tensors;  // of the entries
    std::unordered_set<std::string_view> listed;
    for (const named_tensor& tensor : m.tensors) {
        if (!filter.takes(tensor.name))
            continue;
        tensor_bit_map& entry = study.tensors.emplace_back();
        tensors.push_back(&tensor);
        entry.name = tensor.name;
        entry.shape = tensor.shape;
        entry.dtype = tensor.storage();
        entry.parameters = tensor.size();
        entry.bytes = tensor.stored_bytes();
        entry.tied_to = listed.contains(tensor.tied_to) ? tensor.tied_to : "";
        listed.insert(tensor.name);
        entry.part_of = tensor.part_of;
        if (bit_parts(tensor).empty())
            entry.skipped = detail::why_no_bits(tensor, m);
        if (entry.skipped.empty() && entry.tied_to.empty())
            work.add(study.tensors.size() - 1, entry.name, {.cost = static_cast<double>(entry.bytes) + 1000});
    }
    with_threads(options.threads, [&] {
        study.environment = current_environment();
        work.run(progress, [&](std::size_t i) {
            study.tensors[i].map = map_bits(*tensors[i], {.rms_factor = options.rms_factor});
            detail::keep_bits(study.tensors[i].map, *tensors[i], wanted);
        });
    });
    study.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return study;
}

}  // namespace weightscope
