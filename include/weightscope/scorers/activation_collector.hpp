#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/io/activation_statistics.hpp>

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
    [[nodiscard]] activation_tap tap();

    /// What came so far, of the tensors whose inputs were shown, in the order of the weights.
    [[nodiscard]] std::vector<activation_statistics> result() const;

private:
    bool wants(std::size_t tensor) const;

    void take(std::size_t tensor, const activation_view& inputs);

    activation_collector_options options_;
    std::vector<std::string> names_;
    std::map<std::size_t, activation_statistics> found_;
    std::map<std::size_t, std::size_t> shown_;  // rows of each tensor since the batch began
};

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/activation_collector.hpp>
#endif
