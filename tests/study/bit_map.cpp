#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <weightscope/analyzers/bit_map.hpp>
#include <weightscope/analyzers/bit_map_codes.hpp>
#include <weightscope/core/blas_threads.hpp>
#include <weightscope/core/ggml_bits.hpp>
#include <weightscope/core/ggml_type.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/io/bit_location.hpp>
#include <weightscope/io/block_anatomy.hpp>
#include <weightscope/io/gguf_decoder.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/bit_map_console.hpp>
#include <weightscope/report/bit_map_csv.hpp>
#include <weightscope/report/bit_map_json.hpp>
#include <weightscope/report/plot_bit_maps.hpp>
#include <weightscope/study/bit_map_study.hpp>
#include <weightscope/study/block_bit_map.hpp>
#include <weightscope/study/block_code_table.hpp>
#include <weightscope/study/block_steps.hpp>
#include <weightscope/study/block_table_map.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

// Bytes in memory as a tensor of a file.
named_tensor tensor_in_blocks(const ggml_type& type, std::vector<std::byte> bytes)
{
    const auto file = std::make_shared<const mapped_file>("m.gguf", std::move(bytes));
    named_tensor tensor{.name = "t", .bytes = file->bytes(), .file = file, .encoding = std::string(type.name)};
    tensor.shape = {tensor.bytes.size() / type.block_bytes * type.block_weights};
    tensor.decoder = std::make_shared<const detail::gguf_decoder>(type, detail::find_ggml_block_decoder(type.name), file, tensor.bytes);
    return tensor;
}

// Random codes, and scales that are neither tiny nor huge.
std::vector<std::byte> random_blocks(const ggml_type& type, std::size_t count)
{
    std::uint32_t random = 7 + type.number;
    const auto next = [&] { return (random = random * 1664525 + 1013904223) >> 24; };
    std::vector<std::byte> bytes(count * type.block_bytes);
    for (std::byte& b : bytes)
        b = static_cast<std::byte>(next());
    for (std::size_t block = 0; block < count; ++block)
        for (const detail::ggml_bit_field& field : detail::ggml_bit_fields(type.name)) {
            if (field.name != "scale" && field.name != "min")
                continue;
            for (unsigned i = 0; i < field.count; ++i) {
                const auto place = detail::ggml_field_places(type.name, field.name, i).front();
                std::byte* at = bytes.data() + block * type.block_bytes + place.byte;
                if (place.bit_count == 16)
                    at[1] = static_cast<std::byte>(0x30 + next() % 12 + (next() % 2 << 7));  // 0.125 to 2, either sign
                else if (place.bit_count == 8)
                    at[0] = static_cast<std::byte>(type.name == "MXFP4" ? 0x78 + next() % 16 : 0x30 + next() % 16);
                else
                    at[3] = static_cast<std::byte>(0x3f), at[2] = static_cast<std::byte>(next() % 128);
            }
        }
    return bytes;
}

struct brute_bit
{
    std::uint64_t flips = 0, nan = 0, infinite = 0, unchanged = 0;
    double most = 0, sum = 0;
};

// Each number of each block with each bit flipped, one at a time, decoded as a whole.
brute_bit brute_force(const named_tensor& tensor, const ggml_type& type, const std::string& part, unsigned bit)
{
    brute_bit result;
    const auto decode = detail::find_ggml_block_decoder(type.name);
    const bit_part numbers = find_bit_part(tensor, part);
    std::vector<float> before(type.block_weights), after(type.block_weights);
    for (std::size_t e = 0; e < tensor.size(); e += part == "code" ? 1 : numbers.weights) {
        const std::size_t begin = e / type.block_weights * type.block_bytes;
        const auto* from = reinterpret_cast<const std::uint8_t*>(tensor.bytes.data()) + begin;
        std::vector<std::uint8_t> block(from, from + type.block_bytes);
        decode(block.data(), 1, before.data());
        unsigned i = 0;
        for (const bit_range& range : locate_bits(tensor, e, part))
            for (unsigned k = 0; k < range.bit_count; ++k, ++i)
                if (i == bit)
                    block[range.offset - begin + (range.first_bit + k) / 8] ^= static_cast<std::uint8_t>(1u << (range.first_bit + k) % 8);
        decode(block.data(), 1, after.data());
        ++result.flips;
        double change = 0;
        bool nan = false, infinite = false;
        for (std::size_t w = 0; w < after.size(); ++w) {
            nan = nan || std::isnan(after[w]);
            infinite = infinite || std::isinf(after[w]);
            change = std::max(change, std::fabs(static_cast<double>(after[w]) - static_cast<double>(before[w])));
        }
        result.nan += nan;
        result.infinite += !nan && infinite;
        if (nan || infinite)
            continue;
        result.unchanged += change == 0;
        result.most = std::max(result.most, change);
        result.sum += change;
    }
    return result;
}

