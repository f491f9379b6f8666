#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/pickle.hpp>
#include <weightscope/io/pytorch_entry.hpp>
#include <weightscope/io/pytorch_tensor.hpp>
#include <weightscope/io/pytorch_view.hpp>

namespace weightscope::detail {

// Finds the storage that a claim means, or throws.
using torch_storage_lookup = std::function<torch_storage(const torch_storage_claim&)>;

// Turns the tensors of a checkpoint into those of a model.
class torch_model_builder
{
public:
    torch_model_builder(std::shared_ptr<const mapped_file> file, std::vector<named_tensor>& tensors);

    void add(const std::vector<torch_entry>& entries, const pickle_source& source, const torch_storage_lookup& lookup);

private:
    static constexpr std::uint64_t most_repeated = std::uint64_t{1} << 26;

    void add(const std::string& name, const torch_tensor& tensor);

    // A name that no other tensor has.
    std::string unique(std::string name);

    named_tensor make(const std::string& name, const torch_tensor& tensor);

    // The codes become a part of what they stand for.
    void add_quantized(named_tensor codes, const torch_tensor& tensor);

    static bool is_dense(const torch_tensor& tensor);

    // The same elements in the same order, seen before under another name.
    void tie(named_tensor& result, const torch_tensor& tensor);

    std::shared_ptr<const mapped_file> file_;
    const pickle_source* source_ = nullptr;          // of the entries being added
    const torch_storage_lookup* lookup_ = nullptr;
    std::vector<named_tensor>& tensors_;
    std::unordered_set<std::string> names_;
    std::uint64_t repeated_elements_ = 0;                    // of all tensors so far, beyond those that lie in storages
    std::unordered_map<std::string, std::size_t> repeated_;  // how often a name has come again
    std::unordered_map<std::string, std::string> places_;    // name of the first tensor there
};

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/pytorch_model.hpp>
#endif
