#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/counter_random.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/direction_step.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/hessian_product.hpp>
#include <weightscope/evaluators/model_vector.hpp>
#include <weightscope/evaluators/weight_patch.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE curvature_method best_method(const any_evaluator& evaluator, curvature_method wanted, bool forward_will_do,
                                                std::string_view caller)
{
    const bool exact = evaluator.has_hessian_vector(), gradient = evaluator.has_gradient();
    if (wanted == curvature_method::automatic)
        wanted = exact ? curvature_method::hessian_vector : gradient || !forward_will_do ? curvature_method::gradient_differences
                                                                                       : curvature_method::forward;
    require(wanted != curvature_method::hessian_vector || exact, "{}: the evaluator has no hessian_vector(); expected one for this method", caller);
    require(wanted != curvature_method::gradient_differences || gradient,
            "{}: the evaluator has neither hessian_vector() nor loss_and_gradient(); expected one of them", caller);
    require(wanted != curvature_method::forward || forward_will_do,
            "{}: losses alone give no diagonal by probes; use estimate_differences() on the weights that matter", caller);
    return wanted;
}

WEIGHTSCOPE_INLINE hessian_prober::hessian_prober(any_evaluator& evaluator, const std::vector<std::size_t>& batches,
                                                  const std::vector<std::size_t>& tensors, std::uint64_t seed, curvature_method method,
                                                  double relative_step, std::string_view caller)
    : batches_(batches), tensors_(tensors), slots_(evaluator, tensors), seed_(seed), method_(method), caller_(caller)
{
    if (method_ == curvature_method::hessian_vector) {
        count_ = total(batch_losses(evaluator, batches_)).count;
        require(count_ > 0, "{}: the batches count {} items, expected more than 0", caller_, count_);
        floors_.assign(tensors_.size(), 0);
        return;
    }
    const mean_gradient base = gradient_of(evaluator, batches_, tensors_, slots_, caller_);
    double squares = 0, elements = 0, place = 0;
    for (const std::size_t t : tensors_) {
        const weight_info& info = evaluator.weights()[t];
        const double rms = root_mean_square(to_values(info.dtype, stored_bytes(evaluator, t)));
        squares += rms * rms * static_cast<double>(info.size());
        elements += static_cast<double>(info.size());
        place = std::max(place, relative_place(info.dtype));
    }
    const double rms = std::sqrt(squares / elements);
    unit_ = rounding_unit(base.single_precision);
    const double usual = base.single_precision ? 5e-3 : 1e-4;  // near the cube root of the gradient's precision
    step_ = std::max(relative_step > 0 ? relative_step : usual, 2 * place) * (rms > 0 ? rms : 1);
    // rounding errors of the gradients, which no variance shows if they are the same for every probe
    for (const std::vector<double>& g : base.values)
        floors_.push_back(16 * unit_ * largest_magnitude(g) / step_);
}

WEIGHTSCOPE_INLINE model_vector hessian_prober::product(any_evaluator& evaluator, std::size_t probe) const
{
    return method_ == curvature_method::hessian_vector ? exact_product(evaluator, probe) : difference_product(evaluator, probe);
}

WEIGHTSCOPE_INLINE model_vector hessian_prober::exact_product(any_evaluator& evaluator, std::size_t probe) const
{
    model_vector product = zeros_for(evaluator, tensors_);
    const weight_direction direction([&](std::size_t tensor, std::size_t offset, std::span<double> values) {
        if (tensor >= slots_.size() || slots_[tensor] == tensor_slots::none)
            return std::fill(values.begin(), values.end(), 0.0);
        const std::string& name = evaluator.weights()[tensors_[slots_[tensor]]].name;
        counter_random(seed_, "probe", name).fill_signs(offset, probe, values);
    });
    const gradient_sink sink = sink_into(product, evaluator, slots_, caller_);
    for (const std::size_t batch : batches_)
        evaluator.hessian_vector(batch, direction, sink);
    for (std::size_t slot = 0; slot < tensors_.size(); ++slot) {
        const auto signs = signs_for(evaluator.weights()[tensors_[slot]], seed_, probe);
        for (std::size_t i = 0; i < signs.size(); ++i)
            product[slot][i] *= signs[i] / count_;
    }
    return product;
}

WEIGHTSCOPE_INLINE model_vector hessian_prober::difference_product(any_evaluator& evaluator, std::size_t probe) const
{
    model_vector product, distance = zeros_for(evaluator, tensors_);
    for (const double side : {1.0, -1.0}) {
        weight_patch patch(evaluator);
        for (std::size_t slot = 0; slot < tensors_.size(); ++slot) {
            const weight_info& info = evaluator.weights()[tensors_[slot]];
            const std::vector<std::byte> stored = stored_bytes(evaluator, tensors_[slot]);
            const std::vector<std::byte> moved = stepped(info.dtype, stored, signs_for(info, seed_, probe), side * step_,
                                                         counter_random(seed_, "rounding", info.name), probe);
            const std::vector<double> values = to_values(info.dtype, moved);
            for (std::size_t i = 0; i < values.size(); ++i)
                distance[slot][i] += side * values[i];
            patch.write(tensors_[slot], 0, moved);
        }
        model_vector gradient = gradient_of(evaluator, batches_, tensors_, slots_, caller_).values;
        patch.restore();
        if (side > 0) {
            product = std::move(gradient);
            continue;
        }
        for (std::size_t slot = 0; slot < tensors_.size(); ++slot)
            for (std::size_t i = 0; i < product[slot].size(); ++i) {
                // the realised distance has the sign of v; a weight that could not move says nothing
                const double d = distance[slot][i];
                product[slot][i] = d == 0 ? std::nan("") : (product[slot][i] - gradient[slot][i]) / d;
            }
    }
    return product;
}

WEIGHTSCOPE_INLINE void running_mean::add(double x, std::size_t count)
{
    const double distance = x - mean;
    mean += distance / static_cast<double>(count);
    squares += distance * (x - mean);
}

WEIGHTSCOPE_INLINE double running_mean::standard_error(std::size_t count) const
{
    return count < 2 ? std::numeric_limits<double>::infinity()
                     : std::sqrt(squares / static_cast<double>(count - 1) / static_cast<double>(count));
}

}  // namespace weightscope::detail
