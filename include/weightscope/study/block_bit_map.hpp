#pragma once
// The bits of GGUF blocks: those of each weight's code, and those of the scales and minima that the weights of a block share.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/analyzers/bit_map_codes.hpp>
#include <weightscope/analyzers/bit_map_result.hpp>
#include <weightscope/analyzers/bit_map_sums.hpp>
#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/ggml_bits.hpp>
#include <weightscope/core/ggml_type.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/io/bit_location.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/study/block_anatomy.hpp>

namespace weightscope::detail {

// The sums of all bit positions, of some of the blocks.
class block_bit_sums
{
public:
    block_bit_sums(const block_anatomy& anatomy, const bit_limits& limits) : anatomy_(&anatomy)
    {
        for (const ggml_bit_field& field : anatomy.fields())
            sums_.emplace_back(field.layout.bits, bit_position_sums(limits, bit_binades(-220, 180)));
    }

    // The block whose first weight is `first`.
    void add(const std::uint8_t* block, std::size_t first)
    {
        std::array<float, block_anatomy::most_weights> values;
        anatomy_->decode(block, values);
        const std::size_t weights = anatomy_->type().block_weights;
        if (!std::all_of(values.begin(), values.begin() + weights, [](float w) { return std::isfinite(w); }))
            return;
        read_numbers(block);
        find_largest_steps(block);
        for (std::size_t f = 1; f < anatomy_->fields().size(); ++f)
            add_scale(block, f, first);
        add_codes(block, first);
    }

    void add(const block_bit_sums& other)
    {
        for (std::size_t f = 0; f < sums_.size(); ++f)
            for (std::size_t bit = 0; bit < sums_[f].size(); ++bit)
                sums_[f][bit].add(other.sums_[f][bit]);
    }

    std::vector<bit_position> finished() const
    {
        std::vector<bit_position> positions;
        for (std::size_t f = 0; f < sums_.size(); ++f) {
            const ggml_bit_field& field = anatomy_->fields()[f];
            for (unsigned bit = 0; bit < sums_[f].size(); ++bit) {
                bit_position& position = positions.emplace_back(sums_[f][bit].finished(class_of_bit(field.layout, bit), bit));
                position.part = std::string(field.name);
                position.weights_per_flip = f == 0 ? 1 : anatomy_->type().block_weights / field.count;
            }
        }
        return positions;
    }

private:
    // The numbers of each part of the block.
    void read_numbers(const std::uint8_t* block)
    {
        const auto read = [&](std::string_view name, std::array<double, block_anatomy::most_parts>& values, double otherwise) {
            const auto& fields = anatomy_->fields();
            const auto f = std::find_if(fields.begin(), fields.end(), [&](const ggml_bit_field& field) { return field.name == name; });
            values.fill(otherwise);
            for (std::size_t p = 0; p < anatomy_->parts() && f != fields.end(); ++p)
                values[p] = p == 0 || f->count > 1
                                ? value_of_code(f->layout, anatomy_->code_of(block, static_cast<std::size_t>(f - fields.begin()), p))
                                : values[0];
        };
        read("scale", scale_, 1);
        read("sub_scale", sub_scale_, 1);
        read("min", least_, 0);
        read("sub_min", sub_least_, 1);
    }

    void find_largest_steps(const std::uint8_t* block)
    {
        anatomy_->steps_of(block, std::nullopt, steps_);
        const std::size_t count = anatomy_->part_weights();
        for (std::size_t p = 0; p < anatomy_->parts(); ++p) {
            step_[p] = 0;
            place_[p] = p * count;
            any_zero_[p] = false;
            for (std::size_t e = p * count; e < (p + 1) * count; ++e) {
                const double magnitude = std::fabs(static_cast<double>(steps_[e]));
                any_zero_[p] = any_zero_[p] || magnitude == 0;
                if (magnitude > step_[p]) {
                    step_[p] = magnitude;
                    place_[p] = e;
                }
            }
        }
    }

    // Flips of a number that is multiplied by `factor`s, of which those of the parts [from, to) count; a factor of 0 makes NaN of infinity.
    struct reached
    {
        double most = 0;
        std::size_t place = 0;
        bool any_zero = false;
    };
    template <class Factor>
    static reached reach(std::size_t from, std::size_t to, const Factor& factor)
    {
        reached result;
        for (std::size_t p = from; p < to; ++p) {
            const auto [most, place, any_zero] = factor(p);
            if (most > result.most || p == from)
                result = {most, place, result.any_zero};
            result.any_zero = result.any_zero || any_zero || most == 0;
        }
        return result;
    }

    void add_scale(const std::uint8_t* block, std::size_t f, std::size_t first)
    {
        const ggml_bit_field& field = anatomy_->fields()[f];
        const std::size_t parts = anatomy_->parts(), parts_each = parts / field.count;
        for (std::size_t i = 0; i < field.count; ++i) {
            const std::size_t from = i * parts_each, to = from + parts_each;
            const std::size_t first_of = from * anatomy_->part_weights();
            reached r;
            if (field.name == "scale")
                r = reach(from, to, [&](std::size_t p) { return reached{std::fabs(sub_scale_[p]) * step_[p], place_[p], any_zero_[p] || sub_scale_[p] == 0}; });
            else if (field.name == "sub_scale")
                r = {std::fabs(scale_[from]) * step_[from], place_[from], false};
            else if (field.name == "min")
                r = reach(from, to, [&](std::size_t p) { return reached{sub_least_[p], p * anatomy_->part_weights(), false}; });
            else
                r = {std::fabs(least_[from]), first_of, false};
            const std::uint64_t code = anatomy_->code_of(block, f, i);
            const double old_value = value_of_code(field.layout, code);
            for (unsigned bit = 0; bit < field.layout.bits; ++bit)
                add_flip(sums_[f][bit], value_of_code(field.layout, code ^ std::uint64_t{1} << bit), old_value, r, first);
        }
    }

