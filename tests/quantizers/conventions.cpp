// What each runtime makes of weights, against figures of its own formulas; the blocks that ggml stores; and files that it wrote.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include <weightscope/core/ggml_blocks.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/io/open_model.hpp>
#include <weightscope/quantizers/conventions.hpp>
#include <weightscope/quantizers/pack_ggml.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/simulate.hpp>
#include <weightscope/quantizers/uniform.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

// (7919 i mod 1000 - 500) / 512; rows that are small, without signs, with outliers, zero, constant, of one sign and far from zero, of halves
// between codes, with ends equally far from zero, and of powers of two
xt::xtensor<float, 2> made_up_weights()
{
    constexpr std::size_t cols = 256;
    xt::xtensor<float, 2> w = xt::empty<float>({std::size_t{12}, cols});
    for (std::size_t i = 0; i < w.size(); ++i)
        w.data()[i] = static_cast<float>(static_cast<int>(i * 7919 % 1000) - 500) / 512;
    for (std::size_t j = 0; j < cols; ++j) {
        w(1, j) *= 0.01F;
        w(2, j) = std::fabs(w(2, j));
        w(3, j) *= j < 4 ? 8.0F : 1.0F;
        w(4, j) = 0;
        w(5, j) = 0.25F;
        w(6, j) = -std::fabs(w(6, j));
        w(7, j) = std::fabs(w(7, j)) + 0.3F;
        w(8, j) = static_cast<float>(static_cast<int>(j * 5 % 17) - 8) / 8;
        w(9, j) = j % 2 == 0 ? 0.5F : -0.5F;
        w(10, j) = 0.9375F * std::ldexp(1.0F, static_cast<int>(j % 9) - 4);
    }
    return w;
}

const xt::xarray<std::int8_t>& codes_of(const quantized_tensor& q)
{
    return std::get<xt::xarray<std::int8_t>>(q.codes);
}

std::vector<float> values_of(const xt::xtensor<float, 2>& w, const char* name)
{
    const xt::xarray<float> values = dequantize(quantize_uniform(w, parse_scheme(name)));
    return {values.begin(), values.end()};
}

template <class Block>
std::vector<float> decoded_blocks(const std::vector<std::uint8_t>& bytes)
{
    std::vector<float> values(bytes.size() / Block::bytes * Block::weights);
    for (std::size_t block = 0; block < bytes.size() / Block::bytes; ++block)
        Block::decode(bytes.data() + block * Block::bytes, values.data() + block * Block::weights);
    return values;
}

template <class Block>
void check_blocks(const char* name, const xt::xtensor<float, 2>& w)
{
    CAPTURE(name);
    const quantized_tensor q = quantize_uniform(w, parse_scheme(name));
    const std::vector<std::uint8_t> bytes = pack_ggml(q);
    CHECK(bytes.size() == w.size() / Block::weights * Block::bytes);
    const xt::xarray<float> decoded = dequantize(q);
    const bool same = decoded_blocks<Block>(bytes) == std::vector<float>(decoded.begin(), decoded.end());
    CHECK(same);
    CHECK(storage_bytes(q.shape, q.scheme).bytes() == bytes.size());
}

}  // namespace

