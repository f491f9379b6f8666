#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <zlib.h>

#include <weightscope/core/elements.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/io/pickle.hpp>
#include <weightscope/io/pytorch.hpp>

#include "../catch.hpp"
#include "files.hpp"
#include "pytorch_samples.hpp"
#include "pytorch_writer.hpp"

using namespace weightscope;
using files::message;

namespace {

model open(const std::string& content, const pytorch_options& options = {})
{
    std::vector<std::byte> bytes(content.size());
    std::transform(content.begin(), content.end(), bytes.begin(), [](char c) { return static_cast<std::byte>(c); });
    return detail::read_pytorch(std::make_shared<const mapped_file>("m.pt", std::move(bytes)), options);
}

std::string refused(const std::string& content)
{
    return message<io_error>([&] { (void)open(content); });
}

// "name shape: values" for each tensor; ties, storages and parts where they say something.
std::vector<std::string> listed(const model& m)
{
    std::vector<std::string> lines;
    for (const named_tensor& t : m.tensors) {
        std::string line = fmt::format("{} {} {}", t.name, t.storage(), t.shape);
        if (is_numeric(t.dtype))
            visit(t, [&](const auto& view) {
                with_elements(view, [&](auto elements) {
                    line += ':';
                    for (const auto x : elements)
                        line += fmt::format(" {}", static_cast<double>(x));
                });
            });
        line += t.tied_to.empty() ? "" : " = " + t.tied_to;
        line += t.part_of.empty() ? "" : " of " + t.part_of;
        lines.push_back(line);
    }
    return lines;
}

using lines = std::vector<std::string>;
using metadata = model_metadata;

const lines small_model = {"fc.weight F32 [2, 3]: 0 1 2 3 4 5", "fc.bias F32 [2]: 0 1", "tied.weight F32 [2, 3]: 0 1 2 3 4 5 = fc.weight"};

lines deflated(lines all)
{
    for (std::string& line : all)
        line.replace(line.find("F32"), 3, "F32 deflated");
    return all;
}

}  // namespace

TEST_CASE("a state dict in an archive is a model whose tensors lie in the file")
{
    const std::string content = pytorch::small_archive();
    const model m = open(content);
    CHECK(m.format == "PyTorch zip");
    CHECK(m.path == "m.pt");
    CHECK(m.metadata.empty());
    CHECK(listed(m) == small_model);
    for (const named_tensor& t : m.tensors) {
        CHECK(t.decoder == nullptr);
        CHECK(t.bytes.data() == t.file->bytes().data() + t.offset);
        CHECK(t.bytes.size() == t.size() * 4);
    }

    const files::temporary_folder folder;
    const model from_disk = read_pytorch(files::write(folder / "model.bin", content));
    CHECK(listed(from_disk) == small_model);
    CHECK(from_disk.path == folder / "model.bin");
}

TEST_CASE("deflated storages are inflated when they are visited")
{
    const model m = open(pytorch::small_archive(true));
    CHECK(listed(m) == deflated(small_model));
    CHECK(listed(m) == deflated(small_model));  // once more: the first reading has dropped them
    CHECK(m.tensors[0].encoded_bytes < 24 + 32);
}

TEST_CASE("of a checkpoint the weights are shown, and what stands beside them if it is asked for")
{
    const std::string content = pytorch::archive(pytorch::checkpoint(), pytorch::checkpoint_storages());
    const model m = open(content);
    CHECK(listed(m) == small_model);
    CHECK(m.metadata
          == metadata{{"epoch", "3"},
                      {"arch", "net"},
                      {"config.lr", "0.5"},
                      {"config.nesterov", "true"},
                      {"weights taken from", "state_dict"},
                      {"left out", "5 tensors of the training state"},
                      {"left out", "3 tensors of averaged weights"}});

    const lines averages = {"state_dict_ema.fc.weight F32 [2, 3]: 0 1 2 3 4 5 = fc.weight", "state_dict_ema.fc.bias F32 [2]: 0 1 = fc.bias",
                            "state_dict_ema.tied.weight F32 [2, 3]: 0 1 2 3 4 5 = fc.weight"};
    const lines training = {"adam.state.0.exp_avg F32 [2, 3]: 0 1 2 3 4 5",
                            "adam.state.0.exp_avg_sq F32 [2, 3]: 0 1 2 3 4 5 = adam.state.0.exp_avg",
                            "lr_scheduler.base F32 [2, 3]: 0 1 2 3 4 5 = adam.state.0.exp_avg", "cuda_rng_state U8 [4]: 1 2 3 4",
                            "best F32 []: 1"};
    lines with_averages = small_model, with_training = small_model;
    with_averages.insert(with_averages.end(), averages.begin(), averages.end());
    with_training.insert(with_training.end(), training.begin(), training.end());
    CHECK(listed(open(content, {.include_averages = true})) == with_averages);
    CHECK(listed(open(content, {.include_training_state = true})) == with_training);
}

