#pragma once
// What quantizing one layer alone does to a model's loss, or to its outputs.

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/metric.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/model_quality.hpp>
#include <weightscope/evaluators/model_quality_result.hpp>
#include <weightscope/evaluators/weight_patch.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/quantization_study_advice.hpp>
#include <weightscope/study/allocation_plan.hpp>
#include <weightscope/study/allocation_sources.hpp>
#include <weightscope/study/dequantized_model.hpp>
#include <weightscope/study/quantization_layers.hpp>
#include <weightscope/study/quantization_losses.hpp>

namespace weightscope::detail {

inline constexpr const char* allocation_measures_caller = "measure_allocation(evaluator, model, options)";

// What is to be measured: layers, each one of several equal ones, and the schemes that a plan or its rules need.
struct allocation_measured_layers
{
    std::vector<located_layer> layers = {};
    std::vector<std::size_t> firsts = {};  // of equal layers
    std::vector<scheme> schemes = {};

    allocation_measured_layers(const model& m, const allocation_plan_options& options)
    {
        allocation_plan_options asked = options;
        if (asked.candidates.empty())
            asked.candidates = default_allocation_candidates();
        const quantization_study_options study = plan_study_options(asked);
        layers = locate_layers(m, study);
        for (std::size_t i = 0; i < layers.size(); ++i)
            if (layers[i].layer.kept.empty() && layers[i].alike == i)
                firsts.push_back(i);
        for (const study_variant& variant : study.variants)
            schemes.push_back(canonical(variant.normal));
    }
};

// Puts a layer, and all that are equal to it, into an evaluator.
inline void write_allocation_layer(weight_patch& patch, const std::vector<weight_info>& weights, const model& m, const allocation_measured_layers& of, std::size_t first,
                                   const scheme& s)
{
    std::size_t offset = 0;
    for (std::size_t i = 0; i < of.layers.size(); ++i) {
        const located_layer& layer = of.layers[i];
        const named_tensor& tensor = m.tensors[layer.whole];
        const std::size_t element = bits_of(tensor.dtype) / 8;
        offset = i > 0 && of.layers[i - 1].whole == layer.whole ? offset : 0;
        const std::size_t begin = std::exchange(offset, offset + layer.tensor.size() * element);
        const std::size_t number = layer.alike == first ? weight_named(weights, tensor.name) : weights.size();
        if (number == weights.size())
            continue;
        require(weights[number].dtype == tensor.dtype && weights[number].size() == tensor.size(),
                "{}: the evaluator's tensor '{}' is {} numbers of {}, expected {} of {} as in the model", allocation_measures_caller, printable(tensor.name),
                weights[number].size(), to_string(weights[number].dtype), tensor.size(), to_string(tensor.dtype));
        patch.write(number, begin, requantized_bytes(layer.tensor, layer.layer, s));
    }
}

// Whether an evaluator has a layer, or one that is equal to it.
inline bool has_allocation_layer(const std::vector<weight_info>& weights, const model& m, const allocation_measured_layers& of, std::size_t first)
{
    return std::any_of(of.layers.begin(), of.layers.end(), [&](const located_layer& layer) {
        return layer.alike == first && weight_named(weights, m.tensors[layer.whole].name) < weights.size();
    });
}

// How much the loss rises by a change of the model, or how far its outputs move; nothing where that is not finite.
inline std::optional<uncertain_value> allocation_rise(const model_quality& changed, bool outputs)
{
    const metric& rise = outputs ? changed.outputs.kl_divergence : changed.loss_change;
    const metric& error = outputs ? changed.outputs.kl_divergence_error : changed.loss_change_error;
    require(!outputs || changed.outputs.rows > 0, "{}: the evaluator's outputs have no rows, expected 1 or more", allocation_measures_caller);
    const bool finite = rise.exists() && (error.exists() || error.reason == "one batch") && (!outputs || changed.outputs.non_finite_rows == 0);
    if (!finite)
        return std::nullopt;
    return uncertain_value{rise.value, error.exists() ? error.value : 0};
}

inline allocation_sources allocation_layer_losses(any_evaluator& evaluator, const model& m, const allocation_plan_options& options, const progress_callback& progress)
{
    const bool outputs = options.loss == allocation_loss::kl_divergence;
    require(!outputs || evaluator.supports_outputs(), "{}: the evaluator has no outputs, which options.loss = kl_divergence compares; expected measured",
            allocation_measures_caller);
    const std::size_t batches = evaluator.batch_count();
    const allocation_measured_layers of(m, options);
    allocation_sources sources{.name = fmt::format("measured on {} batch{}", batches, batches == 1 ? "" : "es")};
    with_threads(options.threads, [&] {
        quality_meter meter(evaluator, {.losses = !outputs, .outputs = outputs});
        std::vector<std::size_t> firsts;
        std::copy_if(of.firsts.begin(), of.firsts.end(), std::back_inserter(firsts),
                     [&](std::size_t first) { return has_allocation_layer(meter.weights(), m, of, first); });
        const std::size_t calls = 1 + meter.plan(firsts.size() * of.schemes.size()).calls();
        progress_reporter reporter(progress, calls, static_cast<double>(calls));
        reporter.finished("forward passes", 1);  // the meter's first
        const model_quality before = meter.original(&reporter);
        require(outputs || before.loss.exists(), "{}: the unchanged model has no loss: {}", allocation_measures_caller, before.loss.reason);
        std::vector<std::string> broken;
        for (const std::size_t first : firsts)
            for (const scheme& s : of.schemes) {
                const model_quality changed =
                    meter.changed([&](weight_patch& patch) { write_allocation_layer(patch, meter.weights(), m, of, first, s); }, &reporter);
                const std::string& name = of.layers[first].layer.name;
                if (const auto rise = allocation_rise(changed, outputs))
                    sources.losses.emplace(std::pair(name, to_string(s)), *rise);
                else
                    broken.push_back(fmt::format("{} in {}", printable(name), to_string(s)));
            }
        if (!broken.empty())
            sources.notes.push_back(fmt::format("the loss is not finite with {}{}: no plan takes that", broken.front(),
                                                broken.size() > 1 ? fmt::format(" and {} more", broken.size() - 1) : ""));
    });
    if (batches == 1)
        sources.notes.push_back("one batch shows no standard errors: give more data, or a smaller batch size");
    return sources;
}

}  // namespace weightscope::detail
