// Float grids and NF4: every code, every half float, and the figures of their errors.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <weightscope/core/parallel.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/quantizers/conventions.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/simulate.hpp>
#include <weightscope/quantizers/uniform.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

// The finite numbers of a grid with their codes, by the definition of its format: sign, exponent, mantissa.
struct code_table
{
    std::vector<double> values = {};
    std::vector<int> codes = {};
};

code_table table_of(const std::string& name)
{
    struct format
    {
        const char* name;
        int bits, mantissa, bias;
        double largest;
        bool negative_zero;
    };
    for (const format& f : {format{"fp8-e4m3", 8, 3, 7, 448, true}, format{"fp8-e5m2", 8, 2, 15, 57344, true}, format{"fp8-e4m3fnuz", 8, 3, 8, 240, false},
                            format{"fp8-e5m2fnuz", 8, 2, 16, 57344, false}, format{"fp6-e3m2", 6, 2, 3, 28, true}, format{"fp6-e2m3", 6, 3, 1, 7.5, true},
                            format{"fp4-e2m1", 4, 1, 1, 6, true}}) {
        if (name != f.name)
            continue;
        code_table table;
        for (int code = 0; code < 1 << f.bits; ++code) {
            const int sign = code >> (f.bits - 1), magnitude = code & ((1 << (f.bits - 1)) - 1);
            const int exponent = magnitude >> f.mantissa, fraction = magnitude & ((1 << f.mantissa) - 1);
            const double value = exponent == 0 ? std::ldexp(fraction, 1 - f.bias - f.mantissa) : std::ldexp(fraction + (1 << f.mantissa), exponent - f.bias - f.mantissa);
            if (value > f.largest || (sign != 0 && value == 0 && !f.negative_zero))
                continue;
            table.values.push_back(sign != 0 ? -value : value);
            table.codes.push_back(code >= 1 << (f.bits - 1) ? code - (1 << f.bits) : code);
        }
        return table;
    }
    code_table table;  // NF4 as published, arXiv:2305.14314, appendix E
    for (const double value : {-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
                               -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
                               0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0}) {
        table.codes.push_back(static_cast<int>(table.values.size()) - (table.values.size() < 8 ? 0 : 16));
        table.values.push_back(value);
    }
    return table;
}

// The number of the table next to x. Of two that are equally near the one with the even code, or `away` the one further from 0.
double nearest(double x, const code_table& table, bool away)
{
    std::size_t best = 0;
    for (std::size_t i = 1; i < table.values.size(); ++i) {
        const double d = std::fabs(table.values[i] - x), least = std::fabs(table.values[best] - x);
        const bool wins = away ? std::fabs(table.values[i]) > std::fabs(table.values[best]) : table.codes[i] % 2 == 0 && table.codes[best] % 2 != 0;
        if (d < least || (d == least && wins))
            best = i;
    }
    return table.values[best];
}

const std::vector<std::string> grids = {"fp8-e4m3", "fp8-e5m2", "fp8-e4m3fnuz", "fp8-e5m2fnuz", "fp6-e3m2", "fp6-e2m3", "fp4-e2m1", "nf4"};

// Rows {largest, x}: their scale is 1.
xt::xtensor<float, 2> rows_of_scale_one(const std::vector<float>& values, double largest)
{
    xt::xtensor<float, 2> w = xt::empty<float>({values.size(), std::size_t{2}});
    for (std::size_t i = 0; i < values.size(); ++i) {
        w(i, 0) = static_cast<float>(largest);
        w(i, 1) = values[i];
    }
    return w;
}

}  // namespace

TEST_CASE("every code of every grid is read back")
{
    for (const std::string& grid : grids) {
        CAPTURE(grid);
        const code_table table = table_of(grid);
        const double largest = *std::max_element(table.values.begin(), table.values.end());
        const scheme options = parse_scheme(grid + "-per-channel");
        const auto q = quantize_uniform(rows_of_scale_one({table.values.begin(), table.values.end()}, largest), options);
        const auto& codes = std::get<xt::xarray<std::int8_t>>(q.codes);
        const xt::xarray<float> decoded = dequantize(q);
        std::size_t wrong_codes = 0, wrong_values = 0;
        for (std::size_t i = 0; i < table.values.size(); ++i) {
            wrong_codes += codes(i, 1) != table.codes[i];
            wrong_values += static_cast<double>(decoded(i, 1)) != table.values[i];
        }
        CHECK(table.values.size() >= (std::size_t{1} << options.bits) - 8);  // the rest is NaN and Inf
        CHECK(wrong_codes == 0);
        CHECK(wrong_values == 0);
    }
}

