#include "quantize_measures.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include <weightscope/evaluators/activation_change.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/model_quality.hpp>
#include <weightscope/evaluators/weight_patch.hpp>
#include <weightscope/quantizers/activation_range.hpp>
#include <weightscope/study/quantization_activations.hpp>
#include <weightscope/study/quantization_layers.hpp>
#include <weightscope/study/quantization_losses.hpp>
#include <weightscope/study/quantization_spectrum.hpp>

#include "arguments.hpp"
#include "command.hpp"
#include "terminal.hpp"

namespace ws = weightscope;

namespace {

constexpr ws::observer_method all_observers[] = {ws::observer_method::min_max, ws::observer_method::percentile, ws::observer_method::mse,
                                                 ws::observer_method::entropy};

// "int8", "int4-per-token", "int8-per-token-asym".
std::optional<ws::activation_study_options> parse_activations(std::string_view text)
{
    ws::activation_study_options options;
    const auto take = [&](std::string_view part) {
        if (!text.starts_with(part))
            return false;
        text.remove_prefix(part.size());
        return true;
    };
    if (!take("int"))
        return std::nullopt;
    const bool sixteen = take("16");
    if (!sixteen) {
        if (text.empty() || text.front() < '2' || text.front() > '8')
            return std::nullopt;
        options.bits = text.front() - '0';
        text.remove_prefix(1);
    } else {
        options.bits = 16;
    }
    options.per_token = take("-per-token");
    options.symmetric = !take("-asym");
    return text.empty() ? std::optional(options) : std::nullopt;
}

ws::activation_study_options activation_options_of(const quantize_measures& a)
{
    ws::activation_study_options options = parse_activations(a.activations).value();
    options.samples = a.calibration_samples;
    if (!a.observers.empty()) {
        options.observers.clear();
        for (const ws::observer_method method : all_observers)
            if (std::find(a.observers.begin(), a.observers.end(), to_string(method)) != a.observers.end())
                options.observers.push_back(method);
    }
    return options;
}

std::string plan_text(const ws::model_quality_plan& plan)
{
    return fmt::format("plan: {} forward passes ({} losses, {} outputs), about {:.3g} s, {:.3g} MB of outputs kept\n", plan.calls(), plan.counts.losses,
                       plan.counts.outputs, plan.seconds, plan.memory_bytes / 1e6);
}

// The weights of a variant, as a change of an evaluator's; all arguments must outlive it.
ws::quality_meter::weight_change weights_of(const ws::model& m, const ws::quantization_study_result& study, const ws::quality_meter& meter)
{
    const auto layers = std::make_shared<const std::vector<ws::detail::located_layer>>(ws::detail::locate_layers(m, study.settings));
    return [&m, &study, &meter, layers](ws::weight_patch& patch) {
        ws::detail::write_variant(patch, meter.weights(), m, *layers, study, study.variants[study.recommended]);
    };
}

template <class E>
void watch_activations(E& evaluator, const ws::model& m, ws::quantization_study_result& study, const quantize_measures& a, ws::quality_meter* meter,
                       const measures_told& how)
{
    if (!ws::detail::shows_activations(evaluator))
        throw usage_error("--activations: the program of --evaluator does not show what enters its layers; let it answer 'batches N activations', "
                          "or use --data or --text");
    ws::activation_study_result activations = ws::study_activations(evaluator, activation_options_of(a), how.progress);
    if (meter) {
        if constexpr (ws::activation_changing_evaluator<E>)
            activations = ws::measure_activation_losses(evaluator, std::move(activations), *meter, weights_of(m, study, *meter),
                                                        study.variants[study.recommended].name, how.progress);
        else if (study.evaluation)
            study.evaluation->notes.emplace_back("losses with quantized activations are not measured: a program cannot have them replaced");
    }
    study.activations = std::move(activations);
}

}  // namespace