model small_model()
{
    static const std::vector<float> values = {1.5f, -2, 0.5f, 0, 3, 0.25f};
    std::vector<std::byte> bytes(sizeof(float) * values.size());
    std::copy_n(reinterpret_cast<const std::byte*>(values.data()), bytes.size(), bytes.data());
    const auto file = std::make_shared<const mapped_file>("m.bin", std::move(bytes));
    const auto tensor = [&](std::string name, std::vector<std::size_t> shape) {
        return named_tensor{.name = std::move(name), .shape = std::move(shape), .bytes = file->bytes(), .file = file};
    };
    model m{.path = "m.bin", .format = "test"};
    m.tensors = {tensor("a.weight", {2, 3}), tensor("b.weight", {3, 2}), tensor("names", {4})};
    m.tensors[1].tied_to = "a.weight";
    m.tensors[2].dtype = dtype::opaque;
    m.tensors[2].encoding = "STRING";
    return m;
}

}  // namespace

TEST_CASE("the map of every block type is what each bit of each code and each scale does")
{
    std::size_t types = 0;
    for (const ggml_type& type : ggml_types) {
        if (detail::ggml_bit_fields(type.name).empty() || detail::find_ggml_block_decoder(type.name) == nullptr)
            continue;
        ++types;
        INFO(type.name);
        const named_tensor tensor = tensor_in_blocks(type, random_blocks(type, 6));
        const bit_map_result map = map_bits(tensor);
        const std::vector<bit_part> parts = bit_parts(tensor);
        // the decoder rounds a difference, and the product with a scale of 24 bits, which the map does not
        const bool rounded = type.name == "Q8_K" || std::any_of(parts.begin(), parts.end(), [](const bit_part& p) { return p.name == "min"; });
        std::size_t positions = 0;
        bool agree = true;
        for (const bit_part& part : parts)
            for (unsigned bit = 0; bit < part.layout.bits; ++bit, ++positions) {
                const bit_position& p = map.positions.at(positions);
                const brute_bit b = brute_force(tensor, type, part.name, bit);
                const double tolerance = rounded ? 3e-7 * (map.max_magnitude + b.most) : 0, count = static_cast<double>(b.flips - b.nan - b.infinite);
                const bool same = p.part == part.name && p.bit == bit && p.weights_per_flip == part.weights && p.flip_count == b.flips
                                  && p.nan_count == b.nan && p.infinite_count == b.infinite && p.unchanged_count <= b.unchanged
                                  && (rounded || p.unchanged_count == b.unchanged) && p.max_change.exists() == (b.most > 0)
                                  && (b.most == 0 || std::fabs(p.max_change.value - b.most) <= tolerance)
                                  && (count == 0 || std::fabs(p.mean_change.value - b.sum / count) <= tolerance + 1e-12 * b.sum)
                                  && (b.most == 0 || part.name != "code" || std::fabs(std::fabs(p.max_new - p.max_old) - b.most) <= tolerance);
                if (!same)
                    FAIL_CHECK(part.name << " bit " << bit << ": " << p.flip_count << " " << p.nan_count << " " << p.infinite_count << " "
                                         << p.unchanged_count << ", max " << p.max_change.value << ", mean " << p.mean_change.value << "; expected "
                                         << b.flips << " " << b.nan << " " << b.infinite << " " << b.unchanged << ", max " << b.most << ", mean "
                                         << b.sum / count);
                agree = agree && same;
            }
        CHECK(positions == map.positions.size());
        CHECK(agree);
        CHECK(map.size == tensor.size());
        CHECK(map.nonfinite_count == 0);
    }
    CHECK(types == 19);
}

