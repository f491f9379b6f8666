// Models for tests of bit flips.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <vector>

#include <weightscope/evaluators/evaluator.hpp>

#include "../evaluators/models.hpp"

namespace bit_models {

using weightscope::loss_value;

// log of the first weight and the squares of all, in float: flips of float weights make it NaN, Inf, or nothing at all.
class fragile_model : public test_models::stored_weights<float>
{
public:
    explicit fragile_model(const std::vector<double>& w) { add("layers.0.weight", {w.size()}, w); }
    std::size_t batch_count() const { return 1; }
    loss_value loss(std::size_t)
    {
        float sum = std::log(values_[0][0]);
        for (const float w : values_[0])
            sum += w * w;
        return {static_cast<double>(sum), 1};
    }
    fragile_model replicate() const { return *this; }
};

// A quadratic with two figures besides its loss, and that can be told to throw.
class figured_model : public test_models::quadratic_model<float>
{
public:
    using quadratic_model::quadratic_model;
    std::vector<weightscope::metric_info> metrics() const { return {{"spread", false}, {"score", true}}; }
    void measure(std::size_t, std::span<loss_value> values)
    {
        double sum = 0;
        for (const double w : flat())
            sum += std::fabs(w);
        values[0] = {2 * sum, 2};
        values[1] = {-sum, 1};
    }
    loss_value loss(std::size_t batch)
    {
        if (losses_left > 0 && --losses_left == 0)
            throw std::runtime_error("out of paper");
        return quadratic_model::loss(batch);
    }
    figured_model replicate() const { return *this; }

    std::size_t losses_left = 0;
};

// A copy with one bit flipped, byte by byte.
template <class Model>
Model with_flip(Model model, std::size_t tensor, std::size_t flat, unsigned bit, std::size_t bytes)
{
    std::array<std::byte, 8> stored{};
    const auto weight = std::span(stored).first(bytes);
    model.read(tensor, flat * bytes, weight);
    weight[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    model.write(tensor, flat * bytes, weight);
    return model;
}

}  // namespace bit_models
