#include <cmath>
#include <cstddef>
#include <vector>

#include <weightscope/analyzers/row_survey.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

double squared_error(const std::vector<double>& group, int bits)
{
    double largest = 0, sum = 0;
    for (const double x : group)
        largest = std::max(largest, std::fabs(x));
    const double scale = largest / ((1 << (bits - 1)) - 1);
    for (const double x : group)
        sum += scale > 0 ? std::pow(x - std::nearbyint(x / scale) * scale, 2) : 0;
    return sum;
}

template <class T>
void check_against_plain_loops(const xt::xtensor<T, 2>& w, int bits, std::size_t group_size)
{
    const row_survey survey = survey_rows(w, bits, group_size);
    double channel = 0, group = 0, squares = 0, largest = 0;
    std::size_t dead_rows = 0, dead_columns = 0;
    for (std::size_t i = 0; i < w.shape(0); ++i) {
        std::vector<double> row;
        for (std::size_t j = 0; j < w.shape(1); ++j)
            row.push_back(static_cast<double>(w(i, j)));
        for (const double x : row) {
            squares += x * x;
            largest = std::max(largest, std::fabs(x));
        }
        channel += squared_error(row, bits);
        for (std::size_t j = 0; j < row.size(); j += group_size)
            group += squared_error({row.begin() + static_cast<std::ptrdiff_t>(j), row.begin() + static_cast<std::ptrdiff_t>(std::min(j + group_size, row.size()))}, bits);
        dead_rows += std::all_of(row.begin(), row.end(), [](double x) { return std::fabs(x) <= 1e-6; });
    }
    for (std::size_t j = 0; j < w.shape(1); ++j) {
        bool dead = true;
        for (std::size_t i = 0; i < w.shape(0); ++i)
            dead = dead && std::fabs(static_cast<double>(w(i, j))) <= 1e-6;
        dead_columns += dead;
    }
    CHECK(survey.sum_squares == Approx(squares).epsilon(1e-12));
    // each error is off by half an ulp of its weight where scale times code is rounded before it is subtracted, as it is here and is not
    // by processors that do both at once
    const auto tolerance = [&](double squared) {
        const double half_ulps = 0x1p-53 * largest * std::sqrt(static_cast<double>(w.size()));
        return 1e-12 * squared + 2 * half_ulps * std::sqrt(squared) + half_ulps * half_ulps;
    };
    CHECK(std::fabs(survey.channel_squared_error - channel) <= tolerance(channel));
    CHECK(std::fabs(survey.group_squared_error - group) <= tolerance(group));
    CHECK(survey.dead_rows == dead_rows);
    CHECK(survey.dead_columns == dead_columns);
}

}  // namespace

TEST_CASE("a row survey by hand")
{
    // bits 3: codes -3..3. Row {6, 1, -3, 0}: scale 2, codes 3, 0 (1/2 to even), -2 (-3/2 to even), 0: errors 0, 1, 1, 0.
    // Groups of 2: {6, 1} scale 2: error 1; {-3, 0} scale 1: error 0.
    const xt::xtensor<float, 2> w = {{6, 1, -3, 0}, {0, 0, 0, 0}};
    const row_survey survey = survey_rows(w, 3, 2);
    CHECK(survey.channel_squared_error == 2);
    CHECK(survey.group_squared_error == 1);
    CHECK(survey.sum_squares == 46);
    CHECK(survey.dead_rows == 1);
    CHECK(survey.dead_columns == 1);
    CHECK(survey.two_of_four.groups == 2);
    CHECK(survey.two_of_four.satisfied == 1);  // 3 of 4 entries of the first row are not zero
    CHECK(survey.four_of_eight.groups == 0);
}

TEMPLATE_TEST_CASE("a row survey equals plain loops", "", float, double, float16, bfloat16)
{
    for (const auto& [rows, cols] : {std::pair<std::size_t, std::size_t>{1, 1}, {7, 5}, {33, 129}, {300, 1000}}) {
        xt::xtensor<TestType, 2> w = random_normal<TestType>({rows, cols}, {.seed = rows, .std = 0.05});
        if (rows > 5) {
            xt::view(w, 3, xt::all()) = TestType(0.0f);
            xt::view(w, xt::all(), 2) = TestType(5e-7f);
        }
        for (const int bits : {4, 8})
            for (const std::size_t group_size : {std::size_t{1}, std::size_t{32}, std::size_t{128}})
                check_against_plain_loops(w, bits, group_size);
    }
}

TEST_CASE("entries that are not finite count as zeros in a row survey")
{
    const xt::xtensor<float, 2> broken = {{1, NAN, -2, INFINITY}}, clean = {{1, 0, -2, 0}};
    const row_survey a = survey_rows(broken), b = survey_rows(clean);
    CHECK(a.sum_squares == b.sum_squares);
    CHECK(a.channel_squared_error == b.channel_squared_error);
    CHECK(a.two_of_four.satisfied == 1);
    CHECK(a.dead_columns == 2);
}

TEST_CASE("N:M shares count complete groups with enough zeros")
{
    const xt::xtensor<float, 2> w = {{0, 0, 1, 2, 0, 3, 4, 0, 5}, {1, 1, 1, 0, 0, 0, 0, 0, 0}};
    const row_survey survey = survey_rows(w);
    CHECK(survey.two_of_four.groups == 4);
    CHECK(survey.two_of_four.satisfied == 3);
    CHECK(survey.four_of_eight.groups == 2);
    CHECK(survey.four_of_eight.satisfied == 2);
}

TEST_CASE("a row survey has the same bits for any number of threads")
{
    const auto w = random_normal<float>({2000, 700}, {.seed = 4});
    const auto survey = [&](std::size_t threads) { return with_threads(threads, [&] { return survey_rows(w); }); };
    const row_survey one = survey(1);
    for (const std::size_t threads : {2, 3}) {
        const row_survey many = survey(threads);
        CHECK(many.sum_squares == one.sum_squares);
        CHECK(many.channel_squared_error == one.channel_squared_error);
        CHECK(many.group_squared_error == one.group_squared_error);
    }
}

TEST_CASE("a row survey refuses what it cannot do")
{
    const xt::xtensor<float, 1> vector = {1, 2};
    CHECK_THROWS_WITH(survey_rows(vector), "weightscope::survey_rows(weights): weights have rank 1, expected 2 or more");
    const xt::xtensor<float, 2> w = {{1, 2}};
    CHECK_THROWS_WITH(survey_rows(w, 1), "weightscope::survey_rows(weights, bits): bits is 1, expected 2 to 16");
    CHECK_THROWS_WITH(survey_rows(w, 8, 0), "weightscope::survey_rows(weights, bits, group_size): group_size is 0, expected 1 or more");
}
