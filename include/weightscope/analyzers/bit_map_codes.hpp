#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <weightscope/analyzers/bit_codes.hpp>
#include <weightscope/analyzers/bit_map_result.hpp>
#include <weightscope/analyzers/bit_map_sums.hpp>
#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/metric.hpp>

namespace weightscope::detail {

// Floats by their exponent, 256 for zeros; the sums of their squares, in lanes, and the largest, as codes, of those that are finite.
struct bit_weight_kernel
{
    static constexpr std::size_t width = 16, zero = 256;

    [[gnu::always_inline]] void operator()(const float* x, std::size_t whole, std::uint32_t* exponents, double* squares, std::uint32_t* most) const
    {
        std::int32_t largest = 0, largest_finite = 0;
        for (std::size_t i = 0; i < whole; ++i) {
            const std::int32_t magnitude = std::bit_cast<std::int32_t>(x[i]) & 0x7fffffff, exponent = magnitude >> 23;
            exponents[i] = static_cast<std::uint32_t>(magnitude == 0 ? static_cast<std::int32_t>(zero) : exponent);
            largest = magnitude > largest ? magnitude : largest;
        }
        double sums[width] = {};
        if (largest < 0x7f800000) {
            for (std::size_t i = 0; i < whole; i += width)
                for (std::size_t j = 0; j < width; ++j)
                    sums[j] += static_cast<double>(x[i + j]) * static_cast<double>(x[i + j]);
            largest_finite = largest;
        } else {  // some are not finite
            for (std::size_t i = 0; i < whole; ++i) {
                const std::int32_t magnitude = std::bit_cast<std::int32_t>(x[i]) & 0x7fffffff;
                if (magnitude >= 0x7f800000)
                    continue;
                largest_finite = magnitude > largest_finite ? magnitude : largest_finite;
                sums[i % width] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
            }
        }
        for (std::size_t j = 0; j < width; ++j)
            *squares += sums[j];
        *most = static_cast<std::uint32_t>(largest_finite);
    }
};

// The figures of the weights themselves; the values of the codes are added one by one, or floats many at once.
class bit_weight_sums
{
public:
    static constexpr std::size_t most_floats = 4096;

    void add_floats(std::span<const float> x)
    {
        std::array<std::uint32_t, most_floats> exponents;
        std::array<std::array<std::uint32_t, 512>, 4> counts{};
        const std::size_t whole = x.size() - x.size() % bit_weight_kernel::width;
        std::uint32_t most = 0;
        double squares = 0;
        dispatch(bit_weight_kernel{}, x.data(), whole, exponents.data(), &squares, &most);
        for (std::size_t i = 0; i < whole; i += 4)  // neighbours are often alike, and would wait for each other
            for (std::size_t j = 0; j < 4; ++j)
                ++counts[j][exponents[i + j]];
        const auto count_of = [&](std::size_t exponent) { return counts[0][exponent] + counts[1][exponent] + counts[2][exponent] + counts[3][exponent]; };
        squares_ += squares;
        max_ = std::max(max_, static_cast<double>(std::bit_cast<float>(most)));
        size_ += whole;
        nonfinite_ += count_of(255);
        zeros_ += count_of(bit_weight_kernel::zero);
        for (int exponent = 1; exponent < 255; ++exponent)
            if (const std::uint64_t count = count_of(static_cast<std::size_t>(exponent)); count > 0)
                binades_.add(std::ldexp(1.0, exponent - 127), count);
        if (count_of(0) > 0)  // subnormal
            for (const float w : x.first(whole))
                if (w != 0 && std::fabs(w) < 0x1p-126F)
                    binades_.add(std::fabs(static_cast<double>(w)), 1);
        for (const float w : x.subspan(whole))
            add(static_cast<double>(w), 1);
    }

    void add(double value, std::uint64_t count)
    {
        size_ += count;
        if (!std::isfinite(value)) {
            nonfinite_ += count;
            return;
        }
        if (value == 0)
            zeros_ += count;
        else
            binades_.add(std::fabs(value), count);
        max_ = std::max(max_, std::fabs(value));
        scaled_squares_ += (value * 0x1p-512) * (value * 0x1p-512) * static_cast<double>(count);
        squares_ += value * value * static_cast<double>(count);
    }

