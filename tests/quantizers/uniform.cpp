#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <weightscope/core/parallel.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/storage_size.hpp>
#include <weightscope/quantizers/uniform.hpp>

#include "../catch.hpp"
#include "plain_quantizer.hpp"

using namespace weightscope;

namespace {

std::vector<int> codes_of(const quantized_tensor& q)
{
    return std::visit([](const auto& codes) { return std::vector<int>(codes.begin(), codes.end()); }, q.codes);
}

std::vector<int> zero_points_of(const quantized_tensor& q) { return {q.zero_points.begin(), q.zero_points.end()}; }

using ints = std::vector<int>;
using doubles = std::vector<double>;

// codes, scales, zero points and decoded weights are those of the plain quantizer
template <class W>
void check_against_plain(const W& w, const scheme& options)
{
    CAPTURE(to_string(options));
    const quantized_tensor q = quantize_uniform(w, options);
    const auto expected = plain::quantize(w, options);
    CHECK(q.shape == std::vector<std::size_t>(w.shape().begin(), w.shape().end()));
    CHECK(q.scales == expected.scales);
    CHECK(doubles(q.zero_points.begin(), q.zero_points.end()) == (options.symmetric ? doubles() : expected.zero_points));
    const ints codes = codes_of(q);
    CHECK(doubles(codes.begin(), codes.end()) == expected.codes);
    const xt::xarray<double> decoded = dequantize<double>(q);
    CHECK(doubles(decoded.begin(), decoded.end()) == expected.decoded);
}

std::vector<scheme> all_schemes()
{
    std::vector<scheme> result;
    for (const char* name : {"int2-g8", "int2-g8-asym", "int3-g7", "int4-per-tensor-sym", "int4-per-channel-asym", "int4-g32", "int4-g5-asym",
                             "int4-g64-full", "int5-block-3x4", "int6-block-2x50-asym", "int8-per-tensor-sym", "int8-per-tensor-asym",
                             "int8-per-channel-sym", "int8-per-channel-asym", "int8-per-channel-full", "int8-per-channel-axis1-sym",
                             "int8-per-channel-axis1-asym", "int7-g1000", "int16-per-channel-sym", "int16-g9-asym", "int4-g16-half-away", "int8-g16-asym-half-away"})
        result.push_back(parse_scheme(name));
    return result;
}

}  // namespace

TEST_CASE("symmetric INT4 by hand")
{
    // steps 1 (tensor, first row, first group) and 1/4 (second row): 3.5 and 1.5 go to the even codes 4 and 2, 0.5 to 0
    const xt::xtensor<float, 2> w = {{7, -3.5, 1.75, 0}, {1.75, -0.5, 0.375, 0.125}};
    const auto tensor = quantize_uniform(w, parse_scheme("int4-per-tensor-sym"));
    CHECK(tensor.scales == doubles{1});
    CHECK(codes_of(tensor) == ints{7, -4, 2, 0, 2, 0, 0, 0});
    CHECK((dequantize(tensor) == xt::xarray<float>{{7, -4, 2, 0}, {2, 0, 0, 0}}));
    const auto channel = quantize_uniform(w, parse_scheme("int4-per-channel-sym"));
    CHECK(channel.scales == doubles{1, 0.25});
    CHECK(codes_of(channel) == ints{7, -4, 2, 0, 7, -2, 2, 0});
    const auto group = quantize_uniform(w, parse_scheme("int4-g2"));
    // {1.75, 0} and {1.75, -0.5} step 1/4; {3/8, 1/8}: 7 and 7/3
    CHECK(group.scales == doubles{1, 0.25, 0.25, static_cast<double>(0.375F / 7)});
    CHECK(codes_of(group) == ints{7, -4, 7, 0, 7, -2, 7, 2});
    CHECK(group.zero_points.empty());
}

