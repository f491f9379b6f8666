#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include <weightscope/core/parallel.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/simulate.hpp>
#include <weightscope/quantizers/uniform.hpp>

#include "../catch.hpp"
#include "plain_quantizer.hpp"

using namespace weightscope;

namespace {

std::vector<scheme> parsed(const std::vector<std::string>& names)
{
    std::vector<scheme> result;
    for (const std::string& name : names)
        result.push_back(parse_scheme(name));
    return result;
}

const std::vector<std::string> many = {
    "int2-g8",  "int3-g7-asym",   "int4-per-tensor-sym", "int4-per-tensor-asym", "int4-per-channel-asym", "int4-g32", "int4-g64-full", "int4-g5-asym",
    "int8-g16", "int8-g32-asym", "int8-per-tensor-sym", "int8-per-channel-sym", "int8-per-channel-axis1-asym", "int5-block-3x4", "int6-block-2x50-asym",
    "int16-per-channel-sym", "int4-g16-half-away", "int4-g16-stochastic3", "int4-g16-scale-f16", "int4-per-channel-sym-scale-bf16",
    "int8-per-channel-sym-scale-f64", "int4-g32-asym-scale-f64", "int4-g32-percentile95", "int4-g32-mse", "int4-per-channel-asym-norm2.4", "int3-per-tensor-sym-mse"};

// errors of decoded weights, one by one
error_sums errors_of(const std::vector<double>& w, const std::vector<double>& decoded)
{
    error_sums sums;
    for (std::size_t i = 0; i < w.size(); ++i) {
        if (!std::isfinite(w[i])) {
            ++sums.non_finite_count;
            continue;
        }
        const double e = w[i] - decoded[i];
        ++sums.count;
        sums.flushed_count += w[i] != 0 && decoded[i] == 0;
        sums.signal += w[i] * w[i];
        sums.squared_error += e * e;
        sums.absolute_error += std::fabs(e);
        sums.error += e;
        sums.signal_error += w[i] * e;
        sums.max_error = std::max(sums.max_error, std::fabs(e));
        sums.max_magnitude = std::max(sums.max_magnitude, std::fabs(w[i]));
    }
    return sums;
}

void check_sums(const error_sums& sums, const error_sums& expected, double tolerance = 1e-12)
{
    CHECK(sums.count == expected.count);
    CHECK(sums.non_finite_count == expected.non_finite_count);
    CHECK(sums.flushed_count == expected.flushed_count);
    CHECK(sums.signal == Approx(expected.signal).epsilon(tolerance));
    CHECK(sums.squared_error == Approx(expected.squared_error).epsilon(tolerance));
    CHECK(sums.absolute_error == Approx(expected.absolute_error).epsilon(tolerance));
    CHECK(sums.max_error == Approx(expected.max_error).epsilon(tolerance));
    CHECK(sums.max_magnitude == expected.max_magnitude);
    // terms of either sign: relative to the sum of their magnitudes
    CHECK(std::fabs(sums.error - expected.error) <= tolerance * expected.absolute_error);
    CHECK(std::fabs(sums.signal_error - expected.signal_error) <= tolerance * std::sqrt(expected.signal * expected.squared_error));
}

template <class W>
error_sums errors_of_quantized(const W& w, const scheme& options)
{
    const xt::xarray<double> decoded = dequantize<double>(quantize_uniform(w, options));
    std::vector<double> weights;
    for (auto it = w.template begin<xt::layout_type::row_major>(); it != w.template end<xt::layout_type::row_major>(); ++it)
        weights.push_back(static_cast<double>(*it));
    return errors_of(weights, {decoded.begin(), decoded.end()});
}

// weights without a random number: (7919 i mod 1000 - 500) / 512, a small row, one without signs, one with outliers
xt::xtensor<float, 2> made_up_weights()
{
    xt::xtensor<float, 2> w = xt::empty<float>({6, 40});
    for (std::size_t i = 0; i < w.size(); ++i)
        w.data()[i] = static_cast<float>(static_cast<int>(i * 7919 % 1000) - 500) / 512;
    for (std::size_t j = 0; j < 40; ++j) {
        w(1, j) *= 0.01F;
        w(2, j) = std::fabs(w(2, j));
        w(3, j) *= j < 4 ? 8.0F : 1.0F;
    }
    return w;
}

}  // namespace

