#pragma once

#include <cstddef>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include <weightscope/core/error.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/metadata.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/shard_names.hpp>

namespace weightscope::detail {

inline bool is_gguf_split(const model& part)
{
    const auto count = find_metadata(part, "split.count");
    return count && *count != "0" && *count != "1";
}

// All parts of a model as one, given any of them. The metadata are those of the first part.
template <class ReadPart>
model read_gguf_split(model given, const mapped_file& file, const ReadPart& read_part)
{
    const std::filesystem::path folder = file.path().parent_path();
    const auto refuse = [](const std::filesystem::path& path, std::string field, std::string_view fault) {
        throw io_error(path, std::nullopt, std::move(field), fault);
    };
    const auto name = parse_shard_name(file.path().filename().string(), ".gguf");
    const auto total = name ? metadata_number<std::size_t>(name->total) : std::nullopt;
    const auto own_number = name ? metadata_number<std::size_t>(name->number) : std::nullopt;
    if (!total || !own_number || *own_number == 0 || *own_number > *total)
        refuse(file.path(), "key 'split.count'",
               fmt::format("is {}, but the file is not named as such parts are; name it as it was, like model-00001-of-00002.gguf",
                           printable(*find_metadata(given, "split.count"))));
    model result{.path = file.path()};
    for (std::size_t number = 1; number <= *total; ++number) {
        const std::string part_name = fmt::format("{}-{:0{}}-of-{}.gguf", name->prefix, number, name->number.size(), name->total);
        const std::filesystem::path path = folder / part_name;
        if (std::error_code error; !std::filesystem::exists(path, error))
            refuse(file.path(), {}, fmt::format("the part '{}' is missing; download it as well", printable(part_name)));
        std::shared_ptr<const mapped_file> other;
        model part;
        if (part_name == file.path().filename()) {
            part = std::move(given);
        } else {
            other = std::make_shared<const mapped_file>(path);
            part = read_verified(other.get(), [&] { return read_part(other); });
        }
        const auto check = [&](const char* key, std::size_t wanted) {
            const auto text = find_metadata(part, key);
            if (!text || *text != std::to_string(wanted))
                refuse(path, fmt::format("key '{}'", key),
                       fmt::format("is {}, but the file's name makes it {}; download all parts again from one place",
                                   text ? printable(*text) : "missing", wanted));
        };
        check("split.no", number - 1);
        check("split.count", *total);
        if (number == 1) {
            result.format = std::move(part.format);
            result.architecture = std::move(part.architecture);
            result.metadata = std::move(part.metadata);
        }
        std::move(part.tensors.begin(), part.tensors.end(), std::back_inserter(result.tensors));
    }
    std::unordered_set<std::string_view> names;
    for (const named_tensor& tensor : result.tensors)
        if (!names.insert(tensor.name).second)
            refuse(tensor.file->path(), fmt::format("tensor '{}'", printable(tensor.name)),
                   "stands in another part as well; download all parts again from one place");
    if (const auto count = find_metadata(result, "split.tensors.count"); count && *count != std::to_string(result.tensors.size()))
        refuse(file.path(), "key 'split.tensors.count'",
               fmt::format("is {}, but the parts hold {} tensors; download all parts again from one place", printable(*count),
                           result.tensors.size()));
    return result;
}

}  // namespace weightscope::detail
