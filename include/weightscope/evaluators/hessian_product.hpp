#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/model_vector.hpp>

namespace weightscope {

/// How products with the Hessian are got.
enum class curvature_method
{
    automatic,             ///< the best that the evaluator can do
    hessian_vector,        ///< by the evaluator
    gradient_differences,  ///< (g(w + h v) - g(w - h v)) / 2h
    forward,               ///< (L(w + h v) - 2 L(w) + L(w - h v)) / h²: losses only; traces, not diagonals
};

namespace detail {

WEIGHTSCOPE_INLINE curvature_method best_method(const any_evaluator& evaluator, curvature_method wanted, bool forward_will_do,
                                                std::string_view caller);

// Products of the Hessian of the mean loss with Rademacher vectors v, as v_i (H v)_i, whose mean over probes is H_ii.
class hessian_prober
{
public:
    hessian_prober(any_evaluator& evaluator, const std::vector<std::size_t>& batches, const std::vector<std::size_t>& tensors,
                   std::uint64_t seed, curvature_method method, double relative_step, std::string_view caller);

    // v_i (H v)_i for each element of the chosen tensors.
    model_vector product(any_evaluator& evaluator, std::size_t probe) const;

    // How far values of a tensor, the largest of which is this large, may be off whatever the number of probes.
    double floor(std::size_t slot, double largest) const { return floors_[slot] + 16 * unit_ * largest; }
    double step() const { return step_; }

private:
    model_vector exact_product(any_evaluator& evaluator, std::size_t probe) const;

    model_vector difference_product(any_evaluator& evaluator, std::size_t probe) const;

    std::vector<std::size_t> batches_, tensors_;
    tensor_slots slots_;
    std::uint64_t seed_;
    curvature_method method_;
    std::string_view caller_;
    std::vector<double> floors_;
    double step_ = 0, count_ = 0, unit_ = 0x1p-53;
};

// Mean and variance, one value at a time.
struct running_mean
{
    double mean = 0, squares = 0;  // squares: sum of squared distances from the mean

    void add(double x, std::size_t count);  // count: with this one
    double standard_error(std::size_t count) const;
};

}  // namespace detail

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/hessian_product.hpp>
#endif
