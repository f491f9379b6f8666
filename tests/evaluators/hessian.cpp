#include <atomic>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include <weightscope/evaluators/hessian_diagonal.hpp>
#include <weightscope/evaluators/hessian_trace.hpp>

#include "../catch.hpp"
#include "models.hpp"

using namespace weightscope;

namespace {

std::vector<double> diagonal_of(const hessian_diagonal_result& result)
{
    std::vector<double> values;
    for (const tensor_diagonal& tensor : result.tensors)
        values.insert(values.end(), tensor.values.begin(), tensor.values.end());
    return values;
}

// How many of the exact values lie inside their intervals, and how many there are.
std::pair<double, double> covered(const hessian_diagonal_result& result, const std::vector<double>& exact)
{
    double inside = 0, all = 0;
    for (const tensor_diagonal& tensor : result.tensors)
        for (std::size_t i = 0; i < tensor.values.size(); ++i, ++all)
            inside += std::fabs(tensor.values[i] - exact[static_cast<std::size_t>(all)]) <= tensor.half_width(i) ? 1 : 0;
    return {inside, all};
}

bool same(const hessian_diagonal_result& a, const hessian_diagonal_result& b)
{
    for (std::size_t t = 0; t < a.tensors.size(); ++t)
        if (a.tensors[t].values != b.tensors[t].values || a.tensors[t].standard_errors != b.tensors[t].standard_errors)
            return false;
    return a.tensors.size() == b.tensors.size() && a.probes == b.probes;
}

bool same(const hessian_trace_result& a, const hessian_trace_result& b)
{
    for (std::size_t t = 0; t < a.tensors.size(); ++t)
        if (a.tensors[t].value != b.tensors[t].value || a.tensors[t].standard_error != b.tensors[t].standard_error)
            return false;
    return a.total.value == b.total.value && a.total.half_width == b.total.half_width && a.probes == b.probes;
}

}  // namespace

TEST_CASE("a diagonal Hessian is exact with any number of probes")
{
    // v_i H_ii v_i = H_ii: nothing is left to chance but rounding, which the intervals hold
    matrix_of_doubles a(9, std::vector<double>(9));
    for (std::size_t i = 0; i < 9; ++i)
        a[i][i] = static_cast<double>(i) - 3;  // of both signs, and 0
    const std::vector<double> zeros(9);
    for (const auto& w : {random_matrix(1, 9, 1)[0], zeros}) {  // the second is where the gradient vanishes
        exact_quadratic<double> exact(a, zeros, w, 4);
        differentiable_quadratic<double> gradients(a, zeros, w, 4);
        for (const auto& found : {estimate_hessian_diagonal(exact, {.max_probes = 2}), estimate_hessian_diagonal(gradients, {.max_probes = 2})}) {
            const auto values = diagonal_of(found);
            for (std::size_t i = 0; i < 9; ++i) {
                const double half_width = found.tensors[i < 4 ? 0 : 1].half_width(i < 4 ? i : i - 4);
                CHECK(values[i] == Approx(a[i][i]).margin(1e-10));
                CHECK(std::fabs(values[i] - a[i][i]) <= half_width);
                CHECK(half_width > 0);
                CHECK(half_width < 1e-6);
            }
        }
    }
}

TEST_CASE("differences of gradients give what exact products give")
{
    auto exact = make_quadratic<exact_quadratic<double>>(15, 4, 0, 2.5);  // a batch that counts 2.5
    auto gradients = make_quadratic<differentiable_quadratic<double>>(15, 4, 0, 2.5);
    const auto a = estimate_hessian_diagonal(exact, {.max_probes = 12}), b = estimate_hessian_diagonal(gradients, {.max_probes = 12});
    CHECK(a.method == curvature_method::hessian_vector);
    CHECK(b.method == curvature_method::gradient_differences);
    CHECK(a.step == 0);
    CHECK(b.step > 0);
    for (std::size_t i = 0; i < 15; ++i)
        CHECK(diagonal_of(a)[i] == Approx(diagonal_of(b)[i]).margin(1e-8));
    CHECK(a.counts == evaluation_counts{.losses = 1, .hessian_vectors = 12});
    CHECK(b.counts == evaluation_counts{.gradients = 25});
    const auto ta = estimate_hessian_trace(exact, {.max_probes = 12}), tb = estimate_hessian_trace(gradients, {.max_probes = 12});
    CHECK(ta.total.value == Approx(tb.total.value).margin(1e-8));
    // the trace is the diagonal's sum, probe by probe
    double sum = 0;
    for (const double x : diagonal_of(a))
        sum += x;
    CHECK(ta.total.value == Approx(sum).epsilon(1e-12));
    const auto forward = estimate_hessian_trace(exact, {.max_probes = 12, .step = 0.05, .method = curvature_method::forward});
    CHECK(forward.counts == evaluation_counts{.losses = 2 * 12 * 2 + 1});
    // without the blocks between the two tensors, but with the same signs inside each
    CHECK(forward.tensors.size() == 2);
}

