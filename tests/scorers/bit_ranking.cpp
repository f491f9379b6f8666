// Flips that are made for real: each alone, on top of each other, in shards, as a sample.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/random_stream.hpp>
#include <weightscope/io/bit_location.hpp>
#include <weightscope/io/bit_patch.hpp>
#include <weightscope/io/bit_patch_writer.hpp>
#include <weightscope/io/open_model.hpp>
#include <weightscope/scorers/bit_failing_share.hpp>
#include <weightscope/scorers/bit_merge.hpp>
#include <weightscope/scorers/bit_ranking.hpp>
#include <weightscope/scorers/bit_ranking_plan.hpp>

#include "../catch.hpp"
#include "../io/files.hpp"
#include "../io/gguf_writer.hpp"
#include "bit_models.hpp"

using namespace weightscope;
using bit_models::figured_model;
using bit_models::fragile_model;
using bit_models::with_flip;

namespace {

figured_model small_model(std::uint64_t seed = 3) { return make_quadratic<figured_model>(9, seed); }

// All weights of small_model(), last tensor first.
std::vector<bit_candidate> all_weights()
{
    std::vector<bit_candidate> result;
    for (std::size_t i = 0; i < 6; ++i)
        result.push_back({.name = "b", .flat = i, .score = 1});
    for (std::size_t i = 0; i < 3; ++i)
        result.push_back({.name = "a", .flat = i, .score = 1});
    return result;
}

std::string shown(const planned_flip& flip) { return flip.name + "[" + std::to_string(flip.flat) + "]." + std::to_string(flip.bit); }

std::string shown(const std::vector<planned_flip>& plan)
{
    std::string text;
    for (const planned_flip& flip : plan)
        text += shown(flip) + " ";
    return text;
}

// What two results of one search must agree in, to the last bit.
void require_equal(const bit_ranking& a, const bit_ranking& b)
{
    CHECK(shown(a.plan) == shown(b.plan));
    CHECK(a.best == b.best);
    CHECK(a.outcomes == b.outcomes);
    CHECK(a.evaluations == b.evaluations);
    REQUIRE(a.ranked.size() == b.ranked.size());
    bool same = a.trials.size() == b.trials.size();
    for (std::size_t i = 0; i < a.ranked.size(); ++i)
        same = same && shown(a.ranked[i].flip) == shown(b.ranked[i].flip) && a.ranked[i].after == b.ranked[i].after && a.ranked[i].delta == b.ranked[i].delta;
    for (std::size_t i = 0; same && i < a.trials.size(); ++i)
        same = shown(a.trials[i].flip) == shown(b.trials[i].flip) && a.trials[i].values == b.trials[i].values && a.trials[i].deltas == b.trials[i].deltas
            && a.trials[i].outcome == b.trials[i].outcome && a.trials[i].candidate == b.trials[i].candidate;
    CHECK(same);
}

}  // namespace

TEST_CASE("each flip alone does what a copy with that bit flipped does")
{
    figured_model model = small_model();
    const auto before = model.all();
    const std::vector<bit_candidate> candidates = all_weights();
    const rank_bits_options options = {.bits = "all", .search = bit_search::independent, .top_b = 0};
    const bit_ranking_plan plan = plan_rank_bits(model, candidates, options);
    const bit_ranking found = rank_bits(model, candidates, options);
    CHECK(model.same_bytes(before));
    REQUIRE(found.trials.size() == 9 * 32);
    const double unchanged = model.loss(0).mean();
    CHECK(found.start == unchanged);
    std::size_t finite = 0;
    for (const bit_trial& trial : found.trials) {
        figured_model copy = with_flip(model, trial.flip.name == "a" ? 0 : 1, trial.flip.flat, trial.flip.bit, 4);
        if (trial.outcome != bit_trial_outcome::finite)
            continue;
        ++finite;
        CHECK(trial.values == std::vector<double>{copy.loss(0).mean()});
        CHECK(trial.deltas[0] == trial.values[0] - unchanged);
        CHECK(*trial.flip.new_value == copy.flat()[trial.flip.flat + (trial.flip.name == "a" ? 0 : 3)]);
        CHECK(*trial.flip.new_code == (*trial.flip.old_code ^ std::uint64_t{1} << trial.flip.bit));
    }
    CHECK(found.outcomes[0] == finite);
    CHECK(std::accumulate(found.outcomes.begin(), found.outcomes.end(), std::uint64_t{0}) == 288);
    CHECK(found.evaluations == plan.evaluations);
    CHECK(found.counts == plan.evaluation.counts);
    CHECK(plan.flips == 288);
    CHECK_FALSE(plan.at_most);
    CHECK(plan.candidates == 9);
    CHECK(plan.evaluation.spent.losses == 3);
    for (std::size_t i = 0; i + 1 < found.ranked.size(); ++i)
        CHECK(found.ranked[i].delta >= found.ranked[i + 1].delta);
    CHECK(found.ranked.back().delta > 0);
    CHECK(found.plan.size() == found.ranked.size());
}

