#pragma once
// What the flips of a block's numbers are multiplied by: the other numbers that its weights are products of.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/ggml_bits.hpp>
#include <weightscope/core/ggml_type.hpp>
#include <weightscope/io/block_anatomy.hpp>
#include <weightscope/io/dtype.hpp>

namespace weightscope::detail {

// The steps of one part of a block.
struct block_step
{
    double most = 0;  // largest magnitude
    bool any_zero = false;
};

// The largest and the least magnitude, as codes, of parts of floats that lie side by side. Integers, so that it vectorises.
struct block_step_kernel
{
    [[gnu::always_inline]] void operator()(const float* steps, std::size_t parts, std::size_t weights, std::int32_t* most, std::int32_t* least) const
    {
        for (std::size_t p = 0; p < parts; ++p) {
            std::int32_t high = 0, low = 0x7fffffff;
            for (std::size_t e = p * weights; e < (p + 1) * weights; ++e) {
                const std::int32_t magnitude = std::bit_cast<std::int32_t>(steps[e]) & 0x7fffffff;
                high = magnitude > high ? magnitude : high;
                low = magnitude < low ? magnitude : low;
            }
            most[p] = high;
            least[p] = low;
        }
    }
};

// The numbers of a block that are no codes: of each field as codes, and what they stand for in each part of the block.
struct block_scales
{
    using of_parts = std::array<double, block_anatomy::most_parts>;

    std::array<std::array<std::uint32_t, block_anatomy::most_parts>, 5> codes;
    of_parts scale, sub_scale, least, sub_least;
};

// What a flip of one number is multiplied by in the weight that it changes most, and whether it is multiplied by 0 somewhere.
struct block_reach
{
    double most = 0;
    std::size_t part = 0;
    bool any_zero = false;
};

// A type of ggml, with tables of what its numbers stand for.
class block_reader
{
public:
    static constexpr std::size_t batch = block_anatomy::most_blocks;

    explicit block_reader(const ggml_type& type) : anatomy_(type)
    {
        const auto& fields = anatomy_.fields();
        for (std::size_t f = 0; f < fields.size(); ++f) {
            const bit_layout& layout = fields[f].layout;
            auto& table = tables_.emplace_back();
            if (layout.bits <= 8)
                for (std::uint64_t code = 0; code <= bit_mask(layout.bits); ++code)
                    table.push_back(value_of_code(layout, code));
            kind_of(fields[f].name) = f;
        }
        find_units();
        for (const ggml_bit_field& field : fields)
            each_.push_back(anatomy_.parts() / std::max<std::size_t>(field.count, 1));
    }

    const block_anatomy& anatomy() const { return anatomy_; }
    // The lowest bits of a field whose flips change it by a unit times a power of two. Of the codes all or none, and then the unit is the
    // same for all of them.
    unsigned unit_bits(std::size_t field) const { return unit_bits_[field]; }
    double unit_of(std::size_t field, std::uint32_t code) const
    {
        if (field == 0 || anatomy_.fields()[field].layout.bits < 16)
            return field == 0 ? code_unit_ : 1;
        const std::uint64_t exponent = code >> 10 & 31, least = exponent == 0 ? 1 : exponent;  // of a half float
        return std::bit_cast<double>((least + 1023 - 25) << 52);
    }
    // What the codes of a field stand for; null for floats of 32 bits.
    const double* values(std::size_t field) const
    {
        const unsigned bits = anatomy_.fields()[field].layout.bits;
        return bits <= 8 ? tables_[field].data() : bits == 16 ? half_values().data() : nullptr;
    }

    // The steps of the parts of some blocks, at most `batch` of them.
    void find_steps(const std::uint8_t* blocks, std::size_t count, std::vector<block_step>& steps) const
    {
        std::array<float, batch * block_anatomy::most_weights> floats;
        std::array<std::int32_t, batch * block_anatomy::most_parts> most, least;
        anatomy_.steps_of(blocks, count, floats);
        const std::size_t parts = count * anatomy_.parts();
        dispatch(block_step_kernel{}, floats.data(), parts, anatomy_.part_weights(), most.data(), least.data());
        steps.resize(parts);
        for (std::size_t p = 0; p < parts; ++p)
            steps[p] = {static_cast<double>(std::bit_cast<float>(most[p])), least[p] == 0};
    }

    block_scales scales_of(const std::uint8_t* block) const
    {
        block_scales result;
        for (std::size_t f = 1; f < anatomy_.fields().size(); ++f)
            for (std::size_t i = 0; i < anatomy_.fields()[f].count; ++i)
                result.codes[f][i] = static_cast<std::uint32_t>(anatomy_.code_of(block, f, i));
        read(scale_, 1, result, result.scale);
        read(sub_scale_, 1, result, result.sub_scale);
        read(least_, 0, result, result.least);
        read(sub_least_, 1, result, result.sub_least);
        return result;
    }