TEST_CASE("quantization errors by hand")
{
    // 3 bits: codes -3 .. 3, step 2. {6, 1, -3, 2}: codes 3, 0 (0.5 to even), -2 (-1.5 to even), 1; errors 0, 1, 1, 0
    const xt::xtensor<float, 1> w = {6, 1, -3, 2};
    const auto r = simulate_quantization(w, {.bits = 3}, {.p999 = true, .code_usage = true, .channels = true, .groups = true});
    CHECK(r.sums.count == 4);
    CHECK(r.mse.value == 0.5);
    CHECK(r.mae.value == 0.5);
    CHECK(r.rmse.value == Approx(std::sqrt(0.5)).epsilon(1e-15));
    CHECK(r.max_error.value == 1);
    CHECK(r.p999_error.value == 1);
    CHECK(r.bias.value == 0.5);
    CHECK(r.sqnr_db.value == Approx(10 * std::log10(50.0 / 2)).epsilon(1e-15));
    CHECK(r.psnr_db.value == Approx(10 * std::log10(36 / 0.5)).epsilon(1e-15));
    CHECK(r.cosine_similarity.value == Approx(52 / std::sqrt(50.0 * 56)).epsilon(1e-15));  // <w, ŵ> = 36 + 12 + 4, |ŵ|² = 36 + 16 + 4
    CHECK(r.relative_error.value == Approx(0.2).epsilon(1e-15));
    CHECK(r.codes_used_fraction.value == Approx(4.0 / 7).epsilon(1e-15));
    CHECK(r.clipped_fraction.value == 0);
    CHECK(r.flushed_fraction.value == 0.25);
    CHECK(r.channels.size() == 1);
    CHECK(r.groups.size() == 1);
    CHECK(r.groups[0].squared_error == 2);
}

TEST_CASE("clipped and flushed weights are counted")
{
    // the range holds 80 percent of the magnitudes 0 0.1 1 2 10: rank 3.2 of 4, 2 + 0.2 · 8 = 3.6; step 3.6 / 3 = 1.2 of codes -3 .. 3
    const xt::xtensor<float, 1> w = {0, 0.1F, 1, 2, -10};
    const auto r = simulate_quantization(w, parse_scheme("int3-per-tensor-sym-percentile80"));
    CHECK(r.clipped_fraction.value == 0.2);
    CHECK(r.flushed_fraction.value == 0.2);
    CHECK(r.max_error.value == Approx(10 - 3.6).epsilon(1e-6));
}