TEST_CASE("asymmetric INT4 by hand")
{
    // 15 steps from -4 to 11: step 1, zero at -8 + 4 = -4; the second row has a quarter of that
    const xt::xtensor<float, 2> w = {{11, -4, 2.5, 0}, {2.75, -1, 0.625, 0.125}};
    const auto tensor = quantize_uniform(w, parse_scheme("int4-per-tensor-asym"));
    CHECK(tensor.scales == doubles{1});
    CHECK(zero_points_of(tensor) == ints{-4});
    CHECK(codes_of(tensor) == ints{7, -8, -2, -4, -1, -5, -3, -4});
    CHECK((dequantize(tensor) == xt::xarray<float>{{11, -4, 2, 0}, {3, -1, 1, 0}}));
    const auto channel = quantize_uniform(w, parse_scheme("int4-per-channel-asym"));
    CHECK(channel.scales == doubles{1, 0.25});
    CHECK(zero_points_of(channel) == ints{-4, -4});
    CHECK(codes_of(channel) == ints{7, -8, -2, -4, 7, -8, -2, -4});
    // {2.5, 0} and {5/8, 1/8} have no negative weights: zero is the lowest code
    const auto group = quantize_uniform(w, parse_scheme("int4-g2-asym"));
    CHECK(zero_points_of(group) == ints{-4, -8, -4, -8});
    CHECK(codes_of(group) == ints{7, -8, 7, -8, 7, -8, 7, -5});
}

TEST_CASE("symmetric INT8 by hand")
{
    const xt::xtensor<float, 2> w = {{127, -63.5, 31.75, 0}, {31.75, -8.125, 0.375, 0.125}};
    const auto tensor = quantize_uniform(w, parse_scheme("int8-per-tensor-sym"));
    CHECK(tensor.scales == doubles{1});
    CHECK(codes_of(tensor) == ints{127, -64, 32, 0, 32, -8, 0, 0});
    const auto channel = quantize_uniform(w, parse_scheme("int8-per-channel-sym"));
    CHECK(channel.scales == doubles{1, 0.25});
    CHECK(codes_of(channel) == ints{127, -64, 32, 0, 127, -32, 2, 0});
    const auto group = quantize_uniform(w, parse_scheme("int8-g2"));
    CHECK(codes_of(group) == ints{127, -64, 127, 0, 127, -32, 127, 42});
}

TEST_CASE("asymmetric INT8 by hand")
{
    const xt::xtensor<float, 2> w = {{191, -64, 2.5, 0}, {47.75, -16, 0.625, 0.125}};
    const auto tensor = quantize_uniform(w, parse_scheme("int8-per-tensor-asym"));
    CHECK(tensor.scales == doubles{1});
    CHECK(zero_points_of(tensor) == ints{-64});
    CHECK(codes_of(tensor) == ints{127, -128, -62, -64, -16, -80, -63, -64});
    const auto channel = quantize_uniform(w, parse_scheme("int8-per-channel-asym"));
    CHECK(channel.scales == doubles{1, 0.25});
    CHECK(codes_of(channel) == ints{127, -128, -62, -64, 127, -128, -62, -64});
    const auto group = quantize_uniform(w, parse_scheme("int8-g2-asym"));
    CHECK(zero_points_of(group) == ints{-64, -128, -64, -128});
    CHECK(codes_of(group) == ints{127, -128, 127, -128, 127, -128, 127, -77});
}

TEST_CASE("roundings by hand")
{
    const xt::xtensor<float, 1> w = {7, 0.5, 1.5, 2.5, -0.5, -1.5, 0.49999997F, -2.5};
    CHECK(codes_of(quantize_uniform(w, parse_scheme("int4-per-tensor-sym"))) == ints{7, 0, 2, 2, 0, -2, 0, -2});
    CHECK(codes_of(quantize_uniform(w, parse_scheme("int4-per-tensor-sym-half-away"))) == ints{7, 1, 2, 3, -1, -2, 0, -3});
    // the whole symmetric range: -8 to 7, 7.5 steps to the largest magnitude, which is clipped to 7 where positive
    const xt::xtensor<float, 1> v = {7.5, -7.5, 1, -7};
    const auto full = quantize_uniform(v, parse_scheme("int4-per-tensor-full"));
    CHECK(full.scales == doubles{1});
    CHECK(codes_of(full) == ints{7, -8, 1, -7});
}