TEST_CASE("averaged weights are the weights where there are no others")
{
    using namespace pytorch;
    const std::string content = archive(dict({{"params_ema", state_dict()}, {"optimizer", dict({})}}), {counting(6), counting(2)});
    CHECK(listed(open(content)) == small_model);
    const std::string flat = archive(dict({{"state_dict", dict({{"model.w", tensor_of(storage("FloatStorage", "0", 2), 0, {2}, {1})},
                                                               {"model_ema.w", tensor_of(storage("FloatStorage", "0", 2), 0, {1}, {1})}})}}),
                                     {counting(2)});
    CHECK(listed(open(flat)) == lines{"model.w F32 [2]: 0 1"});
}

TEST_CASE("keys around all weights are taken off, others stay")
{
    using namespace pytorch;
    const std::string w = dict({{"w", tensor_of(storage("FloatStorage", "0", 2), 0, {2}, {1})}});
    const auto names = [](const std::string& object) {
        std::vector<std::string> result;
        for (const named_tensor& t : open(archive(object, {counting(2)})).tensors)
            result.push_back(t.name);
        return result;
    };
    CHECK(names(dict({{"model", dict({{"state_dict", w}})}})) == lines{"w"});
    CHECK(names(dict({{"module", w}})) == lines{"w"});
    CHECK(names(dict({{"encoder", w}})) == lines{"encoder.w"});
    CHECK(names(dict({{"generator", w}, {"model", w}})) == lines{"generator.w", "model.w"});
    CHECK(names(dict({{"optimizer_g", w}, {"net", w}, {"amp_scaler", w}})) == lines{"w"});
    CHECK(names(dict({{"model", tensor_of(storage("FloatStorage", "0", 2), 0, {2}, {1})}})) == lines{"model"});  // no key around it
    CHECK(names(tensor_of(storage("FloatStorage", "0", 2), 0, {2}, {1})) == lines{"m"});                         // the file's stem
    CHECK(names(tuple({tensor_of(storage("FloatStorage", "0", 2), 0, {2}, {1}), w})) == lines{"0", "1.w"});
    CHECK(names(call(global("collections", "OrderedDict"), {"](](" + text("a") + tensor_of(storage("FloatStorage", "0", 2), 0, {2}, {1}) + "ee"}))
          == lines{"a"});  // as Python 2 wrote them
    // the last value of a key counts; a number and a text may make the same name
    const std::string one = tensor_of(storage("FloatStorage", "0", 2), 0, {1}, {1}), two = tensor_of(storage("FloatStorage", "0", 2), 0, {2}, {1});
    CHECK(listed(open(archive("}(" + text("1") + two + text("1") + one + number(1) + two + "u", {counting(2)})))
          == lines{"1 F32 [1]: 0", "1 (2) F32 [2]: 0 1"});
}

TEST_CASE("a pickled module has the names of its state dict, whatever its classes are")
{
    // 0x3c3c as a half is 1.05859375
    const model m = open(pytorch::archive(pytorch::module(), {std::string(8, '\x3c'), pytorch::counting(2)}));
    CHECK(listed(m)
          == lines{"conv.weight F16 [2, 2]: 1.05859375 1.05859375 1.05859375 1.05859375", "bn.running_mean F32 [2]: 0 1"});
}