TEST_CASE("conventions are those of the runtimes' formulas")
{
    // tests/reference/make_convention_reference.py: sums over codes and decoded weights times (i mod 97 + 1), over scales and zero points
    struct row
    {
        const char* name;
        long codes;
        double decoded, scales;
        long zeros;
    };
    const row rows[] = {
        {"onnx-int8", 3177682, 60325.928800845024, 1.2086704959219787, 0},
        {"onnx-int8-asym", 153196, 60336.272952116764, 1.1212589616479818, -469},
        {"onnx-int4", 180371, 56924.394242084, 8.581807294278406, 0},
        {"torch-int8", 3182083, 60132.748157264024, 0.20785229608009104, 0},
        {"torch-int8-asym", -1530636, 60336.27295191285, 0.12125908084999537, -599},
        {"torchao-int4-sym", 180384, 56936.09525662928, 6.581807532696985, 0},
        {"torchao-int4-asym", -137584, 60272.19025733252, 3.874997645849362, -78},
        {"compressed-tensors-int4", 180371, 56924.394242084, 6.581807532696985, 0},
        {"compressed-tensors-int4-asym", -137584, 60272.19025733252, 3.874997645849362, -78},
        {"compressed-tensors-int8", 3182083, 60132.748157264024, 0.20785229608009104, 0},
        {"gptq-int4", 236035, 39801.80167815683, 4.516677108942531, 0},
        {"gptq-int4-asym", -137604, 60270.89338245173, 4.1416640880052, -78},
        {"awq-int4", -107826, 56260.16830643092, 3.7904688227563383, -78},
        {"nncf-int4-sym", -113162, 56747.876507771434, -4.073788812151179, 0},
        {"ggml-q4_0", -310605, 57987.60572910309, -17.69148063659668, 0},
        {"ggml-q4_1", -322638, 59241.92757034302, 14.34688949584961, 0},
        {"ggml-q5_0", -610563, 59126.33155632019, -8.84574031829834, 0},
        {"ggml-q5_1", -580343, 60259.40281677246, 6.941866874694824, 0},
        {"ggml-q8_0", 3210914, 60149.143422961235, 1.4661425352096558, 0},
        {"ocp-mxfp4-floor", 263786, 55349.296875, 27.390625, 0},
        {"ocp-mxfp4-ceil", 110206, 59954.02734375, 51.28125, 0},
        {"ocp-mxfp4-rceil", 157154, 59902.921875, 48.265625, 0},
        {"ocp-mxfp4-even", 157154, 59902.921875, 48.265625, 0},
        {"ocp-mxfp6-e3m2-floor", 1854670, 60260.536560058594, 6.84765625, 0},
        {"ocp-mxfp6-e3m2-ceil", 1471177, 63281.966247558594, 12.8203125, 0},
        {"ocp-mxfp6-e3m2-rceil", 1578303, 63281.981872558594, 12.06640625, 0},
        {"ocp-mxfp6-e3m2-even", 1599231, 63281.981872558594, 11.97265625, 0},
        {"ocp-mxfp6-e2m3-floor", 1089252, 60322.55224609375, 27.390625, 0},
        {"ocp-mxfp6-e2m3-ceil", 447953, 60280.01904296875, 51.28125, 0},
        {"ocp-mxfp6-e2m3-rceil", 716908, 60315.34912109375, 31.890625, 0},
        {"ocp-mxfp6-e2m3-even", 961309, 60317.27099609375, 29.015625, 0},
        {"ocp-mxfp8-e4m3-floor", 9371878, 58721.535484313965, 0.427978515625, 0},
        {"ocp-mxfp8-e4m3-ceil", 8582840, 60227.097984313965, 0.80126953125, 0},
        {"ocp-mxfp8-e4m3-rceil", 8798520, 60227.097984313965, 0.754150390625, 0},
        {"ocp-mxfp8-e4m3-even", 9225320, 58716.160484313965, 0.453369140625, 0},
        {"ocp-mxfp8-e5m2-floor", 9831577, 60260.466247558594, 0.0033435821533203125, 0},
        {"ocp-mxfp8-e5m2-ceil", 9437756, 63281.966247558594, 0.006259918212890625, 0},
        {"ocp-mxfp8-e5m2-rceil", 9545596, 63281.966247558594, 0.0058917999267578125, 0},
        {"ocp-mxfp8-e5m2-even", 9566524, 63281.966247558594, 0.0058460235595703125, 0},
        {"compressed-tensors-mxfp4", 157154, 59902.921875, 48.265625, 0},
        {"microxcaling-mxfp4", 265839, 55326.5283203125, 27.390625, 0},
        {"microxcaling-mxfp8-e4m3", 9374204, 58717.914390563965, 0.427978515625, 0},
        {"microxcaling-mxint8", 1988853, 60328.14111328125, 1.7119140625, 0},
        {"quanto-int8", 3177682, 60325.928800845024, 1.2086704959219787, 0},
        {"quanto-int4", -344625, 59337.98270771885, 7.790466156089678, 0},
        {"quanto-int2", -129643, 53574.871214821935, 22.952330787666142, 0},
        {"ggml-mxfp4", 261906, 55372.2880859375, 27.390625, 0},
        {"compressed-tensors-fp8", 9419946, 60204.24512284145, 0.05915447635561577, 0},
        {"nvfp4-modelopt", 285263, 60382.3535562132, 10970.5, 0},
        {"nvfp4-compressed-tensors", 285263, 60382.353480783524, 10956.5, 0},
        {"bitsandbytes-nf4", -85753, 58531.96446436178, 95.02576152700931, 0},
    };
    const auto w = made_up_weights();
    for (const row& expected : rows) {
        CAPTURE(expected.name);
        const quantized_tensor q = quantize_uniform(w, parse_scheme(expected.name));
        const xt::xarray<float> values = dequantize(q);
        long codes = 0, zeros = 0;
        double decoded = 0, scales = 0;
        for (std::size_t i = 0; i < w.size(); ++i) {
            codes += codes_of(q).data()[i] * static_cast<long>(i % 97 + 1);
            decoded += static_cast<double>(values.data()[i]) * static_cast<double>(i % 97 + 1);
        }
        for (const double scale : q.scales)
            scales += scale;
        for (const std::int16_t zero : q.zero_points)
            zeros += zero;
        CHECK(codes == expected.codes);
        CHECK(decoded == Approx(expected.decoded).epsilon(1e-13));
        CHECK(scales == Approx(expected.scales).epsilon(1e-13));
        CHECK(zeros == expected.zeros);
    }
    CHECK(std::size(rows) + 1 == conventions().size());  // torchao-int8 has the rules of torch-int8
}

