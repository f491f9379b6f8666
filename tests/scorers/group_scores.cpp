#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <stdexcept>
#include <vector>

#include <weightscope/core/parallel.hpp>
#include <weightscope/core/random_stream.hpp>
#include <weightscope/scorers/group_scores.hpp>
#include <weightscope/scorers/transformer_groups.hpp>

#include "../catch.hpp"
#include "../io/files.hpp"
#include "shape_models.hpp"

using namespace weightscope;
using files::message;

namespace {

// One layer of width 2: query heads 0 and 1 of size 1, one key-value head each, two channels.
grouped_model toy() { return transformer_groups(shapes::llama({1, 2, 2, 2, 1, 2, 1}), {.head_size = 1}); }

const std::vector<double>& toy_scores(const grouped_model& groups, std::size_t tensor)
{
    static const std::vector<double> q = {1, -2, 3, 4}, k = {5, 6, 7, 8}, v = {1, 1, 2, 2}, o = {1, 10, 2, 20}, gate = {1, 2, 3, 4},
                                     up = {-1, -2, 5, 6}, down = {7, 8, 9, -10};
    const std::string& name = groups.tensors[tensor].name;
    const auto is = [&](const char* part) { return name.find(part) != name.npos; };
    return is("q_proj") ? q : is("k_proj") ? k : is("v_proj") ? v : is("o_proj") ? o : is("gate") ? gate : is("up_") ? up : down;
}

group_scores_result scored(const grouped_model& groups, const group_scores_options& options)
{
    return score_groups(groups, [&](std::size_t t) { return toy_scores(groups, t); }, options);
}

}  // namespace

TEST_CASE("scores of a group are those of its rows and columns")
{
    const grouped_model groups = toy();
    // head 0: q row {1, -2}, k row {5, 6}, v row {1, 1}, o column {1, 2}; head 1: {3, 4}, {7, 8}, {2, 2}, {10, 20}
    // channel 0: gate {1, 2}, up {-1, -2}, down column {7, 9}; channel 1: {3, 4}, {5, 6}, {8, -10}
    const group_scores_result sum = scored(groups, {.per_parameter = false});
    CHECK(sum.importance == std::vector<double>{-1 + 11 + 2 + 3, 7 + 15 + 4 + 30, 3 - 3 + 16, 7 + 11 - 2});
    CHECK(sum.scores == sum.importance);
    CHECK(scored(groups, {}).scores == std::vector<double>{15.0 / 8, 56.0 / 8, 16.0 / 6, 16.0 / 6});
    CHECK(scored(groups, {.reduction = group_reduction::average}).importance == std::vector<double>{15.0 / 8, 56.0 / 8, 16.0 / 6, 16.0 / 6});
    CHECK(scored(groups, {.reduction = group_reduction::largest}).importance == std::vector<double>{6, 20, 9, 8});
    CHECK(scored(groups, {.reduction = group_reduction::vectorised}).importance == std::vector<double>{15, 56, 16, 16});
    const group_scores_result negative = score_groups(
        groups,
        [&](std::size_t t) {
            std::vector<double> s = toy_scores(groups, t);
            for (double& x : s)
                x = -x;
            return s;
        },
        {.reduction = group_reduction::vectorised});
    CHECK(negative.importance == std::vector<double>{15, 56, 16, 16});
}

TEST_CASE("a group with a weight that has no score has none")
{
    const grouped_model groups = toy();
    for (const group_reduction reduction : {group_reduction::sum, group_reduction::largest}) {
        const group_scores_result r = score_groups(
            groups,
            [&](std::size_t t) {
                std::vector<double> s = toy_scores(groups, t);
                if (groups.tensors[t].name.find("down") != std::string::npos)
                    s[1] = std::numeric_limits<double>::quiet_NaN();  // row 0, column 1
                return s;
            },
            {.reduction = reduction});
        CHECK(r.unscored_count == 1);
        CHECK(std::isnan(r.importance[3]));
        CHECK(std::isnan(r.scores[3]));
        CHECK(std::isfinite(r.importance[2]));
    }
}

TEST_CASE("tensors without scores add nothing, and wrong numbers of scores are refused")
{
    const grouped_model groups = toy();
    const group_scores_result r = score_groups(
        groups, [&](std::size_t t) { return groups.tensors[t].name.find("o_proj") == std::string::npos ? std::vector<double>() : toy_scores(groups, t); },
        {.per_parameter = false});
    CHECK(r.importance == std::vector<double>{3, 30, 0, 0});
    CHECK(message<std::invalid_argument>([&] { (void)score_groups(groups, [](std::size_t) { return std::vector<double>(3); }); })
          == "weightscope::score_groups(groups, scorer): tensor 'model.layers.0.self_attn.q_proj.weight' has 3 scores, expected 4");
}

TEST_CASE("scores of groups equal the plain loop, for any number of threads")
{
    const grouped_model groups = transformer_groups(shapes::llama({2, 96, 8, 4, 16, 700, 3}), {.head_size = 16});
    std::vector<std::vector<double>> scores;
    random_stream random(3);
    for (const grouped_tensor& t : groups.tensors) {
        scores.emplace_back();
        for (std::size_t i = 0; i < t.parameters; ++i)
            scores.back().push_back(random.uniform());
    }
    const auto scorer = [&](std::size_t t) { return scores[t]; };
    const group_scores_result one = with_threads(1, [&] { return score_groups(groups, scorer); });
    const group_scores_result two = with_threads(2, [&] { return score_groups(groups, scorer); });
    CHECK(one.importance == two.importance);
    const auto places = groups.places();
    for (std::size_t g = 0; g < places.size(); g += 17) {
        double sum = 0;
        for (const group_region& r : groups.families[places[g].family].regions(places[g].unit)) {
            const std::size_t cols = groups.tensors[r.tensor].shape[1], rows = groups.tensors[r.tensor].shape[0];
            for (std::size_t i = 0; i < rows; ++i)
                for (std::size_t k = 0; k < cols; ++k)
                    if (const std::size_t at = r.axis == 0 ? i : k; at >= r.first && at < r.first + r.count)
                        sum += scores[r.tensor][i * cols + k];
        }
        CHECK(one.importance[g] == Approx(sum).epsilon(1e-12));
    }
}
