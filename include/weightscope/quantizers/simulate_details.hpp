#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/per_thread.hpp>
#include <weightscope/core/percentile.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/quantizers/error_kernel.hpp>
#include <weightscope/quantizers/group_layout.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/round_kernel.hpp>
#include <weightscope/quantizers/simulate_pass.hpp>

namespace weightscope::detail {

// Visits the strips of one scheme once more, for figures that sums do not hold.
template <class Real, class Decoded>
class simulated_strips
{
public:
    simulated_strips(const weight_source& source, const group_layout& layout, const scheme& options, const tensor_code& whole)
        : layout_(layout), options_(options), whole_(whole), threads_([source] { return strip_work<Real>(source); })
    {
    }

    // Calls f(strip, work, code) for the strips [begin, end), in parallel, and returns what it returns in their order.
    template <class F>
    auto map(std::size_t begin, std::size_t end, const F& f)
    {
        return map_chunks(end - begin, 1, [&](std::size_t i, std::size_t) {
            strip_work<Real>& work = threads_.local();
            const strip s = layout_[begin + i];
            error_sums signal;
            work.start(s, signal);
            return f(s, work, work.code_for(s, options_, whole_));
        });
    }

    // Every weight, its level q - z or decoded value (Result void or Decoded): f(work, code, results, thread's T).
    template <class Result, class T, class F>
    void for_each(per_thread<T>& states, const F& f)
    {
        (void)map(0, layout_.strip_count(), [&](const strip&, strip_work<Real>& work, const strip_code<Real>& code) {
            std::vector<double> results(work.count);
            dispatch(round_kernel<Real, Result, double>{}, &code, work.x, std::size_t{0}, work.count, results.data());
            f(work, code, results, states.local());
            return char{};
        });
    }

    // Sums for each group, and for each row of the matrix.
    void fill(std::vector<error_sums>& groups, std::vector<error_sums>& rows)
    {
        struct partial
        {
            std::vector<error_sums> groups, rows;
        };
        groups.assign(layout_.group_count(), {});
        rows.assign(layout_.matrix().rows, {});
        constexpr std::size_t strips_at_once = 256;  // partial sums that wait for their turn
        for (std::size_t begin = 0; begin < layout_.strip_count(); begin += strips_at_once) {
            const std::size_t end = std::min(begin + strips_at_once, layout_.strip_count());
            const auto partials = map(begin, end, [&](const strip& s, strip_work<Real>& work, const strip_code<Real>& code) {
                const std::size_t first_row = layout_.row_of(s, 0);
                partial result{std::vector<error_sums>(s.groups()), std::vector<error_sums>(layout_.row_of(s, s.pieces - 1) - first_row + 1)};
                std::vector<double> decoded(std::min(s.part_size, work.count)), weights(work.x, work.x + work.count);
                for (std::size_t piece = 0; piece < s.pieces; ++piece)
                    s.for_each_part(piece, [&](std::size_t, std::size_t at, std::size_t count, std::size_t group) {
                        const error_sums sums = part_sums(work, weights.data() + at, code, layout_.one_group() ? 0 : group, at, count, decoded.data());
                        result.groups[group] += sums;
                        result.rows[layout_.row_of(s, piece) - first_row] += sums;
                    });
                return result;
            });
            for (std::size_t i = begin; i < end; ++i) {
                const strip s = layout_[i];
                add(partials[i - begin].groups, groups, s.first_group);
                add(partials[i - begin].rows, rows, layout_.row_of(s, 0));
            }
        }
    }

private:
    static void add(const std::vector<error_sums>& from, std::vector<error_sums>& to, std::size_t begin)
    {
        for (std::size_t i = 0; i < from.size(); ++i)
            to[begin + i] += from[i];
    }

