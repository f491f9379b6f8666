#include <weightscope/cuda/scan.cuh>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "cuda/device.hpp"
#include "io/files.hpp"
#include "io/gguf_writer.hpp"

#include <weightscope/core/progress.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/cuda/scan_share.cuh>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/gguf.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/scan_result.hpp>
#include <weightscope/scope.hpp>

using namespace weightscope;

namespace {

class model_in_memory
{
public:
    template <class T>
    named_tensor& add(const std::string& name, std::vector<std::size_t> shape, const std::vector<T>& numbers)
    {
        auto& bytes = storage_.emplace_back(numbers.size() * sizeof(T));
        if (!numbers.empty())
            std::memcpy(bytes.data(), numbers.data(), bytes.size());
        named_tensor tensor;
        tensor.name = name;
        tensor.shape = std::move(shape);
        tensor.dtype = dtype_of<T>;
        tensor.bytes = bytes;
        model_.tensors.push_back(std::move(tensor));
        return model_.tensors.back();
    }
    weightscope::model& operator*() { return model_; }

private:
    weightscope::model model_;
    std::deque<std::vector<std::byte>> storage_;
};

// Everything that a scan treats in its own way.
model_in_memory varied_model()
{
    model_in_memory m;
    using kind = tensor_kind;
    m.add("embed.weight", {131, 137}, numbers_of_kind<float>(kind::normal, 131 * 137, 1));
    m.add("0.attn.weight", {140, 130}, numbers_of_kind<bfloat16>(kind::normal, 140 * 130, 2));
    m.add("0.up.weight", {40, 60}, numbers_of_kind<float16>(kind::few_values, 40 * 60, 3));
    m.add("0.down.weight", {129, 130}, numbers_of_kind<float8_e4m3>(kind::sparse, 129 * 130, 4));
    m.add("0.e5m2.weight", {30, 20}, numbers_of_kind<float8_e5m2>(kind::normal, 30 * 20, 5));
    m.add("0.norm.weight", {300}, numbers_of_kind<float>(kind::shifted, 300, 6));
    m.add("0.hostile.weight", {128, 130}, numbers_of_kind<float>(kind::hostile, 128 * 130, 7));
    m.add("0.nan.weight", {12, 13}, numbers_of_kind<float>(kind::all_nan, 12 * 13, 8));
    m.add("0.conv.weight", {20, 6, 3}, numbers_of_kind<float>(kind::normal, 20 * 6 * 3, 9));
    m.add("1.turned.weight", {134, 125}, numbers_of_kind<float>(kind::normal, 134 * 125, 10)).transposed = true;
    m.add("1.turned16.weight", {35, 70}, numbers_of_kind<float16>(kind::normal, 35 * 70, 11)).transposed = true;
    m.add("1.turned8.weight", {33, 31}, numbers_of_kind<float8_e4m3>(kind::normal, 33 * 31, 12)).transposed = true;
    m.add("1.fnuz.weight", {9, 7}, numbers_of_kind<float8_e4m3fnuz>(kind::normal, 63, 14));
    m.add("1.double.weight", {24, 30}, std::vector<double>(24 * 30, 0.25)).shape = {24, 30};
    m.add("1.ids", {3}, std::vector<std::int32_t>{3, -1, 2});
    m.add("1.empty.weight", {0, 16}, std::vector<float>());
    m.add("1.scalar", {}, std::vector<float>{0.5F});
    m.add("1.flag", {2}, std::vector<std::uint8_t>{0, 1}).dtype = dtype::boolean;
    m.add("1.zeros.weight", {8, 9}, std::vector<float>(72));
    m.add("head.weight", {131, 137}, numbers_of_kind<float>(kind::normal, 131 * 137, 1));  // equal to the embedding
    named_tensor tied = (*m).tensors[1];
    tied.name = "tied.weight";
    tied.tied_to = "0.attn.weight";
    (*m).tensors.push_back(tied);
    named_tensor& damaged = m.add("damaged.weight", {40, 50}, std::vector<float>(2000, 1.0F));
    damaged.bytes = damaged.bytes.first(100);
    std::vector<float> flipped = numbers_of_kind<float>(kind::normal, 50 * 40, 13);
    flipped[777] *= 0x1p64F;  // together 2^128: the highest bit of the exponent, flipped
    flipped[777] *= 0x1p64F;
    m.add("flipped.weight", {50, 40}, flipped);
    return m;
}

// Sums, whose order differs; all else is the same to the last bit.
const std::set<std::string> sums = {"mean", "std", "l2_norm", "kurtosis", "skewness", "mean_abs_weight", "quantization_mse", "quantization_mae", "sqnr_db",
                                    "cosine_similarity", "per_channel_sqnr_db", "group_sqnr_db", "dynamic_range"};

void check_same(const nlohmann::ordered_json& found, const nlohmann::ordered_json& expected, const std::string& path, const std::string& name)
{
    CAPTURE(path);
    REQUIRE(found.type_name() == std::string(expected.type_name()));
    if (expected.is_structured()) {
        REQUIRE(found.size() == expected.size());
        auto other = found.begin();
        for (auto member = expected.begin(); member != expected.end(); ++member, ++other) {
            const std::string key = expected.is_object() ? member.key() : name;
            if (expected.is_object())
                REQUIRE(other.key() == key);
            check_same(*other, *member, path + "/" + key, key);
        }
    } else if (expected.is_number_float()) {
        const double a = found.get<double>(), b = expected.get<double>();
        const bool spectral = path.find("/spectral") != std::string::npos;
        if (name == "quantization_mae" && path.find("hostile") != std::string::npos)
            CHECK(std::fabs(a - b) <= 1e-5 * b);  // half an ulp of the weights of 3e38, which the host spares where it fuses w - code · scale
        else if (name == "condition_number_at_least" && b > 1e7)
            CHECK(a > 1e7);  // made of what rounding left of the smallest singular value
        else
            CHECK(std::fabs(a - b) <= (spectral ? 1e-8 : sums.count(name) ? 1e-9 : 0.0) * std::fabs(b));
    } else
        CHECK(found == expected);
}

// Spectra within their intervals, everything that a saved scan holds by the rule above.
void check_same(const scan_result& found, const scan_result& expected)
{
    REQUIRE(found.layers.size() == expected.layers.size());
    for (std::size_t i = 0; i < expected.layers.size(); ++i) {
        const layer_result &a = found.layers[i], &b = expected.layers[i];
        CAPTURE(b.name);
        REQUIRE(a.spectral.has_value() == b.spectral.has_value());
        if (!b.spectral)
            continue;
        const auto &s = a.spectral->singular_values, &t = b.spectral->singular_values;
        REQUIRE(s.values.size() == t.values.size());
        for (std::size_t k = 0; k < t.values.size(); ++k)
            CHECK(std::fabs(s.values[k] - t.values[k]) <= s.half_widths[k] + t.half_widths[k]);
    }
    check_same(to_json(found, {})["layers"], to_json(expected, {})["layers"], "", "");
}

constexpr detail::device_part all_it_can{.host_helps = false};

}  // namespace