TEST_CASE("standard errors are those of the formula")
{
    // trace: sqrt(2 (|H|² - sum H_ii²) / K); diagonal: sqrt(sum over j of H_ij² / K)
    auto model = make_quadratic<exact_quadratic<double>>(40, 5);
    const auto a = random_symmetric(40, 5);
    double off = 0, row0 = 0;
    for (std::size_t i = 0; i < 40; ++i)
        for (std::size_t j = 0; j < 40; ++j) {
            off += i != j ? a[i][j] * a[i][j] : 0;
            row0 += i == 0 && j != 0 ? a[0][j] * a[0][j] : 0;
        }
    const std::size_t k = 4000;
    const auto trace = estimate_hessian_trace(model, {.max_probes = k});
    CHECK(trace.total.standard_error == Approx(std::sqrt(2 * off / k)).epsilon(0.06));
    const auto diagonal = estimate_hessian_diagonal(model, {.max_probes = k});
    CHECK(diagonal.tensors[0].standard_errors[0] == Approx(std::sqrt(row0 / k)).epsilon(0.06));
}

TEST_CASE("95 % intervals hold the exact diagonal and trace in at least 92 % of 400 trials")
{
    double trace_inside = 0, forward_inside = 0, diagonal_inside = 0, diagonal_all = 0;
    const auto a = random_symmetric(12, 21, 2);
    double trace = 0;
    std::vector<double> exact;
    for (std::size_t i = 0; i < 12; ++i) {
        trace += a[i][i];
        exact.push_back(a[i][i]);
    }
    auto quadratic = make_quadratic<differentiable_quadratic<double>>(12, 21, 2);
    logistic_model<double> logistic(30, 6, 30, 22);
    double log_trace = 0;
    std::vector<double> log_exact;
    for (std::size_t j = 0; j < 6; ++j) {
        log_exact.push_back(logistic.hessian(j, j));
        log_trace += log_exact.back();
    }
    linear_net net(6, 3, 3, 2, 23);
    const auto net_exact = net.hessian_diagonal();
    double net_trace = 0;
    for (const double x : net_exact)
        net_trace += x;

    double log_inside = 0, log_all = 0, log_trace_inside = 0, net_inside = 0, net_all = 0, net_trace_inside = 0, net_forward_inside = 0;
    const auto inside = [](const trace_estimate& e, double value) { return std::fabs(e.value - value) <= e.half_width ? 1.0 : 0.0; };
    const std::size_t trials = 400;
    for (std::size_t seed = 0; seed < trials; ++seed) {
        const evaluation_options how{.seed = seed};
        const std::size_t k = 16;
        trace_inside += inside(estimate_hessian_trace(quadratic, {.max_probes = k, .evaluation = how}).total, trace);
        forward_inside += inside(
            estimate_hessian_trace(quadratic, {.max_probes = k, .step = 0.02, .method = curvature_method::forward, .evaluation = how}).total, trace);
        const auto d = covered(estimate_hessian_diagonal(quadratic, {.max_probes = k, .evaluation = how}), exact);
        diagonal_inside += d.first;
        diagonal_all += d.second;

        log_trace_inside += inside(estimate_hessian_trace(logistic, {.max_probes = k, .evaluation = how}).total, log_trace);
        const auto l = covered(estimate_hessian_diagonal(logistic, {.max_probes = k, .evaluation = how}), log_exact);
        log_inside += l.first;
        log_all += l.second;

        net_trace_inside += inside(estimate_hessian_trace(net, {.max_probes = k, .evaluation = how}).total, net_trace);
        net_forward_inside +=
            inside(estimate_hessian_trace(net, {.max_probes = k, .step = 0.02, .method = curvature_method::forward, .evaluation = how}).total, net_trace);
        const auto n = covered(estimate_hessian_diagonal(net, {.max_probes = k, .evaluation = how}), net_exact);
        net_inside += n.first;
        net_all += n.second;
    }
    CHECK(trace_inside / trials >= 0.92);
    CHECK(forward_inside / trials >= 0.92);
    CHECK(diagonal_inside / diagonal_all >= 0.92);
    CHECK(log_trace_inside / trials >= 0.92);
    CHECK(log_inside / log_all >= 0.92);
    CHECK(net_trace_inside / trials >= 0.92);
    CHECK(net_forward_inside / trials >= 0.92);
    CHECK(net_inside / net_all >= 0.92);
    // nor are they so wide that they say nothing
    CHECK(trace_inside / trials < 0.99);
    CHECK(diagonal_inside / diagonal_all < 0.99);
}

