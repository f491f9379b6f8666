#include <array>
#include <stdexcept>
#include <string>
#include <vector>

#include <weightscope/quantizers/conventions.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/storage_size.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

std::size_t bytes(std::vector<std::size_t> shape, const char* name)
{
    return storage_bytes(shape, parse_scheme(name)).bytes();
}

}  // namespace

TEST_CASE("codes of a scheme by hand")
{
    struct range
    {
        scheme options;
        int lowest, highest;
    };
    for (const auto& [options, lowest, highest] : {range{{.bits = 8}, -127, 127},
                                                   range{{.bits = 8, .full_range = true}, -128, 127},
                                                   range{{.bits = 8, .symmetric = false}, -128, 127},
                                                   range{{.bits = 4}, -7, 7},
                                                   range{{.bits = 4, .symmetric = false}, -8, 7},
                                                   range{{.bits = 2}, -1, 1},
                                                   range{{.bits = 2, .symmetric = false}, -2, 1},
                                                   range{{.bits = 16}, -32767, 32767}}) {
        CHECK(options.lowest_code() == lowest);
        CHECK(options.highest_code() == highest);
        CHECK(options.code_count() == static_cast<std::size_t>(highest - lowest + 1));
    }
}

TEST_CASE("names of schemes by hand")
{
    using enum scale_granularity;
    CHECK(to_string(scheme{}) == "int8-per-tensor-sym");
    CHECK(to_string(scheme{.symmetric = false, .granularity = per_channel}) == "int8-per-channel-asym");
    CHECK(to_string(scheme{.bits = 4, .granularity = per_group, .group_size = 64}) == "int4-g64");
    CHECK(to_string(scheme{.bits = 4, .symmetric = false, .granularity = per_group}) == "int4-g128-asym");
    CHECK(to_string(scheme{.bits = 4, .granularity = per_block}) == "int4-block-32x32");
    CHECK(parse_scheme("int4-g64-sym") == scheme{.bits = 4, .granularity = per_group, .group_size = 64});
    CHECK(parse_scheme("int8-per-tensor") == scheme{});
    CHECK(parse_scheme("int3-g32-full-half-away-scale-bf16-percentile99")
          == scheme{.bits = 3, .granularity = per_group, .group_size = 32, .full_range = true, .rounding = rounding_mode::half_away,
                    .scale = scale_type::bf16, .search = range_search::percentile, .percentile = 99});
    CHECK(parse_scheme("int4-g8-stochastic-norm").rounding == rounding_mode::stochastic);
    CHECK(parse_scheme("int4-g8-stochastic-norm").norm == 2.4);
    CHECK(parse_scheme("int4-g8-percentile").percentile == 99.9);
}

TEST_CASE("every scheme is read back from its name")
{
    std::size_t count = 0;
    for (const int bits : {2, 3, 4, 5, 6, 7, 8, 16})
        for (const auto granularity : {scale_granularity::per_tensor, scale_granularity::per_channel, scale_granularity::per_group, scale_granularity::per_block})
            for (const char symmetry : {'s', 'f', 'a'})
                for (const auto rounding : {rounding_mode::half_even, rounding_mode::half_away, rounding_mode::stochastic})
                    for (const auto scale : {scale_type::f32, scale_type::f16, scale_type::bf16, scale_type::f64})
                        for (const auto search : {range_search::whole, range_search::percentile, range_search::mse, range_search::p_norm}) {
                            scheme options{.bits = bits, .symmetric = symmetry != 'a', .granularity = granularity,
                                           .full_range = symmetry == 'f', .rounding = rounding, .scale = scale, .search = search};
                            if (granularity == scale_granularity::per_group)
                                options.group_size = 77;
                            if (granularity == scale_granularity::per_channel)
                                options.channel_axis = 2;
                            if (granularity == scale_granularity::per_block)
                                options.block_cols = 5;
                            if (rounding == rounding_mode::stochastic)
                                options.seed = 18446744073709551615u;
                            if (search == range_search::percentile)
                                options.percentile = 99.99;
                            if (search == range_search::p_norm)
                                options.norm = 0.7;
                            CAPTURE(to_string(options));
                            CHECK(parse_scheme(to_string(options)) == options);
                            ++count;
                        }
    CHECK(count == 8 * 4 * 3 * 3 * 4 * 4);
}