TEST_CASE("uniform quantization equals a plain loop")
{
    const xt::xtensor<float, 2> w = random_normal<float>({13, 101}, {.seed = 1, .std = 0.05});
    const xt::xtensor<float, 2> shifted = w + 0.1F;
    const xt::xtensor<float, 4> kernels = random_normal<float>({6, 5, 3, 3}, {.seed = 2});
    const xt::xtensor<float, 1> vector = random_normal<float>({77}, {.seed = 3});
    for (scheme options : all_schemes()) {
        check_against_plain(w, options);
        check_against_plain(shifted, options);
        check_against_plain(kernels, options);
        if (options.granularity == scale_granularity::per_channel)
            options.channel_axis = 0;
        check_against_plain(vector, options);
    }
    check_against_plain(kernels, {.granularity = scale_granularity::per_channel, .channel_axis = 3});
    check_against_plain(kernels, {.symmetric = false, .granularity = scale_granularity::per_channel, .channel_axis = 2});
    const xt::xtensor<float, 2> tall = random_normal<float>({3000, 40}, {.seed = 4});  // more than one strip of columns
    check_against_plain(tall, {.granularity = scale_granularity::per_channel, .channel_axis = 1});
    const xt::xtensor<float, 2> wide = random_normal<float>({2, 5000}, {.seed = 5});   // more than one piece of a row
    for (const char* name : {"int8-per-channel-sym", "int4-g3000-asym", "int4-g2048", "int4-per-tensor-asym"})
        check_against_plain(wide, parse_scheme(name));
}

TEST_CASE("views of any layout are quantized alike")
{
    const xt::xtensor<float, 2> w = random_normal<float>({24, 36}, {.seed = 6});
    const xt::xtensor<float, 2> every_second = xt::view(w, xt::range(0, 24, 2), xt::range(1, 36, 3));
    xt::xtensor<float, 2, xt::layout_type::column_major> columns = w;
    for (const scheme& options : all_schemes()) {
        CAPTURE(to_string(options));
        const auto expected = quantize_uniform(w, options);
        CHECK(codes_of(quantize_uniform(columns, options)) == codes_of(expected));
        CHECK(codes_of(quantize_uniform(1.0F * w, options)) == codes_of(expected));
        CHECK((dequantize(quantize_uniform(columns, options)) == dequantize(expected)));
        CHECK(codes_of(quantize_uniform(xt::view(w, xt::range(0, 24, 2), xt::range(1, 36, 3)), options))
              == codes_of(quantize_uniform(every_second, options)));
    }
}

TEMPLATE_TEST_CASE("all half floats are coded to within half a step", "", float16, bfloat16)
{
    // 256 rows of 256 neighbouring patterns, from +0 to the infinities and NaNs and from -0 on
    xt::xtensor<TestType, 2> w = xt::empty<TestType>({256, 256});
    for (std::size_t i = 0; i < 65536; ++i)
        w.data()[i] = TestType::from_bits(static_cast<std::uint16_t>(i));
    for (const char* name : {"int4-per-channel-sym", "int4-per-channel-asym", "int8-per-channel-sym", "int8-per-channel-asym", "int4-g16", "int4-g16-asym",
                             "int8-per-tensor-sym", "int8-block-2x16-asym"}) {
        CAPTURE(name);
        const scheme options = parse_scheme(name);
        const auto q = quantize_uniform(w, options);
        const auto decoded = dequantize<double>(q);
        const ints codes = codes_of(q);
        std::size_t nan = 0, infinite = 0, wrong = 0;
        for (std::size_t i = 0; i < 65536; ++i) {
            const auto x = static_cast<double>(static_cast<float>(w.data()[i]));
            const std::size_t group = plain::group_of(i, {256, 256}, options);
            const double scale = q.scales[group];
            const int zero = options.symmetric ? 0 : q.zero_points[group];
            if (std::isnan(x)) {
                ++nan;
                wrong += codes[i] != zero;
            } else if (std::isinf(x)) {
                ++infinite;
                wrong += codes[i] != (x > 0 ? options.highest_code() : options.lowest_code());
            } else {
                // a float quotient of up to 255 steps and a float product: 2^-15 of a step at most
                wrong += !(std::fabs(x - decoded.data()[i]) <= scale * (0.5 + 0x1p-15));
                wrong += x == 0 && decoded.data()[i] != 0;
            }
            wrong += codes[i] < options.lowest_code() || codes[i] > options.highest_code();
        }
        CHECK(wrong == 0);
        CHECK(q.odd.nan_weights == nan);
        CHECK(q.odd.infinite_weights == infinite);
        CHECK(nan + infinite == (std::is_same_v<TestType, float16> ? 2048 : 256));
    }
}

