#include <weightscope/cuda/element_survey.cuh>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cuda/device.hpp"

#include <weightscope/analyzers/element_survey.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/cuda/workspace.cuh>

using namespace weightscope;

namespace {

const element_questions everything{.percentiles = {0, 0.001, 0.1, 0.25, 0.5, 0.9, 0.9999, 1},
                                   .magnitude_percentiles = {0, 0.1, 0.25, 0.5, 0.75, 0.9, 1},
                                   .thresholds = {0, 1e-45, 1e-6, 1e-4, 0.01, 0.3, 1e39},
                                   .outliers = true,
                                   .quantization_bits = 8,
                                   .histogram_bins = 64};

void check_same_numbers(const std::vector<double>& found, const std::vector<double>& expected)
{
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
        const bool same = found[i] == expected[i] || (std::isnan(found[i]) && std::isnan(expected[i]));
        CHECK(same);
    }
}

// What does not depend on the order of sums is the same.
void check_same_order(const element_survey& found, const element_survey& expected)
{
    CHECK(found.census.count == expected.census.count);
    CHECK(found.census.nan_count == expected.census.nan_count);
    CHECK(found.census.positive_infinity_count == expected.census.positive_infinity_count);
    CHECK(found.census.negative_infinity_count == expected.census.negative_infinity_count);
    CHECK(found.census.subnormal_count == expected.census.subnormal_count);
    CHECK(found.census.zero_count == expected.census.zero_count);
    CHECK(found.census.negative_zero_count == expected.census.negative_zero_count);
    CHECK(found.moments.min == expected.moments.min);
    CHECK(found.moments.max == expected.moments.max);
    check_same_numbers(found.percentiles, expected.percentiles);
    check_same_numbers(found.magnitude_percentiles, expected.magnitude_percentiles);
    CHECK(found.threshold_counts == expected.threshold_counts);
    CHECK(found.lower_quartile == expected.lower_quartile);
    CHECK(found.upper_quartile == expected.upper_quartile);
    CHECK(found.outlier_count == expected.outlier_count);
    CHECK(found.extreme_outlier_count == expected.extreme_outlier_count);
    CHECK(found.quantization.scale == expected.quantization.scale);
    check_same_numbers(found.histogram.edges, expected.histogram.edges);
    CHECK(found.histogram.counts == expected.histogram.counts);
}

// Sums in double of terms whose magnitudes add up to `size`.
bool close(double found, double expected, double size)
{
    return found == expected || std::fabs(found - expected) <= 1e-12 * size || (!std::isfinite(found) && !std::isfinite(expected));
}

void check_close_sums(const element_survey& found, const element_survey& expected)
{
    const double n = static_cast<double>(expected.census.finite_count());
    const value_moments &a = found.moments, &b = expected.moments;
    CHECK(close(a.sum_magnitude, b.sum_magnitude, b.sum_magnitude));
    CHECK(close(a.mean, b.mean, n > 0 ? b.sum_magnitude / n : 0));
    CHECK(close(a.m2, b.m2, b.m2));
    CHECK(close(a.m3, b.m3, std::sqrt(b.m2 * b.m4)));
    CHECK(close(a.m4, b.m4, b.m4));
    // The host may fuse w - code · scale, which spares the product half an ulp of w: 2e-4 of what `close` allows.
    const double squares = expected.sum_squares(), error = expected.quantization.squared_error, both = std::sqrt(error * squares);
    CHECK(close(found.quantization.squared_error, error, error + 3e-4 * both + 1e-19 * squares));
    CHECK(close(found.quantization.absolute_error, expected.quantization.absolute_error,
                expected.quantization.absolute_error + 2e-4 * b.sum_magnitude));
    CHECK(close(found.quantization.signal_error, expected.quantization.signal_error, both + 2e-4 * squares));
}

template <class T>
element_survey on_host(const std::vector<T>& numbers, const element_questions& questions)
{
    return detail::survey_source(detail::source_of(std::span<const T>(numbers)), questions);
}

