#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include <weightscope/core/error.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/io/duplicates.hpp>
#include <weightscope/io/safetensors.hpp>
#include <weightscope/quantizers/conventions.hpp>
#include <weightscope/quantizers/quantization_config.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/uniform.hpp>
#include <weightscope/study/dequantized_model.hpp>
#include <weightscope/study/open_packed.hpp>
#include <weightscope/study/packed_model.hpp>
#include <weightscope/study/quantization_study.hpp>

#include "../catch.hpp"
#include "small_model.hpp"

using namespace weightscope;
using study_tests::small_model;
namespace fs = std::filesystem;

namespace {

class temporary_folder
{
public:
    temporary_folder() : path_(fs::temp_directory_path() / ("weightscope-study-" + std::to_string(::getpid()))) { fs::create_directories(path_); }
    ~temporary_folder() { fs::remove_all(path_); }
    fs::path operator/(const char* name) const { return path_ / name; }

private:
    fs::path path_;
};

// One variant: this scheme for every layer.
quantization_study_result study_of(const model& m, const std::string& scheme_name, matrix_orientation orientation = matrix_orientation::detect)
{
    quantization_study_options options;
    const scheme s = parse_scheme(scheme_name);
    options.variants = {{.name = scheme_name, .normal = s, .sensitive = s, .skip_first_last = false}};
    options.orientation = orientation;
    return study_quantization(m, options);
}

const named_tensor& tensor_named(const model& m, const std::string& name)
{
    const auto found = std::find_if(m.tensors.begin(), m.tensors.end(), [&](const auto& tensor) { return tensor.name == name; });
    REQUIRE(found != m.tensors.end());
    return *found;
}

bool same_bytes(const named_tensor& a, const named_tensor& b)
{
    return a.bytes.size() == b.bytes.size() && std::memcmp(a.bytes.data(), b.bytes.data(), a.bytes.size()) == 0;
}

std::vector<double> values_of(const named_tensor& tensor)
{
    return visit(tensor, [](const auto& w) {
        std::vector<double> values;
        for (const auto& x : w)
            values.push_back(static_cast<double>(x));
        return values;
    });
}

const char* const schemes[] = {"int8-per-tensor-asym", "int8-per-channel-sym", "int8-per-channel-axis1-asym", "int4-g32", "int3-g7-asym-scale-f16",
                               "int4-block-5x6-scale-bf16", "int2-per-channel-full-scale-f64", "int16-per-tensor-sym", "int5-g16-stochastic7"};

}  // namespace

TEST_CASE("a packed file has the bytes that were promised")
{
    const temporary_folder folder;
    auto m = small_model();
    for (const char* name : schemes) {
        const auto study = study_of(*m, name);
        const std::uint64_t promised = packed_bytes(*m, study, 0);
        write_packed(folder / "packed.safetensors", *m, study, 0);
        CHECK(fs::file_size(folder / "packed.safetensors") == promised);
        // the data are the bytes of the variant
        const model packed = read_safetensors(folder / "packed.safetensors");
        std::uint64_t bytes = 0;
        for (const named_tensor& tensor : packed.tensors)
            bytes += tensor.bytes.size();
        CHECK(bytes == study.variants[0].bytes);
    }
}

TEST_CASE("a packed file gives the codes, scales and zero points back")
{
    const temporary_folder folder;
    auto m = small_model();
    const auto weights = random_normal<float>({24, 70}, {.seed = 2});
    const auto halves = random_normal<bfloat16>({32, 48}, {.seed = 4});
    for (const char* name : schemes) {
        const auto study = study_of(*m, name);
        write_packed(folder / "packed.safetensors", *m, study, 0);
        const packed_model packed = open_packed(folder / "packed.safetensors");
        CHECK(packed.layers.size() == 9);
        const auto check = [&](const std::string& layer, const quantized_tensor& expected) {
            const quantized_tensor found = read_packed(packed, layer);
            CHECK(found.scheme == expected.scheme);
            CHECK(found.shape == expected.shape);
            CHECK((found.codes == expected.codes));
            CHECK(found.scales == expected.scales);
            CHECK(found.zero_points == expected.zero_points);
            CHECK((dequantize(found) == dequantize(expected)));
        };
        check("layers.0.q.weight", quantize_uniform(weights, study.schemes[0]));
        check("layers.0.up.weight", quantize_uniform(halves, study.schemes[0]));
    }
}

