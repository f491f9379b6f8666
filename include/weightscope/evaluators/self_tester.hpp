#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <weightscope/evaluators/model_vector.hpp>
#include <weightscope/evaluators/noise.hpp>

namespace weightscope {

/// One thing that must hold before estimates can be trusted.
struct self_test_check
{
    std::string name = {};   ///< "repeatable", "reacts to writes"...
    bool passed = false;
    double value = 0;        ///< what was measured; its meaning is in `text`
    std::string text = {};   ///< one sentence with the value, and the cure where it failed
};

struct self_test_result
{
    std::vector<self_test_check> checks = {};
    noise_result noise = {};
    double loss = 0;  ///< mean loss of the unchanged model
    evaluation_counts counts = {};

    [[nodiscard]] bool passed() const;
};

namespace detail {

// The checks, one by one; each adds what it found to the result.
struct self_tester
{
    any_evaluator& evaluator;
    std::vector<std::size_t> batches, tensors;
    std::uint64_t seed;
    const char* caller;
    std::vector<loss_value> base = {};
    double count = 0;
    self_test_result result = {};

    void add(std::string name, bool passed, double value, std::string text);

    // An evaluator in training mode, with dropout or a shuffled batch, gives another loss each time.
    void check_repeatable();

    // State left over from one batch, such as a cache, changes the next.
    void check_order();

    void check_round_trip();

    // Weights that a backend has packed, folded or copied away are changed in vain.
    void check_reaction();

    // Central difference of the loss along a direction against what the gradient foretells, relative.
    double directional_error(const mean_gradient& gradient, const std::vector<std::vector<double>>& directions, std::size_t probe, double step);

    // Derivatives along two random directions, from the gradient and from losses.
    void check_gradient();
};

}  // namespace detail

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/self_tester.hpp>
#endif