TEST_CASE("simulated errors are those of numpy")
{
    // import numpy as np; f = np.float32
    // w = ((np.arange(240, dtype=np.int64) * 7919 % 1000 - 500).astype(f) / f(512)).reshape(6, 40)
    // w[1] *= f(0.01); w[2] = np.abs(w[2]); w[3, :4] *= f(8)
    // def symmetric(v, bits):                                  # v: [groups, size]
    //     top = 2**(bits-1) - 1; s = np.abs(v).max(1, keepdims=True) / f(top)
    //     return np.clip(np.rint(v / s), -top, top) * s
    // def asymmetric(v, bits):
    //     low, high = np.minimum(v.min(1, keepdims=True), 0), np.maximum(v.max(1, keepdims=True), 0)
    //     s = ((high.astype(np.float64) - low) / (2**bits - 1)).astype(f)
    //     z = np.clip(np.rint(-low.astype(np.float64) / s), 0, 2**bits - 1)
    //     return ((np.clip(np.rint(v / s) + z, 0, 2**bits - 1) - z) * s).astype(f)
    // for code in (symmetric, asymmetric):
    //     for bits in (4, 8):
    //         for size in (240, 40, 8):
    //             d = code(w.reshape(-1, size), bits).reshape(6, 40)
    //             e = w.astype(np.float64) - d.astype(np.float64); x = w.astype(np.float64)
    //             print((e**2).mean(), np.abs(e).mean(), np.abs(e).max(), e.mean(), 10*np.log10((x**2).sum()/(e**2).sum()),
    //                   (x*d).sum()/np.sqrt((x**2).sum()*(d.astype(np.float64)**2).sum()), np.quantile(np.abs(e), 0.999))
    struct row
    {
        const char* name;
        double mse, mae, max, bias, sqnr, cosine, p999;
    };
    const row rows[] = {
        {"int4-per-tensor-sym", 0.07764200670502262, 0.22564825213169873, 0.5139509439468384, -4.719903760512049e-05, 9.963216244347063, 0.9603253681448994, 0.5134841470718383},
        {"int4-per-channel-sym", 0.017064387400212135, 0.06807432064209328, 0.5080915689468384, 0.001067919042543508, 16.543276738810047, 0.9898551177450158, 0.5062243814468383},
        {"int4-g8", 0.004591924855534376, 0.03217083465230341, 0.46428585052490234, 0.00047814697439510685, 22.244236034574737, 0.997274910056388, 0.463085495352745},
        {"int8-per-tensor-sym", 0.00022097023463643988, 0.012346873130930665, 0.028297245502471924, -0.00028454841182489566, 35.42084599066341, 0.9998576035279381, 0.02823476469516754},
        {"int8-per-channel-sym", 4.479309773044299e-05, 0.0034958678586917815, 0.027682095766067505, -0.0001447718079361948, 42.35207278165436, 0.9999713766360037, 0.027520366489887236},
        {"int8-g8", 1.0820021532054366e-05, 0.001611051212118279, 0.024852275848388672, 7.985426406473076e-05, 48.521902508759595, 0.9999932785180328, 0.023881942927837355},
        {"int4-per-tensor-asym", 0.02283075450370963, 0.12271272337651075, 0.2721354365348816, 0.0022287337909801864, 15.2789811174484, 0.9856249901135729, 0.2719798328280449},
        {"int4-per-channel-asym", 0.005143067570891997, 0.04269957783180871, 0.265625, -0.0008864336564632443, 21.751961456751392, 0.9966609826518134, 0.26375781249999997},
        {"int4-g8-asym", 0.0014480497379825213, 0.023405291791277705, 0.19270837306976318, -0.001438105529329429, 27.256348965266845, 0.9990679132808563, 0.19270828759670258},
        {"int8-per-tensor-asym", 7.980732311187369e-05, 0.007688824732758804, 0.01596963405609131, -4.72007139857548e-05, 39.84375631905076, 0.9999481783828674, 0.015960491999983787},
        {"int8-per-channel-asym", 1.7112880731866084e-05, 0.0024222147042261594, 0.015602052211761475, 2.8104929272861532e-05, 46.53095252354624, 0.9999892421739572, 0.015591058239340781},
        {"int8-g8-asym", 3.442924478934193e-06, 0.0012041756501275814, 0.012561321258544922, -3.7079124134227943e-05, 53.494908794074476, 0.9999977660840612, 0.012048710823059073},
    };
    const auto w = made_up_weights();
    for (const row& expected : rows) {
        CAPTURE(expected.name);
        const auto r = simulate_quantization(w, parse_scheme(expected.name), {.p999 = true});
        CHECK(r.mse.value == Approx(expected.mse).epsilon(1e-12));
        CHECK(r.mae.value == Approx(expected.mae).epsilon(1e-12));
        CHECK(r.max_error.value == expected.max);
        CHECK(r.bias.value == Approx(expected.bias).epsilon(1e-11));  // a sum of terms of either sign
        CHECK(r.sqnr_db.value == Approx(expected.sqnr).epsilon(1e-12));
        CHECK(r.cosine_similarity.value == Approx(expected.cosine).epsilon(1e-12));
        CHECK(r.p999_error.value == Approx(expected.p999).epsilon(1e-12));
    }
}

TEMPLATE_TEST_CASE("simulated errors are those of quantized and decoded weights", "", float, double, float16, bfloat16)
{
    xt::xtensor<TestType, 2> w = random_normal<TestType>({13, 101}, {.seed = 1, .std = 0.05});
    w(3, 7) = TestType(0.0F);
    w(4, 8) = TestType(NAN);
    w(4, 9) = TestType(-INFINITY);
    for (std::size_t j = 0; j < 101; ++j)
        w(5, j) = TestType(0.0F);
    const auto schemes = parsed(many);
    const auto swept = simulate_sweep(w, schemes);
    for (std::size_t i = 0; i < many.size(); ++i) {
        CAPTURE(many[i]);
        if (std::is_same_v<TestType, double> && schemes[i].scale != scale_type::f64)
            continue;  // decoded in float: the next test
        const error_sums expected = errors_of_quantized(w, schemes[i]);
        check_sums(swept[i].sums, expected);
        check_sums(simulate_quantization(w, schemes[i]).sums, expected);
        CHECK(swept[i].sums.clipped_count == simulate_quantization(w, schemes[i]).sums.clipped_count);
    }
}