    void add(const bit_weight_sums& other)
    {
        size_ += other.size_;
        nonfinite_ += other.nonfinite_;
        zeros_ += other.zeros_;
        max_ = std::max(max_, other.max_);
        squares_ += other.squares_;
        scaled_squares_ += other.scaled_squares_;
        binades_.add(other.binades_);
    }

    // of the map of these weights
    bit_map_result begun() const
    {
        bit_map_result result{.size = static_cast<std::size_t>(size_), .nonfinite_count = nonfinite_, .zero_count = zeros_, .max_magnitude = max_};
        const auto finite = static_cast<double>(size_ - nonfinite_);
        // squares of doubles beyond 2^512 are beyond the largest double
        result.rms = finite > 0 ? std::isfinite(squares_) ? std::sqrt(squares_ / finite) : std::ldexp(std::sqrt(scaled_squares_ / finite), 512) : 0;
        result.exponents = binades_.list();
        return result;
    }

private:
    std::uint64_t size_ = 0, nonfinite_ = 0, zeros_ = 0;
    double max_ = 0, squares_ = 0, scaled_squares_ = 0;
    bit_binades binades_;
};

inline bit_limits bit_limits_of(const bit_map_result& weights, const bit_map_options& options)
{
    return {.max_magnitude = weights.max_magnitude, .large = options.rms_factor * weights.rms};
}

// Codes of up to 16 bits: how often each occurs is all that there is to know.
inline bit_map_result map_bits_by_code(const bit_codes& codes, const bit_map_options& options)
{
    constexpr std::size_t few = 4096;
    const bit_layout& layout = codes.layout;
    std::vector<bit_code_count> entries;
    if (codes.size <= few && layout.bits > 8) {
        std::vector<std::uint64_t> all(codes.size);
        for (std::size_t i = 0; i < all.size(); ++i)
            all[i] = codes.at(i);
        std::sort(all.begin(), all.end());
        for (const std::uint64_t code : all) {
            if (entries.empty() || entries.back().code != code)
                entries.push_back({.code = code});
            ++entries.back().count;
        }
    } else {
        const std::vector<std::uint64_t> counts = count_bit_codes(codes);
        for (std::size_t code = 0; code < counts.size(); ++code)
            if (counts[code] > 0)
                entries.push_back({.code = code, .count = counts[code]});
    }
    std::vector<double> table;
    if (entries.size() * layout.bits > (std::size_t{1} << layout.bits)) {
        table.resize(std::size_t{1} << layout.bits);
        for (std::size_t code = 0; code < table.size(); ++code)
            table[code] = value_of_code(layout, code);
    }
    const auto value_of = [&](std::uint64_t code) { return table.empty() ? value_of_code(layout, code) : table[code]; };

    bit_weight_sums weights;
    for (const bit_code_count& entry : entries)
        weights.add(value_of(entry.code), entry.count);
    bit_map_result result = weights.begun();
    std::erase_if(entries, [&](const bit_code_count& entry) { return !std::isfinite(value_of(entry.code)); });

    std::vector<std::uint16_t> worst(std::size_t{1} << layout.bits);  // by code: the bits whose largest change it has
    for (unsigned bit = 0; bit < layout.bits; ++bit) {
        const std::uint64_t flipped = std::uint64_t{1} << bit;
        bit_position_sums sums(bit_limits_of(result, options));
        for (const bit_code_count& entry : entries)
            sums.add(value_of(entry.code), value_of(entry.code ^ flipped), entry.count, 0);
        result.positions.push_back(sums.finished(class_of_bit(layout, bit), bit));
        const metric& most = result.positions.back().max_change;
        if (!most.exists())
            continue;
        for (const bit_code_count& entry : entries) {
            const double old_value = value_of(entry.code), new_value = value_of(entry.code ^ flipped);
            if (std::isfinite(new_value) && bit_position_sums::size_of(old_value, new_value) == most.value)
                worst[entry.code] |= static_cast<std::uint16_t>(flipped);
        }
    }
    const std::vector<std::size_t> first = find_bit_codes(codes, worst);
    for (bit_position& position : result.positions) {
        if (!position.max_change.exists())
            continue;
        position.max_index = first[position.bit];
        const std::uint64_t code = codes.at(position.max_index);
        position.max_old = value_of(code);
        position.max_new = value_of(code ^ std::uint64_t{1} << position.bit);
    }
    return result;
}

}  // namespace weightscope::detail