void add_measure_arguments(CLI::App& sub, quantize_measures& a)
{
    const auto add_number = [&](const std::string& name, auto& value, std::size_t least, std::size_t most, const std::string& description) {
        return sub.add_option(name, value, description)->type_name("N")->check(whole_number(least, most));
    };
    sub.add_flag("--spectrum", a.spectrum,
                 "also measure what each scheme does to the spectrum of each matrix: spectral norm of the error, stable rank, tail exponent, "
                 "condition number, angle of the main directions");
    add_number("--angles", a.angles, 0, 1'000'000, "main directions whose angle --spectrum measures (8)");
    sub.add_flag("--evaluate", a.evaluate,
                 "run the model of --data, --text or --evaluator with the weights of each variant: loss, perplexity, KL divergence, top-1 "
                 "agreement, differences of outputs; what is recommended then depends on the loss");
    sub.add_option("--activations", a.activations,
                   "watch what enters the linear layers while the model runs and quantize it as intB[-per-token][-asym]; with --evaluate also "
                   "what that does to the loss")
        ->type_name("NAME")
        ->check(CLI::Validator(
            [](const std::string& text) {
                return parse_activations(text) ? std::string()
                                               : fmt::format("'{}' is no way to quantize activations; write it as int8, int8-per-token or int8-asym", text);
            },
            ""));
    add_number("--calibration-samples", a.calibration_samples, 1, 1'000'000'000, "tokens that --activations looks at, the first ones (4096)");
    std::vector<std::string> observers;
    for (const ws::observer_method method : all_observers)
        observers.emplace_back(to_string(method));
    sub.add_option("--observer", a.observers, "what chooses the range of activations: min_max, percentile, mse, entropy (all of them)")
        ->type_name("NAME,NAME")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->check(one_of(observers));
    add_evaluator_arguments(sub, a.run, evaluator_use::measure);
    sub.add_flag("--plan", a.plan_only, "say what --evaluate would cost, and stop");
}

void require_consistent(const quantize_measures& a)
{
    require_consistent(a.run);
    const bool runs = a.evaluate || !a.activations.empty();
    if (a.evaluate && !a.run.given())
        throw usage_error("--evaluate runs the model; give --data, --text or --evaluator too");
    if (!a.activations.empty() && !a.run.given())
        throw usage_error("--activations runs the model; give --data, --text or --evaluator too");
    if (a.run.given() && !runs)
        throw usage_error("--data, --text and --evaluator say what to run the model on, and neither --evaluate nor --activations asks for that");
    if (a.plan_only && !a.evaluate)
        throw usage_error("--plan tells what --evaluate would cost, and that is not given");
}

measured_study measure(const ws::model& m, ws::quantization_study_result study, const quantize_measures& a, const measures_told& how)
{
    measured_study result{.study = std::move(study)};
    if (a.spectrum && !a.plan_only)
        result.study = ws::measure_spectra(m, std::move(result.study), {.angle_count = a.angles}, how.progress);
    if (!a.run.given())
        return result;
    opened_evaluators evaluators = open_evaluators(a.run, m, {.use = evaluator_use::measure});
    evaluators.with_measuring([&](auto& evaluator) {
        std::optional<ws::quality_meter> meter;
        if (a.evaluate) {
            meter.emplace(evaluator);
            if (how.talks || a.plan_only) {
                for (const std::string& note : evaluators.notes)
                    print(note + "\n");
                const bool changes = ws::activation_changing_evaluator<std::remove_cvref_t<decltype(evaluator)>>;
                const std::size_t observers = a.activations.empty() || !changes ? 0 : activation_options_of(a).per_token ? 2 : activation_options_of(a).observers.size() + 1;
                print(plan_text(meter->plan(result.study.variants.size() + observers)) + "\n");
            }
            if (a.plan_only) {
                result.planned = true;
                return;
            }
            result.study = ws::measure_losses(m, std::move(result.study), *meter, how.progress);
        }
        if (!a.activations.empty())
            watch_activations(evaluator, m, result.study, a, meter ? &*meter : nullptr, how);
    });
    if (result.study.evaluation)
        result.study.evaluation->notes.insert(result.study.evaluation->notes.end(), evaluators.notes.begin(), evaluators.notes.end());
    return result;
}
