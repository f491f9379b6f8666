#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/quantizers/activation_range.hpp>
#include <weightscope/quantizers/group_scale.hpp>
#include <weightscope/quantizers/quantization_config.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/simulate.hpp>

namespace weightscope {

/// How activations are to be quantized.
struct activation_observer_options
{
    observer_method method = observer_method::min_max;
    int bits = 8;                 ///< 2 to 8 or 16
    bool symmetric = false;
    bool per_token = false;       ///< each row has a scale of its own, found when it comes: there is nothing to calibrate
    double percentile = 99.99;    ///< method percentile: share of the magnitudes (symmetric), or of each side, that is not cut off
    std::size_t samples = 0;      ///< rows to look at, those that come first; 0: all
};

/// What an observer has learnt.
struct activation_code
{
    double scale = 0;        ///< 0 for one scale per token: it is found when the token comes
    double zero_point = 0;   ///< code of 0
    double low = 0;          ///< what the lowest and the highest code stand for
    double high = 0;
    double min = 0;          ///< that were seen
    double max = 0;
    std::size_t samples = 0;           ///< rows that were looked at
    std::size_t non_finite_count = 0;  ///< activations; they have no say
    metric clipped_fraction = {};      ///< activations beyond low or high, to a bin of the histogram
    metric sqnr_db = {};               ///< 10 log10(Σx² / Σe²): exact per token, to the width of a bin of the histogram otherwise
};

/// Watches the inputs of a layer, batch by batch, and says how to quantize them.
///
///     activation_observer observer({.method = observer_method::mse});
///     evaluator.observe(batch, activation_tap(wanted, [&](std::size_t, const activation_view& x) {
///         observer.observe(std::span(x.data, x.rows * x.cols), x.cols, x.row_mask);
///     }));
///     const activation_code code = observer.code();
///
/// Keeps a histogram of 2 x 4096 bins whose width is the least power of two that holds all that came, so that the code does not
/// depend on the order or the size of the batches.
///
///     min_max      the whole range
///     percentile   cuts off what is beyond a percentile
///     mse          the range that leaves the least Σ e²
///     entropy      the range whose codes tell most like the histogram: the least Kullback-Leibler divergence
///
/// Ranges hold 0, which is decoded to 0 exactly. NaN and Inf are counted and passed over.
///
/// @see Migacz 2017, "8-bit inference with TensorRT" for entropy; Jacob et al. 2018, arXiv:1712.05877 for the codes
class activation_observer
{
public:
    /// @throws std::invalid_argument  an option is out of range
    explicit activation_observer(const activation_observer_options& options = {}) : options_(options)
    {
        require_scheme(row_scheme(), "activation_observer(options)", 2);
        require(options.percentile > 50 && options.percentile <= 100,
                "activation_observer(options): options.percentile is {}, expected above 50 and at most 100", options.percentile);
    }

    /// Looks at a batch: rows of activations, any layout and weight scalar; of rank 1 one row.
    template <tensor X>
    void observe(const X& activations)
    {
        const std::size_t rank = activations.dimension();
        const std::size_t rows = rank < 2 ? 1 : activations.size() / std::max<std::size_t>(activations.shape(rank - 1), 1);
        detail::with_source(activations, [&](const detail::weight_source& source) {
            const std::vector<double> values = detail::to_doubles(source);
            observe_rows(values, rows == 0 ? 0 : values.size() / rows, {});
        });
    }

    /// Looks at a batch of rows in memory.
    ///
    /// @param values    [rows, cols] row-major
    /// @param row_mask  [rows] 0 for a row that does not count; empty: all count
    /// @throws std::invalid_argument  the sizes do not fit each other
    void observe(std::span<const float> values, std::size_t cols, std::span<const std::uint8_t> row_mask = {})
    {
        require(cols > 0 ? values.size() % cols == 0 : values.empty(), "activation_observer::observe(values, cols): {} values are no rows of {}",
                values.size(), cols);
        require(row_mask.empty() || row_mask.size() * cols == values.size(),
                "activation_observer::observe(values, cols, row_mask): row_mask has {} entries, expected one for each row", row_mask.size());
        observe_rows(std::vector<double>(values.begin(), values.end()), cols, row_mask);
    }

