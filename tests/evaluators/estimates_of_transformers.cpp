#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <weightscope/evaluators/compare_outputs.hpp>
#include <weightscope/evaluators/fisher.hpp>
#include <weightscope/evaluators/group_probe.hpp>
#include <weightscope/evaluators/hessian_trace.hpp>
#include <weightscope/evaluators/metrics.hpp>
#include <weightscope/evaluators/self_test.hpp>
#include <weightscope/evaluators/transformer.hpp>

#include "../catch.hpp"
#include "tiny_transformers.hpp"

using namespace weightscope;

namespace {

template <class Real, class Stored>
void check_promises(const transformer_config& config)
{
    const tiny::made_model made = tiny::make_model<Stored>(config);
    transformer<Real> model(made.m, config, tiny::make_tokens(12, config.vocabulary_size));
    const auto result = test_evaluator(model);
    for (const self_test_check& check : result.checks) {
        INFO(check.name << ": " << check.text);
        CHECK(check.passed);
    }
    CHECK(result.checks.size() == 5);
}

}  // namespace

TEST_CASE("transformers keep the promises of an evaluator in every storage format")
{
    check_promises<double, double>(tiny::gpt2);
    check_promises<float, float>(tiny::gpt2);
    check_promises<float, bfloat16>(tiny::gpt2);
}

TEST_CASE("traces of a transformer by gradients and by losses agree within their errors")
{
    const tiny::made_model made = tiny::make_model<double>(tiny::gpt2);
    transformer<double> model(made.m, tiny::gpt2, tiny::make_tokens(12, tiny::gpt2.vocabulary_size));
    const std::vector<std::size_t> tensors = {2, 4, 6};
    const auto by_gradients = estimate_hessian_trace(model, {.max_probes = 48, .evaluation = {.tensors = tensors}});
    const auto by_losses = estimate_hessian_trace(
        model, {.max_probes = 48, .method = curvature_method::forward, .evaluation = {.tensors = tensors, .seed = 9, .threads = 2}});
    CHECK(by_gradients.method == curvature_method::gradient_differences);
    for (std::size_t t = 0; t < tensors.size(); ++t) {
        INFO(model.weights()[tensors[t]].name);
        const trace_estimate &a = by_gradients.tensors[t], &b = by_losses.tensors[t];
        CHECK(std::fabs(a.value - b.value) <= 1.5 * (a.half_width + b.half_width));
    }
}

TEST_CASE("removing a whole matrix of a transformer is what its outputs show")
{
    const tiny::made_model made = tiny::make_model<float>(tiny::gpt2);
    transformer<float> model(made.m, tiny::gpt2, tiny::make_tokens(12, tiny::gpt2.vocabulary_size));
    const std::size_t tensor = 4;  // the first block's attention
    const std::size_t size = model.weights()[tensor].size();
    const std::vector<weight_group> groups = {{"attention", {{tensor, 0, size, 1}}}};
    const auto effect = estimate_group_effects(model, groups, {.scale = false}).groups[0];
    CHECK(effect.removal != 0);
    const std::vector<std::byte> zeros(4 * size);
    const auto outputs = compare_outputs(model, [&](weight_patch& patch) { patch.write(tensor, 0, zeros); });
    CHECK(outputs.rmse.value > 1e-3);
    CHECK(outputs.kl_divergence.value > 0);
    const auto same = compare_outputs(model, model);
    CHECK(same.psnr_db.reason == "exact");
    CHECK_FALSE(estimate_metrics(model).empty());
    CHECK(estimate_fisher(model, {.tensors = {tensor}}).tensors[0].values.size() == size);
}
