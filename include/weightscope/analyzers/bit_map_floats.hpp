#pragma once
// The flips of float in one streaming pass: what a bit does depends on the exponent, and on the mantissa in a straight line.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <weightscope/analyzers/bit_map_codes.hpp>
#include <weightscope/analyzers/bit_map_result.hpp>
#include <weightscope/analyzers/bit_map_sums.hpp>
#include <weightscope/analyzers/float_classes.hpp>
#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/reduce.hpp>

namespace weightscope::detail {

// Floats whose magnitudes, as codes, are from `least` to `most`.
struct float_range
{
    std::uint32_t least = 0, most = 0;
    unsigned bit = 0;
    bool of_max = false;  // they change by more than max|w|, else by more than the other limit
};

struct count_range_kernel
{
    [[gnu::always_inline]] std::uint32_t operator()(const std::uint32_t* codes, std::size_t count, std::uint32_t least, std::uint32_t width) const
    {
        std::uint32_t inside = 0;
        for (std::size_t i = 0; i < count; ++i)
            inside += (codes[i] & float_magnitude_mask) - least <= width ? 1u : 0u;
        return inside;
    }
};

inline std::vector<std::uint64_t> count_float_ranges(std::span<const std::uint32_t> codes, const std::vector<float_range>& ranges)
{
    std::vector<std::uint64_t> counts(ranges.size());
    if (ranges.empty())
        return counts;
    for (const auto& part : map_chunks(codes.size(), chunk_elements, [&](std::size_t begin, std::size_t end) {
             std::vector<std::uint64_t> inside(ranges.size());
             for (std::size_t block = begin; block < end; block += block_elements)
                 for (std::size_t r = 0; r < ranges.size(); ++r)
                     inside[r] += dispatch(count_range_kernel{}, codes.data() + block, std::min(end - block, block_elements), ranges[r].least,
                                           ranges[r].most - ranges[r].least);
             return inside;
         }))
        for (std::size_t r = 0; r < counts.size(); ++r)
            counts[r] += part[r];
    return counts;
}

inline double float_of_code(std::uint32_t code)
{
    return static_cast<double>(std::bit_cast<float>(code));
}

// One class and one bit: |change| = constant + slope · mantissa, which rises with the mantissa.
class float_class_flip
{
public:
    float_class_flip(std::size_t place, const float_class& c, unsigned bit) : class_(c), flipped_(1u << bit)
    {
        const bool subnormal = place > float_subnormal_classes;
        const std::size_t part = place % float_classes_per_exponent, leading = place - float_subnormal_classes;
        field_ = subnormal ? 0 : static_cast<std::uint32_t>(place / float_classes_per_exponent);
        least_ = subnormal ? 1u << (leading - 1) : part == 0 ? 0 : float_class_limits[part - 1];
        const std::uint32_t new_field = bit < 23 || bit == 31 ? field_ : field_ ^ 1u << (bit - 23);
        const double step = step_of(field_), new_step = step_of(new_field), one = one_of(field_), new_one = one_of(new_field);
        constant_ = bit < 23 ? std::ldexp(step, static_cast<int>(bit)) : bit == 31 ? 2 * one : std::fabs(new_one - one);
        constant_for_all_ = bit < 23 || (bit == 23 && field_ <= 1);  // field 0 has the step of field 1
        slope_ = bit < 23 ? 0 : bit == 31 ? 2 * step : std::fabs(new_step - step);
        outcome_ = new_field == 255 ? (least_ == 0 ? flip_outcome::infinite : flip_outcome::nan)
                   : bit == 31 && field_ == 0 && most() == 0 ? flip_outcome::unchanged
                                                             : flip_outcome::finite;
    }

    flip_outcome outcome() const { return outcome_; }
    // The first weight with the largest change.
    std::size_t index() const { return constant_for_all_ ? class_.first : class_.first_of_most; }
    double sum() const { return constant_ * count() + slope_ * static_cast<double>(class_.sum); }
    double squares() const
    {
        return constant_ * constant_ * count() + 2 * constant_ * slope_ * static_cast<double>(class_.sum) + slope_ * slope_ * class_.squares();
    }
    double change(std::uint32_t mantissa) const
    {
        return std::fabs(float_of_code(code(mantissa) ^ flipped_) - float_of_code(code(mantissa)));
    }
    double max_change() const { return change(most()); }

    // Floats of the class whose change is above a limit: none, all, or those in a range of codes.
    enum class share
    {
        none,
        all,
        some
    };
    share above(double limit, float_range& range) const
    {
        if (!(max_change() > limit))
            return share::none;
        if (change(least_) > limit)
            return share::all;
        std::uint32_t below = least_, beyond = most();
        while (beyond - below > 1) {
            const std::uint32_t middle = below + (beyond - below) / 2;
            (change(middle) > limit ? beyond : below) = middle;
        }
        range.least = code(beyond);
        range.most = code(most());
        return share::some;
    }

private:
    static double step_of(std::uint32_t field) { return std::ldexp(1.0, static_cast<int>(std::max(field, 1u)) - 150); }
    static double one_of(std::uint32_t field) { return field == 0 ? 0 : std::ldexp(1.0, static_cast<int>(field) - 127); }

