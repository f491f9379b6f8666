#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/io/damaged_file.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/pickle.hpp>
#include <weightscope/io/pickle_reader.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/pytorch_entry.hpp>
#include <weightscope/io/pytorch_model.hpp>
#include <weightscope/io/pytorch_state.hpp>
#include <weightscope/io/pytorch_view.hpp>
#include <weightscope/io/pytorch_zip.hpp>
#include <weightscope/io/zip_cache.hpp>
#include <weightscope/io/zip_directory.hpp>
#include <weightscope/io/zip_inflate.hpp>

namespace weightscope::detail {

// The archive that torch.save() and torch.jit.save() write: a folder with data.pkl and one entry data/KEY for each storage.
class torch_archive
{
public:
    explicit torch_archive(const std::shared_ptr<const mapped_file>& file)
        : file_(file), cache_(std::make_shared<zip_cache>(file)), entries_(read_zip_directory(*file))
    {
        for (const zip_entry& entry : entries_)
            by_name_.emplace(entry.name, &entry);
        const zip_entry* pickle_entry = nullptr;
        for (const zip_entry& entry : entries_) {
            const bool is_pickle = entry.name == "data.pkl" || entry.name.ends_with("/data.pkl");
            if (is_pickle && (pickle_entry == nullptr || entry.name.size() < pickle_entry->name.size()))
                pickle_entry = &entry;
        }
        if (pickle_entry == nullptr)
            throw io_error(file->path(), std::nullopt, "zip directory",
                           "the archive has no entry data.pkl, which each PyTorch checkpoint from version 1.6 on has; save the model "
                           "again with a newer version, or as safetensors");
        prefix_ = pickle_entry->name.substr(0, pickle_entry->name.size() - std::string_view("data.pkl").size());
        if (const zip_entry* order = find("byteorder"))
            big_endian_ = text_of(*order) == "big";
    }

    bool is_script() const { return find("constants.pkl") != nullptr; }

    const zip_entry* find(std::string_view name) const
    {
        const auto found = by_name_.find(prefix_ + std::string(name));
        return found == by_name_.end() ? nullptr : found->second;
    }

    // Of a small entry, or of a pickle.
    std::string_view text_of(const zip_entry& entry)
    {
        constexpr std::uint64_t most_unpacked = std::uint64_t{1} << 26;
        std::span<const std::byte> bytes = stored_bytes(*file_, entry);
        if (entry.method == zip_method::deflated) {
            if (entry.bytes > most_unpacked)
                refuse_damaged(file_->path(), entry.header_offset, fmt::format("entry '{}'", printable(entry.name)),
                               fmt::format("unpacks to {} bytes, expected at most {}", entry.bytes, most_unpacked));
            unpacked_.push_back(read_zip_entry(*file_, entry));
            bytes = unpacked_.back().bytes();
        }
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }

    // "data" or "constants": the pickle of that name with the storages in that folder. Its source is handed to `use(source)`.
    pickle_source source_of(std::string_view name)
    {
        const zip_entry& entry = *find(fmt::format("{}.pkl", name));
        const bool stored = entry.method == zip_method::stored;
        return {.path = file_->path(),
                .text = text_of(entry),
                .offset = stored ? std::optional(entry.data_offset) : std::nullopt,
                .field = fmt::format("{}.pkl", name)};
    }

    torch_storage storage(const pickle_source& source, std::string_view folder, const torch_storage_claim& claim) const
    {
        const zip_entry* entry = find(fmt::format("{}/{}", folder, claim.key));
        if (entry == nullptr)
            source.fail(claim.position, fmt::format("the archive has no entry for the storage '{}'", printable(claim.key)));
        if (claim.count * claim.type->bytes > entry->bytes)
            source.fail(claim.position, fmt::format("the storage '{}' should have {} elements of {} bytes, but its entry has {} bytes",
                                                    printable(claim.key), claim.count, claim.type->bytes, entry->bytes));
        const bool deflated = entry->method == zip_method::deflated;
        return {.bytes = stored_bytes(*file_, *entry),
                .offset = entry->data_offset,
                .size = entry->bytes,
                .deflated = deflated ? cache_ : nullptr,
                .entry = deflated ? *entry : zip_entry(),
                .big_endian = big_endian_};
    }

private:
    std::shared_ptr<const mapped_file> file_;
    std::shared_ptr<zip_cache> cache_;
    std::vector<zip_entry> entries_;
    std::unordered_map<std::string, const zip_entry*> by_name_;
    std::vector<zip_content> unpacked_;
    std::string prefix_;
    bool big_endian_ = false;
};

WEIGHTSCOPE_INLINE model read_torch_zip(const std::shared_ptr<const mapped_file>& file, const pytorch_options& options)
{
    torch_archive archive(file);
    model result{.path = file->path(), .format = archive.is_script() ? "TorchScript" : "PyTorch zip"};
    torch_model_builder builder(file, result.tensors);
    const auto read = [&](std::string_view name, const std::string& root) {
        const pickle_source source = archive.source_of(name);
        const pickle p = read_pickle(source);
        torch_state_walker walker(source, p);
        walker.walk(p.root, root);
        std::move(walker.scalars.begin(), walker.scalars.end(), std::back_inserter(result.metadata));
        choose_torch_entries(walker.entries, options, result.metadata);
        builder.add(walker.entries, source,
                    [&](const torch_storage_claim& claim) { return archive.storage(source, name, claim); });
    };
    read("data", "");
    if (archive.is_script())
        read("constants", "constants");  // tensors that the code of a script refers to
    return result;
}

}  // namespace weightscope::detail