    static void add_flip(bit_position_sums& sums, double new_value, double old_value, const reached& r, std::size_t first)
    {
        const double change = std::fabs(new_value - old_value) * r.most;
        const bool beyond = std::isinf(static_cast<float>(std::fabs(new_value) * r.most));
        const flip_outcome outcome = std::isnan(new_value) || (std::isinf(new_value) && r.any_zero) ? flip_outcome::nan
                                     : std::isinf(new_value) || beyond                               ? flip_outcome::infinite
                                     : change == 0                                                   ? flip_outcome::unchanged
                                                                                                     : flip_outcome::finite;
        sums.add_outcome(outcome, 1);
        if (outcome == flip_outcome::finite)
            sums.add_change(0, change, 1, first + r.place);
    }

    void add_codes(const std::uint8_t* block, std::size_t first)
    {
        const bit_layout& layout = anatomy_->fields()[0].layout;
        const bool whole = layout.kind == code_kind::two_complement || layout.kind == code_kind::offset_binary;
        const std::size_t count = anatomy_->part_weights();
        std::array<float, block_anatomy::most_weights> flipped;
        for (unsigned bit = 0; bit < layout.bits; ++bit) {
            bit_position_sums& sums = sums_[0][bit];
            if (!whole)
                anatomy_->steps_of(block, bit, flipped);
            for (std::size_t p = 0; p < anatomy_->parts(); ++p) {
                const double scale = std::fabs(scale_[p] * sub_scale_[p]);
                const std::size_t begin = p * count;
                if (whole) {
                    add_steps(sums, scale * std::ldexp(1.0, static_cast<int>(bit)), count, first + begin);
                    continue;
                }
                for (std::size_t e = begin; e < begin + count; ++e)
                    add_steps(sums, scale * std::fabs(static_cast<double>(flipped[e]) - static_cast<double>(steps_[e])), 1, first + e);
            }
        }
    }

    static void add_steps(bit_position_sums& sums, double change, std::uint64_t count, std::size_t index)
    {
        sums.add_outcome(change == 0 ? flip_outcome::unchanged : flip_outcome::finite, count);
        if (change != 0)
            sums.add_change(0, change, count, index);
    }

    const block_anatomy* anatomy_;
    std::vector<std::vector<bit_position_sums>> sums_;  // [field][bit]
    std::array<double, block_anatomy::most_parts> scale_{}, sub_scale_{}, least_{}, sub_least_{};
    std::array<double, block_anatomy::most_parts> step_{};         // largest step of each part
    std::array<std::size_t, block_anatomy::most_parts> place_{};   // of the weight that has it, in the block
    std::array<bool, block_anatomy::most_parts> any_zero_{};       // a step of it is 0
    std::array<float, block_anatomy::most_weights> steps_{};
};

// The map of a tensor in blocks of ggml. Changes are those of the numbers before the decoder rounds to float.
inline bit_map_result map_bits_of_blocks(const named_tensor& tensor, const ggml_type& type, const bit_map_options& options)
{
    constexpr std::size_t most_chunks = 64, least_blocks = 1024;
    const block_anatomy anatomy(type);
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(tensor.bytes.data());
    const std::size_t blocks = tensor.bytes.size() / type.block_bytes;
    const std::size_t chunk = std::max(least_blocks, (blocks + most_chunks - 1) / most_chunks);  // by the size alone: sums have one order
    bit_weight_sums weights;
    for (const bit_weight_sums& part : map_chunks(blocks, chunk, [&](std::size_t begin, std::size_t end) {
             bit_weight_sums sums;
             std::array<float, block_anatomy::most_weights> values;
             for (std::size_t b = begin; b < end; ++b) {
                 anatomy.decode(bytes + b * type.block_bytes, values);
                 for (std::size_t e = 0; e < type.block_weights; ++e)
                     sums.add(static_cast<double>(values[e]), 1);
             }
             return sums;
         }))
        weights.add(part);
    bit_map_result result = weights.begun();
    std::optional<block_bit_sums> total(std::in_place, anatomy, bit_limits_of(result, options));
    for (const auto& part : map_chunks(blocks, chunk, [&](std::size_t begin, std::size_t end) {
             std::optional<block_bit_sums> sums(std::in_place, anatomy, bit_limits_of(result, options));
             for (std::size_t b = begin; b < end; ++b)
                 sums->add(bytes + b * type.block_bytes, b * type.block_weights);
             return sums;
         }))
        total->add(*part);
    result.positions = total->finished();
    for (bit_position& position : result.positions) {
        if (!position.max_change.exists())
            continue;
        position.max_old = value_with_bits_flipped(tensor, position.max_index, 0, position.part);
        position.max_new = value_with_bits_flipped(tensor, position.max_index, std::uint64_t{1} << position.bit, position.part);
    }
    return result;
}

}  // namespace weightscope::detail