TEST_CASE("every half float goes to the nearest number of a grid")
{
    for (const std::string& grid : grids)
        for (const bool away : {false, true}) {
            if (grid == "nf4" && away)
                continue;  // not its own: bounds between its numbers are those of the runtime
            CAPTURE(grid, away);
            const code_table table = table_of(grid);
            const double largest = *std::max_element(table.values.begin(), table.values.end());
            std::vector<float> values;
            for (std::uint32_t bits = 0; bits < 65536; ++bits) {
                const auto x = static_cast<float>(float16::from_bits(static_cast<std::uint16_t>(bits)));
                if (std::fabs(x) <= static_cast<float>(largest))
                    values.push_back(x);
            }
            const auto w = rows_of_scale_one(values, largest);
            const scheme options = parse_scheme(grid + "-per-channel" + (away ? "-half-away" : ""));
            const xt::xarray<float> decoded = dequantize(quantize_uniform(w, options));
            std::size_t wrong = 0;
            for (std::size_t i = 0; i < values.size(); ++i)
                wrong += static_cast<double>(decoded(i, 1)) != nearest(static_cast<double>(values[i]), table, away);
            CHECK(values.size() > 30000);
            CHECK(wrong == 0);
        }
}

TEST_CASE("every half float goes to the nearest code of 4 and 8 bits, as each runtime rounds")
{
    // a scale of 1 by a first weight of the largest level; halves: to even, away from zero (q8_0), up (q4_0, q5_0)
    struct code
    {
        const char* name;
        float first;
        double lowest, highest;
        char halves;
    };
    for (const code& c : {code{"nncf-int4-sym-per-channel", -8, -8, 7, 'e'}, code{"q4_0-per-channel", -8, -8, 7, 'u'}, code{"q5_0-per-channel", -16, -16, 15, 'u'},
                          code{"q8_0-per-channel", 127, -127, 127, 'a'}, code{"onnx-int8", 127, -127, 127, 'e'}}) {
        CAPTURE(c.name);
        std::vector<float> values;
        for (std::uint32_t bits = 0; bits < 65536; ++bits) {
            const auto x = static_cast<float>(float16::from_bits(static_cast<std::uint16_t>(bits)));
            if (std::fabs(x) < std::fabs(c.first))
                values.push_back(x);
        }
        const xt::xarray<float> decoded = dequantize(quantize_uniform(rows_of_scale_one(values, static_cast<double>(c.first)), parse_scheme(c.name)));
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < values.size(); ++i) {
            const auto x = static_cast<double>(values[i]);
            // ggml adds 8.5 in float: what is less than half a last place below a half is rounded to it
            const double up = std::floor(static_cast<double>(values[i] + (0.5F - static_cast<float>(c.lowest)))) + c.lowest;
            const double level = c.halves == 'u' ? up : c.halves == 'a' ? std::round(x) : std::nearbyint(x);
            wrong += static_cast<double>(decoded(i, 1)) != std::min(std::max(level, c.lowest), c.highest);
        }
        CHECK(values.size() > 35000);
        CHECK(wrong == 0);
    }
}

TEST_CASE("weights beyond the largest number of a grid are clipped and counted")
{
    // floor gives 7.9 a scale of 1: 7.9, 7 and -7.5 are beyond 6, and 6.9 too: 7 would be the next number
    const xt::xtensor<float, 2> w = {{7.9F, 7, -7.5F, 6.9F, 6, 4.9F, 0.1F, 0}};
    const auto r = simulate_quantization(w, parse_scheme("mxfp4"), {.p999 = true, .code_usage = true, .channels = true, .groups = true});
    CHECK(r.sums.clipped_count == 3);
    CHECK(r.sums.flushed_count == 1);
    CHECK(r.max_error.value == Approx(1.9).epsilon(1e-6));
    CHECK(r.codes_used_fraction.value == 4.0 / 16);  // 6, -6, 4, 0
    CHECK(r.p999_error.value == Approx(1.9 - 0.4 * 0.007).epsilon(1e-5));
    CHECK(r.channels.size() == 1);
    CHECK(r.groups.at(0).clipped_count == 3);
}