TEST_CASE("quantizing what was decoded changes nothing")
{
    const xt::xtensor<float, 2> w = random_normal<float>({16, 96}, {.seed = 7});
    for (const scheme& options : all_schemes()) {
        if (options.full_range || options.bits == 16)
            continue;  // 7 of 7.5 steps is the largest that full codes decode to; 16-bit products do not fit a float
        CAPTURE(to_string(options));
        const auto q = quantize_uniform(w, options);
        const xt::xarray<float> once = dequantize(q);
        const xt::xarray<float> twice = dequantize(quantize_uniform(once, options));
        for (std::size_t i = 0; i < once.size(); ++i)
            CHECK(twice.data()[i] == Approx(once.data()[i]).epsilon(1e-6).margin(1e-7));  // scales are rounded to float again
    }
}

TEST_CASE("quantization keeps zeros and order, and scales with powers of two")
{
    xt::xtensor<float, 2> w = random_normal<float>({8, 64}, {.seed = 8});
    for (std::size_t i = 0; i < 8; ++i)
        w(i, 5) = 0;
    for (const scheme& options : all_schemes()) {
        CAPTURE(to_string(options));
        const xt::xarray<float> decoded = dequantize(quantize_uniform(w, options));
        const xt::xtensor<float, 2> scaled = 0x1p-20F * w;
        CHECK(codes_of(quantize_uniform(scaled, options)) == codes_of(quantize_uniform(w, options)));
        CHECK((dequantize(quantize_uniform(scaled, options)) == xt::xarray<float>(0x1p-20F * decoded)));
        for (std::size_t i = 0; i < w.size(); ++i)
            for (std::size_t j = 0; j < w.size(); ++j)
                if (plain::group_of(i, {8, 64}, options) == plain::group_of(j, {8, 64}, options) && w.data()[i] <= w.data()[j]
                    && decoded.data()[i] > decoded.data()[j])
                    FAIL("the order of " << w.data()[i] << " and " << w.data()[j] << " is turned over");
        for (std::size_t i = 0; i < 8; ++i)
            CHECK(decoded(i, 5) == 0);
    }
}

TEST_CASE("asymmetric codes of 8 bits do not overflow")
{
    // codes 0 to 255 kept in signed bytes would wrap: 40 dB become -15 dB
    const xt::xtensor<float, 1> w = random_normal<float>({100000}, {.seed = 9});
    for (const char* name : {"int8-per-tensor-asym", "int8-g128-asym", "int16-per-tensor-asym", "int2-g128-asym"}) {
        const auto q = quantize_uniform(w, parse_scheme(name));
        const auto decoded = dequantize(q);
        double signal = 0, noise = 0;
        for (std::size_t i = 0; i < w.size(); ++i) {
            signal += std::pow(static_cast<double>(w(i)), 2);
            noise += std::pow(static_cast<double>(w(i) - decoded(i)), 2);
        }
        CHECK(10 * std::log10(signal / noise) > (q.scheme.bits == 2 ? 4 : 35));
    }
}

TEST_CASE("groups lie within a row")
{
    // groups of 4 across the rows of 6 would give the small second row the step of the first
    const xt::xtensor<float, 2> w = {{70, 70, 70, 70, 70, -69}, {0.07F, -0.05F, 0.03F, 0.01F, 0.06F, -0.07F}};
    const auto q = quantize_uniform(w, parse_scheme("int4-g4"));
    CHECK(q.scales.size() == 4);
    const auto decoded = dequantize(q);
    for (std::size_t j = 0; j < 6; ++j)
        CHECK(std::fabs(decoded(1, j) - w(1, j)) <= 0.0051F);
}