TEST_CASE("views show their elements of the storage")
{
    const lines strided = {"whole F32 [3, 4]: 0 1 2 3 4 5 6 7 8 9 10 11",
                           "transposed F32 strided [4, 3]: 0 4 8 1 5 9 2 6 10 3 7 11",
                           "columns F32 strided [3, 2]: 1 3 5 7 9 11",
                           "repeated F32 strided [2, 3]: 2 3 4 2 3 4",
                           "late F32 [2]: 10 11",
                           "scalar F32 []: 5",
                           "empty F32 [0, 4]:"};
    const model m = open(pytorch::archive(pytorch::views(), {pytorch::counting(12)}));
    CHECK(listed(m) == strided);
    CHECK(m.tensors[2].encoded_bytes == 44);  // from the first element to the last
    CHECK(m.tensors[2].bytes.data() == m.tensors[0].bytes.data() + 4);

    // decoding may begin anywhere
    const named_tensor& transposed = m.tensors[1];
    for (std::size_t first = 0; first < 12; ++first) {
        std::vector<float> values(12 - first);
        transposed.decoder->decode(first, std::as_writable_bytes(std::span(values)));
        CHECK(values.front() == static_cast<float>(first % 3 * 4 + first / 3));
        CHECK(values.back() == 11);
    }

    lines unpacked = strided;
    for (std::string& line : unpacked)
        if (!line.starts_with("empty"))
            line.insert(line.find(" ["), " deflated");
    CHECK(listed(open(pytorch::archive(pytorch::views(), {pytorch::counting(12)}, true))) == unpacked);
}

TEST_CASE("big-endian archives are read by value")
{
    std::string turned = pytorch::counting(12);
    for (std::size_t i = 0; i < turned.size(); i += 4)
        std::reverse(turned.begin() + static_cast<std::ptrdiff_t>(i), turned.begin() + static_cast<std::ptrdiff_t>(i) + 4);
    const model m = open(pytorch::archive(pytorch::views(), {turned}, false, "big"));
    CHECK(listed(m)[0] == "whole F32 big-endian [3, 4]: 0 1 2 3 4 5 6 7 8 9 10 11");
    CHECK(listed(m)[2] == "columns F32 strided big-endian [3, 2]: 1 3 5 7 9 11");
    CHECK(listed(open(pytorch::archive(pytorch::views(), {pytorch::counting(12)}, false, "little")))[4] == "late F32 [2]: 10 11");
}

TEST_CASE("quantized tensors are shown as values, with their codes beside")
{
    const model m = open(pytorch::archive(pytorch::quantized(), pytorch::quantized_storages()));
    // codes 1 -1 -128 127, or 1 255 128 127 without sign; (code - 1) / 2, and by column (code - 0) / 4 and (code + 1) * 2
    CHECK(listed(m)
          == lines{"signed qint8 per tensor [2, 2]: 0 -1 -64.5 63", "signed.int_repr I8 [2, 2]: 1 -1 -128 127 of signed",
                   "unsigned quint8 per tensor [2, 2]: 0 127 63.5 63", "unsigned.int_repr U8 [2, 2]: 1 255 128 127 of unsigned",
                   "channels qint8 per channel, axis 1 [2, 2]: 0.25 0 -32 256", "channels.int_repr I8 [2, 2]: 1 -1 -128 127 of channels",
                   "channels.q_per_channel_scales F64 [2]: 0.25 2 of channels",
                   "channels.q_per_channel_zero_points I64 [2]: 0 -1 of channels", "sparse sparse [5]",
                   "sparse.indices I64 [1, 2]: 0 -1 of sparse", "sparse.values F64 [2]: 0.25 2 of sparse"});
    CHECK(m.tensors[0].dtype == dtype::float32);
    CHECK(m.tensors[0].stored_bytes() == 4);
    CHECK(m.tensors[4].stored_bytes() == 4 + 16 + 16);
    CHECK(m.tensors[8].dtype == dtype::opaque);
}

