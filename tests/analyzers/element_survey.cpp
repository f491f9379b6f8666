#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <weightscope/analyzers/element_survey.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>

#include "../catch.hpp"
#include "brute_force.hpp"

using namespace weightscope;

namespace {

const element_questions everything{.percentiles = {0, 0.001, 0.25, 0.5, 0.999, 1},
                                   .magnitude_percentiles = {0, 0.1, 0.25, 0.5, 0.75, 0.9, 1},
                                   .thresholds = {0, 1e-6, 1e-4, 1e-2, 1e30},
                                   .outliers = true,
                                   .quantization_bits = 8,
                                   .histogram_bins = 64};

template <class T>
xt::xtensor<T, 1> tensor_of(const std::vector<T>& values)
{
    xt::xtensor<T, 1> result = xt::empty<T>({values.size()});
    std::copy(values.begin(), values.end(), result.begin());
    return result;
}

// The sums against sums in long double.
void check_sums(const element_survey& survey, const std::vector<double>& sorted)
{
    // double sums of n terms, the lanes and chunks keep the error far below n u
    const auto exact = brute_force::moments_of(sorted);
    const auto n = static_cast<long double>(sorted.size());
    const auto rms = static_cast<double>(std::sqrt(exact.squares / n));
    const auto std = static_cast<double>(std::sqrt(exact.m2 / n));
    CHECK(std::fabs(survey.moments.mean - static_cast<double>(exact.mean)) <= 1e-12 * rms);
    CHECK(std::fabs(std::sqrt(survey.moments.m2 / static_cast<double>(n)) - std) <= 1e-12 * rms);
    CHECK(survey.moments.sum_magnitude == Approx(static_cast<double>(exact.magnitude)).epsilon(1e-12));
    CHECK(survey.sum_squares() == Approx(static_cast<double>(exact.squares)).epsilon(1e-12));
    if (std > 1e-9 * rms) {
        CHECK(std::fabs(survey.moments.m3 - static_cast<double>(exact.m3)) <= 1e-10 * static_cast<double>(n) * std * std * std + 1e-12 * std::fabs(static_cast<double>(exact.m3)));
        CHECK(survey.moments.m4 == Approx(static_cast<double>(exact.m4)).epsilon(1e-10));
    }

    const double scale = survey.max_magnitude() / 127;
    CHECK(survey.quantization.scale == scale);
    long double squared = 0, absolute = 0;
    for (const double x : sorted) {
        const double e = scale > 0 ? x - std::nearbyint(x / scale) * scale : 0;
        squared += static_cast<long double>(e) * e;
        absolute += std::fabs(e);
    }
    // an error can be a few ulp of x where codes hit exactly, so it is judged against the step; and it is off by half an ulp of x where
    // scale times code is rounded before it is subtracted, as it is here and is not by processors that do both at once
    const double rounding = 2 * 0x1p-53 * survey.max_magnitude() * std::sqrt(static_cast<double>(squared * n));
    CHECK(std::fabs(survey.quantization.squared_error - static_cast<double>(squared))
          <= 1e-11 * static_cast<double>(squared) + 1e-24 * static_cast<double>(n) * scale * scale + rounding);
    CHECK(std::fabs(survey.quantization.absolute_error - static_cast<double>(absolute))
          <= 1e-11 * static_cast<double>(absolute) + 1e-12 * static_cast<double>(n) * scale);
}

// Every answer against sorting and counting. Order statistics and counts must be exact.
template <class T>
void check_against_brute_force(const std::string& name, const std::vector<T>& weights, bool squares_fit_in_double = true)
{
    INFO(name << ", " << weights.size() << " elements of " << sizeof(T) << " bytes");
    const element_survey survey = survey_elements(tensor_of(weights), everything);
    std::vector<double> values;
    for (const T w : weights)
        values.push_back(static_cast<double>(w));
    const auto sorted = brute_force::finite_sorted(values);
    const auto magnitudes = brute_force::magnitudes(sorted);

    CHECK(survey.census.count == values.size());
    CHECK(survey.census.nan_count == brute_force::count(values, [](double x) { return std::isnan(x); }));
    CHECK(survey.census.infinity_count() == brute_force::count(values, [](double x) { return std::isinf(x); }));
    CHECK(survey.census.zero_count == brute_force::count(values, [](double x) { return x == 0; }));
    CHECK(survey.census.negative_zero_count == brute_force::count(values, [](double x) { return x == 0 && std::signbit(x); }));
    REQUIRE(survey.census.finite_count() == sorted.size());
    if (sorted.empty()) {
        CHECK(std::isnan(survey.percentiles[0]));
        CHECK(survey.threshold_counts == std::vector<std::size_t>(everything.thresholds.size(), 0));
        return;
    }

    for (std::size_t i = 0; i < everything.percentiles.size(); ++i)
        CHECK(survey.percentiles[i] == brute_force::percentile(sorted, everything.percentiles[i]));
    for (std::size_t i = 0; i < everything.magnitude_percentiles.size(); ++i)
        CHECK(survey.magnitude_percentiles[i] == brute_force::percentile(magnitudes, everything.magnitude_percentiles[i]));
    for (std::size_t i = 0; i < everything.thresholds.size(); ++i)
        CHECK(survey.threshold_counts[i] == brute_force::count(magnitudes, [t = everything.thresholds[i]](double x) { return x <= t; }));

    const double q1 = brute_force::percentile(sorted, 0.25), q3 = brute_force::percentile(sorted, 0.75);
    CHECK(survey.lower_quartile == q1);
    CHECK(survey.upper_quartile == q3);
    const auto outside = [&](double f) {
        return brute_force::count(sorted, [&](double x) { return x < q1 - f * (q3 - q1) || x > q3 + f * (q3 - q1); });
    };
    CHECK(survey.outlier_count == outside(1.5));
    CHECK(survey.extreme_outlier_count == outside(3.0));

    CHECK(survey.moments.min == sorted.front());
    CHECK(survey.moments.max == sorted.back());
    if (squares_fit_in_double)
        check_sums(survey, sorted);

    const auto& histogram = survey.histogram;
    REQUIRE(histogram.edges.size() == histogram.counts.size() + 1);
    CHECK(histogram.edges.front() == sorted.front());
    CHECK(histogram.edges.back() == sorted.back());
    for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
        const double low = histogram.edges[i], high = histogram.edges[i + 1];
        const bool last = i + 1 == histogram.counts.size();
        CHECK(histogram.counts[i] == brute_force::count(sorted, [=](double x) { return x >= low && (x < high || (last && x == high)); }));
    }
}