template <class T>
void check_kinds(std::size_t rows, std::size_t cols, std::size_t padding, std::size_t offset)
{
    for (const tensor_kind kind : tensor_kinds) {
        CAPTURE(static_cast<int>(kind), rows, cols, padding);
        const std::vector<T> numbers = numbers_of_kind<T>(kind, rows * cols, 7);
        const device_matrix<T> matrix(numbers, rows, padding, offset);
        const element_survey found = survey_elements(matrix.view, everything), expected = on_host(numbers, everything);
        check_same_order(found, expected);
        check_close_sums(found, expected);
    }
}

}  // namespace

TEST_CASE("the survey of floats on a device is that of the host, sums to 1e-12")
{
    NEEDS_DEVICE();
    check_kinds<float>(1, 40001, 0, 0);
    check_kinds<float>(150, 131, 0, 1);  // not aligned to 16 bytes
    check_kinds<float>(37, 700, 5, 0);   // rows apart
}

TEST_CASE("the survey of types of 16 and 8 bits on a device is that of the host to the last bit")
{
    NEEDS_DEVICE();
    const auto check = []<class T>(T, std::size_t padding) {
        for (const tensor_kind kind : tensor_kinds) {
            CAPTURE(static_cast<int>(kind), padding);
            const std::vector<T> numbers = numbers_of_kind<T>(kind, 33 * 640, 3);
            const device_matrix<T> matrix(numbers, 33, padding);
            const element_survey found = survey_elements(matrix.view, everything), expected = on_host(numbers, everything);
            check_same_order(found, expected);
            CHECK((found.moments.mean == expected.moments.mean && found.moments.m2 == expected.moments.m2 && found.moments.m3 == expected.moments.m3
                   && found.moments.m4 == expected.moments.m4 && found.moments.sum_magnitude == expected.moments.sum_magnitude));
            CHECK(found.quantization.squared_error == expected.quantization.squared_error);
            CHECK(found.quantization.signal_error == expected.quantization.signal_error);
        }
    };
    check(bfloat16{}, 0);
    check(float16{}, 3);
    check(float8_e4m3{}, 0);
    check(float8_e5m2{}, 1);
}

TEST_CASE("a bin with more numbers than a counter of 16 bits holds is counted right")
{
    NEEDS_DEVICE();
    std::vector<bfloat16> numbers(150000, bfloat16(0.5F));
    for (std::size_t i = 0; i < numbers.size(); i += 3)
        numbers[i] = bfloat16::from_bits(static_cast<std::uint16_t>(bfloat16(0.5F).bits ^ 1));  // its neighbour in the word of two counters
    const device_matrix<bfloat16> matrix(numbers, 1);
    const element_survey survey = survey_elements(matrix.view, {.thresholds = {0.5}});
    CHECK(survey.census.count == 150000);
    CHECK(survey.threshold_counts == std::vector<std::size_t>{100000});
}

TEST_CASE("surveys of few numbers, and of none, are those of the host")
{
    NEEDS_DEVICE();
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{100}}) {
        const std::vector<float> numbers = numbers_of_kind<float>(tensor_kind::normal, size);
        const device_matrix<float> matrix(numbers, 1, 0);
        const element_survey found = survey_elements(matrix.view, everything), expected = on_host(numbers, everything);
        check_same_order(found, expected);
        CHECK(found.moments.m4 == expected.moments.m4);
    }
}

TEST_CASE("a survey asked for moments alone reads the numbers once")
{
    NEEDS_DEVICE();
    const std::vector<float> numbers = numbers_of_kind<float>(tensor_kind::hostile, 20000);
    const device_matrix<float> matrix(numbers, 1);
    const element_survey found = survey_elements(matrix.view, element_questions{}), expected = on_host(numbers, element_questions{});
    check_close_sums(found, expected);
    CHECK(found.threshold_counts.empty());
#if defined(WEIGHTSCOPE_CUDA_EMULATION)
    const std::size_t before = emulator::the().launches;
    (void)survey_elements(matrix.view, element_questions{});
    CHECK(emulator::the().launches - before == 2);  // a sample, and the pass
#endif
}

