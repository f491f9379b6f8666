#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/io/open_model.hpp>
#include <weightscope/io/safetensors.hpp>

#include "../catch.hpp"
#include "files.hpp"
#include "npz_builder.hpp"
#include "onnx_writer.hpp"

using namespace weightscope;
using files::message;

namespace {

using names = std::vector<std::string>;

names names_of(const model& m)
{
    names result;
    for (const auto& tensor : m.tensors)
        result.push_back(tensor.name);
    return result;
}

std::string refusal(const std::filesystem::path& path)
{
    return message<io_error>([&] { (void)open_model(path); });
}

// Two shards with one tensor each, and the index that says so.
void write_sharded(const std::filesystem::path& folder)
{
    files::write(folder / "model-00001-of-00002.safetensors", files::one_tensor("a"));
    files::write(folder / "model-00002-of-00002.safetensors", files::one_tensor("b"));
    files::write(
        folder / "model.safetensors.index.json",
        R"({"metadata":{"total_size":16,"by":"hand","nested":{"x":1}},"weight_map":{"a":"model-00001-of-00002.safetensors",)"
        R"("b":"model-00002-of-00002.safetensors"},"more":[{"weight_map":{}}]})");
}

// What is said about a sharded model with this weight_map.
std::string index_refusal(std::string_view weight_map)
{
    const files::temporary_folder folder;
    write_sharded(folder.path());
    const auto index =
        files::write(folder / "model.safetensors.index.json", R"({"weight_map":)" + std::string(weight_map) + "}");
    const std::string text = refusal(index), prefix = folder.path().string() + "/";
    CHECK(refusal(folder.path()) == text);
    return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

constexpr std::string_view index_name = "model.safetensors.index.json: ";

}  // namespace

TEST_CASE("a file opens, whatever it is called")
{
    const files::temporary_folder folder;
    const auto path = files::write(folder / "weights.bin", files::one_tensor("w"));
    const model m = open_model(path);
    CHECK(m.path == path);
    CHECK(m.format == "safetensors");
    CHECK(names_of(m) == names{"w"});
    CHECK(names_of(open_model(path.string())) == names{"w"});
}

TEST_CASE("the architecture is the model_type of the config.json beside the weights")
{
    const files::temporary_folder folder;
    const auto path = files::write(folder / "model.safetensors", files::one_tensor("w"));
    const auto architecture = [&](std::string_view config) {
        files::write(folder / "config.json", config);
        CHECK(open_model(path).architecture == open_model(folder.path()).architecture);
        return open_model(path).architecture;
    };
    CHECK(open_model(path).architecture.empty());
    CHECK(architecture(R"({"text_config":{"model_type":"inner"},"model_type":"gpt2","n_layer":12})") == "gpt2");
    CHECK(architecture(R"({"architectures":["LlamaForCausalLM"]})").empty());
    CHECK(architecture(R"({"model_type":5})").empty());
    CHECK(architecture("not JSON").empty());
    CHECK(architecture("").empty());
}

TEST_CASE("a folder opens as its index says, and so does the index")
{
    const files::temporary_folder folder;
    write_sharded(folder.path());
    files::write(folder / "model.safetensors", files::one_tensor("not asked for"));
    const model m = open_model(folder.path());
    CHECK(m.path == folder.path());
    CHECK(names_of(m) == names{"a", "b"});
    CHECK(m.metadata == model_metadata{{"total_size", "16"}, {"by", "hand"}});
    CHECK(m.tensors[1].file->path() == folder / "model-00002-of-00002.safetensors");

    const auto index = folder / "model.safetensors.index.json";
    CHECK(open_model(index).path == index);
    CHECK(names_of(open_model(index)) == names{"a", "b"});
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(folder.path());
    CHECK(names_of(open_model("model.safetensors.index.json")) == names{"a", "b"});
    CHECK(names_of(open_model(".")) == names{"a", "b"});
    std::filesystem::current_path(before);
}

TEST_CASE("without an index a folder opens as model.safetensors, numbered shards, another index, or all there is")
{
    const files::temporary_folder folder;
    files::write(folder / "z.safetensors", files::one_tensor("z"));
    files::write(folder / "part10.safetensors", files::one_tensor("p10"));
    files::write(folder / "part9.safetensors", files::one_tensor("p9"));
    files::write(folder / "notes.txt", "?");
    std::filesystem::create_directory(folder / "folder.safetensors");
    CHECK(names_of(open_model(folder.path())) == names{"p9", "p10", "z"});

    files::write(folder / "other.safetensors.index.json", R"({"weight_map":{"z":"z.safetensors"}})");
    CHECK(names_of(open_model(folder.path())) == names{"z"});

    for (int i = 1; i <= 10; ++i)
        files::write(folder / ("model-" + std::to_string(i) + "-of-10.safetensors"),
                     files::one_tensor("s" + std::to_string(i)));
    CHECK(names_of(open_model(folder.path())) == names{"s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10"});

    files::write(folder / "model.safetensors", files::one_tensor("m"));
    CHECK(names_of(open_model(folder.path())) == names{"m"});
}

TEST_CASE("metadata of shards are taken together, the first one counts")
{
    const files::temporary_folder folder;
    files::write(folder / "1.safetensors", files::safetensors(R"({"__metadata__":{"format":"pt","a":"1"}})"));
    files::write(folder / "2.safetensors", files::safetensors(R"({"__metadata__":{"format":"np","b":"2"}})"));
    CHECK(open_model(folder.path()).metadata == model_metadata{{"format", "pt"}, {"a", "1"}, {"b", "2"}});
}

TEST_CASE("a folder without a model is refused with what was looked for")
{
    const files::temporary_folder folder;
    const std::string looked = folder.path().string()
                             + ": holds no model: looked for model.safetensors.index.json, *.safetensors, *.gguf, pytorch_model*.bin, "
                               "*.onnx, *.npz, *.pt, *.pth, *.ckpt, *.bin and *.npy";
    CHECK(refusal(folder.path()) == looked);
    files::write(folder / "tf_model.h5", "HDF");
    files::write(folder / "optimizer.pt", "?");
    CHECK(refusal(folder.path()) == looked + "; 'tf_model.h5' is in a format that this version does not read, save its weights as safetensors");
}

TEST_CASE("a folder with a model in another format opens it, and what was passed over is said")
{
    const auto opened = [](const files::temporary_folder& folder) {
        const model m = open_model(folder.path());
        CHECK(m.path == folder.path());
        return m.tensors.at(0).file->path().filename().string();
    };
    const auto array = npz_builder::small_array();
    const files::temporary_folder folder;
    files::write(folder / "a.npy", array);
    CHECK(opened(folder) == "a.npy");
    CHECK(open_model(folder.path()).format == "NPY");
    files::write(folder / "b.npz", npz_builder::zip({{.name = "w.npy", .content = array}}));
    CHECK(opened(folder) == "b.npz");
    files::write(folder / "c.onnx", onnx_writer::rich_model());
    CHECK(opened(folder) == "c.onnx");
    CHECK(open_model(folder.path()).format == "ONNX");
    CHECK(open_model(folder.path()).notes.back() == "opened 'c.onnx' and passed over 'b.npz'");
    files::write(folder / "d.safetensors", files::one_tensor("w"));
    CHECK(opened(folder) == "d.safetensors");
    CHECK(open_model(folder.path()).notes == names{"opened 'd.safetensors' and passed over 'c.onnx' and 1 more"});

    // what a trainer saves beside a checkpoint is none
    const files::temporary_folder training;
    files::write(training / "optimizer.pt", "?");
    files::write(training / "training_args.bin", "?");
    files::write(training / "last.ckpt", npz_builder::zip({{.name = "w.npy", .content = array}}));
    CHECK(opened(training) == "last.ckpt");
}

TEST_CASE("of several models in a folder none is chosen")
{
    for (const std::string ending : {".gguf", ".onnx", ".npz", ".npy", ".pth"}) {
        const files::temporary_folder folder;
        for (const char* name : {"a", "b", "c"})
            files::write(folder / (name + ending), "?");
        CHECK(refusal(folder.path()) == folder.path().string() + ": holds 3 models, 'a" + ending + "', 'b" + ending + "'...; open one of them");
    }
}

TEST_CASE("parts of a GGUF file and shards of a PyTorch checkpoint that are missing are named")
{
    const files::temporary_folder folder;
    files::write(folder / "m-00001-of-00002.gguf", "GGUF");
    CHECK(refusal(folder.path()) == folder.path().string() + ": the shard 'm-00002-of-00002.gguf' is missing; download it as well");
    const files::temporary_folder torch;
    files::write(torch / "pytorch_model-00002-of-00002.bin", "PK");
    CHECK(refusal(torch.path()) == torch.path().string() + ": the shard 'pytorch_model-00001-of-00002.bin' is missing; download it as well");
    files::write(torch / "pytorch_model.bin.index.json", R"({"weight_map":{"w":"pytorch_model-00001-of-00002.bin"}})");
    CHECK(refusal(torch.path())
          == (torch / "pytorch_model.bin.index.json").string()
                 + ": byte 19: weight_map 'w': the shard 'pytorch_model-00001-of-00002.bin' is not there; download it as well");
}

TEST_CASE("the architecture of an ONNX model is its configuration's, or the name of its graph")
{
    const files::temporary_folder folder;
    const auto path = files::write(folder / "m.onnx", onnx_writer::rich_model());
    CHECK(open_model(path).architecture == "g");
    files::write(folder / "config.json", R"({"model_type":"bert"})");
    CHECK(open_model(path).architecture == "bert");
}

TEST_CASE("a numbered shard that is missing is named")
{
    const files::temporary_folder folder;
    files::write(folder / "model-00001-of-00003.safetensors", files::one_tensor("a"));
    files::write(folder / "model-00003-of-00003.safetensors", files::one_tensor("c"));
    CHECK(refusal(folder.path())
          == folder.path().string() + ": the shard 'model-00002-of-00003.safetensors' is missing; download it as well");

    const files::temporary_folder from_zero;
    files::write(from_zero / "part-0-of-2.safetensors", files::one_tensor("a"));
    CHECK(refusal(from_zero.path())
          == from_zero.path().string() + ": the shard 'part-1-of-2.safetensors' is missing; download it as well");
    files::write(from_zero / "part-1-of-2.safetensors", files::one_tensor("b"));
    CHECK(names_of(open_model(from_zero.path())) == names{"a", "b"});

    const files::temporary_folder huge;
    files::write(huge / "x-1-of-18446744073709551615.safetensors", files::one_tensor("a"));
    CHECK(refusal(huge.path())
          == huge.path().string()
                 + ": the shard 'x-2-of-18446744073709551615.safetensors' is missing; download it as well");
    std::filesystem::remove(huge / "x-1-of-18446744073709551615.safetensors");
    files::write(huge / "x-1-of-99999999999999999999999.safetensors",
                 files::one_tensor("a"));  // no number of ours: a name
    CHECK(names_of(open_model(huge.path())) == names{"a"});
}

TEST_CASE("a tensor that stands in two files of a folder is refused")
{
    const files::temporary_folder folder;
    files::write(folder / "1.safetensors", files::one_tensor("w"));
    files::write(folder / "2.safetensors", files::one_tensor("w"));
    CHECK(refusal(folder.path())
          == (folder / "2.safetensors").string()
                 + ": tensor 'w': stands in '1.safetensors' as well; if these files are no shards of one model, open one of them");
}

TEST_CASE("a shard that is no safetensors file is refused by its own name")
{
    const files::temporary_folder folder;
    write_sharded(folder.path());
    files::write(folder / "model-00002-of-00002.safetensors", "version https://git-lfs.github.com/spec/v1\n");
    CHECK(refusal(folder.path())
          == (folder / "model-00002-of-00002.safetensors").string()
                 + ": is a Git-LFS pointer, not the model itself; fetch that with: git lfs pull");

    // an index that names itself, or any other index
    files::write(folder / "model.safetensors.index.json", R"({"weight_map":{"a":"model.safetensors.index.json"}})");
    CHECK(refusal(folder.path())
          == (folder / "model.safetensors.index.json").string() + ": is a JSON text, expected a file of weights");
}

TEST_CASE("where lost shards are allowed, the others are opened and the lost ones told")
{
    const open_options allow{.allow_lost_shards = true};
    const std::string first = "model-00001-of-00002.safetensors", second = "model-00002-of-00002.safetensors";
    const files::temporary_folder folder;
    write_sharded(folder.path());
    CHECK(open_model(folder.path(), allow).lost_shards.empty());

    // damaged, with an index and without one
    const std::string whole = files::one_tensor("b");
    files::write(folder / second, whole.substr(0, whole.size() - 1));
    const std::string damage = message<io_error>([&] { (void)open_model(folder.path()); });
    const std::string prefix = (folder / second).string() + ": ";
    REQUIRE(damage.starts_with(prefix));
    model m = open_model(folder.path(), allow);
    CHECK(names_of(m) == names{"a"});
    CHECK(m.lost_shards == names{"'" + second + "': " + damage.substr(prefix.size())});
    std::filesystem::remove(folder / "model.safetensors.index.json");
    m = open_model(folder.path(), allow);
    CHECK(names_of(m) == names{"a"});
    CHECK(m.lost_shards == names{"'" + second + "': " + damage.substr(prefix.size())});

    // missing, without an index and with one
    std::filesystem::remove(folder / second);
    m = open_model(folder.path(), allow);
    CHECK(names_of(m) == names{"a"});
    CHECK(m.lost_shards == names{"'" + second + "' is not there"});
    write_sharded(folder.path());
    std::filesystem::remove(folder / first);
    m = open_model(folder / "model.safetensors.index.json", allow);
    CHECK(names_of(m) == names{"b"});
    CHECK(m.lost_shards == names{"'" + first + "' is not there"});

    // all of them
    std::filesystem::remove(folder / second);
    CHECK(message<io_error>([&] { (void)open_model(folder.path(), allow); })
          == (folder / "model.safetensors.index.json").string() + ": none of its shards is there; download them as well");
    files::write(folder / first, "");
    CHECK_THROWS_AS(open_model(folder.path(), allow), io_error);

    // what index and shards tell must agree all the same
    write_sharded(folder.path());
    files::write(folder / "model.safetensors.index.json",
                 R"({"weight_map":{"a":"model-00001-of-00002.safetensors","c":"model-00002-of-00002.safetensors","d":"gone"}})");
    CHECK_THROWS_AS(open_model(folder.path(), allow), io_error);

    const files::temporary_folder many;
    files::write(many / "x-1-of-18446744073709551615.safetensors", files::one_tensor("a"));
    CHECK(open_model(many.path(), allow).lost_shards.size() == 1000);
}

TEST_CASE("an index that does not tell what its shards hold is refused")
{
    const std::string index(index_name);
    const std::string both = R"({"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"})";
    CHECK(index_refusal(both) == "nothing was thrown");
    CHECK(index_refusal(R"({"a":"model-00001-of-00002.safetensors","b":"model-00003-of-00002.safetensors"})")
          == index + "byte 58: weight_map 'b': the shard 'model-00003-of-00002.safetensors' is not there; download it as well");
    CHECK(index_refusal(R"({"a":"model-00001-of-00002.safetensors","c":"model-00002-of-00002.safetensors"})")
          == index + "byte 58: weight_map 'c': the shard 'model-00002-of-00002.safetensors' holds no such tensor; download index "
                     "and shards again from one place");
    CHECK(index_refusal(R"({"b":"model-00001-of-00002.safetensors","a":"model-00002-of-00002.safetensors"})")
          == index + "byte 19: weight_map 'b': the shard 'model-00001-of-00002.safetensors' holds no such tensor; download index "
                     "and shards again from one place");
    const files::temporary_folder folder;
    files::write(folder / "s", files::safetensors(R"({"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},)"
                                                  R"("left\nout":{"dtype":"U8","shape":[],"data_offsets":[1,2]}})",
                                                  "xy"));
    CHECK(refusal(files::write(folder / "i.json", R"({"weight_map":{"a":"s"}})"))
          == (folder / "s").string()
                 + ": tensor 'left\\u{a}out': is not in the weight_map of 'i.json'; download index and shards again from one place");
}

