// GGUF files of the folder that WEIGHTSCOPE_TEST_MODELS names; skipped where it is not set.
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/io/gguf.hpp>
#include <weightscope/io/metadata.hpp>
#include <weightscope/io/npz.hpp>
#include <weightscope/io/safetensors.hpp>

#include "../catch.hpp"
#include "files.hpp"

using namespace weightscope;
using files::message;

namespace {

const std::filesystem::path* models()
{
    static const char* name = std::getenv("WEIGHTSCOPE_TEST_MODELS");
    static const std::filesystem::path folder = name ? name : "";
    if (!name)
        WARN("skipped: WEIGHTSCOPE_TEST_MODELS is not set");
    return name ? &folder : nullptr;
}

std::vector<std::byte> float_bytes(const named_tensor& tensor)
{
    return visit(tensor, [](const auto& view) {
        std::vector<std::byte> bytes;
        for (const auto x : view) {
            const float value = static_cast<float>(x);
            const auto* begin = reinterpret_cast<const std::byte*>(&value);
            bytes.insert(bytes.end(), begin, begin + sizeof value);
        }
        return bytes;
    });
}

// Root of the mean square of a - b, relative to that of b.
double relative_error(const named_tensor& a, const named_tensor& b)
{
    const std::vector<std::byte> x = float_bytes(a), y = float_bytes(b);
    REQUIRE(x.size() == y.size());
    double error = 0, size = 0;
    for (std::size_t i = 0; i < x.size(); i += sizeof(float)) {
        float u = 0, v = 0;
        std::memcpy(&u, &x[i], sizeof u), std::memcpy(&v, &y[i], sizeof v);
        error += (static_cast<double>(u) - v) * (static_cast<double>(u) - v), size += static_cast<double>(v) * v;
    }
    return std::sqrt(error / size);
}

}  // namespace

TEST_CASE("the derived GGUF files of the test models have the values that stand beside them, bit by bit")
{
    const auto* folder = models();
    if (!folder)
        return;
    for (const std::string name : {"derived__llama2xs-mixed-q4_0-q4_1-q5_0-q5_1-q8_0", "derived__retsim-kquants-q2k-q6k"}) {
        INFO(name);
        const model m = read_gguf(*folder / (name + ".gguf"));
        const model expected = read_npz(*folder / (name + ".expected.npz"));
        CHECK(m.tensors.size() == expected.tensors.size());
        std::map<std::string, const named_tensor*> by_name;
        for (const named_tensor& tensor : expected.tensors)
            by_name.emplace(tensor.name, &tensor);
        std::map<std::string, int> types;
        for (const named_tensor& tensor : m.tensors) {
            INFO(tensor.name);
            REQUIRE(by_name.contains(tensor.name));
            const named_tensor& wanted = *by_name[tensor.name];
            CHECK(tensor.shape == wanted.shape);
            const bool same = float_bytes(tensor) == float_bytes(wanted);
            CHECK(same);
            ++types[tensor.storage()];
        }
        CHECK(types.size() == (name.find("retsim") == name.npos ? 8 : 6));
    }
}

TEST_CASE("the quantized weights are near those that they were made from")
{
    const auto* folder = models();
    if (!folder)
        return;
    const model m = read_gguf(*folder / "derived__llama2xs-mixed-q4_0-q4_1-q5_0-q5_1-q8_0.gguf");
    const model source = read_safetensors(*folder / "derived__llama2xs-f32-with-tied-lm_head.safetensors");
    const auto error = [&](int layer, const char* gguf, const char* hugging_face) {
        const std::string a = "blk." + std::to_string(layer) + gguf, b = "model.layers." + std::to_string(layer) + hugging_face;
        const named_tensor *x = nullptr, *y = nullptr;
        for (const named_tensor& tensor : m.tensors)
            x = tensor.name == a ? &tensor : x;
        for (const named_tensor& tensor : source.tensors)
            y = tensor.name == b ? &tensor : y;
        REQUIRE(x);
        REQUIRE(y);
        return relative_error(*x, *y);
    };
    // as published beside the files: 9.2, 8.3, 4.6, 3.9 and 0.6 % over all tensors of a type
    const double expected[] = {0.092, 0.083, 0.046, 0.039, 0.006};
    for (int layer = 0; layer < 5; ++layer)
        CHECK(error(layer, ".ffn_up.weight", ".mlp.up_proj.weight") == Approx(expected[layer]).epsilon(0.15));
}

