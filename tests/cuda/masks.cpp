#include <weightscope/cuda/masks.cuh>

#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "cuda/device.hpp"

#include <weightscope/core/scalars.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/cuda/scores.cuh>
#include <weightscope/cuda/workspace.cuh>
#include <weightscope/scorers/magnitude.hpp>
#include <weightscope/scorers/mask.hpp>
#include <weightscope/scorers/nm_mask.hpp>
#include <weightscope/scorers/taylor.hpp>
#include <weightscope/scorers/taylor_2nd.hpp>
#include <weightscope/scorers/wanda.hpp>

using namespace weightscope;

namespace {

std::vector<double> doubles_of(const std::vector<float>& numbers) { return {numbers.begin(), numbers.end()}; }

std::vector<double> scores_of(const device_importance& importance)
{
    std::vector<double> scores(importance.scores.size());
    copy_to_host(static_cast<const double*>(importance.scores.data()), std::span(scores), importance.stream);
    check_cuda(cudaStreamSynchronize(importance.stream), "cudaStreamSynchronize");
    return scores;
}

void check_importance(const device_importance& found, const importance_result& expected, double tolerance = 0)
{
    CHECK(found.method == expected.method);
    CHECK(found.formula == expected.formula);
    CHECK(found.group == expected.group);
    CHECK(found.predicts_change == expected.predicts_change);
    CHECK(found.unscored_count == expected.unscored_count);
    CHECK(found.dead_input_count == expected.dead_input_count);
    CHECK(found.second_to_first_ratio.reason == expected.second_to_first_ratio.reason);
    if (expected.second_to_first_ratio.exists())
        CHECK(found.second_to_first_ratio.value == Approx(expected.second_to_first_ratio.value).epsilon(1e-12));
    const std::vector<double> scores = scores_of(found);
    REQUIRE(scores.size() == expected.scores.size());
    std::size_t different = 0;
    for (std::size_t i = 0; i < scores.size(); ++i) {
        const double a = scores[i], b = expected.scores[i];
        different += !(std::fabs(a - b) <= tolerance * std::fabs(b)) && !(std::isnan(a) && std::isnan(b));
    }
    CHECK(different == 0);
}

template <class T>
auto host_tensor(const std::vector<T>& numbers, std::size_t rows)
{
    xt::xarray<T> result = xt::xarray<T>::from_shape(std::vector<std::size_t>{rows, numbers.size() / rows});
    std::copy(numbers.begin(), numbers.end(), result.data());
    return result;
}

struct scored
{
    device_importance importance;
    cuda_workspace workspace;

    scored(const std::vector<double>& scores, std::size_t rows, cudaStream_t stream)
        : importance{.scores = device_memory<double>(std::span<const double>(scores), stream), .rows = rows, .cols = rows ? scores.size() / rows : 0, .stream = stream},
          workspace(stream)
    {
    }
};

void check_mask(const device_mask& found, const mask_result& expected)
{
    CHECK(found.convention == expected.convention);
    CHECK(found.target_ratio == expected.target_ratio);
    CHECK(found.actual_ratio == expected.actual_ratio);
    CHECK(found.removed_count == expected.removed_count);
    CHECK(found.tied_count == expected.tied_count);
    CHECK(found.unscored_count == expected.unscored_count);
    CHECK(found.threshold.reason == expected.threshold.reason);
    if (expected.threshold.exists())
        CHECK(found.threshold.value == expected.threshold.value);
    CHECK((copy_of_mask(found) == expected.mask));
}

// Scores with ties, zeros of both signs, infinities, NaN, and plain ones.
std::vector<std::vector<double>> kinds_of_scores(std::size_t size)
{
    std::vector<std::vector<double>> result;
    for (const tensor_kind kind : {tensor_kind::normal, tensor_kind::sparse, tensor_kind::constant, tensor_kind::few_values, tensor_kind::hostile, tensor_kind::all_nan}) {
        result.push_back(doubles_of(numbers_of_kind<float>(kind, size, 13)));
        for (double& score : result.back())
            score = kind == tensor_kind::normal ? score * (1 + 1e-12) : score;  // below the digits of a float
    }
    return result;
}

}  // namespace