TEST_CASE("types without a storage of their own lie in untyped storages")
{
    // bytes 0 0 0 0, 0 0 80 3f: 0x80 is -0 and 0x3f is 1.875 as E4M3; 0x3f80 is 16256
    const model m = open(pytorch::archive(pytorch::untyped(), {pytorch::counting(2)}));
    CHECK(listed(m) == lines{"e4m3 F8_E4M3 [8]: 0 0 0 0 0 0 -0 1.875", "u16 U16 [4]: 0 0 0 16256", "f32 F32 [2]: 0 1"});
}

TEST_CASE("a script's archive shows the attributes of its modules and the constants of its code")
{
    const model m = open(pytorch::script());
    CHECK(m.format == "TorchScript");
    CHECK(listed(m) == lines{"lin.weight F32 deflated [2, 3]: 0 1 2 3 4 5", "constants.0 F32 [2]: 0 1"});
}

TEST_CASE("the stream of older versions is read, with views of storages")
{
    const model m = open(pytorch::legacy_checkpoint());
    CHECK(m.format == "PyTorch legacy");
    CHECK(listed(m) == lines{"a F32 strided [2, 3]: 0 2 4 1 3 5", "b F32 [3]: 3 4 5", "n I64 []: -5"});
}

TEST_CASE("protocol 4 is read like protocol 2")
{
    const std::string content = pytorch::zip({{"a/data.pkl", pytorch::protocol_4()}, {"a/data/0", pytorch::counting(3)}});
    CHECK(listed(open(content)) == lines{"w F32 [3]: 0 1 2"});
}

TEST_CASE("every type of storage is known")
{
    using namespace pytorch;
    for (const detail::torch_type& type : detail::torch_types) {
        if (type.storage.empty() || type.quantized)
            continue;
        const std::string name = std::string(type.storage) + "Storage";
        for (const std::string module : {"torch", "torch.cuda", "torch.storage"}) {
            const std::string id = tuple({text("storage"), global(module, name), text("0"), text("cuda:0"), number(2)}) + "Q";
            const model m = open(archive(dict({{"w", tensor_of(id, 0, {2}, {1})}}), {std::string(2 * type.bytes, '\0')}));
            REQUIRE(m.tensors.size() == 1);
            CHECK(m.tensors[0].dtype == type.type);
            CHECK(m.tensors[0].bytes.size() == 2 * type.bytes);
        }
    }
    CHECK(detail::torch_type_of_storage("os.FloatStorage") == nullptr);
    CHECK(detail::torch_type_of_storage("FloatStorage") == nullptr);
    CHECK(detail::torch_type_of_storage("torch.Storage") == nullptr);
    CHECK(detail::torch_type_of_dtype("torch.float16")->type == dtype::float16);
    CHECK(detail::torch_type_of_dtype("numpy.float16") == nullptr);
}

TEST_CASE("code in a pickle is never run and does not keep the weights from being read")
{
    using namespace pytorch;
    const files::temporary_folder folder;
    const std::string mark = (folder / "mark").string();
    const std::string weight = tensor_of(storage("FloatStorage", "0", 2), 0, {2}, {1});
    const std::string object = dict({{"a", call(global("os", "system"), {text("touch " + mark)})},
                                     {"b", call(global("builtins", "eval"), {text("1+1")})},
                                     {"c", call(global("posix", "system"), {weight})},
                                     {"d", call(call(global("importlib", "import_module"), {text("os")}), {number(1)}) + dict({{"x", text("y")}}) + "b"},
                                     {"w", weight}});
    const model m = open(archive(object, {counting(2)}));
    CHECK(listed(m) == lines{"c.0 F32 [2]: 0 1", "w F32 [2]: 0 1 = c.0"});
    CHECK(folder.names().empty());
}

