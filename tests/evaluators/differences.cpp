#include <atomic>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <weightscope/evaluators/differences.hpp>

#include "../catch.hpp"
#include "models.hpp"

using namespace weightscope;

namespace {

// L = sum of cos(w), with what is to be known about calls.
template <class T>
struct cosines : stored_weights<T>
{
    explicit cosines(std::vector<double> w) { this->add("w", {w.size()}, w); }
    std::size_t batch_count() const { return 1; }
    loss_value loss(std::size_t)
    {
        if (fails_after != 0 && ++calls > fails_after)
            throw std::runtime_error("out of memory");
        double sum = 0;
        for (const T x : this->values_[0])
            sum += std::cos(static_cast<double>(x));
        return {sum * 3, 3};
    }
    cosines replicate() const { return *this; }
    std::size_t fails_after = 0, calls = 0;
};

bool same(const differences_result& a, const differences_result& b)
{
    const auto bits = [](double x) { return std::bit_cast<std::uint64_t>(x); };
    for (std::size_t i = 0; i < a.weights.size(); ++i)
        if (bits(a.weights[i].gradient) != bits(b.weights[i].gradient) || bits(a.weights[i].curvature) != bits(b.weights[i].curvature))
            return false;
    return a.weights.size() == b.weights.size();
}

}  // namespace

TEST_CASE("derivatives of a parabola by hand")
{
    // L = w² at w = 3, points 0.5 above and 0.25 below: slopes 6.5 and 5.75, so dL = 6 and d²L = 2 exactly
    weight_derivatives w;
    detail::fit_parabola(0.5, 12.25 - 9, -0.25, 7.5625 - 9, 1, w);
    CHECK(w.gradient == 6);
    CHECK(w.curvature == 2);
    // equal distances: the usual formulas and their errors, 1/(√2 h) and √6/h²
    detail::fit_parabola(0.5, 12.25 - 9, -0.5, 6.25 - 9, 1, w);
    CHECK(w.gradient == 6);
    CHECK(w.curvature == 2);
    CHECK(w.gradient_error == Approx(1 / (std::sqrt(2.0) * 0.5)).epsilon(1e-14));
    CHECK(w.curvature_error == Approx(std::sqrt(6.0) / 0.25).epsilon(1e-14));
}

TEST_CASE("N weights cost N + 1 losses forward and 2 N + 1 central, and no write but theirs")
{
    cosines<float> model({0.1, 0.2, 0.3, 0.4});
    const auto before = model.all();
    CHECK(estimate_differences(model, {.method = difference_method::forward, .step = 1e-3}).counts == evaluation_counts{.losses = 5});
    CHECK(model.writes == 2 * 4);
    CHECK(estimate_differences(model, {.step = 1e-3}).counts == evaluation_counts{.losses = 9});
    CHECK(estimate_differences(model, {.positions = {{0, 2}}, .step = 1e-3}).counts == evaluation_counts{.losses = 3});
    CHECK(model.same_bytes(before));
}

TEST_CASE("automatic steps give each kind of derivative the precision that its formula promises")
{
    const auto w = random_matrix(1, 40, 6)[0];
    cosines<double> model(w);
    const auto worst = [&](difference_method method, bool curvature) {
        const auto found = estimate_differences(model, {.method = method});
        CHECK(found.noise > 0);
        double error = 0;
        for (std::size_t i = 0; i < w.size(); ++i)
            error = std::max(error, curvature ? std::fabs(found.weights[i].curvature + std::cos(w[i])) : std::fabs(found.weights[i].gradient + std::sin(w[i])));
        return error;
    };
    // noise is some 1e-15: errors near its square root, its power 2/3 and its square root
    CHECK(worst(difference_method::forward, false) < 2e-6);
    CHECK(worst(difference_method::central, false) < 2e-8);
    CHECK(worst(difference_method::curvature, true) < 1e-5);
}

