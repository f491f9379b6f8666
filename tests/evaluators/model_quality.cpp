#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <vector>

#include <weightscope/evaluators/model_quality.hpp>

#include "../catch.hpp"
#include "models.hpp"

using namespace weightscope;

namespace {

// Batch b has the loss w_b of b + 1 items, and one row of outputs (w_b, -w_b). Counts what it is asked.
struct counting_model : stored_weights<double>
{
    explicit counting_model(std::vector<double> w) { add("w", {w.size()}, w); }
    std::size_t batch_count() const { return values_[0].size(); }
    loss_value loss(std::size_t b)
    {
        ++losses;
        return {static_cast<double>(b + 1) * values_[0][b], static_cast<double>(b + 1)};
    }
    model_outputs outputs(std::size_t b)
    {
        ++made_outputs;
        const auto w = static_cast<float>(values_[0][b]);
        return {.values = {w, -w}, .rows = 1, .cols = 2};
    }
    std::vector<metric_info> metrics() const { return {{.name = "double loss"}}; }
    void measure(std::size_t b, std::span<loss_value> values)
    {
        ++measures;
        values[0] = {2 * static_cast<double>(b + 1) * values_[0][b], static_cast<double>(b + 1)};
    }
    std::size_t losses = 0, made_outputs = 0, measures = 0;
};

// Doubles the second weight.
void double_second(weight_patch& patch)
{
    const std::array<double, 1> value = {4};
    patch.write(0, sizeof(double), std::as_bytes(std::span(value)));
}

}  // namespace

TEST_CASE("a changed model is measured beside the unchanged one, and put back")
{
    counting_model model({1, 2, 3});
    quality_meter meter(model);
    const model_quality before = meter.original(), after = meter.changed(double_second);
    CHECK(before.loss.value == Approx((1 + 4 + 9) / 6.0).epsilon(1e-15));
    CHECK(before.perplexity.value == Approx(std::exp(14 / 6.0)).epsilon(1e-15));
    CHECK(before.loss_change.value == 0);
    CHECK(before.loss_change_error.reason == "nothing is changed");
    CHECK(before.outputs.kl_divergence.reason == "nothing is changed");
    CHECK(after.loss.value == Approx(18 / 6.0).epsilon(1e-15));
    CHECK(after.loss_change.value == Approx(4 / 6.0).epsilon(1e-15));
    // residuals of the batches' changes 0, 4, 0 from 2/3 of 1, 2, 3: -2/3, 8/3, -2; their squares add to 104/9, times 3/2, over 6 squared
    CHECK(after.loss_change_error.value == Approx(std::sqrt(104.0 / 9 * 1.5) / 6).epsilon(1e-14));
    // outputs (2, -2) become (4, -4): mean |difference| 2 in two of six
    CHECK(after.outputs.mae.value == Approx(4 / 6.0).epsilon(1e-15));
    CHECK(after.outputs.top1_agreement.value == 1);
    const double p = 1 / (1 + std::exp(-4.0)), q = 1 / (1 + std::exp(-8.0));
    CHECK(after.outputs.kl_divergence.value == Approx((p * std::log(p / q) + (1 - p) * std::log((1 - p) / (1 - q))) / 3).epsilon(1e-10));
    // the batches diverge by 0, 3 m and 0: residuals -m, 2 m, -m, their squares 6 m² times 3/2, over 3 squared
    CHECK(after.outputs.kl_divergence_error.value == Approx(after.outputs.kl_divergence.value).epsilon(1e-12));
    CHECK(before.outputs.kl_divergence_error.reason == "nothing is changed");
    CHECK(after.figures.empty());
    CHECK(model.loss(1).sum == 4);  // 2 items of loss 2: as it was
}

