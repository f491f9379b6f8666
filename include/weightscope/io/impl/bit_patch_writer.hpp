#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <random>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/io/atomic_file.hpp>
#include <weightscope/io/bit_patch.hpp>
#include <weightscope/io/bit_patch_writer.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/patch_plan.hpp>
#include <weightscope/io/zip_checksums.hpp>

namespace weightscope {

namespace detail {

// A folder that appears whole or not at all.
class bit_copy_folder
{
public:
    explicit bit_copy_folder(std::filesystem::path target) : target_(std::move(target))
    {
        std::error_code error;
        const std::filesystem::file_status status = std::filesystem::status(target_, error);
        if (std::filesystem::exists(status) && !(std::filesystem::is_directory(status) && std::filesystem::is_empty(target_, error)))
            throw write_error(target_, "exists already; the model has several files: name a new folder for their copies");
        std::random_device random;
        const std::filesystem::path whole = std::filesystem::absolute(target_);
        const std::filesystem::path parent = whole.has_filename() ? whole.parent_path() : whole.parent_path().parent_path();
        const std::filesystem::path name = fmt::format(".weightscope-{:08x}.tmp", random());
        temporary_ = parent / name;
        if (!std::filesystem::create_directory(temporary_, error))
            throw write_error(target_, fmt::format("cannot be made: {}; create the folder above it first", error.message()));
    }
    bit_copy_folder(const bit_copy_folder&) = delete;
    bit_copy_folder& operator=(const bit_copy_folder&) = delete;
    ~bit_copy_folder()
    {
        std::error_code ignored;
        if (!temporary_.empty())
            std::filesystem::remove_all(temporary_, ignored);
    }

    const std::filesystem::path& place() const { return temporary_; }

    void commit()
    {
        std::error_code error;
        std::filesystem::rename(temporary_, target_, error);
        if (error)
            throw write_error(target_, fmt::format("cannot be made: {}", error.message()));
        temporary_.clear();
    }

private:
    std::filesystem::path target_, temporary_;
};

// The files that a model consists of: for a folder all that lie in it, else the file itself and those that its tensors lie in.
inline std::set<std::filesystem::path> bit_files_of(const model& m)
{
    std::set<std::filesystem::path> files;
    if (std::filesystem::is_directory(m.path)) {
        for (const auto& entry : std::filesystem::directory_iterator(m.path))
            if (entry.is_regular_file())
                files.insert(entry.path());
    } else {
        files.insert(m.path);
    }
    for (const named_tensor& tensor : m.tensors)
        if (tensor.file && !std::any_of(files.begin(), files.end(), [&](const auto& file) {
                std::error_code error;
                return file == tensor.file->path() || std::filesystem::equivalent(file, tensor.file->path(), error);
            }))
            files.insert(tensor.file->path());
    return files;
}

inline const patch_plan* bit_plan_for(const bit_patch& patch, const std::filesystem::path& file)
{
    std::error_code error;
    for (const patch_plan& plan : patch.files)
        if (plan.file == file || std::filesystem::equivalent(plan.file, file, error))
            return &plan;
    return nullptr;
}

inline void write_bit_copy(const bit_patch& patch, const std::filesystem::path& from, const std::filesystem::path& to)
{
    patch_plan plan;
    if (const patch_plan* changes = bit_plan_for(patch, from))
        plan = *changes;
    else
        plan.file_bytes = std::filesystem::file_size(from);
    if (plan.file_bytes == 0) {  // a file beside the weights
        atomic_file(to).commit();
        return;
    }
    if (!plan.changes.empty()) {
        const mapped_file file(from);
        read_verified(&file, [&] {
            if (is_zip_archive(file))
                add_zip_checksums_inplace(plan, file);
        });
    }
    apply_patch(plan, from, to);
}

}  // namespace detail

WEIGHTSCOPE_INLINE bool is_copied_as_folder(const model& m, const bit_patch& patch, const std::filesystem::path& target)
{
    if (std::filesystem::is_directory(m.path))
        return true;
    if (detail::bit_files_of(m).size() == 1)
        return false;
    std::error_code error;
    const bool alone = std::all_of(patch.files.begin(), patch.files.end(),
                                   [&](const patch_plan& plan) { return std::filesystem::equivalent(plan.file, m.path, error); });
    const bool beside = std::filesystem::equivalent(std::filesystem::absolute(m.path).parent_path(), std::filesystem::absolute(target).parent_path(), error);
    return !(m.format == "ONNX" && alone && beside);
}

WEIGHTSCOPE_INLINE void write_bit_patch(const model& m, const bit_patch& patch, const std::filesystem::path& target)
{
    const std::set<std::filesystem::path> files = detail::bit_files_of(m);
    for (const std::filesystem::path& file : files) {
        std::error_code error;
        require(!std::filesystem::equivalent(file, target, error), "write_bit_patch(model, patch, target): {} is the model itself; name another file",
                target.string());
    }
    if (!is_copied_as_folder(m, patch, target)) {
        detail::write_bit_copy(patch, m.path, target);
        return;
    }
    const std::filesystem::path root = std::filesystem::is_directory(m.path) ? m.path : m.path.parent_path();
    detail::bit_copy_folder folder(target);
    for (const std::filesystem::path& file : files) {
        std::filesystem::path name = file.lexically_relative(root.empty() ? "." : root);
        if (name.empty() || *name.begin() == "..")
            throw write_error(target, fmt::format("'{}' lies outside of the model's folder; copy the model into one folder first", file.string()));
        make_folder((folder.place() / name).parent_path());
        detail::write_bit_copy(patch, file, folder.place() / name);
    }
    folder.commit();
}

}  // namespace weightscope