TEST_CASE("float gradients widen the intervals by their rounding, and the exact values stay inside")
{
    struct in_float : logistic_model<float>
    {
        using logistic_model<float>::logistic_model;
        loss_value loss_and_gradient(std::size_t b, const gradient_sink& sink)
        {
            std::vector<float> g(x[0].size());
            for (std::size_t i = 0; i < sample_count(b); ++i) {
                const auto sample = gradient(b * 50 + i);
                for (std::size_t j = 0; j < g.size(); ++j)
                    g[j] += static_cast<float>(sample[j]);
            }
            sink(0, 0, std::span<const float>(g));
            return loss(b);
        }
    } model(50, 1, 50, 3);  // one weight: no variance over probes at all
    const auto found = estimate_hessian_diagonal(model, {.max_probes = 8});
    CHECK(found.tensors[0].standard_errors[0] < 1e-3);
    CHECK(found.tensors[0].floor > 0);
    CHECK(std::fabs(found.tensors[0].values[0] - model.hessian(0, 0)) <= found.tensors[0].half_width(0));
}

TEST_CASE("bfloat16 weights have the traces that losses alone can give, with honest errors")
{
    double inside = 0;
    const std::size_t trials = 100;
    auto model = make_quadratic<quadratic_model<bfloat16>>(12, 31, 3);
    const auto a = random_symmetric(12, 31, 3);
    double trace = 0;
    for (std::size_t i = 0; i < 12; ++i)
        trace += a[i][i];
    const auto before = model.all();
    double mean = 0;
    for (std::size_t seed = 0; seed < trials; ++seed) {
        const auto found = estimate_hessian_trace(model, {.max_probes = 16, .step = 0.1, .evaluation = {.seed = seed}});
        CHECK(found.method == curvature_method::forward);
        inside += std::fabs(found.total.value - trace) <= found.total.half_width ? 1 : 0;
        mean += found.total.value / trials;
    }
    CHECK(inside / trials >= 0.88);  // 95 % less two and a half standard deviations of 100 trials
    CHECK(mean == Approx(trace).epsilon(0.05));
    CHECK(model.same_bytes(before));
}

TEST_CASE("the stopping rule stops by standard error, in steps of eight probes")
{
    auto model = make_quadratic<exact_quadratic<double>>(30, 6, 4);
    const auto found = estimate_hessian_trace(model, {.max_probes = 5000, .tolerance = 0.02});
    CHECK(found.converged);
    CHECK(found.probes % 8 == 0);
    CHECK(found.probes > 8);
    CHECK(found.total.standard_error <= 0.02 * std::fabs(found.total.value));
    CHECK(found.counts.hessian_vectors == found.probes);
    const auto before = estimate_hessian_trace(model, {.max_probes = found.probes - 8});
    CHECK(before.total.standard_error > 0.02 * std::fabs(before.total.value));

    const auto diagonal = estimate_hessian_diagonal(model, {.max_probes = 5000, .tolerance = 0.1});
    CHECK(diagonal.converged);
    CHECK(diagonal.probes % 8 == 0);
    const auto never = estimate_hessian_diagonal(model, {.max_probes = 11, .tolerance = 1e-9});
    CHECK_FALSE(never.converged);
    CHECK(never.probes == 11);
}