    /// How to quantize what came so far.
    [[nodiscard]] activation_code code() const { return code(options_.method); }

    /// The same as another method would have it: what is watched does not depend on the method.
    [[nodiscard]] activation_code code(observer_method method) const
    {
        activation_code result{.min = seen_ ? min_ : 0, .max = seen_ ? max_ : 0, .samples = samples_, .non_finite_count = non_finite_};
        if (options_.per_token) {
            const quantization_error error = summarize_error(token_errors_);
            result.clipped_fraction = error.clipped_fraction;
            result.sqnr_db = error.sqnr_db;
            return result;
        }
        const scheme s = row_scheme();
        const detail::activation_range range = detail::choose_range(histogram_, result.min, result.max, method, options_.percentile, s);
        const detail::group_code code = detail::code_of_activations(range, s);
        result.scale = code.scale;
        result.zero_point = code.zero_point;
        result.low = (s.lowest_code() - code.zero_point) * code.scale;
        result.high = (s.highest_code() - code.zero_point) * code.scale;
        if (!seen_) {
            result.clipped_fraction = result.sqnr_db = metric::missing("no finite activations");
            return result;
        }
        const detail::range_error error = detail::error_of_code(histogram_, code, s);
        result.clipped_fraction = error.clipped / histogram_.total();
        result.sqnr_db = detail::sqnr_db(signal_, error.squared);
        return result;
    }

private:
    // The scheme of one row, which is that of the whole too.
    scheme row_scheme() const
    {
        return {.bits = options_.bits, .symmetric = options_.symmetric, .granularity = scale_granularity::per_channel};
    }

    void observe_rows(const std::vector<double>& values, std::size_t cols, std::span<const std::uint8_t> row_mask)
    {
        std::vector<double> taken;
        for (std::size_t row = 0; cols > 0 && row < values.size() / cols; ++row) {
            if (!row_mask.empty() && row_mask[row] == 0)
                continue;
            if (options_.samples != 0 && samples_ == options_.samples)
                break;
            ++samples_;
            const auto begin = values.begin() + static_cast<std::ptrdiff_t>(row * cols);
            taken.insert(taken.end(), begin, begin + static_cast<std::ptrdiff_t>(cols));
        }
        if (options_.per_token && !taken.empty()) {
            const std::size_t shape[] = {taken.size() / cols, cols};
            const scheme s = row_scheme();
            token_errors_ += detail::simulate(detail::source_of(std::span<const double>(taken)), shape, std::span(&s, 1), {}).front().sums;
        }
        for (const double x : taken) {
            if (!std::isfinite(x)) {
                ++non_finite_;
                continue;
            }
            min_ = seen_ ? std::min(min_, x) : x;
            max_ = seen_ ? std::max(max_, x) : x;
            seen_ = true;
            signal_ += x * x;
            if (!options_.per_token)
                histogram_.add(x);
        }
    }

    activation_observer_options options_;
    detail::activation_histogram histogram_ = {};
    error_sums token_errors_ = {};
    double min_ = 0, max_ = 0, signal_ = 0;
    bool seen_ = false;
    std::size_t samples_ = 0, non_finite_ = 0;
};

/// The observer options of a configuration: its symmetry, and as many rows as it has calibration_samples. Activations have 8 bits
/// unless the configuration says otherwise.
[[nodiscard]] inline activation_observer_options observer_options_of(const quantization_config& config,
                                                                     observer_method method = observer_method::min_max)
{
    return {.method = method,
            .bits = config.bits.value_or(8),
            .symmetric = scheme_of(config).symmetric,
            .samples = config.calibration_samples};
}

}  // namespace weightscope