TEST_CASE("simulated errors are those of the decoded weights, for every convention and layout")
{
    xt::xtensor<float, 3> w = random_normal<float>({std::size_t{5}, std::size_t{7}, std::size_t{31}}, {.seed = 1, .std = 0.05});
    w(1, 2, 3) = NAN;
    w(2, 2, 3) = -INFINITY;
    for (std::size_t j = 0; j < 31; ++j)
        w(3, 0, j) = 0;
    std::vector<scheme> schemes;
    for (const convention& c : conventions())
        schemes.push_back(c.options);
    for (const char* name : {"fp8-e4m3", "fp8-e5m2-block-3x50", "nf4-g7", "fp4-e2m1-per-channel-axis1", "fp6-e2m3-g9-scale-f16", "gptq-int4-asym-per-tensor",
                             "q4_0-per-tensor", "awq-int4-block-2x20", "nvfp4-per-tensor", "q8_0-g300"})
        schemes.push_back(parse_scheme(name));
    const auto swept = simulate_sweep(w, schemes, {.p999 = true, .channels = true, .groups = true});
    for (std::size_t i = 0; i < schemes.size(); ++i) {
        CAPTURE(to_string(schemes[i]));
        const quantized_tensor q = quantize_uniform(w, schemes[i]);
        const xt::xarray<double> decoded = dequantize<double>(q);
        double squares = 0, signal = 0, products = 0, largest = 0;
        for (std::size_t k = 0; k < w.size(); ++k) {
            const auto x = static_cast<double>(w.data()[k]);
            if (!std::isfinite(x))
                continue;
            const double e = x - decoded.data()[k];
            squares += e * e;
            signal += x * x;
            products += x * e;
            largest = std::max(largest, std::fabs(e));
        }
        const error_sums& sums = swept[i].sums;
        CHECK(sums.count == w.size() - 2);
        CHECK(sums.non_finite_count == 2);
        CHECK(sums.squared_error == Approx(squares).epsilon(1e-12));
        CHECK(sums.signal == Approx(signal).epsilon(1e-12));
        CHECK(std::fabs(sums.signal_error - products) <= 1e-12 * signal);
        CHECK(sums.max_error == largest);
        CHECK(swept[i].groups.size() == q.scales.size());
        error_sums channels, groups;
        for (const error_sums& part : swept[i].channels)
            channels += part;
        for (const error_sums& part : swept[i].groups)
            groups += part;
        CHECK(channels.squared_error == Approx(squares).epsilon(1e-12));
        CHECK(groups.squared_error == Approx(squares).epsilon(1e-12));
        CHECK(groups.clipped_count == sums.clipped_count);
        CHECK(channels.non_finite_count == 2);
        CHECK(swept[i].p999_error.value <= largest);
    }
}

TEST_CASE("types and layouts of weights make no difference to a grid")
{
    const auto w = random_normal<bfloat16>({40, 96}, {.seed = 2, .std = 0.05});
    const xt::xtensor<float, 2> floats = xt::cast<float>(w);
    const xt::xtensor<double, 2> doubles = xt::cast<double>(w);
    const xt::xtensor<float, 2, xt::layout_type::column_major> columns = floats;
    for (const char* name : {"mxfp4", "nvfp4", "nf4-g32", "fp8-e4m3-per-channel", "q4_1", "gptq-int4-g32"}) {
        CAPTURE(name);
        const scheme options = parse_scheme(name);
        const auto expected = quantize_uniform(floats, options);
        for (const auto& q : {quantize_uniform(w, options), quantize_uniform(doubles, options), quantize_uniform(columns, options),
                              quantize_uniform(xt::view(floats, xt::all(), xt::all()), options)}) {
            CHECK(q.scales == expected.scales);
            const bool same = q.codes == expected.codes;
            CHECK(same);
        }
        const double squares = simulate_quantization(floats, options).sums.squared_error;
        CHECK(simulate_quantization(w, options).sums.squared_error == Approx(squares).epsilon(1e-13));
        CHECK(simulate_quantization(doubles, options).sums.squared_error == Approx(squares).epsilon(1e-13));
    }
    const xt::xtensor<float, 2> none = xt::empty<float>({std::size_t{0}, std::size_t{32}});
    CHECK(quantize_uniform(none, parse_scheme("nvfp4")).scales.empty());
    CHECK(simulate_quantization(none, parse_scheme("nvfp4"), {.p999 = true, .groups = true}).mse.reason == "no entries");
}

