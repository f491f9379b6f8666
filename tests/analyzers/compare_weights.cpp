#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <weightscope/analyzers/compare_weights.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

using matrix_of_floats = xt::xtensor<float, 2>;

matrix_of_floats gaussian(std::size_t rows, std::size_t cols, std::uint64_t seed)
{
    return random_normal<float>({rows, cols}, {.seed = seed});
}

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();

// a plus factor times a product of rank `rank`
matrix_of_floats adapted(const matrix_of_floats& a, std::size_t rank, float factor)
{
    const matrix_of_floats down = gaussian(rank, a.shape(1), 11), up = gaussian(a.shape(0), rank, 12);
    matrix_of_floats result = a;
    for (std::size_t i = 0; i < a.shape(0); ++i)
        for (std::size_t j = 0; j < a.shape(1); ++j) {
            double sum = a(i, j);
            for (std::size_t k = 0; k < rank; ++k)
                sum += static_cast<double>(factor) * static_cast<double>(up(i, k)) * static_cast<double>(down(k, j));
            result(i, j) = static_cast<float>(sum);
        }
    return result;
}

}  // namespace

TEST_CASE("four pairs compared by hand")
{
    // d = 0, 0, -2, 1: ‖d‖² = 5, ‖a‖² = 25, ‖b‖² = 20, <a, b> = 20
    const xt::xtensor<double, 1> a = {4, 0, 2, 0}, b = {4, 0, 0, 1};
    const compare_weights_result r = compare_weights(xt::xtensor<double, 1>{4, 0, 3, 0}, xt::xtensor<double, 1>{4, 0, 1, 1});
    CHECK(r.count == 4);
    CHECK(r.l2_distance.value == Approx(std::sqrt(5.0)).epsilon(1e-15));
    CHECK(r.relative_l2_distance.value == Approx(std::sqrt(5.0) / 5).epsilon(1e-15));
    CHECK(r.cosine_similarity.value == Approx(19 / std::sqrt(25.0 * 18)).epsilon(1e-15));  // <a, b> = 16 + 3
    CHECK(r.l2_norm_ratio.value == Approx(std::sqrt(18.0 / 25)).epsilon(1e-15));
    CHECK(r.mean_absolute_difference.value == 0.75);
    CHECK(r.max_absolute_difference.value == 2);
    CHECK(r.changed_percentage.value == 50);
    CHECK(r.significant_change_percentage.value == 50);
    CHECK(r.zeroed_percentage.value == 0);
    CHECK(r.sqnr_db.value == Approx(10 * std::log10(5.0)).epsilon(1e-15));
    // a - b = 0, 0, 2, -1: mean 1/4, squares about it 1/16 + 1/16 + 49/16 + 25/16 = 76/16
    CHECK(r.difference_stats.mean.value == 0.25);
    CHECK(r.difference_stats.std.value == Approx(std::sqrt(76.0 / 16 / 3)).epsilon(1e-15));
    CHECK(r.difference_stats.min.value == -1);
    CHECK(r.difference_stats.max.value == 2);
    CHECK(r.channel_drift.empty());
    CHECK_FALSE(r.difference.has_value());
    CHECK(compare_weights(a, b).zeroed_percentage.value == 25);
}

TEST_CASE("a tensor and itself: no difference, and none that could be called perfect noise")
{
    const matrix_of_floats a = gaussian(30, 40, 1);
    const compare_weights_result r = compare_weights(a, a);
    CHECK(r.l2_distance.value == 0);
    CHECK(r.cosine_similarity.value == Approx(1).epsilon(1e-15));
    CHECK(r.cosine_similarity.value <= 1);
    CHECK(r.changed_percentage.value == 0);
    CHECK(r.sqnr_db.reason == "exact");
    CHECK(r.changed_bits == std::vector<std::size_t>(32));
    CHECK(r.difference->numerical_rank.value == 0);
    CHECK(r.angles->left.back() < 1e-5);
    CHECK(r.grid.kurtosis == 0);
}

