// A pickle by itself: mutations reach it more often than inside of an archive, whose directory they break. Its storages are 64 bytes.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/io/pickle_reader.hpp>
#include <weightscope/io/pytorch_model.hpp>
#include <weightscope/io/pytorch_state.hpp>

#include "../io/pytorch_samples.hpp"
#include "fuzz.hpp"

namespace ws = weightscope;

std::vector<std::string> seeds()
{
    return {pytorch::pickle(pytorch::state_dict()), pytorch::pickle(pytorch::checkpoint()), pytorch::pickle(pytorch::module()),
            pytorch::pickle(pytorch::views()),      pytorch::pickle(pytorch::quantized()),  pytorch::pickle(pytorch::untyped()),
            pytorch::protocol_4(),
            // protocol 0 and what else the samples do not have
            "(dp0\nS'a'\np1\nI5\nsVb\nF1.5\nsg1\nL7L\ns(lp2\nI01\na.", "(i__main__\nA\n(I1\noN0(1\x8f(K\x01\x90(K\x02\x91\x85\x87."}; 
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    return fuzz::read(data, size, [](const std::shared_ptr<const ws::mapped_file>& file) {
        static const std::vector<std::byte> storage(64, std::byte{0x3f});
        const ws::detail::pickle_source source{.path = file->path(),
                                               .text = {reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()},
                                               .offset = 0,
                                               .field = "pickle"};
        const ws::detail::pickle p = ws::detail::read_pickle(source);
        ws::detail::torch_state_walker walker(source, p);
        walker.walk(p.root, "");
        ws::model m{.path = file->path()};
        ws::detail::choose_torch_entries(walker.entries, {.include_training_state = true, .include_averages = true}, m.metadata);
        ws::detail::torch_model_builder(file, m.tensors).add(walker.entries, source, [](const ws::detail::torch_storage_claim&) {
            return ws::detail::torch_storage{.bytes = storage, .size = storage.size()};
        });
        return m;
    });
}