TEST_CASE("a scan by the device has the figures of the host's scan, whatever the tensor")
{
    NEEDS_DEVICE();
    auto m = varied_model();
    const scan_result expected = scan(*m), found = detail::scan_with_device(*m, {}, {}, all_it_can);
    check_same(found, expected);
    CHECK(found.model.parameters == expected.model.parameters);
    CHECK(expected.environment.cuda.empty());
    // not doubles, integers, FNUZ, flags, what is empty; the damaged one failed
    CHECK(found.environment.cuda.find(": 15 of 21 tensors; 1 failed there") != std::string::npos);
    CHECK(found.layers[9].transposed);
    CHECK(found.layers[19].duplicate_of == "embed.weight");
    CHECK(found.layers[20].tied_to == "0.attn.weight");
    CHECK(found.layers[21].error == "weightscope::visit(tensor 'damaged.weight'): 100 bytes do not hold 2000 elements of F32");
    CHECK(found.layers[22].bit_flips.has_value());
    CHECK(found.seconds > 0);
}

TEST_CASE("the host takes its share of a scan, and any number of streams and threads gives the same")
{
    NEEDS_DEVICE();
    auto m = varied_model();
    const scan_result expected = scan(*m);
    for (const std::size_t threads : {1, 3}) {
        const scan_result found = weightscope::cuda::scan(*m, {.threads = threads});
        check_same(found, expected);
        CHECK(found.environment.threads == threads);
        CHECK(found.environment.cuda.find(" of 21 tensors") != std::string::npos);
    }
    check_same(detail::scan_with_device(*m, {}, {}, {.host_helps = false, .lane_count = 1}), expected);
    check_same(detail::scan_with_device(*m, {}, {}, {.lane_count = 5}), expected);
}