// Every grid and every convention that is known, in one study: scales of all types, global scales, minima, zero points of their rules.
TEST_CASE("other grids and the conventions of runtimes are packed to the byte, and read back")
{
    const temporary_folder folder;
    study_tests::model_in_memory m;
    const xt::xtensor<float, 2> weights = random_normal<float>({24, 128}, {.seed = 2});
    xt::xtensor<float, 2> odd = random_normal<float>({3, 70}, {.seed = 3});
    for (std::size_t j = 0; j < 70; ++j)
        odd(1, j) = 0;  // groups of zeros
    m.add("a.weight", weights).add("b.weight", odd).add("norm.weight", random_normal<float>({16}, {.seed = 4}));
    std::vector<std::string> names = {"fp8-e4m3", "fp8-e5m2-per-channel", "fp6-e2m3", "fp4-e2m1-g32", "nf4-g64", "mxfp4", "nvfp4"};
    for (const convention& c : conventions())
        names.emplace_back(c.name);
    quantization_study_options options;
    for (const std::string& name : names) {
        const scheme s = parse_scheme(name);
        options.variants.push_back({.name = name, .normal = s, .sensitive = s, .skip_first_last = false});
    }
    const quantization_study_result study = study_quantization(*m, options);
    REQUIRE(study.variants.size() >= names.size());
    std::size_t global = 0, minima = 0, zero_points = 0;
    for (std::size_t v = 0; v < names.size(); ++v) {
        INFO(names[v]);
        const std::uint64_t promised = packed_bytes(*m, study, v);
        write_packed(folder / "packed.safetensors", *m, study, v);
        CHECK(fs::file_size(folder / "packed.safetensors") == promised);
        const packed_model packed = open_packed(folder / "packed.safetensors");
        std::uint64_t bytes = 0;
        for (const named_tensor& tensor : packed.file.tensors)
            bytes += tensor.bytes.size();
        CHECK(bytes == study.variants[v].bytes);
        for (const auto& [layer, expected] : {std::pair("a.weight", quantize_uniform(weights, parse_scheme(names[v]))),
                                              std::pair("b.weight", quantize_uniform(odd, parse_scheme(names[v])))}) {
            const quantized_tensor found = read_packed(packed, layer);
            CHECK((found.codes == expected.codes));
            CHECK(found.scales == expected.scales);
            CHECK(found.zero_points == expected.zero_points);
            CHECK(found.minima == expected.minima);
            CHECK(found.global_scale == expected.global_scale);
            CHECK((dequantize(found) == dequantize(expected)));
            global += found.global_scale != 1;
            minima += !found.minima.empty();
            zero_points += !found.zero_points.empty();
        }
    }
    CHECK(global > 0);
    CHECK(minima > 0);
    CHECK(zero_points > 0);
}

TEST_CASE("a packed file keeps what is not quantized, the metadata and what the layers were")
{
    const temporary_folder folder;
    auto m = small_model();
    write_packed(folder / "packed.safetensors", *m, study_of(*m, "int4-g32"), 0);
    const packed_model packed = open_packed(folder / "packed.safetensors");
    for (const char* name : {"embed.weight", "layers.0.norm.weight", "layers.1.ids"})
        CHECK(same_bytes(tensor_named(packed.file, name), tensor_named(*m, name)));
    CHECK(packed.file.metadata.front() == std::pair<std::string, std::string>("format", "pt"));
    const auto conv = std::find_if(packed.layers.begin(), packed.layers.end(), [](const auto& l) { return l.name == "layers.0.conv.weight"; });
    REQUIRE(conv != packed.layers.end());
    CHECK(conv->shape == std::vector<std::size_t>{8, 4, 3});
    CHECK(conv->dtype == dtype::float16);
    CHECK_FALSE(conv->transposed);
    CHECK(std::none_of(packed.layers.begin(), packed.layers.end(), [](const auto& l) { return l.name == "embed.weight"; }));
}

