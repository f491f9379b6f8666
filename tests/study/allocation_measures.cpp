#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/uniform.hpp>
#include <weightscope/report/allocation_console.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/allocation_steps.hpp>
#include <weightscope/study/allocation_measures.hpp>
#include <weightscope/study/allocation_plan.hpp>

#include "../catch.hpp"
#include "small_model.hpp"
#include "watching_evaluator.hpp"

using namespace weightscope;
using study_tests::distance_from, study_tests::model_in_memory, study_tests::watching_evaluator;

namespace {

// Half a sum of squares of how far the weights are from those of the model: h of each tensor times that, and in batch b times factor[b].
class quadratic_model
{
public:
    std::vector<double> h, factors;
    double limit = std::numeric_limits<double>::infinity();  // of one weight's change; beyond it there is no loss
    std::size_t losses = 0;

    quadratic_model(const model& m, std::vector<double> curvature, std::vector<double> batch_factors) : h(std::move(curvature)), factors(std::move(batch_factors))
    {
        for (const named_tensor& tensor : m.tensors) {
            infos_.push_back({.name = tensor.name, .shape = tensor.shape, .dtype = tensor.dtype});
            auto& values = first_.emplace_back(tensor.size());
            std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
        }
        now_ = first_;
    }

    std::vector<weight_info> weights() const { return infos_; }
    void read(std::size_t t, std::size_t offset, std::span<std::byte> bytes) const
    {
        std::memcpy(bytes.data(), reinterpret_cast<const std::byte*>(now_[t].data()) + offset, bytes.size());
    }
    void write(std::size_t t, std::size_t offset, std::span<const std::byte> bytes)
    {
        std::memcpy(reinterpret_cast<std::byte*>(now_[t].data()) + offset, bytes.data(), bytes.size());
    }
    std::size_t batch_count() const { return factors.size(); }
    loss_value loss(std::size_t batch)
    {
        ++losses;
        double sum = 0;
        for (std::size_t t = 0; t < now_.size(); ++t)
            for (std::size_t i = 0; i < now_[t].size(); ++i) {
                const double e = static_cast<double>(now_[t][i]) - static_cast<double>(first_[t][i]);
                sum += std::fabs(e) > limit ? std::numeric_limits<double>::quiet_NaN() : 0.5 * h[t] * e * e;
            }
        return {.sum = 2 * (1 + factors[batch] * sum), .count = 2};
    }
    loss_value loss_and_gradient(std::size_t batch, const gradient_sink& sink)
    {
        for (std::size_t t = 0; t < now_.size(); ++t) {
            std::vector<double> gradient;
            for (std::size_t i = 0; i < now_[t].size(); ++i)
                gradient.push_back(2 * factors[batch] * h[t] * (static_cast<double>(now_[t][i]) - static_cast<double>(first_[t][i])));
            sink(t, 0, gradient);
        }
        return loss(batch);
    }
    bool unchanged() const { return now_ == first_; }

private:
    std::vector<weight_info> infos_;
    std::vector<std::vector<float>> first_, now_;
};

model_in_memory three_matrices()
{
    model_in_memory m;
    m.add("a.weight", random_normal<float>({12, 32}, {.seed = 1}))
        .add("b.weight", random_normal<float>({8, 64}, {.seed = 2}))
        .add("c.weight", random_normal<float>({12, 32}, {.seed = 1}))  // equal to a
        .add("norm.weight", random_normal<float>({16}, {.seed = 3}));
    return m;
}

allocation_plan_options asked_for(allocation_loss loss)
{
    return {.bits_per_weight = 4.5, .candidates = {"int3-g32", "int4-g32", "int8-per-channel-sym"}, .loss = loss, .rules = false};
}

const plan_option& option_named(const allocation_plan& plan, std::size_t item, const std::string& name)
{
    return *std::find_if(plan.items[item].options.begin(), plan.items[item].options.end(),
                         [&](const plan_option& o) { return detail::plan_format_name(plan, o.scheme) == name; });
}

}  // namespace