    double count() const { return static_cast<double>(class_.count); }
    std::uint32_t most() const { return static_cast<std::uint32_t>(class_.most); }
    std::uint32_t code(std::uint32_t mantissa) const { return field_ << 23 | mantissa; }

    const float_class& class_;
    std::uint32_t flipped_, field_ = 0, least_ = 0;
    double constant_ = 0, slope_ = 0;
    flip_outcome outcome_ = flip_outcome::finite;
    bool constant_for_all_ = false;
};

inline bit_map_result begin_float_map(const std::vector<float_class>& classes)
{
    bit_map_result result;
    bit_binades binades;
    double squares = 0;
    std::uint64_t finite = 0;
    for (std::size_t place = 0; place < classes.size(); ++place) {
        const float_class& c = classes[place];
        result.size += static_cast<std::size_t>(c.count);
        const bool subnormal = place > float_subnormal_classes;
        const std::size_t field = subnormal ? 0 : place / float_classes_per_exponent;
        if (c.count == 0)
            continue;
        if (field == 255) {
            result.nonfinite_count += c.count;
            continue;
        }
        finite += c.count;
        if (place == 0) {
            result.zero_count += c.count;
            continue;
        }
        const double largest = float_of_code(static_cast<std::uint32_t>(field << 23) | static_cast<std::uint32_t>(c.most));
        result.max_magnitude = std::max(result.max_magnitude, largest);
        binades.add(largest, c.count);
        const double step = std::ldexp(1.0, static_cast<int>(std::max<std::size_t>(field, 1)) - 150), hidden = field == 0 ? 0 : 0x1p23;
        squares += step * step * (hidden * hidden * static_cast<double>(c.count) + 2 * hidden * static_cast<double>(c.sum) + c.squares());
    }
    result.rms = finite > 0 ? std::sqrt(squares / static_cast<double>(finite)) : 0;
    result.exponents = binades.list();
    return result;
}

// The map of floats that were added up by class, wherever they lie. count_ranges(ranges): how many of them are in each of some ranges;
// codes_at(indices): the codes of some of them.
template <class CountRanges, class CodesAt>
bit_map_result map_float_classes(const std::vector<float_class>& classes, const bit_map_options& options, const CountRanges& count_ranges,
                                 const CodesAt& codes_at)
{
    const bit_layout layout = bit_layout_of<float>();
    bit_map_result result = begin_float_map(classes);
    const bit_limits limits = bit_limits_of(result, options);
    std::vector<float_range> ranges;
    std::vector<bit_position_sums> sums(layout.bits, bit_position_sums(limits));
    for (unsigned bit = 0; bit < layout.bits; ++bit)
        for (std::size_t place = 0; place < classes.size(); ++place) {
            const float_class& c = classes[place];
            if (c.count == 0 || place / float_classes_per_exponent == 255)
                continue;
            const float_class_flip flip(place, c, bit);
            sums[bit].add_outcome(flip.outcome(), c.count);
            if (flip.outcome() != flip_outcome::finite)
                continue;
            sums[bit].add_sums(flip.sum(), flip.squares());
            sums[bit].add_binade(flip.max_change(), c.count);
            sums[bit].take_max(flip.max_change(), 0, 0, flip.index());
            for (const bool of_max : {true, false}) {
                float_range range{.bit = bit, .of_max = of_max};
                const auto share = flip.above(of_max ? limits.max_magnitude : limits.large, range);
                if (share == float_class_flip::share::some)
                    ranges.push_back(range);
                else if (share == float_class_flip::share::all)
                    sums[bit].add_above(of_max ? c.count : 0, of_max ? 0 : c.count);
            }
        }
    const std::vector<std::uint64_t> inside = count_ranges(ranges);
    for (std::size_t r = 0; r < ranges.size(); ++r)
        sums[ranges[r].bit].add_above(ranges[r].of_max ? inside[r] : 0, ranges[r].of_max ? 0 : inside[r]);
    std::vector<std::size_t> changed_most;
    for (unsigned bit = 0; bit < layout.bits; ++bit) {
        result.positions.push_back(sums[bit].finished(class_of_bit(layout, bit), bit));
        if (result.positions.back().max_change.exists())
            changed_most.push_back(result.positions.back().max_index);
    }
    const std::vector<std::uint32_t> codes = codes_at(changed_most);
    auto code = codes.begin();
    for (bit_position& position : result.positions)
        if (position.max_change.exists()) {
            position.max_old = float_of_code(*code);
            position.max_new = float_of_code(*code++ ^ 1u << position.bit);
        }
    return result;
}

inline bit_map_result map_bits_of_floats(std::span<const std::uint32_t> codes, const bit_map_options& options)
{
    const auto count_ranges = [&](const std::vector<float_range>& ranges) { return count_float_ranges(codes, ranges); };
    const auto codes_at = [&](const std::vector<std::size_t>& indices) {
        std::vector<std::uint32_t> result;
        for (const std::size_t i : indices)
            result.push_back(codes[i]);
        return result;
    };
    return map_float_classes(float_classes_of(codes), options, count_ranges, codes_at);
}

}  // namespace weightscope::detail