TEST_CASE("GGUF files of other makers open with all that is in them")
{
    const auto* folder = models();
    if (!folder)
        return;
    const model vocabulary = read_gguf(*folder / "ggerganov__llama.cpp__ggml-vocab-llama-spm.gguf");
    CHECK(vocabulary.tensors.empty());  // and ends before the place where tensors would begin
    CHECK(vocabulary.metadata.size() == 22);
    CHECK(find_metadata(vocabulary, "llama.attention.head_count_kv") == "32");
    CHECK(find_metadata(vocabulary, "tokenizer.ggml.tokens") == "array of 32000 x string");

    const model random = read_gguf(*folder / "ollama__ollama__llama-2-tiny-random.gguf");
    CHECK(random.architecture == "llama");
    std::size_t elements = 0;
    for (const named_tensor& tensor : random.tensors) {
        elements += tensor.size();
        CHECK(float_bytes(tensor).size() == 4 * tensor.size());
    }
    CHECK(random.tensors.size() == 12);
    CHECK(elements == 513048);
    CHECK(random.tensors[0].shape == std::vector<std::size_t>{32000, 8});
}

TEST_CASE("every malformed GGUF file of the test models is refused with its fault, every odd one is read")
{
    const auto* folder = models();
    if (!folder)
        return;
    const std::string again = "; download or write the file again";
    const std::map<std::string, std::string> expected = {
        {"gguf_bad_version", "byte 4: version: is 77, expected 2 or 3; either the file is damaged or it is too new for this version"},
        {"gguf_big_endian_magic_version",
         "byte 4: version: is 0x3000000: the file is big-endian, which is not supported; convert it with gguf_convert_endian.py of llama.cpp"},
        {"gguf_cut_in_data", "byte 3181: tensor 'blk.4.ffn_up.weight': offset: is 244352, where 8312 of 13056 bytes lie in the file" + again},
        {"gguf_cut_in_kv", "byte 8: tensor count: 47 tensors, which the 84 bytes behind cannot hold" + again},
        {"gguf_cut_in_tensor_info", "byte 8: tensor count: 47 tensors, which the 884 bytes behind cannot hold" + again},
        {"gguf_huge_kv_count", "byte 16: key count: 4611686018427387904 keys, which the 260904 bytes behind cannot hold" + again},
        {"gguf_huge_string_len", "byte 24: key 0: 18446744073709551615 bytes of text, which the 260896 bytes behind cannot hold" + again},
        {"gguf_huge_tensor_count", "byte 8: tensor count: 4611686018427387904 tensors, which the 260912 bytes behind cannot hold" + again},
        {"stored__EffortlessMetrics__BitNet-rs__mini",
         "byte 24: key 0: 962072674336 bytes of text, which the 192 bytes behind cannot hold" + again},
        {"stored__las7__weight-inspect__tiny",
         "byte 114: tensor 'test.weight.0': offset: is 0, where 0 of 32768 bytes lie in the file" + again},
        {"stored__ollama__ollama__test_6bytes", "byte 6: version: the file ends after 2 of 4 bytes of it" + again},
        {"stored__stateforward__emel.cpp__lfs_pointer", "byte 0: magic: is 'vers', expected 'GGUF'; this is no GGUF file"}};
    std::size_t refused = 0;
    for (const auto& entry : std::filesystem::directory_iterator(*folder / "malformed")) {
        const std::filesystem::path path = entry.path();
        if (path.extension() != ".gguf")
            continue;
        const std::string name = path.stem().string(), text = message<io_error>([&] { (void)read_gguf(path); });
        INFO(name);
        if (name.ends_with("_ok")) {
            CHECK(text == "nothing was thrown");
        } else {
            REQUIRE(expected.contains(name));
            CHECK(text == path.string() + ": " + expected.at(name));
            ++refused;
        }
    }
    CHECK(refused == expected.size());
}