    static error_sums part_sums(const strip_work<Real>& work, const double* weights, const strip_code<Real>& code, std::size_t group,
                                std::size_t at, std::size_t count, double* decoded)
    {
        const auto round_part = [](const strip_code<Real>* c, std::size_t g, const Real* x, std::size_t begin, std::size_t size, double* out)
                                    __attribute__((always_inline)) { return round_kernel<Real, Decoded, double>::round_group(*c, g, x, begin, size, out); };
        error_sums signal, errors;
        errors.clipped_count = dispatch(round_part, &code, group, work.x, at, count, decoded);
        dispatch(error_kernel{}, weights, static_cast<const double*>(decoded), count, &errors);
        dispatch(signal_kernel{}, weights, count, &signal);
        const auto& replaced = work.reader.non_finite();
        const auto before = [](const auto& weight, std::size_t place) { return weight.at < place; };
        const auto first = std::lower_bound(replaced.begin(), replaced.end(), at, before);
        signal.non_finite_count = static_cast<std::size_t>(std::lower_bound(first, replaced.end(), at + count, before) - first);
        signal.count = count - signal.non_finite_count;
        return with_signal(errors, signal);
    }

    const group_layout& layout_;
    const scheme& options_;
    const tensor_code& whole_;
    per_thread<strip_work<Real>> threads_;
};

// Share of all codes that occur.
template <class Real, class Decoded>
metric codes_used_fraction(simulated_strips<Real, Decoded>& strips, const scheme& options)
{
    using marks = std::vector<std::uint8_t>;
    per_thread<marks> states([&] { return marks(options.code_count()); });
    strips.template for_each<void>(states, [&](const auto& work, const strip_code<Real>& code, const std::vector<double>& levels, marks& used) {
        for (std::size_t begin = 0, group = 0; begin < work.count; begin += code.group_size, ++group) {
            const double first = static_cast<double>(code.lowest_code - code.zero_point[group]);
            for (std::size_t i = begin; i < std::min(begin + code.group_size, work.count); ++i)
                used[static_cast<std::size_t>(levels[i] - first)] = 1;
        }
    });
    std::size_t count = 0;
    for (std::size_t c = 0; c < options.code_count(); ++c)
        count += std::any_of(states.begin(), states.end(), [c](const marks& used) { return used[c] != 0; });
    return static_cast<double>(count) / static_cast<double>(options.code_count());
}

// The percentile of |e|, rounded to float, linear between order statistics: by the upper 16 bits of the two floats, then by the
// lower ones. |e| rises with its bits.
template <class Decoded, class Strips>
metric error_percentile(Strips& strips, double share, std::size_t finite, std::size_t non_finite)
{
    if (finite == 0)
        return metric::missing(non_finite == 0 ? "no entries" : "no finite entries");
    using histogram = std::vector<std::uint64_t>;
    constexpr std::size_t bins = 65536;
    const auto count_errors = [&](const auto& bin_of) {  // bins is for those that do not count
        per_thread<histogram> states([] { return histogram(bins + 1); });
        strips.template for_each<Decoded>(states, [&](const auto& work, const auto&, const std::vector<double>& decoded, histogram& counts) {
            for (std::size_t i = 0; i < work.count; ++i)
                ++counts[bin_of(std::bit_cast<std::uint32_t>(static_cast<float>(std::fabs(static_cast<double>(work.x[i]) - decoded[i]))))];
        });
        histogram sum(bins + 1);
        for (const histogram& counts : states)
            for (std::size_t b = 0; b < bins; ++b)
                sum[b] += counts[b];
        sum[bin_of(0)] -= non_finite;  // these stood there as zeros without error
        return sum;
    };
    const histogram upper = count_errors([](std::uint32_t bits) { return std::size_t{bits >> 16}; });
    const percentile_rank rank = rank_of(share, finite);
    const auto error_of_rank = [&](std::uint64_t left) {
        std::size_t high = 0;
        for (; left >= upper[high]; ++high)
            left -= upper[high];
        const histogram lower = count_errors([high](std::uint32_t bits) { return bits >> 16 == high ? bits & 0xffffu : bins; });
        std::size_t low = 0;
        for (; left >= lower[low]; ++low)
            left -= lower[low];
        return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(high << 16 | low)));
    };
    return interpolate(error_of_rank(rank.below), error_of_rank(rank.above), rank.fraction);
}

}  // namespace weightscope::detail
