#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/pickle.hpp>
#include <weightscope/io/pickle_reader.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/pytorch_entry.hpp>
#include <weightscope/io/pytorch_legacy.hpp>
#include <weightscope/io/pytorch_model.hpp>
#include <weightscope/io/pytorch_state.hpp>
#include <weightscope/io/pytorch_tensor_builder.hpp>
#include <weightscope/io/pytorch_view.hpp>

namespace weightscope::detail {

inline constexpr std::string_view torch_legacy_magic{"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10};  // of the first pickle, a number

inline constexpr std::int64_t torch_legacy_protocol = 1001;

// Where the storages of a legacy stream lie, by key. They follow the list of their keys, each after the number of its elements.
inline std::unordered_map<std::string_view, torch_storage> torch_legacy_storages(const mapped_file& file, const pickle_source& source,
                                                                                const pickle& object, const pickle& keys)
{
    const torch_tensor_builder builder(source, object);
    std::unordered_map<std::string_view, torch_storage_claim> claims;
    for (pickle_index i = 0; i < object.values.size(); ++i)
        if (const auto claim = builder.storage(i))
            if (const auto [known, is_new] = claims.emplace(claim->key, *claim);
                !is_new && (known->second.type->bytes != claim->type->bytes || known->second.count != claim->count))
                source.fail(claim->position, fmt::format("the storage '{}' has another type or length elsewhere", printable(claim->key)));

    if (!keys.is_sequence(keys.root))
        source.fail(keys[keys.root].position, "expected the list of the storages' keys");
    std::unordered_map<std::string_view, torch_storage> storages;
    std::uint64_t at = keys.end;
    for (const pickle_index i : keys[keys.root].items) {
        const auto claim = claims.find(keys[i].text);
        if (claim == claims.end())
            source.fail(keys[i].position, fmt::format("no tensor lies in the storage '{}'", printable(keys[i].text)));
        std::uint64_t count = 0;
        const std::uint64_t rest = file.bytes().size() - at;
        if (rest < sizeof count)
            source.fail(at, fmt::format("the file ends after {} of the {} storages", storages.size(), keys[keys.root].items.size()));
        std::memcpy(&count, file.bytes().data() + at, sizeof count);
        if (count != claim->second.count)
            source.fail(at, fmt::format("the storage '{}' has {} elements here, but {} in the pickle", printable(claim->first), count,
                                        claim->second.count));
        at += sizeof count;
        const std::uint64_t bytes = count * claim->second.type->bytes;
        if (bytes > rest - sizeof count)
            source.fail(at, fmt::format("the storage '{}' needs {} bytes, but {} are left", printable(claim->first), bytes,
                                        rest - sizeof count));
        if (!storages.emplace(claim->first, torch_storage{.bytes = file.bytes().subspan(at, bytes), .offset = at, .size = bytes}).second)
            source.fail(keys[i].position, fmt::format("the storage '{}' stands twice", printable(claim->first)));
        at += bytes;
    }
    return storages;
}

WEIGHTSCOPE_INLINE model read_torch_legacy(const std::shared_ptr<const mapped_file>& file, const pytorch_options& options)
{
    const pickle_source source{.path = file->path(),
                               .text = {reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()},
                               .offset = 0,
                               .field = "pickle"};
    const pickle magic = read_pickle(source);
    if (magic[magic.root].kind != pickle_kind::other || magic[magic.root].text != torch_legacy_magic)
        throw io_error(file->path(), 0, "pickle",
                       "holds something else than a PyTorch checkpoint; load it in Python and save its tensors as safetensors");
    const pickle protocol = read_pickle(source, magic.end);
    if (protocol[protocol.root].kind != pickle_kind::integer || protocol[protocol.root].integer() != torch_legacy_protocol)
        source.fail(magic.end, fmt::format("expected the version of the stream, {}", torch_legacy_protocol));
    const pickle machine = read_pickle(source, protocol.end);
    const pickle object = read_pickle(source, machine.end);
    const pickle keys = read_pickle(source, object.end);
    const auto storages = torch_legacy_storages(*file, source, object, keys);

    model result{.path = file->path(), .format = "PyTorch legacy"};
    torch_state_walker walker(source, object);
    walker.walk(object.root, "");
    result.metadata = std::move(walker.scalars);
    choose_torch_entries(walker.entries, options, result.metadata);
    torch_model_builder(file, result.tensors).add(walker.entries, source, [&](const torch_storage_claim& claim) {
        const auto found = storages.find(claim.key);
        if (found == storages.end())
            source.fail(claim.position, fmt::format("the storage '{}' is not in the file", printable(claim.key)));
        return found->second;
    });
    return result;
}

}  // namespace weightscope::detail
