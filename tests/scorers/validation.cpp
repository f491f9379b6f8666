// How far a score can be trusted: rank correlations, samples, removals for real, and the search for what matters least.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/counter_random.hpp>
#include <weightscope/core/random_stream.hpp>
#include <weightscope/scorers/ablation.hpp>
#include <weightscope/scorers/rank_correlation.hpp>
#include <weightscope/scorers/removable.hpp>
#include <weightscope/scorers/screening.hpp>
#include <weightscope/scorers/validate_scores.hpp>

#include "../catch.hpp"
#include "../evaluators/models.hpp"

using namespace weightscope;

namespace {

constexpr std::size_t weight_count = 60, first_tensor = weight_count / 3;

// L = w'Aw/2 + b'w, all that is known of it, and its single weights as things to remove.
struct known_quadratic
{
    quadratic_model<double> model = make_quadratic<quadratic_model<double>>(weight_count, 3, 5);
    matrix_of_doubles a = random_symmetric(weight_count, 3, 5);
    std::vector<double> b = random_matrix(1, weight_count, 1003)[0];
    std::vector<double> w = model.flat();

    // change of the loss when one weight goes
    double removal(std::size_t i) const
    {
        const auto aw = model.times(w);
        return -w[i] * (aw[i] + b[i]) + w[i] * w[i] * a[i][i] / 2;
    }
    weight_slice place(std::size_t i) const
    {
        return {.tensor = i < first_tensor ? std::size_t{0} : 1, .first = i < first_tensor ? i : i - first_tensor, .count = 1};
    }
    template <class Score>
    std::vector<removable> scored(const Score& score) const
    {
        std::vector<removable> items;
        for (std::size_t i = 0; i < weight_count; ++i)
            items.push_back({.group = {.name = "w" + std::to_string(i), .slices = {place(i)}}, .predicted = score(i), .stratum = i < first_tensor ? "a" : "b"});
        return items;
    }
};

}  // namespace

TEST_CASE("rank correlations agree with SciPy, ties included")
{
    // a = np.array([3.0, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8]); b = np.array([2.0, 7, 1, 8, 2, 8, 1, 8, 2, 8, 4, 5])
    // stats.spearmanr(a, b)[0], stats.kendalltau(a, b)[0]
    const std::vector<double> a = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8}, b = {2, 7, 1, 8, 2, 8, 1, 8, 2, 8, 4, 5};
    CHECK(spearman_correlation(a, b).value == Approx(0.1415796863640157).epsilon(1e-13));
    CHECK(kendall_correlation(a, b).value == Approx(0.17109647770728875).epsilon(1e-13));
    // t = np.arange(500); a = (t * 7919 % 503) % 41; b = (t * 104729 % 499) % 37 + a
    std::vector<double> c, d;
    for (int t = 0; t < 500; ++t) {
        c.push_back(t * 7919 % 503 % 41);
        d.push_back(t * 104729 % 499 % 37 + c.back());
    }
    CHECK(spearman_correlation(c, d).value == Approx(0.7023877420031291).epsilon(1e-13));
    CHECK(kendall_correlation(c, d).value == Approx(0.475400453776066).epsilon(1e-13));
}