TEST_CASE("a negative trace is told apart from one whose sign is open")
{
    auto negative = make_quadratic<exact_quadratic<double>>(20, 7, -9);
    const auto found = estimate_hessian_trace(negative, {.max_probes = 64});
    CHECK(found.total.value < 0);
    CHECK(found.total.sign_resolved());
    double trace = 0;
    for (std::size_t i = 0; i < 20; ++i)
        trace += random_symmetric(20, 7)[i][i];
    auto none = make_quadratic<exact_quadratic<double>>(20, 7, -trace / 20);  // its trace is 0
    CHECK_FALSE(estimate_hessian_trace(none, {.max_probes = 16}).total.sign_resolved());
}

TEST_CASE("diagonals and traces are the same to the bit for one to four threads")
{
    linear_net net(9, 4, 3, 2, 8);
    const auto diagonal = estimate_hessian_diagonal(net, {.max_probes = 13});
    const auto trace = estimate_hessian_trace(net, {.max_probes = 13});
    const auto forward = estimate_hessian_trace(net, {.max_probes = 13, .method = curvature_method::forward});
    const auto before = net.all();
    for (const std::size_t threads : {2, 3, 4}) {
        const evaluation_options how{.threads = threads};
        CHECK(same(estimate_hessian_diagonal(net, {.max_probes = 13, .evaluation = how}), diagonal));
        CHECK(same(estimate_hessian_trace(net, {.max_probes = 13, .evaluation = how}), trace));
        CHECK(same(estimate_hessian_trace(net, {.max_probes = 13, .method = curvature_method::forward, .evaluation = how}), forward));
    }
    CHECK(net.same_bytes(before));
}

TEST_CASE("diagonals and traces go on where a cancelled run stopped")
{
    const std::filesystem::path file = std::filesystem::temp_directory_path() / "weightscope_hessian.resume";
    std::filesystem::remove(file);
    linear_net net(9, 4, 3, 2, 8);
    const auto before = net.all();
    const auto diagonal = estimate_hessian_diagonal(net, {.max_probes = 20});
    const auto trace = estimate_hessian_trace(net, {.max_probes = 20, .method = curvature_method::forward});
    for (const bool of_diagonal : {true, false}) {
        std::atomic<int> items = 0;
        evaluation_options how{.progress = [&](const progress&) { return ++items < 11; }, .resume = file};
        const auto run = [&] {
            if (of_diagonal)
                return same(estimate_hessian_diagonal(net, {.max_probes = 20, .evaluation = how}), diagonal);
            return same(estimate_hessian_trace(net, {.max_probes = 20, .method = curvature_method::forward, .evaluation = how}), trace);
        };
        CHECK_THROWS_AS(run(), cancelled);
        CHECK(std::filesystem::exists(file));
        CHECK(net.same_bytes(before));
        how.progress = {};
        CHECK(run());
        CHECK_FALSE(std::filesystem::exists(file));
    }
}

TEST_CASE("methods that the evaluator cannot serve are refused")
{
    auto plain = make_quadratic<quadratic_model<double>>(6, 1);
    const std::string diagonal = "weightscope::estimate_hessian_diagonal(evaluator, options): ";
    const std::string trace = "weightscope::estimate_hessian_trace(evaluator, options): ";
    CHECK_THROWS_WITH(estimate_hessian_diagonal(plain),
                      diagonal + "the evaluator has neither hessian_vector() nor loss_and_gradient(); expected one of them");
    CHECK_THROWS_WITH(estimate_hessian_diagonal(plain, {.method = curvature_method::forward}),
                      diagonal + "losses alone give no diagonal by probes; use estimate_differences() on the weights that matter");
    CHECK_THROWS_WITH(estimate_hessian_trace(plain, {.method = curvature_method::hessian_vector}),
                      trace + "the evaluator has no hessian_vector(); expected one for this method");
    CHECK_THROWS_WITH(estimate_hessian_trace(plain, {.max_probes = 1}), trace + "options.max_probes is 1, expected 2 or more");
    CHECK(estimate_hessian_trace(plain, {.max_probes = 2}).method == curvature_method::forward);
}
