#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

#include <weightscope/core/random_stream.hpp>
#include <weightscope/scorers/group_family.hpp>
#include <weightscope/scorers/selection.hpp>

#include "../catch.hpp"
#include "../io/files.hpp"

using namespace weightscope;
using files::message;

namespace {

// Layers of `units` groups of 10 and one of 100 each, in a model of `rest` more parameters.
grouped_model made(std::size_t layers, std::size_t units, std::size_t heads = 1, std::uint64_t rest = 0)
{
    grouped_model m{.layer_count = layers, .parameters = rest, .bytes = 2 * rest};
    for (std::size_t l = 0; l < layers; ++l) {
        m.families.push_back({.kind = group_kind::kv_group, .layer = l, .unit_count = heads, .parameters = 100, .bytes = 200, .flops_per_token = 7});
        m.families.push_back({.kind = group_kind::mlp_channel, .layer = l, .unit_count = units, .parameters = 10, .bytes = 20});
        m.tensors.push_back({.parameters = 100 * heads + 10 * units, .layer = l});
        m.parameters += m.tensors.back().parameters;
        m.bytes += 2 * m.tensors.back().parameters;
    }
    return m;
}

std::uint64_t cost(const grouped_model& m, const std::vector<group_place>& removed)
{
    std::uint64_t sum = 0;
    for (const group_place& place : removed)
        sum += m.families[place.family].parameters;
    return sum;
}

}  // namespace

TEST_CASE("the lowest scores go until the ratio is reached")
{
    // one layer: heads 0 to 2 of 100, channels 0 to 4 of 10; 350 parameters. 20 % is 70.
    const grouped_model m = made(1, 5, 3);
    const std::vector<double> scores = {9, 8, 7, 5, 1, 4, 2, 3};
    // the channels 1, 3, 4, 2 go first; a fifth has to stay; the head that is next is 100, so 70 takes head 2 alone: 100 < 140
    const selection_result r = select_groups(m, scores, {.ratio = 0.2});
    CHECK(r.target == 70);
    CHECK(r.reached);
    CHECK(r.removed == std::vector<group_place>{{0, 2}});
    CHECK(r.actual_ratio == Approx(100.0 / 350));
    CHECK(r.removed_flops == 7);
    // 40 of it is four channels exactly
    const selection_result four = select_groups(m, scores, {.ratio = 40.0 / 350});
    CHECK(four.removed == std::vector<group_place>{{1, 1}, {1, 2}, {1, 3}, {1, 4}});
    CHECK(four.actual_ratio == four.target_ratio);
}

TEST_CASE("a large group that would reach the target is passed over where small ones lose less")
{
    // 35 are missing after head 0 (score 0.1): head 1 is next (0.2, loses 20), but four channels of 0.25 lose 10
    const grouped_model m = made(1, 20, 3);
    std::vector<double> scores(23, 0.25);
    scores[0] = 0.1, scores[1] = 0.2, scores[2] = 5;
    const selection_result r = select_groups(m, scores, {.ratio = 135.0 / 500});
    CHECK(r.removed == std::vector<group_place>{{0, 0}, {1, 0}, {1, 1}, {1, 2}, {1, 3}});
    CHECK(r.removed_parameters == 140);
    // and taken where it loses less: then the small ones that came before are not needed
    for (std::size_t i = 3; i < scores.size(); ++i)
        scores[i] = i < 6 ? 0.15 : 9;
    const selection_result large = select_groups(m, scores, {.ratio = 135.0 / 500});
    CHECK(large.removed == std::vector<group_place>{{0, 0}, {0, 1}});
}

TEST_CASE("the ratio removed is never below the one asked for, and no group goes in vain")
{
    random_stream random(5);
    const grouped_model m = made(6, 30, 4, 700);
    for (int round = 0; round < 200; ++round) {
        std::vector<double> scores;
        for (std::size_t i = 0; i < m.group_count(); ++i)
            scores.push_back(random.uniform());
        const double ratio = 0.75 * random.uniform();
        const selection_result r = select_groups(m, scores, {.ratio = ratio});
        const std::uint64_t removed = cost(m, r.removed);
        CHECK(r.reached == (r.target <= r.reachable));
        if (!r.reached)
            continue;
        CHECK(r.removed_parameters == removed);
        CHECK(r.actual_ratio >= ratio);
        for (const group_place& place : r.removed)
            CHECK(removed - m.families[place.family].parameters < r.target);
    }
}

TEST_CASE("budgets are never exceeded")
{
    const grouped_model m = made(3, 10, 2, 55);
    const std::vector<double> scores(m.group_count(), 1);
    for (std::uint64_t budget = 400; budget <= m.parameters; budget += 7) {
        const selection_result r = select_groups(m, scores, {.parameters = budget});
        CHECK(m.parameters - r.removed_parameters <= budget);
        CHECK(m.parameters - r.removed_parameters + 10 > budget - 100);
    }
    const selection_result bytes = select_groups(m, scores, {.bytes = m.bytes - 41});
    CHECK(bytes.in_bytes);
    CHECK(bytes.removed_bytes >= 41);
    CHECK(select_groups(m, scores, {.parameters = m.parameters + 5}).removed.empty());
}