TEST_CASE("large tensors in a grid are added up to eight digits, with the same bits for any number of threads")
{
    auto w = random_normal<float>({300, 4096}, {.seed = 3, .std = 0.02});
    w(7, 9) = NAN;
    for (std::size_t j = 0; j < 4096; ++j)
        w(8, j) = 0;
    for (std::size_t j = 0; j < 4096; ++j)
        w(9, j) = static_cast<float>(static_cast<int>(j * 7 % 63) - 31) / 1024;  // halves between codes
    for (const char* name : {"mxfp4", "ocp-mxfp8-e5m2-floor", "microxcaling-mxfp4", "ggml-mxfp4", "microxcaling-mxint8", "nf4-g64", "bitsandbytes-nf4", "nvfp4",
                             "nvfp4-compressed-tensors", "fp8-e4m3-per-tensor", "fp8-e5m2-per-channel", "fp8-e4m3-block-100x96", "fp4-e2m1-g8", "q4_0", "q4_1",
                             "q8_0", "gptq-int4", "gptq-int4-asym", "gptq-int4-asym-g16", "compressed-tensors-int4-asym", "torch-int8-asym", "quanto-int4",
                             "fp4-e2m1-g32-half-away"}) {
        CAPTURE(name);
        const scheme options = parse_scheme(name);
        const auto sums = [&](std::size_t threads) { return with_threads(threads, [&] { return simulate_quantization(w, options).sums; }); };
        const error_sums one = sums(1), two = sums(2);
        CHECK(one.squared_error == two.squared_error);
        CHECK(one.absolute_error == two.absolute_error);
        CHECK(one.error == two.error);
        const xt::xarray<float> decoded = dequantize(quantize_uniform(w, options));
        double squares = 0, magnitudes = 0, largest = 0;
        std::size_t flushed = 0;
        for (std::size_t i = 0; i < w.size(); ++i) {
            if (!std::isfinite(w.data()[i]))
                continue;
            const double e = static_cast<double>(w.data()[i]) - static_cast<double>(decoded.data()[i]);
            squares += e * e;
            magnitudes += std::fabs(e);
            largest = std::max(largest, std::fabs(e));
            flushed += w.data()[i] != 0 && decoded.data()[i] == 0;
        }
        CHECK(one.squared_error == Approx(squares).epsilon(1e-8));
        CHECK(one.absolute_error == Approx(magnitudes).epsilon(1e-8));
        CHECK(one.flushed_count == flushed);
        CHECK(one.max_error == largest);
        if (options.granularity == scale_granularity::per_tensor || options.granularity == scale_granularity::per_block || options.rules.global != global_scale::none)
            continue;
        std::size_t clipped = 0;  // of rows alone, which are added up in double
        for (std::size_t i = 0; i < 300; i += 60) {
            const xt::xtensor<float, 2> rows = xt::view(w, xt::range(i, i + 60), xt::all());
            clipped += simulate_quantization(rows, options).sums.clipped_count;
        }
        CHECK(one.clipped_count == clipped);
    }
}

TEST_CASE("flushed are the weights that are not 0 and become 0, also where a minimum moves zeros")
{
    for (const std::size_t cols : {std::size_t{96}, std::size_t{4096}}) {  // one by one, and in quick sums
        auto w = random_normal<float>({64, cols}, {.seed = 7, .std = 0.02});
        for (std::size_t i = 0; i < w.size(); ++i)
            w.data()[i] = i % 7 % 2 == 0 ? 0 : w.data()[i];
        for (const char* name : {"ggml-q4_1", "quanto-int2", "ggml-q4_0", "awq-int4"}) {
            const scheme options = parse_scheme(name);
            const xt::xarray<float> decoded = dequantize(quantize_uniform(w, options));
            std::size_t flushed = 0, of_first_row = 0;
            for (std::size_t i = 0; i < w.size(); ++i) {
                flushed += w.data()[i] != 0 && decoded.data()[i] == 0;
                of_first_row += i < cols && w.data()[i] != 0 && decoded.data()[i] == 0;
            }
            CAPTURE(name, cols);
            const quantization_error found = simulate_quantization(w, options, {.channels = true});
            CHECK(found.sums.flushed_count == flushed);
            CHECK(found.channels[0].flushed_count == of_first_row);
        }
    }
}