TEST_CASE("flips above the limits and binades of changes in blocks are counted one by one")
{
    // but Q8_K, whose decoder rounds the products that the map looks at
    for (const char* name : {"Q4_0", "Q8_0", "Q4_1", "Q3_K", "Q4_K", "Q6_K", "IQ4_NL", "MXFP4", "NVFP4", "Q1_0"}) {
        const ggml_type& type = *find_ggml_type(name);
        std::vector<std::byte> bytes = random_blocks(type, 40);
        std::fill_n(bytes.begin() + 3 * type.block_bytes, type.block_bytes, std::byte{0});  // one that is all zeros
        const named_tensor tensor = tensor_in_blocks(type, bytes);
        const bit_map_result map = map_bits(tensor, {.rms_factor = 1.5});
        const detail::block_anatomy anatomy(type);
        std::size_t place = 0;
        bool same = true;
        for (std::size_t f = 0; f < anatomy.fields().size(); ++f)
            for (unsigned bit = 0; bit < anatomy.fields()[f].layout.bits; ++bit, ++place) {
                const std::size_t weights = f == 0 ? 1 : type.block_weights / anatomy.fields()[f].count;
                std::uint64_t above_max = 0, above_rms = 0;
                std::map<int, std::uint64_t> changes;
                for (std::size_t block = 0; block < 40; ++block) {
                    const auto* from = reinterpret_cast<const std::uint8_t*>(tensor.bytes.data()) + block * type.block_bytes;
                    std::vector<float> before(type.block_weights), after(type.block_weights);
                    anatomy.decode(from, before);
                    anatomy.decode_flipped(from, f, bit, after);
                    for (std::size_t n = 0; n < type.block_weights; n += weights) {
                        double change = 0;
                        bool finite = true;
                        for (std::size_t e = n; e < n + weights; ++e) {
                            finite = finite && std::isfinite(after[e]);
                            change = std::max(change, std::fabs(static_cast<double>(after[e]) - static_cast<double>(before[e])));
                        }
                        if (!finite || change == 0)
                            continue;
                        above_max += change > map.max_magnitude ? 1 : 0;
                        above_rms += change > 1.5 * map.rms ? 1 : 0;
                        ++changes[std::ilogb(change * (1 + 1e-6))];  // the decoder's rounding may fall below a power of two
                    }
                }
                const bit_position& p = map.positions.at(place);
                bool listed = p.changes.size() == changes.size();
                for (const binade_count& b : p.changes)
                    listed = listed && changes[b.exponent] == b.count;
                same = same && listed && p.above_max_count == above_max && p.above_rms_count == above_rms;
                if (!listed || p.above_max_count != above_max || p.above_rms_count != above_rms)
                    FAIL_CHECK(name << " " << p.part << " bit " << bit << ": above " << p.above_max_count << " " << p.above_rms_count << ", expected " << above_max
                                    << " " << above_rms << ", binades " << listed);
            }
        CHECK(same);
    }
}

TEST_CASE("floats are summed many at once as one by one")
{
    std::vector<float> values;
    std::uint32_t random = 5;
    for (int i = 0; i < 1003; ++i) {
        random = random * 1664525 + 1013904223;
        values.push_back(std::ldexp(static_cast<float>(random >> 8) - 8e6F, -static_cast<int>(random % 170)));
    }
    for (const float special : {0.0F, -0.0F, 1e-45F, -1e-40F, 3e38F})
        values.push_back(special);
    for (const bool finite : {true, false}) {
        if (!finite)
            values.insert(values.begin() + 7, {std::numeric_limits<float>::infinity(), std::nanf("")});
        detail::bit_weight_sums many, single;
        many.add_floats(values);
        for (const float w : values)
            single.add(static_cast<double>(w), 1);
        const bit_map_result a = many.begun(), b = single.begun();
        CHECK(a.size == b.size);
        CHECK(a.nonfinite_count == b.nonfinite_count);
        CHECK(a.zero_count == b.zero_count);
        CHECK(a.max_magnitude == b.max_magnitude);
        CHECK(a.rms == Approx(b.rms).epsilon(1e-13));
        CHECK(a.exponents == b.exponents);
    }
}

TEST_CASE("blocks with a scale that is not finite are left out")
{
    const ggml_type& type = *find_ggml_type("Q8_0");
    std::vector<std::byte> bytes = random_blocks(type, 2);
    bytes[0] = std::byte{0};
    bytes[1] = std::byte{0x7c};  // infinity
    std::fill(bytes.begin() + 2, bytes.begin() + 34, std::byte{1});
    const bit_map_result map = map_bits(tensor_in_blocks(type, bytes));
    CHECK(map.nonfinite_count == 32);
    CHECK(map.positions.front().flip_count == 32);
    CHECK(map.positions.back().part == "scale");
    CHECK(map.positions.back().flip_count == 1);
    CHECK(map.positions.back().weights_per_flip == 32);
}