TEST_CASE("errors that are reported for noise are those that noise makes")
{
    struct noisy : cosines<double>
    {
        using cosines<double>::cosines;
        random_stream random{4};
        loss_value loss(std::size_t b)
        {
            const double sigma = 1e-6 * 3;
            return {cosines<double>::loss(b).sum + sigma * random.normal(), 3};
        }
    } model(std::vector<double>(400, 0.7));
    const auto found = estimate_differences(model, {.method = difference_method::curvature, .step = 0.05, .noise = 1e-6});
    // each difference shares the loss of the unchanged model: compare the spread around the mean, without that part
    double gradient = 0, gradient2 = 0, curvature = 0, curvature2 = 0;
    for (const auto& weight : found.weights) {
        gradient += weight.gradient / 400;
        gradient2 += weight.gradient * weight.gradient / 400;
        curvature += weight.curvature / 400;
        curvature2 += weight.curvature * weight.curvature / 400;
    }
    const double h = found.weights[0].up;
    CHECK(std::sqrt(gradient2 - gradient * gradient) == Approx(1e-6 / (std::sqrt(2.0) * h)).epsilon(0.15));
    CHECK(std::sqrt(curvature2 - curvature * curvature) == Approx(std::sqrt(2.0) * 1e-6 / (h * h)).epsilon(0.15));
    CHECK(found.weights[0].gradient_error == Approx(1e-6 / (std::sqrt(2.0) * h)).epsilon(1e-6));
    CHECK(found.weights[0].curvature_error == Approx(std::sqrt(6.0) * 1e-6 / (h * h)).epsilon(1e-6));
}

TEMPLATE_TEST_CASE("realised steps are exact for 16-bit weights where a nominal step is off by 10 %", "", bfloat16, float16)
{
    // a quadratic has no error but that of the step
    const double step = std::is_same_v<TestType, bfloat16> ? 1e-2 : 1e-3;
    auto model = make_quadratic<quadratic_model<TestType>>(60, 8);
    const auto a = random_symmetric(60, 8);
    const auto b = random_matrix(1, 60, 1008)[0];
    const auto w = model.flat();
    const auto aw = model.times(w);
    const auto found = estimate_differences(model, {.step = step});
    double realised = 0, nominal = 0, curvature = 0;
    for (std::size_t i = 0; i < 60; ++i) {
        const auto& weight = found.weights[i];
        const double exact = aw[i] + b[i];
        realised = std::max(realised, std::fabs(weight.gradient - exact) / std::max(std::fabs(exact), 0.1));
        curvature = std::max(curvature, std::fabs(weight.curvature - a[i][i]));
        // the same step, stored and divided by without a look at what was stored: the derivative is off by this factor
        const double h = step * std::fabs(w[i]);
        const double moved = static_cast<double>(TestType(w[i] + h)) - static_cast<double>(TestType(w[i] - h));
        nominal = std::max(nominal, std::fabs(moved / (2 * h) - 1));
    }
    INFO("nominal " << nominal << ", realised " << realised << ", curvature " << curvature);
    CHECK(nominal > 0.1);
    CHECK(realised < 1e-9);
    CHECK(curvature < 1e-8);
}

TEST_CASE("float8 weights take finite steps, whose parabola is still exact")
{
    auto model = make_quadratic<quadratic_model<float8_e4m3>>(12, 9);
    const auto a = random_symmetric(12, 9);
    const auto found = estimate_differences(model, {.step = 1e-3});
    for (std::size_t i = 0; i < 12; ++i) {
        CHECK(found.weights[i].curvature == Approx(a[i][i]).margin(1e-9));
        CHECK(std::fabs(found.weights[i].up) >= 0.1 * std::fabs(model.flat()[i]));
    }
}

TEST_CASE("a weight at the end of its format's range is stepped to one side only")
{
    cosines<float8_e4m3> model({448, 1});
    const auto found = estimate_differences(model, {.step = 1e-3});
    CHECK(found.weights[0].up < 0);
    CHECK(found.weights[0].down < 0);
    CHECK(found.weights[0].up != found.weights[0].down);
    CHECK(std::isfinite(found.weights[0].gradient));
}

TEST_CASE("non-finite weights and losses are counted, never averaged")
{
    cosines<float> model({0.1, NAN, INFINITY, 0.4});
    CHECK_THROWS_WITH(estimate_differences(model, {.step = 1e-3}),
                      "weightscope::estimate_differences(evaluator, options): the loss of the unchanged model is nan, expected finite");

    struct ignoring : cosines<float>
    {
        using cosines<float>::cosines;
        loss_value loss(std::size_t)
        {
            const float x = values_[0][0], y = values_[0][3];
            return {static_cast<double>(x + (y > 0.4f ? INFINITY : y)), 1};
        }
    } two({0.1, NAN, INFINITY, 0.4});
    const auto found = estimate_differences(two, {.step = 1e-3});
    CHECK(found.non_finite_count == 3);
    CHECK(found.weights[0].gradient == Approx(1).epsilon(1e-3));
    for (const std::size_t i : {1, 2, 3})
        CHECK(std::isnan(found.weights[i].gradient));
}

