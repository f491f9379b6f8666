#pragma once

#if __has_include(<sys/mman.h>)

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <weightscope/core/error.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/safetensors.hpp>

namespace weightscope::detail {

// A file mapped for reading and writing, shared with whoever else maps it.
class shared_map
{
public:
    explicit shared_map(const std::filesystem::path& path)
    {
        const int descriptor = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
        int error = descriptor < 0 ? errno : 0;
        if (error == 0) {
            size_ = static_cast<std::size_t>(::lseek(descriptor, 0, SEEK_END));
            void* const address = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
            error = address == MAP_FAILED ? errno : 0;
            data_ = static_cast<std::byte*>(error == 0 ? address : nullptr);
        }
        if (descriptor >= 0) {
            ::fchmod(descriptor, 0400);  // others may look, and must not shorten it
            ::close(descriptor);
        }
        if (error != 0)
            throw write_error(path, fmt::format("cannot be mapped into memory: {}", std::generic_category().message(error)));
    }
    shared_map(const shared_map&) = delete;
    shared_map& operator=(const shared_map&) = delete;
    ~shared_map()
    {
        if (data_ != nullptr)
            ::munmap(data_, size_);
    }
    std::span<std::byte> bytes() const { return {data_, size_}; }

private:
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

// A model's weights in one safetensors file, to be changed. The model's own files are never written to. Encoded weights are decoded.
class working_copy
{
public:
    working_copy(const model& source, const std::filesystem::path& path) : working_copy(written(source, path))
    {
        for (std::size_t i = 0; i < infos_.size(); ++i)
            for (const named_tensor& tensor : source.tensors)
                if (tensor.name == infos_[i].name)
                    infos_[i].tied_to = tensor.tied_to;
        for (std::size_t i = 0; i < infos_.size(); ++i)
            for (std::size_t owner = 0; owner < i && !infos_[i].tied_to.empty(); ++owner)
                if (infos_[owner].name == infos_[i].tied_to)
                    copies_[owner].push_back(i);
    }

    // A second copy, as the weights are now.
    working_copy(const working_copy& source, const std::filesystem::path& path)
        : path_(copied(source.path_, path)), infos_(source.infos_), offsets_(source.offsets_), copies_(source.copies_), map_(path)
    {
    }

    const std::filesystem::path& path() const { return path_; }
    const std::vector<weight_info>& weights() const { return infos_; }

    void read(std::size_t tensor, std::size_t offset, std::span<std::byte> bytes) const
    {
        const auto from = part(tensor, offset, bytes.size());
        std::copy(from.begin(), from.end(), bytes.begin());
    }
    void write(std::size_t tensor, std::size_t offset, std::span<const std::byte> bytes)
    {
        const auto to = part(tensor, offset, bytes.size());
        std::copy(bytes.begin(), bytes.end(), to.begin());
        for (const std::size_t copy : copies_[tensor])  // tied tensors have one storage in the model and two in the file
            std::copy(bytes.begin(), bytes.end(), part(copy, offset, bytes.size()).begin());
    }

    // Numbers of the tensors, in the order of their bytes.
    std::vector<std::size_t> file_order() const
    {
        std::vector<std::size_t> order(infos_.size());
        for (std::size_t i = 0; i < order.size(); ++i)
            order[i] = i;
        std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
            return offsets_[a] != offsets_[b] ? offsets_[a] < offsets_[b] : a < b;
        });
        return order;
    }

private:
    explicit working_copy(const model& opened) : path_(opened.path), copies_(opened.tensors.size()), map_(path_)
    {
        for (const named_tensor& tensor : opened.tensors) {
            infos_.push_back({.name = tensor.name, .shape = tensor.shape, .dtype = tensor.dtype});
            offsets_.push_back(tensor.offset);
        }
    }

    static model written(const model& source, const std::filesystem::path& path)
    {
        std::vector<tensor_to_write> tensors;
        std::vector<std::vector<std::byte>> decoded;
        for (const named_tensor& tensor : source.tensors) {
            if (tensor.decoder)
                decoded.push_back(value_bytes_of(tensor));
            tensors.push_back({.name = tensor.name, .dtype = tensor.dtype, .shape = tensor.shape, .bytes = tensor.decoder ? decoded.back() : tensor.bytes});
        }
        write_safetensors(path, tensors);
        for (const named_tensor& tensor : source.tensors)
            if (tensor.file)
                tensor.file->verify();
        return weightscope::read_safetensors(path);
    }
    static const std::filesystem::path& copied(const std::filesystem::path& from, const std::filesystem::path& to)
    {
        std::filesystem::copy_file(from, to);
        std::filesystem::permissions(to, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
        return to;
    }

    std::span<std::byte> part(std::size_t tensor, std::size_t offset, std::size_t count) const
    {
        require(tensor < infos_.size(), "process_evaluator: tensor is {}, expected below {}", tensor, infos_.size());
        const std::size_t bytes = infos_[tensor].size() * bits_of(infos_[tensor].dtype) / 8;
        require(offset <= bytes && count <= bytes - offset, "process_evaluator: bytes {} to {} of tensor {} are asked for, which has {}",
                offset, offset + count, tensor, bytes);
        return map_.bytes().subspan(offsets_[tensor] + offset, count);
    }

    std::filesystem::path path_;
    std::vector<weight_info> infos_;
    std::vector<std::size_t> offsets_;
    std::vector<std::vector<std::size_t>> copies_;
    shared_map map_;
};

}  // namespace weightscope::detail

#endif
