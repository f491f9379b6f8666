// How long a model takes to open: 4 GiB of bfloat16 in four shards with an index, of which nothing but headers may be read. The
// shards are sparse files, so that no disk has to hold them.

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <weightscope/io/model.hpp>
#include <weightscope/io/open_model.hpp>

namespace {

constexpr std::size_t shards = 4, layers_per_shard = 8, tensor_bytes = 2 * 4096 * 4096, tensors_per_layer = 4;  // 4 GiB in all

// A folder that is there as long as the object.
class sharded_model
{
public:
    sharded_model() : folder_(std::filesystem::temp_directory_path() / fmt::format("weightscope-bench-{}", ::getpid()))
    {
        std::filesystem::create_directories(folder_);
        std::string map;
        for (std::size_t shard = 0; shard < shards; ++shard) {
            const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, shards);
            std::string header;
            for (std::size_t i = 0; i < layers_per_shard * tensors_per_layer; ++i) {
                const std::string tensor =
                    fmt::format("model.layers.{}.part{}.weight", shard * layers_per_shard + i / tensors_per_layer, i % tensors_per_layer);
                header += fmt::format(R"({}"{}":{{"dtype":"BF16","shape":[4096,4096],"data_offsets":[{},{}]}})", i == 0 ? "{" : ",", tensor,
                                      i * tensor_bytes, (i + 1) * tensor_bytes);
                map += fmt::format(R"({}"{}":"{}")", map.empty() ? "" : ",", tensor, name);
            }
            header += "}";
            std::ofstream out(folder_ / name, std::ios::binary);
            const std::uint64_t length = header.size();
            out.write(reinterpret_cast<const char*>(&length), sizeof length);
            out << header;
            out.close();
            std::filesystem::resize_file(folder_ / name, sizeof length + header.size() + layers_per_shard * tensors_per_layer * tensor_bytes);
        }
        std::ofstream(folder_ / "model.safetensors.index.json") << R"({"metadata":{},"weight_map":{)" << map << "}}";
    }
    sharded_model(const sharded_model&) = delete;
    sharded_model& operator=(const sharded_model&) = delete;
    ~sharded_model()
    {
        std::error_code error;
        std::filesystem::remove_all(folder_, error);
    }

    const std::filesystem::path& folder() const { return folder_; }

private:
    std::filesystem::path folder_;
};

void open_four_gibibytes(benchmark::State& state)
{
    const sharded_model model;
    std::uint64_t bytes = 0;
    for (auto iteration : state) {
        bytes = 0;
        for (const weightscope::named_tensor& tensor : weightscope::open_model(model.folder()).tensors)
            bytes += tensor.stored_bytes();
    }
    state.counters["GiB"] = static_cast<double>(bytes) / (1 << 30);
}
BENCHMARK(open_four_gibibytes)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
