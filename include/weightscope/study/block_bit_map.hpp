#pragma once
// The bits of GGUF blocks: those of each weight's code, and those of the scales and minima that the weights of a block share.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/analyzers/bit_map_codes.hpp>
#include <weightscope/analyzers/bit_map_result.hpp>
#include <weightscope/analyzers/bit_map_sums.hpp>
#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/ggml_bits.hpp>
#include <weightscope/core/ggml_type.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/io/bit_location.hpp>
#include <weightscope/io/block_anatomy.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/study/block_flip_sums.hpp>
#include <weightscope/study/block_steps.hpp>
#include <weightscope/study/block_table_map.hpp>

namespace weightscope::detail {

// The sums of all bit positions, of some of the blocks.
class block_bit_sums
{
public:
    block_bit_sums(const block_reader& reader, const bit_limits& limits) : reader_(&reader), limits_(limits)
    {
        const auto& fields = reader.anatomy().fields();
        lanes_.resize(fields.size());
        units_.resize(fields.size());
        numbers_.resize(fields.size());
        largest_.resize(fields.size());
        largest_unit_.resize(fields.size());
        for (std::size_t f = 0; f < fields.size(); ++f) {
            lanes_[f].counts.resize((fields[f].layout.bits - reader.unit_bits(f)) * block_flip_lanes::binades);
            numbers_[f].values = reader.values(f);
            numbers_[f].reserve(block_reader::batch * numbers_of(f));
        }
    }

    // The blocks from number `first` on.
    void add(const std::uint8_t* bytes, std::size_t first, std::size_t count)
    {
        const block_anatomy& anatomy = reader_->anatomy();
        for (std::size_t done = 0; done < count; done += block_reader::batch) {
            const std::size_t size = std::min(count - done, block_reader::batch);
            reader_->find_steps(bytes + (first + done) * anatomy.type().block_bytes, size, steps_);
            blocks_.clear();
            for (block_numbers& numbers : numbers_)
                numbers.size = 0;
            for (std::size_t i = 0; i < size; ++i)
                add_block(bytes + (first + done + i) * anatomy.type().block_bytes, first + done + i, i);
            for (std::size_t f = 0; f < numbers_.size(); ++f)
                add_numbers(f);
        }
    }

    // By field and bit.
    std::vector<std::vector<bit_position_sums>> finished(const std::uint8_t* bytes) const
    {
        const block_anatomy& anatomy = reader_->anatomy();
        std::vector<std::vector<bit_position_sums>> result(lanes_.size());
        for (std::size_t f = 0; f < lanes_.size(); ++f) {
            const std::size_t unit_bits = reader_->unit_bits(f), weights = f == 0 && unit_bits > 0 ? anatomy.part_weights() : 1;
            for (std::size_t bit = 0; bit < anatomy.fields()[f].layout.bits; ++bit) {
                const place& most = bit < unit_bits ? largest_unit_[f] : largest_[f][bit - unit_bits];
                const std::size_t weight = reader_->most_changed(bytes + most.block * anatomy.type().block_bytes, f, most.number);
                const std::size_t index = most.block * anatomy.type().block_weights + weight;
                result[f].push_back(bit < unit_bits ? units_[f].position(bit, weights, index, limits_)
                                                    : block_position_sums(lanes_[f], bit - unit_bits, index, limits_));
            }
        }
        return result;
    }

private:
    struct place
    {
        std::size_t block = 0, number = 0;  // of the field in the block
    };

    // How many numbers of a block are looked at: where a flip changes all codes of a part by the same, one for each part.
    std::size_t numbers_of(std::size_t field) const
    {
        const block_anatomy& anatomy = reader_->anatomy();
        return field > 0                       ? anatomy.fields()[field].count
               : reader_->unit_bits(0) > 0     ? anatomy.parts()
                                               : anatomy.type().block_weights;
    }

    void add_block(const std::uint8_t* block, std::size_t number, std::size_t in_batch)
    {
        const block_anatomy& anatomy = reader_->anatomy();
        const block_scales scales = reader_->scales_of(block);
        const std::span<const block_step> steps = std::span(steps_).subspan(in_batch * anatomy.parts(), anatomy.parts());
        if (!reader_->all_finite(block, scales, steps))
            return;
        blocks_.push_back(number);
        for (std::size_t f = 1; f < numbers_.size(); ++f)
            for (std::size_t i = 0; i < anatomy.fields()[f].count; ++i) {
                const block_reach reach = reader_->reach_of(scales, steps, f, i);
                numbers_[f].add(scales.codes[f][i], reader_->unit_of(f, scales.codes[f][i]), reach.most, reach.any_zero);
            }
        const bool by_part = reader_->unit_bits(0) > 0;
        const std::size_t parts = anatomy.parts(), in_part = by_part ? 1 : anatomy.part_weights();
        for (std::size_t part = 0; part < parts; ++part) {
            const double factor = std::fabs(scales.scale[part] * scales.sub_scale[part]);
            for (std::size_t i = part * in_part; i < (part + 1) * in_part; ++i) {
                const std::uint32_t code = by_part ? 0 : anatomy.weight_code(block, i);
                numbers_[0].add(code, reader_->unit_of(0, code), factor, false);
            }
        }
    }

