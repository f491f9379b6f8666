// Over the folder of real and malformed files that WEIGHTSCOPE_TEST_MODELS names; skipped where it is not set.
#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/elements.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/io/open_model.hpp>

#include "../catch.hpp"
#include "files.hpp"

using namespace weightscope;
using files::message;

namespace {

std::optional<std::filesystem::path> test_models()
{
    const char* folder = std::getenv("WEIGHTSCOPE_TEST_MODELS");
    if (folder == nullptr || *folder == '\0') {
        WARN("skipped: WEIGHTSCOPE_TEST_MODELS is not set");
        return std::nullopt;
    }
    return folder;
}

// The file, if the folder has it; a warning if not.
std::optional<std::filesystem::path> test_model(const std::filesystem::path& folder, const std::string& name)
{
    if (std::filesystem::exists(folder / name))
        return folder / name;
    WARN("skipped: " << name << " is not there");
    return std::nullopt;
}

std::vector<double> elements_of(const named_tensor& tensor)
{
    return visit(tensor, [](const auto& view) {
        return with_elements(view, [](auto span) { return std::vector<double>(span.begin(), span.end()); });
    });
}

const named_tensor& find(const model& m, std::string_view name)
{
    const auto found = std::find_if(m.tensors.begin(), m.tensors.end(), [&](const auto& t) { return t.name == name; });
    REQUIRE(found != m.tensors.end());
    return *found;
}

}  // namespace

TEST_CASE("every malformed safetensors file of the test models is refused where it is wrong")
{
    const auto folder = test_models();
    if (!folder)
        return;
    const std::string again = "; download or write the file again";
    const std::string known =
        "; this version knows F64 F32 F16 BF16 F8_E4M3 F8_E5M2 F8_E4M3FNUZ F8_E5M2FNUZ F8_E8M0 I8 U8 I16 U16 "
        "I32 U32 I64 U64 BOOL F4 F6_E2M3 F6_E3M2 C64";
    const std::string embedding = "tensor 'model.embed_tokens.weight': ";
    const std::vector<std::pair<std::string, std::string>> expected = {
        {"st_cut_in_data",
         "byte 1064: tensor 'model.layers.0.self_attn.v_proj.weight': data_offsets: [98688, 104832] end 1000 "
         "bytes behind the file's end"
             + again},
        {"st_cut_in_header", "byte 544: header: the file ends after 536 of 1072 bytes of it" + again},
        {"st_cut_in_length", "byte 5: header length: the file ends after 5 of its 8 bytes" + again},
        {"st_duplicate_key", "byte 62: header: the key 'a' stands twice in one object" + again},
        {"st_header_len_2e60",
         "byte 0: header length: 1152921504606846976 bytes, expected at most 100000000; either this is no "
         "safetensors file or it is damaged"},
        {"st_invalid_utf8_name", "byte 10: header: byte 0xff cannot stand in a JSON text, which is UTF-8" + again},
        {"st_nested_json_bomb",
         "byte 13: tensor 'a': found an array, expected an object with dtype, shape and data_offsets" + again},
        {"st_overlapping_offsets", "byte 157: " + embedding
                                       + "data_offsets: [0, 12288] overlap [0, 192] of tensor "
                                         "'model.layers.0.input_layernorm.weight'"
                                       + again},
        {"st_reversed_offsets",
         "byte 157: " + embedding + "data_offsets: [12288, 0] run backwards; expected begin <= end" + again},
        {"st_shape_overflow", "byte 134: " + embedding
                                  + "shape: [1099511627776, 1099511627776] of F32 is no whole number of bytes "
                                    "below 2^60"
                                  + again},
        {"st_shape_size_mismatch", "byte 157: " + embedding
                                       + "data_offsets: [0, 12288] hold 12288 bytes, but shape [65, 48] of F32 "
                                         "needs 12480"
                                       + again},
        {"st_trailing_garbage", "byte 105912: data: 37 bytes follow the last tensor, expected none" + again},
        {"st_unknown_dtype", "byte 120: " + embedding + "dtype: 'F99' is unknown" + known},
        {"stored__las7__weight-inspect__tiny",
         "byte 32851: data: 5 bytes follow the last tensor, expected none" + again},
    };
    std::vector<std::string> unexpected;
    for (const auto& entry : std::filesystem::directory_iterator(*folder / "malformed")) {
        const auto path = entry.path();
        if (path.extension() != ".safetensors")
            continue;
        const std::string name = path.stem().string();
        const std::string text = message<io_error>([&] { (void)open_model(path); });
        const auto known_file =
            std::find_if(expected.begin(), expected.end(), [&](const auto& e) { return e.first == name; });
        if (name.ends_with("_ok"))
            CHECK(text == "nothing was thrown");
        else if (known_file != expected.end())
            CHECK(text == path.string() + ": " + known_file->second);
        else
            unexpected.push_back(name);
    }
    CHECK(unexpected == std::vector<std::string>{});
}