TEST_CASE("the measured loss of a layer is the rise of the loss with that layer alone quantized")
{
    model_in_memory m = three_matrices();
    // factors of mean 1, half apart: each rise q is 0.5 q and 1.5 q in the two batches
    quadratic_model evaluator(*m, {3, 0.25, 2, 1}, {0.5, 1.5});
    const allocation_plan_options options = asked_for(allocation_loss::measured);
    const allocation_measures_plan cost = plan_allocation_measures(evaluator.batch_count(), *m, options);
    CHECK(cost.layers == 2);  // a stands for c
    CHECK(cost.schemes == 3);
    std::size_t calls = 0;
    const allocation_sources sources = measure_allocation(evaluator, *m, options, {}, [&](const progress& p) {
        calls = p.done;
        return true;
    });
    CHECK(evaluator.unchanged());
    CHECK(evaluator.losses == cost.losses);
    CHECK(calls == cost.losses);
    CHECK(sources.name == "measured on 2 batches");
    const allocation_plan plan = plan_allocation(*m, options, sources);
    REQUIRE(plan.items.size() == 2);
    for (const char* name : {"int3-g32", "int4-g32", "int8-per-channel-sym"}) {
        const std::size_t s = option_named(plan, 0, name).scheme;
        const double a = plan.study.layers[0].figures[s].error.sums.squared_error, b = plan.study.layers[1].figures[s].error.sums.squared_error;
        // sums of many small numbers in another order, next to a loss of 1
        CHECK(option_named(plan, 0, name).loss == Approx(0.5 * (3 + 2) * a).epsilon(1e-9));
        CHECK(option_named(plan, 1, name).loss == Approx(0.5 * 0.25 * b).epsilon(1e-9));
        CHECK(option_named(plan, 1, name).standard_error == Approx(0.5 * 0.5 * 0.25 * b).epsilon(1e-9));
    }
    const std::string text = to_console(plan, {.width = 150});
    CHECK_THAT(text, Catch::Contains("rise of the loss, measured layer by layer") && Catch::Contains(" ± ") && Catch::Contains("± error"));
}

TEST_CASE("the divergence of outputs is that with a layer alone quantized")
{
    model_in_memory m = three_matrices();
    watching_evaluator evaluator(*m, distance_from(*m));  // its outputs are the first weights of a, four in each of two batches
    const auto before = evaluator.bytes();
    const allocation_plan_options options = asked_for(allocation_loss::kl_divergence);
    std::size_t calls = 0;
    const allocation_sources sources = measure_allocation(evaluator, *m, options, {}, [&](const progress& p) {
        calls = p.done;
        return true;
    });
    CHECK(evaluator.bytes() == before);
    CHECK(calls == plan_allocation_measures(evaluator.batch_count(), *m, options).losses);
    const scheme s = parse_scheme("int3-g32");
    const auto decoded = dequantize(quantize_uniform(random_normal<float>({12, 32}, {.seed = 1}), s));
    double divergences[2] = {};
    for (std::size_t batch = 0; batch < 2; ++batch) {
        const auto* was = reinterpret_cast<const float*>(before[0].data()) + 4 * batch;
        double sum = 0, now_sum = 0;
        for (std::size_t j = 0; j < 4; ++j) {
            sum += std::exp(double{was[j]});
            now_sum += std::exp(double{decoded.data()[4 * batch + j]});
        }
        for (std::size_t j = 0; j < 4; ++j)
            divergences[batch] += std::exp(double{was[j]}) / sum * (was[j] - std::log(sum) - decoded.data()[4 * batch + j] + std::log(now_sum));
    }
    const uncertain_value& found = sources.losses.at({"a.weight", "int3-g32"});
    CHECK(found.value == Approx((divergences[0] + divergences[1]) / 2).epsilon(1e-5));
    CHECK(found.standard_error == Approx(std::fabs(divergences[0] - divergences[1]) / 2).epsilon(1e-5));
    CHECK(sources.losses.at({"b.weight", "int3-g32"}).value == 0);
    CHECK_THAT(to_console(plan_allocation(*m, options, sources), {.width = 150}), Catch::Contains("KL divergence of the outputs, measured layer by layer"));

    quadratic_model silent(*m, {1, 1, 1, 1}, {1});
    CHECK_THROWS_WITH(measure_allocation(silent, *m, options), "weightscope::measure_allocation(evaluator, model, options): the evaluator has no outputs, "
                                                               "which options.loss = kl_divergence compares; expected measured");
}

TEST_CASE("a format that breaks the model is no choice, and one batch has no standard errors")
{
    model_in_memory m = three_matrices();
    quadratic_model evaluator(*m, {1, 1, 1, 1}, {1});
    evaluator.limit = 0.3;  // three bits are further off than that, four are not
    const allocation_plan_options options = asked_for(allocation_loss::measured);
    const allocation_sources sources = measure_allocation(evaluator, *m, options);
    REQUIRE(sources.notes.size() == 2);
    CHECK(sources.notes[0] == "the loss is not finite with a.weight in int3-g32 and 1 more: no plan takes that");
    CHECK(sources.notes[1] == "one batch shows no standard errors: give more data, or a smaller batch size");
    CHECK(evaluator.unchanged());
    allocation_plan_options roomy = options;
    roomy.bits_per_weight = 6;
    const allocation_plan plan = plan_allocation(*m, roomy, sources);
    for (const plan_item& item : plan.items)
        CHECK(item.options.size() == 2);
    REQUIRE(plan.notes.size() >= 2);
    CHECK(std::equal(sources.notes.begin(), sources.notes.end(), plan.notes.begin()));
}