// Above the size below which the survey sorts, so that the passes over memory are tested as well.
constexpr std::size_t large = 50000;

template <class T>
std::vector<T> gaussian(std::size_t count, double mean, double std, std::uint64_t seed)
{
    random_stream random(seed);
    std::vector<T> values(count);
    for (T& x : values)
        x = static_cast<T>(static_cast<float>(mean + std * random.normal()));
    return values;
}

}  // namespace

TEMPLATE_TEST_CASE("a survey equals sorting and counting on Gaussian weights", "", float, double, float16, bfloat16, float8_e4m3)
{
    for (const std::size_t count : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{100}, std::size_t{16384},
                                    std::size_t{16385}, large}) {
        check_against_brute_force("centred", gaussian<TestType>(count, 0, 0.02, count));
        check_against_brute_force("far from zero", gaussian<TestType>(count, 1, 0.02, count));
    }
}

TEMPLATE_TEST_CASE("a survey equals sorting and counting on integers", "", std::int8_t, std::uint8_t, std::int16_t, std::int32_t, std::int64_t)
{
    random_stream random(7);
    for (const std::size_t count : {std::size_t{5}, large}) {
        std::vector<TestType> values(count);
        for (TestType& x : values)
            x = static_cast<TestType>(static_cast<std::int64_t>(100 * random.normal()));
        check_against_brute_force("integers", values);
    }
}

TEMPLATE_TEST_CASE("a survey is exact on tensors made to break it", "", float, double)
{
    using limits = std::numeric_limits<TestType>;
    const auto filled = [](auto f) {
        std::vector<TestType> values(large);
        for (std::size_t i = 0; i < large; ++i)
            values[i] = static_cast<TestType>(f(i));
        return values;
    };
    check_against_brute_force("all zero", filled([](auto) { return 0.0; }));
    check_against_brute_force("all equal", filled([](auto) { return -0.37; }));
    check_against_brute_force("both zeros", filled([](auto i) { return i % 3 ? 0.0 : -0.0; }));
    check_against_brute_force("two values", filled([](auto i) { return i % 7 ? 0.25 : -1.5; }));
    check_against_brute_force("ascending", filled([](auto i) { return static_cast<double>(i) * 1e-3; }));
    check_against_brute_force("descending", filled([](auto i) { return -static_cast<double>(i) * 1e-3; }));
    check_against_brute_force("alternating extremes", filled([](auto i) { return i % 2 ? 1e30 : -1e30; }));
    check_against_brute_force("mostly zero", filled([](auto i) { return i % 10 ? 0.0 : 1e-3 * static_cast<double>(i); }));
    check_against_brute_force("neighbouring numbers", filled([](auto i) { return 1.0 + static_cast<double>(i % 5) * static_cast<double>(limits::epsilon()); }));
    check_against_brute_force("subnormal", filled([](auto i) { return static_cast<double>(limits::denorm_min()) * static_cast<double>(i % 1000); }), sizeof(TestType) == 4);
    check_against_brute_force("largest and smallest", filled([](auto i) { return i % 2 ? static_cast<double>(limits::min()) : 1e-3; }));
    check_against_brute_force("one outlier", filled([](auto i) { return i == 25000 ? 1e6 : 1e-3 * static_cast<double>(i % 97); }));
    check_against_brute_force("no finite entry", filled([](auto i) { return i % 2 ? std::nan("") : INFINITY; }));
    auto one_nan = gaussian<TestType>(large, 0, 1, 1);
    one_nan[123] = limits::quiet_NaN();
    one_nan[124] = -limits::infinity();
    one_nan[4999] = limits::infinity();
    check_against_brute_force("NaN and infinities", one_nan);
    check_against_brute_force("beyond the range of float", filled([](auto i) {
        return sizeof(TestType) == 8 ? (i % 2 ? 1e200 : -1e-200) * static_cast<double>(i) : static_cast<double>(i);
    }), sizeof(TestType) == 4);
}