TEST_CASE("an index leads to no file outside of its folder")
{
    const std::string index(index_name);
    const std::string outside = "' lies outside of the model's folder; do not trust this model";
    CHECK(index_refusal(R"({"a":"/etc/passwd"})")
          == index + "byte 19: weight_map 'a': the shard '/etc/passwd" + outside);
    CHECK(index_refusal(R"({"a":"../model.safetensors"})")
          == index + "byte 19: weight_map 'a': the shard '../model.safetensors" + outside);
    CHECK(index_refusal(R"({"a":"x/../../y"})") == index + "byte 19: weight_map 'a': the shard 'x/../../y" + outside);
    CHECK(index_refusal(R"({"a":""})") == index + "byte 19: weight_map 'a': the shard '" + outside);
    CHECK(index_refusal(R"({"a":"model-00001-of-00002.safetensors\u0000"})")
          == index + "byte 19: weight_map 'a': the shard 'model-00001-of-00002.safetensors\\u{0}" + outside);

    const files::temporary_folder folder;  // further down is allowed
    files::write(folder / "below/s.safetensors", files::one_tensor("a"));
    CHECK(names_of(open_model(files::write(folder / "i.json", R"({"weight_map":{"a":"below/s.safetensors"}})")))
          == names{"a"});
}

TEST_CASE("an index that is none is refused")
{
    const std::string index(index_name);
    const std::string end = "; download or write the file again";
    CHECK(index_refusal(R"([1])") == index + "byte 14: weight_map: found an array, expected an object");
    CHECK(index_refusal(R"({"a":1})") == index + "byte 19: weight_map 'a': found 1, expected the name of a shard");
    CHECK(index_refusal(R"({"a":["x"]})")
          == index + "byte 19: weight_map 'a': found an array, expected the name of a shard");
    CHECK(index_refusal(R"({"a":"x","a":"x"})")
          == index + "byte 23: index: the key 'a' stands twice in one object" + end);
    CHECK(index_refusal(R"({"a":)") == index + "byte 19: index: cannot be read as JSON at '}'" + end);
    const files::temporary_folder folder;
    CHECK(refusal(files::write(folder / "config.json", R"({"model_type":"gpt2"})"))
          == (folder / "config.json").string()
                 + ": weight_map: is missing; expected the index of a sharded model, such as model.safetensors.index.json");
}