TEST_CASE("a written model has the decoded weights under the names and in the types of the model")
{
    const temporary_folder folder;
    auto m = small_model();
    for (const char* name : schemes) {
        const auto study = study_of(*m, name);
        write_dequantized(folder / "out.safetensors", *m, study, 0);
        const model written = read_safetensors(folder / "out.safetensors");
        REQUIRE(written.tensors.size() == (*m).tensors.size());
        CHECK(written.metadata == (*m).metadata);
        for (const named_tensor& tensor : (*m).tensors) {
            const named_tensor& out = tensor_named(written, tensor.name);
            CHECK(out.dtype == tensor.dtype);
            CHECK(out.shape == tensor.shape);
        }
        CHECK(same_bytes(tensor_named(written, "embed.weight"), tensor_named(*m, "embed.weight")));
        CHECK(same_bytes(tensor_named(written, "layers.1.ids"), tensor_named(*m, "layers.1.ids")));

        const auto decoded = dequantize(quantize_uniform(random_normal<float>({24, 70}, {.seed = 2}), study.schemes[0]));
        const std::vector<double> found = values_of(tensor_named(written, "layers.0.q.weight"));
        CHECK(std::equal(found.begin(), found.end(), decoded.begin(), decoded.end(), [](double a, float b) { return a == static_cast<double>(b); }));
        const auto coarse = dequantize(quantize_uniform(random_normal<bfloat16>({32, 48}, {.seed = 4}), study.schemes[0]));
        const std::vector<double> rounded = values_of(tensor_named(written, "layers.0.up.weight"));
        CHECK(std::equal(rounded.begin(), rounded.end(), coarse.begin(), coarse.end(),
                         [](double a, float b) { return a == static_cast<double>(static_cast<bfloat16>(b)); }));
    }
}

TEST_CASE("equal tensors of a written model are equal still")
{
    const temporary_folder folder;
    auto m = small_model();
    write_dequantized(folder / "out.safetensors", *m, study_of(*m, "int5-g16-stochastic7"), 0);
    const model written = read_safetensors(folder / "out.safetensors");
    CHECK(same_bytes(tensor_named(written, "layers.0.up.weight"), tensor_named(written, "layers.1.copy.weight")));
    CHECK_FALSE(same_bytes(tensor_named(written, "layers.0.up.weight"), tensor_named(*m, "layers.0.up.weight")));
}

TEST_CASE("a stack of experts is written whole, each expert with its own scales")
{
    const temporary_folder folder;
    auto m = small_model();
    write_dequantized(folder / "out.safetensors", *m, study_of(*m, "int8-per-tensor-sym"), 0);
    const model written = read_safetensors(folder / "out.safetensors");
    const auto stack = random_normal<float>({2, 12, 20}, {.seed = 6});
    const std::vector<double> found = values_of(tensor_named(written, "layers.0.experts.weight"));
    REQUIRE(found.size() == 480);
    for (std::size_t expert = 0; expert < 2; ++expert) {
        const xt::xtensor<float, 2> one = xt::view(stack, expert, xt::all(), xt::all());
        const auto decoded = dequantize(quantize_uniform(one, {}));
        for (std::size_t i = 0; i < 240; ++i)
            CHECK(found[expert * 240 + i] == static_cast<double>(decoded.data()[i]));
    }
}

