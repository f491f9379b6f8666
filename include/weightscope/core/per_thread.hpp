#pragma once

#include <oneapi/tbb/enumerable_thread_specific.h>

namespace weightscope::detail {

// One value of type T for each thread that asks for one, made by `make()`.
//
//     per_thread<std::vector<float>> buffers([] { return std::vector<float>(1024); });
//     parallel_for(rows, [&](std::size_t row) { std::vector<float>& buffer = buffers.local(); ... });
template <class T>
using per_thread = oneapi::tbb::enumerable_thread_specific<T>;

}  // namespace weightscope::detail