TEST_CASE("groups of one sign keep their whole range")
{
    // a range from the smallest weight on, or a zero point that is fixed or not clamped, would saturate 10 .. 11.5
    const xt::xtensor<float, 2> w = {{10, 10.5F, 11, 11.5F}, {-10, -10.5F, -11, -11.5F}, {0, 0.5F, 1, 1.5F}};
    for (const char* name : {"int4-per-channel-asym", "int4-per-channel-sym", "int8-per-channel-asym", "int4-per-tensor-asym"}) {
        const auto q = quantize_uniform(w, parse_scheme(name));
        const auto decoded = dequantize(q);
        for (std::size_t i = 0; i < 3; ++i)
            for (std::size_t j = 0; j < 4; ++j)
                CHECK(std::fabs(decoded(i, j) - w(i, j)) <= 0.5001 * q.scales[q.scales.size() == 1 ? 0 : i]);
        CHECK(q.odd.one_signed == (q.scales.size() == 1 ? 0 : 3));
    }
}

TEST_CASE("odd groups are coded sensibly and reported")
{
    // rows: zeros; a constant; a constant of either sign; NaN and infinities among numbers; nothing finite; a single weight of many
    const float nan = NAN, inf = INFINITY;
    const xt::xtensor<float, 2> w = {{0, 0, -0.0F, 0},      {0.3F, 0.3F, 0.3F, 0.3F}, {-0.3F, 0.3F, 0.3F, -0.3F},
                                     {7, nan, inf, -inf}, {nan, nan, nan, inf},     {0, 0, 0, -1e-30F}};
    for (const char* name : {"int4-per-channel-sym", "int4-per-channel-asym", "int8-per-channel-asym"}) {
        CAPTURE(name);
        const scheme options = parse_scheme(name);
        const auto q = quantize_uniform(w, options);
        const auto decoded = dequantize(q);
        for (std::size_t j = 0; j < 4; ++j) {
            CHECK(decoded(0, j) == 0);
            CHECK(decoded(1, j) == 0.3F);
            CHECK(std::fabs(decoded(2, j) - w(2, j)) <= (options.symmetric ? 0 : 0.3001F / 15));
        }
        CHECK(decoded(3, 0) == Approx(7).epsilon(1e-6));
        CHECK(decoded(3, 1) == 0);
        CHECK(codes_of(q)[14] == options.highest_code());
        CHECK(codes_of(q)[15] == options.lowest_code());
        CHECK(decoded(4, 0) == 0);
        CHECK(q.scales[0] == 1);
        CHECK(q.scales[4] == 1);
        CHECK(decoded(5, 3) == Approx(-1e-30F));
        CHECK(q.odd.all_zero == 2);
        CHECK(q.odd.constant == 1);
        CHECK(q.odd.one_signed == 3);
        CHECK(q.odd.non_finite == 2);
        CHECK(q.odd.nan_weights == 4);
        CHECK(q.odd.infinite_weights == 3);
        CHECK(q.odd.subnormal_scale == 0);
    }
    const auto tensor = quantize_uniform(w, parse_scheme("int8-per-tensor-sym"));
    CHECK(tensor.odd.non_finite == 1);
    CHECK(tensor.odd.nan_weights == 4);
    CHECK(tensor.scales[0] == static_cast<double>(7.0F / 127));
    const auto zeros = quantize_uniform(xt::zeros<float>({3, 3}), parse_scheme("int8-per-tensor-asym"));
    CHECK(zeros.odd.all_zero == 1);
    CHECK((dequantize(zeros) == xt::zeros<float>({3, 3})));
    const auto constant = quantize_uniform(xt::xtensor<float, 1>{-5, -5, -5}, parse_scheme("int2-per-tensor-asym"));
    CHECK(constant.odd.constant == 1);
    CHECK((dequantize(constant) == xt::xarray<float>{-5, -5, -5}));
}

