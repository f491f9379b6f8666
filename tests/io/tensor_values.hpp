// The values of a tensor of a model, for tests that know their type.
#pragma once

#include <cstddef>
#include <cstring>
#include <vector>

#include <weightscope/io/model.hpp>

template <class T>
std::vector<T> values(const weightscope::named_tensor& tensor)
{
    const std::vector<std::byte> bytes = weightscope::detail::value_bytes_of(tensor);
    std::vector<T> result(bytes.size() / sizeof(T));
    if (!result.empty())
        std::memcpy(result.data(), bytes.data(), result.size() * sizeof(T));
    return result;
}