TEST_CASE("a checkpoint that is not what it claims to be is refused at the byte where it says so")
{
    using namespace pytorch;
    const std::string good = tensor_of(storage("FloatStorage", "0", 2), 0, {2}, {1});
    // the object begins behind the entry's header and name, and the two bytes of the protocol
    const std::size_t object_begin = 30 + std::string_view("archive/data.pkl").size() + 2;
    const auto fault = [&](const std::string& object, std::string_view last_part, std::string_view what) {
        const std::size_t position = object_begin + object.rfind(last_part);
        CHECK(refused(archive(object, {counting(2)}))
              == fmt::format("m.pt: byte {}: data.pkl: {}; download or write the file again", position, what));
    };
    const auto rebuilt = [](const std::string& s, const std::string& first, const std::string& shape, const std::string& strides) {
        return call(global("torch._utils", "_rebuild_tensor_v2"), {s, first, shape, strides, no, none});
    };
    const std::string two = storage("FloatStorage", "0", 2);

    fault(tensor_of(two, 1, {2}, {1}), "Q", "the tensor 'm' ends at byte 12 of the storage '0', which has 8");
    fault(tensor_of(two, 0, {2, 2}, {1, 1}), "Q", "the tensor 'm' ends at byte 12 of the storage '0', which has 8");
    fault(tensor_of(storage("FloatStorage", "0", 3), 0, {2}, {1}), "Q",
          "the storage '0' should have 3 elements of 4 bytes, but its entry has 8 bytes");
    fault(tensor_of(storage("FloatStorage", "7", 2), 0, {2}, {1}), "Q", "the archive has no entry for the storage '7'");
    fault(tensor_of(storage("StringStorage", "0", 2), 0, {2}, {1}), "Q", "storages of type 'torch.StringStorage' are unknown");
    fault(rebuilt(tuple({text("storage"), number(1)}) + "Q", number(0), numbers({2}), numbers({1})), "Q",
          "the id of a storage is not: 'storage', its type, its key, its place, its length");
    fault(rebuilt(storage("FloatStorage", "0", -1), number(0), numbers({2}), numbers({1})), "Q",
          "the length of a storage is no whole number from 0 to 2^56");
    fault(rebuilt(none, number(0), numbers({2}), numbers({1})), "R",
          "the call of _rebuild_tensor_v2 has not: a storage, an offset, a shape and strides");
    fault(rebuilt(two, number(-1), numbers({2}), numbers({1})), "R", "the offset of a tensor is no whole number from 0 to 2^56");
    fault(rebuilt(two, number(0), tuple({text("2")}), numbers({1})), "R",
          "an extent or a stride of a tensor is no whole number from 0 to 2^56");
    fault(rebuilt(two, number(0), numbers({2, 1}), numbers({1})), "R",
          "the call of _rebuild_tensor_v2 has 1 strides for 2 dimensions");
    const std::int64_t large = std::int64_t{1} << 40;
    fault(rebuilt(two, number(0), numbers({large, large}), numbers({0, 0})), "R",
          "the call of _rebuild_tensor_v2 describes more elements than can exist");
    fault(rebuilt(two, number(0), numbers({large, 2}), numbers({large, 1})), "R",
          "the call of _rebuild_tensor_v2 describes more elements than can exist");
    const std::vector<std::int64_t> many(65, 1);
    fault(rebuilt(two, number(0), numbers(many), numbers(many)), "R",
          "the call of _rebuild_tensor_v2 has 65 dimensions, expected at most 64");
    std::string nested = good;
    for (int i = 0; i < 20; ++i)
        nested = call(global("torch._utils", "_rebuild_parameter"), {nested, yes, none});
    CHECK(refused(archive(nested, {counting(2)})).find("tensors are made out of tensors more than 16 times") != std::string::npos);
    fault(call(global("torch._utils", "_rebuild_tensor_v3"), {two, number(0), numbers({2}), numbers({1}), no, none, global("torch", "int3")}),
          "R", "the call of _rebuild_tensor_v3 has no dtype that is known here");
    fault(call(global("torch._utils", "_rebuild_qtensor"), {two, number(0), numbers({2}), numbers({1}), tuple({none}), no, none}), "R",
          "the call of _rebuild_qtensor has no quantizer that is known here");
    fault(call(global("torch._utils", "_rebuild_qtensor"),
               {two, number(0), numbers({2}), numbers({1}), tuple({none, good, good, number(1)}), no, none}),
          "R", "the call of _rebuild_qtensor has not one scale and one zero point for each index along an axis");

    CHECK(refused(zip({{"a/data.pkl", std::string((std::size_t{1} << 26) + 1, 'N'), true}}))
          == "m.pt: byte 0: entry 'a/data.pkl': unpacks to 67108865 bytes, expected at most 67108864; download or write the file again");
    CHECK(refused(zip({{"a/version", "3"}}))
          == "m.pt: zip directory: the archive has no entry data.pkl, which each PyTorch checkpoint from version 1.6 on has; save the "
             "model again with a newer version, or as safetensors");
}