TEST_CASE("scales are rounded to their type before weights are divided by them")
{
    const xt::xtensor<float, 2> w = random_normal<float>({4, 64}, {.seed = 10, .std = 0.05});
    for (const char* name : {"int8-per-channel-sym", "int4-g16-asym"}) {
        for (const auto type : {scale_type::f16, scale_type::bf16}) {
            scheme options = parse_scheme(name);
            options.scale = type;
            const auto q = quantize_uniform(w, options);
            for (const double scale : q.scales)
                CHECK(scale == static_cast<double>(type == scale_type::f16 ? static_cast<float>(float16(scale)) : static_cast<float>(bfloat16(scale))));
            plain::quantized given;
            given.scales = q.scales;
            given.zero_points.assign(q.zero_points.begin(), q.zero_points.end());
            given.zero_points.resize(q.scales.size());
            const auto expected = plain::quantize(w, options, &given);
            const ints codes = codes_of(q);
            CHECK(doubles(codes.begin(), codes.end()) == expected.codes);
        }
    }
    // in double: 1/127 is not rounded to float
    const xt::xtensor<float, 1> one = {1, 0.25F};
    CHECK(quantize_uniform(one, parse_scheme("int8-per-tensor-sym-scale-f64")).scales[0] == 1.0 / 127);
    CHECK(dequantize<double>(quantize_uniform(one, parse_scheme("int8-per-tensor-sym-scale-f64")))(1) == 32 * (1.0 / 127));
}

TEST_CASE("scales that their type cannot hold become its smallest or largest number")
{
    // half floats: 65504 at most, 2^-24 at least
    const xt::xtensor<float, 2> w = {{1e30F, 5}, {1e-9F, -1e-12F}, {4e-6F, -1e-6F}};
    const auto q = quantize_uniform(w, parse_scheme("int8-per-channel-sym-scale-f16"));
    CHECK(q.scales == doubles{65504, 0x1p-24, 0x1p-24});
    CHECK(q.odd.subnormal_scale == 2);
    CHECK(codes_of(q) == ints{127, 0, 0, 0, 67, -17});  // 4e-6 2^24 = 67.1, 1e-6 2^24 = 16.8
    // the smallest floats are coded exactly: 7 and -3 times 2^-149 have step 2^-149, not 0
    const float tiny = std::numeric_limits<float>::denorm_min();
    const xt::xtensor<float, 1> subnormal = {7 * tiny, -3 * tiny, 0};
    const auto s = quantize_uniform(subnormal, parse_scheme("int8-per-tensor-sym"));
    CHECK(codes_of(s) == ints{7, -3, 0});
    CHECK(s.odd.subnormal_scale == 1);
    CHECK((dequantize(s) == xt::xarray<float>(subnormal)));
    const xt::xtensor<double, 1> huge = {1.7e308, -1.7e308, 1e300};
    CHECK(quantize_uniform(huge, parse_scheme("int8-per-tensor-asym-scale-f64")).scales[0] == Approx(1.7e308 / 127.5));
}

TEST_CASE("stochastic rounding is unbiased, seeded and the same for any number of threads")
{
    // 0.25 of a step above 3, and 0.75 above -3
    const xt::xtensor<float, 2> ends = {{7.0F, 3.25F, -2.25F}};
    xt::xtensor<float, 2> w = xt::empty<float>({400, 300});
    for (std::size_t i = 0; i < w.size(); ++i)
        w.data()[i] = ends.data()[i % 3];
    scheme options = parse_scheme("int4-per-channel-sym-stochastic5");
    const auto q = quantize_uniform(w, options);
    const ints codes = codes_of(q);
    double up = 0, up_negative = 0;
    for (std::size_t i = 0; i < codes.size(); i += 3) {
        CHECK_FALSE((codes[i] != 7 || codes[i + 1] < 3 || codes[i + 1] > 4 || codes[i + 2] < -3 || codes[i + 2] > -2));
        up += codes[i + 1] == 4;
        up_negative += codes[i + 2] == -2;
    }
    // 40,000 draws: five standard deviations of the mean are 0.011
    CHECK(up / 40000 == Approx(0.25).margin(0.011));
    CHECK(up_negative / 40000 == Approx(0.75).margin(0.011));
    for (const std::size_t threads : {1, 3})
        CHECK(with_threads(threads, [&] { return codes_of(quantize_uniform(w, options)); }) == codes);
    // the draw of a weight does not depend on how weights are grouped
    options.granularity = scale_granularity::per_block;
    CHECK(codes_of(quantize_uniform(w, options)) == codes);
    options.granularity = scale_granularity::per_tensor;
    CHECK(codes_of(quantize_uniform(w, options)) == codes);
    options.seed = 6;
    CHECK(codes_of(quantize_uniform(w, options)) != codes);
}