TEST_CASE("sums over rows and blocks of every length agree with a plain loop")
{
    for (const auto& [rows, cols] : std::vector<std::pair<std::size_t, std::size_t>>{{1, 1}, {3, 7}, {500, 3}, {7, 4096}, {2, 4097}, {3, 9000}, {70, 1000}}) {
        const matrix_of_floats a = gaussian(rows, cols, 5), noise = gaussian(rows, cols, 6);
        matrix_of_floats b = a;
        for (std::size_t i = 0; i < b.size(); i += 3)
            b.flat(i) += 0.01f * noise.flat(i);
        double dd = 0, aa = 0, sum = 0;
        std::size_t changed = 0;
        std::vector<double> drift;
        for (std::size_t i = 0; i < rows; ++i) {
            double row_dd = 0, row_aa = 0;
            for (std::size_t j = 0; j < cols; ++j) {
                const double x = a(i, j), d = static_cast<double>(b(i, j)) - x;
                row_dd += d * d;
                row_aa += x * x;
                sum += std::fabs(d);
                changed += d != 0;
            }
            dd += row_dd;
            aa += row_aa;
            drift.push_back(std::sqrt(row_dd / row_aa));
        }
        const compare_weights_result r = compare_weights(a, b, {.spectrum = false, .subspace_count = 0});
        INFO(rows << " x " << cols);
        CHECK(r.relative_l2_distance.value == Approx(std::sqrt(dd / aa)).epsilon(1e-12));
        CHECK(r.mean_absolute_difference.value == Approx(sum / static_cast<double>(a.size())).epsilon(1e-12));
        CHECK(r.changed_percentage.value == Approx(100.0 * static_cast<double>(changed) / static_cast<double>(a.size())).epsilon(1e-12));
        REQUIRE(r.channel_drift.size() == rows);
        double worst = 0;
        for (std::size_t i = 0; i < rows; ++i)
            worst = std::max(worst, std::fabs(r.channel_drift[i] / drift[i] - 1));
        CHECK(worst < 1e-12);
        CHECK(r.max_channel_drift.value == r.channel_drift[r.max_channel]);
        const double once = with_threads(1, [&] { return compare_weights(a, b, {.spectrum = false, .subspace_count = 0}).l2_distance.value; });
        CHECK(once == r.l2_distance.value);
    }
}

TEST_CASE("a shift of all weights has no spread of differences, however large it is")
{
    const matrix_of_floats a = gaussian(100, 300, 3);
    xt::xtensor<double, 2> x = a, y = x;
    for (double& v : y)
        v += 1048576;
    const compare_weights_result r = compare_weights(x, y, {.spectrum = false, .subspace_count = 0});
    CHECK(r.difference_stats.mean.value == Approx(-1048576).epsilon(1e-12));
    CHECK(r.difference_stats.std.value < 1e-9);
}

TEST_CASE("bits that changed are counted for each position, where the types are the same")
{
    const xt::xtensor<float16, 1> a = {float16(1.0f), float16(2.0f), float16(-1.0f)}, b = {float16(1.5f), float16(2.0f), float16(1.0f)};
    std::vector<std::size_t> expected(16);
    expected[9] = 1;   // 1 -> 1.5: the top bit of the mantissa
    expected[15] = 1;  // the sign
    CHECK(compare_weights(a, b).changed_bits == expected);
    const xt::xtensor<float, 1> wide = {1.5f, 2.0f, 1.0f};
    CHECK(compare_weights(a, wide).changed_bits.empty());
    CHECK(compare_weights(b, wide).changed_percentage.value == 0);
    const xt::xtensor<float, 1> zero = {0.0f}, minus_zero = {-0.0f};
    CHECK(compare_weights(zero, minus_zero).changed_percentage.value == 0);
    CHECK(compare_weights(zero, minus_zero).changed_bits[31] == 1);
}

TEST_CASE("pairs that are not finite are counted, and the figures are those of the others")
{
    const xt::xtensor<double, 2> a = {{3, not_a_number, infinity, 1}, {4, 2, infinity, not_a_number}},
                                 b = {{3, not_a_number, 5, not_a_number}, {5, 2, infinity, 7}};
    const compare_weights_result r = compare_weights(a, b);
    CHECK(r.count == 8);
    CHECK(r.non_finite_count == 5);
    CHECK(r.appeared_count == 1);
    CHECK(r.changed_percentage.value == 50);  // inf -> 5, 1 -> NaN, 4 -> 5, NaN -> 7
    CHECK(r.l2_distance.value == 1);
    CHECK(r.relative_l2_distance.value == Approx(1 / std::sqrt(29.0)).epsilon(1e-15));
    CHECK(r.difference->max_singular_value.reason == "entries that are not finite");
    CHECK(r.angles->reason == "entries that are not finite");
    const compare_weights_result none = compare_weights(xt::xtensor<double, 1>{infinity}, xt::xtensor<double, 1>{infinity});
    CHECK(none.l2_distance.reason == "no finite entries");
    CHECK(none.changed_percentage.value == 0);
}

TEST_CASE("an adapter shows in the rank of the difference, a fine-tune does not")
{
    const matrix_of_floats a = gaussian(120, 80, 1);
    const compare_weights_result lora = compare_weights(a, adapted(a, 4, 0.01f));
    CHECK(lora.difference->numerical_rank.value == 4);
    CHECK(lora.difference->rank_99_energy.value <= 4);
    CHECK(lora.rank_above_rounding.value == 4);
    matrix_of_floats b = a;
    const matrix_of_floats noise = gaussian(120, 80, 2);
    for (std::size_t i = 0; i < b.size(); ++i)
        b.flat(i) += 0.01f * noise.flat(i);
    const compare_weights_result tuned = compare_weights(a, b);
    CHECK(tuned.difference->numerical_rank.value == 80);
    CHECK(tuned.difference->rank_99_energy.value > 60);
    CHECK(tuned.rank_above_rounding.value == 80);
    CHECK(tuned.relative_l2_distance.value == Approx(0.01).epsilon(0.03));  // of 9600 Gaussian numbers
    CHECK(tuned.grid.kurtosis == Approx(2.8).margin(0.1));
}

