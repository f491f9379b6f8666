#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/transpose.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/uniform.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/study/allocation_losses.hpp>
#include <weightscope/study/allocation_sources.hpp>
#include <weightscope/study/quantization_layers.hpp>

namespace weightscope::detail {

// Adds up a_j e_ij², or a_ij e_ij² where there is a number for each weight, and the same of w instead of e; and δ² e⁴, δ the standard
// error of a_ij.
struct plan_weighted_error
{
    double error = 0, signal = 0, variance = 0;
};

inline plan_weighted_error plan_weighted_error_of(const weight_source& elements, const xt::xarray<double>& decoded, std::size_t cols,
                                        const plan_weights& weights)
{
    const std::vector<double> values = to_doubles(elements);
    const bool each = weights.values.size() == values.size();
    plan_weighted_error sum;
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (!std::isfinite(values[i]))
            continue;
        const double a = weights.values[each ? i : i % cols], e = values[i] - decoded.data()[i];
        const double uncertain = weights.errors.empty() ? 0 : weights.errors[i] * e * e;
        sum.error += a * e * e;
        sum.variance += uncertain * uncertain;
        sum.signal += a * values[i] * values[i];
    }
    return sum;
}

// One for each of `schemes`, of a layer as [out, in * kernel].
inline std::vector<plan_weighted_error> plan_weighted_errors(const named_tensor& tensor, const study_layer& layer, const std::vector<scheme>& schemes,
                                                   const plan_weights& weights)
{
    return visit(tensor, [&](const auto& view) {
        return with_source(view, [&](const weight_source& elements) {
            std::vector<std::uint64_t> storage;
            matrix_source matrix = matrix_of(elements, layer.shape.size() < 2 ? 1 : layer.shape[0]);
            if (layer.transposed)
                matrix = transposed(matrix, storage);
            std::vector<plan_weighted_error> result;
            for (const scheme& s : schemes) {
                quantized_tensor q{.scheme = s, .shape = quantized_shape(layer)};
                quantize_into(matrix.elements, s, q);
                result.push_back(plan_weighted_error_of(matrix.elements, dequantize<double>(q), matrix.cols, weights));
            }
            return result;
        });
    });
}

// Of bare norms the number of rows is not known; it is the same for all layers.
inline std::vector<double> mean_squares_of(const activation_statistics& s)
{
    std::vector<double> result = s.sums_of_squares;
    for (double& square : result)
        square /= s.rows > 0 ? static_cast<double>(s.rows) : 1;
    return result;
}

WEIGHTSCOPE_INLINE plan_weights plan_error_weights(const study_layer& layer, const std::string& tensor, const allocation_sources& sources,
                                                   allocation_loss loss)
{
    importance_info info = sources.data.of(layer.name);
    if (layer.name != tensor && !info.activations && info.hessian_diag.empty() && info.squared_gradients.empty())
        info = sources.data.of(tensor);
    const std::size_t rows = layer.shape.size() < 2 ? 1 : layer.shape[layer.transposed ? 1 : 0];
    const std::size_t cols = rows > 0 ? layer.parameters / rows : 0;
    if (loss == allocation_loss::activation_error || loss == allocation_loss::relative_activation_error) {
        if (!info.activations || info.activations->sums_of_squares.size() != cols)
            return {};
        std::vector<double> squares = mean_squares_of(*info.activations);
        const bool seen = std::any_of(squares.begin(), squares.end(), [](double square) { return square > 0; });
        return {.values = seen ? std::move(squares) : std::vector<double>()};  // an expert that no token went to
    }
    const bool fisher = loss == allocation_loss::fisher;
    const importance_values& values = fisher ? info.squared_gradients : info.hessian_diag;
    const importance_values& errors = fisher ? info.squared_gradient_errors : info.hessian_errors;
    if (values.size() != layer.parameters)
        return {};
    const auto as_analysed = [&](const importance_values& of) {
        std::vector<double> stored(of.size());
        of.read(0, stored);
        if (!layer.transposed)
            return stored;
        std::vector<double> turned(stored.size());
        for (std::size_t i = 0; i < stored.size(); ++i)
            turned[i % rows * cols + i / rows] = stored[i];
        return turned;
    };
    std::vector<double> result = as_analysed(values);
    if (!std::all_of(result.begin(), result.end(), [](double value) { return std::isfinite(value); }))
        return {};
    return {.values = std::move(result), .errors = errors.size() == values.size() ? as_analysed(errors) : std::vector<double>()};
}

