#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include <weightscope/core/parallel.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/quantizers/scale_search.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/simulate.hpp>
#include <weightscope/quantizers/uniform.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

// Least Σ e² of all scales, to the last digit: between two scales where some weight changes its level the best one is Σxk / Σk².
double best_symmetric(const std::vector<double>& w, int lowest, int highest)
{
    std::vector<double> edges = {1e9};
    for (const double x : w)
        for (int k = lowest; k <= highest; ++k)
            if (const double edge = x / (k + 0.5); edge > 0)
                edges.push_back(edge);
    std::sort(edges.begin(), edges.end());
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < edges.size(); ++i) {
        const double scale = i == 0 ? edges[0] / 2 : (edges[i - 1] + edges[i]) / 2;
        double squares = 0, dot = 0, levels = 0;
        for (const double x : w) {
            const double k = std::clamp<double>(std::nearbyint(x / scale), lowest, highest);
            squares += x * x;
            dot += x * k;
            levels += k * k;
        }
        least = std::min(least, levels > 0 ? squares - dot / levels * dot : squares);
    }
    return least;
}

double best_asymmetric(const std::vector<double>& w, int lowest, int highest)
{
    double least = std::numeric_limits<double>::infinity();
    for (int zero = lowest; zero <= highest; ++zero)
        least = std::min(least, best_symmetric(w, lowest - zero, highest - zero));
    return least;
}

double objective(const quantization_error& error, const xt::xtensor<float, 2>& w, const scheme& options)
{
    if (options.search == range_search::mse)
        return error.sums.squared_error;
    const auto decoded = dequantize(quantize_uniform(w, options));
    double sum = 0;
    for (std::size_t i = 0; i < w.size(); ++i)
        sum += std::pow(std::fabs(static_cast<double>(w.data()[i]) - static_cast<double>(decoded.data()[i])), options.norm);
    return sum;
}

// Gaussian, heavy-tailed, one-signed, two-valued and ramp-like rows
xt::xtensor<float, 2> rows_of_all_kinds(std::size_t size, std::uint64_t seed)
{
    xt::xtensor<float, 2> w = random_normal<float>({30, size}, {.seed = seed});
    for (std::size_t i = 0; i < 30; ++i)
        for (std::size_t j = 0; j < size; ++j) {
            float& x = w(i, j);
            switch (i % 6) {
            case 1: x = x * x * x; break;
            case 2: x = std::fabs(x); break;
            case 3: x = x > 1 ? 10.0F : x < -1 ? 1.0F : 0.1F * x; break;
            case 4: x = static_cast<float>(j) - 3; break;
            case 5: x = x * x - 0.7F; break;
            default: break;
            }
        }
    return w;
}

}  // namespace

TEST_CASE("a percentile by hand")
{
    // |w| = 0 1 2 3 10: the 75th percentile is 3 (rank 3 of 4), 3 / 3 = 1 the step of 3-bit codes
    const xt::xtensor<float, 1> w = {1, -2, 0, 10, -3};
    CHECK(quantize_uniform(w, parse_scheme("int3-per-tensor-sym-percentile75")).scales[0] == 1);
    // asymmetric: the inner 50 percent of -3 -2 0 1 10 are -2 .. 1: 3 / 7 of a step, zero at -4 + 2 / (3/7) = 0.67
    const auto q = quantize_uniform(w, parse_scheme("int3-per-tensor-asym-percentile50"));
    CHECK(q.scales[0] == Approx(3.0 / 7).epsilon(1e-7));
    CHECK(q.zero_points[0] == 1);
    // where the percentile is 0 the whole range is used
    const xt::xtensor<float, 1> sparse = {0, 0, 0, 0, 7};
    CHECK(quantize_uniform(sparse, parse_scheme("int4-per-tensor-sym-percentile50")).scales[0] == 1);
    CHECK(quantize_uniform(w, parse_scheme("int3-per-tensor-sym-percentile100")).scales == quantize_uniform(w, parse_scheme("int3-per-tensor-sym")).scales);
}

