#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <weightscope/core/counter_random.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/quantizers/group_layout.hpp>
#include <weightscope/quantizers/group_range.hpp>
#include <weightscope/quantizers/group_scale.hpp>
#include <weightscope/quantizers/round_kernel.hpp>
#include <weightscope/quantizers/scale_search.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope::detail {

// Extremes of the groups of one strip, for every group size that was asked for: larger groups are put together from smaller ones.
template <class Real>
class group_ranges
{
public:
    struct extremes
    {
        bool magnitudes = true;
        std::size_t group_size = 0;
        std::vector<Real> low, high;
    };

    void start_strip() { used_ = 0; }

    // Extremes that the caller fills in, before it asks for any.
    extremes& room_for(std::size_t count, std::size_t group_size, bool magnitudes)
    {
        if (used_ == known_.size())
            known_.emplace_back();
        extremes& result = known_[used_++];
        result.magnitudes = magnitudes;
        result.group_size = group_size;
        result.low.resize(divide_up(count, group_size));
        result.high.resize(result.low.size());
        return result;
    }

    const extremes& of(const Real* x, std::size_t count, std::size_t group_size, bool magnitudes)
    {
        if (used_ == known_.size())
            known_.emplace_back();  // before there is a pointer to one
        const extremes* parts = nullptr;
        for (std::size_t i = 0; i < used_; ++i) {
            const extremes& known = known_[i];
            if (known.magnitudes != magnitudes || group_size % known.group_size != 0)
                continue;
            if (known.group_size == group_size)
                return known;
            parts = !parts || known.group_size > parts->group_size ? &known : parts;
        }
        extremes& result = room_for(count, group_size, magnitudes);
        if (parts)
            join(*parts, result);
        else if (magnitudes)
            dispatch(range_kernel<Real, true>{}, x, count, group_size, result.low.data(), result.high.data());
        else
            dispatch(range_kernel<Real, false>{}, x, count, group_size, result.low.data(), result.high.data());
        return result;
    }

private:
    static void join(const extremes& parts, extremes& result)
    {
        const std::size_t each = result.group_size / parts.group_size;
        for (std::size_t g = 0; g < result.low.size(); ++g) {
            const std::size_t begin = g * each, end = std::min(begin + each, parts.low.size());
            Real low = parts.low[begin], high = parts.high[begin];
            for (std::size_t p = begin + 1; p < end; ++p) {
                low = parts.low[p] < low ? parts.low[p] : low;
                high = parts.high[p] > high ? parts.high[p] : high;
            }
            result.low[g] = low;
            result.high[g] = high;
        }
    }

    std::vector<extremes> known_;
    std::size_t used_ = 0;
};

// Scales and zero points of the groups of a strip.
template <class Real>
class group_codes
{
public:
    // `x` is finite. The result is valid until the next call.
    strip_code<Real> find(const Real* x, std::size_t count, std::size_t group_size, const scheme& options, group_ranges<Real>& ranges)
    {
        const auto& range = ranges.of(x, count, group_size, options.symmetric);
        const std::size_t groups = range.low.size();
        scale_.resize(groups);
        zero_point_.resize(groups);
        if (sizeof(Real) == 4 && options.scale == scale_type::f32 && options.search == range_search::whole) {
            if constexpr (sizeof(Real) == 4)
                dispatch(scale_kernel{}, range.low.data(), range.high.data(), groups, &options, scale_.data(), zero_point_.data());
        } else {
            for (std::size_t g = 0, begin = 0; g < groups; ++g, begin += group_size) {
                const auto low = static_cast<double>(range.low[g]), high = static_cast<double>(range.high[g]);
                const std::span<const Real> group(x + begin, std::min(group_size, count - begin));
                set(g, options.search == range_search::whole ? code_of_range(low, high, options)
                                                             : search_code(group, low, high, options));
            }
        }
        return view(range.low.data(), range.high.data(), group_size, options);
    }

    // One code for all that follows.
    strip_code<Real> repeat(const group_code& code, double low, double high, std::size_t count, const scheme& options)
    {
        scale_.resize(1);
        zero_point_.resize(1);
        set(0, code);
        low_ = static_cast<Real>(low);
        high_ = static_cast<Real>(high);
        return view(&low_, &high_, count, options);
    }

private:
    void set(std::size_t g, const group_code& code)
    {
        scale_[g] = static_cast<Real>(code.scale);
        zero_point_[g] = static_cast<Real>(code.zero_point);
    }

    strip_code<Real> view(const Real* low, const Real* high, std::size_t group_size, const scheme& options) const
    {
        return {.group_size = group_size,
                .low = low,
                .high = high,
                .scale = scale_.data(),
                .zero_point = zero_point_.data(),
                .lowest_code = static_cast<Real>(options.lowest_code()),
                .highest_code = static_cast<Real>(options.highest_code()),
                .symmetric = options.symmetric,
                .half_away = options.rounding == rounding_mode::half_away};
    }

    std::vector<Real> scale_, zero_point_;
    Real low_ = 0, high_ = 0;
};

// One uniform number for each weight of a strip, which depends on the seed and on the place of the weight in the tensor only.
inline void fill_noise(const strip& s, std::uint64_t seed, std::vector<double>& noise)
{
    noise.resize(s.size());
    const counter_random random(seed, "stochastic rounding", "");
    for (std::size_t piece = 0; piece < s.pieces; ++piece)
        s.for_each_part(piece, [&](std::size_t at, std::size_t to, std::size_t count, std::size_t) {
            for (std::size_t i = 0; i < count; ++i)
                noise[to + i] = random.uniform(s.begin + piece * s.piece_stride + at + i, 0);
        });
}

}  // namespace weightscope::detail
