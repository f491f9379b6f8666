#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <weightscope/core/counter_random.hpp>
#include <weightscope/evaluators/noise.hpp>
#include <weightscope/evaluators/step.hpp>
#include <weightscope/evaluators/storage_step.hpp>

#include "../catch.hpp"
#include "models.hpp"

using namespace weightscope;

namespace {

// A smooth loss plus noise that depends on the weights' bits, as rounding does: uniform in ±amplitude.
template <class T>
struct noisy_model : stored_weights<T>
{
    noisy_model(std::size_t n, double noise, double level) : amplitude(noise), base(level) { this->add("w", {n}, random_matrix(1, n, 11)[0]); }
    std::size_t batch_count() const { return 1; }
    loss_value loss(std::size_t)
    {
        double sum = base;
        std::uint64_t hash = 0;
        for (const T x : this->values_[0]) {
            sum += std::cos(static_cast<double>(x));
            hash = hash * 0x9e3779b97f4a7c15u + std::bit_cast<typename detail::code_of<T>::bits_type>(x);
        }
        if (shaking)
            hash += ++calls;
        return {sum + amplitude * (2 * counter_random(1, "test", "").uniform(hash, 0) - 1), 1};
    }
    double amplitude, base;
    bool shaking = false;
    std::uint64_t calls = 0;
};

struct float_forward : stored_weights<float>
{
    float_forward() { add("w", {200}, random_matrix(1, 200, 3)[0]); }
    std::size_t batch_count() const { return 1; }
    loss_value loss(std::size_t)
    {
        float sum = 0;
        for (const float x : values_[0])
            sum += std::cos(x);
        return {static_cast<double>(sum), 1};
    }
    double exact() const
    {
        double sum = 0;
        for (const double x : flat())
            sum += std::cos(x);
        return sum;
    }
};

}  // namespace

TEST_CASE("the differences of a polynomial vanish, those of noise give its size")
{
    std::array<double, detail::noise_points> values{};
    for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = 3 + 0.1 * static_cast<double>(i) + 0.01 * static_cast<double>(i * i);
    CHECK(detail::noise_from(values).sigma < 1e-14);

    // noise of standard deviation 1e-6 on top: with 8 points an estimate is good to a factor; the mean of many is better
    random_stream random(5);
    double squares = 0;
    const int tables = 500;
    int far_off = 0;
    for (int t = 0; t < tables; ++t) {
        auto noisy = values;
        for (double& x : noisy)
            x += 1e-6 * random.normal();
        const auto table = detail::noise_from(noisy);
        far_off += table.sigma < 1e-7 || table.sigma > 1e-5 ? 1 : 0;
        squares += table.sigma * table.sigma;
    }
    CHECK(far_off <= tables / 100);
    CHECK(std::sqrt(squares / tables) == Approx(1e-6).epsilon(0.2));
}

TEMPLATE_TEST_CASE("noise of a known size is found in any storage format", "", double, float, bfloat16, float16)
{
    for (const double amplitude : {1e-9, 1e-6, 1e-4}) {
        noisy_model<TestType> model(60, amplitude, 1);
        const auto before = model.all();
        const auto noise = estimate_noise(model);
        const double sigma = amplitude / std::sqrt(3.0);
        INFO("sigma " << sigma << ", found " << noise.sigma << (noise.resolved ? "" : ", not resolved"));
        // 16-bit weights take steps of half a per cent, whose sixth differences still show below 1e-8
        const double floor = sizeof(TestType) == 2 ? 1e-7 : 0;
        CHECK(noise.sigma > sigma / 4);
        CHECK(noise.sigma < 4 * sigma + floor);
        CHECK(noise.repeat_spread == 0);
        CHECK(model.same_bytes(before));
    }
}

TEST_CASE("what differs from call to call is noise too")
{
    noisy_model<float> model(20, 1e-5, 1);
    model.shaking = true;
    const auto noise = estimate_noise(model);
    CHECK(noise.repeat_spread > 0);
    CHECK(noise.sigma > 1e-5 / 10);
    CHECK(noise.sigma < 1e-5 * 4);
}

TEST_CASE("the noise of a forward in float is that of its rounding")
{
    float_forward model;
    const auto noise = estimate_noise(model);
    // the error itself, over many nearby weights
    double squares = 0;
    random_stream random(2);
    const auto original = model.all()[0];
    const int trials = 300;
    for (int t = 0; t < trials; ++t) {
        for (std::size_t i = 0; i < original.size(); ++i) {
            const float moved = original[i] + 1e-5f * static_cast<float>(random.normal());
            model.write(0, 4 * i, std::as_bytes(std::span(&moved, 1)));
        }
        const double error = model.loss(0).sum - model.exact();
        squares += error * error;
    }
    const double sigma = std::sqrt(squares / trials);
    INFO("sigma " << sigma << ", found " << noise.sigma);
    CHECK(noise.sigma > sigma / 6);
    CHECK(noise.sigma < sigma * 3);
}

TEST_CASE("a constant loss has the noise of its last place, and nothing to react to")
{
    noisy_model<float> model(5, 0, 0);
    struct constant : noisy_model<float>
    {
        using noisy_model<float>::noisy_model;
        loss_value loss(std::size_t) { return {8, 2}; }
    } flat(5, 0, 0);
    CHECK(estimate_noise(flat).sigma == 4 * 0x1p-53);
    model.base = INFINITY;
    CHECK_THROWS_WITH(estimate_noise(model),
                      "weightscope::estimate_noise(evaluator, options): the loss of the unchanged model is inf, expected finite");
}

TEST_CASE("steps follow the noise as the formulas say")
{
    // cos has a second derivative near 1/2 on average over standard normal weights, so that kappa is of order 1
    noisy_model<double> model(200, 1e-6 * std::sqrt(3.0), 1);
    const auto steps = estimate_steps(model);
    REQUIRE(steps.measured);
    INFO("noise " << steps.noise.sigma << ", curvature " << steps.curvature);
    CHECK(steps.curvature > 0.1);
    CHECK(steps.curvature < 10);
    const double ratio = steps.noise.sigma / steps.curvature;
    CHECK(steps.forward == Approx(1.68 * std::sqrt(ratio)).epsilon(1e-12));
    CHECK(steps.central == Approx(std::cbrt(3 / std::sqrt(2.0) * ratio)).epsilon(1e-12));
    CHECK(steps.second == Approx(std::pow(12 * std::sqrt(6.0) * ratio, 0.25)).epsilon(1e-12));
    CHECK(steps.counts.losses == 3 + 7 + 1 + 4);  // one tensor: noise and curvature, once each

    // so much noise that no curvature shows: the usual steps
    noisy_model<double> loud(200, 1e4, 1);
    const auto usual = estimate_steps(loud);
    CHECK_FALSE(usual.measured);
    CHECK(usual.forward == 3e-3);
    CHECK(usual.second == 2e-2);
}