TEST_CASE("published figures of conventions")
{
    // OCP MX v1.0 and the examples of torchao's to_mx: max 6 of FP4 at scale 1; 7 clips under floor and takes scale 2 under rceil
    const xt::xtensor<float, 2> w = {{7, -6, 3, 0.25F, 0.75F, -1.25F, 5, 0}};
    const auto floor = quantize_uniform(w, parse_scheme("mxfp4")), up = quantize_uniform(w, parse_scheme("ocp-mxfp4-rceil"));
    CHECK(floor.scales == std::vector<double>{1});
    CHECK(up.scales == std::vector<double>{2});
    CHECK(values_of(w, "mxfp4") == std::vector<float>{6, -6, 3, 0, 1, -1, 4, 0});
    CHECK(values_of(w, "ocp-mxfp4-rceil") == std::vector<float>{8, -6, 3, 0, 1, -1, 4, 0});  // 0.125 and 2.5: to even
    CHECK(values_of(w, "microxcaling-mxfp4") == std::vector<float>{6, -6, 3, 0.5F, 1, -1.5F, 6, 0});
    CHECK(values_of(w, "ggml-mxfp4") == std::vector<float>{6, -6, 3, 0, 0.5F, -1, 4, 0});
    // a group of one sign from 0 to 1.5: the symmetric code of GPTQ decodes its largest weights to 0.7
    xt::xtensor<float, 2> ramp = xt::empty<float>({std::size_t{1}, std::size_t{16}});
    for (std::size_t i = 0; i < 16; ++i)
        ramp(0, i) = 0.1F * static_cast<float>(i);
    const auto gptq = simulate_quantization(ramp, parse_scheme("gptq-int4"));
    CHECK(gptq.sums.clipped_count == 8);
    CHECK(gptq.max_error.value == Approx(0.8).epsilon(1e-6));
    // 10 to 11.5 in AWQ, whose range need not hold zero: everything is decoded to at most 15 steps of 0.1
    const xt::xtensor<float, 2> far = xt::eval(ramp + 10);
    CHECK(values_of(far, "awq-int4")[15] == Approx(1.5).epsilon(1e-6));
}