TEST_CASE("scores on a device are those of the host")
{
    NEEDS_DEVICE();
    for (const tensor_kind kind : {tensor_kind::normal, tensor_kind::hostile, tensor_kind::sparse}) {
        CAPTURE(static_cast<int>(kind));
        constexpr std::size_t rows = 9, cols = 150;
        const std::vector<float> numbers = numbers_of_kind<float>(kind, rows * cols, 3), gradients = numbers_of_kind<float>(tensor_kind::normal, rows * cols, 4),
                                 hessian = numbers_of_kind<float>(kind, rows * cols, 5), fisher = numbers_of_kind<float>(tensor_kind::constant, rows * cols);
        const device_matrix<float> matrix(numbers, rows, 2), g(gradients, 1), h(hessian, 1), f(fisher, 1);
        check_cuda(cudaStreamSynchronize(g.stream.get()), "cudaStreamSynchronize");
        check_cuda(cudaStreamSynchronize(h.stream.get()), "cudaStreamSynchronize");
        check_cuda(cudaStreamSynchronize(f.stream.get()), "cudaStreamSynchronize");
        cuda_workspace workspace(matrix.stream.get());
        const auto w = host_tensor(numbers, rows);
        const importance_info with_hessian{.gradients = doubles_of(gradients), .hessian_diag = doubles_of(hessian)};
        const importance_info with_fisher{.gradients = doubles_of(gradients), .squared_gradients = doubles_of(fisher)};
        const device_importance_info on_device{.gradients = g.memory.data(), .hessian_diag = h.memory.data()};
        check_importance(score_magnitude(matrix.view, {}, workspace), score_magnitude(w));
        check_importance(score_magnitude(matrix.view, {.norm = magnitude_norm::l2}, workspace), score_magnitude(w, {.norm = magnitude_norm::l2}));
        check_importance(score_taylor(matrix.view, on_device, workspace), score_taylor(w, with_hessian));
        // the host may fuse the two orders
        check_importance(score_taylor_2nd(matrix.view, on_device, workspace), score_taylor_2nd(w, with_hessian), 1e-15);
        check_importance(score_taylor_2nd(matrix.view, {.gradients = g.memory.data(), .squared_gradients = f.memory.data()}, workspace),
                         score_taylor_2nd(w, with_fisher), 1e-15);
        check_importance(score_taylor_2nd_signed(matrix.view, {.gradients = g.memory.data(), .squared_gradients = f.memory.data()}, workspace),
                         score_taylor_2nd_signed(w, with_fisher), 1e-10);
    }
}

TEST_CASE("Wanda's scores on a device are those of the host, in both orientations")
{
    NEEDS_DEVICE();
    const std::vector<bfloat16> numbers = numbers_of_kind<bfloat16>(tensor_kind::hostile, 12 * 40, 3);
    const device_matrix<bfloat16> matrix(numbers, 12, 3);
    cuda_workspace workspace(matrix.stream.get());
    const auto w = host_tensor(numbers, 12);
    const auto info_for = [](std::size_t inputs) {
        activation_statistics statistics{.tensor = "layer", .rows = 100, .sums_of_squares = std::vector<double>(inputs)};
        for (std::size_t i = 0; i < inputs; ++i)
            statistics.sums_of_squares[i] = i % 5 ? 0.37 * static_cast<double>(i) : 0;
        return importance_info{.activations = statistics};
    };
    check_importance(score_wanda(matrix.view, info_for(40), {}, workspace), score_wanda(w, info_for(40)));
    const wanda_options turned{.figure = activation_figure::rms, .orientation = matrix_orientation::in_out};
    check_importance(score_wanda(matrix.view, info_for(12), turned, workspace), score_wanda(w, info_for(12), turned));
    CHECK_THROWS_WITH(score_wanda(matrix.view, info_for(7), {}, workspace),
                      "weightscope::score_wanda(weights, info): the statistics are of 7 inputs, but the weights have 40");
}

TEST_CASE("masks of tensors, rows and blocks on a device remove the same weights as on the host")
{
    NEEDS_DEVICE();
    cuda_stream stream;
    for (const auto& scores : kinds_of_scores(7 * 333)) {
        scored on_device(scores, 7, stream.get());
        const std::span<const double> on_host(scores);
        for (const double ratio : {0.0, 0.001, 0.29, 0.5, 1.0}) {
            CAPTURE(ratio);
            check_mask(select_tensor_mask(on_device.importance, {.ratio = ratio}, on_device.workspace), select_tensor_mask(on_host, {.ratio = ratio}));
            for (const auto orientation : {matrix_orientation::out_in, matrix_orientation::in_out})
                check_mask(select_row_mask(on_device.importance, {.ratio = ratio, .rounding = count_rounding::truncated}, orientation, on_device.workspace),
                           select_row_mask(on_host, 7, {.ratio = ratio, .rounding = count_rounding::truncated}, orientation));
        }
        for (const nm_options options : {nm_options{.keep = 2, .of = 4, .tail = tail_policy::share}, nm_options{.keep = 1, .of = 3},
                                         nm_options{.keep = 5, .of = 37}, nm_options{.keep = 4, .of = 8, .tail = tail_policy::keep}})
            check_mask(select_nm_mask(on_device.importance, options, matrix_orientation::out_in, on_device.workspace), select_nm_mask(on_host, 7, options));
        check_mask(select_nm_mask(on_device.importance, {.keep = 3, .of = 7}, matrix_orientation::in_out, on_device.workspace),
                   select_nm_mask(on_host, 7, {.keep = 3, .of = 7}, matrix_orientation::in_out));
    }
}

