// Scores of single weights: magnitude, Taylor, Wanda, mixed and random.
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/scorers/mixed.hpp>
#include <weightscope/scorers/scorer.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

// NaN equals NaN.
bool same(const std::vector<double>& a, const std::vector<double>& b)
{
    bool equal = a.size() == b.size();
    for (std::size_t i = 0; equal && i < a.size(); ++i)
        equal = a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]));
    return equal;
}

std::vector<double> part(const std::vector<double>& values, std::size_t begin, std::size_t count)
{
    const auto first = values.begin() + static_cast<std::ptrdiff_t>(begin);
    return {first, first + static_cast<std::ptrdiff_t>(count)};
}

void check_close(const std::vector<double>& found, const std::vector<double>& expected)
{
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i)
        CHECK(found[i] == Approx(expected[i]).epsilon(1e-14));
}

// The arrays of this NumPy script, from which the constants below are:
//     i = np.arange(24)
//     w = (np.sin(i * 1.7) * 0.5).astype(np.float32).astype(np.float64).reshape(4, 6)
//     g = np.cos(i * 0.9).reshape(4, 6) * 0.01
//     h = (np.sin(i * 0.3) * 0.02).reshape(4, 6)
//     x = np.cos(np.outer(np.arange(10), np.arange(1, 7)) * 0.7)
xt::xtensor<float, 2> script_weights()
{
    xt::xtensor<float, 2> w = xt::zeros<float>({4, 6});
    for (std::size_t i = 0; i < 24; ++i)
        w.data()[i] = static_cast<float>(std::sin(static_cast<double>(i) * 1.7) * 0.5);
    return w;
}

importance_info script_info()
{
    std::vector<double> g, h;
    for (int i = 0; i < 24; ++i) {
        g.push_back(std::cos(i * 0.9) * 0.01);
        h.push_back(std::sin(i * 0.3) * 0.02);
    }
    activation_statistics x{.tensor = "w", .rows = 10, .sums_of_squares = std::vector<double>(6)};
    for (int row = 0; row < 10; ++row)
        for (int col = 1; col < 7; ++col)
            x.sums_of_squares[static_cast<std::size_t>(col - 1)] += std::pow(std::cos(row * col * 0.7), 2);
    return {.gradients = g, .hessian_diag = h, .activations = x};
}

}  // namespace

TEST_CASE("magnitude is |w| or w², and has no score for what is not finite")
{
    const xt::xtensor<float, 2> w = {{1, -2}, {std::nanf(""), -0.5F}};
    const importance_result l1 = score_magnitude(w), l2 = score_magnitude(w, {.norm = magnitude_norm::l2});
    CHECK(same(l1.scores, {1, 2, nan_value, 0.5}));
    CHECK(same(l2.scores, {1, 4, nan_value, 0.25}));
    CHECK(l1.unscored_count == 1);
    CHECK(l1.shape == std::vector<std::size_t>{2, 2});
    CHECK(l1.method == "magnitude");
    CHECK(l1.formula == "|w|");
    CHECK(l2.formula == "w²");
    CHECK(l1.group == comparison_group::global);
    CHECK(!l1.predicts_change);
    CHECK(score_magnitude(xt::xtensor<float, 1>::from_shape({0})).scores.empty());
}

TEST_CASE("scores do not depend on layout or on how weights are stored")
{
    const xt::xtensor<float, 2> w = {{1, -2, 4}, {-0.5F, 0, 8}};
    const xt::xtensor<float, 2, xt::layout_type::column_major> by_columns = w;
    const std::vector<double> expected = {1, 2, 4, 0.5, 0, 8};
    CHECK(score_magnitude(by_columns).scores == expected);
    CHECK(score_magnitude(xt::xtensor<bfloat16, 2>(xt::cast<bfloat16>(w))).scores == expected);
    CHECK(score_magnitude(xt::view(w, xt::all(), xt::range(1, 3))).scores == std::vector<double>{2, 4, 0, 8});
    CHECK(score_magnitude(w * 2).scores == std::vector<double>{2, 4, 8, 1, 0, 16});
}

