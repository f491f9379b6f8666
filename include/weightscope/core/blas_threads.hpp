#pragma once

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <string>
#include <vector>

#if defined(__GNUC__) && !defined(_WIN32)
extern "C" {
[[gnu::weak]] void openblas_set_num_threads(int);
[[gnu::weak]] int openblas_get_num_threads(void);
[[gnu::weak]] char* openblas_get_config(void);
}
#endif

namespace weightscope {

/// Name, version and build of the BLAS where it is OpenBLAS; empty otherwise.
[[nodiscard]] inline std::string blas_name()
{
#if defined(__GNUC__) && !defined(_WIN32)
    if (openblas_get_config)
        return openblas_get_config();
#endif
    return {};
}

}  // namespace weightscope

namespace weightscope::detail {

/// While one lives, BLAS calls use at most `threads` threads; where several live, the smallest number counts. The setting belongs
/// to the process. Without effect where BLAS is not OpenBLAS.
class blas_threads
{
public:
    explicit blas_threads(std::size_t threads) : threads_(static_cast<int>(threads))
    {
        const std::lock_guard lock(mutex());
        if (living().empty())
            before() = current();
        living().push_back(threads_);
        set(*std::min_element(living().begin(), living().end()));
    }
    ~blas_threads()
    {
        const std::lock_guard lock(mutex());
        living().erase(std::find(living().begin(), living().end(), threads_));
        set(living().empty() ? before() : *std::min_element(living().begin(), living().end()));
    }
    blas_threads(const blas_threads&) = delete;
    blas_threads& operator=(const blas_threads&) = delete;

private:
    static std::mutex& mutex()
    {
        static std::mutex one;
        return one;
    }
    static std::vector<int>& living()
    {
        static std::vector<int> limits;
        return limits;
    }
    static int& before()
    {
        static int threads = 0;
        return threads;
    }
    static int current()
    {
#if defined(__GNUC__) && !defined(_WIN32)
        if (openblas_get_num_threads)
            return openblas_get_num_threads();
#endif
        return 0;
    }
    static void set([[maybe_unused]] int threads)
    {
#if defined(__GNUC__) && !defined(_WIN32)
        if (openblas_set_num_threads && threads > 0 && threads != current())
            openblas_set_num_threads(threads);
#endif
    }

    int threads_;
};

}  // namespace weightscope::detail
