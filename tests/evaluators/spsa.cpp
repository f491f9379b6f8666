#include <cmath>
#include <cstddef>
#include <vector>

#include <weightscope/evaluators/spsa.hpp>

#include "../catch.hpp"
#include "models.hpp"

using namespace weightscope;

TEST_CASE("simultaneous perturbation is refused where its error is larger than the gradient")
{
    auto model = make_quadratic<quadratic_model<double>>(100, 1);
    CHECK_THROWS_WITH(estimate_spsa_gradient(model, {.probes = 11}),
                      "weightscope::estimate_spsa_gradient(evaluator, options): 11 probes give 100 weights a relative error of 3: noise that would pass "
                      "for a ranking; take estimate_group_effects(), estimate_differences() on fewer weights, at least 99 probes, or set allow_noise");
    CHECK(spsa_relative_error(100, 11) == 3);
    CHECK_NOTHROW(estimate_spsa_gradient(model, {.probes = 11, .allow_noise = true}));
}

TEST_CASE("its error is the one predicted")
{
    auto model = make_quadratic<quadratic_model<double>>(30, 2);
    const auto before = model.all();
    const auto b = random_matrix(1, 30, 1002)[0];
    auto exact = model.times(model.flat());
    double norm = 0;
    for (std::size_t i = 0; i < 30; ++i) {
        exact[i] += b[i];
        norm += exact[i] * exact[i];
    }
    double squares = 0;
    const std::size_t trials = 40;
    for (std::size_t seed = 0; seed < trials; ++seed) {
        const auto found = estimate_spsa_gradient(model, {.probes = 64, .evaluation = {.seed = seed}});
        CHECK(found.counts.losses == 2 * 64 + 1);
        std::size_t i = 0;
        for (const auto& tensor : found.gradients)
            for (const double g : tensor) {
                squares += (g - exact[i]) * (g - exact[i]) / norm / trials;
                ++i;
            }
    }
    CHECK(std::sqrt(squares) == Approx(spsa_relative_error(30, 64)).epsilon(0.1));
    CHECK(model.same_bytes(before));
}
