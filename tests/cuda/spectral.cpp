#include <weightscope/cuda/spectral.cuh>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "cuda/device.hpp"

#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/analyzers/spectral.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/cuda/singular_values.cuh>
#include <weightscope/cuda/solver.cuh>

using namespace weightscope;

namespace {

template <class T>
spectral_result on_host(const std::vector<T>& numbers, std::size_t rows, const spectral_options& options = {})
{
    return detail::spectral(detail::matrix_of(detail::source_of(std::span<const T>(numbers)), rows), options);
}

// Intervals that hold the same exact values overlap.
void check_values(const singular_values_result& found, const singular_values_result& expected)
{
    CHECK(found.method == expected.method);
    REQUIRE(found.values.size() == expected.values.size());
    for (std::size_t i = 0; i < found.values.size(); ++i) {
        CAPTURE(i, found.values[i], expected.values[i]);
        CHECK(std::fabs(found.values[i] - expected.values[i]) <= found.half_widths[i] + expected.half_widths[i]);
    }
}

template <class T>
void check_matrix(const std::vector<T>& numbers, std::size_t rows, std::size_t padding = 0)
{
    CAPTURE(rows, numbers.size());
    const device_matrix<T> matrix(numbers, rows, padding);
    const spectral_result found = analyze_spectral(matrix.view), expected = on_host(numbers, rows);
    check_values(found.singular_values, expected.singular_values);
    CHECK(found.rows == expected.rows);
    CHECK(found.total_rank == expected.total_rank);
    CHECK(found.condition_number.reason == expected.condition_number.reason);
    if (expected.stable_rank.exists())
        CHECK(found.stable_rank.value == Approx(expected.stable_rank.value).epsilon(1e-11));
    else
        CHECK(found.stable_rank.reason == expected.stable_rank.reason);
}

// Singular values fall from 1 to `smallest`: rows of a graded matrix.
std::vector<float> graded(std::size_t rows, std::size_t cols, double smallest)
{
    std::vector<float> numbers = numbers_of_kind<float>(tensor_kind::normal, rows * cols, 9);
    for (std::size_t i = 0; i < rows; ++i)
        for (std::size_t j = 0; j < cols; ++j)
            numbers[i * cols + j] *= static_cast<float>(std::pow(smallest, static_cast<double>(rows > cols ? j : i) / static_cast<double>(std::min(rows, cols) - 1)));
    return numbers;
}

}  // namespace

TEST_CASE("singular values on a device lie in the intervals of the host: tall, wide, square, strided, every type")
{
    NEEDS_DEVICE();
    check_matrix(numbers_of_kind<float>(tensor_kind::normal, 40 * 70), 40);
    check_matrix(numbers_of_kind<float>(tensor_kind::normal, 70 * 40), 70, 3);
    check_matrix(numbers_of_kind<float>(tensor_kind::shifted, 33 * 33), 33);
    check_matrix(numbers_of_kind<bfloat16>(tensor_kind::normal, 30 * 50), 30, 1);
    check_matrix(numbers_of_kind<float16>(tensor_kind::sparse, 50 * 30), 50);
    check_matrix(numbers_of_kind<float8_e4m3>(tensor_kind::normal, 24 * 30), 24);
    check_matrix(std::vector<float>{3.0F}, 1);
}

TEST_CASE("matrices that are longer than a panel are added up panel by panel")
{
    NEEDS_DEVICE();
    check_matrix(numbers_of_kind<float>(tensor_kind::normal, std::size_t{2} * 9000000, 2), 2);
}

TEST_CASE("QR takes over on the device where it does on the host")
{
    NEEDS_DEVICE();
    for (const std::size_t rows : {std::size_t{36}, std::size_t{50}}) {
        const std::vector<float> numbers = graded(rows, 1800 / rows, 1e-9);
        const device_matrix<float> matrix(numbers, rows);
        const singular_values_result found = analyze_singular_values(matrix.view);
        CHECK(found.method == "qr");
        check_values(found, on_host(numbers, rows).singular_values);
        CHECK(analyze_singular_values(matrix.view, {.smallest_tolerance = std::numeric_limits<double>::infinity()}).method == "gram");
    }
    std::vector<float> twice = numbers_of_kind<float>(tensor_kind::normal, 20 * 30);
    std::copy_n(twice.begin(), 30, twice.begin() + 30);  // a row two times
    check_matrix(twice, 20);
}

TEST_CASE("a few uncertain values of a large matrix are refined as on the host")
{
    NEEDS_DEVICE();
    for (const std::size_t rows : {std::size_t{270}, std::size_t{320}}) {
        const std::size_t cols = 270 * 320 / rows;
        std::vector<float> numbers = numbers_of_kind<float>(tensor_kind::normal, rows * cols, 6);
        for (std::size_t i = 0; i < std::max(rows, cols); ++i)  // two equal lines of the shorter side
            numbers[rows > cols ? i * cols + 4 : 4 * cols + i] = numbers[rows > cols ? i * cols + 9 : 9 * cols + i];
        const device_matrix<float> matrix(numbers, rows, 3);
        const singular_values_result found = analyze_singular_values(matrix.view);
        CHECK(found.method == "refined");
        CHECK(found.values.back() <= found.half_widths.back());
        check_values(found, on_host(numbers, rows).singular_values);
    }
}