TEST_CASE("the map of blocks is the same for any number of threads")
{
    const ggml_type& type = *find_ggml_type("Q4_K");
    const named_tensor tensor = tensor_in_blocks(type, random_blocks(type, 3000));
    const bit_map_result one = with_threads(1, [&] { return map_bits(tensor); }), three = with_threads(3, [&] { return map_bits(tensor); });
    bool same = one.rms == three.rms;
    for (std::size_t i = 0; i < one.positions.size(); ++i)
        same = same && one.positions[i].max_index == three.positions[i].max_index && one.positions[i].changes == three.positions[i].changes
               && one.positions[i].mean_change.value == three.positions[i].mean_change.value;
    CHECK(same);
}

TEST_CASE("a model's bits are mapped tensor by tensor, ties once, and what has none is told")
{
    const bit_map_study_result study = map_bits(small_model());
    REQUIRE(study.tensors.size() == 3);
    CHECK(study.model.parameters == 10);
    CHECK(study.tensors[0].map.positions.size() == 32);
    CHECK(study.tensors[0].map.positions[31].max_change.value == 6);
    CHECK(study.tensors[0].map.positions[31].unchanged_count == 1);
    CHECK(study.tensors[1].tied_to == "a.weight");
    CHECK(study.tensors[1].map.positions.empty());
    CHECK(study.environment.blas == blas_name());
    CHECK(study.environment.threads > 0);
    CHECK(study.tensors[2].skipped == "stored as STRING: no bits of its own that are known here");

    const bit_map_study_result signs = map_bits(small_model(), {.bitset = "sign", .include = {"^b"}});
    REQUIRE(signs.tensors.size() == 1);
    CHECK(signs.tensors[0].tied_to.empty());  // the other one is not there
    REQUIRE(signs.tensors[0].map.positions.size() == 1);
    CHECK(signs.tensors[0].map.positions[0].bit == 31);
    CHECK(signs.settings.bitset == "sign");

    const model m = small_model();
    std::string message;
    try {
        (void)map_bits(m.tensors[2]);
    } catch (const std::invalid_argument& error) {
        message = error.what();
    }
    CHECK(message == "weightscope::map_bits(tensor 'names'): elements stored as STRING have no bits of their own that are known here");
    bool stopped = false;
    try {
        (void)map_bits(m, {}, [](const progress&) { return false; });
    } catch (const cancelled&) {
        stopped = true;
    }
    CHECK(stopped);
}

