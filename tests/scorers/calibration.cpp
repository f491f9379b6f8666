// Calibration data: different texts, what inputs look like, and what an evaluator tells of its weights.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <weightscope/core/parallel.hpp>
#include <weightscope/core/random_stream.hpp>
#include <weightscope/scorers/activation_collector.hpp>
#include <weightscope/scorers/calibration.hpp>
#include <weightscope/scorers/estimate_importance.hpp>
#include <weightscope/scorers/taylor_2nd.hpp>

#include "../catch.hpp"
#include "../evaluators/models.hpp"

using namespace weightscope;

namespace {

token_rows rows_of(const std::vector<std::vector<std::int32_t>>& rows, std::size_t length)
{
    token_rows result{.rows = rows.size(), .length = length};
    for (const auto& row : rows)
        for (std::size_t i = 0; i < length; ++i)
            result.tokens.push_back(i < row.size() ? row[i] : -1);
    return result;
}

// Shows its one layer whatever it is given, in two pieces.
struct shows_inputs : stored_weights<float>
{
    explicit shows_inputs(std::vector<std::vector<float>> batches, std::size_t cols) : data(std::move(batches)), width(cols)
    {
        add("w", {2, cols}, std::vector<double>(2 * cols, 1));
        add("other", {3}, {1, 2, 3});
    }
    std::size_t batch_count() const { return data.size(); }
    std::size_t sample_count(std::size_t) const { return 2; }
    loss_value loss(std::size_t) { return {1, 1}; }
    void observe(std::size_t batch, const activation_tap& tap)
    {
        if (!tap.wants(0))
            return;
        const std::size_t rows = data[batch].size() / width, first = rows / 2;
        const std::span<const std::uint8_t> mask(masks.empty() ? nullptr : masks[batch].data(), masks.empty() ? 0 : rows);
        tap(0, {.data = data[batch].data(), .rows = first, .cols = width, .row_mask = mask.empty() ? mask : mask.first(first)});
        tap(0, {.data = data[batch].data() + first * width, .rows = rows - first, .cols = width, .row_mask = mask.empty() ? mask : mask.subspan(first)});
    }

    std::vector<std::vector<float>> data;
    std::vector<std::vector<std::uint8_t>> masks;
    std::size_t width;
};

}  // namespace

TEST_CASE("a text that comes again is found, whole or in part")
{
    std::vector<std::int32_t> text(40), shifted(40), other(40);
    for (std::int32_t i = 0; i < 40; ++i) {
        text[static_cast<std::size_t>(i)] = i;
        shifted[static_cast<std::size_t>(i)] = i + 4;  // 36 tokens of the first
        other[static_cast<std::size_t>(i)] = 100 - i;
    }
    // a peer draws "128 samples" that are the first few texts again and again
    const token_rows rows = rows_of({text, other, text, shifted, {1, 2, 3}, {1, 2, 3}, other}, 40);
    const repeated_rows_result found = detect_repeated_rows(rows);
    CHECK(found.rows == 7);
    CHECK(found.tokens == 5 * 40 + 6);
    CHECK(found.repeated_rows == std::vector<std::size_t>{2, 5, 6});
    CHECK(found.overlapping_rows == std::vector<std::size_t>{3});
    CHECK(detect_repeated_rows(rows, {.overlap = 36}).overlapping_rows == std::vector<std::size_t>{3});
    CHECK(detect_repeated_rows(rows, {.overlap = 37}).overlapping_rows.empty());
    CHECK(detect_repeated_rows(rows, {.overlap = 0}).overlapping_rows.empty());
    // a run that a row has in common with itself only
    CHECK(detect_repeated_rows(rows_of({std::vector<std::int32_t>(40, 7)}, 40)).overlapping_rows.empty());
    CHECK_THROWS_WITH(detect_repeated_rows({.tokens = {1, 2, 3}, .rows = 2, .length = 2}),
                      "weightscope::detect_repeated_rows(rows): 3 tokens, expected 2 rows of 2");
}

TEST_CASE("the fingerprint is that of the tokens and of where rows end")
{
    const auto print = [](const token_rows& rows) { return detect_repeated_rows(rows).fingerprint; };
    const std::string one = print(rows_of({{1, 2}, {3, 4}}, 2));
    CHECK(one.size() == 16);
    CHECK(one == print(rows_of({{1, 2}, {3, 4}}, 5)));  // padding says nothing
    CHECK(one != print(rows_of({{1, 2}, {4, 3}}, 2)));
    CHECK(one != print(rows_of({{1, 2, 3}, {4}}, 3)));
    CHECK(one != print(rows_of({{3, 4}, {1, 2}}, 2)));
}

