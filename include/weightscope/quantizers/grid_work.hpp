#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/quantizers/grid_round_kernel.hpp>
#include <weightscope/quantizers/grid_scale.hpp>
#include <weightscope/quantizers/grid_search.hpp>
#include <weightscope/quantizers/group_layout.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/quick_grid_kernel.hpp>
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
    result.search = range_search::whole;
    return result;
}

// Where the ends of a group are equally far from 0 the first of the two decides the sign of the scale: the lower end counts as 0 where
// it is not the first.
inline void follow_first(const float* x, std::size_t count, std::size_t group_size, std::vector<float>& low, const std::vector<float>& high)
{
    for (std::size_t g = 0, begin = 0; begin < count; ++g, begin += group_size) {
        if (-low[g] != high[g] || high[g] == 0)
            continue;
        std::size_t i = begin;
        while (x[i] != low[g] && x[i] != high[g])
            ++i;
        low[g] = x[i] == low[g] ? low[g] : 0;
    }
}

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

// What the groups of a strip ask of quick_grid_kernel; no weight beyond `last` levels needs clamping.
struct quick_grid_needs_kernel
{
    [[gnu::always_inline]] quick_needs operator()(const grid_groups* groups, const float* low, const float* high, std::size_t count, float last, float smallest,
                                                  float largest) const
    {
        std::int32_t outside = 0, beyond = 0;
        const float *scale = groups->scale.data(), *multiplier = groups->multiplier.data(), *divisor = groups->divisor.data();
        for (std::size_t g = 0; g < count; ++g) {
            const float below = -low[g], magnitude = below > high[g] ? below : high[g], step = std::fabs(scale[g]);
            outside += (magnitude != 0) & ((step < smallest) | !(step <= largest));
            beyond += !(std::fabs(magnitude * multiplier[g]) <= std::fabs(last * divisor[g]));
        }
        return {.more_range = outside != 0, .clamping = beyond != 0};
    }
};

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
        if (options_.search != range_search::whole && !one_group)
            search_grid_ranges(*this, options_, low_, high_);
        find_scales(low_, high_);
    }

    // Whether 0 may be decoded to something else.
    bool moves_zeros() const { return options_.rules.minimum; }

    // Scales of the groups of the strip, from their extremes or others.
    void find_scales(const std::vector<float>& low, const std::vector<float>& high)
    {
        groups.resize(low.size());
        dispatch(grid_scale_kernel{}, &numbers_, low.data(), high.data(), low.size(), &groups);
    }

    // Σ f(e) of each group
    template <class F>
    std::vector<double> sums_of_groups(const F& f) const
    {
        std::vector<double> sums(groups.scale.size());
        for_each_piece(count, group_size, [&](std::size_t begin, std::size_t size) {
            float decoded[rounded_at_once];
            (void)decode(begin, size, decoded);
            for (std::size_t i = 0; i < size; ++i)
                sums[(begin + i) / group_size] += f(static_cast<double>(work.x[begin + i]) - static_cast<double>(decoded[i]));
        });
        return sums;
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

    // Adds up the errors of the strip in quick sums; false where these cannot do it.
    bool add_quickly(const error_sums& signal, const float* ahead, error_sums& errors) const
    {
        if constexpr (sizeof(Real) == sizeof(float)) {
            if (signal.non_finite_count > 0 || !(signal.max_magnitude <= largest_quick) || !has_whole_vectors(count, group_size)
                || options_.search != range_search::whole)
                return false;
            const grid_rounding* rounding = &rounding_;
            const bool integer = options_.grid == element_grid::integer, minima = options_.rules.minimum, zeros = !options_.symmetric && !minima;
            const float last = integer ? rounding_.highest + 0.49F : rounding_.beyond * 0.999F;  // a little early, for the rounding of the product
            const quick_needs needs = dispatch(quick_grid_needs_kernel{}, &groups, low_.data(), high_.data(), low_.size(), last, static_cast<float>(smallest_quick),
                                               static_cast<float>(largest_quick / 65536));
            if (needs.more_range)
                return false;
            return with_quick_kernel(kind_of_grid(options_.grid), options_.rounding, divides_, [&](auto kernel) {
                if ((minima && !kernel.minima) || (zeros && !kernel.zeros) || (needs.clamping && !kernel.clamps && options_.grid != element_grid::nf4))
                    return false;
                dispatch(kernel, rounding, &groups, x, count, group_size, ahead, &errors);
                return true;
            });
        }
        return false;
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

    template <grid_kind Kind>
    std::size_t round_to(const float* scale, const float* added, std::size_t g, std::size_t begin, std::size_t size, float* out) const
    {
        const grid_rounding* rounding = &rounding_;
        if (divides_)
            return dispatch(grid_round_kernel<Kind, true>{}, rounding, &groups, scale, added, g, x + begin, size, group_size, out);
        return dispatch(grid_round_kernel<Kind, false>{}, rounding, &groups, scale, added, g, x + begin, size, group_size, out);
    }

    std::size_t round(const float* scale, const float* added, std::size_t begin, std::size_t size, float* out) const
    {
        const std::size_t g = begin / group_size;
        switch (kind_of_grid(options_.grid)) {
        case grid_kind::integer: return round_to<grid_kind::integer>(scale, added, g, begin, size, out);
        case grid_kind::floating: return round_to<grid_kind::floating>(scale, added, g, begin, size, out);
        case grid_kind::table: break;
        }
        return round_to<grid_kind::table>(scale, added, g, begin, size, out);
    }

    const scheme& options_;
    scheme for_ranges_;
    grid_tensor tensor_;
    grid_numbers numbers_;
    grid_rounding rounding_;
    bool divides_;
    std::vector<float> low_, high_, narrow_, ones_, nothing_;
};

}  // namespace weightscope::detail
