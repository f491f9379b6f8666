// What flips do to a model's outputs: as a figure to rank by, and of sets of flips at the end.
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <weightscope/evaluators/compare_outputs.hpp>
#include <weightscope/evaluators/weight_patch.hpp>
#include <weightscope/io/bit_location.hpp>
#include <weightscope/scorers/bit_failing_share.hpp>
#include <weightscope/scorers/bit_output_figures.hpp>
#include <weightscope/scorers/bit_places.hpp>
#include <weightscope/scorers/bit_ranking.hpp>
#include <weightscope/scorers/bit_ranking_plan.hpp>
#include <weightscope/scorers/flips_quality.hpp>

#include "../catch.hpp"
#include "../evaluators/models.hpp"
#include "../io/files.hpp"
#include "bit_models.hpp"

using namespace weightscope;

namespace {

// Batch b has b + 1 rows of outputs (w0 (b + 1), w1, ..., 1), and the loss that all outputs add up to.
class shown_model : public test_models::stored_weights<float>
{
public:
    explicit shown_model(const std::vector<double>& w) { add("w", {w.size()}, w); }
    std::size_t batch_count() const { return 3; }
    model_outputs outputs(std::size_t b)
    {
        model_outputs result{.values = {}, .rows = b + 1, .cols = values_[0].size() + 1};
        for (std::size_t row = 0; row <= b; ++row) {
            for (std::size_t i = 0; i < values_[0].size(); ++i)
                result.values.push_back(values_[0][i] * (i == 0 ? static_cast<float>(b + 1) : 1.0F));
            result.values.push_back(1);
        }
        return result;
    }
    loss_value loss(std::size_t b)
    {
        double sum = 0;
        for (const float x : outputs(b).values)
            sum += std::isfinite(x) ? static_cast<double>(x) : 0;
        return {sum, static_cast<double>(b + 1)};
    }
    std::vector<metric_info> metrics() const { return {{"largest", true}}; }
    void measure(std::size_t, std::span<loss_value> values) { values[0] = {static_cast<double>(values_[0][0]), 1}; }
    shown_model replicate() const { return *this; }
};

// With the name that open_blocks() gives.
struct named_model : shown_model
{
    explicit named_model(const std::vector<double>& w) : shown_model(w) { infos_[0].name = "a"; }
    named_model replicate() const { return *this; }
};

const std::vector<bit_candidate> both = {{.name = "w", .flat = 0}, {.name = "w", .flat = 1}};

void flip_in_place(weight_patch& patch, const shown_model& model, std::size_t flat, unsigned bit)
{
    std::array<std::byte, 4> stored{};
    model.read(0, 4 * flat, stored);
    stored[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    patch.write(0, 4 * flat, stored);
}

}  // namespace

TEST_CASE("flips are ranked by how far they move outputs")
{
    shown_model model({0.5, -2});
    const auto stored = model.all();
    const std::vector<std::string> names = {"outputs_mae", "kl_divergence", "top1_agreement", "outputs_rmse"};
    for (const std::string& metric : names) {
        const rank_bits_options options = {.bits = ">=20", .search = bit_search::independent, .metric = metric, .top_b = 0, .metrics = names};
        const bit_ranking_plan plan = plan_rank_bits(model, both, options);
        const bit_ranking found = rank_bits(model, both, options);
        CHECK(model.same_bytes(stored));
        CHECK(found.counts == plan.evaluation.counts);
        CHECK(found.maximized == (metric != "top1_agreement"));
        CHECK(found.start == (metric == "top1_agreement" ? 1 : 0));
        CHECK(found.metrics.front() == metric);
        std::size_t run = 0;
        for (const bit_trial& trial : found.trials) {
            if (trial.outcome != bit_trial_outcome::finite)
                continue;
            ++run;
            const output_comparison moved =
                compare_outputs(model, [&](weight_patch& patch) { flip_in_place(patch, model, trial.flip.flat, trial.flip.bit); });
            for (std::size_t m = 0; m < found.metrics.size(); ++m) {
                const std::string& name = found.metrics[m];
                const double expected = name == "outputs_mae"      ? moved.mae.value
                                        : name == "kl_divergence"  ? moved.kl_divergence.value
                                        : name == "top1_agreement" ? moved.top1_agreement.value
                                                                   : moved.rmse.value;
                CHECK(trial.values[m] == Approx(expected).epsilon(1e-12));
                CHECK(trial.deltas[m] == Approx(expected - (name == "top1_agreement" ? 1 : 0)).epsilon(1e-12).margin(1e-15));
            }
        }
        CHECK(run >= 20);
        CHECK(found.counts.outputs == 3 * (found.evaluations + 2));
        bool falling = !found.ranked.empty();
        for (std::size_t i = 1; i < found.ranked.size(); ++i)
            falling = falling && std::fabs(found.ranked[i - 1].delta) >= std::fabs(found.ranked[i].delta);
        CHECK(falling);
    }
    // the sign of 0.5 in batch b moves one output of three by b + 1 in each of b + 1 rows: (1 + 4 + 9) / 18 on average
    const bit_ranking sign = rank_bits(model, std::span(both).first(1), {.bits = "sign", .metric = "outputs_mae"});
    CHECK(sign.ranked.at(0).after == Approx(14 / 18.0).epsilon(1e-15));
    const bit_ranking squares = rank_bits(model, std::span(both).first(1), {.bits = "sign", .metric = "outputs_rmse"});
    CHECK(squares.best == Approx(std::sqrt(36 / 18.0)).epsilon(1e-15));  // 1 + 2·4 + 3·9
}

TEST_CASE("a search by outputs goes on from flips, with any number of threads, and changes are those from the model without flips")
{
    shown_model model({0.5, -2});
    rank_bits_options options = {.bits = "exponent_sign", .metric = "outputs_mae", .top_b = 3};
    const bit_ranking whole = rank_bits(model, both, options);
    REQUIRE(whole.ranked.size() == 3);
    options.evaluation.threads = 3;
    const bit_ranking threads = rank_bits(model, both, options);
    CHECK(threads.best == whole.best);
    CHECK(threads.counts == whole.counts);
    options.after = {whole.plan[0]};
    options.top_b = 2;
    const bit_ranking rest = rank_bits(model, both, options);
    CHECK(rest.start == whole.ranked[0].after);
    CHECK(rest.best == whole.best);
    REQUIRE(rest.plan.size() == 3);
    CHECK(rest.plan[2].bit == whole.plan[2].bit);
    CHECK(rest.baseline.back().name == "outputs_mae");
    CHECK(rest.baseline.back().value.value == rest.start);

    const failing_share_result sample = estimate_failing_share(model, {.bits = "all", .samples = 64, .threshold = 0.5, .metric = "kl_divergence"});
    std::size_t failing = 0;
    for (std::size_t flat = 0; flat < 2; ++flat)
        for (unsigned bit = 0; bit < 32; ++bit) {
            const output_comparison moved = compare_outputs(model, [&](weight_patch& patch) { flip_in_place(patch, model, flat, bit); });
            failing += moved.non_finite_rows > 0 || moved.kl_divergence.value > 0.5 ? 1 : 0;
        }
    CHECK(sample.share.share == Approx(static_cast<double>(failing) / 64).epsilon(1e-15));
}

TEST_CASE("outputs that are not finite are a crash, and too many of them are refused")
{
    shown_model model({2e38, 1});  // 2e38 (b + 1) is not finite with the sign or without
    CHECK_THROWS_WITH(rank_bits(model, both, {.bits = "sign", .metric = "outputs_mae"}),
                      "weightscope::rank_bits(evaluator, candidates, options): 'outputs_mae' of the unchanged model does not exist: not finite; expected a number");
    shown_model edge({0.6e38, 1});  // bit 23 of the first is 0, and 1.2e38 (b + 1) is too large where b is 2
    const bit_ranking found = rank_bits(edge, std::span(both).first(1), {.bits = "23", .search = bit_search::independent, .metric = "kl_divergence"});
    CHECK(found.outcomes == std::array<std::uint64_t, 5>{0, 1, 0, 0, 0});

    CHECK_THROWS_WITH(rank_bits(edge, both, {.metric = "speed"}),
                      "weightscope::rank_bits(evaluator, candidates, options): the evaluator has no figure 'speed', expected one of loss, largest, "
                      "kl_divergence, top1_agreement, outputs_mae, outputs_rmse");
    auto held = detail::hold(edge);
    const std::vector<std::size_t> batches = {2, 1};
    CHECK_THROWS_WITH(detail::bit_output_figures(held, batches, "f()", 50),
                      "weightscope::f(): the outputs of 2 batches take 7.2e-05 MB, and 5e-05 MB are kept; take fewer batches");
}

TEST_CASE("a model is measured with sets of flips, and is as it was afterwards")
{
    shown_model model({0.5, -2});
    const auto stored = model.all();
    bit_ranking ranking = rank_bits(model, both, {.bits = "exponent_sign", .top_b = 3});
    REQUIRE(ranking.ranked.size() == 3);
    const auto sets = flip_sets_of(ranking, true);
    REQUIRE(sets.size() == 4);
    CHECK(sets[1].size() == 1);
    CHECK(sets[3].size() == 3);
    std::size_t told = 0;
    const flips_quality found = measure_flips(model, sets, {.batches = {0, 2}, .progress = [&](const progress& state) {
                                                                told = state.done;
                                                                return state.total == state.done || state.fraction < 1;
                                                            }});
    CHECK(model.same_bytes(stored));
    CHECK(found.batches == 2);
    CHECK(found.counts.losses == 10);
    CHECK(found.counts.measures == 10);
    CHECK(found.counts.outputs == 10);
    CHECK(told >= 29);
    CHECK(found.before.loss.value == Approx((1 * 0.5 + 9 * 0.5 + 4 * -2.0 + 4) / 4).epsilon(1e-15));
    REQUIRE(found.after.size() == 4);
    CHECK(found.after[0].outputs.mae.value == found.after[3].outputs.mae.value);
    for (std::size_t i = 1; i <= 3; ++i) {
        shown_model copy = model;
        for (std::size_t f = 0; f < i; ++f)
            copy = bit_models::with_flip(copy, 0, ranking.ranked[f].flip.flat, ranking.ranked[f].flip.bit, 4);
        const output_comparison moved = compare_outputs(model, copy, {.batches = {0, 2}});
        CHECK(found.after[i].outputs.mae.value == moved.mae.value);
        CHECK(found.after[i].outputs.rmse.value == moved.rmse.value);
        CHECK(found.after[i].outputs.cosine.value == moved.cosine.value);
        CHECK(found.after[i].outputs.kl_divergence.value == moved.kl_divergence.value);
        CHECK(found.after[i].outputs.top1_agreement.value == moved.top1_agreement.value);
        CHECK(found.after[i].outputs.psnr_db.value == moved.psnr_db.value);
        const double sum = copy.loss(0).sum + copy.loss(2).sum;
        CHECK(found.after[i].loss.value == Approx(sum / 4).epsilon(1e-15));
        REQUIRE(found.after[i].figures.size() == 1);
        CHECK(found.after[i].figures[0].value.value == copy.flat()[0]);
    }
    ranking.options.search = bit_search::independent;
    CHECK(flip_sets_of(ranking, true)[3].size() == 1);
    CHECK(flip_sets_of(ranking).size() == 1);

    std::vector<std::vector<planned_flip>> wrong = {{}, {{.name = "w", .flat = 1, .bit = 4, .old_code = 5}}};
    CHECK_THROWS_WITH(measure_flips(model, wrong), "weightscope::measure_flips(evaluator, sets, options): flip 0 of set 1 expects the code 0x5 in 'w'[1], found "
                                                   "0xc0000000; the plan was made for another model");
    CHECK_THROWS_WITH(measure_flips(model, sets, {.batches = {3}}),
                      "weightscope::measure_flips(evaluator, sets, options): batch 3 is asked for, expected below 3");
    CHECK_THROWS_AS(measure_flips(model, sets, {.progress = [](const progress&) { return false; }}), cancelled);
    CHECK(model.same_bytes(stored));
}

TEST_CASE("a flip depends on those before it in its own block alone")
{
    const files::temporary_folder folder;
    const model m = bit_models::open_blocks(folder, "Q8_0", 8, 3);
    std::vector<double> values;
    for (std::size_t i = 0; i < m.tensors[0].size(); ++i)
        values.push_back(value_with_bits_flipped(m.tensors[0], i, 0));
    named_model held(values);
    auto evaluator = detail::hold(held);
    for (const model* stored : {&m, static_cast<const model*>(nullptr)}) {  // bits of blocks, and of the floats that they stand for
        const detail::bit_flipper flipper(evaluator, stored);
        detail::made_bit_flips made(flipper);
        std::vector<detail::bit_place> all;
        std::uint32_t state = 1;
        const auto below = [&](std::size_t limit) { return (state = state * 1664525u + 1013904223u) / 65536 % limit; };
        std::size_t shared = 0;
        for (int i = 0; i < 300; ++i) {
            const std::string part = stored != nullptr && below(3) == 0 ? "scale" : "code";
            detail::bit_place place = detail::bit_place_of(evaluator, flipper, held.weights()[0].name, below(values.size()), part, "flip", "f()");
            place.bit = static_cast<unsigned>(below(8));
            const bit_flip brute = flipper.effect(place, all);
            const auto before = made.before(place);
            const bit_flip found = flipper.effect(place, before);
            shared += before.size();
            CHECK(found.old_code == brute.old_code);
            CHECK(found.new_code == brute.new_code);
            CHECK(found.outcome == brute.outcome);
            CHECK((found.new_value == brute.new_value || (std::isnan(found.new_value) && std::isnan(brute.new_value))));
            all.push_back(place);
        }
        CHECK(shared > 50);
        CHECK(shared < 300 * 299 / 2 / 4);
    }
}

TEST_CASE("scales of blocks are measured by the weights that they change")
{
    const files::temporary_folder folder;
    const model m = bit_models::open_blocks(folder, "Q8_0", 2, 3);
    std::vector<double> values;
    for (std::size_t i = 0; i < m.tensors[0].size(); ++i)
        values.push_back(value_with_bits_flipped(m.tensors[0], i, 0));
    named_model held(values);
    const std::vector<std::vector<planned_flip>> sets = {{{.name = "a", .flat = 40, .bit = 15, .part = "scale"}}};
    const flips_quality found = measure_flips(m, held, sets);
    double sum = 0;  // the sign of the second block's scale turns 32 weights, in all 6 rows
    for (std::size_t i = 32; i < 64; ++i)
        sum += 2 * std::fabs(values[i]);
    CHECK(found.after[0].outputs.mae.value == Approx(sum / 65).epsilon(1e-6));  // sums of floats
    CHECK(held.flat() == values);
}
