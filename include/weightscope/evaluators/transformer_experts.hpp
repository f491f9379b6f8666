#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <weightscope/core/dispatch.hpp>
#include <weightscope/evaluators/sinks.hpp>
#include <weightscope/evaluators/transformer_inputs.hpp>
#include <weightscope/evaluators/transformer_kernels.hpp>
#include <weightscope/evaluators/transformer_linear.hpp>
#include <weightscope/evaluators/transformer_map.hpp>
#include <weightscope/evaluators/transformer_memory.hpp>
#include <weightscope/evaluators/transformer_weights.hpp>

namespace weightscope::detail {

// Which rows an expert takes, and what its output is multiplied with for each.
template <class Real>
struct expert_rows
{
    std::vector<std::size_t> rows = {};
    std::vector<Real> shares = {};
};

// Gives each row to the `most` experts with its highest logits, by the softmax over these; of equal ones the first. Closed experts get none.
template <class Real>
std::vector<expert_rows<Real>> route_rows(const std::vector<Real>& logits, std::size_t rows, const std::vector<bool>& open, std::size_t most)
{
    const std::size_t count = open.size();
    std::vector<expert_rows<Real>> result(count);
    std::vector<std::size_t> chosen;
    std::vector<Real> shares;
    for (std::size_t row = 0; row < rows; ++row) {
        const Real* const logit = logits.data() + row * count;
        std::vector<bool> left = open;
        chosen.clear();
        while (chosen.size() < most) {
            std::size_t best = count;
            for (std::size_t e = 0; e < count; ++e)  // NaN is above all numbers, so that it is seen in the end
                if (left[e] && (best == count || logit[e] > logit[best] || (std::isnan(logit[e]) && !std::isnan(logit[best]))))
                    best = e;
            if (best == count)
                break;
            left[best] = false;
            chosen.push_back(best);
        }
        Real sum = 0;
        shares.clear();
        for (const std::size_t e : chosen) {
            shares.push_back(std::exp(logit[e] - logit[chosen.front()]));
            sum += shares.back();
        }
        for (std::size_t k = 0; k < chosen.size(); ++k) {
            result[chosen[k]].rows.push_back(row);
            result[chosen[k]].shares.push_back(shares[k] / sum);
        }
    }
    return result;
}

// The experts of a layer over rows of its input. An expert whose row of the router is all zeros takes no rows, as if it were not there.
template <class Real>
class transformer_experts
{
public:
    transformer_experts(const layer_map& layer, std::size_t most, const transformer_weights<Real>& weights, transformer_memory<Real>& memory,
                        std::size_t rows, row_block<Real> x)
        : layer_(layer), most_(most), weights_(weights), memory_(memory), rows_(rows), x_(x)
    {
    }

    // Adds what they make to y.
    void forward(row_block<Real> y, layer_inputs<Real>& inputs)
    {
        route(inputs.seen(layer_.router, x_));
        for (std::size_t e = 0; e < layer_.experts.size(); ++e) {
            run(e, inputs);
            for (std::size_t i = 0; i < taken_[e].rows.size(); ++i)
                for (std::size_t j = 0; j < layer_.experts[e].down.out; ++j)
                    y.row(taken_[e].rows[i])[j] += taken_[e].shares[i] * out_[i * layer_.experts[e].down.out + j];
        }
    }

    // dx, the gradient at x, from dy; gradients of the weights go to the sink.
    void backward(row_block<const Real> dy, row_block<Real> dx, const gradient_sink& sink)
    {
        layer_inputs<Real> nothing_else(memory_.changed, {}, nullptr);
        route(as_constant(x_));
        const std::size_t count = layer_.experts.size();
        std::vector<Real> dlogits(rows_ * count);  // of the shares first
        for (std::size_t row = 0; row < rows_; ++row)
            for (std::size_t j = 0; j < layer_.router.in; ++j)
                dx.row(row)[j] = 0;
        for (std::size_t e = 0; e < count; ++e)
            if (!taken_[e].rows.empty()) {
                run(e, nothing_else);
                expert_backward(e, dy, dx, dlogits, sink);
            }
        std::vector<Real> along(rows_);
        for (std::size_t e = 0; e < count; ++e)
            for (std::size_t i = 0; i < taken_[e].rows.size(); ++i)
                along[taken_[e].rows[i]] += taken_[e].shares[i] * dlogits[taken_[e].rows[i] * count + e];
        for (std::size_t e = 0; e < count; ++e)
            for (std::size_t i = 0; i < taken_[e].rows.size(); ++i) {
                Real& d = dlogits[taken_[e].rows[i] * count + e];
                d = taken_[e].shares[i] * (d - along[taken_[e].rows[i]]);
            }
        const row_block<const Real> dl{dlogits.data(), count};
        linear_backward<Real>(weights_, layer_.router, rows_, dl, dx, true, memory_.buffers);
        linear_gradient<Real>(layer_.router, rows_, as_constant(x_), dl, sink, memory_.panel);
    }

private:
    static row_block<const Real> as_constant(row_block<Real> block) { return {block.data, block.stride}; }