TEST_CASE("a search goes on from flips that were each measured alone, of one weight too")
{
    figured_model model = small_model();
    const std::vector<bit_candidate> one = {{.name = "b", .flat = 2}};
    const bit_ranking alone = rank_bits(model, one, {.bits = "19,20,21,22", .search = bit_search::independent, .top_b = 2});
    REQUIRE(alone.plan.size() == 2);
    CHECK(*alone.plan[0].old_code == *alone.plan[1].old_code);
    const bit_ranking next = rank_bits(model, one, {.bits = "19,20,21,22", .search = bit_search::independent, .top_b = 1, .go_on = true, .after = alone.plan});
    figured_model copy = with_flip(with_flip(model, 1, 2, alone.plan[0].bit, 4), 1, 2, alone.plan[1].bit, 4);
    CHECK(next.start == copy.loss(0).mean());
    CHECK(next.trials.size() == 2);
    CHECK(*next.options.after[1].old_code == *next.options.after[0].new_code);
    std::vector<planned_flip> other = alone.plan;
    other[1].old_code = *other[1].old_code ^ 1;
    CHECK_THROWS_AS(rank_bits(model, one, {.after = other}), std::invalid_argument);
    // the top bit of the exponent makes 1 Inf
    fragile_model fragile({1, 0, 0.5});
    const std::vector<bit_candidate> first = {{.name = "layers.0.weight", .flat = 0}};
    const std::vector<planned_flip> crash = {{.name = "layers.0.weight", .flat = 0, .bit = 30}};
    CHECK_THROWS_WITH(rank_bits(fragile, first, {.after = crash}), "weightscope::rank_bits(evaluator, candidates, options): flip 0 of options.after makes a weight NaN or "
                                                                   "Inf, on top of which nothing can be tried");
}

TEST_CASE("codes and scales that only a decoder can read are passed over and refused, with the reason")
{
    const files::temporary_folder folder;
    model m = bit_models::open_blocks(folder, "Q4_0", 1, 5);
    m.tensors.resize(3, m.tensors[0]);
    m.tensors[1].name = "b";  // as the weights of GPTQ
    m.tensors[1].encoding = "GPTQ";
    m.tensors[2].name = "b.scales";
    m.tensors[2].part_of = "b";
    const detail::bit_sources sources = detail::bit_sources_of(m);
    CHECK(sources.tensors.size() == 1);
    REQUIRE(sources.passed_over.size() == 2);
    CHECK(sources.passed_over[0] == "b (GPTQ): its bits are those of its codes and scales, which are tensors of their own");
    CHECK(sources.passed_over[1]
          == "b.scales (Q4_0): codes or scales of 'b': what a flip does to its weights is known to their decoder alone; bits map tells what it does to "
             "the number itself, and bits flip makes it");
    figured_model model = small_model();
    const std::vector<bit_candidate> scale = {{.name = "b.scales", .flat = 1}};
    CHECK_THROWS_WITH(rank_bits(m, model, scale), "weightscope::rank_bits(model, evaluator, candidates, options): candidate 0 is in 'b.scales', codes or scales of "
                                                  "'b': what a flip does to its weights is known to their decoder alone");
}

TEST_CASE("what a flip does is of one of five kinds")
{
    // log(w0) + w0² + w1² + w2²: the sign of w0 makes it NaN; the top exponent bit of 1 makes the weight Inf, that of 0.5 its square;
    // the sign of 0 changes nothing
    fragile_model model({1, 0, 0.5});
    const std::vector<bit_candidate> candidates = {{.name = "layers.0.weight", .flat = 0}, {.name = "layers.0.weight", .flat = 1}, {.name = "layers.0.weight", .flat = 2}};
    const rank_bits_options options = {.bits = "30,31", .search = bit_search::independent, .top_b = 3};
    const bit_ranking found = rank_bits(model, candidates, options);
    std::string outcomes;
    for (const bit_trial& trial : found.trials)
        outcomes += std::string(to_string(trial.outcome)) + " ";
    CHECK(outcomes == "non_finite_value nan_loss finite unchanged infinite_loss finite ");
    CHECK(found.outcomes == std::array<std::uint64_t, 5>{2, 1, 1, 1, 1});
    CHECK(found.evaluations == 4);
    CHECK(shown(found.plan) == "layers.0.weight[1].30 ");  // 0 becomes 2; the sign of 0.5 is squared away
    REQUIRE(found.ranked.size() == 2);
    CHECK(found.ranked[0].delta == 4);
    CHECK(found.ranked[1].delta == 0);

    rank_bits_options first = options;
    first.crashes_first = true;
    const bit_ranking crashes = rank_bits(model, candidates, first);
    CHECK(shown(crashes.plan) == "layers.0.weight[0].30 layers.0.weight[0].31 layers.0.weight[2].30 ");
    CHECK(std::isnan(crashes.ranked[0].delta));
    CHECK(crashes.ranked[2].outcome == bit_trial_outcome::infinite_loss);

    first.search = bit_search::progressive;
    CHECK(shown(rank_bits(model, candidates, first).plan) == "layers.0.weight[0].30 ");
    first.bits = "31";
    const bit_ranking nan = rank_bits(model, candidates, first);
    CHECK(shown(nan.plan) == "layers.0.weight[0].31 ");
    CHECK(nan.ranked[0].outcome == bit_trial_outcome::nan_loss);
    first.crashes_first = false;
    CHECK(rank_bits(model, candidates, first).plan.empty());
}

