#include <weightscope/cuda/elements.cuh>

#include <cmath>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "cuda/device.hpp"

#include <weightscope/analyzers/elements.hpp>
#include <weightscope/analyzers/row_survey.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/cuda/row_survey.cuh>
#include <weightscope/cuda/workspace.cuh>

using namespace weightscope;

namespace {

bool close(double found, double expected) { return std::fabs(found - expected) <= 1e-12 * std::fabs(expected) || (!std::isfinite(found) && !std::isfinite(expected)); }

bool close(const metric& found, const metric& expected)
{
    return found.reason == expected.reason && (!expected.exists() || std::fabs(found.value - expected.value) <= 1e-9 * std::fabs(expected.value) + 1e-300);
}

template <class T>
void check_rows(tensor_kind kind, std::size_t rows, std::size_t cols, std::size_t padding, std::size_t group_size)
{
    CAPTURE(static_cast<int>(kind), rows, cols, group_size);
    std::vector<T> numbers = numbers_of_kind<T>(kind, rows * cols, 17);
    for (std::size_t j = 0; j < cols; ++j)
        numbers[(rows / 2) * cols + j] = T(1e-7F);   // a dead row
    for (std::size_t i = 0; i < rows; ++i)
        numbers[i * cols + cols / 3] = T(0.0F);      // and a dead column
    const device_matrix<T> matrix(numbers, rows, padding);
    cuda_workspace workspace(matrix.stream.get());
    const row_survey found = survey_rows(matrix.view, 4, group_size, workspace),
                     expected = detail::survey_rows(detail::matrix_of(detail::source_of(std::span<const T>(numbers)), rows), 4, group_size);
    CHECK(found.dead_rows == expected.dead_rows);
    CHECK(found.dead_columns == expected.dead_columns);
    CHECK(found.two_of_four.groups == expected.two_of_four.groups);
    CHECK(found.two_of_four.satisfied == expected.two_of_four.satisfied);
    CHECK(found.four_of_eight.groups == expected.four_of_eight.groups);
    CHECK(found.four_of_eight.satisfied == expected.four_of_eight.satisfied);
    CHECK(close(found.sum_squares, expected.sum_squares));
    // the host may fuse w - code · scale, which spares the product half an ulp of w
    const auto close_error = [&](double a, double b) {
        const double spared = 3e-16 * std::sqrt(b * expected.sum_squares) + 1e-31 * expected.sum_squares;
        return close(a, b) || std::fabs(a - b) <= spared;
    };
    CHECK(close_error(found.channel_squared_error, expected.channel_squared_error));
    CHECK(close_error(found.group_squared_error, expected.group_squared_error));
}

}  // namespace

TEST_CASE("rows and columns of a matrix on a device are surveyed as on the host")
{
    NEEDS_DEVICE();
    for (const tensor_kind kind : {tensor_kind::normal, tensor_kind::sparse, tensor_kind::hostile, tensor_kind::all_nan}) {
        check_rows<float>(kind, 9, 301, 0, 128);
        check_rows<float>(kind, 40, 70, 2, 16);
        check_rows<bfloat16>(kind, 5, 64, 0, 1000);
        check_rows<float>(kind, 3, 3, 0, 2);
    }
}

TEST_CASE("elements on a device are analysed as on the host")
{
    NEEDS_DEVICE();
    for (const bool is_matrix : {true, false})
        for (const tensor_kind kind : {tensor_kind::normal, tensor_kind::hostile, tensor_kind::constant}) {
            CAPTURE(static_cast<int>(kind), is_matrix);
            const std::vector<float> numbers = numbers_of_kind<float>(kind, 64 * 300, 23);
            const device_matrix<float> matrix(numbers, 64);
            auto view = is_matrix ? matrix.view : view_of_device(matrix.view.data, {numbers.size()}, matrix.stream.get());
            const elements_result found = analyze_elements(view),
                                  expected = detail::analyze_elements(detail::source_of(std::span<const float>(numbers)),
                                                                      is_matrix ? std::optional<std::size_t>(64) : std::nullopt, {});
            const basic_stats_result &a = *found.basic_stats, &b = *expected.basic_stats;
            for (const auto figure : {&basic_stats_result::mean, &basic_stats_result::std, &basic_stats_result::min, &basic_stats_result::max,
                                      &basic_stats_result::l2_norm, &basic_stats_result::zeros_percentage, &basic_stats_result::kurtosis})
                CHECK(close(a.*figure, b.*figure));
            CHECK(a.histogram.counts == b.histogram.counts);
            const quantization_sensitivity_result &q = *found.quantization, &p = *expected.quantization;
            CHECK(q.outlier_count == p.outlier_count);
            if (kind != tensor_kind::constant)  // whose error is the rounding of a product, which the host may spare
                CHECK(close(q.quantization_mse, p.quantization_mse));
            for (const auto figure : {&quantization_sensitivity_result::sqnr_db, &quantization_sensitivity_result::cosine_similarity, &quantization_sensitivity_result::per_channel_sqnr_db,
                                      &quantization_sensitivity_result::group_sqnr_db, &quantization_sensitivity_result::abs_max})
                CHECK(close(q.*figure, p.*figure));
            CHECK(found.sparsity->structured_sparsity.has_value() == is_matrix);
            CHECK(close(found.sparsity->median_abs_weight, expected.sparsity->median_abs_weight));
            for (std::size_t i = 0; i < expected.sparsity->sparsity_levels.size(); ++i)
                CHECK(found.sparsity->sparsity_levels[i].count == expected.sparsity->sparsity_levels[i].count);
            if (is_matrix)
                CHECK(found.sparsity->structured_sparsity->dead_columns == expected.sparsity->structured_sparsity->dead_columns);
            CHECK(close(analyze_basic_stats(view).skewness, b.skewness));
        }
}

TEST_CASE("an analysis of elements that asks for nothing gives the census")
{
    NEEDS_DEVICE();
    const device_matrix<float> matrix(numbers_of_kind<float>(tensor_kind::hostile, 20000), 10);
    const elements_result result = analyze_elements(matrix.view, {.basic_stats = std::nullopt, .quantization = std::nullopt, .sparsity = std::nullopt});
    CHECK(result.census.count == 20000);
    CHECK(result.census.nan_count > 0);
    CHECK_FALSE(result.basic_stats.has_value());
}

TEST_CASE("options that no analysis of elements has are refused")
{
    NEEDS_DEVICE();
    const device_matrix<float> matrix(std::vector<float>(8), 2);
    cuda_workspace workspace(matrix.stream.get());
    CHECK_THROWS_WITH(analyze_elements(matrix.view, {.quantization = quantization_sensitivity_options{.bits = 1}}),
                      "weightscope::analyze_elements(weights, options): options.quantization.bits is 1, expected 2 to 16");
    CHECK_THROWS_WITH(analyze_elements(matrix.view, {.sparsity = sparsity_options{.thresholds = {-1}}}),
                      "weightscope::analyze_elements(weights, options): options.sparsity.thresholds has -1, expected 0 or more");
    CHECK_THROWS_WITH(survey_rows(matrix.view, 8, 0, workspace),
                      "weightscope::survey_rows(weights, bits, group_size): group_size is 0, expected 1 or more");
}