TEST_CASE("differences are the same to the bit for one to four threads")
{
    linear_net net(8, 4, 3, 2, 1);
    const auto one = estimate_differences(net, {});
    for (const std::size_t threads : {2, 3, 4}) {
        const auto many = estimate_differences(net, {.evaluation = {.threads = threads}});
        CHECK(same(one, many));
        CHECK(many.counts == one.counts);
    }
}

TEST_CASE("a cancelled or failing run leaves the weights as they were and can go on where it stopped")
{
    const std::filesystem::path file = std::filesystem::temp_directory_path() / "weightscope_differences.resume";
    std::filesystem::remove(file);
    const auto w = random_matrix(1, 50, 3)[0];
    cosines<float> model(w);
    const auto before = model.all();
    const auto whole = estimate_differences(model, {.step = 1e-3});

    for (const std::size_t threads : {1, 3}) {
        std::atomic<int> items = 0;
        differences_options options{.step = 1e-3,
                                    .evaluation = {.threads = threads, .progress = [&](const progress&) { return ++items < 20; }, .resume = file}};
        CHECK_THROWS_AS(estimate_differences(model, options), cancelled);
        CHECK(model.same_bytes(before));
        CHECK(std::filesystem::exists(file));

        std::vector<double> fractions;
        options.evaluation.progress = [&](const progress& p) {
            fractions.push_back(p.fraction);
            return true;
        };
        const auto resumed = estimate_differences(model, options);
        CHECK(same(resumed, whole));
        CHECK(resumed.counts.losses < whole.counts.losses);
        CHECK(fractions.size() == 50);
        CHECK(fractions.back() == 1);
        CHECK_FALSE(std::filesystem::exists(file));
    }

    model.fails_after = 31;
    differences_options options{.step = 1e-3, .evaluation = {.resume = file}};
    CHECK_THROWS_WITH(estimate_differences(model, options), "out of memory");
    CHECK(model.same_bytes(before));
    model.fails_after = 0;
    // the same question of other weights, or another question, must not take it up
    cosines<float> other(random_matrix(1, 50, 4)[0]);
    CHECK_THROWS_WITH(estimate_differences(other, options),
                      file.string() + ": byte 8: resume file: belongs to another computation (other weights, batches, settings or seed); delete it to "
                                      "start anew");
    options.step = 2e-3;
    CHECK_THROWS_AS(estimate_differences(model, options), io_error);
    options.step = 1e-3;
    CHECK(same(estimate_differences(model, options), whole));

    std::ofstream(file) << "not a resume file, by any means at all";
    CHECK_THROWS_WITH(estimate_differences(model, options), file.string() + ": byte 0: resume file: is not one, or is damaged; delete it to start anew");
    std::filesystem::remove(file);
}

TEST_CASE("a resume file is written while a run goes on, so that one that is killed loses little")
{
    const std::filesystem::path file = std::filesystem::temp_directory_path() / "weightscope_killed.resume";
    std::filesystem::remove(file);
    cosines<float> model(random_matrix(1, 40, 3)[0]);
    bool seen = false;
    (void)estimate_differences(model, {.step = 1e-3, .evaluation = {.progress = [&](const progress& p) {
                                                                        seen = seen || (p.done < 40 && std::filesystem::exists(file));
                                                                        return true;
                                                                    },
                                                                    .resume = file,
                                                                    .save_seconds = 0}});
    CHECK(seen);
    CHECK_FALSE(std::filesystem::exists(file));
}

TEST_CASE("positions and options that make no sense are refused")
{
    cosines<float> model({0.1, 0.2});
    const std::string caller = "weightscope::estimate_differences(evaluator, options): ";
    CHECK_THROWS_WITH(estimate_differences(model, {.positions = {{1, 0}}}), caller + "tensor 1 is asked for, expected below 1");
    CHECK_THROWS_WITH(estimate_differences(model, {.positions = {{0, 2}}}), caller + "element 2 of tensor 'w' is asked for, which has 2");
    CHECK_THROWS_WITH(estimate_differences(model, {.step = -1}), caller + "options.step is -1, expected 0 or a positive number");
    struct integers : stored_weights<std::int8_t>
    {
        integers() { add("codes", {2}, {1, 2}); }
        std::size_t batch_count() const { return 1; }
        loss_value loss(std::size_t) { return {0, 1}; }
    } codes;
    CHECK_THROWS_WITH(estimate_differences(codes), caller + "the evaluator has no weights of floating point");
    CHECK_THROWS_WITH(estimate_differences(codes, {.evaluation = {.tensors = {0}}}), caller + "tensor 'codes' is I8, expected floating point");
}