TEST_CASE("rounding to 16 bits does not hide an adapter's rank")
{
    const matrix_of_floats a = gaussian(200, 160, 1), b = adapted(a, 4, 0.004f);
    xt::xtensor<bfloat16, 2> x = xt::empty<bfloat16>({200, 160}), y = x;
    for (std::size_t i = 0; i < a.size(); ++i) {
        x.flat(i) = bfloat16(a.flat(i));
        y.flat(i) = bfloat16(b.flat(i));
    }
    const compare_weights_result r = compare_weights(x, y);
    CHECK(r.difference->numerical_rank.value == 160);  // the rounding has every direction
    CHECK(r.rank_above_rounding.value == 4);
    // and where nothing but rounding changed, there is no direction above it
    CHECK(compare_weights(a, x).rank_above_rounding.value == 0);
}

TEST_CASE("rounding to a grid is told from other changes by its even spread and few values")
{
    const matrix_of_floats a = gaussian(64, 256, 1);
    matrix_of_floats b = a;
    for (std::size_t i = 0; i < b.size(); ++i)
        b.flat(i) = 0.25f * std::nearbyint(a.flat(i) / 0.25f);
    const compare_weights_result r = compare_weights(a, b);
    CHECK(r.grid.kurtosis == Approx(1.8).margin(0.1));
    CHECK(r.grid.levels_a == Approx(128).margin(0.1));
    CHECK(r.grid.levels_b < 25);
}

TEST_CASE("views, layouts and types give one answer")
{
    const matrix_of_floats a = gaussian(20, 30, 1), b = gaussian(20, 30, 2);
    const compare_weights_result straight = compare_weights(a, b);
    const xt::xtensor<float, 2, xt::layout_type::column_major> turned = b;
    const compare_weights_result other = compare_weights(xt::view(a, xt::all(), xt::all()), turned);
    CHECK(other.l2_distance.value == straight.l2_distance.value);
    CHECK(other.cosine_similarity.value == straight.cosine_similarity.value);
    CHECK(other.channel_drift == straight.channel_drift);
    CHECK(compare_weights(a, xt::xtensor<double, 2>(b)).l2_distance.value == straight.l2_distance.value);
    const xt::xtensor<std::int8_t, 1> codes = {1, 2, 3}, more = {1, 2, 7};
    CHECK(compare_weights(codes, more).max_absolute_difference.value == 4);
}

TEST_CASE("zeros, nothing and one row")
{
    const xt::xtensor<float, 2> zero = xt::zeros<float>({2, 3}), one = xt::ones<float>({2, 3});
    const compare_weights_result r = compare_weights(zero, one);
    CHECK(r.relative_l2_distance.reason == "all zero");
    CHECK(r.cosine_similarity.reason == "all zero");
    CHECK(r.sqnr_db.reason == "all zero");
    CHECK(r.l2_norm_ratio.reason == "all zero");
    CHECK(r.max_channel_drift.reason == "a row was zero");
    CHECK(std::isinf(r.channel_drift[0]));
    CHECK(r.angles->reason == "all zero");
    CHECK(compare_weights(one, zero).zeroed_percentage.value == 100);
    const xt::xtensor<float, 2> empty = xt::empty<float>({0, 3});
    CHECK(compare_weights(empty, empty).l2_distance.reason == "no entries");
    CHECK(compare_weights(empty, empty).changed_percentage.reason == "no entries");
}

TEST_CASE("spectrum and angles are left out above their limits, and on request")
{
    const matrix_of_floats a = gaussian(20, 30, 1), b = gaussian(20, 30, 2);
    const compare_weights_result r = compare_weights(a, b, {.largest_spectrum = 19, .largest_subspace = 19});
    CHECK(r.difference->max_singular_value.reason == "min(rows, cols) is 20, above the limit of 19");
    CHECK(r.angles->reason == "min(rows, cols) is 20, above the limit of 19");
    CHECK(r.rank_above_rounding.reason == "no spectrum");
    const compare_weights_result less = compare_weights(a, b, {.spectrum = false, .subspace_count = 0});
    CHECK_FALSE(less.difference.has_value());
    CHECK_FALSE(less.angles.has_value());
}

TEST_CASE("tensors of different shapes are refused with both shapes")
{
    CHECK_THROWS_WITH(compare_weights(gaussian(2, 3, 1), gaussian(3, 2, 1)),
                      "weightscope::compare_weights(a, b): a has shape [2, 3], b [3, 2]; expected equal ones");
}