TEST_CASE("first-order Taylor is |w g|, or -w g with its sign")
{
    const xt::xtensor<float, 1> w = {2, -3, 1, 4};
    const importance_info info = {.gradients = {0.5, 0.25, infinity, -1}, .origin = {.source = "g.npz", .batches = 3}};
    const importance_result plain = score_taylor(w, info), signed_change = score_taylor(w, info, {.keep_sign = true});
    CHECK(same(plain.scores, {1, 0.75, nan_value, 4}));
    CHECK(same(signed_change.scores, {-1, 0.75, nan_value, 4}));
    CHECK(plain.unscored_count == 1);
    CHECK(signed_change.predicts_change);
    CHECK(plain.origin.source == "g.npz");
    CHECK(plain.origin.batches == 3);
    CHECK(plain.relative_standard_error.reason == "the inputs have no standard errors");
    CHECK_THROWS_WITH(score_taylor(w, {}), "weightscope::score_taylor(weights, info): info has no gradients, expected one for each of the 4 weights");
    CHECK_THROWS_WITH(score_taylor(w, {.gradients = {1, 2}}),
                      "weightscope::score_taylor(weights, info): info has 2 gradients, expected one for each of the 4 weights");
}

TEST_CASE("standard errors of gradients become those of scores")
{
    const xt::xtensor<double, 1> w = {2, -3};
    const importance_info info = {.gradients = {0.5, 0.25}, .gradient_errors = {0.1, 0.2}};
    const importance_result found = score_taylor(w, info, {.standard_errors = true});
    check_close(found.standard_errors, {0.2, 0.6});
    // √((0.2² + 0.6²) / (1² + 0.75²))
    CHECK(found.relative_standard_error.value == Approx(std::sqrt(0.4 / 1.5625)).epsilon(1e-14));
    CHECK(score_taylor(w, info).standard_errors.empty());
    CHECK(score_taylor(w, info).relative_standard_error.value == found.relative_standard_error.value);

    // both orders: √((w e_g)² + (w² e_h / 2)²)
    const importance_info both = {.gradients = {0.5, 0.25}, .gradient_errors = {0.1, 0.2}, .hessian_diag = {1, 2}, .hessian_errors = {0.3, 0.1}};
    check_close(score_taylor_2nd_signed(w, both, {.standard_errors = true}).standard_errors, {std::hypot(0.2, 0.6), std::hypot(0.6, 0.45)});
    // one order alone: scores -1 + 2 and 0.75 + 9
    const importance_info curved = {.gradients = {0.5, 0.25}, .hessian_diag = {1, 2}, .hessian_errors = {0.3, 0.1}};
    CHECK(score_taylor_2nd_signed(w, curved).relative_standard_error.value == Approx(std::hypot(0.6, 0.45) / std::hypot(1, 9.75)).epsilon(1e-14));
}

TEST_CASE("second-order Taylor: the bound adds magnitudes, the estimate keeps signs")
{
    const xt::xtensor<double, 1> w = {2, 1, -4};
    const importance_info info = {.gradients = {-0.5, 3, 0.25}, .hessian_diag = {0.25, -4, nan_value}};
    const importance_result bound = score_taylor_2nd(w, info), change = score_taylor_2nd_signed(w, info);
    // w = 2: w g = -1, w² h / 2 = 0.5; w = 1: w g = 3, w² h / 2 = -2
    CHECK(same(bound.scores, {1.5, 5, nan_value}));
    CHECK(same(change.scores, {1.5, -5, nan_value}));
    CHECK(bound.formula == "|w g| + w² |h| / 2, h = Hessian diagonal");
    CHECK(change.formula == "-w g + w² h / 2, h = Hessian diagonal");
    CHECK(!bound.predicts_change);
    CHECK(change.predicts_change);
    CHECK(bound.unscored_count == 1);
    CHECK(bound.second_to_first_ratio.value == Approx(2.5 / 4).epsilon(1e-15));  // of what has a score
    CHECK(score_taylor_2nd(w, {.gradients = {0, 0, 0}, .hessian_diag = {1, 1, 1}}).second_to_first_ratio.reason == "the first-order terms are all 0");
}