TEST_CASE("a survey of many spread bins reads the numbers again for every 256 of them")
{
    NEEDS_DEVICE();
    std::vector<float> numbers(20000);
    test_numbers random(5);
    for (float& x : numbers)
        x = static_cast<float>(std::ldexp(1 + random.uniform(), static_cast<int>(random.bits() >> 26) - 40));
    element_questions questions;
    for (int i = 0; i <= 400; ++i)
        questions.percentiles.push_back(i / 400.0);
    const device_matrix<float> matrix(numbers, 1);
    const element_survey found = survey_elements(matrix.view, questions), expected = on_host(numbers, questions);
    check_same_order(found, expected);
}

TEST_CASE("a workspace is reused, and surveys with it are the same")
{
    NEEDS_DEVICE();
    const std::vector<float> numbers = numbers_of_kind<float>(tensor_kind::normal, 20000);
    const device_matrix<float> matrix(numbers, 1);
    cuda_workspace workspace(matrix.stream.get());
    const element_survey first = survey_elements(matrix.view, everything, workspace);
    (void)survey_elements(matrix.view, everything, workspace);
    const std::size_t held = workspace.held_bytes();
    const element_survey third = survey_elements(matrix.view, everything, workspace);
    CHECK(workspace.held_bytes() == held);
    CHECK(first.moments.m4 == third.moments.m4);
    check_same_order(third, first);
}

#if defined(WEIGHTSCOPE_CUDA_EMULATION)
TEST_CASE("surveys do not depend on the order in which threads run, nor on the memory of a block")
{
    begin_device_test();
    const std::vector<float> numbers = numbers_of_kind<float>(tensor_kind::hostile, 20000);
    const std::vector<bfloat16> halves = numbers_of_kind<bfloat16>(tensor_kind::hostile, 20000);
    const device_matrix<float> matrix(numbers, 1);
    const device_matrix<bfloat16> half_matrix(halves, 1);
    const element_survey first = survey_elements(matrix.view, everything), first_of_halves = survey_elements(half_matrix.view, everything);
    for (const emulator::order order : {emulator::order::backward, emulator::order::shuffled})
        for (const int shared_bytes : {227 * 1024, 99 * 1024, 64 * 1024}) {
            emulator::the().fibers = order;
            emulator::the().shared_bytes_per_block = shared_bytes;
            const element_survey again = survey_elements(matrix.view, everything);
            check_same_order(again, first);
            CHECK(again.moments.m4 == first.moments.m4);
            check_same_order(survey_elements(half_matrix.view, everything), first_of_halves);
        }
    emulator::the().threads_per_block = 1024;  // other sums of the same numbers
    check_same_order(survey_elements(matrix.view, everything), first);
    CHECK(emulator::the().fault.empty());
}
#endif

TEST_CASE("surveys of views that describe no memory are refused")
{
    NEEDS_DEVICE();
    const auto message = [](const device_view<float>& view) {
        try {
            (void)survey_elements(view, element_questions{});
        } catch (const std::invalid_argument& error) {
            return std::string(error.what());
        }
        return std::string();
    };
    CHECK(message({.data = nullptr, .rows = 2, .cols = 3, .row_stride = 3})
          == "weightscope::survey_elements(weights, questions): weights.data is null, expected memory of the device");
    const float number = 0;
    CHECK(message({.data = &number, .rows = 2, .cols = 3, .row_stride = 2})
          == "weightscope::survey_elements(weights, questions): weights.row_stride is 2, expected at least the 3 columns");
    CHECK(message({.data = &number, .rows = std::size_t{1} << 40, .cols = std::size_t{1} << 40, .row_stride = std::size_t{1} << 40})
          == "weightscope::survey_elements(weights, questions): weights are 1099511627776 x 1099511627776, more than memory can hold");
    CHECK(message({.data = &number, .rows = std::size_t{1} << 17, .cols = std::size_t{1} << 17, .row_stride = std::size_t{1} << 17})
          == "weightscope::survey_elements(weights, questions): weights have 17179869184 numbers, expected fewer than 2^32");
}