TEST_CASE("a damaged stream of older versions is refused where it is wrong")
{
    using namespace pytorch;
    const std::string object = tensor_of(legacy_storage("FloatStorage", "9", 2), 0, {2}, {1});
    const std::size_t keys = legacy_start.size() + pickle(object).size();
    const auto fault = [](std::size_t position, std::string_view what) {
        return fmt::format("m.pt: byte {}: pickle: {}; download or write the file again", position, what);
    };
    CHECK(refused(pickle(number(5)))
          == "m.pt: byte 0: pickle: holds something else than a PyTorch checkpoint; load it in Python and save its tensors as safetensors");
    CHECK(refused(legacy_start.substr(0, 15) + pickle(number(7))) == fault(15, "expected the version of the stream, 1001"));
    const std::string good = legacy(object, {{"9", 2, counting(2)}});
    CHECK(listed(open(good)) == lines{"m F32 [2]: 0 1"});
    const std::size_t data = good.size() - 16;
    CHECK(refused(good.substr(0, good.size() - 1)) == fault(data + 8, "the storage '9' needs 8 bytes, but 7 are left"));
    CHECK(refused(good.substr(0, data + 7)) == fault(data, "the file ends after 0 of the 1 storages"));
    CHECK(refused(legacy(object, {{"9", 3, counting(3)}})) == fault(data, "the storage '9' has 3 elements here, but 2 in the pickle"));
    CHECK(refused(legacy(object, {{"8", 2, counting(2)}})) == fault(keys + 4, "no tensor lies in the storage '8'"));
    CHECK(refused(legacy(object, {})) == fault(legacy_start.size() + 2 + object.find('Q'), "the storage '9' is not in the file"));
    CHECK(refused(legacy_start + pickle(object) + pickle(none)) == fault(keys, "expected the list of the storages' keys"));
    CHECK(refused(legacy(object, {{"9", 2, counting(2)}, {"9", 2, counting(2)}})) == fault(keys + 10, "the storage '9' stands twice"));
    const std::string other = tuple({object, tensor_of(legacy_storage("DoubleStorage", "9", 2), 0, {2}, {1})});
    CHECK(refused(legacy(other, {{"9", 2, counting(2)}}))
          == fault(legacy_start.size() + 2 + other.rfind('Q'), "the storage '9' has another type or length elsewhere"));
}

TEST_CASE("pickles that blow up when they are walked through are refused soon")
{
    using namespace pytorch;
    // each list holds the one before twice: 2^60 paths
    std::string bomb = "]q\x01";
    for (int i = 0; i < 60; ++i)
        bomb += "0](h\x01h\x01" "eq\x01";
    CHECK(refused(archive(bomb, {})).find("the objects of the checkpoint hold each other too often to be looked through")
          != std::string::npos);

    std::string deep;
    for (int i = 0; i < 300; ++i)
        deep += ']';
    deep += std::string(299, 'a');
    CHECK(refused(archive(deep, {})).find("objects are nested deeper than 200 levels") != std::string::npos);

    CHECK(open(archive("]q\x01h\x01" "a", {})).tensors.empty());  // a list in itself
    std::string self = "}q\x01(";
    for (int i = 0; i < 200; ++i)
        self += number(i) + "h\x01";
    CHECK(open(archive(self + "u", {})).tensors.empty());

    CHECK(refused(archive(dict({{std::string(1025, 'k'), tensor_of(storage("FloatStorage", "0", 2), 0, {2}, {1})}}), {counting(2)}))
              .find("the keys that lead here have more than 1024 bytes together")
          != std::string::npos);
}