TEST_CASE("wide blocks add up to the tensor")
{
    auto w = random_normal<float>({200, 3000}, {.seed = 5, .std = 0.02});
    for (const char* name : {"int4-block-64x100-asym", "fp8-e4m3-block-64x100"}) {
        CAPTURE(name);
        const scheme options = parse_scheme(name);
        const auto r = simulate_quantization(w, options, {.channels = true, .groups = true});
        const xt::xarray<float> decoded = dequantize(quantize_uniform(w, options));
        REQUIRE(r.groups.size() == 4 * 30);
        std::vector<double> of_groups(120), of_rows(200);
        for (std::size_t i = 0; i < 200; ++i)
            for (std::size_t j = 0; j < 3000; ++j) {
                const double e = static_cast<double>(w(i, j)) - static_cast<double>(decoded(i, j));
                of_groups[i / 64 * 30 + j / 100] += e * e;
                of_rows[i] += e * e;
            }
        for (std::size_t g = 0; g < 120; ++g)
            CHECK(r.groups[g].squared_error == Approx(of_groups[g]).epsilon(1e-11));
        for (std::size_t i = 0; i < 200; ++i)
            CHECK(r.channels[i].squared_error == Approx(of_rows[i]).epsilon(1e-11));
    }
}

TEST_CASE("a search for the range is never worse than the whole range, by its own measure")
{
    auto w = random_normal<float>({24, 256}, {.seed = 8, .std = 0.02});
    for (std::size_t j = 0; j < 256; ++j) {
        w(0, j) = 0;
        w(1, j) = 0.25F;
        w(2, j) = std::fabs(w(2, j));
        w(3, j) *= j == 7 ? 20.0F : 1.0F;
    }
    w(5, 6) = NAN;
    const auto loss = [&](const scheme& options, double norm) {
        const xt::xarray<float> decoded = dequantize(quantize_uniform(w, options));
        double sum = 0;
        for (std::size_t i = 0; i < w.size(); ++i)
            sum += std::isfinite(w.data()[i]) ? std::pow(std::fabs(static_cast<double>(w.data()[i]) - static_cast<double>(decoded.data()[i])), norm) : 0;
        return sum;
    };
    for (const char* name : {"fp8-e4m3-per-channel", "fp4-e2m1-g32", "fp4-e2m1-per-tensor", "nf4-g64", "bitsandbytes-nf4", "gptq-int4", "awq-int4", "q4_0", "q4_1", "quanto-int2",
                             "fp6-e2m3-block-8x50", "compressed-tensors-int4-asym", "nncf-int4-sym-per-tensor", "fp4-e2m1-per-channel-axis1-scale-f16"}) {
        CAPTURE(name);
        const scheme whole = parse_scheme(name), squares = parse_scheme(std::string(name) + "-mse"), powers = parse_scheme(std::string(name) + "-norm1");
        CHECK(to_string(squares) == std::string(to_string(whole)) + "-mse");
        CHECK(parse_scheme(to_string(powers)) == powers);
        const double by_squares = loss(squares, 2), by_powers = loss(powers, 1);
        CHECK(by_squares <= loss(whole, 2) * (1 + 1e-12));
        CHECK(by_powers <= loss(whole, 1) * (1 + 1e-12));
        CHECK(simulate_quantization(w, squares).sums.squared_error == Approx(by_squares).epsilon(1e-12));
    }
    // four bits for a bell: clipping pays
    CHECK(loss(parse_scheme("fp4-e2m1-per-tensor-mse"), 2) < 0.995 * loss(parse_scheme("fp4-e2m1-per-tensor"), 2));
    CHECK(loss(parse_scheme("gptq-int4-mse"), 2) < 0.9 * loss(parse_scheme("gptq-int4"), 2));
    // 3, -1, 2, 4: half of the magnitudes are up to 2.5, a step of 2.5 / 6
    const xt::xtensor<float, 2> four = {{3, -1, 2, 4}};
    const scheme half = parse_scheme("fp4-e2m1-per-channel-percentile50");
    CHECK(quantize_uniform(four, half).scales[0] == Approx(2.5 / 6).epsilon(1e-7));
    CHECK(simulate_quantization(four, half).sums.clipped_count == 2);  // 7.2 and 9.6 steps
    const xt::xtensor<float, 2> one = {{3, -1, 2, 4}};
    CHECK(quantize_uniform(one, parse_scheme("fp4-e2m1-per-tensor-percentile50")).scales[0] == Approx(2.5 / 6).epsilon(1e-7));
}