TEST_CASE("subnormals are counted in the type that stores them")
{
    const std::vector<float> values = {1e-38f, -1e-39f, 2e-38f, 0.0f};
    CHECK(survey_elements(tensor_of(values), {}).census.subnormal_count == 2);
    std::vector<float> many(large, 1.0f);
    many[77] = 1e-40f;
    CHECK(survey_elements(tensor_of(many), {}).census.subnormal_count == 1);
    std::vector<float16> half(large, float16(1.0f));
    half[5] = float16(3e-5f);  // below 2^-14
    CHECK(survey_elements(tensor_of(half), {}).census.subnormal_count == 1);
    CHECK(survey_elements(tensor_of(std::vector<double>(large, 1e-40)), {}).census.subnormal_count == 0);
}

TEST_CASE("a survey has the same bits for any number of threads")
{
    const auto weights = tensor_of(gaussian<float>(1'000'003, 0.01, 0.3, 5));
    const auto survey = [&](std::size_t threads) { return with_threads(threads, [&] { return survey_elements(weights, everything); }); };
    const element_survey one = survey(1);
    for (const std::size_t threads : {2, 3, 4}) {
        const element_survey many = survey(threads);
        CHECK(many.moments.mean == one.moments.mean);
        CHECK(many.moments.m2 == one.moments.m2);
        CHECK(many.moments.m3 == one.moments.m3);
        CHECK(many.moments.m4 == one.moments.m4);
        CHECK(many.moments.sum_magnitude == one.moments.sum_magnitude);
        CHECK(many.quantization.squared_error == one.quantization.squared_error);
        CHECK(many.quantization.absolute_error == one.quantization.absolute_error);
        CHECK(many.quantization.signal_error == one.quantization.signal_error);
        CHECK(many.percentiles == one.percentiles);
        CHECK(many.magnitude_percentiles == one.magnitude_percentiles);
        CHECK(many.histogram.edges == one.histogram.edges);
        CHECK(many.histogram.counts == one.histogram.counts);
    }
}

TEST_CASE("a survey answers more questions than it resolves at once")
{
    element_questions many;
    for (int i = 0; i <= 300; ++i)
        many.percentiles.push_back(i / 300.0);
    const auto weights = gaussian<float>(large, 0, 1, 11);
    const element_survey survey = survey_elements(tensor_of(weights), many);
    const auto sorted = brute_force::finite_sorted({weights.begin(), weights.end()});
    for (std::size_t i = 0; i < many.percentiles.size(); ++i)
        CHECK(survey.percentiles[i] == brute_force::percentile(sorted, many.percentiles[i]));
}

TEST_CASE("views, columns and expressions give the figures of their elements")
{
    const auto base = random_normal<float>({300, 200}, {.seed = 3});
    const auto expect_same = [](const auto& view) {
        const std::vector<float> copy(view.begin(), view.end());
        const auto a = survey_elements(view, everything), b = survey_elements(tensor_of(copy), everything);
        CHECK(a.percentiles == b.percentiles);
        CHECK(a.moments.m4 == b.moments.m4);
        CHECK(a.outlier_count == b.outlier_count);
    };
    expect_same(xt::view(base, 7, xt::all()));
    expect_same(xt::view(base, xt::all(), 5));
    expect_same(xt::view(base, xt::range(0, 300, 2), xt::range(1, 200, 3)));
    expect_same(xt::transpose(base));
    const xt::xtensor<float, 2> doubled = 2 * base;
    CHECK(survey_elements(2 * base, everything).percentiles == survey_elements(doubled, everything).percentiles);
    const xt::xtensor<float, 2, xt::layout_type::column_major> columns = base;
    CHECK(survey_elements(columns, everything).percentiles == survey_elements(base, everything).percentiles);
}

TEST_CASE("an empty tensor has a census and no figures")
{
    const element_survey survey = survey_elements(xt::xtensor<float, 2>(xt::empty<float>({0, 7})), everything);
    CHECK(survey.census.count == 0);
    CHECK(std::isnan(survey.percentiles[0]));
    CHECK(survey.histogram.counts.empty());
}
