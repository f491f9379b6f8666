// What foretells the change of the loss that a flipped bit makes in a model that has learnt something, from more than 2,000 flips.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
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
#include <weightscope/io/open_model.hpp>
#include <weightscope/io/safetensors.hpp>
#include <weightscope/scorers/bit_ranking.hpp>
#include <weightscope/scorers/rank_correlation.hpp>

#include "../catch.hpp"
#include "../io/files.hpp"

using namespace weightscope;

namespace {

constexpr std::int32_t answer_sign = 31;

std::filesystem::path sample_folder()
{
    return std::filesystem::path(__FILE__).parent_path().parent_path().parent_path() / "examples" / "data" / "trained_sample";
}

transformer<float> open_sample(const std::filesystem::path& folder)
{
    token_rows rows = read_tokens(sample_folder() / "held_out.npy");
    rows.rows = 8;
    rows.tokens.resize(rows.rows * rows.length);
    return open_transformer(folder, rows, {.batch_size = 8, .predict_after = answer_sign});
}

// A copy of the sample, which is stored as BF16, in another format.
template <class T>
void write_copy(const std::filesystem::path& folder)
{
    std::vector<tensor_to_write> tensors;
    std::deque<std::vector<std::byte>> kept;
    const model m = open_model(sample_folder());
    for (const named_tensor& tensor : m.tensors) {
        if (!tensor.tied_to.empty())
            continue;
        const std::vector<double> values = detail::to_values(tensor.dtype, {tensor.bytes.begin(), tensor.bytes.end()});
        std::vector<std::byte>& bytes = kept.emplace_back(values.size() * sizeof(T));
        for (std::size_t i = 0; i < values.size(); ++i) {
            const T value = static_cast<T>(values[i]);
            std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
        }
        tensors.push_back({.name = tensor.name, .dtype = dtype_of<T>, .shape = tensor.shape, .bytes = bytes});
    }
    write_safetensors(folder / "model.safetensors", tensors);
    std::filesystem::copy_file(sample_folder() / "config.json", folder / "config.json");
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

// How well predictions order the measured changes of the loss, over the flips within the trust radius.
struct rank_correlations
{
    std::size_t flips = 0;
    double gradient = 0, taylor = 0, size = 0, flip = 0, curved = 0;
};

rank_correlations measure(transformer<float>& t, std::size_t weights)
{
    const gradient_result gradient = estimate_gradient(t);
    const hessian_diagonal_result hessian = estimate_hessian_diagonal(t, {.max_probes = 16});
    const bit_ranking found = rank_bits(t, random_weights(t, weights), {.bits = "all", .search = bit_search::independent, .top_b = 10});
    std::vector<double> radii;
    const auto held = detail::hold(t);
    for (const tensor_gradient& tensor : gradient.tensors)
        radii.push_back(detail::largest_magnitude(detail::to_values(t.weights()[tensor.tensor].dtype, detail::stored_bytes(held, tensor.tensor))));
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
    const auto rho = [&](const std::vector<double>& predicted) { return spearman_correlation(predicted, measured).value; };
    return {measured.size(), rho(by_gradient), rho(by_taylor), rho(by_size), rho(by_flip), rho(with_curvature)};
}

void check(const rank_correlations& rho)
{
    INFO("flips " << rho.flips << " |g| " << rho.gradient << " |g w| " << rho.taylor << " |dw| " << rho.size << " |g dw| " << rho.flip << " with h " << rho.curved);
    CHECK(rho.flip > rho.gradient + 0.2);
    CHECK(rho.flip > rho.taylor + 0.2);
    CHECK(rho.curved > rho.gradient + 0.2);
    CHECK(rho.curved > rho.taylor + 0.2);
    CHECK(rho.flip > 0.7);
}

}  // namespace

TEST_CASE("what a flip does is foretold better with its size than by gradient or gradient times weight")
{
    transformer<float> t = open_sample(sample_folder());
    const rank_correlations rho = measure(t, 150);
    CHECK(rho.flips >= 2000);
    check(rho);
}

// BITS_WEIGHTS=160 takes that many weights of each; 2,000 flips and more take a minute.
TEST_CASE("so it is in half floats and floats")
{
    const char* wanted = std::getenv("BITS_WEIGHTS");
    const std::size_t weights = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 30;
    const files::temporary_folder folder;
    std::filesystem::create_directories(folder / "f16");
    write_copy<float16>(folder / "f16");
    transformer<float> half = open_sample(folder / "f16");
    check(measure(half, weights));
    std::filesystem::create_directories(folder / "f32");
    write_copy<float>(folder / "f32");
    transformer<float> single = open_sample(folder / "f32");
    check(measure(single, weights / 2));  // with twice the bits
}