TEST_CASE("rank correlations know order and nothing else")
{
    const std::vector<double> x = {1, 5, 2, 9}, grown = {1, 125, 8, 729}, turned = {-1, -5, -2, -9}, flat = {2, 2, 2, 2};
    CHECK(spearman_correlation(x, grown).value == 1);
    CHECK(kendall_correlation(x, grown).value == 1);
    CHECK(spearman_correlation(x, turned).value == -1);
    CHECK(kendall_correlation(x, turned).value == -1);
    CHECK(spearman_correlation(x, flat).reason == "all numbers are equal");
    CHECK(kendall_correlation(flat, x).reason == "all numbers are equal");
    CHECK(spearman_correlation(std::vector<double>{1}, std::vector<double>{1}).reason == "fewer than two pairs");
    CHECK_THROWS_WITH(spearman_correlation(x, std::vector<double>{1}),
                      "weightscope::spearman_correlation(x, y): x has 4 numbers and y has 1, expected as many");
    CHECK_THROWS_WITH(kendall_correlation(std::vector<double>{1, std::nan("")}, std::vector<double>{1, 2}),
                      "weightscope::kendall_correlation(x, y): pair 1 is (nan, 2), expected numbers");
    // by brute force: (concordant - discordant) / √((pairs - tied in x)(pairs - tied in y))
    random_stream random(4);
    std::vector<double> a(70), b(70);
    for (std::size_t i = 0; i < a.size(); ++i) {
        a[i] = static_cast<double>(random.below(12));
        b[i] = static_cast<double>(random.below(9)) + a[i] / 3;
    }
    double difference = 0, untied_a = 0, untied_b = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        for (std::size_t j = 0; j < i; ++j) {
            const double s = (a[i] - a[j]) * (b[i] - b[j]);
            difference += s > 0 ? 1 : s < 0 ? -1 : 0;
            untied_a += a[i] != a[j] ? 1 : 0;
            untied_b += b[i] != b[j] ? 1 : 0;
        }
    CHECK(kendall_correlation(a, b).value == Approx(difference / std::sqrt(untied_a * untied_b)).epsilon(1e-14));
}

TEST_CASE("a sample has something of every stratum and of every size of score")
{
    std::vector<removable> items;
    for (std::size_t i = 0; i < 1000; ++i)
        items.push_back({.predicted = static_cast<double>(i), .stratum = i < 950 ? "many" : i < 999 ? "few" : "one"});
    items.push_back({.predicted = std::numeric_limits<double>::quiet_NaN(), .stratum = "broken"});
    const std::vector<std::size_t> sample = sample_removables(items, {.samples = 100, .seed = 2});
    CHECK(sample.size() == 100);
    CHECK(std::set<std::size_t>(sample.begin(), sample.end()).size() == 100);
    const auto below = [&](std::size_t limit) { return std::count_if(sample.begin(), sample.end(), [&](std::size_t i) { return i < limit; }); };
    CHECK(below(950) == 95);
    CHECK(below(999) == 99);
    CHECK(sample.back() == 999);
    CHECK(below(475) >= 47);  // one of each of 95 runs of ten
    CHECK(below(475) <= 48);
    CHECK(sample_removables(items, {.samples = 100, .seed = 2}) == sample);
    CHECK(sample_removables(items, {.samples = 100, .seed = 3}) != sample);
    CHECK(sample_removables(items, {.samples = 5000}).size() == 1000);
}

TEST_CASE("single weights are drawn from all tensors by their size")
{
    std::vector<double> large(9000), small(1000);
    std::iota(large.begin(), large.end(), 0.0);
    const std::vector<weight_info> weights = {{.name = "unused", .shape = {3}}, {.name = "small", .shape = {1000}}, {.name = "large", .shape = {90, 100}}};
    std::size_t calls = 0;
    const std::vector<scored_tensor> tensors = {{"large", 9000, [&] { return ++calls, large; }}, {"small", 1000, [&] { return ++calls, small; }}};
    const auto items = sample_weights(weights, tensors, {.samples = 200});
    CHECK(calls == 2);
    REQUIRE(items.size() == 200);
    CHECK(std::count_if(items.begin(), items.end(), [](const removable& r) { return r.stratum == "small"; }) == 20);
    std::size_t low = 0;
    for (const removable& r : items) {
        REQUIRE(r.group.slices.size() == 1);
        const weight_slice& slice = r.group.slices[0];
        CHECK(slice.tensor == (r.stratum == "large" ? 2 : 1));
        CHECK(r.predicted == (r.stratum == "large" ? large[slice.first] : 0));
        CHECK(r.group.name == r.stratum + "[" + std::to_string(slice.first) + "]");
        low += r.stratum == "large" && slice.first < 4500 ? 1 : 0;
    }
    CHECK(low > 75);
    CHECK(low < 105);
    CHECK_THROWS_WITH(sample_weights(std::span(weights).first(2), tensors),
                      "weightscope::sample_weights(weights, tensors): the evaluator has no tensor 'large'");
    CHECK_THROWS_WITH(sample_weights(weights, std::vector<scored_tensor>{{"small", 999, {}}}),
                      "weightscope::sample_weights(weights, tensors): tensor 'small' has 999 scores, the evaluator 1000 weights");
}

