#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <weightscope/core/error.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/shard_index.hpp>

namespace weightscope::detail {

// Where a tensor says that its data lie.
struct onnx_external_data
{
    std::string_view location = {};
    std::optional<std::string_view> offset = {}, length = {};
    std::uint64_t at = 0;  // of the entry in the model's file
    std::string field = {};
};

// The files beside a model that hold data of its tensors, each opened once.
class onnx_external_files
{
public:
    explicit onnx_external_files(const mapped_file& model) : model_(model) {}

    struct place
    {
        std::shared_ptr<const mapped_file> file;
        std::uint64_t offset;
        std::uint64_t bytes;
    };

    // The bytes of a tensor that needs `needed` of them.
    place find(const onnx_external_data& data, std::uint64_t needed)
    {
        if (data.location.empty())
            refuse(data, "names no file");
        if (!stays_inside(data.location))
            refuse(data, fmt::format("the file '{}' lies outside of the model's folder; do not trust this model", printable(data.location)));
        const std::uint64_t offset = data.offset ? number(data, "offset", *data.offset) : 0;
        const std::uint64_t length = data.length ? number(data, "length", *data.length) : needed;
        if (length != needed)
            refuse(data, fmt::format("has {} bytes, but the tensor needs {}; download or write the files again", length, needed));
        const std::shared_ptr<const mapped_file>& file = open(data);
        const std::uint64_t size = file->bytes().size();
        if (offset > size || length > size - offset)
            refuse(data, fmt::format("bytes {} to {} are not in '{}', which has {}; download or write the files again", offset,
                                     offset + length, printable(data.location), size));
        return {file, offset, length};
    }

private:
    [[noreturn]] void refuse(const onnx_external_data& data, std::string_view fault) const
    {
        throw io_error(model_.path(), data.at, data.field, fault);
    }

    std::uint64_t number(const onnx_external_data& data, std::string_view key, std::string_view text) const
    {
        std::uint64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc() || end != text.data() + text.size() || value > std::uint64_t{1} << 62)
            refuse(data, fmt::format("its {} is '{}', expected a whole number", key, printable(text, 40)));
        return value;
    }

    const std::shared_ptr<const mapped_file>& open(const onnx_external_data& data)
    {
        std::shared_ptr<const mapped_file>& file = files_[std::string(data.location)];
        if (file)
            return file;
        namespace fs = std::filesystem;
        const fs::path folder = model_.path().parent_path(), path = folder / data.location;
        std::error_code error;
        if (!fs::exists(path, error))
            refuse(data, fmt::format("the file '{}' is not there; download it as well", printable(data.location)));
        // A link must not lead out, save for the hub cache, where the model is a link into the folder that has the data too.
        const fs::path target = fs::canonical(path, error);
        if (error || (!lies_in(target, fs::canonical(folder.empty() ? "." : folder, error))
                      && !lies_in(target, fs::canonical(model_.path(), error).parent_path())))
            refuse(data, fmt::format("the file '{}' is a link that leads out of the model's folder; do not trust this model",
                                     printable(data.location)));
        file = std::make_shared<const mapped_file>(path);
        return file;
    }

    static bool lies_in(const std::filesystem::path& path, const std::filesystem::path& folder)
    {
        if (folder.empty())
            return false;
        auto p = path.begin();
        for (const std::filesystem::path& part : folder)
            if (p == path.end() || *p++ != part)
                return false;
        return true;
    }

    const mapped_file& model_;
    std::map<std::string, std::shared_ptr<const mapped_file>> files_;
};

}  // namespace weightscope::detail
