#pragma once
// What quantizing one layer alone does to a model's loss, or to its outputs.

#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/error.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/compare_outputs.hpp>
#include <weightscope/evaluators/evaluation.hpp>
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

// Puts a layer, and all that are equal to it, into an evaluator; false where it has none of them.
inline bool write_allocation_layer(weight_patch& patch, const std::vector<weight_info>& weights, const model& m, const allocation_measured_layers& of, std::size_t first,
                                 const scheme& s)
{
    bool written = false;
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
        written = true;
    }
    return written;
}

// How much the mean loss rises, and the standard error over batches, each compared with itself.
inline uncertain_value allocation_rise(const std::vector<loss_value>& before, const std::vector<loss_value>& after)
{
    const double count = total(before).count, mean = mean_change(after, before, count), batches = static_cast<double>(before.size());
    double squares = 0;
    for (std::size_t b = 0; b < before.size(); ++b) {
        const double residual = after[b].sum - before[b].sum - mean * before[b].count;
        squares += residual * residual;
    }
    return {mean, before.size() > 1 ? std::sqrt(squares * batches / (batches - 1)) / count : 0};
}

// What a batch loses by a change of weights: its loss, or how far its outputs are from what they were. Those are kept where they fit into
// memory, and made again where not.
class allocation_meter
{
public:
    allocation_meter(any_evaluator& evaluator, allocation_loss loss, progress_reporter& progress)
        : evaluator_(evaluator), batches_(chosen_batches(evaluator, {}, allocation_measures_caller)), outputs_(loss == allocation_loss::kl_divergence),
          progress_(progress)
    {
        for (const std::size_t batch : batches_) {
            if (!outputs_) {
                before_.push_back(evaluator_.loss(batch));
            } else {
                model_outputs original = evaluator_.outputs(batch);
                before_.push_back({0, static_cast<double>(original.rows)});
                kept_bytes_ += original.values.size() * sizeof(float);
                if (kept_bytes_ <= most_kept_bytes)
                    kept_.push_back(std::move(original));
            }
            progress_.finished("forward passes", 1);
        }
        require_usable(total(before_), allocation_measures_caller);
    }

    const std::vector<loss_value>& before() const { return before_; }

    // @param change  writes weights; false where there are none to write, and then nothing is run
    std::optional<std::vector<loss_value>> after(const std::function<bool(weight_patch&)>& change)
    {
        std::vector<loss_value> losses;
        for (std::size_t b = 0; b < batches_.size();) {
            std::optional<model_outputs> original;
            if (outputs_ && b >= kept_.size())
                original = evaluator_.outputs(batches_[b]);
            weight_patch patch(evaluator_);
            if (!change(patch))
                return std::nullopt;
            for (const std::size_t end = original ? b + 1 : outputs_ ? kept_.size() : batches_.size(); b < end; ++b) {
                losses.push_back(outputs_ ? divergence(original ? *original : kept_[b], evaluator_.outputs(batches_[b])) : evaluator_.loss(batches_[b]));
                progress_.finished("forward passes", 1);
            }
            patch.restore();
        }
        return losses;
    }

private:
    static constexpr std::size_t most_kept_bytes = 1'000'000'000;

    static loss_value divergence(const model_outputs& original, const model_outputs& changed)
    {
        output_comparer comparer;
        comparer.add(original, changed);
        const output_comparison result = comparer.result();
        const auto rows = static_cast<double>(original.rows);
        const bool finite = result.non_finite_rows == 0 && result.kl_divergence.exists();
        return {finite ? result.kl_divergence.value * rows : std::numeric_limits<double>::infinity(), rows};
    }

    any_evaluator& evaluator_;
    std::vector<std::size_t> batches_;
    bool outputs_;
    progress_reporter& progress_;
    std::vector<loss_value> before_ = {};
    std::vector<model_outputs> kept_ = {};  // of the first batches
    std::size_t kept_bytes_ = 0;
};

inline allocation_sources allocation_layer_losses(any_evaluator& evaluator, const model& m, const allocation_plan_options& options, const progress_callback& progress)
{
    require(options.loss != allocation_loss::kl_divergence || evaluator.supports_outputs(),
            "{}: the evaluator has no outputs, which options.loss = kl_divergence compares; expected measured", allocation_measures_caller);
    const std::size_t batches = evaluator.batch_count();
    const allocation_measured_layers of(m, options);
    const std::size_t calls = batches * (1 + of.firsts.size() * of.schemes.size());
    progress_reporter reporter(progress, calls, static_cast<double>(calls));
    allocation_sources sources{.name = fmt::format("measured on {} batch{}", batches, batches == 1 ? "" : "es")};
    with_threads(options.threads, [&] {
        allocation_meter meter(evaluator, options.loss, reporter);
        std::vector<std::string> broken;
        for (const std::size_t first : of.firsts)
            for (const scheme& s : of.schemes) {
                const auto after = meter.after([&](weight_patch& patch) { return write_allocation_layer(patch, evaluator.weights(), m, of, first, s); });
                if (!after)
                    continue;
                const uncertain_value rise = allocation_rise(meter.before(), *after);
                const std::string& name = of.layers[first].layer.name;
                if (std::isfinite(rise.value) && std::isfinite(rise.standard_error))
                    sources.losses.emplace(std::pair(name, to_string(s)), rise);
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