TEST_CASE("weights that float does not hold are simulated as they are decoded")
{
    const xt::xtensor<double, 2> w = random_normal<double>({7, 60}, {.seed = 2});
    for (const char* name : {"int4-g16", "int8-per-channel-asym", "int8-per-tensor-sym", "int16-per-tensor-sym", "int4-g16-scale-f16"})
        check_sums(simulate_quantization(w, parse_scheme(name)).sums, errors_of_quantized(w, parse_scheme(name)));
}

TEST_CASE("large tensors are added up to eight digits")
{
    // two million weights: 256 at a time are added up in float where groups are whole vectors
    constexpr std::size_t cols = 3528;
    xt::xtensor<float, 2> w = random_normal<float>({600, cols}, {.seed = 3, .std = 0.02});
    w(1, 1) = NAN;
    w(2, 3) = 0;
    for (std::size_t j = 0; j < cols; ++j) {
        w(7, j) = 0;
        w(8, j) *= 1e-20F;  // squares of its errors are no floats: added up in double
        w(9, j) *= 1e22F;
    }
    for (const char* name : {"int8-per-channel-sym", "int4-g32", "int4-g128-asym", "int4-g104-percentile90", "int3-g100-asym", "int2-g3000", "int16-g40",
                             "int4-g32-half-away"}) {
        CAPTURE(name);
        const scheme options = parse_scheme(name);
        const auto r = simulate_quantization(w, options, {.channels = true});
        check_sums(r.sums, errors_of_quantized(w, options), 1e-8);
        for (const std::size_t row : {std::size_t{0}, std::size_t{7}, std::size_t{8}, std::size_t{9}}) {
            const xt::xtensor<float, 2> alone = xt::view(w, xt::range(row, row + 1), xt::all());
            check_sums(r.channels[row], errors_of_quantized(alone, options));
        }
    }
    // without the huge row the others count
    const xt::xtensor<float, 2> rest = xt::view(w, xt::range(10, 600), xt::all());
    const xt::xtensor<float, 2> again = xt::concatenate(xt::xtuple(rest, rest));
    for (const char* name : {"int8-per-tensor-sym", "int8-per-channel-asym", "int4-g32", "int16-per-channel-sym", "int6-g8-asym"}) {
        CAPTURE(name);
        check_sums(simulate_quantization(again, parse_scheme(name)).sums, errors_of_quantized(again, parse_scheme(name)), 1e-8);
    }
}

TEST_CASE("columns of large tensors are added up to eight digits")
{
    auto w = random_normal<float>({300, 4096}, {.seed = 4, .std = 0.02});
    for (std::size_t i = 0; i < 300; ++i) {
        w(i, 5) = 0;
        w(i, 6) = i % 2 == 0 ? 0.5F : -0.5F;
        w(i, 7) = std::fabs(w(i, 7)) + 0.1F;
    }
    xt::xtensor<float, 3> stack = xt::empty<float>({std::size_t{40}, std::size_t{9}, std::size_t{4000}});
    const auto more = random_normal<float>({40 * 9 * 4000}, {.seed = 5});
    std::copy(more.begin(), more.end(), stack.data());
    xt::xtensor<float, 2> broken = w, tiny = w;
    broken(17, 4000) = NAN;
    for (std::size_t i = 0; i < 300; ++i)
        tiny(i, 9) *= 1e-30F;
    for (const char* name : {"int8-per-channel-axis1-sym", "int4-per-channel-axis1-asym", "int4-per-channel-axis1-full", "int3-per-channel-axis1-sym-scale-f16"}) {
        CAPTURE(name);
        const scheme options = parse_scheme(name);
        check_sums(simulate_quantization(w, options).sums, errors_of_quantized(w, options), 1e-8);
        check_sums(simulate_quantization(stack, options).sums, errors_of_quantized(stack, options), 1e-8);
        check_sums(simulate_quantization(broken, options).sums, errors_of_quantized(broken, options), 1e-8);
        check_sums(simulate_quantization(tiny, options).sums, errors_of_quantized(tiny, options), 1e-8);
        const xt::xtensor<bfloat16, 2> narrow = xt::cast<bfloat16>(w);
        check_sums(simulate_quantization(narrow, options).sums, errors_of_quantized(narrow, options), 1e-8);
        std::size_t clipped = 0;  // of columns alone, which are added up in double
        for (std::size_t j = 0; j < 4096; j += 1024) {
            const xt::xtensor<float, 2> cols = xt::view(w, xt::all(), xt::range(j, j + 1024));
            clipped += simulate_quantization(cols, options).sums.clipped_count;
        }
        const error_sums one = with_threads(1, [&] { return simulate_quantization(w, options).sums; }), two = with_threads(2, [&] { return simulate_quantization(w, options).sums; });
        CHECK(one.clipped_count == clipped);
        CHECK(one.squared_error == two.squared_error);
        CHECK(one.signal == two.signal);
        CHECK(one.signal_error == two.signal_error);
    }
}