TEST_CASE("a score that is right is found right, and its interaction gap is that of the Hessian")
{
    known_quadratic q;
    const auto before = q.model.all();
    const auto items = q.scored([&](std::size_t i) { return q.removal(i); });
    const validation_result v = validate_scores(q.model, items, {.samples = 1000, .joint_fraction = 0.5, .noise = 1e-14});
    REQUIRE(v.items.size() == weight_count);
    CHECK(v.spearman.value.value == 1);
    CHECK(v.spearman.lower.value == 1);
    CHECK(v.kendall.value.value == 1);
    CHECK(v.calibration_slope.value.value == Approx(1).epsilon(1e-10));
    CHECK(v.calibration_slope.lower.value == Approx(1).epsilon(1e-10));
    CHECK(v.top_decile_overlap.value == 1);
    CHECK(v.bottom_decile_overlap.value == 1);
    CHECK(v.sign_agreement.value == 1);
    CHECK(v.below_noise_count == 0);
    CHECK(v.loss == Approx(q.model.loss(0).sum).epsilon(1e-14));
    CHECK(v.counts == evaluation_counts{.losses = 1 + weight_count + 1});
    CHECK(q.model.same_bytes(before));
    for (const validated_item& item : v.items)
        CHECK(item.measured == Approx(q.removal(item.item)).margin(1e-10));

    // removed together, the 30 lowest: Σ over pairs of w_i A_ij w_j comes on top
    std::vector<std::size_t> order(weight_count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return q.removal(i) < q.removal(j); });
    double gap = 0, sum = 0;
    for (std::size_t i = 0; i < 30; ++i) {
        sum += q.removal(order[i]);
        for (std::size_t j = 0; j < i; ++j)
            gap += q.w[order[i]] * q.a[order[i]][order[j]] * q.w[order[j]];
    }
    CHECK(v.joint_count == 30);
    CHECK(v.joint_sum.value == Approx(sum).margin(1e-10));
    CHECK(v.interaction_gap.value == Approx(gap).margin(1e-10));
    CHECK(v.joint_change.value == Approx(sum + gap).margin(1e-10));
}

TEST_CASE("a score that knows nothing, or the opposite, is found out")
{
    known_quadratic q;
    const counter_random random(8, "test", "");
    const auto nothing = q.scored([&](std::size_t i) { return random.uniform(i, 0); });
    const validation_result v = validate_scores(q.model, nothing, {.joint_fraction = 0});
    CHECK(std::fabs(v.spearman.value.value) < 0.35);  // 2.7 standard deviations
    CHECK(v.spearman.lower.value < 0);
    CHECK(v.spearman.upper.value > 0);
    CHECK(v.spearman.lower.value < v.spearman.value.value);
    CHECK(v.sign_agreement.reason == "all predictions have one sign");
    CHECK(v.joint_change.reason == "not asked for");
    CHECK(v.noise > 0);  // measured
    const auto opposite = q.scored([&](std::size_t i) { return -2 * q.removal(i); });
    const validation_result w = validate_scores(q.model, opposite, {.noise = 1e-14});
    CHECK(w.spearman.value.value == -1);
    CHECK(w.calibration_slope.value.value == Approx(-0.5).epsilon(1e-10));
    CHECK(w.sign_agreement.value == 0);
    CHECK(w.spearman_magnitude.value.value == 1);
}