TEST_CASE("just below a power of two the logarithm of a float is that of the power")
{
    // log2(8 (1 - d 2^-24)) = 3 - 8.6e-8 d, and floats below 3 lie 2.4e-7 apart: 3 for d = 1, less for d = 2. Below 2^-7 they lie 4.8e-7
    // apart, so that 2 goes up and 3 does not.
    const auto scale = [](const char* name, float largest) {
        xt::xtensor<float, 2> w = 0.125F * largest * xt::ones<float>({1, 32});
        w(0, 9) = -largest;
        return quantize_uniform(w, parse_scheme(name)).scales[0];
    };
    for (const char* name : {"microxcaling-mxfp4", "ggml-mxfp4"}) {
        CHECK(scale(name, 8 * (1 - 0x1p-24F)) == 2);
        CHECK(scale(name, 8 * (1 - 0x2p-24F)) == 1);
        CHECK(scale(name, 0x1p-7F * (1 - 0x2p-24F)) == 0x1p-9);
        CHECK(scale(name, 0x1p-7F * (1 - 0x3p-24F)) == 0x1p-10);
    }
    CHECK(scale("ocp-mxfp4-floor", 8 * (1 - 0x1p-24F)) == 1);
    CHECK(scale("microxcaling-mxint8", 8 * (1 - 0x1p-24F)) == 0.125);
    CHECK(scale("microxcaling-mxint8", 8 * (1 - 0x2p-24F)) == 0.0625);
}

TEST_CASE("zeros, NaN, Inf and scales beyond their type, in every convention")
{
    for (const convention& c : conventions()) {
        CAPTURE(std::string(c.name));
        const std::size_t cols = 256;
        xt::xtensor<float, 2> w = random_normal<float>({std::size_t{6}, cols}, {.seed = 3});
        for (std::size_t j = 0; j < cols; ++j) {
            w(1, j) = 0;
            w(2, j) *= 1e-41F;
        }
        w(3, 5) = NAN;
        w(4, 6) = INFINITY;
        w(5, 7) = -INFINITY;
        xt::xtensor<float, 2> finite = w;
        finite(3, 5) = finite(4, 6) = finite(5, 7) = 0;
        const quantized_tensor q = quantize_uniform(w, c.options), same = quantize_uniform(finite, c.options);
        CHECK(q.scales == same.scales);
        CHECK(q.odd.nan_weights == 1);
        CHECK(q.odd.infinite_weights == 2);
        CHECK(q.odd.non_finite == 3);
        CHECK(q.odd.all_zero == cols / (c.options.granularity == scale_granularity::per_channel ? cols : c.options.group_size));
        CHECK(q.odd.overflowing_scale == 0);
        const xt::xarray<float> decoded = dequantize(q);
        for (std::size_t j = 0; j < cols; ++j) {
            CHECK(decoded(1, j) == 0);
            CHECK(std::isfinite(decoded(2, j)));
        }
        // infinities get the number that is furthest on their side of what the group has
        for (std::size_t j = 0; j < cols && c.options.granularity == scale_granularity::per_channel; ++j) {
            CHECK(decoded(4, 6) >= decoded(4, j));
            CHECK(decoded(5, 7) <= decoded(5, j));
        }
        const auto r = simulate_quantization(w, c.options);
        CHECK(r.sums.non_finite_count == 3);
        CHECK(r.sums.count == w.size() - 3);
        CHECK(r.sqnr_db.exists());
    }
    const xt::xtensor<float, 2> huge = 1e10F * xt::ones<float>({2, 32});
    for (const char* name : {"q4_0", "q5_0", "q8_0"}) {  // half floats end at 65504, and ggml stores the infinity
        const quantized_tensor q = quantize_uniform(huge, parse_scheme(name));
        CHECK(q.odd.overflowing_scale == 2);
        CHECK(std::isinf(q.scales[0]));
        CHECK(simulate_quantization(huge, parse_scheme(name)).sqnr_db.reason == "not finite");
    }
    CHECK(simulate_quantization(huge, parse_scheme("mxfp4")).sqnr_db.value > 10);
}