TEST_CASE("every malformed file of the other formats is refused, but for the legal ones")
{
    const auto folder = test_models();
    if (!folder)
        return;
    const std::string again = "; download or write the file again";
    const std::string objects = "descr: is 'O', Python objects, which are programs and not numbers; save them as numbers";
    const std::vector<std::pair<std::string, std::string>> expected = {
        {"npy_bad_header_len.npy", "byte 8: header length: is 65535, but 166 bytes follow and a header has at most 1048576" + again},
        {"npy_cut_in_data.npy", "byte 128: data: [3, 4] of F32 do not fit into the 41 bytes that are left" + again},
        {"npy_object_array_must_refuse.npy", "byte 20: " + objects},
        {"stored__numpy__numpy__py2-np0-objarr.npy", "byte 20: " + objects},
        {"stored__numpy__numpy__py2-objarr.npy", "byte 20: " + objects},
        {"stored__numpy__numpy__py2-objarr.npz", "byte 55: array 'x': " + objects},
        {"stored__numpy__numpy__py3-objarr.npy", "byte 20: " + objects},
        {"stored__numpy__numpy__py3-objarr.npz", "byte 75: array 'x': " + objects},
        {"onnx_cut_1_byte.onnx", "byte 26580: model: field 14 has 45 bytes, but 44 are left" + again},
        {"onnx_cut_in_data.onnx", "byte 26: model: field 7 has 26479 bytes, but 13283 are left" + again},
        {"onnx_varint_never_ends.onnx", "byte 0: model: a number does not end after 10 bytes" + again},
        {"stored__stateforward__emel.cpp__lfs_pointer.gguf", "is a Git-LFS pointer, not the model itself; fetch that with: git lfs pull"},
        {"pt_zip_no_central_directory.pth", "byte 250491: zip directory: is not there: the archive is cut off before its end" + again},
    };
    std::size_t exact = 0;
    for (const auto& entry : std::filesystem::directory_iterator(*folder / "malformed")) {
        const auto path = entry.path();
        if (path.extension() == ".safetensors")
            continue;
        const std::string name = path.filename().string();
        INFO(name);
        const auto start = std::chrono::steady_clock::now();
        const std::string text = message<io_error>([&] { (void)open_model(path); });
        CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(1));
        const auto known = std::find_if(expected.begin(), expected.end(), [&](const auto& e) { return e.first == name; });
        if (known != expected.end()) {
            CHECK(text == path.string() + ": " + known->second);
            ++exact;
        } else if (name.find("_ok.") != std::string::npos)
            CHECK(text == "nothing was thrown");
        else
            CHECK(text.starts_with(path.string() + ": "));
    }
    CHECK(exact == expected.size());
}

TEST_CASE("the ONNX test models have the values of their siblings, to the last bit")
{
    const auto folder = test_models();
    if (!folder)
        return;
    const auto bytes = [](const named_tensor& tensor) { return detail::value_bytes_of(tensor); };

    const auto quantized = test_model(*folder, "derived__lenet-qdq-int8-uint8-int4.onnx");
    const auto expected = test_model(*folder, "derived__lenet-qdq-int8-uint8-int4.expected.npz");
    if (quantized && expected) {
        const model m = open_model(*quantized), e = open_model(*expected);
        CHECK(e.tensors.size() == 5);
        for (const named_tensor& tensor : e.tensors) {
            INFO(tensor.name);
            const named_tensor& found = find(m, tensor.name);
            CHECK(found.shape == tensor.shape);
            CHECK(found.dtype == tensor.dtype);
            CHECK(bytes(found) == bytes(tensor));
        }
        CHECK(find(m, "conv1.weight").encoding == "INT8 QDQ, axis 0");
        CHECK(find(m, "fc1.weight").encoding == "UINT8 QDQ");
        CHECK(find(m, "fc2.weight").encoding == "INT4 QDQ, axis 0");
        CHECK(find(m, "fc2.weight_q").part_of == "fc2.weight");
        CHECK(find(m, "fc2.scale").part_of == "fc2.weight");
        CHECK_FALSE(find(m, "fc3.weight").transposed);  // Gemm with transB
    }

    const auto silero = test_model(*folder, "snakers4__silero-vad__silero_vad_16k_op15.onnx");
    const auto sibling = test_model(*folder, "snakers4__silero-vad__silero_vad_16k.safetensors");
    if (silero && sibling) {
        const model m = open_model(*silero), s = open_model(*sibling);
        CHECK(m.tensors.size() == 175);
        const named_tensor &basis = find(m, "model.stft.forward_basis_buffer"), &same = find(s, "stft_conv.weight");
        CHECK(basis.shape == same.shape);  // the other weights are of another training run
        CHECK(bytes(basis) == bytes(same));
        CHECK(find(m, "model.decoder.rnn.weight_ih").shape == find(s, "lstm_cell.weight_ih").shape);
    }

    const auto npz = test_model(*folder, "derived__llama2xs-f32.npz");
    const auto tied = test_model(*folder, "derived__llama2xs-f32-with-tied-lm_head.safetensors");
    if (npz && tied) {
        const model m = open_model(*npz), s = open_model(*tied);
        CHECK(m.tensors.size() + 1 == s.tensors.size());
        for (const named_tensor& tensor : m.tensors) {
            INFO(tensor.name);
            CHECK(find(s, tensor.name).shape == tensor.shape);
            CHECK(bytes(find(s, tensor.name)) == bytes(tensor));
        }
    }
}