TEST_CASE("a name that is none says what is expected")
{
    for (const std::string name : {"", "int8", "int8-", "int8-per-tens", "int8-per-tensors", "fp8", "int8-g", "int4-g64-asymm", "int4-g64x", "int4-block-32",
                                   "int4-block-32x", "int4-g64-mse-asym", "int4-g64-asym-sym", " int4-g64", "INT4-g64", "int4-g-1", "int4-g64 "})
        CHECK_THROWS_WITH(parse_scheme(name),
                          "weightscope::parse_scheme(text): no scheme is named '" + name
                              + "', expected intB (B = 2 to 8 or 16), then -per-tensor, -per-channel[-axisN], -gN or -block-RxC, then where wanted, in this "
                                "order, -sym, -asym or -full; -half-away or -stochastic[SEED]; -scale-f16, -scale-bf16 or -scale-f64; -mse, "
                                "-percentile[P] or -norm[P]; such as int8-per-channel-sym or int4-g64-asym; or another grid or the convention of a "
                                "runtime, such as fp8-e4m3, nf4-g64, mxfp4, nvfp4, q4_0 or gptq-int4");
    CHECK_THROWS_WITH(parse_scheme("int9-per-tensor"), "weightscope::parse_scheme(text): scheme.bits is 9, expected 2 to 8 or 16");
    CHECK_THROWS_WITH(parse_scheme("int4-g0"), "weightscope::parse_scheme(text): scheme.group_size is 0, expected 1 or more");
    CHECK_THROWS_WITH(parse_scheme("int4-block-0x3"), "weightscope::parse_scheme(text): scheme's blocks are 0 x 3, expected 1 x 1 or more");
    CHECK_THROWS_WITH(parse_scheme("int4-g8-percentile0"),
                      "weightscope::parse_scheme(text): scheme.percentile is 0, expected above 0 and at most 100");
    CHECK_THROWS_WITH(parse_scheme("int4-g8-norm0"), "weightscope::parse_scheme(text): scheme.norm is 0, expected above 0 and finite");
}

TEST_CASE("grids and conventions are read back from their names")
{
    for (const convention& c : conventions()) {
        CAPTURE(std::string(c.name));
        CHECK(parse_scheme(c.name) == c.options);
        CHECK(parse_scheme(to_string(c.options)) == c.options);
        scheme other = c.options;
        other.granularity = scale_granularity::per_group;
        other.group_size = 48;
        CHECK(parse_scheme(std::string(c.name) + "-g48") == other);
        CHECK(parse_scheme(to_string(other)) == other);
        CHECK_FALSE(c.version.empty());
        CHECK_FALSE(c.source.empty());
    }
    for (const std::string grid : {"fp8-e4m3", "fp8-e5m2", "fp8-e4m3fnuz", "fp8-e5m2fnuz", "fp6-e3m2", "fp6-e2m3", "fp4-e2m1", "nf4"})
        for (const std::string range : {"-per-tensor", "-per-channel", "-per-channel-axis1", "-g32", "-block-128x128"})
            for (const std::string rest : {"", "-half-away", "-scale-f16", "-half-away-scale-bf16"})
                CHECK(to_string(parse_scheme(grid + range + rest)) == grid + range + rest);
    CHECK(to_string(parse_scheme("fp8-e4m3")) == "fp8-e4m3-per-tensor");
    CHECK(to_string(parse_scheme("nf4")) == "nf4-g64");
    CHECK(to_string(parse_scheme("q4_0")) == "ggml-q4_0");
    CHECK(to_string(parse_scheme("mxfp8-e4m3")) == "ocp-mxfp8-e4m3-floor");
    CHECK(to_string(parse_scheme("nvfp4")) == "nvfp4-modelopt");
    CHECK(to_string(parse_scheme("torchao-int8")) == "torch-int8");
    scheme own = parse_scheme("gptq-int4");
    own.rules.reciprocal = true;
    CHECK(to_string(own) == "int4-g128-custom");
    for (const char* name : {"fp8", "fp8-e4m3-", "fp8-e4m3-sym", "nf4-g", "gptq-int4-half-away", "q4_0x", "mxfp4-mse", "int4-g128-custom"})
        CHECK_THROWS_AS(parse_scheme(name), std::invalid_argument);
}