TEST_CASE("a search finds what rounding the whole range cannot")
{
    // -7 .. 7 and one 8.4: step 1.2 rounds the integers off, step 1 clips one weight by 1.4 and is right elsewhere
    const xt::xtensor<float, 1> w = {-7, -6, 8.4F, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 7, 6, 5, 4, 3, 2, 1, -1, -2, -3, -4, -5, -6, -7};
    const auto plain = simulate_quantization(w, parse_scheme("int4-per-tensor-sym"));
    const auto found = simulate_quantization(w, parse_scheme("int4-per-tensor-sym-mse"));
    CHECK(plain.sums.clipped_count == 0);
    CHECK(found.sums.clipped_count == 1);
    CHECK(found.sums.squared_error <= 1.4 * 1.4 + 1e-5);
    CHECK(plain.sums.squared_error > 1.3 * found.sums.squared_error);
    // a ramp that fills its codes cannot be improved: the plain scale is kept
    const xt::xtensor<float, 1> ramp = {-7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7};
    CHECK(quantize_uniform(ramp, parse_scheme("int4-per-tensor-sym-mse")).scales[0] == 1);
    CHECK(quantize_uniform(ramp, parse_scheme("int4-per-tensor-sym-norm2.4")).scales[0] == 1);
}

TEST_CASE("a search is never worse than plain rounding on its own objective")
{
    for (const std::size_t size : {5, 16, 64, 300}) {
        const auto w = rows_of_all_kinds(size, size);
        for (const char* name : {"int2", "int3", "int4", "int8"})
            for (const char* rest : {"-g32", "-g32-asym", "-per-tensor-sym", "-per-channel-asym", "-per-channel-full", "-g16-scale-f16", "-g16-half-away", "-g16-asym-scale-f64"})
                for (const char* search : {"-mse", "-norm2.4", "-norm0.7"}) {
                    const scheme plain = parse_scheme(std::string(name) + rest);
                    scheme searched = parse_scheme(std::string(name) + rest + search);
                    CAPTURE(to_string(searched), size);
                    scheme plain_of_same_objective = plain;
                    plain_of_same_objective.norm = searched.norm;
                    const auto a = simulate_quantization(w, searched), b = simulate_quantization(w, plain);
                    if (searched.search == range_search::mse)
                        CHECK(a.sums.squared_error <= b.sums.squared_error * (1 + 1e-12));
                    else
                        CHECK(objective(a, w, searched) <= objective(b, w, plain_of_same_objective) * (1 + 1e-12));
                }
    }
}

TEST_CASE("the least squared error is found to within 0.1 dB")
{
    for (const std::size_t size : {8, 16, 32}) {
        const auto w = rows_of_all_kinds(size, 100 + size);
        for (const int bits : {2, 3, 4, 5})
            for (const bool symmetric : {true, false}) {
                const scheme options{.bits = bits, .symmetric = symmetric, .granularity = scale_granularity::per_channel, .search = range_search::mse};
                const auto r = simulate_quantization(w, options, {.channels = true});
                for (std::size_t i = 0; i < 30; ++i) {
                    CAPTURE(size, bits, symmetric, i);
                    const std::vector<double> row(w.data() + i * size, w.data() + (i + 1) * size);
                    const double best = symmetric ? best_symmetric(row, options.lowest_code(), options.highest_code())
                                                  : best_asymmetric(row, options.lowest_code(), options.highest_code());
                    // exact cases are exact up to the rounding of the scale
                    CHECK(r.channels[i].squared_error <= best * std::pow(10, 0.01) + 1e-10 * r.channels[i].signal);
                    // decoded weights are rounded to float, 2^-24 of the weight against errors of some percent of it
                    CHECK(r.channels[i].squared_error >= best * (1 - 1e-4) - 1e-10 * r.channels[i].signal);
                }
            }
    }
}

