#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/value_decoder.hpp>

namespace weightscope::detail {

// A weight found in its parts, or why they are none.
struct joined_weight
{
    std::string name = {};
    std::vector<std::size_t> shape = {};
    std::string encoding = {};
    std::shared_ptr<const value_decoder> decoder = {};
    std::vector<const named_tensor*> parts = {};  // the codes first
    std::string fault = {};
};

// The tensors of a model by name, for those that look for parts.
class tensor_parts
{
public:
    explicit tensor_parts(const model& m)
    {
        for (const named_tensor& tensor : m.tensors)
            by_name_.emplace(tensor.name, &tensor);
    }

    const named_tensor* find(const std::string& name) const
    {
        const auto found = by_name_.find(name);
        return found == by_name_.end() ? nullptr : found->second;
    }

private:
    std::unordered_map<std::string_view, const named_tensor*> by_name_;
};

inline bool is_matrix_tensor(const named_tensor* tensor, dtype type)
{
    return tensor != nullptr && tensor->dtype == type && tensor->shape.size() == 2 && !tensor->decoder && tensor->size() > 0;
}

inline bool is_scale(const named_tensor* tensor)
{
    return tensor != nullptr && tensor->dtype <= dtype::bfloat16 && tensor->size() > 0;
}

}  // namespace weightscope::detail