TEST_CASE("grids lose what theory says")
{
    // Gaussian weights: NF4 beats INT4 at groups of 64; NVFP4 beats MXFP4; E4M3 loses 31.5 dB whatever the scale, E5M2 6 dB more
    const auto w = random_normal<float>({256, 1024}, {.seed = 6});
    const auto db = [&](const char* name) { return simulate_quantization(w, parse_scheme(name)).sqnr_db.value; };
    CHECK(db("nf4-g64") > db("int4-g64") + 1);
    CHECK(db("nvfp4") > db("mxfp4") + 1);
    CHECK(db("ocp-mxfp4-even") > db("ocp-mxfp4-ceil"));
    CHECK(db("fp8-e4m3") == Approx(31.5).margin(0.2));
    CHECK(db("fp8-e5m2") == Approx(db("fp8-e4m3") - 6).margin(0.3));
    CHECK(db("nvfp4-modelopt") == Approx(db("nvfp4-compressed-tensors")).margin(0.01));
}

TEST_CASE("scales of the whole tensor are multipliers or divisors")
{
    const auto w = random_normal<float>({4, 64}, {.seed = 9});
    const auto m = quantize_uniform(w, parse_scheme("nvfp4-modelopt")), d = quantize_uniform(w, parse_scheme("nvfp4-compressed-tensors"));
    float largest = 0;
    for (const float x : w)
        largest = std::max(largest, std::fabs(x));
    CHECK(m.global_scale == static_cast<double>(largest / 2688));
    CHECK(d.global_scale == static_cast<double>(2688 / largest));
    CHECK(*std::max_element(m.scales.begin(), m.scales.end()) == 448);
    for (const double scale : m.scales)
        CHECK(static_cast<double>(static_cast<float>(float8_e4m3(scale))) == scale);
}

TEST_CASE("schemes whose parts contradict each other are refused")
{
    using enum element_grid;
    const auto refused = [](const scheme& options, const char* message) { CHECK_THROWS_WITH(require_scheme(options, "f(w)", 2), message); };
    refused({.bits = 4, .grid = fp8_e4m3}, "weightscope::f(w): scheme.bits is 4, expected 8 for the grid fp8-e4m3");
    refused({.bits = 4, .symmetric = false, .grid = fp4_e2m1}, "weightscope::f(w): the scheme has the grid fp4-e2m1, expected a symmetric code and a scale of max|w|");
    refused({.rules = {.reciprocal = true}},
            "weightscope::f(w): scheme.rules or the type of the scale are those of a runtime and rules.base is codes, expected another base");
    refused({.rounding = rounding_mode::half_up}, "weightscope::f(w): scheme.rounding is one of runtimes and rules.base is codes, expected another base");
    const char* fixed = "weightscope::f(w): scheme.search is set, expected none for scales that are powers of two or go with one of the tensor: their rules leave no choice";
    refused({.bits = 4, .scale = scale_type::e8m0, .search = range_search::mse, .grid = fp4_e2m1, .rules = {.base = scale_base::power_floor}}, fixed);
    refused({.bits = 4, .scale = scale_type::e4m3, .search = range_search::percentile, .grid = fp4_e2m1,
             .rules = {.base = scale_base::largest, .global = global_scale::divisor}}, fixed);
    refused({.rounding = rounding_mode::half_up, .grid = fp8_e4m3}, "weightscope::f(w): scheme.rounding is half_up, expected that of integer codes only");
    refused({.rounding = rounding_mode::stochastic, .grid = fp8_e4m3}, "weightscope::f(w): scheme.rounding is stochastic, expected that of plain integer codes only");
    refused({.symmetric = false, .rules = {.base = scale_base::largest}},
            "weightscope::f(w): scheme.symmetric and rules.base contradict each other, expected base span for asymmetric codes only");
    refused({.bits = 4, .scale = scale_type::e8m0, .grid = fp4_e2m1},
            "weightscope::f(w): scheme.scale and rules.base contradict each other, expected powers of two for scales of e8m0 only");
    refused({.bits = 4, .scale = scale_type::e4m3, .grid = fp4_e2m1},
            "weightscope::f(w): scheme.scale and rules.global contradict each other, expected a scale of the tensor for scales of e4m3 only");
    refused({.bits = 16, .rules = {.base = scale_base::largest}}, "weightscope::f(w): scheme.bits is 16, expected 2 to 8 for the rules of a runtime");
    refused({.scale = scale_type::f64, .grid = fp8_e4m3},
            "weightscope::f(w): scheme.scale is f64, expected that of plain integer codes only: other scales are computed in float");
}
