#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include <weightscope/core/parallel.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/quantizers/quantize_weighted.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/uniform.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

std::vector<double> importance_of(std::size_t cols)
{
    std::vector<double> a(cols);
    for (std::size_t j = 0; j < cols; ++j)
        a[j] = j % 7 == 3 ? 0 : j % 5 == 0 ? 50 : 1 / (1.0 + static_cast<double>(j % 3));
    return a;
}

double weighted_error(const xt::xtensor<float, 2>& w, const quantized_tensor& q, const std::vector<double>& a)
{
    const xt::xarray<double> decoded = dequantize<double>(q);
    double sum = 0;
    for (std::size_t i = 0; i < w.size(); ++i) {
        const double e = static_cast<double>(w.data()[i]) - decoded.data()[i];
        sum += a[i % w.shape(1)] * e * e;
    }
    return sum;
}

// Least Σ a e² of all scales, between any two at which a weight changes its level, and of all zero points.
double best_possible(const std::vector<double>& w, const std::vector<double>& a, const scheme& options)
{
    double least = std::numeric_limits<double>::infinity();
    const int first = options.lowest_code(), last = options.highest_code();
    for (int zero = options.symmetric ? 0 : first; zero <= (options.symmetric ? 0 : last); ++zero) {
        std::vector<double> edges = {1e9};
        for (const double x : w)
            for (int k = first - zero; k <= last - zero; ++k)
                if (const double edge = x / (k + 0.5); edge > 0)
                    edges.push_back(edge);
        std::sort(edges.begin(), edges.end());
        for (std::size_t e = 0; e < edges.size(); ++e) {
            const double scale = e == 0 ? edges[0] / 2 : (edges[e - 1] + edges[e]) / 2;
            double squares = 0, dot = 0, levels = 0;
            for (std::size_t i = 0; i < w.size(); ++i) {
                const double k = std::clamp<double>(std::nearbyint(w[i] / scale), first - zero, last - zero);
                squares += a[i] * w[i] * w[i];
                dot += a[i] * w[i] * k;
                levels += a[i] * k * k;
            }
            least = std::min(least, levels > 0 ? squares - dot / levels * dot : squares);
        }
    }
    return least;
}

}  // namespace

TEST_CASE("a weighted search by hand")
{
    // 3 bits, codes -3 to 3. The outlier 9 does not count: a step of 1 is exact for the others, and 9 is clipped
    const xt::xtensor<float, 2> w = {{3, -2, 1, 9}};
    const std::vector<double> a = {1, 1, 1, 0};
    const auto r = quantize_weighted(w, parse_scheme("int3-g4"), a);
    CHECK(r.weighted_error == 0);
    CHECK(r.plain_weighted_error == 0 + 1.0 + 1.0);  // step 3: 3, -3 (−0.67 rounds to −1), 0
    CHECK(r.quantized.scales == std::vector<double>{1});
    CHECK(dequantize(r.quantized)(0, 3) == 3);
}

TEST_CASE("a weighted search is never worse than plain scales, and near the optimum")
{
    for (const std::size_t size : {8, 24}) {
        auto w = random_normal<float>({std::size_t{12}, size}, {.seed = size});
        for (std::size_t j = 0; j < size; ++j) {
            w(1, j) = std::fabs(w(1, j));
            w(2, j) = w(2, j) * w(2, j) * w(2, j);
            w(3, j) = 0;
            w(4, j) = 0.5F;
        }
        const std::vector<double> a = importance_of(size);
        for (const char* name : {"int2-per-channel-sym", "int3-per-channel-asym", "int4-per-channel-sym", "int4-per-channel-asym", "int4-per-channel-full",
                                 "int4-per-channel-sym-scale-f16", "int4-per-channel-asym-scale-f64", "int4-per-channel-sym-half-away"}) {
            CAPTURE(name, size);
            const scheme options = parse_scheme(name);
            const auto r = quantize_weighted(w, options, a);
            const double plain = weighted_error(w, quantize_uniform(w, options), a);
            CHECK(r.plain_weighted_error == Approx(plain).epsilon(1e-12));
            CHECK(r.weighted_error <= plain);
            CHECK(weighted_error(w, r.quantized, a) == Approx(r.weighted_error).epsilon(1e-12));
            double best = 0, signal = 0;
            for (std::size_t i = 0; i < 12; ++i) {
                const std::vector<double> row(w.data() + i * size, w.data() + (i + 1) * size);
                best += best_possible(row, a, options);
                for (std::size_t j = 0; j < size; ++j)
                    signal += a[j] * row[j] * row[j];
            }
            // scales rounded to half floats are off by 2^-11, which moves every level
            const double slack = options.scale == scale_type::f16 ? 2e-6 : 1e-9;
            CHECK(r.weighted_error <= best * 1.002 + slack * signal);
            CHECK(r.weighted_error >= best * (1 - 1e-4) - 1e-9 * signal);
        }
    }
}

TEST_CASE("groups too large for the exact search are improved even so")
{
    const auto w = random_normal<float>({4, 1600}, {.seed = 4});
    const std::vector<double> a = importance_of(1600);
    for (const char* name : {"int4-g800-asym", "int8-per-channel-sym", "int3-g800-asym", "int4-per-channel-asym"}) {
        CAPTURE(name);
        const scheme options = parse_scheme(name);
        const auto r = quantize_weighted(w, options, a), again = with_threads(1, [&] { return quantize_weighted(w, options, a); });
        CHECK(r.weighted_error < 0.98 * r.plain_weighted_error);
        CHECK(r.quantized.scales == again.quantized.scales);
        CHECK(r.weighted_error == again.weighted_error);
        CHECK(weighted_error(w, r.quantized, a) == Approx(r.weighted_error).epsilon(1e-12));
    }
}

TEST_CASE("columns without importance do not decide, and broken weights are counted")
{
    xt::xtensor<float, 2> w = {{1, 2, 3, NAN}, {1, INFINITY, 3, -4}};
    const std::vector<double> none(4, 0.0), some = {1, 1, 1, 1};
    CHECK(quantize_weighted(w, parse_scheme("int4-g4"), none).weighted_error == 0);
    const auto r = quantize_weighted(w, parse_scheme("int4-g4"), some);
    CHECK(r.quantized.odd.nan_weights == 1);
    CHECK(r.quantized.odd.infinite_weights == 1);
    CHECK(r.quantized.odd.non_finite == 2);
    CHECK(std::get<xt::xarray<std::int8_t>>(r.quantized.codes)(0, 3) == 0);
    CHECK(std::get<xt::xarray<std::int8_t>>(r.quantized.codes)(1, 1) == 7);
}

TEST_CASE("a weighted search refuses what it cannot do")
{
    const xt::xtensor<float, 2> w = {{1, 2}};
    const std::vector<double> a = {1, 1}, three = {1, 1, 1}, negative = {1, -2};
    CHECK_THROWS_WITH(quantize_weighted(w, parse_scheme("mxfp4"), a),
                      "weightscope::quantize_weighted(weights, scheme, importance): the scheme is not searched so, expected integers of up to 8 bits, in groups or one "
                      "scale for each output, not rounded at random");
    CHECK_THROWS_WITH(quantize_weighted(w, parse_scheme("int4-g2"), three),
                      "weightscope::quantize_weighted(weights, scheme, importance): importance has 3 entries, expected one for each of the 2 columns");
    CHECK_THROWS_WITH(quantize_weighted(w, parse_scheme("int4-g2"), negative),
                      "weightscope::quantize_weighted(weights, scheme, importance): importance has -2, expected 0 or more and finite");
}