TEST_CASE("groups too large for the exact search are searched to within 0.1 dB on a grid")
{
    const scheme options = parse_scheme("int4-per-channel-asym-mse");
    CHECK(detail::exact_search_steps(300, options) > detail::most_exact_steps);
    const auto w = rows_of_all_kinds(300, 7);
    const auto r = simulate_quantization(w, options, {.channels = true});
    for (const std::size_t i : {0, 1, 2, 5, 6, 7}) {
        CAPTURE(i);
        const double best = best_asymmetric({w.data() + i * 300, w.data() + (i + 1) * 300}, -8, 7);
        CHECK(r.channels[i].squared_error <= best * std::pow(10, 0.01));
    }
    // a symmetric group of 6000: the exact search itself, checked above, is the reference
    const xt::xtensor<float, 1> v = random_normal<float>({6000}, {.seed = 11});
    const scheme symmetric = parse_scheme("int4-per-tensor-sym-mse");
    CHECK(detail::exact_search_steps(6000, symmetric) > detail::most_exact_steps);
    const double scale = detail::exact_code(std::span<const float>(v.data(), v.size()), symmetric).scale;
    double best = 0;
    for (const float x : v)
        best += std::pow(static_cast<double>(x) - std::clamp(std::nearbyint(static_cast<double>(x) / scale), -7.0, 7.0) * scale, 2);
    CHECK(simulate_quantization(v, symmetric).sums.squared_error <= best * std::pow(10, 0.01));
}

TEST_CASE("the least sum of a power is found to within 0.1 dB of a fine grid")
{
    const auto w = rows_of_all_kinds(32, 9);
    for (const double norm : {1.0, 2.4, 4.0}) {
        const scheme options{.bits = 4, .granularity = scale_granularity::per_channel, .search = range_search::p_norm, .norm = norm};
        const auto q = quantize_uniform(w, options);
        for (std::size_t i = 0; i < 30; ++i) {
            CAPTURE(norm, i);
            double magnitude = 0, best = std::numeric_limits<double>::infinity();
            for (std::size_t j = 0; j < 32; ++j)
                magnitude = std::max(magnitude, std::fabs(static_cast<double>(w(i, j))));
            const auto loss = [&](double scale) {
                double sum = 0;
                for (std::size_t j = 0; j < 32; ++j) {
                    const auto x = static_cast<double>(w(i, j));
                    sum += std::pow(std::fabs(x - std::clamp(std::nearbyint(x / scale), -7.0, 7.0) * scale), norm);
                }
                return sum;
            };
            for (double factor = 0.1; factor < 1.5; factor += 0.0005)
                best = std::min(best, loss(factor * magnitude / 7));
            CHECK(loss(q.scales[i]) <= best * std::pow(10, 0.01 * norm / 2) + 1e-6 * std::pow(magnitude, norm));
        }
    }
}

TEST_CASE("a search over a whole tensor does not depend on the number of threads")
{
    const auto w = random_normal<float>({900, 700}, {.seed = 8});  // more than one chunk
    for (const char* name : {"int3-per-tensor-sym-mse", "int3-per-tensor-asym-percentile99"}) {
        const auto search = [&](std::size_t threads) { return with_threads(threads, [&] { return quantize_uniform(w, parse_scheme(name)).scales; }); };
        CHECK(search(1) == search(2));
        CHECK(simulate_quantization(w, parse_scheme(name)).sqnr_db.value > simulate_quantization(w, parse_scheme("int3-per-tensor-sym")).sqnr_db.value + 1);
    }
}

TEST_CASE("quick powers are good to a few parts in 100,000")
{
    for (const float p : {0.5F, 0.7F, 1.0F, 2.0F, 2.4F, 4.0F})
        for (float x = 1e-4F; x < 200; x *= 1.01F)
            CHECK(static_cast<double>(detail::quick_power(x, p)) == Approx(std::pow(static_cast<double>(x), static_cast<double>(p))).epsilon(5e-5));
    CHECK(detail::quick_power(0, 2) < 1e-20F);
}