TEST_CASE("a curvature that is lost in its error can be left out")
{
    const xt::xtensor<double, 1> w = {1, 1, 1};
    const importance_info info = {.gradients = {1, 1, 1}, .hessian_diag = {8, 8, -8}, .hessian_errors = {1, 3, 3}};
    CHECK(score_taylor_2nd_signed(w, info).scores == std::vector<double>{3, 3, -5});
    const importance_result clear = score_taylor_2nd_signed(w, info, {.resolution = 4});
    CHECK(clear.scores == std::vector<double>{3, -1, -1});
    CHECK(clear.formula == "-w g + w² h / 2, h = Hessian diagonal, 0 below 4 standard errors");
    CHECK_THROWS_WITH(score_taylor_2nd(w, info, {.resolution = -1}),
                      "weightscope::score_taylor_2nd(weights, info): options.resolution is -1, expected 0 or more");
}

TEST_CASE("the curvature is the Hessian's where it is known, else the Fisher information, or what was asked for")
{
    const xt::xtensor<double, 1> w = {1};
    const importance_info both = {.gradients = {0}, .squared_gradients = {2}, .hessian_diag = {6}};
    CHECK(score_taylor_2nd(w, both).scores[0] == 3);
    CHECK(score_taylor_2nd(w, both, {.curvature = curvature_input::fisher}).scores[0] == 1);
    CHECK(score_taylor_2nd(w, both, {.curvature = curvature_input::fisher}).formula == "|w g| + w² |h| / 2, h = empirical Fisher information");
    CHECK(score_taylor_2nd_signed(w, {.gradients = {0}, .squared_gradients = {2}}).scores[0] == 1);
    CHECK_THROWS_WITH(score_taylor_2nd(w, {.gradients = {0}}),
                      "weightscope::score_taylor_2nd(weights, info): info has neither hessian_diag nor squared_gradients, expected one of them: "
                      "without it this is score_taylor()");
    CHECK_THROWS_WITH(score_taylor_2nd_signed(w, {.gradients = {0}, .squared_gradients = {2}}, {.curvature = curvature_input::hessian}),
                      "weightscope::score_taylor_2nd_signed(weights, info): info has no hessian_diag, expected one for each of the 1 weights");
}

TEST_CASE("squares that half precision would lose keep their order")
{
    // gradients of 300 and 1e-5: their squares are 90000 and 1e-10, which float16 has as infinity and 0
    const xt::xtensor<float16, 1> w = xt::cast<float16>(xt::xtensor<float, 1>{1, 1, 1, 1});
    const importance_info info = {.gradients = {0, 0, 0, 0}, .squared_gradients = {300.0 * 300.0, 400.0 * 400.0, 1e-10, 2e-10}};
    const importance_result found = score_taylor_2nd(w, info);
    CHECK(found.unscored_count == 0);
    CHECK(found.scores == std::vector<double>{45000, 80000, 5e-11, 1e-10});
}

