#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/per_thread.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/quantizers/column_kernel.hpp>
#include <weightscope/quantizers/group_range.hpp>
#include <weightscope/quantizers/group_scale.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/simulate_pass.hpp>

namespace weightscope::detail {

// A tensor whose channels are not rows, as a matrix: rows of all channels with `part` neighbours each.
struct column_layout
{
    std::size_t rows = 1, channels = 1, part = 1;

    std::size_t cols() const { return channels * part; }
};

inline column_layout columns_of(std::span<const std::size_t> shape, std::size_t axis)
{
    column_layout result{.channels = shape[axis]};
    for (std::size_t d = 0; d < axis; ++d)
        result.rows *= shape[d];
    for (std::size_t d = axis + 1; d < shape.size(); ++d)
        result.part *= shape[d];
    return result;
}

// Two passes over the rows of a tensor, in blocks of columns: one for the extremes of all columns, one for the errors. Without copies
// of columns, whose neighbours lie far apart.
template <bool Magnitudes>
class column_pass
{
public:
    column_pass(const weight_source& source, const column_layout& layout, const scheme& options)
        : source_(source), layout_(layout), options_(options), rows_per_chunk_(std::max<std::size_t>(1, chunk_elements / layout.cols()))
    {
    }

    // None where quick sums cannot do it.
    std::optional<error_sums> run()
    {
        const error_sums signal = find_ranges();
        if (!find_codes())
            return std::nullopt;
        const auto partials = map_chunks(layout_.rows, rows_per_chunk_, [&](std::size_t begin, std::size_t end) {
            error_sums sums;
            for_each_block(begin, end, [&](const column_block& block, std::size_t left) {
                dispatch(column_error_kernel{}, &block, scale_.data() + left, lowest_.data() + left, highest_.data() + left, &sums);
            });
            return sums;
        });
        error_sums errors;
        for (const error_sums& part : partials)
            errors += part;
        error_sums total = signal;
        total.count = source_.size;
        total.max_magnitude = max_magnitude_;
        return with_signal(errors, total);
    }

private:
    using key = order_key<float, Magnitudes>;
    static constexpr std::size_t cols_at_once = 2048;  // whose scales and levels stay in the first-level cache

    struct extremes
    {
        std::vector<std::int32_t> low, high;
    };

    template <class F>
    void for_each_block(std::size_t begin, std::size_t end, const F& f)
    {
        const std::size_t rows = end - begin;
        for (std::size_t left = 0; left < layout_.cols(); left += cols_at_once) {
            const std::size_t cols = std::min(cols_at_once, layout_.cols() - left), first = begin * layout_.cols() + left;
            if (source_.is_float) {
                f(column_block{.x = source_.as<float>().data() + first, .rows = rows, .cols = cols, .stride = layout_.cols()}, left);
                continue;
            }
            std::vector<float>& copy = copies_.local();
            copy.resize(std::max(copy.size(), rows * cols));
            for (std::size_t row = 0; row < rows; ++row)
                source_.read_float(source_.data, first + row * layout_.cols(), cols, copy.data() + row * cols);
            f(column_block{.x = copy.data(), .rows = rows, .cols = cols, .stride = cols}, left);
        }
    }

    error_sums find_ranges()
    {
        per_thread<extremes> threads([&] {
            return extremes{std::vector<std::int32_t>(layout_.cols(), std::numeric_limits<std::int32_t>::max()),
                            std::vector<std::int32_t>(layout_.cols(), std::numeric_limits<std::int32_t>::min())};
        });
        const auto partials = map_chunks(layout_.rows, rows_per_chunk_, [&](std::size_t begin, std::size_t end) {
            error_sums sums;
            extremes& found = threads.local();
            for_each_block(begin, end, [&](const column_block& block, std::size_t left) {
                dispatch(column_range_kernel<Magnitudes>{}, &block, found.low.data() + left, found.high.data() + left, &sums);
            });
            return sums;
        });
        error_sums signal;
        for (const error_sums& part : partials)
            signal += part;
        low_.assign(layout_.channels, std::numeric_limits<std::int32_t>::max());
        high_.assign(layout_.channels, std::numeric_limits<std::int32_t>::min());
        for (const extremes& found : threads)
            for (std::size_t j = 0; j < layout_.cols(); ++j) {
                const std::size_t channel = j / layout_.part;
                low_[channel] = std::min(low_[channel], found.low[j]);
                high_[channel] = std::max(high_[channel], found.high[j]);
            }
        return signal;
    }

    // Scales and levels of every column; false where sums in float would leave its range.
    bool find_codes()
    {
        scale_.resize(layout_.cols());
        lowest_.resize(layout_.cols());
        highest_.resize(layout_.cols());
        max_magnitude_ = 0;
        for (std::size_t channel = 0, j = 0; channel < layout_.channels; ++channel) {
            const auto low = static_cast<double>(key::value(low_[channel])), high = static_cast<double>(key::value(high_[channel]));
            max_magnitude_ = std::max({max_magnitude_, std::fabs(low), std::fabs(high)});
            if (!(std::fabs(low) <= largest_quick && std::fabs(high) <= largest_quick))
                return false;
            const group_code code = code_of_range(low, high, options_);
            if (!(code.scale >= smallest_quick && code.scale <= largest_quick / 65536))
                return false;
            for (std::size_t i = 0; i < layout_.part; ++i, ++j) {
                scale_[j] = static_cast<float>(code.scale);
                lowest_[j] = static_cast<float>(options_.lowest_code() - code.zero_point);
                highest_[j] = static_cast<float>(options_.highest_code() - code.zero_point);
            }
        }
        return max_magnitude_ >= smallest_quick;
    }

    const weight_source& source_;
    column_layout layout_;
    const scheme& options_;
    std::size_t rows_per_chunk_;
    per_thread<std::vector<float>> copies_;  // of weights that are no floats
    std::vector<std::int32_t> low_, high_;
    std::vector<float> scale_, lowest_, highest_;
    double max_magnitude_ = 0;
};

// The sums of a scheme with a scale for each index of an axis other than the first; none where strips have to be brought together.
inline std::optional<error_sums> simulate_columns(const weight_source& source, std::span<const std::size_t> shape, const scheme& options)
{
    constexpr std::size_t most_cols = std::size_t{1} << 20;
    if (!source.read_float || source.size < quick_sums_from || options.granularity != scale_granularity::per_channel || options.channel_axis == 0
        || options.bits > 8 || options.scale == scale_type::f64 || options.search != range_search::whole || options.rounding != rounding_mode::half_even)
        return std::nullopt;
    const column_layout layout = columns_of(shape, options.channel_axis);
    if (layout.cols() > most_cols || layout.cols() % simd<float>::width != 0)
        return std::nullopt;
    return options.symmetric ? column_pass<true>(source, layout, options).run() : column_pass<false>(source, layout, options).run();
}

}  // namespace weightscope::detail