TEST_CASE("counting steps by their scale gives what looking at each block does, with any number of threads")
{
    std::size_t counted = 0;
    for (const ggml_type& type : ggml_types) {
        if (detail::ggml_bit_fields(type.name).empty())
            continue;
        const detail::block_reader reader(type);
        if (!detail::block_code_table::fits(reader))
            continue;
        ++counted;
        INFO(type.name);
        constexpr std::size_t blocks = 5000;  // more than a chunk
        std::vector<std::byte> bytes = random_blocks(type, blocks);
        if (reader.anatomy().fields()[1].layout.bits == 16)
            for (const std::size_t block : {3, 700, 4999}) {  // Inf, NaN and 0 as scales
                const auto place = detail::ggml_field_places(type.name, "scale", 0).front();
                bytes[block * type.block_bytes + place.byte] = static_cast<std::byte>(block == 700 ? 1 : 0);
                bytes[block * type.block_bytes + place.byte + 1] = static_cast<std::byte>(block == 4999 ? 0 : 0x7c);
            }
        const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
        const bit_map_result one = detail::map_bits_block_by_block(reader, data, blocks, {});
        const std::optional<bit_map_result> other = with_threads(3, [&] { return detail::map_bits_by_table(reader, data, blocks, {}); });
        REQUIRE(other);
        CHECK(other->size == one.size);
        CHECK(other->nonfinite_count == one.nonfinite_count);
        CHECK(other->zero_count == one.zero_count);
        CHECK(other->max_magnitude == one.max_magnitude);
        CHECK(other->rms == Approx(one.rms).epsilon(1e-12));
        CHECK(other->exponents == one.exponents);
        REQUIRE(other->positions.size() == one.positions.size());
        for (std::size_t i = 0; i < one.positions.size(); ++i) {
            const bit_position &a = other->positions[i], &b = one.positions[i];
            INFO("position " << i);
            CHECK(a.bit == b.bit);
            CHECK(a.flip_count == b.flip_count);
            CHECK(a.nan_count == b.nan_count);
            CHECK(a.infinite_count == b.infinite_count);
            CHECK(a.unchanged_count == b.unchanged_count);
            CHECK(a.above_max_count == b.above_max_count);
            CHECK(a.above_rms_count == b.above_rms_count);
            CHECK(a.changes == b.changes);
            REQUIRE(a.max_change.exists() == b.max_change.exists());
            REQUIRE(a.mean_change.exists() == b.mean_change.exists());
            if (a.max_change.exists()) {
                CHECK(a.max_change.value == b.max_change.value);
                CHECK(a.max_index == b.max_index);
            }
            if (a.mean_change.exists()) {
                CHECK(a.mean_change.value == Approx(b.mean_change.value).epsilon(1e-12));
                CHECK(a.rms_change.value == Approx(b.rms_change.value).epsilon(1e-12));
            }
        }
        const bit_map_result again = *with_threads(1, [&] { return detail::map_bits_by_table(reader, data, blocks, {}); });
        bool identical = true;
        for (std::size_t i = 0; i < one.positions.size(); ++i)
            if (one.positions[i].mean_change.exists())
                identical = identical && again.positions[i].mean_change.value == other->positions[i].mean_change.value
                         && again.positions[i].rms_change.value == other->positions[i].rms_change.value;
        CHECK(identical);
    }
    CHECK(counted >= 8);

    // scales that make weights too large for a float are left to the blocks themselves
    const ggml_type& huge = *find_ggml_type("MXFP4");
    std::vector<std::byte> bytes = random_blocks(huge, 4);
    bytes[0] = std::byte{0xfe};
    const detail::block_reader reader(huge);
    CHECK_FALSE(detail::map_bits_by_table(reader, reinterpret_cast<const std::uint8_t*>(bytes.data()), 4, {}));
}

TEST_CASE("a map is told as JSON, as a table, as text and as charts")
{
    const bit_map_study_result study = map_bits(small_model(), {.bitset = "exponent_sign"});
    const nlohmann::ordered_json json = to_json(study);
    CHECK(json["schema"] == "weightscope/bits_map/1");
    CHECK(json["tensors"]["names"]["skipped"] == "stored as STRING: no bits of its own that are known here");
    const auto& bits = json["tensors"]["a.weight"]["bits"];
    REQUIRE(bits.size() == 9);
    CHECK(bits[8]["bit"] == 31);
    CHECK(bits[8]["class"] == "sign");
    CHECK(bits[8]["max_change"] == 6);
    CHECK(bits[8]["max_at"]["flat"] == 4);
    CHECK(bits[8]["changes"].dump() == "[[-1,1],[0,1],[1,1],[2,2]]");  // 0.5, 1, 3, 4 and 6
    CHECK(bits[7]["infinite_count"] == 0);                             // 1.5 becomes NaN, 2 to 3 shrink
    CHECK(bits[7]["nan_count"] == 1);

    const std::string csv = to_csv(study);
    CHECK(std::count(csv.begin(), csv.end(), '\n') == 10);
    CHECK(csv.find("a.weight,2x3,F32,3,") != std::string::npos);
    CHECK(csv.find(",code,31,sign,1,6,0,0,1,6,4,3,-3,") != std::string::npos);

    const std::string text = to_console(study, {.width = 150});
    for (const char* expected : {"3 tensors in 48 bytes, bits exponent_sign: of 54 flips 1.85 % end at NaN, 0 at infinity",
                                 "1 tensor has another's storage: counted once", "1 tensor has no bits to flip: stored as STRING", "30 (exponent)",
                                 "'!' some flips end at NaN or Inf"}) {
        INFO(text);
        CHECK(text.find(expected) != std::string::npos);
    }
    const std::vector<chart> charts = plot_bit_maps(study);
    REQUIRE(charts.size() == 2);
    CHECK(charts[0].name == "bit_map_F32");
    CHECK(charts[1].name == "bit_map_F32_failing");
    CHECK(charts[0].csv.find("31 sign,a.weight,2\n") != std::string::npos);
    CHECK(charts[0].svg.find("</svg>") != std::string::npos);
}
