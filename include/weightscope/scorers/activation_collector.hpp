#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/io/activation_statistics.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope {

struct activation_collector_options
{
    std::vector<std::size_t> tensors = {};  ///< empty: all whose inputs are shown
    std::size_t drop_first_of = 0;          ///< tokens of a sequence, the first of which does not count: its activations are often huge; 0: all count
};

namespace detail {

// Where the sums of the columns are.
struct input_sums
{
    double* sums = nullptr;
    double* magnitudes = nullptr;
    double* squares = nullptr;
    double* largest = nullptr;
};

// Adds rows of [rows, cols] to the sums of columns begin to end, a row after the other. `take` says which rows count.
struct input_sums_kernel
{
    [[gnu::always_inline]] void operator()(const float* data, const std::uint8_t* take, std::size_t rows, std::size_t cols, std::size_t begin,
                                           std::size_t end, input_sums out) const
    {
        double* __restrict sums = out.sums;
        double* __restrict magnitudes = out.magnitudes;
        double* __restrict squares = out.squares;
        double* __restrict largest = out.largest;
        for (std::size_t row = 0; row < rows; ++row) {
            if (take[row] == 0)
                continue;
            const float* __restrict x = data + row * cols;
            for (std::size_t c = begin; c < end; ++c) {
                const double value = static_cast<double>(x[c]), magnitude = std::fabs(value);
                sums[c] += value;
                magnitudes[c] += magnitude;
                squares[c] += value * value;
                largest[c] = magnitude > largest[c] ? magnitude : largest[c];
            }
        }
    }
};

}  // namespace detail

/// Collects what the inputs of linear layers look like while an evaluator runs.
///
///     activation_collector collector(evaluator.weights());
///     for (std::size_t batch = 0; batch < evaluator.batch_count(); ++batch) {
///         collector.begin_batch();
///         evaluator.observe(batch, collector.tap());
///     }
///     const std::vector<activation_statistics> statistics = collector.result();
///
/// Rows that the mask leaves out, such as padding, do not count. Sums in double, token after token: the same bits for any number of
/// threads. What is not finite makes the figures of its input so.
class activation_collector
{
public:
    /// @param weights  a range of weight_info, the evaluator's
    template <detail::range_of<weight_info> R>
    explicit activation_collector(const R& weights, activation_collector_options options = {}) : options_(std::move(options))
    {
        for (const auto& info : weights)
            names_.push_back(weight_info(info).name);
        for (const std::size_t t : options_.tensors)
            require(t < names_.size(), "activation_collector(weights, options): tensor {} is asked for, expected below {}", t, names_.size());
    }
    activation_collector(const activation_collector&) = delete;
    activation_collector& operator=(const activation_collector&) = delete;

    /// A new batch begins: with it a sequence does.
    void begin_batch() { shown_.clear(); }

    /// Takes what the evaluator shows; must not outlive the collector.
    [[nodiscard]] activation_tap tap()
    {
        return activation_tap([this](std::size_t tensor) { return wants(tensor); },
                              [this](std::size_t tensor, const activation_view& inputs) { take(tensor, inputs); });
    }

    /// What came so far, of the tensors whose inputs were shown, in the order of the weights.
    [[nodiscard]] std::vector<activation_statistics> result() const
    {
        std::vector<activation_statistics> result;
        for (const auto& [tensor, found] : found_) {
            activation_statistics statistics = found;
            for (std::size_t c = 0; c < statistics.max_magnitudes.size(); ++c)
                if (!std::isfinite(statistics.sums_of_magnitudes[c]))  // a maximum passes over NaN
                    statistics.max_magnitudes[c] = statistics.sums_of_magnitudes[c];
            result.push_back(std::move(statistics));
        }
        return result;
    }

private:
    bool wants(std::size_t tensor) const
    {
        return tensor < names_.size()
            && (options_.tensors.empty() || std::find(options_.tensors.begin(), options_.tensors.end(), tensor) != options_.tensors.end());
    }

    void take(std::size_t tensor, const activation_view& inputs)
    {
        if (!wants(tensor))
            return;
        require(inputs.row_mask.empty() || inputs.row_mask.size() == inputs.rows,
                "activation_collector: the inputs of '{}' have {} rows and a mask of {}, expected one entry for each", printable(names_[tensor]),
                inputs.rows, inputs.row_mask.size());
        const bool fresh = found_.find(tensor) == found_.end();
        activation_statistics& into = found_[tensor];
        if (fresh) {
            into.tensor = names_[tensor];
            for (std::vector<double>* sums : {&into.sums, &into.sums_of_magnitudes, &into.sums_of_squares, &into.max_magnitudes})
                sums->resize(inputs.cols);
        }
        require(into.sums.size() == inputs.cols, "activation_collector: the inputs of '{}' have {} columns, and had {} before",
                printable(names_[tensor]), inputs.cols, into.sums.size());
        std::size_t& shown = shown_[tensor];
        std::vector<std::uint8_t> counts(inputs.rows, 1);
        for (std::size_t row = 0; row < inputs.rows; ++row, ++shown) {
            const bool first = options_.drop_first_of > 0 && shown % options_.drop_first_of == 0;
            counts[row] = !first && (inputs.row_mask.empty() || inputs.row_mask[row] != 0) ? 1 : 0;
            into.rows += counts[row];
        }
        const detail::input_sums sums{into.sums.data(), into.sums_of_magnitudes.data(), into.sums_of_squares.data(), into.max_magnitudes.data()};
        constexpr std::size_t columns_at_once = 512;  // four sums of each stay in the first-level cache
        parallel_for((inputs.cols + columns_at_once - 1) / columns_at_once, [&](std::size_t part) {
            const std::size_t begin = part * columns_at_once, end = std::min(begin + columns_at_once, inputs.cols);
            detail::dispatch(detail::input_sums_kernel{}, inputs.data, static_cast<const std::uint8_t*>(counts.data()), inputs.rows, inputs.cols,
                             begin, end, sums);
        });
    }

    activation_collector_options options_;
    std::vector<std::string> names_;
    std::map<std::size_t, activation_statistics> found_;
    std::map<std::size_t, std::size_t> shown_;  // rows of each tensor since the batch began
};

}  // namespace weightscope