TEST_CASE("options mean the same on the device")
{
    NEEDS_DEVICE();
    auto m = varied_model();
    for (const scan_options& options :
         {scan_options{.spectral = false, .bits = 4, .group_size = 16}, scan_options{.quantization = false, .sparsity = false, .heavy_tail = false},
          scan_options{.basic_stats = false, .include = {"weight"}, .exclude = {"^0"}, .orientation = matrix_orientation::in_out},
          scan_options{.basic_stats = false, .sparsity = false, .tap_spectra = true, .convolution_input = 8}}) {
        check_same(detail::scan_with_device(*m, options, {}, all_it_can), scan(*m, options));
    }
    const scan_options shuffled{.include = {"embed"}, .shuffles = 2};
    const scan_result found = detail::scan_with_device(*m, shuffled, {}, all_it_can);
    check_same(found, scan(*m, shuffled));
    CHECK(found.environment.cuda.find(": 0 of 1 tensors") != std::string::npos);  // the host shuffles
    CHECK_THROWS_WITH(weightscope::cuda::scan(*m, {.bits = 1}), "weightscope::scan(model, options): options.bits is 1, expected 2 to 16");
}

TEST_CASE("blocks of a file are decoded on their way to the device, pieces of any size")
{
    NEEDS_DEVICE();
    test_numbers random(3);
    gguf_writer::tensor codes{.name = "blk.0.ffn_up.weight", .extents = {64, 300}, .type = 8};  // Q8_0: a half and 32 codes
    for (int block = 0; block < 600; ++block) {
        codes.bytes += gguf_writer::bytes_of(float16(static_cast<float>(0.01 * (1 + random.uniform()))).bits);
        for (int i = 0; i < 32; ++i)
            codes.bytes += static_cast<char>(random.bits() >> 24);
    }
    const std::size_t large = (std::size_t{8} << 20) / 4 + 1000;  // floats, more than one piece of pinned memory
    gguf_writer::tensor floats{.name = "output_norm.weight", .extents = {large}, .type = 0, .bytes = gguf_writer::bytes_of(numbers_of_kind<float>(tensor_kind::normal, large))};
    gguf_writer::file file;
    file.key("general.architecture", "llama");
    file.tensors = {codes, floats};
    const files::temporary_folder folder;
    const model m = read_gguf(files::write(folder / "m.gguf", file.content()));
    const scan_result found = detail::scan_with_device(m, {}, {}, all_it_can);
    check_same(found, scan(m));
    CHECK(found.layers[0].dtype == "Q8_0");
    CHECK(found.environment.cuda.find(": 2 of 2 tensors") != std::string::npos);
}

TEST_CASE("a scan by the device tells its progress and can be cancelled at any moment")
{
    NEEDS_DEVICE();
    auto m = varied_model();
    std::size_t done = 0, total = 0, calls = 0;
    double fraction = 0;
    (void)weightscope::cuda::scan(*m, {.spectral = false}, [&](const progress& state) {
        ++calls;
        done = state.done;
        total = state.total;
        fraction = state.fraction;
        return true;
    });
    CHECK(done == 21);
    CHECK(total == 21);
    CHECK(fraction == 1);
    CHECK(calls >= 42);
    for (const std::size_t last : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{20}}) {
        std::size_t count = 0;
        CHECK_THROWS_AS(weightscope::cuda::scan(*m, {.spectral = false}, [&](const progress&) { return count++ < last; }), cancelled);
        CHECK(count == last + 1);  // nobody asks again
    }
}

