#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/quantizers/error_kernel.hpp>
#include <weightscope/quantizers/grid_round_kernel.hpp>
#include <weightscope/quantizers/grid_scale.hpp>
#include <weightscope/quantizers/group_layout.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/simulate_pass.hpp>

namespace weightscope::detail {

// What is known of a whole tensor before its groups are looked at.
struct grid_tensor
{
    float low = 0, high = 0;  // per_tensor
    float global = 1;         // schemes with a scale for the whole tensor
};

// A plain scheme with the groups of another, of whose groups extremes are found: of magnitudes or of the numbers themselves.
inline scheme scheme_for_ranges(const scheme& options, bool magnitudes)
{
    scheme result = options;
    result.grid = element_grid::integer;
    result.rules = {};
    result.rounding = rounding_mode::half_even;
    result.scale = scale_type::f32;
    result.symmetric = magnitudes;
    result.full_range = false;
    return result;
}

template <class Real>
grid_tensor survey_tensor(const weight_source& source, const scheme& options)
{
    grid_tensor result;
    const bool one_group = options.granularity == scale_granularity::per_tensor, two_levels = options.rules.global != global_scale::none;
    if (source.size == 0 || !(one_group || two_levels))
        return result;
    const tensor_code whole = find_tensor_code<Real>(source, scheme_for_ranges(options, scale_needs_magnitude_only(options)));
    result.low = static_cast<float>(whole.low);
    result.high = static_cast<float>(whole.high);
    if (two_levels)
        result.global = global_scale_of(result.high, options);
    if (one_group && options.rules.base == scale_base::signed_largest && -result.low == result.high) {
        const std::vector<double> weights = to_doubles(source);
        const auto end = std::find_if(weights.begin(), weights.end(), [&](double w) { return std::fabs(w) == whole.high; });
        result.low = end != weights.end() && *end > 0 ? 0 : result.low;
    }
    return result;
}

// What one thread needs to round strips to a grid.
template <class Real>
class grid_work
{
public:
    grid_work(const weight_source& source, const scheme& options, const grid_tensor& tensor)
        : work(source), options_(options), for_ranges_(scheme_for_ranges(options, scale_needs_magnitude_only(options))), tensor_(tensor),
          numbers_(options, tensor.global), rounding_(rounding_of(options)), divides_(!options.rules.reciprocal && options.rules.base < scale_base::power_floor)
    {
    }

    // Brings a strip and finds the scales of its groups.
    void start(const strip& s, error_sums& signal, bool quick = false)
    {
        work.start(s, signal, quick ? &for_ranges_ : nullptr);
        count = work.count;
        x = narrow();
        const bool one_group = options_.granularity == scale_granularity::per_tensor;
        group_size = one_group ? std::max<std::size_t>(count, 1) : strip_work<Real>::group_size_of(s, options_);
        if (one_group) {
            low_.assign(1, tensor_.low);
            high_.assign(1, tensor_.high);
        } else {
            const auto& range = work.ranges.of(work.x, count, group_size, for_ranges_.symmetric);
            low_.assign(range.low.begin(), range.low.end());
            high_.assign(range.high.begin(), range.high.end());
            if (options_.rules.base == scale_base::signed_largest)
                follow_first(x, count, group_size, low_, high_);
        }
        groups.resize(low_.size());
        dispatch(grid_scale_kernel{}, &numbers_, static_cast<const float*>(low_.data()), static_cast<const float*>(high_.data()), low_.size(), &groups);
        if (options_.rules.base == scale_base::power_log2)
            follow_logarithm(numbers_, high_.data(), low_.size(), groups);
    }

    // What the strip's weights [begin, begin + size) stand for; `begin` begins a group or lies in the group that all of them are in.
    std::size_t decode(std::size_t begin, std::size_t size, float* out) const
    {
        const std::size_t clipped = round(groups.scale.data(), groups.added.data(), begin, size, out);
        for (const auto& weight : work.reader.non_finite())  // zeros that have no error
            if (weight.at >= begin && weight.at < begin + size)
                out[weight.at - begin] = 0;
        return clipped;
    }

    // Their levels: numbers of the grid.
    void levels(float* out)
    {
        ones_.assign(groups.scale.size(), 1);
        nothing_.assign(groups.scale.size(), -0.0F);  // which leaves the sign of zeros
        (void)round(ones_.data(), nothing_.data(), 0, count, out);
    }

    // Whether squares of the errors of all groups are floats that count.
    bool may_be_quick() const
    {
        constexpr auto smallest = static_cast<float>(smallest_quick), largest = static_cast<float>(largest_quick / 65536);
        std::int32_t outside = 0;
        const float *scale = groups.scale.data(), *high = high_.data();
        for (std::size_t g = 0; g < groups.scale.size(); ++g) {
            const float magnitude = std::fabs(scale[g]);
            outside += (high[g] != 0) & ((magnitude < smallest) | !(magnitude <= largest));
        }
        return outside == 0;
    }