TEST_CASE("one group of each kind stays in each layer, and what cannot be reached is said")
{
    const grouped_model m = made(2, 4, 2, 0);  // 480 parameters
    const selection_result r = select_groups(m, std::vector<double>(12, 1), {.ratio = 0.9});
    CHECK(!r.reached);
    CHECK(r.reachable == 2 * (100 + 30));
    CHECK(r.removed_parameters == 260);
    CHECK(r.actual_ratio == Approx(260.0 / 480));
    for (const layer_selection& layer : r.layers) {
        CHECK(layer.families[0].removed == 1);
        CHECK(layer.families[1].removed == 3);
        CHECK(layer.removed_parameters == 130);
        CHECK(layer.parameters == 240);
    }
    CHECK(select_groups(m, std::vector<double>(12, 1), {.ratio = 0.9, .least_kept = 0.6}).removed_parameters == 2 * 10);
    CHECK(select_groups(m, std::vector<double>(12, 1), {.ratio = 0.9, .most_per_layer = 0.46}).removed_parameters == 2 * 110);
}

TEST_CASE("frozen layers and groups without a score stay")
{
    const grouped_model m = made(5, 4);
    std::vector<double> scores(m.group_count(), 1);
    scores[5 + 1] = std::numeric_limits<double>::quiet_NaN();  // layer 1, channel 0
    const selection_result r = select_groups(m, scores, {.ratio = 0.9, .freeze_first = 1, .freeze_last = 2, .freeze_layers = {2}});
    CHECK(r.removed == std::vector<group_place>{{3, 1}, {3, 2}, {3, 3}});
    CHECK(select_groups(m, scores, {.ratio = 0.9, .frozen = std::vector<bool>(10, true)}).removed.empty());
}

TEST_CASE("equal scores go in the order of the groups")
{
    const grouped_model m = made(2, 6);
    const std::vector<double> scores(m.group_count(), 0.5);
    const selection_result r = select_groups(m, scores, {.ratio = 30.0 / 320});
    CHECK(r.removed == std::vector<group_place>{{1, 0}, {1, 1}, {1, 2}});
}

TEST_CASE("uniform widths lose the same number of groups in every layer")
{
    const grouped_model m = made(3, 5, 3);
    // the lowest channel of each layer: 0, 4, 2; then 1, 3, 1
    const std::vector<double> scores = {9, 9, 9, 1, 2, 9, 9, 9, 9, 9, 9, 8, 8, 8, 0.5, 0.1, 9, 9, 9, 9, 2, 1, 9, 9};
    const selection_result r = select_groups(m, scores, {.ratio = 35.0 / 1050, .uniform = true});
    CHECK(r.removed == std::vector<group_place>{{1, 0}, {1, 1}, {3, 3}, {3, 4}, {5, 1}, {5, 2}});
    for (double ratio = 0.05; ratio < 0.7; ratio += 0.05) {
        const selection_result u = select_groups(m, scores, {.ratio = ratio, .uniform = true});
        CHECK(u.actual_ratio >= ratio);
        for (const layer_selection& layer : u.layers)
            for (std::size_t k = 0; k < 2; ++k)
                CHECK(layer.families[k].removed == u.layers[0].families[k].removed);
    }
    grouped_model uneven = m;
    uneven.families[3].unit_count = 4;
    CHECK(message<std::invalid_argument>([&] { (void)select_groups(uneven, std::vector<double>(23, 1), {.uniform = true}); })
          == "weightscope::select_groups(groups, scores, options): widths are to be uniform, but layer 0 has 5 groups of mlp_channel and layer 1 "
             "has 4");
}

TEST_CASE("a model keeps a layer")
{
    grouped_model m{.layer_count = 3, .parameters = 300};
    for (std::size_t l = 0; l < 3; ++l) {
        m.families.push_back({.kind = group_kind::block, .layer = l, .unit_count = 1, .least_kept = 0, .parameters = 100});
        m.tensors.push_back({.parameters = 100, .layer = l});
    }
    const selection_result r = select_groups(m, std::vector<double>{1, 0, 2}, {.ratio = 0.95});
    CHECK(r.removed == std::vector<group_place>{{0, 0}, {1, 0}});
    CHECK(!r.reached);
    CHECK(select_groups(m, std::vector<double>{1, 0, 2}, {.ratio = 0.3, .uniform = true}).removed == std::vector<group_place>{{1, 0}});
}

TEST_CASE("selections that make no sense are refused")
{
    const grouped_model m = made(1, 4);
    const std::vector<double> scores(5, 1);
    const auto refused = [&](const selection_options& options) {
        return message<std::invalid_argument>([&] { (void)select_groups(m, scores, options); }).substr(53);
    };
    CHECK(refused({.ratio = 1}) == "options.ratio is 1, expected 0 or more and below 1");
    CHECK(refused({.parameters = 1, .bytes = 1}) == "options.parameters and options.bytes are both given, expected one of them");
    CHECK(refused({.freeze_layers = {1}}) == "layer 1 is to be frozen, expected below 1");
    CHECK(refused({.least_kept = 2}) == "options.least_kept is 2, expected 0 to 1");
    CHECK(refused({.most_per_layer = -1}) == "options.most_per_layer is -1, expected 0 to 1");
    CHECK(message<std::invalid_argument>([&] { (void)select_groups(m, std::vector<double>(3, 1)); }).substr(53)
          == "3 scores for 5 groups, expected one each");
}