TEST_CASE("an ONNX test model with integer products shows the weights of its float sibling, rounded")
{
    const auto folder = test_models();
    if (!folder)
        return;
    const auto path = test_model(*folder, "BrandonKi__mnist-in-factorio__model_quantized.onnx");
    const auto float_path = test_model(*folder, "BrandonKi__mnist-in-factorio__model.onnx");
    if (!path || !float_path)
        return;
    const model m = open_model(*path), f = open_model(*float_path);
    for (const char* name : {"onnx::MatMul_13", "onnx::MatMul_14", "onnx::MatMul_15"}) {
        INFO(name);
        const named_tensor& tensor = find(m, name);
        CHECK(tensor.encoding == "INT8 MatMulInteger");
        CHECK(tensor.transposed);  // MatMul's second operand is [in, out]
        CHECK(find(f, name).transposed);
        CHECK(find(f, name).shape == tensor.shape);
        const std::vector<double> exact = elements_of(find(f, name)), rounded = elements_of(tensor);
        const double scale = elements_of(find(m, std::string(name) + "_scale")).at(0);
        double worst = 0;
        for (std::size_t i = 0; i < exact.size(); ++i)
            worst = std::max(worst, std::abs(exact[i] - rounded[i]));
        CHECK(worst <= 0.5 * scale);
    }
}

TEST_CASE("the half-precision weights of an ONNX test model have numpy's figures")
{
    const auto folder = test_models();
    if (!folder)
        return;
    const auto path = test_model(*folder, "microsoft__Windows-Machine-Learning__SqueezeNet_fp16.onnx");
    if (!path)
        return;
    const model m = open_model(*path);
    CHECK(m.tensors.size() == 52);
    // per initializer w, read from its raw_data: x = numpy.frombuffer(raw, "<f2").astype(float)
    // sum of len(x); of x.sum() in longdouble; of (x * x).sum(); max of abs(x).max(); numpy.count_nonzero((abs(x) < 2**-14) & (x != 0))
    std::size_t count = 0, subnormals = 0;
    double sum = 0, squares = 0, largest = 0;
    for (const named_tensor& tensor : m.tensors) {
        CHECK(tensor.dtype == dtype::float16);
        for (const double w : elements_of(tensor)) {
            ++count;
            sum += w;
            squares += w * w;
            largest = std::max(largest, std::abs(w));
            subnormals += w != 0 && std::abs(w) < 0x1p-14;
        }
    }
    CHECK(count == 1235496);
    CHECK(subnormals == 1504);
    CHECK(largest == 7.06640625);
    CHECK(sum == 0x1.31f82ea8cp+10);                                 // exact: multiples of 2^-24
    CHECK(squares == Approx(0x1.cf4de1be3eaffp+11).epsilon(1e-12));  // numpy summed in long double
}

TEST_CASE("legal oddities of the test models are read as they are")
{
    const auto folder = test_models();
    if (!folder)
        return;
    if (const auto path = test_model(*folder, "malformed/st_scalar_and_empty_ok.safetensors")) {
        const model m = open_model(*path);
        CHECK(find(m, "s").shape.empty());
        CHECK(elements_of(find(m, "s")) == std::vector<double>{1.5});
        CHECK(find(m, "e").shape == std::vector<std::size_t>{0, 7});
        CHECK(elements_of(find(m, "e")).empty());
    }
    if (const auto path = test_model(*folder, "malformed/st_nan_inf_subnormal_ok.safetensors")) {
        const auto w = elements_of(find(open_model(*path), "w"));
        REQUIRE(w.size() == 8);
        CHECK(std::isnan(w[0]));
        CHECK(std::isnan(w[1]));
        CHECK(std::isinf(w[2]));
        CHECK(w[3] == -INFINITY);
        CHECK(w[4] == 0x1p-149);
        CHECK(w[5] == -0x1p-149);
        CHECK(std::signbit(w[6]));
        CHECK(w[7] == 1);
    }
    if (const auto path = test_model(*folder, "malformed/stored__JunSuzukiJapan__tl__model_empty16_ok.safetensors"))
        CHECK(open_model(*path).tensors.empty());
}