TEST_CASE("a progressive search is the plain greedy one, and never ends below its best")
{
    for (const std::uint64_t seed : {3, 4, 5}) {
        for (const bool up : {true, false}) {
            figured_model model = small_model(seed);
            const auto before = model.all();
            const rank_bits_options options = {.bits = "exponent_sign", .goal = up ? bit_goal::maximize : bit_goal::minimize, .top_b = 6};
            const bit_ranking found = rank_bits(model, all_weights(), options);
            CHECK(model.same_bytes(before));

            // the same with copies: all 9 · 9 flips on top of the best so far
            figured_model current = model;
            std::vector<std::string> taken;
            std::string expected;
            double reached = model.loss(0).mean();
            for (int step = 0; step < 6; ++step) {
                double best = reached;
                std::string best_name;
                figured_model best_model = current;
                for (std::size_t i = 0; i < 9; ++i)
                    for (unsigned bit = 23; bit < 32; ++bit) {
                        const std::size_t tensor = i < 3 ? 0 : 1, flat = i < 3 ? i : i - 3;
                        const std::string name = shown({.name = tensor == 0 ? "a" : "b", .flat = flat, .bit = bit});
                        if (std::find(taken.begin(), taken.end(), name) != taken.end())
                            continue;
                        figured_model copy = with_flip(current, tensor, flat, bit, 4);
                        const double loss = copy.loss(0).mean();
                        if (std::isfinite(copy.flat()[i]) && std::isfinite(loss) && (up ? loss > best : loss < best)) {
                            best = loss;
                            best_name = name;
                            best_model = copy;
                        }
                    }
                if (best_name.empty())
                    break;
                taken.push_back(best_name);
                expected += best_name + " ";
                reached = best;
                current = best_model;
            }
            CHECK(shown(found.plan) == expected);
            CHECK(found.best == reached);
            CHECK(found.plan.size() == found.ranked.size());

            rank_bits_options on = options;
            on.go_on = true;
            on.top_b = 12;
            on.bits = "sign";
            const bit_ranking all_the_way = rank_bits(model, all_weights(), on);
            CHECK(all_the_way.ranked.size() == 9);
            double best = all_the_way.start;
            figured_model planned = model;
            for (const ranked_flip& flip : all_the_way.ranked)
                best = up ? std::max(best, flip.after) : std::min(best, flip.after);
            for (const planned_flip& flip : all_the_way.plan)
                planned = with_flip(planned, flip.name == "a" ? 0 : 1, flip.flat, flip.bit, 4);
            CHECK(all_the_way.best == best);
            CHECK(planned.loss(0).mean() == best);
            const bit_ranking_plan cost = plan_rank_bits(model, all_weights(), on);
            CHECK(cost.evaluations == 45);  // 9 + 8 + ... + 1
            CHECK(cost.evaluation.counts == all_the_way.counts);
        }
    }
}

TEST_CASE("steps change the figures against the step before")
{
    figured_model model = small_model();
    const bit_ranking found = rank_bits(model, all_weights(), {.bits = "exponent_sign", .top_b = 3});
    REQUIRE(found.ranked.size() == 3);
    double reached = found.start;
    for (std::size_t s = 0; s < 3; ++s) {
        CHECK(found.ranked[s].step == s + 1);
        CHECK(found.ranked[s].before == reached);
        CHECK(found.ranked[s].delta == Approx(found.ranked[s].after - reached).epsilon(1e-12));
        reached = found.ranked[s].after;
    }
    CHECK(found.best == reached);
    for (const bit_trial& trial : found.trials)
        CHECK((trial.step >= 1 && trial.step <= 3));
}

TEST_CASE("equal flips are taken in model order, and a weight keeps to its share of them")
{
    // |w| alone counts: the same for all weights
    figured_model model({{0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}}, {0, 0, 0, 0}, {1.5, 1.5, 1.5, 1.5}, 2);
    const std::vector<bit_candidate> candidates = {{.name = "b", .flat = 1}, {.name = "b", .flat = 0}, {.name = "a", .flat = 1}, {.name = "a", .flat = 0}};
    const rank_bits_options options = {.bits = "20,21", .metric = "spread", .top_b = 4};
    CHECK(shown(rank_bits(model, candidates, options).plan) == "a[0].21 a[1].21 b[0].21 b[1].21 ");
    rank_bits_options alone = options;
    alone.search = bit_search::independent;
    CHECK(shown(rank_bits(model, candidates, alone).plan) == "a[0].21 a[1].21 b[0].21 b[1].21 ");
    rank_bits_options eight = options;
    eight.top_b = 8;
    CHECK(rank_bits(model, candidates, eight).plan.size() == 8);
    eight.flips_per_weight = 1;
    CHECK(shown(rank_bits(model, candidates, eight).plan) == "a[0].21 a[1].21 b[0].21 b[1].21 ");
}