TEST_CASE("blocks of ggml by hand")
{
    // the largest weight is -2: d = -2 / -8 = 0.25, halves up: 0.375 / 0.25 + 8.5 = 10, -0.375 / 0.25 + 8.5 = 7
    xt::xtensor<float, 2> w = xt::zeros<float>({1, 32});
    w(0, 0) = -2;
    w(0, 1) = 0.375F;
    w(0, 17) = -0.375F;
    w(0, 31) = 1.75F;
    std::vector<std::uint8_t> expected = {0x00, 0x34, 0x80, 0x7a};  // 0.25; -8 and 0; 2 and -1
    expected.resize(17, 0x88);
    expected.push_back(0xf8);  // 0 and 7
    CHECK(pack_ggml(quantize_uniform(w, parse_scheme("q4_0"))) == expected);
    // q8_0: d = 2 / 127, stored as 0.01575; the codes are those of the float before it was rounded
    const auto bytes = pack_ggml(quantize_uniform(w, parse_scheme("q8_0")));
    CHECK(bytes.size() == 34);
    CHECK(static_cast<std::int8_t>(bytes[2]) == -127);
    CHECK(static_cast<std::int8_t>(bytes[3]) == 24);  // 23.8
    CHECK(static_cast<std::int8_t>(bytes[33]) == 111);
    // q5_1: minimum -2, d = 3.75 / 31; the fifth bits of weight 31, code 31, and of those from code 16 on
    const auto fifth = pack_ggml(quantize_uniform(w, parse_scheme("q5_1")));
    CHECK(fifth.size() == 24);
    CHECK(fifth[2] == 0x00);
    CHECK(fifth[3] == 0xc0);  // -2 as a half float
    CHECK(fifth[4] == 0xfe);  // all but weight 0; 0 is code 17
    CHECK(fifth[7] == 0xff);
    CHECK_THROWS_WITH(pack_ggml(quantize_uniform(w, parse_scheme("int4-g32"))),
                      "weightscope::pack_ggml(q): the scheme is int4-g32, expected ggml-q4_0, ggml-q4_1, ggml-q5_0, ggml-q5_1, ggml-q8_0 or ggml-mxfp4");
    const xt::xtensor<float, 2> odd = xt::zeros<float>({2, 40});
    CHECK_THROWS_WITH(pack_ggml(quantize_uniform(odd, parse_scheme("q4_0"))), "weightscope::pack_ggml(q): rows have 40 weights, expected whole blocks of 32");
}

TEST_CASE("blocks of ggml are decoded to what was quantized")
{
    for (const auto& w : {made_up_weights(), random_normal<float>({20, 256}, {.seed = 5, .std = 0.05})}) {
        check_blocks<detail::ggml_q4_0>("q4_0", w);
        check_blocks<detail::ggml_q4_1>("q4_1", w);
        check_blocks<detail::ggml_q5_0>("q5_0", w);
        check_blocks<detail::ggml_q5_1>("q5_1", w);
        check_blocks<detail::ggml_q8_0>("q8_0", w);
        check_blocks<detail::ggml_mxfp4>("ggml-mxfp4", w);
    }
}

TEST_CASE("weights of a GGUF file have the same values after they were encoded again")
{
    const char* folder = std::getenv("WEIGHTSCOPE_TEST_MODELS");
    if (!folder) {
        WARN("skipped: WEIGHTSCOPE_TEST_MODELS names no folder");
        return;
    }
    const model m = open_model(std::filesystem::path(folder) / "derived__llama2xs-mixed-q4_0-q4_1-q5_0-q5_1-q8_0.gguf");
    std::size_t checked = 0, changed = 0, weights = 0;
    for (const named_tensor& tensor : m.tensors) {
        std::string name = tensor.encoding;
        for (char& letter : name)
            letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
        if (name != "q4_0" && name != "q4_1" && name != "q5_0" && name != "q5_1" && name != "q8_0")
            continue;
        ++checked;
        visit(tensor, [&](const auto& values) {
            const xt::xarray<float> w = xt::cast<float>(values);
            const xt::xarray<float> again = dequantize(quantize_uniform(w, parse_scheme(name)));
            for (std::size_t i = 0; i < w.size(); ++i)
                changed += again.data()[i] != w.data()[i];
            weights += w.size();
        });
    }
    CAPTURE(checked, weights);
    CHECK(checked > 10);
    CHECK(weights > 100000);
    CHECK(changed == 0);
}