TEST_CASE("layers that the evaluator does not have count as the others on average")
{
    model_in_memory m = three_matrices(), smaller;
    smaller.add("b.weight", random_normal<float>({8, 64}, {.seed = 2}));
    quadratic_model evaluator(*smaller, {4}, {1, 1});
    const allocation_plan_options options = asked_for(allocation_loss::measured);
    const allocation_plan plan = plan_allocation(*m, options, measure_allocation(evaluator, *m, options));
    REQUIRE(!plan.notes.empty());
    CHECK(plan.notes.front() == "nothing is known of 1 layer, a.weight first: it is taken to be as sensitive as the others on average");
    const plan_option& three = option_named(plan, 0, "int3-g32");
    CHECK(three.loss == Approx(2 * plan.study.layers[0].figures[three.scheme].error.sums.squared_error).epsilon(1e-9));
}

TEST_CASE("traces and diagonals from an evaluator give the loss that a quadratic model has")
{
    model_in_memory m = three_matrices();
    quadratic_model evaluator(*m, {3, 0.25, 2, 1}, {0.5, 1.5});
    const allocation_plan_options options = asked_for(allocation_loss::curvature);
    for (const bool diagonal : {false, true}) {
        const allocation_sources sources = measure_allocation(evaluator, *m, options, {.diagonal = diagonal, .probes = 4});
        CHECK(evaluator.unchanged());
        const allocation_plan plan = plan_allocation(*m, options, sources);
        const plan_option& a = option_named(plan, 0, "int4-g32");
        const plan_option& b = option_named(plan, 1, "int4-g32");
        // differences of gradients of weights in single precision; layer a tells of its equal c by its own curvature
        CHECK(a.loss == Approx(0.5 * 3 * plan.study.layers[0].figures[a.scheme].error.sums.squared_error).epsilon(1e-3));
        CHECK(b.loss == Approx(0.5 * 0.25 * plan.study.layers[1].figures[b.scheme].error.sums.squared_error).epsilon(1e-3));
    }
    // a trace below what can be resolved counts as its standard error, never as a reward
    quadratic_model saddle(*m, {-1, 1, -1, 1}, {1, 1});
    const allocation_sources sources = measure_allocation(saddle, *m, options, {.probes = 4});
    CHECK(sources.traces.at("a.weight").value >= 0);
    REQUIRE(sources.notes.size() == 1);
    CHECK(sources.notes.front() == "the traces of 1 of 2 layers are not resolved: their standard errors stand for them; more probes tell more");
}

TEST_CASE("what an evaluator lacks, or is not needed for, is told")
{
    model_in_memory m = three_matrices(), other;
    quadratic_model evaluator(*m, {1, 1, 1, 1}, {1});
    const std::string caller = "weightscope::measure_allocation(evaluator, model, options): ";
    CHECK_THROWS_WITH(measure_allocation(evaluator, *m, asked_for(allocation_loss::error)),
                      caller + "options.loss is error, which needs no evaluator; expected measured, kl_divergence, curvature, fisher or an error of activations");
    CHECK_THROWS_WITH(measure_allocation(evaluator, *m, asked_for(allocation_loss::measured), {.probes = 1}), caller + "options.probes is 1, expected 2 or more");
    other.add("x", random_normal<float>({4, 4}, {.seed = 1}));
    quadratic_model stranger(*other, {1}, {1});
    CHECK_THROWS_WITH(measure_allocation(stranger, *m, asked_for(allocation_loss::curvature)),
                      caller + "the evaluator has none of the layers to be planned, such as a.weight; names must be those of the model");
    model_in_memory resized;
    resized.add("a.weight", random_normal<float>({2, 2}, {.seed = 1}));
    quadratic_model wrong(*resized, {1}, {1});
    CHECK_THROWS_WITH(measure_allocation(wrong, *m, asked_for(allocation_loss::measured)),
                      caller + "the evaluator's tensor 'a.weight' is 4 numbers of F32, expected 384 of F32 as in the model");
    CHECK_THROWS_AS(measure_allocation(evaluator, *m, asked_for(allocation_loss::measured), {}, [](const progress&) { return false; }), cancelled);
    CHECK(evaluator.unchanged());
}
