#pragma once

#include <weightscope/cuda/error.cuh>

#include <cstddef>
#include <cstdint>
#include <utility>

#include <weightscope/cuda/view.cuh>

namespace weightscope::detail {

// What a kernel needs of a view.
template <class T>
struct strided_numbers
{
    const T* data = nullptr;
    std::size_t rows = 0, cols = 0, row_stride = 0;
};

// One long row where there are no gaps: tiles then need not end with the rows. `Bits` is T, or the integer of its width.
template <class Bits, class T>
[[nodiscard]] strided_numbers<Bits> numbers_of(const device_view<T>& view)
{
    static_assert(sizeof(Bits) == sizeof(T));
    const auto* data = reinterpret_cast<const Bits*>(view.data);
    return view.contiguous() ? strided_numbers<Bits>{data, 1, view.size(), view.size()}
                             : strided_numbers<Bits>{data, view.rows, view.cols, view.row_stride};
}

template <class T>
struct alignas(16) number_pack
{
    static constexpr unsigned count = 16 / sizeof(T);
    T values[count];
};

// f(0), f(1)... f(Count - 1), none of them in a loop: arrays that such numbers index stay in registers.
template <unsigned Count, class F>
__device__ void unrolled(const F& f)
{
    [&]<unsigned... I>(std::integer_sequence<unsigned, I...>) { (f(I), ...); }(std::make_integer_sequence<unsigned, Count>());
}

inline constexpr unsigned packs_in_flight = 4;  // loads that a thread has under way before it uses the first

// Numbers that a block takes at a time.
template <class T>
__host__ __device__ std::size_t tile_size(unsigned threads)
{
    return std::size_t{packs_in_flight} * number_pack<T>::count * threads;
}

template <class T>
__host__ __device__ std::size_t tile_count(const strided_numbers<T>& w, unsigned threads)
{
    return (w.cols + tile_size<T>(threads) - 1) / tile_size<T>(threads) * w.rows;
}

// Sees every number once: pack(neighbours of 16 bytes, place of the first in row-major order) where they are aligned to that, and
// number(number, its place) elsewhere. The blocks of the grid's first dimension share them; which thread sees which number depends on the
// shape of the launch alone.
template <class T, class Pack, class Number>
__device__ void visit_packs(const strided_numbers<T>& w, const Pack& pack, const Number& number)
{
    const std::size_t tile = tile_size<T>(blockDim.x), tiles_per_row = (w.cols + tile - 1) / tile, tiles = tiles_per_row * w.rows;
    for (std::size_t t = blockIdx.x; t < tiles; t += gridDim.x) {
        const std::size_t row = t / tiles_per_row, begin = (t - row * tiles_per_row) * tile, first = row * w.cols + begin;
        const T* place = w.data + row * w.row_stride + begin;
        const std::size_t left = w.cols - begin, count = left < tile ? left : tile;
        if (count == tile && reinterpret_cast<std::uintptr_t>(place) % sizeof(number_pack<T>) == 0) {
            number_pack<T> packs[packs_in_flight];
            unrolled<packs_in_flight>([&](unsigned k) { packs[k] = reinterpret_cast<const number_pack<T>*>(place)[k * blockDim.x + threadIdx.x]; });
            unrolled<packs_in_flight>([&](unsigned k) { pack(packs[k], first + (std::size_t{k} * blockDim.x + threadIdx.x) * number_pack<T>::count); });
        } else {
            for (std::size_t i = threadIdx.x; i < count; i += blockDim.x)
                number(place[i], first + i);
        }
    }
}

// Calls f(number, its place in row-major order) for every number once.
template <class T, class F>
__device__ void visit_numbers(const strided_numbers<T>& w, const F& f)
{
    visit_packs(
        w,
        [&](const number_pack<T>& pack, std::size_t place) {
            for (unsigned i = 0; i < number_pack<T>::count; ++i)
                f(pack.values[i], place + i);
        },
        f);
}

}  // namespace weightscope::detail