TEST_CASE("scores agree with NumPy")
{
    const auto w = script_weights();
    const importance_info info = script_info();
    // np.abs(w * g)[1, :3]
    check_close(part(score_taylor(w, info).scores, 6, 3), {0.00222102742790632, 0.00309024869550782, 0.00261336103444362});
    const importance_result bound = score_taylor_2nd(w, info), change = score_taylor_2nd_signed(w, info), wanda = score_wanda(w, info);
    // (np.abs(w * g) + np.abs(0.5 * w * w * h))[1], (-w * g + 0.5 * w * w * h)[1]
    check_close(part(bound.scores, 6, 6), {0.0034135637300639374, 0.003914815417154961, 0.003859859079904277,
                                                         0.000651296537590516, 0.004705879438330489, 0.0006711982189754093});
    check_close(part(change.scores, 6, 6), {0.0034135637300639374, 0.003914815417154961, -0.001366862988982957,
                                                         0.000651296537590516, -0.00405370383912032, -0.0006711982189754093});
    // np.abs(0.5 * w * w * h).sum() / np.abs(w * g).sum()
    CHECK(bound.second_to_first_ratio.value == Approx(0.38261907009739726).epsilon(1e-13));
    // (np.abs(w) * np.linalg.norm(x, axis=0))[2]
    check_close(part(wanda.scores, 12, 6), {1.1734091455783735, 0.1274147111455686, 1.1378762274416236, 0.4173208505792967,
                                                         1.0411283644379055, 0.688161907308704});
}