TEST_CASE("sums have the same bits for any number of threads, and for a sweep that repeats a scheme")
{
    const auto w = random_normal<float>({1400, 1504}, {.seed = 4});
    auto schemes = parsed({"int8-per-tensor-sym", "int8-per-channel-sym", "int4-g32", "int4-g64-asym", "int4-g32", "int5-block-32x32"});
    const auto sweep = [&](std::size_t threads) { return with_threads(threads, [&] { return simulate_sweep(w, schemes, {.p999 = true, .code_usage = true, .groups = true}); }); };
    const auto one = sweep(1);
    for (const std::size_t threads : {2, 3}) {
        const auto more = sweep(threads);
        for (std::size_t i = 0; i < schemes.size(); ++i) {
            CHECK(more[i].sums.squared_error == one[i].sums.squared_error);
            CHECK(more[i].sums.absolute_error == one[i].sums.absolute_error);
            CHECK(more[i].sums.error == one[i].sums.error);
            CHECK(more[i].sums.signal_error == one[i].sums.signal_error);
            CHECK(more[i].sums.signal == one[i].sums.signal);
            CHECK(more[i].p999_error.value == one[i].p999_error.value);
            CHECK(more[i].codes_used_fraction.value == one[i].codes_used_fraction.value);
            CHECK(more[i].groups.front().squared_error == one[i].groups.front().squared_error);
        }
    }
    CHECK(one[2].sums.squared_error == one[4].sums.squared_error);
    CHECK(simulate_sweep(w, std::vector<scheme>{}).empty());
}

TEST_CASE("channels and groups add up to the tensor")
{
    xt::xtensor<float, 4> w = random_normal<float>({6, 5, 3, 4}, {.seed = 5});
    w(1, 2, 0, 0) = NAN;
    for (const std::string& name : many) {
        CAPTURE(name);
        const scheme options = parse_scheme(name);
        const auto r = simulate_quantization(w, options, {.channels = true, .groups = true});
        CHECK(r.channels.size() == 6);
        const auto q = quantize_uniform(w, options);
        CHECK(r.groups.size() == q.scales.size());
        error_sums channels, groups;
        for (const error_sums& sums : r.channels)
            channels += sums;
        for (const error_sums& sums : r.groups)
            groups += sums;
        check_sums(channels, r.sums);
        check_sums(groups, r.sums);
        CHECK(channels.clipped_count == r.sums.clipped_count);
        CHECK(groups.clipped_count == r.sums.clipped_count);
        // one by one
        const xt::xarray<double> decoded = dequantize<double>(q);
        std::vector<std::vector<double>> weights(q.scales.size()), values(q.scales.size()), row_weights(6), row_values(6);
        for (std::size_t i = 0; i < w.size(); ++i) {
            const std::size_t group = plain::group_of(i, q.shape, options);
            weights[group].push_back(static_cast<double>(w.data()[i]));
            values[group].push_back(decoded.data()[i]);
            row_weights[i / 60].push_back(static_cast<double>(w.data()[i]));
            row_values[i / 60].push_back(decoded.data()[i]);
        }
        for (std::size_t g = 0; g < q.scales.size(); ++g)
            check_sums(r.groups[g], errors_of(weights[g], values[g]));
        for (std::size_t row = 0; row < 6; ++row)
            check_sums(r.channels[row], errors_of(row_weights[row], row_values[row]));
    }
}