TEST_CASE("calibration rows are drawn without one coming twice")
{
    std::vector<std::vector<std::int32_t>> texts;
    for (std::int32_t i = 0; i < 50; ++i) {
        texts.push_back({i, i + 1, i + 2});
        texts.push_back({i % 10, 99, 99});  // ten different ones
    }
    const token_rows rows = rows_of(texts, 4);
    const calibration_result drawn = select_calibration(rows, {.samples = 30, .seed = 5});
    CHECK(drawn.rows.rows == 30);
    CHECK(drawn.rows.tokens.size() == 120);
    CHECK(drawn.tokens == 90);
    CHECK(drawn.repeated_count == 40);
    CHECK(std::is_sorted(drawn.chosen.begin(), drawn.chosen.end()));
    CHECK(detect_repeated_rows(drawn.rows).repeated_rows.empty());
    CHECK(drawn.fingerprint == detect_repeated_rows(drawn.rows).fingerprint);
    CHECK(select_calibration(rows, {.samples = 30, .seed = 5}).chosen == drawn.chosen);
    CHECK(select_calibration(rows, {.samples = 30, .seed = 6}).chosen != drawn.chosen);
    CHECK(select_calibration(rows, {.samples = 1000}).rows.rows == 60);  // all that differ
    CHECK_THROWS_WITH(select_calibration(rows, {.samples = 0}),
                      "weightscope::select_calibration(rows, options): options.samples is 0, expected 1 or more");
    CHECK_THROWS_WITH(select_calibration({}), "weightscope::select_calibration(rows): there are no rows, expected 1 or more");
}

TEST_CASE("activations are summed over the rows that count")
{
    shows_inputs model({{1, -2, 3, 4, -5, 6}, {7, 8}}, 2);
    activation_collector collector(model.weights());
    for (std::size_t batch = 0; batch < 2; ++batch) {
        collector.begin_batch();
        model.observe(batch, collector.tap());
    }
    const std::vector<activation_statistics> all = collector.result();
    REQUIRE(all.size() == 1);
    CHECK(all[0].tensor == "w");
    CHECK(all[0].rows == 4);
    CHECK(all[0].sums == std::vector<double>{1 + 3 - 5 + 7, -2 + 4 + 6 + 8});
    CHECK(all[0].sums_of_magnitudes == std::vector<double>{16, 20});
    CHECK(all[0].sums_of_squares == std::vector<double>{1 + 9 + 25 + 49, 4 + 16 + 36 + 64});
    CHECK(all[0].max_magnitudes == std::vector<double>{7, 8});

    // padding is huge and must not count: the second row of the first batch
    model.masks = {{1, 0, 1}, {1}};
    activation_collector masked(model.weights());
    model.observe(0, masked.tap());
    CHECK(masked.result()[0].rows == 2);
    CHECK(masked.result()[0].sums_of_squares == std::vector<double>{26, 40});
    CHECK(masked.result()[0].max_magnitudes == std::vector<double>{5, 6});

    // nor does the first token of each sequence of two, where that is asked for: rows 0 and 2
    model.masks.clear();
    activation_collector without_first(model.weights(), {.drop_first_of = 2});
    model.observe(0, without_first.tap());
    CHECK(without_first.result()[0].rows == 1);
    CHECK(without_first.result()[0].sums == std::vector<double>{3, 4});
}

TEST_CASE("activations have the same bits for any number of threads, and show what is not finite")
{
    const std::size_t rows = 37, cols = 1300;
    random_stream random(1);
    std::vector<float> x(rows * cols);
    for (float& value : x)
        value = static_cast<float>(random.normal());
    x[5] = std::nanf("");
    x[cols + 6] = -std::numeric_limits<float>::infinity();
    shows_inputs model({x}, cols);
    const auto collected = [&](std::size_t threads) {
        return with_threads(threads, [&] {
            activation_collector collector(model.weights());
            model.observe(0, collector.tap());
            return collector.result()[0];
        });
    };
    const activation_statistics one = collected(1), two = collected(2);
    for (std::size_t c = 0; c < cols; ++c) {
        if (c == 5 || c == 6)
            continue;
        double squares = 0, largest = 0;
        for (std::size_t r = 0; r < rows; ++r) {
            const double value = static_cast<double>(x[r * cols + c]);
            squares += value * value;
            largest = std::max(largest, std::fabs(value));
        }
        REQUIRE(one.sums_of_squares[c] == Approx(squares).epsilon(1e-14));
        REQUIRE(one.sums_of_squares[c] == two.sums_of_squares[c]);
        REQUIRE(one.max_magnitudes[c] == largest);
    }
    CHECK(std::isnan(one.max_magnitudes[5]));
    CHECK(std::isnan(one.sums_of_squares[5]));
    CHECK(std::isinf(one.max_magnitudes[6]));
}

