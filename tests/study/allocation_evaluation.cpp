#include <cstddef>
#include <stdexcept>
#include <string>

#include <weightscope/core/random.hpp>
#include <weightscope/evaluators/model_quality.hpp>
#include <weightscope/report/allocation_console.hpp>
#include <weightscope/report/allocation_json.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/study/allocation_evaluation.hpp>
#include <weightscope/study/allocation_plan.hpp>

#include "../catch.hpp"
#include "small_model.hpp"
#include "watching_evaluator.hpp"

using namespace weightscope;
using study_tests::distance_from, study_tests::watching_evaluator;

namespace {

study_tests::model_in_memory three_matrices()
{
    study_tests::model_in_memory m;
    m.add("a.weight", random_normal<float>({10, 64}, {.seed = 1}))
        .add("b.weight", random_normal<float>({20, 48}, {.seed = 2, .std = 3}))
        .add("c.weight", random_normal<float>({16, 32}, {.seed = 3, .std = 0.2}));
    return m;
}

}  // namespace

TEST_CASE("where the loss is the squared error, what a run shows is what the plan promises")
{
    auto m = three_matrices();
    watching_evaluator evaluator(*m, distance_from(*m));
    quality_meter meter(evaluator);
    const allocation_plan made =
        plan_allocation(*m, {.bits_per_weight = 5, .candidates = {"int3-g16", "int4-g16", "int6-g16", "keep"}, .loss = allocation_loss::error});
    REQUIRE(made.rules.size() >= 4);
    CHECK(plan_measured(made, meter).counts.losses == 2 * (2 + 2 * made.rules.size()));  // batches; unchanged, plan, rules and optima
    const allocation_plan plan = measure_plan(*m, made, meter);
    CHECK(plan.study.variants[plan.variant].quality->loss_change.value == Approx(plan.solution.loss).epsilon(1e-6));
    for (const plan_rule& rule : plan.rules) {
        CAPTURE(rule.name);
        REQUIRE(rule.optimum_variant);
        CHECK(plan.study.variants[rule.variant].quality->loss_change.value == Approx(rule.loss).epsilon(1e-6));
        CHECK(plan.study.variants[*rule.optimum_variant].quality->loss_change.value == Approx(rule.optimum_loss.value).epsilon(1e-6));
        CHECK(plan.study.variants[*rule.optimum_variant].bytes <= rule.bytes);
    }
    for (std::size_t t = 0; t < evaluator.bytes().size(); ++t)
        CHECK(std::equal(evaluator.bytes()[t].begin(), evaluator.bytes()[t].end(), (*m).tensors[t].bytes.begin(), (*m).tensors[t].bytes.end()));
    CHECK(plan.study.evaluation->before.loss.value == 0);

    const auto json = to_json(plan);
    CHECK(json.at("quality").at("loss_change") == plan.study.variants[plan.variant].quality->loss_change.value);
    CHECK(json.at("evaluation").at("batches") == 2);
    CHECK(json.at("rules").at(0).at("optimum_quality").at("loss_change") == plan.study.variants[*plan.rules[0].optimum_variant].quality->loss_change.value);
    const std::string text = to_console(plan);
    CHECK(text.find("Run on 2 batches, its loss changes by +") != text.npos);
    CHECK(text.find("rule of thumb, run") != text.npos);
    CHECK(to_console(made).find("rule of thumb, run") == std::string::npos);
    CHECK_FALSE(to_json(made).contains("quality"));
}

TEST_CASE("a plan of another model is not measured")
{
    auto m = three_matrices(), other = study_tests::small_model();
    watching_evaluator evaluator(*m, distance_from(*m));
    quality_meter meter(evaluator);
    const allocation_plan plan = plan_allocation(*other, {.bits_per_weight = 20, .candidates = {"int4-g16", "keep"}, .rules = false});
    CHECK_THROWS_AS(measure_plan(*m, plan, meter), std::invalid_argument);
}