    void route(row_block<const Real> x)
    {
        const std::size_t count = layer_.experts.size(), width = layer_.router.in;
        std::vector<Real> logits(rows_ * count);
        linear_forward<Real>(weights_, layer_.router, rows_, x, {logits.data(), count}, false, memory_.buffers);
        const std::vector<Real> router = weights_.values(layer_.router.weight);
        std::vector<bool> open(count);
        for (std::size_t e = 0; e < count; ++e)
            for (std::size_t j = 0; j < width; ++j)
                open[e] = open[e] || router[e * width + j] != 0;
        taken_ = route_rows(logits, rows_, open, most_);
    }

    // Fills x_own_, fed_, active_ and out_ of an expert, a row for each that it took.
    void run(std::size_t e, layer_inputs<Real>& inputs)
    {
        const expert_map& expert = layer_.experts[e];
        const std::vector<std::size_t>& rows = taken_[e].rows;
        const std::size_t width = expert.gate.in, feed = expert.gate.out, n = rows.size();
        x_own_.resize(n * width), fed_.resize(n * 2 * feed), active_.resize(n * feed), out_.resize(n * expert.down.out);
        for (std::size_t i = 0; i < n; ++i)
            std::copy_n(x_.row(rows[i]), width, x_own_.data() + i * width);
        const auto apply = [&](const linear_map& map, row_block<Real> x, row_block<Real> y) {
            const row_block<const Real> seen = inputs.seen(map, x, &rows);
            if (n > 0)
                linear_forward<Real>(weights_, map, n, seen, y, false, memory_.buffers);
        };
        const row_block<Real> fed{fed_.data(), 2 * feed}, active{active_.data(), feed};
        apply(expert.gate, {x_own_.data(), width}, fed);
        apply(expert.up, {x_own_.data(), width}, fed);
        for (std::size_t i = 0; i < n; ++i)
            dispatch(gated_kernel<Real>{}, static_cast<const Real*>(fed.row(i)), static_cast<const Real*>(fed.row(i) + feed), feed, active.row(i));
        apply(expert.down, active, {out_.data(), expert.down.out});
    }

    void expert_backward(std::size_t e, row_block<const Real> dy, row_block<Real> dx, std::vector<Real>& dshares, const gradient_sink& sink)
    {
        const expert_map& expert = layer_.experts[e];
        const expert_rows<Real>& taken = taken_[e];
        const std::size_t width = expert.gate.in, feed = expert.gate.out, n = taken.rows.size(), out = expert.down.out;
        std::vector<Real> dout(n * out), dactive(n * feed), dfed(n * 2 * feed), down(n * width);
        for (std::size_t i = 0; i < n; ++i) {
            const Real* const d = dy.row(taken.rows[i]);
            dshares[taken.rows[i] * layer_.experts.size() + e] = dot<Real>(out_.data() + i * out, d, out);
            for (std::size_t j = 0; j < out; ++j)
                dout[i * out + j] = taken.shares[i] * d[j];
        }
        const auto back = [&](const linear_map& map, row_block<const Real> x, row_block<const Real> d, row_block<Real> to, bool add) {
            linear_backward<Real>(weights_, map, n, d, to, add, memory_.buffers);
            linear_gradient<Real>(map, n, x, d, sink, memory_.panel);
        };
        back(expert.down, {active_.data(), feed}, {dout.data(), out}, {dactive.data(), feed}, false);
        for (std::size_t i = 0; i < n; ++i) {
            const Real* const fed = fed_.data() + i * 2 * feed;
            Real* const d = dfed.data() + i * 2 * feed;
            dispatch(gated_backward_kernel<Real>{}, fed, fed + feed, static_cast<const Real*>(dactive.data() + i * feed), feed, d, d + feed);
        }
        back(expert.gate, {x_own_.data(), width}, {dfed.data(), 2 * feed}, {down.data(), width}, false);
        back(expert.up, {x_own_.data(), width}, {dfed.data(), 2 * feed}, {down.data(), width}, true);
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t j = 0; j < width; ++j)
                dx.row(taken.rows[i])[j] += down[i * width + j];
    }

    const layer_map& layer_;
    std::size_t most_;
    const transformer_weights<Real>& weights_;
    transformer_memory<Real>& memory_;
    std::size_t rows_;
    row_block<Real> x_;
    std::vector<expert_rows<Real>> taken_ = {};
    std::vector<Real> x_own_ = {}, fed_ = {}, active_ = {}, out_ = {};
};

}  // namespace weightscope::detail