TEST_CASE("a sample is removed where there are many, the same one for the same seed")
{
    known_quadratic q;
    const auto items = q.scored([&](std::size_t i) { return q.removal(i); });
    const auto sampled = [&](std::uint64_t seed) { return validate_scores(q.model, items, {.samples = 15, .seed = seed, .noise = 1e-14}); };
    const validation_result one = sampled(1), again = sampled(1);
    CHECK(one.items.size() == 15);
    CHECK(one.counts.losses == 17);
    CHECK(one.joint_count == 4);
    CHECK(one.spearman.lower.value == again.spearman.lower.value);
    std::vector<std::size_t> chosen, others;
    for (const validated_item& item : one.items)
        chosen.push_back(item.item);
    for (const validated_item& item : sampled(2).items)
        others.push_back(item.item);
    CHECK(chosen != others);
    CHECK(std::count_if(chosen.begin(), chosen.end(), [](std::size_t i) { return i < first_tensor; }) == 5);  // a third, as of the weights
    // noise above all changes
    CHECK(validate_scores(q.model, items, {.samples = 15, .noise = 1e6}).below_noise_count == 15);
    CHECK_THROWS_WITH(validate_scores(q.model, std::span(items).first(1)),
                      "weightscope::validate_scores(evaluator, items, options): 1 items have a finite score, expected 2 or more");
    CHECK_THROWS_WITH(validate_scores(q.model, items, {.joint_fraction = 2}),
                      "weightscope::validate_scores(evaluator, items, options): options.joint_fraction is 2, expected 0 to 1");
}

TEST_CASE("what breaks the model is counted and in no figure")
{
    struct divides : stored_weights<double>
    {
        divides() { add("w", {4}, {1, 2, 3, 4}); }
        std::size_t batch_count() const { return 1; }
        loss_value loss(std::size_t) { return {values_[0][1] / values_[0][0] + values_[0][2], 1}; }
    } model;
    std::vector<removable> items;
    for (std::size_t i = 0; i < 4; ++i)
        items.push_back({.group = {"w", {{.tensor = 0, .first = i, .count = 1}}}, .predicted = static_cast<double>(i)});
    const validation_result v = validate_scores(model, items, {.joint_fraction = 1, .noise = 1e-15});
    CHECK(v.non_finite_count == 1);
    CHECK(v.spearman.value.exists());
    CHECK(!v.joint_sum.exists());
    CHECK(v.joint_sum.reason == "not finite");
}

TEST_CASE("groups are scored by removing them, or by scaling them a little")
{
    known_quadratic q;
    const std::vector<weight_group> groups = {{"row", {{0, 0, 10, 1}}}, {"mixed", {{0, 1, 5, 2}, {1, 3, 7, 4}}}, {"one", {{1, 39, 1, 1}}}};
    const group_importance_result removed = score_ablation(q.model, groups, {.noise = 1e-12}), probed = score_probe(q.model, groups);
    for (std::size_t g = 0; g < groups.size(); ++g) {
        std::vector<std::size_t> members;
        for (const weight_slice& slice : groups[g].slices)
            for (std::size_t i = 0; i < slice.count; ++i)
                members.push_back((slice.tensor == 0 ? 0 : first_tensor) + slice.first + i * slice.stride);
        const auto aw = q.model.times(q.w);
        double change = 0;
        for (const std::size_t i : members) {
            change -= q.w[i] * (aw[i] + q.b[i]);
            for (const std::size_t j : members)
                change += q.w[i] * q.a[i][j] * q.w[j] / 2;
        }
        CHECK(removed.scores[g] == Approx(change).margin(1e-9));
        CHECK(probed.scores[g] == Approx(change).margin(1e-8));  // a quadratic is its own Taylor series
    }
    CHECK(removed.method == "ablation");
    CHECK(removed.standard_errors[0] == Approx(std::sqrt(2.0) * 1e-12).epsilon(1e-10));
    CHECK(removed.counts == evaluation_counts{.losses = 4});
    CHECK(probed.counts == evaluation_counts{.losses = 7});
    CHECK(probed.method == "probe");
    CHECK(probed.standard_errors[0] > 0);
    CHECK(removed.origin.batches == 1);
}

