// What foretells the change of the loss that a flipped bit makes in a model that has learnt something, from more than 2,000 flips.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <weightscope/core/counter_random.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/gradient.hpp>
#include <weightscope/evaluators/hessian_diagonal.hpp>
#include <weightscope/evaluators/model_vector.hpp>
#include <weightscope/evaluators/open_transformer.hpp>
#include <weightscope/evaluators/read_tokens.hpp>
#include <weightscope/scorers/bit_ranking.hpp>
#include <weightscope/scorers/rank_correlation.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

constexpr std::int32_t answer_sign = 31;

transformer<float> open_sample()
{
    const std::filesystem::path folder = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path() / "examples" / "data" / "trained_sample";
    token_rows rows = read_tokens(folder / "held_out.npy");
    rows.rows = 8;
    rows.tokens.resize(rows.rows * rows.length);
    return open_transformer(folder, rows, {.batch_size = 8, .predict_after = answer_sign});
}

// Weights of all tensors, each weight with the same probability.
std::vector<bit_candidate> random_weights(const transformer<float>& t, std::size_t count)
{
    std::size_t all = 0;
    for (const weight_info& info : t.weights())
        all += info.size();
    const counter_random random(1, "flips", "");
    std::vector<bit_candidate> result;
    for (std::size_t i = 0; i < count; ++i) {
        auto number = static_cast<std::size_t>(random.uniform(i, 0) * static_cast<double>(all));
        std::size_t tensor = 0;
        while (number >= t.weights()[tensor].size())
            number -= t.weights()[tensor++].size();
        result.push_back({.name = t.weights()[tensor].name, .flat = number});
    }
    return result;
}

}  // namespace

TEST_CASE("what a flip does is foretold better with its size than by gradient or gradient times weight")
{
    transformer<float> t = open_sample();
    const gradient_result gradient = estimate_gradient(t);
    const hessian_diagonal_result hessian = estimate_hessian_diagonal(t, {.max_probes = 16});
    const bit_ranking found = rank_bits(t, random_weights(t, 150), {.bits = "all", .search = bit_search::independent, .top_b = 10});
    CHECK(found.trials.size() == 2400);
    std::vector<double> radii;
    const auto held = detail::hold(t);
    for (const tensor_gradient& tensor : gradient.tensors)
        radii.push_back(detail::largest_magnitude(detail::to_values(dtype::bfloat16, detail::stored_bytes(held, tensor.tensor))));
    std::vector<double> measured, by_gradient, by_taylor, by_size, by_flip, with_curvature;
    for (const bit_trial& trial : found.trials) {
        if (trial.outcome != bit_trial_outcome::finite)
            continue;
        double g = 0, h = 0, radius = 0;
        for (std::size_t i = 0; i < gradient.tensors.size(); ++i)
            if (t.weights()[gradient.tensors[i].tensor].name == trial.flip.name) {
                g = gradient.tensors[i].values[trial.flip.flat];
                h = std::isnan(hessian.tensors[i].values[trial.flip.flat]) ? 0 : hessian.tensors[i].values[trial.flip.flat];  // no step in 16 bits
                radius = radii[i];
            }
        const double w = *trial.flip.old_value, change = *trial.flip.new_value - w;
        if (std::fabs(change) > radius)
            continue;
        measured.push_back(std::fabs(trial.deltas[0]));
        by_gradient.push_back(std::fabs(g));
        by_taylor.push_back(std::fabs(g * w));
        by_size.push_back(std::fabs(change));
        by_flip.push_back(std::fabs(g * change));
        with_curvature.push_back(std::fabs(g * change + h / 2 * change * change));
    }
    REQUIRE(measured.size() >= 2000);
    const auto rho = [&](const std::vector<double>& predicted) { return spearman_correlation(predicted, measured).value; };
    const double gradient_alone = rho(by_gradient), taylor = rho(by_taylor), flip = rho(by_flip), curved = rho(with_curvature);
    INFO("flips " << measured.size() << " |g| " << gradient_alone << " |g w| " << taylor << " |dw| " << rho(by_size) << " |g dw| " << flip << " with h " << curved);
    CHECK(flip > gradient_alone + 0.2);
    CHECK(flip > taylor + 0.2);
    CHECK(curved > gradient_alone + 0.2);
    CHECK(curved > taylor + 0.2);
    CHECK(flip > 0.7);
}