TEST_CASE("long tensors are scored like short ones, whatever their length")
{
    for (const std::size_t size : {1023, 1024, 1025, 2051, 600'000}) {
        xt::xtensor<float, 1> w = xt::zeros<float>({size});
        std::vector<double> g(size), h(size);
        for (std::size_t i = 0; i < size; ++i) {
            w(i) = static_cast<float>(i % 37) - 18;
            g[i] = static_cast<double>(i % 11) - 5;
            h[i] = static_cast<double>(i % 7) - 3;
        }
        const importance_info info = {.gradients = g, .hessian_diag = h};
        const importance_result found = score_taylor_2nd_signed(w, info);
        std::size_t different = 0;
        double first = 0, second = 0;
        for (std::size_t i = 0; i < size; ++i) {
            const double x = static_cast<double>(w(i));
            different += found.scores[i] == -x * g[i] + x * x * h[i] / 2 ? 0 : 1;  // small integers and halves: exact
            first += std::fabs(x * g[i]);
            second += std::fabs(x * x * h[i] / 2);
        }
        CHECK(different == 0);
        CHECK(found.second_to_first_ratio.value == second / first);
        CHECK(found.unscored_count == 0);
    }
}

TEST_CASE("Wanda weighs each input by what the tokens had there")
{
    const xt::xtensor<float, 2> w = {{1, -2, 3}, {-4, 5, std::nanf("")}};
    const activation_statistics x{.tensor = "w",
                                  .rows = 8,
                                  .sums = {},
                                  .sums_of_magnitudes = {8, 16, 0},
                                  .sums_of_squares = {16, 64, 0},
                                  .max_magnitudes = {3, 5, 0}};
    const importance_info info = {.activations = x, .sequences = 4};
    const auto scored = [&](activation_figure figure) { return score_wanda(w, info, {.figure = figure}).scores; };
    CHECK(same(scored(activation_figure::l2), {4, 16, 0, 16, 40, nan_value}));
    CHECK(same(scored(activation_figure::l2_per_sequence), {2, 8, 0, 8, 20, nan_value}));
    check_close(part(scored(activation_figure::rms), 0, 2), {std::sqrt(2.0), 2 * std::sqrt(8.0)});
    CHECK(same(scored(activation_figure::l1), {8, 32, 0, 32, 80, nan_value}));
    CHECK(same(scored(activation_figure::average), {1, 4, 0, 4, 10, nan_value}));
    CHECK(same(scored(activation_figure::largest), {3, 10, 0, 12, 25, nan_value}));
    const importance_result result = score_wanda(w, info);
    CHECK(result.group == comparison_group::row);
    CHECK(result.dead_input_count == 1);
    CHECK(result.unscored_count == 1);
    CHECK(result.formula == "|w| √(Σ x²)");

    // GPT-2 keeps [in, out]: the same matrix turned, the same scores turned
    const xt::xtensor<float, 2> turned = xt::transpose(w);
    const importance_result found = score_wanda(turned, info, {.orientation = matrix_orientation::in_out});
    CHECK(same(found.scores, {4, 16, 16, 40, 0, nan_value}));
}

TEST_CASE("statistics of a convolution's channels count for all places of its kernel")
{
    const xt::xtensor<float, 3> w = {{{1, 2}, {3, 4}}, {{5, 6}, {7, 8}}};  // [2 out, 2 in, 2]
    const activation_statistics channels{.tensor = "w", .sums_of_squares = {1, 100}}, places{.tensor = "w", .sums_of_squares = {1, 4, 9, 16}};
    CHECK(score_wanda(w, {.activations = channels}).scores == std::vector<double>{1, 2, 30, 40, 5, 6, 70, 80});
    CHECK(score_wanda(w, {.activations = places}).scores == std::vector<double>{1, 4, 9, 16, 5, 12, 21, 32});
}

TEST_CASE("Wanda of a stack of experts weighs the inputs of each by its own")
{
    // two matrices [3, 2] with inputs 1, 2 and 10, 0
    const xt::xtensor<float, 3> w = {{{1, -1}, {2, 2}, {0, -3}}, {{1, 1}, {-3, 3}, {0.5, 1}}};
    const importance_info info = {.activations = activation_statistics{.tensor = "w", .rows = 1, .sums_of_squares = {1, 4, 100, 0}}};
    const importance_result found = score_wanda(w, info);
    CHECK(found.scores == std::vector<double>{1, 2, 2, 4, 0, 6, 10, 0, 30, 0, 5, 0});
    CHECK(found.shape == std::vector<std::size_t>{2, 3, 2});
    CHECK(found.dead_input_count == 1);
}

TEST_CASE("Wanda says what it lacks")
{
    const xt::xtensor<float, 2> w = {{1, 2, 3}};
    const activation_statistics squares{.tensor = "w", .sums_of_squares = {1, 2, 3}}, few{.tensor = "w", .sums_of_squares = {1, 2}};
    CHECK_THROWS_WITH(score_wanda(w, {}),
                      "weightscope::score_wanda(weights, info): info has no activations, expected the statistics of the layer's inputs");
    CHECK_THROWS_WITH(score_wanda(w, {.activations = squares}, {.figure = activation_figure::average}),
                      "weightscope::score_wanda(weights, info): the statistics of 'w' lack what Σ |x| / tokens is made of; choose another figure, or "
                      "collect it");
    CHECK_THROWS_WITH(score_wanda(w, {.activations = squares}, {.figure = activation_figure::rms}),
                      "weightscope::score_wanda(weights, info): the statistics of 'w' do not say how many tokens they are from, which √(Σ x² / tokens) "
                      "needs");
    CHECK_THROWS_WITH(score_wanda(w, {.activations = squares}, {.figure = activation_figure::l2_per_sequence}),
                      "weightscope::score_wanda(weights, info): info.sequences is 0, expected the number of sequences, which √(Σ x² / sequences) needs");
    CHECK_THROWS_WITH(score_wanda(w, {.activations = few}),
                      "weightscope::score_wanda(weights, info): the statistics of 'w' are of 2 inputs, but the weights have 3");
    CHECK_THROWS_WITH(score_wanda(xt::xtensor<float, 1>{1, 2}, {.activations = few}),
                      "weightscope::score_wanda(weights, info): weights have rank 1, expected 2 or more");
}

TEST_CASE("mixed scores are weighted sums of normalised ones")
{
    importance_result a{.scores = {1, 2, 3, nan_value}, .shape = {4}, .method = "magnitude", .group = comparison_group::global};
    importance_result b{.scores = {4, -2, 0, 1}, .shape = {4}, .method = "wanda", .group = comparison_group::row};
    const std::vector<importance_result> parts = {a, b};
    const auto mixed = [&](score_normalisation normalisation, std::vector<double> weights = {}) {
        return score_mixed(parts, {.weights = std::move(weights), .normalisation = normalisation});
    };
    CHECK(same(mixed(score_normalisation::none, {2, 0.5}).scores, {4, 3, 6, nan_value}));
    CHECK(mixed(score_normalisation::none, {2, 0.5}).formula == "2 magnitude + 0.5 wanda");
    CHECK(mixed(score_normalisation::none).group == comparison_group::row);
    // means of the magnitudes: 2 and 7/4
    check_close(part(mixed(score_normalisation::average).scores, 0, 3), {0.5 + 16.0 / 7, 1 - 8.0 / 7, 1.5});
    check_close(part(mixed(score_normalisation::rms).scores, 0, 1), {1 / std::sqrt(14.0 / 3) + 4 / std::sqrt(21.0 / 4)});
    check_close(part(mixed(score_normalisation::largest).scores, 0, 3), {1.0 / 3 + 1, 2.0 / 3 - 0.5, 1});
    // places among what has a score: 0, 1/2, 1; and 1, 0, 1/3
    check_close(part(mixed(score_normalisation::rank).scores, 0, 3), {1, 0.5, 1 + 1.0 / 3});
    CHECK(mixed(score_normalisation::rank).unscored_count == 1);
    CHECK(mixed(score_normalisation::rank).normalisation == "rank");
    // ties share the mean of their places
    const std::vector<importance_result> tied = {{.scores = {5, 5, 7, 5}, .shape = {4}}};
    check_close(score_mixed(tied, {.normalisation = score_normalisation::rank}).scores, {1.0 / 3, 1.0 / 3, 1, 1.0 / 3});

    CHECK_THROWS_WITH(score_mixed({}), "weightscope::score_mixed(parts): there are no parts, expected 1 or more");
    CHECK_THROWS_WITH(mixed(score_normalisation::none, {1}), "weightscope::score_mixed(parts, options): 1 weights for 2 parts, expected one each");
    CHECK_THROWS_WITH(score_mixed(std::vector{a, tied[0], importance_result{.scores = {1}, .shape = {1}}}),
                      "weightscope::score_mixed(parts): part 2 has another shape than part 0");
}

TEST_CASE("random scores depend on seed, name and place alone")
{
    const xt::xtensor<float, 1> w = xt::ones<float>({70'000});
    const importance_result a = score_random(w, {.seed = 3, .name = "a"}), again = score_random(w * 2, {.seed = 3, .name = "a"});
    CHECK(a.scores == again.scores);
    CHECK(a.scores != score_random(w, {.seed = 4, .name = "a"}).scores);
    CHECK(a.scores != score_random(w, {.seed = 3, .name = "b"}).scores);
    CHECK(a.origin.seed == 3);
    double sum = 0;
    for (const double s : a.scores)
        sum += s;
    CHECK(sum / 70'000 == Approx(0.5).margin(0.005));  // standard deviation 0.0011
    const xt::xtensor<float, 1> broken = {1, std::nanf("")};
    CHECK(score_random(broken).unscored_count == 1);
    CHECK(std::isnan(score_random(broken).scores[1]));
}

TEST_CASE("methods can be chosen by name")
{
    const auto w = script_weights();
    const importance_info info = script_info();
    const auto scored = [&](std::string_view name) { return score_weights(w, info, {.method = *parse_importance_method(name)}); };
    CHECK(scored("magnitude").scores == score_magnitude(w).scores);
    CHECK(scored("taylor").scores == score_taylor(w, info).scores);
    CHECK(scored("taylor_2nd").scores == score_taylor_2nd(w, info).scores);
    CHECK(scored("taylor_2nd_signed").scores == score_taylor_2nd_signed(w, info).scores);
    CHECK(scored("wanda").scores == score_wanda(w, info).scores);
    CHECK(scored("random").scores == score_random(w).scores);
    for (const std::string_view name : importance_method_names)
        CHECK(scored(name).method == name);
    CHECK(!parse_importance_method("Wanda"));
    CHECK(needs_of(importance_method::wanda).activations);
    CHECK(needs_of(importance_method::taylor_2nd).curvature);
    CHECK(!needs_of(importance_method::magnitude).gradients);
}