TEST_CASE("very large and very small weights neither overflow nor vanish when they are squared")
{
    NEEDS_DEVICE();
    for (const float factor : {1e-37F, 1e36F}) {
        std::vector<float> numbers = numbers_of_kind<float>(tensor_kind::normal, 12 * 20);
        for (float& x : numbers)
            x *= factor;
        check_matrix(numbers, 12);
    }
}

TEST_CASE("matrices of zeros, of nothing and with entries that are not finite are told as on the host")
{
    NEEDS_DEVICE();
    check_matrix(std::vector<float>(6 * 5), 6);
    check_matrix(numbers_of_kind<float>(tensor_kind::hostile, 20 * 20), 20);
    const device_matrix<float> none({}, 0), nan({1, std::numeric_limits<float>::quiet_NaN()}, 2);
    CHECK(analyze_spectral(none.view).max_singular_value.reason == "no entries");
    CHECK_THROWS_WITH(analyze_singular_values(nan.view),
                      "weightscope::analyze_singular_values(weights): an entry is nan, expected finite");
    auto row = nan.view;
    row.is_matrix = false;
    CHECK_THROWS_WITH(analyze_spectral(row), "weightscope::analyze_spectral(weights): weights have rank 0 or 1, expected 2 or more");
}

TEST_CASE("a batch of matrices gives what each of them gives alone")
{
    NEEDS_DEVICE();
    for (const std::size_t rows : {std::size_t{18}, std::size_t{30}}) {
        const std::size_t cols = 540 / rows;
        std::vector<float> numbers;
        for (std::size_t i = 0; i < 5; ++i) {
            const std::vector<float> one = i == 3 ? graded(rows, cols, 1e-9) : numbers_of_kind<float>(tensor_kind::normal, rows * cols, 20 + i);
            numbers.insert(numbers.end(), one.begin(), one.end());
        }
        const device_matrix<float> all(numbers, 5 * rows);
        std::vector<device_view<float>> views;
        for (std::size_t i = 0; i < 5; ++i)
            views.push_back(view_of_device(all.view.data + i * rows * cols, {rows, cols}, all.stream.get()));
        cuda_solver solver(all.stream.get());
        const auto found = analyze_singular_values(std::span<const device_view<float>>(views), {}, solver);
        REQUIRE(found.size() == 5);
        for (std::size_t i = 0; i < 5; ++i)
            check_values(found[i], analyze_singular_values(views[i], {}, solver));
        CHECK(found[3].method == "qr");
        views[1].rows = 1;
        CHECK_THROWS_WITH(analyze_singular_values(std::span<const device_view<float>>(views), {}, solver),
                          "weightscope::analyze_singular_values(matrices): the matrices differ in shape or stream, expected matrices of one shape on the "
                          "stream of the solver");
    }
}

TEST_CASE("heavy tails and the bulk of a spectrum are those of the host")
{
    NEEDS_DEVICE();
    const spectral_options options{.heavy_tail = heavy_tail_options{}, .marchenko_pastur = marchenko_pastur_options{}};
    const std::vector<float> numbers = numbers_of_kind<float>(tensor_kind::normal, 60 * 90);
    const device_matrix<float> matrix(numbers, 60);
    const spectral_result found = analyze_spectral(matrix.view, options), expected = on_host(numbers, 60, options);
    REQUIRE(found.heavy_tail.has_value());
    REQUIRE(found.marchenko_pastur.has_value());
    CHECK(found.heavy_tail->log_norm.value == Approx(expected.heavy_tail->log_norm.value).epsilon(1e-11));
    CHECK(found.heavy_tail->entropy.value == Approx(expected.heavy_tail->entropy.value).epsilon(1e-11));
    CHECK_THROWS_WITH(analyze_spectral(matrix.view, {.marchenko_pastur = marchenko_pastur_options{.shuffles = 1}}),
                      "weightscope::analyze_spectral(weights, options): options.marchenko_pastur asks for shuffles, expected none; the host's function shuffles");
}

#if defined(WEIGHTSCOPE_CUDA_EMULATION)
TEST_CASE("without a device a solver says what it lacks")
{
    begin_device_test();
    emulator::the().devices = 0;
    try {
        cuda_solver solver;
        FAIL("a solver was made");
    } catch (const cuda_error& error) {
        CHECK(std::string(error.what()).find("weightscope: cublasCreate: CUBLAS_STATUS_NOT_INITIALIZED: the library was not initialized (weightscope/cuda/solver.cuh:") == 0);
    }
    begin_device_test();
}
#endif
