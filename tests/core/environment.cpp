#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/environment.hpp>

#include "../catch.hpp"

using namespace weightscope;

TEST_CASE("the environment names what runs the kernels")
{
    const auto path = instruction_path();
    CHECK((path == "avx512" || path == "avx2" || path == "baseline"));
    CHECK_FALSE(compiler_name().empty());
    CHECK_NOTHROW(cpu_name());
}

namespace {

struct sum_kernel
{
    [[gnu::always_inline]] double operator()(const double* x, std::size_t count) const
    {
        double sum = 0;
        for (std::size_t i = 0; i < count; ++i)
            sum += x[i];
        return sum;
    }
};

}  // namespace

TEST_CASE("a dispatched kernel returns what the kernel returns")
{
    const double x[] = {1, 2, 3.5};
    CHECK(detail::dispatch(sum_kernel{}, static_cast<const double*>(x), std::size_t{3}) == 6.5);
}