TEST_CASE("opening a model reads headers only")
{
    const files::temporary_folder folder;
    const auto path = files::write(
        folder / "m", files::safetensors(R"({"a":{"dtype":"U8","shape":[4294967296],"data_offsets":[0,4294967296]}})"));
    std::filesystem::resize_file(path,
                                 std::filesystem::file_size(path) + (std::uint64_t{1} << 32));  // 4 GiB of nothing
    const model m = open_model(path);
    CHECK(m.tensors.at(0).bytes.size() == std::size_t{1} << 32);
}

TEST_CASE("quantized checkpoints open as the weights they stand for, from a folder and from a file")
{
    const files::temporary_folder folder;
    const std::vector<float8_e4m3> codes = {float8_e4m3(1.0F), float8_e4m3(-2.0F), float8_e4m3(0.5F), float8_e4m3(448.0F)};
    const std::vector<float> scale = {0.25F};
    write_safetensors(folder / "model.safetensors",
                      std::vector<tensor_to_write>{
                          {.name = "l.weight", .dtype = dtype::float8_e4m3, .shape = {2, 2}, .bytes = std::as_bytes(std::span(codes))},
                          {.name = "l.weight_scale_inv", .shape = {1, 1}, .bytes = std::as_bytes(std::span(scale))}});
    for (const auto& path : {folder / "model.safetensors", folder / "."}) {
        const model m = open_model(path);
        const auto weight = std::find_if(m.tensors.begin(), m.tensors.end(), [](const auto& t) { return t.name == "l.weight"; });
        REQUIRE(weight != m.tensors.end());
        CHECK(!weight->encoding.empty());
        const std::vector<float> values = visit(*weight, [](const auto& w) {
            std::vector<float> copy;
            for (std::size_t i = 0; i < w.size(); ++i)
                copy.push_back(static_cast<float>(w.data()[i]));
            return copy;
        });
        CHECK(values == std::vector<float>{0.25F, -0.5F, 0.125F, 112.0F});
    }
}