TEST_CASE("the host and the device share tensors out by what they cost")
{
    const auto indices = [](auto next) {
        std::vector<std::size_t> result;
        while (const std::optional<detail::scan_task> task = next())
            result.push_back(task->index);
        return result;
    };
    const std::vector<detail::scan_task> tasks = {{.index = 0, .host_seconds = 1, .device_seconds = 0.5},
                                                  {.index = 1, .host_seconds = 9, .device_seconds = 1},
                                                  {.index = 2, .host_seconds = 2},
                                                  {.index = 3, .host_seconds = 0.1, .device_seconds = 0.2},
                                                  {.index = 4, .host_seconds = 3},
                                                  {.index = 5, .host_seconds = 1.6, .device_seconds = 0.2}};
    detail::scan_share both(tasks, true);
    // its own, then 3 and 0, for which the device has 1.9 and 1.7 seconds to go; 5 would take longer than the 1.2 that are left to it
    CHECK(indices([&] { return both.next_for_host(); }) == std::vector<std::size_t>{4, 2, 3, 0});
    CHECK(indices([&] { return both.next_for_device(); }) == std::vector<std::size_t>{1, 5});

    detail::scan_share device(tasks, false);
    CHECK(device.shared_count() == 4);
    CHECK(indices([&] { return device.next_for_host(); }) == std::vector<std::size_t>{4, 2});
    CHECK(indices([&] { return device.next_for_device(); }) == std::vector<std::size_t>{1, 5, 0, 3});
    device.give_back(tasks[0]);
    std::vector<std::size_t> returned;
    device.run_returned([&](const detail::scan_task& task) { returned.push_back(task.index); });
    CHECK(returned == std::vector<std::size_t>{0});

    detail::scan_share alone({{.index = 0, .host_seconds = 1, .device_seconds = 3, .alone = true}}, true);
    CHECK_FALSE(alone.next_for_host().has_value());

    detail::scan_share stopped(tasks, true);
    stopped.stop(std::make_exception_ptr(std::runtime_error("first")));
    stopped.stop(std::make_exception_ptr(std::runtime_error("second")));
    CHECK_FALSE(stopped.next_for_host().has_value());
    CHECK_FALSE(stopped.next_for_device().has_value());
    CHECK_THROWS_WITH(stopped.run_returned([](const detail::scan_task&) {}), "first");
}

#if defined(WEIGHTSCOPE_CUDA_EMULATION)

TEST_CASE("what does not fit into the device's memory is left to the host, and said")
{
    begin_device_test();
    model_in_memory m;
    m.add("small.weight", {20, 20}, numbers_of_kind<float>(tensor_kind::normal, 400, 1));
    m.add("large.weight", {500, 600}, numbers_of_kind<float>(tensor_kind::normal, 300000, 2));
    m.add("bias", {70}, numbers_of_kind<float>(tensor_kind::normal, 70, 3));
    const scan_options options{.heavy_tail = false};
    const scan_result expected = scan(*m, options);
    const std::size_t before = emulator::the().live_allocations;
    for (const std::size_t bytes : {std::size_t{900000}, std::size_t{2000000}}) {  // less than the weights; more, and less than their spectrum wants
        emulator::the().memory_bytes = emulator::the().live_bytes + bytes;
        const scan_result found = detail::scan_with_device(*m, options, {}, all_it_can);
        check_same(found, expected);
        CHECK(found.environment.cuda == "emulated device (sm_90): 2 of 3 tensors; 1 did not fit into its memory");
    }
    emulator::the().memory_bytes = emulator::the().live_bytes;
    const scan_result found = detail::scan_with_device(*m, options, {}, all_it_can);
    check_same(found, expected);
    CHECK(found.environment.cuda == "emulated device (sm_90): 0 of 3 tensors; 3 did not fit into its memory");
    begin_device_test();
    CHECK(emulator::the().live_allocations == before);
}

TEST_CASE("a scan that is cancelled leaves no memory behind on the device")
{
    begin_device_test();
    auto m = varied_model();
    const std::size_t before = emulator::the().live_allocations;
    std::size_t count = 0;
    CHECK_THROWS_AS(detail::scan_with_device(*m, {}, [&](const progress&) { return count++ < 5; }, all_it_can), cancelled);
    CHECK(emulator::the().live_allocations == before);
}

TEST_CASE("a scan by the device is refused without one, and ends where it fails")
{
    begin_device_test();
    auto m = varied_model();
    emulator::the().devices = 0;
    CHECK_THROWS_WITH(weightscope::cuda::scan(*m), "weightscope::cuda::scan(model): there is no CUDA device that can be used; weightscope::scan needs none");
    begin_device_test();
    emulator::the().threads_per_block = 32;  // no launch succeeds
    std::string what;
    try {
        (void)weightscope::cuda::scan(*m);
    } catch (const cuda_error& error) {
        what = error.name();
    }
    CHECK(what == "cudaErrorInvalidConfiguration");
    begin_device_test();
}

#endif