TEST_CASE("any figure can be moved either way, and others be recorded beside it")
{
    figured_model model = small_model();
    const rank_bits_options options = {.bits = "exponent", .search = bit_search::independent, .metric = "score", .top_b = 1, .metrics = {"loss", "spread"}};
    const bit_ranking found = rank_bits(model, all_weights(), options);
    CHECK_FALSE(found.maximized);  // more of it is better: harm is less of it
    CHECK(found.metrics == std::vector<std::string>{"score", "loss", "spread"});
    REQUIRE(found.baseline.size() == 3);
    CHECK(found.baseline[0].name == "loss");
    CHECK(found.baseline[2].value.value == found.start);
    CHECK(found.ranked[0].delta < 0);
    for (const bit_trial& trial : found.trials)
        if (trial.outcome == bit_trial_outcome::finite) {
            CHECK(trial.values[2] == -trial.values[0]);
            CHECK(trial.deltas[0] == Approx(trial.values[0] - found.start).margin(1e-12));
        }
    CHECK(found.counts.losses == found.evaluations + 1);
    CHECK(found.counts.measures == found.evaluations + 1);
    CHECK(plan_rank_bits(model, all_weights(), options).evaluation.counts == found.counts);
    rank_bits_options only = options;
    only.metrics.clear();
    const bit_ranking cheaper = rank_bits(model, all_weights(), only);
    CHECK(cheaper.counts.losses == 1);
    CHECK(shown(cheaper.plan) == shown(found.plan));
    only.goal = bit_goal::maximize;
    CHECK(rank_bits(model, all_weights(), only).ranked[0].delta > 0);
}

TEST_CASE("results are the same for one to four replicas, and after a search that was cut off")
{
    figured_model model = small_model();
    const auto before = model.all();
    const files::temporary_folder folder;
    for (const bit_search search : {bit_search::independent, bit_search::progressive}) {
        rank_bits_options options = {.bits = "all", .search = search, .top_b = 3};
        const bit_ranking expected = rank_bits(model, all_weights(), options);
        for (const std::size_t threads : {2, 3, 4}) {
            options.evaluation.threads = threads;
            require_equal(rank_bits(model, all_weights(), options), expected);
        }
        for (const std::size_t stop : {1, 40, 300}) {
            rank_bits_options cut = options;
            cut.evaluation.threads = 1 + stop % 2;
            cut.evaluation.resume = folder / "resume";
            cut.evaluation.save_seconds = 0;
            std::size_t done = 0;
            cut.evaluation.progress = [&](const progress&) { return ++done < stop; };
            if (search == bit_search::independent && stop > 200)
                continue;  // it has fewer flips
            CHECK_THROWS_AS(rank_bits(model, all_weights(), cut), cancelled);
            CHECK(model.same_bytes(before));
            cut.evaluation.progress = {};
            const bit_ranking resumed = rank_bits(model, all_weights(), cut);
            require_equal(resumed, expected);
            CHECK(resumed.counts.losses < expected.counts.losses + (stop == 1 ? 1 : 0));
            CHECK_FALSE(std::filesystem::exists(folder / "resume"));
        }
    }
}

TEST_CASE("weights are put back when the evaluator fails")
{
    figured_model model = small_model();
    const auto before = model.all();
    model.losses_left = 20;
    CHECK_THROWS_WITH(rank_bits(model, all_weights(), {.bits = "all", .top_b = 3}), "out of paper");
    CHECK(model.same_bytes(before));
}

TEST_CASE("shards put together are the search in one piece")
{
    figured_model model = small_model();
    rank_bits_options options = {.bits = "exponent_sign", .search = bit_search::independent, .top_b = 5};
    const bit_ranking whole = rank_bits(model, all_weights(), options);
    for (const std::size_t count : {2, 4}) {
        std::vector<bit_ranking> shards;
        options.shard_count = count;
        for (std::size_t s = 0; s < count; ++s) {
            options.shard = count - 1 - s;
            shards.push_back(rank_bits(model, all_weights(), options));
        }
        const bit_ranking merged = merge_bit_rankings(shards);
        require_equal(merged, whole);
        CHECK(merged.candidate_count == 9);
        CHECK(merged.counts.losses == whole.counts.losses + count - 1);

        const auto refused = [&](auto&& change) {
            std::vector<bit_ranking> wrong = shards;
            change(wrong);
            try {
                (void)merge_bit_rankings(wrong);
            } catch (const std::invalid_argument& error) {
                return std::string(error.what()).substr(41);
            }
            return std::string();
        };
        if (count != 2)
            continue;
        const std::string parts = " than shard 1; expected parts of one search";
        CHECK(refused([](auto& s) { s.pop_back(); }) == "1 of 2 shards are given, expected all of them");
        CHECK(refused([](auto& s) { s[1] = s[0]; }) == "shard 1 of 2 is there twice, expected each once");
        CHECK(refused([](auto& s) { s[1].fingerprint = "0"; }) == "shard 0 of 2 has another model or data" + parts);
        CHECK(refused([](auto& s) { s[1].metrics = {"spread"}; }) == "shard 0 of 2 has another metric" + parts);
        CHECK(refused([](auto& s) { s[1].maximized = false; }) == "shard 0 of 2 has another metric" + parts);
        CHECK(refused([](auto& s) { s[1].baseline[0].value = 17.0; }) == "shard 0 of 2 has another baseline" + parts);
        CHECK(refused([](auto& s) { s[1].options.bits = "all"; }) == "shard 0 of 2 has another set of bits" + parts);
        CHECK(refused([](auto& s) { s[1].options.after = {{.name = "a"}}; }) == "shard 0 of 2 has another plan that was made first" + parts);
        CHECK(refused([](auto& s) { s[1].options.search = bit_search::progressive; }) == "a shard is of a progressive search, which has no parts");
        CHECK(refused([](auto& s) { s.clear(); }) == "there is no shard, expected one or more");
    }
    figured_model other = small_model(4);
    options = {.bits = "exponent_sign", .search = bit_search::independent, .shard = 1, .shard_count = 2};
    std::vector<bit_ranking> mixed = {rank_bits(other, all_weights(), options)};
    options.shard = 0;
    mixed.push_back(rank_bits(model, all_weights(), options));
    CHECK_THROWS_WITH(merge_bit_rankings(mixed),
                      "weightscope::merge_bit_rankings(shards): shard 0 of 2 has another model or data than shard 1; expected parts of one search");
}