// Losses that follow from the errors of the study alone.
inline layer_losses plan_plain_losses(const study_layer& layer, allocation_loss loss, const std::optional<uncertain_value>& trace)
{
    layer_losses result;
    for (const scheme_figures& figures : layer.figures) {
        const error_sums& sums = figures.error.sums;
        const double share = loss == allocation_loss::relative_error ? (sums.signal > 0 ? 1 / sums.signal : 0) : 1;
        const double half_mean = 0.5 / static_cast<double>(layer.parameters);
        if (trace)
            result.push_back(uncertain_value{trace->value * half_mean * sums.squared_error, trace->standard_error * half_mean * sums.squared_error});
        else
            result.push_back(uncertain_value{share * sums.squared_error, 0});
    }
    return result;
}

inline layer_losses plan_losses_of(const located_layer& located, const study_layer& layer, const std::vector<scheme>& schemes,
                              const allocation_sources& sources, allocation_loss loss)
{
    if (loss == allocation_loss::error || loss == allocation_loss::relative_error)
        return plan_plain_losses(layer, loss, {});
    if (is_table(loss)) {
        layer_losses result;
        for (const scheme& s : schemes) {
            const auto found = sources.losses.find({layer.name, to_string(s)});
            result.push_back(found == sources.losses.end() ? std::nullopt : std::optional(found->second));
        }
        return result;
    }
    if (loss == allocation_loss::curvature && !sources.traces.empty()) {
        const auto found = sources.traces.find(layer.name);
        return found == sources.traces.end() ? layer_losses(schemes.size()) : plan_plain_losses(layer, loss, found->second);
    }
    const plan_weights weights = plan_error_weights(layer, located.tensor.name, sources, loss);
    if (weights.values.empty())
        return layer_losses(schemes.size());
    layer_losses result;
    for (const plan_weighted_error& sum : plan_weighted_errors(located.tensor, layer, schemes, weights)) {
        const double half = loss == allocation_loss::curvature || loss == allocation_loss::fisher ? 0.5 : 1;
        const bool relative = loss == allocation_loss::relative_activation_error;
        result.push_back(uncertain_value{relative ? (sum.signal > 0 ? sum.error / sum.signal : 0) : half * sum.error, half * std::sqrt(sum.variance)});
    }
    return result;
}

// A layer that nothing at all is known of counts as the others do on average: their loss for each unit of squared error, or of relative
// error where losses are relative.
inline void fill_missing_losses(const quantization_study_result& study, allocation_loss loss, std::vector<layer_losses>& losses,
                                std::vector<std::string>& notes)
{
    const bool relative = loss == allocation_loss::relative_activation_error;
    const auto plain_of = [&](std::size_t i, std::size_t s) {
        const error_sums& sums = study.layers[i].figures[s].error.sums;
        return relative ? (sums.signal > 0 ? sums.squared_error / sums.signal : 0) : sums.squared_error;
    };
    double known = 0, plain = 0;
    std::vector<std::string> missing;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < losses.size(); ++i) {
        bool any = losses[i].empty();
        for (std::size_t s = 0; s < losses[i].size(); ++s)
            if (losses[i][s]) {
                known += losses[i][s]->value;
                plain += plain_of(i, s);
                any = true;
            }
        if (!any) {
            missing.push_back(printable(study.layers[i].name));
            places.push_back(i);
        }
    }
    if (missing.empty())
        return;
    require(plain > 0, "plan_allocation(model, options, sources): sources has nothing that fits any layer, such as {}; names and shapes must "
            "be those of the model", missing.front());
    for (const std::size_t i : places)
        for (std::size_t s = 0; s < losses[i].size(); ++s)
            losses[i][s] = uncertain_value{known / plain * plain_of(i, s), 0};
    notes.push_back(fmt::format("nothing is known of {} layer{}, {} first: {} taken to be as sensitive as the others on average", missing.size(),
                                missing.size() == 1 ? "" : "s", missing.front(), missing.size() == 1 ? "it is" : "they are"));
}

WEIGHTSCOPE_INLINE std::vector<layer_losses> allocation_losses(const quantization_study_result& study, const std::vector<located_layer>& located,
                                                               const allocation_sources& sources, allocation_loss loss,
                                                               std::vector<std::string>& notes)
{
    std::vector<layer_losses> losses(study.layers.size());
    parallel_for(losses.size(), [&](std::size_t i) {
        if (!study.layers[i].figures.empty() && located[i].alike == i)
            losses[i] = plan_losses_of(located[i], study.layers[i], study.schemes, sources, loss);
    });
    if (loss != allocation_loss::given)
        fill_missing_losses(study, loss, losses, notes);
    return losses;
}

}  // namespace weightscope::detail