    void add_numbers(std::size_t f)
    {
        const unsigned bits = reader_->anatomy().fields()[f].layout.bits, unit_bits = reader_->unit_bits(f);
        const auto place_of = [&](std::size_t at) { return place{blocks_[at / numbers_of(f)], at % numbers_of(f)}; };
        if (unit_bits > 0) {
            units_[f].add(std::span(numbers_[f].units).first(numbers_[f].size), unit_bits, limits_);
            if (units_[f].place >= 0)
                largest_unit_[f] = place_of(static_cast<std::size_t>(units_[f].place));
        }
        if (unit_bits == bits)
            return;
        add_block_numbers(unit_bits, bits, numbers_[f], limits_, lanes_[f]);
        for (std::size_t bit = 0; bit < bits - unit_bits; ++bit)
            if (lanes_[f].place[bit] >= 0)
                largest_[f][bit] = place_of(static_cast<std::size_t>(lanes_[f].place[bit]));
    }

    const block_reader* reader_;
    bit_limits limits_;
    std::vector<block_flip_lanes> lanes_;
    std::vector<block_unit_sums> units_;
    std::vector<place> largest_unit_;
    std::vector<block_numbers> numbers_;
    std::vector<std::array<place, block_flip_lanes::most_bits>> largest_;
    std::vector<block_step> steps_;
    std::vector<std::size_t> blocks_;  // of the batch, that are finite
};

// The figures of the weights.
inline bit_weight_sums block_weight_sums(const block_anatomy& anatomy, const std::uint8_t* bytes, std::size_t begin, std::size_t end)
{
    const std::size_t weights = anatomy.type().block_weights, batch = bit_weight_sums::most_floats / weights;
    bit_weight_sums sums;
    std::array<float, bit_weight_sums::most_floats> values;
    for (std::size_t b = begin; b < end; b += batch) {
        const std::size_t count = std::min(end - b, batch);
        anatomy.decode_all(bytes + b * anatomy.type().block_bytes, count, values);
        sums.add_floats(std::span(values).first(count * weights));
    }
    return sums;
}

// The map without what is told of the tensor: names of parts, and the values of the largest changes.
inline bit_map_result map_bits_block_by_block(const block_reader& reader, const std::uint8_t* bytes, std::size_t blocks, const bit_map_options& options)
{
    constexpr std::size_t most_chunks = 64, least_blocks = 1024;
    const block_anatomy& anatomy = reader.anatomy();
    const std::size_t chunk = std::max(least_blocks, (blocks + most_chunks - 1) / most_chunks);  // by the size alone: sums have one order
    bit_weight_sums weights;
    const auto sums_of = [&](std::size_t begin, std::size_t end) { return block_weight_sums(anatomy, bytes, begin, end); };
    for (const bit_weight_sums& part : map_chunks(blocks, chunk, sums_of))
        weights.add(part);
    bit_map_result result = weights.begun();
    const bit_limits limits = bit_limits_of(result, options);
    std::vector<std::vector<bit_position_sums>> total;
    for (const auto& part : map_chunks(blocks, chunk, [&](std::size_t begin, std::size_t end) {
             block_bit_sums sums(reader, limits);
             sums.add(bytes, begin, end - begin);
             return sums.finished(bytes);
         })) {
        if (total.empty()) {
            total = part;
            continue;
        }
        for (std::size_t f = 0; f < total.size(); ++f)
            for (std::size_t bit = 0; bit < total[f].size(); ++bit)
                total[f][bit].add(part[f][bit]);
    }
    for (std::size_t f = 0; f < total.size(); ++f)
        for (unsigned bit = 0; bit < total[f].size(); ++bit)
            result.positions.push_back(total[f][bit].finished(class_of_bit(anatomy.fields()[f].layout, bit), bit));
    return result;
}

// The map of a tensor in blocks of ggml. Changes are those of the numbers before the decoder rounds to float.
inline bit_map_result map_bits_of_blocks(const named_tensor& tensor, const ggml_type& type, const bit_map_options& options)
{
    const block_reader reader(type);
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(tensor.bytes.data());
    const std::size_t blocks = tensor.bytes.size() / type.block_bytes;
    std::optional<bit_map_result> by_table = map_bits_by_table(reader, bytes, blocks, options);
    bit_map_result result = by_table ? *std::move(by_table) : map_bits_block_by_block(reader, bytes, blocks, options);
    std::size_t field = 0;
    for (bit_position& position : result.positions) {
        field += position.bit == 0 && &position != &result.positions.front() ? 1 : 0;
        const ggml_bit_field& f = reader.anatomy().fields()[field];
        position.part = std::string(f.name);
        position.weights_per_flip = field == 0 ? 1 : type.block_weights / f.count;
        if (!position.max_change.exists())
            continue;
        position.max_old = value_with_bits_flipped(tensor, position.max_index, 0, position.part);
        position.max_new = value_with_bits_flipped(tensor, position.max_index, std::uint64_t{1} << position.bit, position.part);
    }
    return result;
}

}  // namespace weightscope::detail