TEST_CASE("no error looks perfect because its input was broken")
{
    const xt::xtensor<float, 2> zero = xt::zeros<float>({4, 4});
    for (const char* name : {"int8-per-tensor-sym", "int8-per-tensor-asym", "int4-g2"}) {
        const auto r = simulate_quantization(zero, parse_scheme(name));
        CHECK(r.mse.value == 0);
        CHECK(r.sqnr_db.reason == "all zero");
        CHECK(r.psnr_db.reason == "all zero");
        CHECK(r.cosine_similarity.reason == "all zero");
        CHECK(r.relative_error.reason == "all zero");
        CHECK(r.flushed_fraction.value == 0);
        CHECK(r.p999_error.reason == "not asked for");
        CHECK(r.codes_used_fraction.reason == "not asked for");
    }
    const xt::xtensor<float, 2> nan = NAN * xt::ones<float>({4, 4});
    CHECK(simulate_quantization(nan, {}, {.p999 = true}).sqnr_db.reason == "no finite entries");
    CHECK(simulate_quantization(nan, {}, {.p999 = true}).p999_error.reason == "no finite entries");
    CHECK(simulate_quantization(nan).mse.reason == "no finite entries");
    CHECK(simulate_quantization(nan).sums.non_finite_count == 16);
    const xt::xtensor<float, 2> none = xt::empty<float>({std::size_t{0}, std::size_t{4}});
    CHECK(simulate_quantization(none, {}, {.p999 = true, .code_usage = true, .channels = true, .groups = true}).mse.reason == "no entries");
    const xt::xtensor<float, 1> codes = {127, -3, 0, 55};
    const auto exact = simulate_quantization(codes);
    CHECK(exact.sqnr_db.reason == "exact");
    CHECK(exact.psnr_db.reason == "exact");
    CHECK(exact.cosine_similarity.value == 1);
    CHECK(exact.relative_error.value == 0);
    const xt::xtensor<float, 2> constant = 0.3F * xt::ones<float>({4, 4});
    CHECK(simulate_quantization(constant, parse_scheme("int4-per-tensor-sym")).sqnr_db.reason == "exact");
    CHECK(simulate_quantization(constant, parse_scheme("int4-per-tensor-asym")).sqnr_db.reason == "exact");
    // half floats end at 65504: nothing is left of 1e38
    const xt::xtensor<float, 1> huge = {1e38F, -5e37F};
    CHECK(simulate_quantization(huge, parse_scheme("int8-per-tensor-sym-scale-f16")).cosine_similarity.reason == "decoded to almost nothing");
    CHECK(simulate_quantization(huge, parse_scheme("int8-per-tensor-sym-scale-f16")).clipped_fraction.value == 1);
}

TEST_CASE("the cosine never exceeds 1")
{
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        const auto w = random_normal<float>({3, 50}, {.seed = seed, .std = 1e-3});
        for (const char* name : {"int16-per-tensor-sym", "int8-g8", "int16-g10-asym"})
            CHECK(simulate_quantization(w, parse_scheme(name)).cosine_similarity.value <= 1);
    }
}

TEST_CASE("finer scales and more bits lose less, by as much as theory says")
{
    // Gaussian weights gain about 0.75 dB from halving a group of INT4, not 3; a bit is worth 6.02 dB
    const auto w = random_normal<float>({512, 1024}, {.seed = 6});
    const auto r = simulate_sweep(w, parsed({"int4-g256", "int4-g128", "int4-g64", "int4-g32", "int8-g128", "int7-g128"}));
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(r[i + 1].sqnr_db.value - r[i].sqnr_db.value > 0.5);
        CHECK(r[i + 1].sqnr_db.value - r[i].sqnr_db.value < 1);
    }
    CHECK(r[1].sqnr_db.value == Approx(18.6).margin(0.1));
    CHECK(r[4].sqnr_db.value - r[5].sqnr_db.value == Approx(20 * std::log10(127.0 / 63)).margin(0.05));
}

TEST_CASE("simulation refuses schemes that do not fit")
{
    const xt::xtensor<float, 1> w = {1};
    CHECK_THROWS_WITH(simulate_quantization(w, {.bits = 1}), "weightscope::simulate_quantization(weights, scheme): scheme.bits is 1, expected 2 to 8 or 16");
    CHECK_THROWS_WITH(simulate_sweep(w, std::vector<scheme>{{}, {.granularity = scale_granularity::per_group, .group_size = 0}}),
                      "weightscope::simulate_sweep(weights, schemes): scheme.group_size is 0, expected 1 or more");
}

TEST_CASE("a scale that overflows loses its weights, and the sums say so")
{
    xt::xtensor<float, 1> w = xt::zeros<float>({64});
    w(0) = 1e30F;  // 1e30 / 127 is beyond half floats
    const quantization_error error = simulate_quantization(w, parse_scheme("q8_0"));
    CHECK(error.sums.flushed_count <= error.sums.count);
    CHECK_FALSE(std::isfinite(error.sums.squared_error));
    CHECK_FALSE(std::isfinite(error.max_error.value));
}