TEST_CASE("storage of grids and conventions by hand")
{
    const std::vector<std::size_t> shape = {4, 256};  // 1024 weights
    const auto bytes_of = [&](const char* name) { return storage_bytes(shape, parse_scheme(name)).bytes(); };
    CHECK(bytes_of("mxfp4") == 512 + 32);
    CHECK(bytes_of("mxfp8-e4m3") == 1024 + 32);
    CHECK(bytes_of("mxfp6-e2m3") == 768 + 32);
    CHECK(bytes_of("nvfp4") == 512 + 64 + 4);
    CHECK(bytes_of("nf4-g64") == 512 + 16 * 4);
    CHECK(bytes_of("fp8-e4m3") == 1024 + 4);
    CHECK(bytes_of("q4_0") == 32 * 18);
    CHECK(bytes_of("q4_1") == 32 * 20);
    CHECK(bytes_of("q5_0") == 32 * 22);
    CHECK(bytes_of("q5_1") == 32 * 24);
    CHECK(bytes_of("q8_0") == 32 * 34);
}

TEST_CASE("schemes that do not exist are refused")
{
    CHECK_THROWS_WITH(require_scheme({.symmetric = false, .full_range = true}, "f(w)", 2),
                      "weightscope::f(w): scheme.full_range is set and scheme.symmetric is not, expected full_range for symmetric codes only: "
                      "asymmetric ones always use all codes");
    CHECK_THROWS_WITH(require_scheme({.granularity = scale_granularity::per_channel, .channel_axis = 2}, "f(w)", 2),
                      "weightscope::f(w): scheme.channel_axis is 2, expected below the rank of the weights, 2");
    CHECK_NOTHROW(require_scheme({.granularity = scale_granularity::per_channel}, "f(w)", 0));
}

TEST_CASE("storage by hand")
{
    // 4096 x 11008: 4 bits and a float for each 128 are 4.25 bits per weight, for each 64 4.5, for each 32 5; with half floats 4.5 at 32
    const std::vector<std::size_t> large = {4096, 11008};
    CHECK(storage_bytes(large, parse_scheme("int4-g128")).bits_per_weight() == 4.25);
    CHECK(storage_bytes(large, parse_scheme("int4-g64")).bits_per_weight() == 4.5);
    CHECK(storage_bytes(large, parse_scheme("int4-g32")).bits_per_weight() == 5);
    CHECK(storage_bytes(large, parse_scheme("int4-g32-scale-f16")).bits_per_weight() == 4.5);
    CHECK(bytes({4096, 11008}, "int8-per-tensor-sym") == 4096u * 11008 + 4);
    CHECK(bytes({4096, 11008}, "int8-per-channel-asym") == 4096u * 11008 + 4096 * 4 + 4096);
    CHECK(bytes({4096, 11008}, "int16-per-tensor-sym") == 2u * 4096 * 11008 + 4);
    // 3 rows of 5: 4-bit rows take 3 bytes each (5 codes, half a byte unused), 3-bit rows 2 (15 bits), 7-bit rows 5 (35 bits)
    CHECK(bytes({3, 5}, "int4-per-tensor-sym") == 9 + 4);
    CHECK(bytes({3, 5}, "int3-per-tensor-sym") == 6 + 4);
    CHECK(bytes({3, 5}, "int7-per-tensor-sym") == 15 + 4);
    CHECK(bytes({3, 5}, "int2-per-tensor-sym") == 6 + 4);
    // groups of 2 in rows of 5 are 3 to a row; 9 zero points of 4 bits take 5 bytes
    CHECK(bytes({3, 5}, "int4-g2-asym") == 9 + 9 * 4 + 5);
    CHECK(bytes({3, 5}, "int4-g2-asym-scale-bf16") == 9 + 9 * 2 + 5);
    CHECK(bytes({3, 5}, "int4-g2-scale-f64") == 9 + 9 * 8);
    // blocks of 2 x 2: 2 x 3 of them
    CHECK(bytes({3, 5}, "int4-block-2x2") == 9 + 6 * 4);
    // a convolution [4, 3, 2, 2] is [4, 12]; its second axis has 3 channels
    CHECK(bytes({4, 3, 2, 2}, "int8-per-channel-axis1-sym") == 48 + 3 * 4);
    CHECK(bytes({4, 3, 2, 2}, "int4-g8") == 24 + 8 * 4);
    CHECK(bytes({7}, "int4-per-channel-sym") == 4 + 4);  // a vector is one row
    CHECK(bytes({}, "int4-per-tensor-sym") == 1 + 4);
    CHECK(bytes({0, 5}, "int4-g2") == 0);
    CHECK(storage_bytes(std::vector<std::size_t>{0}, scheme{}).bits_per_weight() == 0);
}