TEST_CASE("a budget leaves the first candidates, and the plan is what is run")
{
    figured_model model = small_model();
    for (const bit_search search : {bit_search::independent, bit_search::progressive}) {
        const rank_bits_options options = {.bits = "exponent_sign", .search = search, .top_b = 2, .go_on = true, .metrics = {"spread"}};
        const bit_ranking_plan plan = plan_rank_bits(model, all_weights(), options, {.losses = 100});
        const std::vector<bit_candidate> all = all_weights();
        const bit_ranking found = rank_bits(model, std::span(all).first(plan.candidates), options);
        CHECK(plan.candidates < 9);
        CHECK(plan.candidates > 0);
        CHECK(found.counts == plan.evaluation.counts);
        CHECK(found.counts.losses + found.counts.measures <= 100);
        const bit_ranking_plan more = plan_rank_bits(model, std::span(all).first(plan.candidates + 1), options);
        CHECK(more.evaluation.counts.losses + more.evaluation.counts.measures > 100);
        CHECK(plan_rank_bits(model, all_weights(), options, {.losses = 3}).evaluation.refusal
              == "the budget does not buy the flips of a single candidate; raise it, or take fewer batches or bits");
    }
}

TEST_CASE("bits of blocks are flipped in their codes, and the evaluator gets the values")
{
    random_stream random(6);
    std::string data;
    for (int block = 0; block < 2; ++block) {
        data += gguf_writer::bytes_of(float16(0.5F + static_cast<float>(block)).bits);
        for (int i = 0; i < 16; ++i)
            data += static_cast<char>(random.below(256));
    }
    gguf_writer::file file;
    file.tensors.push_back({"a", {64}, 2, data});
    const files::temporary_folder folder;
    const model m = open_model(files::write(folder / "m.gguf", file.content()));
    std::vector<double> values(64), b = random_matrix(1, 65, 7)[0];
    for (std::size_t i = 0; i < 64; ++i)
        values[i] = value_with_bits_flipped(m.tensors[0], i, 0);
    values.push_back(1);
    quadratic_model<float> model(matrix_of_doubles(65, std::vector<double>(65)), b, values, 64);
    const auto before = model.all();
    const std::vector<bit_candidate> candidates = {{.name = "a", .flat = 5}, {.name = "a", .flat = 40}, {.name = "b", .flat = 0}};
    const bit_ranking found = rank_bits(m, model, candidates, {.bits = "0,3", .search = bit_search::independent, .top_b = 0});
    CHECK(model.same_bytes(before));
    REQUIRE(found.trials.size() == 6);
    for (const bit_trial& trial : std::span(found.trials).first(4)) {
        const bit_flip flip = flip_change(m.tensors[0], trial.flip.flat, trial.flip.bit);
        CHECK(*trial.flip.old_code == flip.old_code);
        CHECK(*trial.flip.new_value == flip.new_value);
        CHECK(trial.deltas[0] == Approx(b[trial.flip.flat] * flip.change).epsilon(1e-9));
    }
    // both bits of one weight, one on top of the other
    const bit_ranking both = rank_bits(m, model, std::span(candidates).first(1), {.bits = "0,3", .top_b = 2, .go_on = true});
    REQUIRE(both.ranked.size() == 2);
    CHECK(both.ranked[1].after - both.start == Approx(b[5] * (value_with_bits_flipped(m.tensors[0], 5, 9) - values[5])).epsilon(1e-9));
    quadratic_model<float> another(matrix_of_doubles(65, std::vector<double>(65)), b, std::vector<double>(65, 3), 64);
    CHECK_THROWS_WITH(rank_bits(m, another, candidates),
                      fmt::format("weightscope::rank_bits(model, evaluator, candidates, options): the evaluator has 3 as F32 in 'a'[5], and the model {} as F32; "
                                  "expected the same",
                                  values[5]));
}

