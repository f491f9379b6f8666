#include <cstddef>
#include <filesystem>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <weightscope/analyzers/convolution_norm.hpp>
#include <weightscope/analyzers/tap_spectra.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/report/csv.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/judge.hpp>
#include <weightscope/report/scan_reader.hpp>

#include "../catch.hpp"
#include "../io/files.hpp"
#include "made_up.hpp"

using namespace weightscope;
using made_up::gaussian;
using made_up::layer_of;
using nlohmann::ordered_json;

namespace {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

// A scan with every kind of figure, and every way to have none.
scan_result all_kinds()
{
    made_up::float_matrix broken = gaussian(20, 30), zero = gaussian(20, 30), singular = gaussian(20, 30);
    broken(0, 0) = not_a_number;
    broken(1, 1) = std::numeric_limits<float>::infinity();
    zero.fill(0);
    for (std::size_t j = 0; j < 30; ++j)
        singular(3, j) = singular(7, j);
    layer_result lost{.name = "lost", .shape = {20, 30}, .dtype = "F32", .parameters = 600, .error = "byte 17: data is missing"};
    layer_result mask{.name = "mask", .shape = {20, 30}, .dtype = "BOOL", .parameters = 600, .skipped = "BOOL has no numeric meaning"};
    layer_result tied = layer_of("tied", gaussian(20, 30)), twin = layer_of("twin", gaussian(20, 30));
    tied.tied_to = "healthy";
    tied.transposed = true;
    twin.duplicate_of = "healthy";
    const xt::xtensor<float, 4> convolution = xt::ones<float>({2, 3, 4, 5});
    layer_result taps = layer_of("convolution", convolution);
    taps.tap_spectra = analyze_tap_spectra(convolution);
    taps.convolution_norm = analyze_convolution_norm(convolution, {.input_size = 2});
    layer_result shuffled = layer_of("shuffled", gaussian(20, 30));
    shuffled.spectral = analyze_spectral(gaussian(20, 30), {.heavy_tail = heavy_tail_options{}, .marchenko_pastur = {{.shuffles = 1}}});
    shuffled.spectral->marchenko_pastur->shuffled->max_eigenvalue = std::numeric_limits<double>::infinity();
    layer_result census_only{.name = "census only", .shape = {5}, .dtype = "F32", .parameters = 5};
    census_only.census = {.count = 5, .nan_count = 1, .positive_infinity_count = 1, .subnormal_count = 1, .zero_count = 2, .negative_zero_count = 1};
    scan_result scan = made_up::scan_of({layer_of("healthy", gaussian(20, 30)), layer_of("broken", broken), layer_of("zero", zero),
                                         layer_of("singular", singular), layer_of("scalar", xt::xtensor<float, 0>(2.0f)),
                                         layer_of("empty", made_up::float_matrix(xt::zeros<float>({0, 30}))), taps,
                                         layer_of("bias", made_up::float_vector{1, 2}), lost, mask, tied, twin, shuffled, census_only,
                                         layer_of("nan", made_up::float_vector{not_a_number})});
    scan.model.architecture = "llama";
    scan.model.bytes = 12345;
    scan.settings = {.bits = 4, .group_size = 32, .include = {"a", "b"}, .exclude = {"\"c\""}, .restrict_to = {"d"}, .threads = 3};
    scan.settings.orientation = matrix_orientation::in_out;
    scan.settings.shuffles = 2;
    scan.settings.seed = std::numeric_limits<std::uint64_t>::max();
    scan.settings.tap_spectra = true;
    scan.settings.convolution_input = 7;
    scan.environment = {.cpu = "a processor", .instructions = "avx2", .threads = 3, .blas = "some", .compiler = "another"};
    scan.seconds = 0.1;
    return scan;
}

ordered_json document_of(const scan_result& scan)
{
    return to_json(scan, judge(scan));
}

scan_result read_text(const std::string& text)
{
    const files::temporary_folder folder;
    return read_scan(files::write(folder / "scan.json", text));
}

std::string fault_of(const std::string& text)
{
    const files::temporary_folder folder;
    const std::filesystem::path path = files::write(folder / "scan.json", text);
    try {
        (void)read_scan(path);
        return {};
    } catch (const io_error& error) {
        return std::string(error.what()).substr(path.string().size() + 2);
    }
}

// the fault of a document in which one value is another one
std::string fault_with(const char* pointer, const ordered_json& value)
{
    static const ordered_json sound = document_of(made_up::scan_of({layer_of("w", gaussian(4, 4))}));
    ordered_json document = sound;
    document[ordered_json::json_pointer(pointer)] = value;
    return fault_of(to_text(document));
}

std::string fault_without(const char* pointer, const char* key)
{
    ordered_json document = document_of(made_up::scan_of({layer_of("w", gaussian(4, 4))}));
    document[ordered_json::json_pointer(pointer)].erase(key);
    return fault_of(to_text(document));
}

}  // namespace