TEST_CASE("the plan tells every call, whether outputs can be kept or not")
{
    for (const double bytes : {1e9, 8.0, 17.0, 0.0}) {  // a batch has 8 bytes of outputs: all, one, two and none of them are kept
        counting_model model({1, 2, 3});
        quality_meter meter(model, {.figures = true, .kept_output_bytes = bytes});
        model.losses = model.made_outputs = model.measures = 0;
        const model_quality_plan plan = meter.plan(2);
        CHECK(plan.memory_bytes <= bytes);
        CHECK(plan.seconds >= 0);
        (void)meter.original();
        const model_quality a = meter.changed(double_second), b = meter.changed([](weight_patch&) {});
        CHECK(model.losses == plan.counts.losses);
        CHECK(model.made_outputs == plan.counts.outputs);
        CHECK(model.measures == plan.counts.measures);
        CHECK(plan.counts.losses == 9);
        // what is kept does not change the figures
        CHECK(a.outputs.mae.value == Approx(4 / 6.0).epsilon(1e-15));
        CHECK(b.outputs.psnr_db.reason == "exact");
        CHECK(b.loss_change.value == 0);
        REQUIRE(a.figures.size() == 1);
        CHECK(a.figures[0].name == "double loss");
        CHECK(a.figures[0].value.value == Approx(6).epsilon(1e-15));
        CHECK(meter.plan(0).counts.losses == 0);  // the unchanged model is measured once
    }
}

TEST_CASE("losses or outputs alone are measured on request, and the plan tells every call")
{
    for (const double bytes : {1e9, 8.0, 0.0}) {
        counting_model model({1, 2, 3});
        quality_meter meter(model, {.kept_output_bytes = bytes, .losses = false});
        CHECK(model.made_outputs == 1);
        model.made_outputs = 0;
        const model_quality_plan plan = meter.plan(1);
        const model_quality before = meter.original(), after = meter.changed(double_second);
        CHECK(before.loss.reason == "not asked for");
        CHECK(before.loss_change.reason == "not asked for");
        CHECK(before.outputs.mae.reason == "nothing is changed");
        CHECK(after.perplexity.reason == "not asked for");
        CHECK(after.loss_change_error.reason == "not asked for");
        CHECK(after.outputs.mae.value == Approx(4 / 6.0).epsilon(1e-15));
        CHECK(model.losses == 0);
        CHECK(plan.counts.losses == 0);
        CHECK(model.made_outputs == plan.counts.outputs);
    }
    counting_model model({1, 2, 3});
    quality_meter meter(model, {.outputs = false});
    CHECK(meter.plan(2).calls() == 8);  // the first loss is known already
    (void)meter.changed(double_second);
    const model_quality after = meter.changed(double_second);
    CHECK(model.losses == 9);
    CHECK(model.made_outputs == 0);
    CHECK(after.loss_change.value == Approx(4 / 6.0).epsilon(1e-15));
    CHECK(after.outputs.kl_divergence.reason == "no outputs");
    CHECK_THROWS_WITH(quality_meter(model, {.losses = false, .outputs = false}),
                      "weightscope::quality_meter(evaluator, options): options.losses is not set and there are no outputs, expected one of the two");
}

TEST_CASE("a model without outputs has losses alone, and one without batches is refused")
{
    quadratic_model<double> model(random_matrix(4, 4, 1), {1, 2, 3, 4}, {0.1, 0.2, 0.3, 0.4}, 2);
    quality_meter meter(model);
    const model_quality after = meter.changed([](weight_patch&) {});
    CHECK(after.loss.exists());
    CHECK(after.outputs.mae.reason == "no outputs");
    CHECK(meter.plan(3).counts.outputs == 0);

    counting_model none({});
    CHECK_THROWS_WITH(quality_meter(none), "weightscope::quality_meter(evaluator): the evaluator has no batch, expected 1 or more");
}

TEST_CASE("a change that throws leaves the weights as they were")
{
    counting_model model({1, 2, 3});
    quality_meter meter(model);
    CHECK_THROWS_AS(meter.changed([](weight_patch& patch) {
        double_second(patch);
        throw std::runtime_error("stopped");
    }),
                    std::runtime_error);
    CHECK(model.loss(1).sum == 4);
}
