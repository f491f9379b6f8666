#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <weightscope/evaluators/group_probe.hpp>

#include "../catch.hpp"
#include "models.hpp"

using namespace weightscope;

namespace {

// Numbers in flat() of a group's weights; tensor 1 begins at `second`.
std::vector<std::size_t> members(const weight_group& group, std::size_t second)
{
    std::vector<std::size_t> result;
    for (const weight_slice& slice : group.slices)
        for (std::size_t i = 0; i < slice.count; ++i)
            result.push_back((slice.tensor == 0 ? 0 : second) + slice.first + i * slice.stride);
    return result;
}

// hidden unit h of a linear net with 4 inputs, 3 hidden units and 2 outputs: row h of w1, column h of w2
weight_group unit(std::size_t h)
{
    return {"unit " + std::to_string(h), {{.tensor = 0, .first = 4 * h, .count = 4}, {.tensor = 1, .first = h, .count = 2, .stride = 3}}};
}

}  // namespace

TEST_CASE("removal and both Taylor orders of a quadratic are exact")
{
    // L = w'Aw/2 + b'w: taking w_S away changes it by -w_S·g_S + w_S' A_SS w_S / 2, with all off-diagonal terms inside the group
    auto model = make_quadratic<quadratic_model<double>>(12, 3);
    const auto a = random_symmetric(12, 3);
    const auto b = random_matrix(1, 12, 1003)[0];
    const auto w = model.flat();
    const auto aw = model.times(w);
    const std::vector<weight_group> groups = {{"row", {{0, 0, 4, 1}}}, {"column", {{0, 1, 2, 2}, {1, 0, 3, 3}}}, {"one", {{1, 7, 1, 1}}}};
    const auto before = model.all();
    const auto found = estimate_group_effects(model, groups);
    CHECK(found.counts == evaluation_counts{.losses = 1 + 3 * 3});
    for (std::size_t g = 0; g < groups.size(); ++g) {
        double first = 0, second = 0;
        for (const std::size_t i : members(groups[g], 4)) {
            first += w[i] * (aw[i] + b[i]);
            for (const std::size_t j : members(groups[g], 4))
                second += w[i] * a[i][j] * w[j];
        }
        CHECK(found.groups[g].group == g);
        CHECK(found.groups[g].first_order == Approx(first).margin(1e-10));
        CHECK(found.groups[g].second_order == Approx(second).margin(1e-10));
        CHECK(found.groups[g].removal == Approx(-first + second / 2).margin(1e-10));
        CHECK(found.groups[g].predicted_removal() == Approx(found.groups[g].removal).margin(1e-10));
        CHECK(found.groups[g].second_order_error > 0);
        CHECK(std::isnan(found.groups[g].removal_batch_error));  // there is one batch
    }
    CHECK(model.same_bytes(before));
}

TEST_CASE("what a probe foretells has an error over batches")
{
    linear_net net(9, 4, 3, 2, 4);
    const std::vector<weight_group> groups = {unit(1)};
    const auto found = estimate_group_effects(net, groups, {.ablate = false, .step = 0.25});
    const auto scaled = [&](double factor) {
        linear_net other = net;
        for (const weight_slice& slice : groups[0].slices)
            for (std::size_t i = 0; i < slice.count; ++i) {
                const std::size_t at = 8 * (slice.first + i * slice.stride);
                double w = 0;
                other.read(slice.tensor, at, std::as_writable_bytes(std::span(&w, 1)));
                w *= factor;
                other.write(slice.tensor, at, std::as_bytes(std::span(&w, 1)));
            }
        return other;
    };
    linear_net up = scaled(1.25), down = scaled(0.75);
    double sums[2], total = 0, squares = 0;
    for (const std::size_t batch : {0, 1}) {
        const double base = net.loss(batch).sum, u = up.loss(batch).sum - base, d = down.loss(batch).sum - base;
        sums[batch] = -(u - d) / 0.5 + (u + d) / (2 * 0.25 * 0.25);
        total += sums[batch];
    }
    CHECK(found.groups[0].predicted_removal() == Approx(total / 9).epsilon(1e-9));
    for (const std::size_t batch : {0, 1})
        squares += std::pow(sums[batch] - total / 9 * net.loss(batch).count, 2);
    CHECK(found.groups[0].predicted_batch_error == Approx(std::sqrt(2 * squares) / 9).epsilon(1e-9));
    CHECK(std::isnan(found.groups[0].removal_batch_error));
}