TEST_CASE("the real models among the test models open with all their tensors")
{
    const auto folder = test_models();
    if (!folder)
        return;
    struct expectation
    {
        const char* name;
        std::size_t tensors, elements;
        const char* architecture = "";
    };
    // import json, math, struct, glob
    // for f in sorted(glob.glob('*.safetensors') + glob.glob('*/*.safetensors')):
    //     b = open(f, 'rb').read(); h = json.loads(b[8:8 + struct.unpack('<Q', b[:8])[0]]); h.pop('__metadata__', 0)
    //     print(f, len(h), sum(math.prod(t['shape']) for t in h.values()))
    const std::vector<expectation> expected = {
        {"JunSuzukiJapan__tl__model_2digit_big.safetensors", 17, 234637},
        {"JunSuzukiJapan__tl__model_2digit_latest.safetensors", 17, 59981},
        {"JunSuzukiJapan__tl__recall_weights.safetensors", 24, 56032},
        {"JunSuzukiJapan__tl__reverse_model_v1.safetensors", 18, 60876},
        {"JunSuzukiJapan__tl__reverse_model_v4.safetensors", 38, 401932},
        {"JunSuzukiJapan__tl__reverse_model_v5.safetensors", 38, 897804},
        {"derived__llama2xs-f16.safetensors", 47, 279232},
        {"derived__llama2xs-f32-with-tied-lm_head.safetensors", 48, 312000},
        {"intel__auto-round__hadamards.safetensors", 66, 1431045},
        {"ollama__ollama__adapters.safetensors", 8, 212992},
        {"ollama__ollama__minicpm3-4b.safetensors", 15, 100500},
        {"promptfoo__modelaudit__script_injection.safetensors", 3, 273664},
        {"quatricmorph__quatricmorph__tiny-llama-single__model.safetensors", 10, 27744},
        {"snakers4__silero-vad__silero_vad_16k.safetensors", 15, 309633},
        {"derived__llama2xs-bf16-sharded", 47, 279232},
        {"quatricmorph-tiny-llama-2shard", 111, 302256, "llama"},
    };
    for (const auto& e : expected) {
        const auto path = test_model(*folder, e.name);
        if (!path)
            continue;
        INFO(e.name);
        const model m = open_model(*path);
        CHECK(m.format == "safetensors");
        CHECK(m.architecture == e.architecture);
        CHECK(m.tensors.size() == e.tensors);
        std::size_t elements = 0;
        for (const auto& tensor : m.tensors) {
            elements += tensor.size();
            CHECK(tensor.file->bytes().data() + tensor.offset == tensor.bytes.data());
            CHECK(elements_of(tensor).size() == tensor.size());
        }
        CHECK(elements == e.elements);
    }
}

TEST_CASE("a sharded test model has the values that its makers published")
{
    const auto folder = test_models();
    if (!folder)
        return;
    const auto path = test_model(*folder, "quatricmorph-tiny-llama-2shard");
    if (!path)
        return;
    const model m = open_model(*path);
    CHECK(m.metadata.at(0) == std::pair<std::string, std::string>("total_size", "1196736"));
    CHECK(m.tensors.front().name == "model.embed_tokens.weight");
    // golden.json, read back with the reference implementation
    const named_tensor& q10 = find(m, "model.layers.10.self_attn.q_proj.weight");
    CHECK(q10.shape == std::vector<std::size_t>{128, 48});
    CHECK(q10.file->path().filename() == "model-00002-of-00002.safetensors");
    const auto weights = elements_of(q10);
    CHECK(static_cast<float>(weights[100 * 48 + 42]) == std::bit_cast<float>(0x3BD1FB7Eu));
    CHECK(static_cast<float>(weights[0]) == std::bit_cast<float>(0x3D02A4B7u));
    CHECK(static_cast<float>(weights[127 * 48 + 47]) == std::bit_cast<float>(0x3CD9B444u));
}

TEST_CASE("the Hadamard matrices of the test models are Hadamard matrices")
{
    const auto folder = test_models();
    if (!folder)
        return;
    const auto path = test_model(*folder, "intel__auto-round__hadamards.safetensors");
    if (!path)
        return;
    const model m = open_model(*path);
    CHECK(m.tensors[0].dtype == dtype::int8);
    CHECK(!m.metadata.empty());
    const named_tensor& tensor = find(m, "12");
    const auto h = elements_of(tensor);
    const std::size_t n = tensor.shape[0];
    REQUIRE(h.size() == n * n);
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j) {
            double dot = 0;
            for (std::size_t k = 0; k < n; ++k)
                dot += h[i * n + k] * h[j * n + k];
            CHECK(dot == (i == j ? static_cast<double>(n) : 0));
        }
}