TEST_CASE("successive screening finds what matters least with few removals")
{
    // 64 features, 8 batches of 30 samples; single weights as groups
    logistic_model<double> model(240, 64, 30, 11);
    std::vector<weight_group> groups;
    std::vector<double> cheap;
    const auto w = model.flat();
    for (std::size_t i = 0; i < 64; ++i) {
        groups.push_back({"w" + std::to_string(i), {{.tensor = 0, .first = i, .count = 1}}});
        cheap.push_back(std::fabs(w[i]));
    }
    const screening_options options = {.wanted = 5, .candidates = 40, .first_batches = 1};
    const evaluation_plan plan = plan_screening(model, groups, options);
    const screening_result found = select_by_screening(model, groups, cheap, options);
    // rounds of 40, 20, 10 and 5 groups on 1, 2, 4 and 8 batches, each with its base
    CHECK(found.rounds == 4);
    CHECK(found.counts == evaluation_counts{.losses = 41 * 1 + 21 * 2 + 11 * 4 + 6 * 8});
    CHECK(plan.counts == found.counts);
    CHECK(found.verified_count == 5);
    REQUIRE(found.groups.size() == 64);

    const group_importance_result exact = score_ablation(model, groups);
    for (std::size_t i = 0; i < 5; ++i) {
        CHECK(found.groups[i].measured == exact.scores[found.groups[i].group]);
        CHECK(found.groups[i].batches == 8);
        CHECK(found.groups[i].rounds == 4);
        CHECK((i == 0 || found.groups[i - 1].measured <= found.groups[i].measured));
    }
    CHECK(found.groups[5].rounds == 3);
    CHECK(found.groups[39].rounds == 1);
    CHECK(found.groups[40].rounds == 0);
    CHECK(std::isnan(found.groups[63].measured));
    CHECK(found.groups[63].cheap == *std::max_element(cheap.begin(), cheap.end()));
    // the verified ones are better than the five that magnitude alone would take
    std::vector<std::size_t> by_magnitude(64);
    std::iota(by_magnitude.begin(), by_magnitude.end(), std::size_t{0});
    std::sort(by_magnitude.begin(), by_magnitude.end(), [&](std::size_t a, std::size_t b) { return cheap[a] < cheap[b]; });
    double screened = 0, magnitude = 0;
    for (std::size_t i = 0; i < 5; ++i) {
        screened += found.groups[i].measured;
        magnitude += exact.scores[by_magnitude[i]];
    }
    CHECK(screened < magnitude);

    // with costs it is the change for each unit of cost that counts
    std::vector<double> costs;
    for (std::size_t g = 0; g < 64; ++g)
        costs.push_back(g % 2 == 0 ? 1 : 1000);
    const screening_result by_cost = select_by_screening(model, groups, cheap, {.wanted = 64, .candidates = 64, .costs = costs});
    REQUIRE(by_cost.verified_count == 64);
    for (std::size_t i = 1; i < 64; ++i) {
        const screened_group &before = by_cost.groups[i - 1], &after = by_cost.groups[i];
        CHECK(before.measured / costs[before.group] <= after.measured / costs[after.group]);
    }
    CHECK_THROWS_WITH(select_by_screening(model, groups, cheap, {.costs = {1}}),
                      "weightscope::select_by_screening(evaluator, groups, cheap, options): 64 groups and 1 costs, expected one for each");

    const screening_result all = select_by_screening(model, groups, cheap, {.wanted = 100});
    CHECK(all.rounds == 1);
    CHECK(all.verified_count == 64);
    CHECK_THROWS_WITH(select_by_screening(model, groups, std::vector<double>{1}),
                      "weightscope::select_by_screening(evaluator, groups, cheap, options): 64 groups and 1 cheap scores, expected one for each");
    CHECK_THROWS_WITH(select_by_screening(model, groups, cheap, {.wanted = 0}),
                      "weightscope::select_by_screening(evaluator, groups, cheap, options): options.wanted is 0, expected 1 or more");
}
