#pragma once
// One of the streams that a scan keeps busy on a device.

#include <weightscope/cuda/error.cuh>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <exception>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/cuda/elements.cuh>
#include <weightscope/cuda/launch.cuh>
#include <weightscope/cuda/memory.cuh>
#include <weightscope/cuda/scan_share.cuh>
#include <weightscope/cuda/solver.cuh>
#include <weightscope/cuda/spectral.cuh>
#include <weightscope/cuda/stream.cuh>
#include <weightscope/cuda/view.cuh>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/scan_result.hpp>
#include <weightscope/study/scan_tensor.hpp>

namespace weightscope::detail {

// `to` is the transpose of `from`, [rows, cols]. A tile of 32 x 32 for each block at a time, so that both sides are read and written in
// runs; its rows are a number longer, so that lanes do not meet in one bank.
template <class T>
__global__ void __launch_bounds__(256) transpose_tiles(const T* from, std::size_t rows, std::size_t cols, T* to)
{
    constexpr unsigned side = 32;
    __shared__ T tile[side][side + 1];
    const std::size_t tiles_per_row = (cols + side - 1) / side, tiles = tiles_per_row * ((rows + side - 1) / side);
    for (std::size_t t = blockIdx.x; t < tiles; t += gridDim.x) {
        const std::size_t i0 = t / tiles_per_row * side, j0 = t % tiles_per_row * side;
        __syncthreads();  // who read the tile before is done
        for (unsigned k = threadIdx.x; k < side * side; k += blockDim.x) {
            const unsigned i = k / side, j = k % side;
            if (i0 + i < rows && j0 + j < cols)
                tile[i][j] = from[(i0 + i) * cols + j0 + j];
        }
        __syncthreads();
        for (unsigned k = threadIdx.x; k < side * side; k += blockDim.x) {
            const unsigned i = k % side, j = k / side;
            if (i0 + i < rows && j0 + j < cols)
                to[(j0 + j) * rows + i0 + i] = tile[i][j];
        }
    }
}

// Values of a tensor, from number `first` on, as an array of its dtype.
inline void read_values(const named_tensor& tensor, std::size_t first, std::span<std::byte> to)
{
    constexpr std::size_t tile = 65536;
    const std::size_t element = bits_of(tensor.dtype) / 8, count = to.size() / element;
    parallel_for((count + tile - 1) / tile, [&](std::size_t i) {
        const std::size_t begin = i * tile;
        const std::span<std::byte> part = to.subspan(begin * element, std::min(tile, count - begin) * element);
        if (tensor.decoder)
            tensor.decoder->decode(first + begin, part);
        else
            std::memcpy(part.data(), tensor.bytes.data() + (first + begin) * element, part.size());
    });
}

enum class lane_outcome
{
    done,
    did_not_fit,  // into the memory of the device
    failed,       // for a reason that the host will find too, or that is the device's alone
};

// Takes tensors to the device through two pieces of pinned memory, of which one is filled while the other is copied, and analyses them there.
// While it waits for the device, another one can be at work: two of them have copies and kernels overlap.
class scan_lane
{
public:
    scan_lane() = default;
    scan_lane(const scan_lane&) = delete;
    scan_lane& operator=(const scan_lane&) = delete;
    ~scan_lane() { static_cast<void>(cudaStreamSynchronize(stream_.get())); }  // copies read the pinned memory

    // @throws cuda_error  the device is lost for all
    lane_outcome analyze(const named_tensor& tensor, layer_result& layer, const scan_options& options)
    {
        lane_outcome outcome = lane_outcome::failed;
        try {
            require_visitable(tensor);
            with_scalar(tensor.dtype, [&]<class T>(std::type_identity<T>) {
                if constexpr (is_scanned(dtype_of<T>))
                    analyze_as<T>(tensor, layer, options);
            });
            return lane_outcome::done;
        } catch (const cuda_error& error) {
            if (error.name() == "cudaErrorMemoryAllocation" || error.name() == "CUBLAS_STATUS_ALLOC_FAILED" || error.name() == "cusolverStatus_t 2")
                outcome = lane_outcome::did_not_fit;
            else if (error.name().starts_with("cudaError"))
                throw;
        } catch (const std::exception&) {  // whatever it is, the host's function will tell
        }
        layer.take_figures({});
        solver_.reset();  // with the memory that it holds
        return outcome;
    }

private:
    static constexpr std::size_t piece_bytes = std::size_t{8} << 20;

    template <class T>
    device_memory<T> upload(const named_tensor& tensor)
    {
        constexpr std::size_t piece = piece_bytes / sizeof(T);
        const std::size_t count = tensor.size();
        device_memory<T> weights(count, stream_.get());
        read_verified(tensor.file.get(), [&] {
            for (std::size_t first = 0, turn = 0; first < count; first += piece, turn = 1 - turn) {
                const std::size_t size = std::min(piece, count - first);
                if (staging_[turn].size() == 0)
                    staging_[turn] = pinned_memory<std::byte>(piece_bytes);
                copied_[turn].wait();
                read_values(tensor, first, {staging_[turn].data(), size * sizeof(T)});
                copy_to_device(std::span<const T>(reinterpret_cast<const T*>(staging_[turn].data()), size), weights.data() + first, stream_.get());
                copied_[turn].record(stream_.get());
            }
        });
        return weights;
    }

    template <class T>
    void analyze_as(const named_tensor& tensor, layer_result& layer, const scan_options& options)
    {
        device_memory<T> weights = upload<T>(tensor);
        if (!solver_)
            solver_.emplace(stream_.get());
        device_view<T> view = view_of_device(static_cast<const T*>(weights.data()), tensor.shape, stream_.get());
        if (layer.transposed) {
            using bits = std::conditional_t<sizeof(T) == 4, unsigned, std::conditional_t<sizeof(T) == 2, unsigned short, unsigned char>>;
            device_memory<T> turned(view.size(), stream_.get());
            const unsigned most = 8 * solver_->workspace().multiprocessors();
            launch(transpose_tiles<bits>, "transpose_tiles",
                   {.grid = blocks_for((view.rows + 31) / 32 * ((view.cols + 31) / 32), most), .threads = 128, .stream = stream_.get()},
                   reinterpret_cast<const bits*>(weights.data()), view.rows, view.cols, reinterpret_cast<bits*>(turned.data()));
            weights = std::move(turned);
            view = view_of_device(static_cast<const T*>(weights.data()), {view.cols, view.rows}, stream_.get());
        }
        take_elements(weightscope::analyze_elements(view, wanted_elements(options), solver_->workspace()), layer);
        if (may_have_bit_flips(layer))
            visit(tensor, [&](const auto& elements) {
                with_source(elements, [&](const weight_source& source) { search_bit_flips(source, layer); });
            });
        if (options.spectral && view.is_matrix)
            layer.spectral = analyze_spectral(view, wanted_spectra(options), *solver_);
    }

    cuda_stream stream_;
    std::array<pinned_memory<std::byte>, 2> staging_;
    std::array<cuda_event, 2> copied_;
    std::optional<cuda_solver> solver_;
};

}  // namespace weightscope::detail
