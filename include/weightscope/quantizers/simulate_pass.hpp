#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/per_thread.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/quantizers/error_kernel.hpp>
#include <weightscope/quantizers/group_codes.hpp>
#include <weightscope/quantizers/group_layout.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/quick_error_kernel.hpp>
#include <weightscope/quantizers/quick_signal_kernel.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/simulate_kernel.hpp>
#include <weightscope/quantizers/strip_reader.hpp>

namespace weightscope::detail {

// The one group of a whole tensor.
struct tensor_code
{
    group_code code = {};
    double low = 0;
    double high = 0;
};

template <class Real>
tensor_code find_tensor_code(const weight_source& source, const scheme& options)
{
    const std::size_t strips = divide_up(source.size, chunk_elements);
    const auto chunk = [&](std::size_t i) {
        const std::size_t begin = i * chunk_elements, count = std::min(chunk_elements, source.size - begin);
        return strip{.begin = begin, .piece_size = count, .piece_stride = count, .part_size = count};
    };
    struct extremes
    {
        Real low = 0, high = 0;
    };
    std::vector<Real> copy;  // a search looks at all weights at once
    if (options.search != range_search::whole)
        copy.resize(source.size);
    const auto partials = map_chunks(strips, 1, [&](std::size_t i, std::size_t) {
        strip_reader<Real> reader(source);
        group_ranges<Real> ranges;
        const strip s = chunk(i);
        const Real* x = reader.read(s);
        const auto* range = &ranges.of(x, s.size(), s.size(), options.symmetric);
        if (!std::isfinite(range->low[0]) || !std::isfinite(range->high[0])) {
            x = reader.finite(x, s.size());
            ranges.start_strip();
            range = &ranges.of(x, s.size(), s.size(), options.symmetric);
        }
        if (!copy.empty())
            std::copy_n(x, s.size(), copy.data() + s.begin);
        return extremes{range->low[0], range->high[0]};
    });
    tensor_code result{.low = static_cast<double>(partials[0].low), .high = static_cast<double>(partials[0].high)};
    for (const extremes& part : partials) {
        result.low = std::min(result.low, static_cast<double>(part.low));
        result.high = std::max(result.high, static_cast<double>(part.high));
    }
    result.code = search_code(std::span<const Real>(copy), result.low, result.high, options);
    return result;
}

// Tensors of as many weights are added up by quick_error_kernel, whose sums are then off by less than 1e-8.
inline constexpr std::size_t quick_sums_from = std::size_t{1} << 20;
inline constexpr double smallest_quick = 0x1p-40, largest_quick = 0x1p60;  // magnitudes whose squares and products are floats

// What one thread needs to work on strips.
template <class Real>
struct strip_work
{
    explicit strip_work(const weight_source& source) : reader(source) {}

    // Brings the weights of a strip, finite ones; `signal` becomes what they have in common for all schemes. With `first`, the scheme
    // that comes first, quick sums will do.
    void start(const strip& s, error_sums& signal, const scheme* first = nullptr)
    {
        count = s.size();
        x = reader.read(s);
        signal = {};
        ranges.start_strip();
        if constexpr (sizeof(Real) == sizeof(float)) {
            if (first && add_quickly(group_size_of(s, *first), first->symmetric, signal))
                return;
        }
        ranges.start_strip();
        signal = {};
        dispatch(signal_kernel{}, x, count, &signal);
        if (!std::isfinite(signal.signal)) {
            x = reader.finite(x, count);
            signal = {.non_finite_count = reader.non_finite().size()};
            dispatch(signal_kernel{}, x, count, &signal);
        }
        signal.count = count - signal.non_finite_count;
    }

    strip_code<Real> code_for(const strip& s, const scheme& options, const tensor_code& whole)
    {
        strip_code<Real> code = options.granularity == scale_granularity::per_tensor
                                    ? codes.repeat(whole.code, whole.low, whole.high, std::max<std::size_t>(1, count), options)
                                    : codes.find(x, count, group_size_of(s, options), options, ranges);
        if (options.rounding == rounding_mode::stochastic) {
            fill_noise(s, options.seed, noise);
            code.noise = noise.data();
        }
        return code;
    }

    // strips of rows serve every scheme whose groups lie within a row
    static std::size_t group_size_of(const strip& s, const scheme& options)
    {
        if (s.pieces == 1 && options.granularity == scale_granularity::per_group)
            return std::min(options.group_size, s.size());
        return s.pieces == 1 && options.granularity == scale_granularity::per_channel && options.channel_axis == 0 ? s.size() : s.group_size();
    }