    strip_work<Real> work;
    grid_groups groups;
    const float* x = nullptr;
    std::size_t count = 0, group_size = 1;

private:
    const float* narrow()
    {
        if constexpr (sizeof(Real) == sizeof(float)) {
            return work.x;
        } else {
            narrow_.resize(count);
            for (std::size_t i = 0; i < count; ++i)
                narrow_[i] = static_cast<float>(work.x[i]);
            return narrow_.data();
        }
    }

    template <grid_kind Kind, bool HalfEven>
    std::size_t round_to(const float* scale, const float* added, std::size_t g, std::size_t begin, std::size_t size, float* out) const
    {
        const grid_rounding* rounding = &rounding_;
        if (divides_)
            return dispatch(grid_round_kernel<Kind, HalfEven, true>{}, rounding, &groups, scale, added, g, x + begin, size, group_size, out);
        return dispatch(grid_round_kernel<Kind, HalfEven, false>{}, rounding, &groups, scale, added, g, x + begin, size, group_size, out);
    }

    std::size_t round(const float* scale, const float* added, std::size_t begin, std::size_t size, float* out) const
    {
        const std::size_t g = begin / group_size;
        const bool half_even = rounding_.mode == rounding_mode::half_even;
        switch (kind_of_grid(options_.grid)) {
        case grid_kind::integer:
            return half_even ? round_to<grid_kind::integer, true>(scale, added, g, begin, size, out)
                             : round_to<grid_kind::integer, false>(scale, added, g, begin, size, out);
        case grid_kind::floating:
            return half_even ? round_to<grid_kind::floating, true>(scale, added, g, begin, size, out)
                             : round_to<grid_kind::floating, false>(scale, added, g, begin, size, out);
        case grid_kind::table: break;
        }
        return round_to<grid_kind::table, true>(scale, added, g, begin, size, out);
    }

    const scheme& options_;
    scheme for_ranges_;
    grid_tensor tensor_;
    grid_numbers numbers_;
    grid_rounding rounding_;
    bool divides_;
    std::vector<float> low_, high_, narrow_, ones_, nothing_;
};

// Calls f(begin, size) for pieces of a strip that lie in the first-level cache and begin a group, or are parts of one.
template <class F>
void for_each_piece(std::size_t count, std::size_t group_size, const F& f)
{
    const std::size_t step = group_size <= rounded_at_once ? rounded_at_once / group_size * group_size : rounded_at_once;
    for (std::size_t begin = 0, size = 0; begin < count; begin += size) {
        const std::size_t end = group_size <= rounded_at_once ? count : std::min(count, (begin / group_size + 1) * group_size);
        size = std::min(step, end - begin);
        f(begin, size);
    }
}

inline void add_exactly(const double* x, const float* decoded, std::size_t count, error_sums& sums)
{
    double wide[rounded_at_once];
    dispatch(widen_kernel<float>{}, decoded, count, +wide);
    dispatch(error_kernel{}, x, static_cast<const double*>(wide), count, &sums);
}

inline void add_exactly(const float* x, const float* decoded, std::size_t count, error_sums& sums)
{
    double wide[rounded_at_once];
    dispatch(widen_kernel<float>{}, x, count, +wide);
    add_exactly(static_cast<const double*>(wide), decoded, count, sums);
}

template <class Real>
error_sums simulate_grid_strip(const grid_work<Real>& grid, const error_sums& signal, bool quick)
{
    error_sums errors;
    const bool in_float = quick && sizeof(Real) == sizeof(float) && grid.count % simd<float>::width == 0 && signal.non_finite_count == 0
                       && signal.max_magnitude <= largest_quick && grid.may_be_quick();
    for_each_piece(grid.count, grid.group_size, [&](std::size_t begin, std::size_t size) {
        float decoded[rounded_at_once];
        errors.clipped_count += grid.decode(begin, size, decoded);
        if (in_float && size % simd<float>::width == 0)
            dispatch(quick_difference_kernel{}, grid.x + begin, static_cast<const float*>(decoded), size, &errors);
        else
            add_exactly(grid.work.x + begin, decoded, size, errors);
    });
    return with_signal(errors, signal);
}

template <class Real>
error_sums simulate_grid(const weight_source& source, std::span<const std::size_t> shape, const scheme& options, const grid_tensor& tensor)
{
    const group_layout layout(shape, options, true);
    per_thread<grid_work<Real>> threads([&] { return grid_work<Real>(source, options, tensor); });
    const bool quick = source.size >= quick_sums_from;
    const std::size_t strips_per_chunk = std::max<std::size_t>(1, chunk_elements / layout.typical_strip_size());
    const auto partials = map_chunks(layout.strip_count(), strips_per_chunk, [&](std::size_t begin, std::size_t end) {
        error_sums sums;
        grid_work<Real>& grid = threads.local();
        for (std::size_t i = begin; i < end; ++i) {
            error_sums signal;
            grid.start(layout[i], signal, quick);
            sums += simulate_grid_strip(grid, signal, quick);
        }
        return sums;
    });
    error_sums result;
    for (const error_sums& part : partials)
        result += part;
    return result;
}

}  // namespace weightscope::detail