TEST_CASE("turned matrices are quantized along their inputs and written as they lay")
{
    const temporary_folder folder;
    study_tests::model_in_memory m;
    const auto w = random_normal<float>({32, 8}, {.seed = 1});
    m.add("h.0.mlp.c_fc.weight", w);
    const auto study = study_of(*m, "int4-g16", matrix_orientation::in_out);
    const xt::xtensor<float, 2> turned = xt::transpose(w);
    const auto decoded = dequantize(quantize_uniform(turned, study.schemes[0]));
    write_dequantized(folder / "out.safetensors", *m, study, 0);
    const std::vector<double> found = values_of(read_safetensors(folder / "out.safetensors").tensors[0]);
    for (std::size_t in = 0; in < 32; ++in)
        for (std::size_t out = 0; out < 8; ++out)
            CHECK(found[in * 8 + out] == static_cast<double>(decoded(out, in)));

    write_packed(folder / "packed.safetensors", *m, study, 0);
    const packed_model packed = open_packed(folder / "packed.safetensors");
    CHECK(packed.layers[0].transposed);
    CHECK(packed.layers[0].shape == std::vector<std::size_t>{8, 32});
    CHECK((dequantize(read_packed(packed, "h.0.mlp.c_fc.weight")) == decoded));
}

TEST_CASE("what cannot be written is refused")
{
    const temporary_folder folder;
    auto m = small_model();
    const auto study = study_of(*m, "int4-g32");
    const auto message = [&](const model& of, const fs::path& path, std::size_t variant) {
        try {
            write_packed(path, of, study, variant);
        } catch (const std::invalid_argument& error) {
            return std::string(error.what());
        }
        return std::string("nothing was thrown");
    };
    CHECK(message(*m, folder / "x", 1) == "weightscope::write_packed(path, model, study, variant): variant is 1, expected below 1");

    std::vector<tensor_to_write> tensors = {to_write("a.weight", random_normal<float>({4, 8}, {.seed = 1}))};
    const fs::path file = folder / "model.safetensors";
    write_safetensors(file, tensors);
    const model other = read_safetensors(file);
    CHECK(message(other, file, 0)
          == "weightscope::write_packed(path, model, study, variant): " + file.string() + " is a file of the model itself, expected another one");
    CHECK(message(other, folder / "x", 0)
          == "weightscope::write_packed(path, model, study, variant): the study is of another model, expected one of " + file.string());
    CHECK_FALSE(fs::exists(folder / "x"));
    CHECK_THROWS_AS(write_packed(folder / "missing/x", *m, study, 0), write_error);

    tensors.push_back(to_write("a.weight.codes", random_normal<float>({4}, {.seed = 1})));
    write_safetensors(file, tensors);
    const model taken = read_safetensors(file);
    CHECK_THROWS_AS(write_packed(folder / "x", taken, study_of(taken, "int4-g32"), 0), std::invalid_argument);
}

TEST_CASE("a file that is not packed, or no longer whole, is refused when it is opened or read")
{
    const temporary_folder folder;
    const fs::path file = folder / "model.safetensors";
    const auto message = [&](const auto& f) {
        try {
            f();
        } catch (const io_error& error) {
            return std::string(error.what());
        }
        return std::string("nothing was thrown");
    };
    const std::vector<tensor_to_write> tensors = {to_write("a.weight", random_normal<float>({4, 8}, {.seed = 1}))};
    write_safetensors(file, tensors);
    CHECK(message([&] { (void)open_packed(file); })
          == file.string() + ": metadata: no packed layer; expected a file that weightscope packed");

    write_safetensors(file, tensors, {{"weightscope.quantized:a", R"({"scheme":"int4-g9","shape":[4,8]})"}});
    CHECK(message([&] { (void)open_packed(file); }).starts_with(file.string() + ": metadata 'weightscope.quantized:a': no valid description of a packed layer: "));

    write_safetensors(file, tensors, {{"weightscope.quantized:a", R"({"scheme":"int4-g9","shape":[4,8],"dtype":"F32","transposed":false})"}});
    CHECK(message([&] { (void)read_packed(open_packed(file), "a"); }) == file.string() + ": tensor 'a.codes': expected 16 bytes of U8");
    CHECK_THROWS_AS(read_packed(open_packed(file), "b"), std::invalid_argument);
}