TEST_CASE("a saved scan that is read and written again is the same document, its verdict too")
{
    const scan_result scan = all_kinds();
    const std::string text = to_text(document_of(scan));
    const scan_result read = read_text(text);
    CHECK((to_text(document_of(read)) == text));
    CHECK((to_csv(read) == to_csv(scan)));
    CHECK((to_text(to_json(read, judge(read, classic_rules()))) == to_text(to_json(scan, judge(scan, classic_rules())))));
    for (std::size_t i = 0; i < scan.layers.size(); ++i) {
        INFO(scan.layers[i].name);
        const auto levels = [](const layer_result& layer) { return layer.sparsity ? layer.sparsity->sparsity_levels : std::vector<sparsity_level>(); };
        const auto before = levels(scan.layers[i]), after = levels(read.layers[i]);
        REQUIRE(before.size() == after.size());
        for (std::size_t k = 0; k < before.size(); ++k)
            CHECK((before[k].threshold == after[k].threshold && before[k].count == after[k].count));
        CHECK(scan.layers[i].census.has_value() == (scan.layers[i].name == "census only"));
        CHECK(read.layers[i].census.has_value() == (scan.layers[i].census || scan.layers[i].basic_stats));
    }
}

TEST_CASE("a scan of nothing reads back")
{
    scan_result nothing;
    nothing.settings.spectral = false;
    nothing.settings.basic_stats = false;
    const std::string text = to_text(document_of(nothing));
    CHECK((to_text(document_of(read_text(text))) == text));
}

TEST_CASE("a figure that a saved scan lacks is missing and says so, what is unknown is passed over")
{
    ordered_json document = document_of(made_up::scan_of({layer_of("w", gaussian(4, 4))}));
    document["layers"]["w"]["spectral"].erase("entropy_rank");
    document["layers"]["w"]["news"] = {{"a", 1}};
    const scan_result scan = read_text(to_text(document));
    CHECK(scan.layers[0].spectral->entropy_rank.reason == "not in the saved scan");
    CHECK(scan.layers[0].spectral->stable_rank.exists());
}

TEST_CASE("what is no saved scan is refused in one line that tells how to write one")
{
    const std::string cure = "; write one with: weightscope scan MODEL --output FILE.json";
    CHECK(fault_of("[]") == "is no saved scan, it names no schema" + cure);
    CHECK(fault_of("{\"a\": 1}") == "is no saved scan, it names no schema" + cure);
    CHECK(fault_of("{\"schema\": 1}") == "is no saved scan, it names no schema" + cure);
    CHECK(fault_of(R"({"schema": "weightscope/quantize/1"})") == "is no saved scan, its schema is 'weightscope/quantize/1'" + cure);
    CHECK(fault_of(R"({"schema": "weightscope/scan/2"})") == "is a scan of version '2', expected 1" + cure);
    CHECK(fault_of(R"({"schema": "\u001b[2J"})") == "is no saved scan, its schema is '\\u{1b}[2J'" + cure);
    CHECK(fault_of("") == "is empty (0 bytes); download or write it again");
    CHECK(fault_of("{\"schema\": ") == "byte 11: the JSON text ends too early; download or write the file again");
    CHECK_THROWS_AS(read_scan("no/such/file.json"), io_error);
}

TEST_CASE("a member that is not what the schema says is refused by its name")
{
    const std::string cure = "; scan the model again";
    CHECK(fault_with("/layers/w/basic_stats/mean", "0") == "layers.w.basic_stats.mean: is \"0\", expected a number" + cure);
    CHECK(fault_with("/layers/w/basic_stats/mean", nullptr) == "layers.w.basic_stats.mean_reason: is missing" + cure);
    CHECK(fault_with("/layers/w/basic_stats/histogram/counts", {1}) == "layers.w.basic_stats.histogram: has 65 edges and 1 counts, expected one edge more" + cure);
    CHECK(fault_with("/layers/w/basic_stats/nan_count", 17) == "layers.w: counts more entries that are not finite than entries" + cure);
    CHECK(fault_with("/layers/w/spectral", 1) == "layers.w.spectral: is 1, expected an object" + cure);
    CHECK(fault_with("/layers/w/shape", "4x4") == "layers.w.shape: is \"4x4\", expected an array" + cure);
    CHECK(fault_with("/layers/w/shape", {4, -4}) == "layers.w.shape: is -4, expected a whole number from 0 on" + cure);
    CHECK(fault_with("/layers/w/transposed", 0) == "layers.w.transposed: is 0, expected true or false" + cure);
    CHECK(fault_with("/layers/w/dtype", 7) == "layers.w.dtype: is 7, expected a text" + cure);
    CHECK(fault_with("/layers/w/sparsity/sparsity_levels/threshold_x", 7)
          == "layers.w.sparsity.sparsity_levels: has the key 'threshold_x', expected 'threshold_' and a number" + cure);
    CHECK(fault_with("/layers", {1}) == "layers: is an array, expected an object" + cure);
    CHECK(fault_with("/settings/bits", 5'000'000'000) == "settings.bits: is 5000000000, expected a smaller one" + cure);
    CHECK(fault_without("", "layers") == "layers: is missing" + cure);
    CHECK(fault_without("", "model") == "model: is missing" + cure);
    CHECK(fault_without("/layers/w", "shape") == "layers.w.shape: is missing" + cure);
}
