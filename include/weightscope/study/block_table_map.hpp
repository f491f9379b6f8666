#pragma once
// The bits of blocks whose weights are one scale times whole steps, from how often each step occurs with each scale: the blocks are read
// once.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <weightscope/analyzers/bit_map_codes.hpp>
#include <weightscope/analyzers/bit_map_result.hpp>
#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/io/block_anatomy.hpp>
#include <weightscope/study/block_code_table.hpp>
#include <weightscope/study/block_steps.hpp>

namespace weightscope::detail {

// The map of such blocks; none where a flip might be beyond the largest float.
inline std::optional<bit_map_result> map_bits_by_table(const block_reader& reader, const std::uint8_t* bytes, std::size_t blocks, const bit_map_options& options)
{
    constexpr std::size_t least_blocks = 1024, most_weights = std::size_t{1} << 33;  // of a table, whose counters have 32 bits
    const block_anatomy& anatomy = reader.anatomy();
    const std::size_t weights = anatomy.type().block_weights;
    if (!block_code_table::fits(reader) || blocks > most_weights / weights)
        return std::nullopt;
    const std::size_t chunk = std::max(least_blocks, (blocks + 2 * concurrency() - 1) / (2 * concurrency()));  // whole numbers: any order will do
    block_code_table table(reader);
    for (const block_code_table& part : map_chunks(blocks, chunk, [&](std::size_t begin, std::size_t end) {
             block_code_table some(reader);
             some.add(bytes, begin, end - begin);
             return some;
         }))
        table.add(part);
    if (!table.small())
        return std::nullopt;
    bit_map_result result = table.weights().begun();
    const auto sums = table.flips(bit_limits_of(result, options));
    const bool alike = reader.unit_bits(0) > 0;  // flips of all codes of a part
    std::vector<double> changes;
    for (std::size_t f = 0; f < 2; ++f)
        for (unsigned bit = 0; bit < sums[f].size(); ++bit) {
            bit_position& position = result.positions.emplace_back(sums[f][bit].finished(class_of_bit(anatomy.fields()[f].layout, bit), bit));
            if (f == 0) {
                changes.push_back(position.max_change.exists() ? position.max_change.value : -1);
                continue;
            }
            const std::size_t block = position.max_index / weights, number = position.max_index % weights / anatomy.part_weights();
            if (position.max_change.exists())
                position.max_index = block * weights + reader.most_changed(bytes + block * anatomy.type().block_bytes, 1, number);
        }
    if (alike)
        return result;
    const std::vector<std::size_t> first = table.first_weights(bytes, blocks, changes);
    for (std::size_t bit = 0; bit < first.size(); ++bit)
        if (changes[bit] >= 0)
            result.positions[bit].max_index = first[bit];
    return result;
}

}  // namespace weightscope::detail
