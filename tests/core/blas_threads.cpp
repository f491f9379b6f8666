#include <memory>

#include <weightscope/core/blas_threads.hpp>

#include "../catch.hpp"

using weightscope::detail::blas_threads;

TEST_CASE("the smallest limit that lives counts, whichever ends first, and the last one puts back what was there")
{
    if (!openblas_get_num_threads) {
        WARN("skipped: this BLAS is not OpenBLAS");
        return;
    }
    const int before = openblas_get_num_threads();
    openblas_set_num_threads(2);
    auto many = std::make_unique<blas_threads>(2);
    auto one = std::make_unique<blas_threads>(1);
    CHECK(openblas_get_num_threads() == 1);
    auto another = std::make_unique<blas_threads>(1);
    one.reset();
    CHECK(openblas_get_num_threads() == 1);
    another.reset();
    CHECK(openblas_get_num_threads() == 2);
    one = std::make_unique<blas_threads>(1);
    many.reset();  // ends before the one that began later
    CHECK(openblas_get_num_threads() == 1);
    one.reset();
    CHECK(openblas_get_num_threads() == 2);
    openblas_set_num_threads(before);
}