    strip_reader<Real> reader;
    group_ranges<Real> ranges;
    group_codes<Real> codes;
    std::vector<double> noise;
    const Real* x = nullptr;
    std::size_t count = 0;

private:
    // Sums and extremes in one go; false where floats have not the range for it.
    bool add_quickly(std::size_t group_size, bool magnitudes, error_sums& signal)
    {
        if (!has_whole_vectors(count, group_size))
            return false;
        auto& range = ranges.room_for(count, group_size, magnitudes);
        if (magnitudes)
            dispatch(quick_signal_kernel<true>{}, x, count, group_size, range.low.data(), range.high.data(), &signal);
        else
            dispatch(quick_signal_kernel<false>{}, x, count, group_size, range.low.data(), range.high.data(), &signal);
        signal.count = count;
        return signal.max_magnitude >= smallest_quick && signal.max_magnitude <= largest_quick;
    }
};

// The sums that belong to one scheme, from those of its decoded weights and those of the weights.
inline error_sums with_signal(error_sums errors, const error_sums& signal)
{
    errors.count = signal.count;
    errors.non_finite_count = signal.non_finite_count;
    errors.signal = signal.signal;
    errors.max_magnitude = signal.max_magnitude;
    errors.flushed_count -= std::min(errors.flushed_count, signal.flushed_count);  // zeros among ŵ less zeros among w
    if (!std::isfinite(errors.squared_error))  // a scale overflowed: zeros are decoded to NaN, which no comparison finds
        errors.max_error = std::numeric_limits<double>::infinity();
    return errors;
}

// Adds up the errors of a strip in quick sums; false where these cannot do it: they do not know the rounding, codes are finer than 8 bits, or an error,
// a square or a product of errors could leave the range of floats and be more than nothing beside the others.
inline bool simulate_quickly(const strip_code<float>& code, const float* x, std::size_t count, const error_sums& signal, const float* ahead,
                             error_sums& errors)
{
    constexpr float most_levels = 256;
    if (code.half_away || code.noise || code.highest_code - code.lowest_code >= most_levels || signal.non_finite_count > 0 || !(signal.max_magnitude <= largest_quick)
        || !has_whole_vectors(count, code.group_size))
        return false;
    const quick_needs needs = dispatch(quick_needs_kernel{}, &code, divide_up(count, code.group_size), static_cast<float>(smallest_quick),
                                       static_cast<float>(largest_quick / 65536));
    if (needs.more_range)
        return false;
    if (needs.clamping)
        dispatch(quick_error_kernel<true>{}, &code, x, count, ahead, &errors);
    else
        dispatch(quick_error_kernel<false>{}, &code, x, count, ahead, &errors);
    return true;
}

template <class Real, class Decoded>
error_sums simulate_strip(const strip_code<Real>& code, const strip_work<Real>& work, const error_sums& signal, const Real* ahead, bool quick)
{
    error_sums errors;
    if constexpr (sizeof(Real) == sizeof(float)) {
        if (quick && simulate_quickly(code, work.x, work.count, signal, ahead, errors))
            return with_signal(errors, signal);
    }
    dispatch(simulate_kernel<Real, Decoded>{}, &code, work.x, work.count, &errors);
    return with_signal(errors, signal);
}

// All schemes in one pass over the strips of `layout`.
template <class Real, class Decoded>
std::vector<error_sums> simulate_strips(const weight_source& source, const group_layout& layout, std::span<const scheme> schemes,
                                        std::span<const tensor_code> wholes)
{
    per_thread<strip_work<Real>> threads([&] { return strip_work<Real>(source); });
    const bool quick = source.size >= quick_sums_from;
    const std::size_t strips_per_chunk = std::max<std::size_t>(1, chunk_elements / layout.typical_strip_size());
    const auto partials = map_chunks(layout.strip_count(), strips_per_chunk, [&](std::size_t begin, std::size_t end) {
        std::vector<error_sums> sums(schemes.size());
        strip_work<Real>& work = threads.local();
        for (std::size_t i = begin; i < end; ++i) {
            const strip s = layout[i], next = layout[i + 1 < end ? i + 1 : i];
            const Real* ahead = i + 1 < end && next.size() == s.size() ? work.reader.place_of(next) : nullptr;
            error_sums signal;
            work.start(s, signal, quick ? schemes.data() : nullptr);
            for (std::size_t k = 0; k < schemes.size(); ++k) {
                const strip_code<Real> code = work.code_for(s, schemes[k], wholes[k]);
                sums[k] += simulate_strip<Real, Decoded>(code, work, signal, k == 0 ? ahead : nullptr, quick);
            }
        }
        return sums;
    });
    std::vector<error_sums> result(schemes.size());
    for (const auto& part : partials)
        for (std::size_t k = 0; k < schemes.size(); ++k)
            result[k] += part[k];
    return result;
}

}  // namespace weightscope::detail
