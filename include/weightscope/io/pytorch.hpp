#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/pytorch_entry.hpp>
#include <weightscope/io/pytorch_legacy.hpp>
#include <weightscope/io/pytorch_zip.hpp>

namespace weightscope {

namespace detail {

inline model read_pytorch(const std::shared_ptr<const mapped_file>& file, const pytorch_options& options = {})
{
    const std::string_view text(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
    return text.starts_with("PK") ? read_torch_zip(file, options) : read_torch_legacy(file, options);
}

}  // namespace detail

/// Opens a checkpoint that PyTorch wrote: the archive of torch.save() and torch.jit.save(), or the stream of versions before 1.6.
///
///     const model m = read_pytorch("checkpoint.pt");
///     const model all = read_pytorch("checkpoint.pt", {.include_training_state = true});
///
/// Nothing that the file names is imported or called. Its pickles are read as descriptions of dicts, lists, numbers, texts and tensors;
/// an object of any other class counts as what it holds: its arguments, its items and its attributes. Reads headers and pickles only.
///
/// Tensors have the names that state_dict() gives them, also where a whole module was pickled. A key that stands around all weights
/// ("state_dict", "model", "module"...) is taken off. Tensors of optimizers, schedules and random generators are left out, and so are
/// moving averages of the weights where the weights stand beside them, unless `options` asks for them; then they have the names of all
/// keys that lead to them. metadata says how many were left out, and holds the numbers and texts near the root, such as the epoch.
///
/// Tensors that show the same elements of one storage are tied. Views at other strides, big-endian and deflated storages are decoded.
/// Quantized tensors are shown as the values that they stand for, (code - zero point) · scale in float, with their codes as NAME.int_repr
/// beside. Sparse tensors and four-bit codes are listed without values, and so are views that repeat elements once these repetitions are
/// more than 67,108,864 in the model.
///
/// @return format "PyTorch zip", "PyTorch legacy" or "TorchScript"
/// @throws io_error  with the byte and the field at fault
/// @note   time in proportion to the directory and the pickles; memory of at most some 250 MB for their objects, four times the size of a
///         pickle for what these hold, 256 MiB for names and, where a pickle is deflated, 64 MiB for it, whatever the file claims. A
///         deflated storage is inflated while it is visited.
/// @see    https://pytorch.org/docs/stable/notes/serialization.html
[[nodiscard]] inline model read_pytorch(const std::filesystem::path& path, const pytorch_options& options = {})
{
    const auto file = std::make_shared<const mapped_file>(path);
    return detail::read_verified(file.get(), [&] { return detail::read_pytorch(file, options); });
}

}  // namespace weightscope