TEST_CASE("gradients and Fisher information are of the mean loss, sample by sample")
{
    logistic_model<double> model(60, 4, 16, 2);
    const importance_options options = {.activations = false, .fisher = true, .fingerprint = "0123"};
    const importance_plan plan = plan_importance(model, options);
    const importance_estimate found = estimate_importance(model, options);
    const importance_info info = found.data.of("w");
    std::vector<double> g(4), f(4), ge(4);
    info.gradients.read(0, g);
    info.squared_gradients.read(0, f);
    info.gradient_errors.read(0, ge);
    for (std::size_t j = 0; j < 4; ++j) {
        double sum = 0, squares = 0;
        for (std::size_t n = 0; n < 60; ++n) {
            sum += model.gradient(n)[j];
            squares += model.gradient(n)[j] * model.gradient(n)[j];
        }
        CHECK(g[j] == Approx(sum / 60).epsilon(1e-12));
        CHECK(f[j] == Approx(squares / 60).epsilon(1e-12));
        CHECK(ge[j] == Approx(std::sqrt((squares - sum * sum / 60) / 59 / 60)).epsilon(1e-10));
        CHECK(f[j] > 2 * g[j] * g[j]);  // squares of the mean would be far too small
    }
    CHECK(found.samples == 60);
    CHECK(found.batches == 4);
    CHECK(found.loss == Approx((model.loss(0).sum + model.loss(1).sum + model.loss(2).sum + model.loss(3).sum) / 60).epsilon(1e-14));
    CHECK(info.origin.source == "evaluator");
    CHECK(info.origin.samples == 60);
    CHECK(info.origin.fingerprint == "0123");
    CHECK(found.counts == plan.evaluation.counts);
    CHECK(found.counts == evaluation_counts{.losses = 4, .sample_gradients = 60});
}

TEST_CASE("what the loss counts is what squares are a mean over")
{
    // L = 3 (w' A w / 2 + b' w) over 3 items in one sample: the sum's gradient is 3 g, its square over 3 items 3 g²
    differentiable_quadratic<double> model({{2, 0}, {0, 4}}, {1, 1}, {1, 2}, 1, 3);
    CHECK_THROWS_WITH(estimate_importance(model, {.activations = false, .fisher = true}),
                      "weightscope::estimate_importance(evaluator, options): batch 0 counts 3 items and the evaluator has no sample_gradient(); the "
                      "square of a batch's mean gradient is no Fisher information: give the evaluator sample_gradient(), or batches of one sample");
    struct tokens : differentiable_quadratic<double>
    {
        using differentiable_quadratic<double>::differentiable_quadratic;
        std::size_t sample_count(std::size_t) const { return 1; }
        void sample_gradient(std::size_t batch, std::size_t, const gradient_sink& sink) { loss_and_gradient(batch, sink); }
    } sampled({{2, 0}, {0, 4}}, {1, 1}, {1, 2}, 1, 3);
    const importance_info info = estimate_importance(sampled, {.activations = false, .fisher = true}).data.of("a");
    std::vector<double> g(1), f(1);
    info.gradients.read(0, g);
    info.squared_gradients.read(0, f);
    CHECK(g[0] == 3);   // 2 · 1 + 1, of the mean loss
    CHECK(f[0] == 27);  // (3 · 3)² / 3
    CHECK(info.gradient_errors.empty());  // of one sample nothing is known
}

TEST_CASE("gradients alone come from whole batches, and the Hessian with its error")
{
    exact_quadratic<double> model({{2, 1}, {1, 4}}, {1, 1}, {1, 2}, 1);
    const importance_options options = {.activations = false, .hessian = true, .curvature = {.max_probes = 400}};
    const importance_plan plan = plan_importance(model, options);
    const importance_estimate found = estimate_importance(model, options);
    CHECK(found.counts == plan.evaluation.counts);
    CHECK(found.counts == evaluation_counts{.losses = 1, .gradients = 1, .hessian_vectors = 400});
    std::vector<double> h(1), e(1), g(1);
    const importance_info info = found.data.of("b");
    info.hessian_diag.read(0, h);
    info.hessian_errors.read(0, e);
    info.gradients.read(0, g);
    CHECK(g[0] == 1 + 8 + 1);
    CHECK(e[0] == Approx(1 / std::sqrt(400.0)).epsilon(0.01));  // the off-diagonal 1, over √probes
    CHECK(std::fabs(h[0] - 4) < 4 * e[0]);
    CHECK(info.gradient_errors.empty());
    CHECK(found.fisher_to_curvature_ratio.reason == "not asked for");

    // near a minimum the gradient vanishes and the curvature does not: F = (2 · 1e-4)² and (3 · 1e-4)², H = 2 and 3
    exact_quadratic<double> minimum({{2, 0}, {0, 3}}, {0, 0}, {1e-4, 1e-4}, 1);
    const importance_estimate both = estimate_importance(minimum, {.activations = false, .fisher = true, .hessian = true, .curvature = {.max_probes = 8}});
    CHECK(both.fisher_to_curvature_ratio.value == Approx((4e-8 + 9e-8) / 5).epsilon(1e-10));
}