TEST_CASE("bits of scales are flipped in their blocks, and the evaluator gets all the values that change")
{
    const files::temporary_folder folder;
    for (const char* type : {"Q4_0", "Q6_K", "Q4_K"}) {
        const model m = bit_models::open_blocks(folder, type, 2, 4);
        const named_tensor& tensor = m.tensors[0];
        const std::size_t size = tensor.size();
        const std::vector<double> b = random_matrix(1, size + 1, 7)[0], w = bit_models::values_of_blocks(m);
        // only squares: L = Σ (w² / 2 + b w)
        matrix_of_doubles a(size + 1, std::vector<double>(size + 1));
        for (std::size_t i = 0; i <= size; ++i)
            a[i][i] = 1;
        quadratic_model<float> model(a, b, w, size);
        const auto before = model.all();
        std::vector<bit_candidate> candidates;
        for (const bit_part& part : bit_parts(tensor))
            for (const std::size_t flat : {std::size_t{3}, size - 1})
                candidates.push_back({.name = "a", .flat = flat, .part = part.name});
        candidates.push_back({.name = "a", .flat = 2, .part = "scale"});  // a scale that is there already
        const bit_ranking found = rank_bits(m, model, candidates, {.bits = ">=2", .search = bit_search::independent, .top_b = 0});
        CHECK(model.same_bytes(before));
        INFO(type);
        std::size_t flips = 0;
        for (const bit_part& part : bit_parts(tensor))
            flips += 2 * (part.layout.bits - 2);
        CHECK(found.trials.size() == flips);
        bool same = true;
        for (const bit_trial& trial : found.trials) {
            const bit_part part = find_bit_part(tensor, trial.flip.part);
            double change = 0;
            bool finite = true, unchanged = true;
            bit_models::for_each_change(tensor, part, trial.flip.flat / part.weights, trial.flip.bit, [&](std::size_t i, const bit_flip& flip) {
                finite = finite && std::isfinite(flip.new_value);
                unchanged = unchanged && flip.change == 0;
                change += flip.new_value * (flip.new_value / 2 + b[i]) - w[i] * (w[i] / 2 + b[i]);
            });
            const auto outcome = !finite ? bit_trial_outcome::non_finite_value : unchanged ? bit_trial_outcome::unchanged : bit_trial_outcome::finite;
            same = same && trial.outcome == outcome && *trial.flip.old_code == flip_change(tensor, trial.flip.flat, trial.flip.bit, part.name).old_code;
            if (outcome == bit_trial_outcome::finite)
                same = same && std::fabs(trial.deltas[0] - change) <= 1e-9 * (std::fabs(change) + found.start * found.start + 1);
        }
        CHECK(same);
        // on top of each other, in one block and with codes: the same as of a file with all these bits flipped
        const bit_ranking greedy = rank_bits(m, model, candidates, {.bits = ">=3", .top_b = 4, .go_on = true, .flips_per_weight = 2});
        REQUIRE(greedy.ranked.size() == 4);
        CHECK(model.same_bytes(before));
        std::vector<planned_flip> plan;
        for (const ranked_flip& flip : greedy.ranked)
            plan.push_back(flip.flip);
        const auto copy = folder / "flipped.gguf";
        write_bit_patch(m, make_bit_patch(m, plan), copy);
        std::vector<double> flipped = bit_models::values_of_blocks(open_model(copy));
        double loss = 0;
        for (std::size_t i = 0; i <= size; ++i)
            loss += flipped[i] * (flipped[i] / 2 + b[i]);
        CHECK(greedy.ranked.back().after == Approx(loss).epsilon(1e-9));
    }
}

TEST_CASE("a search goes on from an earlier plan, and a greedy one can be cut into steps of shards")
{
    figured_model model = small_model();
    const auto before = model.all();
    const std::vector<bit_candidate> candidates = all_weights();
    const bit_ranking whole = rank_bits(model, candidates, {.bits = "exponent_sign", .top_b = 5});
    REQUIRE(whole.plan.size() == 5);

    const bit_ranking first = rank_bits(model, candidates, {.bits = "exponent_sign", .top_b = 2});
    const bit_ranking rest = rank_bits(model, candidates, {.bits = "exponent_sign", .top_b = 3, .after = first.plan});
    CHECK(shown(rest.plan) == shown(whole.plan));
    CHECK(rest.start == first.best);
    CHECK(rest.best == whole.best);
    CHECK(rest.ranked.size() == 3);
    CHECK(model.same_bytes(before));

    std::vector<planned_flip> plan;
    for (std::size_t step = 0; step < 5; ++step) {
        std::vector<bit_ranking> shards;
        for (std::size_t s = 0; s < 3; ++s)
            shards.push_back(rank_bits(model, candidates,
                                       {.bits = "exponent_sign", .search = bit_search::independent, .top_b = 1, .shard = s, .shard_count = 3,
                                        .evaluation = {.threads = 1 + s}, .after = plan}));
        const bit_ranking merged = merge_bit_rankings(shards);
        CHECK(merged.best == whole.ranked[step].after);
        plan = merged.plan;
        CHECK(plan.size() == step + 1);
    }
    CHECK(shown(plan) == shown(whole.plan));
    bool same = true;
    for (std::size_t i = 0; i < plan.size(); ++i)
        same = same && plan[i].old_code == whole.plan[i].old_code && plan[i].new_value == whole.plan[i].new_value;
    CHECK(same);
    CHECK(model.same_bytes(before));
    // flips that were made are not tried again
    const bit_ranking after = rank_bits(model, candidates, {.bits = "exponent_sign", .search = bit_search::independent, .after = plan});
    CHECK(after.trials.size() == 9 * 9 - 5);
}