TEST_CASE("every weight scalar is quantized as the numbers it holds")
{
    const xt::xtensor<std::int8_t, 2> bytes = {{127, -5, 0}, {3, -2, 1}};
    CHECK(codes_of(quantize_uniform(bytes, parse_scheme("int8-per-tensor-sym"))) == ints{127, -5, 0, 3, -2, 1});
    const xt::xtensor<double, 2> doubles_in = {{127, -5.4, 0}, {3, -2, 1}};
    CHECK(codes_of(quantize_uniform(doubles_in, parse_scheme("int8-per-tensor-sym"))) == ints{127, -5, 0, 3, -2, 1});
    const xt::xtensor<std::int64_t, 1> large = {127, -5};
    CHECK(codes_of(quantize_uniform(large, {})) == ints{127, -5});
    const xt::xtensor<double, 2> w = random_normal<double>({9, 33}, {.seed = 11});
    const xt::xtensor<float, 2> narrow = xt::cast<float>(w), back = narrow;
    CHECK(codes_of(quantize_uniform(xt::xtensor<double, 2>(xt::cast<double>(narrow)), parse_scheme("int4-g8")))
          == codes_of(quantize_uniform(back, parse_scheme("int4-g8"))));
}

TEST_CASE("empty and single weights are quantized")
{
    const xt::xtensor<float, 2> none = xt::empty<float>({std::size_t{0}, std::size_t{5}});
    CHECK(codes_of(quantize_uniform(none, parse_scheme("int4-g2-asym"))).empty());
    CHECK(codes_of(quantize_uniform(none, parse_scheme("int16-per-tensor-sym"))).empty());
    CHECK(dequantize(quantize_uniform(none, {})).size() == 0);
    const xt::xarray<float> scalar = -2.5F;
    const auto q = quantize_uniform(scalar, parse_scheme("int8-per-channel-sym"));
    CHECK(codes_of(q) == ints{-1});
    CHECK(dequantize(q)() == -2.5F);
}

TEST_CASE("as many codes, scales and zero points are made as are counted as storage")
{
    const xt::xtensor<float, 4> w = random_normal<float>({6, 5, 3, 3}, {.seed = 12});
    for (const scheme& options : all_schemes()) {
        const auto q = quantize_uniform(w, options);
        const storage_size size = storage_bytes(q.shape, options);
        CHECK(size.weights == codes_of(q).size());
        CHECK(size.scale_bytes == 4 * q.scales.size());
        CHECK(size.zero_point_bytes == (q.zero_points.size() * static_cast<std::size_t>(options.bits) + 7) / 8);
    }
}

TEST_CASE("schemes that do not fit are refused by the quantizer")
{
    const xt::xtensor<float, 2> w = {{1, 2}};
    CHECK_THROWS_WITH(quantize_uniform(w, {.bits = 9}), "weightscope::quantize_uniform(weights, scheme): scheme.bits is 9, expected 2 to 8 or 16");
    CHECK_THROWS_WITH(quantize_uniform(w, {.granularity = scale_granularity::per_channel, .channel_axis = 2}),
                      "weightscope::quantize_uniform(weights, scheme): scheme.channel_axis is 2, expected below the rank of the weights, 2");
}