TEST_CASE("a view may not claim more values than can be made of its file")
{
    using namespace pytorch;
    const std::int64_t large = std::int64_t{1} << 26;
    const model m = open(archive(tensor_of(storage("FloatStorage", "0", 2), 0, {large, 2}, {0, 1}), {counting(2)}));
    CHECK(listed(m) == lines{"m F32 repeated [67108864, 2]"});
    CHECK(m.tensors[0].dtype == dtype::opaque);
    CHECK(message<std::invalid_argument>([&] { visit(m.tensors[0], [](const auto&) {}); })
          == "weightscope::visit(tensor 'm'): F32 repeated elements are listed, not analysed; expected a numeric dtype");

    // what is within the limit alone may be beyond it together
    const std::string half = tensor_of(storage("FloatStorage", "0", 2), 0, {large / 2 + 2}, {0});
    const model halves = open(archive(tuple({half, tensor_of(storage("FloatStorage", "0", 2), 1, {large / 2 + 2}, {0})}), {counting(2)}));
    CHECK(halves.tensors[0].storage() == "F32 strided");
    CHECK(halves.tensors[1].storage() == "F32 repeated");
}

TEST_CASE("the PyTorch files of the test models agree with what PyTorch reads, byte by byte")
{
    const char* folder = std::getenv("WEIGHTSCOPE_TEST_MODELS");
    if (folder == nullptr || *folder == '\0') {
        WARN("skipped: WEIGHTSCOPE_TEST_MODELS is not set");
        return;
    }
    struct known_file
    {
        const char* name;
        std::size_t tensors, elements;
        std::uint32_t crc;
    };
    // o = torch.load(name, map_location="cpu"); o = o.get("model", o.get("state_dict", o)); c = 0
    // for v in o.values(): c = zlib.crc32(v.contiguous().numpy().tobytes(), c)
    // print(len(o), sum(v.numel() for v in o.values()), hex(c))
    const known_file known[] = {
        {"saltyduckegg__llama2xs.c__ckpt.pt", 48, 312000, 0xe88b69dc},
        {"VainF__Torch-Pruning__reg_cifar10_resnet56.pth", 344, 860083, 0x281fc4ef},
        {"madebyollin__taesd__taef2_decoder.pth", 79, 1338499, 0x2ed59ff3},
        {"timesler__facenet-pytorch__rnet.pt", 16, 100178, 0x1dcb4917},
        {"pytorch__captum__cifar_torchvision.pt", 10, 62006, 0xa78a3eab},
        {"fffasttime__MRFI__lenet_cifar10.pth", 10, 62006, 0xccbc5d15},
        {"analogdevicesinc__ai8x-synthesis__ai85-mnist-extrasmall-qat8.pth", 25, 2534, 0x1a8163c6},
        {"analogdevicesinc__ai8x-synthesis__ai85-mnist-extrasmall-qat8-q.pth", 25, 2534, 0x345dcf07},
    };
    for (const known_file& k : known) {
        const auto path = std::filesystem::path(folder) / k.name;
        if (!std::filesystem::exists(path)) {
            WARN("skipped: " << k.name << " is not there");
            continue;
        }
        INFO(k.name);
        const model m = read_pytorch(path);
        std::size_t elements = 0;
        uLong crc = 0;
        for (const named_tensor& t : m.tensors) {
            const std::vector<std::byte> bytes = detail::value_bytes_of(t);
            crc = crc32(crc, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size()));
            elements += t.size();
        }
        CHECK(m.tensors.size() == k.tensors);
        CHECK(elements == k.elements);
        CHECK(crc == k.crc);
        if (std::string_view(k.name) == "saltyduckegg__llama2xs.c__ckpt.pt")
            CHECK(m.tensors.back().tied_to == "tok_embeddings.weight");
    }
    for (const auto& [name, fault] : std::vector<std::pair<std::string, std::string>>{
             {"pt_legacy_cut.pt", "byte 8810: pickle: the storage '94897550097712' needs 18432 bytes, but 11190 are left"},
             {"pt_zip_no_central_directory.pth", "byte 250491: zip directory: is not there: the archive is cut off before its end"}}) {
        const auto path = std::filesystem::path(folder) / "malformed" / name;
        CHECK(message<io_error>([&] { (void)read_pytorch(path); }) == path.string() + ": " + fault + "; download or write the file again");
    }
}