TEST_CASE("removing a hidden unit is what a net without it gives")
{
    linear_net net(9, 4, 3, 2, 4);
    const auto full = [](linear_net& n) { return (n.loss(0).sum + n.loss(1).sum) / 9; };
    const double base = full(net);
    const std::vector<weight_group> groups = {unit(0), unit(1), unit(2)};
    const auto found = estimate_group_effects(net, groups, {.scale = false});
    CHECK(found.counts == evaluation_counts{.losses = 2 * (1 + 3)});
    CHECK(found.loss == Approx(base).epsilon(1e-14));
    for (std::size_t h = 0; h < 3; ++h) {
        linear_net without = net;
        const double zero = 0;
        for (const std::size_t i : {4 * h, 4 * h + 1, 4 * h + 2, 4 * h + 3})
            without.write(0, 8 * i, std::as_bytes(std::span(&zero, 1)));
        CHECK(found.groups[h].removal == Approx(full(without) - base).epsilon(1e-12));
        CHECK(std::isnan(found.groups[h].first_order));  // was not asked for
        // the error of a ratio of sums over two batches: √(2 Σ (d_b - r n_b)²) / Σ n_b
        double squares = 0;
        for (const std::size_t batch : {0, 1}) {
            const loss_value changed = without.loss(batch), unchanged = net.loss(batch);
            squares += std::pow(changed.sum - unchanged.sum - found.groups[h].removal * unchanged.count, 2);
        }
        CHECK(found.groups[h].removal_batch_error == Approx(std::sqrt(2 * squares) / 9).epsilon(1e-9));
        CHECK(std::isnan(found.groups[h].predicted_batch_error));
    }
}

TEST_CASE("16-bit groups are scaled by what their format makes of it")
{
    auto model = make_quadratic<quadratic_model<bfloat16>>(60, 12);
    const auto a = random_symmetric(60, 12);
    const auto b = random_matrix(1, 60, 1012)[0];
    const auto w = model.flat();
    const auto aw = model.times(w);
    const std::vector<weight_group> groups = {{"all", {{0, 0, 20, 1}, {1, 0, 40, 1}}}};
    const auto before = model.all();
    double first = 0, second = 0;
    for (std::size_t i = 0; i < 60; ++i) {
        first += w[i] * (aw[i] + b[i]);
        second += w[i] * aw[i];
    }
    const auto found = estimate_group_effects(model, groups);
    // each weight is rounded at random by up to 6 % of the step: 1 % of the step in all
    CHECK(found.groups[0].first_order == Approx(first).epsilon(0.05));
    CHECK(found.groups[0].second_order == Approx(second).epsilon(0.25));
    CHECK(found.groups[0].removal == Approx(-first + second / 2).epsilon(1e-12));
    CHECK(model.same_bytes(before));
}

TEST_CASE("groups of zeros have no effect, and a removal that breaks the model is NaN")
{
    quadratic_model<double> zeros(random_symmetric(4, 1), {1, 1, 1, 1}, {0, 0, 1, 1}, 2);
    const auto none = estimate_group_effects(zeros, std::vector<weight_group>{{"zeros", {{0, 0, 2, 1}}}});
    CHECK(none.groups[0].removal == 0);
    CHECK(none.groups[0].first_order == 0);
    CHECK(none.groups[0].second_order == 0);

    struct divides : stored_weights<float>
    {
        divides() { add("w", {2}, {1, 2}); }
        std::size_t batch_count() const { return 1; }
        loss_value loss(std::size_t) { return {static_cast<double>(values_[0][1] / values_[0][0]), 1}; }
    } model;
    const auto broken = estimate_group_effects(model, std::vector<weight_group>{{"divisor", {{0, 0, 1, 1}}}});
    CHECK(std::isnan(broken.groups[0].removal));
    CHECK(broken.groups[0].first_order == Approx(-2).epsilon(0.01));
}

TEST_CASE("group effects are the same to the bit for one to four threads")
{
    linear_net net(9, 4, 3, 2, 4);
    const std::vector<weight_group> groups = {unit(0), unit(1), unit(2)};
    const auto one = estimate_group_effects(net, groups);
    for (const std::size_t threads : {2, 3, 4}) {
        const auto many = estimate_group_effects(net, groups, {.evaluation = {.threads = threads}});
        for (std::size_t g = 0; g < 3; ++g) {
            CHECK(many.groups[g].removal == one.groups[g].removal);
            CHECK(many.groups[g].second_order == one.groups[g].second_order);
        }
    }
}

TEST_CASE("groups that do not exist are refused")
{
    auto model = make_quadratic<quadratic_model<double>>(12, 3);
    const auto refused = [&](const weight_group& group, const std::string& message) {
        CHECK_THROWS_WITH(estimate_group_effects(model, std::vector{group}),
                          "weightscope::estimate_group_effects(evaluator, groups, options): " + message);
    };
    refused({"empty", {}}, "group 'empty' has no weights, expected some");
    refused({"far", {{2, 0, 1, 1}}}, "group 'far' names tensor 2, expected below 2");
    refused({"long", {{0, 2, 3, 1}}}, "group 'long' takes 3 elements from 2 on by 1 of tensor 'a', which has 4");
    refused({"wide", {{0, 0, 3, 2}}}, "group 'wide' takes 3 elements from 0 on by 2 of tensor 'a', which has 4");
    CHECK_THROWS_WITH(estimate_group_effects(model, std::vector<weight_group>{{"g", {{0, 0, 1, 1}}}}, {.step = 0}),
                      "weightscope::estimate_group_effects(evaluator, groups, options): options.step is 0, expected above 0 and at most 1");
}