    // Whether all weights are; those of a block whose numbers are far from the largest float need not be made for that.
    bool all_finite(const std::uint8_t* block, const block_scales& scales, std::span<const block_step> steps) const
    {
        bool small = true;
        for (std::size_t p = 0; p < steps.size(); ++p)
            small = small && std::fabs(scales.scale[p] * scales.sub_scale[p]) * steps[p].most + std::fabs(scales.least[p] * scales.sub_least[p]) < 1e38;
        if (small)
            return true;
        std::array<float, block_anatomy::most_weights> values;
        anatomy_.decode(block, values);
        return std::all_of(values.begin(), values.begin() + anatomy_.type().block_weights, [](float w) { return std::isfinite(w); });
    }

    // Of number `i` of a field that is no code.
    block_reach reach_of(const block_scales& s, std::span<const block_step> steps, std::size_t field, std::size_t i) const
    {
        const std::size_t each = each_[field], from = i * each;
        if (field == sub_scale_)
            return {std::fabs(s.scale[from]) * steps[from].most, from, false};
        if (field == sub_least_)
            return {std::fabs(s.least[from]), from, false};
        block_reach result{.most = -1};
        for (std::size_t p = from; p < from + each; ++p) {
            const double most = field == scale_ ? std::fabs(s.sub_scale[p]) * steps[p].most : s.sub_least[p];
            result.any_zero = result.any_zero || most == 0 || (field == scale_ && steps[p].any_zero);
            if (most > result.most) {
                result.most = most;
                result.part = p;
            }
        }
        return result;
    }

    // The first weight in the block that a flip of a number changes most.
    std::size_t most_changed(const std::uint8_t* block, std::size_t field, std::size_t number) const
    {
        const std::size_t weights = anatomy_.part_weights();
        if (field == 0)
            return unit_bits_[0] > 0 ? number * weights : number;
        std::vector<block_step> steps;
        find_steps(block, 1, steps);
        const std::size_t part = reach_of(scales_of(block), steps, field, number).part;
        if (field != scale_ && field != sub_scale_)
            return part * weights;
        std::array<float, block_anatomy::most_weights> values;
        anatomy_.steps_of(block, 1, values);
        std::size_t most = part * weights;
        for (std::size_t e = most; e < (part + 1) * weights; ++e)
            most = std::fabs(values[e]) > std::fabs(values[most]) ? e : most;
        return most;
    }

private:
    void find_units()
    {
        const auto& fields = anatomy_.fields();
        for (const ggml_bit_field& field : fields) {
            const bool whole = field.layout.kind == code_kind::two_complement || field.layout.kind == code_kind::offset_binary;
            unit_bits_.push_back(whole ? field.layout.bits : field.layout.bits == 16 ? 10 : 0);
        }
        if (fields[0].layout.bits == 1) {  // of a table
            unit_bits_[0] = 1;
            code_unit_ = std::fabs(tables_[0][1] - tables_[0][0]);
        }
    }

    std::size_t& kind_of(std::string_view name)
    {
        return name == "scale" ? scale_ : name == "sub_scale" ? sub_scale_ : name == "min" ? least_ : name == "sub_min" ? sub_least_ : code_;
    }

    static const std::vector<double>& half_values()
    {
        static const std::vector<double> values = [] {
            std::vector<double> table(65536);
            for (std::uint64_t code = 0; code < table.size(); ++code)
                table[code] = value_of_code(ggml_half_bits, code);
            return table;
        }();
        return values;
    }

    void read(std::size_t field, double otherwise, const block_scales& scales, block_scales::of_parts& into) const
    {
        if (field == none) {
            std::fill_n(into.begin(), anatomy_.parts(), otherwise);
            return;
        }
        const double* table = values(field);
        const std::size_t each = each_[field], parts = anatomy_.parts();
        for (std::size_t begin = 0, i = 0; begin < parts; begin += each, ++i) {
            const std::uint32_t code = scales.codes[field][i];
            const double value = table != nullptr ? table[code] : static_cast<double>(std::bit_cast<float>(code));
            for (std::size_t p = begin; p < begin + each; ++p)
                into[p] = value;
        }
    }

    static constexpr std::size_t none = static_cast<std::size_t>(-1);

    block_anatomy anatomy_;
    std::vector<std::vector<double>> tables_;
    std::vector<unsigned> unit_bits_;
    std::vector<std::size_t> each_;  // parts that a number of a field is for
    double code_unit_ = 1;
    std::size_t code_ = none, scale_ = none, sub_scale_ = none, least_ = none, sub_least_ = none;  // fields
};

}  // namespace weightscope::detail