TEST_CASE("the plan says calls, memory and seconds before anything is held")
{
    logistic_model<double> model(60, 4, 16, 2);
    // mean and spread of gradient and square, which the results replace: mean and error of one of the two at a time
    const importance_plan fisher = plan_importance(model, {.activations = false, .fisher = true});
    CHECK(fisher.evaluation.memory_bytes == 6 * 4 * 8);
    CHECK(fisher.kept_bytes == 4 * 4 * 8);
    const importance_plan gradients = plan_importance(model, {.activations = false});
    CHECK(gradients.evaluation.memory_bytes == 4 * 8);
    CHECK(gradients.evaluation.counts == evaluation_counts{.gradients = 4});
    CHECK(gradients.samples == 60);
    CHECK(describe(gradients).starts_with("4 batches of 60 samples in all, 4 gradients; about "));

    shows_inputs shown({{1, 2, 3, 4}}, 2);
    const importance_plan activations = plan_importance(shown, {.gradients = false});
    CHECK(activations.observations == 1);
    CHECK(activations.evaluation.memory_bytes == 2 * 4 * 2 * 8);
    const importance_estimate found = estimate_importance(shown, {.gradients = false});
    CHECK(found.observations == 1);
    CHECK(found.data.of("w").activations->sums == std::vector<double>{4, 6});
    CHECK(found.data.of("w").sequences == 2);
    CHECK(found.activations.size() == 1);
    CHECK(!found.data.knows("other"));
    CHECK(found.data.of("other").gradients.empty());
    CHECK(found.data.names() == std::vector<std::string>{"w"});
}

TEST_CASE("an evaluator that lacks something is told what")
{
    auto plain = make_quadratic<quadratic_model<double>>(4, 1);
    CHECK_THROWS_WITH(estimate_importance(plain), "weightscope::estimate_importance(evaluator, options): the evaluator has no observe(), which "
                                                  "activations need; give it one, or set options.activations to false");
    CHECK_THROWS_WITH(estimate_importance(plain, {.activations = false}),
                      "weightscope::estimate_importance(evaluator, options): the evaluator has no loss_and_gradient(), which gradients need");
    CHECK_THROWS_WITH(plan_importance(plain, {.activations = false, .fisher = true}),
                      "weightscope::plan_importance(evaluator, options): the evaluator has neither sample_gradient() nor loss_and_gradient(); expected "
                      "one of them");
    CHECK_THROWS_WITH(estimate_importance(plain, {.activations = false, .gradients = false}),
                      "weightscope::estimate_importance(evaluator, options): options ask for nothing, expected activations, gradients, fisher or "
                      "hessian");
}

TEST_CASE("squares of small gradients do not vanish with half precision weights")
{
    // float16 weights; a gradient of 1e-6 squares to 1e-12, which float16 has as 0
    struct tiny_slope : stored_weights<float16>
    {
        tiny_slope() { add("w", {2}, {1, 1}); }
        std::size_t batch_count() const { return 1; }
        std::size_t sample_count(std::size_t) const { return 2; }
        loss_value loss(std::size_t) { return {1, 2}; }
        void sample_gradient(std::size_t, std::size_t sample, const gradient_sink& sink)
        {
            const double g[] = {sample == 0 ? 1e-6 : -1e-6, 300};
            sink(0, 0, std::span<const double>(g));
        }
    } model;
    const importance_info info = estimate_importance(model, {.activations = false, .fisher = true}).data.of("w");
    std::vector<double> g(2), f(2);
    info.gradients.read(0, g);
    info.squared_gradients.read(0, f);
    CHECK(g[0] == 0);
    CHECK(f[0] == Approx(1e-12).epsilon(1e-14));
    CHECK(f[1] == 90000);
}