#if defined(WEIGHTSCOPE_CUDA_EMULATION)
TEST_CASE("masks do not depend on the order in which threads run")
{
    begin_device_test();
    cuda_stream stream;
    const std::vector<double> scores = kinds_of_scores(5 * 300)[3];  // many ties
    for (const emulator::order order : {emulator::order::backward, emulator::order::shuffled}) {
        emulator::the().fibers = order;
        scored on_device(scores, 5, stream.get());
        check_mask(select_tensor_mask(on_device.importance, {.ratio = 0.4}, on_device.workspace), select_tensor_mask(scores, {.ratio = 0.4}));
        check_mask(select_row_mask(on_device.importance, {.ratio = 0.4}, matrix_orientation::out_in, on_device.workspace), select_row_mask(scores, 5, {.ratio = 0.4}));
        check_mask(select_nm_mask(on_device.importance, {}, matrix_orientation::out_in, on_device.workspace), select_nm_mask(scores, 5));
    }
    CHECK(emulator::the().fault.empty());
}
#endif

TEST_CASE("a mask is applied where the weights lie")
{
    NEEDS_DEVICE();
    const std::vector<float16> numbers = numbers_of_kind<float16>(tensor_kind::normal, 4 * 64);
    const device_matrix<float16> matrix(numbers, 4);
    cuda_workspace workspace(matrix.stream.get());
    const device_importance scores = score_magnitude(matrix.view, {}, workspace);
    const device_mask mask = select_nm_mask(scores, {.keep = 2, .of = 4}, matrix_orientation::out_in, workspace);
    apply_mask_inplace(matrix.memory.data(), mask, workspace);
    std::vector<float16> found(numbers.size());
    copy_to_host(static_cast<const float16*>(matrix.memory.data()), std::span(found), matrix.stream.get());
    const weight_mask on_host = copy_of_mask(mask);
    CHECK(on_host.removed_count() == 128);
    std::size_t different = 0;
    for (std::size_t i = 0; i < found.size(); ++i)
        different += found[i].bits != (on_host.removed(i) ? 0 : numbers[i].bits);
    CHECK(different == 0);
}

TEST_CASE("scores and masks of nothing are empty, and what is wrong is refused")
{
    NEEDS_DEVICE();
    const device_matrix<float> none({}, 0), some({1, 2, 3}, 1);
    cuda_workspace workspace(none.stream.get()), other(some.stream.get());
    const device_importance empty = score_magnitude(none.view, {}, workspace);
    CHECK(select_tensor_mask(empty, {}, workspace).removed_count == 0);
    CHECK(copy_of_mask(select_row_mask(empty, {}, matrix_orientation::out_in, workspace)).size() == 0);
    const device_importance scores = score_magnitude(some.view, {}, other);
    CHECK_THROWS_WITH(score_taylor(some.view, {}, other), "weightscope::score_taylor(weights, info): info has no gradients, expected one for each of the 3 weights");
    const float* gradients = some.memory.data();
    CHECK_THROWS_WITH(score_taylor_2nd(some.view, {.gradients = gradients}, other),
                      "weightscope::score_taylor_2nd(weights, info): info has neither hessian_diag nor squared_gradients, expected one of them: without it this is "
                      "score_taylor()");
    CHECK_THROWS_WITH(select_nm_mask(scores, {.keep = 2, .of = 4}, matrix_orientation::out_in, other),
                      "weightscope::select_nm_mask(scores, options): rows of 3 weights are no whole blocks of 4; choose tail_policy::share or keep");
    CHECK_THROWS_WITH(select_nm_mask(scores, {.keep = 4, .of = 4}, matrix_orientation::out_in, other),
                      "weightscope::select_nm_mask(scores, options): keep is 4 of 4, expected 1 to 3");
    CHECK_THROWS_WITH(select_tensor_mask(scores, {}, workspace),
                      "weightscope::select_tensor_mask(scores, options): the workspace is of another stream than the scores");
    CHECK_THROWS_AS(select_tensor_mask(scores, {.ratio = 1.5}, other), std::invalid_argument);
}