TEST_CASE("scales are a part of the population of flips")
{
    const files::temporary_folder folder;
    const model m = bit_models::open_blocks(folder, "Q4_0", 3, 4);
    const std::vector<double> b = random_matrix(1, 97, 7)[0];
    quadratic_model<float> model(matrix_of_doubles(97, std::vector<double>(97)), b, bit_models::values_of_blocks(m), 96);
    const failing_share_result all = estimate_failing_share(m, model, {.samples = 10'000, .threshold = 0.5});
    CHECK(all.population == 96 * 4 + 3 * 16);
    REQUIRE(all.strata.size() == 20);
    CHECK(all.strata[3].part == "code");
    CHECK(all.strata[3].failing.population == 96);
    CHECK(all.strata[4].part == "scale");
    std::uint64_t failing = 0, crashes = 0;
    for (const bit_part& part : bit_parts(m.tensors[0]))
        for (std::size_t n = 0; n < 96 / part.weights; ++n)
            for (unsigned bit = 0; bit < part.layout.bits; ++bit) {
                double change = 0;
                bool finite = true;
                bit_models::for_each_change(m.tensors[0], part, n, bit, [&](std::size_t i, const bit_flip& flip) {
                    change += b[i] * flip.change;
                    finite = finite && std::isfinite(flip.new_value);
                });
                crashes += finite ? 0 : 1;
                failing += !finite || change > 0.5 ? 1 : 0;
            }
    CHECK(all.share.share == Approx(static_cast<double>(failing) / 432).epsilon(1e-12));
    CHECK(all.crash_share.share == Approx(static_cast<double>(crashes) / 432).epsilon(1e-12));
    CHECK(estimate_failing_share(m, model, {.samples = 10'000, .parts = {"scale"}}).population == 48);
}

TEST_CASE("shards of a sample put together are the sample in one piece")
{
    std::vector<double> w, b;
    random_stream random(8);
    for (int i = 0; i < 40; ++i) {
        w.push_back(random.normal());
        b.push_back(random.normal());
    }
    quadratic_model<float16> model(matrix_of_doubles(40, std::vector<double>(40)), b, w, 20);
    failing_share_options options = {.samples = 101, .evaluation = {.seed = 5}};
    const failing_share_result whole = estimate_failing_share(model, options);
    std::vector<failing_share_result> shards;
    options.shard_count = 4;
    std::size_t run = 0;
    for (const std::size_t shard : {1, 3, 0, 2}) {
        options.shard = shard;
        shards.push_back(estimate_failing_share(model, options));
        run += shards.back().samples;
        const failing_share_plan plan = plan_failing_share(model, options);
        CHECK(plan.samples == 101);
        CHECK(plan.evaluation.counts.losses == shards.back().samples + 1);
    }
    CHECK(run == 101);
    const failing_share_result merged = merge_failing_shares(shards);
    require_equal(merged.ranking, whole.ranking);
    CHECK(merged.samples == 101);
    CHECK(merged.share.share == whole.share.share);
    CHECK(merged.share.lower == whole.share.lower);
    CHECK(merged.crash_share.upper == whole.crash_share.upper);
    CHECK(merged.mean_change.value == whole.mean_change.value);
    REQUIRE(merged.strata.size() == whole.strata.size());
    bool same = true;
    for (std::size_t s = 0; s < whole.strata.size(); ++s)
        same = same && merged.strata[s].failing.hits == whole.strata[s].failing.hits && merged.strata[s].failing.sample == whole.strata[s].failing.sample
            && merged.strata[s].share.upper == whole.strata[s].share.upper && merged.strata[s].kind == whole.strata[s].kind;
    CHECK(same);

    const std::string who = "weightscope::merge_failing_shares(shards): ";
    CHECK_THROWS_WITH(merge_failing_shares(std::span(shards).first(3)), who + "3 of 4 shards are given, expected all of them");
    shards[2].options.threshold = 3;
    CHECK_THROWS_WITH(merge_failing_shares(shards), who + "shard 0 of 4 has another sample or threshold than shard 1; expected parts of one sample");
    options.shard = 4;
    CHECK_THROWS_WITH(estimate_failing_share(model, options), "weightscope::estimate_failing_share(evaluator, options): options.shard is 4 of 4, expected below the count");
    // what a shard of a budget runs
    options.shard = 1;
    const failing_share_plan cut = plan_failing_share(model, options, {.losses = 11});
    CHECK(cut.samples == 40);
    CHECK(cut.evaluation.counts.losses == 11);
}

TEST_CASE("a whole population is its own share, and a sample is near it")
{
    // 40 weights of float16: every bit of every one, by hand
    random_stream random(8);
    std::vector<double> w, b;
    for (int i = 0; i < 40; ++i) {
        w.push_back(random.normal());
        b.push_back(random.normal());
    }
    quadratic_model<float16> model(matrix_of_doubles(40, std::vector<double>(40)), b, w, 20);
    const double unchanged = model.loss(0).mean();
    std::uint64_t failing = 0, crashes = 0;
    double rest = 0;
    for (std::size_t t = 0; t < 2; ++t)
        for (std::size_t i = 0; i < 20; ++i)
            for (unsigned bit = 0; bit < 16; ++bit) {
                const double loss = with_flip(model, t, i, bit, 2).loss(0).mean();
                crashes += std::isfinite(loss) ? 0 : 1;
                const bool fails = !std::isfinite(loss) || loss - unchanged > 0.1;
                failing += fails ? 1 : 0;
                rest += fails ? 0 : loss - unchanged;
            }
    const failing_share_result all = estimate_failing_share(model, {.samples = 10'000});
    CHECK(all.population == 640);
    CHECK(all.samples == 640);
    CHECK(all.strata.size() == 32);  // tensors "a" and "b", 16 bits
    CHECK(all.share.share == Approx(static_cast<double>(failing) / 640).epsilon(1e-12));
    CHECK(all.share.lower == Approx(all.share.share).epsilon(1e-12));
    CHECK(all.share.upper == Approx(all.share.share).epsilon(1e-12));
    CHECK(all.crash_share.share == Approx(static_cast<double>(crashes) / 640).epsilon(1e-12));
    CHECK(crashes > 0);
    CHECK(all.mean_change.value == Approx(rest / static_cast<double>(640 - failing)).epsilon(1e-9));

    const failing_share_options options = {.samples = 160, .evaluation = {.seed = 5}};
    const failing_share_result some = estimate_failing_share(model, options);
    CHECK(some.samples == 160);
    double mean = 0;
    std::size_t covered = 0;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        const share_estimate share = estimate_failing_share(model, {.samples = 160, .evaluation = {.seed = seed}}).share;
        mean += share.share / 100;
        covered += share.lower <= all.share.share && all.share.share <= share.upper ? 1 : 0;
    }
    CHECK(mean == Approx(all.share.share).margin(0.01));  // four standard errors of the mean of 100
    CHECK(covered >= 88);                                 // 95 less three standard deviations of a count
    CHECK(some.ranking.counts.losses <= 161);
    failing_share_options threads = options;
    threads.evaluation.threads = 3;
    require_equal(estimate_failing_share(model, threads).ranking, some.ranking);
    threads.evaluation.seed = 6;
    CHECK(shown(estimate_failing_share(model, threads).ranking.trials[3].flip) != shown(some.ranking.trials[3].flip));
    CHECK(estimate_failing_share(model, {.margin = 0.05}).samples == failing_share_sample_size(640, 0.05));
}

TEST_CASE("kinds of tensors are names without numbers")
{
    CHECK(detail::kind_of_tensor("model.layers.12.mlp.w1.weight") == "model.layers.*.mlp.w*.weight");
    CHECK(detail::kind_of_tensor("norm") == "norm");
}

TEST_CASE("a wrong search is told")
{
    figured_model model = small_model();
    const std::vector<bit_candidate> none = {{.name = "c", .flat = 1}}, far = {{.name = "a", .flat = 3}}, one = {{.name = "a", .flat = 0}};
    const std::string who = "weightscope::rank_bits(evaluator, candidates, options): ";
    CHECK_THROWS_WITH(rank_bits(model, none), who + "candidate 0 is in 'c', which the evaluator has not");
    CHECK_THROWS_WITH(rank_bits(model, far), who + "candidate 0 is element 3 of 'a', which has 3");
    CHECK_THROWS_WITH(rank_bits(model, one, {.bits = "40"}), who + "none of the 1 candidates has any of the bits '40'");
    CHECK_THROWS_WITH(rank_bits(model, one, {.metric = "speed"}), who + "the evaluator has no figure 'speed', expected one of loss, spread, score");
    CHECK_THROWS_WITH(rank_bits(model, one, {.shard = 0, .shard_count = 2}),
                      who + "a progressive search cannot be cut into shards, for each step is made on top of the best flip of all shards; rank step by step: "
                            "independent shards with options.after the plan so far, put together, until the plan does not grow");
    const planned_flip first = {.name = "a", .flat = 0, .bit = 31, .old_code = 1};
    CHECK_THROWS_WITH(rank_bits(model, one, {.after = {first}}),
                      fmt::format("{}flip 0 of options.after expects the code 0x1 in 'a'[0], found {:#x}; the plan was made for another model", who,
                                  std::bit_cast<std::uint32_t>(static_cast<float>(model.flat()[0]))));
    CHECK_THROWS_WITH(rank_bits(model, one, {.after = {{.name = "x"}}}), who + "flip 0 of options.after is in 'x', which the evaluator has not");
    CHECK_THROWS_WITH(rank_bits(model, one, {.after = {{.name = "a", .bit = 32}}}), who + "flip 0 of options.after is bit 32 of a number of 32");
    CHECK_THROWS_WITH(rank_bits(model, one, {.after = {{.name = "a", .part = "scale"}}}), who + "tensor 'a' is F32 and has no part 'scale'");
    fragile_model unit({1, 1});
    const std::vector<bit_candidate> unit_one = {{.name = "layers.0.weight", .flat = 0}};
    CHECK_THROWS_WITH(rank_bits(unit, unit_one, {.after = {{.name = "layers.0.weight", .bit = 30}}}),
                      who + "flip 0 of options.after makes a weight NaN or Inf, on top of which nothing can be tried");
    CHECK_THROWS_WITH(rank_bits(model, one, {.search = bit_search::independent, .shard = 2, .shard_count = 2}),
                      who + "options.shard is 2 of 2, expected below the count");
    fragile_model broken({-1, 2});
    const std::vector<bit_candidate> broken_one = {{.name = "layers.0.weight", .flat = 0}};
    CHECK_THROWS_WITH(rank_bits(broken, broken_one), who + "'loss' of the unchanged model does not exist: not finite; expected a number");
}
